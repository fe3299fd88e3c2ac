/**
 * The learning-rate range test: train a throw-away copy of a network while the
 * rate rises geometrically from hopelessly small to far too large, and see where
 * the loss falls and where it explodes (Smith 2017, arXiv 1506.01186).
 *
 * The copy has fresh weights from the run's own seed, and sees the run's own
 * batches in their order. The network that was there is never touched.
 *
 * @module
 */

import { CoreError } from './errors.js';
import { NUMBER } from './layout.js';

/**
 * @typedef {import('./core.js').Core} Core
 *
 * @typedef {object} RateRange
 * @property {number} from    first rate
 * @property {number} to      last rate
 * @property {number} steps   rates in between, both ends counted
 *
 * @typedef {object} RateTestResult
 * @property {Float64Array} rates    ascending
 * @property {Float64Array} losses   smoothed, after a step with each rate
 * @property {number} steepest   where the loss falls fastest; NaN when it never falls
 * @property {number} lowest     where it is lowest
 * @property {number} blowUp     where it explodes; NaN when it does not
 * @property {number} suggested  a rate to try; NaN when the test could not tell
 */

/** The smoothed loss has exploded when it is so many times its lowest value. */
const EXPLODED = 4;
/** Share of the smoothed loss that is kept from one step to the next. */
const KEPT = 0.9;
/** A loss that never came below this share of its beginning has not fallen. */
const FELL = 0.98;
/** Steps before an explosion is believed: a first batch may be unlucky. */
const BELIEVED_AFTER = 10;

/**
 * The run whose copy is swept: its network, optimiser, data and penalties, but
 * nothing that would change the rate or end it.
 * @param {Record<string, string>} values
 */
export function sweptRun(values) {
  const changed = {
    ...values, schedule: 'constant', warmup: '0', epochs: '10000', steps: '0',
    seconds: '0', target: '0', patience: '0',
  };
  return Object.entries(changed).map(([key, value]) => `${key}=${value}`).join('\n');
}

export class RateTest {
  #core;
  #trainer;
  #range;
  /** @type {number[]} */
  #rates = [];
  /** @type {number[]} */
  #losses = [];
  #smooth = 0;
  #weight = 0;
  #steps = 0;
  #blowUp = NaN;
  #over = false;

  /**
   * @param {Core} core
   * @param {number} trainer   of `sweptRun`; owned from now on
   * @param {RateRange} range
   */
  constructor(core, trainer, range) {
    this.#core = core;
    this.#trainer = trainer;
    this.#range = range;
  }

  /** Whether the sweep is over, because it exploded, came to its end, or was closed. */
  get done() {
    return this.#over || this.#rates.length >= this.#range.steps;
  }

  /**
   * One step of the sweep.
   * @throws {CoreError} DATA_PENDING: the next images have not come; try again
   */
  step() {
    if (this.done) return;
    const core = this.#core;
    const rate = this.#rateOf(this.#steps);
    core.borrow(() => core.checked(
      'soma_trainer_set', this.#trainer, core.putText('lr', 'lr'),
      core.putText(String(rate), 'lr'),
    ));
    if (core.call('soma_trainer_steps', this.#trainer, 1) < 0) {
      const fault = core.fault();
      if (fault.code !== 'NOT_FINITE') throw fault;
      this.#explode();
      return;
    }
    // The loss of a batch is that of the weights before its own update, so it
    // tells what the rate of the step before has done.
    if (this.#steps > 0) {
      this.#record(core.call('soma_trainer_number', this.#trainer, NUMBER.batchLoss));
    }
    this.#steps += 1;
  }

  /** What has been found so far. */
  result() {
    const rates = Float64Array.from(this.#rates);
    const losses = Float64Array.from(this.#losses);
    return { rates, losses, ...judge(rates, losses, this.#blowUp), blowUp: this.#blowUp };
  }

  /** Give the copy back. */
  close() {
    this.#over = true;
    if (this.#trainer) this.#core.call('soma_trainer_destroy', this.#trainer);
    this.#trainer = 0;
  }

  /** @param {number} i */
  #rateOf(i) {
    const { from, to, steps } = this.#range;
    return from * (to / from) ** (i / Math.max(1, steps - 1));
  }

  /** @param {number} loss   after the step before this one */
  #record(loss) {
    this.#smooth = this.#smooth * KEPT + loss * (1 - KEPT);
    this.#weight = this.#weight * KEPT + (1 - KEPT);
    const smooth = this.#smooth / this.#weight;
    const lowest = Math.min(smooth, ...this.#losses);
    this.#rates.push(this.#rateOf(this.#steps - 1));
    this.#losses.push(smooth);
    if (this.#losses.length > BELIEVED_AFTER && smooth > EXPLODED * lowest) this.#explode();
  }

  #explode() {
    this.#blowUp = this.#rateOf(Math.max(0, this.#steps - 1));
    this.#over = true;
  }
}

/**
 * Where the curve falls fastest, where it is lowest, and the rate to try.
 * @param {Float64Array} rates
 * @param {Float64Array} losses
 * @param {number} blowUp
 */
function judge(rates, losses, blowUp) {
  if (rates.length === 0) return { steepest: NaN, lowest: NaN, suggested: NaN };
  const low = losses.indexOf(Math.min(...losses));
  let steepest = NaN;
  let steepestFall = 0;
  const span = Math.max(2, Math.round(rates.length / 20));
  for (let i = span; i + span <= low; i += 1) {
    const fall = losses[i - span] - losses[i + span];
    if (fall > steepestFall) [steepest, steepestFall] = [rates[i], fall];
  }
  const fell = losses[low] < losses[0] * FELL;
  return { steepest, lowest: rates[low], suggested: fell ? suggest(rates[low], blowUp) : NaN };
}

/**
 * A third of the rate at which the loss was lowest, and well below the explosion:
 * on MNIST, within a factor of three of the best rate for every optimiser tried.
 * @param {number} lowest
 * @param {number} blowUp
 */
function suggest(lowest, blowUp) {
  return round(Math.min(lowest / 3, Number.isNaN(blowUp) ? Infinity : blowUp / 10));
}

/**
 * To one significant figure, in the steps 1, 2, 3, 5 that people use.
 * @param {number} rate
 */
function round(rate) {
  const decade = 10 ** Math.floor(Math.log10(rate));
  const share = rate / decade;
  const figure = [1, 2, 3, 5, 10].findLast((each) => each <= share * 1.0001) ?? 1;
  return Number((figure * decade).toPrecision(1));
}
