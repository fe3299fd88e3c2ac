/**
 * Protects: the choice of build and threads in every environment, and that its
 * reason says what was chosen and why.
 */
import { describe, expect, test } from 'vitest';
import { chooseBuild, probeEnvironment } from '../../web/core/features.js';

const best = { simd: true, relaxedSimd: true, threads: true, isolated: true, cores: 4 };
const old = { ...best, relaxedSimd: false };
// Without isolation browsers hide their threads too.
const plainHost = { ...best, isolated: false, threads: false };

describe('left to itself', () => {
  test('an isolated page on four cores runs fast, and leaves a core to the page', () => {
    expect(chooseBuild({}, best)).toEqual({
      build: 'fast-threads',
      threads: 3,
      reason: 'fast build: relaxed SIMD works here; three threads: ' +
        'this machine has 4 cores',
    });
  });

  test.each([[1, 'fast', 1], [2, 'fast-threads', 2], [3, 'fast-threads', 2],
    [8, 'fast-threads', 7], [64, 'fast-threads', 8]])(
    '%i cores run %s with %i threads', (cores, build, threads) => {
      const choice = chooseBuild({ build: 'auto', threads: 'auto' }, { ...best, cores });
      expect(choice).toMatchObject({ build, threads });
    });

  test('without relaxed SIMD the exact build runs', () => {
    expect(chooseBuild({}, old)).toMatchObject({
      build: 'exact-threads',
      reason: expect.stringContaining('exact build: relaxed SIMD is missing here'),
    });
  });

  test('without isolation there is one thread, and the host is named as the cause', () => {
    expect(chooseBuild({}, plainHost)).toEqual({
      build: 'fast',
      threads: 1,
      reason: 'fast build: relaxed SIMD works here; ' +
        'one thread: this host does not send the isolation headers',
    });
  });

  test('without WebAssembly threads there is one, and that is named as the cause', () => {
    expect(chooseBuild({}, { ...best, threads: false }).reason)
      .toMatch('one thread: WebAssembly threads are missing here');
  });

  test('one core: one thread', () => {
    expect(chooseBuild({}, { ...best, cores: 1 }).reason)
      .toMatch('one thread: this machine has one core');
  });
});

describe('asked', () => {
  test.each([
    [{ build: 'exact' }, 'exact', 1, 'exact build: asked for'],
    [{ build: 'fast' }, 'fast', 1, 'fast build: asked for'],
    [{ build: 'exact-threads' }, 'exact-threads', 3, 'three threads'],
    [{ build: 'exact', threads: 3 }, 'exact-threads', 3, 'three threads: asked for'],
    [{ build: 'exact-threads', threads: 1 }, 'exact-threads', 1, 'one thread: asked for'],
    [{ threads: 1 }, 'fast', 1, 'one thread: asked for'],
    [{ threads: '2' }, 'fast-threads', 2, 'two threads: asked for'],
    [{ threads: 16 }, 'fast-threads', 16, '16 threads: asked for'],
  ])('%o gives %s with %i', (wish, build, threads, reason) => {
    expect(chooseBuild(wish, best)).toMatchObject({
      build, threads, reason: expect.stringContaining(reason),
    });
  });

  test('what cannot run is replaced, and the reason says both', () => {
    expect(chooseBuild({ build: 'fast-threads', threads: 2 },
      { ...old, isolated: false })).toEqual({
      build: 'exact',
      threads: 1,
      reason: 'exact build: the fast one was asked for, but relaxed SIMD is missing ' +
        'here; one thread: two threads were asked for, but this host does not send ' +
        'the isolation headers',
    });
  });

  test.each([0, -1, 17, 1.5, 'many', NaN, ''])('%s threads are refused', (threads) => {
    expect(() => chooseBuild({ threads }, best)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT', place: 'threads' }));
  });

  test('an unknown build is refused with the names of the known ones', () => {
    expect(() => chooseBuild({ build: 'quick' }, best)).toThrow(/exact-threads, fast,/);
  });
});

test('without SIMD nothing runs, and the sentence says which browser would do', () => {
  expect(() => chooseBuild({}, { ...best, simd: false })).toThrow(
    expect.objectContaining({ code: 'NO_SIMD', message: expect.stringMatching(/Safari/) }));
});

test('this Node has SIMD, threads and shared memory', async () => {
  const environment = await probeEnvironment();
  expect(environment).toMatchObject({ simd: true, threads: true, isolated: true });
  expect(environment.cores).toBeGreaterThanOrEqual(1);
});
