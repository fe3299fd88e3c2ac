/**
 * jax-js on its wasm back end: the whole step, gradient and update, in one jit.
 */
import {
  defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad,
} from '@jax-js/jax';
import { heWeights, serve } from './gather.js';

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Mean cross-entropy of a network of dense layers with ReLU in between. */
const lossOf = (batch) => (params, x, y) => {
  let h = x;
  params.forEach(({ w, b }, i) => {
    h = np.dot(h, w).add(b);
    if (i < params.length - 1) h = nn.relu(h);
  });
  return nn.logSoftmax(h).mul(y).sum().mul(-1 / batch);
};

function sgdStep({ batch, lr }) {
  return jit((params, x, y) => {
    const [loss, gradients] = valueAndGrad(lossOf(batch))(tree.ref(params), x, y);
    return [loss, tree.map((p, d) => p.sub(d.mul(lr)), params, gradients)];
  });
}

function adamStep({ batch }) {
  const { beta1, beta2, epsilon } = ADAM;
  return jit((params, m, v, rate, x, y) => {
    const [loss, gradients] = valueAndGrad(lossOf(batch))(tree.ref(params), x, y);
    const nextM = tree.map((a, d) => a.mul(beta1).add(d.mul(1 - beta1)), m,
      tree.ref(gradients));
    const nextV = tree.map((a, d) => a.mul(beta2).add(d.ref.mul(d).mul(1 - beta2)), v,
      gradients);
    const moved = tree.map(
      (p, a, s) => p.sub(a.mul(rate.ref).div(np.sqrt(s).add(epsilon))),
      params, tree.ref(nextM), tree.ref(nextV),
    );
    rate.dispose();
    return [loss, moved, nextM, nextV];
  });
}

serve(async (workload) => {
  await init('wasm');
  defaultDevice('wasm');
  const { sizes, batch, optimizer, lr } = workload;
  let params = sizes.slice(1).map((outputs, i) => ({
    w: np.array(heWeights(sizes[i], outputs)).reshape([sizes[i], outputs]),
    b: np.zeros([outputs]),
  }));
  const zeros = () => tree.map((p) => np.zeros(p.shape), params);
  let [m, v, t] = [zeros(), zeros(), 0];
  const step = optimizer === 'sgd' ? sgdStep(workload) : adamStep(workload);
  return async ({ x, y }) => {
    t += 1;
    const [images, labels] = [np.array(x).reshape([batch, sizes[0]]),
      np.array(y).reshape([batch, 10])];
    let loss;
    if (optimizer === 'sgd') {
      [loss, params] = step(params, images, labels);
    } else {
      const rate = np.array(
        lr * Math.sqrt(1 - ADAM.beta2 ** t) / (1 - ADAM.beta1 ** t),
      );
      [loss, params, m, v] = step(params, m, v, rate, images, labels);
    }
    return loss.jsAsync();
  };
});
