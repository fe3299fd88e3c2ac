// The toolbox around a run, through the library: settings without effect are named,
// the learning rate is told before the run, early stopping brings the best epoch's
// weights back bit for bit, runs end where their limits say, the range test leaves
// no trace, and augmentation is what training sees.
import {
  afterEach, describe, expect, test,
} from 'vitest';
import { caught, trainerOf } from './helpers/builds.js';
import { images } from './helpers/mnist.js';

/** A run description: `base` with some changes. */
const described = (base, changes = {}) => Object.entries({ ...base, ...changes })
  .map(([key, value]) => `${key}=${value}`).join('\n');

const small = (changes) => described({
  net: 'dense 16, relu, dense 10', validation: 500, epochs: 3, batch: 50, seed: 7,
}, changes);

let trainer;
afterEach(() => trainer?.dispose());

async function make(run, train = 2500) {
  trainer = await trainerOf('exact', run);
  trainer.setData({ train: images('train', 0, train), test: images('test', 0, 500) });
  return trainer;
}

describe('notes', () => {
  test('name the settings that others leave without effect', async () => {
    await make(small());
    expect(trainer.notes('optimizer=adam')).toMatchObject({
      momentum: 'Only the optimisers momentum and nesterov use it.',
      alpha: 'Only the optimiser rmsprop uses it.',
      gamma: 'Only the schedules step and exponential use it.',
    });
    expect(trainer.notes('optimizer=adam')).not.toHaveProperty('beta1');
    expect(trainer.notes('optimizer=momentum')).not.toHaveProperty('momentum');
    expect(trainer.notes('validation=0 patience=3').patience).toMatch(/validation is 0/);
  });

  test('read the network, too', async () => {
    await make(small());
    const one = 'net=dense 1, sigmoid loss=mse';
    expect(trainer.notes('digit=3').digit)
      .toBe('Only a single output uses it; this network has one for each digit.');
    expect(trainer.notes(`${one} digit=3`)).not.toHaveProperty('digit');
    // What parses, though no run takes it.
    expect(trainer.notes('net=dense 7')).not.toHaveProperty('digit');
    const plain = 'init=zeros shuffle=off validation=0';
    expect(trainer.notes(plain).seed).toBe('Nothing in this run is drawn at random.');
    expect(trainer.notes(`${plain} net=dropout 0.5, dense 10`)).not.toHaveProperty('seed');
  });

  test('of the longest network are told, too', async () => {
    await make(small());
    const run = `net=${Array(63).fill('tanh').join(', ')}, dense 10`;
    expect(trainer.notes(run).digit).toMatch(/one for each digit/);
  });

  test('belong to what a run description became', async () => {
    await make(small({ optimizer: 'sgd' }));
    expect(trainer.run().notes).toEqual(trainer.notes());
    expect(trainer.run().notes.momentum).toMatch(/momentum and nesterov/);
    const { notes } = trainer.configure(small({ optimizer: 'nesterov' }));
    expect(notes.momentum).toBeUndefined();
  });

  test('of a refused description are a refusal', async () => {
    await make(small());
    expect(caught(() => trainer.notes('lr=fast'))).toMatchObject({ place: 'lr' });
    expect(caught(() => trainer.notes(5))).toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

describe('the planned learning rate', () => {
  test('is the one that training then uses, step for step', async () => {
    await make(small({ schedule: 'one-cycle', warmup: 0.5, lr: 0.01 }));
    const { totalSteps, stepsPerEpoch } = trainer.metrics();
    const { epoch, rate } = trainer.learningRates(totalSteps);
    expect(rate).toHaveLength(totalSteps);
    for (let step = 0; step < totalSteps; step += 1) {
      trainer.step();
      expect(trainer.metrics().learningRate).toBe(rate[step]);
      expect(epoch[step]).toBeCloseTo((step + 1) / stepsPerEpoch, 12);
    }
  });

  test('of another description needs no run of it', async () => {
    await make(small());
    const print = trainer.fingerprint();
    const cosine = trainer.learningRates(50, small({ schedule: 'cosine', lr: 0.5 }));
    expect(cosine.rate).toHaveLength(50);
    expect(cosine.rate[0]).toBeCloseTo(0.5, 3);
    expect(cosine.rate[49]).toBeLessThan(0.001);
    expect(cosine.rate.every((rate, i) => i === 0 || rate <= cosine.rate[i - 1])).toBe(true);
    expect(cosine.epoch[49]).toBe(3);
    const binary = small({ loss: 'binary', net: 'dense 1', lr: 0.5 });
    const steady = trainer.learningRates(50, binary);
    expect(new Set(steady.rate)).toEqual(new Set([0.5]));
    expect(trainer.fingerprint()).toBe(print);
    expect(trainer.run().values.schedule).toBe('constant');
    expect(caught(() => trainer.learningRates(0))).toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

// Few images and a large rate: the validation loss gets worse soon.
const overfit = (changes) => described({
  net: 'dense 64, relu, dense 10', limit: 200, validation: 500, batch: 20, lr: 0.01,
  seed: 3, epochs: 40,
}, changes);

describe('early stopping', () => {
  test('ends the run and brings exactly the best epoch\'s weights back', async () => {
    await make(overfit());
    const losses = [];
    const prints = [];
    for (let epoch = 0; epoch < 40; epoch += 1) {
      trainer.epoch();
      losses.push(trainer.evaluate('validation').loss);
      prints.push(trainer.fingerprint());
    }
    expect(trainer.ended).toBe('epochs');
    let best = 0;
    while (Math.min(...losses.slice(best + 1, best + 4)) < losses[best]) {
      best += losses.slice(best + 1, best + 4).findIndex((loss) => loss < losses[best]) + 1;
    }
    expect(best).toBeLessThan(36);

    trainer.configure(overfit({ patience: 3 }));
    let epochs = 0;
    let last;
    while (!trainer.ended) {
      last = trainer.epoch();
      epochs += 1;
    }
    expect(trainer.ended).toBe('patience');
    expect(epochs).toBe(best + 4);
    expect(trainer.fingerprint()).toBe(prints[best]);
    expect(trainer.evaluate('validation').loss).toBe(losses[best]);
    expect(trainer.metrics().epoch).toBe(best + 1);
    expect(last.meanLoss).toBeGreaterThan(0);
    expect(trainer.step(5)).toBe(0);
    expect(trainer.fingerprint()).toBe(prints[best]);
  });

  test('happens in rows of steps as it does in epochs', async () => {
    await make(overfit({ patience: 3 }));
    while (!trainer.ended) trainer.epoch();
    const print = trainer.fingerprint();
    trainer.reset();
    expect(trainer.ended).toBeNull();
    while (trainer.step(7) > 0);
    expect(trainer.fingerprint()).toBe(print);
    trainer.reset();
    while (trainer.runFor(3) > 0);
    expect(trainer.fingerprint()).toBe(print);
    expect(trainer.ended).toBe('patience');
  });

  test('brings the best weights back at the end of the epochs, too', async () => {
    await make(overfit({ patience: 30, epochs: 20 }));
    const losses = [];
    while (!trainer.ended) {
      trainer.epoch();
      losses.push(trainer.evaluation().loss);
    }
    expect(trainer.ended).toBe('epochs');
    expect(losses).toHaveLength(20);
    expect(trainer.evaluate('validation').loss).toBe(Math.min(...losses));
    expect(Math.min(...losses)).toBeLessThan(losses.at(-1));
  });

  test('a judgement without an evaluation of the validation set is refused', async () => {
    await make(overfit({ patience: 3 }));
    trainer.advance(10);
    expect(trainer.judgementDue).toBe(true);
    expect(caught(() => trainer.judge())).toMatchObject({ code: 'BAD_ARGUMENT' });
    trainer.evaluate('test');
    expect(caught(() => trainer.judge())).toMatchObject({ code: 'BAD_ARGUMENT' });
    trainer.evaluate('validation');
    expect(trainer.judge()).toBeNull();
    expect(trainer.judgementDue).toBe(false);
  });
});

describe('a run ends', () => {
  test('after its epochs or its steps', async () => {
    await make(small({ epochs: 1 }));
    expect(trainer.ended).toBeNull();
    trainer.epoch();
    expect(trainer.ended).toBe('epochs');
    trainer.configure(small({ steps: 13 }));
    expect(trainer.step(100)).toBe(13);
    expect(trainer.ended).toBe('steps');
    trainer.set('steps', 20);
    expect(trainer.ended).toBeNull();
    expect(trainer.step(100)).toBe(7);
  });

  test('at its target accuracy, at the end of the epoch that reaches it', async () => {
    await make(small({ epochs: 50, target: 0.8 }));
    const reached = [];
    while (!trainer.ended) {
      trainer.epoch();
      reached.push(trainer.evaluation().accuracy);
    }
    expect(trainer.ended).toBe('target');
    expect(reached.at(-1)).toBeGreaterThanOrEqual(0.8);
    expect(reached.slice(0, -1).every((accuracy) => accuracy < 0.8)).toBe(true);
    expect(trainer.metrics().step).toBe(reached.length * 40);
  });

  test('when its seconds of training are spent, and goes on when they are raised', async () => {
    await make(small({ epochs: 10000, seconds: 0.2 }));
    while (trainer.epoch().step && !trainer.ended);
    expect(trainer.ended).toBe('seconds');
    expect(trainer.trainingMs).toBeGreaterThanOrEqual(200);
    expect(trainer.trainingMs).toBeLessThan(300);
    expect(trainer.step(10)).toBe(0);
    expect(trainer.advance(10)).toBe(0);
    trainer.set('seconds', 0);
    expect(trainer.ended).toBeNull();
    expect(trainer.step(10)).toBe(10);
    trainer.reset();
    expect(trainer.trainingMs).toBe(0);
  });

  test('when its seconds are spent, those before a saved state counted in', async () => {
    await make(small({ epochs: 10000, seconds: 0.3 }));
    while (trainer.trainingMs < 150) trainer.step();
    const [state, spent] = [trainer.saveState(), trainer.trainingMs];
    trainer.reset();
    expect(trainer.trainingMs).toBe(0);
    trainer.loadState(state);
    expect(trainer.trainingMs).toBe(spent);
    expect(trainer.saveState()).toEqual(state);
    expect(trainer.ended).toBeNull();
    let ms = 0;
    while (!trainer.ended) {
      const start = performance.now();
      trainer.step(5);
      ms += performance.now() - start;
    }
    expect(trainer.ended).toBe('seconds');
    expect(ms).toBeLessThan(290);
    expect(trainer.trainingMs).toBeGreaterThanOrEqual(300);
  });

  test('a state without its time, as it was saved before, begins at 0', async () => {
    await make(small());
    trainer.step(5);
    const state = trainer.saveState();
    trainer.loadState(state.slice(0, -32));
    expect(trainer.trainingMs).toBe(0);
    expect(trainer.metrics().step).toBe(5);
  });

  test('a judgement is not passed again on a state that was saved after it', async () => {
    await make(small({ epochs: 50, patience: 5 }));
    trainer.advance(40);
    expect(trainer.judgementDue).toBe(true);
    const unjudged = trainer.saveState();
    trainer.evaluate('validation');
    trainer.judge();
    const judged = trainer.saveState();
    trainer.loadState(unjudged);
    expect(trainer.judgementDue).toBe(true);
    trainer.loadState(judged);
    expect(trainer.judgementDue).toBe(false);
  });

  test('by the clock with its best weights, when early stopping is on', async () => {
    await make(overfit({ patience: 1000, epochs: 10000, seconds: 0.3 }));
    const losses = [];
    while (!trainer.ended) {
      trainer.epoch();
      losses.push(trainer.evaluation().loss);
    }
    expect(trainer.ended).toBe('seconds');
    expect(trainer.evaluate('validation').loss).toBe(Math.min(...losses));
    expect(trainer.run().values.steps).toBe('0');
  });
});

describe('the learning-rate range test', () => {
  test('leaves no trace: state, fingerprint and later steps are the same', async () => {
    await make(small({ optimizer: 'adam' }));
    trainer.step(17);
    const [print, state] = [trainer.fingerprint(), trainer.saveState()];
    trainer.findRate({ steps: 60 });
    expect(trainer.fingerprint()).toBe(print);
    expect(trainer.saveState()).toEqual(state);
    expect(trainer.run().values.lr).toBe('0.001');
    trainer.step(50);
    const after = trainer.fingerprint();
    trainer.reset();
    trainer.step(67);
    expect(trainer.fingerprint()).toBe(after);
  });

  test('rises geometrically, sees the loss fall, then explode, and ends there', async () => {
    await make(small({ optimizer: 'sgd' }));
    const found = trainer.findRate({ from: 1e-4, to: 1000, steps: 150 });
    const { rates, losses } = found;
    expect(rates[0]).toBe(1e-4);
    const factor = (1000 / 1e-4) ** (1 / 149);
    rates.forEach((rate, i) => i && expect(rate / rates[i - 1]).toBeCloseTo(factor, 9));
    expect(rates.length).toBeLessThan(150);
    expect(losses).toHaveLength(rates.length);
    expect(losses[0]).toBeCloseTo(Math.log(10), 0);
    expect(Math.min(...losses)).toBeLessThan(losses[0] * 0.9);
    expect(found.blowUp).toBeGreaterThan(found.lowest);
    expect(found.steepest).toBeLessThan(found.lowest);
    expect(found.suggested).toBeLessThan(found.blowUp / 9);
  });

  test('suggests a rate that trains, where a tenth and the blow-up do worse', async () => {
    await make(small({ optimizer: 'sgd', validation: 0 }), 10_000);
    const { suggested, blowUp } = trainer.findRate();
    const accuracy = (lr) => {
      trainer.configure(small({ optimizer: 'sgd', validation: 0, epochs: 1, lr }));
      try {
        trainer.epoch();
      } catch ({ code }) {
        expect(code).toBe('NOT_FINITE');
        return 0;
      }
      return trainer.evaluate('test').accuracy;
    };
    const good = accuracy(suggested);
    expect(good).toBeGreaterThan(0.75);
    expect(accuracy(suggested / 10)).toBeLessThan(good - 0.1);
    expect(accuracy(Number.isNaN(blowUp) ? 10 : blowUp)).toBeLessThan(good - 0.1);
  });

  test('is the same each time, and does not depend on how far the run has come', async () => {
    await make(small());
    const first = trainer.findRate({ steps: 40 });
    trainer.epoch();
    expect(trainer.findRate({ steps: 40 })).toEqual(first);
  });

  test('tests another description, and suggests nothing where nothing learns', async () => {
    await make(small());
    const still = trainer.findRate({ run: small({ init: 'zeros' }) });
    expect(still.losses[0]).toBeCloseTo(Math.log(10), 2);
    expect(still.blowUp).toBeNaN();
    expect(trainer.run().values.init).toBe('auto');
  });

  test('in slices ends when another test or other data take its place', async () => {
    await make(small());
    const one = trainer.beginRateTest({ steps: 100 });
    one.step();
    one.step();
    const two = trainer.beginRateTest({ steps: 100 });
    expect(one.done).toBe(true);
    expect(one.result().rates).toHaveLength(1);
    two.step();
    trainer.setData({ train: images('train', 0, 1000) });
    expect(two.done).toBe(true);
    two.step();
    two.close();
  });

  test('refuses nonsense, and a trainer without data', async () => {
    await make(small());
    for (const options of [{ from: 0 }, { from: 1, to: 0.1 }, { steps: 2 }, { to: NaN }, 7]) {
      expect(caught(() => trainer.findRate(options))).toMatchObject({ code: 'BAD_ARGUMENT' });
    }
    expect(caught(() => trainer.findRate({ run: 'net=none' })))
      .toMatchObject({ code: 'UNKNOWN_LAYER' });
    const empty = await trainerOf('exact', small());
    expect(caught(() => empty.findRate())).toMatchObject({ code: 'NO_DATA' });
    empty.reserveData({ train: 1000, test: 0 });
    expect(caught(() => empty.findRate())).toMatchObject({ code: 'DATA_PENDING' });
    empty.dispose();
  });
});

describe('augmented images', () => {
  const DISTORTED = small({ shift: 2, rotate: 10, elastic: 34 });

  test('are the images themselves without augmentation', async () => {
    await make(small());
    const { images: pixels } = images('train', 0, 4);
    expect(trainer.augmented(pixels, 3)).toEqual(new Uint8Array(pixels));
  });

  test('depend on seed, epoch and number, and on nothing else', async () => {
    await make(DISTORTED);
    const { images: pixels } = images('train', 0, 4);
    const sheet = trainer.augmented(pixels, 1);
    expect(sheet).not.toEqual(new Uint8Array(pixels));
    trainer.step(3);
    expect(trainer.augmented(pixels, 1)).toEqual(sheet);
    expect(trainer.augmented(pixels, 2)).not.toEqual(sheet);
    const third = pixels.subarray(2 * 784, 3 * 784);
    expect(trainer.augmented(third, 1, { first: 2 })).toEqual(sheet.slice(2 * 784, 3 * 784));
    expect(trainer.augmented(third, 1)).not.toEqual(sheet.slice(2 * 784, 3 * 784));
    const plain = trainer.augmented(pixels, 1, { run: small() });
    expect(plain).toEqual(new Uint8Array(pixels));
    trainer.configure(small());
    expect(trainer.augmented(pixels, 1, { run: DISTORTED })).toEqual(sheet);
  });

  test('refuse what is no image and no epoch', async () => {
    await make(DISTORTED);
    const refused = (...values) => caught(() => trainer.augmented(...values));
    expect(refused(new Uint8Array(783), 0)).toMatchObject({ code: 'BAD_SHAPE' });
    expect(refused(new Float32Array(784), 0)).toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(refused(new Uint8Array(784), -1)).toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

test('training images can be looked at piece by piece', async () => {
  await make(small());
  const { images: pixels, labels } = images('train', 100, 5);
  const piece = trainer.trainingImages(100, 5);
  expect(piece.images).toEqual(new Uint8Array(pixels));
  expect(piece.labels).toEqual(new Uint8Array(labels));
  expect(trainer.trainingImages(2498, 5).labels).toHaveLength(2);
  expect(trainer.trainingImages(9000, 5).labels).toHaveLength(0);
});
