/**
 * The run loop: trains in slices short enough that a message is heard between
 * two of them, evaluates at the end of each epoch and in passing, and tells how
 * it goes. All of it happens in turns of one ticker; nothing here blocks longer
 * than one slice, or one step where a step is longer.
 *
 *     ready ──train──► training ──pause, goal──► paused
 *                       │  ▲                       finished: no step is left
 *            no images  ▼  │ they came             failed: the loss is not finite
 *                      waiting
 *
 * @module
 */

import { CoreError, describeError } from '../core/errors.js';
import { Evaluator, evaluationBuffers } from './evaluator.js';
import { LiveBudget } from './live-budget.js';
import { Pulse } from './pulse.js';
import { Ticker } from './ticker.js';

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../core/trainer.js').Metrics} Metrics
 * @typedef {import('../core/trainer.js').SetName} SetName
 * @typedef {import('../protocol.js').Evaluation} Evaluation
 * @typedef {import('../protocol.js').Progress} Progress
 * @typedef {import('../protocol.js').WorkerEvent} WorkerEvent
 * @typedef {(event: WorkerEvent, transfer?: Transferable[]) => void} Emit
 */

/** One slice of training or evaluating; a pause is heard within it. */
const SLICE_MS = 10;
const REPORT_MS = 100;
/**
 * Where training takes every core, what the page draws for a report holds it up,
 * and so does a turn. Then the page draws for a report and not in between, a slice
 * is longer, and reports become rarer as a run goes on: one after a tenth of the
 * time trained so far, up to so long.
 */
const CALM_SHARE = 0.1;
const CALM_REPORT_MS = 400;
const CALM_SLICE_MS = 20;

/** A slice looks at the clock about so often, should its steps take longer. */
const CLOCK_READS = 2;

/** The next images are not here; or not even announced, but on their way. */
const NOT_YET = ['DATA_PENDING', 'NO_DATA'];

/** A forward pass costs about this share of a training step. */
const FORWARD_SHARE = 0.4;

export class RunLoop {
  #trainer;
  #emit;
  #pulse;
  #evaluator;
  #ticker = new Ticker(() => this.#turn());
  #wall = new LiveBudget();
  #liveWall = true;
  /** Images have come, so that there is something to train on. */
  #supplied = false;
  #testComplete = false;
  /** @type {Progress['phase']} */
  #phase = 'empty';
  /** Stop before this step. */
  #goal = Infinity;
  /** @type {(() => void)[]} callers that wait until the loop rests */
  #waiters = [];
  #speed = Infinity;
  /** Slow motion: steps are due from this time on, from this step on. */
  #pace = { time: 0, step: 0 };
  #stepMs = NaN;
  #lastReport = -Infinity;
  /** The step at which the whole test set was evaluated last. */
  #testedStep = -1;
  /** @type {Uint8Array | null} */
  #watched = null;
  /** Evaluations that wait for the next report. @type {Evaluation[]} */
  #untold = [];
  /** No core is left for the page while this trains. */
  #takesAll;

  /**
   * @param {Trainer} trainer
   * @param {Emit} emit
   */
  constructor(trainer, emit) {
    this.#trainer = trainer;
    this.#emit = emit;
    const cores = globalThis.navigator?.hardwareConcurrency ?? Infinity;
    this.#takesAll = trainer.engine.threads >= cores;
    this.#pulse = new Pulse(trainer);
    this.#evaluator = new Evaluator(trainer);
  }

  // ---- What the session asks for ----

  get active() {
    return this.#phase === 'training' || this.#phase === 'waiting';
  }

  /** Train until paused, or the run ends. */
  train() {
    this.#begin(Infinity);
  }

  /**
   * Train that many steps; resolves when the loop rests again.
   * @param {number} count
   */
  step(count) {
    return this.#beginAndWait(this.#trainer.metrics().step + count);
  }

  /** Train to the end of the present epoch; resolves when the loop rests. */
  epoch() {
    const { epoch, stepsPerEpoch } = this.#trainer.metrics();
    return this.#beginAndWait((epoch + 1) * stepsPerEpoch);
  }

  pause() {
    if (this.active) this.#rest('paused');
  }

