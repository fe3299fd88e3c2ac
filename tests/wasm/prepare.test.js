// The drawing pad's preparation is MNIST's: a digit of MNIST that is magnified and
// prepared again comes back as it was, and the rules hold for any drawing.
import { describe, expect, test } from 'vitest';
import { prepareDigit } from '../../web/core/prepare.js';
import { images } from './helpers/mnist.js';

const SIDE = 28;

/** An image with every pixel made k×k. */
function magnify(pixels, k) {
  const width = SIDE * k;
  const ink = new Uint8Array(width * width);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < width; x++) {
      ink[y * width + x] = pixels[Math.floor(y / k) * SIDE + Math.floor(x / k)];
    }
  }
  return { ink, width, height: width };
}

/** A raster with ink where `inside` says so. */
function drawing(width, height, inside) {
  const ink = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (inside(x, y)) ink[y * width + x] = 255;
  }
  return { ink, width, height };
}

function boxOf(pixels) {
  const inked = [...pixels.keys()].filter((i) => pixels[i]);
  const xs = inked.map((i) => i % SIDE);
  const ys = inked.map((i) => Math.floor(i / SIDE));
  return {
    width: Math.max(...xs) - Math.min(...xs) + 1,
    height: Math.max(...ys) - Math.min(...ys) + 1,
  };
}

function centreOf(pixels) {
  const mass = pixels.reduce((sum, value) => sum + value, 0);
  const moment = (along) =>
    pixels.reduce((sum, value, i) => sum + value * along(i), 0) / mass;
  return { x: moment((i) => i % SIDE), y: moment((i) => Math.floor(i / SIDE)) };
}

describe('digits of MNIST', () => {
  const { images: digits } = images('test', 0, 10000);
  const digit = (i) => digits.subarray(i * 784, i * 784 + 784);

  test('all but a few of 10,000 come back bit for bit', () => {
    let same = 0;
    for (let i = 0; i < 10000; i++) {
      const prepared = prepareDigit(magnify(digit(i), 1));
      if (Buffer.compare(prepared.pixels, digit(i)) === 0) same++;
    }
    // Four of them are 19 pixels long or off the centre in MNIST itself.
    expect(same).toBeGreaterThanOrEqual(9996);
  });

  test.each([2, 7, 12])('magnified %i times they come back bit for bit', (k) => {
    for (let i = 0; i < 40; i++) {
      expect(prepareDigit(magnify(digit(i), k)).pixels).toEqual(digit(i));
    }
  });

  test('where on the pad the digit stands does not matter', () => {
    const wide = magnify(digit(3), 3);
    const moved = { ink: new Uint8Array(200 * 150), width: 200, height: 150 };
    for (let y = 0; y < 84; y++) {
      moved.ink.set(wide.ink.subarray(y * 84, y * 84 + 84), (y + 61) * 200 + 110);
    }
    expect(prepareDigit(moved).pixels).toEqual(digit(3));
  });
});

describe('any drawing', () => {
  test('no ink is no digit', () => {
    expect(prepareDigit(drawing(280, 280, () => false))).toBeNull();
  });

  test.each([
    ['a tall stroke', (x, y) => Math.abs(x - 60) < 11 && y > 40 && y < 241],
    ['a wide stroke', (x, y) => Math.abs(y - 200) < 9 && x > 13 && x < 270],
    ['a ring', (x, y) => Math.abs(Math.hypot(x - 90, y - 100) - 55) < 10],
    ['an odd size', (x, y) => x > 31 && x < 128 && y > 17 && y < 90],
    ['one pixel', (x, y) => x === 5 && y === 270],
    ['everything', () => true],
  ])('%s: its longer side becomes 20', (_, inside) => {
    const { pixels } = prepareDigit(drawing(280, 280, inside));
    const { width, height } = boxOf(pixels);
    expect(Math.max(width, height)).toBe(20);
  });

  test.each([
    ['a ring', (x, y) => Math.abs(Math.hypot(x - 90, y - 100) - 55) < 10],
    ['a corner', (x, y) => (x > 60 && x < 85 && y < 200) || (y > 170 && y < 200 && x < 150)],
  ])('%s: its centre of mass is pixel 14,14', (_, inside) => {
    const { x, y } = centreOf(prepareDigit(drawing(280, 280, inside)).pixels);
    for (const mean of [x, y]) {
      expect(mean).toBeGreaterThan(13.5);
      expect(mean).toBeLessThanOrEqual(14.5);
    }
  });

  test('the aspect is kept', () => {
    const { pixels } = prepareDigit(drawing(280, 280, (x, y) =>
      x >= 100 && x < 150 && y >= 20 && y < 220));
    expect(boxOf(pixels)).toEqual({ width: 5, height: 20 });
  });

  test('ink that covers half of a pixel is half as dark', () => {
    const { pixels } = prepareDigit(drawing(280, 280, (x, y) =>
      x >= 100 && x < 145 && y >= 20 && y < 220));
    const row = [...pixels.subarray(14 * SIDE, 15 * SIDE)].filter((value) => value);
    expect(row).toEqual([191, 255, 255, 255, 191]);
  });

  test('ink too faint to be seen is placed all the same', () => {
    const faint = drawing(280, 280, (x, y) => x < 100 && y < 100);
    const ink = faint.ink.map((value) => (value ? 1 : 0));
    const { pixels } = prepareDigit({ ...faint, ink });
    expect(Math.max(...pixels)).toBe(1);
    expect(boxOf(pixels)).toEqual({ width: 20, height: 20 });
  });
});
