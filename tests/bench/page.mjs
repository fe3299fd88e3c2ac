/**
 * How fast the built site trains: in Chromium, in the page, with the charts and
 * the wall alive. Figures come from the worker's own progress messages, as the
 * page receives them.
 */
import { openRemote, settings } from '../browser/remote.js';
import { openSite } from '../browser/site.js';
import { median, runText } from './workloads.js';

const WARM_MS = 2500;
const WINDOW_MS = 250;

/* Relaxed instructions are 0xfd and a number from 0x100 on, in two bytes. */
const NO_RELAXED = `{
  const validate = WebAssembly.validate;
  WebAssembly.validate = (bytes) => validate(bytes) &&
    !bytes.some((byte, at) => byte === 0xfd && bytes[at + 1] >= 0x80 && bytes[at + 2] === 2);
}`;

/** What makes the page choose this build and so many threads. */
function means(kind, threads) {
  const cores = threads <= 2 ? threads : threads + 1;
  return {
    isolated: threads > 1,
    prelude: `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${cores} });
      ${kind === 'exact' ? NO_RELAXED : ''}`,
  };
}

/** In the page, before its scripts: note every progress of the worker. */
const listen = () => {
  const notes = [];
  globalThis.notes = notes;
  globalThis.Worker = class extends Worker {
    constructor(...values) {
      super(...values);
      this.addEventListener('message', ({ data }) => {
        if (data?.type !== 'progress') return;
        const { step, trainingMs, phase } = data;
        notes.push({ step, trainingMs, phase, now: performance.now() });
      });
    }
  };
};

/** Images a second, from notes of steps and the time they took. */
function rates(notes, imagesPerStep) {
  const first = notes.find(({ phase, step }) => phase === 'training' && step > 0);
  const from = notes.findIndex(({ now }) => now > first.now + WARM_MS);
  const windows = [];
  for (let a = from, b = from + 1; b < notes.length; b += 1) {
    const ms = notes[b].trainingMs - notes[a].trainingMs;
    if (ms >= WINDOW_MS) {
      windows.push((notes[b].step - notes[a].step) * imagesPerStep / ms * 1000);
      a = b;
    }
  }
  const [start, end] = [notes[from], notes.at(-1)];
  return {
    imagesPerSecond: median(windows),
    wallImagesPerSecond:
      (end.step - start.step) * imagesPerStep / (end.now - start.now) * 1000,
    windows: windows.length,
  };
}

/**
 * Train one workload in the page.
 * @param {import('./workloads.js').Workload} workload
 * @param {'exact' | 'fast'} kind
 * @param {number} threads
 * @param {{seconds: number, flags: string[]}} how
 */
export async function measurePage(workload, kind, threads, { seconds, flags }) {
  const site = await openSite({ ...means(kind, threads), flags });
  try {
    const page = await (await site.browser.newContext()).newPage();
    await page.addInitScript(listen);
    await page.goto(`${site.url}#${runText(workload).replaceAll(' ', '+')}`);
    const button = page.locator('soma-hero button.go');
    await page.waitForFunction(() => (
      document.querySelector('soma-hero').store?.state.data?.phase === 'complete'));
    await page.waitForTimeout(1000);
    await button.click();
    await page.waitForTimeout(WARM_MS + 500 + seconds * 1000);
    const line = await page.locator('soma-engine').textContent();
    const notes = await page.evaluate(() => globalThis.notes);
    if (!line.includes(`${kind} build`)) throw new Error(`another build ran: ${line}`);
    return rates(notes, 55_000 / Math.ceil(55_000 / workload.batch));
  } finally {
    await site.browser.close();
    site.complaints.length = 0;
    await site.close();
  }
}

/**
 * The same run in a worker on a blank page: no views, no wall.
 * @param {import('./workloads.js').Workload} workload
 * @param {number} threads
 * @param {{seconds: number, flags: string[]}} how
 */
export async function measureBare(workload, threads, { seconds, flags }) {
  const site = await openSite({ ...means('fast', threads), flags });
  try {
    const page = await site.open('data/manifest.json');
    const remote = await openRemote(page, site.url);
    const build = threads > 1 ? 'fast-threads' : 'fast';
    await remote.call('open', settings(site, build, threads, runText(workload)));
    await remote.call('setLiveWall', false);
    await remote.call('loadSite', `${site.url}data/`);
    await remote.until(({ data }) => data?.phase === 'complete');
    await page.waitForTimeout(1000);
    await remote.call('train');
    await page.waitForTimeout(WARM_MS);
    const notes = [];
    for (let i = 0; i < seconds * 4; i += 1) {
      const { step, trainingMs, phase } = await remote.last('progress');
      notes.push({ step, trainingMs, phase, now: i === 0 ? -WARM_MS : i * 250 });
      await page.waitForTimeout(250);
    }
    return rates(notes, 55_000 / Math.ceil(55_000 / workload.batch));
  } finally {
    site.complaints.length = 0;
    await site.close();
  }
}
