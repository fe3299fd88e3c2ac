/* Rows of bytes or floats, counted and written as the non-zero elements that
 * they hold. For sparse.c.
 *
 * Nothing branches on a single element: which of four or eight are not zero
 * decides, through a table, how they move to the front, and all of them are
 * written. So up to SPARSE_OVERRUN places behind the last one are written too.
 */
#ifndef SOMA_KERNELS_SPARSE_ROWS_H
#define SOMA_KERNELS_SPARSE_ROWS_H

#include "base/types.h"

enum { SPARSE_OVERRUN = 8 };

/* Bytes that one mask stands for, a bit each, and masks that are looked at
 * together: so many may be read from where a row's masks begin. */
enum { SPARSE_MASK_BITS = 8, SPARSE_MASKS_AT_ONCE = 64 };

/* Where the next element of a list goes: (index, byte) or (index, value). */
typedef struct SparsePlace {
    uint16_t *index;
    uint8_t *byte;
    float *value;
} SparsePlace;

/* Note the non-zero ones of n bytes in masks [n/8], whole sixteens of them, and
 * count them by place as well: tally[i] += 1 (NULL: do not). Returns how many
 * there are. */
uint32_t sparse_mark_bytes(const uint8_t *bytes, size_t n, uint8_t *masks,
                           uint8_t *tally);

/* How many of n floats are not zero; NaN and inf are not. */
uint32_t sparse_count_floats(const float *x, size_t n);

/* counts[i] += 1 where x[i] is not zero. */
void sparse_count_inputs(const float *x, size_t n, uint32_t *counts);

/* A table for sparse_write_bytes: orders[256,8], the numbers of the bits that
 * are set in each mask, ascending; then zeros. */
void sparse_fill_orders(uint8_t *orders);

/* Write the non-zero ones of bytes i .. end-1 of a row that has been marked; i
 * is a multiple of 16, and so is end, unless the row ends there. Returns where
 * the next one goes. */
SparsePlace sparse_write_bytes(const uint8_t *bytes, const uint8_t *masks,
                               size_t i, size_t end, const uint8_t *orders,
                               SparsePlace to);

/* The same for floats i .. end-1. */
SparsePlace sparse_write_floats(const float *x, size_t i, size_t end,
                                SparsePlace to);

#endif
