/**
 * The page's one animation-frame loop. Whoever has something to draw marks its
 * task; every task runs at most once a frame, and no frame is asked for when
 * nothing is marked.
 *
 * A frame takes milliseconds of a core, most of them not in our code. While a run
 * wants every core, tasks that can wait therefore share a few frames a second,
 * unless the visitor has a hand on the page.
 *
 * @module
 */

/** @typedef {(now: number) => void} Task */

/** @type {Set<Task>} */
let marked = new Set();
let requested = false;

/** So long after the visitor did something, nothing waits. */
const HANDS_ON_MS = 1000;

let restMs = 0;
let frameAt = -Infinity;
let touchedAt = -Infinity;
let timer = 0;

/**
 * Runs `task` in the next frame. Marking it again before that changes nothing.
 * @param {Task} task
 * @param {boolean} [patient]  it may wait until the rest is over
 */
export function markDirty(task, patient = false) {
  marked.add(task);
  if (requested) return;
  const now = performance.now();
  const rests = patient && now > touchedAt + HANDS_ON_MS;
  const wait = rests ? frameAt + restMs - now : 0;
  if (wait <= 0) request();
  else timer ||= window.setTimeout(request, wait);
}

/**
 * How long patient tasks wait after a frame, so that they share the next one.
 * @param {number} ms  0: they do not wait
 */
export function restBetweenFrames(ms) {
  restMs = ms * 0.9;
  if (!ms) hurry();
}

function request() {
  clearTimeout(timer);
  timer = 0;
  requested = true;
  requestAnimationFrame(runFrame);
}

/** What waits is drawn now. */
function hurry() {
  if (timer) request();
}

for (const type of ['pointermove', 'pointerdown', 'keydown', 'wheel', 'touchmove']) {
  addEventListener(type, () => {
    touchedAt = performance.now();
    hurry();
  }, { capture: true, passive: true });
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
  frameAt = performance.now();
  const end = frameAt + FRAME_MS;
  let first = true;
  for (const task of tasks) {
    if (first || performance.now() < end) task(now);
    else markDirty(task);
    first = false;
  }
}
