/* Method. Each function reduces its argument to a short interval, evaluates a
 * polynomial there by Horner's rule with madd, and undoes the reduction on the
 * bits of the exponent. Selections are by mask, so all lanes take all paths.
 *
 * Constants are read from tables: engines make one that stands in the code out
 * of three instructions, every time it is met, and a load is one.
 */
#include "kernels/vmath.h"

/* The table has one address that the compiler knows nothing about; left alone,
 * it would put the constants into the code. */
#define TABLE(name, ...)                                                       \
    static const float name##_table[] = {__VA_ARGS__};                         \
    const float *name = name##_table;                                          \
    ONE_ADDRESS(name)

SIMD_INLINE f32x4 constant(const float *value) {
    return f32x4_load_splat(value);
}

/* Horner's rule: coefficient[0] is that of the highest power. */
SIMD_INLINE f32x4 polynomial(const float *coefficient, int count, f32x4 x) {
    f32x4 sum = constant(coefficient);
    for (int i = 1; i < count; i++)
        sum = f32x4_madd(sum, x, constant(coefficient + i));
    return sum;
}

/* 2^n for -126 <= n <= 127. */
SIMD_INLINE f32x4 power_of_two(i32x4 n, i32x4 bias) {
    return (f32x4)((n + bias) << 23);
}

/* What exp and log share. ln 2 is in two parts, the first of which has so few
 * bits that n·LN2_HIGH is exact. Source: Cody and Waite 1980, as in Cephes
 * (S. L. Moshier). */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define INFINITE __builtin_inff()

/* x = n·ln 2 + r, |r| <= ln 2 / 2; exp(x) = 2^n·(1 + r + r²·P(r)). 2^n is
 * multiplied in two halves, since 2^128 is needed just below the highest x.
 * exp leaves the normal floats at c[6] = ln(2^-126) and c[7] = ln(FLT_MAX).
 * Adding c[9] = 1.5·2^23 to |n| < 2^22 rounds n to a whole number, which then
 * stands in the lowest bits of the float. Coefficients: Cephes expf. */
SIMD_INLINE f32x4 exp4(f32x4 x) {
    TABLE(c, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
          4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f, -87.336544f,
          88.72283f, 1.44269504f, 12582912.0f, -LN2_HIGH, -LN2_LOW, 1.0f,
          INFINITE);
    const f32x4 lowest = constant(c + 6), highest = constant(c + 7);
    const f32x4 rounder = constant(c + 9), one = constant(c + 12);
    const i32x4 bias = (i32x4)one >> 23;
    const f32x4 inside = f32x4_min(f32x4_max(x, lowest), highest);
    const f32x4 shifted = f32x4_madd(inside, constant(c + 8), rounder);
    const i32x4 n = (i32x4)shifted - (i32x4)rounder;
    const f32x4 whole = shifted - rounder;
    f32x4 r = f32x4_madd(whole, constant(c + 10), inside);
    r = f32x4_madd(whole, constant(c + 11), r);
    const f32x4 tail = f32x4_madd(polynomial(c, 6, r), r * r, r);
    const i32x4 half = n >> 1;
    f32x4 y = tail + one;
    y = y * power_of_two(half, bias) * power_of_two(n - half, bias);
    y = f32x4_keep(~(x < lowest), y);
    return f32x4_select(x > highest, constant(c + 13), y);
}

/* x = 2^e·(1 + f), 1 + f in [√½, √2);
 * log(x) = e·ln 2 + f - f²/2 + f³·P(f). Coefficients: Cephes logf. Subnormal
 * numbers, below c[9], are lifted by 2^23. */
SIMD_INLINE f32x4 log4(f32x4 x) {
    TABLE(c, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
          -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
          2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f,
          1.17549435e-38f, 8388608.0f, 0.70710678f, 1.0f, LN2_LOW, -0.5f,
          LN2_HIGH, INFINITE, __builtin_nanf(""), 23.0f);
    const f32x4 zero = f32x4_zero(), infinity = constant(c + 16);
    const i32x4 tiny = x < constant(c + 9);
    const f32x4 lifted = f32x4_abs(f32x4_select(tiny, x * constant(c + 10), x));
    const i32x4 steps = ((i32x4)lifted - (i32x4)constant(c + 11)) >> 23;
    const f32x4 e =
        f32x4_from_i32x4(steps) - f32x4_keep(tiny, constant(c + 18));
    const f32x4 f = (f32x4)((i32x4)lifted - (steps << 23)) - constant(c + 12);
    const f32x4 square = f * f;
    f32x4 y = polynomial(c, 9, f) * f * square;
    y = f32x4_madd(e, constant(c + 13), y);
    y = f32x4_madd(square, constant(c + 14), y) + f;
    y = f32x4_madd(e, constant(c + 15), y);
    y = f32x4_select(x == infinity, infinity, y);
    y = f32x4_select(x == zero, -infinity, y);
    y = f32x4_select(x < zero, constant(c + 17), y);
    return f32x4_select(x == x, y, x);
}

