/**
 * The large number, the large button, and how far the run has come.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import {
  formatBytes, formatCount, formatDuration, formatNumber, formatPercent,
} from '../state/format.js';

/** Batches a second that the slider offers; the last is as fast as it goes. */
const SPEEDS = [1, 2, 5, 10, 25, 60, 150, 400, Infinity];

/** Why a run is over, in the place of the time that is left. */
const ENDS = {
  epochs: 'finished',
  steps: 'step limit',
  seconds: 'time limit',
  target: 'target met',
  patience: 'stopped early',
};

export class Hero extends View {
  static rests = true;
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['progress', 'evaluation', 'data', 'run', 'speed', 'obstacle'];

  render() {
    return html`
      <p class="score">${this.#number()}<span class="score-note">${this.#note()}</span></p>
      ${this.#button()}
      <div class="steps">
        <button class="quiet" ?disabled=${!this.#canStep()}
          @click=${() => this.ask({ name: 'step', count: 1 })}>One batch</button>
        <button class="quiet" ?disabled=${!this.#canStep()}
          @click=${() => this.ask({ name: 'epoch' })}>One epoch</button>
        <button class="quiet" ?disabled=${!this.state.progress?.step}
          @click=${() => this.ask({ name: 'reset' })}>Reset</button>
      </div>
      ${this.#speed()} ${this.#way()} ${this.#loading()}`;
  }

  #phase() {
    return this.state.progress?.phase ?? 'empty';
  }

  #running() {
    return ['training', 'waiting'].includes(this.#phase());
  }

  #canStep() {
    return ['ready', 'paused', 'waiting', 'training'].includes(this.#phase());
  }

  #number() {
    const { evaluation } = this.state;
    if (!evaluation) return html`<span class="figure idle" aria-hidden="true">?</span>`;
    const [whole, part] = formatPercent(evaluation.accuracy).split('.');
    return html`<span class="figure" data-accuracy=${evaluation.accuracy}>${
      whole}<span class="fraction">.${part}</span><span class="unit"> %</span></span>`;
  }

  #note() {
    const { evaluation, run } = this.state;
    if (!evaluation) {
      const count = run?.testCount || 10000;
      return `${formatCount(count)} digits it has never seen wait to be read`;
    }
    const wrong = evaluation.count - Math.round(evaluation.accuracy * evaluation.count);
    return `of ${formatCount(evaluation.count)} unseen digits, ${
      formatCount(wrong)} still wrong`;
  }

  /** One element for all its faces: the focus must stay when it is pressed. */
  #button() {
    const phase = this.#phase();
    const running = this.#running();
    const stopped = phase === 'failed' || this.state.obstacle !== '';
    const words = running ? 'Pause' : phase === 'finished' ? 'Train again' : 'Train';
    return html`<button class="go ${running ? 'active' : ''}" ?disabled=${stopped}
      @click=${this.#onGo}>${words}</button>`;
  }

  #onGo() {
    if (this.#running()) this.ask({ name: 'pause' });
    else this.ask({ name: this.#phase() === 'finished' ? 'again' : 'train' });
  }

  #speed() {
    const at = Math.max(0, SPEEDS.indexOf(this.state.speed));
    const words = speedInWords(SPEEDS[at]);
    return html`<div class="speed">
      <label for="speed">Speed</label>
      <input id="speed" type="range" min="0" max=${SPEEDS.length - 1} step="1"
        .value=${String(at)} aria-valuetext=${words} @input=${this.#onSpeed}>
      <span>${words}</span>
    </div>`;
  }

  /** @param {Event} event */
  #onSpeed(event) {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    this.ask({ name: 'speed', value: SPEEDS[Number(value)] });
  }

  #way() {
    const { progress, run } = this.state;
    if (!run) return html`<div class="way"></div>`;
    const step = progress?.step ?? 0;
    const total = progress?.totalSteps || 1;
    const waiting = progress?.phase === 'waiting';
    return html`<div class="way">
      <progress max=${total} .value=${step} aria-label="Training"></progress>
      <dl class="facts">
        <div><dt>epoch</dt><dd>${this.#epoch()}</dd></div>
        <div><dt>batch</dt><dd>${formatCount(progress?.stepInEpoch ?? 0)} of ${
          formatCount(run.stepsPerEpoch)}</dd></div>
        <div><dt>images a second</dt><dd>${waiting ? 'waiting for images'
          : this.#rate()}</dd></div>
        <div><dt>time left</dt><dd>${this.#timeLeft()}</dd></div>
        <div><dt>learning rate</dt><dd>${
          step ? formatNumber(progress?.learningRate ?? NaN) : '–'}</dd></div>
        <div><dt>training loss</dt><dd>${
          formatNumber(progress?.loss ?? NaN)}</dd></div>
      </dl>
    </div>`;
  }

  #epoch() {
    const { progress } = this.state;
    if (!progress) return '–';
    const within = progress.phase === 'finished' ? 0 : 1;
    return `${Math.min(progress.epoch + within, progress.epochs)} of ${progress.epochs}`;
  }

  #timeLeft() {
    const { progress } = this.state;
    if (progress?.phase === 'finished') return ENDS[progress.ended ?? 'epochs'];
    return formatDuration(progress?.secondsLeft ?? NaN) || '–';
  }

  #rate() {
    const rate = this.state.progress?.imagesPerSecond ?? NaN;
    if (!(rate > 0)) return '–';
    return formatCount(rate > 1000 ? Math.round(rate / 100) * 100 : rate);
  }

  /** One line that is always there: the images on their way, then what they are. */
  #loading() {
    const { data, run } = this.state;
    if (data?.phase === 'failed') return this.#lost(data);
    if (!data || !run) return html`<div class="loading"></div>`;
    if (data.phase === 'complete') {
      return html`<div class="loading"><p>${data.source}: ${formatCount(run.trainCount)}
        images to learn from, ${formatCount(run.validationCount)} to validate</p></div>`;
    }
    const left = formatDuration(data.secondsLeft);
    return html`<div class="loading">
      <progress max=${data.bytesTotal || 1} .value=${data.bytesDone}
        aria-label="Loading ${data.source}"></progress>
      <p>Loading ${data.source}: ${formatBytes(data.bytesDone)} of ${
        formatBytes(data.bytesTotal)}${left ? `, ${left} left` : ''}</p>
    </div>`;
  }

  /** @param {import('../protocol.js').DataProgress} data */
  #lost(data) {
    const here = `${formatCount(data.imagesReady)} of ${
      formatCount(data.imagesTotal)} training images are here and usable.`;
    return html`<div class="loading failed" role="alert">
      <p>${data.failure?.sentence ?? 'Some of the images could not be loaded.'}
        ${data.imagesReady ? here : nothing}</p>
      <button class="quiet" @click=${() => this.ask({ name: 'retry' })}>Try again</button>
    </div>`;
  }
}

/** @param {number} speed */
function speedInWords(speed) {
  if (speed === Infinity) return 'full speed';
  return speed === 1 ? '1 batch a second' : `${speed} batches a second`;
}

customElements.define('soma-hero', Hero);
