#include "kernels/gemm_tile.h"

#include "kernels/simd.h"

enum { VECTORS_MAX = TILE_COLUMNS_MAX / 4 };

/* One step of k: mr rows of 4·nv columns. All loads differ in their constant
 * offsets only: V8's re-vectoriser joins pairs of them only so. */
SIMD_INLINE void add_step(int mr, int nv, int spread, const float *a,
                          const float *b,
                          f32x4 acc[TILE_ROWS_MAX][VECTORS_MAX]) {
    f32x4 row[VECTORS_MAX];
    for (int v = 0; v < nv; v++) row[v] = f32x4_load(b + 4 * v);
    for (int r = 0; r < mr; r++) {
        const f32x4 x = spread == 4 ? f32x4_load(a + (size_t)r * 4)
                                    : f32x4_load_splat(a + r);
        for (int v = 0; v < nv; v++)
            acc[r][v] = f32x4_madd(x, row[v], acc[r][v]);
    }
}

/* The inner loop. With constant mr, nv and spread, all of acc lives in
 * registers. It has two steps, because engines look for interruptions in every
 * round, and an exit between them: without one LLVM would load for both steps
 * at once, which costs more registers than there are (15 in V8 on x86). For the
 * same reason this file is compiled with LLVM's scheduler keeping the order of
 * the source. */
SIMD_INLINE void run_tile(int mr, int nv, int spread, int k, const float *a,
                          size_t a_step, const float *b, size_t b_step,
                          const float *from, size_t ld_from, float *c,
                          size_t ldc) {
    f32x4 acc[TILE_ROWS_MAX][VECTORS_MAX];
    const float *const end = a + (size_t)k * a_step;
    for (int r = 0; r < mr; r++) {
        const float *row = from + (size_t)r * ld_from;
        ONE_ADDRESS(row);
        for (int v = 0; v < nv; v++) acc[r][v] = f32x4_load(row + 4 * v);
    }
    for (;;) {
        add_step(mr, nv, spread, a, b, acc);
        a += a_step;
        b += b_step;
        if (a == end) break;
        if (spread == 1) continue; /* V8 would not join vectors any more */
        add_step(mr, nv, spread, a, b, acc);
        a += a_step;
        b += b_step;
        if (a == end) break;
    }
    for (int r = 0; r < mr; r++) {
        float *row = c + (size_t)r * ldc;
        ONE_ADDRESS(row);
        for (int v = 0; v < nv; v++) f32x4_store(row + 4 * v, acc[r][v]);
    }
}

/* Where a chain begins that does not go on from C: one row, read by all. */
static const float zeros[TILE_COLUMNS_MAX];

SIMD_INLINE void run_tiles(const TileRun *run, int mr, int nv, int spread) {
    const float *b = run->b;
    float *c = run->c;
    for (int i = 0; i < run->count; i++, b += run->b_next, c += 4 * nv)
        run_tile(mr, nv, spread, run->k, run->a, run->a_step, b, run->b_step,
                 run->from_c ? c : zeros, run->from_c ? run->ldc : 0, c,
                 run->ldc);
}

/* ---- what is compiled in ------------------------------------------------ */

#define TILE_KERNEL(mr, columns, spread)                                       \
    static void tile_##mr##_##columns##_##spread(const TileRun *run) {         \
        run_tiles(run, mr, columns / 4, spread);                               \
    }
TILE_KERNEL(5, 4, 4)
TILE_KERNEL(5, 8, 4)
TILE_KERNEL(6, 4, 1)
TILE_KERNEL(6, 8, 1)
TILE_KERNEL(6, 16, 1)
#undef TILE_KERNEL

/* 5x8 needs 13 of the 15 registers that V8 has on x86, and one more where
 * multiply and add are two operations; 6x8 needs all of them, and is faster
 * where they are one. 6x16 is for ARM, and for x86 where the browser joins two
 * vectors into one of 256 bits.
 */
static const Tile tiles[] = {
    {"5x8", 5, 4, {tile_5_4_4, tile_5_8_4, NULL}},
    {"6x8", 6, 1, {tile_6_4_1, tile_6_8_1, NULL}},
    {"6x16", 6, 1, {tile_6_4_1, tile_6_8_1, tile_6_16_1}},
};

int tile_count(void) { return sizeof tiles / sizeof tiles[0]; }

const Tile *tile_at(int index) {
    assert(index >= 0 && index < tile_count());
    return &tiles[index];
}

/* Rows that m rows take in whole tiles. */
static int rows_in_tiles(const Tile *tile, int m) {
    return (m + tile->rows - 1) / tile->rows * tile->rows;
}

const Tile *tile_for(int index, int m) {
    const Tile *const chosen = tile_at(index), *const low = &tiles[0];
    const bool wasted =
        10 * rows_in_tiles(low, m) < 9 * rows_in_tiles(chosen, m);
    return wasted ? low : chosen;
}

int tile_columns(const Tile *tile) {
    return tile->kernel[TILE_WIDTHS - 1] != NULL ? TILE_COLUMNS_MAX
                                                 : TILE_COLUMNS_MAX / 2;
}

int tile_width(const Tile *tile, int columns) {
    int index = 0;
    while (index + 1 < TILE_WIDTHS && tile->kernel[index + 1] != NULL &&
           columns > 4 << index)
        index++;
    return index;
}
