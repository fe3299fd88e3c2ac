/**
 * Assemble what the site serves beside its bundle, in build/public:
 *
 *     engine/  soma-<build>.js, .wasm (and .worker.js): the glue made small
 *     data/    manifest.json and the shards of MNIST
 *
 * Takes build/engine and build/data as they are; does only what is out of date.
 * The glue is renamed to .js, because some hosts do not know .mjs.
 *
 * @module
 */
import { copyFile, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { minifySync } from 'vite';

const BUILD = fileURLToPath(new URL('../build/', import.meta.url));
const PUBLIC = path.join(BUILD, 'public');

/**
 * @param {string} from
 * @param {string} to
 */
async function outOfDate(from, to) {
  const [source, target] = await Promise.all([
    stat(from), stat(to).catch(() => undefined),
  ]);
  return !target || target.mtimeMs <= source.mtimeMs;
}

/**
 * Remove what is no longer wanted.
 * @param {string} folder
 * @param {string[]} wanted
 */
async function sweep(folder, wanted) {
  for (const name of await readdir(folder)) {
    if (!wanted.includes(name)) await rm(path.join(folder, name), { recursive: true });
  }
}

/** @param {string} name */
const servedName = (name) => name.replace(/\.mjs$/, '.js');

/**
 * Glue code, small and under its new name, without what it would do in Node: the
 * site's is for browsers. Old Emscripten's worker file names the glue that it
 * belongs to.
 * @param {string} name
 * @param {string} text
 */
function minifyGlue(name, text) {
  const forBrowsers = text.replace(/(soma-[a-z-]+)\.mjs/g, '$1.js')
    .replace(/var ENVIRONMENT_IS_NODE\s*=[^;]*;/, 'const ENVIRONMENT_IS_NODE = false;');
  const { code, errors } = minifySync(name, forBrowsers, {
    module: name.endsWith('.mjs'),
    compress: { target: 'es2022' },
    mangle: true,
  });
  if (errors.length) throw new Error(`${name}: ${errors[0].message}`);
  return code;
}

/** @param {string} build  the folder */
async function engineFiles(build) {
  const names = await readdir(build).catch(() => /** @type {string[]} */ ([]));
  const files = names.filter((name) => /^soma-.*\.(mjs|wasm|worker\.js)$/.test(name));
  if (files.includes('soma-exact.wasm')) return files;
  throw new Error('build/engine has no soma-exact.wasm: run scripts/engine.mjs first');
}

async function placeEngine() {
  const from = path.join(BUILD, 'engine');
  const to = path.join(PUBLIC, 'engine');
  const files = await engineFiles(from);
  await mkdir(to, { recursive: true });
  await sweep(to, files.map(servedName));
  for (const name of files) {
    const source = path.join(from, name);
    const target = path.join(to, servedName(name));
    if (!await outOfDate(source, target)) continue;
    if (name.endsWith('.wasm')) await copyFile(source, target);
    else await writeFile(target, minifyGlue(name, await readFile(source, 'utf8')));
  }
}

async function placeData() {
  const from = path.join(BUILD, 'data');
  const to = path.join(PUBLIC, 'data');
  const names = await readdir(from).catch(() => /** @type {string[]} */ ([]));
  if (!names.includes('manifest.json')) {
    throw new Error('build/data has no manifest.json: run data/make-shards.mjs first');
  }
  await mkdir(to, { recursive: true });
  await sweep(to, names);
  for (const name of names) {
    const [source, target] = [path.join(from, name), path.join(to, name)];
    if (await outOfDate(source, target)) await copyFile(source, target);
  }
}

try {
  await placeEngine();
  await placeData();
} catch (error) {
  process.stdout.write(`site: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
