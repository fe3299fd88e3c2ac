// Whatever the public library is given: a CoreError with code, sentence and
// place, and nothing that was there before is lost. After every refusal the
// trainer still has the same weights, position and data, and can train on.
import {
  afterAll, afterEach, beforeAll, describe, expect, test,
} from 'vitest';
import { CoreError, createTrainer } from '../../web/core/index.js';
import { caught, ENGINE_BASE, trainerOf } from './helpers/builds.js';
import { idx, idxFile, images } from './helpers/mnist.js';

const RUN = 'net=dense 8, relu, dense 10\nvalidation=100\nbatch=20';

let trainer;
let before;
const snapshot = () => ({
  fingerprint: trainer.fingerprint(),
  run: trainer.run().text,
  step: trainer.metrics().step,
  train: trainer.ready('train'),
  test: trainer.ready('test'),
});

beforeAll(async () => {
  trainer = await trainerOf('exact', RUN);
  trainer.setData({ train: images('train', 0, 1000), test: images('test', 0, 200) });
  trainer.step(7);
  before = snapshot();
});
afterAll(() => trainer.dispose());
afterEach(() => expect(snapshot()).toEqual(before));

/** The call is refused with a sentence and a CoreError whose fields match. */
function refused(call, wanted) {
  const error = caught(call);
  expect(error).toBeInstanceOf(CoreError);
  expect(error.message).toMatch(/^\S[^]{9,}\.$/);
  expect(error).toMatchObject(wanted);
  return error;
}

const NOT_TEXT = [undefined, null, 5, {}, [], Symbol('x'), 5n];
const NOT_COUNT = [0, -1, 1.5, NaN, Infinity, '5', null, {}, 2 ** 40, 5n];
const NOT_BYTES = [undefined, null, 5, 'text', {}, [1, 2], new DataView(new ArrayBuffer(8))];

describe('run descriptions', () => {
  test.each([
    ['speed=5', 'UNKNOWN_KEY', 'speed'],
    ['lr=fast', 'BAD_VALUE', 'lr'],
    ['lr=-1', 'OUT_OF_RANGE', 'lr'],
    ['lr=nan', 'BAD_VALUE', 'lr'],
    ['lr=1e99999', 'OUT_OF_RANGE', 'lr'],
    ['batch=0', 'OUT_OF_RANGE', 'batch'],
    ['batch=1.5', 'BAD_VALUE', 'batch'],
    ['optimizer=sgdd', 'BAD_VALUE', 'optimizer'],
    ['shuffle=maybe', 'BAD_VALUE', 'shuffle'],
    ['net=dense 0, relu, dense 10', /./, /net/],
    ['net=dense, dense 10', /./, /net/],
    ['net=magic 5, dense 10', 'UNKNOWN_LAYER', /net/],
    ['net=dense 128, relu, dense 9', 'BAD_SHAPE', /net/],
    ['net=', /./, /net/],
    ['net=dense 99999999999999999999, dense 10', /./, /net/],
    ['just some words', 'BAD_TEXT', ''],
    ['lr=0.1 lr=0.2', /./, 'lr'],
    ['\u0000', 'BAD_TEXT', 'run'],
    ['x'.repeat(1e6), 'BAD_TEXT', 'run'],
    ['net=' + 'relu, '.repeat(5000) + 'dense 10', /./, /./],
    ['validation=1000', 'OUT_OF_RANGE', /./],
  ].map(([run, ...rest]) => [JSON.stringify(run).slice(0, 50), run, ...rest]))(
    '%s is refused',
    (_, run, code, place) => {
    const error = refused(() => trainer.configure(run), {});
    expect(error.code).toMatch(code);
    expect(error.place).toMatch(place);
    if (!run.startsWith('validation')) refused(() => trainer.describeRun(run), {});
    },
  );

  test('a network too large for memory is refused in words', () => {
    const error = refused(
      () => trainer.configure('net=dense 60000, relu, dense 60000, relu, dense 10'), {},
    );
    expect(error.code).toMatch(/OUT_OF_MEMORY|OUT_OF_RANGE|BAD_VALUE/);
  });

  test.each(NOT_TEXT.map((value) => [value]))('%o is not a run description', (value) => {
    refused(() => trainer.configure(value), { code: 'BAD_ARGUMENT', place: 'run' });
    refused(() => trainer.describeRun(value), { code: 'BAD_ARGUMENT', place: 'run' });
  });
});

