// What the page computes about what it shows: the order and size of the wall's
// tiles, the curves of runs, the terms of a neuron's sum, the words for numbers.
import { describe, expect, test } from 'vitest';
import { binned, chartLines, joinLines } from '../../web/state/chart-data.js';
import { formatBytes, formatDuration, formatNumber, formatPercent, formatProbability }
  from '../../web/state/format.js';
import { latestOnly } from '../../web/state/latest.js';
import { followSum, weighs } from '../../web/state/neuron-sum.js';
import {
  LONGEST_CURVE, MOST_RUNS, createRecord, keepRecord, recordEvaluation, recordProgress,
  rewindRecord,
} from '../../web/state/run-history.js';
import { checkValue, describeRun, faultKey } from '../../web/state/settings-check.js';
import { TILE_SIZES, tileSize, wallOrder } from '../../web/state/wall-order.js';

describe('the order of the wall', () => {
  const labels = Uint8Array.of(7, 2, 1, 0, 4);
  const predicted = Uint8Array.of(7, 3, 1, 6, 4);
  const probabilities = new Float32Array(50);
  [0.9, 0.6, 0.5, 0.8, 0.7].forEach((p, i) => { probabilities[i * 10 + predicted[i]] = p; });
  const answers = { labels, predicted, probabilities };
  const plain = { filter: 'all', label: -1, predicted: -1, sort: 'index' };
  const order = (choice, from = answers) => [...wallOrder(from, { ...plain, ...choice })];

  test('is that of the data when nothing is chosen', () => {
    expect(order({})).toEqual([0, 1, 2, 3, 4]);
  });
  test('only mistakes', () => expect(order({ filter: 'wrong' })).toEqual([1, 3]));
  test('only one digit', () => expect(order({ label: 4 })).toEqual([4]));
  test('one cell of the confusion matrix', () => {
    expect(order({ label: 2, predicted: 3 })).toEqual([1]);
  });
  test('by digit', () => expect(order({ sort: 'label' })).toEqual([3, 2, 1, 4, 0]));
  test('least certain first', () => {
    expect(order({ sort: 'confidence' })).toEqual([2, 1, 4, 3, 0]);
  });
  test('the surest mistakes first, then the least sure right answers', () => {
    expect(order({ sort: 'mistake' })).toEqual([3, 1, 2, 4, 0]);
  });
  test('before the first answer every image is shown, in the order of the data', () => {
    const none = { labels, predicted: null, probabilities: null };
    expect(order({ filter: 'wrong', sort: 'mistake' }, none)).toEqual([0, 1, 2, 3, 4]);
  });
  test('equal ranks keep the order of the data, with 70,000 images too', () => {
    const many = new Uint8Array(70000).fill(3);
    const found = order({ sort: 'label' }, { labels: many, predicted: null, probabilities: null });
    expect(found.every((image, place) => image === place)).toBe(true);
  });
});

describe('the size of a tile', () => {
  const fits = (count, width, height, { side }) =>
    Math.ceil(count / Math.floor(width / side)) * side <= height;

  test('is the largest at which the wall keeps its height', () => {
    for (const [count, width, height] of [[10000, 816, 881], [300, 816, 881], [1, 716, 1432]]) {
      const size = tileSize(count, width, height);
      expect(fits(count, width, height, size)).toBe(true);
      const larger = TILE_SIZES.filter(({ side }) => side > size.side && side <= width);
      expect(larger.some((each) => fits(count, width, height, each))).toBe(false);
    }
  });
  test('is a hundred columns of eight pixels on a wall of 800', () => {
    expect(tileSize(10000, 800, 864).side).toBe(8);
  });
  test('is the smallest when nothing fits', () => {
    expect(tileSize(10000, 10, 10)).toBe(TILE_SIZES[TILE_SIZES.length - 1]);
  });
  test('covers whole pixels of the image', () => {
    for (const { side, crop, divisor, multiple } of TILE_SIZES) {
      expect(side).toBe((crop / divisor) * multiple);
      expect(crop).toBeLessThanOrEqual(28);
    }
  });
});

