/**
 * Protects the laws of ARCHITECTURE.md and STYLE's measures, by reading the
 * sources: who may include whom, where intrinsics, threads and Emscripten may be
 * named, what is exported, how long functions and files are, what must not occur.
 *
 *     node tests/static/check.mjs
 *
 * Each rule is one test. `runStatic` returns them for tests/run.mjs.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {string[]} problems  empty when the rule holds
 *
 * @typedef {object} Source
 * @property {string} file   from the top folder, with forward slashes
 * @property {string} text
 * @property {string} code   the same without comments and the insides of strings
 */

/**
 * Blank out comments (and string contents unless kept), keeping the lines.
 * @param {string} text
 * @param {boolean} keepStrings
 */
function strip(text, keepStrings) {
  const pattern = /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;
  return text.replace(pattern, (match) => {
    if (match[0] === '/') return match.replace(/[^\n]/g, ' ');
    return keepStrings ? match : match[0] + ' '.repeat(match.length - 2) + match[0];
  });
}

/**
 * @param {string} folder
 * @param {RegExp} wanted
 * @returns {Source[]}
 */
function sources(folder, wanted) {
  const top = path.join(ROOT, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name) && !name.includes('node_modules'))
    .sort()
    .map((name) => {
      const text = readFileSync(path.join(top, name), 'utf8');
      const file = `${folder}/${name.split(path.sep).join('/')}`;
      return { file, text, code: strip(text, false) };
    });
}

const core = sources('src', /\.[ch]$/);
const nativeTests = sources('tests', /\.[ch]$/);
const web = sources('web', /\.js$/);
const tools = [...sources('scripts', /\.m?js$/), ...sources('data', /\.m?js$/),
  ...sources('tests', /\.m?js$/)];

/** @param {string} text @param {number} index */
const lineOf = (text, index) => text.slice(0, index).split('\n').length;

/**
 * Every place where the pattern occurs.
 * @param {Source[]} list
 * @param {RegExp} pattern
 * @param {(source: Source) => string} [read]
 */
function occurrences(list, pattern, read = (source) => source.code) {
  return list.flatMap((source) =>
    [...read(source).matchAll(pattern)].map((match) =>
      `${source.file}:${lineOf(source.text, match.index)}: ${match[0].trim()}`));
}

/** @type {Record<string, string[]>} what each room may include */
const MAY_INCLUDE = {
  base: ['base'],
  kernels: ['kernels', 'base'],
  data: ['data', 'base'],
  nn: ['nn', 'kernels', 'base'],
  train: ['train', 'nn', 'data', 'kernels', 'base'],
  api: ['api', 'train', 'nn', 'data', 'kernels', 'base'],
};

/** @param {Source} source */
function includeProblems(source) {
  const [, room] = source.file.split('/');
  const allowed = MAY_INCLUDE[room];
  if (!allowed) return [`${source.file}: ${room} is no room of src`];
  const text = strip(source.text, true);
  return [...text.matchAll(/#\s*include\s+"([^"]+)"/g)].flatMap(([, name]) => {
    if (allowed.includes(name.split('/')[0])) return [];
    return [`${source.file} includes ${name}; ${room} may only use ${allowed.join(', ')}`];
  });
}

/** @param {string[]} words  patterns of whole words */
const anyOf = (...words) => new RegExp(`\\b(${words.join('|')})\\b`, 'g');

const INTRINSICS = anyOf('wasm_simd128\\.h', 'wasm_[fiuv]\\d+\\w*', 'v128_t',
  '_mm\\d*_\\w+', '\\w*mmintrin\\.h', 'arm_neon\\.h', '__builtin_(wasm|ia32|neon)_\\w+',
  'vector_size');
const THREADS = anyOf('pthread_\\w+', 'atomic_\\w+', 'stdatomic\\.h', 'pthread\\.h',
  'threads\\.h', '_Atomic', 'futex', 'emscripten_futex\\w*', '__(atomic|sync)_\\w+');
const EMSCRIPTEN = new RegExp('#\\s*include\\s+<emscripten[^>]*>|' +
  '\\bEM_(JS|ASM)\\w*|\\bEMSCRIPTEN_KEEPALIVE\\b', 'g');

