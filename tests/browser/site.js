/**
 * For browser tests: the built site, served as a host would, and Chromium.
 *
 *     const site = await openSite({ isolated: true });
 *     const page = await site.open('#net=dense+10');
 *     …
 *     await site.close();     // fails when a page complained in its console
 *
 * Chromium is $CHROMIUM or /usr/bin/chromium.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css',
  '.json': 'application/json', '.svg': 'image/svg+xml', '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * A plain static host, with the site under a sub-path.
 * @param {string} base      "/" or "/some/where/"
 * @param {boolean} isolated whether it sends the isolation headers
 * @param {string} prelude   script to run in front of the training worker's
 * @param {Set<string>} served  takes the path of each file that was asked for
 */
function createHost(base, isolated, prelude, served) {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://host');
    const inside = pathname.startsWith(base) ? pathname.slice(base.length) : '\0';
    const file = path.join(DIST, inside.endsWith('/') || !inside ? `${inside}index.html` :
      inside);
    if (inside.includes('\0') || !file.startsWith(DIST) || !existsSync(file) ||
        !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    served.add(path.relative(DIST, file));
    const isWorker = /\/worker-[^/]*\.js$/.test(file);
    const body = Buffer.concat([Buffer.from(isWorker ? prelude : ''), readFileSync(file)]);
    response.writeHead(200, {
      'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream',
      'Content-Length': body.length,
      ...(isolated ? ISOLATION : {}),
    });
    response.end(body);
  });
}

/**
 * @param {object} [options]
 * @param {boolean} [options.isolated]   send the isolation headers (default: yes)
 * @param {string} [options.base]        sub-path of the site (default: "/")
 * @param {string[]} [options.flags]     more arguments for Chromium
 * @param {string} [options.prelude]     script to run in front of the training worker's,
 *                                       to take a feature away from it
 */
export async function openSite({
  isolated = true, base = '/', flags = [], prelude = '',
} = {}) {
  /** @type {Set<string>} */
  const served = new Set();
  const host = createHost(base, isolated, prelude, served);
  await new Promise((resolve) => { host.listen(0, '127.0.0.1', () => resolve(null)); });
  const address = /** @type {import('node:net').AddressInfo} */ (host.address());
  const url = `http://localhost:${address.port}${base}`;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGUMENTS, ...flags],
  });
  /** @type {string[]} */
  const complaints = [];
  return {
    url,
    browser,
    /** Paths of the files of dist/ that any page has loaded so far. */
    served,
    /** Errors and warnings of all pages so far; a test may empty it. */
    complaints,
    /**
     * Open a page of the site.
     * @param {string} [address]   from the site's base: "lessons/xor.html", "#seed=2"
     * @param {import('playwright-core').BrowserContextOptions} [context]
     */
    async open(address = '', context = {}) {
      const page = await (await browser.newContext(context)).newPage();
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      await page.goto(url + address);
      return page;
    },
    async close() {
      await browser.close();
      await new Promise((resolve) => { host.close(() => resolve(null)); });
      if (complaints.length) throw new Error(`the page complained: ${complaints.join('; ')}`);
    },
  };
}
