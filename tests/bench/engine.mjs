/**
 * The engine from inside, in a worker on an isolated page in Chromium: rooflines of
 * registers and memory, products by shape, the fork-join, and the phases of a step.
 *
 * The module is that of cmake/bench.cmake, made here by the ordinary presets; the
 * worker is tests/bench/engine/worker.js.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkers, fileOf, openWorker, trainingImages } from './host.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const HERE = fileURLToPath(new URL('engine/', import.meta.url));
const MODULES = path.join(ROOT, 'build/bench-engine');
const OUT = path.join(ROOT, 'build/bench-worker');

/** @param {string[]} values */
function cmake(...values) {
  const { status, stdout, stderr, error } = spawnSync('cmake', values, {
    cwd: ROOT, encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${error?.message ?? ''}${stdout}${stderr}`);
}

/**
 * Make the module of one build.
 * @param {string} build   'fast-threads'
 */
function makeModule(build) {
  if (!existsSync(path.join(ROOT, 'build', build, 'build.ninja'))) {
    cmake('--preset', build);
  }
  cmake('--build', '--preset', build, '--target', 'bench');
}

/**
 * The worker, without an engine yet.
 * @param {string[]} flags   for Chromium
 */
async function openBench(flags) {
  const images = trainingImages(60_000);
  const worker = await openWorker({
    script: '/worker.js',
    isolated: true,
    flags,
    content: (name) => {
      if (!name.startsWith('/engine/')) return images[name] ?? fileOf(OUT, name);
      const file = name.slice('/engine'.length);
      return fileOf(MODULES, file) ?? fileOf(MODULES, file.replace(/\.js$/, '.mjs'));
    },
  });
  /** @param {string} name @param {object} [job] */
  const ask = async (name, job = {}) => (await worker.ask({ name, ...job })).answer;
  return { ask, close: worker.close };
}

/**
 * Give `measure` a running engine with pools of every number of threads.
 * @template T
 * @param {'fast' | 'exact'} kind
 * @param {{threads: number[], flags: string[]}} how
 * @param {(ask: (name: string, job?: object) => Promise<any>) => Promise<T>} measure
 */
async function withEngine(kind, { threads, flags }, measure) {
  const build = `${kind}-threads`;
  makeModule(build);
  const bench = await openBench(flags);
  try {
    await bench.ask('open', { build, threads });
    return await measure(bench.ask);
  } finally {
    await bench.close();
  }
}

/**
 * GFLOP/s of one thread that never leaves the registers. To be called first: it
 * makes the worker.
 * @param {{flags: string[]}} how
 */
export async function measureRooflines({ flags }) {
  await bundleWorkers(HERE, ['worker'], OUT);
  const bench = await openBench(flags);
  try {
    return {
      fast: await bench.ask('registers', { kind: 'fast' }),
      exact: await bench.ask('registers', { kind: 'exact' }),
    };
  } finally {
    await bench.close();
  }
}

/**
 * GB/s near and far.
 * @param {{threads: number[], flags: string[]}} how
 */
export const measureMemory = (how) => withEngine('fast', how, (ask) => ask('memory'));

/**
 * Products by shape, beside the roofline of the same build.
 * @param {'fast' | 'exact'} kind
 * @param {{threads: number[], flags: string[]}} how
 */
export const measureProducts = (kind, how) => withEngine(kind, how, async (ask) => (
  { kind, ...await ask('products', { kind }) }));

/**
 * The phases of a step of one workload, and what a fork-join of nothing costs.
 * @param {import('./workloads.js').Workload} workload
 * @param {{threads: number[], flags: string[], seconds: number}} how
 */
export const measureProfile = (workload, how) => withEngine('fast', how, async (ask) => ({
  workload: workload.name,
  batch: workload.batch,
  runs: await ask('profile', { workload, seconds: how.seconds }),
  barriers: await ask('barrier'),
}));
