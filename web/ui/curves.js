/**
 * Loss, accuracy and learning rate over the epochs, earlier runs kept faint
 * behind them, and all of it as a table for those who do not look at charts.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { markDirty } from './frame.js';
import { onLookChange } from './ink.js';
import { chartLines, joinLines } from '../state/chart-data.js';
import { formatNumber, formatPercent } from '../state/format.js';

/** @import uPlot from 'uplot' */

/** While training, the charts are drawn at most this often. */
const PAUSE_MS = 200;

/** @typedef {import('../state/chart-data.js').Quantity} Quantity */

/**
 * @typedef {object} ChartPlan
 * @property {Quantity} quantity
 * @property {string} title
 * @property {number} height
 * @property {boolean} logarithmic
 * @property {(value: number) => string} words
 */

/** @type {ChartPlan[]} */
const CHARTS = [
  {
    quantity: 'loss',
    title: 'Loss',
    height: 220,
    logarithmic: true,
    words: formatNumber,
  },
  {
    quantity: 'accuracy',
    title: 'Accuracy',
    height: 220,
    logarithmic: false,
    words: (value) => `${formatPercent(value, 1)} %`,
  },
  {
    quantity: 'rate',
    title: 'Learning rate',
    height: 110,
    logarithmic: false,
    words: formatNumber,
  },
];

