/**
 * The range test in turns of its own, beside whatever trains: it works on a copy
 * of the network, so nothing has to stop for it.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';
import { Ticker } from './ticker.js';

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../core/rate-test.js').RateTest} RateTest
 * @typedef {import('../protocol.js').RateTest} RateTestResult
 */

const SLICE_MS = 10;
/** How soon to look again for images that have not come. */
const WAIT_MS = 50;

export class RateFinder {
  #trainer;
  #ticker = new Ticker(() => this.#turn());
  /** @type {RateTest | null} */
  #test = null;
  /** @type {(result: RateTestResult) => void} */
  #resolve = () => {};
  /** @type {(error: unknown) => void} */
  #reject = () => {};

  /** @param {Trainer} trainer */
  constructor(trainer) {
    this.#trainer = trainer;
  }

  /**
   * Test a description; one that is under way ends with what it has found.
   * @param {string} run
   * @returns {Promise<RateTestResult>}
   */
  find(run) {
    this.stop();
    this.#test = this.#trainer.beginRateTest({ run });
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#ticker.soon();
    });
  }

  /** End the test that is under way with what it has found. */
  stop() {
    const test = this.#test;
    this.#test = null;
    test?.close();
    if (test) this.#resolve(test.result());
  }

  /** Stop for good. */
  close() {
    this.stop();
    this.#ticker.close();
  }

  #turn() {
    const test = this.#test;
    if (!test) return;
    try {
      const end = performance.now() + SLICE_MS;
      do test.step(); while (!test.done && performance.now() < end);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (test.done) this.stop();
    else this.#ticker.soon();
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof CoreError && error.code === 'DATA_PENDING') {
      this.#ticker.later(WAIT_MS);
      return;
    }
    this.#test?.close();
    this.#test = null;
    this.#reject(error);
  }
}
