/**
 * Vitest for tests/wasm and tests/browser. Files run one after the other: they
 * share two cores with the threads that they test.
 */
import { defineConfig } from 'vitest/config';

const [major] = process.versions.node.split('.').map(Number);

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['tests/{wasm,browser}/**/*.test.js'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60000,
    hookTimeout: 60000,
    // Newer ones have relaxed SIMD without being asked.
    execArgv: major < 22 ? ['--experimental-wasm-relaxed-simd'] : [],
  },
});
