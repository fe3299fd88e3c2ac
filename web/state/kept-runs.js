/**
 * Earlier runs survive the tab: their curves are kept in IndexedDB. Where the
 * browser refuses (private windows), they live as long as the page.
 *
 * @module
 */

import { get, set } from 'idb-keyval';
import { MOST_RUNS, createRecord } from './run-history.js';

/** @typedef {import('./run-history.js').RunRecord} RunRecord */

/** Changes when the shape of a record does; what lies under older keys is left. */
const KEY = 'runs-1';

/** @returns {Promise<RunRecord[]>} */
export async function loadRuns() {
  try {
    const runs = await get(KEY);
    if (!Array.isArray(runs)) return [];
    // What an older version of the page kept lacks what came later.
    return runs.slice(0, MOST_RUNS).map((run) => ({ ...createRecord(0, '', '', 1), ...run }));
  } catch {
    return [];
  }
}

/**
 * @param {RunRecord[]} runs
 * @returns {Promise<boolean>}  whether they were kept
 */
export async function saveRuns(runs) {
  try {
    await set(KEY, runs.slice(0, MOST_RUNS));
    return true;
  } catch {
    return false;
  }
}
