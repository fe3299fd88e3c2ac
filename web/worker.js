/**
 * The training worker: one session, exposed through Comlink. Events go to the
 * page as plain messages on the same port.
 *
 * @module
 */

import * as Comlink from 'comlink';
import { CoreError, describeError } from './core/errors.js';
import { evaluationBuffers } from './session/evaluator.js';
import { TrainingSession } from './session/session.js';

/** @typedef {import('./protocol.js').Session} Session */

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const session = new TrainingSession((event, transfer = []) => {
  scope.postMessage(event, transfer);
});

/**
 * Errors cross as plain objects, because Comlink keeps only an error's message.
 * An engine that has crashed takes the worker with it: the page starts another.
 * @template {unknown[]} A
 * @template T
 * @param {(...values: A) => Promise<T>} call
 * @returns {(...values: A) => Promise<T>}
 */
function guarded(call) {
  return async (...values) => {
    try {
      return await call.apply(session, values);
    } catch (error) {
      if (error instanceof CoreError && error.code === 'ENGINE_CRASHED') {
        setTimeout(() => { throw error; });
      }
      throw describeError(error);
    }
  };
}

/** @type {Session} */
const exposed = {
  open: guarded(session.open),
  loadSite: guarded(session.loadSite),
  loadFiles: guarded(session.loadFiles),
  configure: guarded(session.configure),
  set: guarded(session.set),
  train: guarded(session.train),
  pause: guarded(session.pause),
  step: guarded(session.step),
  epoch: guarded(session.epoch),
  reset: guarded(session.reset),
  restore: guarded(session.restore),
  setSpeed: guarded(session.setSpeed),
  watch: guarded(session.watch),
  trace: guarded(session.trace),
  parameter: guarded(session.parameter),
  evaluate: guarded(async (set) => {
    const evaluation = await session.evaluate(set);
    return Comlink.transfer(evaluation, evaluationBuffers(evaluation));
  }),
  setLiveWall: guarded(session.setLiveWall),
  plan: guarded(session.plan),
  findRate: guarded(session.findRate),
  stopFindRate: guarded(session.stopFindRate),
  augmented: guarded(session.augmented),
};

Comlink.expose(exposed);
