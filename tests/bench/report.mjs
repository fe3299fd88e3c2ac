/**
 * The tables of `npm run bench`.
 */
import { PEERS } from './peers.mjs';
import { denseFlops } from './workloads.js';

const print = (/** @type {string} */ line = '') => process.stdout.write(`${line}\n`);
const count = (/** @type {number} */ value) => Math.round(value).toLocaleString('en');
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`;
const threadsText = (/** @type {number} */ n) => `${n} thread${n > 1 ? 's' : ''}`;

/** @param {{imagesPerSecond: number | null}[]} results */
const best = (results) => Math.max(0, ...results.map((each) => each.imagesPerSecond ?? 0));

/**
 * Rows of text in columns: the first to the left, the others to the right.
 * @param {string[][]} rows
 */
function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    print(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ').trimEnd());
  }
  print();
}

export function printMachine({ model, cores, load }, rooflines) {
  print(`${model}, ${cores} cores; load before: ${load.toFixed(1)}`);
  print(`register-only multiply-add, one thread: ${rooflines.fast.toFixed(1)} GFLOP/s relaxed, `
    + `${rooflines.exact.toFixed(1)} plain`);
  print();
}

export function printRatios({ workloads, threads }, ours, peers, rooflines) {
  print('Ratios (best of the builds)');
  table([
    ['', ...threads.map((n) => `${threadsText(n)}: of dense bound`),
      'best peer', 'times the best peer'],
    ...workloads.map((workload) => {
      const mine = ours.filter((each) => each.workload === workload.name);
      const bound = rooflines.fast * 1e9 / denseFlops(workload);
      const peer = best(peers.filter((each) => each.workload === workload.name));
      return [
        workload.name,
        ...threads.map((n) => (
          best(mine.filter((each) => each.threads === n)) / bound / n).toFixed(2)),
        peer ? count(peer) : '-',
        peer ? (best(mine) / peer).toFixed(1) : '-',
      ];
    }),
  ]);
}

export function printPage(ours) {
  print('Training images a second, in the page with its views alive');
  table([
    ['', 'build', 'threads', 'training', 'by the clock'],
    ...ours.map(({ workload, kind, threads, imagesPerSecond, wallImagesPerSecond }) => [
      workload, kind, String(threads), count(imagesPerSecond), count(wallImagesPerSecond)]),
  ]);
}

export function printBare(bare, ours) {
  print('The same in a bare worker (fast build)');
  table([
    ['', 'threads', 'training', 'the page costs'],
    ...bare.map(({ workload, threads, imagesPerSecond }) => {
      const page = best(ours.filter((each) => each.workload === workload
        && each.threads === threads && each.kind === 'fast'));
      return [workload, String(threads), count(imagesPerSecond),
        page ? `${((1 - page / imagesPerSecond) * 100).toFixed(1)} %` : '-'];
    }),
  ]);
}

export function printPeers(peers) {
  print('Peers');
  table([
    ['', 'peer', 'page', 'images a second'],
    ...peers.map(({ workload, peer, isolated, imagesPerSecond, error }) => [
      workload, PEERS[peer], isolated ? 'isolated' : 'plain',
      imagesPerSecond ? count(imagesPerSecond) : `did not run: ${error.split('\n')[0]}`]),
  ]);
}

export function printMemory(streams) {
  const threads = [...new Set(streams.map((each) => each.threads))];
  const row = (where, what) => {
    const mine = streams.filter((each) => each.where === where);
    const size = where === 'near' ? `${mine[0].bytes / 1024} KB a thread`
      : `${mine[0].bytes / 2 ** 20} MB in all`;
    return [`${what}, ${size}`, ...mine.map((each) => each[what].toFixed(1))];
  };
  print('Memory in GB/s (a copy counts what it reads and what it writes)');
  table([
    ['', ...threads.map(threadsText)],
    row('near', 'read'), row('near', 'copy'), row('far', 'read'), row('far', 'copy'),
  ]);
}

/** How the operands lie, by the names of engine/kernels.js. */
const FORMS = {
  rows: '', transposed: 'A transposed', forward: 'x·W in panels', weights: 'xᵀ·dy to panels',
  inputGradient: 'dy·Wᵀ of panels',
};

export function printProducts({ kind, tile, tiles, shapes, lists }) {
  const tried = tiles.map(({ name, gflops }) => `${name} ${gflops.toFixed(1)}`).join(', ');
  print(`Products in GFLOP/s, ${kind} build, tile ${tile} (trial: ${tried}), and as a share `
    + 'of the registers\' roofline');
  const [{ rates }] = shapes;
  const perThread = ({ threads }, i) => [
    threadsText(threads), 'share', ...(i > 0 ? ['times one'] : [])];
  table([
    ['m x n x k', 'roofline', ...rates.flatMap(perThread)],
    ...shapes.map((shape) => [
      `${shape.m} x ${shape.n} x ${shape.k}  ${FORMS[shape.form]}`.trimEnd(),
      shape.roofline.toFixed(1),
      ...shape.rates.flatMap(({ threads, gflops }, i) => [
        gflops.toFixed(1), percent(gflops / shape.roofline / threads),
        ...(i > 0 ? [(gflops / shape.rates[0].gflops).toFixed(2)] : []),
      ]),
    ]),
  ]);
  print(`Rows of 32 weights picked by lists, in GFLOP/s, ${kind} build, one thread`);
  table([
    ['span of the rows', 'roofline', 'GFLOP/s', 'share'],
    ...lists.map(({ rows, roofline, gflops }) => [
      `${rows / 8} KB`, roofline.toFixed(1), gflops.toFixed(1), percent(gflops / roofline)]),
  ]);
}

export function printProfile({ workload, batch, runs, barriers }) {
  print(`A step of ${workload}, batch ${batch}, fast build, in microseconds`);
  const [first] = runs;
  const row = (name, read, share) => [
    name, ...runs.flatMap((run) => [read(run).toFixed(1), share ? percent(read(run)
      / run.observed) : '']),
  ];
  const phases = first.phases.flatMap(({ name, update }, i) => [
    row(name, (run) => run.phases[i].time, true),
    ...(update === null ? []
      : [row('  of it the update', (run) => run.phases[i].update, true)]),
  ]);
  table([
    ['', ...runs.flatMap(({ threads }) => [threadsText(threads), 'share'])],
    ...phases,
    row('all phases', (run) => run.observed, false),
    row('the step, unobserved', (run) => run.step, false),
    row('fork-joins', (run) => run.barriers, false),
    ['what one costs', ...barriers.flatMap((each) => [each.full.toFixed(2), ''])],
    ['what an empty one costs', ...barriers.flatMap((each) => [each.empty.toFixed(2), ''])],
    ['images a second', ...runs.flatMap(({ step }) => [count(batch / step * 1e6), ''])],
  ]);
}
