/**
 * How often the wall may be evaluated in passing: about four times a second,
 * and for at most a small share of the time. Time earns credit; a look costs
 * what it took. The first looks come early, from a credit given at the start.
 *
 * @module
 */

const SHARE = 0.03;
const INTERVAL_MS = 250;
const START_CREDIT_MS = 90;

export class LiveBudget {
  #credit = START_CREDIT_MS;
  #last = -Infinity;
  #seen = NaN;

  /**
   * Whether a look that takes `cost` milliseconds is due now.
   * @param {number} now
   * @param {number} cost
   */
  due(now, cost) {
    if (Number.isNaN(cost)) return false;
    const earned = Number.isNaN(this.#seen) ? 0 : (now - this.#seen) * SHARE;
    this.#seen = now;
    this.#credit = Math.min(this.#credit + earned, Math.max(START_CREDIT_MS, cost));
    return now - this.#last >= INTERVAL_MS && this.#credit >= cost;
  }

  /**
   * A look was had; at no cost when it was had for another reason.
   * @param {number} now
   * @param {number} cost
   */
  spend(now, cost) {
    this.#last = now;
    this.#credit -= cost;
  }
}
