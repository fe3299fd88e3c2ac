/**
 * Start an engine: fetch (or read) one of the four modules, with its helper
 * threads. Works in a page, in a module worker, and in Node.
 *
 * The engine's files are plain files, not part of a bundle. They lie in `engine/`
 * beside the site's `assets/`, and in `build/engine/` of the source tree.
 *
 * @module
 */

import { CoreError } from './errors.js';
import { IN_NODE, chooseBuild, probeEnvironment } from './features.js';

/**
 * @typedef {import('./features.js').Build} Build
 * @typedef {import('./features.js').Wish} Wish
 *
 * A running engine.
 * @typedef {object} Engine
 * @property {Record<string, (...values: number[]) => number>} functions
 *   the exported functions by name: `functions.soma_alloc(64)`
 * @property {WebAssembly.Memory} memory   views of it die when it grows
 * @property {() => void} close            end the helper threads; nothing may be
 *                                         called afterwards
 *
 * What an Emscripten module offers, as far as it is used here.
 * @typedef {Record<string, any>} EmscriptenModule
 *
 * @typedef {object} Instance
 * @property {WebAssembly.Instance} instance
 * @property {WebAssembly.Module} module
 */

/** Helpers that did not report by then will not come. */
const START_MS = 20000;

/** Bundled for the site, that is; not under Node, whose test runner sets env too. */
const ON_SITE = !IN_NODE && Boolean(import.meta.env);

/** Where the engine lies when nobody says otherwise. */
function defaultBase() {
  // Not a literal inside new URL(), or the bundler would take it for an asset.
  const path = ON_SITE ? '../engine/' : '../../build/engine/';
  return new URL(path, import.meta.url);
}

/**
 * @param {URL} url
 * @param {WebAssembly.Imports} imports
 * @returns {Promise<Instance>}
 */
async function readInstance(url, imports) {
  const name = 'node:fs/promises';
  const { readFile } = await import(/* @vite-ignore */ name);
  return WebAssembly.instantiate(await readFile(url), imports);
}

/**
 * Compile while the bytes arrive; hosts that do not send `application/wasm` get
 * the slower way.
 * @param {URL} url
 * @param {WebAssembly.Imports} imports
 * @returns {Promise<Instance>}
 */
