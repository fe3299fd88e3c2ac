/**
 * A trainer: one network, its data, its threads, in one instance of the engine.
 * All calls are synchronous, check their arguments, and return copies that stay
 * valid. A refused call throws a CoreError and changes nothing.
 *
 * Made by `createTrainer` (index.js). Works wherever WebAssembly does: in a
 * page, a worker, or Node.
 *
 * The class is written in parts, each on top of the one before; all share one
 * Holding (holding.js):
 *
 *     TrainerData      trainer-data.js      images and labels in and out
 *     TrainerNetwork   trainer-network.js   evaluate, predict, gradients, parameters
 *     TrainerPlans     trainer-plans.js     what a run would do
 *     TrainerSteps     trainer-steps.js     training
 *     Trainer          trainer.js           the run, saved states, speed
 *
 * @module
 */

import * as check from './check.js';
import { CoreError } from './errors.js';
import { Holding } from './holding.js';
import { joinState, splitState } from './saved-state.js';
import { measureTiles, warmUpNetwork } from './speed.js';
import { Stopping } from './stopping.js';
import { readLayerKinds, readOptions, runValues } from './tables.js';
import { TrainerSteps } from './trainer-steps.js';

/**
 * @typedef {import('./core.js').Core} Core
 * @typedef {import('./check.js').SetName} SetName
 * @typedef {import('./trainer-network.js').EvaluationResult} EvaluationResult
 * @typedef {import('./trainer-steps.js').Metrics} Metrics
 * @typedef {import('../protocol.js').EngineInfo} EngineInfo
 * @typedef {import('../protocol.js').RunInfo} RunInfo
 *
 * What a trainer stands on; owned by it from then on.
 * @typedef {object} Ground
 * @property {Core} core
 * @property {EngineInfo['build']} build
 * @property {number} threads   wanted
 * @property {string} reason    why this build and so many threads, in words
 * @property {() => void} release   stop the engine's helpers
 */

export class Trainer extends TrainerSteps {
  #held;
  /** @type {() => void} */
  #release;
  /** @type {EngineInfo} */
  #engine;

  /**
   * @param {Ground} ground
   * @param {string} run
   */
  constructor({ core, build, threads, reason, release }, run) {
    const held = new Holding(core, threads);
    const options = readOptions(core);
    super(held, options);
    this.#held = held;
    this.#release = release;
    this.#engine = {
      build,
      threads: core.call('soma_pool_threads', held.pool),
      reason,
      options,
      layers: readLayerKinds(core),
    };
    held.open(run);
  }

  // ---- The engine and the run ----

  /** The build that runs, its threads, options and layer kinds. */
  get engine() {
    return structuredClone(this.#engine);
  }

  /** Bytes of wasm memory at the moment. */
  get memoryBytes() {
    return this.#held.core.memoryBytes;
  }

  /**
   * What the present run description became.
   * @returns {RunInfo}
   */
  run() {
    const held = this.#held;
    const text = held.runText;
    return {
      text,
      short: held.core.textOf('soma_trainer_run_text', held.handle, 0),
      values: runValues(text),
      notes: this.notes(text),
      layers: this.layers(),
      parameterCount: held.number('parameterCount'),
      stepsPerEpoch: held.number('stepsPerEpoch'),
      trainCount: held.number('trainCount'),
      validationCount: held.number('validationCount'),
      testCount: held.number('testCount'),
    };
  }

  /**
   * A new network from a run description; settings left out take their defaults.
   * The data stays. When it is refused, the present network stays, too.
   * @param {string} run
   */
  configure(run) {
    this.#held.replace(this.#held.make(check.text(run, 'run')));
    return this.run();
  }

  /** The same description with fresh weights, at step 0. */
  reset() {
    return this.configure(this.#held.runText);
  }

  /**
   * Change a setting that may change during a run, from the next step on.
   * @param {string} key
   * @param {string | number} value
   */
  set(key, value) {
    this.#held.set(check.text(key, 'key'), check.settingValue(value, 'value'));
    return this.run();
  }

  // ---- The state ----

  /** 16 hexadecimal digits over the bits of all parameters. */
  fingerprint() {
    return this.#held.core.textOf('soma_trainer_fingerprint', this.#held.handle);
  }

  /**
   * The whole state (run, weights, optimiser, position, time) as bytes.
   * @returns {Uint8Array}
   */
  saveState() {
    const { core, handle, stopping } = this.#held;
    return core.borrow(() => {
      const size = core.call('soma_trainer_state_bytes', handle) >>> 0;
      const pointer = core.room(size);
      core.checked('soma_trainer_state_write', handle, pointer, size);
      return joinState(core.bytes(pointer, size), stopping.account);
    });
  }

  /**
   * Continue from a saved state; the run must be the same.
   * @param {Uint8Array | ArrayBuffer} state
   */
  loadState(state) {
    const bytes = check.bytes(state, 'state');
    const held = this.#held;
    const { core, handle } = held;
    core.mustLive();
    const { engine, account } = splitState(bytes);
    held.evaluating = null;
    core.borrow(() => core.checked(
      'soma_trainer_state_read', handle, core.put(engine), engine.length,
    ));
    held.given = true;
    held.stopping = new Stopping();
    if (account) held.stopping.resume(account);
    held.readLimits();
  }

  // ---- Speed ----

  /**
   * Choose the matrix tile by measuring the compiled ones for some milliseconds,
   * for this network and those that follow. Never changes a result.
   * @returns {{best: number, tiles: {name: string, gflops: number}[]}}
   */
  tune() {
    const held = this.#held;
    const measured = measureTiles(held.core, held.handle);
    held.chooseTile(measured.best);
    return measured;
  }

  /**
   * Spend some time on a throw-away copy of the network, so that the browser
   * has compiled the hot functions well before the data is there. Network and
   * data stay as they are.
   * @param {number} [ms]
   * @returns {number} steps made
   */
  warmUp(ms = 100) {
    const budget = check.milliseconds(ms, 'ms');
    return warmUpNetwork(this.#held.core, this.#held.pool, this.run(), budget);
  }

  /** Give everything back. The trainer cannot be used afterwards. */
  dispose() {
    const held = this.#held;
    if (!held.handle) return;
    try {
      held.close();
    } finally {
      held.core.close(new CoreError('DISPOSED', 'This trainer has been disposed of.'));
      this.#release();
    }
  }
}
