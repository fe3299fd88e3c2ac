/**
 * What the page itself costs while it trains: the CPU time of every thread of the
 * browser, as a share of one core, and how much of the training worker's time is
 * spent outside the engine. CPU time hardly depends on what else the machine does.
 *
 *     node tests/bench/page-cost.mjs [W1] [--threads=2] [--seconds=20]
 *         [--from=3] [--width=1280] [--height=900] [--scroll=0] [--epochs=10000]
 *
 * Trains in the built site (`npm run build`), waits `from` seconds, and reads the
 * clocks of all threads at the beginning and the end of the next `seconds`. Linux
 * only: the clocks are those of /proc. `scroll` moves the page down by so many
 * pixels first, which brings other views into sight.
 *
 * Prints a table and adds it to build/page-cost.json. The threads that train are
 * the two kinds of DedicatedWorker; all others are the price of the page.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSite } from '../browser/site.js';
import { WORKLOADS, runText } from './workloads.js';

const JSON_FILE = fileURLToPath(new URL('../../build/page-cost.json', import.meta.url));

/** Threads that train; the others serve the page. */
const TRAINING = 'DedicatedWorker';

/** A file of /proc; '' when its process is gone. @param {string} path */
function readProc(path) {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

/** Processes that descend from this one, which started the browser. */
function family() {
  const parents = new Map(readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    .map((pid) => [pid, readProc(`${pid}/stat`).replace(/^.*\) /s, '').split(' ')[1]]));
  const isOurs = (/** @type {string | undefined} */ pid) => {
    for (let at = pid; at && at !== '0'; at = parents.get(at)) {
      if (at === String(process.pid)) return true;
    }
    return false;
  };
  return [...parents.keys()].filter((pid) => isOurs(parents.get(pid)));
}

/**
 * Milliseconds of CPU time of each thread so far, by process and thread.
 * @returns {Map<string, {name: string, ms: number}>}
 */
function clocks() {
  const threads = new Map();
  for (const pid of family()) {
    const command = readProc(`${pid}/cmdline`);
    if (!command.includes('chrom')) continue;
    const [, type = 'browser'] = command.match(/--type=([\w-]+)/) ?? [];
    let tasks = /** @type {string[]} */ ([]);
    try { tasks = readdirSync(`/proc/${pid}/task`); } catch { continue; }
    for (const tid of tasks) {
      const thread = readProc(`${pid}/task/${tid}/comm`).trim()
        .replace(/(\d+)?(\/\d+)?$/, '');
      const ms = Number(readProc(`${pid}/task/${tid}/schedstat`).split(' ')[0]) / 1e6;
      threads.set(`${pid} ${tid}`, {
        name: `${type}: ${tid === pid ? 'main' : thread}`, ms,
      });
    }
  }
  return threads;
}

/**
 * Time spent between two readings, by name, largest first.
 * @param {ReturnType<typeof clocks>} before
 * @param {ReturnType<typeof clocks>} after
 */
