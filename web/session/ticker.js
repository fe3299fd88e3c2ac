/**
 * Doing work in turns, so that messages are heard in between: each turn is a
 * task of its own. A posted message comes back at once, where a timer would be
 * held back by some milliseconds.
 *
 * @module
 */

export class Ticker {
  #channel = new MessageChannel();
  #posted = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => void} turn   called once for every `soon` or `later` */
  constructor(turn) {
    this.#channel.port1.onmessage = () => {
      this.#posted = false;
      turn();
    };
  }

  /** A turn as soon as what is waiting has been heard. */
  soon() {
    clearTimeout(this.#timer);
    if (this.#posted) return;
    this.#posted = true;
    this.#channel.port2.postMessage(0);
  }

  /**
   * A turn after some time, unless `soon` comes first.
   * @param {number} ms
   */
  later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.soon(), ms);
  }

  /** No more turns. */
  close() {
    clearTimeout(this.#timer);
    this.#channel.port1.close();
  }
}
