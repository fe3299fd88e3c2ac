/* Building the lists; the products are in sparse_product.c.
 *
 * Method. A first pass counts: the non-zero elements of each sample and of
 * each input, so that both lists have their places before anything is written.
 * It has no branch that depends on the data. The second pass writes by_sample,
 * the third distributes it into by_input.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Samples that the bytes of `tally` can count. */
enum { TALLY_MAX = 255 };

/* Fewer samples than this are listed once, by the caller. */
enum { COPIES_FROM = 16 };

static void bind_copy(SparseCopy *copy, Arena *arena, const SparseBatch *batch,
                      SparseLists lists) {
    const size_t max_samples = (size_t)batch->max_samples;
    const size_t n_inputs = (size_t)batch->n_inputs;
    const double elements = (double)max_samples * (double)n_inputs;
    const size_t capacity = (size_t)(elements * (double)batch->max_density);
    copy->by_sample.start =
        arena_alloc(arena, max_samples + 1, sizeof(uint32_t));
    /* Four entries are written at a time. */
    copy->by_sample.entries =
        arena_alloc(arena, capacity + 4, sizeof(SparseEntry));
    if (lists == SPARSE_BY_SAMPLE) return;
    copy->by_input.start = arena_alloc(arena, n_inputs + 2, sizeof(uint32_t));
    copy->by_input.entries = arena_alloc(arena, capacity, sizeof(SparseEntry));
    copy->tally = arena_alloc(arena, n_inputs, sizeof(uint8_t));
}

void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float max_density, SparseLists lists,
                       int max_copies) {
    assert(max_samples >= 1 && n_inputs >= 1);
    assert(max_density > 0 && max_density <= 1);
    assert(max_copies >= 1 && max_copies <= POOL_THREADS_MAX);
    *batch = (SparseBatch){.max_samples = max_samples,
                           .n_inputs = n_inputs,
                           .max_copies = max_copies,
                           .max_density = max_density};
    for (int i = 0; i < max_copies; i++)
        bind_copy(&batch->copy[i], arena, batch, lists);
}

/* ==== Counting ========================================================== */

/* Non-zero elements of one sample. */
static uint32_t count_bytes(const uint8_t *pixels, size_t n) {
    uint32_t count = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) count += u8x16_count(u8x16_load(pixels + i));
    for (; i < n; i++) count += pixels[i] != 0;
    return count;
}

static uint32_t count_floats(const float *x, size_t n) {
    i32x4 counts = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) counts -= f32x4_load(x + i) != f32x4_zero();
    int32_t count = (counts[0] + counts[1]) + (counts[2] + counts[3]);
    for (; i < n; i++) count += x[i] != 0;
    return (uint32_t)count;
}

/* tally[i] += 1 where element i is not zero. */
static void tally_bytes(const uint8_t *pixels, size_t n, uint8_t *tally) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const u8x16 found = (u8x16)(u8x16_load(pixels + i) != 0);
        u8x16_store(tally + i, u8x16_load(tally + i) - found);
    }
    for (; i < n; i++) tally[i] = (uint8_t)(tally[i] + (pixels[i] != 0));
}

/* counts[i] += 1 where element i is not zero. */
static void count_inputs(const float *x, size_t n, uint32_t *counts) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const i32x4 found = f32x4_load(x + i) != f32x4_zero();
        const i32x4 sum = i32x4_load(counts + i) - found;
        memcpy(counts + i, &sum, sizeof sum);
    }
    for (; i < n; i++) counts[i] += x[i] != 0;
}

/* What is listed, and how: every copy the same way. */
typedef struct Source {
    SparseBatch *batch;
    SparseLists lists;
    const uint8_t *const *pixels; /* bytes, or NULL */
    float scale;
    const float *rows; /* floats */
    size_t stride;
} Source;

/* Where the inputs are counted: two places up, see place_by_input. */
static uint32_t *input_counts(SparseCopy *copy) {
    return copy->by_input.start + 2;
}

