/**
 * A drawing prepared as the digits of MNIST were.
 *
 * NIST's bilevel digits were cropped to their ink, scaled so that the longer
 * side is 20 pixels (the grey levels are the anti-aliasing of that step), and
 * placed in 28×28 so that the centre of mass lies on pixel 14,14. In the 60,000
 * training images the centre of mass lies in (13.5, 14.5] for all but two of
 * 120,000 coordinates, and the longer side is 20 for all but 13 images, so this
 * is what a drawing must look like to be read fairly.
 *
 * Source: the description of MNIST by LeCun, Cortes and Burges, and its
 * reconstruction by Yadav and Bottou (QMNIST), from which the direction of the
 * rounding is taken.
 *
 * @module
 */

const SIDE = 28;
const BOX = 20;
const CENTRE = 14;

/**
 * @typedef {object} Raster
 * @property {ArrayLike<number>} ink  [height,width], 0 = paper, 255 = full ink
 * @property {number} width
 * @property {number} height
 *
 * @typedef {object} Prepared
 * @property {Uint8Array} pixels     [784]
 * @property {{x: number, y: number, width: number, height: number}} box
 *   where the ink was
 */

/**
 * Crops, scales and centres a drawing. Cost: one pass over its pixels.
 *
 * @param {Raster} raster
 * @returns {Prepared|null}  null when there is no ink
 */
export function prepareDigit(raster) {
  const box = inkBox(raster);
  if (!box) return null;
  const small = shrink(raster, box);
  return { pixels: centre(small), box };
}

/**
 * The smallest rectangle around all ink.
 * @param {Raster} raster
 */
function inkBox({ ink, width, height }) {
  let left = width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!ink[y * width + x]) continue;
      if (top < 0) top = y;
      bottom = y;
      if (x < left) left = x;
      if (x > right) right = x;
    }
  }
  if (top < 0) return null;
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/**
 * Scales the box by the mean over areas so that its longer side is 20. The
 * shorter side fills a whole number of pixels, with equal margins.
 *
 * @param {Raster} raster
 * @param {{x: number, y: number, width: number, height: number}} box
 */
function shrink({ ink, width }, box) {
  const cell = Math.max(box.width, box.height) / BOX;
  const columns = spans(box.x, box.width, cell);
  const rows = spans(box.y, box.height, cell);
  const values = new Float64Array(columns.length * rows.length);
  rows.forEach((row, r) => columns.forEach((column, c) => {
    let sum = 0;
    for (let j = 0; j < row.weights.length; j++) {
      const line = (row.first + j) * width + column.first;
      let part = 0;
      for (let i = 0; i < column.weights.length; i++) {
        part += ink[line + i] * column.weights[i];
      }
      sum += part * row.weights[j];
    }
    values[r * columns.length + c] = Math.min(255, Math.round(sum / (cell * cell)));
  }));
  return { values, width: columns.length, height: rows.length };
}

/**
 * For each target pixel along one side: the source pixels it covers and how
 * much of each.
 *
 * @param {number} start    of the box in the source
 * @param {number} length   of the box
 * @param {number} cell     source pixels in one target pixel
 */
function spans(start, length, cell) {
  // Rounding before the ceiling: 19.9999999 cells are 20.
  const count = Math.max(1, Math.ceil(Math.round((length / cell) * 1e6) / 1e6));
  const margin = (count * cell - length) / 2;
  return Array.from({ length: count }, (_, k) => {
    const from = Math.max(0, k * cell - margin);
    const to = Math.min(length, (k + 1) * cell - margin);
    const first = Math.floor(from);
    const last = Math.max(first, Math.ceil(to - 1e-9) - 1);
    const weights = [];
    for (let i = first; i <= last; i++) {
      weights.push(Math.min(to, i + 1) - Math.max(from, i));
    }
    return { first: start + first, weights };
  });
}

/**
 * Pastes the scaled digit into 28×28, its centre of mass in (13.5, 14.5] along
 * both sides where the frame allows it.
 *
 * @param {{values: Float64Array, width: number, height: number}} small
 */
function centre({ values, width, height }) {
  let mass = 0;
  let momentX = 0;
  let momentY = 0;
  values.forEach((value, i) => {
    mass += value;
    momentX += value * (i % width);
    momentY += value * Math.floor(i / width);
  });
  const left = offset(momentX / mass, width);
  const top = offset(momentY / mass, height);
  const pixels = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[(top + y) * SIDE + left + x] = values[y * width + x];
    }
  }
  return pixels;
}

/**
 * @param {number} mean     centre of mass along one side, pixel index; NaN when
 *                          the ink was too faint to leave any
 * @param {number} length
 */
function offset(mean, length) {
  const shift = Math.floor(CENTRE + 0.5 - (Number.isNaN(mean) ? length / 2 : mean));
  return Math.min(SIDE - length, Math.max(0, shift));
}
