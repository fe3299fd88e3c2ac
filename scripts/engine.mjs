/**
 * Build the engine: the four wasm builds, into build/engine.
 *
 *     node scripts/engine.mjs [exact] [exact-threads] [fast] [fast-threads]
 *
 * Without arguments all four. A machine whose Emscripten is too old for relaxed
 * SIMD and that has no newer clang gets the two exact builds and is told so; the
 * page then runs those.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILDS = ['exact', 'exact-threads', 'fast', 'fast-threads'];
const NO_RELAXED = 'The fast builds need relaxed SIMD';

/**
 * Run a program; what it prints is shown only when it fails.
 * @param {string} command
 * @param {string[]} values
 */
function run(command, values) {
  const { status, stdout, stderr, error } = spawnSync(command, values, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { ok: status === 0, output: `${error?.message ?? ''}${stdout}${stderr}` };
}

/**
 * @param {string} build
 * @returns {string} what went wrong; '' when nothing did
 */
function make(build) {
  const configured = path.join(ROOT, 'build', build, 'build.ninja');
  if (!existsSync(configured)) {
    const { ok, output } = run('cmake', ['--preset', build]);
    if (!ok) return output;
  }
  const { ok, output } = run('cmake', ['--build', '--preset', build]);
  return ok ? '' : output;
}

/**
 * Where the section after the one at `at` begins.
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function sectionEnd(bytes, at) {
  let size = 0;
  let shift = 0;
  let byte;
  do {
    byte = bytes[++at];
    size |= (byte & 127) << shift;
    shift += 7;
  } while (byte > 127);
  return at + 1 + size;
}

/**
 * Drop a module's custom sections (names, tool notes): nothing reads them, and
 * they are a tenth of the download.
 * @param {string} build
 */
async function strip(build) {
  const file = path.join(ROOT, 'build', 'engine', `soma-${build}.wasm`);
  const bytes = await readFile(file);
  const kept = [bytes.subarray(0, 8)];
  for (let at = 8, end; at < bytes.length; at = end) {
    end = sectionEnd(bytes, at);
    if (bytes[at] !== 0) kept.push(bytes.subarray(at, end));
  }
  const stripped = Buffer.concat(kept);
  if (stripped.length < bytes.length) await writeFile(file, stripped);
}

/** @param {string[]} builds */
async function main(builds) {
  for (const build of builds) {
    const problem = make(build);
    if (problem.includes(NO_RELAXED)) {
      // So that the next run asks again: clang may have been installed.
      await rm(path.join(ROOT, 'build', build), { recursive: true, force: true });
      process.stdout.write(`engine: ${build} left out: it needs clang-19 or a newer ` +
        'Emscripten\n');
    } else if (problem) {
      process.stdout.write(`${problem}\nengine: ${build} could not be built\n`);
      process.exit(1);
    } else {
      await strip(build);
    }
  }
}

const asked = process.argv.slice(2);
await main(asked.length ? asked : BUILDS);
