/**
 * `npm run bench`: how fast the built site trains in Chromium, beside what this
 * machine could do at most and what others do on it, all in one run.
 *
 *     node tests/bench/run.mjs [--only=W1,W2,W3] [--threads=1,2] [--seconds=5]
 *         [--no-peers] [--js-flags=--wasm-revectorize] [--run='net=…']
 *
 * `--only` names workloads, parts, or both:
 *
 *     memory    GB/s of reading and copying, near and far
 *     kernels   matrix products by shape, as a share of the roofline
 *     profile   the phases of a training step, and the fork-join of nothing
 *     page      the built site, with its views alive
 *     bare      the same training worker on a blank page
 *     peers     what can be installed from npm
 *
 * `--run` profiles a step of another run, whose settings are separated by &.
 * Prints tables, ratios first, and leaves everything in build/bench.json. Takes
 * the site as `npm run build` left it; the first three parts make a module of
 * their own from the sources (cmake/bench.cmake).
 */
import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { measureMemory, measureProducts, measureProfile, measureRooflines } from './engine.mjs';
import { measureBare, measurePage } from './page.mjs';
import { measurePeer, PEERS, preparePeers } from './peers.mjs';
import {
  printBare, printMachine, printMemory, printPage, printPeers, printProducts, printProfile,
  printRatios,
} from './report.mjs';
import { WORKLOADS, workloadOf } from './workloads.js';

const DIST = fileURLToPath(new URL('../../dist/index.html', import.meta.url));
const JSON_FILE = fileURLToPath(new URL('../../build/bench.json', import.meta.url));

const PARTS = ['memory', 'kernels', 'profile', 'page', 'bare', 'peers'];
const KEYS = ['only', 'threads', 'seconds', 'no-peers', 'js-flags', 'run'];
const KINDS = /** @type {const} */ (['fast', 'exact']);

/**
 * The wanted ones of a list; all when none is named.
 * @template T
 * @param {T[]} list
 * @param {(item: T) => boolean} wanted
 */
const someOf = (list, wanted) => (list.some(wanted) ? list.filter(wanted) : list);

/** @param {string[]} values */
function readArguments(values) {
  const given = Object.fromEntries(values.map((value) => {
    const [, key, text = ''] = value.match(/^--([\w-]+)(?:=(.*))?$/s) ?? [];
    if (!KEYS.includes(key)) {
      throw new Error(`I do not know ${value}; see the top of tests/bench/run.mjs.`);
    }
    return [key, text];
  }));
  const only = given.only ? given.only.split(',') : [];
  const known = [...PARTS, ...WORKLOADS.map(({ name }) => name)];
  const unknown = only.find((name) => !known.includes(name));
  if (unknown) throw new Error(`--only knows ${known.join(', ')}, but not ${unknown}.`);
  const cores = os.availableParallelism();
  return {
    parts: given.run ? ['profile'] : someOf(PARTS, (part) => only.includes(part))
      .filter((part) => part !== 'peers' || given['no-peers'] === undefined),
    workloads: given.run ? [workloadOf(given.run)]
      : someOf(WORKLOADS, ({ name }) => only.includes(name)),
    threads: given.threads ? given.threads.split(',').map(Number)
      : [...new Set([1, 2, Math.min(cores, 8)])].filter((n) => n <= cores),
    seconds: Number(given.seconds ?? 5),
    flags: given['js-flags'] ? [`--js-flags=${given['js-flags']}`] : [],
  };
}

/** @typedef {ReturnType<typeof readArguments>} How */

/**
 * What is being measured, on a line of its own that the next one replaces.
 * @param {string} what
 */
function announce(what) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
}

/**
 * One measurement after the other.
 * @template I, O
 * @param {string} part
 * @param {I[]} items
 * @param {(item: I) => Promise<O>} measure
 */
async function each(part, items, measure) {
  const results = [];
  for (const [i, item] of items.entries()) {
    announce(`${part} ${i + 1}/${items.length}`);
    results.push(await measure(item));
  }
  announce('');
  return results;
}

/**
 * Every workload with every number of threads, and every item of a list.
 * @template T
 * @param {How} how
 * @param {readonly T[]} list
 */
const combine = ({ workloads, threads }, list) => workloads.flatMap((workload) => (
  list.flatMap((item) => threads.map((n) => ({ workload, item, n })))));

/** @type {Record<string, (how: How) => Promise<any>>} */
const MEASURE = {
  memory: async (how) => (await each('memory', [how], measureMemory)).flat(),
  kernels: (how) => each('kernels', [...KINDS], (kind) => measureProducts(kind, how)),
  profile: (how) => each('profile', how.workloads, (workload) => (
    measureProfile(workload, how))),
  page: (how) => each('page', combine(how, KINDS), async ({ workload, item: kind, n }) => ({
    workload: workload.name, kind, threads: n, ...await measurePage(workload, kind, n, how),
  })),
  bare: (how) => each('bare', combine(how, ['fast']), async ({ workload, n }) => ({
    workload: workload.name, threads: n, ...await measureBare(workload, n, how),
  })),
  peers: async ({ workloads, seconds }) => {
    const peers = /** @type {(keyof PEERS)[]} */ (Object.keys(PEERS));
    const jobs = peers.flatMap((peer) => workloads.flatMap((workload) => (
      [false, true].map((isolated) => ({ peer, workload, isolated })))));
    return each('peers', jobs, async ({ peer, workload, isolated }) => {
      const result = await measurePeer(peer, workload, isolated, seconds)
        .catch((error) => ({ imagesPerSecond: null, error: error.message }));
      return { peer, workload: workload.name, isolated, ...result };
    });
  },
};

/**
 * Workload by workload, so that what is compared with each other is measured within
 * a minute: a machine's neighbours come and go.
 */
const BY_WORKLOAD = ['page', 'bare', 'peers'];

/** @param {How} how */
async function measureAll(how) {
  const results = /** @type {Record<string, any>} */ ({});
  const parts = how.parts.filter((part) => BY_WORKLOAD.includes(part));
  for (const part of how.parts) {
    results[part] = parts.includes(part) ? [] : await MEASURE[part](how);
  }
  if (parts.includes('peers')) await preparePeers();
  for (const workload of how.workloads) {
    for (const part of parts) {
      results[part].push(...await MEASURE[part]({ ...how, workloads: [workload] }));
    }
  }
  return results;
}

async function main() {
  const how = readArguments(process.argv.slice(2));
  const needsSite = how.parts.includes('page') || how.parts.includes('bare');
  if (needsSite && !existsSync(DIST)) {
    throw new Error('There is no site yet: npm run build makes it.');
  }
  const machine = {
    model: os.cpus()[0].model.trim(),
    cores: os.availableParallelism(),
    load: os.loadavg()[0],
    flags: how.flags,
  };
  const rooflines = await measureRooflines(how);
  printMachine(machine, rooflines);
  const results = await measureAll(how);
  const { memory = [], kernels = [], profile = [], page = [], bare = [], peers = [] } = results;
  if (page.length) printRatios(how, page, peers, rooflines);
  if (page.length) printPage(page);
  if (bare.length) printBare(bare, page);
  if (peers.length) printPeers(peers);
  if (memory.length) printMemory(memory);
  kernels.forEach(printProducts);
  profile.forEach(printProfile);
  const all = { machine, rooflines, ...results };
  writeFileSync(JSON_FILE, `${JSON.stringify(all, null, 1)}\n`);
  process.stdout.write('All figures: build/bench.json\n');
}

await main();
