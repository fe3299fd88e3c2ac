/**
 * The worker of the engine's bench: one module of cmake/bench.cmake, loaded as the
 * page loads its own, and jobs for it.
 */
import { Core } from '../../../web/core/core.js';
import { createDataset, writeImages } from '../../../web/core/data.js';
import { loadEngine } from '../../../web/core/load.js';
import { rooflineLoop } from '../roofline.js';
import {
  measureBarrier, measureLists, measureMemory, measureProducts, measureRegisters,
} from './kernels.js';
import { measureProfile } from './profile.js';

const IMAGES = 60_000;

/** Until then the helper threads run; before, the caller does everything alone. */
const HELPERS_MS = 500;

/** @type {Core} */
let core;
/** @type {{threads: number, pool: number}[]} all alive at once, idle ones asleep */
let pools = [];
let dataset = 0;

const fetchBytes = async (/** @type {string} */ name) => (
  new Uint8Array(await (await fetch(name)).arrayBuffer()));

async function open({ build, threads }) {
  const helpers = threads.reduce((/** @type {number} */ sum, n) => sum + n - 1, 0);
  const base = new URL('/engine/', globalThis.location.href);
  const engine = await loadEngine({ build, threads: helpers + 1, base });
  core = new Core(engine.functions, engine.memory);
  pools = threads.map((/** @type {number} */ n) => (
    { threads: n, pool: core.created('soma_pool_create', n) }));
  await new Promise((resolve) => { setTimeout(resolve, HELPERS_MS); });
}

async function loadImages() {
  if (dataset) return;
  const [images, labels] = await Promise.all(['/images', '/labels'].map(fetchBytes));
  dataset = createDataset(core, IMAGES, 0);
  writeImages(core, dataset, 'train', 0, { images, labels }, IMAGES);
}

/** @type {Record<string, (job: any) => any>} */
const JOBS = {
  open,
  registers: async ({ kind }) => measureRegisters(await rooflineLoop(kind)),
  memory: () => measureMemory(core, pools),
  barrier: () => measureBarrier(core, pools),
  products: async ({ kind }) => {
    const loop = await rooflineLoop(kind);
    return { ...measureProducts(core, pools, loop), lists: measureLists(core, loop) };
  },
  profile: async ({ workload, seconds }) => {
    await loadImages();
    return measureProfile(core, pools, dataset, workload, seconds);
  },
};

globalThis.onmessage = async ({ data }) => {
  try {
    postMessage({ answer: await JOBS[data.name](data) });
  } catch (error) {
    postMessage({ error: String(error instanceof Error ? error.stack : error) });
  }
};
