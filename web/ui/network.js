/**
 * One digit on its way through the network: digit → layer → neuron → term.
 *
 * Every layer is a row of cells, one for each value; a neuron can be chosen by
 * pointing or by its number, and its sum is then followed term by term.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { markDirty } from './frame.js';
import { onLookChange, paintDigit, paintSigned, ramp, readInks, signedRamps } from './ink.js';
import { formatCount, formatNumber, formatProbability } from '../state/format.js';
import { followSum, inputOf, weighs } from '../state/neuron-sum.js';

/** Terms that are written out. */
const TERMS = 8;

export class NetworkView extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['trace', 'neuron', 'digit', 'run'];

  #paintTask = () => this.#paint();

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => markDirty(this.#paintTask));
  }

  render() {
    const { trace, digit } = this.state;
    return html`<h2>One digit through the network</h2>
      ${trace && digit ? this.#journey(trace) : html`<p class="lead">Draw a digit or choose
        one on the wall, and follow it here from pixel to answer: each layer, each neuron,
        each term of its sum.</p>`}`;
  }

  updated() {
    markDirty(this.#paintTask);
    const { neuron } = this.state;
    for (const mark of this.querySelectorAll('.cells-mark')) {
      const frame = /** @type {HTMLElement} */ (mark);
      frame.hidden = !neuron || Number(frame.dataset.layer) !== neuron.layer;
      if (neuron && !frame.hidden) this.#placeMark(frame, neuron.unit);
    }
  }

  /**
   * @param {HTMLElement} mark
   * @param {number} unit
   */
  #placeMark(mark, unit) {
    const { width, height } = /** @type {HTMLCanvasElement} */ (
      mark.previousElementSibling);
    mark.style.width = `${100 / width}%`;
    mark.style.height = `${100 / height}%`;
    mark.style.left = `${((unit % width) * 100) / width}%`;
    mark.style.top = `${(Math.floor(unit / width) * 100) / height}%`;
  }

  /** @param {import('../protocol.js').Trace} trace */
  #journey(trace) {
    return html`
      <p class="lead">A cell is one neuron's value: <span class="key ink">ink is positive</span>,
        <span class="key second">blue negative</span>. Choose a neuron to see its sum.</p>
      <ol class="journey">
        <li><h3>digit</h3><canvas class="input" width="28" height="28" role="img"
          aria-label="The digit, 28 by 28 pixels"></canvas></li>
        ${trace.layers.map((layer, i) => this.#layer(layer, i))}
        <li class="answer"><h3>answer</h3>${this.#answer(trace)}</li>
      </ol>
      ${this.#picker(trace)}
      ${this.#sum(trace)}`;
  }

  /**
   * @param {{text: string, shape: number[], values: Float32Array}} layer
   * @param {number} index
   */
  #layer(layer, index) {
    const width = gridWidth(layer.values.length);
    const height = Math.ceil(layer.values.length / width);
    const open = this.#canOpen(index);
    return html`<li><h3>${layer.text}</h3>
      <div class="cells-frame"><canvas class="cells ${open ? 'open' : ''}"
          data-layer=${index} width=${width}
        height=${height} role="img"
        aria-label="${formatCount(layer.values.length)} values of ${layer.text}"
        @click=${(/** @type {MouseEvent} */ event) => this.#onClick(event, index)}></canvas>
        <div class="cells-mark" data-layer=${index} hidden></div></div></li>`;
  }

  /** @param {import('../protocol.js').Trace} trace */
  #answer(trace) {
    const order = [...trace.probabilities.keys()]
      .sort((a, b) => trace.probabilities[b] - trace.probabilities[a]);
    const [first, second] = order;
    return html`<p><strong>${first}</strong> ${formatProbability(trace.probabilities[first])}
      <br><span class="runner-up">then ${second},
      ${formatProbability(trace.probabilities[second])}</span></p>`;
  }

  /** @param {number} layer */
  #canOpen(layer) {
    return weighs(this.state.run, layer);
  }

  /** @param {import('../protocol.js').Trace} trace */
  #picker(trace) {
    const { neuron } = this.state;
    const layers = trace.layers.map((_, i) => i).filter((i) => this.#canOpen(i));
    if (!layers.length) return nothing;
    const layer = neuron?.layer ?? layers[0];
    const most = (trace.layers[layer]?.values.length ?? 1) - 1;
    const pick = (/** @type {number} */ l, /** @type {number} */ unit) => this.ask({
      name: 'neuron',
      layer: l,
      unit: Math.max(0, Math.min(unit || 0, trace.layers[l].values.length - 1)),
    });
    const valueOf = (/** @type {Event} */ event) =>
      Number(/** @type {HTMLInputElement} */ (event.target).value);
    return html`<div class="picker">
      <label>Layer <select @change=${(/** @type {Event} */ e) => pick(valueOf(e), 0)}>
        ${layers.map((i) => html`<option value=${i} ?selected=${i === layer}
          >${i + 1}: ${trace.layers[i].text}</option>`)}</select></label>
      <label>Neuron <input type="number" min="0" max=${most}
        .value=${neuron ? String(neuron.unit) : ''} placeholder="0 to ${most}"
        @change=${(/** @type {Event} */ e) => pick(layer, valueOf(e))}></label>
    </div>`;
  }

  /** @param {import('../protocol.js').Trace} trace */
  #sum(trace) {
    const { neuron } = this.state;
    if (!neuron) return nothing;
    const input = inputOf(trace, neuron.layer);
    if (!input || input.length !== neuron.weight.length) return nothing;
    const sum = followSum(input, neuron.weight, neuron.bias, TERMS);
    const pictures = neuron.weight.length === 784;
    return html`<div class="sum">
      ${pictures ? html`<div class="sum-pictures">
        <figure><canvas class="weight" width="28" height="28" role="img"
          aria-label="Weights of the neuron"></canvas><figcaption>its weights</figcaption></figure>
        <figure><canvas class="product" width="28" height="28" role="img"
          aria-label="Weights times pixels"></canvas><figcaption>weight ×
          pixel</figcaption></figure>
      </div>` : nothing}
      <table class="terms">
        <caption>Neuron ${neuron.unit} of “${trace.layers[neuron.layer].text}” adds up
          ${formatCount(neuron.weight.length)} products</caption>
        <thead><tr><th scope="col">${pictures ? 'pixel' : 'input'}</th>
          <th scope="col">value</th><th scope="col">× weight</th>
          <th scope="col">= term</th></tr></thead>
        <tbody>
          ${sum.terms.map((term) => html`<tr><th scope="row">${pictures
    ? `row ${Math.floor(term.index / 28)}, column ${term.index % 28}` : term.index}</th>
            <td>${formatNumber(term.value)}</td><td>${formatNumber(term.weight)}</td>
            <td>${signed(term.product)}</td></tr>`)}
          <tr><th scope="row">${formatCount(sum.others)} other terms that are not zero</th>
            <td></td><td></td><td>${signed(sum.otherSum)}</td></tr>
          <tr><th scope="row">bias</th><td></td><td></td><td>${signed(neuron.bias)}</td></tr>
        </tbody>
        <tfoot><tr><th scope="row">sum</th><td></td><td></td>
          <td>${signed(sum.total)}</td></tr></tfoot>
      </table>
    </div>`;
  }

  /**
   * @param {MouseEvent} event
   * @param {number} layer
   */
  #onClick(event, layer) {
    const canvas = /** @type {HTMLCanvasElement} */ (event.target);
    const count = this.state.trace?.layers[layer].values.length ?? 0;
    const x = Math.floor((event.offsetX / canvas.clientWidth) * canvas.width);
    const y = Math.floor((event.offsetY / canvas.clientHeight) * canvas.height);
    const unit = y * canvas.width + x;
    if (unit < count && this.#canOpen(layer)) this.ask({ name: 'neuron', layer, unit });
  }

  #paint() {
    const { trace, neuron, digit } = this.state;
    if (!trace || !digit) return;
    const ramps = signedRamps();
    const inks = readInks();
    const input = /** @type {HTMLCanvasElement|null} */ (this.querySelector('canvas.input'));
    if (input) paintDigit(input, digit.pixels, ramp(inks.paper, inks.ink));
    for (const canvas of this.querySelectorAll('canvas.cells')) {
      const cells = /** @type {HTMLCanvasElement} */ (canvas);
      const { values } = trace.layers[Number(cells.dataset.layer)] ?? { values: [] };
      paintCells(cells, values, ramps);
    }
    if (!neuron || neuron.weight.length !== trace.input.length) return;
    const products = neuron.weight.map((weight, i) => weight * trace.input[i]);
    this.#paintSide('weight', neuron.weight, ramps);
    this.#paintSide('product', products, ramps);
  }

  /**
   * @param {string} name
   * @param {Float32Array} values
   * @param {ReturnType<typeof signedRamps>} ramps
   */
  #paintSide(name, values, ramps) {
    const canvas = /** @type {HTMLCanvasElement|null} */ (
      this.querySelector(`canvas.${name}`));
    if (canvas) paintCells(canvas, values, ramps);
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {ReturnType<typeof signedRamps>} ramps
 */
function paintCells(canvas, values, ramps) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(canvas.width, canvas.height);
  const padded = new Float32Array(canvas.width * canvas.height);
  padded.set(Array.from(values).slice(0, padded.length));
  const most = padded.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  paintSigned(image, padded, most, ramps);
  context.putImageData(image, 0, 0);
}

/**
 * Columns of the grid in which a layer's values are shown.
 * @param {number} count
 */
function gridWidth(count) {
  if (count <= 16) return count <= 10 ? 1 : 2;
  return 2 ** Math.ceil(Math.log2(Math.sqrt(count)) - 0.5);
}

/** @param {number} value */
const signed = (value) => (value < 0 ? `−${formatNumber(-value)}` : `+${formatNumber(value)}`);

customElements.define('soma-network', NetworkView);
