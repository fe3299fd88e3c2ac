/**
 * For browser tests: speak with a training worker of one's own from a page of
 * the built site, in the messages that Comlink uses, past the page's views.
 *
 *     const remote = await openRemote(page);
 *     await remote.call('open', { build: 'exact', … });
 *     await remote.until(({ progress }) => progress?.phase === 'finished');
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ASSETS = fileURLToPath(new URL('../../dist/assets/', import.meta.url));

/** In the page: a worker, its calls by name, and the last event of each type. */
function start(/** @type {string} */ script) {
  const worker = new Worker(new URL(script, document.baseURI), { type: 'module' });
  const waiting = new Map();
  const last = {};
  worker.addEventListener('message', ({ data }) => {
    if (waiting.has(data.id)) {
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.type === 'HANDLER') reject(data.value.value);
      else resolve(data.value);
    } else if (data.type) {
      last[data.type] = data;
    }
  });
  let id = 0;
  globalThis.remote = {
    last,
    terminate: () => worker.terminate(),
    call: (name, ...values) => new Promise((resolve, reject) => {
      id += 1;
      waiting.set(`test-${id}`, { resolve, reject });
      worker.postMessage({
        id: `test-${id}`,
        type: 'APPLY',
        path: [name],
        argumentList: values.map((value) => ({ type: 'RAW', value })),
      });
    }),
  };
}

/**
 * Start a worker in the page.
 * @param {import('playwright-core').Page} page
 * @param {string} [base]   of the site, where the page is not at it
 */
export async function openRemote(page, base = '') {
  const script = readdirSync(ASSETS).find((name) => /^worker-.*\.js$/.test(name));
  await page.evaluate(start, `${base}assets/${script}`);
  return {
    call: (name, ...values) => page.evaluate(
      ([call, list]) => globalThis.remote.call(call, ...list), [name, values],
    ),
    last: (type) => page.evaluate((wanted) => globalThis.remote.last[wanted], type),
    until: (holds, timeout = 120_000) => page.waitForFunction(
      `(${holds})(globalThis.remote.last)`, undefined, { timeout, polling: 20 },
    ),
    terminate: () => page.evaluate(() => globalThis.remote.terminate()),
  };
}

/** Settings for `open`, with the site's folders. */
export const settings = (site, build, threads, run) => ({
  build, threads: String(threads), engineBase: `${site.url}engine/`, run,
});
