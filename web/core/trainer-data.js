/**
 * The part of a trainer that has to do with its data.
 *
 * @module
 */

import * as check from './check.js';
import {
  checkedSets, IMAGES_MAX, readImages, setsOfIdx, writeImages,
} from './data.js';
import { CoreError } from './errors.js';
import { SET } from './layout.js';

/**
 * @typedef {import('./data.js').LabelledImages} LabelledImages
 * @typedef {import('./holding.js').Holding} Holding
 */

export class TrainerData {
  #held;

  /** @param {Holding} held */
  constructor(held) {
    this.#held = held;
  }

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
    this.#held.replaceData({ train, test }, () => {});
  }

  /**
   * Images first .. first + count - 1 of a reserved set have come.
   * @param {'train' | 'test'} set
   * @param {number} first
   * @param {Uint8Array} images   [count,784], ink 0..255
   * @param {Uint8Array} labels   [count], 0..9
   */
  writeData(set, first, images, labels) {
    const { core, dataset, reserved, announced } = this.#held;
    core.mustLive();
    const name = check.writableSet(set);
    const at = check.wholeNumber(first, 'first', 0, IMAGES_MAX);
    const { train } = checkedSets({ train: { images, labels } });
    if (!announced) {
      throw new CoreError('NO_DATA', 'Room for the images must be reserved first.', 'set');
    }
    if (!train) return;
    writeImages(core, dataset, name, at, train, reserved[name]);
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
    this.#setSets(setsOfIdx(this.#held.core, files));
  }

  /**
   * How many images of a set are there so far.
   * @param {'train' | 'test'} set
   */
  ready(set) {
    const name = check.writableSet(set);
    return this.#held.core.checked('soma_dataset_ready', this.#held.dataset, SET[name]);
  }

  /**
   * A copy of a set's images and labels; only what has arrived means anything.
   * @param {'train' | 'test'} set
   * @returns {LabelledImages}
   */
  data(set) {
    const { core, reserved, announced } = this.#held;
    core.mustLive();
    const name = check.writableSet(set);
    const count = announced ? reserved[name] : 0;
    if (count === 0) return { images: new Uint8Array(0), labels: new Uint8Array(0) };
    return this.#copy(name, 0, count);
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
    return this.#copy('train', from, most);
  }

  /**
   * @param {'train' | 'test'} set
   * @param {number} first
   * @param {number} count
   * @returns {LabelledImages}
   */
  #copy(set, first, count) {
    const { core, dataset } = this.#held;
    const labels = core.call('soma_dataset_labels', dataset, SET[set]) >>> 0;
    return {
      images: readImages(core, dataset, set, first, count),
      labels: core.bytes(labels + first, count),
    };
  }

  /** @param {import('./data.js').Sets} sets */
  #setSets(sets) {
    const counts = {
      train: sets.train?.labels.length ?? 0,
      test: sets.test?.labels.length ?? 0,
    };
    this.#held.replaceData(counts, (dataset) => {
      for (const name of /** @type {const} */ (['train', 'test'])) {
        const set = sets[name];
        if (set) writeImages(this.#held.core, dataset, name, 0, set, counts[name]);
      }
    });
  }
}
