/**
 * The digit under the glass: the drawing pad, or a test image taken from the
 * wall, with the ten probabilities the network gives it right now.
 *
 * The pad takes a pointer, a finger, and the keyboard: arrow keys move the pen,
 * the space bar lowers and lifts it. Strokes are kept as points, so that they
 * can be drawn again in other colours.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { bars } from './bars.js';
import { markDirty } from './frame.js';
import { onLookChange, paintDigit, ramp, readInks } from './ink.js';
import { prepareDigit } from '../core/prepare.js';
import { formatCount } from '../state/format.js';

/** Pixels along a side of the raster in which ink is collected. */
const RASTER = 336;
/** MNIST strokes are two to three of twenty pixels wide: an eleventh of a digit
 * that fills four fifths of the pad. */
const PEN = RASTER * 0.8 / 11;
/** The pen moves by one prepared pixel of a large digit. */
const KEY_STEP = RASTER / 28;

/** @typedef {{x: number, y: number}} Point */

export class Pad extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['digit', 'bars', 'drawing', 'test', 'run'];

  /** @type {Point[][]} */
  #strokes = [];
  #pointer = -1;
  #pen = { x: RASTER / 2, y: RASTER / 4 };
  #penDown = false;
  #penShown = false;
  /** Arrow keys that are held down. @type {Set<string>} */
  #held = new Set();
  #said = '';
  #table = new Uint32Array(256);
  #raster = document.createElement('canvas');
  #inkTask = () => this.#inkChanged();

  constructor() {
    super();
    this.#raster.width = RASTER;
    this.#raster.height = RASTER;
  }

  connectedCallback() {
    super.connectedCallback();
    const takeInks = () => {
      const inks = readInks();
      this.#table = ramp(inks.paper, inks.ink);
      this.requestUpdate();
    };
    onLookChange(takeInks);
    markDirty(takeInks);
  }

  render() {
    const fromWall = this.state.digit?.source === 'test';
    return html`
      <div class="pad-head">
        <h2>${fromWall ? 'From the wall' : 'Draw a digit'}</h2>
        ${fromWall
    ? html`<button class="quiet" @click=${() => this.ask({ name: 'pad' })}
            >Back to the pad</button>`
    : html`<button class="quiet" ?disabled=${!this.#strokes.length}
            @click=${this.#clear}>Clear</button>`}
      </div>
      <div class="pad-body">
        <div class="pad-paper">
          <canvas class="pad" width=${RASTER} height=${RASTER} tabindex="0"
            ?hidden=${fromWall} role="application" aria-roledescription="drawing pad"
            aria-label="Drawing pad. Arrow keys move the pen, the space bar lowers
              and lifts it, Delete clears."
            @pointerdown=${this.#onDown} @pointermove=${this.#onMove}
            @pointerup=${this.#onUp} @pointercancel=${this.#onUp}
            @keydown=${this.#onKey} @keyup=${this.#onKeyUp}
            @focus=${this.#onFocus} @blur=${this.#onBlur}></canvas>
          <canvas class="pad-test" width="28" height="28" ?hidden=${!fromWall}
            role="img" aria-label=${this.#caption()}></canvas>
          ${fromWall || this.#strokes.length || this.#penShown ? nothing
    : html`<p class="pad-hint" aria-hidden="true">draw here</p>`}
        </div>
        ${bars(this.state.bars, this.state.digit?.label ?? -1)}
      </div>
      <div class="prepared" ?hidden=${fromWall}>
        <canvas width="28" height="28" role="img"
          aria-label="The drawing as the network sees it"></canvas>
        <p>What the network sees: the drawing cropped, scaled and centred as the digits
          of MNIST were.</p>
      </div>
      ${fromWall ? html`<p class="pad-caption">${this.#caption()}</p>` : nothing}
      <p class="sr" aria-live="polite">${this.#said}</p>`;
  }

  updated() {
    const { digit, drawing } = this.state;
    this.#drawPad();
    const prepared = /** @type {HTMLCanvasElement} */ (
      this.querySelector('.prepared canvas'));
    paintDigit(prepared, drawing ?? new Uint8Array(784), this.#table);
    const test = /** @type {HTMLCanvasElement} */ (this.querySelector('.pad-test'));
    if (digit?.source === 'test') paintDigit(test, digit.pixels, this.#table);
  }

  #caption() {
    const { digit } = this.state;
    if (digit?.source !== 'test') return '';
    return `Test image ${formatCount(digit.index)}, labelled ${digit.label}.`;
  }

  #canvas() {
    return /** @type {HTMLCanvasElement} */ (this.querySelector('canvas.pad'));
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (this.#pointer >= 0 || event.button > 0) return;
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.#penShown = false;
    this.#canvas().setPointerCapture(event.pointerId);
    this.#canvas().focus({ preventScroll: true });
    this.#penShown = false;
    this.#strokes.push([this.#pointOf(event)]);
    markDirty(this.#inkTask);
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.#strokes[this.#strokes.length - 1];
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) stroke.push(this.#pointOf(each));
    markDirty(this.#inkTask);
  }

  /** @param {PointerEvent} event */
  #onUp(event) {
    if (event.pointerId === this.#pointer) this.#pointer = -1;
  }

  /** @param {PointerEvent} event */
  #pointOf(event) {
    const box = this.#canvas().getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * RASTER,
      y: ((event.clientY - box.top) / box.height) * RASTER,
    };
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === ' ') {
      event.preventDefault();
      if (!event.repeat) this.#togglePen();
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault();
      this.#clear();
    } else if (event.key === 'Escape') {
      this.#liftPen();
    } else if (event.key.startsWith('Arrow')) {
      event.preventDefault();
      this.#held.add(event.key);
      this.#movePen(event.shiftKey ? 3 * KEY_STEP : KEY_STEP);
    }
  }

  /** @param {KeyboardEvent} event */
  #onKeyUp(event) {
    this.#held.delete(event.key);
  }

  #onFocus() {
    if (this.#pointer >= 0 || !this.#canvas().matches(':focus-visible')) return;
    this.#penShown = true;
    this.requestUpdate();
  }

  #onBlur() {
    this.#held.clear();
    this.#penShown = false;
    this.#liftPen();
    this.requestUpdate();
  }

  #togglePen() {
    this.#penShown = true;
    if (this.#penDown) {
      this.#liftPen();
      return;
    }
    this.#penDown = true;
    this.#say('pen down');
    this.#strokes.push([{ ...this.#pen }]);
    markDirty(this.#inkTask);
  }

  #liftPen() {
    if (!this.#penDown) return;
    this.#penDown = false;
    this.#say('pen up');
  }

  /**
   * Two arrow keys held together move the pen along the diagonal.
   * @param {number} by
   */
  #movePen(by) {
    const held = (/** @type {string} */ key) => (this.#held.has(key) ? by : 0);
    const clamp = (/** @type {number} */ v) => Math.max(PEN, Math.min(RASTER - PEN, v));
    this.#pen.x = clamp(this.#pen.x + held('ArrowRight') - held('ArrowLeft'));
    this.#pen.y = clamp(this.#pen.y + held('ArrowDown') - held('ArrowUp'));
    this.#penShown = true;
    if (this.#penDown) {
      this.#strokes[this.#strokes.length - 1].push({ ...this.#pen });
      markDirty(this.#inkTask);
    } else {
      this.requestUpdate();
    }
  }

  #clear() {
    this.#strokes = [];
    this.#penDown = false;
    this.#say('pad cleared');
    markDirty(this.#inkTask);
  }

  /** @param {string} words */
  #say(words) {
    this.#said = words;
    this.requestUpdate();
  }

  /** The strokes changed: prepare the digit and hand it out. */
  #inkChanged() {
    this.requestUpdate();
    const pixels = this.#strokes.length ? this.#prepare() : null;
    this.ask({ name: 'draw', pixels });
  }

  #prepare() {
    const context = /** @type {CanvasRenderingContext2D} */ (
      this.#raster.getContext('2d', { willReadFrequently: true }));
    context.clearRect(0, 0, RASTER, RASTER);
    drawStrokes(context, this.#strokes, '#000');
    const { data } = context.getImageData(0, 0, RASTER, RASTER);
    const ink = new Uint8Array(RASTER * RASTER);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3];
    return prepareDigit({ ink, width: RASTER, height: RASTER })?.pixels ?? null;
  }

  #drawPad() {
    const context = /** @type {CanvasRenderingContext2D} */ (
      this.#canvas().getContext('2d'));
    const style = getComputedStyle(this);
    context.clearRect(0, 0, RASTER, RASTER);
    drawStrokes(context, this.#strokes, style.getPropertyValue('--ink').trim());
    if (!this.#penShown) return;
    context.beginPath();
    context.arc(this.#pen.x, this.#pen.y, PEN / 2, 0, 2 * Math.PI);
    context.strokeStyle = style.getPropertyValue('--accent').trim();
    context.lineWidth = 2;
    context.stroke();
  }
}

/**
 * Round pen; the line runs through the middles between points, so that it has
 * no corners.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Point[][]} strokes
 * @param {string} colour
 */
function drawStrokes(context, strokes, colour) {
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.lineWidth = PEN;
  context.strokeStyle = colour;
  for (const stroke of strokes) {
    const [first] = stroke;
    context.beginPath();
    context.moveTo(first.x, first.y);
    for (let i = 1; i < stroke.length; i++) {
      const a = stroke[i - 1];
      const b = stroke[i];
      context.quadraticCurveTo(a.x, a.y, (a.x + b.x) / 2, (a.y + b.y) / 2);
    }
    const last = stroke[stroke.length - 1];
    context.lineTo(last.x, last.y);
    context.stroke();
  }
}

customElements.define('soma-pad', Pad);