export class Curves extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['record', 'earlier', 'plan', 'highlight'];

  /** @type {Map<Quantity, {plot: uPlot, shape: string}>} */
  #plots = new Map();
  #drawnAt = -Infinity;
  #timer = 0;
  /**
   * The chart library, fetched when a chart is about to be seen.
   * @type {typeof uPlot|null}
   */
  #uPlot = null;
  #tableOpen = false;
  /** One task for each chart: a slow machine draws them in different frames. */
  #tasks = CHARTS.map((chart) => () => this.#draw(chart));

  connectedCallback() {
    super.connectedCallback();
    onLookChange(() => this.#rebuild());
  }

  firstUpdated() {
    new ResizeObserver(() => this.#mark(false)).observe(this);
    const sight = new IntersectionObserver(async ([entry]) => {
      if (!entry.isIntersecting) return;
      sight.disconnect();
      this.#uPlot = (await import('uplot')).default;
      this.#rebuild();
    }, { rootMargin: '300px 0px' });
    sight.observe(this);
    document.fonts?.ready.then(() => this.#rebuild());
  }

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    if (changed.has('earlier')) super.changed(changed);
    if (this.#timer) return;
    const wait = Math.max(0, PAUSE_MS - (performance.now() - this.#drawnAt));
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#mark(true);
      if (this.#tableOpen) this.requestUpdate();
    }, wait);
  }

  render() {
    return html`<h2>Curves</h2>
      <div class="charts">${CHARTS.map((chart) => html`
        <figure class="chart ${chart.quantity}">
          <figcaption>${chart.title}<span class="chart-values" aria-hidden="true"></span>
          </figcaption>
          <div class="plot" data-quantity=${chart.quantity} aria-hidden="true"></div>
        </figure>`)}</div>
      <p class="legend"><span class="key ink">training</span>
        <span class="key second">validation</span> <span class="key accent">test, at the end
        of each epoch</span> <span class="key dashed">planned rate</span>${
  this.state.earlier.some((run) => run.shown)
    ? html` <span class="key faded">earlier runs</span>` : nothing}</p>
      <details class="as-table" @toggle=${this.#onToggle}>
        <summary>The same as a table</summary>
        ${this.#tableOpen ? this.#table() : nothing}</details>`;
  }

  /** @param {Event} event */
  #onToggle(event) {
    this.#tableOpen = /** @type {HTMLDetailsElement} */ (event.target).open;
    this.requestUpdate();
  }

  #table() {
    const { record } = this.state;
    if (!record?.test.epoch.length) return html`<p>No epoch has ended yet.</p>`;
    return html`<table class="figures"><thead><tr><th scope="col">epoch</th>
        <th scope="col">training loss</th><th scope="col">validation loss</th>
        <th scope="col">validation accuracy</th><th scope="col">test accuracy</th></tr></thead>
      <tbody>${record.test.epoch.map((epoch, i) => {
    const own = record.validation.epoch.indexOf(epoch);
    return html`<tr><th scope="row">${formatNumber(epoch)}</th>
        <td>${formatNumber(at(record.train, epoch))}</td>
        <td>${own < 0 ? '–' : formatNumber(record.validation.loss[own])}</td>
        <td>${own < 0 ? '–' : `${formatPercent(record.validation.accuracy[own])} %`}</td>
        <td>${formatPercent(record.test.accuracy[i])} %</td></tr>`;
  })}</tbody></table>`;
  }

  #rebuild() {
    for (const { plot } of this.#plots.values()) plot.destroy();
    this.#plots.clear();
    this.#mark(false);
  }

  /** @param {boolean} patient */
  #mark(patient) {
    for (const task of this.#tasks) markDirty(task, patient);
  }

  /** @param {ChartPlan} chart */
  #draw(chart) {
    if (!this.hasUpdated || !this.store || !this.#uPlot) return;
    this.#drawnAt = performance.now();
    const { record, plan, highlight } = this.state;
    const earlier = this.state.earlier.filter((run) => run.shown);
    const pointed = earlier.map((run) => run.id === highlight);
    const host = /** @type {HTMLElement} */ (
      this.querySelector(`[data-quantity=${chart.quantity}]`));
    const data = joinLines(chartLines(record, earlier, chart.quantity, plan));
    this.#show(chart, host, /** @type {uPlot.AlignedData} */ (data), pointed);
  }

  /**
   * @param {ChartPlan} chart
   * @param {HTMLElement} host
   * @param {uPlot.AlignedData} data
   * @param {boolean[]} pointed   which of the earlier runs is pointed at
   */
  #show(chart, host, data, pointed) {
    const width = Math.floor(host.clientWidth);
    if (width < 50 || !this.#uPlot) return;
    const shape = pointed.join();
    const old = this.#plots.get(chart.quantity);
    if (old && old.shape === shape) {
      if (old.plot.width !== width) old.plot.setSize({ width, height: chart.height });
      old.plot.setData(data);
      return;
    }
    old?.plot.destroy();
    const values = /** @type {HTMLElement} */ (
      host.parentElement?.querySelector('.chart-values'));
    const plot = new this.#uPlot(chartOptions(chart, width, pointed, values), data, host);
    this.#plots.set(chart.quantity, { plot, shape });
  }
}

/**
 * @param {import('../state/run-history.js').Curve} curve
 * @param {number} epoch
 */
function at(curve, epoch) {
  let last = NaN;
  for (let i = 0; i < curve.epoch.length && curve.epoch[i] <= epoch + 1e-9; i++) {
    last = curve.loss[i];
  }
  return last;
}

/**
 * @param {ChartPlan} chart
 * @param {number} width
 * @param {boolean[]} pointed   which of the earlier runs is pointed at
 * @param {HTMLElement} values  where the values under the pointer are written
 * @returns {uPlot.Options}
 */
function chartOptions(chart, width, pointed, values) {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const series = chart.quantity === 'rate' ? rateSeries(colour) : ownSeries(colour);
  for (const strong of pointed) {
    series.push({
      label: 'earlier', stroke: colour(strong ? '--second' : '--ink-faint'),
      width: strong ? 1.5 : 1, spanGaps: true,
      points: { show: false },
    });
  }
  return {
    width,
    height: chart.height,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: {
      drag: { x: false, y: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: false, range: (_, min, max) => [Math.min(0, min ?? 0), max || 1] },
      y: { distr: chart.logarithmic ? 3 : 1, range: rangeOf(chart.quantity) },
    },
    axes: axesOf(chart, colour),
    series: [{}, ...series],
    hooks: { setCursor: [(plot) => writeValues(plot, chart, values)] },
  };
}

/**
 * @param {(name: string) => string} colour
 * @returns {uPlot.Series[]}
 */
function ownSeries(colour) {
  const plain = { spanGaps: true, points: { show: false } };
  return [
    { ...plain, label: 'training', stroke: colour('--ink'), width: 1.25 },
    {
      label: 'validation', stroke: colour('--second'), width: 2, spanGaps: true,
      points: { show: true, size: 4, fill: colour('--second'), width: 0 },
    },
    {
      label: 'test', stroke: colour('--accent'), width: 0, spanGaps: true,
      points: { show: true, size: 6, fill: colour('--accent'), stroke: colour('--accent') },
    },
  ];
}

/**
 * The rate that was used, over the one that is planned.
 * @param {(name: string) => string} colour
 * @returns {uPlot.Series[]}
 */
function rateSeries(colour) {
  const plain = { spanGaps: true, points: { show: false } };
  return [
    { ...plain, label: 'used', stroke: colour('--ink'), width: 1.5 },
    { ...plain, label: 'planned', stroke: colour('--second'), width: 1, dash: [4, 4] },
  ];
}

/**
 * Accuracy ends at one, the rate begins at zero, the loss gets a little air. The
 * first tenth of a run does not set the scale: its steep beginning would press
 * all that follows against the edge.
 *
 * @param {Quantity} quantity
 * @returns {uPlot.Scale.Range}
 */
function rangeOf(quantity) {
  return (plot, min, max) => {
    if (!Number.isFinite(min) || !Number.isFinite(max)) return [0.1, 1];
    if (quantity === 'rate') return [0, (max || 1) * 1.1];
    const [low, high] = settledRange(plot.data, min, max);
    if (quantity === 'loss') return [low * 0.85, high * 1.15];
    return [Math.max(0, low - (1 - low) * 0.1), 1];
  };
}

/**
 * @param {uPlot.AlignedData} data
 * @param {number} min  used when nothing has settled yet
 * @param {number} max
 */
function settledRange(data, min, max) {
  const [x, ...columns] = data;
  const from = x[x.length - 1] * 0.1;
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns) {
    for (let i = 0; i < column.length; i++) {
      const value = column[i];
      if (x[i] < from || value === null || value === undefined) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : [min, max];
}

/**
 * Gridlines of a logarithmic axis: 1, 2 and 5 of each decade.
 * @param {number} min
 * @param {number} max
 */
function logSplits(min, max) {
  const splits = [];
  for (let e = Math.floor(Math.log10(min)); e <= Math.log10(max); e++) {
    for (const m of [1, 2, 5]) {
      const value = Number(`${m}e${e}`);
      if (value >= min && value <= max) splits.push(value);
    }
  }
  return splits;
}

/**
 * @param {ChartPlan} chart
 * @param {(name: string) => string} colour
 * @returns {uPlot.Axis[]}
 */
function axesOf(chart, colour) {
  const shared = {
    stroke: colour('--ink-soft'),
    font: `12px ${colour('--sans')}`,
    ticks: { show: false },
  };
  return [
    { ...shared, grid: { show: false }, size: 26, gap: 4, space: 60,
      incrs: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500] },
    {
      ...shared,
      size: 46,
      gap: 6,
      space: 36,
      grid: { stroke: colour('--rule'), width: 1 },
      ...(chart.quantity === 'accuracy'
        ? { incrs: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2] } : {}),
      ...(chart.logarithmic ? {
        splits: (_, __, min, max) => logSplits(min, max),
        filter: (_, splits) => splits,
      } : {}),
      values: (_, ticks) => ticks.map((tick) => (tick === null ? ''
        : chart.quantity === 'accuracy' ? `${Number((tick * 100).toFixed(1))} %`
          : formatNumber(tick))),
    },
  ];
}

/**
 * Writes what lies under the pointer beside the title.
 *
 * @param {uPlot} plot
 * @param {ChartPlan} chart
 * @param {HTMLElement} host
 */
function writeValues(plot, chart, host) {
  const { idx } = plot.cursor;
  if (idx === null || idx === undefined) {
    host.textContent = '';
    return;
  }
  const parts = [`epoch ${plot.data[0][idx].toFixed(2)}`];
  plot.series.slice(1, 4).forEach((series, i) => {
    if (series.label === 'earlier') return;
    const value = nearest(plot.data[i + 1], idx);
    if (value !== null) parts.push(`${series.label} ${chart.words(value)}`);
  });
  host.textContent = parts.join(' · ');
}

/**
 * The last value of a column at or before a place.
 * @param {ArrayLike<number|null|undefined>} column
 * @param {number} idx
 */
function nearest(column, idx) {
  for (let i = idx; i >= 0; i--) {
    const value = column[i];
    if (value !== undefined && value !== null) return value;
  }
  return null;
}

customElements.define('soma-curves', Curves);
