/* How a weight matrix lies in memory: in panels of 32 columns.
 *
 *     W[rows,columns]      columns 0..31       columns 32..63      the rest
 *                        +-------------+     +-------------+     +------+
 *                 row 0  | 32 floats   |     | 32 floats   |     | …    |
 *                 row 1  | 32 floats   |     | 32 floats   |     | …    |
 *                     …  +-------------+     +-------------+     +------+
 *
 * One panel after the other, each row-major without gaps; the last one is as
 * narrow as what is left. A matrix of up to 32 columns is simply row-major.
 *
 * Eight vectors of four are what the products keep in registers at a time. In
 * a panel the rows that they read follow each other in memory, where those of
 * a wide row-major matrix are a large power of two apart and get into each
 * other's way in the caches. And a thread that always works on the same panels
 * keeps them, and the optimiser's memory of them, in the cache of its core.
 */
#ifndef SOMA_KERNELS_PANELS_H
#define SOMA_KERNELS_PANELS_H

#include "base/types.h"

enum { PANEL = 32 };

/* How many columns the panel has that holds column `column`. */
static inline size_t panel_width(size_t columns, size_t column) {
    const size_t first = column / PANEL * PANEL;
    return size_min(PANEL, columns - first);
}

/* Where element (row, column) of a matrix lies. */
static inline size_t panels_at(size_t rows, size_t columns, size_t row,
                               size_t column) {
    const size_t first = column / PANEL * PANEL;
    return first * rows + row * panel_width(columns, column) + column - first;
}

#endif
