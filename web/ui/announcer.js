/**
 * Says to screen readers how the run goes: at once when it starts, stops or
 * fails, otherwise at most every few seconds.
 *
 * @module
 */

import { html } from 'lit';
import { View } from './view.js';
import { formatPercent } from '../state/format.js';

const PAUSE_MS = 8000;

/** @type {Record<string, string>} */
const PHASES = {
  empty: 'Waiting for images.',
  ready: 'Ready to train.',
  training: 'Training.',
  waiting: 'Waiting for the next images.',
  paused: 'Paused.',
  finished: 'Training is finished.',
  failed: 'Training stopped.',
};

export class Announcer extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['progress', 'evaluation'];

  #phase = '';
  #spokenAt = -Infinity;
  #words = '';

  changed() {
    const phase = this.state.progress?.phase ?? 'empty';
    const now = performance.now();
    if (phase === this.#phase && now - this.#spokenAt < PAUSE_MS) return;
    if (phase === this.#phase && phase !== 'training') return;
    this.#phase = phase;
    this.#spokenAt = now;
    this.#words = `${PHASES[phase]} ${this.#figures()}`;
    this.requestUpdate();
  }

  render() {
    return html`<p class="sr" aria-live="polite">${this.#words}</p>`;
  }

  #figures() {
    const { evaluation, progress } = this.state;
    if (!evaluation || !progress?.step) return '';
    return `Epoch ${Math.min(progress.epoch + 1, progress.epochs)} of ${progress.epochs}, `
      + `${formatPercent(evaluation.accuracy, 1)} percent of the test images read right.`;
  }
}

customElements.define('soma-announcer', Announcer);
