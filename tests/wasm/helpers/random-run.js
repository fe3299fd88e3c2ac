// Run descriptions drawn at random: layers of sizes at which products, lists and
// panels begin to be cut, and settings that change what a step does.

/** Whole numbers 0 .. bound-1 from a seed. */
function numbers(seed) {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) % bound;
  };
}

const UNITS = [1, 7, 31, 32, 33, 63, 64, 65, 96, 130, 300];
const ACTIVATIONS = ['relu', 'relu', 'leaky-relu 0.1', 'tanh', 'gelu', 'softplus',
  'sigmoid', 'linear'];
const ENDS = ['dense 10', 'dense 10', 'dense 10\nloss=mse', 'dense 10, softmax\nloss=mse',
  'dense 1\nloss=binary\ndigit=3', 'dense 10\nsmoothing=0.1'];
const OPTIMIZERS = ['sgd\nlr=0.05', 'momentum\nlr=0.02', 'nesterov\nlr=0.02', 'rmsprop',
  'adam', 'adamw'];
const BATCHES = [1, 7, 15, 16, 33, 64, 100, 300, 700];
const SETTINGS = ['clip=0.5', 'l2=0.001', 'l1=0.0001', 'max-norm=2', 'shift=2',
  'input=standard', 'drop-last=on', 'schedule=one-cycle', 'warmup=1', 'rotate=10\nelastic=20'];

/** The layers in front of the last one. */
function hidden(below, one) {
  const norm = below(5) === 0 ? [one(['batchnorm', 'layernorm'])] : [];
  const dropout = below(3) === 0 ? [`dropout ${one([0.1, 0.2, 0.5, 0.9])}`] : [];
  return [`dense ${one(UNITS)}`, ...norm, one(ACTIVATIONS), ...dropout];
}

/**
 * A run, and how many steps of it to make.
 * @param {number} seed
 */
export function randomRun(seed) {
  const below = numbers(seed);
  const one = (list) => list[below(list.length)];
  const layers = Array.from({ length: below(4) }, () => hidden(below, one)).flat();
  const lines = [
    `net=${[...layers, one(ENDS)].join(', ')}`,
    `optimizer=${one(OPTIMIZERS)}`,
    `batch=${one(BATCHES)}`,
    `validation=${one([0, 200])}`,
    `seed=${below(1000)}`,
    'limit=3000',
    ...(below(3) === 0 ? [one(SETTINGS)] : []),
  ];
  return { run: lines.join('\n'), steps: 3 + below(8) };
}
