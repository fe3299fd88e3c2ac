// The recipes do what their sentences say: the engine takes each of them, the page
// could write it as a link, and what is to be observed is there, in full or on a
// shortened run.
import {
  afterAll, beforeAll, describe, expect, test,
} from 'vitest';
import { RECIPES, recipeOf } from '../../web/state/recipes.js';
import { linkFromValues, textFromValues, valuesFromLink } from '../../web/state/link.js';
import { builds, trainerOf } from './helpers/builds.js';
import { idx } from './helpers/mnist.js';

// The claims are not about bits: the fastest build will do.
const BUILD = ['fast-threads', 'exact-threads'].find((build) => builds.includes(build));

let trainer;
beforeAll(async () => {
  trainer = await trainerOf(BUILD);
  trainer.setIdx(idx);
});
afterAll(() => trainer.dispose());

/** Runs a recipe, with some values changed; what each epoch gave. */
function cook(id, { run = 0, changes = {}, test: tested = false } = {}) {
  const { values } = recipeOf(id).runs[run];
  trainer.configure(textFromValues({ ...values, ...changes }));
  const epochs = [];
  while (!trainer.ended) {
    const { meanLoss: loss, meanAccuracy: accuracy } = trainer.epoch();
    const validation = trainer.metrics().validationCount ? trainer.evaluate('validation') : null;
    const read = tested || trainer.ended ? trainer.evaluate('test') : null;
    epochs.push({ loss, accuracy, validation, test: read });
  }
  return epochs;
}

const lowest = (values) => values.indexOf(Math.min(...values));

test('every recipe has a name of its own and a sentence', () => {
  expect(new Set(RECIPES.map(({ id }) => id)).size).toBe(RECIPES.length);
  for (const { name, observe, runs } of RECIPES) {
    expect(name).toMatch(/\S/);
    expect(observe).toMatch(/^[A-Z].*\.$/);
    expect(runs.length).toBeGreaterThan(0);
    if (runs.length > 1) expect(runs.every((run) => run.name !== '')).toBe(true);
  }
  expect(recipeOf('nonsense')).toBeNull();
});

const all = RECIPES.flatMap(({ id, runs }) => runs.map(({ values }, i) => [`${id} ${i}`, values]));

test.each(all)('%s is accepted, says nothing needless, and survives the link', (_, values) => {
  const { options } = trainer.engine;
  const { values: read, text } = trainer.describeRun(textFromValues(values));
  const notes = trainer.notes(text);
  for (const [key, value] of Object.entries(values)) {
    expect(read[key], key).toBe(value);
    expect(notes[key], `${key} would have no effect`).toBeUndefined();
  }
  const link = valuesFromLink(linkFromValues(read, options));
  expect(link.fault).toBe('');
  expect(trainer.describeRun(textFromValues(link.values)).text).toBe(text);
});

describe('what is to be observed is there:', () => {
  test('98 % in a second reads 98 % after three epochs', () => {
    const epochs = cook('second', { test: true });
    expect(epochs).toHaveLength(3);
    expect(epochs[2].test.accuracy).toBeGreaterThanOrEqual(0.98);
    const { rate } = trainer.learningRates(100);
    expect(Math.max(...rate)).toBeGreaterThan(5 * rate[0]);
    expect(rate.at(-1)).toBeLessThan(0.01 * Math.max(...rate));
  });

  test('1,000 images are learned by heart, and dropout with L2 helps', () => {
    const plain = cook('overfit');
    const losses = plain.map(({ validation }) => validation.loss);
    expect(plain.at(-1).accuracy).toBe(1);
    expect(lowest(losses)).toBeGreaterThan(4);
    expect(lowest(losses)).toBeLessThan(25);
    expect(losses.at(-1)).toBeGreaterThan(1.1 * Math.min(...losses));

    const helped = cook('regularised');
    const helpedLosses = helped.map(({ validation }) => validation.loss);
    expect(helped.at(-1).accuracy).toBeLessThan(0.999);
    expect(lowest(helpedLosses)).toBeGreaterThan(30);
    expect(helped.at(-1).test.accuracy).toBeGreaterThan(plain.at(-1).test.accuracy + 0.005);
  });

  test('zeros keep guessing', () => {
    const [first] = cook('zeros', { changes: { epochs: '1' } });
    expect(first.validation.loss).toBeCloseTo(Math.log(10), 2);
    const answers = trainer.evaluate('test').predicted;
    expect(new Set(answers).size).toBe(1);
  });

  test('sigmoid learns nothing in a deep net; relu or batch norm would', () => {
    const { values } = recipeOf('sigmoid').runs[0];
    expect(cook('sigmoid').at(-1).test.accuracy).toBeLessThan(0.2);
    for (const unit of ['relu', 'batchnorm, sigmoid']) {
      const net = values.net.replaceAll('sigmoid', unit);
      const [first] = cook('sigmoid', { changes: { net, epochs: '1' } });
      expect(first.test.accuracy, unit).toBeGreaterThan(0.8);
    }
  });

  test('the rate that is too high leaps, the one that is too low crawls', () => {
    const high = cook('high');
    expect(high.at(-1).loss).toBeGreaterThan(1);
    expect(high.at(-1).test.accuracy).toBeLessThan(0.7);
    expect(cook('high', { changes: { lr: '0.1' } }).at(-1).test.accuracy)
      .toBeGreaterThan(0.95);
    const low = cook('low');
    expect(low[0].loss).toBeGreaterThan(low[1].loss);
    expect(low[1].loss).toBeGreaterThan(low[2].loss);
    expect(low[2].validation.loss).toBeGreaterThan(1.5);
  });

  test('Adam is ahead of SGD after every epoch', () => {
    const sgd = cook('optimisers', { run: 0 });
    const adam = cook('optimisers', { run: 1 });
    expect(sgd).toHaveLength(adam.length);
    adam.forEach(({ loss }, epoch) => expect(loss).toBeLessThan(sgd[epoch].loss));
  });

  test('batch norm bears a rate at which the plain network guesses', () => {
    expect(cook('batchnorm', { run: 0 }).at(-1).test.accuracy).toBeLessThan(0.2);
    expect(cook('batchnorm', { run: 1 }).at(-1).test.accuracy).toBeGreaterThan(0.95);
    const [tenth] = cook('batchnorm', { run: 0, changes: { lr: '0.3', epochs: '1' } });
    expect(tenth.test.accuracy).toBeGreaterThan(0.9);
  });

  test('Simard’s network reads unseen digits better than its bent ones (shortened)', () => {
    const epochs = cook('simard', { changes: { epochs: '2' } });
    expect(epochs[1].accuracy).toBeLessThan(epochs[1].test.accuracy - 0.02);
    expect(epochs[1].loss).toBeLessThan(epochs[0].loss);
    expect(epochs[1].test.accuracy).toBeGreaterThan(0.95);
  });
});
