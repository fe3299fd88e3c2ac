/**
 * Unpacking gzip with the browser's own decompressor, within bounds: a small
 * file can unpack to gigabytes.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';

/**
 * @param {Uint8Array[]} chunks
 * @param {number} length
 */
function join(chunks, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * Unpack one gzip file. Its checksum is verified on the way.
 * @param {Blob} blob
 * @param {number} limit   refuse to unpack more bytes than that
 * @param {string} name    of the file, for the sentence
 * @returns {Promise<Uint8Array>}
 */
export async function gunzip(blob, limit, name) {
  const reader = blob.stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  /** @type {Uint8Array[]} */
  const chunks = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new CoreError('BAD_FILE', `${name} is damaged: it cannot be unpacked.`, name);
    });
    if (done) return join(chunks, length);
    length += value.length;
    if (length > limit) {
      reader.cancel().catch(() => {});
      const sentence = `${name} unpacks to more than the allowed ${limit} bytes.`;
      throw new CoreError('BAD_FILE', sentence, name);
    }
    chunks.push(value);
  }
}
