/**
 * "Find a good rate": a sweep over learning rates, its loss as a curve, and the
 * rate that it suggests.
 *
 * @module
 */

import { html, nothing } from 'lit';
import uPlot from 'uplot';
import { View } from './view.js';
import { markDirty, unmark } from './frame.js';
import { onLookChange } from './ink.js';
import { formatNumber } from '../state/format.js';
import './toolbox.css';

/** @typedef {import('../protocol.js').RateTest} RateTest */

const HEIGHT = 180;

export class RateFinder extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['rateTest', 'draft', 'run'];

  /** @type {uPlot|null} */
  #plot = null;
  /** @type {RateTest|null} what the plot shows */
  #drawn = null;
  #task = () => this.#draw();

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => { this.#drawn = null; markDirty(this.#task); });
    new ResizeObserver(() => { this.#drawn = null; markDirty(this.#task); }).observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    unmark(this.#task);
    this.#plot?.destroy();
    this.#plot = null;
    this.#drawn = null;
  }

  updated() {
    markDirty(this.#task);
  }

  render() {
    const { rateTest } = this.state;
    const result = rateTest?.result ?? null;
    return html`<div class="rate-finder">
      <p>${rateTest?.running ? html`<button type="button" @click=${() =>
    this.ask({ name: 'stopFindRate' })}>Stop the search</button>`
    : html`<button type="button" @click=${() =>
      this.ask({ name: 'findRate' })}>Find a good rate</button>`}
</p>
      <p class="rate-words">A copy of the network trains while the rate climbs from 0.00001 to
        10; what runs is not touched.</p>
      ${result?.rates.length ? html`<div class="rate-plot" aria-hidden="true"></div>` : nothing}
      <p role="status">${this.#words()}</p>
      ${result?.rates.length ? this.#take(result) : nothing}</div>`;
  }

  #words() {
    const { rateTest } = this.state;
    if (rateTest?.running) return 'Trying rates …';
    return rateTest?.result?.rates.length ? inWords(rateTest.result) : '';
  }

  /** @param {RateTest} result */
  #take({ suggested }) {
    if (Number.isNaN(suggested)) return nothing;
    const value = String(suggested);
    const { draft, run } = this.state;
    const taken = Number(draft.lr ?? run?.values.lr) === suggested;
    return html`<p><button type="button" ?disabled=${taken}
      @click=${() => this.ask({ name: 'draft', key: 'lr', value })}>${
  taken ? `${value} is taken` : `Take ${value}`}</button></p>`;
  }

  #draw() {
    const host = /** @type {HTMLElement|null} */ (this.querySelector('.rate-plot'));
    const result = this.state.rateTest?.result ?? null;
    if (!host || !result || (result === this.#drawn && host.contains(this.#plot?.root ?? null))) {
      return;
    }
    this.#plot?.destroy();
    this.#drawn = result;
    const data = /** @type {uPlot.AlignedData} */ ([[...result.rates], [...result.losses]]);
    this.#plot = new uPlot(plotOptions(result, host.clientWidth), data, host);
  }
}

/** @param {RateTest} result */
function inWords({ lowest, blowUp, suggested }) {
  if (Number.isNaN(suggested)) {
    return 'The loss did not fall at any rate: the trouble lies elsewhere.';
  }
  const explodes = Number.isNaN(blowUp) ? 'and never exploded'
    : `and exploded at ${formatNumber(blowUp)}`;
  return `The loss was lowest at ${formatNumber(lowest)} ${explodes}. Well on the safe side: ${
    suggested}.`;
}

/**
 * @param {RateTest} result
 * @param {number} width
 * @returns {uPlot.Options}
 */
function plotOptions({ losses, suggested }, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const shared = {
    stroke: colour('--ink-soft'), font: `12px ${colour('--sans')}`, ticks: { show: false },
  };
  // An explosion must not press all else against the axis.
  const top = Math.min(Math.max(...losses), losses[0] * 1.4);
  const low = Math.min(...losses);
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 14, 0, 0],
    scales: {
      x: { time: false, distr: 3 },
      y: { range: () => [low - (top - low) * 0.1, top + (top - low) * 0.05] },
    },
    axes: [
      {
        ...shared, grid: { show: false }, size: 26, gap: 4, space: 20,
        values: (_, ticks) => ticks.map((tick) => (Number.isInteger(
          Number(Math.log10(tick).toFixed(9))) ? String(Number(tick.toPrecision(1))) : '')),
      },
      {
        ...shared, size: 46, gap: 6, space: 36, grid: { stroke: colour('--rule'), width: 1 },
        values: (_, ticks) => ticks.map(formatNumber),
      },
    ],
    series: [{}, {
      stroke: colour('--ink'), width: 1.5, points: { show: false },
    }],
    hooks: { draw: [(plot) => markRate(plot, suggested, colour('--accent'))] },
  };
}

/**
 * A vertical line at the suggested rate.
 * @param {uPlot} plot
 * @param {number} rate
 * @param {string} colour
 */
function markRate(plot, rate, colour) {
  if (Number.isNaN(rate)) return;
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(rate, 'x', true));
  ctx.fillStyle = colour;
  ctx.fillRect(x, bbox.top, 2 * devicePixelRatio, bbox.height);
}

customElements.define('soma-rate-finder', RateFinder);
