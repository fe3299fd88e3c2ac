/**
 * When a run is over: the limits of its description that are not the engine's
 * to count (training time), and the reason why it ended, in one word.
 *
 * @module
 */

/**
 * Why a run is over: all epochs, so many steps, so many seconds of training, the
 * target accuracy, or no better validation loss for `patience` epochs.
 * @typedef {'epochs' | 'steps' | 'seconds' | 'target' | 'patience'} Ended
 *
 * @typedef {{step: number, epochs: number, stepsPerEpoch: number, totalSteps: number}}
 *   Place   where a run stands
 *
 * What a saved state keeps of all this.
 * @typedef {{spentMs: number, spentSteps: number, judgedStep: number}} Account
 */

export class Stopping {
  #limitMs = Infinity;
  #target = 0;
  #patience = 0;
  /** The step of the last judgement. */
  #judgedStep = -1;

  /** Milliseconds spent in the training steps that led here. */
  spentMs = 0;
  /** Steps made in that time. */
  #spentSteps = 0;

  /** @type {Ended | null} why the engine has ended the run before its steps were done */
  early = null;

  /**
   * Take over the limits of a description, which may change during a run.
   * @param {Record<string, string>} values
   */
  setLimits({ seconds, target, patience }) {
    this.#limitMs = Number(seconds) * 1000 || Infinity;
    this.#target = Number(target);
    this.#patience = Number(patience);
  }

  /**
   * So many steps took so long.
   * @param {number} steps
   * @param {number} ms
   */
  spend(steps, ms) {
    this.spentMs += ms;
    this.#spentSteps += steps;
  }

  /** @returns {Account} */
  get account() {
    const [spentSteps, judgedStep] = [this.#spentSteps, this.#judgedStep];
    return { spentMs: this.spentMs, spentSteps, judgedStep };
  }

  /**
   * Go on from an account.
   * @param {Account} account
   */
  resume({ spentMs, spentSteps, judgedStep }) {
    this.spentMs = spentMs;
    this.#spentSteps = spentSteps;
    this.#judgedStep = judgedStep;
  }

  get timeIsUp() {
    return this.spentMs >= this.#limitMs;
  }

  /** Milliseconds of training that are left; Infinity without a limit. */
  get msLeft() {
    return Math.max(0, this.#limitMs - this.spentMs);
  }

  /** Steps that fit into the time left, by those before; at least one. */
  get stepsInTime() {
    if (this.#limitMs === Infinity) return Infinity;
    if (this.#spentSteps === 0) return 1;
    const stepMs = Math.max(this.spentMs / this.#spentSteps, 1e-4);
    return Math.max(1, Math.floor(this.msLeft / stepMs));
  }

  /** Whether the validation set has a say in when the run ends. */
  get judges() {
    return this.#target > 0 || this.#patience > 0;
  }

  /**
   * Which limit the run has come to; null when it may go on.
   * @param {Place} place
   * @returns {Ended | null}
   */
  limit({ step, epochs, stepsPerEpoch, totalSteps }) {
    if (step >= totalSteps) return totalSteps < epochs * stepsPerEpoch ? 'steps' : 'epochs';
    return this.timeIsUp ? 'seconds' : null;
  }

  /**
   * Whether the run stands where it is to be judged: at the end of an epoch, or at
   * its own end, and not yet judged there.
   * @param {Place} place
   */
  isDue(place) {
    const { step, stepsPerEpoch } = place;
    return this.judges && this.early === null && step > 0 && step !== this.#judgedStep
      && (step % stepsPerEpoch === 0 || this.limit(place) !== null);
  }

  /**
   * The engine has judged, with this accuracy on the validation images.
   * @param {Place} place      before the judgement
   * @param {number} accuracy
   * @param {boolean} ended    whether it ended the run
   */
  judged(place, accuracy, ended) {
    this.#judgedStep = place.step;
    if (!ended || this.early) return;
    const reached = this.#target > 0 && accuracy >= this.#target;
    this.early = reached ? 'target' : this.limit(place) ?? 'patience';
  }
}
