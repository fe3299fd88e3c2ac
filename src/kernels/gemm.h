/* Matrix products: C[m,n] = A[m,k]·B[k,n], or += , one kernel behind them all.
 *
 * All products of the network come here: dense layers forward and backward,
 * convolutions (an operand may be produced by a packing function that reads
 * image patches), recurrent cells, attention. C is row-major with ldc floats
 * from row to row; A and B are any strided matrices.
 *
 * THE SUMMATION LAW. Element C[i,j] is one chain
 *
 *     c = start;  for p = 0 .. k-1:  c = madd(A[i,p], B[p,j], c)
 *
 * in ascending p, where start is C[i,j] (accumulate) or +0. Nothing below may
 * add partial sums: a chain that is interrupted goes on from the value in C.
 * Hence blocking, tile, packing and threads never change a bit.
 *
 * HOW. C is cut into rows of tiles, mr rows each. For one block of k, B lies
 * in strips of nr columns (packed, or where it is if it lies so already), and
 * each row of tiles takes its panel of A along all strips:
 *
 *                                nr   nr   nr
 *                   k_block     +----+----+----+--
 *                             k | b  | b  | b  | …    strips of B (L2)
 *                               | …  | …  | …  |
 *              +-----------+    +----+----+----+--
 *     A panel  | a a a a … | mr |tile|tile|tile| …    C
 *     (L1)     +-----------+    +----+----+----+--
 *
 * A tile lives in registers while its chain runs over the block
 * (gemm_tile.h). Lanes of a panel that lie outside the matrix are zeros, and
 * tiles that stick out of C run in a small buffer: there is one inner loop.
 *
 * Where C is narrow, its transpose is computed: Cᵀ = Bᵀ·Aᵀ, the same chains.
 *
 * Threads: C is cut into rectangles, one task each, every task with its own
 * packing space. Small products stay on the caller.
 */
#ifndef SOMA_KERNELS_GEMM_H
#define SOMA_KERNELS_GEMM_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/types.h"
#include "kernels/panels.h"

/* Produce one panel of an operand: lane i, step p goes to
 *
 *     panel[p·width + i]      i < width, p < n_k
 *
 * for the operand's lanes first_lane + i and steps first_k + p; zeros for
 * i >= n_lanes. A lane is a row of A or a column of B. Runs on any thread. */
typedef void GemmPack(const void *context, int first_lane, int n_lanes,
                      int first_k, int n_k, int width, float *panel);

/* How the elements of an operand are found. */
typedef enum MatrixForm {
    MATRIX_STRIDED,           /* data[row·row_stride + col·col_stride] */
    MATRIX_PANELS,            /* [rows,columns] in panels */
    MATRIX_PANELS_TRANSPOSED, /* the transpose of such a matrix */
    MATRIX_PACKED             /* whatever pack(context, …) produces */
} MatrixForm;

/* A matrix as an operand; panels can only be B. */
typedef struct Matrix {
    MatrixForm form;
    const float *data;
    size_t row_stride, col_stride; /* strided */
    size_t rows, columns;          /* panels */
    GemmPack *pack;
    const void *context;
} Matrix;

/* A row-major matrix, `stride` floats from row to row. */
static inline Matrix matrix_rows(const float *data, size_t stride) {
    return (Matrix){.data = data, .row_stride = stride, .col_stride = 1};
}

/* The transpose of a row-major matrix with `stride` floats from row to row. */
static inline Matrix matrix_transposed(const float *data, size_t stride) {
    return (Matrix){.data = data, .row_stride = 1, .col_stride = stride};
}

/* A matrix[rows,columns] in panels. */
static inline Matrix matrix_panels(const float *data, size_t rows,
                                   size_t columns) {
    return (Matrix){
        .form = MATRIX_PANELS, .data = data, .rows = rows, .columns = columns};
}

/* The transpose [columns,rows] of a matrix[rows,columns] in panels. */
static inline Matrix matrix_panels_transposed(const float *data, size_t rows,
                                              size_t columns) {
    return (Matrix){.form = MATRIX_PANELS_TRANSPOSED,
                    .data = data,
                    .rows = rows,
                    .columns = columns};
}

/* A matrix that exists only as panels made by `pack`. */
static inline Matrix matrix_packed_by(GemmPack *pack, const void *context) {
    return (Matrix){.form = MATRIX_PACKED, .pack = pack, .context = context};
}

/* Packing space and the chosen tile. One per trainer; not shared between
 * products that run at the same time. Memory is the arena's. */
typedef struct GemmWork {
    float *space; /* n_slots times the space of one task */
    size_t n_floats;
    int n_slots;
    int tile; /* index of the tile in use, 0 .. gemm_tile_count()-1 */
} GemmWork;

/* Take the packing space for products on up to `n_threads` threads from the
 * arena (measure or bind) and choose this build's default tile. */
void gemm_work_bind(GemmWork *work, Arena *arena, int n_threads);

/* C = A·B, or C += A·B when `accumulate`.
 *
 *   a  m x k     b  k x n     c[m,n], row-major, ldc >= n
 *
 * m, n, k >= 0; with k = 0, C is cleared or left alone. c must not overlap a
 * or b. `pool` may be NULL: then the caller works alone. Never allocates,
 * cannot fail. Cost: 2·m·n·k flops. Checked by test_gemm. */
void gemm(Pool *pool, const GemmWork *work, int m, int n, int k, Matrix a,
          Matrix b, float *c, size_t ldc, bool accumulate);

/* The same with c[m,n] in panels. */
void gemm_to_panels(Pool *pool, const GemmWork *work, int m, int n, int k,
                    Matrix a, Matrix b, float *c, bool accumulate);

/* Columns first .. first+count-1 of B[k,n] as one row-major [k,count] block,
 * for products that read B another way. */
void gemm_pack_columns(const Matrix *b, int first, int count, int k,
                       float *block);

/* ---- choosing a tile ---------------------------------------------------- */

/* How many tiles are compiled in. All give the same bits. */
int gemm_tile_count(void);

/* "5x8": rows by columns of tile `tile`. */
const char *gemm_tile_name(int tile);

/* Run products with tile `tile` for a fixed amount of work, GEMM_TRIAL_FLOPS.
 * Whoever owns a clock calls this a few times per tile (the
 * first calls may run in the engine's baseline tier), keeps the least time, and
 * sets work->tile to the fastest. Overwrites the packing space. */
void gemm_trial(const GemmWork *work, int tile);

enum {
    GEMM_TRIAL_M = 60,
    GEMM_TRIAL_N = 64,
    GEMM_TRIAL_K = 128,
    GEMM_TRIAL_PRODUCTS = 8,
    GEMM_TRIAL_FLOPS =
        GEMM_TRIAL_PRODUCTS * 2 * GEMM_TRIAL_M * GEMM_TRIAL_N * GEMM_TRIAL_K
};

#endif
