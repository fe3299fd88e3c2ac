/**
 * Protects: what goes wrong gets a sentence and loses nothing: a run that diverges, files
 * that are no images, shards that cannot be had; and one's own images replace MNIST.
 */
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idxFile, images } from '../wasm/helpers/mnist.js';
import { openSite } from './site.js';
import { ready, state, waitForState } from './lab.js';

/** @type {Awaited<ReturnType<typeof openSite>>} */
let site;
beforeAll(async () => { site = await openSite(); });
afterAll(() => site.close());

test('a run that diverges stops with a sentence, and the last finite state comes back',
  async () => {
    const page = await site.open('#optimizer=sgd&lr=0.1');
    await ready(page);
    await page.getByRole('button', { name: 'One epoch' }).click();
    await waitForState(page, 'progress.step', 860);
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByText('Learning', { exact: true }).click();
    await page.fill('#option-lr', '1000000');
    await page.press('#option-lr', 'Tab');
    await waitForState(page, 'run.values.lr', '1000000');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await waitForState(page, 'progress.phase', 'failed');
    const notice = page.locator('.notice');
    expect(await notice.innerText()).toMatch(/step \d+/);
    expect(await notice.innerText()).toMatch(/learning rate|lr/);
    await page.getByRole('button', { name: 'Go back to the last finite state' }).click();
    await waitForState(page, 'progress.phase', 'paused');
    await expect.poll(() => notice.count()).toBe(0);
    expect(await state(page, 'progress.step')).toBeGreaterThan(0);
    await page.context().close();
  });

/** Writes a file for the file chooser. */
function file(name, bytes) {
  const target = path.join(tmpdir(), `soma-${process.pid}-${name}`);
  writeFileSync(target, bytes);
  return target;
}

const few = (set, count) => {
  const { images: pixels, labels } = images(set, 0, count);
  return [idxFile([count, 28, 28], pixels), idxFile([count], labels)];
};

test.each([
  ['no IDX file', () => [file('notes.txt', 'these are no images')]],
  ['a file that is cut short', () => [
    file('cut-images', few('train', 50)[0].subarray(0, 5000)),
    file('cut-labels', few('train', 50)[1])]],
  ['a label that is no digit', () => [
    file('odd-images', idxFile([2, 28, 28], new Uint8Array(2 * 784))),
    file('odd-labels', idxFile([2], Uint8Array.of(3, 12)))]],
])('%s is refused with a sentence, and MNIST stays', async (_, files) => {
  const page = await site.open();
  await ready(page);
  await page.setInputFiles('input[type=file]', files());
  await expect.poll(() => page.locator('.notice').innerText(), { timeout: 10000 })
    .toMatch(/\w+( \S+){3}/);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'One batch' }).click();
  await waitForState(page, 'progress.step', 1);
  expect(await state(page, 'data.source')).toBe('MNIST');
  await page.context().close();
});

test('files dropped on the page replace the images, gzip or plain', async () => {
  const page = await site.open('#validation=0');
  await ready(page);
  const [trainImages, trainLabels] = few('train', 1000);
  const [testImages, testLabels] = few('test', 300);
  const sent = {
    'train-images-idx3-ubyte.gz': gzipSync(trainImages),
    'train-labels-idx1-ubyte': trainLabels,
    't10k-images-idx3-ubyte': testImages,
    't10k-labels-idx1-ubyte.gz': gzipSync(testLabels),
  };
  await page.evaluate((named) => {
    const data = new DataTransfer();
    for (const [name, text] of Object.entries(named)) {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      data.items.add(new File([bytes], name));
    }
    document.querySelector('main').dispatchEvent(new DragEvent('drop', {
      bubbles: true, cancelable: true, dataTransfer: data,
    }));
  }, Object.fromEntries(Object.entries(sent).map(([name, bytes]) =>
    [name, Buffer.from(bytes).toString('base64')])));
  await expect.poll(() => page.locator('.legend .count').innerText(), { timeout: 10000 })
    .toBe('300 test images');
  await page.getByRole('button', { name: 'One epoch' }).click();
  await expect.poll(() => state(page, 'evaluation.count')).toBe(300);
  expect(await state(page, 'run.trainCount')).toBe(1000);
  await page.context().close();
});

test('a shard that cannot be had is named, what is here can be used, and it can be retried',
  async () => {
    const context = await site.browser.newContext();
    const lab = await context.newPage();
    let broken = true;
    await lab.route('**/train-07-*', (route) => (broken ? route.abort() : route.continue()));
    await lab.goto(site.url);
    await waitForState(lab, 'data.phase', 'failed', 40000);
    const loading = lab.locator('.loading');
    expect(await loading.innerText()).toContain('train-07');
    expect(await loading.innerText()).toMatch(/55,000 of 60,000 training images/);
    broken = false;
    await loading.getByRole('button', { name: 'Try again' }).click();
    await waitForState(lab, 'data.phase', 'complete', 20000);
    await expect.poll(() => loading.innerText()).toContain('55,000 images to learn from');
    await context.close();
  });
