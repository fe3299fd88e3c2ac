/* The data set: a training set and a test set of 28 × 28 images with labels,
 * whose sizes are known from the start while the images arrive bit by bit.
 *
 *     one block:  struct | arrival bits | labels | images[train], images[test]
 *
 * Images are kept as base/image.h says: what comes out is what went in.
 * Which images have arrived is kept per image, so blocks may come in any
 * order, in any cut, and again.
 *
 * The data set owns its memory; everyone else borrows it and must be gone
 * before dataset_destroy. Not for concurrent use: write and read on the thread
 * that trains. Helpers of a pool may read.
 */
#ifndef SOMA_DATA_DATASET_H
#define SOMA_DATA_DATASET_H

#include "base/image.h"
#include "base/status.h"
#include "base/types.h"

/* Largest number of images of one set; 32-bit builds run out of memory
 * earlier, at about 2.5 million. */
enum { DATASET_IMAGES_MAX = 1 << 24 };

typedef enum SetKind { SET_TRAIN = 0, SET_TEST = 1, SET_COUNT = 2 } SetKind;

/* One of the two sets. Read the fields freely; only dataset_write changes
 * them. An image and its label mean nothing before it has arrived. */
typedef struct ImageSet {
    size_t count;      /* images announced */
    size_t arrived;    /* images written so far */
    size_t prefix;     /* images 0 .. prefix-1 have all arrived */
    Image *images;     /* [count] */
    uint8_t *labels;   /* [count], 0 .. 9 */
    uint32_t *present; /* one bit per image, lowest first */
} ImageSet;

typedef struct Dataset {
    ImageSet sets[SET_COUNT]; /* by SetKind */
    uint32_t writes;          /* grows by one with each dataset_write */
} Dataset;

/* A data set for so many images, none of which has arrived. Either count may
 * be 0, not both. One allocation of 801 bytes an image and a little more, not
 * touched before the images come.
 *
 * Errors: STATUS_OUT_OF_RANGE (no image at all, or a count above
 * DATASET_IMAGES_MAX), STATUS_OUT_OF_MEMORY. `*out` is NULL then. */
Status dataset_create(size_t train_count, size_t test_count, Dataset **out,
                      Fault *fault);

/* Free it; NULL is allowed. */
void dataset_destroy(Dataset *dataset);

/* Store images first .. first+count-1 of one set and mark them as arrived.
 *
 *   images[count, IMAGE_PIXELS]   copied
 *   labels[count]                 copied, each 0 .. 9
 *
 * The sources must not overlap the data set. Images that were there are
 * overwritten. count may be 0. All or nothing: on an error no image changes.
 *
 * Errors: STATUS_OUT_OF_RANGE (past the announced count), STATUS_BAD_LABEL
 * (with the index in the set and the value). Cost: as image_write. */
Status dataset_write(Dataset *dataset, SetKind set, size_t first, size_t count,
                     const uint8_t *images, const uint8_t *labels,
                     Fault *fault);

/* Whether image `index` < count of the set has arrived. Cost: O(1). */
static inline bool dataset_ready(const Dataset *dataset, SetKind set,
                                 size_t index) {
    const ImageSet *const images = &dataset->sets[set];
    assert(index < images->count);
    return (images->present[index / 32] >> (index % 32) & 1u) != 0;
}

/* Whether every announced image of the set has arrived. */
static inline bool dataset_complete(const Dataset *dataset, SetKind set) {
    return dataset->sets[set].arrived == dataset->sets[set].count;
}

/* The pixels of images first .. first+count-1, which the set has, into
 * pixels[count,784]; one that has not arrived is without ink. */
void dataset_read(const Dataset *dataset, SetKind set, size_t first,
                  size_t count, uint8_t *pixels);

/* Image `index` < count of the set, borrowed. */
static inline const Image *dataset_image(const Dataset *dataset, SetKind set,
                                         size_t index) {
    assert(index < dataset->sets[set].count);
    return &dataset->sets[set].images[index];
}

#endif
