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

test('a run that was asked for before the data is announced goes on with it', async () => {
  await open();
  await session.loadSite(SITE);
  const turns = [];
  vi.spyOn(globalThis, 'setImmediate').mockImplementation((turn) => turns.push(turn));
  await session.train();
  await until(() => last('data')?.imagesTotal === 60_000);
  expect(phase()).toBe('training');
  vi.restoreAllMocks();
  turns.forEach((turn) => setImmediate(turn));
  await until(() => phase() === 'finished');
  expect(last('progress').step).toBe(160);
});

test('other files end a run that waits for more images of the old data', async () => {
  onFetch = (name) => (name.startsWith('train-02') ? new Promise(() => {}) : undefined);
  await open('batch=500\nepochs=1\nvalidation=0');
  await session.loadSite(SITE);
  await session.train();
  await until(() => phase() === 'waiting' && last('data')?.imagesReady === 55_000);
  await session.loadFiles([
    new File([idx.trainImages], 'train-images'), new File([idx.trainLabels], 'train-labels'),
  ]);
  expect(last('progress')).toMatchObject({ phase: 'ready', step: 0 });
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
    expect(error.message).toMatch(/^\S.{20,}\.$/);
  }
  // The engine's refusals name the file that the person gave, and where in it.
  const labels = file('my labels', idxFile([300], small.labels));
  const cut = await failureOf(session.loadFiles([
    file('scans.bin', trainImages.subarray(0, -1)), labels]));
  expect(cut.message)
    .toBe('scans.bin, byte 4: The header promises 300 images, the file holds 299.');
  expect(cut.place).toBe('scans.bin');
  const odd = await failureOf(session.loadFiles([
    file('scans.bin', trainImages),
    file('my labels', idxFile([300], small.labels.with(7, 12)))]));
  expect(odd.message)
    .toBe('my labels, byte 15: Label 7 is 12; labels are digits from 0 to 9.');
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

test('early stopping ends a run with the best epoch\'s weights, as in the library', async () => {
  const run = 'net=dense 32, relu, dense 10\nlimit=300\nvalidation=1000\nbatch=20\nlr=0.01\n'
    + 'epochs=60\npatience=2';
  await openWithData(run);
  await session.train();
  await until(() => phase() === 'finished');
  const { ended, fingerprint, epoch } = last('progress');
  expect(ended).toBe('patience');
  const judged = ofType('evaluation').filter((e) => e.set === 'validation');
  const best = judged.reduce((low, e) => (e.loss < low.loss ? e : low));
  expect(judged.at(-1).epoch).toBe(epoch + 2);
  expect(epoch).toBe(best.epoch);
  const trainer = await trainerOf('exact', run);
  trainer.setIdx(idx);
  while (!trainer.ended) trainer.epoch();
  expect(fingerprint).toBe(trainer.fingerprint());
  trainer.dispose();
  await until(() => last('evaluation').set === 'test' && last('evaluation').live);
  expect(last('evaluation').epoch).toBe(epoch);
  await session.train();
  await until(() => phase() === 'finished');
  expect(last('progress').epoch).toBe(epoch);
  await session.reset();
  expect(last('progress')).toMatchObject({ phase: 'ready', ended: null, step: 0 });
});

test('a run ends at its target, its steps, and its seconds of training', async () => {
  await openWithData(`${SMALL}\ntarget=0.5`);
  await session.train();
  await until(() => phase() === 'finished');
  expect(last('progress').ended).toBe('target');
  expect(last('progress').step).toBeLessThan(160);
  await session.configure(`${SMALL}\nsteps=30`);
  await session.train();
  await until(() => phase() === 'finished');
  expect(last('progress')).toMatchObject({ ended: 'steps', step: 30 });
  await session.configure(SMALL.replace('epochs=4', 'epochs=10000\nseconds=0.3'));
  await session.train();
  await until(() => phase() === 'finished');
  expect(last('progress').ended).toBe('seconds');
  expect(last('progress').trainingMs).toBeGreaterThanOrEqual(290);
  expect(last('progress').trainingMs).toBeLessThan(500);
  const { step } = last('progress');
  await session.set('seconds', '0');
  expect(phase()).toBe('paused');
  await session.train();
  await until(() => last('progress').step > step + 50);
});

test('a plan tells notes and rates of a description that does not run', async () => {
  const { run } = await open();
  expect(run.notes.momentum).toMatch(/momentum and nesterov/);
  const plan = await session.plan('schedule=cosine\noptimizer=momentum\nlr=0.3');
  expect(plan.notes.momentum).toBeUndefined();
  expect(plan.notes.beta1).toMatch(/adam/);
  expect(plan.rate[0]).toBeCloseTo(0.3, 6);
  expect(plan.rate.at(-1)).toBeLessThan(0.001);
  expect(plan.epoch.at(-1)).toBe(10);
  expect(await failureOf(session.plan('lr=x'))).toMatchObject({ place: 'lr' });
});

test('a rate is found beside a run, waits for data, and can be stopped', async () => {
  await open();
  expect(await failureOf(session.findRate(SMALL))).toMatchObject({ code: 'NO_DATA' });
  let release;
  const gate = new Promise((resolve) => { release = resolve; });
  onFetch = (name) => (name.startsWith('train-00') ? gate : undefined);
  await session.loadSite(SITE);
  const waiting = session.findRate(SMALL);
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  release();
  const found = await waiting;
  expect(found.rates.length).toBeGreaterThan(50);
  expect(found.suggested).toBeGreaterThan(1e-4);
  await until(() => last('data').phase === 'complete');

  await session.train();
  const beside = session.findRate(SMALL);
  const stopped = session.findRate(SMALL);
  expect((await beside).rates.length).toBeLessThan(150);
  await session.stopFindRate();
  expect((await stopped).rates.length).toBeLessThan(150);
  expect(await session.findRate(SMALL)).toEqual(found);
  await until(() => phase() === 'finished');
  const trainer = await trainerOf('exact', SMALL);
  trainer.setIdx(idx);
  trainer.step(160);
  expect(last('progress').fingerprint).toBe(trainer.fingerprint());
  trainer.dispose();
});

test('an augmented sheet shows digits of the data and what becomes of them', async () => {
  await open();
  expect(await session.augmented('rotate=20', 5, 8)).toBeNull();
  await session.loadSite(SITE);
  await until(() => last('data')?.phase === 'complete');
  const { rows, columns, images: sheet } = await session.augmented('rotate=20', 5, 8);
  expect([rows, columns, sheet.length]).toEqual([5, 8, 40 * 784]);
  const { images: pixels } = images('train', 0, 1);
  const cell = (row, column) => {
    const at = (row * 8 + column) * 784;
    return sheet.subarray(at, at + 784);
  };
  expect(Buffer.compare(cell(0, 0), pixels)).toBe(0);
  expect(Buffer.compare(cell(0, 1), pixels)).not.toBe(0);
  expect(Buffer.compare(cell(0, 1), cell(0, 2))).not.toBe(0);
  const plain = (await session.augmented('', 5, 8)).images;
  expect(Buffer.compare(plain.subarray(0, 784), plain.subarray(7 * 784, 8 * 784))).toBe(0);
  expect(await failureOf(session.augmented('', 0, 8))).toMatchObject({ code: 'BAD_ARGUMENT' });
});

test('a run that has ended can be evaluated again, with the same outcome', async () => {
  await openWithData(SMALL.replace('validation=1000', 'validation=0'));
  await session.train();
  await until(() => phase() === 'finished');
  const told = ofType('evaluation').findLast(({ set }) => set === 'test');
  const asked = await session.evaluate('test');
  expect(asked).toMatchObject({ step: told.step, accuracy: told.accuracy, loss: told.loss });
  expect(asked.predicted).toHaveLength(10_000);
});