describe('settings', () => {
  test.each([
    ['speed', '5', 'UNKNOWN_KEY'], ['lr', 'x', 'BAD_VALUE'], ['lr', -5, 'OUT_OF_RANGE'],
    ['lr', NaN, 'BAD_VALUE'], ['net', 'dense 10', 'BAD_COMBINATION'],
    ['batch', 5, 'BAD_COMBINATION'], ['', '', /./], ['l\0r', '1', 'BAD_TEXT'],
    ['lr', '0.1\nseed=2', /./], [5, 5, 'BAD_ARGUMENT'], ['lr', {}, 'BAD_ARGUMENT'],
    ['lr', undefined, 'BAD_ARGUMENT'], ['lr', 5n, 'BAD_ARGUMENT'],
  ])('set(%o, %o) is refused', (key, value, code) => {
    expect(refused(() => trainer.set(key, value), {}).code).toMatch(code);
  });
});

describe('counts and times', () => {
  test.each(NOT_COUNT)('%o is no number of steps or images', (value) => {
    const wanted = { code: 'BAD_ARGUMENT' };
    refused(() => trainer.step(value), wanted);
    refused(() => trainer.advance(value), wanted);
    trainer.beginEvaluation('test');
    refused(() => trainer.continueEvaluation(value), wanted);
  });

  test.each([-1, NaN, Infinity, '5', null, 5n, {}])('%o is no time', (value) => {
    refused(() => trainer.runFor(value), { code: 'BAD_ARGUMENT', place: 'ms' });
    refused(() => trainer.warmUp(value), { code: 'BAD_ARGUMENT', place: 'ms' });
  });
});

describe('sets', () => {
  test.each(['Train', 'toString', '__proto__', 0, null, undefined, {}])(
    '%o is not a set',
    (set) => {
      const wanted = { code: 'BAD_ARGUMENT', place: 'set' };
      refused(() => trainer.evaluate(set), wanted);
      refused(() => trainer.beginEvaluation(set), wanted);
      refused(() => trainer.ready(set), wanted);
      refused(() => trainer.data(set), wanted);
      refused(() => trainer.writeData(set, 0, new Uint8Array(0), new Uint8Array(0)), wanted);
    },
  );

  test('an evaluation that was not begun cannot be read', async () => {
    const fresh = await trainerOf('exact', RUN);
    refused(() => fresh.evaluation(), { code: 'BAD_ARGUMENT' });
    refused(() => fresh.continueEvaluation(5), { code: 'BAD_ARGUMENT' });
    fresh.dispose();
  });
});

