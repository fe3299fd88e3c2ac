/** Which builds the tests can run here, and short ways to make trainers. */
import { existsSync } from 'node:fs';
import v8 from 'node:v8';
import { createTrainer } from '../../../web/core/index.js';

// Node 20 knows relaxed SIMD only when told; later versions do not know the flag.
if (Number(process.versions.node.split('.')[0]) < 22) {
  v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

export const ENGINE_BASE = new URL('../../../build/engine/', import.meta.url);

/** The builds that have been made. */
export const builds = ['exact', 'exact-threads', 'fast', 'fast-threads']
  .filter((build) => existsSync(new URL(`soma-${build}.wasm`, ENGINE_BASE)));

/** A trainer of one build; threads only where the build has them. */
export function trainerOf(build, run = '', threads = build.endsWith('threads') ? 2 : 1) {
  return createTrainer({ build, threads, run, engineBase: ENGINE_BASE });
}

/** What a call throws, to look at its code, place and sentence. */
export function caught(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
}
