/**
 * TensorFlow.js on its wasm back end, in its best form: own loop, own gradients,
 * with explicit transposes, because its products with transposed operands run in
 * scalar code.
 */
import * as tf from '@tensorflow/tfjs-core';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { heWeights, serve } from './gather.js';

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Outputs of every layer. */
function forward(weights, biases, x) {
  const outputs = [x];
  weights.forEach((weight, i) => {
    const last = i === weights.length - 1;
    outputs.push(tf.fused.matMul({
      a: outputs[i], b: weight, bias: biases[i], activation: last ? 'linear' : 'relu',
    }));
  });
  return outputs;
}

/** Gradients of weights and biases, and the loss. */
function backward(weights, outputs, y, batch) {
  const p = tf.softmax(outputs.at(-1));
  const loss = tf.neg(tf.div(tf.sum(tf.mul(y, tf.log(tf.add(p, 1e-12)))), batch));
  let d = tf.div(tf.sub(p, y), batch);
  const gradients = [];
  for (let i = weights.length - 1; i >= 0; i -= 1) {
    gradients[i] = {
      weight: tf.matMul(tf.transpose(outputs[i]), d),
      bias: tf.sum(d, 0),
    };
    if (i > 0) {
      d = tf.mul(tf.matMul(d, tf.transpose(weights[i])), tf.step(outputs[i]));
    }
  }
  return { loss, gradients };
}

/** One update of one variable; `state` keeps Adam's moments. */
function update(variable, gradient, state, { optimizer, lr }, t) {
  if (optimizer === 'sgd') {
    variable.assign(tf.sub(variable, tf.mul(gradient, lr)));
    return;
  }
  const { beta1, beta2, epsilon } = ADAM;
  state.m.assign(tf.add(tf.mul(state.m, beta1), tf.mul(gradient, 1 - beta1)));
  state.v.assign(tf.add(tf.mul(state.v, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
  const rate = lr * Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t);
  const step = tf.div(tf.mul(state.m, rate), tf.add(tf.sqrt(state.v), epsilon));
  variable.assign(tf.sub(variable, step));
}

serve(async (workload) => {
  setWasmPaths('/wasm/');
  if (self.crossOriginIsolated) setThreadsCount(navigator.hardwareConcurrency);
  await tf.setBackend('wasm');
  await tf.ready();
  const { sizes, batch } = workload;
  const layers = sizes.slice(1).map((outputs, i) => [sizes[i], outputs]);
  const weights = layers.map(([inputs, outputs]) => (
    tf.variable(tf.tensor2d(heWeights(inputs, outputs), [inputs, outputs]))));
  const biases = layers.map(([, outputs]) => tf.variable(tf.zeros([outputs])));
  const zeros = (list) => list.map((variable) => ({
    m: tf.variable(tf.zeros(variable.shape)), v: tf.variable(tf.zeros(variable.shape)),
  }));
  const [weightStates, biasStates] = [zeros(weights), zeros(biases)];
  let t = 0;
  return async ({ x, y }) => {
    t += 1;
    const loss = tf.tidy(() => {
      const outputs = forward(weights, biases, tf.tensor2d(x, [batch, sizes[0]]));
      const result = backward(weights, outputs, tf.tensor2d(y, [batch, 10]), batch);
      result.gradients.forEach(({ weight, bias }, i) => {
        update(weights[i], weight, weightStates[i], workload, t);
        update(biases[i], bias, biasStates[i], workload, t);
      });
      return result.loss;
    });
    const [value] = loss.dataSync();
    loss.dispose();
    return value;
  };
});
