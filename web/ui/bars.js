/**
 * Ten probability bars, one for each digit. Plain functions, not an element:
 * the loupe and the pad both draw them.
 *
 * @module
 */

import { html, svg } from 'lit';
import { formatProbability } from '../state/format.js';

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * @param {ArrayLike<number>|null} probabilities  [10]; null before any answer
 * @param {number} label  the right answer; -1 when nobody knows
 */
export function bars(probabilities, label = -1) {
  const best = probabilities ? bestOf(probabilities) : -1;
  return html`<ol class="bars" start="0">${DIGITS.map((digit) => {
    const p = probabilities?.[digit] ?? 0;
    const kind = digit === best ? (label >= 0 && label !== best ? 'wrong' : 'best') : '';
    return html`<li class=${kind}>
      <span class="bar-digit">${digit}</span>
      <svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
        ${svg`<rect width=${(p * 100).toFixed(1)} height="1"></rect>`}</svg>
      <span class="bar-value">${probabilities ? formatProbability(p) : ''}</span>
    </li>`;
  })}</ol>`;
}

/**
 * Index of the largest of ten.
 * @param {ArrayLike<number>} values
 */
export function bestOf(values) {
  let best = 0;
  for (let i = 1; i < 10; i++) if (values[i] > values[best]) best = i;
  return best;
}