describe('the record of a run', () => {
  const point = (step) => ({
    step, epoch: step / 100, loss: 1 / step, accuracy: 0.5, learningRate: 0.1,
  });
  const progress = (from, to) => ({
    trainingMs: to,
    points: Array.from({ length: to - from }, (_, i) => point(from + i)),
  });
  const evaluation = (set, epoch, accuracy, live = false) =>
    ({ set, epoch, accuracy, loss: 1 - accuracy, live });

  test('keeps every point while they are few', () => {
    const record = createRecord(1, 'a', '#a', 100);
    recordProgress(record, progress(1, 101));
    expect(record.train.epoch).toHaveLength(100);
    expect(record.train.loss[9]).toBe(1 / 10);
    expect(record.trainingMs).toBe(101);
  });
  test('never grows without bound, and ends where the run does', () => {
    const record = createRecord(1, 'a', '#a', 100);
    for (let i = 0; i < 90; i++) recordProgress(record, progress(1 + i * 100, 101 + i * 100));
    expect(record.train.epoch.length).toBeLessThanOrEqual(LONGEST_CURVE);
    expect(record.train.epoch.at(-1)).toBeCloseTo(90, 0);
    expect([...record.train.epoch].sort((a, b) => a - b)).toEqual(record.train.epoch);
  });
  test('holds the ends of epochs, not looks in passing', () => {
    const record = createRecord(1, 'a', '#a', 100);
    recordEvaluation(record, evaluation('test', 0.5, 0.6, true));
    recordEvaluation(record, evaluation('test', 1, 0.9));
    recordEvaluation(record, evaluation('test', 2, 0.8));
    recordEvaluation(record, evaluation('validation', 2, 0.7));
    expect(record.test.epoch).toEqual([1, 2]);
    expect(record.validation.accuracy).toEqual([0.7]);
    expect(record.best).toBe(0.9);
  });
  test('asked twice at the same step, holds one point', () => {
    const record = createRecord(1, 'a', '#a', 100);
    recordEvaluation(record, evaluation('test', 1, 0.9));
    recordEvaluation(record, evaluation('test', 1, 0.9));
    expect(record.test.epoch).toEqual([1]);
  });
  test('going back forgets what came after', () => {
    const record = createRecord(1, 'a', '#a', 100);
    recordProgress(record, progress(1, 301));
    recordEvaluation(record, evaluation('test', 1, 0.8));
    recordEvaluation(record, evaluation('test', 2, 0.9));
    rewindRecord(record, 1.5);
    expect(record.train.epoch.at(-1)).toBe(1.5);
    expect(record.test.accuracy).toEqual([0.8]);
    expect(record.best).toBe(0.8);
  });
  test('is kept for comparison when there is something to compare', () => {
    const empty = createRecord(1, 'a', '', 100);
    expect(keepRecord([], empty)).toEqual([]);
    let kept = [];
    for (let id = 0; id < MOST_RUNS + 3; id++) {
      const record = createRecord(id, 'a', '', 100);
      recordProgress(record, progress(1, 5));
      kept = keepRecord(kept, record);
    }
    expect(kept).toHaveLength(MOST_RUNS);
    expect(kept[0].id).toBe(MOST_RUNS + 2);
  });
});

describe('the columns of a chart', () => {
  test('share one x, with gaps where a curve has no point', () => {
    const columns = joinLines([{ x: [1, 2, 4], y: [10, 20, 40] }, { x: [2, 3], y: [5, 6] }]);
    expect(columns).toEqual([
      [1, 2, 3, 4], [10, 20, undefined, 40], [undefined, 5, 6, undefined],
    ]);
  });
  test('of nothing are empty', () => expect(joinLines([])).toEqual([[]]));
  test('have no more points than asked for, each the mean of its neighbours', () => {
    const x = Array.from({ length: 1001 }, (_, i) => i);
    const line = binned({ x, y: x }, 100);
    expect(line.x.length).toBeLessThanOrEqual(100);
    expect(line.x.at(-1)).toBe(1000);
    expect(line.y[0]).toBe(5);
  });
  test('are training, validation and test, then earlier runs', () => {
    const record = createRecord(1, 'a', '', 100);
    expect(chartLines(record, [record, record], 'loss')).toHaveLength(5);
    const plan = { notes: {}, epoch: Float64Array.of(0, 1), rate: Float64Array.of(0.1, 0.2) };
    const [used, planned, before] = chartLines(record, [record], 'rate', plan);
    expect([used.x, planned.y, before.x]).toEqual([[], [0.1, 0.2], []]);
    // Earlier runs may be there before the engine has started.
    expect(chartLines(null, [record], 'loss')).toHaveLength(4);
  });
});

