/**
 * In the worker: where the time of a training step goes, on 1..n threads, by
 * real batches of MNIST in a new order every epoch.
 *
 * @typedef {import('../../../web/core/core.js').Core} Core
 *
 * Times in microseconds a step.
 * @typedef {object} StepProfile
 * @property {number} threads
 * @property {number} step        without looking at the clock in between
 * @property {number} observed    looking at it; the sum of the phases
 * @property {{name: string, time: number, update: number | null}[]} phases
 *   `update`: what less it takes when the weights are left as they are
 * @property {number} barriers    fork-joins of a step
 */
import { measureTiles } from '../../../web/core/speed.js';
import { median, runText } from '../workloads.js';

const WARM_MS = 1200;
/** Windows of one epoch, which holds its shuffle; less where epochs take long. */
const WINDOW_MS = 400;
const ROUNDS_MIN = 3;

/** The phases of profile.c in its order, in front of those of the layers. */
const PHASES = ['batcher', 'input lists', 'loss and its gradient', 'the rest'];

/** What each window does: observed, frozen. */
const MODES = { plain: [0, 0], observed: [1, 0], frozen: [1, 1] };

/** @typedef {{total: number, phases: number[], barriers: number}} Window */

/**
 * @param {Core} core
 * @param {number} trainer
 * @param {number} steps
 * @param {keyof typeof MODES} mode
 * @param {number} phases
 * @returns {Window}
 */
function timeWindow(core, trainer, steps, mode, phases) {
  core.call('soma_bench_profile', trainer, 8, 0, 0); // helpers awake, caches warm
  const start = performance.now();
  const done = core.call('soma_bench_profile', trainer, steps, ...MODES[mode]);
  const total = (performance.now() - start) * 1000 / done;
  return {
    total,
    phases: Array.from({ length: phases }, (_, i) => (
      core.call('soma_bench_phase', i) * 1000 / done)),
    barriers: core.call('soma_bench_barriers') / done,
  };
}

/**
 * The window in the middle, so that its phases add up.
 * @param {Window[]} windows
 */
const middle = (windows) => (
  [...windows].sort((a, b) => a.total - b.total)[windows.length >> 1]);

/** Warm up; steps of a window. */
function prepare(core, trainer, epochSteps) {
  const begin = performance.now();
  let steps = 0;
  while (performance.now() - begin < WARM_MS) {
    steps += core.call('soma_bench_profile', trainer, 16, 1, 0);
  }
  return Math.min(epochSteps, Math.ceil(steps / WARM_MS * WINDOW_MS));
}

/**
 * @param {number} threads
 * @param {string[]} layers
 * @param {Record<keyof typeof MODES, Window[]>} windows
 * @returns {StepProfile}
 */
function summary(threads, layers, windows) {
  const { phases, barriers, total } = middle(windows.observed);
  const frozen = middle(windows.frozen).phases;
  const row = (/** @type {string} */ name, /** @type {number} */ i, hasUpdate = false) => ({
    name, time: phases[i], update: hasUpdate ? Math.max(0, phases[i] - frozen[i]) : null,
  });
  const first = PHASES.length;
  const backward = layers.map((name, i) => (
    row(`backward ${name}`, first + layers.length + i, name.startsWith('dense'))));
  return {
    threads,
    step: median(windows.plain.map((window) => window.total)),
    observed: total,
    phases: [
      row(PHASES[0], 0), row(PHASES[1], 1),
      ...layers.map((name, i) => row(`forward ${name}`, first + i)),
      row(PHASES[2], 2), ...backward.reverse(), row(PHASES[3], 3),
    ],
    barriers,
  };
}

/**
 * @param {Core} core
 * @param {{threads: number, pool: number}[]} pools
 * @param {number} dataset
 * @param {import('../workloads.js').Workload} workload
 * @param {number} seconds   for each number of threads
 * @returns {StepProfile[]}
 */
export function measureProfile(core, pools, dataset, workload, seconds) {
  const runs = pools.map(({ threads, pool }) => {
    const trainer = core.borrow(() => core.created(
      'soma_trainer_create', dataset, pool, core.putText(runText(workload), 'run'),
    ));
    return { threads, trainer, steps: 0, windows: { plain: [], observed: [], frozen: [] } };
  });
  const [{ trainer: one }] = runs;
  const { best } = measureTiles(core, one);
  const layers = Array.from({ length: core.call('soma_layer_count', one) }, (_, i) => (
    core.textOf('soma_layer_text', one, i)));
  const phaseCount = PHASES.length + 2 * layers.length;
  for (const run of runs) {
    core.call('soma_gemm_choose', run.trainer, best);
    run.steps = prepare(core, run.trainer, Math.ceil(55_000 / workload.batch));
  }
  const end = performance.now() + seconds * 1000 * runs.length;
  for (let round = 0; round < ROUNDS_MIN || performance.now() < end; round += 1) {
    for (const { trainer, steps, windows } of runs) {
      for (const mode of /** @type {(keyof typeof MODES)[]} */ (Object.keys(MODES))) {
        windows[mode].push(timeWindow(core, trainer, steps, mode, phaseCount));
      }
    }
  }
  return runs.map(({ threads, trainer, windows }) => {
    core.call('soma_trainer_destroy', trainer);
    return summary(threads, layers, windows);
  });
}
