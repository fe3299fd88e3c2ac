/* Rows of floats or of ink, counted and written as elements; and what the two
 * ways of making lists share. For sparse.c and sparse_images.c.
 *
 * Nothing branches on a single element: which of four floats are not zero
 * decides, through a table, how they move to the front, and all of them are
 * written; ink is turned into elements eight at a time. So up to SPARSE_OVERRUN
 * places behind the last one are written too.
 */
#ifndef SOMA_KERNELS_SPARSE_ROWS_H
#define SOMA_KERNELS_SPARSE_ROWS_H

#include "kernels/sparse.h"

enum { SPARSE_OVERRUN = 8 };

/* Samples of a group of by_input, which a byte can number. */
enum { SPARSE_GROUP = 256 };

/* Where the next element of a list goes. */
typedef struct SparsePlace {
    uint16_t *index;
    float *value;
} SparsePlace;

/* How many of n floats are not zero; NaN and inf are not. */
uint32_t sparse_count_floats(const float *x, size_t n);

/* Write the non-zero ones of floats i .. end-1. Returns where the next one
 * goes. */
SparsePlace sparse_write_floats(const float *x, size_t i, size_t end,
                                SparsePlace to);

/* Write the non-zero ones of x[N,I], whose row n is rows[n·stride .. +I-1], by
 * input: row i of the list has room for N + SPARSE_OVERRUN elements. */
void sparse_list_columns(const float *rows, size_t stride, int n_samples,
                         int n_inputs, const SparseList *list);

/* Write the elements of an image, read eight at a time, as (pixel, ink ·
 * scale). */
void sparse_write_image(const uint16_t *elements,
                        const uint16_t end[IMAGE_BANDS], float scale,
                        SparsePlace to);

/* Write `count` elements (place | ink << 8), read eight at a time, as (first +
 * place, ink · scale). */
void sparse_write_ink(const uint16_t *elements, size_t count, size_t first,
                      float scale, SparsePlace to);

/* How many elements `n_samples` samples may have. */
size_t sparse_room(const SparseBatch *batch, int n_samples);

/* How many threads work on the batch at hand; `pool` may be NULL. */
int sparse_threads(const SparseBatch *batch, const Pool *pool);

/* pool_run, or a call when there is one task. */
void sparse_run(Pool *pool, int n_tasks, PoolTask *task, void *context);

/* Take the memory for by_input as ink, for every thread. */
void sparse_bind_ink(SparseBatch *batch, Arena *arena);

/* Places for a list's elements. */
size_t sparse_capacity(const SparseBatch *batch);

#endif
