/**
 * One session of the page with a trainer: every call of the protocol, checked.
 * A refused call throws a CoreError and changes nothing.
 *
 * @module
 */

import * as check from '../core/check.js';
import { CoreError, describeError } from '../core/errors.js';
import { createTrainer } from '../core/index.js';
import { augmentedSheet } from './augmented-sheet.js';
import { RateFinder } from './rate-finder.js';
import { RunLoop } from './run-loop.js';
import { Supply } from './supply.js';
import { Ticker } from './ticker.js';

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../protocol.js').EngineInfo} EngineInfo
 * @typedef {import('../protocol.js').RunInfo} RunInfo
 * @typedef {import('./run-loop.js').Emit} Emit
 *
 * @typedef {{build: string, threads: string, engineBase: string, run: string}} Settings
 */

/**
 * Warming up: so long in all, so long at a time. After about this long the
 * hot functions run at full speed (tests/bench/page.mjs shows the first epoch).
 */
const WARM_MS = 240;
const WARM_SLICE_MS = 24;

/** Places at which the planned learning rate is told. */
const PLAN_POINTS = 160;
/** Most rows, and columns, of a contact sheet. */
const SHEET_MAX = 64;

export class TrainingSession {
  #emit;
  /** @type {Trainer | null} */
  #trainer = null;
  /** @type {RunLoop | null} */
  #loop = null;
  /** @type {Supply | null} */
  #supply = null;
  /** @type {RateFinder | null} */
  #finder = null;
  /** @type {Ticker | null} */
  #warmer = null;

  /** @param {Emit} emit   where events go */
  constructor(emit) {
    this.#emit = emit;
  }

  /**
   * @param {Settings} settings
   * @returns {Promise<{engine: EngineInfo, run: RunInfo}>}
   */
  async open(settings) {
    const { build, threads, engineBase, run } = settings;
    const trainer = await createTrainer({ build, threads, engineBase });
    this.close();
    /** @type {unknown} */
    let refused = null;
    try {
      if (run !== '') trainer.configure(run);
    } catch (error) {
      refused = error;
    }
    this.#trainer = trainer;
    this.#loop = new RunLoop(trainer, this.#emit);
    this.#supply = new Supply(trainer, this.#loop, this.#emit);
    this.#finder = new RateFinder(trainer);
    this.#warmUp(trainer, this.#loop);
    if (refused) {
      this.#emit({ type: 'failure', failure: describeError(refused), canRestore: false });
    }
    this.#loop.report();
    return { engine: trainer.engine, run: trainer.run() };
  }

