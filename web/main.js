/**
 * The page's wiring: the only module that knows the client, the store and the
 * views. Events of the worker go into the store, wishes of the views go to the
 * worker.
 *
 * @module
 */

import { createClient } from './client.js';
import { keepRecord, createRecord, recordEvaluation, recordProgress, rewindRecord }
  from './state/run-history.js';
import { linkFromValues, textFromValues, valuesFromLink } from './state/link.js';
import { checkValue, describeRun, faultKey } from './state/settings-check.js';
import { atMostEvery, latestOnly } from './state/latest.js';
import { createStore } from './state/store.js';
import { loadRuns, saveRuns } from './state/kept-runs.js';
import { createToolbox } from './toolbox.js';
import { restBetweenFrames } from './ui/frame.js';
import './ui/announcer.js';
import './ui/confusion.js';
import './ui/curves.js';
import './ui/engine-line.js';
import './ui/files.js';
import './ui/hero.js';
import './ui/network.js';
import './ui/notice.js';
import './ui/pad.js';
import './ui/setup.js';
import './ui/wall.js';
import './ui/weights.js';

/**
 * @typedef {import('./protocol.js').Failure} Failure
 * @typedef {import('./protocol.js').RunInfo} RunInfo
 * @typedef {import('./ui/view.js').Command} Command
 * @typedef {import('./ui/view.js').View} View
 */

const store = createStore();
const { session } = createClient({ onEvent, onCrash });
const toolbox = createToolbox({ store, session, attempt, configure });

const SITE_DATA = new URL('data/', document.baseURI).href;
const ENGINE = new URL('engine/', document.baseURI).href;

/** The inside of the network is looked at this often while it trains. */
const mayLook = atMostEvery(700);
/** Whether somebody sees the weights of the first layer. */
let weightsWanted = false;
let nextRecord = Date.now();
/** Settles when the engine is open and its images are on their way, or cannot be. */
let opening = Promise.resolve();

/* ---- from the worker ---------------------------------------------------- */

/** @param {import('./protocol.js').WorkerEvent} event */
function onEvent(event) {
  if (event.type === 'progress') onProgress(event);
  else if (event.type === 'evaluation') onEvaluation(event);
  else if (event.type === 'data') store.set({ data: event });
  else if (event.type === 'testimages') onTestImages(event);
  else if (event.type === 'failure') store.set({ failure: event });
}

/** @param {import('./protocol.js').Progress} progress */
function onProgress(progress) {
  const { record, progress: before } = store.state;
  restBetweenFrames(progress.pauseMs);
  if (record && progress.points.length) {
    recordProgress(record, progress);
    store.set({ record });
  }
  store.set({ progress, ...(progress.watched ? { bars: progress.watched } : {}) });
  const stopped = before?.phase === 'training' || before?.phase === 'waiting';
  if (progress.phase === 'paused' || (progress.phase === 'finished' && stopped)) settle();
  if (progress.phase === 'finished' && stopped) toolbox.finish();
}

/** A run stands still: everything shown must be of exactly this moment. */
function settle() {
  const { progress, evaluation } = store.state;
  if (!progress || progress.step === 0) return;
  if (evaluation?.step !== progress.step) refreshEvaluation(progress.step);
  look();
}

const refreshEvaluation = latestOnly(async (/** @type {number} */ step) => {
  const { progress, evaluation } = store.state;
  if (progress?.step !== step || evaluation?.step === step) return;
  await attempt(async () => {
    const found = await session.evaluate('test');
    if (found && store.state.progress?.step === found.step) {
      store.set({ evaluation: { ...found, live: false } });
    }
  });
});

/** @param {import('./protocol.js').Evaluation} evaluation */
function onEvaluation(evaluation) {
  // Before the first step every answer is a guess, and the wall says so.
  if (evaluation.step === 0) return;
  const { record } = store.state;
  if (record) recordEvaluation(record, evaluation);
  if (record && !evaluation.live) store.set({ record });
  if (!evaluation.predicted) return;
  store.set({ evaluation });
  if (mayLook()) look();
}

/** @param {import('./protocol.js').TestImages} test */
function onTestImages(test) {
  store.set({ test, evaluation: null });
  if (store.state.digit?.source === 'test') choosePad();
}

