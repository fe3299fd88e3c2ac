/**
 * What both peers need: batches of floats from the bytes of MNIST, in a new
 * random order every epoch.
 */

const PIXELS = 784;
const CLASSES = 10;

/**
 * Endless batches: images as floats 0..1, labels one-hot. The arrays are new
 * each time, for the peers keep them.
 * @param {Uint8Array} pixels
 * @param {Uint8Array} labels
 * @param {number} size
 */
export function* batches(pixels, labels, size) {
  const order = Uint32Array.from(labels, (_, i) => i);
  for (;;) {
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let at = 0; at + size <= order.length; at += size) {
      const x = new Float32Array(size * PIXELS);
      const y = new Float32Array(size * CLASSES);
      for (let n = 0; n < size; n += 1) {
        const image = order[at + n];
        for (let p = 0; p < PIXELS; p += 1) {
          x[n * PIXELS + p] = pixels[image * PIXELS + p] / 255;
        }
        y[n * CLASSES + labels[image]] = 1;
      }
      yield { x, y };
    }
  }
}

/** Normal numbers, scaled for ReLU. */
export function heWeights(inputs, outputs) {
  return Float32Array.from({ length: inputs * outputs }, () => (
    Math.sqrt(-2 * Math.log(1 - Math.random()) * 2 / inputs)
      * Math.cos(2 * Math.PI * Math.random())));
}

/**
 * Time `step` in windows of half a second, after a warm-up.
 * @param {(batch: {x: Float32Array, y: Float32Array}) => Promise<number>} step
 *   trains one batch and returns its loss when the work is done
 */
export async function timeSteps(step, source, size, seconds) {
  const rates = [];
  const losses = [];
  const begin = performance.now();
  let [steps, start] = [0, begin];
  while (performance.now() - begin < (seconds + 2) * 1000) {
    const loss = await step(source.next().value);
    steps += 1;
    const now = performance.now();
    if (now - start < 500) continue;
    losses.push(loss);
    if (now - begin > 2000) rates.push(steps * size / (now - start) * 1000);
    [steps, start] = [0, now];
  }
  rates.sort((a, b) => a - b);
  return { imagesPerSecond: rates[rates.length >> 1], loss: losses.at(-1) };
}

/** The worker's frame: one job in, one answer out. */
export function serve(prepare) {
  self.onmessage = async ({ data: { workload, seconds } }) => {
    try {
      const [images, labels] = await Promise.all(['images', 'labels'].map(async (name) => (
        new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer()))));
      const source = batches(images, labels, workload.batch);
      const step = await prepare(workload);
      self.postMessage(await timeSteps(step, source, workload.batch, seconds));
    } catch (error) {
      self.postMessage({ error: String(error?.stack ?? error) });
    }
  };
}
