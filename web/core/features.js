/**
 * Which engine can run here: ask the browser (or Node) once, then choose a build
 * and a number of threads, and say in words why.
 *
 * The builds are whole modules, because a browser refuses a module with a single
 * instruction that it does not know:
 *
 *     exact   exact-threads     SIMD128: the same bits everywhere
 *     fast    fast-threads      and relaxed multiply-add: faster, last bits differ
 *
 * @module
 */

import { relaxedSimd, simd, threads } from 'wasm-feature-detect';
import { CoreError } from './errors.js';

/**
 * @typedef {'exact'|'exact-threads'|'fast'|'fast-threads'} Build
 *
 * What this place can do.
 * @typedef {object} Environment
 * @property {boolean} simd         WebAssembly SIMD128
 * @property {boolean} relaxedSimd  and its relaxed multiply-add
 * @property {boolean} threads      WebAssembly threads
 * @property {boolean} isolated     memory may be shared between threads: the page
 *                                  came with the isolation headers, or this is Node
 * @property {number} cores         logical cores
 *
 * @typedef {object} Wish
 * @property {string} [build]            'auto' (the default) or the name of a build
 * @property {string | number} [threads] 'auto' (the default) or a number
 *
 * @typedef {object} Choice
 * @property {Build} build
 * @property {number} threads
 * @property {string} reason   "fast build: …; two threads: …"
 */

/** Threads of one pool; `POOL_THREADS_MAX` in `src/base/pool.h`. */
export const THREADS_MAX = 16;

/** More share a small batch badly: each gets too little to do. */
const THREADS_AUTO_MAX = 8;

const BUILDS = ['auto', 'exact', 'exact-threads', 'fast', 'fast-threads'];

const NUMBER_WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven',
  'eight'];

/** True under Node, where files are read and not fetched. */
export const IN_NODE =
  typeof process === 'object' && typeof process.versions?.node === 'string';

/** Logical cores of this machine. */
async function countCores() {
  if (!IN_NODE) return navigator.hardwareConcurrency || 1;
  const name = 'node:os'; // not a literal, or a bundler would try to bundle it
  const os = await import(/* @vite-ignore */ name);
  return os.availableParallelism();
}

/**
 * Ask what this place can do. Takes a few milliseconds and never fails.
 * @returns {Promise<Environment>}
 */
export async function probeEnvironment() {
  const [hasSimd, hasRelaxed, hasThreads, cores] = await Promise.all([
    simd(), relaxedSimd(), threads(), countCores(),
  ]);
  return {
    simd: hasSimd,
    relaxedSimd: hasRelaxed,
    threads: hasThreads,
    isolated: IN_NODE || globalThis.crossOriginIsolated === true,
    cores,
  };
}

/**
 * "one thread", "12 threads".
 * @param {number} count
 */
function threadWords(count) {
  return `${NUMBER_WORDS[count] ?? count} thread${count === 1 ? '' : 's'}`;
}

/**
 * @param {string} build
 * @param {Environment} environment
 * @returns {{kind: 'exact' | 'fast', reason: string}}
 */
function chooseKind(build, environment) {
  const wanted = build === 'auto' ? 'auto' : build.replace('-threads', '');
  if (wanted === 'exact') return { kind: 'exact', reason: 'exact build: asked for' };
  if (environment.relaxedSimd) {
    const why = wanted === 'fast' ? 'asked for' : 'relaxed SIMD works here';
    return { kind: 'fast', reason: `fast build: ${why}` };
  }
  const asked = wanted === 'fast' ? 'the fast one was asked for, but ' : '';
  return {
    kind: 'exact',
    reason: `exact build: ${asked}relaxed SIMD is missing here`,
  };
}

/**
 * Why no more than one thread can run here; '' when more can.
 * @param {Environment} environment
 */
function obstacleToThreads(environment) {
  // In this order: without isolation browsers hide their threads.
  if (!environment.isolated) return 'this host does not send the isolation headers';
  if (!environment.threads) return 'WebAssembly threads are missing here';
  return '';
}

/**
 * How many threads, whether as a build with threads, and why.
 * @param {string} build
 * @param {number | 'auto'} wanted
 * @param {Environment} environment
 * @returns {{count: number, shared: boolean, reason: string}}
 */
function chooseThreads(build, wanted, environment) {
  const named = build.endsWith('-threads');
  const alone = (/** @type {string} */ why) =>
    ({ count: 1, shared: false, reason: `one thread: ${why}` });
  if (wanted === 1 && !named) return alone('asked for');
  if (wanted === 'auto' && build !== 'auto' && !named) {
    return alone(`the ${build} build was asked for`);
  }
  const obstacle = obstacleToThreads(environment);
  if (obstacle) {
    const asked = wanted === 'auto' ? '' : `${threadWords(wanted)} were asked for, but `;
    return alone(asked + obstacle);
  }
  if (wanted !== 'auto') {
    return { count: wanted, shared: true, reason: `${threadWords(wanted)}: asked for` };
  }
  const { cores } = environment;
  if (cores === 1 && !named) return alone('this machine has one core');
  // One core of many is left to the page.
  const count = cores <= 2 ? Math.max(cores, 1) : Math.min(cores - 1, THREADS_AUTO_MAX);
  const has = `this machine has ${cores} core${cores === 1 ? '' : 's'}`;
  return { count, shared: true, reason: `${threadWords(count)}: ${has}` };
}

/**
 * The number of threads that was asked for.
 * @param {string | number} threads
 * @returns {number | 'auto'}
 */
function readThreads(threads) {
  if (threads === 'auto') return 'auto';
  const count = Number(threads);
  if (Number.isInteger(count) && count >= 1 && count <= THREADS_MAX) return count;
  throw new CoreError('BAD_ARGUMENT',
    `The number of threads must be auto or 1 to ${THREADS_MAX}, not ${threads}.`,
    'threads');
}

/**
 * Choose build and threads. What was asked for but cannot run here is replaced by
 * what can, and the reason says so. Plain function of its arguments.
 * @param {Wish} wish
 * @param {Environment} environment  from `probeEnvironment`
 * @returns {Choice}
 * @throws {CoreError} BAD_ARGUMENT for a wish that makes no sense, NO_SIMD when no
 *   build can run here
 */
export function chooseBuild(wish, environment) {
  const { build = 'auto' } = wish;
  if (!BUILDS.includes(build)) {
    throw new CoreError('BAD_ARGUMENT',
      `The build must be one of ${BUILDS.join(', ')}, not ${build}.`, 'build');
  }
  const wanted = readThreads(wish.threads ?? 'auto');
  if (!environment.simd) {
    throw new CoreError('NO_SIMD',
      'This browser has no WebAssembly SIMD, which the engine needs. Chrome or ' +
      'Edge 91, Firefox 89, Safari 16.4, Node 20, or anything newer will do.');
  }
  const { kind, reason } = chooseKind(build, environment);
  const threading = chooseThreads(build, wanted, environment);
  return {
    build: threading.shared ? `${kind}-threads` : kind,
    threads: threading.count,
    reason: `${reason}; ${threading.reason}`,
  };
}
