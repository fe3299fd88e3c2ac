/**
 * Protects: each of the four builds loads under Node and says its name; pools get
 * the threads that were announced and no more; a helper pool can be made, ended and
 * made again at once; what cannot be loaded is a CoreError; Node is not kept alive.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { probeEnvironment } from '../../web/core/features.js';
import { loadEngine, startEngine } from '../../web/core/load.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { relaxedSimd } = await probeEnvironment();

// A machine with old tools builds no fast engine (scripts/engine.mjs says so).
const built = ['exact', 'exact-threads', 'fast', 'fast-threads'].filter((build) =>
  existsSync(here(`../../build/engine/soma-${build}.wasm`)));
const runnable = built.filter((build) => relaxedSimd || !build.startsWith('fast'));

/** @param {import('../../web/core/load.js').Engine} engine @param {number} pointer */
function text({ memory }, pointer) {
  const bytes = new Uint8Array(memory.buffer).slice(pointer, pointer + 64);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

test('the exact builds are there', () => {
  expect(built).toEqual(expect.arrayContaining(['exact', 'exact-threads']));
});

describe.each(runnable)('%s', (build) => {
  test('loads and says its name', async () => {
    const engine = await loadEngine({ build, threads: 2 });
    expect(text(engine, engine.functions.soma_build())).toBe(build);
    engine.close();
  });

  test('memory is the one that the functions use, also after it grew', async () => {
    const engine = await loadEngine({ build, threads: 2 });
    const { soma_alloc: alloc, soma_free: free } = engine.functions;
    const before = engine.memory.buffer.byteLength;
    const block = alloc(before);
    expect(block % 64).toBe(0);
    expect(engine.memory.buffer.byteLength).toBeGreaterThan(before);
    free(block);
    expect(text(engine, engine.functions.soma_build())).toBe(build);
    engine.close();
  });

  test('too much memory is refused with NULL, not with a trap', async () => {
    const { functions, close } = await loadEngine({ build, threads: 2 });
    expect(functions.soma_alloc(0xf0000000)).toBe(0);
    close();
  });
});

describe.each(runnable.filter((build) => build.endsWith('-threads')))('%s', (build) => {
  test('pools have the threads that were announced, and can be made anew', async () => {
    const { functions, close } = await loadEngine({ build, threads: 3 });
    for (let round = 0; round < 5; round++) {
      const pool = functions.soma_pool_create(3);
      expect(functions.soma_pool_threads(pool)).toBe(3);
      functions.soma_pool_destroy(pool);
    }
    close();
  });

  test('more threads than announced are granted in full or refused', async () => {
    const { functions, close } = await loadEngine({ build, threads: 2 });
    const pool = functions.soma_pool_create(4);
    if (pool !== 0) expect(functions.soma_pool_threads(pool)).toBe(4);
    functions.soma_pool_destroy(pool);
    close();
  });
});

test('builds without threads have one', async () => {
  const { functions, close } = await loadEngine({ build: 'exact' });
  expect(functions.soma_pool_threads(functions.soma_pool_create(8))).toBe(1);
  close();
});

test('an engine that is not there is a CoreError with a sentence', async () => {
  const loading = loadEngine({ build: 'exact', base: new URL('nowhere/', import.meta.url) });
  await expect(loading).rejects.toMatchObject({
    code: 'ENGINE_NOT_LOADED',
    message: expect.stringContaining('The exact engine could not be loaded'),
  });
});

test('startEngine brings the choice and its reason', async () => {
  const started = await startEngine({ build: 'exact-threads', threads: 2 });
  expect(started).toMatchObject({
    build: 'exact-threads',
    threads: 2,
    reason: 'exact build: asked for; two threads: asked for',
  });
  started.engine.close();
});

test('a program that forgets to close the engine still ends', () => {
  const program = `
    import { loadEngine } from ${JSON.stringify(here('../../web/core/load.js'))};
    const { functions } = await loadEngine({ build: 'exact-threads', threads: 2 });
    functions.soma_pool_create(2);
    process.stdout.write('ends; ' + typeof require);`;
  const folder = mkdtempSync(path.join(tmpdir(), 'soma-'));
  const file = path.join(folder, 'program.mjs');
  writeFileSync(file, program);
  const { stdout, stderr, status } = spawnSync(process.execPath, [file],
    { encoding: 'utf8', timeout: 20000 });
  rmSync(folder, { recursive: true });
  // Nor has the glue's need for require become a global one.
  expect({ stdout, stderr, status }).toEqual(
    { stdout: 'ends; undefined', stderr: '', status: 0 });
});
