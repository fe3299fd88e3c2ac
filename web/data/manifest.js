/**
 * The list of a site's shards, `manifest.json`, as data/make-shards.mjs writes it.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';

/**
 * One file of images and labels: gzip over pixels[count,784] followed by
 * labels[count].
 * @typedef {object} Shard
 * @property {'train'|'test'} set
 * @property {number} first      number of its first image within the set
 * @property {number} count      images in it
 * @property {string} file       name, beside the manifest
 * @property {number} bytes      size of the file
 * @property {number} rawBytes   size unpacked: 785 an image
 * @property {string} sha256     of the file, in hexadecimal
 *
 * @typedef {object} Manifest
 * @property {'soma-shards-1'} format
 * @property {string} name       of the data set, for people
 * @property {{train: number, test: number}} counts   images of each set
 * @property {Shard[]} shards
 */

const IMAGE_BYTES = 28 * 28 + 1;

/**
 * @param {boolean} holds
 * @param {string} what
 * @returns {asserts holds}
 */
function need(holds, what) {
  if (holds) return;
  throw new CoreError('BAD_FILE', `The list of shards, manifest.json: ${what}.`, 'data');
}

/** @param {unknown} value */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) >= 0;

/**
 * @param {unknown} value
 * @param {number} number
 * @param {{train: number, test: number}} counts
 * @returns {Shard}
 */
function checkedShard(value, number, counts) {
  const place = `shard ${number}`;
  need(typeof value === 'object' && value !== null, `${place} is not an object`);
  const shard = /** @type {Shard} */ (value);
  need(shard.set === 'train' || shard.set === 'test', `${place} has no set`);
  need(isCount(shard.first) && isCount(shard.count) && shard.count > 0
    && shard.first + shard.count <= counts[shard.set], `${place} lies outside its set`);
  need(typeof shard.file === 'string' && /^[\w-][\w.-]*$/.test(shard.file),
    `${place} has no proper file name`);
  need(isCount(shard.bytes) && shard.bytes > 0, `${place} has no size`);
  need(shard.rawBytes === shard.count * IMAGE_BYTES,
    `${place} does not have ${IMAGE_BYTES} bytes an image`);
  need(typeof shard.sha256 === 'string' && /^[0-9a-f]{64}$/.test(shard.sha256),
    `${place} has no checksum`);
  return shard;
}

/**
 * A manifest that can be relied on, or a CoreError that says what is wrong.
 * @param {unknown} value
 * @returns {Manifest}
 */
export function checkedManifest(value) {
  need(typeof value === 'object' && value !== null, 'it is not an object');
  const manifest = /** @type {Manifest} */ (value);
  need(manifest.format === 'soma-shards-1', "its format is not 'soma-shards-1'");
  need(typeof manifest.name === 'string', 'the data set has no name');
  const { counts } = manifest;
  need(isCount(counts?.train) && isCount(counts?.test), 'it does not count the images');
  need(Array.isArray(manifest.shards), 'it lists no shards');
  manifest.shards.forEach((shard, number) => checkedShard(shard, number, counts));
  for (const set of /** @type {const} */ (['train', 'test'])) {
    const listed = manifest.shards
      .filter((shard) => shard.set === set)
      .reduce((sum, shard) => sum + shard.count, 0);
    need(listed === counts[set],
      `its ${set} shards hold ${listed} of ${counts[set]} images`);
  }
  return manifest;
}
