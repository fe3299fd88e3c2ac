// The training session as the worker runs it, on the real engine and the real
// shards, but under Node: phases, slices, waiting for data, failures, restoring,
// speed, evaluations, chart points. The browser tests see to the messages.
import { readFile } from 'node:fs/promises';
import {
  afterEach, beforeEach, expect, test, vi,
} from 'vitest';
import { CoreError } from '../../web/core/errors.js';
import { TrainingSession } from '../../web/session/session.js';
import { ENGINE_BASE, trainerOf } from './helpers/builds.js';
import { idx, idxFile, images } from './helpers/mnist.js';

const SITE = 'http://site.test/sub/data/';
const SHARDS = new URL('../../build/data/', import.meta.url);
const SMALL = 'net=dense 16, relu, dense 10\nlimit=4000\nvalidation=1000\nbatch=100\nepochs=4';

/** @type {TrainingSession} */
let session;
let events;
/** Called with the name of each file that is fetched; may throw or wait. */
let onFetch;

beforeEach(() => {
  events = [];
  onFetch = () => {};
  session = new TrainingSession((event) => events.push(event));
  vi.stubGlobal('fetch', async (url) => {
    const name = new URL(url).pathname.split('/').pop();
    await onFetch(name);
    return new Response(await readFile(new URL(name, SHARDS)));
  });
});
afterEach(() => {
  session.close();
  vi.unstubAllGlobals();
});

const ofType = (type) => events.filter((event) => event.type === type);
const last = (type) => ofType(type).at(-1);
const phase = () => last('progress')?.phase;

