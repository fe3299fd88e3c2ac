/**
 * What went wrong, in a sentence, and the way back.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';

export class Notice extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['failure', 'obstacle'];

  /** What cannot work at all is not shown: the sentence stands alone. */
  updated() {
    this.parentElement?.classList.toggle('obstructed', this.state.obstacle !== '');
  }

  render() {
    const { failure, obstacle } = this.state;
    if (obstacle) return html`<div class="notice obstacle" role="alert"><p>${obstacle}</p></div>`;
    if (!failure) return html`<div role="alert"></div>`;
    return html`<div class="notice" role="alert">
      <p>${failure.failure.sentence}</p>
      <div class="notice-buttons">
        ${failure.canRestore ? html`<button @click=${() => this.ask({ name: 'restore' })}
          >Go back to the last finite state</button>` : nothing}
        <button class="quiet" @click=${() => this.ask({ name: 'dismiss' })}>Close</button>
      </div>
    </div>`;
  }
}

customElements.define('soma-notice', Notice);
