// What the page does when things go wrong: shards that cannot be had, a link
// with junk, files that are no images, a learning rate that makes the loss
// infinite, a worker that crashes. Each is told in a sentence, and the page can
// be used on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { state, waitForState } from './lab.js';
import { openRemote, settings } from './remote.js';
import { openSite } from './site.js';

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite({ isolated: false }); });
afterAll(() => site.close());

const button = (page) => page.locator('soma-hero button.go');
const notice = (page) => page.locator('soma-notice');

async function ready(page) {
  await expect.poll(() => button(page).isEnabled(), { timeout: 30_000 }).toBe(true);
}

/** Train for one epoch, to see that the page still works, and let it come to rest. */
async function stillWorks(page) {
  await page.locator('soma-hero button', { hasText: 'One epoch' }).click();
  await waitForState(page, 'progress.epoch', 1, 60_000);
  await waitForState(page, 'progress.phase', 'paused');
  await waitForState(page, 'evaluation.step', await state(page, 'progress.step'));
}

test('shards that fail are told, the rest is usable, and trying again mends it', async () => {
  const page = await site.open('', {});
  await page.context().route(/train-0[579]-/, (route) => route.abort());
  await page.reload();
  const failed = page.locator('soma-hero .loading.failed');
  await expect.poll(() => failed.count(), { timeout: 60_000 }).toBe(1);
  expect(await failed.textContent()).toMatch(/could not be fetched.*45,000 of 60,000/s);
  await page.context().unroute(/train-0[579]-/);
  await failed.locator('button').click();
  await expect.poll(() => failed.count(), { timeout: 30_000 }).toBe(0);
  await stillWorks(page);
  expect(site.complaints.splice(0).every((text) => /Failed to load/.test(text))).toBe(true);
  await page.context().close();
}, 120_000);

test.each([
  '#net=dense+0',
  '#net=%E0%A4%A',
  '#speed=9000&lr=fast',
  '#net=<img src=x onerror=alert(1)>',
  `#${'x'.repeat(5000)}`,
].map((link) => [link.slice(0, 40), link]))('a link with junk, %s, is told', async (_, link) => {
  const page = await site.open(link);
  await ready(page);
  await expect.poll(() => notice(page).textContent(), { timeout: 20_000 }).toMatch(/\w{3,}.*\./s);
  expect(await page.locator('img[src="x"]').count()).toBe(0);
  await stillWorks(page);
  await page.context().close();
});

test('files that are no images are told and change nothing', async () => {
  const page = await site.open();
  await ready(page);
  await stillWorks(page);
  const before = await state(page, 'progress.fingerprint');
  expect(before).toMatch(/^[0-9a-f]{16}$/);
  const labels = Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 1, 12]);
  const images = Buffer.concat([
    Buffer.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]), Buffer.alloc(1568)]);
  const cases = [
    [[{ name: 'holiday.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('JFIF and so on') }],
      /holiday\.jpg/],
    [[{ name: 'train-images', mimeType: '', buffer: images },
      { name: 'train-labels', mimeType: '', buffer: labels }], /label/],
    [[{ name: 'train-images', mimeType: '', buffer: images.subarray(0, 500) },
      { name: 'train-labels', mimeType: '', buffer: labels }], /promises/],
    [[{ name: 'train.gz', mimeType: '', buffer: Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]) }],
      /train\.gz/],
  ];
  for (const [files, words] of cases) {
    await page.locator('soma-files input').setInputFiles(files);
    await expect.poll(() => notice(page).textContent(), { timeout: 20_000 }).toMatch(words);
  }
  expect(await state(page, 'progress.fingerprint')).toBe(before);
  expect(await state(page, 'progress.epoch')).toBe(1);
  await page.context().close();
});

test('a learning rate of a million stops the run in words, and there is a way back', async () => {
  const page = await site.open('#optimizer=sgd&lr=1000000');
  await ready(page);
  await button(page).click();
  await expect.poll(() => notice(page).textContent(), { timeout: 60_000 })
    .toMatch(/stopped at step \d+.*learning rate/s);
  await notice(page).locator('button', { hasText: 'Go back' }).click();
  await waitForState(page, 'progress.phase', 'paused');
  await expect.poll(() => notice(page).textContent()).not.toMatch(/stopped/);
  await page.context().close();
});

test('a crashed worker is told in words, and another one takes its place', async () => {
  const page = await site.open('#net=dense+20,relu,dense+10');
  await ready(page);
  const [worker] = page.workers();
  await worker.evaluate(() => { setTimeout(() => { throw new Error('a stray ray'); }); });
  await expect.poll(() => notice(page).textContent(), { timeout: 20_000 })
    .toMatch(/worker stopped working.*stray ray.*started again/s);
  await stillWorks(page);
  expect(page.url()).toContain('dense+20');
  site.complaints.length = 0;
  await page.context().close();
});

test('the worker refuses calls with a failure of code, place and sentence', async () => {
  const page = await site.open();
  const remote = await openRemote(page);
  const refusal = (...values) => remote.call(...values).then(
    () => null, (error) => String(error.message ?? error),
  );
  const call = (name, value) => page.evaluate(
    ([method, argument]) => globalThis.remote.call(method, argument).then(
      () => null, (error) => error),
    [name, value],
  );
  expect(await call('train')).toMatchObject({ code: 'NOT_OPEN', place: '' });
  expect(await call('open', { ...settings(site, 'turbo', 1, '') })).toMatchObject({
    code: 'BAD_ARGUMENT', place: 'build',
  });
  await remote.call('open', settings(site, 'exact', 1, ''));
  expect(await call('train')).toMatchObject({ code: 'NO_DATA' });
  expect(await call('configure', 'net=dense 5')).toMatchObject({ code: 'BAD_SHAPE' });
  expect(await call('set', 'lr')).toMatchObject({ code: 'BAD_ARGUMENT' });
  expect(await refusal('parameter', 'nothing')).toMatch(/./);
  await remote.terminate();
  await page.context().close();
});
