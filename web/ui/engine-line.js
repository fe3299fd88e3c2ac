/**
 * Which engine runs, with how many threads and why, and the fingerprint by
 * which two runs can be compared.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';

/** @type {Record<string, string>} */
const BUILDS = {
  exact: 'Exact engine (SIMD)',
  'exact-threads': 'Exact engine (SIMD)',
  fast: 'Fast engine (relaxed SIMD)',
  'fast-threads': 'Fast engine (relaxed SIMD)',
};

export class EngineLine extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['engine', 'progress'];

  #shown = '';

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    const fingerprint = this.state.progress?.fingerprint ?? '';
    if (!changed.has('engine') && fingerprint === this.#shown) return;
    this.#shown = fingerprint;
    super.changed(changed);
  }

  render() {
    const { engine, progress } = this.state;
    if (!engine) return nothing;
    const threads = engine.threads === 1 ? 'one thread' : `${engine.threads} threads`;
    return html`<p><span class="engine-build">${BUILDS[engine.build] ?? engine.build},
      ${threads}.</span> ${engine.reason}
      ${progress?.fingerprint ? html`Weights at this point:
        <code class="fingerprint">${progress.fingerprint}</code>.` : nothing}</p>`;
  }
}

customElements.define('soma-engine', EngineLine);
