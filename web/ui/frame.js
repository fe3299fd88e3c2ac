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

/** @param {number} now */
function runFrame(now) {
  const tasks = marked;
  marked = new Set();
  requested = false;
  for (const task of tasks) task(now);
}
