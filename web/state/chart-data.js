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

/** @type {Curve} */
const NO_CURVE = { epoch: [], loss: [], accuracy: [], rate: [] };
const NO_CURVES = { train: NO_CURVE, validation: NO_CURVE, test: NO_CURVE };

/**
 * The curves of one chart: train, validation and test of the present run (for the
 * rate: what was used and what is planned), then the training curve of each
 * earlier one.
 *
 * @param {RunRecord|null} record
 * @param {RunRecord[]} earlier
 * @param {Quantity} quantity
 * @param {import('../protocol.js').Plan|null} [plan]
 * @returns {Line[]}
 */
export function chartLines(record, earlier, quantity, plan = null) {
  const { train, validation, test } = record ?? NO_CURVES;
  const planned = { x: [...plan?.epoch ?? []], y: [...plan?.rate ?? []] };
  const own = quantity === 'rate' ? [line(train, quantity), planned]
    : [train, validation, test].map((curve) => line(curve, quantity));
  return [...own, ...earlier.map(({ train: curve }) => line(curve, quantity))]
    .map((each) => binned(each, MOST_POINTS));
}

/** Points of one line on a chart: more would only be noise at its width. */
const MOST_POINTS = 180;

/**
 * A line with at most so many points: means over equal numbers of neighbours. A
 * point stands at the end of what it is the mean of, as the last one always must.
 *
 * @param {Line} line
 * @param {number} most
 * @returns {Line}
 */
export function binned({ x, y }, most) {
  const size = Math.ceil(x.length / most);
  if (size <= 1) return { x, y };
  /** @type {Line} */
  const out = { x: [], y: [] };
  for (let from = 0; from < x.length; from += size) {
    const part = y.slice(from, from + size);
    out.x.push(x[Math.min(from + size, x.length) - 1]);
    out.y.push(part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  return out;
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
