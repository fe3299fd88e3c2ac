/**
 * A neuron's sum taken apart.
 *
 * @module
 */

/**
 * What goes into a layer: the output of the one before, or the digit.
 * @param {import('../protocol.js').Trace} trace
 * @param {number} layer
 * @returns {Float32Array|null}
 */
export function inputOf(trace, layer) {
  return layer === 0 ? trace.input : trace.layers[layer - 1]?.values ?? null;
}

/**
 * Whether a layer is a plain weighted sum whose terms can be followed.
 * @param {import('../protocol.js').RunInfo|null} run
 * @param {number} layer
 */
export function weighs(run, layer) {
  const info = run?.layers[layer];
  return !!info && info.text.startsWith('dense') && info.parameters[0]?.shape.length === 2;
}

/**
 * The largest terms of Σ weight·input + bias, and what the rest comes to.
 *
 * @param {Float32Array} input
 * @param {Float32Array} weight   as long as input
 * @param {number} bias
 * @param {number} most           terms to name
 */
export function followSum(input, weight, bias, most) {
  const products = Float64Array.from(input, (value, i) => value * weight[i]);
  const live = [...products.keys()].filter((i) => products[i] !== 0);
  live.sort((a, b) => Math.abs(products[b]) - Math.abs(products[a]));
  const terms = live.slice(0, most).map((index) => ({
    index,
    value: input[index],
    weight: weight[index],
    product: products[index],
  }));
  const otherSum = live.slice(most).reduce((sum, i) => sum + products[i], 0);
  const named = terms.reduce((sum, term) => sum + term.product, 0);
  return {
    terms,
    others: Math.max(0, live.length - most),
    otherSum,
    total: named + otherSum + bias,
  };
}
