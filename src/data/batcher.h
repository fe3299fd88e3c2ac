/* The batcher: which images train, which are held out, and in which order.
 *
 * Roles. `validation` images of the training set, drawn uniformly by the seed
 * (STREAM_SPLIT), are held out. The others train, or the first `limit` of them
 * in file order, so that a small run needs few blocks of the data.
 *
 * Order. Epoch 0 goes through blocks of DATASET_BLOCK images in file order,
 * shuffled within each; every later epoch shuffles all training images
 * (STREAM_SHUFFLE, step = epoch). Both are functions of the settings alone:
 * a batch with an image that has not arrived is refused with
 * STATUS_DATA_PENDING and asked for again, never replaced by another.
 *
 * Rows are pointers into the data set: nothing is copied. Augmentation
 * (augment.h) works on a Batch that was handed out and points its rows at
 * scratch memory instead.
 *
 *     while (trainer wants more) {
 *         do {
 *             TRY(batcher_next(batcher, BATCHER_ROWS_MAX, &batch));
 *             ... forward and backward over the chunk ...
 *         } while (!batch.ends_batch);
 *         ... update ...
 *         if (batch.ends_epoch) ... evaluate with batcher_read ...
 *     }
 *
 * Memory comes from an arena and is borrowed, as is the data set. One thread.
 */
#ifndef SOMA_DATA_BATCHER_H
#define SOMA_DATA_BATCHER_H

#include "base/arena.h"
#include "base/status.h"
#include "data/dataset.h"

/* Most rows handed out at once; larger batches come in chunks. */
enum { BATCHER_ROWS_MAX = 1024 };

typedef struct BatcherSettings {
    uint32_t seed;
    size_t validation; /* images held out of the training set */
    size_t limit;      /* train on at most so many images; 0: on all */
    size_t batch;      /* rows of a batch; 0, or more than there are: all */
    bool shuffle;      /* false: file order in every epoch */
    bool drop_last;    /* leave out an epoch's smaller last batch */
} BatcherSettings;

/* Rows to work on: a batch, or a chunk of one. The arrays belong to the
 * batcher and hold until the next call of the function that filled it. */
typedef struct Batch {
    int rows;                   /* N of this chunk, 1 .. BATCHER_ROWS_MAX */
    const Image *const *images; /* [N] */
    const uint8_t *labels;      /* [N], 0 .. 9 */
    const uint32_t *index;      /* [N] image numbers within their set */
    uint32_t epoch;
    uint64_t step;     /* batches before this one since the run began */
    size_t batch_rows; /* rows of the whole batch: divide gradients by it */
    size_t batch_row;  /* rows of the batch before this chunk; 0: it begins */
    size_t epoch_row;  /* rows of the epoch before this chunk */
    bool ends_batch;   /* the batch's last chunk */
    bool ends_epoch;   /* the last chunk of the epoch's last batch */
} Batch;

/* Who is asked for in batcher_read: in file order, whatever the shuffle. */
typedef enum BatchRole {
    ROLE_TRAIN = 0,
    ROLE_VALIDATION = 1,
    ROLE_TEST = 2
} BatchRole;

/* Where a run stands: the next batch begins at row `row` of epoch `epoch`. */
typedef struct BatcherPosition {
    uint32_t epoch;
    size_t row; /* below batcher_epoch_rows */
} BatcherPosition;

/* Arrays of one Batch. */
typedef struct BatchRows {
    const Image **images; /* [BATCHER_ROWS_MAX] */
    uint8_t *labels;      /* [BATCHER_ROWS_MAX] */
    uint32_t *index;      /* [BATCHER_ROWS_MAX] */
} BatchRows;

/* Treat the fields as private. */
typedef struct Batcher {
    const Dataset *dataset; /* borrowed */
    BatcherSettings settings;
    size_t train_count, validation_count;
    size_t batch;         /* rows of a full batch, 1 .. train_count */
    uint32_t *train;      /* [train_count] image numbers, ascending */
    uint32_t *validation; /* [validation_count] image numbers, ascending */
    uint32_t *order;      /* [train_count] the images of order_epoch in order */
    uint32_t order_epoch;
    BatcherPosition position; /* of the batch in work, or of the next one */
    size_t taken;             /* rows of the batch in work handed out */
    BatchRows next_rows;      /* arrays of batcher_next */
    BatchRows read_rows;      /* arrays of batcher_read */
    const Image **peek_rows;  /* array of batcher_peek */
} Batcher;

/* Lay out the batcher in `arena` and, when the arena is not measuring, draw
 * the roles and stand at the start of epoch 0. The images need not have
 * arrived. After a measuring run the batcher only knows its counts.
 *
 * Errors: STATUS_NO_DATA (no training images announced), STATUS_OUT_OF_RANGE
 * (validation leaves nothing to train on).
 * Cost: 8 bytes of memory and two random numbers per training image. */
Status batcher_bind(Batcher *batcher, Arena *arena, const Dataset *dataset,
                    const BatcherSettings *settings, Fault *fault);

/* The next chunk of at most `max_rows` (1 .. BATCHER_ROWS_MAX) rows. A chunk
 * never crosses a batch, and how batches are cut changes nothing else.
 *
 * STATUS_DATA_PENDING, with nothing changed, when an image of the *whole*
 * batch has not arrived: so once a batch has begun, its other chunks come.
 * Cost: a few nanoseconds a row; the first call of an epoch also shuffles,
 * about 10 ns an image. */
Status batcher_next(Batcher *batcher, int max_rows, Batch *out);

/* How many rows the next batcher_next with this `max_rows` will hand out, and
 * in *images which; 0 when that is not known yet, because they have not arrived
 * or the epoch is at its end. The array holds until the next call. */
int batcher_peek(Batcher *batcher, int max_rows, const Image *const **images);

/* Rows first .. first+rows-1 of a role, in file order, for evaluation. Images
 * that have not arrived are left out: out->rows may be smaller, even 0, and
 * out->index names those that are there. Leaves the training position and the
 * arrays of batcher_next alone. Here epoch, step and the row numbers of `out`
 * are 0, batch_rows is out->rows, and it ends a batch.
 *
 * rows is 0 .. BATCHER_ROWS_MAX; first + rows <= batcher_count(role). */
void batcher_read(Batcher *batcher, BatchRole role, size_t first, int rows,
                  Batch *out);

/* How many images play a role. */
size_t batcher_count(const Batcher *batcher, BatchRole role);

/* How many of them have arrived. Cost: O(count) until all are there. */
size_t batcher_arrived(const Batcher *batcher, BatchRole role);

/* Rows and batches that one epoch takes. */
size_t batcher_epoch_rows(const Batcher *batcher);
size_t batcher_epoch_batches(const Batcher *batcher);

/* Where the run stands. In the middle of a batch: where that batch began.
 * After an epoch's last batch: row 0 of the next. */
BatcherPosition batcher_position(const Batcher *batcher);

/* Go to a position that batcher_position gave, here or in an earlier session
 * with the same settings; a batch in work is dropped. STATUS_OUT_OF_RANGE,
 * with nothing changed, when no batch of an epoch begins at the row. */
Status batcher_seek(Batcher *batcher, BatcherPosition position, Fault *fault);

#endif
