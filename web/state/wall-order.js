/**
 * Which test images the wall shows, and in which order. Pure arithmetic over
 * the answers of the last evaluation.
 *
 * @module
 */

/**
 * @typedef {object} WallChoice
 * @property {'all'|'wrong'} filter
 * @property {number} label       only digits that are this; -1 = any
 * @property {number} predicted   only digits read as this; -1 = any
 * @property {'index'|'label'|'confidence'|'mistake'} sort
 *
 * @typedef {object} Answers
 * @property {Uint8Array} labels                 [count]
 * @property {Uint8Array|null} predicted         [count]; null before the first look
 * @property {Float32Array|null} probabilities   [count,10]
 */

/**
 * Indices of the images to show, in order.
 * @param {Answers} answers
 * @param {WallChoice} choice
 * @returns {Uint32Array}
 */
export function wallOrder(answers, choice) {
  const chosen = select(answers, choice);
  const rank = ranking(answers, choice.sort);
  return rank ? sortByRank(chosen, rank) : chosen;
}

/** Room for the index in the low digits of a sorting key. */
const INDEX_UNIT = 2 ** 22;
/** Steps into which one unit of rank is cut. */
const RANK_STEPS = 2 ** 26;

/**
 * Rank and index share one number, so that the engine's own sort of plain numbers
 * does the work: twenty times faster than with a comparing function.
 *
 * @param {Uint32Array} chosen
 * @param {ArrayLike<number>} rank  from -1 to 9
 */
function sortByRank(chosen, rank) {
  const keys = Float64Array.from(chosen, (image) =>
    Math.round((rank[image] + 1) * RANK_STEPS) * INDEX_UNIT + image);
  return Uint32Array.from(keys.sort(), (key) => key % INDEX_UNIT);
}

/**
 * @param {Answers} answers
 * @param {WallChoice} choice
 */
function select({ labels, predicted }, { filter, label, predicted: read }) {
  const chosen = new Uint32Array(labels.length);
  let count = 0;
  for (let i = 0; i < labels.length; i++) {
    if (label >= 0 && labels[i] !== label) continue;
    if (predicted) {
      if (filter === 'wrong' && predicted[i] === labels[i]) continue;
      if (read >= 0 && predicted[i] !== read) continue;
    }
    chosen[count++] = i;
  }
  return chosen.subarray(0, count);
}

/**
 * A number for each image by which to sort, ascending; null keeps the order of
 * the data set.
 * @param {Answers} answers
 * @param {WallChoice['sort']} sort
 */
function ranking({ labels, predicted, probabilities }, sort) {
  if (sort === 'label') return labels;
  if (sort === 'index' || !predicted || !probabilities) return null;
  const rank = new Float32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const sure = probabilities[i * 10 + predicted[i]];
    const wrong = predicted[i] !== labels[i];
    // Mistakes made with the greatest confidence come first, then the right
    // answers from the least to the most certain.
    rank[i] = sort === 'mistake' && wrong ? -sure : sure;
  }
  return rank;
}

/**
 * Side in device pixels of one tile, so that `count` tiles fill a wall of the
 * given width without growing taller than `height`.
 *
 * Below 28 a tile is the image without some of its empty margin, shrunk by a
 * whole divisor; from 28 on it is the whole image at whole multiples.
 *
 * @param {number} count
 * @param {number} width    device pixels
 * @param {number} height   device pixels
 * @returns {TileSize}
 */
export function tileSize(count, width, height) {
  for (const size of TILE_SIZES) {
    const columns = Math.floor(width / size.side);
    if (columns > 0 && Math.ceil(count / columns) * size.side <= height) return size;
  }
  return TILE_SIZES[TILE_SIZES.length - 1];
}

/**
 * @typedef {object} TileSize
 * @property {number} side      of the tile, device pixels
 * @property {number} crop      side of the part of the image that is drawn
 * @property {number} divisor   image pixels that become one, along a side
 * @property {number} multiple  device pixels that an image pixel becomes
 */

/**
 * Largest first. The digits stand in a 20×20 box around their centre of mass,
 * so 24 of the 28 pixels hold practically all ink.
 * @type {TileSize[]}
 */
export const TILE_SIZES = [
  { side: 112, crop: 28, divisor: 1, multiple: 4 },
  { side: 84, crop: 28, divisor: 1, multiple: 3 },
  { side: 56, crop: 28, divisor: 1, multiple: 2 },
  { side: 28, crop: 28, divisor: 1, multiple: 1 },
  { side: 24, crop: 24, divisor: 1, multiple: 1 },
  { side: 14, crop: 28, divisor: 2, multiple: 1 },
  { side: 13, crop: 26, divisor: 2, multiple: 1 },
  { side: 12, crop: 24, divisor: 2, multiple: 1 },
  { side: 11, crop: 22, divisor: 2, multiple: 1 },
  { side: 9, crop: 27, divisor: 3, multiple: 1 },
  { side: 8, crop: 24, divisor: 3, multiple: 1 },
  { side: 7, crop: 21, divisor: 3, multiple: 1 },
  { side: 6, crop: 24, divisor: 4, multiple: 1 },
  { side: 5, crop: 20, divisor: 4, multiple: 1 },
];
