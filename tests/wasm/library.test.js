// The public library does what its documentation says, with every build: data
// in all forms, steps, epochs, evaluation, prediction, parameters, gradients,
// states. Values are compared with computations of the test's own in double.
import {
  afterAll, beforeAll, describe, expect, test,
} from 'vitest';
import { builds, caught, trainerOf } from './helpers/builds.js';
import { idx, images } from './helpers/mnist.js';

const SMALL = 'net=dense 16, relu, dense 10\nvalidation=500\nepochs=3\nbatch=50\nseed=7';

/** 2,500 training and 500 test images. */
function smallData() {
  return { train: images('train', 0, 2500), test: images('test', 0, 500) };
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Outputs of dense 16, relu, dense 10 in double, from parameters read back. */
function forward(trainer, pixels) {
  const [w1, b1, w2, b2] = ['0.weight', '0.bias', '2.weight', '2.bias']
    .map((name) => trainer.readParameter(name).values);
  const hidden = Array.from(b1, (bias, o) => Math.max(0, bias + sum(
    Array.from(pixels, (ink, i) => (ink / 255) * w1[o * 784 + i]),
  )));
  const z = Array.from(b2, (bias, o) => bias + sum(
    hidden.map((h, i) => h * w2[o * 16 + i]),
  ));
  const top = Math.max(...z);
  const e = z.map((value) => Math.exp(value - top));
  return e.map((value) => value / sum(e));
}

test('at least the exact builds were made', () => {
  expect(builds).toContain('exact');
  expect(builds).toContain('exact-threads');
});

describe.each(builds)('the library on the %s build', (build) => {
  let trainer;
  beforeAll(async () => {
    trainer = await trainerOf(build, SMALL);
    trainer.setData(smallData());
  });
  afterAll(() => trainer.dispose());

  test('says what runs and why', () => {
    const { build: name, threads, reason, options, layers } = trainer.engine;
    expect(name).toBe(build);
    expect(threads).toBe(build.endsWith('threads') ? 2 : 1);
    expect(reason).toMatch(/thread/);
    expect(options.find(({ key }) => key === 'lr')).toMatchObject({
      type: 'number', live: true,
    });
    expect(options.find(({ key }) => key === 'optimizer').choices).toContain('adam');
    expect(layers.map(({ name: kind }) => kind)).toContain('dense');
  });

  test('says what a run description became', () => {
    const run = trainer.run();
    expect(run.values).toMatchObject({ batch: '50', seed: '7', epochs: '3' });
    expect(run.short).not.toContain('lr=');
    expect(run.text).toContain('lr=');
    expect(run.layers.map(({ text, shape }) => [text, shape])).toEqual([
      ['dense 16', [16]], ['relu', [16]], ['dense 10', [10]],
    ]);
    expect(run.layers[0].parameters).toEqual([
      { name: '0.weight', shape: [16, 784] }, { name: '0.bias', shape: [16] },
    ]);
    expect(run).toMatchObject({
      parameterCount: 784 * 16 + 16 + 160 + 10,
      trainCount: 2000,
      validationCount: 500,
      testCount: 500,
      stepsPerEpoch: 40,
    });
    expect(trainer.describeRun(run.short).text).toBe(run.text);
  });

  test('trains by steps, epochs and time, and knows where it stands', () => {
    trainer.reset();
    expect(trainer.metrics()).toMatchObject({ step: 0, epoch: 0, totalSteps: 120 });
    expect(trainer.metrics().meanLoss).toBeNaN();
    expect(trainer.step()).toBe(1);
    expect(trainer.step(9)).toBe(9);
    const first = trainer.metrics();
    expect(first).toMatchObject({ step: 10, epoch: 0 });
    expect(first.meanLoss).toBeGreaterThan(0);
    trainer.mark();
    expect(trainer.metrics().meanLoss).toBeNaN();
    expect(trainer.epoch()).toMatchObject({ step: 40, epoch: 1 });
    expect(trainer.advance(1000)).toBe(40);
    expect(trainer.runFor(0)).toBe(1);
    const made = trainer.runFor(60_000);
    expect(made).toBe(39);
    expect(trainer.step(5)).toBe(0);
    expect(trainer.advance(5)).toBe(0);
    expect(trainer.metrics()).toMatchObject({ step: 120, epoch: 3 });
    expect(trainer.metrics().batchLoss).toBeLessThan(first.meanLoss);
  });

  test('steps across epochs in one call', () => {
    trainer.reset();
    expect(trainer.step(100)).toBe(100);
    expect(trainer.metrics().epoch).toBe(2);
  });

  test('predicts what the parameters say, within 1e-5', () => {
    const { images: pixels } = images('test', 0, 3);
    const probabilities = trainer.predict(pixels);
    expect(probabilities).toHaveLength(30);
    for (let n = 0; n < 3; n += 1) {
      const wanted = forward(trainer, pixels.subarray(n * 784, (n + 1) * 784));
      wanted.forEach((p, k) => expect(probabilities[n * 10 + k]).toBeCloseTo(p, 5));
    }
    const floats = Float32Array.from(pixels, (ink) => ink / 255);
    trainer.predict(floats).forEach((p, k) => (
      expect(Math.abs(p - probabilities[k])).toBeLessThan(1e-6)));
    expect(trainer.predict(new Uint8ClampedArray(pixels))).toEqual(probabilities);
    expect(trainer.predict(new Uint8Array(0))).toHaveLength(0);
  });

  test('predicts more images than one call of the engine takes', () => {
    const { images: pixels } = images('test', 0, 2345);
    const all = trainer.predict(pixels);
    expect(all).toHaveLength(23450);
    const last = trainer.predict(pixels.subarray(2344 * 784));
    expect(all.slice(23440)).toEqual(last);
  });

  test('evaluates each set, and the figures belong together', () => {
    const { labels } = images('test', 0, 500);
    for (const [set, count] of [['train', 2000], ['validation', 500], ['test', 500]]) {
      const result = trainer.evaluate(set);
      expect(result).toMatchObject({ set, count });
      expect(sum([...result.confusion])).toBe(count);
      const right = sum(Array.from({ length: 10 }, (_, k) => result.confusion[k * 11]));
      expect(result.accuracy).toBeCloseTo(right / count, 12);
      expect(result.predicted).toHaveLength(count);
      expect(result.probabilities).toHaveLength(count * 10);
    }
    const result = trainer.evaluate('test');
    const loss = -sum(Array.from(labels, (label, n) => (
      Math.log(result.probabilities[n * 10 + label])))) / 500;
    expect(result.loss).toBeCloseTo(loss, 4);
    expect([...result.predicted].filter((digit, n) => digit === labels[n])).toHaveLength(
      Math.round(result.accuracy * 500),
    );
  });

  test('evaluates in slices to the same result, with predictions in between', () => {
    const whole = trainer.evaluate('test');
    trainer.beginEvaluation('test');
    let slices = 0;
    while (trainer.continueEvaluation(33) > 0) {
      slices += 1;
      trainer.predict(images('test', slices, 1).images);
    }
    expect(slices).toBeGreaterThan(10);
    expect(trainer.evaluation()).toEqual(whole);
  });

  test('shows the forward pass of one image layer by layer', () => {
    const { images: pixels } = images('test', 4, 1);
    const trace = trainer.trace(pixels);
    expect(trace.layers.map(({ text }) => text)).toEqual(['dense 16', 'relu', 'dense 10']);
    expect(trace.input[200]).toBeCloseTo(pixels[200] / 255, 6);
    const [dense, relu, last] = trace.layers.map(({ values }) => [...values]);
    expect(relu).toEqual(dense.map((value) => Math.max(0, value)));
    const top = Math.max(...last);
    const e = last.map((value) => Math.exp(value - top));
    e.forEach((value, k) => (
      expect(trace.probabilities[k]).toBeCloseTo(value / sum(e), 5)));
    expect(trace.probabilities).toEqual(trainer.predict(pixels));
  });

  test('reads back the parameters that were written, bit for bit', () => {
    const before = trainer.fingerprint();
    const { values, shape } = trainer.readParameter('2.weight');
    expect(shape).toEqual([10, 16]);
    const other = values.map((value, i) => value + i / 1000);
    trainer.writeParameter('2.weight', other);
    expect(trainer.readParameter('2.weight').values).toEqual(other);
    expect(trainer.fingerprint()).not.toBe(before);
    trainer.writeParameter('2.weight', [...values]);
    expect(trainer.fingerprint()).toBe(before);
  });

  test('gradients agree with central differences of the loss within 2%', () => {
    const batch = images('train', 100, 64);
    const before = trainer.fingerprint();
    const { loss, gradients } = trainer.gradients(batch.images, batch.labels);
    expect(gradients.map(({ name }) => name)).toEqual(
      ['0.weight', '0.bias', '2.weight', '2.bias'],
    );
    for (const { name, shape, values } of gradients) {
      expect(values).toHaveLength(shape.reduce((a, b) => a * b, 1));
      const own = trainer.readParameter(name).values;
      const norm = Math.hypot(...values);
      const at = (step) => {
        trainer.writeParameter(name, own.map((value, i) => value + step * values[i] / norm));
        return trainer.gradients(batch.images, batch.labels).loss;
      };
      const slope = (at(0.01) - at(-0.01)) / 0.02;
      trainer.writeParameter(name, own);
      expect(Math.abs(slope - norm)).toBeLessThan(0.02 * norm + 1e-4);
    }
    expect(trainer.fingerprint()).toBe(before);
    const floats = Float32Array.from(batch.images, (ink) => ink / 255);
    expect(trainer.gradients(floats, batch.labels).loss).toBeCloseTo(loss, 5);
  });

  test('changes live settings at once, and only those', () => {
    trainer.reset();
    expect(trainer.set('lr', 0.005).values.lr).toBe('0.005');
    trainer.step();
    expect(trainer.metrics().learningRate).toBe(0.005);
    expect(caught(() => trainer.set('seed', 3))).toMatchObject({ place: 'seed' });
    expect(trainer.reset().values.lr).toBe('0.005');
    trainer.configure(SMALL);
  });

  test('continues from a saved state as if nothing had happened', () => {
    trainer.reset();
    trainer.step(50);
    const state = trainer.saveState();
    trainer.step(30);
    const wanted = trainer.fingerprint();
    trainer.reset();
    trainer.loadState(state);
    expect(trainer.metrics().step).toBe(50);
    trainer.step(30);
    expect(trainer.fingerprint()).toBe(wanted);
  });

  test('warming up and choosing a tile change nothing but the speed', () => {
    trainer.reset();
    trainer.step(10);
    const before = trainer.fingerprint();
    expect(trainer.warmUp(30)).toBeGreaterThan(0);
    const { best, tiles } = trainer.tune();
    expect(tiles[best].name).toMatch(/^\d+x\d+$/);
    expect(trainer.metrics().step).toBe(10);
    expect(trainer.fingerprint()).toBe(before);
    trainer.step(10);
    const wanted = trainer.fingerprint();
    trainer.reset();
    trainer.step(20);
    expect(trainer.fingerprint()).toBe(wanted);
  });
});

describe('data', () => {
  let trainer;
  beforeAll(async () => { trainer = await trainerOf('exact', SMALL); });
  afterAll(() => trainer.dispose());

  test('shapes and counts are known before any data; training needs data', () => {
    expect(trainer.run()).toMatchObject({ trainCount: 59_500, testCount: 10_000 });
    expect(trainer.parameters().map(({ name }) => name)).toContain('0.weight');
    for (const call of [() => trainer.step(), () => trainer.advance(1), () => trainer.epoch(),
      () => trainer.runFor(5)]) {
      expect(caught(call)).toMatchObject({ code: 'NO_DATA' });
    }
    expect(trainer.predict(new Uint8Array(784))).toHaveLength(10);
  });

  test('weights written before the data stay, later ones do not', () => {
    const weight = trainer.readParameter('2.weight').values.map((_, i) => i / 100);
    trainer.writeParameter('2.weight', weight);
    trainer.setData(smallData());
    expect(trainer.readParameter('2.weight').values).toEqual(weight);
    trainer.step(5);
    trainer.setData(smallData());
    expect(trainer.metrics().step).toBe(0);
    expect(trainer.readParameter('2.weight').values).not.toEqual(weight);
  });

  test('arrays, IDX bytes and blocks give the same run', () => {
    const fresh = () => { trainer.configure(SMALL); };
    fresh();
    trainer.setIdx(idx);
    expect(trainer.ready('train')).toBe(60_000);
    trainer.step(50);
    const wanted = trainer.fingerprint();
    fresh();
    trainer.setData({ train: images('train', 0, 60_000), test: images('test', 0, 10_000) });
    trainer.step(50);
    expect(trainer.fingerprint()).toBe(wanted);
    trainer.reserveData({ train: 60_000, test: 10_000 });
    for (let first = 55_000; first >= 0; first -= 5000) {
      const { images: pixels, labels } = images('train', first, 5000);
      trainer.writeData('train', first, pixels, labels);
    }
    expect(trainer.ready('test')).toBe(0);
    trainer.step(50);
    expect(trainer.fingerprint()).toBe(wanted);
  });

  test('one set alone is enough', () => {
    trainer.setData({ train: images('train', 0, 1000) });
    expect(trainer.run().testCount).toBe(0);
    expect(trainer.step(3)).toBe(3);
  });

  test('hands back the images it was given', () => {
    const data = smallData();
    trainer.setData(data);
    const { images: pixels, labels } = trainer.data('test');
    expect(pixels).toEqual(new Uint8Array(data.test.images));
    expect(labels).toEqual(new Uint8Array(data.test.labels));
  });
});
