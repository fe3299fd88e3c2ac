/**
 * The one place where the page keeps what it knows. Views read it and are told
 * which keys changed; only main.js writes.
 *
 * @module
 */

/**
 * @typedef {import('../protocol.js').Failure} Failure
 * @typedef {import('./run-history.js').RunRecord} RunRecord
 * @typedef {import('./wall-order.js').WallChoice} WallChoice
 *
 * The digit under the glass: drawn on the pad or taken from the wall.
 * @typedef {object} ChosenDigit
 * @property {'drawing'|'test'} source
 * @property {number} index           of the test image; -1 for a drawing
 * @property {number} label           what it is; -1 when nobody said
 * @property {Uint8Array} pixels      [784]
 *
 * A neuron whose sum is followed: `layer` counts the layers of the network.
 * @typedef {object} ChosenNeuron
 * @property {number} layer
 * @property {number} unit
 * @property {Float32Array} weight    [inputs]
 * @property {number} bias
 *
 * @typedef {object} State
 * @property {string} obstacle        why the page cannot work at all; usually ''
 * @property {import('../protocol.js').EngineInfo|null} engine
 * @property {import('../protocol.js').RunInfo|null} run
 * @property {import('../protocol.js').Progress|null} progress
 * @property {import('../protocol.js').DataProgress|null} data
 * @property {import('../protocol.js').TestImages|null} test
 * @property {import('../protocol.js').Evaluation|null} evaluation
 *   the latest look at the test set; null before the first
 * @property {RunRecord|null} record  the curves of this run
 * @property {RunRecord[]} earlier    the curves of earlier runs, newest first
 * @property {ChosenDigit|null} digit
 * @property {Float32Array|null} bars probabilities of the drawing, [10]
 * @property {Uint8Array|null} drawing   the prepared drawing, [784]
 * @property {import('../protocol.js').Trace|null} trace  of `digit`
 * @property {ChosenNeuron|null} neuron
 * @property {{shape: number[], values: Float32Array}|null} weights
 *   of the first layer, when they are pictures
 * @property {WallChoice} wall
 * @property {Record<string, string>} draft   settings typed but not applied
 * @property {Record<string, string>} faults  key of the option → sentence
 * @property {import('../protocol.js').Plan|null} plan
 *   what the settings would do; null when they are refused
 * @property {{running: boolean, result: import('../protocol.js').RateTest|null}|null} rateTest
 *   the range test of the settings; null before the first
 * @property {import('../protocol.js').AugmentedSheet|null} sheet
 *   what augmentation makes of some images
 * @property {boolean} extras         whether the figures among the settings can be shown
 * @property {boolean} recipesOpen
 * @property {{recipe: import('./recipes.js').Recipe, at: number}|null} recipe
 *   the experiment that is set up, and which of its runs
 * @property {number} highlight       earlier run that is pointed at; -1 = none
 * @property {number} speed           batches a second; Infinity = full
 * @property {{failure: Failure, canRestore: boolean}|null} failure
 * @property {string} notice          a short word after an action
 */

/**
 * @typedef {(changed: Set<keyof State>) => void} Listener
 *
 * @typedef {object} Store
 * @property {State} state
 * @property {(patch: Partial<State>) => void} set
 * @property {(listener: Listener) => () => void} subscribe  returns its undoing
 */

/**
 * The state before anything is known.
 * @returns {State}
 */
export function initialState() {
  return {
    obstacle: '',
    engine: null,
    run: null,
    progress: null,
    data: null,
    test: null,
    evaluation: null,
    record: null,
    earlier: [],
    digit: null,
    bars: null,
    drawing: null,
    trace: null,
    neuron: null,
    weights: null,
    wall: { filter: 'all', label: -1, predicted: -1, sort: 'index' },
    draft: {},
    faults: {},
    plan: null,
    rateTest: null,
    sheet: null,
    extras: false,
    recipesOpen: false,
    recipe: null,
    highlight: -1,
    speed: Infinity,
    failure: null,
    notice: '',
  };
}

/**
 * @param {State} [state]
 * @returns {Store}
 */
export function createStore(state = initialState()) {
  /** @type {Set<Listener>} */
  const listeners = new Set();
  return {
    state,
    set(patch) {
      Object.assign(state, patch);
      const changed = new Set(/** @type {(keyof State)[]} */ (Object.keys(patch)));
      for (const listener of [...listeners]) listener(changed);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