/* `value` >= 0 with the sign of x. */
SIMD_INLINE f32x4 with_sign_of(f32x4 x, f32x4 value) {
    return (f32x4)((i32x4)value | ((i32x4)x & i32x4_splat(INT32_MIN)));
}

/* |x| < 0.625: an odd polynomial; else 1 - 2 / (exp(2|x|) + 1).
 * Coefficients: Cephes tanhf. */
SIMD_INLINE f32x4 tanh4(f32x4 x) {
    TABLE(c, -5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
          1.33314422036e-1f, -3.33332819422e-1f, 0.625f, 1.0f, 2.0f);
    const f32x4 one = constant(c + 6), two = constant(c + 7);
    const f32x4 size = f32x4_abs(x), square = x * x;
    const f32x4 small =
        f32x4_madd(polynomial(c, 5, square) * square, size, size);
    const f32x4 large = one - two / (exp4(size + size) + one);
    const i32x4 is_small = size < constant(c + 5);
    return with_sign_of(x, f32x4_select(is_small, small, large));
}

/* With e = exp(-|x|), which cannot overflow: 1 / (1 + e), or e / (1 + e). */
SIMD_INLINE f32x4 sigmoid4(f32x4 x) {
    TABLE(one_table, 1.0f);
    const f32x4 one = constant(one_table);
    const f32x4 e = exp4(-f32x4_abs(x));
    return f32x4_select(x < f32x4_zero(), e, one) / (one + e);
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); the second term adds back what
 * rounding u = 1 + e lost, to first order. */
SIMD_INLINE f32x4 softplus4(f32x4 x) {
    TABLE(one_table, 1.0f);
    const f32x4 one = constant(one_table);
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
    TABLE(p, -6.111291461e-4f, 5.016228196e-3f, -2.678195672e-2f,
          1.128222995e-1f, -3.761253244e-1f, 1.283791553e-1f, 0.9f);
    TABLE(q, -1.971815961e-4f, 3.055606354e-3f, -2.227708250e-2f,
          1.040373505e-1f, 6.370597631e-1f, 1.127749557e+0f, 1.774959540e-4f,
          1.0f, 4.0f);
    const f32x4 one = constant(q + 7);
    const f32x4 size = f32x4_abs(x);
    const f32x4 small = f32x4_madd(polynomial(p, 6, x * x), size, size);
    const f32x4 t = f32x4_min(size, constant(q + 8));
    const f32x4 large = one - exp4(-polynomial(q, 7, t));
    const i32x4 is_small = size < constant(p + 6);
    return with_sign_of(x, f32x4_select(is_small, small, large));
}

/* ---- over arrays -------------------------------------------------------- */

#define OVER_ARRAY(name)                                                       \
    void vmath_##name(size_t count, const float *x, float *y) {                \
        for (size_t i = 0; i < count; i += 4) {                                \
            const size_t left = count - i;                                     \
            const bool whole = left >= 4;                                      \
            const f32x4 result = name##4(                                      \
                whole ? f32x4_load(x + i) : f32x4_load_part(x + i, left));     \
            if (whole)                                                         \
                f32x4_store(y + i, result);                                    \
            else                                                               \
                f32x4_store_part(y + i, result, left);                         \
        }                                                                      \
    }

OVER_ARRAY(exp)
OVER_ARRAY(log)
OVER_ARRAY(tanh)
OVER_ARRAY(sigmoid)
OVER_ARRAY(softplus)
OVER_ARRAY(erf)

f32x4 vmath_exp4(f32x4 x) { return exp4(x); }
f32x4 vmath_erf4(f32x4 x) { return erf4(x); }
