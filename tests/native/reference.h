/* What the kernels are tested against: plain loops, and arrays that end
 * exactly where AddressSanitizer looks.
 */
#ifndef SOMA_TESTS_REFERENCE_H
#define SOMA_TESTS_REFERENCE_H

#include "base/types.h"
#include "kernels/gemm.h"

/* `count` floats, exactly; the caller frees. Never NULL. */
float *reference_floats(size_t count);

/* Uniform in [-1, 1), from a stream that depends on `seed` only. */
void reference_fill_random(size_t count, uint32_t seed, float *x);

/* Small whole numbers, -4 .. 4: sums of their products are exact. */
void reference_fill_whole(size_t count, uint32_t seed, float *x);

/* A copy, in memory of its own. */
float *reference_copy(size_t count, const float *x);

/* A bound arena block of `bytes` (may be 0); free with reference_unbind. */
Arena reference_bind(size_t bytes);
void reference_unbind(Arena *arena);

/* Packing space for gemm on `n_threads`, in `arena`. */
GemmWork reference_work(Arena *arena, int n_threads);

/* A strided matrix in panels (kernels/panels.h), and one in panels row-major;
 * memory of their own. */
float *reference_panels(size_t rows, size_t columns, Matrix strided);
float *reference_rows(size_t rows, size_t columns, const float *panels);

/* C = or += A·B as one chain of float multiply-adds per element, each rounded
 * twice: the summation law, literally. */
void reference_chain(int m, int n, int k, Matrix a, Matrix b, float *c,
                     size_t ldc, bool accumulate);

/* C[m,n] (no padding) = start + A·B in double, and in `size` the sums of the
 * absolute values of the terms, which bound the rounding errors. */
void reference_gemm(int m, int n, int k, Matrix a, Matrix b, const float *start,
                    double *c, double *size);

/* Distance of x from the exact value, in units in the last place of the float
 * nearest to it; 0 for two NaNs or equal infinities, huge for one of them. */
double reference_ulps(float x, double exact);

/* Fail, naming the first difference, unless the bits are equal. */
void reference_assert_same_bits(size_t count, const float *x,
                                const float *expected);

/* Fail, naming index and both values, unless |x - expected| <= bound. */
void reference_assert_close(size_t count, const float *x,
                            const double *expected, const double *bound);

#endif
