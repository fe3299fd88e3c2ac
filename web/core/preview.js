/**
 * What a run description would do, without running it: settings that have no
 * effect, the planned learning rate, and images as augmentation distorts them.
 *
 * @module
 */

import { CoreError } from './errors.js';
import { IMAGE_PIXELS, NUMBER } from './layout.js';

/**
 * @typedef {import('./core.js').Core} Core
 *
 * The learning rate over a run.
 * @typedef {object} RateCurve
 * @property {Float64Array} epoch   fractional, ascending
 * @property {Float64Array} rate
 */

/**
 * Why settings have no effect beside the others.
 * @param {Core} core
 * @param {readonly {key: string}[]} options   the options table
 * @param {string} run
 * @returns {Record<string, string>} key → sentence, only where there is one
 */
export function readNotes(core, options, run) {
  return core.borrow(() => {
    const pointer = core.putText(run, 'run');
    const notes = options.map(({ key }, row) => (
      [key, core.text(core.created('soma_option_note', pointer, row))]));
    return Object.fromEntries(notes.filter(([, note]) => note !== ''));
  });
}

/**
 * A description with the same data, schedule and augmentation, but the smallest of
 * networks: enough to ask a trainer about them.
 * @param {Record<string, string>} values
 */
export function lightRun(values) {
  const light = {
    ...values, net: 'dense 10', loss: 'cross-entropy', init: 'zeros', optimizer: 'sgd',
    patience: '0',
  };
  return Object.entries(light).map(([key, value]) => `${key}=${value}`).join('\n');
}

/**
 * The learning rate that the schedule plans, at so many places of the run.
 * @param {Core} core
 * @param {number} trainer
 * @param {number} points
 * @returns {RateCurve}
 */
export function plannedRates(core, trainer, points) {
  /** @param {number} which */
  const number = (which) => core.call('soma_trainer_number', trainer, which);
  const [last, perEpoch] = [number(NUMBER.totalSteps) - 1, number(NUMBER.stepsPerEpoch)];
  const count = Math.max(1, Math.min(points, last + 1));
  const steps = Float64Array.from({ length: count }, (_, i) => (
    count === 1 ? 0 : Math.round(i * last / (count - 1))));
  return {
    epoch: steps.map((step) => (step + 1) / perEpoch),
    rate: steps.map((step) => core.call('soma_trainer_rate', trainer, step)),
  };
}

/**
 * Images as they are distorted in an epoch: image i of them as training image
 * `first + i` would be.
 * @param {Core} core
 * @param {number} trainer
 * @param {Uint8Array} images   [count,784]
 * @param {number} epoch
 * @param {number} first
 * @returns {Uint8Array} [count,784]
 */
export function distort(core, trainer, images, epoch, first) {
  return core.borrow(() => {
    const [from, to] = [core.room(IMAGE_PIXELS), core.room(IMAGE_PIXELS)];
    const result = new Uint8Array(images.length);
    for (let at = 0; at < images.length; at += IMAGE_PIXELS) {
      core.writeBytes(from, images.subarray(at, at + IMAGE_PIXELS));
      core.checked('soma_augment', trainer, from, epoch, first + at / IMAGE_PIXELS, to);
      result.set(core.bytes(to, IMAGE_PIXELS), at);
    }
    return result;
  });
}

/**
 * A trainer of that description for as long as `body` looks at it.
 * @template T
 * @param {Core} core
 * @param {() => number} make
 * @param {(trainer: number) => T} body
 * @returns {T}
 */
export function lookAt(core, make, body) {
  const trainer = make();
  if (trainer === 0) throw new CoreError('OUT_OF_MEMORY', 'There is no memory for it.');
  try {
    return body(trainer);
  } finally {
    core.call('soma_trainer_destroy', trainer);
  }
}
