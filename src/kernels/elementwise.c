/* Method. Most functions are a formula for four lanes handed to map1 or map2,
 * which are inlined around it. The last one to three elements go through the
 * same formula in a vector filled up with zeros.
 */
#include "kernels/elementwise.h"

#include "kernels/simd.h"
#include "kernels/vmath.h"

/* y = f(x, parameter) */
typedef f32x4 Formula1(f32x4 x, f32x4 parameter);

SIMD_INLINE void map1(size_t count, const float *x, float parameter, float *y,
                      Formula1 *formula) {
    const f32x4 p = f32x4_splat(parameter);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        f32x4_store(y + i, formula(f32x4_load(x + i), p));
    if (i < count)
        f32x4_store_part(y + i, formula(f32x4_load_part(x + i, count - i), p),
                         count - i);
}

/* out = f(a, b, parameter) */
typedef f32x4 Formula2(f32x4 a, f32x4 b, f32x4 parameter);

SIMD_INLINE void map2(size_t count, const float *a, const float *b,
                      float parameter, float *out, Formula2 *formula) {
    const f32x4 p = f32x4_splat(parameter);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        f32x4_store(out + i, formula(f32x4_load(a + i), f32x4_load(b + i), p));
    const size_t rest = count - i;
    if (rest > 0)
        f32x4_store_part(out + i,
                         formula(f32x4_load_part(a + i, rest),
                                 f32x4_load_part(b + i, rest), p),
                         rest);
}

/* ---- moving and combining ----------------------------------------------- */

void elementwise_fill(size_t count, float value, float *y) {
    const f32x4 v = f32x4_splat(value);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) f32x4_store(y + i, v);
    f32x4_store_part(y + i, v, count - i);
}

void elementwise_from_bytes(size_t count, const uint8_t *bytes, float scale,
                            float *y) {
    const f32x4 factor = f32x4_splat(scale);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        f32x4 x[2];
        f32x4_load_bytes(bytes + i, x);
        f32x4_store(y + i, x[0] * factor);
        f32x4_store(y + i + 4, x[1] * factor);
    }
    for (; i < count; i++) y[i] = (float)bytes[i] * scale;
}

SIMD_INLINE f32x4 times(f32x4 x, f32x4 factor) { return x * factor; }

void elementwise_scale(size_t count, float factor, float *y) {
    map1(count, y, factor, y, times);
}

void elementwise_scale_columns(int n_rows, size_t n, float factor,
                               const float *x, size_t stride, float *y) {
    for (int row = 0; row < n_rows; row++, x += stride, y += n)
        map1(n, x, factor, y, times);
}

SIMD_INLINE f32x4 sum_of(f32x4 a, f32x4 b, f32x4 unused) {
    (void)unused;
    return a + b;
}

void elementwise_add(size_t count, const float *x, float *y) {
    map2(count, y, x, 0, y, sum_of);
}

SIMD_INLINE f32x4 product_of(f32x4 a, f32x4 b, f32x4 unused) {
    (void)unused;
    return a * b;
}

void elementwise_multiply(size_t count, const float *x, float *y) {
    map2(count, y, x, 0, y, product_of);
}

SIMD_INLINE f32x4 minus(f32x4 x, f32x4 subtrahend) { return x - subtrahend; }

void elementwise_subtract(size_t count, const float *x, float subtrahend,
                          float *y) {
    map1(count, x, subtrahend, y, minus);
}

SIMD_INLINE f32x4 axpy(f32x4 y, f32x4 x, f32x4 factor) {
    return f32x4_madd(factor, x, y);
}

void elementwise_axpy(size_t count, float factor, const float *x, float *y) {
    map2(count, y, x, factor, y, axpy);
}

SIMD_INLINE f32x4 same(f32x4 x, f32x4 unused) {
    (void)unused;
    return x;
}

/* Not by memcpy: for lengths that are not constant engines make a call of it,
 * and rows may be short. */
void elementwise_fill_rows(int n_rows, int n_columns, const float *bias,
                           float *y) {
    const size_t n = (size_t)n_columns;
    if (bias == NULL) elementwise_fill((size_t)n_rows * n, 0, y);
    for (size_t row = 0; row < (size_t)n_rows && bias != NULL; row++)
        map1(n, bias, 0, y + row * n, same);
}

void elementwise_add_rows(int n_rows, int n_columns, const float *bias,
                          float *y) {
    const size_t n = (size_t)n_columns;
    for (size_t row = 0; row < (size_t)n_rows; row++)
        elementwise_add(n, bias, y + row * n);
}

/* ---- reductions --------------------------------------------------------- */

