/**
 * Protects: every setting has a control with its help, what is refused is refused with
 * a sentence at its field while the old run goes on, live settings act at once, and the
 * link carries a set-up there and back.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSite } from './site.js';
import { ready, state, waitForState } from './lab.js';

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

/** A page with its settings open, all groups of them. */
async function openSettings(address = '') {
  const page = await site.open(address);
  await ready(page);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.locator('.settings-group').first().waitFor();
  await page.evaluate(() => {
    for (const group of document.querySelectorAll('.settings-group')) group.open = true;
  });
  return page;
}

/** Types a value and leaves the field. */
async function write(page, key, value) {
  await page.fill(`#option-${key}`, value);
  await page.press(`#option-${key}`, 'Tab');
}

const restart = (page) =>
  page.getByRole('button', { name: 'Restart with these settings' }).click();
const hashOf = (page) => page.evaluate(() => location.hash);
const fault = (page, key) => page.locator(`#option-${key}-fault`).innerText();

test('each option of the engine has a labelled control and its sentence of help', async () => {
  const page = await openSettings();
  const options = await state(page, 'engine.options');
  expect(options.length).toBeGreaterThan(8);
  for (const { key, help, type, default: usual } of options) {
    const control = page.locator(`#option-${key}`);
    expect(await page.locator(`label[for=option-${key}]`).innerText()).toContain(key);
    expect(await page.locator(`#option-${key}-help`).innerText()).toBe(help);
    if (type === 'switch') expect(await control.isChecked()).toBe(usual === 'on');
    else expect(await control.inputValue()).toBe(usual);
  }
  await page.context().close();
});

test('a new network waits for the button, and then stands in line, link and engine', async () => {
  const page = await openSettings();
  await write(page, 'net', 'dense 32, relu, dense 10');
  await page.selectOption('#option-optimizer', 'sgd');
  await write(page, 'seed', '7');
  expect(await state(page, 'run.parameterCount')).toBe(101770);
  expect(await page.locator('.settings-end').innerText()).toContain('need a new network');
  await restart(page);
  await waitForState(page, 'run.parameterCount', 25450);
  expect(await hashOf(page)).toBe('#net=dense+32,+relu,+dense+10&optimizer=sgd&seed=7');
  await expect.poll(() => page.locator('.setup-net').innerText()).toContain('dense 32');

  const other = await site.open(await hashOf(page));
  await ready(other);
  expect(await state(other, 'run.values')).toEqual(await state(page, 'run.values'));
  await other.context().close();
  await page.context().close();
});

test.each([
  ['net', 'dense 64, rel, dense 10', /layer 2.*rel/i],
  ['net', 'dense 0, dense 10', /layer 1/i],
  ['net', 'dense 90000000, dense 10', /./],
  ['batch', '0', /from 1 to/],
  ['seed', 'x', /number/],
])('%s = “%s” is refused at its field, and the run goes on', async (key, value, words) => {
  const page = await openSettings();
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await waitForState(page, 'progress.phase', 'training');
  await write(page, key, value);
  await restart(page);
  await expect.poll(() => fault(page, key)).toMatch(words);
  await expect.poll(() => page.evaluate(() => document.activeElement?.id))
    .toBe(`option-${key}`);
  expect(await page.locator(`#option-${key}`).getAttribute('aria-invalid')).toBe('true');
  expect(await state(page, 'run.parameterCount')).toBe(101770);
  expect(['training', 'finished']).toContain(await state(page, 'progress.phase'));
  await page.context().close();
});

test('the learning rate changes during a run without a new network', async () => {
  const page = await openSettings('#epochs=500');
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await waitForState(page, 'progress.phase', 'training');
  await expect.poll(() => state(page, 'progress.step')).toBeGreaterThan(50);
  await write(page, 'lr', '0.0003');
  await expect.poll(() => state(page, 'progress.learningRate')).toBeCloseTo(0.0003, 6);
  expect(await state(page, 'progress.step')).toBeGreaterThan(50);
  expect(await state(page, 'progress.phase')).toBe('training');
  expect(await hashOf(page)).toContain('lr=0.0003');
  await page.context().close();
});

test('another hash in the same page is another run; the old one is kept when it is junk',
  async () => {
    const page = await site.open('#seed=3');
    await ready(page);
    await page.evaluate(() => { location.hash = '#seed=4'; });
    await waitForState(page, 'run.values.seed', '4');
    await page.evaluate(() => { location.hash = '#seed=much'; });
    await expect.poll(() => page.locator('.notice').innerText()).toContain('seed');
    expect(await state(page, 'run.values.seed')).toBe('4');
    expect(await hashOf(page)).toBe('#seed=4');
    await page.context().close();
  });

test.each([
  ['#nonsense=1', 'nonsense'],
  ['#<b>x</b>', 'not the name of a setting'],
  ['#net=conv+nothing', 'conv'],
  ['#lr=abc', 'lr'],
])('a link with junk, %s, gets a sentence and a page that works', async (hash, words) => {
  const page = await site.open(hash);
  await ready(page);
  await expect.poll(() => page.locator('.notice').innerText()).toContain(words);
  await page.getByRole('button', { name: 'One batch' }).click();
  await waitForState(page, 'progress.step', 1);
  await page.context().close();
});

test('the link can be copied', async () => {
  const page = await site.open('#seed=11', { permissions: ['clipboard-read', 'clipboard-write'] });
  await ready(page);
  await page.getByRole('button', { name: 'Copy link' }).click();
  await expect.poll(() => page.getByRole('button', { name: 'Copied' }).count()).toBe(1);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`${site.url}#seed=11`);
  await page.context().close();
});
