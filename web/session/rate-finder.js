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
/** The next images are not here; or not even announced, but on their way. */
const NOT_YET = ['DATA_PENDING', 'NO_DATA'];
/** How soon to look again for them. */
const WAIT_MS = 50;

/** @type {RateTestResult} */
const NOTHING = {
  rates: new Float64Array(0),
  losses: new Float64Array(0),
  steepest: NaN,
  lowest: NaN,
  blowUp: NaN,
  suggested: NaN,
};

export class RateFinder {
  #trainer;
  #ticker = new Ticker(() => this.#turn());
  /** The description that is wanted; null while none is. @type {string | null} */
  #run = null;
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
  async find(run) {
    this.stop();
    this.#trainer.describeRun(run);
    this.#run = run;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#ticker.soon();
    });
  }

  /** End the test that is under way with what it has found. */
  stop() {
    if (this.#run === null) return;
    this.#run = null;
    const result = this.#test?.result() ?? NOTHING;
    this.#test?.close();
    this.#test = null;
    this.#resolve(result);
  }

  /** Stop for good. */
  close() {
    this.stop();
    this.#ticker.close();
  }

  #turn() {
    if (this.#run === null) return;
    try {
      this.#test ??= this.#trainer.beginRateTest({ run: this.#run });
      const end = performance.now() + SLICE_MS;
      do this.#test.step(); while (!this.#test.done && performance.now() < end);
      if (this.#test.done) this.stop();
      else this.#ticker.soon();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof CoreError && NOT_YET.includes(error.code)) {
      this.#ticker.later(WAIT_MS);
      return;
    }
    this.#run = null;
    this.#test?.close();
    this.#test = null;
    this.#reject(error);
  }
}
