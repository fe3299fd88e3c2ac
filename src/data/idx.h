/* IDX, the file format MNIST was published in, read from bytes in memory.
 *
 *     byte 0  0 0 type dims      type 8: unsigned bytes; dims 1 or 3
 *     byte 4  count              every number is 32 bits, big-endian
 *     byte 8  rows, cols         only with three dimensions
 *     then    count · rows · cols items, and nothing after them
 *
 * Two kinds are taken: labels (one dimension, each 0 .. 9) and images (three
 * dimensions, count × 28 × 28). A header that lies about the file is refused.
 * The result is a view into the caller's bytes: nothing is copied, allocated
 * or kept. Any thread.
 *
 * Source: the description beside the original files, yann.lecun.com/exdb/mnist.
 */
#ifndef SOMA_DATA_IDX_H
#define SOMA_DATA_IDX_H

#include "base/status.h"
#include "base/types.h"

/* What a file holds; the value is its number of dimensions. */
typedef enum IdxKind { IDX_LABELS = 1, IDX_IMAGES = 3 } IdxKind;

/* A parsed file: `items` is borrowed from the bytes it was parsed from.
 *
 *   images: items[count, rows, cols], ink 0 .. 255
 *   labels: items[count], each 0 .. 9; rows = cols = 1 */
typedef struct IdxView {
    IdxKind kind;
    size_t count, rows, cols;
    const uint8_t *items;
} IdxView;

/* Read either kind; `view->kind` tells which. `view` changes on success only.
 *
 * Errors, with the byte they were found at:
 *   STATUS_BAD_FILE   too short, not IDX, another type or number of
 *                     dimensions, no items, fewer or more bytes than promised
 *   STATUS_BAD_SHAPE  images that are not 28 × 28
 *   STATUS_BAD_LABEL  the first label above 9, with its index and value
 * Cost: O(1) for images, O(count) for labels. */
Status idx_parse(const uint8_t *bytes, size_t n_bytes, IdxView *view,
                 Fault *fault);

/* As idx_parse, but a file of the other kind is refused (STATUS_BAD_FILE). */
Status idx_parse_kind(const uint8_t *bytes, size_t n_bytes, IdxKind kind,
                      IdxView *view, Fault *fault);

#endif
