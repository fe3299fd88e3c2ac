/* Protects the summation law and the reach of gemm: every element is one chain
 * of multiply-adds in ascending k from its start, bit for bit, whatever the
 * tile, the number of threads, the layout of the operands, and however the
 * batch or the depth is cut; all sizes from 0 on, and nothing outside C is
 * written and nothing outside A and B read (arrays end at their last element).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/gemm.h"
#include "reference.h"

enum { THREADS_MAX = 3 };

typedef void Fill(size_t count, uint32_t seed, float *x);

/* A product with its data. Bit 0 of `layout`: A is stored transposed; bit 1: B
 * is. C has `gap` floats between its rows. */
typedef struct Case {
    int m, n, k;
    size_t ldc, c_count;
    float *a_data, *b_data, *c, *expected;
    Matrix a, b;
} Case;

static Case make_case(int m, int n, int k, int layout, int gap, Fill *fill) {
    Case t = {.m = m, .n = n, .k = k, .ldc = (size_t)(n + gap)};
    const size_t a_count = (size_t)m * (size_t)k;
    const size_t b_count = (size_t)k * (size_t)n;
    t.c_count = m == 0 ? 0 : (size_t)(m - 1) * t.ldc + (size_t)n;
    t.a_data = reference_floats(a_count);
    t.b_data = reference_floats(b_count);
    t.c = reference_floats(t.c_count);
    fill(a_count, 1, t.a_data);
    fill(b_count, 2, t.b_data);
    fill(t.c_count, 3, t.c);
    t.expected = reference_copy(t.c_count, t.c);
    t.a = layout & 1 ? matrix_transposed(t.a_data, (size_t)m)
                     : matrix_rows(t.a_data, (size_t)k);
    t.b = layout & 2 ? matrix_transposed(t.b_data, (size_t)k)
                     : matrix_rows(t.b_data, (size_t)n);
    return t;
}

static void free_case(Case *t) {
    free(t->a_data);
    free(t->b_data);
    free(t->c);
    free(t->expected);
}

/* The same product with B in panels, with the transpose of B in panels, and
 * into a C in panels. `start`: what C began with. */
static void check_panels(Pool *pool, const GemmWork *work, const Case *t, int m,
                         int n, int k, const float *start, bool accumulate) {
    const size_t rows = (size_t)m, columns = (size_t)n, depth = (size_t)k;
    Matrix flipped = t->b;
    flipped.row_stride = t->b.col_stride;
    flipped.col_stride = t->b.row_stride;
    float *const b = reference_panels(depth, columns, t->b);
    float *const bt = reference_panels(columns, depth, flipped);
    memcpy(t->c, start, t->c_count * sizeof *start);
    gemm(pool, work, m, n, k, t->a, matrix_panels(b, depth, columns), t->c,
         t->ldc, accumulate);
    reference_assert_same_bits(t->c_count, t->c, t->expected);
    memcpy(t->c, start, t->c_count * sizeof *start);
    gemm(pool, work, m, n, k, t->a,
         matrix_panels_transposed(bt, columns, depth), t->c, t->ldc,
         accumulate);
    reference_assert_same_bits(t->c_count, t->c, t->expected);
    float *const c =
        reference_panels(rows, columns, matrix_rows(start, t->ldc));
    float *const expected =
        reference_panels(rows, columns, matrix_rows(t->expected, t->ldc));
    gemm_to_panels(pool, work, m, n, k, t->a, t->b, c, accumulate);
    reference_assert_same_bits(rows * columns, c, expected);
    free(b), free(bt), free(c), free(expected);
}

/* The law, for one product, including the gaps of C, which must stay. */
static void check_law(Pool *pool, const GemmWork *work, int m, int n, int k,
                      int layout, Fill *fill) {
    const bool accumulate = ((m + n + k) / 4) % 2 == 1;
    Case t = make_case(m, n, k, layout, (m + n) % 3, fill);
    float *const start = reference_copy(t.c_count, t.c);
    reference_chain(m, n, k, t.a, t.b, t.expected, t.ldc, accumulate);
    gemm(pool, work, m, n, k, t.a, t.b, t.c, t.ldc, accumulate);
    reference_assert_same_bits(t.c_count, t.c, t.expected);
    check_panels(pool, work, &t, m, n, k, start, accumulate);
    free(start);
    free_case(&t);
}

static void sizes_around_the_tiles_follow_the_law(void **state) {
    (void)state;
    static const int ms[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 25};
    static const int ns[] = {0, 1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 35};
    static const int ks[] = {0, 1, 2, 3, 4, 5, 9, 66};
    Arena arena;
    GemmWork work = reference_work(&arena, 1);
    for (work.tile = 0; work.tile < gemm_tile_count(); work.tile++)
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t p = 0; p < sizeof ks / sizeof *ks; p++)
                    check_law(NULL, &work, ms[i], ns[j], ks[p],
                              (int)(i + j + p) % 4, reference_fill_random);
    reference_unbind(&arena);
}

/* Sizes beyond the blocks of depth and rows, where a chain is interrupted. */
static void sizes_beyond_the_blocks_follow_the_law(void **state) {
    (void)state;
    static const int sizes[][3] = {{5, 9, 319},     {6, 8, 320}, {7, 10, 321},
                                   {13, 17, 784},   {255, 3, 2}, {257, 10, 64},
                                   {300, 260, 330}, {520, 5, 7}};
    Arena arena;
    GemmWork work = reference_work(&arena, 1);
    for (work.tile = 0; work.tile < gemm_tile_count(); work.tile++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int layout = 0; layout < 4; layout++)
                check_law(NULL, &work, sizes[i][0], sizes[i][1], sizes[i][2],
                          layout, reference_fill_random);
    reference_unbind(&arena);
}

