/**
 * `npm run bench`: how fast the built site trains in Chromium, beside what this
 * machine could do at most and what others do on it, all in one run.
 *
 *     node tests/bench/run.mjs [--only=W1,W2,W3] [--threads=1,2] [--seconds=5]
 *         [--no-peers] [--js-flags=--wasm-revectorize]
 *
 * Prints tables, ratios first, and leaves everything in build/bench.json. Takes
 * the site as `npm run build` left it.
 */
import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { measureBare, measurePage, measureRooflines } from './page.mjs';
import { measurePeer, PEERS, preparePeers } from './peers.mjs';
import { denseFlops, WORKLOADS } from './workloads.js';

const DIST = fileURLToPath(new URL('../../dist/index.html', import.meta.url));
const JSON_FILE = fileURLToPath(new URL('../../build/bench.json', import.meta.url));

const print = (/** @type {string} */ line = '') => process.stdout.write(`${line}\n`);
const count = (/** @type {number} */ value) => Math.round(value).toLocaleString('en');

/** @param {string[]} values */
function readArguments(values) {
  const given = Object.fromEntries(values.map((value) => {
    const [, key, text = ''] = value.match(/^--([\w-]+)(?:=(.*))?$/) ?? [];
    if (!['only', 'threads', 'seconds', 'no-peers', 'js-flags'].includes(key)) {
      throw new Error(`I do not know ${value}; see the top of tests/bench/run.mjs.`);
    }
    return [key, text];
  }));
  const cores = os.availableParallelism();
  return {
    workloads: WORKLOADS.filter(({ name }) => !given.only || given.only.split(',').includes(name)),
    threads: given.threads ? given.threads.split(',').map(Number)
      : [...new Set([1, 2, Math.min(cores, 8)])].filter((n) => n <= cores),
    seconds: Number(given.seconds ?? 5),
    peers: given['no-peers'] === undefined,
    flags: given['js-flags'] ? [`--js-flags=${given['js-flags']}`] : [],
  };
}

/**
 * Rows of text in columns: the first to the left, the others to the right.
 * @param {string[][]} rows
 */
function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    print(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  '));
  }
  print();
}

/** Ours, for every workload, build and number of threads. */
async function measureOurs({ workloads, threads, seconds, flags }) {
  const results = [];
  for (const workload of workloads) {
    for (const kind of /** @type {const} */ (['fast', 'exact'])) {
      for (const n of threads) {
        const measured = await measurePage(workload, kind, n, { seconds, flags });
        results.push({ workload: workload.name, kind, threads: n, ...measured });
      }
    }
  }
  return results;
}

/** The peers, each on a plain and on an isolated page. */
async function measurePeers({ workloads, seconds }) {
  await preparePeers();
  const results = [];
  for (const peer of /** @type {const} */ (['tfjs', 'jax'])) {
    for (const workload of workloads) {
      for (const isolated of [false, true]) {
        const result = await measurePeer(peer, workload, isolated, seconds)
          .catch((error) => ({ imagesPerSecond: null, error: error.message }));
        results.push({ peer: PEERS[peer], workload: workload.name, isolated, ...result });
      }
    }
  }
  return results;
}

/** @param {{imagesPerSecond: number | null}[]} results */
const best = (results) => Math.max(0, ...results.map((each) => each.imagesPerSecond ?? 0));

function printRatios({ workloads, threads }, ours, peers, rooflines) {
  print('Ratios (best of the builds)');
  table([
    ['', ...threads.map((n) => `${n} thread${n > 1 ? 's' : ''}: of dense bound`),
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

function printRates(ours, bare, peers) {
  print('Training images a second, in the page with its views alive');
  table([
    ['', 'build', 'threads', 'training', 'by the clock'],
    ...ours.map(({ workload, kind, threads, imagesPerSecond, wallImagesPerSecond }) => [
      workload, kind, String(threads), count(imagesPerSecond), count(wallImagesPerSecond)]),
  ]);
  print('The same in a bare worker (fast build)');
  table([
    ['', 'threads', 'training', 'the page costs'],
    ...bare.map(({ workload, threads, imagesPerSecond }) => {
      const page = best(ours.filter((each) => each.workload === workload
        && each.threads === threads && each.kind === 'fast'));
      return [workload, String(threads), count(imagesPerSecond),
        `${((1 - page / imagesPerSecond) * 100).toFixed(1)} %`];
    }),
  ]);
  if (peers.length === 0) return;
  print('Peers');
  table([
    ['', 'peer', 'page', 'images a second'],
    ...peers.map(({ workload, peer, isolated, imagesPerSecond }) => [
      workload, peer, isolated ? 'isolated' : 'plain',
      imagesPerSecond ? count(imagesPerSecond) : 'did not run']),
  ]);
}

async function main() {
  const how = readArguments(process.argv.slice(2));
  if (!existsSync(DIST)) throw new Error('There is no site yet: npm run build makes it.');
  const [{ model }] = os.cpus();
  const cores = os.availableParallelism();
  print(`${model.trim()}, ${cores} cores; load before: ${os.loadavg()[0].toFixed(1)}`);
  const rooflines = await measureRooflines(how.flags);
  print(`register-only multiply-add, one thread: ${rooflines.fast.toFixed(1)} GFLOP/s relaxed, `
    + `${rooflines.exact.toFixed(1)} plain`);
  print();
  const ours = await measureOurs(how);
  const bare = [];
  for (const workload of how.workloads) {
    for (const threads of how.threads) {
      const result = await measureBare(workload, threads, how);
      bare.push({ workload: workload.name, threads, ...result });
    }
  }
  const peers = how.peers ? await measurePeers(how) : [];
  printRatios(how, ours, peers, rooflines);
  printRates(ours, bare, peers);
  const machine = { model, cores, load: os.loadavg()[0], flags: how.flags };
  const all = { machine, rooflines, ours, bare, peers };
  writeFileSync(JSON_FILE, `${JSON.stringify(all, null, 1)}\n`);
  print(`All figures: build/bench.json`);
}

await main();
