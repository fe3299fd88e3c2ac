/**
 * What the engine says of itself: the options table, the layer kinds, and how
 * it reads a run description.
 *
 * @module
 */

import { LAYER_TEXT, OPTION_NUMBER, OPTION_TEXT } from './layout.js';

/**
 * @typedef {import('./core.js').Core} Core
 * @typedef {import('../protocol.js').Option} Option
 * @typedef {import('../protocol.js').LayerKind} LayerKind
 *
 * A run description that the engine has accepted.
 * @typedef {object} RunText
 * @property {string} text    every key, one `key=value` a line
 * @property {string} short   only what differs from the defaults
 * @property {Record<string, string>} values   key → value as text
 */

/**
 * The options table, in its order.
 * @param {Core} core
 * @returns {Option[]}
 */
export function readOptions(core) {
  return Array.from({ length: core.call('soma_option_count') }, (_, row) => {
    /** @param {number} field */
    const text = (field) => core.textOf('soma_option_text', row, field);
    /** @param {number} field */
    const number = (field) => core.call('soma_option_number', row, field);
    const choices = text(OPTION_TEXT.CHOICES);
    return {
      key: text(OPTION_TEXT.KEY),
      type: /** @type {Option['type']} */ (text(OPTION_TEXT.TYPE)),
      choices: choices === '' ? [] : choices.split('|'),
      min: number(OPTION_NUMBER.MIN),
      max: number(OPTION_NUMBER.MAX),
      default: text(OPTION_TEXT.DEFAULT),
      help: text(OPTION_TEXT.HELP),
      group: text(OPTION_TEXT.GROUP),
      live: number(OPTION_NUMBER.LIVE) === 1,
    };
  });
}

/**
 * The layer kinds that `net=` knows.
 * @param {Core} core
 * @returns {LayerKind[]}
 */
export function readLayerKinds(core) {
  return Array.from({ length: core.call('soma_layer_kind_count') }, (_, row) => ({
    name: core.textOf('soma_layer_kind_text', row, LAYER_TEXT.NAME),
    usage: core.textOf('soma_layer_kind_text', row, LAYER_TEXT.USAGE),
    help: core.textOf('soma_layer_kind_text', row, LAYER_TEXT.HELP),
  }));
}

/**
 * Check a run description and bring it to its canonical forms.
 * @param {Core} core
 * @param {string} run
 * @returns {RunText}
 */
export function readRun(core, run) {
  /** @param {number} all */
  const form = (all) => core.borrow(() => {
    const pointer = core.putText(run, 'run');
    return core.text(core.created('soma_run_text', pointer, all));
  });
  const text = form(1);
  return { text, short: form(0), values: runValues(text) };
}

/**
 * The keys and values of a canonical text.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function runValues(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  }));
}
