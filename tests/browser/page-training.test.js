/**
 * Protects: the lab trains in a real browser, shows it, and stays responsive: no task
 * of the page's thread above 50 ms while it trains, pause within 100 ms; single
 * batches, single epochs, slow motion and reset do what they say; finished and earlier
 * runs are kept.
 */
import os from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSite } from './site.js';
import { drawSeven, ready, state, waitForState } from './lab.js';

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

const train = (page) => page.getByRole('button', { name: 'Train', exact: true });
const pause = (page) => page.getByRole('button', { name: 'Pause' });

test('a press on Train reaches 95 % in three epochs, on wall, number and charts', async () => {
  const page = await site.open('#epochs=3');
  await ready(page);
  expect(await page.locator('.score').innerText()).toContain('?');
  await train(page).click();
  await waitForState(page, 'progress.phase', 'finished', 60000);
  await expect.poll(() => state(page, 'evaluation.step')).toBe(2580);
  const accuracy = await state(page, 'evaluation.accuracy');
  expect(accuracy).toBeGreaterThan(0.95);
  const shown = await page.locator('.score .figure').innerText();
  expect(Number.parseFloat(shown)).toBeCloseTo(Math.floor(accuracy * 1e4) / 100, 2);
  await expect(page.locator('.legend .count').innerText()).resolves.toBe('10,000 test images');

  await page.selectOption('.wall-controls select >> nth=0', 'wrong');
  const wrong = Math.round((1 - accuracy) * 10000);
  await expect.poll(() => page.locator('.legend .count').innerText())
    .toBe(`${wrong} of 10,000 test images`);

  await page.getByText('The same as a table').click();
  await expect.poll(() => page.locator('.as-table tbody tr').count()).toBe(3);
  expect(await page.locator('.uplot').count()).toBe(3);

  await page.getByRole('button', { name: 'Train again' }).click();
  await waitForState(page, 'progress.phase', 'training');
  expect(await state(page, 'earlier.length')).toBe(1);
  await expect.poll(() => page.getByRole('link', { name: /^Open / }).count()).toBe(1);
  await page.context().close();
});

/* It said that there is no data to train on, when the press came before the images
   were asked for. */
test('a press on Train before the engine is here trains as soon as it is', async () => {
  const context = await site.browser.newContext();
  await context.route('**/*.wasm', async (route) => {
    await new Promise((resolve) => { setTimeout(resolve, 1500); });
    await route.continue();
  });
  const page = await context.newPage();
  await page.goto(`${site.url}#epochs=1`);
  await train(page).click();
  expect(await state(page, 'engine')).toBe(null);
  await waitForState(page, 'progress.phase', 'finished', 60000);
  expect(await state(page, 'progress.step')).toBe(860);
  expect(await state(page, 'failure')).toBe(null);
  await context.close();
});

/** Milliseconds of the long tasks of the page's thread while the visitor is busy. */
async function longTasks(page) {
  await page.evaluate(() => {
    window.longTasks = [];
    window.observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) window.longTasks.push(duration);
    });
    window.observer.observe({ type: 'longtask' });
  });
  await drawSeven(page);
  await page.locator('.wall-frame').hover({ position: { x: 200, y: 200 } });
  await page.waitForTimeout(3000);
  await page.getByRole('button', { name: 'Clear' }).click();
  return page.evaluate(() => {
    window.observer.disconnect();
    return window.longTasks;
  });
}

/** Milliseconds from a press on the large button to a run that stands still. */
const pauseTime = (page) => page.evaluate(async () => {
  const { store } = document.querySelector('soma-hero');
  const start = performance.now();
  document.querySelector('button.go').click();
  return new Promise((resolve) => {
    const undo = store.subscribe(() => {
      if (store.state.progress.phase !== 'paused') return;
      undo();
      resolve(performance.now() - start);
    });
  });
});

/**
 * Processor milliseconds of the longest task of any page's main thread during `act`.
 * @param {() => Promise<unknown>} act
 */
