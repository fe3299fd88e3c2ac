/* Products with a sparse left side: over non-zero elements only.
 *
 * About 81 % of MNIST's pixels are zero, and so are more than half of what
 * relu lets through and of the errors it passes back. A batch x[N,I] is kept as
 * two lists of its non-zero elements, one ordered by sample (for x·W), one by
 * input (for the weight gradient xᵀ·dy):
 *
 *     by_sample   start[n] .. end[n]-1:  (input,  value), inputs ascending
 *     by_input    start[i] .. end[i]-1:  (sample, value), samples ascending
 *
 * Both products are then the same loop: 32 columns of a row of the result are a
 * chain over a list, value times a row of a panel (panels.h), in registers. The
 * order within a chain is that of the dense product, and a skipped term would
 * have added zero: the bits are those of gemm started from the same values
 * (while the dense matrix is finite, and no start is -0).
 *
 * by_sample is cut into blocks of inputs, so that the rows of W that all
 * samples of one block use stay in the first-level cache: chains of the second
 * block go on from what the first one gave. by_input of images is cut into
 * groups of samples in the same way: within one a byte numbers them.
 *
 * What lists are made from: images, which are lists already (base/image.h), or
 * the floats that a layer has put out.
 *
 * Memory is the arena's; nothing allocates while training.
 */
#ifndef SOMA_KERNELS_SPARSE_H
#define SOMA_KERNELS_SPARSE_H

#include "base/arena.h"
#include "base/image.h"
#include "base/pool.h"
#include "base/types.h"
#include "kernels/gemm.h"

/* Rows of elements: row r has the places start[r] .. end[r]-1 of the arrays. An
 * element says which row of the dense matrix, times what. */
typedef struct SparseList {
    uint32_t *start, *end; /* [rows] */
    uint16_t *index;
    float *value;
} SparseList;

/* by_input of images, for all threads: sample within its group | ink << 8. */
typedef struct SparseInk {
    uint32_t *start, *end; /* [rows] */
    uint16_t *element;
} SparseInk;

/* Most samples, and most inputs, that an index can name. */
enum { SPARSE_INDEX_MAX = 65536 };

/* Which lists to build. */
typedef enum SparseLists { SPARSE_BY_SAMPLE, SPARSE_BOTH } SparseLists;

/* What from. */
typedef enum SparseFrom { SPARSE_FROM_FLOATS, SPARSE_FROM_IMAGES } SparseFrom;

/* A batch as lists.
 *
 * A line of memory that another core has read is slow to write again. So of
 * images no list is handed from thread to thread, but what is shorter: the
 * images, which nobody writes, and one SparseInk. Each thread works out the
 * indices and values for itself (sparse_spread).
 *
 * Of floats the threads share the work of by_sample, a part of the samples
 * each; by_input every one of them makes for itself: while all wait for it,
 * making it takes no longer than fetching it from another core's cache. */
typedef struct SparseBatch {
    SparseFrom from;   /* as bound */
    SparseLists lists; /* as bound */
    int max_samples;   /* as bound */
    int n_inputs;      /* I, as bound */
    int max_threads;   /* as bound */
    float max_density; /* as bound */
    int n_blocks;      /* of the inputs */
    int block_inputs;  /* inputs of a block; the last one has the rest */
    int n_samples;     /* N of the batch at hand */
    size_t n_entries;  /* its non-zero elements */
    int n_groups;      /* of its samples */
    bool has_ink;      /* by_input can be spread; of images */
    int n_by_sample, n_by_input; /* threads with a list of their own */
    SparseInk ink;                          /* of images; g·I + i as below */
    SparseList by_sample[POOL_THREADS_MAX]; /* row b·N + n: the inputs of block
                                             * b of sample n */
    SparseList by_input[POOL_THREADS_MAX]; /* row g·I + i: the samples of group
                                            * g of input i; when asked for */
} SparseBatch;

/* Take the memory for batches of up to `max_samples` x `n_inputs`, of which
 * lists are worth having up to `max_density` (0..1], from the arena (measure or
 * bind), made by up to `max_threads` threads (1 .. POOL_THREADS_MAX). What
 * `lists` and `from` leave out can never be built. Images have IMAGE_PIXELS
 * inputs. */