describe('images and labels', () => {
  const one = new Uint8Array(784);

  test.each(NOT_BYTES.map((value) => [value]))('%o is not images', (value) => {
    const wanted = { code: 'BAD_ARGUMENT' };
    refused(() => trainer.predict(value), wanted);
    refused(() => trainer.trace(value), wanted);
    refused(() => trainer.gradients(value, new Uint8Array(1)), wanted);
    refused(() => trainer.setData({ train: { images: value, labels: one } }), wanted);
    refused(() => trainer.writeData('train', 0, value, one), wanted);
    refused(() => trainer.loadState(value), wanted);
  });

  test.each([1, 783, 785])('%i values are not whole images', (length) => {
    refused(() => trainer.predict(new Uint8Array(length)), { code: 'BAD_SHAPE' });
    refused(() => trainer.predict(new Float32Array(length)), { code: 'BAD_SHAPE' });
  });

  test('floats must be finite, and data comes as bytes', () => {
    const floats = new Float32Array(784);
    floats[5] = NaN;
    refused(() => trainer.predict(floats), { code: 'NOT_FINITE' });
    refused(() => trainer.setData({ train: { images: new Float32Array(784), labels: one } }), {
      code: 'BAD_ARGUMENT',
    });
  });

  test('a trace is of one image', () => {
    refused(() => trainer.trace(new Uint8Array(0)), { code: 'BAD_SHAPE' });
    refused(() => trainer.trace(new Uint8Array(1568)), { code: 'BAD_SHAPE' });
  });

  test('labels are digits, one for each image', () => {
    const wrong = Uint8Array.of(3, 10);
    const two = new Uint8Array(1568);
    refused(() => trainer.gradients(two, wrong), { code: 'BAD_LABEL', place: 'labels 1' });
    refused(() => trainer.gradients(two, Uint8Array.of(1)), { code: 'BAD_SHAPE' });
    refused(() => trainer.gradients(new Uint8Array(0), new Uint8Array(0)), { code: 'NO_DATA' });
    refused(() => trainer.setData({ train: { images: two, labels: wrong } }), {
      code: 'BAD_LABEL',
    });
    refused(() => trainer.writeData('train', 0, two, wrong), { code: 'BAD_LABEL' });
  });

  test('images stay within what was reserved', () => {
    const label = Uint8Array.of(1);
    refused(() => trainer.writeData('train', 1000, one, label), { code: 'OUT_OF_RANGE' });
    refused(() => trainer.writeData('test', -1, one, label), { code: 'BAD_ARGUMENT' });
    refused(() => trainer.writeData('test', 2 ** 31, one, label), { code: 'BAD_ARGUMENT' });
    refused(() => trainer.writeData('test', '0', one, label), { code: 'BAD_ARGUMENT' });
  });

  test.each([
    undefined, null, 5, {}, { train: null }, { train: 'x' }, { train: {} },
  ])('%o is no data set', (data) => {
    refused(() => trainer.setData(data), {});
  });

  test.each([
    undefined, {}, { train: 5 }, { train: -1, test: 5 }, { train: 0, test: 0 },
    { train: 1.5, test: 1 }, { train: 2 ** 30, test: 0 }, { train: 2 ** 24, test: 2 ** 24 },
    { train: 0, test: 5 },
  ])('room for %o is refused', (counts) => {
    refused(() => trainer.reserveData(counts), {});
  });
});

