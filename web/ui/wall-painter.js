/**
 * The pixels of the wall. Holds the picture in memory, repaints only tiles
 * whose state changed, and never works longer than it is allowed to, so that a
 * wall of ten thousand digits can change while the page stays responsive.
 *
 * A tile's state is a level between ink (read right) and accent (read wrong);
 * a tile walks from one to the other in a few frames.
 *
 * @module
 */

import { mix, packPixel, ramp } from './ink.js';

/** Steps from ink to accent. */
const LEVELS = 7;
/** A frame of this many milliseconds moves a tile by one level. */
const LEVEL_MS = 18;
/** From so many moving tiles on, they set out one after the other, like rain. */
const RAIN_TILES = 500;
/** In the rain, a tile waits this long on average, and then goes in two steps. */
const RAIN_MS = 70;
/** Up to so many tiles are copied to the canvas one by one, more as a band. */
const FEW_TILES = 500;
/** How much of the accent lies under a tile that glows; large digits speak for
 * themselves. */
const GLOW = 0.17;
const GLOW_LARGE = 0.06;
/** How dark the ink of a digit is that was read right. */
const CALM = 0.62;
/** Gives strokes that were averaged over small tiles their weight back. */
const STROKE_EXPONENT = 0.72;

/** @typedef {import('../state/wall-order.js').TileSize} TileSize */

export class WallPainter {
  /** @type {Uint8Array} */
  #images = new Uint8Array(0);
  #levels = new Uint8Array(0);
  #targets = new Uint8Array(0);
  /** Place on the wall of each image; -1 = not shown. */
  #places = new Int32Array(0);
  /** @type {TileSize} */
  #tile = { side: 8, crop: 24, divisor: 3, multiple: 1 };
  /** Grey levels of the tiles at this size, filled as they are first drawn. */
  #grey = new Uint8Array(0);
  #known = new Uint8Array(0);
  /** @type {Uint32Array[]} */
  #tables = [];
  #paper = 0;
  /** @type {ReturnType<typeof import('./ink.js').readInks>|null} */
  #inks = null;
  /** Images that still have to be painted. @type {number[]} */
  #queue = [];
  #queued = new Uint8Array(0);
  /** Images whose tile is on the picture since it was laid out. */
  #drawn = new Uint8Array(0);
  #paintedAt = 0;
  /** @type {ImageData|null} */
  #picture = null;
  #pixels = new Uint32Array(0);
  #columns = 1;
  #top = 0;
  #bottom = 0;
  /** The picture is new, none of it is on the canvas yet. */
  #blank = true;

  /** Tiles that have to be drawn yet. */
  get pending() {
    return this.#queue.length;
  }

  /**
   * New images; all of them glow.
   * @param {Uint8Array} images  [count,784]; borrowed
   */
  setImages(images) {
    const count = images.length / 784;
    this.#images = images;
    this.#levels = new Uint8Array(count).fill(LEVELS - 1);
    this.#targets = new Uint8Array(count).fill(LEVELS - 1);
    this.#places = new Int32Array(count).fill(-1);
    this.#queued = new Uint8Array(count);
    this.#drawn = new Uint8Array(count);
    this.#queue = [];
    this.#known = new Uint8Array(0);
  }

