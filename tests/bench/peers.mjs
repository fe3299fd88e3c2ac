/**
 * The peers that can be installed from npm, on the same workloads, each in its
 * own worker in Chromium: on an isolated page and on a plain one; the better of
 * the two counts. They are installed beside this file (tests/bench/peers) and
 * are no part of the site.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkers, fileOf, openWorker, trainingImages } from './host.mjs';

const HERE = fileURLToPath(new URL('peers/', import.meta.url));
const OUT = fileURLToPath(new URL('../../build/bench-peers/', import.meta.url));
const WASM = path.join(HERE, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');

export const PEERS = { tfjs: 'tfjs-wasm', jax: 'jax-js' };

/** Install and bundle them. */
export async function preparePeers() {
  if (!existsSync(path.join(HERE, 'node_modules'))) {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'pipe' });
  }
  // Not minified: tfjs hands its helper threads the text of one of its functions,
  // which speaks of names around it.
  await bundleWorkers(HERE, ['tfjs', 'jax'], OUT, false);
}

/**
 * One peer on one workload, isolated or not.
 * @param {'tfjs' | 'jax'} peer
 * @param {import('./workloads.js').Workload} workload
 * @param {boolean} isolated
 * @param {number} seconds
 * @returns {Promise<{imagesPerSecond: number, loss: number}>}
 */
export async function measurePeer(peer, workload, isolated, seconds) {
  const images = trainingImages(55_000);
  const worker = await openWorker({
    script: `/${peer}.js`,
    isolated,
    content: (name) => images[name] ?? (name.startsWith('/wasm/')
      ? fileOf(WASM, name.slice('/wasm'.length)) : fileOf(OUT, name)),
  });
  try {
    return await worker.ask({ workload, seconds });
  } finally {
    await worker.close();
  }
}
