/**
 * A run description as the hash of a link, in ordinary form encoding and only
 * with what differs from the defaults:
 *
 *     #net=dense+128,relu,dense+10&optimizer=adam&seed=7
 *
 * The engine decides whether the values make sense; here only what no engine
 * could read is refused.
 *
 * @module
 */

/** @typedef {import('../protocol.js').Option} Option */

/** Longer hashes are not descriptions; a network of 100 layers takes 2,000. */
export const LONGEST_LINK = 8000;

/**
 * Text for one side of `=` in the hash: commas and brackets stay readable.
 * @param {string} text
 */
function encode(text) {
  return encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/%2C/g, ',')
    .replace(/%3A/g, ':');
}

/**
 * The hash (with its #) for these values; '' when all are the defaults.
 * @param {Record<string, string>} values
 * @param {Option[]} options   gives the order and the defaults
 */
export function linkFromValues(values, options) {
  const parts = options
    .filter(({ key, default: usual }) => key in values && values[key] !== usual)
    .map(({ key }) => `${encode(key)}=${encode(values[key])}`);
  return parts.length ? `#${parts.join('&')}` : '';
}

/**
 * What a hash says, without judging keys or values.
 *
 * @param {string} hash  with or without its #; anything at all
 * @returns {{values: Record<string, string>, fault: string}}
 *   `fault` is a sentence and `values` is empty when the hash is no description
 */
export function valuesFromLink(hash) {
  const text = hash.replace(/^#/, '');
  if (text.length > LONGEST_LINK) {
    return refused(`it is ${text.length} characters long, at most ${LONGEST_LINK} `
      + 'are read');
  }
  /** @type {Record<string, string>} */
  const values = Object.create(null);
  for (const [key, value] of new URLSearchParams(text)) {
    if (!/^[a-z][a-z0-9-]*$/.test(key)) {
      return refused(`“${shorten(key)}” is not the name of a setting`);
    }
    if (key in values) return refused(`“${key}” is given twice`);
    if (/[\u0000-\u001f]/.test(value)) {
      return refused(`the value of “${key}” holds a control character`);
    }
    values[key] = value.trim();
  }
  return { values: { ...values }, fault: '' };
}

/** @param {string} why */
function refused(why) {
  return { values: {}, fault: `The link was not understood: ${why}.` };
}

/** @param {string} text */
const shorten = (text) => (text.length > 30 ? `${text.slice(0, 30)}…` : text);

/**
 * The text the engine reads: one `key=value` a line.
 * @param {Record<string, string>} values
 */
export function textFromValues(values) {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`).join('\n');
}
