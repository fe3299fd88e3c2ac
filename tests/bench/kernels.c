/* The kernels' bench: work of known size, to be timed by whoever has a clock
 * (kernels.mjs for wasm, main below for native). Nothing here is part of the
 * product's modules.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/pool.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"
#include "kernels/sparse.h"

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT
#endif

enum { BATCH = 64, BATCHES = 64, HIDDEN = 128, MATRIX = 1024 * 1024 };

static struct Bench {
    Arena arena;
    Pool *pool;
    GemmWork work;
    float *a, *b, *c;       /* MATRIX each */
    uint8_t *images;        /* BATCHES·BATCH x IMAGE_PIXELS */
    const uint8_t **pixels; /* one per image */
    SparseBatch sparse;
    float *w1, *b1, *dw1, *db1;
    float *w2, *b2, *dw2, *db2;
    float *h, *dh, *z, *dz;
} bench;

static float sink;

static void layout(Arena *arena, int n_threads) {
    struct Bench *const t = &bench;
    gemm_work_bind(&t->work, arena, n_threads);
    t->a = arena_floats(arena, MATRIX);
    t->b = arena_floats(arena, MATRIX);
    t->c = arena_floats(arena, MATRIX);
    t->images = arena_alloc(arena, BATCHES * BATCH, IMAGE_PIXELS);
    t->pixels = arena_alloc(arena, BATCHES * BATCH, sizeof *t->pixels);
    sparse_batch_bind(&t->sparse, arena, BATCH, IMAGE_PIXELS, 1, SPARSE_BOTH,
                      n_threads);
    t->w1 = arena_floats(arena, IMAGE_PIXELS * HIDDEN);
    t->dw1 = arena_floats(arena, IMAGE_PIXELS * HIDDEN);
    t->b1 = arena_floats(arena, HIDDEN);
    t->db1 = arena_floats(arena, HIDDEN);
    t->w2 = arena_floats(arena, HIDDEN * CLASS_COUNT);
    t->dw2 = arena_floats(arena, HIDDEN * CLASS_COUNT);
    t->b2 = arena_floats(arena, CLASS_COUNT);
    t->db2 = arena_floats(arena, CLASS_COUNT);
    t->h = arena_floats(arena, BATCH * HIDDEN);
    t->dh = arena_floats(arena, BATCH * HIDDEN);
    t->z = arena_floats(arena, BATCH * CLASS_COUNT);
    t->dz = arena_floats(arena, BATCH * CLASS_COUNT);
}

static void fill(size_t count, float scale, float *x) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = scale * ((float)(state >> 8) * 0x1p-23f - 1.0f);
    }
}

/* Lay out everything for n_threads; 0 when there is no memory. */
EXPORT int bench_setup(int n_threads) {
    bench.pool = pool_create(n_threads);
    Arena measure = arena_measure();
    layout(&measure, n_threads);
    const size_t bytes = size_round_up(measure.used, CACHE_LINE);
    void *const block = aligned_alloc(CACHE_LINE, bytes);
    if (block == NULL || bench.pool == NULL) return 0;
    bench.arena = arena_bind(block, bytes);
    layout(&bench.arena, n_threads);
    fill(MATRIX, 1, bench.a);
    fill(MATRIX, 1, bench.b);
    fill(IMAGE_PIXELS * HIDDEN, 0.05f, bench.w1);
    fill(HIDDEN * CLASS_COUNT, 0.1f, bench.w2);
    fill(BATCH * HIDDEN, 0.01f, bench.dh);
    for (size_t i = 0; i < BATCHES * BATCH; i++)
        bench.pixels[i] = bench.images + i * IMAGE_PIXELS;
    return 1;
}

/* Where the caller writes bench_image_count() images. */
EXPORT uint8_t *bench_images(void) { return bench.images; }
EXPORT int bench_image_count(void) { return BATCHES * BATCH; }
EXPORT int bench_tile_count(void) { return gemm_tile_count(); }
EXPORT const char *bench_tile_name(int tile) { return gemm_tile_name(tile); }
EXPORT void bench_use_tile(int tile) { bench.work.tile = tile; }

enum { CHAINS = 12 };

/* The roofline: `rounds` steps of twelve independent chains acc = acc·x + y in
 * four lanes, nothing but registers. 96·rounds flops. A lower bound of the true
 * ceiling: the chain runs through a factor, because products without it are
 * equal and get shared, and a fused operation then needs a copy. In V8 it was
 * seen to read about 10 % low, so a tile can exceed it. */
EXPORT void bench_registers(int rounds) {
    f32x4 acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) acc[i] = f32x4_splat((float)i);
    const f32x4 x = f32x4_splat(0.5f), y = f32x4_load(bench.a);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++) acc[i] = f32x4_madd(acc[i], x, y);
    for (int i = 1; i < CHAINS; i++) acc[0] += acc[i];
    sink += f32x4_sum(acc[0]);
}

