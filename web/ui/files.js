/**
 * One's own data: a button for IDX files, and the whole page as the place to
 * drop them.
 *
 * @module
 */

import { html } from 'lit';
import { View } from './view.js';

export class Files extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['data'];

  #source = '';

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener('dragover', this.#onDragOver);
    document.addEventListener('dragleave', this.#onDragLeave);
    document.addEventListener('drop', this.#onDrop);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener('dragover', this.#onDragOver);
    document.removeEventListener('dragleave', this.#onDragLeave);
    document.removeEventListener('drop', this.#onDrop);
  }

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    const source = this.state.data?.source ?? '';
    if (source === this.#source) return;
    this.#source = source;
    super.changed(changed);
  }

  render() {
    return html`<label class="files">
      <input type="file" multiple class="sr" accept=".gz,.idx,application/octet-stream,
        application/gzip,*/*" @change=${this.#onChoose}>
      <span>Use your own images…</span></label>
      <span class="files-help">IDX files, also .gz: drop them anywhere</span>`;
  }

  /** @param {Event} event */
  #onChoose(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const files = [...(input.files ?? [])];
    input.value = '';
    if (files.length) this.ask({ name: 'files', files });
  }

  #onDragOver = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    document.documentElement.classList.add('dropping');
  };

  #onDragLeave = (/** @type {DragEvent} */ event) => {
    if (!event.relatedTarget) document.documentElement.classList.remove('dropping');
  };

  #onDrop = (/** @type {DragEvent} */ event) => {
    document.documentElement.classList.remove('dropping');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.ask({ name: 'files', files });
  };
}

customElements.define('soma-files', Files);
