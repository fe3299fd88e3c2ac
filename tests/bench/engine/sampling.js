/**
 * Timing in the worker. All contestants take turns, and the median counts: a
 * neighbour, and a core that runs faster for a moment, touch them alike.
 */
import { median } from '../workloads.js';

/** A clock with steps of 5 microseconds needs samples of this. */
const SAMPLE_MS = 3;

/** In the first samples the engine may still be in its baseline tier. */
const WARM_SAMPLES = 8;
const SAMPLES = 21;

/**
 * @param {(calls: number) => void} work
 * @param {number} calls
 * @returns {number} ms
 */
function time(work, calls) {
  work(1); // wakes helpers that sleep
  const start = performance.now();
  work(calls);
  return performance.now() - start;
}

/**
 * Seconds of one call of each of the works.
 * @param {((calls: number) => void)[]} works   each does that many calls
 */
export function timeWorks(works) {
  const calls = works.map((work) => {
    let count = 1;
    while (time(work, count) < SAMPLE_MS) count *= 2;
    return count;
  });
  /** @type {number[][]} */
  const samples = works.map(() => []);
  for (let sample = -WARM_SAMPLES; sample < SAMPLES; sample += 1) {
    works.forEach((work, i) => {
      const seconds = time(work, calls[i]) / 1000 / calls[i];
      if (sample >= 0) samples[i].push(seconds);
    });
  }
  return samples.map(median);
}
