/**
 * The worker of the comparison: the library with several engines, each with a
 * trainer of the same run, which take turns.
 */
import { createTrainer } from '../../../web/core/index.js';
import { median } from '../workloads.js';

/** One turn: long enough for the clock, short enough to meet the same neighbours. */
const TURN_MS = 40;

/** The first turns may still be in the browser's baseline tier. */
const WARM_TURNS = 8;

/** @type {import('../../../web/core/trainer.js').Trainer[]} */
let trainers = [];

const fetchBytes = async (/** @type {string} */ name) => (
  new Uint8Array(await (await fetch(name)).arrayBuffer()));

/** @param {{engines: string[], run: string, build: string, threads: number}} job */
async function open({ engines, run, build, threads }) {
  trainers.forEach((trainer) => trainer.dispose());
  trainers = [];
  const [images, labels] = await Promise.all(['/images', '/labels'].map(fetchBytes));
  for (const folder of engines) {
    const engineBase = new URL(`/${folder}/`, globalThis.location.href);
    const trainer = await createTrainer({ run, build, threads, engineBase });
    trainer.setData({ train: { images, labels } });
    trainer.tune();
    trainers.push(trainer);
  }
}

/**
 * Microseconds of a step, in one turn.
 * @param {typeof trainers[0]} trainer
 * @param {number} steps
 */
function turn(trainer, steps) {
  trainer.step(1); // wakes helpers that sleep
  const start = performance.now();
  trainer.step(steps);
  return ((performance.now() - start) * 1000) / steps;
}

/**
 * Every engine's times, and how much faster than the first one it is: the median
 * over rounds, in which neighbours are much the same for all.
 * @param {{seconds: number}} job
 */
function race({ seconds }) {
  let steps = 1;
  for (let warm = 0; warm < WARM_TURNS; warm += 1) {
    const times = trainers.map((trainer) => turn(trainer, steps));
    steps = Math.ceil((TURN_MS * 1000) / median(times));
  }
  const rounds = /** @type {number[][]} */ ([]);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) rounds.push(trainers.map((trainer) => turn(trainer, steps)));
  return trainers.map((_, i) => {
    const times = rounds.map((round) => round[i]).sort((a, b) => a - b);
    return {
      median: median(times),
      tenth: times[Math.floor(times.length / 10)],
      ratio: median(rounds.map((round) => round[0] / round[i])),
    };
  });
}

globalThis.onmessage = async ({ data }) => {
  try {
    postMessage({ answer: await (data.name === 'open' ? open(data) : race(data)) });
  } catch (error) {
    postMessage({ error: String(error instanceof Error ? error.stack : error) });
  }
};
