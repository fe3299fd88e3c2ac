/**
 * Protects: what surrounds a run in the lab. Recipes set up what they say and follow
 * each other; a rate is found beside a run and taken; the sheet of augmented digits
 * follows the settings; runs are laid over each other, named, varied and kept; the page
 * tells why a run ended. No task above 50 ms, no violation that axe finds, and a
 * reference that has every option and layer.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { FORMULAS } from '../../scripts/formulas.mjs';
import { openSite } from './site.js';
import { ready, state, waitForState } from './lab.js';

const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url),
  'utf8');

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

const button = (page, name) => page.getByRole('button', { name, exact: true });

const watchLongTasks = (page) => page.evaluate(() => {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longTasks.push(duration);
  }).observe({ type: 'longtask' });
});

/** What axe has against part of a page. */
async function violations(page, selector) {
  await page.evaluate(AXE);
  return page.evaluate(async (part) => {
    const { violations: found } = await window.axe.run(part);
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)[0]}`);
  }, selector);
}

async function openGroup(page, name) {
  if (!await page.locator('#settings').count()) await button(page, 'Settings').click();
  await page.locator('.settings-group summary', { hasText: name }).click();
}

test('a recipe sets up its run, says what to observe, and takes the focus along', async () => {
  const page = await site.open();
  await ready(page);
  await button(page, 'Recipes').click();
  await expect.poll(() => page.locator('.recipes li').count()).toBeGreaterThan(8);
  expect(await violations(page, 'soma-recipes')).toEqual([]);
  await button(page, 'Overfit on 1,000 images').focus();
  await page.keyboard.press('Enter');
  await waitForState(page, 'run.values.limit', '1000');
  expect(page.url()).toContain('limit=1000');
  expect(await page.locator('.recipe').innerText()).toContain('validation loss turns');
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent))
    .toBe('Start');
  expect(await page.locator('.recipes').count()).toBe(0);
  expect(await violations(page, 'soma-recipes')).toEqual([]);
  await page.keyboard.press('Enter');
  await waitForState(page, 'progress.phase', 'finished', 60000);
  expect(await state(page, 'progress.accuracy')).toBeGreaterThan(0.99);
  await page.getByRole('button', { name: 'Close the recipe' }).click();
  await expect.poll(() => page.locator('.recipe').count()).toBe(0);
  await page.context().close();
});

test('the runs of a recipe follow each other and lie over each other', async () => {
  const page = await site.open();
  await ready(page);
  await button(page, 'Recipes').click();
  await button(page, 'Batch norm bears a high rate').click();
  await expect.poll(() => page.locator('.recipe-run').innerText()).toBe('run 1 of 2: plain');
  await page.locator('soma-recipes').getByRole('button', { name: 'Start' }).click();
  await waitForState(page, 'recipe.at', 1, 60000);
  await waitForState(page, 'progress.phase', 'finished', 60000);
  expect(await page.locator('.recipe-run').innerText()).toBe('run 2 of 2: batch norm');
  await expect.poll(() => page.locator('.run').count()).toBe(2);
  await expect.poll(() => state(page, 'record.final')).toBeGreaterThan(0.95);
  expect(await state(page, 'earlier.0.final')).toBeLessThan(0.2);
  const figures = await page.locator('.run').nth(1).locator('.run-figures').innerText();
  expect(figures).toMatch(/final test/);
  expect(await violations(page, 'soma-runs')).toEqual([]);

  // The earlier run is one more line in every chart, until it is not ticked.
  await page.locator('soma-curves').scrollIntoViewIfNeeded();
  await expect.poll(() => page.locator('.uplot').count()).toBe(3);
  const legend = page.locator('soma-curves .legend');
  expect(await legend.innerText()).toContain('earlier runs');
  await page.locator('.run input[type=checkbox]').uncheck();
  await expect.poll(() => legend.innerText()).not.toContain('earlier runs');
  await page.context().close();
});

test('a good rate is found while a run goes on untouched, and is taken', async () => {
  const page = await site.open('#epochs=200&lr=0.0001');
  await ready(page);
  await button(page, 'Train').click();
  await waitForState(page, 'progress.phase', 'training');
  await openGroup(page, 'Learning');
  await watchLongTasks(page);
  await button(page, 'Find a good rate').click();
  await expect.poll(() => state(page, 'rateTest.running'), { timeout: 30000 }).toBe(false);
  await expect.poll(() => page.locator('.rate-plot .uplot').count()).toBe(1);
  const { suggested } = await state(page, 'rateTest.result');
  expect(suggested).toBeGreaterThanOrEqual(0.001);
  expect(suggested).toBeLessThanOrEqual(0.02);
  expect(await state(page, 'progress.phase')).toBe('training');
  expect(await page.locator('.rate-finder').innerText()).toMatch(/lowest at 0\.0\d+ and exploded/);
  await button(page, `Take ${suggested}`).click();
  await waitForState(page, 'run.values.lr', String(suggested));
  expect(await page.locator('#option-lr').inputValue()).toBe(String(suggested));
  expect(await button(page, `${suggested} is taken`).isDisabled()).toBe(true);
  expect(await page.evaluate(() => window.longTasks)).toEqual([]);
  expect(await violations(page, 'soma-rate-finder')).toEqual([]);
  await page.context().close();
});

test('settings without effect say so, for what is typed and not yet applied', async () => {
  const page = await site.open();
  await ready(page);
  await openGroup(page, 'Learning');
  const note = page.locator('#option-momentum-note');
  await expect.poll(() => note.innerText())
    .toBe('Only the optimisers momentum and nesterov use it.');
  await page.selectOption('#option-optimizer', 'momentum');
  await expect.poll(() => note.count()).toBe(0);
  await expect.poll(() => page.locator('#option-beta1-note').innerText()).toMatch(/adam/);
  expect(await state(page, 'run.values.optimizer')).toBe('adam');
  await page.context().close();
});

test('the sheet of augmented digits follows the settings', async () => {
  const page = await site.open();
  await ready(page);
  await watchLongTasks(page);
  await openGroup(page, 'Augmentation');
  const sheet = page.locator('soma-augmentation');
  await sheet.scrollIntoViewIfNeeded();
  await expect.poll(() => sheet.innerText()).toContain('it is always the same');
  await expect.poll(() => sheet.locator('canvas').evaluate((canvas) => canvas.width)).toBe(242);
  const picture = () => sheet.locator('canvas').evaluate((canvas) => canvas.toDataURL());
  const plain = await picture();
  await page.fill('#option-rotate', '30');
  await page.locator('#option-rotate').blur();
  await expect.poll(() => sheet.innerText()).not.toContain('always the same');
  await expect.poll(picture).not.toBe(plain);
  const turned = await picture();
  await page.fill('#option-elastic', '34');
  await page.locator('#option-elastic').blur();
  await expect.poll(picture).not.toBe(turned);
  expect(await state(page, 'run.values.rotate')).toBe('0');
  expect(await page.evaluate(() => window.longTasks)).toEqual([]);
  expect(await violations(page, 'soma-augmentation')).toEqual([]);
  await page.context().close();
});

test('runs are kept across a reload, named, varied in two steps, and removed', async () => {
  const page = await site.open('#net=dense+10&epochs=1&limit=2000&validation=0');
  await ready(page);
  await button(page, 'Train').click();
  await waitForState(page, 'progress.phase', 'finished');
  await expect.poll(() => state(page, 'record.ended')).toBe('epochs');
  const rename = page.getByRole('button', { name: /^Rename/ });
  await rename.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('small one');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('.run').first().innerText()).toContain('small one');

  await page.selectOption('#vary', 'sgd');
  await waitForState(page, 'run.values.optimizer', 'sgd');
  await waitForState(page, 'progress.phase', 'finished');
  expect(await state(page, 'run.values')).toMatchObject({ lr: '0.1', seed: '1', limit: '2000' });
  await expect.poll(() => state(page, 'record.ended')).toBe('epochs');

  await page.reload();
  await ready(page);
  await expect.poll(() => page.locator('.run').count()).toBe(2);
  const texts = await page.locator('.run').allInnerTexts();
  expect(texts[0]).toContain('sgd');
  expect(texts[1]).toContain('small one');
  await page.getByRole('link', { name: 'Open small one' }).click();
  await waitForState(page, 'run.values.optimizer', 'adam');
  expect(await violations(page, 'soma-runs')).toEqual([]);
  await page.getByRole('button', { name: 'Remove small one' }).click();
  await expect.poll(() => page.locator('.run').count()).toBe(1);
  await page.reload();
  await ready(page);
  await expect.poll(() => page.locator('.run').count()).toBe(1);
  await page.context().close();
});

test('a run that stops early says so, and shows the best weights', async () => {
  const page = await site.open('#limit=500&batch=20&lr=0.01&epochs=80&patience=2');
  await ready(page);
  await button(page, 'Train').click();
  await waitForState(page, 'progress.phase', 'finished', 30000);
  expect(await state(page, 'progress.ended')).toBe('patience');
  await expect.poll(() => page.locator('soma-hero').innerText()).toContain('stopped early');
  const step = await state(page, 'progress.step');
  await waitForState(page, 'evaluation.step', step);
  await expect.poll(() => page.locator('.run').first().innerText())
    .toContain('ended early, best weights back');
  expect(await state(page, 'record.final')).toBe(await state(page, 'evaluation.accuracy'));
  await page.context().close();
});

test('the reference has every option and layer of the engine', async () => {
  const lab = await site.open();
  await ready(lab);
  const { options, layers } = await state(lab, 'engine');
  const link = lab.getByRole('link', { name: /All settings and layers/ });
  await link.click();
  await lab.waitForURL(/reference\.html$/);
  for (const { key, help, choices } of options) {
    const entry = lab.locator(`#${key}`);
    expect(await entry.innerText(), key).toContain(help);
    for (const choice of choices) {
      expect(await entry.locator('.choices').innerText(), key).toContain(choice);
      if (FORMULAS[key]) expect(FORMULAS[key], `${key}=${choice}`).toHaveProperty([choice]);
    }
  }
  for (const { name, help } of layers) {
    expect(await lab.locator(`#layer-${name}`).innerText()).toContain(help);
  }
  expect(await lab.locator('math').count()).toBeGreaterThan(25);
  expect(await violations(lab, 'body')).toEqual([]);
  await lab.context().close();
});
