/**
 * The site's data on its way into the engine: fetches the manifest and then the
 * shards, a few at a time, and hands over each block of images as soon as it is
 * there. Made for a worker; knows neither engine nor page.
 *
 * Order: the first training shard, so that training can begin; the test shards,
 * which the page shows; then the rest in file order.
 *
 * @module
 */

import { CoreError } from '../core/errors.js';
import { fetchFile } from './fetch-file.js';
import { gunzip } from './gunzip.js';
import { checkedManifest } from './manifest.js';

/** Shards that are fetched at the same time, after the first. */
const PARALLEL = 3;

/** Least time between two progress reports. */
const REPORT_MS = 60;

/** The speed of the download is averaged over about so long. */
const SPEED_MEMORY_MS = 3000;

/** More than any manifest takes. */
const MANIFEST_BYTES_MAX = 2 ** 20;

const IMAGE_PIXELS = 784;

/**
 * @typedef {import('./manifest.js').Manifest} Manifest
 * @typedef {import('./manifest.js').Shard} Shard
 * @typedef {import('./fetch-file.js').Net} Net
 *
 * Images that have arrived; both arrays are views of one buffer.
 * @typedef {object} Block
 * @property {'train'|'test'} set
 * @property {number} first          number of the first image within the set
 * @property {Uint8Array} images     [count,784]
 * @property {Uint8Array} labels     [count]
 *
 * @typedef {object} ShardProgress
 * @property {number} bytesDone      compressed bytes received
 * @property {number} bytesTotal
 * @property {number} secondsLeft    NaN until there is something to estimate from
 * @property {number} imagesReady    training images handed over
 * @property {number} imagesTotal
 * @property {number} testReady      test images handed over
 * @property {number} testTotal
 *
 * A shard that could not be had, and why.
 * @typedef {{shard: Shard, error: CoreError}} ShardFailure
 *
 * @typedef {object} Handlers
 * @property {(manifest: Manifest) => void} [onManifest]
 *   before the first block of the first call: how many images there will be
 * @property {(block: Block) => void | Promise<void>} onBlock
 * @property {(progress: ShardProgress) => void} [onProgress]
 *   of bytes at most about every 60 ms; of every shard, and at the end, always
 */

/**
 * The order in which shards are wanted.
 * @param {Shard[]} shards
 * @returns {Shard[]}
 */
export function fetchOrder(shards) {
  const train = shards.filter((shard) => shard.set === 'train');
  const test = shards.filter((shard) => shard.set === 'test');
  for (const set of [train, test]) set.sort((a, b) => a.first - b.first);
  return [...train.slice(0, 1), ...test, ...train.slice(1)];
}

/**
 * SHA-256 in hexadecimal; null where the browser has none (pages without https).
 * @param {ArrayBuffer} bytes
 */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Verify a shard and unpack it. gzip's own checksum stands in where SHA-256 is not
 * to be had.
 * @param {Shard} shard
 * @param {Blob} blob
 * @returns {Promise<Block>}
 */
async function openShard(shard, blob) {
  const refuse = (/** @type {string} */ what) => {
    throw new CoreError('BAD_FILE', `${shard.file} is damaged: ${what}.`, shard.file);
  };
  if (blob.size !== shard.bytes) refuse(`it has ${blob.size} of ${shard.bytes} bytes`);
  const hash = await sha256(await blob.arrayBuffer());
  if (hash !== null && hash !== shard.sha256) refuse('its checksum is wrong');
  const raw = await gunzip(blob, shard.rawBytes, shard.file);
  if (raw.length !== shard.rawBytes) {
    refuse(`it unpacks to ${raw.length} of ${shard.rawBytes} bytes`);
  }
  const pixels = shard.count * IMAGE_PIXELS;
  const [images, labels] = [raw.subarray(0, pixels), raw.subarray(pixels)];
  return { set: shard.set, first: shard.first, images, labels };
}

/**
 * A running estimate of bytes per second: what was received, weighted down by
 * half for every SPEED_MEMORY_MS that has passed since.
 */
class Speed {
  /** @param {number} now */
  constructor(now) {
    this.at = now;
    this.bytes = 0;
    this.ms = 0;
  }

  /**
   * @param {number} now
   * @param {number} bytes
   */
  add(now, bytes) {
    const elapsed = now - this.at;
    const kept = 0.5 ** (elapsed / SPEED_MEMORY_MS);
    this.bytes = this.bytes * kept + Math.max(bytes, 0);
    this.ms = this.ms * kept + elapsed;
    this.at = now;
  }

  /** @param {number} bytes */
  secondsFor(bytes) {
    if (bytes === 0) return 0;
    const known = this.bytes > 0 && this.ms > 0;
    return known ? (bytes * this.ms) / this.bytes / 1000 : NaN;
  }
}

