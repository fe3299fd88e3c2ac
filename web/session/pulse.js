/**
 * The figures of a run as it goes: chart points, running means, speed and time
 * left. Points lie at fixed steps, so that the same run draws the same curve
 * however fast it was.
 *
 * @module
 */

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../core/trainer.js').Metrics} Metrics
 * @typedef {import('../protocol.js').Point} Point
 * @typedef {Pick<Metrics, 'step' | 'totalSteps'>} Way
 */

/** Points of a whole run, about. */
const POINTS_PER_RUN = 1500;

/** Steps that the running mean looks back on, about. */
const MEAN_STEPS = 64;

/** Training time that the speed looks back on, about. */
const SPEED_MS = 700;

/**
 * A mean that forgets: what is `amount` back counts 1/e.
 */
class FadingMean {
  #sum = 0;
  #weight = 0;

  /** @param {number} amount */
  constructor(amount) {
    this.amount = amount;
  }

  /**
   * @param {number} value
   * @param {number} weight
   */
  add(value, weight) {
    const kept = Math.exp(-weight / this.amount);
    this.#sum = this.#sum * kept + value * (1 - kept);
    this.#weight = this.#weight * kept + (1 - kept);
  }

  /** NaN before the first value. */
  get value() {
    return this.#sum / this.#weight;
  }
}

export class Pulse {
  #trainer;
  #batch = 1;
  #pointStep = 0;
  #images = 0;
  #loss = new FadingMean(MEAN_STEPS);
  #accuracy = new FadingMean(MEAN_STEPS);
  #speed = new FadingMean(SPEED_MS);
  /** @type {Point[]} */
  #points = [];

  /** Milliseconds spent in training steps. */
  trainingMs = 0;

  /** @param {Trainer} trainer */
  constructor(trainer) {
    this.#trainer = trainer;
    this.restart();
  }

  /** A new network, or another state of it: new curves, new clock. */
  restart() {
    this.#loss = new FadingMean(MEAN_STEPS);
    this.#accuracy = new FadingMean(MEAN_STEPS);
    this.#points = [];
    this.trainingMs = 0;
    this.jump();
  }

  /** The run stands somewhere else, or has other settings; the means go on. */
  jump() {
    const metrics = this.#trainer.metrics();
    this.#batch = Number(this.#trainer.run().values.batch);
    this.#trainer.mark();
    this.#pointStep = metrics.step;
    this.#images = this.#imagesAt(metrics);
  }

  /**
   * Images seen up to this point of the run.
   * @param {Metrics} metrics
   */
  #imagesAt({ step, epoch, stepsPerEpoch, trainCount }) {
    const perEpoch = Math.min(trainCount, stepsPerEpoch * this.#batch);
    return epoch * perEpoch + Math.min((step - epoch * stepsPerEpoch) * this.#batch, perEpoch);
  }

  /**
   * Steps from one point to the next.
   * @param {Pick<Metrics, 'totalSteps'>} metrics
   */
  spacing({ totalSteps }) {
    return Math.max(1, Math.ceil(totalSteps / POINTS_PER_RUN));
  }

  /**
   * Steps until the next point.
   * @param {Way} way
   */
  stepsToPoint(way) {
    const spacing = this.spacing(way);
    return spacing - (way.step % spacing);
  }

  /**
   * The mean since the last point becomes a point, if there were steps.
   * @param {Metrics} metrics
   */
  point({ step, stepsPerEpoch, meanLoss, meanAccuracy, learningRate }) {
    const steps = step - this.#pointStep;
    if (steps <= 0) return;
    this.#pointStep = step;
    this.#trainer.mark();
    this.#loss.add(meanLoss, steps);
    this.#accuracy.add(meanAccuracy, steps);
    this.#points.push({
      step,
      epoch: step / stepsPerEpoch,
      loss: meanLoss,
      accuracy: meanAccuracy,
      learningRate,
    });
  }

  /**
   * Training has taken that long up to here.
   * @param {Metrics} metrics
   * @param {number} ms
   */
  spent(metrics, ms) {
    const images = this.#imagesAt(metrics);
    this.trainingMs += ms;
    if (ms > 0) this.#speed.add((images - this.#images) / ms, ms);
    this.#images = images;
  }

  /** Training images a second; 0 before the first. */
  get imagesPerSecond() {
    const speed = this.#speed.value;
    return Number.isNaN(speed) ? 0 : speed * 1000;
  }

  /**
   * Milliseconds that the rest of the run will train; NaN before the first step.
   * @param {Metrics} metrics
   */
  trainingLeft(metrics) {
    const end = { ...metrics, step: metrics.totalSteps, epoch: metrics.epochs };
    return (this.#imagesAt(end) - this.#imagesAt(metrics)) / this.#speed.value;
  }

  /** Running means, and the points since the last call. */
  take() {
    const points = this.#points;
    this.#points = [];
    return { loss: this.#loss.value, accuracy: this.#accuracy.value, points };
  }
}
