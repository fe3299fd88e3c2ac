/**
 * Recipes: experiments to set up with one press, each with what to observe.
 *
 * @module
 */

import { html, nothing } from 'lit';
import { View } from './view.js';
import { RECIPES } from '../state/recipes.js';
import './toolbox.css';

export class Recipes extends View {
  /** @type {(keyof import('../state/store.js').State)[]} */
  static watches = ['recipesOpen', 'recipe', 'progress'];

  #shown = '';
  /** A recipe was pressed, and what it brings has not been seen yet. */
  #pressed = false;

  /** @param {Set<keyof import('../state/store.js').State>} changed */
  changed(changed) {
    const phase = this.state.progress?.phase ?? '';
    if (changed.size === 1 && changed.has('progress') && phase === this.#shown) return;
    this.#shown = phase;
    super.changed(changed);
  }

  render() {
    const { recipesOpen, recipe } = this.state;
    return html`${recipesOpen ? this.#list() : nothing}${recipe ? this.#chosen(recipe) : nothing}`;
  }

  /** The list closes under the focus: it moves to what the recipe brought. */
  updated() {
    if (!this.#pressed || this.state.recipesOpen || !this.state.recipe) return;
    this.#pressed = false;
    const section = this.querySelector('.recipe');
    section?.scrollIntoView({ block: 'center' });
    section?.querySelector('button')?.focus({ preventScroll: true });
  }

  /** @param {import('../state/recipes.js').Recipe} recipe */
  #press(recipe) {
    this.#pressed = true;
    this.ask({ name: 'recipe', recipe });
  }

  #list() {
    return html`<section id="recipes" class="recipes" aria-label="Recipes"><ul>
      ${RECIPES.map((recipe) => html`<li>
        <button class="quiet" @click=${() => this.#press(recipe)}>${recipe.name}</button>
        <p>${recipe.observe}</p></li>`)}</ul></section>`;
  }

  /** @param {NonNullable<import('../state/store.js').State['recipe']>} chosen */
  #chosen({ recipe, at }) {
    const { runs } = recipe;
    const idle = this.state.progress?.phase === 'ready';
    return html`<section class="recipe" aria-label="The recipe that is set up">
      <p><strong>${recipe.name}</strong>${runs.length > 1
    ? html` <span class="recipe-run">run ${at + 1} of ${runs.length}: ${runs[at].name}</span>`
    : nothing}<br>${recipe.observe}</p>
      <p class="recipe-buttons">${idle ? html`<button
        @click=${() => this.ask({ name: 'train' })}>Start</button>` : nothing}
        <button class="quiet" @click=${() => this.ask({ name: 'leaveRecipe' })}
          >Close<span class="sr"> the recipe</span></button></p></section>`;
  }
}

customElements.define('soma-recipes', Recipes);
