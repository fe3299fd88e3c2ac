/**
 * Pictures of the lab in all its states, to be looked at:
 *
 *     npm run build && node scripts/screenshots.mjs [FOLDER]
 *
 * 1280 and 390 pixels wide, light and dark: before, during and after training, the
 * mistakes, the settings, a drawing, a digit's way through the network, a failure.
 * Chromium is $CHROMIUM or /usr/bin/chromium; the folder is build/screenshots.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { preview } from 'vite';

/** @typedef {import('playwright-core').Page} Page */

const FOLDER = process.argv[2]
  ?? fileURLToPath(new URL('../build/screenshots/', import.meta.url));

const SIZES = [
  { name: '1280', viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 },
  { name: '390', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
];

/**
 * @param {Page} page
 * @param {string} name
 */
const button = (page, name) => page.getByRole('button', { name, exact: true });

/** @param {Page} page */
async function drawThree(page) {
  await page.locator('canvas.pad').scrollIntoViewIfNeeded();
  const box = await page.locator('canvas.pad').boundingBox();
  if (!box) return;
  const points = [[0.3, 0.25], [0.5, 0.14], [0.68, 0.3], [0.5, 0.47], [0.7, 0.66],
    [0.5, 0.86], [0.28, 0.76]];
  const at = (/** @type {number[]} */ [x, y]) =>
    /** @type {[number, number]} */ ([box.x + x * box.width, box.y + y * box.height]);
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points) await page.mouse.move(...at(point), { steps: 6 });
  await page.mouse.up();
  await page.evaluate(() => scrollTo(0, 0));
}

/**
 * The states in their order, each a name and the way there from the one before.
 * @type {[string, (page: Page) => Promise<unknown>][]}
 */
const STATES = [
  ['1-before', async (page) => {
    await page.getByText('images to learn from').waitFor();
    await page.waitForTimeout(800);
  }],
  ['2-first-second', async (page) => {
    await button(page, 'Train').click();
    await page.locator('.score .figure[data-accuracy]').waitFor();
    await page.waitForTimeout(150);
  }],
  ['3-training', (page) => page.waitForTimeout(3000)],
  ['4-paused-drawing', async (page) => {
    await button(page, 'Pause').click();
    await drawThree(page);
    await page.waitForTimeout(500);
  }],
  ['5-loupe', async (page) => {
    await page.locator('.wall-frame').hover({ position: { x: 170, y: 150 } });
    await page.waitForTimeout(300);
  }],
  ['6-mistakes', async (page) => {
    await page.locator('.wall-controls select').first().selectOption('wrong');
    await page.locator('.wall-controls select').last().selectOption('mistake');
    await page.waitForTimeout(600);
    await page.locator('.wall-frame').click({ position: { x: 90, y: 30 } });
    await page.locator('.picker input').fill('5');
    await page.locator('.picker input').press('Enter');
    await page.locator('.terms').waitFor();
    await page.locator('soma-weights').scrollIntoViewIfNeeded();
    await page.waitForTimeout(500);
    await page.evaluate(() => scrollTo(0, 0));
  }],
  ['7-settings', async (page) => {
    await button(page, 'Settings').click();
    await page.fill('#option-net', 'dense 64, rel, dense 10');
    await button(page, 'Restart with these settings').click();
    await page.locator('#option-net-fault:not(:empty)').waitFor();
  }],
  ['8-failure', async (page) => {
    await page.evaluate(() => { location.hash = '#seed=much'; });
    await page.locator('.notice').waitFor();
    await button(page, 'Settings').click();
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForTimeout(200);
  }],
];

/** States of which the whole page is wanted, not only the window. */
const WHOLE = new Set(['6-mistakes']);

const server = await preview({
  preview: { host: 'localhost', port: 4179 }, logLevel: 'error',
});
const [address] = server.resolvedUrls?.local ?? [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
await mkdir(FOLDER, { recursive: true });
for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const { name: size, ...screen } of SIZES) {
    const context = await browser.newContext({ colorScheme, ...screen });
    const page = await context.newPage();
    await page.goto(`${address}#epochs=40`);
    for (const [name, reach] of STATES) {
      await reach(page);
      const path = `${FOLDER}/${size}-${colorScheme}-${name}.png`;
      await page.screenshot({ path, fullPage: WHOLE.has(name) });
    }
    await context.close();
  }
}
await browser.close();
await server.close();
process.stdout.write(`Pictures: ${FOLDER}\n`);
