// Once the network stands, training allocates nothing: the wasm memory keeps
// its size over 1,000 steps, with evaluations and predictions in between, and
// the allocator is not called (its next block stays where it was). Copies that
// were handed out do not change when memory grows.
import { describe, expect, test } from 'vitest';
import { Core } from '../../web/core/core.js';
import { loadEngine } from '../../web/core/load.js';
import { builds, ENGINE_BASE, trainerOf } from './helpers/builds.js';
import { idx, images } from './helpers/mnist.js';

describe.each(builds)('%s', (build) => {
  test('1,000 steps leave the memory as large as it was', async () => {
    const trainer = await trainerOf(build, 'epochs=5');
    trainer.setIdx(idx);
    trainer.evaluate('test');
    const { images: pixels } = images('test', 0, 50);
    trainer.predict(pixels);
    const before = [trainer.memoryBytes, trainer.metrics().memoryBytes];
    trainer.step(1000);
    trainer.evaluate('validation');
    trainer.predict(pixels);
    expect([trainer.memoryBytes, trainer.metrics().memoryBytes]).toEqual(before);
    trainer.dispose();
  });

  test('making and dropping networks again and again needs no more memory', async () => {
    const trainer = await trainerOf(build);
    trainer.setIdx(idx);
    const rounds = (count) => {
      for (let i = 0; i < count; i += 1) {
        trainer.configure(i % 2 ? 'net=dense 300, relu, dense 10' : '');
        trainer.warmUp(1);
        trainer.step(2);
      }
    };
    rounds(6);
    const before = trainer.memoryBytes;
    rounds(30);
    expect(trainer.memoryBytes).toBe(before);
    trainer.dispose();
  });
});

test('W1 with all of MNIST stays under the raw data and 24 MB', async () => {
  const trainer = await trainerOf('exact', 'optimizer=sgd\nlr=0.1');
  trainer.warmUp(50);
  trainer.tune();
  trainer.setIdx(idx);
  trainer.step(900);
  trainer.evaluate('test');
  expect(trainer.memoryBytes).toBeLessThan(70_000 * 785 + 24e6);
  trainer.dispose();
});

test('no block is taken from the allocator while training', async () => {
  const { functions, memory } = await loadEngine({ build: 'exact', base: ENGINE_BASE });
  const core = new Core(functions, memory);
  const pool = core.created('soma_pool_create', 1);
  const dataset = core.created('soma_dataset_create', 1000, 0);
  const { images: pixels, labels } = images('train', 0, 1000);
  core.borrow(() => core.checked(
    'soma_dataset_write', dataset, 0, 0, 1000, core.put(pixels), core.put(labels),
  ));
  const trainer = core.borrow(() => core.created(
    'soma_trainer_create', dataset, pool, core.putText('validation=0\nepochs=1000', 'run'),
  ));
  // The allocator is first-fit: any block kept or left over would move this one.
  const probe = () => {
    const block = core.call('soma_alloc', 64);
    core.call('soma_free', block);
    return block;
  };
  const where = probe();
  for (let done = 0; done < 1000;) done += core.checked('soma_trainer_steps', trainer, 50);
  expect(probe()).toBe(where);
});

test('copies survive a growing memory, and large borrowings are given back', async () => {
  const trainer = await trainerOf('exact');
  trainer.setIdx(idx);
  trainer.step(5);
  const weight = trainer.readParameter('0.weight');
  const copy = weight.values.slice();
  const before = trainer.memoryBytes;
  trainer.configure('net=dense 4000, relu, dense 10');
  expect(trainer.memoryBytes).toBeGreaterThan(before);
  expect(weight.values).toEqual(copy);
  const grown = trainer.memoryBytes;
  for (let i = 0; i < 20; i += 1) trainer.readParameter('0.weight');
  expect(trainer.memoryBytes - grown).toBeLessThan(40e6);
  trainer.dispose();
});
