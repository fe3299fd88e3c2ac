// The numbers in web/core/layout.js are those of the C headers: each enum is
// read from the header and counted again here.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as layout from '../../web/core/layout.js';

const source = (path) => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8')
  .replace(/\/\*[\s\S]*?\*\//g, '');
const header = source('api/exports.h');
const types = source('base/types.h');

/** Enumerators of the enum that begins with `first`, by name. */
function enumerators(first) {
  const body = header.match(new RegExp(`enum \\{\\s*(${first}\\b[^}]*)\\}`))[1];
  const names = body.split(',').map((name) => name.trim()).filter((name) => name !== '');
  return Object.fromEntries(names.map((name, value) => [name, value]));
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

/** The layout's object with the header's names. */
const named = (object, prefix) => Object.fromEntries(
  Object.entries(object).map(([name, value]) => [`SOMA_${prefix}${snake(name)}`, value]),
);

const upper = (object, prefix) => Object.fromEntries(
  Object.entries(object).map(([name, value]) => [`SOMA_${prefix}${name}`, value]),
);

test('the enums of exports.h', () => {
  expect(upper(layout.OPTION_TEXT, 'OPTION_')).toEqual(enumerators('SOMA_OPTION_KEY'));
  expect(upper(layout.OPTION_NUMBER, 'OPTION_')).toEqual(enumerators('SOMA_OPTION_MIN'));
  expect(upper(layout.LAYER_TEXT, 'LAYER_')).toEqual(enumerators('SOMA_LAYER_NAME'));
  expect(named(layout.SET, 'SET_')).toEqual(enumerators('SOMA_SET_TRAIN'));
  expect(named(layout.NUMBER, '')).toEqual(enumerators('SOMA_STEP'));
  expect(named(layout.EVALUATION, 'EVAL_')).toEqual(enumerators('SOMA_EVAL_COUNT'));
  expect(upper(layout.PARAMETER, '')).toEqual(enumerators('SOMA_VALUE'));
});

test.each(['IMAGE_PIXELS', 'CLASS_COUNT', 'DATASET_BLOCK'])('%s of types.h', (name) => {
  const value = types.match(new RegExp(`${name} = (\\d+)`))[1];
  expect(layout[name]).toBe(Number(value));
});

test('every exported function is listed for the linker, and nothing else', () => {
  const declared = [...header.matchAll(/\b(soma_\w+)\(/g)].map(([, name]) => `_${name}`);
  const listed = source('api/exports.txt').split(/\s+/).filter((name) => /^_soma/.test(name));
  expect(listed.sort()).toEqual([...new Set(declared)].sort());
});
