/**
 * The register-only multiply-add roofline: a WebAssembly module, put together
 * here byte by byte, that does nothing but multiply and add vectors that never
 * leave the registers. No product of matrices in the same build can be faster.
 *
 *     const run = await rooflineLoop('fast');   // relaxed multiply-add
 *     run(1000);                                // 1000 · ROUND_FLOPS flops
 *
 * Runs in a page, a worker and Node.
 */

/** Independent chains: enough to hide the latency, few enough for 16 registers. */
const CHAINS = 14;
/** Multiply-adds of each chain in one round. */
const UNROLL = 8;
/** Flops of one round. */
export const ROUND_FLOPS = CHAINS * UNROLL * 4 * 2;

/**
 * Unsigned LEB128.
 * @param {number} value
 * @returns {number[]}
 */
const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);

/** @param {number} id @param {number[]} body */
const section = (id, body) => [id, ...leb(body.length), ...body];

const get = (/** @type {number} */ local) => [0x20, ...leb(local)];
const set = (/** @type {number} */ local) => [0x21, ...leb(local)];
const simd = (/** @type {number} */ code) => [0xfd, ...leb(code)];
const SPLAT = simd(0x13);
const LANE = [...simd(0x1f), 0];
const ADD = simd(0xe4);
const MULTIPLY = simd(0xe6);
const RELAXED_MADD = simd(0x105);
const F32_ADD = [0x92];
/** f32.const 0.001 */
const SMALL = [0x43, 0x6f, 0x12, 0x83, 0x3a];

/**
 * A module that exports `run(rounds) -> f32`.
 * @param {'exact' | 'fast'} kind
 * @returns {Uint8Array<ArrayBuffer>}
 */
function rooflineModule(kind) {
  const [rounds, a, b, first] = [0, 1, 2, 3];
  const chains = Array.from({ length: CHAINS }, (_, i) => first + i);
  // chain = a·b + chain, or, because the engine would make one product for all,
  // chain = chain·a + b.
  const step = (/** @type {number} */ chain) => (kind === 'fast'
    ? [...get(a), ...get(b), ...get(chain), ...RELAXED_MADD, ...set(chain)]
    : [...get(chain), ...get(a), ...MULTIPLY, ...get(b), ...ADD, ...set(chain)]);
  const round = Array.from({ length: UNROLL }, () => chains.flatMap(step)).flat();
  const code = [
    ...leb(1), ...leb(2 + CHAINS), 0x7b, // v128 locals
    ...SMALL, ...SPLAT, ...set(a), ...SMALL, ...SPLAT, ...set(b),
    0x03, 0x40, ...round, // loop
    ...get(rounds), 0x41, 1, 0x6b, 0x22, rounds, 0x0d, 0, 0x0b,
    ...get(first), ...LANE, ...chains.slice(1).flatMap((chain) => [
      ...get(chain), ...LANE, ...F32_ADD]),
    0x0b,
  ];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ]);
}

/**
 * The loop, ready to run, after the engine has compiled it well: flops by the
 * number of rounds.
 * @param {'exact' | 'fast'} kind
 * @returns {Promise<(rounds: number) => void>}
 */
export async function rooflineLoop(kind) {
  const { instance } = await WebAssembly.instantiate(rooflineModule(kind));
  const run = /** @type {(rounds: number) => number} */ (instance.exports.run);
  for (let i = 0; i < 3000; i += 1) run(100);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  return run;
}
