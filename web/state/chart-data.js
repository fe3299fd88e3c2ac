/**
 * Runs as the columns a chart wants: one shared x, one y for each curve, and
 * `undefined` where a curve has no point.
 *
 * @module
 */

/**
 * @typedef {import('./run-history.js').Curve} Curve
 * @typedef {import('./run-history.js').RunRecord} RunRecord
 * @typedef {'loss'|'accuracy'|'rate'} Quantity
 *
 * @typedef {object} Line
 * @property {number[]} x
 * @property {number[]} y
 */

/**
 * The curves of one chart: train, validation and test of the present run, then
 * the training curve of each earlier one.
 *
 * @param {RunRecord|null} record
 * @param {RunRecord[]} earlier
 * @param {Quantity} quantity
 * @returns {Line[]}
 */
export function chartLines(record, earlier, quantity) {
  const own = record
    ? [record.train, record.validation, record.test].map((curve) => line(curve, quantity))
    : [];
  const kinds = quantity === 'rate' ? own.slice(0, 1) : own;
  return [...kinds, ...earlier.map(({ train }) => line(train, quantity))];
}

/**
 * @param {Curve} curve
 * @param {Quantity} quantity
 * @returns {Line}
 */
function line(curve, quantity) {
  return { x: curve.epoch, y: curve[quantity].slice(0, curve.epoch.length) };
}

/**
 * Merges lines over the union of their x. Each x must ascend.
 * Cost: points × lines.
 *
 * @param {Line[]} lines
 * @returns {(number|undefined)[][]}  x, then one column for each line
 */
export function joinLines(lines) {
  const places = lines.map(() => 0);
  /** @type {(number|undefined)[][]} */
  const columns = [[], ...lines.map(() => [])];
  for (;;) {
    let x = Infinity;
    lines.forEach((each, i) => { x = Math.min(x, each.x[places[i]] ?? Infinity); });
    if (x === Infinity) return columns;
    columns[0].push(x);
    lines.forEach((each, i) => {
      const here = each.x[places[i]] === x;
      columns[i + 1].push(here ? each.y[places[i]] : undefined);
      if (here) places[i]++;
    });
  }
}
