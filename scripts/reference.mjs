/**
 * The reference of all settings and layers, made from the engine's own tables: a
 * new row there is a new entry here. Fills the places that web/reference.html
 * marks; vite.config.js does so while the site is built.
 *
 * @module
 */
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { createTrainer } from '../web/core/index.js';
import { FORMULAS, LETTERS } from './formulas.mjs';

/**
 * @typedef {import('../web/protocol.js').Option} Option
 * @typedef {import('../web/protocol.js').LayerKind} LayerKind
 */

/** @param {string} text */
const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** @param {Option} option */
function valuesOf({ type, min, max }) {
  if (type === 'network') return 'layers, separated by commas';
  if (type === 'switch') return 'on or off';
  if (type === 'choice') return 'one of those below';
  const kind = type === 'integer' ? 'whole number' : 'number';
  return `${kind} from ${min} to ${max.toLocaleString('en')}`;
}

/** @param {Option} option */
function choicesOf({ key, choices }) {
  if (choices.length === 0) return '';
  const formulas = FORMULAS[key] ?? {};
  const rows = choices.map((choice) => `<div><dt><code>${escape(choice)}</code></dt><dd>${
    (formulas[choice] ?? []).map((formula) => `<span class="formula">${formula}</span>`).join('')
  }</dd></div>`).join('\n');
  const letters = LETTERS[key] ? `<p class="letters">${escape(LETTERS[key])}</p>` : '';
  return `<dl class="choices${FORMULAS[key] ? '' : ' plain'}">${rows}</dl>${letters}`;
}

/** @param {Option} option */
function optionEntry(option) {
  const { key, default: usual, live, help } = option;
  return `<section class="entry" id="${key}">
<h3><code>${escape(key)}</code></h3>
<p>${escape(help)}</p>
<p class="values">${escape(valuesOf(option))}; default <code>${
  escape(usual)}</code>${live ? '; <span class="live">may change during a run</span>' : ''}</p>
${choicesOf(option)}</section>`;
}

/** @param {Option[]} options */
export function optionsHtml(options) {
  const groups = [...new Set(options.map(({ group }) => group))];
  return groups.map((group) => `<h2>${escape(group)}</h2>\n<div class="entries">${options
    .filter((option) => option.group === group).map(optionEntry).join('\n')}</div>`).join('\n');
}

/** @param {LayerKind[]} layers */
export function layersHtml(layers) {
  return `<div class="entries">${layers.map(({ name, usage, help }) => `<section class="entry"
id="layer-${name}"><h3><code>${escape(usage)}</code></h3><p>${escape(help)}</p></section>`)
    .join('\n')}</div>`;
}

/**
 * The engine's tables.
 * @param {string} root   of the repository
 * @returns {Promise<{options: Option[], layers: LayerKind[]}>}
 */
export async function readTables(root) {
  const engineBase = pathToFileURL(path.join(root, 'build/engine/'));
  const trainer = await createTrainer({ build: 'exact', threads: 1, engineBase });
  try {
    const { options, layers } = trainer.engine;
    return { options, layers };
  } finally {
    trainer.dispose();
  }
}

/**
 * Fill in the page.
 * @param {string} page   the text of web/reference.html
 * @param {{options: Option[], layers: LayerKind[]}} tables
 */
export const fillReference = (page, { options, layers }) => page
  .replace('<!-- layers -->', () => layersHtml(layers))
  .replace('<!-- options -->', () => optionsHtml(options));