/* 4·nv columns of the sums, in registers over all rows. */
SIMD_INLINE void add_columns(size_t n_rows, size_t stride, int nv,
                             const float *x, float *sums) {
    f32x4 acc[4];
    for (int v = 0; v < nv; v++) acc[v] = f32x4_load(sums + 4 * v);
    for (size_t row = 0; row < n_rows; row++)
        for (int v = 0; v < nv; v++)
            acc[v] += f32x4_load(x + row * stride + 4 * v);
    for (int v = 0; v < nv; v++) f32x4_store(sums + 4 * v, acc[v]);
}

void elementwise_add_column_sums(int n_rows, int n_columns, const float *x,
                                 float *sums) {
    const size_t rows = (size_t)n_rows, n = (size_t)n_columns;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) add_columns(rows, n, 4, x + i, sums + i);
    for (; i + 4 <= n; i += 4) add_columns(rows, n, 1, x + i, sums + i);
    for (; i < n; i++)
        for (size_t row = 0; row < rows; row++) sums[i] += x[row * n + i];
}

/* Elements whose squares are summed in single precision. */
enum { SQUARES_BLOCK = 1024 };

/* Σ x² of at most one block: four vectors of partial sums. */
static float sum_squares_block(size_t count, const float *x) {
    f32x4 acc[4] = {{0}, {0}, {0}, {0}};
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (size_t v = 0; v < 4; v++) {
            const f32x4 a = f32x4_load(x + i + 4 * v);
            acc[v] = f32x4_madd(a, a, acc[v]);
        }
    for (; i + 4 <= count; i += 4) {
        const f32x4 a = f32x4_load(x + i);
        acc[0] = f32x4_madd(a, a, acc[0]);
    }
    const f32x4 a = f32x4_load_part(x + i, count - i);
    acc[1] = f32x4_madd(a, a, acc[1]);
    return f32x4_sum((acc[0] + acc[2]) + (acc[1] + acc[3]));
}

double elementwise_sum_squares(size_t count, const float *x) {
    double sum = 0;
    for (size_t i = 0; i < count; i += SQUARES_BLOCK)
        sum += (double)sum_squares_block(size_min(SQUARES_BLOCK, count - i),
                                         x + i);
    return sum;
}

/* The bits of |x|: as whole numbers they have the order of the sizes, inf
 * above all finite ones and NaN above inf. */
SIMD_INLINE i32x4 size_bits(f32x4 x) {
    return (i32x4)x & i32x4_splat(INT32_MAX);
}

/* The largest size_bits of x. */
static int32_t largest_bits(size_t count, const float *x) {
    i32x4 most = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const i32x4 bits = size_bits(f32x4_load(x + i));
        const i32x4 more = bits > most;
        most = (more & bits) | (~more & most);
    }
    const i32x4 bits = size_bits(f32x4_load_part(x + i, count - i));
    const i32x4 more = bits > most;
    most = (more & bits) | (~more & most);
    return int_max(int_max(most[0], most[1]), int_max(most[2], most[3]));
}

float elementwise_max_abs(size_t count, const float *x) {
    const int32_t bits = largest_bits(count, x);
    float largest;
    memcpy(&largest, &bits, sizeof largest);
    return largest;
}

bool elementwise_is_finite(size_t count, const float *x) {
    static const int32_t infinity_bits = 0x7f800000;
    return largest_bits(count, x) < infinity_bits;
}

/* The largest element, count >= 1; NaNs are passed over unless x[0] is one. */
static float row_max(size_t count, const float *x) {
    f32x4 most = f32x4_splat(x[0]);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) most = f32x4_max(most, f32x4_load(x + i));
    float largest = f32x4_max_lane(most);
    for (; i < count; i++)
        if (largest < x[i]) largest = x[i];
    return largest;
}

size_t elementwise_argmax(size_t count, const float *x) {
    assert(count >= 1);
    const f32x4 largest = f32x4_splat(row_max(count, x));
    for (size_t i = 0; i < count; i += 4) {
        const f32x4 four = i + 4 <= count ? f32x4_load(x + i)
                                          : f32x4_load_part(x + i, count - i);
        const uint32_t found = i32x4_bits(four == largest);
        if (found != 0) return i + (size_t)__builtin_ctz(found);
    }
    return 0;
}

static float row_sum(size_t count, const float *x) {
    f32x4 sum = f32x4_zero();
    size_t i = 0;
    for (; i + 4 <= count; i += 4) sum += f32x4_load(x + i);
    sum += f32x4_load_part(x + i, count - i);
    return f32x4_sum(sum);
}

SIMD_INLINE f32x4 over(f32x4 x, f32x4 divisor) { return x / divisor; }

void elementwise_softmax_rows(int n_rows, int n_columns, const float *x,
                              float *y) {
    assert(n_columns >= 1);
    const size_t n = (size_t)n_columns, end = (size_t)n_rows * n;
    for (size_t at = 0; at < end; at += n)
        elementwise_subtract(n, x + at, row_max(n, x + at), y + at);
    vmath_exp(end, y, y);
    for (size_t at = 0; at < end; at += n)
        map1(n, y + at, row_sum(n, y + at), y + at, over);
}