/* counts[i] += tally[i], and tally starts again. */
static void flush_tally(SparseCopy *copy, size_t n_inputs) {
    uint32_t *const counts = input_counts(copy);
    for (size_t i = 0; i < n_inputs; i++) counts[i] += copy->tally[i];
    memset(copy->tally, 0, n_inputs);
}

static void open_copy(SparseCopy *copy, size_t n_inputs, SparseLists lists) {
    copy->n_entries = 0;
    copy->by_sample.start[0] = 0;
    if (lists == SPARSE_BY_SAMPLE) return;
    assert(copy->by_input.start != NULL);
    memset(copy->by_input.start, 0, (n_inputs + 2) * sizeof(uint32_t));
    memset(copy->tally, 0, n_inputs);
}

/* Sample n has that many entries. */
static void close_sample(SparseCopy *copy, int n, uint32_t count) {
    copy->n_entries += count;
    copy->by_sample.start[n + 1] = (uint32_t)copy->n_entries;
}

/* First pass: where everything goes. Inputs of floats are counted later, when
 * it is known that they are worth it. */
static void count_all(const Source *source, SparseCopy *copy) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const int n_samples = source->batch->n_samples;
    open_copy(copy, n_inputs, source->lists);
    for (int n = 0; n < n_samples; n++) {
        if (source->pixels == NULL) {
            const float *const row = source->rows + (size_t)n * source->stride;
            close_sample(copy, n, count_floats(row, n_inputs));
            continue;
        }
        close_sample(copy, n, count_bytes(source->pixels[n], n_inputs));
        if (source->lists == SPARSE_BY_SAMPLE) continue;
        tally_bytes(source->pixels[n], n_inputs, copy->tally);
        if ((n + 1) % TALLY_MAX == 0 || n + 1 == n_samples)
            flush_tally(copy, n_inputs);
    }
}

static bool is_sparse(const SparseBatch *batch, const SparseCopy *copy) {
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (double)copy->n_entries <= elements * (double)batch->max_density;
}

/* ==== Writing =========================================================== */

/* Four elements from input i on. All four are written, the non-zero ones in
 * front; returns where the next one goes: no branch to mispredict. */
SIMD_INLINE SparseEntry *write_four(SparseEntry *entries, size_t i,
                                    f32x4 value) {
    const i32x4 lanes = {0, 1, 2, 3};
    const uint32_t mask = i32x4_bits(value != f32x4_zero());
    const i32x4 index = i32x4_splat((int32_t)i) + lanes;
    i32x4_store_pairs(entries, i32x4_compact(index, mask),
                      i32x4_compact((i32x4)value, mask));
    return entries + __builtin_popcount(mask);
}

static SparseEntry *write_one(SparseEntry *entries, size_t i, float value) {
    if (value == 0) return entries;
    *entries = (SparseEntry){(uint32_t)i, value};
    return entries + 1;
}

/* Bit g: is any of the four bytes from 4·g on not zero? n is at most 256, a
 * multiple of 16. */
SIMD_INLINE uint64_t used_groups(const uint8_t *pixels, size_t n) {
    uint64_t groups = 0;
    for (size_t i = 0; i < n; i += 16) {
        const i32x4 used = i32x4_load(pixels + i) != i32x4_splat(0);
        groups |= (uint64_t)i32x4_bits(used) << i / 4;
    }
    return groups;
}

/* The non-zero bytes of one sample: from one used group to the next. */
static void write_bytes(SparseEntry *entries, const uint8_t *pixels,
                        size_t n_inputs, float scale) {
    const f32x4 factor = f32x4_splat(scale);
    const size_t whole = n_inputs / 16 * 16;
    for (size_t i = 0; i < whole; i += 256) {
        uint64_t groups = used_groups(pixels + i, size_min(256, whole - i));
        for (; groups != 0; groups &= groups - 1) {
            const size_t at = i + 4 * (size_t)__builtin_ctzll(groups);
            entries =
                write_four(entries, at, f32x4_load_bytes(pixels + at) * factor);
        }
    }
    for (size_t i = whole; i < n_inputs; i++)
        entries = write_one(entries, i, (float)pixels[i] * scale);
}

