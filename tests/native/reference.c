#include "reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

float *reference_floats(size_t count) {
    float *const x = malloc(count == 0 ? 1 : count * sizeof *x);
    assert_non_null(x);
    return x;
}

/* A step of xorshift32: good enough for data, and not ours to test. */
static uint32_t next(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

void reference_fill_random(size_t count, uint32_t seed, float *x) {
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(next(&state) >> 8) * 0x1p-23f - 1.0f;
}

void reference_fill_whole(size_t count, uint32_t seed, float *x) {
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((int)(next(&state) >> 8) % 9 - 4);
}

float *reference_copy(size_t count, const float *x) {
    float *const copy = reference_floats(count);
    memcpy(copy, x, count * sizeof *x);
    return copy;
}

Arena reference_bind(size_t bytes) {
    const size_t room = size_round_up(size_max(bytes, 1), CACHE_LINE);
    void *const block = aligned_alloc(CACHE_LINE, room);
    assert_non_null(block);
    return arena_bind(block, room);
}

void reference_unbind(Arena *arena) {
    void *const block = arena->base;
    arena_release(arena);
    free(block);
}

GemmWork reference_work(Arena *arena, int n_threads) {
    GemmWork work;
    Arena measure = arena_measure();
    gemm_work_bind(&work, &measure, n_threads);
    *arena = reference_bind(measure.used);
    gemm_work_bind(&work, arena, n_threads);
    return work;
}

static float element(Matrix x, int row, int column) {
    return x.data[(size_t)row * x.row_stride + (size_t)column * x.col_stride];
}

float *reference_panels(size_t rows, size_t columns, Matrix strided) {
    float *const panels = reference_floats(rows * columns);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            panels[panels_at(rows, columns, i, j)] =
                element(strided, (int)i, (int)j);
    return panels;
}

float *reference_rows(size_t rows, size_t columns, const float *panels) {
    float *const x = reference_floats(rows * columns);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            x[i * columns + j] = panels[panels_at(rows, columns, i, j)];
    return x;
}

void reference_chain(int m, int n, int k, Matrix a, Matrix b, float *c,
                     size_t ldc, bool accumulate) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float *const at = c + (size_t)i * ldc + j;
            float sum = accumulate ? *at : 0.0f;
            for (int p = 0; p < k; p++) {
                const float product = element(a, i, p) * element(b, p, j);
                sum += product;
            }
            *at = sum;
        }
}

void reference_gemm(int m, int n, int k, Matrix a, Matrix b, const float *start,
                    double *c, double *size) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            const size_t at = (size_t)i * (size_t)n + (size_t)j;
            double sum = start == NULL ? 0 : (double)start[at];
            double absolute = fabs(sum);
            for (int p = 0; p < k; p++) {
                const double term =
                    (double)element(a, i, p) * (double)element(b, p, j);
                sum += term;
                absolute += fabs(term);
            }
            c[at] = sum;
            size[at] = absolute;
        }
}

double reference_ulps(float x, double exact) {
    const float nearest = (float)exact;
    if (isnan(x) || isnan(exact)) return isnan(x) && isnan(exact) ? 0 : 1e30;
    if (isinf(x) || isinf(nearest)) return x == nearest ? 0 : 1e30;
    int exponent;
    frexp(exact, &exponent);
    const double ulp = ldexp(1, exponent < -125 ? -149 : exponent - 24);
    return fabs((double)x - exact) / ulp;
}

void reference_assert_same_bits(size_t count, const float *x,
                                const float *expected) {
    if (memcmp(x, expected, count * sizeof *x) == 0) return;
    for (size_t i = 0; i < count; i++)
        if (memcmp(x + i, expected + i, sizeof *x) != 0)
            fail_msg("element %zu of %zu is %a, not %a", i, count, (double)x[i],
                     (double)expected[i]);
}

void reference_assert_close(size_t count, const float *x,
                            const double *expected, const double *bound) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)x[i] - expected[i]) <= bound[i]))
            fail_msg("element %zu of %zu is %.9g, not %.9g within %.3g", i,
                     count, (double)x[i], expected[i], bound[i]);
}
