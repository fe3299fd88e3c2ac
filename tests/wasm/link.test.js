// The link. What a description says comes back from its hash, only what differs
// from the defaults stands in it, and no hash, however odd, does harm.
import { describe, expect, test } from 'vitest';
import { LONGEST_LINK, linkFromValues, textFromValues, valuesFromLink }
  from '../../web/state/link.js';

const option = (key, usual) => ({ key, default: usual });
const OPTIONS = [
  option('net', 'dense 128, relu, dense 10'),
  option('optimizer', 'adam'),
  option('lr', '0.001'),
  option('seed', '1'),
];
const defaults = Object.fromEntries(OPTIONS.map((each) => [each.key, each.default]));

describe('a link', () => {
  test('is empty for the defaults', () => {
    expect(linkFromValues(defaults, OPTIONS)).toBe('');
  });

  test('holds only what differs, readable, in the order of the table', () => {
    const values = { ...defaults, seed: '7', net: 'dense 64, relu, dense 10' };
    expect(linkFromValues(values, OPTIONS)).toBe('#net=dense+64,+relu,+dense+10&seed=7');
  });

  test('gives back what was put in, whatever the characters', () => {
    const values = { net: 'a+b & c=d % é "<b>" \u{1F600} #', lr: '1e-3' };
    const link = linkFromValues({ ...defaults, ...values }, OPTIONS);
    expect(link.slice(1)).not.toContain('#');
    expect(valuesFromLink(link)).toEqual({ values, fault: '' });
  });

  test('is read without spaces after commas, with or without its #', () => {
    const wanted = { net: 'dense 128,relu,dense 10', optimizer: 'adam', seed: '7' };
    const hash = '#net=dense+128,relu,dense+10&optimizer=adam&seed=7';
    expect(valuesFromLink(hash).values).toEqual(wanted);
    expect(valuesFromLink(hash.slice(1)).values).toEqual(wanted);
  });

  test('of nothing says nothing', () => {
    expect(valuesFromLink('')).toEqual({ values: {}, fault: '' });
    expect(valuesFromLink('#')).toEqual({ values: {}, fault: '' });
  });
});

describe('a link with junk is refused with a sentence', () => {
  const refused = (hash) => {
    const { values, fault } = valuesFromLink(hash);
    expect(values).toEqual({});
    expect(fault).toMatch(/^The link was not understood: .+\.$/);
    return fault;
  };

  test.each([
    ['#=1', '“”'],
    ['#<img src=x>=1', '“<img src”'],
    ['#Net=dense+10', '“Net”'],
    ['#%00=1', 'name of a setting'],
    ['#seed=1&seed=2', '“seed” is given twice'],
    ['#net=dense+10%0Aseed=4', 'control character'],
  ])('%s', (hash, words) => expect(refused(hash)).toContain(words));

  test('a hash that is too long', () => {
    expect(refused(`#net=${'x'.repeat(LONGEST_LINK)}`)).toContain('characters long');
  });

  test('a broken escape is text like any other', () => {
    expect(valuesFromLink('#net=%zz').values).toEqual({ net: '%zz' });
  });

  test('keys of every object are no settings and do no harm', () => {
    const { values } = valuesFromLink('#constructor=1');
    expect(Object.keys(values)).toEqual(['constructor']);
    expect(refused('#__proto__=1')).toContain('__proto__');
  });
});

test('the engine is given one pair a line', () => {
  expect(textFromValues({ net: 'dense 10', seed: '3' })).toBe('net=dense 10\nseed=3');
});
