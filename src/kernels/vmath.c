/* Method. Each function reduces its argument to a short interval, evaluates a
 * polynomial there by Horner's rule with madd, and undoes the reduction on the
 * bits of the exponent. Selections are by mask, so all lanes take all paths.
 */
#include "kernels/vmath.h"

/* Adding this to |n| < 2^22 rounds n to a whole number, which then stands in
 * the lowest bits of the float: 1.5 · 2^23. */
static const float ROUNDER = 12582912.0f;
static const int32_t ROUNDER_BITS = 0x4b400000;

/* ln 2 in two parts; the first has so few bits that n·LN2_HIGH is exact.
 * Source: Cody and Waite 1980, as in Cephes (S. L. Moshier). */
static const float LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;

/* Where exp leaves the normal floats: ln(2^-126) and ln(FLT_MAX). */
static const float EXP_LOWEST = -87.336544f, EXP_HIGHEST = 88.72283f;

/* Horner's rule: coefficient[0] is that of the highest power. */
SIMD_INLINE f32x4 polynomial(const float *coefficient, int count, f32x4 x) {
    f32x4 sum = f32x4_splat(coefficient[0]);
    for (int i = 1; i < count; i++)
        sum = f32x4_madd(sum, x, f32x4_splat(coefficient[i]));
    return sum;
}

/* 2^n for -126 <= n <= 127. */
SIMD_INLINE f32x4 power_of_two(i32x4 n) {
    return (f32x4)((n + i32x4_splat(127)) << 23);
}

/* x = n·ln 2 + r, |r| <= ln 2 / 2; exp(x) = 2^n·(1 + r + r²·P(r)). 2^n is
 * multiplied in two halves, since 2^128 is needed just below EXP_HIGHEST.
 * Coefficients: Cephes expf. */
SIMD_INLINE f32x4 exp4(f32x4 x) {
    static const float p[] = {1.9875691500e-4f, 1.3981999507e-3f,
                              8.3334519073e-3f, 4.1665795894e-2f,
                              1.6666665459e-1f, 5.0000001201e-1f};
    const f32x4 lowest = f32x4_splat(EXP_LOWEST);
    const f32x4 highest = f32x4_splat(EXP_HIGHEST);
    const f32x4 rounder = f32x4_splat(ROUNDER);
    const f32x4 inside = f32x4_min(f32x4_max(x, lowest), highest);
    const f32x4 shifted = f32x4_madd(inside, f32x4_splat(1.44269504f), rounder);
    const i32x4 n = (i32x4)shifted - i32x4_splat(ROUNDER_BITS);
    const f32x4 whole = shifted - rounder;
    f32x4 r = f32x4_madd(whole, f32x4_splat(-LN2_HIGH), inside);
    r = f32x4_madd(whole, f32x4_splat(-LN2_LOW), r);
    const f32x4 tail = f32x4_madd(polynomial(p, 6, r), r * r, r);
    const i32x4 half = n >> 1;
    f32x4 y = tail + f32x4_splat(1.0f);
    y = y * power_of_two(half) * power_of_two(n - half);
    y = f32x4_select(x < lowest, f32x4_zero(), y);
    return f32x4_select(x > highest, f32x4_splat(__builtin_inff()), y);
}

/* x = 2^e·(1 + f), 1 + f in [√½, √2);
 * log(x) = e·ln 2 + f - f²/2 + f³·P(f). Coefficients: Cephes logf. */
