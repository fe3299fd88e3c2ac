/**
 * Fetching one file of known size with patience: counted while it comes, given
 * up when it stalls, tried again when it fails.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';

/** Tries before a file is given up. */
export const ATTEMPTS = 3;

/** Pause before the second try; doubled for the third. */
const PAUSE_MS = 500;

/** A connection that sends nothing for so long is closed. */
const STALL_MS = 20000;

/**
 * @typedef {object} Net
 * @property {typeof globalThis.fetch} fetch
 * @property {AbortSignal} [signal]
 * @property {number} [pauseMs]
 * @property {number} [stallMs]
 */

/**
 * Wait, unless the signal aborts first.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Run `work` with a signal that aborts with the given one, or when `beat` is not
 * called for `stallMs`.
 * @template T
 * @param {Net} net
 * @param {(signal: AbortSignal, beat: () => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function watched(net, work) {
  const { signal, stallMs = STALL_MS } = net;
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const beat = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      controller.abort(new Error('the connection stalled'));
    }, stallMs);
  };
  signal?.addEventListener('abort', stop, { once: true });
  beat();
  try {
    return await work(controller.signal, beat);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * One try at a file. A body longer than `limit` is not read to its end.
 * @param {Net} net
 * @param {URL} url
 * @param {RequestCache} cache
 * @param {number} limit
 * @param {(bytes: number) => void} received   called with the size of each piece
 * @returns {Promise<Uint8Array[]>}
 */
function fetchOnce(net, url, cache, limit, received) {
  return watched(net, async (signal, beat) => {
    const response = await net.fetch(url, { cache, signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    if (!response.body) throw new Error('the server sent nothing');
    const reader = response.body.getReader();
    const pieces = [];
    for (let length = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return pieces;
      beat();
      length += value.length;
      received(value.length);
      if (length > limit) {
        reader.cancel().catch(() => {});
        throw new Error('the file is longer than announced');
      }
      pieces.push(value);
    }
  });
}

/**
 * Fetch a file and make something of it, trying again when either fails; later
 * tries go past the browser's cache, where a damaged copy may lie.
 * @template T
 * @param {Net} net
 * @param {URL} url
 * @param {{limit: number, cache?: RequestCache,
 *   received?: (bytes: number) => void}} options
 *   `received` hears of each piece, and of minus the whole when a try is lost
 * @param {(blob: Blob) => Promise<T>} use
 * @returns {Promise<T>}
 * @throws {CoreError} FETCH_FAILED or what `use` threw last; the signal's reason
 */
export async function fetchFile(net, url, options, use) {
  const { limit, received = () => {} } = options;
  const { signal, pauseMs = PAUSE_MS } = net;
  for (let attempt = 1; ; attempt += 1) {
    let length = 0;
    const count = (/** @type {number} */ bytes) => {
      length += bytes;
      received(bytes);
    };
    const cache = attempt === 1 ? options.cache ?? 'default' : 'reload';
    try {
      signal?.throwIfAborted();
      const pieces = await fetchOnce(net, url, cache, limit, count);
      return await use(new Blob(/** @type {BlobPart[]} */ (pieces)));
    } catch (error) {
      received(-length);
      signal?.throwIfAborted();
      if (attempt === ATTEMPTS) throw asFailure(error, url);
    }
    await pause(pauseMs * 2 ** (attempt - 1), signal);
  }
}

/**
 * @param {unknown} error
 * @param {URL} url
 */
function asFailure(error, url) {
  if (error instanceof CoreError) return error;
  const name = url.pathname.split('/').pop() ?? '';
  const reason = error instanceof Error ? error.message : String(error);
  const sentence = `${name} could not be fetched in ${ATTEMPTS} tries: ${reason}.`;
  return new CoreError('FETCH_FAILED', sentence, name);
}
