/**
 * In the worker: memory, fork-join and products, on 1..n threads.
 *
 * @typedef {import('../../../web/core/core.js').Core} Core
 */
import { createDataset } from '../../../web/core/data.js';
import { measureTiles } from '../../../web/core/speed.js';
import { ROUND_FLOPS } from '../roofline.js';
import { median } from '../workloads.js';
import { timeWorks } from './sampling.js';

/** For each thread: more than the first cache holds, less than the second. */
const NEAR_BYTES = 256 * 1024;
/** For all threads together. */
const FAR_BYTES = 128 * 1024 * 1024;

const REGISTER_ROUNDS = 9;

/** Additions, one after the other, of a task: some microseconds. */
const FORK_WORK = 5000;

/** As in bench.h. */
const FORM = { rows: 0, transposed: 1, forward: 2, weights: 3, inputGradient: 4 };

/**
 * m, n, k and how the operands lie: row-major ones, and what training has.
 * @type {[number, number, number, keyof typeof FORM][]}
 */
const SHAPES = [
  [64, 128, 784, 'rows'], [64, 128, 784, 'forward'],
  [784, 128, 64, 'transposed'], [784, 128, 64, 'weights'],
  [128, 512, 784, 'rows'], [128, 512, 784, 'forward'],
  [784, 512, 128, 'weights'],
  [128, 256, 512, 'forward'], [512, 256, 128, 'weights'], [128, 512, 256, 'inputGradient'],
  [512, 512, 512, 'rows'],
  [64, 10, 128, 'forward'], [128, 10, 64, 'weights'], [64, 128, 10, 'inputGradient'],
];

/** Rows of 32 floats, among which a list picks: a span of 4 KB to 64 KB. */
const LIST_ROWS = [32, 64, 128, 256, 512];
/** BENCH_LIST of bench.h, rows of PANEL floats, a multiply-add each. */
const LIST_FLOPS = 512 * 32 * 2;

const FLOAT_BYTES = 4;
const ROUND_FLOATS = 32;

/**
 * GB/s of reading and of copying (what is read and what is written both count).
 * @param {Core} core
 * @param {{threads: number, pool: number}[]} pools
 */
export function measureMemory(core, pools) {
  const room = core.created('soma_alloc', FAR_BYTES);
  core.call('soma_bench_fill', room, FAR_BYTES / FLOAT_BYTES);
  const rows = [];
  for (const [where, bytesOf] of /** @type {[string, (threads: number) => number][]} */ ([
    ['near', () => NEAR_BYTES], ['far', (threads) => FAR_BYTES / threads],
  ])) {
    const floats = pools.map(({ threads }) => (
      Math.floor(bytesOf(threads) / FLOAT_BYTES / 2 / ROUND_FLOATS) * ROUND_FLOATS));
    const read = timeWorks(pools.map(({ pool }, i) => (calls) => {
      core.call('soma_bench_read', pool, room, 2 * floats[i], calls);
    }));
    const copied = timeWorks(pools.map(({ pool, threads }, i) => (calls) => {
      const to = room + threads * floats[i] * FLOAT_BYTES;
      core.call('soma_bench_copy', pool, room, to, floats[i], calls);
    }));
    pools.forEach(({ threads }, i) => {
      const bytes = 2 * floats[i] * FLOAT_BYTES * threads;
      rows.push({
        where, bytes, threads, read: bytes / read[i] / 1e9, copy: bytes / copied[i] / 1e9,
      });
    });
  }
  core.call('soma_free', room);
  return rows;
}

/**
 * What a fork-join costs, in microseconds: with empty tasks, which the caller may
 * have done before the others come, and with tasks of some microseconds for every
 * thread, beyond what one of them takes alone.
 * @param {Core} core
 * @param {{threads: number, pool: number}[]} pools
 */
export function measureBarrier(core, pools) {
  const fork = (/** @type {number} */ pool, /** @type {number} */ tasks,
    /** @type {number} */ work) => (/** @type {number} */ calls) => {
    core.call('soma_bench_fork', pool, tasks, work, calls);
  };
  return pools.map(({ threads, pool }) => {
    const [empty, full, alone] = timeWorks([
      fork(pool, threads, 0), fork(pool, threads, FORK_WORK), fork(pool, 1, FORK_WORK)]);
    return { threads, empty: empty * 1e6, full: Math.max(0, full - alone) * 1e6 };
  });
}

/**
 * GFLOP/s of nothing but multiply-adds in registers, over a longer time, in which a
 * core that was at rest reaches its clock.
 * @param {(rounds: number) => void} loop
 */
export function measureRegisters(loop) {
  const seconds = Array.from({ length: REGISTER_ROUNDS }, () => timeWorks([loop])[0]);
  return ROUND_FLOPS / median(seconds) / 1e9;
}

/**
 * GFLOP/s of the loop over lists by the span of the rows that it picks, each beside
 * the roofline at that moment.
 * @param {Core} core
 * @param {(rounds: number) => void} loop   of roofline.js
 */
export function measureLists(core, loop) {
  const panel = core.created('soma_alloc', Math.max(...LIST_ROWS) * 128);
  core.call('soma_bench_fill', panel, Math.max(...LIST_ROWS) * 32);
  const lists = LIST_ROWS.map((rows) => {
    const [round, seconds] = timeWorks([loop, (calls) => {
      core.call('soma_bench_rows', panel, rows, calls);
    }]);
    return { rows, roofline: ROUND_FLOPS / round / 1e9, gflops: LIST_FLOPS / seconds / 1e9 };
  });
  core.call('soma_free', panel);
  return lists;
}

/**
 * GFLOP/s by shape, with the tile that the product's trial chooses, each beside
 * the roofline at that moment: the clock of a core is not always the same.
 * @param {Core} core
 * @param {{threads: number, pool: number}[]} pools
 * @param {(rounds: number) => void} loop   of roofline.js
 */
export function measureProducts(core, pools, loop) {
  const dataset = createDataset(core, 1000, 0);
  const trainers = pools.map(({ pool }) => core.borrow(() => core.created(
    'soma_trainer_create', dataset, pool, core.putText('net=dense 10&validation=0', 'run'),
  )));
  const { best, tiles } = measureTiles(core, trainers[0]);
  for (const trainer of trainers) core.call('soma_gemm_choose', trainer, best);
  const shapes = SHAPES.map(([m, n, k, form]) => {
    const [a, b, c] = [m * k, k * n, m * n].map((floats) => {
      const matrix = core.created('soma_alloc', floats * FLOAT_BYTES);
      core.call('soma_bench_fill', matrix, floats);
      return matrix;
    });
    const [round, ...seconds] = timeWorks([loop, ...trainers.map((trainer) => (
      (/** @type {number} */ calls) => {
        core.call('soma_bench_gemm', trainer, a, b, c, m, n, k, FORM[form], calls);
      }))]);
    for (const matrix of [a, b, c]) core.call('soma_free', matrix);
    return {
      m, n, k, form,
      roofline: ROUND_FLOPS / round / 1e9,
      rates: pools.map(({ threads }, i) => ({
        threads, gflops: 2e-9 * m * n * k / seconds[i],
      })),
    };
  });
  for (const trainer of trainers) core.call('soma_trainer_destroy', trainer);
  core.call('soma_dataset_destroy', dataset);
  return { tile: tiles[best].name, tiles, shapes };
}
