/**
 * A trainer: one network, its data, its threads, in one instance of the engine.
 * All calls are synchronous, check their arguments, and return copies that stay
 * valid. A refused call throws a CoreError and changes nothing.
 *
 * Made by `createTrainer` (index.js). Works wherever WebAssembly does: in a
 * page, a worker, or Node.
 *
 * @module
 */

import * as check from './check.js';
import {
  checkedSets, createDataset, IMAGES_MAX, setsOfIdx, writeImages,
} from './data.js';
import { CoreError } from './errors.js';
import {
  CLASS_COUNT, EVALUATION, IMAGE_PIXELS, NUMBER, SET,
} from './layout.js';
import { Parameters, sizeOf } from './parameters.js';
import { distort, lightRun, lookAt, plannedRates, readNotes } from './preview.js';
import { RateTest, sweptRun } from './rate-test.js';
import { measureTiles, warmUpNetwork } from './speed.js';
import { Stopping } from './stopping.js';
import { readLayerKinds, readOptions, readRun, runValues } from './tables.js';

/**
 * @typedef {import('./core.js').Core} Core
 * @typedef {import('./data.js').LabelledImages} LabelledImages
 * @typedef {import('./parameters.js').Parameter} Parameter
 * @typedef {import('./parameters.js').ParameterValues} ParameterValues
 * @typedef {import('./preview.js').RateCurve} RateCurve
 * @typedef {import('./rate-test.js').RateTestResult} RateTestResult
 * @typedef {import('./stopping.js').Ended} Ended
 * @typedef {import('./tables.js').RunText} RunText
 * @typedef {import('../protocol.js').EngineInfo} EngineInfo
 * @typedef {import('../protocol.js').LayerInfo} LayerInfo
 * @typedef {import('../protocol.js').RunInfo} RunInfo
 * @typedef {import('../protocol.js').Trace} Trace
 * @typedef {import('./check.js').SetName} SetName
 *
 * What a trainer stands on; owned by it from then on.
 * @typedef {object} Ground
 * @property {Core} core
 * @property {EngineInfo['build']} build
 * @property {number} threads   wanted
 * @property {string} reason    why this build and so many threads, in words
 * @property {() => void} release   stop the engine's helpers
 *
 * Everything the trainer counts; NaN where nothing is known yet.
 * @typedef {Record<keyof typeof NUMBER, number>} Metrics
 *
 * @typedef {object} EvaluationResult
 * @property {SetName} set
 * @property {number} count      images looked at
 * @property {number} loss       mean
 * @property {number} accuracy   0..1
 * @property {Uint32Array} confusion       [10,10], row = label, column = prediction
 * @property {Uint8Array} predicted        [count]
 * @property {Float32Array} probabilities  [count,10]
 */

/** Images that are predicted or evaluated in one call of the engine. */
const CHUNK_IMAGES = 1000;

const NUMBER_NAMES = /** @type {(keyof typeof NUMBER)[]} */ (Object.keys(NUMBER));

/** Steps in one call of the engine. */
const STEPS_MAX = 2 ** 30;

export class Trainer {
  /** @type {Core} */
  #core;
  /** @type {() => void} */
  #release;
  #pool = 0;
  #dataset = 0;
  #handle = 0;
  /** Images there is room for. Before any data: MNIST's, so that shapes are known. */
  #reserved = { train: 60_000, test: 10_000 };
  /** Whether the caller has announced data. */
  #announced = false;
  /** Whether weights were given by the caller since the network was made. */
  #given = false;
  /** @type {SetName | null} the set being evaluated */
  #evaluating = null;
  /** The matrix tile that `tune` found, for networks to come; -1 before. */
  #tile = -1;
  /** @type {EngineInfo} */
  #engine;
  /** @type {Parameters | null} of the present network, once asked for */
  #parameters = null;
  #stopping = new Stopping();
  /** Means over what the last steps trained, before weights went back. */
  #trained = { meanLoss: NaN, meanAccuracy: NaN };
  /** @type {RateTest | null} the range test under way */
  #rateTest = null;

