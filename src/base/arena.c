#include "base/arena.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE_BYTES = CACHE_LINE };
static void poison(const void *p, size_t bytes) {
    __asan_poison_memory_region(p, bytes);
}
static void unpoison(const void *p, size_t bytes) {
    __asan_unpoison_memory_region(p, bytes);
}
#else
enum { RED_ZONE_BYTES = 0 };
static void poison(const void *p, size_t bytes) { (void)p, (void)bytes; }
static void unpoison(const void *p, size_t bytes) { (void)p, (void)bytes; }
#endif

Arena arena_measure(void) { return (Arena){0}; }

Arena arena_bind(void *block, size_t bytes) {
    assert(block != NULL && (uintptr_t)block % CACHE_LINE == 0);
    memset(block, 0, bytes);
    poison(block, bytes);
    return (Arena){.base = block, .capacity = bytes};
}

/* Bytes of one block with its padding and red zone; SIZE_MAX on overflow. */
static size_t block_bytes(size_t count, size_t item_bytes) {
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes)) return SIZE_MAX;
    if (bytes > SIZE_MAX - 2 * CACHE_LINE - RED_ZONE_BYTES) return SIZE_MAX;
    return size_round_up(bytes, CACHE_LINE) + RED_ZONE_BYTES;
}

void *arena_alloc(Arena *arena, size_t count, size_t item_bytes) {
    assert(!arena->sealed);
    if (count == 0 || item_bytes == 0) return NULL;
    const size_t bytes = block_bytes(count, item_bytes);
    if (bytes == SIZE_MAX || bytes > SIZE_MAX - arena->used) {
        arena->overflowed = true;
        arena->used = SIZE_MAX;
        return NULL;
    }
    const size_t at = arena->used;
    arena->used += bytes;
    if (arena->base == NULL) return NULL;
    assert(arena->used <= arena->capacity);
    unpoison(arena->base + at, count * item_bytes);
    return arena->base + at;
}

float *arena_floats(Arena *arena, size_t count) {
    return arena_alloc(arena, count, sizeof(float));
}

void arena_seal(Arena *arena) { arena->sealed = true; }

void arena_release(Arena *arena) {
    if (arena->base != NULL) unpoison(arena->base, arena->capacity);
    *arena = (Arena){0};
}
