/**
 * What the page can say about a setting before the engine is asked, and what
 * the differences between two descriptions are called.
 *
 * @module
 */

/** @typedef {import('../protocol.js').Option} Option */

/**
 * Why a text cannot be the value of an option; '' when it may be.
 * @param {Option} option
 * @param {string} text
 */
export function checkValue(option, text) {
  const value = text.trim();
  if (option.type === 'number' || option.type === 'integer') {
    return checkNumber(option, value);
  }
  if (option.type === 'choice' && !option.choices.includes(value)) {
    return `Choose one of ${option.choices.join(', ')}.`;
  }
  if (option.type === 'network' && value === '') {
    return 'Name at least one layer.';
  }
  return '';
}

/**
 * @param {Option} option
 * @param {string} value
 */
function checkNumber(option, value) {
  const number = Number(value);
  const range = `from ${option.min} to ${option.max}`;
  if (value === '' || !Number.isFinite(number)) return `Write a number ${range}.`;
  if (option.type === 'integer' && !Number.isInteger(number)) {
    return `Write a whole number ${range}.`;
  }
  return number < option.min || number > option.max
    ? `${value} is out of range: it must be ${range}.`
    : '';
}

/**
 * The option at which a failure belongs: the word before the first comma of its
 * place ("net, layer 3" → "net"); '' when it is none of them.
 * @param {import('../protocol.js').Failure} failure
 * @param {Option[]} options
 */
export function faultKey(failure, options) {
  const key = failure.place.split(/[\s,:]/, 1)[0];
  return options.some((option) => option.key === key) ? key : '';
}

/**
 * A run in a few words: what differs from the defaults.
 * @param {Record<string, string>} values
 * @param {Option[]} options
 */
export function describeRun(values, options) {
  const parts = options
    .filter((option) => values[option.key] !== undefined
      && values[option.key] !== option.default)
    .map(({ key, type }) => (type === 'network' ? values[key] : `${key} ${values[key]}`));
  return parts.join(' · ') || 'default settings';
}