describe("a neuron's sum", () => {
  test('names the largest terms and adds up with the rest and the bias', () => {
    const input = Float32Array.of(1, 0, 2, 0.5);
    const weight = Float32Array.of(0.5, 9, -2, 1);
    const sum = followSum(input, weight, 0.25, 2);
    expect(sum.terms.map((term) => term.index)).toEqual([2, 0]);
    expect(sum.others).toBe(1);
    expect(sum.otherSum).toBe(0.5);
    expect(sum.total).toBe(0.5 - 4 + 0.5 + 0.25);
  });
  test('is followed in dense layers only', () => {
    const run = { layers: [
      { text: 'dense 3', parameters: [{ name: '0.weight', shape: [3, 4] }] },
      { text: 'relu', parameters: [] },
    ] };
    expect([weighs(run, 0), weighs(run, 1), weighs(run, 2), weighs(null, 0)])
      .toEqual([true, false, false, false]);
  });
});

describe('a setting', () => {
  const number = { key: 'lr', type: 'number', min: 0, max: 10 };
  const whole = { key: 'seed', type: 'integer', min: 0, max: 9 };
  const choice = { key: 'init', type: 'choice', choices: ['he', 'zeros'] };

  test.each([
    [number, '0.1'], [number, '1e-3'], [number, ' 10 '], [whole, '9'], [choice, 'he'],
  ])('%o may be %s', (option, text) => expect(checkValue(option, text)).toBe(''));

  test.each([
    [number, '', 'number from 0 to 10'], [number, 'x', 'number'], [number, '11', 'out of range'],
    [number, 'NaN', 'number'], [number, 'Infinity', 'number'], [whole, '1.5', 'whole number'],
    [choice, 'xavier', 'he, zeros'], [{ key: 'net', type: 'network' }, ' ', 'layer'],
  ])('%o may not be “%s”', (option, text, words) => {
    expect(checkValue(option, text)).toContain(words);
  });

  test('takes the refusals that name it', () => {
    const options = [number, { key: 'net' }];
    expect(faultKey({ place: 'net, layer 3' }, options)).toBe('net');
    expect(faultKey({ place: 'lr' }, options)).toBe('lr');
    expect(faultKey({ place: 'byte 17' }, options)).toBe('');
  });

  test('is named in the description of a run when it differs', () => {
    const options = [
      { key: 'net', type: 'network', default: 'dense 10' },
      { key: 'seed', type: 'integer', default: '1' },
    ];
    expect(describeRun({ net: 'dense 10', seed: '1' }, options)).toBe('default settings');
    expect(describeRun({ net: 'dense 5, dense 10', seed: '2' }, options))
      .toBe('dense 5, dense 10 · seed 2');
  });
});

describe('words for numbers', () => {
  test('a percentage is rounded down: 100 means all', () => {
    expect(formatPercent(0.99999, 1)).toBe('99.9');
    expect(formatPercent(0.9784)).toBe('97.84');
    expect(formatPercent(1)).toBe('100.00');
  });
  test('probabilities, numbers, times and bytes', () => {
    expect([formatProbability(0.00001), formatProbability(0.5), formatProbability(NaN)])
      .toEqual(['<0.1 %', '50.0 %', '–']);
    expect([0.12345, 0, 1e-5, NaN].map(formatNumber)).toEqual(['0.123', '0', '1.00e-5', '–']);
    expect([3.2, 65, 120, 3700, NaN].map(formatDuration))
      .toEqual(['4 s', '1 min 5 s', '2 min', '1 h 1 min', '']);
    expect([11594722, 4542].map(formatBytes)).toEqual(['11.6 MB', '5 kB']);
  });
});

test('of questions asked meanwhile only the last is asked', async () => {
  const asked = [];
  let release = () => {};
  const ask = latestOnly(async (question) => {
    asked.push(question);
    await new Promise((resolve) => { release = resolve; });
  });
  ask(1);
  ask(2);
  ask(3);
  release();
  await new Promise((resolve) => { setTimeout(resolve); });
  release();
  expect(asked).toEqual([1, 3]);
});
