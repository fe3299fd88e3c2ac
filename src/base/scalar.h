/* Elementary functions of one double, the same bits on every machine.
 *
 * The C libraries differ in their last bits, and whatever reaches the weights
 * must not (initial values, learning rates, bias corrections). These use only
 * +, -, *, / and bit operations, which IEEE 754 fixes; the build forbids
 * contraction to fused operations. For whole vectors of floats there is
 * kernels/vmath. A square root is `__builtin_sqrt`: it is exact everywhere.
 *
 * Cost: 5 to 20 ns each.
 */
#ifndef SOMA_BASE_SCALAR_H
#define SOMA_BASE_SCALAR_H

/* Natural logarithm; relative error below 4e-16. -inf for 0, NaN for x < 0. */
double scalar_log(double x);

/* e^x; relative error below 4e-16. Overflows to inf above 709.78, goes through
 * the subnormal numbers to 0 below -745.13. */
double scalar_exp(double x);

/* sin and cos of x in radians; absolute error below 4e-16 for |x| <= 1e5,
 * growing beyond; NaN for |x| >= 2^30. */
double scalar_sin(double x);
double scalar_cos(double x);

/* x^y for x > 0, and 1 for y = 0; relative error below
 * 4e-16 * (1 + |y ln x|). 0^y is 0 for y > 0; NaN for x < 0. */
double scalar_pow(double x, double y);

#endif