/** Wait until something holds; the loop works in between. */
async function until(holds, ms = 30_000) {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`never came: ${holds}`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

const open = (run = SMALL, build = 'exact') => session.open({
  build, threads: '1', engineBase: ENGINE_BASE.href, run,
});

async function openWithData(run) {
  const opened = await open(run);
  await session.loadSite(SITE);
  await until(() => last('data')?.phase === 'complete');
  return opened;
}

const failureOf = (promise) => promise.then(() => null, (error) => error);

test('opening tells of the engine and the run', async () => {
  const { engine, run } = await open();
  expect(engine).toMatchObject({ build: 'exact', threads: 1 });
  expect(engine.options.length).toBeGreaterThan(10);
  expect(run).toMatchObject({ trainCount: 4000, validationCount: 1000, stepsPerEpoch: 40 });
  expect(phase()).toBe('empty');
});

test('an unreadable run falls back to the defaults and says so', async () => {
  const { run } = await open('net=nonsense');
  expect(run.short).toBe('');
  expect(last('failure')).toMatchObject({
    failure: { code: 'UNKNOWN_LAYER' }, canRestore: false,
  });
});

test('calls before opening, and training without data, are refused in words', async () => {
  expect(await failureOf(session.train())).toMatchObject({ code: 'NOT_OPEN' });
  await open();
  for (const call of [() => session.train(), () => session.step(1), () => session.epoch()]) {
    const error = await failureOf(call());
    expect(error).toBeInstanceOf(CoreError);
    expect(error).toMatchObject({ code: 'NO_DATA' });
  }
  expect(phase()).toBe('empty');
});

test('the site\'s data comes with progress, and the test images as soon as they are here',
  async () => {
    await openWithData();
    const data = ofType('data');
    expect(data[0].phase).toBe('loading');
    expect(last('data')).toMatchObject({
      phase: 'complete', imagesReady: 60_000, imagesTotal: 60_000, testReady: 10_000,
      testTotal: 10_000, failure: null, secondsLeft: 0,
    });
    expect(last('data').bytesDone).toBe(last('data').bytesTotal);
    expect(ofType('testimages')).toHaveLength(1);
    const wanted = images('test', 0, 10_000);
    expect(Buffer.compare(last('testimages').images, wanted.images)).toBe(0);
    expect(Buffer.compare(last('testimages').labels, wanted.labels)).toBe(0);
    expect(phase()).toBe('ready');
  });

test('a whole run ends finished, with evaluations after each epoch, at the library\'s bits',
  async () => {
    await openWithData();
    await session.train();
    await until(() => phase() === 'finished');
    expect(last('progress')).toMatchObject({ step: 160, totalSteps: 160, epoch: 4 });
    for (const set of ['validation', 'test']) {
      const found = ofType('evaluation').filter((e) => e.set === set && !e.live);
      expect(found.map(({ step }) => step)).toEqual([40, 80, 120, 160]);
      expect(found.at(-1).count).toBe(set === 'test' ? 10_000 : 1000);
    }
    const evaluation = ofType('evaluation').findLast(({ set }) => set === 'test');
    expect(evaluation.predicted).toHaveLength(10_000);
    const trainer = await trainerOf('exact', SMALL);
    trainer.setIdx(idx);
    trainer.step(160);
    expect(last('progress').fingerprint).toBe(trainer.fingerprint());
    expect(evaluation.accuracy).toBe(trainer.evaluate('test').accuracy);
    trainer.dispose();
    await session.train();
    await until(() => phase() === 'finished');
    expect(last('progress').step).toBe(160);
  });

test('training waits for data that is late and goes on by itself, at the same bits', async () => {
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  onFetch = (name) => (name.startsWith('train-02') ? gate : undefined);
  await open('batch=500\nepochs=1\nvalidation=0');
  await session.loadSite(SITE);
  await session.train();
  await until(() => phase() === 'waiting' && last('data')?.imagesReady === 55_000);
  expect(last('progress').step).toBe(20);
  expect(ofType('failure')).toEqual([]);
  release();
  await until(() => phase() === 'finished');
  const trainer = await trainerOf('exact', 'batch=500\nepochs=1\nvalidation=0');
  trainer.setIdx(idx);
  trainer.step(120);
  expect(last('progress').fingerprint).toBe(trainer.fingerprint());
  trainer.dispose();
});

test('a pause while waiting is a pause', async () => {
  onFetch = (name) => (name.startsWith('train-01') ? new Promise(() => {}) : undefined);
  await open('batch=500\nvalidation=0');
  await session.loadSite(SITE);
  await session.train();
  await until(() => phase() === 'waiting');
  await session.pause();
  expect(phase()).toBe('paused');
});

test('a shard that cannot be had is told; what came is usable; asking again mends it',
  async () => {
    let broken = true;
    onFetch = (name) => {
      if (broken && name.startsWith('train-07')) throw new TypeError('Failed to fetch');
    };
    await open();
    await session.loadSite(SITE);
    await until(() => last('data')?.phase === 'failed');
    expect(last('data')).toMatchObject({ imagesReady: 55_000, failure: { code: 'FETCH_FAILED' } });
    await session.epoch();
    expect(last('progress')).toMatchObject({ epoch: 1, phase: 'paused' });
    broken = false;
    await session.loadSite(SITE);
    await until(() => last('data').phase === 'complete');
    expect(last('data').imagesReady).toBe(60_000);
    expect(last('progress').epoch).toBe(1);
  });

test('single batches and single epochs end exactly where they should', async () => {
  await openWithData();
  await session.step(1);
  expect(last('progress')).toMatchObject({ step: 1, phase: 'paused' });
  expect(last('progress').loss).toBeGreaterThan(0);
  expect(last('progress').fingerprint).toMatch(/^[0-9a-f]{16}$/);
  await session.step(5);
  expect(last('progress').step).toBe(6);
  await session.epoch();
  expect(last('progress')).toMatchObject({ step: 40, epoch: 1, stepInEpoch: 0 });
  await session.epoch();
  expect(last('progress').step).toBe(80);
  for (const count of [0, -1, 1.5, NaN, '3', null]) {
    expect(await failureOf(session.step(count))).toMatchObject({ code: 'BAD_ARGUMENT' });
  }
});

test('chart points lie at fixed steps, each the mean since the last', async () => {
  await openWithData('limit=50000\nepochs=4\nvalidation=0\nbatch=50');
  await session.train();
  await until(() => phase() === 'finished');
  const points = ofType('progress').flatMap((progress) => progress.points);
  expect(points.length).toBeGreaterThan(1000);
  expect(points.length).toBeLessThan(1600);
  expect(new Set(points.map(({ step }) => step % 3))).toEqual(new Set([0, 1, 2]));
  const spaced = points.filter(({ step }) => step % 1000 !== 0);
  expect(spaced.every(({ step }) => step % 3 === 0)).toBe(true);
  expect(points.at(-1).step).toBe(4000);
  expect(points.at(-1).loss).toBeLessThan(points[0].loss);
  expect(last('progress').imagesPerSecond).toBeGreaterThan(100);
  expect(last('progress').trainingMs).toBeGreaterThan(10);
});

test('pause is heard while training, and training goes on from there', async () => {
  await openWithData('epochs=1000');
  await session.train();
  await until(() => (last('progress')?.step ?? 0) > 20);
  expect(last('progress').fingerprint).toBe('');
  await session.pause();
  const { step } = last('progress');
  expect(phase()).toBe('paused');
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  expect((await session.evaluate('validation')).step).toBe(step);
  await session.train();
  await until(() => last('progress').step > step);
});

test('slow motion makes about as many steps as it says, and full speed returns', async () => {
  await openWithData('epochs=1000');
  await session.setSpeed(20);
  await session.train();
  await new Promise((resolve) => { setTimeout(resolve, 1500); });
  await session.pause();
  const { step } = last('progress');
  expect(step).toBeGreaterThan(15);
  expect(step).toBeLessThan(36);
  await session.setSpeed(0.01);
  await session.train();
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  expect(last('progress').step).toBeLessThanOrEqual(step + 1);
  await session.setSpeed(Infinity);
  await until(() => last('progress').step > step + 100);
  for (const speed of [0, -1, NaN, '5', null]) {
    expect(await failureOf(session.setSpeed(speed))).toMatchObject({ code: 'BAD_ARGUMENT' });
  }
});

test('a run that diverges stops, says where and what to try, and can be restored', async () => {
  await openWithData('lr=1e6\noptimizer=sgd');
  await session.train();
  await until(() => phase() === 'failed');
  const { failure, canRestore } = last('failure');
  expect(failure.code).toBe('NOT_FINITE');
  expect(failure.place).toMatch(/step \d+/);
  expect(failure.sentence).toMatch(/learning rate/);
  expect(canRestore).toBe(true);
  expect(await failureOf(session.train())).toMatchObject({ code: 'NOT_FINITE' });
  await session.restore();
  expect(phase()).toBe('paused');
  expect([...(await session.parameter('0.weight')).values].every(Number.isFinite)).toBe(true);
  await session.set('lr', '0.05');
  await session.step(50);
  expect(last('progress').phase).toBe('paused');
  expect(last('progress').loss).toBeLessThan(10);
});

test('a refused configuration disturbs nothing; an accepted one starts anew', async () => {
  await openWithData('epochs=1000');
  await session.train();
  await until(() => (last('progress')?.step ?? 0) > 10);
  const { step } = last('progress');
  for (const run of ['net=dense 0', 'lr=x', 'validation=60000', 5]) {
    expect(await failureOf(session.configure(run))).toBeInstanceOf(CoreError);
  }
  expect(await failureOf(session.set('batch', '5'))).toMatchObject({ code: 'BAD_COMBINATION' });
  await until(() => last('progress').step > step + 10);
  expect(phase()).toBe('training');
  const run = await session.configure(SMALL);
  expect(run.values.batch).toBe('100');
  expect(last('progress')).toMatchObject({ phase: 'ready', step: 0, trainingMs: 0 });
  expect(last('progress').loss).toBeNaN();
  await session.step(3);
  await session.reset();
  expect(last('progress')).toMatchObject({ phase: 'ready', step: 0 });
});

test('more epochs wake a finished run', async () => {
  await openWithData(SMALL);
  await session.train();
  await until(() => phase() === 'finished');
  await session.set('epochs', '5');
  expect(phase()).toBe('paused');
  await session.train();
  await until(() => phase() === 'finished');
  expect(last('progress').epoch).toBe(5);
});

test('a watched digit is predicted at once and with every progress', async () => {
  await openWithData();
  const digit = new Uint8Array(images('test', 3, 1).images);
  const first = await session.watch(digit);
  expect(first).toHaveLength(10);
  events.length = 0;
  await session.epoch();
  expect(ofType('progress').every(({ watched }) => watched.length === 10)).toBe(true);
  expect(last('progress').watched).not.toEqual(first);
  const trace = await session.trace(digit);
  expect(trace.probabilities).toEqual(last('progress').watched);
  expect(await session.watch(null)).toBe(null);
  await session.step(1);
  expect(last('progress').watched).toBe(null);
  for (const bad of [new Uint8Array(5), new Uint8Array(1568), 'x', undefined]) {
    expect(await failureOf(session.watch(bad))).toBeInstanceOf(CoreError);
  }
});

test('the wall is brought up to date in passing, and at rest', async () => {
  await openWithData('epochs=1000\nvalidation=0');
  await session.setLiveWall(true);
  await until(() => last('evaluation')?.step === 0);
  expect(last('evaluation')).toMatchObject({ set: 'test', live: true, count: 10_000 });
  await session.train();
  await until(() => ofType('evaluation').some((e) => e.live && e.step > 0));
  await session.pause();
  await until(() => last('evaluation').step === last('progress').step);
  const count = ofType('evaluation').length;
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  expect(ofType('evaluation')).toHaveLength(count);
});

test('evaluations that were asked for come while training, too', async () => {
  await openWithData('epochs=1000');
  await session.train();
  await until(() => (last('progress')?.step ?? 0) > 5);
  const evaluation = await session.evaluate('test');
  expect(evaluation).toMatchObject({ set: 'test', live: false, count: 10_000 });
  expect(await failureOf(session.evaluate('tests'))).toMatchObject({ code: 'BAD_ARGUMENT' });
  const pending = failureOf(session.evaluate('train'));
  await session.reset();
  expect(await pending).toMatchObject({ code: 'INTERRUPTED' });
});

const file = (name, bytes) => new File([bytes], name);

/** The same bytes as gzip. */
async function gzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

test('dropped IDX files replace the data, plain or gzip; bad ones change nothing', async () => {
  await openWithData('validation=50\nbatch=10');
  await session.step(3);
  const { fingerprint } = last('progress');
  const small = images('train', 0, 300);
  const trainImages = idxFile([300, 28, 28], small.images);
  const bad = [
    [file('train-images', trainImages)],
    [file('a', trainImages), file('b', trainImages)],
    [file('train-images', trainImages), file('train-labels', idxFile([299], new Uint8Array(299)))],
    [file('notes.txt', new TextEncoder().encode('not a data set'))],
    [file('empty', new Uint8Array(0))],
  ];
  for (const files of bad) {
    const error = await failureOf(session.loadFiles(files));
    expect(error).toBeInstanceOf(CoreError);
    expect(error.message.length).toBeGreaterThan(20);
  }
  for (const files of [[], null, 'x', ['x'], undefined]) {
    expect(await failureOf(session.loadFiles(files))).toMatchObject({ code: 'BAD_ARGUMENT' });
  }
  expect(last('progress')).toMatchObject({ step: 3, fingerprint });
  const test10 = images('test', 0, 10);
  const run = await session.loadFiles([
    file('train-images.gz', await gzip(trainImages)),
    file('train-labels', idxFile([300], small.labels)),
    file('t10k-images', idxFile([10, 28, 28], test10.images)),
    file('t10k-labels.gz', await gzip(idxFile([10], test10.labels))),
  ]);
  expect(run).toMatchObject({ trainCount: 250, testCount: 10, stepsPerEpoch: 25 });
  expect(last('data')).toMatchObject({
    phase: 'complete', imagesReady: 300, imagesTotal: 300, testTotal: 10,
  });
  expect(last('data').source).toContain('train-images.gz');
  expect(last('testimages').labels).toEqual(new Uint8Array(test10.labels));
  expect(last('progress')).toMatchObject({ phase: 'ready', step: 0 });
  await session.epoch();
  expect(last('progress').step).toBe(25);
  await session.loadSite(SITE);
  await until(() => last('data').phase === 'complete' && last('data').imagesTotal === 60_000);
});
