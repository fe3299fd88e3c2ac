/** For tests of the lab: its state, as its views see it. */
import { expect } from 'vitest';

/**
 * A value of the store: "progress.step".
 * @param {import('playwright-core').Page} page
 * @param {string} path
 */
export function state(page, path) {
  return page.evaluate((wanted) => {
    const { store } = /** @type {any} */ (document.querySelector('soma-hero'));
    return wanted.split('.').reduce((value, key) => value?.[key], store?.state);
  }, path);
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} path
 * @param {unknown} value
 */
export async function waitForState(page, path, value, timeout = 20000) {
  await expect.poll(() => state(page, path), { timeout }).toBe(value);
}

/** Waits until all images are here. */
export async function ready(page) {
  await waitForState(page, 'data.phase', 'complete', 30000);
  await waitForState(page, 'progress.phase', 'ready');
}

/** Draws a seven on the pad with the mouse. */
export async function drawSeven(page) {
  const pad = await page.locator('canvas.pad').boundingBox();
  const at = (x, y) => [pad.x + (x * pad.width), pad.y + (y * pad.height)];
  await page.mouse.move(...at(0.25, 0.2));
  await page.mouse.down();
  await page.mouse.move(...at(0.75, 0.2), { steps: 10 });
  await page.mouse.move(...at(0.45, 0.85), { steps: 10 });
  await page.mouse.up();
}
