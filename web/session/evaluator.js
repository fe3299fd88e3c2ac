/**
 * Evaluations in slices: what was asked for waits in a queue, and each turn
 * looks at some images of the first. While an evaluation runs, the weights must
 * stay as they are; the run loop sees to that.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../core/trainer.js').SetName} SetName
 * @typedef {import('../protocol.js').Evaluation} Evaluation
 *
 * @typedef {object} Job
 * @property {SetName} set
 * @property {boolean} live
 * @property {number} ms        spent on it
 * @property {number} left      images left; NaN before it was begun
 * @property {(evaluation: Evaluation) => void} done
 * @property {(error: unknown) => void} failed
 */

const FIRST_IMAGES = 128;
const MOST_IMAGES = 4096;

export class Evaluator {
  #trainer;
  /** @type {Job[]} */
  #queue = [];
  #images = FIRST_IMAGES;
  /** What the engine's last evaluation was of, while it still holds. */
  #fresh = { set: '', step: -1 };

  /** What the last evaluation of a set took, in milliseconds, by set. */
  cost = { train: NaN, validation: NaN, test: NaN };

  /** @param {Trainer} trainer */
  constructor(trainer) {
    this.#trainer = trainer;
  }

  get busy() {
    return this.#queue.length > 0;
  }

  /**
   * Ask for an evaluation.
   * @param {SetName} set
   * @param {boolean} live   only a look in passing: may be dropped
   * @param {Job['done']} done
   * @param {Job['failed']} failed
   */
  ask(set, live, done, failed) {
    this.#queue.push({ set, live, ms: 0, left: NaN, done, failed });
  }

  /** Drop looks in passing, because training wants to go on. */
  dropLive() {
    this.#queue = this.#queue.filter((job) => !job.live);
  }

  /** Drop everything, because the network changes. */
  drop() {
    const reason = new CoreError(
      'INTERRUPTED', 'The network changed before the evaluation was done.',
    );
    for (const job of this.#queue.splice(0)) job.failed(reason);
    this.#images = FIRST_IMAGES;
    this.#fresh = { set: '', step: -1 };
  }

  /**
   * Work on the first evaluation for about that long.
   * @param {number} ms
   */
  slice(ms) {
    const [job] = this.#queue;
    const start = performance.now();
    try {
      this.#work(job, start + ms);
    } catch (error) {
      this.#queue.shift();
      job.failed(error);
      return;
    }
    job.ms += performance.now() - start;
    if (job.left === 0) this.#finish(job);
  }

  /**
   * @param {Job} job
   * @param {number} end
   */
  #work(job, end) {
    if (Number.isNaN(job.left)) {
      if (this.#isFresh(job)) {
        job.left = 0;
        job.ms = this.cost[job.set];
        return;
      }
      this.#fresh = { set: '', step: -1 };
      this.#trainer.beginEvaluation(job.set);
      job.left = Infinity;
    }
    for (let now = performance.now(); now < end && job.left > 0;) {
      job.left = this.#trainer.continueEvaluation(this.#images);
      const took = performance.now() - now;
      now += took;
      if (took > 4) this.#images = Math.max(1, this.#images >> 1);
      if (took < 2) this.#images = Math.min(MOST_IMAGES, this.#images << 1);
    }
  }

  /**
   * Whether the same set was just evaluated with the same weights.
   * @param {Job} job
   */
  #isFresh({ set }) {
    return this.#trainer.evaluated === set && this.#fresh.set === set
      && this.#fresh.step === this.#trainer.metrics().step;
  }

  /** @param {Job} job */
  #finish(job) {
    this.#queue.shift();
    this.cost[job.set] = job.ms;
    const { step, stepsPerEpoch } = this.#trainer.metrics();
    this.#fresh = { set: job.set, step };
    const { predicted, probabilities, ...result } = this.#trainer.evaluation();
    const shown = job.set === 'test';
    job.done({
      type: 'evaluation',
      ...result,
      step,
      epoch: step / stepsPerEpoch,
      live: job.live,
      predicted: shown ? predicted : null,
      probabilities: shown ? probabilities : null,
    });
  }
}

/**
 * The large arrays of an evaluation, to be transferred.
 * @param {Evaluation} evaluation
 * @returns {Transferable[]}
 */
export function evaluationBuffers({ confusion, predicted, probabilities }) {
  return [confusion, predicted, probabilities].flatMap((array) => array?.buffer ?? [])
    .filter((buffer) => buffer instanceof ArrayBuffer);
}