  /** Give the engine back. */
  close() {
    this.#warmer?.close();
    this.#finder?.close();
    this.#supply?.stop();
    this.#loop?.close();
    this.#trainer?.dispose();
    [this.#warmer, this.#finder, this.#supply] = [null, null, null];
    [this.#loop, this.#trainer] = [null, null];
  }

  // ---- Data ----

  /** @param {string} base */
  async loadSite(base) {
    this.#opened().supply.loadSite(check.text(base, 'base'));
  }

  /** @param {File[]} files */
  async loadFiles(files) {
    const { supply, trainer } = this.#opened();
    if (!Array.isArray(files) || files.length === 0
      || !files.every((file) => file instanceof Blob)) {
      throw new CoreError('BAD_ARGUMENT', 'files must be a list of files.', 'files');
    }
    await supply.loadFiles(files);
    return trainer.run();
  }

  // ---- The run ----

  /** @param {string} run */
  async configure(run) {
    const { trainer, loop } = this.#opened();
    const info = trainer.configure(run);
    loop.networkChanged();
    return info;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async set(key, value) {
    const { trainer, loop } = this.#opened();
    const info = trainer.set(key, value);
    loop.settingChanged();
    return info;
  }

  async reset() {
    const { trainer, loop } = this.#opened();
    trainer.reset();
    loop.networkChanged();
  }

  async restore() {
    const { trainer, loop } = this.#opened();
    trainer.restore();
    loop.jumped();
  }

  async train() {
    this.#supplied().train();
  }

  async pause() {
    this.#opened().loop.pause();
  }

  /** @param {number} count */
  async step(count) {
    const steps = check.wholeNumber(count, 'count', 1, 2 ** 30);
    await this.#supplied().step(steps);
  }

  async epoch() {
    await this.#supplied().epoch();
  }

  /** @param {number} stepsPerSecond */
  async setSpeed(stepsPerSecond) {
    if (!(typeof stepsPerSecond === 'number' && stepsPerSecond > 0)) {
      throw new CoreError(
        'BAD_ARGUMENT', 'The speed must be more than 0 steps a second.', 'stepsPerSecond',
      );
    }
    this.#opened().loop.setSpeed(stepsPerSecond);
  }

  // ---- Looking ----

  /** @param {Uint8Array | null} pixels */
  async watch(pixels) {
    const { loop } = this.#opened();
    if (pixels === null) return loop.watch(null);
    const { pixels: checked, count } = check.images(pixels, 'pixels', false);
    if (count !== 1) {
      throw new CoreError('BAD_SHAPE', `One digit is watched; got ${count}.`, 'pixels');
    }
    return loop.watch(/** @type {Uint8Array} */ (checked));
  }

  /** @param {Uint8Array} pixels */
  async trace(pixels) {
    return this.#opened().trainer.trace(pixels);
  }

  /** @param {string} name */
  async parameter(name) {
    const { shape, values } = this.#opened().trainer.readParameter(name);
    return { shape, values };
  }

  /** @param {'train' | 'validation' | 'test'} set */
  async evaluate(set) {
    return this.#opened().loop.evaluate(check.setName(set));
  }

  /** @param {boolean} live */
  async setLiveWall(live) {
    this.#opened().loop.setLiveWall(live === true);
  }

  // ---- Looking ahead ----

  /** @param {string} run */
  async plan(run) {
    const { trainer } = this.#opened();
    const text = check.text(run, 'run');
    return { notes: trainer.notes(text), ...trainer.learningRates(PLAN_POINTS, text) };
  }

  /** @param {string} run */
  async findRate(run) {
    this.#supplied();
    return this.#opened().finder.find(check.text(run, 'run'));
  }

  async stopFindRate() {
    this.#finder?.stop();
  }

  /**
   * @param {string} run
   * @param {number} rows
   * @param {number} columns
   */
  async augmented(run, rows, columns) {
    const { trainer } = this.#opened();
    const text = check.text(run, 'run');
    const [height, width] = [
      check.wholeNumber(rows, 'rows', 1, SHEET_MAX),
      check.wholeNumber(columns, 'columns', 1, SHEET_MAX),
    ];
    return augmentedSheet(trainer, text, height, width);
  }

  // ---- Inside ----

  #opened() {
    const [trainer, loop] = [this.#trainer, this.#loop];
    const [supply, finder] = [this.#supply, this.#finder];
    if (trainer && loop && supply && finder) return { trainer, loop, supply, finder };
    throw new CoreError('NOT_OPEN', 'The engine has not been opened yet.');
  }

  #supplied() {
    const { loop, supply } = this.#opened();
    if (supply.promised) return loop;
    throw new CoreError(
      'NO_DATA',
      'There is no data to train on: load the MNIST images, or give IDX files.',
      'data',
    );
  }

  /**
   * While nothing else is to be done: get the hot functions compiled well, then
   * choose the matrix tile.
   * @param {Trainer} trainer
   * @param {RunLoop} loop
   */
  #warmUp(trainer, loop) {
    const start = performance.now();
    const warmer = new Ticker(() => {
      if (!loop.active && performance.now() - start < WARM_MS) {
        trainer.warmUp(WARM_SLICE_MS);
        warmer.soon();
      } else {
        trainer.tune();
        warmer.close();
      }
    });
    this.#warmer = warmer;
    warmer.soon();
  }
}