describe('IDX files', () => {
  const { trainImages, trainLabels } = idx;
  const labels = (count) => idxFile([count], new Uint8Array(count));
  const changed = (bytes, at, value) => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  const small = idxFile([2, 28, 28], new Uint8Array(1568));

  test.each([
    ['nothing at all', {}, 'NO_DATA'],
    ['an empty file', { trainImages: new Uint8Array(0), trainLabels: labels(1) }, 'BAD_FILE'],
    ['a few bytes', { trainImages: small.slice(0, 9), trainLabels: labels(2) }, 'BAD_FILE'],
    ['only the images', { trainImages: small }, 'BAD_ARGUMENT'],
    ['only the labels', { trainLabels: labels(2) }, 'BAD_ARGUMENT'],
    ['images cut short', { trainImages: small.slice(0, -1), trainLabels: labels(2) }, 'BAD_FILE'],
    ['images that go on', {
      trainImages: idxFile([1, 28, 28], new Uint8Array(785)), trainLabels: labels(1),
    }, 'BAD_FILE'],
    ['a header that promises four billion', {
      trainImages: idxFile([0xffffffff, 28, 28], new Uint8Array(784)), trainLabels: labels(1),
    }, 'BAD_FILE'],
    ['a header that promises none', {
      trainImages: idxFile([0, 28, 28], new Uint8Array(0)), trainLabels: labels(1),
    }, 'BAD_FILE'],
    ['images of 29 x 28', {
      trainImages: idxFile([1, 29, 28], new Uint8Array(812)), trainLabels: labels(1),
    }, 'BAD_SHAPE'],
    ['another type of items', { trainImages: changed(small, 2, 13), trainLabels: labels(2) },
      'BAD_FILE'],
    ['labels where images should be', { trainImages: labels(2), trainLabels: labels(2) },
      'BAD_FILE'],
    ['images where labels should be', { trainImages: small, trainLabels: small }, 'BAD_FILE'],
    ['fewer labels than images', { trainImages: small, trainLabels: labels(1) }, 'BAD_SHAPE'],
    ['a label of 10', { trainImages: small, trainLabels: idxFile([2], Uint8Array.of(1, 10)) },
      'BAD_LABEL'],
    ['gzip bytes', { trainImages: Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0),
      trainLabels: labels(1) }, 'BAD_FILE'],
    ['good images with a bad test set', {
      trainImages, trainLabels, testImages: small, testLabels: labels(3),
    }, 'BAD_SHAPE'],
    ['text', { trainImages: 'MNIST', trainLabels: labels(1) }, 'BAD_ARGUMENT'],
    ['too few images for the validation set', { trainImages: small, trainLabels: labels(2) },
      'OUT_OF_RANGE'],
  ])('%s', (_, files, code) => {
    refused(() => trainer.setIdx(files), { code });
  });

  test('a refused file is told with the byte, in a sentence', () => {
    const { message, place } = refused(() => trainer.setIdx({
      trainImages: small.slice(0, -1), trainLabels: labels(2),
    }), { code: 'BAD_FILE' });
    expect(message).toBe(
      'trainImages, byte 4: The header promises 2 images, the file holds 1.');
    expect(place).toBe('trainImages');
  });
});

describe('parameters and states', () => {
  test('a parameter is named and fully given, in finite numbers', () => {
    const { values } = trainer.readParameter('2.bias');
    for (const name of ['9.weight', '', null, 5, undefined, {}]) {
      const error = refused(() => trainer.readParameter(name), { code: 'BAD_ARGUMENT' });
      expect(error.message).toContain('2.bias');
      refused(() => trainer.writeParameter(name, values), { code: 'BAD_ARGUMENT' });
    }
    refused(() => trainer.writeParameter('2.bias', values.slice(1)), { code: 'BAD_SHAPE' });
    refused(() => trainer.writeParameter('2.bias', new Float32Array(11)), {
      code: 'BAD_SHAPE', place: '2.bias',
    });
    for (const bad of [NaN, Infinity, -Infinity, 1e39]) {
      refused(() => trainer.writeParameter('2.bias', values.map((_, i) => (i ? 0 : bad))), {
        code: 'NOT_FINITE',
      });
    }
    for (const bad of [null, 'abc', 5, {}, new BigInt64Array(10), Array(10).fill('1'),
      Array(10).fill(1n), new Array(10)]) {
      refused(() => trainer.writeParameter('2.bias', bad), {});
    }
  });

  test('a state is whole and of the same run', async () => {
    const state = trainer.saveState();
    refused(() => trainer.loadState(new Uint8Array(0)), { code: 'BAD_FILE' });
    refused(() => trainer.loadState(state.slice(0, -1)), { code: 'BAD_FILE' });
    refused(() => trainer.loadState(state.slice(0, 20)), { code: 'BAD_FILE' });
    for (const at of [0, 5, 12, 40]) {
      const bad = state.slice();
      bad[at] ^= 0xff;
      const error = caught(() => trainer.loadState(bad));
      expect(error, `byte ${at}`).toBeInstanceOf(CoreError);
    }
    const time = state.length - 24;
    for (const [at, value] of [[0, NaN], [0, -1], [0, Infinity], [8, 0.5], [8, -1], [16, -2]]) {
      const bad = state.slice();
      new DataView(bad.buffer).setFloat64(time + at, value, true);
      refused(() => trainer.loadState(bad), { code: 'BAD_FILE', place: `byte ${time - 8}` });
    }
    const other = await trainerOf('exact', 'net=dense 10\nvalidation=0');
    const error = caught(() => other.loadState(state));
    expect(error).toBeInstanceOf(CoreError);
    other.dispose();
  });

  test('there is nothing to go back to before the first step', async () => {
    const fresh = await trainerOf('exact', RUN);
    expect(fresh.metrics().canRestore).toBe(0);
    expect(caught(() => fresh.restore())).toMatchObject({ code: 'NO_SNAPSHOT' });
    fresh.dispose();
  });
});

