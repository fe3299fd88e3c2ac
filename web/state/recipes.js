/**
 * Named experiments: run descriptions with a sentence on what to observe. Tests
 * hold each of them to its sentence.
 *
 * @module
 */

/**
 * @typedef {object} RecipeRun
 * @property {string} name                      what sets it apart; '' when there is one run
 * @property {Record<string, string>} values    what differs from the defaults
 *
 * @typedef {object} Recipe
 * @property {string} id
 * @property {string} name
 * @property {string} observe      one or two sentences
 * @property {RecipeRun[]} runs    one after the other, overlaid in the charts
 */

const SMALL_NET = 'dense 128, relu, dense 10';
const DEEP = (/** @type {string} */ unit) => `${Array(5).fill(`dense 64, ${unit}`).join(', ')
}, dense 10`;
const FEW = { limit: '1000', batch: '32', epochs: '60' };

/** @type {Recipe[]} */
export const RECIPES = [
  {
    id: 'second',
    name: '98 % in a second',
    observe: 'Three epochs over all 60,000 digits, with a learning rate that climbs, then '
      + 'falls to almost nothing: most of the gain comes while it falls. Smoothed labels '
      + 'keep the network from being too sure of itself.',
    runs: [{
      name: '',
      values: {
        net: SMALL_NET, optimizer: 'adam', batch: '128', lr: '0.012', beta1: '0.7',
        schedule: 'one-cycle', smoothing: '0.04', epochs: '3', validation: '0',
      },
    }],
  },
  {
    id: 'overfit',
    name: 'Overfit on 1,000 images',
    observe: 'The network learns its thousand images by heart: training accuracy reaches '
      + '100 %, while the validation loss turns after some ten epochs and rises.',
    runs: [{ name: '', values: { net: SMALL_NET, ...FEW } }],
  },
  {
    id: 'regularised',
    name: 'The same with dropout and L2',
    observe: 'The same thousand images, but neurons drop out and weights are kept small: '
      + 'training is harder, the validation loss goes on falling, and the test digits '
      + 'are read better in the end.',
    runs: [{
      name: '',
      values: {
        net: 'dropout 0.2, dense 128, relu, dropout 0.5, dense 10', l2: '0.001', ...FEW,
      },
    }],
  },
  {
    id: 'zeros',
    name: 'Zeros initialisation fails',
    observe: 'All neurons start alike, no gradient gets past the last layer, and every '
      + 'digit gets the same answer: the loss stays at ln 10 = 2.30, pure guessing.',
    runs: [{ name: '', values: { net: SMALL_NET, init: 'zeros', epochs: '3' } }],
  },
  {
    id: 'sigmoid',
    name: 'Sigmoid saturates in a deep net',
    observe: 'The gradient shrinks to a quarter or less at each of five sigmoid layers, so '
      + 'the first ones hardly move and nothing is learned. Write relu in place of '
      + 'sigmoid, or batchnorm in front of it, and it learns at once.',
    runs: [{
      name: '', values: { net: DEEP('sigmoid'), optimizer: 'sgd', lr: '0.1', epochs: '3' },
    }],
  },
  {
    id: 'high',
    name: 'Learning rate too high',
    observe: 'Every step leaps across the valley: the loss jumps about and stays high. '
      + 'A twentieth of this rate reads 95 % after three epochs.',
    runs: [{
      name: '', values: { net: SMALL_NET, optimizer: 'sgd', lr: '2', epochs: '3' },
    }],
  },
  {
    id: 'low',
    name: 'Learning rate too low',
    observe: 'The loss falls all the time, and gets nowhere: after three epochs it is still '
      + 'above 1.5. Three hundred times this rate would do.',
    runs: [{
      name: '', values: { net: SMALL_NET, optimizer: 'sgd', lr: '0.0003', epochs: '3' },
    }],
  },
  {
    id: 'optimisers',
    name: 'SGD against Adam',
    observe: 'Two runs from the same weights over the same batches, each optimiser with its '
      + 'usual rate: Adam’s training loss is ahead after every epoch.',
    runs: [
      { name: 'sgd', values: { net: SMALL_NET, optimizer: 'sgd', lr: '0.1', epochs: '5' } },
      { name: 'adam', values: { net: SMALL_NET, optimizer: 'adam', epochs: '5' } },
    ],
  },
  {
    id: 'batchnorm',
    name: 'Batch norm bears a high rate',
    observe: 'Two runs at a rate ten times too high for the plain network: it ends up '
      + 'guessing, while the one with batch norm learns as if nothing were the matter.',
    runs: [
      {
        name: 'plain',
        values: {
          net: 'dense 128, relu, dense 128, relu, dense 10', optimizer: 'sgd', lr: '3',
          epochs: '3',
        },
      },
      {
        name: 'batch norm',
        values: {
          net: 'dense 128, batchnorm, relu, dense 128, batchnorm, relu, dense 10',
          optimizer: 'sgd', lr: '3', epochs: '3',
        },
      },
    ],
  },
  {
    id: 'simard',
    name: 'Simard’s augmented MLP',
    observe: 'Every image is bent anew in every epoch, so that nothing can be learned by '
      + 'heart: training accuracy stays below test accuracy, and the mistakes go on '
      + 'becoming fewer. It takes minutes.',
    runs: [{
      name: '',
      values: {
        net: 'dense 800, relu, dense 10', batch: '128', lr: '0.002', schedule: 'one-cycle',
        epochs: '40', validation: '0', elastic: '34', rotate: '7.5', scale: '0.1',
      },
    }],
  },
];

/**
 * @param {string} id
 * @returns {Recipe | null}
 */
export const recipeOf = (id) => RECIPES.find((recipe) => recipe.id === id) ?? null;