  /** @param {number} stepsPerSecond */
  setSpeed(stepsPerSecond) {
    this.#speed = stepsPerSecond;
    this.#startPace();
    if (this.#phase === 'training') this.#ticker.soon();
  }

  /** @param {boolean} live */
  setLiveWall(live) {
    this.#liveWall = live;
    this.#ticker.soon();
  }

  /**
   * Predict this digit now and with every progress.
   * @param {Uint8Array | null} pixels
   */
  watch(pixels) {
    const probabilities = pixels ? this.#trainer.predict(pixels) : null;
    this.#watched = pixels;
    return probabilities;
  }

  /**
   * @param {SetName} set
   * @returns {Promise<Evaluation>}
   */
  evaluate(set) {
    return new Promise((resolve, reject) => {
      this.#evaluator.ask(set, false, (evaluation) => {
        this.#noteTested(evaluation);
        resolve(evaluation);
      }, reject);
      this.#ticker.soon();
    });
  }

  // ---- What changes under the loop ----

  /** Another network, or the same one anew; training stops. */
  networkChanged() {
    this.#evaluator.drop();
    this.#pulse.restart();
    this.#wall = new LiveBudget();
    this.#stepMs = NaN;
    this.#testedStep = -1;
    this.#rest(this.#supplied ? 'ready' : 'empty');
  }

  /** Another data set, with a new network; a run that has had no image goes on. */
  dataReplaced() {
    const goesOn = this.active && !this.#supplied;
    this.#supplied = false;
    this.#testComplete = false;
    if (goesOn) this.#pulse.restart();
    else this.networkChanged();
  }

  /** Another place in the same run. */
  jumped() {
    this.#evaluator.drop();
    this.#pulse.jump();
    this.#testedStep = -1;
    this.#rest('paused');
  }

  /** A live setting has changed. */
  settingChanged() {
    if (this.#phase === 'finished' && !this.#trainer.ended) this.#phase = 'paused';
    this.report();
  }

  /**
   * Images have come, or are gone.
   * @param {boolean} supplied
   * @param {boolean} testComplete
   */
  dataChanged(supplied, testComplete) {
    this.#supplied = supplied;
    this.#testComplete = testComplete;
    if (this.#phase === 'waiting') this.#phase = 'training';
    if (this.#phase === 'empty' && supplied) this.#phase = 'ready';
    if (this.#phase === 'ready' && !supplied) this.#phase = 'empty';
    this.#ticker.soon();
    this.report();
  }

  /** Say where the run stands, now. */
  report() {
    const metrics = this.#trainer.metrics();
    this.#tellEvaluations();
    this.#lastReport = performance.now();
    this.#emit({
      type: 'progress',
      phase: this.#phase,
      pauseMs: this.#pauseMs(),
      step: metrics.step,
      totalSteps: metrics.totalSteps,
      epoch: metrics.epoch,
      epochs: metrics.epochs,
      stepInEpoch: metrics.step - metrics.epoch * metrics.stepsPerEpoch,
      learningRate: metrics.learningRate,
      ...this.#pulse.take(),
      imagesPerSecond: this.#pulse.imagesPerSecond,
      trainingMs: this.#pulse.trainingMs,
      ended: this.#trainer.ended,
      secondsLeft: this.#secondsLeft(metrics),
      fingerprint: this.active ? '' : this.#trainer.fingerprint(),
      watched: this.#watched ? this.#trainer.predict(this.#watched) : null,
    });
  }

  /** Stop for good. */
  close() {
    this.#evaluator.drop();
    this.#rest('paused', false);
    this.#ticker.close();
  }

  /** How long the page should rest between two frames; 0 where it need not. */
  #pauseMs() {
    if (this.#phase !== 'training' || this.#speed < Infinity || !this.#takesAll) return 0;
    const pause = Math.min(CALM_REPORT_MS, this.#pulse.trainingMs * CALM_SHARE);
    return Math.max(pause, REPORT_MS);
  }

  #sliceMs() {
    return this.#pauseMs() > 0 ? CALM_SLICE_MS : SLICE_MS;
  }

  // ---- Starting and resting ----

  /** @param {number} goal */
  #begin(goal) {
    if (this.#phase === 'failed') {
      throw new CoreError(
        'NOT_FINITE',
        'The run has stopped because its loss is not finite; go back to the last '
          + 'finite state or start again.',
      );
    }
    this.#evaluator.dropLive();
    this.#goal = goal;
    if (!this.active) {
      this.#phase = 'training';
      this.#startPace();
    }
    this.#ticker.soon();
    this.report();
  }

  /**
   * @param {number} goal
   * @returns {Promise<void>}
   */
  #beginAndWait(goal) {
    return new Promise((resolve, reject) => {
      try {
        this.#begin(goal);
        this.#waiters.push(resolve);
      } catch (error) {
        reject(error);
      }
    });
  }

  /**
   * @param {Progress['phase']} phase
   * @param {boolean} [tell]
   */
  #rest(phase, tell = true) {
    this.#phase = phase;
    this.#goal = Infinity;
    this.#pulse.point(this.#trainer.metrics());
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#ticker.soon();
    if (tell) this.report();
  }

  /** @param {unknown} error */
  #fail(error) {
    if (error instanceof CoreError && error.code === 'ENGINE_CRASHED') throw error;
    this.#rest('failed');
    const canRestore = this.#trainer.metrics().canRestore === 1;
    this.#emit({ type: 'failure', failure: describeError(error), canRestore });
  }

  // ---- One turn ----

  #turn() {
    if (this.#evaluator.busy) {
      this.#evaluator.slice(this.#sliceMs());
      this.#ticker.soon();
    } else if (this.#phase === 'training') {
      this.#train();
    } else if (this.#wallIsStale()) {
      this.#lookInPassing();
      this.#ticker.soon();
    }
  }

  #train() {
    try {
      this.#slice();
    } catch (error) {
      if (error instanceof CoreError && NOT_YET.includes(error.code)) {
        this.#phase = 'waiting';
        this.report();
      } else {
        this.#fail(error);
      }
      return;
    }
    const pause = Math.max(REPORT_MS, this.#pauseMs());
    if (performance.now() - this.#lastReport >= pause) this.report();
  }

  /** Some steps, as many as are wanted and fit into a slice. */
  #slice() {
    const before = this.#trainer.metrics();
    if (before.step >= this.#goal) {
      this.#rest('paused');
      return;
    }
    const due = Math.min(this.#goal - before.step, this.#stepsDue(before.step));
    if (due < 1) return;
    const start = performance.now();
    const { totalSteps, stepsPerEpoch } = before;
    let { step } = before;
    const sliceMs = this.#sliceMs();
    const most = this.#stepsInSlice(sliceMs);
    const atOnce = Math.ceil(most / CLOCK_READS);
    for (let left = Math.min(due, most); left > 0;) {
      const asked = Math.min(left, atOnce, this.#pulse.stepsToPoint({ step, totalSteps }));
      const made = this.#trainer.advance(asked);
      step += made;
      this.#pointIfDue({ step, totalSteps });
      // Fewer than asked: the epoch has ended, or the next slice hears why.
      if (made < asked || step % stepsPerEpoch === 0) break;
      left = performance.now() - start < sliceMs ? left - made : 0;
    }
    const metrics = this.#trainer.metrics();
    this.#pulse.spent(metrics, performance.now() - start);
    this.#afterSlice(before, metrics, performance.now() - start);
  }

  /**
   * @param {Metrics} before
   * @param {Metrics} metrics
   * @param {number} ms
   */
  #afterSlice(before, metrics, ms) {
    const made = metrics.step - before.step;
    if (made === 0) {
      this.#runEnded();
      return;
    }
    const stepMs = ms / made;
    this.#stepMs = Number.isNaN(this.#stepMs) ? stepMs : (this.#stepMs + stepMs) / 2;
    if (metrics.epoch > before.epoch) {
      this.#pulse.point(metrics);
      this.#epochEnded();
    } else if (this.#liveWall && this.#testComplete && this.#wallIsDue()) {
      this.#lookInPassing();
    }
    this.#ticker.soon();
  }

  /** @param {import('./pulse.js').Way} way */
  #pointIfDue(way) {
    const every = this.#speed < 1000 / REPORT_MS;
    if (every || this.#pulse.stepsToPoint(way) === this.#pulse.spacing(way)) {
      this.#pulse.point(this.#trainer.metrics());
    }
  }

  /**
   * As many as the time of the last ones says; one while nothing is known.
   * @param {number} sliceMs
   */
  #stepsInSlice(sliceMs) {
    if (Number.isNaN(this.#stepMs)) return 1;
    return Math.max(1, Math.floor(sliceMs / Math.max(this.#stepMs, 1e-3)));
  }

  // ---- Slow motion ----

  #startPace() {
    this.#pace = { time: performance.now(), step: this.#trainer.metrics().step };
  }

  /**
   * Steps that are due at the chosen speed; when none is, a turn is booked.
   * @param {number} step
   */
  #stepsDue(step) {
    if (this.#speed === Infinity) return Infinity;
    const now = performance.now();
    const elapsed = (now - this.#pace.time) * this.#speed / 1000;
    const due = Math.floor(elapsed) + 1 - (step - this.#pace.step);
    if (due < 1) {
      const next = this.#pace.time + (step - this.#pace.step) * 1000 / this.#speed;
      this.#ticker.later(Math.max(1, next - now));
    }
    if (due > Math.max(2, this.#speed / 4)) this.#pace = { time: now, step };
    return due;
  }

  // ---- Evaluations ----

  /** The validation set comes last: its outcome may bring other weights back. */
  #epochEnded() {
    if (this.#testComplete) this.#ask('test', false);
    if (this.#trainer.metrics().validationCount > 0) this.#ask('validation', false);
  }

  /** No step is left; a run that ended within an epoch may still be judged. */
  #runEnded() {
    if (this.#trainer.judgementDue) {
      this.#ask('validation', false);
      this.#ticker.soon();
    } else {
      this.#rest('finished');
    }
  }

  /** The validation set was evaluated: the run may be over, or at another place. */
  #judge() {
    if (!this.#trainer.judgementDue) return;
    const { step } = this.#trainer.metrics();
    if (!this.#trainer.judge()) return;
    if (this.#trainer.metrics().step !== step) this.#pulse.jump();
    if (this.#phase !== 'failed') this.#rest('finished');
  }

  /**
   * @param {SetName} set
   * @param {boolean} live
   */
  #ask(set, live) {
    this.#evaluator.ask(set, live, (evaluation) => {
      this.#noteTested(evaluation);
      this.#untold.push(evaluation);
      if (this.#pauseMs() === 0) this.#tellEvaluations();
      if (set === 'validation') this.#judge();
    }, () => {});
  }

  /** Only the newest look at the test set tells each answer. */
  #tellEvaluations() {
    const told = this.#untold.splice(0);
    const newest = told.filter(({ set }) => set === 'test').pop();
    for (const each of told) {
      const whole = each === newest
        ? each : { ...each, predicted: null, probabilities: null };
      this.#emit(whole, evaluationBuffers(whole));
    }
  }

  /** @param {Evaluation} evaluation */
  #noteTested({ set, step }) {
    if (set !== 'test') return;
    this.#testedStep = step;
    this.#wall.spend(performance.now(), 0);
  }

  /** What a look at the test set costs: measured, or guessed before the first. */
  #wallCost() {
    const { testCount, trainCount, stepsPerEpoch } = this.#trainer.metrics();
    const guess = this.#stepMs * stepsPerEpoch * testCount / trainCount * FORWARD_SHARE;
    const { test } = this.#evaluator.cost;
    return Number.isNaN(test) ? guess : test;
  }

  #wallIsDue() {
    return this.#wall.due(performance.now(), this.#wallCost());
  }

  #lookInPassing() {
    if (this.active) this.#wall.spend(performance.now(), this.#wallCost());
    this.#ask('test', true);
  }

  /** At rest the wall may always be brought up to date. */
  #wallIsStale() {
    return this.#liveWall && this.#testComplete && this.#phase !== 'failed'
      && this.#testedStep !== this.#trainer.metrics().step;
  }

  /** @param {Metrics} metrics */
  #secondsLeft(metrics) {
    const { validation, test } = this.#evaluator.cost;
    const epochMs = (validation || 0) + (test || 0);
    const trainingMs = this.#pulse.trainingLeft(metrics)
      + (metrics.epochs - metrics.epoch) * epochMs;
    const pacedMs = (metrics.totalSteps - metrics.step) * 1000 / this.#speed;
    return Math.max(trainingMs, pacedMs) / 1000;
  }
}