SIMD_INLINE f32x4 log4(f32x4 x) {
    static const float p[] = {
        7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
        -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
        2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
    static const int32_t root_half = 0x3f3504f3; /* √½ */
    const i32x4 tiny = x < f32x4_splat(1.17549435e-38f);
    const f32x4 lifted =
        f32x4_abs(f32x4_select(tiny, x * f32x4_splat(8388608.0f), x));
    const i32x4 steps = ((i32x4)lifted - i32x4_splat(root_half)) >> 23;
    const f32x4 e = f32x4_from_i32x4(steps + (tiny & i32x4_splat(-23)));
    const f32x4 f = (f32x4)((i32x4)lifted - (steps << 23)) - f32x4_splat(1.0f);
    const f32x4 square = f * f;
    f32x4 y = polynomial(p, 9, f) * f * square;
    y = f32x4_madd(e, f32x4_splat(LN2_LOW), y);
    y = f32x4_madd(square, f32x4_splat(-0.5f), y) + f;
    y = f32x4_madd(e, f32x4_splat(LN2_HIGH), y);
    const f32x4 infinity = f32x4_splat(__builtin_inff());
    y = f32x4_select(x == infinity, infinity, y);
    y = f32x4_select(x == f32x4_zero(), -infinity, y);
    y = f32x4_select(x < f32x4_zero(), f32x4_splat(__builtin_nanf("")), y);
    return f32x4_select(x == x, y, x);
}

/* `value` >= 0 with the sign of x. */
SIMD_INLINE f32x4 with_sign_of(f32x4 x, f32x4 value) {
    return (f32x4)((i32x4)value | ((i32x4)x & i32x4_splat(INT32_MIN)));
}

/* |x| < 0.625: an odd polynomial; else 1 - 2 / (exp(2|x|) + 1).
 * Coefficients: Cephes tanhf. */
SIMD_INLINE f32x4 tanh4(f32x4 x) {
    static const float p[] = {-5.70498872745e-3f, 2.06390887954e-2f,
                              -5.37397155531e-2f, 1.33314422036e-1f,
                              -3.33332819422e-1f};
    const f32x4 one = f32x4_splat(1.0f), two = f32x4_splat(2.0f);
    const f32x4 size = f32x4_abs(x), square = x * x;
    const f32x4 small =
        f32x4_madd(polynomial(p, 5, square) * square, size, size);
    const f32x4 large = one - two / (exp4(size + size) + one);
    const i32x4 is_small = size < f32x4_splat(0.625f);
    return with_sign_of(x, f32x4_select(is_small, small, large));
}

/* With e = exp(-|x|), which cannot overflow: 1 / (1 + e), or e / (1 + e). */
SIMD_INLINE f32x4 sigmoid4(f32x4 x) {
    const f32x4 one = f32x4_splat(1.0f);
    const f32x4 e = exp4(-f32x4_abs(x));
    return f32x4_select(x < f32x4_zero(), e, one) / (one + e);
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); the second term adds back what
 * rounding u = 1 + e lost, to first order. */
SIMD_INLINE f32x4 softplus4(f32x4 x) {
    const f32x4 one = f32x4_splat(1.0f);
    const f32x4 e = exp4(-f32x4_abs(x));
    const f32x4 u = one + e;
    const f32x4 rest = log4(u) + (e - (u - one)) / u;
    return f32x4_max(x, f32x4_zero()) + rest;
}

/* |x| < 0.9: x + x·P(x²); else 1 - exp(-Q(|x|)), 1 from 4 on.
 * Coefficients: minimax fits to erf(√z)/√z - 1 on [0, 0.81], maximal error
 * 1.2e-8, and to -log(erfc(t)) on [0.9, 4], weighted so that the maximal error
 * of erf is 1.6e-9. */
SIMD_INLINE f32x4 erf4(f32x4 x) {
    static const float p[] = {-6.111291461e-4f, 5.016228196e-3f,
                              -2.678195672e-2f, 1.128222995e-1f,
                              -3.761253244e-1f, 1.283791553e-1f};
    static const float q[] = {
        -1.971815961e-4f, 3.055606354e-3f, -2.227708250e-2f, 1.040373505e-1f,
        6.370597631e-1f,  1.127749557e+0f, 1.774959540e-4f};
    const f32x4 one = f32x4_splat(1.0f);
    const f32x4 size = f32x4_abs(x);
    const f32x4 small = f32x4_madd(polynomial(p, 6, x * x), size, size);
    const f32x4 t = f32x4_min(size, f32x4_splat(4.0f));
    const f32x4 large = one - exp4(-polynomial(q, 7, t));
    const i32x4 is_small = size < f32x4_splat(0.9f);
    return with_sign_of(x, f32x4_select(is_small, small, large));
}

/* ---- over arrays -------------------------------------------------------- */

typedef f32x4 Function4(f32x4 x);

/* `inlined` and `called` are the same function. */
SIMD_INLINE void over_array(size_t count, const float *x, float *y,
                            Function4 *inlined, Function4 *called) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        f32x4_store(y + i, inlined(f32x4_load(x + i)));
    if (i < count)
        f32x4_store_part(y + i, called(f32x4_load_part(x + i, count - i)),
                         count - i);
}

#define BOTH_FORMS(name)                                                       \
    __attribute__((noinline)) f32x4 vmath_##name##4(f32x4 x) {                 \
        return name##4(x);                                                     \
    }                                                                          \
    void vmath_##name(size_t count, const float *x, float *y) {                \
        over_array(count, x, y, name##4, vmath_##name##4);                     \
    }

BOTH_FORMS(exp)
BOTH_FORMS(log)
BOTH_FORMS(tanh)
BOTH_FORMS(sigmoid)
BOTH_FORMS(softplus)
BOTH_FORMS(erf)