async function fetchInstance(url, imports) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the host answered ${response.status}`);
  if (response.headers.get('Content-Type')?.startsWith('application/wasm')) {
    return WebAssembly.instantiateStreaming(response, imports);
  }
  return WebAssembly.instantiate(await response.arrayBuffer(), imports);
}

/**
 * The memory of an instance: exported by it, or, when shared, imported. The
 * names are shortened by the linker, so it is found by its type.
 * @param {WebAssembly.Instance} instance
 * @param {WebAssembly.Imports} imports
 * @returns {WebAssembly.Memory}
 */
function findMemory(instance, imports) {
  const values = [instance.exports, ...Object.values(imports)].flatMap((names) =>
    Object.values(names));
  const memory = values.find((value) => value instanceof WebAssembly.Memory);
  if (!memory) throw new Error('the module has no memory');
  return memory;
}

/**
 * What the module is given: how to get its instance, and how many helper threads
 * to load before it starts. Emscripten turns this very object into the module.
 * @param {URL} wasm
 * @param {number} threads
 * @param {(memory: WebAssembly.Memory) => void} onMemory
 * @param {(error: unknown) => void} onFailure
 * @returns {Promise<EmscriptenModule>}
 */
async function moduleArguments(wasm, threads, onMemory, onFailure) {
  const get = IN_NODE ? readInstance : fetchInstance;
  /**
   * @param {WebAssembly.Imports} imports
   * @param {(instance: WebAssembly.Instance, module: WebAssembly.Module) => void} receive
   */
  const instantiateWasm = (imports, receive) => {
    get(wasm, imports).then(({ instance, module }) => {
      onMemory(findMemory(instance, imports));
      receive(instance, module);
    }).catch(onFailure);
    return {};
  };
  const quiet = () => {};
  const helpers = Math.max(threads - 1, 1);
  const given = { instantiateWasm, helpers, print: quiet, printErr: quiet };
  if (!IN_NODE) return given;
  const name = 'node:module';
  const { createRequire } = await import(/* @vite-ignore */ name);
  return { ...given, require: createRequire(import.meta.url) };
}

/**
 * Helpers that only wait must not keep Node alive.
 * @param {EmscriptenModule} module
 */
function releaseHelpers(module) {
  const { unusedWorkers = [], runningWorkers = [] } = module.PThread ?? {};
  for (const worker of [...unusedWorkers, ...runningWorkers]) worker.unref?.();
}

/**
 * @param {EmscriptenModule} module
 */
function endHelpers(module) {
  module.PThread?.terminateAllThreads();
}

/**
 * @param {EmscriptenModule} module
 * @param {WebAssembly.Memory} memory
 * @returns {Engine}
 */
function makeEngine(module, memory) {
  const exported = Object.entries(module).filter(([name, value]) =>
    name.startsWith('_soma_') && typeof value === 'function');
  return {
    functions: Object.fromEntries(exported.map(([name, call]) =>
      [name.slice(1), call])),
    memory,
    close: () => endHelpers(module),
  };
}

/**
 * Run the glue's factory until the engine is there, with all its helpers.
 * @param {(given: EmscriptenModule) => Promise<EmscriptenModule>} create
 * @param {URL} wasm
 * @param {number} threads
 * @returns {Promise<Engine>}
 */
async function createEngine(create, wasm, threads) {
  /** @type {WebAssembly.Memory | undefined} */
  let memory;
  /** @type {(error: unknown) => void} */
  let fail = () => {};
  const failed = new Promise((_, reject) => { fail = reject; });
  const onMemory = (/** @type {WebAssembly.Memory} */ found) => { memory = found; };
  const given = await moduleArguments(wasm, threads, onMemory, fail);
  const timer = setTimeout(() => fail(new Error('it did not start')), START_MS);
  try {
    const module = /** @type {EmscriptenModule} */ (
      await Promise.race([create(given), failed]));
    if (!memory) throw new Error('the module has no memory');
    if (IN_NODE) releaseHelpers(module);
    return makeEngine(module, memory);
  } catch (error) {
    endHelpers(given);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Load one build.
 * @param {object} options
 * @param {Build} options.build
 * @param {number} [options.threads]   helpers are loaded for that many; in a
 *                                     browser, pools with more cannot be made
 * @param {string | URL} [options.base]  the folder of the engine's files
 * @returns {Promise<Engine>}
 * @throws {CoreError} ENGINE_NOT_LOADED
 */
export async function loadEngine({ build, threads = 1, base = defaultBase() }) {
  try {
    const folder = new URL(base, globalThis.location?.href ?? import.meta.url);
    const glue = new URL(`soma-${build}.${ON_SITE ? 'js' : 'mjs'}`, folder).href;
    const { default: create } = await import(/* @vite-ignore */ glue);
    return await createEngine(create, new URL(`soma-${build}.wasm`, folder), threads);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CoreError('ENGINE_NOT_LOADED',
      `The ${build} engine could not be loaded: ${why}`, 'engine');
  }
}

/**
 * Choose a build for this place and load it. Should the build with threads fail
 * to start, the one without them takes its place and the reason says so.
 * @param {Wish & {base?: string | URL}} [wish]
 * @returns {Promise<{engine: Engine, build: Build, threads: number, reason: string}>}
 * @throws {CoreError} NO_SIMD, BAD_ARGUMENT, ENGINE_NOT_LOADED
 */
export async function startEngine(wish = {}) {
  const { base } = wish;
  const choice = chooseBuild(wish, await probeEnvironment());
  try {
    return { ...choice, engine: await loadEngine({ ...choice, base }) };
  } catch (error) {
    if (!choice.build.endsWith('-threads')) throw error;
    const build = choice.build === 'fast-threads' ? 'fast' : 'exact';
    const engine = await loadEngine({ build, base });
    const [kind] = choice.reason.split('; ');
    const reason = `${kind}; one thread: the engine with threads did not start`;
    return { engine, build, threads: 1, reason };
  }
}
