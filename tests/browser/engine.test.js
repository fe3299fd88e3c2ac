/**
 * Protects: the four builds start in Chromium, in the page and in a module worker,
 * isolated or not, under the page's Content-Security-Policy and from a sub-path; the
 * page says which build it runs, with how many threads, and why.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSite } from './site.js';

/**
 * Start a build by its own glue, as load.js does, and make a pool. As text, for
 * Vitest would rewrite the import.
 * @param {string} build
 * @param {number} threads
 */
const tryBuild = (build, threads) => `
  import(new URL('engine/soma-${build}.js', document.baseURI).href)
    .then(({ default: create }) => create({ helpers: ${Math.max(threads - 1, 1)} }))
    .then((module) => module._soma_pool_threads(module._soma_pool_create(${threads})))`;

/** @param {import('playwright-core').Page} page */
async function engineLine(page) {
  const line = page.locator('soma-engine');
  await expect.poll(() => line.textContent(), { timeout: 20000 }).toMatch(/thread/);
  return (await line.textContent())?.replace(/\s+/g, ' ') ?? '';
}

describe('an isolated page', () => {
  /** @type {Awaited<ReturnType<typeof openSite>>} */
  let site;
  beforeAll(async () => { site = await openSite({ base: '/some/where/' }); });
  afterAll(() => site.close());

  test.each([['exact', 1], ['fast', 1], ['exact-threads', 2], ['fast-threads', 2],
    ['exact-threads', 3]])('%s starts with %i threads', async (build, threads) => {
    const page = await site.open();
    expect(await page.evaluate(tryBuild(build, threads))).toBe(threads);
    await page.context().close();
  });

  test('says that it runs fast and with threads, and why', async () => {
    const page = await site.open();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await engineLine(page)).toMatch(/relaxed SIMD works here; \w+ threads: this mach/);
    await page.context().close();
  });
});

/**
 * What the page says of its engine on such a host, in such a browser.
 * @param {Parameters<typeof openSite>[0]} options
 */
async function said(options) {
  const site = await openSite(options);
  const line = await engineLine(await site.open());
  await site.close();
  return line;
}

test('on a plain host there is one thread, and the host is named as the cause', async () => {
  expect(await said({ isolated: false }))
    .toMatch('one thread: this host does not send the isolation headers');
});

test('with one core there is one thread', async () => {
  const prelude = `Object.defineProperty(navigator, 'hardwareConcurrency', { value: 1 });`;
  expect(await said({ prelude })).toMatch('one thread: this machine has one core');
});

/* Relaxed instructions are 0xfd and a number from 0x100 on, in two bytes. */
const NO_RELAXED = `{
  const validate = WebAssembly.validate;
  WebAssembly.validate = (bytes) => validate(bytes) &&
    !bytes.some((byte, at) => byte === 0xfd && bytes[at + 1] >= 0x80 && bytes[at + 2] === 2);
}`;

test('without relaxed SIMD the exact build runs', async () => {
  expect(await said({ prelude: NO_RELAXED }))
    .toMatch('exact build: relaxed SIMD is missing here');
});

test('without SIMD the page says so, and which browser would do', async () => {
  const site = await openSite({ prelude: 'WebAssembly.validate = () => false;' });
  const page = await site.open();
  await expect.poll(() => page.locator('body').innerText(), { timeout: 20000 })
    .toMatch(/has no WebAssembly SIMD.*Safari 16\.4/s);
  await site.close();
});
