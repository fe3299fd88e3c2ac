/**
 * The page's end of the training worker: starts it, wraps its calls, hands on
 * its events, and starts it again when it has crashed.
 *
 * @module
 */

import * as Comlink from 'comlink';
import { CoreError } from './core/errors.js';

/**
 * @typedef {import('./protocol.js').Failure} Failure
 * @typedef {import('./protocol.js').Session} Session
 * @typedef {import('./protocol.js').WorkerEvent} WorkerEvent
 *
 * @typedef {object} Crash
 * @property {Failure} failure   what happened, in words
 * @property {boolean} restarted
 *   a new worker runs and waits for `open`; false: it crashed too often
 *
 * @typedef {object} Client
 * @property {Session} session   calls of the worker that runs at the moment
 * @property {() => void} terminate
 */

/** So many crashes within so long, and no other worker is started. */
const CRASHES_MAX = 3;
const CRASH_WINDOW_MS = 20_000;

/** @type {Set<unknown>} */
const EVENT_TYPES = new Set(['progress', 'evaluation', 'data', 'testimages', 'failure']);

/**
 * One worker with what belongs to it.
 * @param {(event: WorkerEvent) => void} onEvent
 * @param {(reason: string) => void} onDeath
 */
function startWorker(onEvent, onDeath) {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    type: 'module',
    name: 'soma-trainer',
  });
  worker.addEventListener('message', ({ data }) => {
    if (EVENT_TYPES.has(data?.type) && !('id' in data)) onEvent(data);
  });
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    onDeath(event.message || 'it could not be loaded');
  });
  worker.addEventListener('messageerror', () => onDeath('a message could not be read'));
  return { worker, remote: Comlink.wrap(worker) };
}

/**
 * Start a worker. Calls that a crash or `terminate` cuts off reject with a
 * Failure of code WORKER_CRASHED or WORKER_STOPPED.
 * @param {object} options
 * @param {(event: WorkerEvent) => void} options.onEvent
 * @param {(crash: Crash) => void} [options.onCrash]
 *   without it, a crash is told as a `failure` event
 * @returns {Client}
 */
export function createClient({ onEvent, onCrash }) {
  /** @type {Set<(failure: Failure) => void>} */
  const pending = new Set();
  /** @type {number[]} */
  const crashes = [];
  /** @type {Failure | null} */
  let stopped = null;
  let current = start();

  function start() {
    const started = startWorker(onEvent, (reason) => {
      if (started === current && !stopped) crash(reason);
    });
    return started;
  }

  /** @param {Failure} failure */
  function endWorker(failure) {
    current.worker.terminate();
    for (const reject of [...pending]) reject(failure);
  }

  /** @param {string} reason */
  function crash(reason) {
    const now = performance.now();
    crashes.push(now);
    const recent = crashes.filter((time) => now - time < CRASH_WINDOW_MS).length;
    const restarted = recent < CRASHES_MAX;
    const failure = {
      code: 'WORKER_CRASHED',
      place: '',
      sentence: `The training worker stopped working (${reason}). ${restarted
        ? 'It has been started again.' : 'It stops again and again; reload the page.'}`,
    };
    if (!restarted) stopped = failure;
    endWorker(failure);
    if (restarted) current = start();
    if (onCrash) onCrash({ failure, restarted });
    else onEvent({ type: 'failure', failure, canRestore: false });
  }

  /**
   * A call that never stays without an answer.
   * @param {string} name
   * @param {unknown[]} values
   */
  function call(name, values) {
    if (stopped) return Promise.reject(stopped);
    return new Promise((resolve, reject) => {
      pending.add(reject);
      const remote = /** @type {Record<string, (...values: unknown[]) => Promise<unknown>>} */ (
        /** @type {unknown} */ (current.remote));
      remote[name](...values).then(resolve, reject).finally(() => pending.delete(reject));
    });
  }

  const session = /** @type {Session} */ (new Proxy({}, {
    get: (_, name) => (name === 'then'
      ? undefined : (/** @type {unknown[]} */ ...values) => call(String(name), values)),
  }));

  return {
    session,
    terminate() {
      if (stopped) return;
      const { code, message } = new CoreError(
        'WORKER_STOPPED', 'The training worker has been stopped.',
      );
      stopped = { code, place: '', sentence: message };
      endWorker(stopped);
    },
  };
}
