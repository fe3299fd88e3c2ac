/**
 * The same run with another optimiser. A rate that is the usual one for the old
 * optimiser becomes the usual one for the new; a rate somebody chose stays.
 *
 * @module
 */

/** Rates that suit MNIST's small networks. @type {Record<string, string>} */
const USUAL_RATES = {
  sgd: '0.1', momentum: '0.02', nesterov: '0.02', rmsprop: '0.001', adam: '0.001',
  adamw: '0.001',
};

/**
 * @param {Record<string, string>} values   of the run, all of them
 * @param {string} optimizer
 * @returns {Record<string, string>}
 */
export function withOptimizer(values, optimizer) {
  const wasUsual = Number(values.lr) === Number(USUAL_RATES[values.optimizer]);
  const lr = wasUsual ? USUAL_RATES[optimizer] ?? values.lr : values.lr;
  return { ...values, optimizer, lr };
}
