/**
 * The page's one animation-frame loop. Whoever has something to draw marks its
 * task; every task runs at most once a frame, and no frame is asked for when
 * nothing is marked.
 *
 * @module
 */

/** @typedef {(now: number) => void} Task */

/** @type {Set<Task>} */
let marked = new Set();
let requested = false;

/**
 * Runs `task` in the next frame. Marking it again before that changes nothing.
 * @param {Task} task
 */
export function markDirty(task) {
  marked.add(task);
  if (requested) return;
  requested = true;
  requestAnimationFrame(runFrame);
}

/** @param {Task} task */
export function unmark(task) {
  marked.delete(task);
}

/**
 * Milliseconds after which the tasks that are left wait for the next frame: views
 * that are all dirty at once must not add up to a frame that is too long.
 */
const FRAME_MS = 8;

/** @param {number} now */
function runFrame(now) {
  const tasks = marked;
  marked = new Set();
  requested = false;
  const end = performance.now() + FRAME_MS;
  let first = true;
  for (const task of tasks) {
    if (first || performance.now() < end) task(now);
    else markDirty(task);
    first = false;
  }
}
