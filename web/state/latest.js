/**
 * For questions whose answer is out of date when a newer one is asked: at most
 * one is under way, and of those that come meanwhile only the last is asked.
 *
 * @module
 */

/**
 * @template Q
 * @param {(question: Q) => Promise<void>} ask  must not reject
 * @returns {(question: Q) => void}
 */
export function latestOnly(ask) {
  let busy = false;
  /** @type {{question: Q}|null} */
  let next = null;
  const run = async (/** @type {Q} */ question) => {
    busy = true;
    await ask(question);
    busy = false;
    if (!next) return;
    const { question: waiting } = next;
    next = null;
    run(waiting);
  };
  return (question) => {
    if (busy) next = { question };
    else run(question);
  };
}

/**
 * Lets a call through at most once in `ms`; a call that comes too early is
 * dropped.
 * @param {number} ms
 * @returns {() => boolean}
 */
export function atMostEvery(ms) {
  let last = -Infinity;
  return () => {
    const now = performance.now();
    if (now - last < ms) return false;
    last = now;
    return true;
  };
}
