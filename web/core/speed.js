/**
 * Making the engine fast from its first step: which matrix tile suits this
 * machine, and getting the hot functions out of the browser's baseline tier.
 * Neither changes a result.
 *
 * @module
 */

import { CoreError } from './errors.js';
import { IMAGE_PIXELS, SET } from './layout.js';
import { createDataset, writeImages } from './data.js';

/** @typedef {import('./core.js').Core} Core */

/** A clock with coarse steps (0.1 ms without isolation) needs samples of this. */
const SAMPLE_MS = 1;
const SAMPLES = 6;

/** Where the clock stands still, a sample ends after so many rounds. */
const MOST_ROUNDS = 2 ** 20;

/** Multiplications by weights in one warm-up step at most: a few milliseconds. */
const STEP_PRODUCTS = 2e7;

/** Time for one tile to leave the baseline tier before it is measured. */
const TILE_WARM_MS = 8;

/**
 * A tile on trial: probe rounds that take long enough to be timed, and the
 * most flops a millisecond so far.
 * @typedef {{tile: number, rounds: number, best: number}} Trial
 */

/**
 * Flops a millisecond of one tile, in one sample.
 * @param {Core} core
 * @param {number} trainer
 * @param {Trial} trial
 */
function timeTile(core, trainer, trial) {
  for (;;) {
    const start = performance.now();
    const flops = core.call('soma_gemm_probe', trainer, trial.tile, trial.rounds);
    const ms = performance.now() - start;
    if (ms >= SAMPLE_MS || trial.rounds >= MOST_ROUNDS) {
      return flops * trial.rounds / Math.max(ms, SAMPLE_MS);
    }
    trial.rounds *= 2;
  }
}

/**
 * Measure the compiled tiles for some milliseconds and name the fastest: each
 * has time to leave the baseline tier, then they take turns, so that a machine
 * that is busy for a moment slows all of them.
 * @param {Core} core
 * @param {number} trainer
 * @returns {{best: number, tiles: {name: string, gflops: number}[]}}
 */
export function measureTiles(core, trainer) {
  const trials = Array.from(
    { length: core.call('soma_gemm_tile_count') },
    (_, tile) => ({ tile, rounds: 1, best: 0 }),
  );
  for (const trial of trials) {
    const end = performance.now() + TILE_WARM_MS;
    while (performance.now() < end) timeTile(core, trainer, trial);
  }
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    for (const trial of trials) {
      trial.best = Math.max(trial.best, timeTile(core, trainer, trial));
    }
  }
  return {
    best: trials.reduce((top, trial) => (trial.best > top.best ? trial : top)).tile,
    tiles: trials.map(({ tile, best }) => (
      { name: core.textOf('soma_gemm_tile_name', tile), gflops: best / 1e6 })),
  };
}

/** Images for the warm-up: as many zeros as handwriting has, fixed. */
function inkyNoise(/** @type {number} */ count) {
  const images = new Uint8Array(count * IMAGE_PIXELS);
  let state = 1;
  for (let i = 0; i < images.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (state >>> 24 < 49) images[i] = state >>> 16;
  }
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % 10) };
}

/**
 * The same network in a small run of its own: few images, no validation.
 * @param {Record<string, string>} values
 * @param {number} batch
 */
function warmRun(values, batch) {
  const changed = { ...values, batch: String(batch), validation: '0', epochs: '1000' };
  return Object.entries(changed).map(([key, value]) => `${key}=${value}`).join('\n');
}

/**
 * Train a throw-away copy of the network for some time, in calls of one step.
 * @param {Core} core
 * @param {number} pool
 * @param {{values: Record<string, string>, parameterCount: number}} run
 * @param {number} ms
 * @returns {number} steps made; 0 when there was no memory for it
 */
export function warmUpNetwork(core, pool, { values, parameterCount }, ms) {
  const most = Math.ceil(STEP_PRODUCTS / parameterCount);
  const batch = Math.min(Number(values.batch), 256, most);
  const count = Math.max(2 * batch, 128);
  let dataset = 0;
  let trainer = 0;
  try {
    dataset = createDataset(core, count, 64);
    writeImages(core, dataset, 'train', 0, inkyNoise(count), count);
    writeImages(core, dataset, 'test', 0, inkyNoise(64), 64);
    trainer = core.borrow(() => core.created(
      'soma_trainer_create', dataset, pool, core.putText(warmRun(values, batch), 'run'),
    ));
    return warmSteps(core, trainer, performance.now() + ms);
  } catch (error) {
    if (error instanceof CoreError && error.code === 'ENGINE_CRASHED') throw error;
    return 0;
  } finally {
    if (trainer) core.call('soma_trainer_destroy', trainer);
    if (dataset) core.call('soma_dataset_destroy', dataset);
  }
}

/**
 * @param {Core} core
 * @param {number} trainer
 * @param {number} end
 */
function warmSteps(core, trainer, end) {
  let steps = 0;
  while (performance.now() < end) {
    if (core.call('soma_trainer_steps', trainer, 1) < 1) return steps;
    steps += 1;
    if (steps % 16 === 0 && core.call('soma_evaluation_begin', trainer, SET.test) === 0) {
      core.call('soma_evaluation_run', trainer, 64);
    }
  }
  return steps;
}
