/* Small words that every room uses: sizes and alignment.
 *
 * Nothing here allocates or fails.
 */
#ifndef SOMA_BASE_TYPES_H
#define SOMA_BASE_TYPES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Alignment of every block that the arena hands out: one cache line. */
enum { CACHE_LINE = 64 };

/* MNIST's fixed geometry, in pixels and classes. */
enum { IMAGE_SIDE = 28, IMAGE_PIXELS = 784, CLASS_COUNT = 10 };

/* The images of one block of the data set; one shard of the site holds as
 * many. Part of what a seed means (ARCHITECTURE, law 5): never change it. */
enum { DATASET_BLOCK = 5000 };

static inline int int_min(int a, int b) { return a < b ? a : b; }
static inline int int_max(int a, int b) { return a > b ? a : b; }
static inline size_t size_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t size_max(size_t a, size_t b) { return a > b ? a : b; }

/* ceil(a / b) for b > 0. */
static inline size_t size_div_up(size_t a, size_t b) { return (a + b - 1) / b; }

/* a rounded up to a multiple of b > 0. */
static inline size_t size_round_up(size_t a, size_t b) {
    return size_div_up(a, b) * b;
}

#endif
