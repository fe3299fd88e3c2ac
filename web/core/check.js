/**
 * Checks of what comes in through the public library. Every refusal is a
 * CoreError that says what was given and what is allowed.
 *
 * @module
 */

import { CoreError } from './errors.js';
import { CLASS_COUNT, IMAGE_PIXELS, SET } from './layout.js';

/** @typedef {'train' | 'validation' | 'test'} SetName */

/**
 * What a refused value was, briefly.
 * @param {unknown} value
 */
function shown(value) {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  if (typeof value === 'object' && value !== null) {
    return value.constructor?.name ?? 'an object';
  }
  return String(value);
}

/**
 * @param {string} place
 * @param {string} allowed
 * @param {unknown} value
 * @returns {never}
 */
function refuse(place, allowed, value) {
  const sentence = `${place} must be ${allowed}; got ${shown(value)}.`;
  throw new CoreError('BAD_ARGUMENT', sentence, place);
}

/**
 * A whole number in a range.
 * @param {unknown} value
 * @param {string} place
 * @param {number} min
 * @param {number} max
 * @returns {number}
 */
export function wholeNumber(value, place, min, max) {
  if (typeof value === 'number' && Number.isInteger(value)
    && value >= min && value <= max) return value;
  return refuse(place, `a whole number from ${min} to ${max}`, value);
}

/**
 * A number in a range.
 * @param {unknown} value
 * @param {string} place
 * @param {number} min
 * @param {number} max
 * @returns {number}
 */
export function amount(value, place, min, max) {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  return refuse(place, `a number from ${min} to ${max}`, value);
}

/**
 * A time that is not negative.
 * @param {unknown} value
 * @param {string} place
 * @returns {number}
 */
export function milliseconds(value, place) {
  if (typeof value === 'number' && value >= 0 && value < Infinity) return value;
  return refuse(place, 'a number of milliseconds, 0 or more', value);
}

/**
 * @param {unknown} value
 * @param {string} place
 * @returns {string}
 */
export function text(value, place) {
  return typeof value === 'string' ? value : refuse(place, 'a text', value);
}

/**
 * The value of a setting; numbers are allowed for convenience.
 * @param {unknown} value
 * @param {string} place
 * @returns {string}
 */
export function settingValue(value, place) {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return refuse(place, 'a text or a number', value);
}

/**
 * @param {unknown} value
 * @param {string} place
 * @param {readonly string[]} names
 */
function oneOf(value, place, names) {
  if (typeof value === 'string' && names.includes(value)) return value;
  return refuse(place, names.map((name) => `'${name}'`).join(' or '), value);
}

/**
 * The name of a set that can be evaluated.
 * @param {unknown} value
 * @returns {SetName}
 */
export function setName(value) {
  return /** @type {SetName} */ (oneOf(value, 'set', Object.keys(SET)));
}

/**
 * The name of a set that can be written.
 * @param {unknown} value
 * @returns {'train' | 'test'}
 */
export function writableSet(value) {
  return /** @type {'train' | 'test'} */ (oneOf(value, 'set', ['train', 'test']));
}

/**
 * @param {unknown} value
 * @param {string} place
 * @returns {Record<string, unknown>}
 */
export function record(value, place) {
  if (typeof value === 'object' && value !== null) {
    return /** @type {Record<string, unknown>} */ (value);
  }
  return refuse(place, 'an object', value);
}

/**
 * Bytes in any usual form, not copied.
 * @param {unknown} value
 * @param {string} place
 * @returns {Uint8Array}
 */
export function bytes(value, place) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Uint8ClampedArray) {
    return new Uint8Array(value.buffer, value.byteOffset, value.length);
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return refuse(place, 'a Uint8Array or an ArrayBuffer', value);
}

/**
 * Images as bytes, or as floats that stand for pixel / 255.
 * @param {unknown} value
 * @param {string} place
 * @param {boolean} floats  whether floats are allowed
 * @returns {{pixels: Uint8Array | Float32Array, count: number}}
 */
export function images(value, place, floats) {
  const pixels = floats && value instanceof Float32Array ? value : bytes(value, place);
  if (pixels.length % IMAGE_PIXELS !== 0) {
    const sentence = `${place} must hold ${IMAGE_PIXELS} values an image; `
      + `${pixels.length} is not a multiple of that.`;
    throw new CoreError('BAD_SHAPE', sentence, place);
  }
  if (pixels instanceof Float32Array) finite(pixels, place);
  return { pixels, count: pixels.length / IMAGE_PIXELS };
}

/**
 * Labels from 0 to 9, one for each image.
 * @param {unknown} value
 * @param {string} place
 * @param {number} count
 * @returns {Uint8Array}
 */
export function labels(value, place, count) {
  const digits = bytes(value, place);
  if (digits.length !== count) {
    const sentence = `${place} must hold one label an image: ${count}, `
      + `got ${digits.length}.`;
    throw new CoreError('BAD_SHAPE', sentence, place);
  }
  const wrong = digits.findIndex((digit) => digit >= CLASS_COUNT);
  if (wrong >= 0) {
    const sentence = `${place}: label ${wrong} is ${digits[wrong]}; `
      + 'labels are digits from 0 to 9.';
    throw new CoreError('BAD_LABEL', sentence, `${place} ${wrong}`);
  }
  return digits;
}

/**
 * That many finite numbers, as floats.
 * @param {unknown} value
 * @param {string} place
 * @param {number} count
 * @returns {Float32Array}
 */
export function floats(value, place, count) {
  const numbers = Array.isArray(value) ? value : typedNumbers(value);
  if (!numbers?.every((/** @type {unknown} */ item) => typeof item === 'number')) {
    return refuse(place, 'an array of numbers', value);
  }
  if (numbers.length !== count) {
    const sentence = `${place} needs ${count} values; got ${numbers.length}.`;
    throw new CoreError('BAD_SHAPE', sentence, place);
  }
  return finite(Float32Array.from(numbers), place);
}

/**
 * @param {unknown} value
 * @returns {number[] | Float32Array | Float64Array | null}
 */
function typedNumbers(value) {
  return value instanceof Float32Array || value instanceof Float64Array ? value : null;
}

/**
 * @param {Float32Array} values
 * @param {string} place
 */
function finite(values, place) {
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const sentence = `${place}: value ${wrong} is ${values[wrong]}; `
      + 'only finite numbers are allowed.';
    throw new CoreError('NOT_FINITE', sentence, place);
  }
  return values;
}
