/**
 * Doing work in turns, so that messages are heard in between: each turn is a
 * task of its own. A posted message comes back at once, where a timer would be
 * held back by some milliseconds. Node has setImmediate for that (and hears a
 * thousand messages of one port before anything else).
 *
 * @module
 */

/**
 * A function that makes a task of its own for `turn`, and one that stops it.
 * @param {() => void} turn
 */
function taskPoster(turn) {
  if (typeof setImmediate === 'function') {
    return { post: () => setImmediate(turn), close: () => {} };
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = turn;
  return { post: () => port2.postMessage(0), close: () => port1.close() };
}

export class Ticker {
  #task;
  #posted = false;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => void} turn   called once for every `soon` or `later` */
  constructor(turn) {
    this.#task = taskPoster(() => {
      this.#posted = false;
      if (!this.#closed) turn();
    });
  }

  /** A turn as soon as what is waiting has been heard. */
  soon() {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#posted || this.#closed) return;
    this.#posted = true;
    this.#task.post();
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
    this.#closed = true;
    this.#task.close();
  }
}
