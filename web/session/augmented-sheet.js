/**
 * Training images beside what augmentation makes of them, epoch by epoch.
 *
 * @module
 */

/**
 * @typedef {import('../core/trainer.js').Trainer} Trainer
 * @typedef {import('../protocol.js').AugmentedSheet} AugmentedSheet
 */

/** Images among which the rows are chosen. */
const CANDIDATES = 100;
const PIXELS = 784;

/**
 * Numbers of images that show different digits, as far as there are so many.
 * @param {Uint8Array} labels
 * @param {number} rows
 */
function differentDigits(labels, rows) {
  const firsts = [...labels.keys()].filter((i) => labels.indexOf(labels[i]) === i);
  const others = [...labels.keys()].filter((i) => !firsts.includes(i));
  return [...firsts, ...others].slice(0, rows);
}

/**
 * @param {Trainer} trainer
 * @param {string} run
 * @param {number} rows
 * @param {number} columns
 * @returns {AugmentedSheet | null} null while no training image has arrived
 */
export function augmentedSheet(trainer, run, rows, columns) {
  const { images, labels } = trainer.trainingImages(0, CANDIDATES);
  const numbers = differentDigits(labels, rows);
  if (numbers.length === 0) return null;
  const sheet = new Uint8Array(numbers.length * columns * PIXELS);
  const row = (/** @type {number} */ i) => images.subarray(i * PIXELS, (i + 1) * PIXELS);
  numbers.forEach((image, at) => sheet.set(row(image), at * columns * PIXELS));
  for (let epoch = 0; epoch + 1 < columns; epoch += 1) {
    const distorted = trainer.augmented(images, epoch, { run });
    numbers.forEach((image, at) => sheet.set(
      distorted.subarray(image * PIXELS, (image + 1) * PIXELS),
      (at * columns + epoch + 1) * PIXELS,
    ));
  }
  return { rows: numbers.length, columns, images: sheet };
}
