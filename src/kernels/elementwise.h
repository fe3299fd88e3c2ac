/* Passes over arrays: everything that is not a product.
 *
 * Plain loops over four lanes, on the calling thread; whoever wants threads
 * cuts the range (at any place: each element depends on its own inputs only,
 * except in the reductions, whose order is fixed and stated). Tails use the
 * loop's own arithmetic, so an element's bits do not depend on its position.
 * Counts may be 0. y == x is allowed where both appear; other overlaps are
 * not. Checked by test_elementwise.
 */
#ifndef SOMA_KERNELS_ELEMENTWISE_H
#define SOMA_KERNELS_ELEMENTWISE_H

#include "base/types.h"

/* ---- moving and combining ----------------------------------------------- */

/* y[i] = value */
void elementwise_fill(size_t count, float value, float *y);

/* y[i] = (float)bytes[i] · scale: the same values as in lists of images. */
void elementwise_from_bytes(size_t count, const uint8_t *bytes, float scale,
                            float *y);

/* y[i] *= factor */
void elementwise_scale(size_t count, float factor, float *y);

/* y[n_rows,n] = factor · the first n columns of x[n_rows,stride] */
void elementwise_scale_columns(int n_rows, size_t n, float factor,
                               const float *x, size_t stride, float *y);

/* y[i] += x[i] */
void elementwise_add(size_t count, const float *x, float *y);

/* y[i] *= x[i] */
void elementwise_multiply(size_t count, const float *x, float *y);

/* y[i] = x[i] − subtrahend; y may be x. */
void elementwise_subtract(size_t count, const float *x, float subtrahend,
                          float *y);

/* y[i] = madd(factor, x[i], y[i]) */
void elementwise_axpy(size_t count, float factor, const float *x, float *y);

/* y[i] = value where x[i] >= threshold, else 0 */
void elementwise_threshold(size_t count, const uint32_t *x, uint32_t threshold,
                           float value, float *y);

/* y[N,O]: every row = bias[O]; bias NULL means zero. The start of a product
 * that accumulates onto the bias. */
void elementwise_fill_rows(int n_rows, int n_columns, const float *bias,
                           float *y);

/* y[N,O]: every row += bias[O] */
void elementwise_add_rows(int n_rows, int n_columns, const float *bias,
                          float *y);

/* ---- reductions --------------------------------------------------------- */

/* sums[O] += column sums of x[N,O]: each a chain in ascending row order. */
void elementwise_add_column_sums(int n_rows, int n_columns, const float *x,
                                 float *sums);

/* Σ x², summed in blocks of fixed size whose sums are added in double. */
double elementwise_sum_squares(size_t count, const float *x);

/* Largest |x[i]|; 0 for none. NaN if there is one. */
float elementwise_max_abs(size_t count, const float *x);

/* Are all elements finite (no NaN, no inf)? */
bool elementwise_is_finite(size_t count, const float *x);

/* The first index of the largest element, count >= 1; NaNs are passed over
 * unless x[0] is one. */
size_t elementwise_argmax(size_t count, const float *x);

/* y[N,K] = softmax of each row of x[N,K], K >= 1. A row with a NaN or +inf
 * becomes NaN. Rows are summed in a fixed order. */
void elementwise_softmax_rows(int n_rows, int n_columns, const float *x,
                              float *y);

/* ---- activations -------------------------------------------------------- */
/* Forward: y = f(x). Backward: dx[i] = dy[i] · f'(…) from the stored output y
 * where f' can be had from it, from the stored input x otherwise; dx == dy is
 * allowed. A NaN in x or dy stays visible. */

void elementwise_relu(size_t count, const float *x, float *y);
void elementwise_relu_backward(size_t count, const float *y, const float *dy,
                               float *dx);

/* slope·x for x < 0; slope in [0, 1) so that y < 0 exactly where x < 0 */
void elementwise_leaky_relu(size_t count, float slope, const float *x,
                            float *y);
void elementwise_leaky_relu_backward(size_t count, float slope, const float *y,
                                     const float *dy, float *dx);

/* y = 1 / (1 + exp(-x));  f' = y(1 - y) */
void elementwise_sigmoid(size_t count, const float *x, float *y);
void elementwise_sigmoid_backward(size_t count, const float *y, const float *dy,
                                  float *dx);

/* f' = 1 - y² */
void elementwise_tanh(size_t count, const float *x, float *y);
void elementwise_tanh_backward(size_t count, const float *y, const float *dy,
                               float *dx);

/* y = log(1 + exp(x));  f' = sigmoid(x) = 1 - exp(-y) */
void elementwise_softplus(size_t count, const float *x, float *y);
void elementwise_softplus_backward(size_t count, const float *y,
                                   const float *dy, float *dx);

/* y = x·Φ(x), Φ the normal distribution function (the exact form, with erf);
 * f' = Φ(x) + x·φ(x), from the stored input. */
void elementwise_gelu(size_t count, const float *x, float *y);
void elementwise_gelu_backward(size_t count, const float *x, const float *dy,
                               float *dx);

/* y = 1 where x >= 0, else 0; it has no useful derivative. */
void elementwise_step(size_t count, const float *x, float *y);

#endif