/**
 * The worker died. A new one starts from the same description; the weights are
 * lost, the curves are kept among the earlier runs. One that died before it had
 * opened a run is given what the link says.
 * @param {import('./client.js').Crash} crash
 */
async function onCrash({ failure, restarted }) {
  complain(failure);
  if (!restarted) return;
  const text = store.state.run?.text ?? textFromValues(valuesFromLink(location.hash).values);
  await attempt(() => open(text));
}

/* ---- looking inside ----------------------------------------------------- */

/** Brings all that is shown of the network's inside up to date. */
function look() {
  lookAtDigit();
  if (weightsWanted) lookAtWeights();
}

function lookAtDigit() {
  const { digit, neuron } = store.state;
  if (digit) traceDigit(digit);
  if (digit && neuron) openNeuron(neuron);
}

const traceDigit = latestOnly(async (
  /** @type {import('./state/store.js').ChosenDigit} */ digit) => {
  await attempt(async () => {
    const trace = await session.trace(digit.pixels);
    if (store.state.digit === digit) store.set({ trace });
  });
});

const watchDigit = latestOnly(async (/** @type {Uint8Array|null} */ pixels) => {
  await attempt(async () => {
    const bars = await session.watch(pixels);
    if (store.state.digit?.pixels === pixels || !pixels) store.set({ bars });
  });
});

const openNeuron = latestOnly(async (
  /** @type {{layer: number, unit: number}} */ { layer, unit }) => {
  const parameters = store.state.run?.layers[layer]?.parameters ?? [];
  if (!parameters.length) return;
  await attempt(async () => {
    const [weight, bias] = await Promise.all(
      parameters.slice(0, 2).map(({ name }) => session.parameter(name)));
    const inputs = weight.shape[1];
    store.set({
      neuron: {
        layer,
        unit,
        weight: weight.values.slice(unit * inputs, (unit + 1) * inputs),
        bias: bias?.values[unit] ?? 0,
      },
    });
  });
});

const askWeights = latestOnly(async (/** @type {string} */ name) => {
  await attempt(async () => {
    store.set({ weights: await session.parameter(name) });
  });
});

/** What the settings would do, those not applied yet included. */
const lookAhead = latestOnly(async (/** @type {string} */ text) => {
  try {
    store.set({ plan: await session.plan(text) });
  } catch {
    // Not a run: the engine says why when it is asked to start it.
    store.set({ plan: null });
  }
});

function planDraft() {
  const { run, draft } = store.state;
  if (run) lookAhead(textFromValues({ ...run.values, ...draft }));
}

function lookAtWeights() {
  const parameter = store.state.run?.layers[0]?.parameters[0];
  if (parameter?.shape[1] === 784) askWeights(parameter.name);
}

/** @param {import('./state/store.js').ChosenDigit|null} digit */
function choose(digit) {
  store.set({ digit, bars: null, ...(digit ? {} : { trace: null, neuron: null }) });
  watchDigit(digit?.pixels ?? null);
  if (digit) traceDigit(digit);
}

function choosePad() {
  const { drawing } = store.state;
  choose(drawing ? { source: 'drawing', index: -1, label: -1, pixels: drawing } : null);
}

/** @param {number} index */
function chooseTest(index) {
  const { test } = store.state;
  if (!test) return;
  const pixels = test.images.slice(index * 784, index * 784 + 784);
  choose({ source: 'test', index, label: test.labels[index], pixels });
}

/** @param {Uint8Array|null} pixels */
function draw(pixels) {
  store.set({ drawing: pixels });
  const digit = pixels
    ? { source: /** @type {const} */ ('drawing'), index: -1, label: -1, pixels } : null;
  // The old bars stay until the new ones are here, so that they do not flicker.
  store.set({ digit, ...(pixels ? {} : { bars: null, trace: null, neuron: null }) });
  watchDigit(pixels);
  if (digit) traceDigit(digit);
}

/* ---- runs --------------------------------------------------------------- */

/**
 * A new network is in place.
 * @param {RunInfo} run
 */
