/**
 * The formulas behind the choices of the options table, as MathML. They are those
 * that the headers in src/nn state; a test asks that every choice has one.
 *
 * @module
 */

const FUNCTIONS = ['log', 'cos'];

/**
 * "w", "3", "+", "log", or "m^" with a hat.
 * @param {string} symbol
 */
function symbolOf(symbol) {
  if (/^[\d.,]+$/.test(symbol)) return `<mn>${symbol}</mn>`;
  if (FUNCTIONS.includes(symbol)) return `<mi>${symbol}</mi><mspace width="0.17em"></mspace>`;
  if (symbol.endsWith('^')) return `<mover accent="true"><mi>${symbol[0]}</mi><mo>^</mo></mover>`;
  if (/^\p{L}/u.test(symbol)) return `<mi>${symbol}</mi>`;
  return `<mo stretchy="false">${symbol}</mo>`;
}

/**
 * One token: a symbol that may carry a lower and an upper index, "β_1^t".
 * @param {string} token
 */
function tokenOf(token) {
  if (token.endsWith('^')) return symbolOf(token);
  const [, base, low, high] = token.match(/^([^_^]+)(?:_([^_^]+))?(?:\^([^_^]+))?$/u) ?? [];
  if (low && high) {
    return `<msubsup>${[base, low, high].map(symbolOf).join('')}</msubsup>`;
  }
  if (low) return `<msub>${symbolOf(base)}${symbolOf(low)}</msub>`;
  return high ? `<msup>${symbolOf(base)}${symbolOf(high)}</msup>` : symbolOf(base);
}

/**
 * Tokens separated by spaces, and parts that are MathML already.
 * @param {string[]} parts
 */
const row = (...parts) => `<mrow>${parts.map((part) => (part.startsWith('<') ? part
  : part.trim().split(/\s+/).map(tokenOf).join(''))).join('')}</mrow>`;

const frac = (/** @type {string} */ over, /** @type {string} */ under) =>
  `<mfrac>${row(over)}${row(under)}</mfrac>`;
const sqrt = (/** @type {string} */ inside) => `<msqrt>${row(inside)}</msqrt>`;
const power = (/** @type {string} */ base, /** @type {string} */ exponent) =>
  `<msup>${row(base)}${row(exponent)}</msup>`;

/** @param {string[]} parts */
const math = (...parts) => `<math>${row(...parts)}</math>`;

const LEARNED_ADAM = [
  math('m ← β_1 m + ( 1 − β_1 ) g'),
  math('s ← β_2 s + ( 1 − β_2 ) g^2'),
  math('m^ =', frac('m', '1 − β_1^t')),
  math('s^ =', frac('s', '1 − β_2^t')),
  math('w ← w − η', frac('m^', row(sqrt('s^'), '+ ε'))),
];

/**
 * Option → choice → formulas.
 * @type {Record<string, Record<string, string[]>>}
 */
export const FORMULAS = {
  loss: {
    'cross-entropy': [
      math('p_k =', frac(power('e', 'z_k'), row('∑_j', power('e', 'z_j')))),
      math('L = − ∑_k t_k log p_k'),
    ],
    mse: [math('L =', frac('1', 'K'), '∑_k', power('( z_k − t_k )', '2'))],
    binary: [
      math('p =', frac('1', row('1 +', power('e', '− z')))),
      math('L = − t log p − ( 1 − t ) log ( 1 − p )'),
    ],
    perceptron: [math('Δ w = η ( t − z ) x')],
  },
  optimizer: {
    sgd: [math('w ← w − η g')],
    momentum: [math('v ← μ v + g'), math('w ← w − η v')],
    nesterov: [math('v ← μ v + g'), math('w ← w − η ( g + μ v )')],
    rmsprop: [
      math('s ← α s + ( 1 − α ) g^2'),
      math('w ← w − η', frac('g', row(sqrt('s'), '+ ε'))),
    ],
    adam: LEARNED_ADAM,
    adamw: [math('w ← w − η d w'), ...LEARNED_ADAM],
  },
  schedule: {
    constant: [math('η')],
    step: [math('η', power('γ', '⌊ e / n ⌋'))],
    exponential: [math('η', power('γ', 'e'))],
    linear: [math('η ( 1 − u )')],
    cosine: [math('η', frac('1 + cos π u', '2'))],
    'one-cycle': [math(frac('η', '25'), '↗ η ↘', frac('η', '250,000'))],
  },
  init: {
    auto: ['he in front of the relu family, xavier elsewhere'],
    zeros: [math('w = 0')],
    constant: [math('w = c')],
    uniform: [math('w ∼ U ( − c , c )')],
    normal: [math('w ∼ N ( 0 , c^2 )')],
    xavier: [math('w ∼ N ( 0 ,', frac('2', 'I + O'), ')')],
    'xavier-uniform': [math('w ∼ U ( ±', sqrt(frac('6', 'I + O')), ')')],
    he: [math('w ∼ N ( 0 ,', frac('2', 'I'), ')')],
    'he-uniform': [math('w ∼ U ( ±', sqrt(frac('6', 'I')), ')')],
    orthogonal: [math('W W^T = a^2 1')],
  },
};

/** What the letters mean, by option. @type {Record<string, string>} */
export const LETTERS = {
  loss: 'z is what the last layer gives, t the target (1 for the right digit, 0 for the '
    + 'others), K the number of outputs, x the input.',
  optimizer: 'w is a weight, g its gradient (clipped, with l2·w and l1·sign w added), η the '
    + 'learning rate lr, μ momentum, β₁ and β₂ beta1 and beta2, α alpha, ε epsilon, d decay, '
    + 't the number of the step. Names and defaults are PyTorch’s.',
  schedule: 'η is lr, e the epochs done, n step-epochs, γ gamma, and u goes from 0 to 1 over '
    + 'the run.',
  init: 'I and O are the inputs and outputs of the layer, c is init-scale, a is √2 in front '
    + 'of the relu family and 1 elsewhere. Biases start at 0.',
};
