/* Sums down columns, in double, and what normalisation does with them: the
 * kernels of batchnorm and layernorm.
 *
 * Columns are worked on LANES at a time: a cache line of a row, so that no two
 * threads write into the same one. Lane j is column j; of what belongs together
 * it is every LANES-th column, and in the end the sum of all lanes.
 */
#ifndef SOMA_KERNELS_COLUMNS_H
#define SOMA_KERNELS_COLUMNS_H

#include "base/types.h"

enum { LANES = CACHE_LINE / sizeof(float) };

/* `rows` rows of `n` values, `stride` floats from one to the next. Either each
 * column, of at most LANES, stands for itself, or all values are `together`. */
typedef struct Columns {
    size_t rows, stride, n;
    bool together;
} Columns;

/* How many values a mean is taken over. */
static inline double columns_count(Columns c) {
    return (double)c.rows * (double)(c.together ? c.n : 1);
}

/* 1/√(σ² + ε), with PyTorch's ε = 1e-5. */
static inline float columns_inverse(double variance) {
    return (float)(1 / __builtin_sqrt(variance + 1e-5));
}

/* Mean and variance in each lane. Each lane is a chain of additions in the
 * order of the rows. Cost: two passes. */
void columns_moments(Columns c, const float *x, double mean[LANES],
                     double variance[LANES]);

/* y = (x − mean)·scale + shift */
void columns_normalise(Columns c, const float *x, const float mean[LANES],
                       const float scale[LANES], const float shift[LANES],
                       float *y);

/* Σ dy and Σ dy·x̂ in each lane, for x̂ = (x − mean)·inverse. */
void columns_gradient_sums(Columns c, const float *x, const float *dy,
                           const float mean[LANES], const float inverse[LANES],
                           double sum_dy[LANES], double sum_dy_x[LANES]);

/* What a gradient through a normalisation needs in each lane. */
typedef struct NormGradient {
    float mean[LANES], inverse[LANES]; /* of x */
    float scale[LANES];
    float mean_dy[LANES], mean_dy_x[LANES];
} NormGradient;

/* dx = scale·(dy − mean_dy − x̂·mean_dy_x) */
void columns_gradient(Columns c, const float *x, const float *dy,
                      const NormGradient *lanes, float *dx);

#endif
