/* One block of memory, handed out front to back, never given back piecewise.
 *
 * The code that lays out a trainer runs twice: in measure mode it only adds up
 * sizes and every pointer is NULL; then the caller gets one block of that size
 * and runs the same code again to bind. So the plan and the layout cannot
 * drift apart.
 *
 *     +------------+--------+-----------+--------+-----
 *     | parameters | (red)  | gradients | (red)  | …
 *     +------------+--------+-----------+--------+-----
 *     64-byte aligned blocks; under AddressSanitizer a poisoned red zone
 *     follows each, so an overrun inside the arena is found too.
 *
 * The block is borrowed: whoever got it frees it, after arena_release. One
 * thread at a time. Sizes that overflow size_t set `overflowed` and the total
 * becomes SIZE_MAX, which no allocation will grant.
 */
#ifndef SOMA_BASE_ARENA_H
#define SOMA_BASE_ARENA_H

#include "base/types.h"

typedef struct Arena {
    unsigned char *base; /* NULL in measure mode */
    size_t capacity;     /* bytes of the block; 0 in measure mode */
    size_t used;         /* bytes handed out, red zones included */
    bool overflowed;     /* a size did not fit into size_t */
    bool sealed;         /* after arena_seal: any further alloc is a bug */
} Arena;

/* An arena that only counts. */
Arena arena_measure(void);

/* An arena over `bytes` bytes at `block`, which must be 64-byte aligned; the
 * block is cleared to zero. */
Arena arena_bind(void *block, size_t bytes);

/* Room for `count` items of `item_bytes` each, 64-byte aligned and zero; NULL
 * in measure mode and when count or item_bytes is 0. Running past the capacity
 * is a bug (the measured size was used), hence an assert. Cost: O(1). */
void *arena_alloc(Arena *arena, size_t count, size_t item_bytes);

/* `count` floats, as arena_alloc. */
float *arena_floats(Arena *arena, size_t count);

/* Nothing may be allocated from here on. */
void arena_seal(Arena *arena);

/* Lift the red zones so that the owner may reuse or free the block. */
void arena_release(Arena *arena);

#endif