function adopt(run) {
  const options = store.state.engine?.options ?? [];
  const link = linkFromValues(run.values, options);
  history.replaceState(null, '', link || location.pathname + location.search);
  archive();
  store.set({
    run,
    draft: {},
    faults: {},
    evaluation: null,
    neuron: null,
    weights: null,
    recipe: null,
    rateTest: null,
    record: createRecord(nextRecord++, describeRun(run.values, options), link,
      run.stepsPerEpoch),
  });
  const { digit } = store.state;
  if (digit) choose(digit);
  if (weightsWanted) lookAtWeights();
  planDraft();
}

/** Puts the curves of the run that ends among the earlier ones. */
function archive() {
  const { earlier, record } = store.state;
  const kept = keepRecord(earlier, record);
  if (kept === earlier) return;
  store.set({ earlier: kept });
  saveRuns(kept);
}

/**
 * @param {Record<string, string>} values
 * @returns {Promise<Failure|null>}  why the engine refused them
 */
async function configure(values) {
  const wasRunning = isRunning();
  try {
    adopt(await session.configure(textFromValues(values)));
    store.set({ failure: null });
  } catch (error) {
    return failureOf(error);
  }
  if (wasRunning) await session.train();
  return null;
}

const isRunning = () =>
  ['training', 'waiting'].includes(store.state.progress?.phase ?? '');

/**
 * Shows a refusal at the setting it belongs to.
 * @param {Failure} failure
 */
function blame(failure) {
  const key = faultKey(failure, store.state.engine?.options ?? []);
  store.set({ faults: { ...store.state.faults, [key]: failure.sentence } });
}

/**
 * @param {string} key
 * @param {string} value
 */
async function changeSetting(key, value) {
  const { engine, run, draft, faults } = store.state;
  const option = engine?.options.find((each) => each.key === key);
  if (!option || !run) return;
  const fault = checkValue(option, value);
  const { [key]: _, ...otherFaults } = faults;
  store.set({
    draft: { ...draft, [key]: value },
    faults: fault ? { ...otherFaults, [key]: fault } : otherFaults,
  });
  if (option.live && !fault) await setLive(key, value);
  if (!fault) planDraft();
}

/**
 * @param {string} key
 * @param {string} value
 */
async function setLive(key, value) {
  try {
    const run = await session.set(key, value);
    const { [key]: _, ...draft } = store.state.draft;
    const options = store.state.engine?.options ?? [];
    const { record } = store.state;
    const link = linkFromValues(run.values, options);
    if (record) Object.assign(record, { link, name: describeRun(run.values, options) });
    history.replaceState(null, '', link || location.pathname + location.search);
    store.set({ run, draft });
  } catch (error) {
    blame({ ...failureOf(error), place: key });
  }
}

async function reset() {
  await session.reset();
  const { run } = store.state;
  store.set({ failure: null });
  if (run) adopt(run);
}

async function restore() {
  await session.restore();
  store.set({ failure: null });
  const { record, progress } = store.state;
  if (!record || !progress) return;
  rewindRecord(record, progress.step / Math.max(1, record.stepsPerEpoch));
  store.set({ record });
}

/* ---- the link ----------------------------------------------------------- */

window.addEventListener('hashchange', async () => {
  const { run, engine } = store.state;
  if (!run || !engine) return;
  const { values, fault } = valuesFromLink(location.hash);
  if (!fault && linkFromValues(run.values, engine.options) === location.hash) return;
  const refusal = fault ? { code: 'BAD_LINK', place: '', sentence: fault }
    : await configure(values);
  if (!refusal) return;
  complain(refusal);
  const link = linkFromValues(run.values, engine.options);
  history.replaceState(null, '', link || location.pathname + location.search);
});

/** @param {string} link */
async function copyLink(link) {
  const address = new URL(link, location.href.split('#')[0]).href;
  try {
    await navigator.clipboard.writeText(address);
    store.set({ notice: 'Copied' });
  } catch {
    store.set({ notice: 'It is in the address bar' });
  }
  setTimeout(() => store.set({ notice: '' }), 2000);
}

/* ---- from the views ----------------------------------------------------- */

/**
 * Whoever is quicker than the engine need not press twice.
 * @param {() => Promise<void>} action
 */
async function whenOpen(action) {
  await opening;
  await action();
}

