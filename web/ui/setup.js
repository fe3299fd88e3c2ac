/**
 * What is trained: the run in one line, the controls made from the engine's
 * table of options, and the link that brings somebody else to the same place.
 *
 * Options that may change during a run do so at once. The others wait until the
 * visitor starts a new network; until then the old one goes on.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { checkValue, describeRun } from '../state/settings-check.js';
import { linkFromValues } from '../state/link.js';
import { formatCount } from '../state/format.js';

/** @typedef {import('../protocol.js').Option} Option */

/** Networks offered under the field; any other may be written. */
const NETWORKS = [
  'dense 10',
  'dense 128, relu, dense 10',
  'dense 256, relu, dense 10',
  'dense 512, relu, dense 256, relu, dense 10',
];

/** Groups whose fields are shown at once; the others open on request. */
const OPEN_GROUPS = 1;

export class Setup extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['engine', 'run', 'draft', 'faults', 'plan', 'progress', 'notice',
    'extras', 'recipesOpen'];

  #open = false;
  #hasStarted = false;
  /** The form was sent and nothing has come of it yet. */
  #applied = false;

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    // Progress comes sixteen times a second; only its beginning matters here.
    const started = !!this.state.progress?.step;
    if (changed.size === 1 && changed.has('progress') && started === this.#hasStarted) return;
    this.#hasStarted = started;
    super.changed(changed);
  }

  render() {
    const { run, engine } = this.state;
    if (!run || !engine) return html`<p class="setup-line">&nbsp;</p>`;
    const link = linkFromValues(run.values, engine.options);
    return html`
      <div class="setup-line">
        <p class="setup-net"><span class="sr">Network: </span>784 → ${
          run.layers.map((layer) => layer.text).join(' → ')}
          <span class="setup-more">${this.#summary()}</span></p>
        <div class="setup-buttons">
          <button class="quiet" aria-expanded=${this.#open} aria-controls="settings"
            @click=${this.#toggle}>Settings</button>
          <button class="quiet" aria-expanded=${this.state.recipesOpen}
            aria-controls="recipes" @click=${() => this.ask({
    name: 'recipes', open: !this.state.recipesOpen,
  })}>Recipes</button>
          <button class="quiet" @click=${() => this.ask({ name: 'copy', link })}
            >${this.state.notice || 'Copy link'}</button>
        </div>
      </div>
      ${this.#open ? this.#form(engine) : nothing}`;
  }

  updated() {
    this.#focusFault();
  }

  #summary() {
    const { run, engine } = this.state;
    if (!run || !engine) return '';
    const rest = engine.options.filter((option) => option.type !== 'network');
    return `${formatCount(run.parameterCount)} weights, ${describeRun(run.values, rest)}`;
  }

  #toggle() {
    this.#open = !this.#open;
    if (this.#open && !this.state.extras) this.ask({ name: 'extras' });
    this.requestUpdate();
  }

  /** @param {import('../protocol.js').EngineInfo} engine */
  #form(engine) {
    const groups = [...new Set(engine.options.map((option) => option.group))];
    const waiting = this.#waiting();
    return html`<form id="settings" class="settings" novalidate @submit=${this.#onSubmit}>
      ${groups.map((group, i) => this.#group(group, engine.options
    .filter((option) => option.group === group), i < OPEN_GROUPS))}
      <div class="settings-end">
        <button class="go small">Restart with these settings</button>
        <button type="button" class="quiet" @click=${() =>
    this.ask({ name: 'defaults' })}>Back to the defaults</button>
        <p class="fault" role="alert">${this.state.faults[''] ?? ''}</p>
        <p>${waiting.length
    ? `${waiting.join(', ')} ${waiting.length > 1 ? 'need' : 'needs'} a new network; `
          + 'what runs goes on until you restart.'
    : 'Settings marked “live” act at once, the others need a new network.'}</p>
      </div>
    </form>`;
  }

  /**
   * @param {string} name
   * @param {Option[]} options
   * @param {boolean} open
   */
  #group(name, options, open) {
    const { draft, run } = this.state;
    const values = { ...run?.values, ...draft };
    const changed = options.some(({ key, default: usual }) => values[key] !== usual);
    return html`<details class="settings-group" ?open=${open}>
      <summary><h3>${name}</h3>
        <span>${changed ? describeRun(values, options) : ''}</span></summary>
      <div class="settings-fields">${options.map((option) => this.#field(option))}
        ${this.state.extras ? this.#extra(name) : nothing}</div>
    </details>`;
  }

  /** @param {string} group */
  #extra(group) {
    if (group === 'Learning') {
      return html`<soma-rate-finder .store=${this.store}></soma-rate-finder>`;
    }
    return group === 'Augmentation'
      ? html`<soma-augmentation .store=${this.store}></soma-augmentation>` : nothing;
  }

  /** Options that wait for a new network because another value was typed. */
  #waiting() {
    const live = this.state.engine?.options.filter((option) => option.live) ?? [];
    return this.#changedKeys().filter((key) => !live.some((option) => option.key === key));
  }

  #changedKeys() {
    const { draft, run } = this.state;
    return Object.keys(draft).filter((key) => draft[key] !== run?.values[key]);
  }

  /** @param {Option} option */
  #field(option) {
    const { draft, run, faults } = this.state;
    const value = draft[option.key] ?? run?.values[option.key] ?? option.default;
    const fault = faults[option.key] ?? '';
    const id = `option-${option.key}`;
    const note = this.state.plan?.notes[option.key] ?? '';
    const described = [`${id}-help`, fault && `${id}-fault`, note && `${id}-note`]
      .filter(Boolean).join(' ');
    const differs = this.#changedKeys().includes(option.key);
    return html`<div class="field ${option.type} ${differs ? 'differs' : ''} ${note ? 'idle' : ''}">
      <label for=${id}>${option.key}${option.live
    ? html` <span class="live">live</span>` : nothing}</label>
      ${this.#input(option, id, value, described, fault !== '')}
      <p class="help" id="${id}-help">${option.help}</p>
      ${option.type === 'network' ? this.#layerHelp() : nothing}
      ${note ? html`<p class="note" id="${id}-note">${note}</p>` : nothing}
      <p class="fault" id="${id}-fault" role="alert">${fault}</p>
    </div>`;
  }

  /**
   * @param {Option} option
   * @param {string} id
   * @param {string} value
   * @param {string} described  ids of help and fault
   * @param {boolean} bad
   */
  #input(option, id, value, described, bad) {
    const change = (/** @type {Event} */ event) => this.#onChange(option, event);
    const invalid = bad ? 'true' : 'false';
    if (option.type === 'choice') {
      return html`<select id=${id} aria-describedby=${described} aria-invalid=${invalid}
        @change=${change}>${option.choices.map((choice) => html`<option value=${choice}
          ?selected=${choice === value}>${choice}</option>`)}</select>`;
    }
    if (option.type === 'switch') {
      return html`<input id=${id} type="checkbox" aria-describedby=${described}
        .checked=${isOn(value)} @change=${change}>`;
    }
    const numeric = option.type !== 'network';
    return html`<input id=${id} type="text" inputmode=${numeric ? 'decimal' : 'text'}
      autocomplete="off" spellcheck="false" autocapitalize="none"
      list=${numeric ? nothing : 'networks'}
      aria-describedby=${described} aria-invalid=${invalid}
      .value=${value} @change=${change}>
      ${numeric ? nothing : html`<datalist id="networks">${
    NETWORKS.map((net) => html`<option value=${net}></option>`)}</datalist>`}`;
  }

  #layerHelp() {
    const layers = this.state.engine?.layers ?? [];
    return html`<details class="layers"><summary>Layers to choose from</summary>
      <dl>${layers.map((layer) => html`<div><dt><code>${layer.usage}</code></dt>
        <dd>${layer.help}</dd></div>`)}</dl></details>`;
  }

  /**
   * @param {Option} option
   * @param {Event} event
   */
  #onChange(option, event) {
    this.#applied = false;
    const input = /** @type {HTMLInputElement} */ (event.target);
    const value = option.type === 'switch' ? switchText(option, input.checked)
      : input.value.trim();
    this.ask({ name: 'draft', key: option.key, value });
  }

  /** @param {Event} event */
  #onSubmit(event) {
    event.preventDefault();
    const { run, draft, engine } = this.state;
    if (!run || !engine) return;
    const values = { ...run.values, ...draft };
    const bad = engine.options.find((option) => checkValue(option, values[option.key]));
    this.#applied = true;
    if (!bad) this.ask({ name: 'apply', values });
    else this.#focusFault();
  }

  /** After a refusal, the field that was refused is where the visitor goes on. */
  #focusFault() {
    const field = /** @type {HTMLElement|null} */ (
      this.querySelector('[aria-invalid="true"]'));
    if (!field || !this.#applied) return;
    this.#applied = false;
    field.closest('details')?.setAttribute('open', '');
    field.focus();
  }
}

/** @param {string} value */
const isOn = (value) => ['on', 'true', 'yes', '1'].includes(value);

/**
 * The word for on or off, in the spelling the option's default uses.
 * @param {Option} option
 * @param {boolean} on
 */
function switchText(option, on) {
  const pairs = [['on', 'off'], ['true', 'false'], ['yes', 'no'], ['1', '0']];
  const pair = pairs.find((words) => words.includes(option.default)) ?? pairs[0];
  return pair[on ? 0 : 1];
}

customElements.define('soma-setup', Setup);
