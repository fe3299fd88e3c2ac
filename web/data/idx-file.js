/**
 * IDX files that a person drops on the page: plain or gzip, as bytes. What the
 * bytes mean is the engine's business (src/data/idx.h).
 *
 * @module
 */

import { CoreError } from '../core/errors.js';
import { gunzip } from './gunzip.js';

/**
 * Most bytes of one unpacked file. EMNIST's largest, 698,000 images, takes about
 * half of it.
 */
export const FILE_BYTES_MAX = 2 ** 30;

/**
 * The bytes of a file, unpacked if it is gzip, whatever its name says.
 * @param {File} file
 * @param {number} [limit]   most bytes to unpack
 * @returns {Promise<Uint8Array>}
 * @throws {CoreError} BAD_FILE when it cannot be read, is damaged or too large
 */
export async function readIdxFile(file, limit = FILE_BYTES_MAX) {
  const unreadable = () => {
    throw new CoreError('BAD_FILE', `${file.name} could not be read.`, file.name);
  };
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer().catch(unreadable));
  if (head[0] === 0x1f && head[1] === 0x8b) return gunzip(file, limit, file.name);
  if (file.size > limit) {
    const sentence = `${file.name} has ${file.size} bytes; at most ${limit} are allowed.`;
    throw new CoreError('BAD_FILE', sentence, file.name);
  }
  return new Uint8Array(await file.arrayBuffer().catch(unreadable));
}
