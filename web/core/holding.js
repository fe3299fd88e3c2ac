/**
 * What a trainer holds in the engine (threads, a data set, a network) and what
 * the parts of the Trainer class have to know of each other. Internal: callers
 * see a Trainer, whose parts share one of these.
 *
 * @module
 */

import { createDataset } from './data.js';
import { CoreError } from './errors.js';
import { NUMBER } from './layout.js';
import { Parameters } from './parameters.js';
import { Stopping } from './stopping.js';
import { runValues } from './tables.js';

/**
 * @typedef {import('./core.js').Core} Core
 * @typedef {import('./check.js').SetName} SetName
 * @typedef {import('./rate-test.js').RateTest} RateTest
 */

export class Holding {
  /** @type {Core} */
  core;
  pool = 0;
  dataset = 0;
  /** The network and its run; 0 once everything has been given back. */
  handle = 0;
  /** Images there is room for. Before any data: MNIST's, so that shapes are known. */
  reserved = { train: 60_000, test: 10_000 };
  /** Whether the caller has announced data. */
  announced = false;
  /** Whether weights were given by the caller since the network was made. */
  given = false;
  /** @type {SetName | null} the set being evaluated */
  evaluating = null;
  stopping = new Stopping();
  /** @type {RateTest | null} the range test under way */
  rateTest = null;
  /** The matrix tile for networks to come; -1 before one was chosen. */
  #tile = -1;
  /** @type {Parameters | null} of the present network, once asked for */
  #parameters = null;

  /**
   * @param {Core} core
   * @param {number} threads   wanted
   */
  constructor(core, threads) {
    this.core = core;
    this.pool = core.created('soma_pool_create', threads);
  }

  /**
   * Make the first network, with room for data.
   * @param {string} run
   */
  open(run) {
    this.dataset = createDataset(this.core, this.reserved.train, this.reserved.test);
    this.handle = this.make(run);
    this.readLimits();
  }

  /** Give everything back to the engine. */
  close() {
    this.rateTest?.close();
    const { core, handle, dataset, pool } = this;
    [this.handle, this.dataset, this.pool] = [0, 0, 0];
    core.call('soma_trainer_destroy', handle);
    core.call('soma_dataset_destroy', dataset);
    core.call('soma_pool_destroy', pool);
  }

  // ---- The network ----

  /**
   * A network of its own, on the same threads. Owned by the caller.
   * @param {string} run
   * @param {number} [dataset]   default: the present one
   */
  make(run, dataset = this.dataset) {
    const { core } = this;
    const handle = core.borrow(() => core.created(
      'soma_trainer_create', dataset, this.pool, core.putText(run, 'run'),
    ));
    if (this.#tile >= 0) core.call('soma_gemm_choose', handle, this.#tile);
    return handle;
  }

  /**
   * Put another network in the place of the present one.
   * @param {number} handle
   */
  replace(handle) {
    const old = this.handle;
    this.handle = handle;
    this.#parameters = null;
    this.evaluating = null;
    this.given = false;
    this.core.call('soma_trainer_destroy', old);
    this.stopping = new Stopping();
    this.readLimits();
  }

  /**
   * Use this matrix tile, for this network and those that follow.
   * @param {number} tile
   */
  chooseTile(tile) {
    this.#tile = tile;
    this.core.checked('soma_gemm_choose', this.handle, tile);
  }

  /** The parameters of the present network. */
  get parameters() {
    this.#parameters ??= new Parameters(this.core, this.handle);
    return this.#parameters;
  }

  /** @param {keyof typeof NUMBER} name */
  number(name) {
    return this.core.call('soma_trainer_number', this.handle, NUMBER[name]);
  }

  // ---- The run ----

  /** The whole run description in its canonical form. */
  get runText() {
    return this.core.textOf('soma_trainer_run_text', this.handle, 1);
  }

  /**
   * Change a setting that may change during a run.
   * @param {string} key
   * @param {string} value
   */
  set(key, value) {
    const { core } = this;
    core.borrow(() => core.checked(
      'soma_trainer_set',
      this.handle,
      core.putText(key, 'key'),
      core.putText(value, 'value'),
    ));
    this.readLimits();
  }

  /** The limits that are not the engine's to count may have changed. */
  readLimits() {
    this.stopping.setLimits(runValues(this.runText));
  }

  // ---- The data ----

  needData() {
    this.core.mustLive();
    if (this.announced) return;
    throw new CoreError(
      'NO_DATA',
      'There is no data to train on yet: give images with labels first.',
      'data',
    );
  }

  /**
   * Another data set; the network starts anew, with the weights that were given
   * before its first step. The present ones stay when anything is refused.
   * @param {{train: number, test: number}} counts
   * @param {(dataset: number) => void} fill
   */
  replaceData(counts, fill) {
    const { core } = this;
    if (this.#fits(counts)) {
      fill(this.dataset);
      this.announced = true;
      return;
    }
    const given = this.given && this.number('step') === 0;
    const dataset = createDataset(core, counts.train, counts.test);
    let handle = 0;
    try {
      fill(dataset);
      handle = this.make(this.runText, dataset);
      if (given) this.parameters.copyTo(handle);
    } catch (error) {
      if (handle) core.call('soma_trainer_destroy', handle);
      core.call('soma_dataset_destroy', dataset);
      throw error;
    }
    this.rateTest?.close();
    const old = this.dataset;
    this.replace(handle);
    this.given = given;
    this.dataset = dataset;
    this.reserved = counts;
    this.announced = true;
    core.call('soma_dataset_destroy', old);
  }

  /**
   * Whether the room made at the start can take these images.
   * @param {{train: number, test: number}} counts
   */
  #fits(counts) {
    return !this.announced && counts.train === this.reserved.train
      && counts.test === this.reserved.test;
  }
}