/** @type {{[N in Command['name']]: (command: Extract<Command, {name: N}>) => unknown}} */
const commands = {
  train: () => whenOpen(() => session.train()),
  pause: () => session.pause(),
  again: async () => {
    await reset();
    await session.train();
  },
  reset,
  restore,
  step: ({ count }) => whenOpen(() => session.step(count)),
  epoch: () => whenOpen(() => session.epoch()),
  speed: ({ value }) => {
    store.set({ speed: value });
    return session.setSpeed(value);
  },
  retry: () => session.loadSite(SITE_DATA),
  dismiss: () => store.set({ failure: null }),
  files: async ({ files }) => adopt(await session.loadFiles(files)),
  wall: ({ choice }) => store.set({ wall: { ...store.state.wall, ...choice } }),
  choose: ({ index }) => chooseTest(index),
  pad: choosePad,
  draw: ({ pixels }) => draw(pixels),
  neuron: ({ layer, unit }) => openNeuron({ layer, unit }),
  draft: ({ key, value }) => changeSetting(key, value),
  apply: async ({ values }) => {
    const refusal = await configure(values);
    if (refusal) blame(refusal);
  },
  defaults: () => {
    const options = store.state.engine?.options ?? [];
    store.set({
      draft: Object.fromEntries(options.map((option) => [option.key, option.default])),
      faults: {},
    });
    planDraft();
  },
  copy: ({ link }) => copyLink(link),
  forget: ({ id }) => {
    const earlier = store.state.earlier.filter((run) => run.id !== id);
    store.set({ earlier });
    return saveRuns(earlier);
  },
  weights: ({ wanted }) => {
    weightsWanted = wanted;
    if (wanted) lookAtWeights();
  },
  ...toolbox.commands,
};

document.addEventListener('command', (event) => {
  const { detail } = /** @type {CustomEvent<Command>} */ (event);
  const carryOut = /** @type {(command: Command) => unknown} */ (commands[detail.name]);
  attempt(async () => { await carryOut(detail); });
});

/* ---- failures ----------------------------------------------------------- */

/**
 * What was thrown, as a sentence for a person.
 * @param {unknown} error
 * @returns {Failure}
 */
function failureOf(error) {
  if (error && typeof error === 'object' && 'sentence' in error) {
    return /** @type {Failure} */ (error);
  }
  const sentence = error instanceof Error ? error.message : String(error);
  return { code: 'UNEXPECTED', place: '', sentence };
}

/** @param {Failure} failure */
const complain = (failure) => store.set({ failure: { failure, canRestore: false } });

/** @param {() => Promise<void>} action */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    complain(failureOf(error));
  }
}

/* ---- start -------------------------------------------------------------- */

/**
 * Starts the engine with a run, then the loading of the images.
 * @param {string} run  a description; one that cannot be read is replaced by the
 *                      defaults
 */
async function open(run) {
  const opened = openEngine(run);
  opening = opened.catch(() => {});
  await opened;
}

/** @param {string} run */
async function openEngine(run) {
  const opened = await session.open({
    build: 'auto', threads: 'auto', engineBase: ENGINE, run,
  });
  store.set({ engine: opened.engine, obstacle: '' });
  adopt(opened.run);
  await Promise.all([session.loadSite(SITE_DATA), session.setSpeed(store.state.speed)]);
}

/**
 * Wakes the views from the top of the page down, each in a task of its own: all
 * at once would hold up the first paint.
 */
async function wakeViews() {
  for (const view of document.querySelectorAll('*')) {
    if (!customElements.get(view.localName)) continue;
    /** @type {View} */ (view).store = store;
    await new Promise((resolve) => { setTimeout(resolve); });
  }
}

async function start() {
  wakeViews();
  loadRuns().then((earlier) => store.set({ earlier: [...store.state.earlier, ...earlier] }));
  const { values, fault } = valuesFromLink(location.hash);
  try {
    await open(textFromValues(values));
  } catch (error) {
    const { sentence } = failureOf(error);
    if (store.state.engine) complain(failureOf(error));
    else store.set({ obstacle: sentence });
    return;
  }
  if (fault) complain({ code: 'BAD_LINK', place: '', sentence: fault });
}

start();
