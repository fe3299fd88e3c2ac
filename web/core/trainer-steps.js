/**
 * The part of a trainer that trains: steps, epochs, slices of time, how far it
 * has come, and when it is over.
 *
 * @module
 */

import * as check from './check.js';
import { CoreError } from './errors.js';
import { EVALUATION, NUMBER } from './layout.js';
import { runValues } from './tables.js';
import { TrainerPlans } from './trainer-plans.js';

/**
 * @typedef {import('./holding.js').Holding} Holding
 * @typedef {import('./stopping.js').Ended} Ended
 * @typedef {import('../protocol.js').Option} Option
 *
 * Everything the trainer counts; NaN where nothing is known yet.
 * @typedef {Record<keyof typeof NUMBER, number>} Metrics
 */

const NUMBER_NAMES = /** @type {(keyof typeof NUMBER)[]} */ (Object.keys(NUMBER));

/** Steps in one call of the engine. */
const STEPS_MAX = 2 ** 30;

export class TrainerSteps extends TrainerPlans {
  #held;
  /** Means over what the last steps trained, before weights went back. */
  #trained = { meanLoss: NaN, meanAccuracy: NaN };

  /**
   * @param {Holding} held
   * @param {readonly Option[]} options   the engine's table
   */
  constructor(held, options) {
    super(held, options);
    this.#held = held;
  }

  /**
   * Make up to `count` steps, across epochs. Fewer are made when the run ends,
   * or when the next images have not come; none, and the reason is thrown:
   * NO_DATA, DATA_PENDING, NOT_FINITE. At the end of an epoch early stopping and
   * the target accuracy are judged.
   * @param {number} [count]
   * @returns {number} steps made; 0 when the run has ended
   */
  step(count = 1) {
    const wanted = check.wholeNumber(count, 'count', 1, STEPS_MAX);
    return this.#steps((done) => wanted - done);
  }

  /**
   * As `step`, but ends early at the end of an epoch, and leaves it to the caller
   * to judge when `judgementDue`. This is the engine's own call: the cheapest way
   * to train in slices.
   * @param {number} most
   */
  advance(most) {
    const wanted = check.wholeNumber(most, 'most', 1, STEPS_MAX);
    this.#held.needData();
    const made = this.#engineSteps(wanted);
    if (made < 0) throw this.#held.core.fault();
    return made;
  }

  /**
   * Whether early stopping or the target accuracy must be judged before the next
   * step: evaluate the validation set, then call `judge`.
   */
  get judgementDue() {
    const held = this.#held;
    return held.stopping.isDue(this.#place()) && held.number('validationCount') > 0;
  }

  /**
   * Judge the run by the validation set, which must have been evaluated just now,
   * as a whole. When the run ends by early stopping, the weights and the position
   * of its best epoch are back afterwards.
   * @returns {Ended | null} why the run has ended; null when it goes on
   */
  judge() {
    const { core, handle, stopping, evaluating } = this.#held;
    const place = this.#place();
    if (evaluating !== 'validation') {
      throw new CoreError(
        'BAD_ARGUMENT', 'The validation set must be evaluated before the run is judged.',
      );
    }
    const accuracy = core.call('soma_evaluation_number', handle, EVALUATION.accuracy);
    const timeIsUp = stopping.limit(place) === 'seconds';
    const ended = timeIsUp ? this.#judgeAsLast(place.step)
      : core.call('soma_trainer_judge', handle) === 1;
    stopping.judged(place, accuracy, ended);
    return this.ended;
  }

  /** Why the run has ended; null while steps are left to be made. */
  get ended() {
    return this.#held.stopping.early ?? this.#held.stopping.limit(this.#place());
  }

  /**
   * Milliseconds spent in training steps since the network was made; a saved state
   * brings those that led to it.
   */
  get trainingMs() {
    return this.#held.stopping.spentMs;
  }

  /**
   * Train to the end of the present epoch. Then early stopping and the target
   * accuracy are judged; `ended` tells whether the run is over.
   * @returns {Metrics} with the means over what was trained
   */
  epoch() {
    this.mark();
    this.#trained = { meanLoss: NaN, meanAccuracy: NaN };
    const held = this.#held;
    const epoch = held.number('epoch');
    this.#steps(() => (held.number('epoch') === epoch ? STEPS_MAX : 0));
    return { ...this.metrics(), ...this.#trained };
  }

  /**
   * Train until the time is spent: at least one step, then as many as fit.
   * @param {number} ms
   * @returns {number} steps made; 0 when the run has ended
   */
  runFor(ms) {
    const budget = check.milliseconds(ms, 'ms');
    const start = performance.now();
    return this.#steps((done) => {
      if (done === 0) return 1;
      const spent = performance.now() - start;
      const perStep = Math.max(spent / done, 1e-4);
      return Math.floor(Math.min((budget - spent) / perStep, done));
    });
  }

