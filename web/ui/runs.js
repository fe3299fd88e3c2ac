/**
 * Runs side by side: the present one and those kept from before, each with its
 * settings and figures. An earlier run can be laid behind the curves, named,
 * opened, copied as a link, and removed.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { formatDuration, formatNumber, formatPercent } from '../state/format.js';
import './toolbox.css';

/** @typedef {import('../state/run-history.js').RunRecord} RunRecord */

/** While training, the figures change at most this often. */
const PAUSE_MS = 400;

/** Why a run ended, where the number of epochs does not say it. @type {Record<string, string>} */
const ENDS = {
  steps: 'at its step limit', seconds: 'at its time limit', target: 'at its target',
  patience: 'early, best weights back',
};

export class Runs extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['record', 'earlier', 'run', 'engine'];

  #shownAt = -Infinity;
  /** The run whose name is being written; -1 = none. */
  #renaming = -1;

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    const now = performance.now();
    const training = this.state.progress?.phase === 'training';
    const oftenChanged = changed.size === 1 && changed.has('record');
    if (training && oftenChanged && now - this.#shownAt < PAUSE_MS) return;
    this.#shownAt = now;
    super.changed(changed);
  }

  render() {
    const { record, earlier } = this.state;
    const present = record && record.train.epoch.length > 0 ? record : null;
    if (!present && !earlier.length) return nothing;
    return html`<h2>Runs</h2>
      <p class="lead">A ticked run lies behind the curves; point at it to see which line it is.
        They are kept in this browser, the latest twelve.</p>
      <ol class="runs">
        ${present ? this.#run(present, true) : nothing}
        ${earlier.map((run) => this.#run(run, false))}
      </ol>
      ${this.#vary()}`;
  }

  updated() {
    /** @type {HTMLInputElement|null} */ (this.querySelector('.run-title'))?.focus();
  }

  /**
   * @param {RunRecord} run
   * @param {boolean} present
   */
  #run(run, present) {
    const name = run.title || run.name;
    const point = (/** @type {number} */ id) => () => this.ask({ name: 'highlight', id });
    return html`<li class="run" @pointerenter=${point(run.id)} @pointerleave=${point(-1)}
      @focusin=${point(run.id)} @focusout=${point(-1)}>
      ${present ? html`<span class="run-show" title="the present run"
        ><span class="key ink"><span class="sr">the present run</span></span></span>`
    : html`<input class="run-show" type="checkbox" .checked=${run.shown}
        aria-label="Show on the charts: ${name}" @change=${(/** @type {Event} */ event) =>
  this.ask({ name: 'showRun', id: run.id, shown: isChecked(event) })}>`}
      <div class="run-name">${this.#renaming === run.id ? this.#nameField(run)
    : html`<p>${name}</p>${run.title ? html`<p class="run-settings">${run.name}</p>` : nothing}`}
        ${this.#actions(run, name, present)}</div>
      ${this.#figures(run)}
    </li>`;
  }

  /** @param {RunRecord} run */
  #nameField(run) {
    const save = (/** @type {Event} */ event) => {
      if (this.#renaming !== run.id) return;
      this.#renaming = -1;
      const title = /** @type {HTMLInputElement} */ (event.target).value.trim().slice(0, 80);
      this.ask({ name: 'renameRun', id: run.id, title });
      this.requestUpdate();
    };
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter') save(event);
      if (event.key !== 'Escape') return;
      this.#renaming = -1;
      this.requestUpdate();
    };
    return html`<input class="run-title" type="text" maxlength="80" aria-label="Name of the run"
      .value=${run.title || run.name} @blur=${save} @keydown=${onKey}>`;
  }

  /**
   * @param {RunRecord} run
   * @param {string} name
   * @param {boolean} present
   */
  #actions(run, name, present) {
    const of = html`<span class="sr"> ${name}</span>`;
    return html`<p class="run-actions">
      ${present ? nothing : html`<a href=${run.link || '#'}>Open${of}</a>`}
      <button class="quiet" @click=${() => this.ask({ name: 'copy', link: run.link })}
        >Copy link${of}</button>
      <button class="quiet" @click=${() => { this.#renaming = run.id; this.requestUpdate(); }}
        >Rename${of}</button>
      ${present ? nothing : html`<button class="quiet"
        @click=${() => this.ask({ name: 'forget', id: run.id })}>Remove${of}</button>`}</p>`;
  }

  /** @param {RunRecord} run */
  #figures(run) {
    const percent = (/** @type {number|undefined} */ value) =>
      (value === undefined || Number.isNaN(value) ? '–' : `${formatPercent(value)} %`);
    const final = Number.isNaN(run.final) ? run.test.accuracy.at(-1) : run.final;
    const ended = run.ended ? ENDS[run.ended] ?? '' : '';
    return html`<dl class="run-figures">
      <div><dt>best test</dt><dd>${percent(run.best)}</dd></div>
      <div><dt>final test</dt><dd>${percent(final)}</dd></div>
      <div><dt>training loss</dt><dd>${formatNumber(lastEpoch(run.train))}</dd></div>
      <div><dt>validation loss</dt><dd>${
  formatNumber(run.validation.loss.at(-1) ?? NaN)}</dd></div>
      <div><dt>epochs${ended ? `, ended ${ended}` : ''}</dt><dd>${
  formatNumber(run.train.epoch.at(-1) ?? NaN)}</dd></div>
      <div><dt>in training</dt><dd>${formatDuration(run.trainingMs / 1000) || '–'}</dd></div>
    </dl>`;
  }

  /** The present run once more, from the same weights, with another optimiser. */
  #vary() {
    const { run, engine } = this.state;
    const choices = engine?.options.find(({ key }) => key === 'optimizer')?.choices ?? [];
    if (!run) return nothing;
    const present = run.values.optimizer;
    return html`<p class="vary"><label for="vary">Run it again with the same seed and</label>
      <select id="vary" .value=${''} @change=${(/** @type {Event} */ event) => {
  const select = /** @type {HTMLSelectElement} */ (event.target);
  const optimizer = select.value;
  select.value = '';
  if (optimizer) this.ask({ name: 'vary', values: run.values, optimizer });
}}><option value="">another optimiser</option>
        ${choices.filter((choice) => choice !== present).map((choice) =>
    html`<option value=${choice}>${choice}</option>`)}</select></p>`;
  }
}

/**
 * The mean training loss over the last epoch; single points are noisy.
 * @param {import('../state/run-history.js').Curve} curve
 */
function lastEpoch({ epoch, loss }) {
  const from = (epoch.at(-1) ?? 0) - 1 + 1e-9;
  const part = loss.filter((_, i) => epoch[i] > from);
  return part.reduce((sum, value) => sum + value, 0) / part.length;
}

/** @param {Event} event */
const isChecked = (event) => /** @type {HTMLInputElement} */ (event.target).checked;

customElements.define('soma-runs', Runs);
