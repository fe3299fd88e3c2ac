/* The input stage: pixels become the x[N,784] that the first layer reads.
 *
 * Bytes 0 .. 255 are scaled to x = byte·scale + shift. When the first layer
 * can read a sparse batch, zero stays zero (shift = 0) and the batch at hand
 * is sparse enough, only the lists of its non-zero pixels are made; otherwise
 * the dense array. Both ways give the same bits (ARCHITECTURE, law 1).
 */
#ifndef SOMA_NN_INPUT_H
#define SOMA_NN_INPUT_H

#include "base/arena.h"
#include "base/pool.h"
#include "kernels/sparse.h"

/* In the order of the choices of the option `input`. */
typedef enum InputScaling {
    INPUT_UNIT,     /* x = byte/255 */
    INPUT_STANDARD, /* x = (byte/255 − 0.1307) / 0.3081: MNIST's mean 0 and
                     * standard deviation 1 */
    INPUT_COUNT
} InputScaling;

typedef struct Input {
    int max_rows;
    float scale, shift;
    bool may_be_sparse;
    bool sparse;       /* of the batch at hand */
    float *dense;      /* x[max_rows,784], valid when not sparse */
    SparseBatch batch; /* valid when sparse */
} Input;

/* Lay out for up to max_rows rows on up to n_threads threads; `reads_sparse`
 * tells whether the first layer can read lists. */
void input_bind(Input *input, Arena *arena, int max_rows, int n_threads,
                InputScaling scaling, bool reads_sparse);

/* Rows of 784 bytes each, by pointer: pixels[rows][784]. `lists`: which ones a
 * sparse batch needs, both for a backward pass. */
void input_load_bytes(Input *input, Pool *pool, const uint8_t *const *pixels,
                      int rows, SparseLists lists);

/* pixels[rows,784] as floats that take the place of byte/255. */
void input_load_floats(Input *input, Pool *pool, const float *pixels, int rows,
                       SparseLists lists);

#endif
