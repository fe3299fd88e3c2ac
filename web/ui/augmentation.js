/**
 * A sheet of training images as augmentation makes them, for the settings as they
 * are written at the moment.
 *
 * @module
 */

import { html } from 'lit';
import { View } from './view.js';
import { markDirty, unmark } from './frame.js';
import { onLookChange, ramp, readInks } from './ink.js';
import './toolbox.css';

const SIDE = 28;
const GAP = 2;

export class Augmentation extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['sheet'];

  #task = () => this.#paint();
  /** @type {IntersectionObserver|null} */
  #observer = null;

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => markDirty(this.#task));
    this.#observer = new IntersectionObserver(([entry]) =>
      this.ask({ name: 'sheet', wanted: entry.isIntersecting }));
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    unmark(this.#task);
  }

  updated() {
    markDirty(this.#task);
  }

  render() {
    const { sheet } = this.state;
    const plain = sheet !== null && isPlain(sheet);
    return html`<figure class="augmentation"><canvas ?hidden=${!sheet} role="img"
        aria-label="Training digits, and how they look in the first epochs"></canvas>
      <figcaption>${this.#words(plain)}</figcaption></figure>`;
  }

  /** @param {boolean} plain */
  #words(plain) {
    const { sheet } = this.state;
    if (!sheet) return 'The sheet of distorted digits appears when images are here.';
    const rows = 'Each row is one training image: first as it is, then as the network sees '
      + `it in epochs 1 to ${sheet.columns - 1}.`;
    return plain ? `${rows} With these settings it is always the same.` : rows;
  }

  #paint() {
    const { sheet } = this.state;
    const canvas = this.querySelector('canvas');
    if (!canvas || !sheet) return;
    canvas.width = sheet.columns * (SIDE + GAP) + GAP;
    canvas.height = sheet.rows * (SIDE + GAP) - GAP;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const { paper, ink, accent } = readInks();
    const [ours, theirs] = [ramp(paper, accent), ramp(paper, ink)];
    const tile = context.createImageData(SIDE, SIDE);
    const out = new Uint32Array(tile.data.buffer);
    for (let at = 0; at < sheet.rows * sheet.columns; at++) {
      const column = at % sheet.columns;
      const table = column === 0 ? ours : theirs;
      for (let i = 0; i < out.length; i++) out[i] = table[sheet.images[at * out.length + i]];
      // The originals stand a little apart.
      const x = column * (SIDE + GAP) + (column > 0 ? 2 * GAP : 0);
      context.putImageData(tile, x, Math.floor(at / sheet.columns) * (SIDE + GAP));
    }
  }
}

/**
 * Whether the second image of every row is the first.
 * @param {import('../protocol.js').AugmentedSheet} sheet
 */
function isPlain({ rows, columns, images }) {
  const size = SIDE * SIDE;
  for (let row = 0; row < rows; row++) {
    const at = row * columns * size;
    for (let i = 0; i < size; i++) if (images[at + i] !== images[at + size + i]) return false;
  }
  return true;
}

customElements.define('soma-augmentation', Augmentation);