/** Fetches a site's shards; what failed can be asked for again. */
export class ShardLoader {
  /**
   * @param {URL | string} base   folder of the manifest, ending in '/'
   * @param {{fetch?: typeof globalThis.fetch, now?: () => number, pauseMs?: number,
   *   stallMs?: number}} [means]   replaced in tests
   */
  constructor(base, means = {}) {
    this.base = base;
    this.net = {
      fetch: means.fetch ?? globalThis.fetch.bind(globalThis),
      pauseMs: means.pauseMs,
      stallMs: means.stallMs,
    };
    this.now = means.now ?? (() => performance.now());
    /** @type {Manifest | null} */
    this.manifest = null;
    /** @type {Set<Shard>} shards whose block was handed over */
    this.done = new Set();
    this.bytesDone = 0;
    this.ready = { train: 0, test: 0 };
    this.reportedAt = -Infinity;
    this.speed = new Speed(0);
  }

  /**
   * Fetch everything that is not here yet. Resolves when each shard has been handed
   * over or given up; call again to try those once more.
   * @param {Handlers} handlers
   * @param {AbortSignal} [signal]
   * @returns {Promise<ShardFailure[]>}   empty: all is here
   * @throws when there is no manifest, a handler throws, or the signal aborts
   */
  async load(handlers, signal) {
    const net = { ...this.net, signal };
    const { shards } = this.manifest ?? await this.#fetchManifest(net, handlers);
    this.speed = new Speed(this.now());
    const queue = fetchOrder(shards).filter((shard) => !this.done.has(shard));
    /** @type {ShardFailure[]} */
    const failures = [];
    const next = async () => {
      const shard = queue.shift();
      if (!shard) return;
      const error = await this.#loadShard(net, shard, handlers);
      if (error) failures.push({ shard, error });
    };
    const lane = async () => {
      while (queue.length > 0) await next();
    };
    // The first shard gets the whole line to itself: training waits for it.
    await next();
    const lanes = await Promise.allSettled(Array.from({ length: PARALLEL }, () => (
      lane().catch((error) => {
        queue.length = 0;
        throw error;
      }))));
    for (const end of lanes) if (end.status === 'rejected') throw end.reason;
    this.#report(handlers, true);
    return failures;
  }

  /**
   * @param {Net} net
   * @param {Handlers} handlers
   */
  async #fetchManifest(net, handlers) {
    const url = new URL('manifest.json', this.base);
    /** @type {{limit: number, cache: RequestCache}} */
    const options = { limit: MANIFEST_BYTES_MAX, cache: 'no-cache' };
    this.manifest = await fetchFile(net, url, options, async (blob) => {
      const text = await blob.text();
      try {
        return checkedManifest(JSON.parse(text));
      } catch (error) {
        if (error instanceof CoreError) throw error;
        throw new CoreError('BAD_FILE', 'manifest.json is not JSON.', 'data');
      }
    });
    handlers.onManifest?.(this.manifest);
    return this.manifest;
  }

  /**
   * @param {Net} net
   * @param {Shard} shard
   * @param {Handlers} handlers
   * @returns {Promise<CoreError | null>}   why it was given up
   */
  async #loadShard(net, shard, handlers) {
    const received = (/** @type {number} */ bytes) => {
      this.bytesDone += bytes;
      this.speed.add(this.now(), bytes);
      this.#report(handlers, false);
    };
    /** @type {Block} */
    let block;
    try {
      const url = new URL(shard.file, this.base);
      block = await fetchFile(net, url, { limit: shard.bytes, received },
        (blob) => openShard(shard, blob));
    } catch (error) {
      net.signal?.throwIfAborted();
      if (error instanceof CoreError) return error;
      throw error;
    }
    net.signal?.throwIfAborted();
    await handlers.onBlock(block);
    this.done.add(shard);
    this.ready[shard.set] += shard.count;
    this.#report(handlers, true);
    return null;
  }

  /**
   * @param {Handlers} handlers
   * @param {boolean} always   even when the last report was just now
   */
  #report(handlers, always) {
    const now = this.now();
    if (!handlers.onProgress || !this.manifest) return;
    if (!always && now - this.reportedAt < REPORT_MS) return;
    this.reportedAt = now;
    const { counts, shards } = this.manifest;
    const bytesTotal = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    handlers.onProgress({
      bytesDone: this.bytesDone,
      bytesTotal,
      secondsLeft: this.speed.secondsFor(bytesTotal - this.bytesDone),
      imagesReady: this.ready.train,
      imagesTotal: counts.train,
      testReady: this.ready.test,
      testTotal: counts.test,
    });
  }
}