/* The same for floats. */
static void write_floats(SparseEntry *entries, const float *x,
                         size_t n_inputs) {
    size_t i = 0;
    for (; i + 4 <= n_inputs; i += 4)
        entries = write_four(entries, i, f32x4_load(x + i));
    for (; i < n_inputs; i++) entries = write_one(entries, i, x[i]);
}

/* Order the entries by input. The running sum over the counts makes start[i+1]
 * the place where input i begins; placing moves it to where input i ends. */
static void place_by_input(SparseCopy *copy, int n_inputs, int n_samples) {
    uint32_t *const start = copy->by_input.start;
    SparseEntry *const placed = copy->by_input.entries;
    const SparseList *const list = &copy->by_sample;
    for (int i = 2; i <= n_inputs; i++) start[i] += start[i - 1];
    for (int n = 0; n < n_samples; n++) {
        const SparseEntry *const end = list->entries + list->start[n + 1];
        for (const SparseEntry *e = list->entries + list->start[n]; e < end;
             e++)
            placed[start[e->index + 1]++] =
                (SparseEntry){(uint32_t)n, e->value};
    }
}

/* Second pass: by_sample; third: by_input. */
static void write_all(const Source *source, SparseCopy *copy) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const int n_samples = source->batch->n_samples;
    for (int n = 0; n < n_samples; n++) {
        SparseEntry *const entries =
            copy->by_sample.entries + copy->by_sample.start[n];
        if (source->pixels != NULL) {
            write_bytes(entries, source->pixels[n], n_inputs, source->scale);
            continue;
        }
        const float *const row = source->rows + (size_t)n * source->stride;
        write_floats(entries, row, n_inputs);
        if (source->lists == SPARSE_BOTH)
            count_inputs(row, n_inputs, input_counts(copy));
    }
    if (source->lists == SPARSE_BOTH)
        place_by_input(copy, source->batch->n_inputs, n_samples);
}

/* ==== All copies ======================================================== */

/* Read a byte of every cache line. Images lie at random places, far from any
 * cache: a loop that does nothing else has many of them on their way at once,
 * and the counting that follows has not. */
static void fetch_images(const Source *source) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    for (int n = 0; n < source->batch->n_samples; n++) {
        const volatile uint8_t *const pixels = source->pixels[n];
        for (size_t i = 0; i < n_inputs; i += CACHE_LINE) (void)pixels[i];
    }
}

static void build_copy(void *context, int task) {
    const Source *const source = context;
    SparseCopy *const copy = &source->batch->copy[task];
    if (source->pixels != NULL) fetch_images(source);
    count_all(source, copy);
    if (is_sparse(source->batch, copy)) write_all(source, copy);
}

static bool build(Pool *pool, Source *source, int n_samples) {
    SparseBatch *const batch = source->batch;
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    const bool many = pool != NULL && n_samples >= COPIES_FROM;
    batch->n_samples = n_samples;
    batch->n_copies = many && batch->max_copies >= pool_threads(pool)
                          ? pool_threads(pool)
                          : 1;
    if (batch->n_copies == 1)
        build_copy(source, 0);
    else
        pool_run(pool, batch->n_copies, build_copy, source);
    batch->n_entries = batch->copy[0].n_entries;
    return is_sparse(batch, &batch->copy[0]);
}

bool sparse_from_bytes(Pool *pool, SparseBatch *batch, SparseLists lists,
                       const uint8_t *const *pixels, int n_samples,
                       float scale) {
    Source source = {
        .batch = batch, .lists = lists, .pixels = pixels, .scale = scale};
    return build(pool, &source, n_samples);
}

bool sparse_from_floats(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples) {
    Source source = {
        .batch = batch, .lists = lists, .rows = rows, .stride = stride};
    return build(pool, &source, n_samples);
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
