/**
 * What the first layer looks for: the weights of each of its neurons as a
 * picture of 28×28.
 *
 * @module
 */

import { html } from 'lit';
import { View } from './view.js';
import { markDirty } from './frame.js';
import { onLookChange, paintSigned, signedRamps } from './ink.js';

/** Pictures shown; a wider layer shows its first ones. */
const MOST = 128;
const SIDE = 28;
const GAP = 2;

export class Weights extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['weights', 'run'];

  #task = () => this.#paint();
  #columns = 0;

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => markDirty(this.#task));
  }

  firstUpdated() {
    new ResizeObserver(() => markDirty(this.#task)).observe(this);
    new IntersectionObserver(([entry]) =>
      this.ask({ name: 'weights', wanted: entry.isIntersecting })).observe(this);
  }

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    super.changed(changed);
    markDirty(this.#task, true);
  }

  render() {
    const first = this.state.run?.layers[0];
    const units = pictureCount(this.state.run);
    return html`<h2>What the first layer looks for</h2>
      ${units ? html`<p class="lead">Each picture is one neuron of “${first?.text}”${
    units > MOST ? `, the first ${MOST} of ${units}` : ''}: <span class="key ink">ink
        pulls it up</span>, <span class="key second">blue pulls it down</span>. Choose one
        to follow its sum.</p>` : html`<p class="lead">The first layer of this network
        has no weights over the pixels, so there is nothing to draw here.</p>`}
      <canvas class="weights" role="img" ?hidden=${!units || !this.state.weights}
        @click=${this.#onClick}
        aria-label="Weights of the first layer as ${Math.min(units, MOST)} pictures"
        ></canvas>`;
  }

  #paint() {
    const { weights } = this.state;
    const canvas = /** @type {HTMLCanvasElement|null} */ (this.querySelector('canvas'));
    if (!canvas || !weights || weights.shape[1] !== SIDE * SIDE) return;
    const units = Math.min(MOST, weights.shape[0]);
    this.#measure(canvas, units);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const scale = scaleOf(weights.values);
    const ramps = signedRamps();
    const tile = context.createImageData(SIDE, SIDE);
    for (let unit = 0; unit < units; unit++) {
      const values = weights.values.subarray(unit * 784, unit * 784 + 784);
      paintSigned(tile, values, scale, ramps);
      const x = (unit % this.#columns) * (SIDE + GAP);
      context.putImageData(tile, x, Math.floor(unit / this.#columns) * (SIDE + GAP));
    }
  }

  /**
   * Whole rows of sixteen, or of eight where the page is narrow.
   * @param {HTMLCanvasElement} canvas
   * @param {number} units
   */
  #measure(canvas, units) {
    const columns = this.clientWidth < 500 ? 8 : 16;
    const width = columns * (SIDE + GAP) - GAP;
    const height = Math.ceil(units / columns) * (SIDE + GAP) - GAP;
    if (canvas.width === width && canvas.height === height) return;
    this.#columns = columns;
    canvas.width = width;
    canvas.height = height;
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const canvas = /** @type {HTMLCanvasElement} */ (event.target);
    const scale = canvas.width / canvas.clientWidth;
    const column = Math.floor((event.offsetX * scale) / (SIDE + GAP));
    const row = Math.floor((event.offsetY * scale) / (SIDE + GAP));
    const unit = row * this.#columns + column;
    const units = Math.min(MOST, pictureCount(this.state.run));
    if (unit < units) this.ask({ name: 'neuron', layer: 0, unit });
  }
}

/**
 * Neurons of the first layer when each has a weight for each pixel, else 0.
 * @param {import('../protocol.js').RunInfo|null} run
 */
function pictureCount(run) {
  const shape = run?.layers[0]?.parameters[0]?.shape ?? [];
  return shape.length === 2 && shape[1] === SIDE * SIDE ? shape[0] : 0;
}

/**
 * The weight that gets full ink: three root mean squares, so that one large
 * weight does not pale all others.
 * @param {Float32Array} values
 */
function scaleOf(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i += 7) sum += values[i] * values[i];
  return 3 * Math.sqrt(sum / Math.ceil(values.length / 7));
}

customElements.define('soma-weights', Weights);
