/**
 * The wall: all test images as one mosaic. What the network gets wrong glows.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { bars, bestOf } from './bars.js';
import { markDirty } from './frame.js';
import { onLookChange, paintDigit, ramp, readInks } from './ink.js';
import { WallPainter } from './wall-painter.js';
import { formatCount } from '../state/format.js';
import { tileSize, wallOrder } from '../state/wall-order.js';

/** Milliseconds of a frame that the wall may take. */
const PAINT_BUDGET_MS = 6;
/** Images for which room is kept before any is here. */
const EXPECTED_COUNT = 10000;
const LOUPE_WIDTH = 268;

const SORTS = [
  ['index', 'as in the data'],
  ['label', 'by digit'],
  ['confidence', 'least certain first'],
  ['mistake', 'worst mistakes first'],
];

export class Wall extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['test', 'evaluation', 'wall', 'digit', 'engine'];

  #painter = new WallPainter();
  /** Images in the order of their places. @type {Uint32Array} */
  #order = new Uint32Array(0);
  #width = 0;
  #height = 0;
  #columns = 1;
  #side = 8;
  /** Place under the pointer or the keyboard; -1 = none. */
  #place = -1;
  #keyboard = false;
  /** @type {Set<string>} */
  #news = new Set();
  #paintTask = () => this.#paint();
  #loupeTask = () => this.requestUpdate();
  #density = 1;
  #digitTable = new Uint32Array(256);

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => {
      this.#news.add('inks');
      this.#news.add('layout');
      markDirty(this.#paintTask);
    });
  }

  firstUpdated() {
    this.#news.add('inks');
    this.#news.add('test');
    new ResizeObserver(() => {
      this.#news.add('layout');
      markDirty(this.#paintTask);
    }).observe(this.#frame());
  }

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    for (const key of changed) this.#news.add(key);
    markDirty(this.#paintTask, true);
    super.changed(changed);
  }

  render() {
    return html`
      <h2 class="sr">The wall of test images</h2>
      ${this.#controls()}
      <div class="wall-frame" tabindex="0" role="application"
        aria-roledescription="wall of digits"
        aria-label="${formatCount(this.#order.length)} test images.
          Arrow keys move from digit to digit, Enter opens one beside the wall."
        @pointermove=${this.#onMove} @pointerleave=${this.#onLeave}
        @click=${this.#onClick} @keydown=${this.#onKey} @focus=${this.#onFocus}
        @blur=${this.#onLeave}>
        <canvas class="wall"></canvas>
        <div class="wall-mark pin"></div>
        <div class="wall-mark"></div>
        ${this.#emptyNote()}
        ${this.#loupe()}
      </div>
      <p class="sr" aria-live="polite">${this.#keyboard ? this.#sentence() : ''}</p>
      ${this.#legend()}`;
  }

  updated() {
    this.#placeMarks();
    const canvas = /** @type {HTMLCanvasElement|null} */ (
      this.querySelector('.loupe canvas'));
    const { test } = this.state;
    const index = this.#order[this.#place];
    if (!canvas || !test || index === undefined) return;
    paintDigit(canvas, test.images.subarray(index * 784, index * 784 + 784),
      this.#digitTable);
  }

  #frame() {
    return /** @type {HTMLElement} */ (this.querySelector('.wall-frame'));
  }

  #controls() {
    const { wall, evaluation } = this.state;
    const choose = (/** @type {Partial<typeof wall>} */ choice) =>
      this.ask({ name: 'wall', choice });
    const value = (/** @type {Event} */ event) =>
      /** @type {HTMLSelectElement} */ (event.target).value;
    return html`<div class="wall-controls">
      <label>Show <select .value=${wall.filter} @change=${(/** @type {Event} */ e) =>
        choose({ filter: /** @type {'all'|'wrong'} */ (value(e)), predicted: -1 })}>
        <option value="all">all</option>
        <option value="wrong" ?disabled=${!evaluation}>only mistakes</option>
      </select></label>
      <label>Digit <select .value=${String(wall.label)} @change=${(/** @type {Event} */ e) =>
        choose({ label: Number(value(e)), predicted: -1 })}>
        <option value="-1">every</option>
        ${[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((d) => html`<option value=${d}>${d}</option>`)}
      </select></label>
      <label>Order <select .value=${wall.sort} @change=${(/** @type {Event} */ e) =>
        choose({ sort: /** @type {typeof wall.sort} */ (value(e)) })}>
        ${SORTS.map(([key, words]) => html`<option value=${key}
          ?disabled=${!evaluation && (key === 'confidence' || key === 'mistake')}
          >${words}</option>`)}
      </select></label>
      ${wall.predicted < 0 ? nothing : html`<button class="quiet" @click=${() =>
        choose({ filter: 'all', label: -1, predicted: -1 })}>${wall.label} read as ${
        wall.predicted} <span aria-hidden="true">×</span><span class="sr">, show all</span>
      </button>`}
    </div>`;
  }

  #legend() {
    const { test, evaluation } = this.state;
    if (!test) return nothing;
    const shown = this.#order.length;
    const all = test.labels.length;
    return html`<p class="legend">
      ${evaluation ? html`<span class="key right">read right</span>
        <span class="key wrong">read wrong</span>`
        : html`<span class="key wrong">not learned yet</span>`}
      <span class="count">${shown === all ? `${formatCount(all)} test images`
        : `${formatCount(shown)} of ${formatCount(all)} test images`}</span></p>`;
  }

  #emptyNote() {
    const { test, wall } = this.state;
    if (!test) return html`<p class="wall-note">The test images are on their way.</p>`;
    if (this.#order.length) return nothing;
    return html`<p class="wall-note">${wall.filter === 'wrong' ? 'No mistakes here.'
      : 'No digit fits this choice.'}</p>`;
  }

  #loupe() {
    const index = this.#order[this.#place];
    const { evaluation, test } = this.state;
    if (index === undefined || !test) return nothing;
    const answers = evaluation?.probabilities?.subarray(index * 10, index * 10 + 10) ?? null;
    return html`<div class="loupe">
      <canvas width="28" height="28"></canvas>
      ${bars(answers, test.labels[index])}
      <p>${this.#sentence()}</p>
    </div>`;
  }

  #sentence() {
    const index = this.#order[this.#place];
    const { evaluation, test } = this.state;
    if (index === undefined || !test) return '';
    const about = `Test image ${formatCount(index)}: ${aDigit(test.labels[index])}`;
    if (!evaluation?.probabilities) return about;
    const answers = evaluation.probabilities.subarray(index * 10, index * 10 + 10);
    return `${about}, read as ${aDigit(bestOf(answers))}`;
  }

  #placeMarks() {
    const [pin, cursor] = /** @type {NodeListOf<HTMLElement>} */ (
      this.querySelectorAll('.wall-mark'));
    const { digit } = this.state;
    const pinned = digit?.source === 'test' ? this.#order.indexOf(digit.index) : -1;
    this.#placeAt(pin, pinned);
    this.#placeAt(cursor, this.#place);
    const loupe = /** @type {HTMLElement|null} */ (this.querySelector('.loupe'));
    if (loupe) this.#placeLoupe(loupe);
  }

  /**
   * @param {HTMLElement} mark
   * @param {number} place
   */
  #placeAt(mark, place) {
    mark.hidden = place < 0;
    if (place < 0) return;
    const { x, y, side } = this.#tileBox(place);
    mark.style.width = `${side}px`;
    mark.style.height = `${side}px`;
    mark.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** @param {HTMLElement} loupe */
  #placeLoupe(loupe) {
    const { x, y, side } = this.#tileBox(this.#place);
    const width = this.#frame().clientWidth;
    const left = Math.max(0, Math.min(width - LOUPE_WIDTH, x + side / 2 - LOUPE_WIDTH / 2));
    const height = loupe.offsetHeight;
    const above = this.#frame().getBoundingClientRect().top + y - height - 12 > 0;
    const top = above ? y - height - 12 : y + side + 12;
    loupe.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** @param {number} place */
  #tileBox(place) {
    const side = this.#side / this.#density;
    return {
      x: (place % this.#columns) * side,
      y: Math.floor(place / this.#columns) * side,
      side,
    };
  }

  /** Takes in what changed, then paints for a few milliseconds. */
  #paint() {
    if (!this.store || !this.hasUpdated) return;
    const news = this.#news;
    this.#news = new Set();
    const { test, evaluation } = this.state;
    if (news.has('inks')) {
      const inks = readInks();
      this.#painter.setInks(inks);
      this.#digitTable = ramp(inks.paper, inks.ink);
    }
    if (news.has('test') && test) this.#painter.setImages(test.images);
    const moved = this.#needsLayout(news);
    if (moved) this.#layOut();
    if (test && (news.has('evaluation') || news.has('test'))) {
      const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
      this.#painter.setAnswers(evaluation?.predicted ?? null, test.labels, still);
    }
    // Laying out is work enough for one frame.
    if (!moved || !this.#painter.pending) {
      this.#painter.paint(this.#context(), PAINT_BUDGET_MS);
    }
    if (this.#painter.pending) markDirty(this.#paintTask, true);
  }

  /**
   * A look in passing recolours tiles where they are; only what the visitor
   * chose, or the end of an epoch, moves them.
   * @param {Set<string>} news
   */
  #needsLayout(news) {
    if (news.has('test') || news.has('layout') || news.has('wall')) return true;
    if (!news.has('evaluation')) return false;
    const { wall, evaluation } = this.state;
    const depends = wall.filter === 'wrong' || wall.predicted >= 0
      || wall.sort === 'confidence' || wall.sort === 'mistake';
    return depends && !evaluation?.live;
  }

  #context() {
    const canvas = /** @type {HTMLCanvasElement} */ (this.querySelector('canvas.wall'));
    return /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  }

  #layOut() {
    const { test, evaluation, wall } = this.state;
    if (test) {
      this.#order = wallOrder({
        labels: test.labels,
        predicted: evaluation?.predicted ?? null,
        probabilities: evaluation?.probabilities ?? null,
      }, wall);
    }
    const context = this.#context();
    this.#measure(context.canvas);
    this.dataset.laid = '';
    if (!test) return;
    const picture = context.createImageData(context.canvas.width, context.canvas.height);
    const tile = this.#tile();
    this.#painter.layOut(this.#order, tile, this.#columns, picture);
    this.#place = this.#keyboard ? Math.min(this.#place, this.#order.length - 1) : -1;
    this.requestUpdate();
  }

  #tile() {
    const narrow = this.#width < 600 * this.#density;
    const count = this.#order.length || EXPECTED_COUNT;
    return tileSize(count, this.#width, this.#width * (narrow ? 2 : 1.08));
  }

  /**
   * Gives the canvas a size at which every tile covers whole device pixels.
   * @param {HTMLCanvasElement} canvas
   */
  #measure(canvas) {
    this.#density = devicePixelRatio;
    this.#width = Math.floor(this.#frame().clientWidth * this.#density);
    const tile = this.#tile();
    const count = this.#order.length || EXPECTED_COUNT;
    this.#side = tile.side;
    this.#columns = Math.max(1, Math.floor(this.#width / tile.side));
    this.#height = Math.ceil(count / this.#columns) * tile.side;
    canvas.width = this.#columns * tile.side;
    canvas.height = this.#height;
    canvas.style.width = `${canvas.width / this.#density}px`;
    canvas.style.height = `${this.#height / this.#density}px`;
  }

  /** @param {PointerEvent|MouseEvent} event */
  #placeUnder(event) {
    const box = this.#frame().getBoundingClientRect();
    const side = this.#side / this.#density;
    const column = Math.floor((event.clientX - box.left) / side);
    const row = Math.floor((event.clientY - box.top) / side);
    const place = row * this.#columns + column;
    const inside = column >= 0 && column < this.#columns && row >= 0;
    return inside && place < this.#order.length ? place : -1;
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    this.#keyboard = false;
    this.#show(this.#placeUnder(event));
  }

  #onLeave() {
    this.#keyboard = false;
    this.#show(-1);
  }

  #onFocus() {
    if (!this.#frame().matches(':focus-visible')) return;
    this.#keyboard = true;
    this.#show(0);
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const place = this.#placeUnder(event);
    this.#show(place);
    if (place >= 0) this.ask({ name: 'choose', index: this.#order[place] });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const last = this.#order.length - 1;
    const from = Math.max(0, this.#place);
    /** @type {Record<string, number>} */
    const moves = {
      ArrowRight: from + 1,
      ArrowLeft: from - 1,
      ArrowDown: from + this.#columns,
      ArrowUp: from - this.#columns,
      PageDown: from + 10 * this.#columns,
      PageUp: from - 10 * this.#columns,
      Home: 0,
      End: last,
    };
    if (event.key in moves) {
      event.preventDefault();
      this.#keyboard = true;
      this.#show(Math.max(0, Math.min(last, moves[event.key])));
    } else if (event.key === 'Escape') {
      this.#show(-1);
    } else if ((event.key === 'Enter' || event.key === ' ') && this.#place >= 0) {
      event.preventDefault();
      this.ask({ name: 'choose', index: this.#order[this.#place] });
    }
  }

  /** @param {number} place */
  #show(place) {
    if (place === this.#place) return;
    this.#place = place;
    markDirty(this.#loupeTask);
  }
}

/** @param {number} digit */
const aDigit = (digit) => (digit === 8 ? `an ${digit}` : `a ${digit}`);

customElements.define('soma-wall', Wall);
