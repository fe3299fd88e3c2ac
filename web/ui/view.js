/**
 * What all views share: a custom element in the light DOM (one style sheet for
 * the whole page) that reads the store, redraws in the page's frame when a key
 * it watches changed, and says what the visitor wants through one event.
 *
 * @module
 */

import { LitElement } from 'lit';
import { markDirty, unmark } from './frame.js';

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../state/store.js').State} State */

/**
 * What a visitor can ask for. main.js carries it out.
 * @typedef {{name: 'train'} | {name: 'pause'} | {name: 'again'} | {name: 'reset'}
 *   | {name: 'step', count: number} | {name: 'epoch'} | {name: 'restore'}
 *   | {name: 'speed', value: number} | {name: 'retry'} | {name: 'dismiss'}
 *   | {name: 'files', files: File[]}
 *   | {name: 'wall', choice: Partial<import('../state/wall-order.js').WallChoice>}
 *   | {name: 'choose', index: number} | {name: 'pad'}
 *   | {name: 'draw', pixels: Uint8Array|null}
 *   | {name: 'neuron', layer: number, unit: number}
 *   | {name: 'draft', key: string, value: string}
 *   | {name: 'apply', values: Record<string, string>}
 *   | {name: 'defaults'} | {name: 'copy', link: string}
 *   | {name: 'forget', id: number} | {name: 'weights', wanted: boolean}
 *   | ToolboxCommand
 * } Command
 *
 * What surrounds a run; toolbox.js carries it out.
 * @typedef {{name: 'findRate'} | {name: 'stopFindRate'} | {name: 'extras'}
 *   | {name: 'sheet', wanted: boolean} | {name: 'recipes', open: boolean}
 *   | {name: 'recipe', recipe: import('../state/recipes.js').Recipe}
 *   | {name: 'leaveRecipe'}
 *   | {name: 'vary', values: Record<string, string>, optimizer: string}
 *   | {name: 'showRun', id: number, shown: boolean}
 *   | {name: 'renameRun', id: number, title: string}
 *   | {name: 'highlight', id: number}
 * } ToolboxCommand
 */

export class View extends LitElement {
  /**
   * Whether the view may rest while it is out of sight and training runs. What
   * it missed it catches up on when it comes into sight or the run stands still.
   */
  static rests = false;

  /**
   * The keys of the state that this view shows.
   * @type {(keyof State)[]}
   */
  static watches = [];

  /** @type {Store|null} */
  #store = null;
  /** @type {(() => void)|null} */
  #unsubscribe = null;
  #refresh = () => this.#renderNow();
  #seen = true;
  /** Keys that changed while the view rested. @type {Set<keyof State>} */
  #missed = new Set();

  createRenderRoot() {
    // What the page said before the script came is replaced, not kept.
    this.replaceChildren();
    return this;
  }

  /** @param {Store|null} store */
  set store(store) {
    this.#store = store;
    this.#unsubscribe?.();
    this.#unsubscribe = store ? store.subscribe((changed) => this.#hear(changed)) : null;
    if (/** @type {typeof View} */ (this.constructor).rests) this.#watchSight();
    this.requestUpdate();
  }

  get store() {
    return this.#store;
  }

  /** @returns {State} */
  get state() {
    if (!this.#store) throw new Error('a view was used before it had a store');
    return this.#store.state;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    unmark(this.#refresh);
  }

  shouldUpdate() {
    return this.#store !== null;
  }

  /**
   * Tells main.js what the visitor wants.
   * @param {Command} command
   */
  ask(command) {
    this.dispatchEvent(new CustomEvent('command', { bubbles: true, detail: command }));
  }

  /**
   * Called when watched keys changed; views that draw on a canvas override it.
   * @param {Set<keyof State>} _changed
   */
  changed(_changed) {
    markDirty(this.#refresh, true);
  }

  /**
   * Renders within the frame's own task, so that its length is seen and what is
   * too much can wait for the next frame.
   */
  #renderNow() {
    this.requestUpdate();
    if (this.isUpdatePending) this.performUpdate();
  }

  #watchSight() {
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.#catchUp();
    }).observe(this);
  }

  #catchUp() {
    if (!this.#missed.size) return;
    const missed = this.#missed;
    this.#missed = new Set();
    this.changed(missed);
  }

  /** @param {Set<keyof State>} changed */
  #hear(changed) {
    const { watches } = /** @type {typeof View} */ (this.constructor);
    const own = new Set(watches.filter((key) => changed.has(key)));
    const phase = this.state.progress?.phase;
    if (!this.#seen && (phase === 'training' || phase === 'waiting')) {
      for (const key of own) this.#missed.add(key);
      return;
    }
    if (changed.has('progress')) this.#catchUp();
    if (own.size) this.changed(own);
  }
}
