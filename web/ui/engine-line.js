/**
 * Which engine runs, with how many threads and why, and the fingerprint by
 * which two runs can be compared.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';

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
    return html`<p data-build=${engine.build} data-threads=${engine.threads}>The engine
      here: ${engine.reason}.${progress?.fingerprint ? html` Fingerprint of the weights:
        <code class="fingerprint">${progress.fingerprint}</code>.` : nothing}</p>`;
  }
}

customElements.define('soma-engine', EngineLine);
