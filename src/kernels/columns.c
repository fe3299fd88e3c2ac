#include "kernels/columns.h"

#include "kernels/simd.h"

/* Where the lane of column i is. */
static size_t lane_of(size_t i) { return i % LANES; }

static void clear(double sum[LANES]) {
    for (int j = 0; j < LANES; j++) sum[j] = 0;
}

/* What belongs together: its sum in every lane. */
static void fold(Columns c, double sum[LANES]) {
    if (!c.together) return;
    double total = 0;
    for (int j = 0; j < LANES; j++) total += sum[j];
    for (int j = 0; j < LANES; j++) sum[j] = total;
}

/* sum[0 .. 1] += x */
SIMD_INLINE void add(double *sum, f64x2 x) {
    f64x2_store(sum, f64x2_load(sum) + x);
}

SIMD_INLINE void add_four(double *sum, f32x4 x) {
    add(sum, f64x2_low(x));
    add(sum + 2, f64x2_high(x));
}

/* ==== Moments =========================================================== */

static void sum_up(Columns c, const float *x, double sum[LANES]) {
    clear(sum);
    for (size_t r = 0; r < c.rows; r++, x += c.stride) {
        size_t i = 0;
        for (; i + 4 <= c.n; i += 4)
            add_four(sum + lane_of(i), f32x4_load(x + i));
        for (; i < c.n; i++) sum[lane_of(i)] += (double)x[i];
    }
    fold(c, sum);
}

SIMD_INLINE void add_square(double *sum, const double *mean, f64x2 x) {
    const f64x2 d = x - f64x2_load(mean);
    add(sum, d * d);
}

static void sum_squares(Columns c, const float *x, const double mean[LANES],
                        double sum[LANES]) {
    clear(sum);
    for (size_t r = 0; r < c.rows; r++, x += c.stride) {
        size_t i = 0;
        for (; i + 4 <= c.n; i += 4) {
            const size_t j = lane_of(i);
            const f32x4 four = f32x4_load(x + i);
            add_square(sum + j, mean + j, f64x2_low(four));
            add_square(sum + j + 2, mean + j + 2, f64x2_high(four));
        }
        for (; i < c.n; i++) {
            const double d = (double)x[i] - mean[lane_of(i)];
            sum[lane_of(i)] += d * d;
        }
    }
    fold(c, sum);
}

void columns_moments(Columns c, const float *x, double mean[LANES],
                     double variance[LANES]) {
    const double count = columns_count(c);
    sum_up(c, x, mean);
    for (int j = 0; j < LANES; j++) mean[j] /= count;
    sum_squares(c, x, mean, variance);
    for (int j = 0; j < LANES; j++) variance[j] /= count;
}

/* ==== Normalising ======================================================= */

void columns_normalise(Columns c, const float *x, const float mean[LANES],
                       const float scale[LANES], const float shift[LANES],
                       float *y) {
    for (size_t r = 0; r < c.rows; r++, x += c.stride, y += c.stride) {
        size_t i = 0;
        for (; i + 4 <= c.n; i += 4) {
            const size_t j = lane_of(i);
            const f32x4 centred = f32x4_load(x + i) - f32x4_load(mean + j);
            f32x4_store(y + i, centred * f32x4_load(scale + j) +
                                   f32x4_load(shift + j));
        }
        for (; i < c.n; i++) {
            const size_t j = lane_of(i);
            y[i] = (x[i] - mean[j]) * scale[j] + shift[j];
        }
    }
}

/* ==== Gradients ========================================================= */

void columns_gradient_sums(Columns c, const float *x, const float *dy,
                           const float mean[LANES], const float inverse[LANES],
                           double sum_dy[LANES], double sum_dy_x[LANES]) {
    clear(sum_dy);
    clear(sum_dy_x);
    for (size_t r = 0; r < c.rows; r++, x += c.stride, dy += c.stride) {
        size_t i = 0;
        for (; i + 4 <= c.n; i += 4) {
            const size_t j = lane_of(i);
            const f32x4 d = f32x4_load(dy + i);
            const f32x4 x_hat = (f32x4_load(x + i) - f32x4_load(mean + j)) *
                                f32x4_load(inverse + j);
            add_four(sum_dy + j, d);
            add_four(sum_dy_x + j, d * x_hat);
        }
        for (; i < c.n; i++) {
            const size_t j = lane_of(i);
            sum_dy[j] += (double)dy[i];
            sum_dy_x[j] += (double)(dy[i] * ((x[i] - mean[j]) * inverse[j]));
        }
    }
    fold(c, sum_dy);
    fold(c, sum_dy_x);
}

void columns_gradient(Columns c, const float *x, const float *dy,
                      const NormGradient *lanes, float *dx) {
    const float *const mean = lanes->mean, *const inverse = lanes->inverse;
    for (size_t r = 0; r < c.rows;
         r++, x += c.stride, dy += c.stride, dx += c.stride) {
        size_t i = 0;
        for (; i + 4 <= c.n; i += 4) {
            const size_t j = lane_of(i);
            const f32x4 x_hat = (f32x4_load(x + i) - f32x4_load(mean + j)) *
                                f32x4_load(inverse + j);
            const f32x4 rest = f32x4_load(dy + i) -
                               f32x4_load(lanes->mean_dy + j) -
                               x_hat * f32x4_load(lanes->mean_dy_x + j);
            f32x4_store(dx + i, f32x4_load(lanes->scale + j) * rest);
        }
        for (; i < c.n; i++) {
            const size_t j = lane_of(i);
            const float x_hat = (x[i] - mean[j]) * inverse[j];
            dx[i] = lanes->scale[j] *
                    (dy[i] - lanes->mean_dy[j] - x_hat * lanes->mean_dy_x[j]);
        }
    }
}