  /**
   * Where the run stands. Means are over the steps since `mark`.
   * @returns {Metrics}
   */
  metrics() {
    const { core, handle } = this.#held;
    const values = core.numbers('soma_trainer_number', handle, NUMBER_NAMES.length);
    const metrics = /** @type {Metrics} */ ({});
    for (const name of NUMBER_NAMES) metrics[name] = values[NUMBER[name]];
    return metrics;
  }

  /** Start new means. */
  mark() {
    this.#held.core.call('soma_trainer_mark', this.#held.handle);
  }

  /** Back to the last state whose loss was known to be finite. */
  restore() {
    this.#held.evaluating = null;
    this.#held.core.checked('soma_trainer_restore', this.#held.handle);
  }

  /**
   * Make steps as long as `left` says that more are wanted.
   * @param {(done: number) => number} left
   */
  #steps(left) {
    const held = this.#held;
    held.needData();
    let done = 0;
    for (let wanted = left(0); wanted > 0; wanted = left(done)) {
      const made = this.#engineSteps(wanted);
      if (made < 0) this.#stopped(done);
      if (made > 0) {
        done += made;
        this.#trained = {
          meanLoss: held.number('meanLoss'), meanAccuracy: held.number('meanAccuracy'),
        };
      }
      if (this.judgementDue) {
        this.evaluate('validation');
        this.judge();
      }
      if (made <= 0) break;
    }
    return done;
  }

  /**
   * The engine's own call, within the time that the run has left.
   * @param {number} most
   * @returns {number} steps made, 0 at the end of the run, or the engine's status
   */
  #engineSteps(most) {
    const { core, handle, stopping } = this.#held;
    if (stopping.timeIsUp) return 0;
    const start = performance.now();
    const wanted = Math.min(most, stopping.stepsInTime);
    const made = core.call('soma_trainer_steps', handle, wanted);
    if (made > 0) stopping.spend(made, performance.now() - start);
    if (made !== 0) this.#held.evaluating = null;
    return made;
  }

  /** @returns {import('./stopping.js').Place} */
  #place() {
    const held = this.#held;
    return {
      step: held.number('step'),
      epochs: held.number('epochs'),
      stepsPerEpoch: held.number('stepsPerEpoch'),
      totalSteps: held.number('totalSteps'),
    };
  }

  /**
   * Judge a run whose time is up: the engine must take this step for the last, so
   * that the best weights come back.
   * @param {number} step
   */
  #judgeAsLast(step) {
    const { core, handle, runText } = this.#held;
    const { steps } = runValues(runText);
    this.#held.set('steps', String(Math.max(1, step)));
    const ended = core.call('soma_trainer_judge', handle) === 1;
    this.#held.set('steps', steps);
    return ended;
  }

  /**
   * A missing image only ends a row of steps; what else stops it is thrown.
   * @param {number} done
   */
  #stopped(done) {
    const fault = this.#held.core.fault();
    if (fault.code !== 'DATA_PENDING' || done === 0) throw fault;
  }
}