void elementwise_threshold(size_t count, const uint32_t *x, uint32_t threshold,
                           float value, float *y) {
    const u32x4 limit = u32x4_splat(threshold);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const i32x4 above = (i32x4)(u32x4_load(x + i) >= limit);
        f32x4_store(y + i, f32x4_keep(above, f32x4_splat(value)));
    }
    for (; i < count; i++) y[i] = x[i] >= threshold ? value : 0;
}

/* ---- activations -------------------------------------------------------- */

/* max with the operands so that a NaN in x stays. */
SIMD_INLINE f32x4 relu(f32x4 x, f32x4 zero) { return f32x4_max(x, zero); }

void elementwise_relu(size_t count, const float *x, float *y) {
    map1(count, x, 0, y, relu);
}

/* dy where y is not zero. A NaN in y is one in the forward pass already. */
SIMD_INLINE f32x4 relu_backward(f32x4 y, f32x4 dy, f32x4 zero) {
    return f32x4_keep(y > zero, dy);
}

void elementwise_relu_backward(size_t count, const float *y, const float *dy,
                               float *dx) {
    map2(count, y, dy, 0, dx, relu_backward);
}

SIMD_INLINE f32x4 leaky_relu(f32x4 x, f32x4 slope) {
    return f32x4_select(x < f32x4_zero(), x * slope, x);
}

void elementwise_leaky_relu(size_t count, float slope, const float *x,
                            float *y) {
    assert(slope >= 0 && slope < 1);
    map1(count, x, slope, y, leaky_relu);
}

/* As relu, the derivative at 0 is the one below it. */
SIMD_INLINE f32x4 leaky_relu_backward(f32x4 y, f32x4 dy, f32x4 slope) {
    return f32x4_select(y > f32x4_zero(), dy, dy * slope);
}

void elementwise_leaky_relu_backward(size_t count, float slope, const float *y,
                                     const float *dy, float *dx) {
    assert(slope >= 0 && slope < 1);
    map2(count, y, dy, slope, dx, leaky_relu_backward);
}

void elementwise_sigmoid(size_t count, const float *x, float *y) {
    vmath_sigmoid(count, x, y);
}

SIMD_INLINE f32x4 sigmoid_backward(f32x4 y, f32x4 dy, f32x4 one) {
    return dy * (y * (one - y));
}

void elementwise_sigmoid_backward(size_t count, const float *y, const float *dy,
                                  float *dx) {
    map2(count, y, dy, 1, dx, sigmoid_backward);
}

void elementwise_tanh(size_t count, const float *x, float *y) {
    vmath_tanh(count, x, y);
}

SIMD_INLINE f32x4 tanh_backward(f32x4 y, f32x4 dy, f32x4 one) {
    return dy * ((one - y) * (one + y));
}

void elementwise_tanh_backward(size_t count, const float *y, const float *dy,
                               float *dx) {
    map2(count, y, dy, 1, dx, tanh_backward);
}

void elementwise_softplus(size_t count, const float *x, float *y) {
    vmath_softplus(count, x, y);
}

SIMD_INLINE f32x4 softplus_backward(f32x4 y, f32x4 dy, f32x4 one) {
    return dy * (one - vmath_exp4(-y));
}

void elementwise_softplus_backward(size_t count, const float *y,
                                   const float *dy, float *dx) {
    map2(count, y, dy, 1, dx, softplus_backward);
}

/* Φ(x) = (1 + erf(x/√2)) / 2 */
SIMD_INLINE f32x4 normal_distribution(f32x4 x) {
    const f32x4 half = f32x4_splat(0.5f);
    const f32x4 e = vmath_erf4(x * f32x4_splat(0.70710678f));
    return f32x4_madd(half, e, half);
}

SIMD_INLINE f32x4 gelu(f32x4 x, f32x4 unused) {
    (void)unused;
    return x * normal_distribution(x);
}

void elementwise_gelu(size_t count, const float *x, float *y) {
    map1(count, x, 0, y, gelu);
}

/* φ(x) = exp(-x²/2) / √(2π) */
SIMD_INLINE f32x4 gelu_backward(f32x4 x, f32x4 dy, f32x4 unused) {
    (void)unused;
    const f32x4 density =
        f32x4_splat(0.39894228f) * vmath_exp4(x * x * f32x4_splat(-0.5f));
    return dy * f32x4_madd(x, density, normal_distribution(x));
}

void elementwise_gelu_backward(size_t count, const float *x, const float *dy,
                               float *dx) {
    map2(count, x, dy, 0, dx, gelu_backward);
}

SIMD_INLINE f32x4 step(f32x4 x, f32x4 zero) {
    return f32x4_keep(x >= zero, f32x4_splat(1.0f));
}

void elementwise_step(size_t count, const float *x, float *y) {
    map1(count, x, 0, y, step);
}
