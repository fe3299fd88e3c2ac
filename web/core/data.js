/**
 * Images on their way into the engine's data set: from IDX bytes or arrays,
 * in cuts, so that little memory is needed beside the data set.
 *
 * @module
 */

import * as check from './check.js';
import { CoreError } from './errors.js';
import { IMAGE_PIXELS, SET } from './layout.js';

/**
 * @typedef {import('./core.js').Core} Core
 *
 * Images and their labels; both may be views into larger buffers.
 * @typedef {object} LabelledImages
 * @property {Uint8Array} images   [count,784], ink 0..255
 * @property {Uint8Array} labels   [count], 0..9
 *
 * @typedef {{train?: LabelledImages, test?: LabelledImages}} Sets
 *
 * The four files that MNIST consists of (or two of them), unpacked.
 * @typedef {object} IdxFiles
 * @property {Uint8Array | ArrayBuffer} [trainImages]
 * @property {Uint8Array | ArrayBuffer} [trainLabels]
 * @property {Uint8Array | ArrayBuffer} [testImages]
 * @property {Uint8Array | ArrayBuffer} [testLabels]
 */

const IMAGES_HEADER = 16;

/** Images copied at once: less than a megabyte. */
const CUT = 1000;

/** Most images of one set; the engine's own limit. */
export const IMAGES_MAX = 2 ** 24;

/**
 * The items of an IDX file, as a view into its bytes. Of images only the
 * header is shown to the engine, which needs no more.
 * @param {Core} core
 * @param {unknown} file
 * @param {string} place
 * @param {1 | 3} dimensions   1 for labels, 3 for images
 */
function idxItems(core, file, place, dimensions) {
  const bytes = check.bytes(file, place);
  const shown = dimensions === 3 ? bytes.subarray(0, IMAGES_HEADER) : bytes;
  return core.borrow(() => {
    const payload = core.room(4);
    const pointer = core.put(shown);
    try {
      core.checked('soma_idx_check', pointer, bytes.length, dimensions, payload);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      throw new CoreError(error.code, `${place}, ${error.place}: ${error.message}`, place);
    }
    return bytes.subarray(core.integers(payload, 1)[0]);
  });
}

/**
 * One set from its two IDX files; undefined when neither is given.
 * @param {Core} core
 * @param {Record<string, unknown>} files
 * @param {'train' | 'test'} set
 * @returns {LabelledImages | undefined}
 */
function idxSet(core, files, set) {
  const [images, labels] = [`${set}Images`, `${set}Labels`];
  if (files[images] === undefined && files[labels] === undefined) return undefined;
  return {
    images: idxItems(core, files[images], images, 3),
    labels: idxItems(core, files[labels], labels, 1),
  };
}

/**
 * Both sets from IDX files; nothing is copied.
 * @param {Core} core
 * @param {unknown} files
 * @returns {Sets}
 */
export function setsOfIdx(core, files) {
  const given = check.record(files, 'files');
  return checkedSets({
    train: idxSet(core, given, 'train'),
    test: idxSet(core, given, 'test'),
  });
}

/**
 * Arrays whose lengths and labels fit together.
 * @param {unknown} sets
 * @returns {Sets}
 */
export function checkedSets(sets) {
  const given = check.record(sets, 'data');
  const [train, test] = ['train', 'test'].map((name) => (
    given[name] === undefined ? undefined : checkedSet(given[name], name)));
  if (!train && !test) {
    throw new CoreError('NO_DATA', "data must hold 'train' or 'test' images.", 'data');
  }
  return { train, test };
}

/**
 * @param {unknown} set
 * @param {string} name
 * @returns {LabelledImages}
 */
function checkedSet(set, name) {
  const given = check.record(set, `data.${name}`);
  const { pixels, count } = check.images(given.images, `${name} images`, false);
  return {
    images: /** @type {Uint8Array} */ (pixels),
    labels: check.labels(given.labels, `${name} labels`, count),
  };
}

/**
 * Room for that many images. Owned by the caller.
 * @param {Core} core
 * @param {number} train
 * @param {number} test
 */
export function createDataset(core, train, test) {
  return core.created('soma_dataset_create', train, test);
}

/**
 * Copy images that were checked before into the data set. The first cut
 * decides: the engine may refuse it (no room); later ones cannot fail.
 * @param {Core} core
 * @param {number} dataset
 * @param {'train' | 'test'} set
 * @param {number} first
 * @param {LabelledImages} data
 * @param {number} room   images the set has room for
 */
export function writeImages(core, dataset, set, first, data, room) {
  const count = data.labels.length;
  if (first + count > room) {
    throw new CoreError(
      'OUT_OF_RANGE',
      `Images ${first} to ${first + count - 1} do not fit into the ${room} `
        + `images that were reserved for the ${set} set.`,
      'first',
    );
  }
  for (let at = 0; at < count; at += CUT) {
    const end = Math.min(at + CUT, count);
    core.borrow(() => {
      const pixels = data.images.subarray(at * IMAGE_PIXELS, end * IMAGE_PIXELS);
      const [imagesAt, labelsAt] = [core.put(pixels), core.put(data.labels.subarray(at, end))];
      core.checked(
        'soma_dataset_write', dataset, SET[set], first + at, end - at, imagesAt, labelsAt,
      );
    });
  }
}

/**
 * Images first .. first + count - 1 of a set as they came.
 * @param {Core} core
 * @param {number} dataset
 * @param {'train' | 'test'} set
 * @param {number} first
 * @param {number} count
 */
export function readImages(core, dataset, set, first, count) {
  const images = new Uint8Array(count * IMAGE_PIXELS);
  for (let at = 0; at < count; at += CUT) {
    const taken = Math.min(CUT, count - at);
    core.borrow(() => {
      const pixels = core.room(taken * IMAGE_PIXELS);
      core.checked('soma_dataset_read', dataset, SET[set], first + at, taken, pixels);
      images.set(core.bytes(pixels, taken * IMAGE_PIXELS), at * IMAGE_PIXELS);
    });
  }
  return images;
}
