/**
 * Which digits are taken for which: the confusion matrix of the test set, with
 * the figures of each class. A cell shows its images on the wall.
 *
 * @module
 */

import { html } from 'lit';
import { View } from './view.js';
import { formatCount, formatPercent } from '../state/format.js';

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** While training, the table changes at most this often. */
const PAUSE_MS = 400;

export class Confusion extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['evaluation', 'wall'];

  #shownAt = -Infinity;

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    const now = performance.now();
    const live = this.state.evaluation?.live && !changed.has('wall');
    if (live && now - this.#shownAt < PAUSE_MS) return;
    this.#shownAt = now;
    super.changed(changed);
  }

  render() {
    const confusion = this.state.evaluation?.confusion ?? null;
    return html`<h2>Where it errs</h2>
      <p class="lead">Rows are what the digit is, columns what the network reads. Choose a
        cell to see its images on the wall.</p>
      <div class="table-scroll" tabindex="0" role="group" aria-label="Confusion matrix">
      <table class="confusion">
        <thead><tr><th scope="col"><span class="sr">digit</span></th>
          ${DIGITS.map((d) => html`<th scope="col">${d}</th>`)}
          <th scope="col" class="figure-head" title="of the digits that are this, how many
            are read so">recall</th>
          <th scope="col" class="figure-head" title="of the digits read as this, how many
            are so">precision</th></tr></thead>
        <tbody>${DIGITS.map((row) => html`<tr><th scope="row">${row}</th>
          ${DIGITS.map((column) => this.#cell(confusion, row, column))}
          <td class="figure">${confusion ? share(confusion, row, 'row') : '–'}</td>
          <td class="figure">${confusion ? share(confusion, row, 'column') : '–'}</td>
        </tr>`)}</tbody>
      </table></div>`;
  }

  /**
   * @param {Uint32Array|null} confusion
   * @param {number} label
   * @param {number} predicted
   */
  #cell(confusion, label, predicted) {
    const count = confusion?.[label * 10 + predicted] ?? 0;
    const right = label === predicted;
    const { wall } = this.state;
    const chosen = wall.label === label && wall.predicted === predicted;
    const heat = right ? 'right' : `heat-${heatOf(count)}`;
    return html`<td class=${heat}><button aria-pressed=${chosen} ?disabled=${!count}
      aria-label="${label} read as ${predicted}: ${formatCount(count)}"
      @click=${() => this.#choose(label, predicted, chosen)}
      >${count ? formatCount(count) : '·'}</button></td>`;
  }

  /**
   * @param {number} label
   * @param {number} predicted
   * @param {boolean} chosen
   */
  #choose(label, predicted, chosen) {
    this.ask({
      name: 'wall',
      choice: chosen ? { filter: 'all', label: -1, predicted: -1 }
        : { filter: 'all', label, predicted, sort: 'mistake' },
    });
  }
}

/**
 * Mistakes of one kind in six steps: 0, 1, 3, 8, 20, 50 and more.
 * @param {number} count
 */
function heatOf(count) {
  return [1, 3, 8, 20, 50].filter((least) => count >= least).length;
}

/**
 * Recall (along the row) or precision (along the column) of a digit.
 * @param {Uint32Array} confusion
 * @param {number} digit
 * @param {'row'|'column'} along
 */
function share(confusion, digit, along) {
  const sum = DIGITS.reduce((total, other) =>
    total + confusion[along === 'row' ? digit * 10 + other : other * 10 + digit], 0);
  return sum ? formatPercent(confusion[digit * 11] / sum, 1) : '–';
}

customElements.define('soma-confusion', Confusion);
