#include "base/scalar.h"

#include <string.h>

#include "base/types.h"

/* ln 2 and pi/2 as sums: the leading parts have 32 bits, so that a product
 * with a quotient of up to 21 bits is exact (Cody and Waite's reduction). */
static const double LN2_HIGH = 0x1.62e42fee00000p-1;
static const double LN2_LOW = 0x1.a39ef35793c76p-33;
static const double LN2_INVERSE = 0x1.71547652b82fep+0;
static const double HALF_PI_HIGH = 0x1.921fb54400000p+0;
static const double HALF_PI_MIDDLE = 0x1.0b4611a600000p-34;
static const double HALF_PI_LOW = 0x1.3198a2e037073p-69;
static const double HALF_PI_INVERSE = 0x1.45f306dc9c883p-1;

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^exponent for -1022 <= exponent <= 1023. */
static double power_of_two(int exponent) {
    return from_bits((uint64_t)(exponent + 1023) << 52);
}

/* The nearest integer to x, |x| < 2^30. */
static int nearest_int(double x) { return (int)(x < 0 ? x - 0.5 : x + 0.5); }

/* With x = 2^k m and m in [sqrt(1/2), sqrt(2)), s = (m-1)/(m+1):
 * ln x = k ln 2 + 2 (s + s^3/3 + s^5/5 + …). |s| < 0.1716, so twelve terms
 * leave less than 1e-19 of s. */
double scalar_log(double x) {
    if (!(x > 0)) return x == 0 ? -__builtin_inf() : __builtin_nan("");
    if (x == __builtin_inf()) return x;
    int k = 0;
    if (x < 0x1p-1022) x *= 0x1p54, k = -54; /* subnormal */
    k += (int)(bits_of(x) >> 52) - 1023;
    double m = from_bits((bits_of(x) & 0xfffffffffffffu) | 0x3ff0000000000000u);
    if (m >= 0x1.6a09e667f3bcdp+0) m *= 0.5, k++;
    const double s = (m - 1) / (m + 1), square = s * s;
    double tail = 0;
    for (int n = 23; n >= 3; n -= 2) tail = (tail + 1.0 / n) * square;
    return k * LN2_HIGH + (k * LN2_LOW + (2 * s + 2 * s * tail));
}

/* x = k ln 2 + r with |r| <= 0.35, then Taylor to r^14: the rest is below
 * 2e-19. */
double scalar_exp(double x) {
    if (!(x < 709.782712893384)) {
        return x > 709.782712893384 ? __builtin_inf() : x + x;
    }
    if (x < -745.1332191019412) return 0;
    const int k = nearest_int(x * LN2_INVERSE);
    const double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double sum = 0;
    for (int n = 14; n >= 1; n--) sum = (sum + 1) * r / n;
    sum += 1;
    const int half = k / 2; /* two steps: 2^k alone may not be a number */
    return sum * power_of_two(half) * power_of_two(k - half);
}

/* sin r = r - r^3/3! + …, |r| <= pi/4, to r^19. */
static double sin_taylor(double r) {
    const double square = r * r;
    double sum = 0;
    for (int n = 18; n >= 2; n -= 2) {
        sum = (1 + sum) * -square / (n * (n + 1));
    }
    return r + r * sum;
}

/* cos r = 1 - r^2/2! + …, |r| <= pi/4, to r^18. */
static double cos_taylor(double r) {
    const double square = r * r;
    double sum = 0;
    for (int n = 18; n >= 2; n -= 2) sum = (1 + sum) * -square / (n * (n - 1));
    return 1 + sum;
}

/* sin(x + quarter * pi/2). */
static double sine(double x, int quarter) {
    if (!(x > -0x1p30 && x < 0x1p30)) return __builtin_nan("");
    const int k = nearest_int(x * HALF_PI_INVERSE);
    const double r =
        ((x - k * HALF_PI_HIGH) - k * HALF_PI_MIDDLE) - k * HALF_PI_LOW;
    const unsigned turn = ((unsigned)k + (unsigned)quarter) & 3;
    const double value = turn & 1 ? cos_taylor(r) : sin_taylor(r);
    return turn & 2 ? -value : value;
}

double scalar_sin(double x) { return sine(x, 0); }

double scalar_cos(double x) { return sine(x, 1); }

double scalar_pow(double x, double y) {
    if (y == 0) return 1;
    return scalar_exp(y * scalar_log(x));
}