async function longestTaskCpu(act) {
  const cdp = await site.browser.newBrowserCDPSession();
  const events = [];
  cdp.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await cdp.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', 'devtools.timeline'] },
  });
  await act();
  const complete = new Promise((resolve) => { cdp.once('Tracing.tracingComplete', resolve); });
  await cdp.send('Tracing.end');
  await complete;
  const threadOf = ({ pid, tid }) => `${pid}:${tid}`;
  const mains = new Set(events.filter(({ name }) => name === 'Layout').map(threadOf));
  const tasks = events.filter((event) =>
    event.name.endsWith('RunTask') && event.tdur && mains.has(threadOf(event)));
  expect(tasks.length).toBeGreaterThan(50);
  return Math.max(...tasks.map(({ tdur }) => tdur / 1000));
}

test('while it trains no task exceeds 50 ms, and pause answers within 100 ms', async () => {
  const page = await site.open('#epochs=2000');
  await ready(page);
  await page.waitForTimeout(1000);
  await train(page).click();
  // What the page itself does comes back in each of these windows; what another
  // program on the machine does to it need not.
  const windows = [];
  const pauses = [];
  for (let i = 0; i < 4; i++) {
    windows.push(await longTasks(page));
    pauses.push(await pauseTime(page));
    await train(page).click();
    await waitForState(page, 'progress.phase', 'training');
    if (windows[i].length === 0) break;
  }
  expect(Math.min(...pauses)).toBeLessThan(100);
  // Where other programs hold the processor all the time, the clock says nothing
  // about the page: then what its tasks took of the processor is judged.
  const crowded = os.loadavg()[0] > 2 * os.cpus().length;
  if (crowded && !windows.some((tasks) => tasks.length === 0)) {
    expect(await longestTaskCpu(() => longTasks(page))).toBeLessThan(25);
  } else {
    expect(windows).toContainEqual([]);
  }
  await page.context().close();
});

test('one batch is one batch, one epoch ends with it, reset goes back to the start', async () => {
  const page = await site.open('#limit=6400&validation=0');
  await ready(page);
  const fingerprint = await state(page, 'progress.fingerprint');
  await page.getByRole('button', { name: 'One batch' }).click();
  await waitForState(page, 'progress.step', 1);
  await waitForState(page, 'evaluation.step', 1);
  await page.getByRole('button', { name: 'One epoch' }).click();
  await waitForState(page, 'progress.step', 100);
  await expect.poll(() => page.locator('.score-note').innerText()).toContain('still wrong');
  expect(await state(page, 'progress.fingerprint')).not.toBe(fingerprint);
  await page.getByRole('button', { name: 'Reset' }).click();
  await waitForState(page, 'progress.step', 0);
  await expect.poll(() => page.locator('.score').innerText()).toContain('?');
  expect(await state(page, 'progress.fingerprint')).toBe(fingerprint);
  await page.context().close();
});

test('slow motion runs a batch a second, and speed can change while it runs', async () => {
  const page = await site.open();
  await ready(page);
  const speed = page.getByLabel('Speed');
  await speed.focus();
  await page.keyboard.press('Home');
  await expect.poll(() => speed.getAttribute('aria-valuetext')).toBe('1 batch a second');
  await train(page).click();
  await page.waitForTimeout(2500);
  expect(await state(page, 'progress.step')).toBeLessThanOrEqual(4);
  await speed.focus();
  await page.keyboard.press('End');
  await expect.poll(() => state(page, 'progress.step'), { timeout: 10000 })
    .toBeGreaterThan(100);
  await pause(page).click();
  await waitForState(page, 'progress.phase', 'paused');
  await page.context().close();
});

test('earlier runs are still there after a reload', async () => {
  const page = await site.open('#limit=3200&validation=0&epochs=1');
  await ready(page);
  await train(page).click();
  await waitForState(page, 'progress.phase', 'finished');
  await page.getByRole('button', { name: 'Reset' }).click();
  await waitForState(page, 'earlier.length', 1);
  await page.waitForTimeout(300);
  await page.reload();
  await expect.poll(() => page.locator('.run').count()).toBe(1);
  const link = await page.locator('.run a').getAttribute('href');
  expect(link).toContain('limit=3200');
  await page.context().close();
});