void sparse_batch_bind(SparseBatch *batch, Arena *arena, SparseFrom from,
                       SparseLists lists, int max_samples, int n_inputs,
                       float max_density, int max_threads);

/* A batch of images bound like `of`, which shares the memory of its lists: ink
 * of either may be listed at any time, but only one of them spread and used. */
void sparse_batch_bind_twin(SparseBatch *twin, Arena *arena,
                            const SparseBatch *of);

/* Build the lists from images[N], 0 <= n_samples <= max_samples; an element's
 * value is (float)ink · scale (scale != 0). Returns false, with the lists
 * unusable, when a larger share of the elements is non-zero than the bound
 * density: then the dense product is the faster one. `pool` may be NULL: then
 * the calling thread does everything. Cost, on each thread: two cycles per
 * non-zero for by_sample, some ten for by_input. */
bool sparse_from_images(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const Image *const *images, int n_samples, float scale);

/* The first of two steps: what by_input is made from, by the calling thread
 * alone, whichever that is. Returns the same. */
bool sparse_list_images(SparseBatch *batch, const Image *const *images,
                        int n_samples);

/* The second, before the products, with the same images: every thread of the
 * pool (NULL: the calling one) works out its lists. */
void sparse_spread(Pool *pool, SparseBatch *batch, const Image *const *images,
                   float scale);

/* Build the lists from floats: sample n is rows[n·stride .. +I-1]. NaN and inf
 * count as non-zero. Returns false when too large a share of the first 16
 * samples is non-zero: what a layer puts out is about alike for all, and there
 * is room for any. Otherwise as sparse_from_images. Cost: six cycles for four
 * elements, twice that with by_input, zero or not. */
bool sparse_from_floats(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples);

/* Non-zero share of the batch at hand, 0..1; 0 for an empty batch. */
float sparse_density(const SparseBatch *batch);

/* Can sparse_forward read any matrix of n_inputs rows, or only one that lies
 * in panels? */
bool sparse_reads_any(const GemmWork *work, int n_inputs);

/* Forward: y[N,O] = bias + x·W.
 *
 *   w[I,O]     any O >= 1; in panels, or see sparse_reads_any
 *   bias[O]    NULL means zero
 *   y[N,O]     row-major, overwritten; must not overlap w or bias
 *
 * Each y[n,o] is one chain from bias[o] in ascending input order. `pool` may
 * be NULL; `work` gives the packing space. Cost: 2·O flops per non-zero. */
void sparse_forward(Pool *pool, const GemmWork *work, const SparseBatch *batch,
                    int n_outputs, Matrix w, const float *bias, float *y);

/* Who takes over dW as it becomes complete, in place of a dW that is kept: the
 * optimiser, while it is in the cache of the thread that computed it. Elements
 * offset .. offset+count-1 of dW, as it lies in panels, are handed over once
 * each, in any order, from several threads; `gradient` [count] is borrowed for
 * the call. */
typedef struct SparseFinish {
    void (*take)(void *context, size_t offset, size_t count,
                 const float *gradient);
    void *context;
} SparseFinish;

/* Weight gradient: dW[I,O] = or += xᵀ·dy, of a batch with both lists.
 *
 *   dy[N,O]    row-major, no padding
 *   dw[I,O]    in panels; started from its value (accumulate) or zero
 *   finish     NULL: dw is complete afterwards. Otherwise everything goes to
 *              `take`, and what is in dw afterwards has no meaning
 *
 * Each dW[i,o] is one chain in ascending sample order. `pool` may be NULL.
 * Cost: 2·O flops per non-zero, and one pass over dW. */
void sparse_weight_gradient(Pool *pool, const GemmWork *work,
                            const SparseBatch *batch, int n_outputs,
                            const float *dy, float *dw, bool accumulate,
                            const SparseFinish *finish);

/* A plain step: w[I,O] += factor·xᵀ·dy, without a gradient in between. w is in
 * panels; each w[i,o] is one chain from its value in ascending sample order,
 * over dy already multiplied. Inputs that no sample uses are not touched. The
 * rest as above. */
void sparse_add_gradient(Pool *pool, const GemmWork *work,
                         const SparseBatch *batch, int n_outputs, float factor,
                         const float *dy, float *w);

#endif
