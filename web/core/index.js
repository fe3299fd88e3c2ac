/**
 * Soma as a library: train small networks on 28 × 28 images, in a page, a
 * worker, or Node.
 *
 *     import { createTrainer } from 'soma';
 *
 *     const trainer = await createTrainer({ run: 'net=dense 128, relu, dense 10' });
 *     trainer.setIdx({ trainImages, trainLabels, testImages, testLabels });
 *     trainer.epoch();
 *     trainer.evaluate('test').accuracy;      // 0.96…
 *     trainer.predict(drawing);               // Float32Array(10)
 *     trainer.dispose();
 *
 * @module
 */

import * as check from './check.js';
import { Core } from './core.js';
import { startEngine } from './load.js';
import { Trainer } from './trainer.js';

export { CoreError } from './errors.js';
export { Trainer };

/**
 * @typedef {object} TrainerOptions
 * @property {string} [run]      run description; '' means all defaults
 * @property {string} [build]    'auto', 'exact', 'exact-threads', 'fast', 'fast-threads'
 * @property {string | number} [threads]   'auto' or a number
 * @property {string | URL} [engineBase]   where soma-<build>.mjs and .wasm lie
 */

/**
 * Load an engine and make a trainer, with a fresh network and no data yet.
 * Everything after this is synchronous.
 * @param {TrainerOptions} [options]
 * @returns {Promise<Trainer>}
 * @throws {CoreError} a refused run, NO_SIMD, ENGINE_NOT_LOADED, BAD_ARGUMENT
 */
export async function createTrainer(options = {}) {
  const { build, threads, engineBase: base, run = '' } = check.record(options, 'options');
  const description = check.text(run, 'run');
  const wish = /** @type {import('./features.js').Wish} */ ({ build, threads });
  const started = await startEngine({ ...wish, base: engineFolder(base) });
  const { engine } = started;
  try {
    const core = new Core(engine.functions, engine.memory);
    const release = () => engine.close();
    return new Trainer({ ...started, core, release }, description);
  } catch (error) {
    engine.close();
    throw error;
  }
}

/** @param {unknown} base */
function engineFolder(base) {
  if (base === undefined || base instanceof URL) return base;
  return check.text(base, 'engineBase');
}
