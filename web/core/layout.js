/**
 * The numbers that JavaScript and `src/api/exports.h` must agree on. A test
 * compares them with the header.
 *
 * @module
 */

/** Pixels of one image, and classes. */
export const IMAGE_PIXELS = 784;
export const CLASS_COUNT = 10;

/** Images of one block of the data set: one shard of the site. */
export const DATASET_BLOCK = 5000;

/** Text fields of an option. */
export const OPTION_TEXT = Object.freeze({
  KEY: 0,
  TYPE: 1,
  CHOICES: 2,
  DEFAULT: 3,
  HELP: 4,
  GROUP: 5,
});

/** Number fields of an option. */
export const OPTION_NUMBER = Object.freeze({ MIN: 0, MAX: 1, LIVE: 2 });

/** Text fields of a layer kind. */
export const LAYER_TEXT = Object.freeze({ NAME: 0, USAGE: 1, HELP: 2 });

/** Sets of images, by the name that the library uses. */
export const SET = Object.freeze({ train: 0, validation: 1, test: 2 });

/** What the trainer knows, by the name that the library uses. */
export const NUMBER = Object.freeze({
  step: 0,
  totalSteps: 1,
  stepsPerEpoch: 2,
  epoch: 3,
  epochs: 4,
  batchLoss: 5,
  batchAccuracy: 6,
  meanLoss: 7,
  meanAccuracy: 8,
  learningRate: 9,
  parameterCount: 10,
  trainCount: 11,
  validationCount: 12,
  testCount: 13,
  memoryBytes: 14,
  canRestore: 15,
  inputSparse: 16,
});

/** What an evaluation knows. */
export const EVALUATION = Object.freeze({ count: 0, loss: 1, accuracy: 2 });

/** What to read of a parameter. */
export const PARAMETER = Object.freeze({ VALUE: 0, GRADIENT: 1 });