static void any_number_of_threads_follows_the_law(void **state) {
    (void)state;
    static const int sizes[][3] = {
        {64, 128, 784}, {784, 128, 64}, {64, 10, 128},  {128, 10, 700},
        {1, 500, 500},  {500, 1, 500},  {101, 103, 107}};
    for (int n_threads = 1; n_threads <= THREADS_MAX; n_threads++) {
        Pool *const pool = pool_create(n_threads);
        assert_non_null(pool);
        Arena arena;
        GemmWork work = reference_work(&arena, n_threads);
        for (work.tile = 0; work.tile < gemm_tile_count(); work.tile++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                check_law(pool, &work, sizes[i][0], sizes[i][1], sizes[i][2],
                          (int)i % 4, reference_fill_random);
        reference_unbind(&arena);
        pool_destroy(pool);
    }
}

/* A batch cut into pieces, and a depth cut into pieces. */
static void cutting_rows_or_depth_changes_no_bit(void **state) {
    (void)state;
    enum { M = 50, N = 21, K = 133, CUT_M = 17, CUT_K = 40 };
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    Case t = make_case(M, N, K, 0, 0, reference_fill_random);
    gemm(NULL, &work, M, N, K, t.a, t.b, t.expected, N, true);
    for (int i = 0; i < M; i += CUT_M)
        for (int p = 0; p < K; p += CUT_K)
            gemm(NULL, &work, int_min(CUT_M, M - i), N, int_min(CUT_K, K - p),
                 matrix_rows(t.a_data + i * K + p, K),
                 matrix_rows(t.b_data + p * N, N), t.c + i * N, N, true);
    reference_assert_same_bits(t.c_count, t.c, t.expected);
    free_case(&t);
    reference_unbind(&arena);
}

static void whole_numbers_give_exact_products(void **state) {
    (void)state;
    enum { M = 37, N = 45, K = 300 };
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    Case t = make_case(M, N, K, 3, 0, reference_fill_whole);
    static double exact[M * N], size[M * N], none[M * N];
    reference_gemm(M, N, K, t.a, t.b, NULL, exact, size);
    gemm(NULL, &work, M, N, K, t.a, t.b, t.c, N, false);
    reference_assert_close(t.c_count, t.c, exact, none);
    free_case(&t);
    reference_unbind(&arena);
}

/* The classical bound of a sum of k products: k·ε times the terms' sizes. */
static void error_is_below_k_epsilon(void **state) {
    (void)state;
    enum { M = 33, N = 29, K = 500 };
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    Case t = make_case(M, N, K, 1, 0, reference_fill_random);
    static double exact[M * N], bound[M * N];
    reference_gemm(M, N, K, t.a, t.b, t.c, exact, bound);
    for (int i = 0; i < M * N; i++) bound[i] *= (K + 1) * 0x1p-24;
    gemm(NULL, &work, M, N, K, t.a, t.b, t.c, N, true);
    reference_assert_close(t.c_count, t.c, exact, bound);
    free_case(&t);
    reference_unbind(&arena);
}

/* An operand that is never in memory: element (lane, p) = lane + 100·p, which
 * the packing function writes as the contract in gemm.h says. */
static void pack_formula(const void *context, int first_lane, int n_lanes,
                         int first_k, int n_k, int width, float *panel) {
    const float factor = *(const float *)context;
    for (int p = 0; p < n_k; p++)
        for (int i = 0; i < width; i++)
            panel[p * width + i] =
                i < n_lanes
                    ? factor * (float)(first_lane + i + 100 * (first_k + p))
                    : 0.0f;
}

static void an_operand_may_be_made_while_packing(void **state) {
    (void)state;
    enum { M = 23, N = 19, K = 270 };
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    const float factor = 0.01f;
    const Matrix made = matrix_packed_by(pack_formula, &factor);
    Case t = make_case(M, N, K, 0, 0, reference_fill_random);
    for (int i = 0; i < M; i++)
        for (int p = 0; p < K; p++)
            t.a_data[i * K + p] = factor * (float)(i + 100 * p);
    reference_chain(M, N, K, t.a, t.b, t.expected, N, false);
    gemm(NULL, &work, M, N, K, made, t.b, t.c, N, false);
    reference_assert_same_bits(t.c_count, t.c, t.expected);
    reference_fill_random((size_t)M * K, 5, t.a_data);
    for (int p = 0; p < K; p++)
        for (int j = 0; j < N; j++)
            t.b_data[p * N + j] = factor * (float)(j + 100 * p);
    reference_chain(M, N, K, t.a, t.b, t.expected, N, false);
    gemm(NULL, &work, M, N, K, t.a, made, t.c, N, false);
    reference_assert_same_bits(t.c_count, t.c, t.expected);
    free_case(&t);
    reference_unbind(&arena);
}

/* What the measurement at start runs must stay inside the packing space. */
static void trials_run_for_every_tile(void **state) {
    (void)state;
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    for (int tile = 0; tile < gemm_tile_count(); tile++) {
        assert_true(strlen(gemm_tile_name(tile)) >= 3);
        gemm_trial(&work, tile);
    }
    reference_unbind(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_around_the_tiles_follow_the_law),
        cmocka_unit_test(sizes_beyond_the_blocks_follow_the_law),
        cmocka_unit_test(any_number_of_threads_follows_the_law),
        cmocka_unit_test(cutting_rows_or_depth_changes_no_bit),
        cmocka_unit_test(whole_numbers_give_exact_products),
        cmocka_unit_test(error_is_below_k_epsilon),
        cmocka_unit_test(an_operand_may_be_made_while_packing),
        cmocka_unit_test(trials_run_for_every_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