  /**
   * @param {ReturnType<typeof import('./ink.js').readInks>} inks
   */
  setInks(inks) {
    this.#inks = inks;
    const glow = this.#tile.side < 24 ? GLOW : GLOW_LARGE;
    const calm = mix(inks.paper, inks.ink, CALM);
    this.#paper = packPixel(inks.paper);
    this.#tables = Array.from({ length: LEVELS }, (_, level) => {
      const share = level / (LEVELS - 1);
      const ground = mix(inks.paper, inks.accent, glow * share);
      return ramp(ground, mix(calm, inks.accent, share), STROKE_EXPONENT);
    });
  }

  /**
   * Lays the wall out anew; every shown tile will be painted.
   *
   * @param {Uint32Array} order   images in the order of their places
   * @param {TileSize} tile
   * @param {number} columns
   * @param {ImageData} picture   the canvas's pixels; owned from here on
   */
  layOut(order, tile, columns, picture) {
    const count = this.#targets.length;
    if (tile.side !== this.#tile.side || this.#known.length !== count) {
      this.#tile = tile;
      const kept = tile.divisor > 1 ? tile.side * tile.side : 0;
      this.#grey = new Uint8Array(count * kept);
      this.#known = new Uint8Array(count);
      if (this.#inks) this.setInks(this.#inks);
    }
    this.#columns = columns;
    this.#picture = picture;
    this.#pixels = new Uint32Array(picture.data.buffer);
    this.#pixels.fill(this.#paper);
    this.#touch(0, picture.height);
    this.#blank = true;
    this.#places.fill(-1);
    this.#queued.fill(0);
    this.#drawn.fill(0);
    this.#queue = Array.from(order);
    order.forEach((image, place) => {
      this.#places[image] = place;
      this.#queued[image] = 1;
    });
  }

  /**
   * The answers of the network; null makes every tile glow.
   *
   * @param {Uint8Array|null} predicted
   * @param {Uint8Array} labels
   * @param {boolean} atOnce  without the walk from colour to colour
   */
  setAnswers(predicted, labels, atOnce) {
    for (let i = 0; i < this.#targets.length; i++) {
      const right = predicted !== null && predicted[i] === labels[i];
      const target = right ? 0 : LEVELS - 1;
      if (this.#targets[i] === target && this.#levels[i] === target) continue;
      this.#targets[i] = target;
      if (atOnce) this.#levels[i] = target;
      if (atOnce) this.#drawn[i] = 0;
      if (this.#places[i] < 0) this.#levels[i] = target;
      else this.#enqueue(i);
    }
  }

  /**
   * Paints until nothing is left or the time is over.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} budgetMs
   */
  paint(context, budgetMs) {
    if (!this.#picture) return;
    const now = performance.now();
    const end = now + budgetMs;
    const passed = Math.min(100, now - this.#paintedAt);
    this.#paintedAt = now;
    const rain = this.#queue.length > RAIN_TILES;
    const chance = rain ? 1 - Math.exp(-passed / RAIN_MS) : 1;
    const stride = rain ? LEVELS >> 1 : Math.max(1, Math.round(passed / LEVEL_MS));
    const again = [];
    let done = 0;
    for (; done < this.#queue.length; done++) {
      if ((done & 63) === 63 && performance.now() > end) break;
      const image = this.#queue[done];
      if (this.#step(image, Math.random() < chance ? stride : 0)) again.push(image);
    }
    const painted = this.#queue.slice(0, done);
    this.#queue = this.#queue.slice(done).concat(again);
    this.#flush(context, painted);
  }

  /**
   * Copies what was painted to the canvas.
   * @param {CanvasRenderingContext2D} context
   * @param {number[]} painted  images
   */
  #flush(context, painted) {
    const picture = /** @type {ImageData} */ (this.#picture);
    if (!this.#blank && painted.length <= FEW_TILES) {
      for (const image of painted) this.#flushTile(context, picture, image);
    } else if (this.#bottom > this.#top) {
      const height = this.#bottom - this.#top;
      context.putImageData(picture, 0, 0, 0, this.#top, picture.width, height);
    }
    this.#blank = false;
    this.#top = Infinity;
    this.#bottom = 0;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ImageData} picture
   * @param {number} image
   */
  #flushTile(context, picture, image) {
    const place = this.#places[image];
    if (place < 0) return;
    const { side } = this.#tile;
    const x = (place % this.#columns) * side;
    const y = Math.floor(place / this.#columns) * side;
    context.putImageData(picture, 0, 0, x, y, side, side);
  }

  /** @param {number} image */
  #enqueue(image) {
    if (this.#queued[image]) return;
    this.#queued[image] = 1;
    this.#queue.push(image);
  }

  /**
   * Moves one tile towards its level and draws it if it changed; true when it has
   * further to go.
   * @param {number} image
   * @param {number} stride  levels it may go now
   */
  #step(image, stride) {
    const target = this.#targets[image];
    const level = this.#levels[image];
    const way = Math.max(-stride, Math.min(stride, target - level));
    if (way !== 0 || !this.#drawn[image]) {
      this.#levels[image] = level + way;
      this.#drawn[image] = 1;
      this.#drawTile(image);
    }
    const going = this.#levels[image] !== target;
    if (!going) this.#queued[image] = 0;
    return going;
  }

  /** @param {number} image */
  #drawTile(image) {
    const place = this.#places[image];
    if (place < 0) return;
    const { side } = this.#tile;
    const width = /** @type {ImageData} */ (this.#picture).width;
    const x = (place % this.#columns) * side;
    const y = Math.floor(place / this.#columns) * side;
    const table = this.#tables[this.#levels[image]];
    if (this.#tile.divisor > 1) this.#drawSmall(image, y * width + x, width, table);
    else this.#drawWhole(image, y * width + x, width, table);
    this.#touch(y, y + side);
  }

  /**
   * @param {number} image
   * @param {number} at     of the tile's first pixel
   * @param {number} width  of the picture
   * @param {Uint32Array} table
   */
  #drawSmall(image, at, width, table) {
    const { side } = this.#tile;
    const from = image * side * side;
    if (!this.#known[image]) this.#shrink(image, from);
    for (let y = 0; y < side; y++) {
      const row = at + y * width;
      for (let x = 0; x < side; x++) {
        this.#pixels[row + x] = table[this.#grey[from + y * side + x]];
      }
    }
  }

  /**
   * The image without its margin, averaged over squares of divisor².
   * @param {number} image
   * @param {number} to
   */
  #shrink(image, to) {
    const { side, crop, divisor } = this.#tile;
    const margin = Math.floor((28 - crop) / 2);
    const start = image * 784 + margin * 29;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        let sum = 0;
        for (let j = 0; j < divisor; j++) {
          const row = start + (y * divisor + j) * 28 + x * divisor;
          for (let i = 0; i < divisor; i++) sum += this.#images[row + i];
        }
        this.#grey[to + y * side + x] = sum / (divisor * divisor);
      }
    }
    this.#known[image] = 1;
  }

  /**
   * @param {number} image
   * @param {number} at
   * @param {number} width
   * @param {Uint32Array} table
   */
  #drawWhole(image, at, width, table) {
    const { side, crop, multiple } = this.#tile;
    const start = image * 784 + Math.floor((28 - crop) / 2) * 29;
    for (let y = 0; y < side; y++) {
      const line = start + Math.floor(y / multiple) * 28;
      for (let x = 0; x < side; x++) {
        this.#pixels[at + y * width + x] =
          table[this.#images[line + Math.floor(x / multiple)]];
      }
    }
  }

  /**
   * @param {number} top
   * @param {number} bottom
   */
  #touch(top, bottom) {
    this.#top = Math.min(this.#top, top);
    this.#bottom = Math.max(this.#bottom, bottom);
  }
}