function spent(before, after) {
  const sums = new Map();
  for (const [key, { name, ms }] of after) {
    const own = ms - (before.get(key)?.ms ?? 0);
    sums.set(name, (sums.get(name) ?? 0) + own);
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

/**
 * Run in front of the worker: adds up the time spent inside the engine and tells
 * it with every progress.
 * @param {number} threads
 */
const prelude = (threads) => `
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${threads} });
  {
    const spent = { soma_trainer_steps: 0, soma_evaluation_run: 0 };
    const timed = (name, call) => (...values) => {
      const start = performance.now();
      const result = call(...values);
      spent[name] += performance.now() - start;
      return result;
    };
    const { instantiateStreaming } = WebAssembly;
    WebAssembly.instantiateStreaming = async (...values) => {
      const { instance, module } = await instantiateStreaming(...values);
      const exports = Object.fromEntries(Object.entries(instance.exports)
        .map(([name, value]) => [name, name in spent ? timed(name, value) : value]));
      return { instance: { exports }, module };
    };
    const post = self.postMessage;
    self.postMessage = (message, ...rest) => {
      if (message?.type === 'progress') {
        post.call(self, { type: 'cost', step: message.step, now: performance.now(),
          training: spent.soma_trainer_steps, evaluating: spent.soma_evaluation_run });
      }
      post.call(self, message, ...rest);
    };
  }
`;

/** In the page, before its scripts: keep the last such note, count the messages. */
const listen = () => {
  const seen = { cost: null, progress: 0, evaluation: 0 };
  globalThis.seen = seen;
  globalThis.Worker = class extends Worker {
    constructor(...values) {
      super(...values);
      this.addEventListener('message', ({ data }) => {
        if (data?.type === 'cost') seen.cost = data;
        else if (data?.type in seen) seen[data.type] += 1;
      });
    }
  };
};

/** @param {string[]} values */
function readArguments(values) {
  const given = Object.fromEntries(values.filter((value) => value.startsWith('--'))
    .map((value) => value.slice(2).split('=')));
  const named = WORKLOADS.filter(({ name }) => values.includes(name));
  const number = (/** @type {string} */ key, /** @type {number} */ otherwise) =>
    Number(given[key] ?? otherwise);
  return {
    workloads: named.length ? named : WORKLOADS.slice(0, 1),
    threads: (given.threads ?? '2').split(',').map(Number),
    seconds: number('seconds', 20),
    from: number('from', 3),
    width: number('width', 1280),
    height: number('height', 900),
    scroll: number('scroll', 0),
    epochs: number('epochs', 10000),
  };
}

/** @typedef {ReturnType<typeof readArguments>} How */

/**
 * @param {import('./workloads.js').Workload} workload
 * @param {number} threads
 * @param {How} how
 */
async function measure(workload, threads, how) {
  const { width, height, scroll, seconds, from, epochs } = how;
  const site = await openSite({ isolated: threads > 1, prelude: prelude(threads) });
  try {
    const context = await site.browser.newContext({ viewport: { width, height } });
    const page = await context.newPage();
    await page.addInitScript(listen);
    const run = runText(workload).replace(/epochs=\d+/, `epochs=${epochs}`);
    await page.goto(`${site.url}#${run.replaceAll(' ', '+')}`);
    await page.waitForFunction(() => (
      document.querySelector('soma-hero').store?.state.data?.phase === 'complete'));
    await page.mouse.move(2, 2);
    await page.evaluate((y) => window.scrollTo(0, y), scroll);
    await page.waitForTimeout(1500);
    await page.evaluate(() => document.querySelector('soma-hero button.go').click());
    await page.waitForTimeout(from * 1000);
    const read = async () => ({
      seen: await page.evaluate(() => structuredClone(globalThis.seen)),
      clocks: clocks(),
      now: performance.now(),
    });
    const start = await read();
    await page.waitForTimeout(seconds * 1000);
    const end = await read();
    return { workload: workload.name, threads, ...how, ...compare(start, end) };
  } finally {
    site.complaints.length = 0;
    await site.close();
  }
}

/** Shares of one core, and of the worker's time. */
function compare(start, end) {
  const wall = end.now - start.now;
  const rows = spent(start.clocks, end.clocks)
    .map(([name, ms]) => ({ name, percent: 100 * ms / wall }));
  const cost = (key) => end.seen.cost[key] - start.seen.cost[key];
  return {
    rows,
    page: rows.filter(({ name }) => !name.includes(TRAINING))
      .reduce((sum, { percent }) => sum + percent, 0),
    outside: 100 * (1 - (cost('training') + cost('evaluating')) / cost('now')),
    evaluating: 100 * cost('evaluating') / cost('now'),
    progressPerSecond: (end.seen.progress - start.seen.progress) / wall * 1000,
    evaluationsPerSecond: (end.seen.evaluation - start.seen.evaluation) / wall * 1000,
    stepsPerSecond: cost('step') / cost('now') * 1000,
  };
}

/** @param {Awaited<ReturnType<typeof measure>>} result */
function print(result) {
  const of = (/** @type {number} */ value, digits = 1) => value.toFixed(digits).padStart(7);
  const lines = [
    `${result.workload}, threads ${result.threads}, ${result.width}x${result.height}`
      + `, scrolled ${result.scroll}`,
    ...result.rows.filter(({ percent }) => percent >= 0.05)
      .map(({ name, percent }) => `${of(percent)} %  ${name}`),
    `${of(result.page)} %  of one core: all but the threads that train`,
    `${of(result.outside)} %  of the worker's time neither trains nor evaluates`,
    `${of(result.evaluating)} %  evaluates`,
    `${of(result.progressPerSecond)}    reports a second, ${
      result.evaluationsPerSecond.toFixed(1)} evaluations, ${
      result.stepsPerSecond.toFixed(0)} steps`,
  ];
  process.stdout.write(`${lines.join('\n')}\n\n`);
}

const how = readArguments(process.argv.slice(2));
const results = [];
for (const workload of how.workloads) {
  for (const threads of how.threads) {
    const result = await measure(workload, threads, how);
    print(result);
    results.push(result);
  }
}
writeFileSync(JSON_FILE, `${JSON.stringify(results, null, 1)}\n`);
