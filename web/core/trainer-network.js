/**
 * The part of a trainer that looks at its network: evaluation, prediction,
 * gradients, and parameters in and out. No run is changed by looking.
 *
 * @module
 */

import * as check from './check.js';
import { IMAGES_MAX } from './data.js';
import { CoreError } from './errors.js';
import { CLASS_COUNT, EVALUATION, IMAGE_PIXELS, SET } from './layout.js';
import { sizeOf } from './parameters.js';
import { TrainerData } from './trainer-data.js';

/**
 * @typedef {import('./check.js').SetName} SetName
 * @typedef {import('./holding.js').Holding} Holding
 * @typedef {import('./parameters.js').Parameter} Parameter
 * @typedef {import('./parameters.js').ParameterValues} ParameterValues
 * @typedef {import('../protocol.js').LayerInfo} LayerInfo
 * @typedef {import('../protocol.js').Trace} Trace
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

export class TrainerNetwork extends TrainerData {
  #held;

  /** @param {Holding} held */
  constructor(held) {
    super(held);
    this.#held = held;
  }

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
    this.#held.evaluating = null;
    this.#held.core.checked('soma_evaluation_begin', this.#held.handle, SET[name]);
    this.#held.evaluating = name;
  }

  /**
   * @param {number} most   images to look at now
   * @returns {number} images left
   */
  continueEvaluation(most) {
    const count = check.wholeNumber(most, 'most', 1, IMAGES_MAX);
    this.#needEvaluation();
    return this.#held.core.checked('soma_evaluation_run', this.#held.handle, count);
  }

  /** The set whose evaluation can be read; null when there is none. */
  get evaluated() {
    return this.#held.evaluating;
  }

  /**
   * What the evaluation has found so far.
   * @returns {EvaluationResult}
   */
  evaluation() {
    const set = this.#needEvaluation();
    const { core, handle } = this.#held;
    /** @param {number} which */
    const number = (which) => core.call('soma_evaluation_number', handle, which);
    /** @param {string} part */
    const at = (part) => core.call(`soma_evaluation_${part}`, handle);
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
    const { core, handle } = this.#held;
    const probabilities = this.#predictChunk(pixels, 1);
    const layers = this.layers().map(({ text, shape }, layer) => {
      const at = core.call('soma_layer_output', handle, layer);
      return { text, shape, values: core.floats(at, sizeOf(shape)) };
    });
    const scale = pixels instanceof Float32Array ? 1 : 255;
    const input = Float32Array.from(pixels, (ink) => ink / scale);
    return { input, layers, probabilities };
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
    const { core, handle } = this.#held;
    const name = pixels instanceof Float32Array ? 'soma_gradient_floats' : 'soma_gradient';
    this.#held.evaluating = null;
    const loss = core.borrow(() => {
      const [from, truth, to] = [core.put(pixels), core.put(digits), core.room(8)];
      core.checked(name, handle, from, truth, count, to);
      return core.double(to);
    });
    return { loss, gradients: this.#held.parameters.gradients() };
  }

  /**
   * The layers in the order of `net=`, with their parameters.
   * @returns {LayerInfo[]}
   */
  layers() {
    const { core, handle } = this.#held;
    const parameters = this.parameters();
    const count = core.checked('soma_layer_count', handle);
    return Array.from({ length: count }, (_, layer) => ({
      text: core.textOf('soma_layer_text', handle, layer),
      shape: core.shapeOf('soma_layer_shape', handle, layer),
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
    return this.#held.parameters.list();
  }

  /**
   * @param {string} name
   * @returns {ParameterValues}
   */
  readParameter(name) {
    return this.#held.parameters.read(name);
  }

  /**
   * Replace the values of a parameter.
   * @param {string} name
   * @param {ArrayLike<number>} values   as many as its shape says, finite
   */
  writeParameter(name, values) {
    this.#held.parameters.write(name, values);
    this.#held.evaluating = null;
    this.#held.given = true;
  }

  /** @returns {SetName} */
  #needEvaluation() {
    const { core, evaluating } = this.#held;
    core.mustLive();
    if (evaluating) return evaluating;
    const sentence = 'No evaluation has been begun, or training ended it.';
    throw new CoreError('BAD_ARGUMENT', sentence);
  }

  /**
   * @param {Uint8Array | Float32Array} pixels
   * @param {number} count
   */
  #predictChunk(pixels, count) {
    const { core, handle } = this.#held;
    const name = pixels instanceof Float32Array ? 'soma_predict_floats' : 'soma_predict';
    return core.borrow(() => {
      const [from, to] = [core.put(pixels), core.room(count * CLASS_COUNT * 4)];
      core.checked(name, handle, from, count, to);
      return core.floats(to, count * CLASS_COUNT);
    });
  }
}
