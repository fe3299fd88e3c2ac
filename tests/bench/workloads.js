/**
 * The workloads of the benchmark: float32, full MNIST in memory, shuffled anew
 * every epoch, evaluations not counted.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {number[]} sizes    of the layers, from the image to the digits
 * @property {number} batch
 * @property {'sgd' | 'adam'} optimizer
 * @property {number} lr
 * @property {string} [run]      what to train instead, as a run description
 */

/** @type {Workload[]} */
export const WORKLOADS = [
  { name: 'W1', sizes: [784, 128, 10], batch: 64, optimizer: 'sgd', lr: 0.1 },
  { name: 'W2', sizes: [784, 128, 10], batch: 64, optimizer: 'adam', lr: 0.001 },
  { name: 'W3', sizes: [784, 512, 256, 10], batch: 128, optimizer: 'adam', lr: 0.001 },
];

/**
 * Multiply-adds of dense training, in flops an image: forward, weight gradient,
 * and input gradient of all layers but the first.
 * @param {Workload} workload
 */
export function denseFlops({ sizes }) {
  const products = sizes.slice(1).map((outputs, i) => sizes[i] * outputs);
  return products.reduce((sum, product, i) => sum + product * (i === 0 ? 4 : 6), 0);
}

/**
 * A workload of any run, given as settings separated by &.
 * @param {string} run
 * @returns {Workload}
 */
export function workloadOf(run) {
  const endless = /(^|&)epochs=/.test(run) ? run : `${run}&epochs=10000`;
  const batch = Number(run.match(/(^|&)batch=(\d+)/)?.[2] ?? 64);
  return { name: run, sizes: [], batch, optimizer: 'adam', lr: 0, run: endless };
}

/**
 * The run description that trains it without end.
 * @param {Workload} workload
 */
export function runText({ sizes, batch, optimizer, lr, run }) {
  if (run !== undefined) return run;
  const net = sizes.slice(1).map((units) => `dense ${units}`).join(', relu, ');
  return `net=${net}&optimizer=${optimizer}&lr=${lr}&batch=${batch}&epochs=10000`;
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
