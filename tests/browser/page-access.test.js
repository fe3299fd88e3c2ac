/**
 * Protects: axe finds no violation, in light and dark, before, during and after training,
 * with all views filled and the settings open; nothing is wider than a phone; motion is
 * not asked of those who do not want it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSite } from './site.js';
import { drawSeven, ready, state, waitForState } from './lab.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

/** What axe has against the page as it is. */
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations: all } = await window.axe.run(document);
    return all.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(' | ')}`);
  });
  return found;
}

describe.each(['light', 'dark'])('in the %s', (colorScheme) => {
  test.each([1280, 390])('axe finds nothing at %i pixels', async (width) => {
    const page = await site.open('', { colorScheme, viewport: { width, height: 800 } });
    await ready(page);
    expect(await violations(page)).toEqual([]);
    await drawSeven(page).catch(() => {});
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await expect.poll(() => state(page, 'evaluation.accuracy')).toBeGreaterThan(0.5);
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Pause' }).click();
    await waitForState(page, 'progress.phase', 'paused');
    await page.getByText('The same as a table').click();
    await page.locator('.wall-frame').click({ position: { x: 60, y: 60 } });
    await page.locator('.picker input').fill('3');
    await page.locator('.picker input').press('Enter');
    await waitForState(page, 'neuron.unit', 3);
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.evaluate(() => {
      for (const group of document.querySelectorAll('details')) group.open = true;
    });
    await page.fill('#option-seed', 'x');
    await page.press('#option-seed', 'Tab');
    await page.getByRole('button', { name: 'Reset' }).click();
    await waitForState(page, 'progress.step', 0);
    await page.waitForTimeout(300);
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    await page.context().close();
  });
});

test('with reduced motion the wall changes at once', async () => {
  const page = await site.open('', { reducedMotion: 'reduce' });
  await ready(page);
  await page.getByRole('button', { name: 'One epoch' }).click();
  await waitForState(page, 'evaluation.step', 860);
  await page.waitForTimeout(300);
  const still = await page.evaluate(async () => {
    const picture = () => document.querySelector('canvas.wall').toDataURL();
    const first = picture();
    await new Promise((resolve) => { setTimeout(resolve, 300); });
    return first === picture();
  });
  expect(still).toBe(true);
  await page.context().close();
});
