/* Products with a sparse left side: the first layer over non-zero inputs only.
 *
 * About 81 % of MNIST's pixels are zero. A batch x[N,I] is kept as two lists of
 * its non-zero elements, one ordered by sample (forward), one by input (weight
 * gradient):
 *
 *     by_sample   start[n] .. start[n+1]-1:  (input,  value), inputs ascending
 *     by_input    start[i] .. start[i+1]-1:  (sample, value), samples ascending
 *
 * Both products are then the same loop: a row of the result is a chain over a
 * list, value times a row of a dense matrix, held in registers 32 columns at a
 * time. Those columns are first copied side by side into the packing space of
 * gemm: rows of a wide matrix are a large power of two apart, where the caches
 * of the machines can keep only a few of them. The order within a chain is that
 * of the dense product, and a skipped term would have added zero: the bits are
 * those of gemm started from the same values (while the dense matrix is finite,
 * and no start is -0).
 *
 * Memory is the arena's; nothing allocates while training.
 */
#ifndef SOMA_KERNELS_SPARSE_H
#define SOMA_KERNELS_SPARSE_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/types.h"
#include "kernels/gemm.h"

/* One non-zero element: which row of the dense matrix, times what. */
typedef struct SparseEntry {
    uint32_t index;
    float value;
} SparseEntry;

/* Rows of entries: row r is entries[start[r]] .. entries[start[r+1]-1]. */
typedef struct SparseList {
    uint32_t *start; /* n_rows + 1 */
    SparseEntry *entries;
} SparseList;

/* A batch as lists. */
typedef struct SparseBatch {
    int max_samples;      /* as bound */
    int n_inputs;         /* I, as bound */
    size_t capacity;      /* entries that each list can hold */
    int n_samples;        /* N of the batch at hand */
    size_t n_entries;     /* its non-zero elements */
    SparseList by_sample; /* N rows */
    SparseList by_input;  /* I rows */
} SparseBatch;

/* Take the memory for batches of up to `max_samples` x `n_inputs` with at most
 * `density` (0..1] of the elements non-zero from the arena (measure or bind).
 */
void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float density);

/* Build both lists from bytes: sample n is pixels[n][0 .. I-1], its value
 * (float)byte · scale (scale != 0). 0 <= n_samples <= max_samples. Returns
 * false, with the lists unusable, when there are more non-zero elements than
 * the bound density allows: then the dense product is the faster one. Cost:
 * one scan of the bytes, plus a few cycles per non-zero. */
bool sparse_from_bytes(SparseBatch *batch, const uint8_t *const *pixels,
                       int n_samples, float scale);

/* The same from floats: sample n is rows[n·stride .. +I-1]. NaN and inf count
 * as non-zero. */
bool sparse_from_floats(SparseBatch *batch, const float *rows, size_t stride,
                        int n_samples);

/* Non-zero share of the batch at hand, 0..1; 0 for an empty batch. */
float sparse_density(const SparseBatch *batch);

/* Forward: y[N,O] = bias + x·W.
 *
 *   w[I,O]     row-major, no padding; any O >= 1
 *   bias[O]    NULL means zero
 *   y[N,O]     overwritten; must not overlap w or bias
 *
 * Each y[n,o] is one chain from bias[o] in ascending input order. `pool` may
 * be NULL; `work` gives the packing space. Cost: 2·O flops per non-zero. */
void sparse_forward(Pool *pool, const GemmWork *work, const SparseBatch *batch,
                    int n_outputs, const float *w, const float *bias, float *y);

/* Who takes over the rows of dW as they are complete, in place of a dW that is
 * kept: the optimiser, while they are in the cache of the thread that computed
 * them. Rows are handed over once each, in any order, from several threads;
 * `gradient` [n_rows,O] is borrowed for the call. */
typedef struct SparseFinish {
    void (*take)(void *context, int first_row, int n_rows,
                 const float *gradient);
    void *context;
    bool used_only; /* leave out rows of zeros, inputs that no sample uses */
} SparseFinish;

/* Weight gradient: dW[I,O] = or += xᵀ·dy.
 *
 *   dy[N,O]    row-major, no padding
 *   dw[I,O]    started from its value (accumulate) or zero
 *   finish     NULL: dw is complete afterwards. Otherwise the rows go to
 *              `take`, and what is in dw afterwards has no meaning: without
 *              `accumulate` only a few rows of it are written, so that they
 *              stay in the cache
 *
 * Each dW[i,o] is one chain in ascending sample order. `pool` may be NULL.
 * Cost: 2·O flops per non-zero, and one pass over dW. */
void sparse_weight_gradient(Pool *pool, const GemmWork *work,
                            const SparseBatch *batch, int n_outputs,
                            const float *dy, float *dw, bool accumulate,
                            const SparseFinish *finish);

#endif