describe('making and disposing', () => {
  test.each([
    [{ run: 'net=nonsense' }, 'UNKNOWN_LAYER'],
    [{ run: 5 }, 'BAD_ARGUMENT'],
    [{ build: 'turbo' }, 'BAD_ARGUMENT'],
    [{ threads: 0 }, 'BAD_ARGUMENT'],
    [{ threads: 'many' }, 'BAD_ARGUMENT'],
    [{ threads: 1000 }, 'BAD_ARGUMENT'],
    [{ engineBase: new URL('file:///nowhere/') }, 'ENGINE_NOT_LOADED'],
    [{ engineBase: 7 }, 'BAD_ARGUMENT'],
    [null, 'BAD_ARGUMENT'],
    ['exact', 'BAD_ARGUMENT'],
  ])('createTrainer(%o) is refused', async (options, code) => {
    const given = options && typeof options === 'object' && !options.engineBase
      ? { engineBase: ENGINE_BASE, ...options } : options;
    const error = await createTrainer(given).catch((reason) => reason);
    expect(error).toBeInstanceOf(CoreError);
    expect(error.code).toBe(code);
  });

  test('use after dispose is refused with a sentence, by every method', async () => {
    const gone = await trainerOf('exact', RUN);
    gone.dispose();
    gone.dispose();
    const calls = {
      describeRun: [''], run: [], configure: [''], reset: [], set: ['lr', 1],
      reserveData: [{ train: 5, test: 5 }], setData: [{ train: images('train', 0, 10) }],
      setIdx: [idx], ready: ['train'], step: [1], advance: [1], epoch: [], runFor: [1],
      metrics: [], mark: [], restore: [], fingerprint: [], saveState: [],
      loadState: [new Uint8Array(5)], evaluate: ['test'], beginEvaluation: ['test'],
      predict: [new Uint8Array(784)], trace: [new Uint8Array(784)],
      gradients: [new Uint8Array(784), Uint8Array.of(1)], layers: [], parameters: [],
      readParameter: ['0.weight'], writeParameter: ['0.weight', new Float32Array(1)],
      tune: [], warmUp: [1], data: ['train'],
      writeData: ['train', 0, new Uint8Array(784), Uint8Array.of(1)],
      continueEvaluation: [5], evaluation: [],
      notes: [''], learningRates: [5], augmented: [new Uint8Array(784), 0],
      findRate: [], beginRateTest: [], trainingImages: [0, 1], judge: [],
    };
    const methods = [];
    for (let part = Object.getPrototypeOf(gone); part !== Object.prototype;
      part = Object.getPrototypeOf(part)) {
      for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(part))) {
        if (typeof value === 'function') methods.push(name);
      }
    }
    const left = methods.filter((name) => name !== 'constructor' && name !== 'dispose');
    expect(Object.keys(calls).sort()).toEqual(left.sort());
    for (const [name, values] of Object.entries(calls)) {
      expect(caught(() => gone[name](...values)), name).toMatchObject({ code: 'DISPOSED' });
    }
  });
});
