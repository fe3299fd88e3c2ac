/* The input stage: pixels become the x[N,784] that the first layer reads.
 *
 * Bytes 0 .. 255 are scaled to x = byte·scale + shift. When the first layer
 * can read a sparse batch, zero stays zero (shift = 0) and the batch at hand
 * is sparse enough, only the lists of its non-zero pixels are made; otherwise
 * the dense array. Both ways give the same bits (ARCHITECTURE, law 1).
 *
 * Who trains knows the next batch while it works on this one, and with several
 * threads some have nothing to do in the layers at the end, which are small:
 * one of them can make its lists (input_expect, input_list_ahead).
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
    bool sparse;          /* of the batch at hand */
    float *dense;         /* x[max_rows,784], valid when not sparse */
    SparseBatch lists[2]; /* of the batch at hand, and of the expected one */
    int at_hand;          /* which is which */
    const uint8_t **expected; /* [max_rows] the rows that will come next */
    int expected_rows;        /* 0: not known */
    bool listed;              /* they are in the other lists, */
    bool listed_fits;         /* which are usable */
} Input;

/* The lists of the batch at hand; valid when it is sparse. */
static inline const SparseBatch *input_batch(const Input *input) {
    return &input->lists[input->at_hand];
}

/* Lay out for up to max_rows rows on up to n_threads threads; `reads_sparse`
 * tells whether the first layer can read lists. */
void input_bind(Input *input, Arena *arena, int max_rows, int n_threads,
                InputScaling scaling, bool reads_sparse);

/* Rows of 784 bytes each, by pointer: pixels[rows][784]. `lists`: which ones a
 * sparse batch needs, both for a backward pass. */
void input_load_bytes(Input *input, Pool *pool, const uint8_t *const *pixels,
                      int rows, SparseLists lists);

/* The next input_load_bytes with both lists will probably be given these rows;
 * if it is, lists made ahead are used. 0 rows: forget what was expected,
 * because it is not known or its bytes have changed. */
void input_expect(Input *input, const uint8_t *const *pixels, int rows);

/* Offer the pool's helpers to make the lists of what is expected.
 * pool_settle must come before any other call for this input. */
void input_list_ahead(Input *input, Pool *pool);

/* pixels[rows,784] as floats that take the place of byte/255. */
void input_load_floats(Input *input, Pool *pool, const float *pixels, int rows,
                       SparseLists lists);

#endif
