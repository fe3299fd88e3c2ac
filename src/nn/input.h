/* The input stage: images become the x[N,784] that the first layer reads.
 *
 * Ink 0 .. 255 is scaled to x = ink/255·scale + shift. When the first layer
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
#include "base/image.h"
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
    bool sparse;            /* of the batch at hand */
    float *dense;           /* x[max_rows,784], valid when not sparse */
    Image *given;           /* [max_rows] for whoever has pixels only */
    const Image **rows;     /* [max_rows] those */
    SparseBatch lists[2];   /* of the batch at hand, and of the expected one */
    int at_hand;            /* which is which */
    const Image **expected; /* [max_rows] the images that will come next */
    int expected_rows;      /* 0: not known */
    bool listed;            /* they are in the other lists, */
    bool listed_fits;       /* which are usable */
} Input;

/* The lists of the batch at hand; valid when it is sparse. */
static inline const SparseBatch *input_batch(const Input *input) {
    return &input->lists[input->at_hand];
}

/* Lay out for up to max_rows rows on up to n_threads threads; `reads_sparse`
 * tells whether the first layer can read lists. */
void input_bind(Input *input, Arena *arena, int max_rows, int n_threads,
                InputScaling scaling, bool reads_sparse);

/* images[rows]. `lists`: which ones a sparse batch needs, both for a backward
 * pass. */
void input_load_images(Input *input, Pool *pool, const Image *const *images,
                       int rows, SparseLists lists);

/* pixels[rows,784], which need not be those of a data set. */
void input_load_bytes(Input *input, Pool *pool, const uint8_t *pixels, int rows,
                      SparseLists lists);

/* The next input_load_images with both lists will probably be given these;
 * if it is, lists made ahead are used. 0 rows: forget what was expected,
 * because it is not known or the images have changed. */
void input_expect(Input *input, const Image *const *images, int rows);

/* Offer the pool's helpers to make the lists of what is expected.
 * pool_settle must come before any other call for this input. */
void input_list_ahead(Input *input, Pool *pool);

/* pixels[rows,784] as floats that take the place of ink/255; always dense. */
void input_load_floats(Input *input, const float *pixels, int rows);

#endif
