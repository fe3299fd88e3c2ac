/**
 * The parameters of one network by name, with their shapes, values and gradients.
 *
 * @module
 */

import * as check from './check.js';
import { CoreError } from './errors.js';
import { PARAMETER } from './layout.js';

/**
 * @typedef {import('./core.js').Core} Core
 *
 * @typedef {object} Parameter
 * @property {string} name      "0.weight"
 * @property {number[]} shape   PyTorch's layout
 * @property {number} layer     index in `net=`
 * @property {number} size      how many values
 *
 * @typedef {{name: string, shape: number[], values: Float32Array}} ParameterValues
 */

/** @param {number[]} shape */
export const sizeOf = (shape) => shape.reduce((product, length) => product * length, 1);

export class Parameters {
  #core;
  #trainer;
  /** @type {Parameter[]} in the engine's order */
  #list;

  /**
   * @param {Core} core
   * @param {number} trainer
   */
  constructor(core, trainer) {
    this.#core = core;
    this.#trainer = trainer;
    const count = core.checked('soma_parameter_count', trainer);
    this.#list = Array.from({ length: count }, (_, index) => {
      const shape = core.shapeOf('soma_parameter_shape', trainer, index);
      return {
        name: core.textOf('soma_parameter_name', trainer, index),
        shape,
        layer: core.call('soma_parameter_layer', trainer, index),
        size: sizeOf(shape),
      };
    });
  }

  /** A copy of the table. */
  list() {
    this.#core.mustLive();
    return structuredClone(this.#list);
  }

  /**
   * The values of one.
   * @param {unknown} name
   * @returns {ParameterValues}
   */
  read(name) {
    return this.#readAt(this.#find(name), PARAMETER.VALUE);
  }

  /**
   * The gradients of all, as the last backward pass left them.
   * @returns {ParameterValues[]}
   */
  gradients() {
    return this.#list.map((_, index) => this.#readAt(index, PARAMETER.GRADIENT));
  }

  /**
   * Replace the values of one.
   * @param {unknown} name
   * @param {unknown} values   as many numbers as its shape says, finite
   */
  write(name, values) {
    const [core, index] = [this.#core, this.#find(name)];
    const { name: known, size } = this.#list[index];
    const floats = check.floats(values, known, size);
    core.borrow(() => core.checked(
      'soma_parameter_write', this.#trainer, index, core.put(floats), size,
    ));
  }

  /**
   * Copy all values into another network of the same shape.
   * @param {number} trainer
   */
  copyTo(trainer) {
    const core = this.#core;
    this.#list.forEach(({ size }, index) => core.borrow(() => {
      const at = core.room(size * 4);
      core.checked('soma_parameter_read', this.#trainer, index, PARAMETER.VALUE, at, size);
      core.checked('soma_parameter_write', trainer, index, at, size);
    }));
  }

  /** @param {unknown} name */
  #find(name) {
    this.#core.mustLive();
    const index = this.#list.findIndex((parameter) => parameter.name === name);
    if (index >= 0) return index;
    const names = this.#list.map((parameter) => parameter.name).join(', ');
    throw new CoreError(
      'BAD_ARGUMENT',
      `There is no parameter ${JSON.stringify(String(name).slice(0, 40))}; `
        + `this network has ${names}.`,
      'name',
    );
  }

  /**
   * @param {number} index
   * @param {number} which
   * @returns {ParameterValues}
   */
  #readAt(index, which) {
    const core = this.#core;
    const { name, shape, size } = this.#list[index];
    return core.borrow(() => {
      const at = core.room(size * 4);
      core.checked('soma_parameter_read', this.#trainer, index, which, at, size);
      return { name, shape: [...shape], values: core.floats(at, size) };
    });
  }
}
