/* exp, log and what activations need of them, vectorised, without libm.
 *
 * The same operations on every target, so native and exact wasm agree bit for
 * bit; the fast build stays within the same bounds. Bounds are in units in the
 * last place against a double-precision reference, over all normal results;
 * test_vmath measures them.
 *
 *     exp       1.5 ulp   flushes to 0 below -87.33, inf above 88.72
 *     log       1.5 ulp   log(0) = -inf, log(x < 0) = NaN
 *     tanh      3 ulp
 *     sigmoid   3 ulp
 *     softplus  3 ulp     log(1 + exp(x))
 *     erf       3 ulp
 *
 * NaN stays NaN everywhere.
 *
 * The forms over arrays take count >= 0 and allow y == x.
 */
#ifndef SOMA_KERNELS_VMATH_H
#define SOMA_KERNELS_VMATH_H

#include "kernels/simd.h"

/* Four at a time, for formulas. */
f32x4 vmath_exp4(f32x4 x);
f32x4 vmath_erf4(f32x4 x);

/* y[i] = f(x[i]) for i < count; lane for lane the bits of the forms above. */
void vmath_exp(size_t count, const float *x, float *y);
void vmath_log(size_t count, const float *x, float *y);
void vmath_tanh(size_t count, const float *x, float *y);
void vmath_sigmoid(size_t count, const float *x, float *y);
void vmath_softplus(size_t count, const float *x, float *y);
void vmath_erf(size_t count, const float *x, float *y);

#endif
