/**
 * Engines against each other: the same run on each, in turns of a few hundredths of
 * a second in one worker in Chromium, so that a change of a few per cent shows on a
 * machine whose speed changes by the minute.
 *
 *     node tests/bench/compare.mjs OLD NEW … [--run='net=…'] [--only=W1,W2,W3]
 *         [--build=fast-threads] [--threads=1,2] [--seconds=10] [--js-flags=…]
 *
 * OLD, NEW and so on are folders like build/engine: copy that of one commit away
 * before building the next. Prints microseconds of a step: the median, that of the
 * best tenth, and how much faster than OLD it is. Settings of a run are separated by &.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkers, fileOf, openWorker, trainingImages } from './host.mjs';
import { WORKLOADS, runText, workloadOf } from './workloads.js';

const HERE = fileURLToPath(new URL('compare/', import.meta.url));
const OUT = fileURLToPath(new URL('../../build/bench-compare', import.meta.url));

const KEYS = ['run', 'only', 'build', 'threads', 'seconds', 'js-flags'];
const HELP = 'see the top of tests/bench/compare.mjs.';

/** @param {string[]} values */
function readArguments(values) {
  const folders = values.filter((value) => !value.startsWith('--'));
  const given = Object.fromEntries(values.filter((value) => value.startsWith('--'))
    .map((value) => {
      const [, key, text] = value.match(/^--([\w-]+)=(.*)$/) ?? [];
      if (!KEYS.includes(key)) throw new Error(`I do not know ${value}; ${HELP}`);
      return [key, text];
    }));
  const only = given.only?.split(',') ?? ['W1'];
  const unknown = only.find((name) => !WORKLOADS.some((each) => each.name === name));
  if (unknown) throw new Error(`--only names workloads, but not ${unknown}; ${HELP}`);
  const missing = folders.find((folder) => !existsSync(folder));
  if (missing) throw new Error(`There is no folder ${missing}.`);
  if (folders.length < 2) throw new Error(`I need at least two folders; ${HELP}`);
  return {
    folders: folders.map((name) => path.resolve(name)),
    runs: given.run ? [{ name: 'run', run: runText(workloadOf(given.run)) }]
      : WORKLOADS.filter(({ name }) => only.includes(name))
        .map((workload) => ({ name: workload.name, run: runText(workload) })),
    build: given.build ?? 'fast-threads',
    threads: (given.threads ?? '1,2').split(',').map(Number),
    seconds: Number(given.seconds ?? 10),
    flags: given['js-flags'] ? [`--js-flags=${given['js-flags']}`] : [],
  };
}

/**
 * A file of one of the engines: /0/soma-fast.wasm. On the site the modules end in
 * .js, in the folders in .mjs.
 * @param {string[]} folders
 * @param {string} name
 */
function engineFile(folders, name) {
  const [, number, file] = name.match(/^\/(\d+)\/(.+)$/) ?? [];
  if (number === undefined) return null;
  const folder = folders[Number(number)];
  return fileOf(folder, file) ?? fileOf(folder, file.replace(/\.js$/, '.mjs'));
}

const { folders, runs, build, threads, seconds, flags } = readArguments(process.argv.slice(2));
await bundleWorkers(HERE, ['worker'], OUT);
const images = trainingImages(60_000);
const worker = await openWorker({
  script: '/worker.js',
  isolated: true,
  flags,
  content: (name) => images[name] ?? engineFile(folders, name) ?? fileOf(OUT, name),
});
try {
  for (const { name, run } of runs) {
    for (const n of threads) {
      const engines = folders.map((_, i) => String(i));
      await worker.ask({ name: 'open', engines, run, build, threads: n });
      const { answer } = await worker.ask({ name: 'race', seconds });
      console.log(`${name}, ${n} threads, microseconds a step`);
      console.table(Object.fromEntries(folders.map((folder, i) => [
        path.basename(folder), {
          median: Number(answer[i].median.toFixed(1)),
          'best tenth': Number(answer[i].tenth.toFixed(1)),
          'times the first': Number(answer[i].ratio.toFixed(3)),
        }])));
    }
  }
} finally {
  await worker.close();
}