/** @param {string} file */
const except = (file) => (/** @type {Source} */ source) => source.file !== file;

/** A header's names are in strings or brackets, so strings are kept. */
const withStrings = (/** @type {Source} */ source) => strip(source.text, true);

function intrinsicProblems() {
  // The hint that a spin loop spins is no arithmetic.
  return occurrences(core.filter(except('src/kernels/simd.h')), INTRINSICS, withStrings)
    .filter((place) => !place.includes('__builtin_ia32_pause'));
}

function emscriptenProblems() {
  return occurrences(core.filter((source) => !source.file.startsWith('src/api/')),
    EMSCRIPTEN)
    .filter((place) => !(place.startsWith('src/base/pool.c') &&
      place.includes('<emscripten/threading.h>')));
}

/** exports.txt, exports.h and exports.c must tell the same names. */
function exportProblems() {
  const find = (/** @type {string} */ name) => core.find((source) => source.file === name);
  const definitions = find('src/api/exports.c');
  const listed = readFileSync(path.join(ROOT, 'src/api/exports.txt'), 'utf8')
    .match(/\w+/g) ?? [];
  const defined = [...(definitions?.code ?? '').matchAll(
    /^(?!static|typedef|#)[\w *]*?\b(soma_\w+)\s*\([^;{]*\)\s*\{/gm)].map(([, name]) => name);
  const declared = [...(find('src/api/exports.h')?.code ?? '').matchAll(
    /\b(soma_\w+)\s*\(/g)].map(([, name]) => name);
  const others = core.filter((source) => !source.file.startsWith('src/api/'));
  const foreign = occurrences(others, /^(?!static)[\w *]+\bsoma_\w+\s*\(/gm);
  const missing = (/** @type {string[]} */ from, /** @type {string[]} */ into,
    /** @type {string} */ what) =>
    from.filter((name) => !into.includes(name)).map((name) => `${name} ${what}`);
  const names = listed.map((name) => name.replace(/^_/, ''));
  return [
    ...missing(defined, names, 'is not in exports.txt'),
    ...missing(names, defined, 'is in exports.txt but not defined in exports.c'),
    ...missing(names, declared, 'is not in exports.h'),
    ...foreign,
  ];
}

/**
 * Functions by their top-level braces (the house style puts a closing brace in
 * the first column), with their length in lines.
 * @param {Source} source
 */
function longFunctions(source) {
  const lines = source.code.split('\n');
  const problems = [];
  let start = -1;
  for (const [index, line] of lines.entries()) {
    if (start < 0 && /^[\w].*\)?\s*\{$/.test(line) && !/^(typedef|struct|enum|union)\b/
      .test(line) && !/=\s*\{$/.test(line)) start = index;
    if (start >= 0 && /^\}/.test(line)) {
      const length = index - start + 1;
      const tile = source.file === 'src/kernels/gemm_tile.h';
      if (length > 60 && !tile) {
        problems.push(`${source.file}:${start + 1}: a function of ${length} lines`);
      }
      start = -1;
    }
  }
  return problems;
}

/**
 * @param {Source[]} list
 * @param {number} columns
 */
function wideLines(list, columns) {
  return list.flatMap((source) => source.text.split('\n').flatMap((line, index) =>
    [...line].length > columns && !/https?:\/\//.test(line)
      ? [`${source.file}:${index + 1}: ${[...line].length} columns`] : []));
}

/**
 * Files by their lines of code; comments are not counted, they are asked for.
 * @param {Source[]} list
 * @param {number} most
 */
function longFiles(list, most) {
  return list.flatMap((source) => {
    const count = source.code.split('\n').filter((line) => line.trim()).length;
    return count > most ? [`${source.file}: ${count} lines, at most ${most}`] : [];
  });
}

/** File names are unique across the tree, index files aside. */
function repeatedNames() {
  /** @type {Map<string, string>} */
  const seen = new Map();
  return [...core, ...web].flatMap(({ file }) => {
    const name = path.basename(file);
    if (name === 'index.js' || name === 'index.html') return [];
    const other = seen.get(name);
    seen.set(name, file);
    return other ? [`${other} and ${file}`] : [];
  });
}

/**
 * Relative imports of a module, as paths from the top folder.
 * @param {Source} source
 */
function imports(source) {
  const text = strip(source.text, true);
  const pattern = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]*)['"]/g;
  return [...text.matchAll(pattern)].map(([, name]) =>
    path.posix.join(path.posix.dirname(source.file), name));
}

/**
 * @param {string} folder
 * @param {string[]} allowed  prefixes
 */
function importProblems(folder, allowed) {
  return web.filter(({ file }) => file.startsWith(folder)).flatMap((source) =>
    imports(source).filter((name) => !allowed.some((prefix) => name.startsWith(prefix)))
      .map((name) => `${source.file} imports ${name}`));
}

function remoteAddresses() {
  const pages = sources('web', /\.(html|css|js|svg)$/);
  // Comments may cite a source; an XML namespace is a name.
  const text = (/** @type {Source} */ source) => source.file.endsWith('.html')
    ? source.text.replace(/<!--[^]*?-->/g, '') : strip(source.text, true);
  return occurrences(pages, /(https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}[^\s'"]*/gi, text)
    .filter((place) => !place.includes('www.w3.org/'));
}

function lockProblems() {
  const lock = readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8');
  return lock.includes('"resolved"') ? ['package-lock.json holds registry addresses'] : [];
}

function versionProblems() {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))
    .map(([name, version]) => `${name} ${version} is not an exact version`);
}

function typeProblems() {
  const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath,
    [compiler, '--project', 'jsconfig.json'], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? [] : stdout.trim().split('\n');
}

/** @returns {Result[]} */
export function runStatic() {
  const allC = [...core, ...nativeTests];
  const allJs = [...web, ...tools];
  const everything = [...allC, ...allJs, ...sources('web', /\.(html|css)$/),
    ...sources('cmake', /.*/)];
  // Spelled in pieces, or this file would break its own rule.
  const unfinished = anyOf('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X');
  const all = (/** @type {Source} */ source) => source.text;
  /** @type {[string, () => string[]][]} */
  const rules = [
    ['rooms of src include only what they may', () => core.flatMap(includeProblems)],
    ['only kernels/simd.h names intrinsics', intrinsicProblems],
    ['only base/pool.c names threads and atomics', () =>
      occurrences(core.filter(except('src/base/pool.c')), THREADS, withStrings)],
    ['only api includes Emscripten', emscriptenProblems],
    ['exported names agree', exportProblems],
    ['no C function is longer than 60 lines', () => allC.flatMap(longFunctions)],
    ['C lines fit 80 columns', () => wideLines(allC, 80)],
    // 90 is the aim; what is a little longer may stay.
    ['JavaScript lines fit 100 columns', () => wideLines(allJs, 100)],
    ['sources of the core stay below 600 lines of code', () => longFiles(core, 600)],
    ['modules of the page stay below 600 lines of code', () => longFiles(web, 600)],
    ['file names are unique', repeatedNames],
    ['web/core knows nothing of the page', () => importProblems('web/core/', ['web/core/'])],
    ['web/ui uses state and protocol only', () => importProblems('web/ui/',
      // The pad prepares drawings with a plain function of core.
      ['web/ui/', 'web/state/', 'web/protocol.js', 'web/core/prepare.js'])],
    ['web/ui posts no messages', () => occurrences(
      web.filter(({ file }) => file.startsWith('web/ui/')), /\bpostMessage\b|\bWorker\(/g)],
    ['the page writes nothing to the console', () => occurrences(web, /\bconsole\.\w+/g)],
    ['nothing is marked as unfinished', () => occurrences(everything, unfinished, all)],
    ['no remote address in web/', remoteAddresses],
    ['the lock file holds no addresses', lockProblems],
    ['packages have exact versions', versionProblems],
    ['JavaScript types are right', typeProblems],
  ];
  return rules.map(([name, check]) => ({ name, problems: check() }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = runStatic();
  for (const { name, problems } of results) {
    const lines = problems.map((problem) => `    ${problem}\n`).join('');
    process.stdout.write(`${problems.length ? 'FAILED' : 'ok    '} ${name}\n${lines}`);
  }
  process.exitCode = results.some(({ problems }) => problems.length) ? 1 : 0;
}
