/**
 * The data of a session: the site's shards, or files that a person gives. Tells
 * how it comes along, and the loop when there is more to train on.
 *
 * @module
 */

import { CoreError, describeError } from '../core/errors.js';
import { ShardLoader } from '../data/shards.js';
import { readIdxFiles } from './idx-files.js';

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../data/shards.js').ShardFailure} ShardFailure
 * @typedef {import('../protocol.js').DataProgress} DataProgress
 * @typedef {import('./run-loop.js').RunLoop} RunLoop
 * @typedef {import('./run-loop.js').Emit} Emit
 */

/** @typedef {Pick<DataProgress, 'bytesDone' | 'bytesTotal' | 'secondsLeft'>} Bytes */

/** @type {Bytes} */
const NOTHING_YET = {
  bytesDone: 0,
  bytesTotal: 0,
  secondsLeft: NaN,
};

/**
 * What to tell of shards that could not be had.
 * @param {ShardFailure[]} failures
 */
function shardsFailure(failures) {
  const first = describeError(failures[0].error);
  if (failures.length === 1) return first;
  const others = failures.length - 1;
  return { ...first, sentence: `${first.sentence} (And ${others} more could not be had.)` };
}

export class Supply {
  #trainer;
  #loop;
  #emit;
  /** @type {ShardLoader | null} of the site, while its data is in use */
  #loader = null;
  #base = '';
  #abort = new AbortController();
  #loading = false;
  #source = '';
  /** Room of the present data set. */
  #counts = { train: 0, test: 0 };

  /**
   * @param {Trainer} trainer
   * @param {RunLoop} loop
   * @param {Emit} emit
   */
  constructor(trainer, loop, emit) {
    this.#trainer = trainer;
    this.#loop = loop;
    this.#emit = emit;
  }

  /** Whether images are here, or on their way. */
  get promised() {
    return this.#loading || this.#ready('train') > 0;
  }

  /**
   * Fetch the site's shards; those that failed before are tried again. Returns
   * at once.
   * @param {string} base
   */
  loadSite(base) {
    if (this.#loader && this.#base === base) {
      if (!this.#loading) this.#run(this.#loader);
      return;
    }
    const loader = new ShardLoader(base);
    this.stop();
    this.#loader = loader;
    this.#base = base;
    this.#run(loader);
  }

  /**
   * Replace the data set by IDX files; the old one stays when they do not fit.
   * @param {File[]} files
   */
  async loadFiles(files) {
    await readIdxFiles(files, (idx) => this.#trainer.setIdx(idx));
    this.stop();
    this.#source = files.map((file) => file.name).join(', ');
    this.#reserved({
      train: this.#trainer.ready('train'),
      test: this.#trainer.ready('test'),
    });
    this.#arrived(this.#ready('test') > 0);
    const bytesTotal = files.reduce((sum, file) => sum + file.size, 0);
    this.#tell('complete', { bytesDone: bytesTotal, bytesTotal, secondsLeft: 0 });
  }

  /** Forget what is on its way. */
  stop() {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#loader = null;
    this.#loading = false;
  }

  /** @param {'train' | 'test'} set */
  #ready(set) {
    return this.#counts[set] > 0 ? this.#trainer.ready(set) : 0;
  }

  /** @param {{train: number, test: number}} counts */
  #reserved(counts) {
    this.#counts = counts;
    this.#loop.dataReplaced();
  }

  /** @param {boolean} testCame */
  #arrived(testCame) {
    const testReady = this.#ready('test');
    const testComplete = testReady > 0 && testReady === this.#counts.test;
    if (testCame && testComplete) {
      const { images, labels } = this.#trainer.data('test');
      const buffers = /** @type {ArrayBuffer[]} */ ([images.buffer, labels.buffer]);
      this.#emit({ type: 'testimages', images, labels }, buffers);
    }
    this.#loop.dataChanged(this.#ready('train') > 0, testComplete);
  }

  /**
   * @param {DataProgress['phase']} phase
   * @param {Bytes} bytes
   * @param {unknown} [failure]
   */
  #tell(phase, { bytesDone, bytesTotal, secondsLeft }, failure) {
    this.#emit({
      type: 'data',
      phase,
      source: this.#source,
      bytesDone,
      bytesTotal,
      secondsLeft,
      imagesReady: this.#ready('train'),
      imagesTotal: this.#counts.train,
      testReady: this.#ready('test'),
      testTotal: this.#counts.test,
      failure: failure === undefined ? null : describeError(failure),
    });
  }

  /** @param {ShardLoader} loader */
  async #run(loader) {
    const { signal } = this.#abort;
    /** @type {Bytes} */
    let last = NOTHING_YET;
    this.#loading = true;
    this.#tell('loading', last);
    try {
      const failures = await loader.load({
        onManifest: ({ name, counts }) => {
          this.#trainer.reserveData(counts);
          this.#source = name;
          this.#reserved(counts);
        },
        onBlock: ({ set, first, images, labels }) => {
          this.#trainer.writeData(set, first, images, labels);
          this.#arrived(set === 'test');
        },
        onProgress: (progress) => {
          last = progress;
          this.#tell('loading', progress);
        },
      }, signal);
      if (failures.length > 0) throw asError(shardsFailure(failures));
      this.#end('complete', last);
    } catch (error) {
      if (!signal.aborted) this.#end('failed', last, error);
    }
  }

  /**
   * @param {'complete' | 'failed'} phase
   * @param {Bytes} last
   * @param {unknown} [error]
   */
  #end(phase, last, error) {
    this.#loading = false;
    this.#tell(phase, { ...last, secondsLeft: phase === 'complete' ? 0 : NaN }, error);
  }
}

/** @param {{code: string, sentence: string, place: string}} failure */
function asError({ code, sentence, place }) {
  return new CoreError(code, sentence, place);
}
