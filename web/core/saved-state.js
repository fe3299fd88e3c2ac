/**
 * A saved state: the engine's own bytes (src/train/checkpoint.c), and behind them
 * what the library counts itself, because the engine has no clock:
 *
 *     "TIME1\n" and two zero bytes
 *     f64 milliseconds of training · f64 steps made in them
 *     f64 step of the last judgement by the validation set, -1 for none
 *
 * Little-endian. A state without it is read, too: its time begins at 0.
 *
 * @module
 */

import { CoreError } from './errors.js';

/** @typedef {import('./stopping.js').Account} Account */

const MAGIC = new TextEncoder().encode('TIME1\n\0\0');
const NUMBERS = 3;
const TAIL_BYTES = MAGIC.length + NUMBERS * Float64Array.BYTES_PER_ELEMENT;

/**
 * @param {Uint8Array} engine   the engine's bytes
 * @param {Account} account
 */
export function joinState(engine, { spentMs, spentSteps, judgedStep }) {
  const bytes = new Uint8Array(engine.length + TAIL_BYTES);
  bytes.set(engine);
  bytes.set(MAGIC, engine.length);
  const view = new DataView(bytes.buffer, engine.length + MAGIC.length);
  [spentMs, spentSteps, judgedStep].forEach((value, i) => view.setFloat64(8 * i, value, true));
  return bytes;
}

/**
 * @param {Uint8Array} bytes   of a saved state
 * @returns {{engine: Uint8Array, account: Account | null}}
 * @throws {CoreError} BAD_FILE when the numbers make no sense
 */
export function splitState(bytes) {
  const at = bytes.length - TAIL_BYTES;
  if (at < 0 || !MAGIC.every((byte, i) => bytes[at + i] === byte)) {
    return { engine: bytes, account: null };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + MAGIC.length);
  const [spentMs, spentSteps, judgedStep] = Array.from(
    { length: NUMBERS }, (_, i) => view.getFloat64(8 * i, true),
  );
  const sound = spentMs >= 0 && spentMs < Infinity && Number.isSafeInteger(spentSteps)
    && spentSteps >= 0 && Number.isSafeInteger(judgedStep) && judgedStep >= -1;
  if (sound) {
    return { engine: bytes.subarray(0, at), account: { spentMs, spentSteps, judgedStep } };
  }
  const sentence = 'The saved state says nothing sensible about its training time.';
  throw new CoreError('BAD_FILE', sentence, `byte ${at}`);
}
