/**
 * Protects: a digit that is drawn, with mouse, finger or keyboard, is prepared, shown
 * and read before, during and after training; a digit of the wall can be found and
 * opened by pointer and by keyboard alone, and followed to the terms of a neuron's sum.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSite } from './site.js';
import { drawSeven, ready, state, waitForState } from './lab.js';

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

/** The ten probabilities that the page shows. */
const shownBars = async (page) =>
  Object.values((await state(page, 'bars')) ?? {}).map(Number);

test('a drawing has live bars before, during and after training', async () => {
  const page = await site.open('#epochs=100');
  await ready(page);
  await drawSeven(page);
  await expect.poll(() => shownBars(page)).toHaveLength(10);
  const before = await shownBars(page);
  expect(before.reduce((a, b) => a + b)).toBeCloseTo(1, 4);

  await page.getByRole('button', { name: 'Train', exact: true }).click();
  const seen = new Set();
  await expect.poll(async () => {
    seen.add(JSON.stringify(await shownBars(page)));
    return seen.size;
  }, { interval: 30 }).toBeGreaterThan(5);
  await expect.poll(() => state(page, 'progress.epoch'), { timeout: 30000 }).toBeGreaterThan(2);
  await page.getByRole('button', { name: 'Pause' }).click();
  await waitForState(page, 'progress.phase', 'paused');
  await expect.poll(async () => (await shownBars(page))[7]).toBeGreaterThan(0.8);
  expect(await page.locator('soma-pad .bars .best .bar-digit').innerText()).toBe('7');

  await page.getByRole('button', { name: 'Clear' }).click();
  await waitForState(page, 'digit', null);
  expect(await page.locator('soma-pad .bar-value').first().innerText()).toBe('');
  await page.context().close();
});

test('what the network sees is shown: 20 pixels tall, around the centre', async () => {
  const page = await site.open();
  await ready(page);
  await drawSeven(page);
  await expect.poll(() => state(page, 'drawing')).not.toBeNull();
  const pixels = Object.values(await state(page, 'drawing'));
  const rows = pixels.map((value, i) => (value ? Math.floor(i / 28) : -1)).filter((y) => y >= 0);
  expect(Math.max(...rows) - Math.min(...rows) + 1).toBe(20);
  const inked = await page.evaluate(() => {
    const canvas = document.querySelector('.prepared canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, 28, 28);
    const paper = data[0];
    return data.filter((value, i) => i % 4 === 0 && Math.abs(value - paper) > 8).length;
  });
  expect(inked).toBeGreaterThan(40);
  await page.context().close();
});

test('a finger draws, and the page does not scroll under it', async () => {
  const page = await site.open('', {
    viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true,
  });
  await ready(page);
  await page.locator('canvas.pad').scrollIntoViewIfNeeded();
  const from = await page.evaluate(() => scrollY);
  const box = await page.locator('canvas.pad').boundingBox();
  const cdp = await page.context().newCDPSession(page);
  const touch = (type, points) => cdp.send('Input.dispatchTouchEvent', {
    type, touchPoints: points.map(([x, y]) => ({ x: box.x + x, y: box.y + y })),
  });
  await touch('touchStart', [[80, 30]]);
  for (let y = 40; y < 180; y += 10) await touch('touchMove', [[80, y]]);
  await touch('touchEnd', []);
  await expect.poll(() => state(page, 'drawing')).not.toBeNull();
  expect(await page.evaluate(() => scrollY)).toBe(from);
  await page.context().close();
});

test('the keyboard draws: space lowers the pen, arrows move it, Delete clears', async () => {
  const page = await site.open();
  await ready(page);
  await page.locator('canvas.pad').focus();
  await page.keyboard.press(' ');
  for (let i = 0; i < 12; i++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press(' ');
  await expect.poll(() => state(page, 'drawing')).not.toBeNull();
  const tall = Object.values(await state(page, 'drawing')).filter(Boolean).length;
  expect(tall).toBeGreaterThan(20);
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
  expect(Object.values(await state(page, 'drawing')).filter(Boolean)).toHaveLength(tall);
  await page.keyboard.press('Delete');
  await waitForState(page, 'drawing', null);
  await page.context().close();
});

test('by keyboard alone: train, pause, find a digit on the wall, open it, follow a sum',
  async () => {
    const page = await site.open('#epochs=1000');
    await ready(page);
    const tabTo = async (selector) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
      }
      throw new Error(`${selector} is not reached by Tab`);
    };
    await tabTo('button.go');
    await page.keyboard.press('Enter');
    await waitForState(page, 'progress.phase', 'training');
    await expect.poll(() => state(page, 'evaluation.accuracy')).toBeGreaterThan(0.5);
    await page.keyboard.press('Enter');
    await waitForState(page, 'progress.phase', 'paused');

    await tabTo('.wall-frame');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.locator('.loupe p').innerText())
      .toMatch(/^Test image 2: a 1, read as an? \d$/);
    expect(await page.locator('.loupe .bars li').count()).toBe(10);
    await page.keyboard.press('Enter');
    await waitForState(page, 'digit.index', 2);
    expect(await page.locator('.pad-caption').innerText()).toBe('Test image 2, labelled 1.');

    await page.locator('.picker select').waitFor();
    await tabTo('.picker select');
    await page.keyboard.press('Tab');
    await page.keyboard.type('5');
    await page.keyboard.press('Enter');
    await waitForState(page, 'neuron.unit', 5);
    await page.context().close();
  });

test("a neuron's terms add up to the value that the network computed", async () => {
  const page = await site.open();
  await ready(page);
  await page.getByRole('button', { name: 'One batch' }).click();
  await waitForState(page, 'progress.step', 1);
  await page.locator('.wall-frame').click({ position: { x: 40, y: 40 } });
  await expect.poll(() => state(page, 'trace.layers.length')).toBe(3);
  await page.locator('.picker input').fill('17');
  await page.locator('.picker input').press('Enter');
  await waitForState(page, 'neuron.unit', 17);
  const value = await page.evaluate(() =>
    document.querySelector('soma-hero').store.state.trace.layers[0].values[17]);
  const total = await page.locator('.terms tfoot td').last().innerText();
  expect(Number(total.replace('−', '-'))).toBeCloseTo(value, 2);
  await page.context().close();
});

test('a cell of the confusion matrix shows its images on the wall', async () => {
  const page = await site.open();
  await ready(page);
  await page.getByRole('button', { name: 'One epoch' }).click();
  await waitForState(page, 'progress.step', 860);
  await waitForState(page, 'evaluation.step', 860);
  const cell = page.getByRole('button', { name: /^4 read as 9: / });
  const [, count] = /: (\d+)/.exec(await cell.getAttribute('aria-label'));
  await cell.click();
  await expect.poll(() => page.locator('.legend .count').innerText())
    .toBe(`${count} of 10,000 test images`);
  await page.getByRole('button', { name: /4 read as 9\s.*show all/ }).click();
  await expect.poll(() => page.locator('.legend .count').innerText())
    .toBe('10,000 test images');
  await page.context().close();
});
