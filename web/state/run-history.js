/**
 * The curves of a run as columns, and what is kept of earlier runs.
 *
 * A run of many epochs must not grow without bound: when a curve passes
 * `LONGEST_CURVE` points, neighbours are averaged in pairs.
 *
 * @module
 */

/** Twice the points a chart can show. */
export const LONGEST_CURVE = 1600;
/** Earlier runs kept for comparison. */
export const MOST_RUNS = 12;
/** Of these, as many are drawn behind the present one without being asked. */
const MOST_SHOWN = 4;

/**
 * @typedef {object} Curve
 * @property {number[]} epoch
 * @property {number[]} loss
 * @property {number[]} accuracy
 * @property {number[]} rate      learning rate; empty for evaluations
 *
 * @typedef {object} RunRecord
 * @property {number} id
 * @property {string} name          what differs from the defaults, for people
 * @property {string} link          its hash
 * @property {number} stepsPerEpoch
 * @property {Curve} train
 * @property {Curve} validation
 * @property {Curve} test           at the end of each epoch
 * @property {number} best          test accuracy, 0..1; NaN before the first
 * @property {number} final         test accuracy of the last weights; NaN while unknown
 * @property {import('../protocol.js').Progress['ended']} ended   why it is over
 * @property {number} trainingMs
 * @property {string} title         given by the visitor; '' = none
 * @property {boolean} shown        drawn in the charts, once it is an earlier run
 */

/** @returns {Curve} */
const emptyCurve = () => ({ epoch: [], loss: [], accuracy: [], rate: [] });

/**
 * @param {number} id
 * @param {string} name
 * @param {string} link
 * @param {number} stepsPerEpoch
 * @returns {RunRecord}
 */
export function createRecord(id, name, link, stepsPerEpoch) {
  return {
    id,
    name,
    link,
    stepsPerEpoch,
    train: emptyCurve(),
    validation: emptyCurve(),
    test: emptyCurve(),
    best: NaN,
    final: NaN,
    ended: null,
    trainingMs: 0,
    title: '',
    shown: true,
  };
}

/**
 * Adds the points of a progress event.
 * @param {RunRecord} record  changed in place
 * @param {import('../protocol.js').Progress} progress
 */
export function recordProgress(record, progress) {
  const { train } = record;
  for (const point of progress.points) {
    train.epoch.push(point.epoch);
    train.loss.push(point.loss);
    train.accuracy.push(point.accuracy);
    train.rate.push(point.learningRate);
  }
  record.trainingMs = progress.trainingMs;
  if (train.epoch.length > LONGEST_CURVE) halve(train);
}

/**
 * Adds an evaluation: the end of an epoch, or one that was asked for. A look in
 * passing is not a point of the curve.
 * @param {RunRecord} record  changed in place
 * @param {import('../protocol.js').Evaluation} evaluation
 */
export function recordEvaluation(record, evaluation) {
  if (evaluation.live || evaluation.set === 'train') return;
  const curve = record[evaluation.set];
  const last = curve.epoch.length - 1;
  const again = last >= 0 && curve.epoch[last] === evaluation.epoch;
  const at = again ? last : last + 1;
  curve.epoch[at] = evaluation.epoch;
  curve.loss[at] = evaluation.loss;
  curve.accuracy[at] = evaluation.accuracy;
  if (evaluation.set === 'test') {
    record.best = Math.max(Number.isNaN(record.best) ? 0 : record.best,
      evaluation.accuracy);
  }
}

/**
 * Removes what lies after the given epoch: a run went back to an earlier state.
 * @param {RunRecord} record  changed in place
 * @param {number} epoch
 */
export function rewindRecord(record, epoch) {
  for (const curve of [record.train, record.validation, record.test]) {
    let keep = curve.epoch.length;
    while (keep > 0 && curve.epoch[keep - 1] > epoch + 1e-9) keep--;
    for (const column of Object.values(curve)) {
      if (column.length > keep) column.length = keep;
    }
  }
  record.best = record.test.accuracy.length ? Math.max(...record.test.accuracy) : NaN;
}

/**
 * Whether a record holds anything worth comparing with.
 * @param {RunRecord|null} record
 */
export const worthKeeping = (record) => !!record && record.train.epoch.length > 1;

/**
 * The earlier runs with one more in front.
 * @param {RunRecord[]} earlier
 * @param {RunRecord|null} record
 */
export function keepRecord(earlier, record) {
  if (!record || !worthKeeping(record)) return earlier;
  return [record, ...earlier].slice(0, MOST_RUNS).map((run, place) => (
    place < MOST_SHOWN ? run : { ...run, shown: false }));
}

/**
 * Averages neighbours in pairs; an odd last point stays.
 * @param {Curve} curve
 */
function halve(curve) {
  for (const column of Object.values(curve)) {
    const count = column.length;
    const half = Math.floor(count / 2);
    for (let i = 0; i < half; i++) column[i] = (column[2 * i] + column[2 * i + 1]) / 2;
    if (count % 2) column[half] = column[count - 1];
    column.length = Math.ceil(count / 2);
  }
}
