/**
 * Colours of the page for those who draw pixels themselves.
 *
 * @module
 */

import { markDirty } from './frame.js';

/** @typedef {[number, number, number]} Rgb */

/**
 * The page's colours as numbers, read from its custom properties.
 * @returns {Record<'paper'|'ink'|'faded'|'accent'|'second'|'rule', Rgb>}
 */
export function readInks() {
  const style = getComputedStyle(document.documentElement);
  const read = (/** @type {string} */ name) => parseHex(style.getPropertyValue(name));
  return {
    paper: read('--paper'),
    ink: read('--ink'),
    faded: read('--ink-faded'),
    accent: read('--accent'),
    second: read('--second'),
    rule: read('--rule'),
  };
}

/**
 * @param {string} text  "#rrggbb"
 * @returns {Rgb}
 */
function parseHex(text) {
  const value = parseInt(text.trim().slice(1), 16) || 0;
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/**
 * @param {Rgb} from
 * @param {Rgb} to
 * @param {number} share  0 = from, 1 = to
 * @returns {Rgb}
 */
export function mix(from, to, share) {
  const at = (/** @type {number} */ c) => from[c] + (to[c] - from[c]) * share;
  return [at(0), at(1), at(2)];
}

/**
 * One pixel as it lies in the memory of an ImageData (little-endian).
 * @param {Rgb} rgb
 */
export function packPixel([r, g, b]) {
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}

/**
 * 256 pixels from ground to ink, for a grey level each.
 *
 * Thin strokes averaged over a small tile turn pale; the exponent gives them
 * back their weight.
 *
 * @param {Rgb} ground
 * @param {Rgb} ink
 * @param {number} exponent
 */
export function ramp(ground, ink, exponent = 1) {
  return Uint32Array.from({ length: 256 }, (_, grey) =>
    packPixel(mix(ground, ink, (grey / 255) ** exponent)));
}

/** @type {Set<() => void>} */
const reactions = new Set();

/**
 * Calls `react` when the colours change (light or dark, high contrast) and when
 * the page moves to a screen of another density.
 * @param {() => void} react
 */
export function onLookChange(react) {
  if (!reactions.size) markDirty(watchLook);
  reactions.add(react);
}

/** Media queries cost a layout each: one set serves all views. */
function watchLook() {
  const tell = () => reactions.forEach((react) => react());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', tell);
  matchMedia('(prefers-contrast: more)').addEventListener('change', tell);
  const watchDensity = () => {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`)
      .addEventListener('change', () => { watchDensity(); tell(); }, { once: true });
  };
  watchDensity();
}

/**
 * Draws 28×28 grey levels as ink on a canvas of the same size; CSS magnifies it
 * by a whole multiple without smoothing.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} pixels  [784], 0..255
 * @param {Uint32Array} table         from `ramp`
 */
export function paintDigit(canvas, pixels, table) {
  if (canvas.width !== 28) {
    canvas.width = 28;
    canvas.height = 28;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(28, 28);
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < 784; i++) out[i] = table[pixels[i]];
  context.putImageData(image, 0, 0);
}

/**
 * The tables for signed values: positive in ink, negative in the second colour,
 * zero as paper.
 */
export function signedRamps() {
  const { paper, ink, second } = readInks();
  return { positive: ramp(paper, ink), negative: ramp(paper, second) };
}

/**
 * Draws signed values as a picture.
 *
 * @param {ImageData} image
 * @param {ArrayLike<number>} values  one for each pixel of the image
 * @param {number} scale  the absolute value that gets full ink
 * @param {ReturnType<typeof signedRamps>} ramps
 */
export function paintSigned(image, values, scale, { positive, negative }) {
  const out = new Uint32Array(image.data.buffer);
  const factor = scale > 0 ? 255 / scale : 0;
  for (let i = 0; i < out.length; i++) {
    const level = Math.min(255, Math.round(Math.abs(values[i]) * factor));
    out[i] = (values[i] < 0 ? negative : positive)[level];
  }
}
