// Comparing runs: what changes with the optimiser and what does not, how many runs are
// kept and drawn, and what older versions of the page left behind.
import {
  afterEach, expect, test, vi,
} from 'vitest';
import { withOptimizer } from '../../web/state/vary.js';
import { MOST_RUNS, createRecord, keepRecord } from '../../web/state/run-history.js';
import { loadRuns, saveRuns } from '../../web/state/kept-runs.js';

const kept = vi.hoisted(() => new Map());
vi.mock('idb-keyval', () => ({
  get: async (key) => kept.get(key),
  set: async (key, value) => {
    if (kept.has('broken')) throw new Error('no room');
    kept.set(key, structuredClone(value));
  },
}));
afterEach(() => kept.clear());

test('a usual rate becomes the new optimiser\'s usual one; a chosen rate stays', () => {
  const values = { optimizer: 'adam', lr: '0.001', seed: '5', net: 'dense 10' };
  expect(withOptimizer(values, 'sgd')).toEqual({ ...values, optimizer: 'sgd', lr: '0.1' });
  expect(withOptimizer(values, 'adamw').lr).toBe('0.001');
  expect(withOptimizer({ ...values, lr: '0.03' }, 'sgd').lr).toBe('0.03');
  expect(withOptimizer({ ...values, optimizer: 'sgd', lr: '0.10' }, 'adam').lr).toBe('0.001');
  expect(values.optimizer).toBe('adam');
});

/** A record that is worth keeping. */
function record(id) {
  const made = createRecord(id, `run ${id}`, '', 10);
  for (const curve of Object.values(made.train)) curve.push(1, 2);
  return made;
}

test('the latest runs are kept, the latest of them drawn', () => {
  let runs = [];
  for (let id = 0; id < MOST_RUNS + 5; id += 1) runs = keepRecord(runs, record(id));
  expect(runs).toHaveLength(MOST_RUNS);
  expect(runs[0].id).toBe(MOST_RUNS + 4);
  expect(runs.map(({ shown }) => shown).lastIndexOf(true)).toBe(3);
});

test('runs come back as they were; what an older page kept is completed', async () => {
  expect(await loadRuns()).toEqual([]);
  const runs = [{ ...record(2), title: 'mine', shown: false, final: 0.9 }, record(1)];
  expect(await saveRuns(runs)).toBe(true);
  expect(await loadRuns()).toEqual(runs);
  const [key] = kept.keys();
  const { title, shown, final, ended, ...old } = record(7);
  kept.set(key, [old]);
  expect(await loadRuns()).toEqual([record(7)]);
  kept.set(key, 'nonsense');
  expect(await loadRuns()).toEqual([]);
  kept.set('broken', true);
  expect(await saveRuns(runs)).toBe(false);
});
