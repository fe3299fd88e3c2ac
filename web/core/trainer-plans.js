/**
 * The part of a trainer that tells what a run would do, without running it: what
 * a description becomes, which settings are idle, the planned learning rate,
 * augmented images, and the range test.
 *
 * @module
 */

import * as check from './check.js';
import { IMAGES_MAX } from './data.js';
import { distort, lightRun, lookAt, plannedRates, readNotes } from './preview.js';
import { RateTest, sweptRun } from './rate-test.js';
import { readRun, runValues } from './tables.js';
import { TrainerNetwork } from './trainer-network.js';

/**
 * @typedef {import('./holding.js').Holding} Holding
 * @typedef {import('./preview.js').RateCurve} RateCurve
 * @typedef {import('./rate-test.js').RateTestResult} RateTestResult
 * @typedef {import('./tables.js').RunText} RunText
 * @typedef {import('../protocol.js').Option} Option
 */

export class TrainerPlans extends TrainerNetwork {
  #held;
  #options;

  /**
   * @param {Holding} held
   * @param {readonly Option[]} options   the engine's table
   */
  constructor(held, options) {
    super(held);
    this.#held = held;
    this.#options = options;
  }

  /**
   * Check a run description without using it.
   * @param {string} run
   * @returns {RunText}
   */
  describeRun(run) {
    return readRun(this.#held.core, check.text(run, 'run'));
  }

  /**
   * Why settings have no effect beside the others, as sentences: "Only the
   * optimisers momentum and nesterov use it."
   * @param {string} [run]   default: the present description
   * @returns {Record<string, string>} key → sentence, only where there is one
   */
  notes(run) {
    const text = run === undefined ? this.#held.runText : check.text(run, 'run');
    return readNotes(this.#held.core, this.#options, text);
  }

  /**
   * The learning rate as it is planned over the whole run.
   * @param {number} [points]   places at which it is told, ends included
   * @param {string} [run]      default: the present description
   * @returns {RateCurve}
   */
  learningRates(points = 200, run = undefined) {
    const count = check.wholeNumber(points, 'points', 1, 100_000);
    const { core, handle } = this.#held;
    if (run === undefined) return plannedRates(core, handle, count);
    return this.#glance(run, (glanced) => plannedRates(core, glanced, count));
  }

  /**
   * Images as augmentation distorts them in an epoch: image i as training image
   * number `first + i` would be. Without augmentation they come back unchanged.
   * @param {Uint8Array | ArrayBuffer} images   [count,784], ink 0..255
   * @param {number} epoch                      0 is the first
   * @param {{first?: number, run?: string}} [options]
   *   `run`: a description that is asked in place of the present one
   * @returns {Uint8Array} [count,784]
   */
  augmented(images, epoch, options = {}) {
    const { first = 0, run } = check.record(options, 'options');
    const { pixels } = check.images(images, 'images', false);
    const inks = /** @type {Uint8Array} */ (pixels);
    const { core, handle } = this.#held;
    const at = check.wholeNumber(epoch, 'epoch', 0, 1_000_000);
    const from = check.wholeNumber(first, 'first', 0, IMAGES_MAX);
    if (run === undefined) return distort(core, handle, inks, at, from);
    return this.#glance(run, (glanced) => distort(core, glanced, inks, at, from));
  }

  /**
   * The learning-rate range test: a throw-away copy of the network, with fresh
   * weights, trains on the run's own batches while the rate rises from `from` to
   * `to`; ends early when the loss explodes. Network, optimiser and position of
   * this trainer are not touched.
   * @param {{from?: number, to?: number, steps?: number, run?: string}} [options]
   *   `run`: a description that is tested in place of the present one
   * @returns {RateTestResult}
   * @throws {CoreError} NO_DATA, DATA_PENDING, BAD_ARGUMENT
   */
  findRate(options = {}) {
    const test = this.beginRateTest(options);
    try {
      while (!test.done) test.step();
      return test.result();
    } finally {
      test.close();
    }
  }

  /**
   * The same in slices: call `step` until it is `done`, read the `result`, and
   * `close`. Another test, or another data set, closes it.
   * @param {{from?: number, to?: number, steps?: number, run?: string}} [options]
   * @returns {RateTest}
   */
  beginRateTest(options = {}) {
    const { from = 1e-5, to = 10, steps = 150, run } = check.record(options, 'options');
    const lowest = check.amount(from, 'from', 1e-12, 1e6);
    const range = {
      from: lowest,
      to: check.amount(to, 'to', lowest, 1e9),
      steps: check.wholeNumber(steps, 'steps', 10, 10_000),
    };
    const held = this.#held;
    const values = run === undefined ? runValues(held.runText)
      : this.describeRun(check.text(run, 'run')).values;
    held.needData();
    held.rateTest?.close();
    held.rateTest = new RateTest(held.core, held.make(sweptRun(values)), range);
    return held.rateTest;
  }

  /**
   * Look at a description through a trainer of its own.
   * @template T
   * @param {unknown} run
   * @param {(handle: number) => T} body
   * @returns {T}
   */
  #glance(run, body) {
    const { values } = this.describeRun(check.text(run, 'run'));
    return lookAt(this.#held.core, () => this.#held.make(lightRun(values)), body);
  }
}
