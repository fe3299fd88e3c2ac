// Bits. The exact builds give the same weights as the native build, whatever
// the number of threads, whether the data was all there or came block by block,
// and however the steps were cut into calls. The fast builds stay close.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { builds, caught, trainerOf } from './helpers/builds.js';
import { idx, images, MNIST_FOLDER } from './helpers/mnist.js';
import { randomRun } from './helpers/random-run.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FINGERPRINT = `${ROOT}build/native-release/fingerprint`;
const STEPS = 200;

const RUNS = {
  'W1: sgd': 'net=dense 128, relu, dense 10\noptimizer=sgd\nlr=0.1',
  'W2: adam': '',
  'W3: three layers': 'net=dense 512, relu, dense 256, relu, dense 10\nbatch=128',
  'momentum, odd sizes': 'net=dense 37, relu, dense 10\noptimizer=momentum\nlr=0.05\nbatch=33',
  'orthogonal, either way round':
    'net=dense 801, relu, dense 37, tanh, dense 10\ninit=orthogonal\nlr=0.0003\nbatch=16',
  'two epochs, small last batch': 'limit=2000\nbatch=37\nvalidation=1000\nseed=99',
};

beforeAll(() => {
  const cmake = (...values) => execFileSync('cmake', values, { cwd: ROOT, stdio: 'pipe' });
  if (!existsSync(`${ROOT}build/native-release/build.ninja`)) {
    cmake('--preset', 'native-release');
  }
  cmake('--build', 'build/native-release', '--target', 'fingerprint');
}, 300_000);

/** Fingerprint of the native build after some steps. */
function native(run, threads, steps = STEPS) {
  const values = [fileURLToPath(MNIST_FOLDER), run, String(steps), String(threads)];
  return execFileSync(FINGERPRINT, values, { encoding: 'utf8' }).split(' ')[0];
}

/** Fingerprint of a wasm build after the same steps. */
async function wasm(build, run, threads, { give = (t) => t.setIdx(idx), step } = {}) {
  const trainer = await trainerOf(build, run, threads);
  give(trainer);
  const made = step ? step(trainer) : trainer.step(STEPS);
  expect(made).toBe(STEPS);
  const fingerprint = trainer.fingerprint();
  trainer.dispose();
  return fingerprint;
}

describe.each(Object.entries(RUNS))('%s', (_, run) => {
  test(`native with 1 and 3 threads, exact, exact-threads with 1, 2, 3: one fingerprint
    after ${STEPS} steps`, async () => {
    const wanted = native(run, 1);
    expect(wanted).toMatch(/^[0-9a-f]{16}$/);
    expect(native(run, 3)).toBe(wanted);
    expect(await wasm('exact', run, 1)).toBe(wanted);
    for (const threads of [1, 2, 3]) {
      expect(await wasm('exact-threads', run, threads), `${threads} threads`).toBe(wanted);
    }
  });
});

test('runs drawn at random: native, exact, exact-threads with 2: one fingerprint', async () => {
  const trainers = [await trainerOf('exact', '', 1), await trainerOf('exact-threads', '', 2)];
  for (const trainer of trainers) trainer.setIdx(idx);
  for (let seed = 1; seed <= 40; seed += 1) {
    const { run, steps } = randomRun(seed);
    const fingerprints = trainers.map((trainer) => {
      trainer.configure(run);
      expect(trainer.step(steps), run).toBe(steps);
      return trainer.fingerprint();
    });
    const wanted = native(run, 1, steps);
    expect(fingerprints, run).toEqual([wanted, wanted]);
  }
  for (const trainer of trainers) trainer.dispose();
});

test('another seed gives other weights, so that the fingerprint means something', async () => {
  expect(await wasm('exact', 'seed=2', 1)).not.toBe(await wasm('exact', 'seed=3', 1));
});

/** Train as far as the images allow, giving the next block whenever they lack. */
function stepAsBlocksCome(trainer, blocks) {
  let made = 0;
  while (made < STEPS) {
    const error = caught(() => { made += trainer.step(STEPS - made); });
    if (error) expect(error.code).toBe('DATA_PENDING');
    if (made === STEPS) break;
    const first = blocks.shift();
    const block = images('train', first, 5000);
    trainer.writeData('train', first, block.images, block.labels);
  }
  return made;
}

test('data that comes block by block while training gives the same bits', async () => {
  const run = 'batch=256\nvalidation=5000';
  const wanted = await wasm('exact', run, 1);
  const give = (trainer) => trainer.reserveData({ train: 60_000, test: 10_000 });
  const inOrder = Array.from({ length: 12 }, (_, block) => block * 5000);
  const step = (trainer) => stepAsBlocksCome(trainer, inOrder.slice());
  expect(await wasm('exact', run, 1, { give, step })).toBe(wanted);
  const backwards = (trainer) => stepAsBlocksCome(trainer, inOrder.slice().reverse());
  expect(await wasm('exact', run, 1, { give, step: backwards })).toBe(wanted);
});

test('how the steps are cut into calls changes nothing', async () => {
  const wanted = await wasm('exact', '', 1);
  const oneByOne = (trainer) => {
    for (let i = 0; i < STEPS; i += 1) {
      expect(trainer.step()).toBe(1);
      if (i % 50 === 0) {
        trainer.evaluate('validation');
        trainer.predict(images('test', 0, 7).images);
        trainer.gradients(images('test', 0, 7).images, images('test', 0, 7).labels);
      }
    }
    return STEPS;
  };
  expect(await wasm('exact', '', 1, { step: oneByOne })).toBe(wanted);
});

describe.each(builds.filter((build) => build.startsWith('fast')))('%s', (build) => {
  test('each weight is within 1e-4 of the exact build after 20 steps of sgd', async () => {
    const trainers = await Promise.all([build, 'exact'].map((name) => (
      trainerOf(name, 'optimizer=sgd\nlr=0.1'))));
    const [fast, exact] = trainers.map((trainer) => {
      trainer.setIdx(idx);
      trainer.step(20);
      const weights = trainer.parameters().map(({ name }) => trainer.readParameter(name).values);
      trainer.dispose();
      return weights;
    });
    const worst = Math.max(...exact.map((values, p) => values.reduce((most, value, i) => (
      Math.max(most, Math.abs(value - fast[p][i]))), 0)));
    expect(worst).toBeLessThan(1e-4);
  });

  test('starts with the weights of the exact build, bit for bit', async () => {
    for (const init of ['he', 'xavier-uniform', 'orthogonal']) {
      const run = `init=${init}\nnet=dense 100, relu, dense 33, dense 10`;
      const trainers = await Promise.all([build, 'exact'].map((name) => trainerOf(name, run)));
      const [fast, exact] = trainers.map((trainer) => trainer.fingerprint());
      expect(fast, init).toBe(exact);
      trainers.forEach((trainer) => trainer.dispose());
    }
  });

  test('is deterministic for any number of threads', async () => {
    const wanted = await wasm(build, '', 1);
    const threads = build.endsWith('threads') ? [1, 2, 3] : [1];
    for (const count of threads) expect(await wasm(build, '', count)).toBe(wanted);
  });
});