  /**
   * @param {Ground} ground
   * @param {string} run
   */
  constructor(ground, run) {
    this.#core = ground.core;
    this.#release = ground.release;
    this.#pool = this.#core.created('soma_pool_create', ground.threads);
    this.#engine = {
      build: ground.build,
      threads: this.#core.call('soma_pool_threads', this.#pool),
      reason: ground.reason,
      options: readOptions(this.#core),
      layers: readLayerKinds(this.#core),
    };
    this.#dataset = createDataset(this.#core, this.#reserved.train, this.#reserved.test);
    this.#handle = this.#make(this.#dataset, run);
    this.#readLimits();
  }

  // ---- The engine and the run ----

  /** The build that runs, its threads, options and layer kinds. */
  get engine() {
    return structuredClone(this.#engine);
  }

  /** Bytes of wasm memory at the moment. */
  get memoryBytes() {
    return this.#core.memoryBytes;
  }

  /**
   * Check a run description without using it.
   * @param {string} run
   * @returns {RunText}
   */
  describeRun(run) {
    return readRun(this.#core, check.text(run, 'run'));
  }

  /**
   * What the present run description became.
   * @returns {RunInfo}
   */
  run() {
    /** @param {number} all */
    const form = (all) => this.#core.textOf('soma_trainer_run_text', this.#handle, all);
    const text = form(1);
    return {
      text,
      short: form(0),
      values: runValues(text),
      notes: readNotes(this.#core, this.#engine.options, text),
      layers: this.layers(),
      parameterCount: this.#number('parameterCount'),
      stepsPerEpoch: this.#number('stepsPerEpoch'),
      trainCount: this.#number('trainCount'),
      validationCount: this.#number('validationCount'),
      testCount: this.#number('testCount'),
    };
  }

  /**
   * A new network from a run description; settings left out take their defaults.
   * The data stays. When it is refused, the present network stays, too.
   * @param {string} run
   */
  configure(run) {
    this.#replace(this.#make(this.#dataset, check.text(run, 'run')));
    return this.run();
  }

  /** The same description with fresh weights, at step 0. */
  reset() {
    return this.configure(this.run().text);
  }

  /**
   * Change a setting that may change during a run, from the next step on.
   * @param {string} key
   * @param {string | number} value
   */
  set(key, value) {
    const core = this.#core;
    core.borrow(() => core.checked(
      'soma_trainer_set',
      this.#handle,
      core.putText(check.text(key, 'key'), 'key'),
      core.putText(check.settingValue(value, 'value'), 'value'),
    ));
    this.#readLimits();
    return this.run();
  }

  // ---- What a run would do ----

  /**
   * Why settings have no effect beside the others, as sentences: "Only the
   * optimisers momentum and nesterov use it."
   * @param {string} [run]   default: the present description
   * @returns {Record<string, string>} key → sentence, only where there is one
   */
  notes(run) {
    const text = run === undefined ? this.run().text : check.text(run, 'run');
    return readNotes(this.#core, this.#engine.options, text);
  }

  /**
   * The learning rate as it is planned over the whole run.
   * @param {number} [points]   places at which it is told, ends included
   * @param {string} [run]      default: the present description
   * @returns {RateCurve}
   */
  learningRates(points = 200, run = undefined) {
    const count = check.wholeNumber(points, 'points', 1, 100_000);
    if (run === undefined) return plannedRates(this.#core, this.#handle, count);
    return this.#glance(run, (handle) => plannedRates(this.#core, handle, count));
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
    const [inks, core] = [/** @type {Uint8Array} */ (pixels), this.#core];
    const at = check.wholeNumber(epoch, 'epoch', 0, 1_000_000);
    const from = check.wholeNumber(first, 'first', 0, IMAGES_MAX);
    if (run === undefined) return distort(core, this.#handle, inks, at, from);
    return this.#glance(run, (handle) => distort(core, handle, inks, at, from));
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
    const { values } = run === undefined ? this.run() : this.describeRun(check.text(run, 'run'));
    this.#needData();
    this.#rateTest?.close();
    const copy = this.#make(this.#dataset, sweptRun(values));
    this.#rateTest = new RateTest(this.#core, copy, range);
    return this.#rateTest;
  }

  // ---- Data ----

  /**
   * Announce a data set whose images come by and by through `writeData`. It
   * takes the place of the present one, and the network starts anew (weights
   * that were written before the first step stay).
   * @param {{train: number, test: number}} counts
   */
  reserveData(counts) {
    const given = check.record(counts, 'counts');
    const train = check.wholeNumber(given.train, 'train', 0, IMAGES_MAX);
    const test = check.wholeNumber(given.test, 'test', 0, IMAGES_MAX);
    this.#replaceData({ train, test }, () => {});
  }

  /**
   * Images first .. first + count - 1 of a reserved set have come.
   * @param {'train' | 'test'} set
   * @param {number} first
   * @param {Uint8Array} images   [count,784], ink 0..255
   * @param {Uint8Array} labels   [count], 0..9
   */
  writeData(set, first, images, labels) {
    this.#core.mustLive();
    const name = check.writableSet(set);
    const at = check.wholeNumber(first, 'first', 0, IMAGES_MAX);
    const { train } = checkedSets({ train: { images, labels } });
    if (!this.#announced) {
      throw new CoreError('NO_DATA', 'Room for the images must be reserved first.', 'set');
    }
    if (!train) return;
    writeImages(this.#core, this.#dataset, name, at, train, this.#reserved[name]);
  }

  /**
   * A whole data set from arrays; one of the sets may be left out. The network
   * starts anew, as with `reserveData`.
   * @param {{train?: LabelledImages, test?: LabelledImages}} data
   */
  setData(data) {
    this.#setSets(checkedSets(data));
  }

  /**
   * A whole data set from the bytes of IDX files, unpacked.
   * @param {import('./data.js').IdxFiles} files
   */
  setIdx(files) {
    this.#setSets(setsOfIdx(this.#core, files));
  }

  /**
   * How many images of a set are there so far.
   * @param {'train' | 'test'} set
   */
  ready(set) {
    const name = check.writableSet(set);
    return this.#core.checked('soma_dataset_ready', this.#dataset, SET[name]);
  }

  /**
   * A copy of a set's images and labels; only what has arrived means anything.
   * @param {'train' | 'test'} set
   * @returns {LabelledImages}
   */
  data(set) {
    this.#core.mustLive();
    const name = check.writableSet(set);
    const count = this.#announced ? this.#reserved[name] : 0;
    /** @param {string} part */
    const at = (part) => this.#core.call(`soma_dataset_${part}`, this.#dataset, SET[name]);
    if (count === 0) return { images: new Uint8Array(0), labels: new Uint8Array(0) };
    return {
      images: this.#core.bytes(at('pixels'), count * IMAGE_PIXELS),
      labels: this.#core.bytes(at('labels'), count),
    };
  }

  /**
   * A copy of some training images, as far as they have arrived.
   * @param {number} first
   * @param {number} count
   * @returns {LabelledImages}
   */
  trainingImages(first, count) {
    const ready = this.ready('train');
    const from = Math.min(check.wholeNumber(first, 'first', 0, IMAGES_MAX), ready);
    const most = Math.min(check.wholeNumber(count, 'count', 0, IMAGES_MAX), ready - from);
    const [core, set] = [this.#core, SET.train];
    /** @param {string} part */
    const at = (part) => core.call(`soma_dataset_${part}`, this.#dataset, set) >>> 0;
    return {
      images: core.bytes(at('pixels') + from * IMAGE_PIXELS, most * IMAGE_PIXELS),
      labels: core.bytes(at('labels') + from, most),
    };
  }

  // ---- Training ----

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
    this.#needData();
    const made = this.#engineSteps(wanted);
    if (made < 0) throw this.#core.fault();
    return made;
  }

  /**
   * Whether early stopping or the target accuracy must be judged before the next
   * step: evaluate the validation set, then call `judge`.
   */
  get judgementDue() {
    return this.#stopping.isDue(this.#place()) && this.#number('validationCount') > 0;
  }

  /**
   * Judge the run by the validation set, which must have been evaluated just now,
   * as a whole. When the run ends by early stopping, the weights and the position
   * of its best epoch are back afterwards.
   * @returns {Ended | null} why the run has ended; null when it goes on
   */
  judge() {
    const [core, place, stopping] = [this.#core, this.#place(), this.#stopping];
    if (this.#evaluating !== 'validation') {
      throw new CoreError(
        'BAD_ARGUMENT', 'The validation set must be evaluated before the run is judged.',
      );
    }
    const accuracy = core.call('soma_evaluation_number', this.#handle, EVALUATION.accuracy);
    const timeIsUp = stopping.limit(place) === 'seconds';
    const ended = timeIsUp ? this.#judgeAsLast(place.step)
      : core.call('soma_trainer_judge', this.#handle) === 1;
    stopping.judged(place, accuracy, ended);
    return this.ended;
  }

  /** Why the run has ended; null while steps are left to be made. */
  get ended() {
    return this.#stopping.early ?? this.#stopping.limit(this.#place());
  }

  /** Milliseconds spent in training steps since the network was made. */
  get trainingMs() {
    return this.#stopping.spentMs;
  }

  /**
   * Train to the end of the present epoch. Then early stopping and the target
   * accuracy are judged; `ended` tells whether the run is over.
   * @returns {Metrics} with the means over what was trained
   */
  epoch() {
    this.mark();
    this.#trained = { meanLoss: NaN, meanAccuracy: NaN };
    const epoch = this.#number('epoch');
    this.#steps(() => (this.#number('epoch') === epoch ? STEPS_MAX : 0));
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
    const values = this.#core.numbers(
      'soma_trainer_number', this.#handle, NUMBER_NAMES.length,
    );
    const metrics = /** @type {Metrics} */ ({});
    for (const name of NUMBER_NAMES) metrics[name] = values[NUMBER[name]];
    return metrics;
  }

  /** Start new means. */
  mark() {
    this.#core.call('soma_trainer_mark', this.#handle);
  }

  /** Back to the last state whose loss was known to be finite. */
  restore() {
    this.#evaluating = null;
    this.#core.checked('soma_trainer_restore', this.#handle);
  }

  /** 16 hexadecimal digits over the bits of all parameters. */
  fingerprint() {
    return this.#core.textOf('soma_trainer_fingerprint', this.#handle);
  }

  /**
   * The whole state (run, weights, optimiser, position) as bytes.
   * @returns {Uint8Array}
   */
  saveState() {
    const core = this.#core;
    return core.borrow(() => {
      const size = core.call('soma_trainer_state_bytes', this.#handle) >>> 0;
      const pointer = core.room(size);
      core.checked('soma_trainer_state_write', this.#handle, pointer, size);
      return core.bytes(pointer, size);
    });
  }

  /**
   * Continue from a saved state; the run must be the same.
   * @param {Uint8Array | ArrayBuffer} state
   */
  loadState(state) {
    const core = this.#core;
    const bytes = check.bytes(state, 'state');
    this.#evaluating = null;
    core.borrow(() => core.checked(
      'soma_trainer_state_read', this.#handle, core.put(bytes), bytes.length,
    ));
    this.#given = true;
    this.#stopping = new Stopping();
    this.#readLimits();
  }

  // ---- Looking at the network ----

  /**
   * Loss, accuracy and every prediction on a set, as far as it has come.
   * @param {SetName} set
   * @returns {EvaluationResult}
   */
  evaluate(set) {
    this.beginEvaluation(set);
    while (this.continueEvaluation(CHUNK_IMAGES) > 0);
    return this.evaluation();
  }

  /**
   * The same in slices: begin, continue until no image is left, then read.
   * Training in between ends the evaluation.
   * @param {SetName} set
   */
  beginEvaluation(set) {
    const name = check.setName(set);
    this.#evaluating = null;
    this.#core.checked('soma_evaluation_begin', this.#handle, SET[name]);
    this.#evaluating = name;
  }

  /**
   * @param {number} most   images to look at now
   * @returns {number} images left
   */
  continueEvaluation(most) {
    const count = check.wholeNumber(most, 'most', 1, IMAGES_MAX);
    this.#needEvaluation();
    return this.#core.checked('soma_evaluation_run', this.#handle, count);
  }

  /** The set whose evaluation can be read; null when there is none. */
  get evaluated() {
    return this.#evaluating;
  }

  /**
   * What the evaluation has found so far.
   * @returns {EvaluationResult}
   */
  evaluation() {
    const set = this.#needEvaluation();
    const core = this.#core;
    /** @param {number} which */
    const number = (which) => core.call('soma_evaluation_number', this.#handle, which);
    /** @param {string} part */
    const at = (part) => core.call(`soma_evaluation_${part}`, this.#handle);
    const count = number(EVALUATION.count);
    return {
      set,
      count,
      loss: number(EVALUATION.loss),
      accuracy: number(EVALUATION.accuracy),
      confusion: core.integers(at('confusion'), CLASS_COUNT * CLASS_COUNT),
      predicted: core.bytes(at('predicted'), count),
      probabilities: core.floats(at('probabilities'), count * CLASS_COUNT),
    };
  }

  /**
   * Class probabilities of any number of images.
   * @param {Uint8Array | Uint8ClampedArray | Float32Array} images
   *   [count,784]: ink 0..255, or floats that stand for ink / 255
   * @returns {Float32Array} [count,10]
   */
  predict(images) {
    const { pixels, count } = check.images(images, 'images', true);
    const result = new Float32Array(count * CLASS_COUNT);
    for (let first = 0; first < count; first += CHUNK_IMAGES) {
      const end = Math.min(first + CHUNK_IMAGES, count);
      const chunk = pixels.subarray(first * IMAGE_PIXELS, end * IMAGE_PIXELS);
      result.set(this.#predictChunk(chunk, end - first), first * CLASS_COUNT);
    }
    return result;
  }

  /**
   * The forward pass of one image, layer by layer.
   * @param {Uint8Array | Float32Array} image   [784]
   * @returns {Trace}
   */
  trace(image) {
    const { pixels, count } = check.images(image, 'image', true);
    if (count !== 1) {
      throw new CoreError('BAD_SHAPE', `One image is needed; got ${count}.`, 'image');
    }
    const probabilities = this.#predictChunk(pixels, 1);
    const layers = this.layers().map(({ text, shape }, layer) => {
      const at = this.#core.call('soma_layer_output', this.#handle, layer);
      return { text, shape, values: this.#core.floats(at, sizeOf(shape)) };
    });
    const scale = pixels instanceof Float32Array ? 1 : 255;
    return { input: Float32Array.from(pixels, (ink) => ink / scale), layers, probabilities };
  }

  /**
   * Mean loss over images and its gradient by every parameter; the weights stay.
   * @param {Uint8Array | Float32Array} images   [count,784]
   * @param {Uint8Array} labels                  [count]
   * @returns {{loss: number, gradients: ParameterValues[]}}
   */
  gradients(images, labels) {
    const { pixels, count } = check.images(images, 'images', true);
    const digits = check.labels(labels, 'labels', count);
    const core = this.#core;
    const name = pixels instanceof Float32Array ? 'soma_gradient_floats' : 'soma_gradient';
    this.#evaluating = null;
    const loss = core.borrow(() => {
      const [pixelsAt, labelsAt, lossAt] = [core.put(pixels), core.put(digits), core.room(8)];
      core.checked(name, this.#handle, pixelsAt, labelsAt, count, lossAt);
      return core.double(lossAt);
    });
    const gradients = this.#table().gradients();
    return { loss, gradients };
  }

  /**
   * The layers in the order of `net=`, with their parameters.
   * @returns {LayerInfo[]}
   */
  layers() {
    const core = this.#core;
    const parameters = this.parameters();
    const count = core.checked('soma_layer_count', this.#handle);
    return Array.from({ length: count }, (_, layer) => ({
      text: core.textOf('soma_layer_text', this.#handle, layer),
      shape: core.shapeOf('soma_layer_shape', this.#handle, layer),
      parameters: parameters
        .filter((parameter) => parameter.layer === layer)
        .map(({ name, shape }) => ({ name, shape })),
    }));
  }

  /**
   * Every parameter with its shape, in the engine's order.
   * @returns {Parameter[]}
   */
  parameters() {
    return this.#table().list();
  }

  /**
   * @param {string} name
   * @returns {ParameterValues}
   */
  readParameter(name) {
    return this.#table().read(name);
  }

  /**
   * Replace the values of a parameter.
   * @param {string} name
   * @param {ArrayLike<number>} values   as many as its shape says, finite
   */
  writeParameter(name, values) {
    this.#table().write(name, values);
    this.#evaluating = null;
    this.#given = true;
  }

  // ---- Speed ----

  /**
   * Choose the matrix tile by measuring the compiled ones for some milliseconds,
   * for this network and those that follow. Never changes a result.
   * @returns {{best: number, tiles: {name: string, gflops: number}[]}}
   */
  tune() {
    const measured = measureTiles(this.#core, this.#handle);
    this.#tile = measured.best;
    this.#core.checked('soma_gemm_choose', this.#handle, this.#tile);
    return measured;
  }

  /**
   * Spend some time on a throw-away copy of the network, so that the browser
   * has compiled the hot functions well before the data is there. Network and
   * data stay as they are.
   * @param {number} [ms]
   * @returns {number} steps made
   */
  warmUp(ms = 100) {
    const budget = check.milliseconds(ms, 'ms');
    return warmUpNetwork(this.#core, this.#pool, this.run(), budget);
  }

  /** Give everything back. The trainer cannot be used afterwards. */
  dispose() {
    if (!this.#handle) return;
    try {
      this.#destroy();
    } finally {
      this.#core.close(new CoreError('DISPOSED', 'This trainer has been disposed of.'));
      this.#release();
    }
  }

  // ---- Inside ----

  #destroy() {
    this.#rateTest?.close();
    const [handle, dataset, pool] = [this.#handle, this.#dataset, this.#pool];
    [this.#handle, this.#dataset, this.#pool] = [0, 0, 0];
    this.#core.call('soma_trainer_destroy', handle);
    this.#core.call('soma_dataset_destroy', dataset);
    this.#core.call('soma_pool_destroy', pool);
  }

  /**
   * @param {number} dataset
   * @param {string} run
   */
  #make(dataset, run) {
    const core = this.#core;
    const handle = core.borrow(() => core.created(
      'soma_trainer_create', dataset, this.#pool, core.putText(run, 'run'),
    ));
    if (this.#tile >= 0) core.call('soma_gemm_choose', handle, this.#tile);
    return handle;
  }

  /** @param {number} handle  the new network */
  #replace(handle) {
    const old = this.#handle;
    this.#handle = handle;
    this.#parameters = null;
    this.#evaluating = null;
    this.#given = false;
    this.#core.call('soma_trainer_destroy', old);
    this.#stopping = new Stopping();
    this.#readLimits();
  }

  /** The limits that are not the engine's to count may have changed. */
  #readLimits() {
    const text = this.#core.textOf('soma_trainer_run_text', this.#handle, 1);
    this.#stopping.setLimits(runValues(text));
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
    return lookAt(this.#core, () => this.#make(this.#dataset, lightRun(values)), body);
  }

  /** @param {import('./data.js').Sets} sets */
  #setSets(sets) {
    const counts = {
      train: sets.train?.labels.length ?? 0,
      test: sets.test?.labels.length ?? 0,
    };
    this.#replaceData(counts, (dataset) => {
      for (const name of /** @type {const} */ (['train', 'test'])) {
        const set = sets[name];
        if (set) writeImages(this.#core, dataset, name, 0, set, counts[name]);
      }
    });
  }

  /**
   * @param {{train: number, test: number}} counts
   * @param {(dataset: number) => void} fill
   */
  #replaceData(counts, fill) {
    const core = this.#core;
    if (this.#fits(counts)) {
      fill(this.#dataset);
      this.#announced = true;
      return;
    }
    const dataset = createDataset(core, counts.train, counts.test);
    let handle = 0;
    try {
      fill(dataset);
      handle = this.#make(dataset, this.run().text);
      if (this.#given && this.#number('step') === 0) this.#table().copyTo(handle);
    } catch (error) {
      if (handle) core.call('soma_trainer_destroy', handle);
      core.call('soma_dataset_destroy', dataset);
      throw error;
    }
    this.#rateTest?.close();
    const [old, given] = [this.#dataset, this.#given && this.#number('step') === 0];
    this.#replace(handle);
    this.#given = given;
    this.#dataset = dataset;
    this.#reserved = counts;
    this.#announced = true;
    core.call('soma_dataset_destroy', old);
  }

  /**
   * Whether the room made at the start can take these images.
   * @param {{train: number, test: number}} counts
   */
  #fits(counts) {
    return !this.#announced && counts.train === this.#reserved.train
      && counts.test === this.#reserved.test;
  }

  /** The parameters of the present network. */
  #table() {
    this.#parameters ??= new Parameters(this.#core, this.#handle);
    return this.#parameters;
  }

  /**
   * Make steps as long as `left` says that more are wanted.
   * @param {(done: number) => number} left
   */
  #steps(left) {
    this.#needData();
    let done = 0;
    for (let wanted = left(0); wanted > 0; wanted = left(done)) {
      const made = this.#engineSteps(wanted);
      if (made < 0) this.#stopped(done);
      if (made > 0) {
        done += made;
        this.#trained = {
          meanLoss: this.#number('meanLoss'), meanAccuracy: this.#number('meanAccuracy'),
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
    const stopping = this.#stopping;
    if (stopping.timeIsUp) return 0;
    const start = performance.now();
    const wanted = Math.min(most, stopping.stepsInTime);
    const made = this.#core.call('soma_trainer_steps', this.#handle, wanted);
    if (made > 0) stopping.spend(made, performance.now() - start);
    if (made !== 0) this.#evaluating = null;
    return made;
  }

  /** @returns {import('./stopping.js').Place} */
  #place() {
    return {
      step: this.#number('step'),
      epochs: this.#number('epochs'),
      stepsPerEpoch: this.#number('stepsPerEpoch'),
      totalSteps: this.#number('totalSteps'),
    };
  }

  /**
   * Judge a run whose time is up: the engine must take this step for the last, so
   * that the best weights come back.
   * @param {number} step
   */
  #judgeAsLast(step) {
    const { steps } = this.run().values;
    this.set('steps', Math.max(1, step));
    const ended = this.#core.call('soma_trainer_judge', this.#handle) === 1;
    this.set('steps', steps);
    return ended;
  }

  #needData() {
    this.#core.mustLive();
    if (this.#announced) return;
    throw new CoreError(
      'NO_DATA',
      'There is no data to train on yet: give images with labels first.',
      'data',
    );
  }

  /**
   * A missing image only ends a row of steps; what else stops it is thrown.
   * @param {number} done
   */
  #stopped(done) {
    const fault = this.#core.fault();
    if (fault.code !== 'DATA_PENDING' || done === 0) throw fault;
  }

  /** @param {keyof typeof NUMBER} name */
  #number(name) {
    return this.#core.call('soma_trainer_number', this.#handle, NUMBER[name]);
  }

  /** @returns {SetName} */
  #needEvaluation() {
    this.#core.mustLive();
    if (this.#evaluating) return this.#evaluating;
    throw new CoreError('BAD_ARGUMENT', 'No evaluation has been begun, or training ended it.');
  }

  /**
   * @param {Uint8Array | Float32Array} pixels
   * @param {number} count
   */
  #predictChunk(pixels, count) {
    const core = this.#core;
    const name = pixels instanceof Float32Array ? 'soma_predict_floats' : 'soma_predict';
    return core.borrow(() => {
      const [from, to] = [core.put(pixels), core.room(count * CLASS_COUNT * 4)];
      core.checked(name, this.#handle, from, count, to);
      return core.floats(to, count * CLASS_COUNT);
    });
  }
}