/* layout bit 0: A is stored transposed; bit 1: B is. */
EXPORT void bench_gemm(int m, int n, int k, int layout_bits, int accumulate,
                       int repeats) {
    const Matrix a = layout_bits & 1 ? matrix_transposed(bench.a, (size_t)m)
                                     : matrix_rows(bench.a, (size_t)k);
    const Matrix b = layout_bits & 2 ? matrix_transposed(bench.b, (size_t)k)
                                     : matrix_rows(bench.b, (size_t)n);
    for (int i = 0; i < repeats; i++)
        gemm(bench.pool, &bench.work, m, n, k, a, b, bench.c, (size_t)n,
             accumulate != 0);
}

EXPORT void bench_trial(int tile) { gemm_trial(&bench.work, tile); }

/* ---- the sparse first layer, and a whole step of W1 --------------------- */

static const float RATE = 0.001f;

EXPORT float bench_sparse_build(int batch) {
    sparse_from_bytes(bench.pool, &bench.sparse, SPARSE_BOTH,
                      bench.pixels + batch * BATCH, BATCH, 1.0f / 255.0f);
    return sparse_density(&bench.sparse);
}

EXPORT void bench_sparse_forward(void) {
    sparse_forward(bench.pool, &bench.work, &bench.sparse, HIDDEN,
                   matrix_panels(bench.w1, IMAGE_PIXELS, HIDDEN), bench.b1,
                   bench.h);
}

static void update_piece(void *context, size_t offset, size_t count,
                         const float *gradient) {
    (void)context;
    elementwise_axpy(count, -RATE, gradient, bench.w1 + offset);
}

EXPORT void bench_sparse_gradient(int with_update) {
    const SparseFinish finish = {.take = update_piece, .used_only = true};
    sparse_weight_gradient(bench.pool, &bench.work, &bench.sparse, HIDDEN,
                           bench.dh, bench.dw1, false,
                           with_update ? &finish : NULL);
}

/* Second layer, forward and backward, with softmax in place of the loss. */
EXPORT void bench_rest(void) {
    const struct Bench *const t = &bench;
    Pool *const pool = t->pool;
    elementwise_relu(BATCH * HIDDEN, t->h, t->h);
    elementwise_fill_rows(BATCH, CLASS_COUNT, t->b2, t->z);
    gemm(pool, &t->work, BATCH, CLASS_COUNT, HIDDEN, matrix_rows(t->h, HIDDEN),
         matrix_rows(t->w2, CLASS_COUNT), t->z, CLASS_COUNT, true);
    elementwise_softmax_rows(BATCH, CLASS_COUNT, t->z, t->dz);
    gemm(pool, &t->work, HIDDEN, CLASS_COUNT, BATCH,
         matrix_transposed(t->h, HIDDEN), matrix_rows(t->dz, CLASS_COUNT),
         t->dw2, CLASS_COUNT, false);
    elementwise_fill(CLASS_COUNT, 0, t->db2);
    elementwise_add_column_sums(BATCH, CLASS_COUNT, t->dz, t->db2);
    gemm(pool, &t->work, BATCH, HIDDEN, CLASS_COUNT,
         matrix_rows(t->dz, CLASS_COUNT), matrix_transposed(t->w2, CLASS_COUNT),
         t->dh, HIDDEN, false);
    elementwise_relu_backward(BATCH * HIDDEN, t->h, t->dh, t->dh);
    elementwise_fill(HIDDEN, 0, t->db1);
    elementwise_add_column_sums(BATCH, HIDDEN, t->dh, t->db1);
    elementwise_axpy(HIDDEN * CLASS_COUNT, -RATE, t->dw2, t->w2);
    elementwise_axpy(CLASS_COUNT, -RATE, t->db2, t->b2);
    elementwise_axpy(HIDDEN, -RATE, t->db1, t->b1);
}

/* The kernels of one training step of 784-128-10, batch 64, plain SGD. */
EXPORT void bench_step(int batch) {
    bench_sparse_build(batch);
    bench_sparse_forward();
    bench_rest();
    bench_sparse_gradient(1);
}

#ifndef __EMSCRIPTEN__

#include <stdio.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Best of several runs, in GFLOP/s. */
static double measure(int m, int n, int k) {
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        const double start = seconds();
        bench_gemm(m, n, k, 0, 0, 1);
        const double time = seconds() - start;
        if (time < best) best = time;
    }
    return 2e-9 * m * n * k / best;
}

int main(void) {
    static const int sizes[][3] = {
        {64, 128, 784}, {784, 128, 64}, {128, 512, 784}, {512, 512, 512}};
    if (!bench_setup(1)) return 1;
    for (int tile = 0; tile < gemm_tile_count(); tile++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            printf("%-5s %3d x %3d x %3d  %6.1f GFLOP/s\n",
                   gemm_tile_name(tile), sizes[i][0], sizes[i][1], sizes[i][2],
                   measure(sizes[i][0], sizes[i][1], sizes[i][2]));
    return 0;
}

#endif
