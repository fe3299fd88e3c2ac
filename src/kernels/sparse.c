/* Building the lists; the products are in sparse_product.c.
 *
 * Method. A first pass counts: the non-zero elements of each sample and of
 * each input, so that both lists have their places before anything is written.
 * It has no branch that depends on the data and fetches the images. The second
 * pass writes by_sample, the third distributes it into by_input.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Samples that the bytes of `tally` can count. */
enum { TALLY_MAX = 255 };

void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float max_density, SparseLists lists) {
    assert(max_samples >= 1 && n_inputs >= 1);
    assert(max_density > 0 && max_density <= 1);
    const size_t elements = (size_t)max_samples * (size_t)n_inputs;
    const size_t capacity = (size_t)((double)elements * (double)max_density);
    *batch = (SparseBatch){.max_samples = max_samples,
                           .n_inputs = n_inputs,
                           .max_density = max_density};
    batch->by_sample.start =
        arena_alloc(arena, (size_t)max_samples + 1, sizeof(uint32_t));
    /* Four entries are written at a time. */
    batch->by_sample.entries =
        arena_alloc(arena, capacity + 4, sizeof(SparseEntry));
    if (lists == SPARSE_BY_SAMPLE) return;
    batch->by_input.start =
        arena_alloc(arena, (size_t)n_inputs + 2, sizeof(uint32_t));
    batch->by_input.entries = arena_alloc(arena, capacity, sizeof(SparseEntry));
    batch->tally = arena_alloc(arena, (size_t)n_inputs, sizeof(uint8_t));
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

/* counts[i] += tally[i], and tally starts again. */
static void flush_tally(SparseBatch *batch, uint32_t *counts) {
    for (int i = 0; i < batch->n_inputs; i++) counts[i] += batch->tally[i];
    memset(batch->tally, 0, (size_t)batch->n_inputs);
}

/* Where the inputs are counted: two places up, see place_by_input. */
static uint32_t *input_counts(SparseBatch *batch) {
    return batch->by_input.start + 2;
}

static void open_batch(SparseBatch *batch, SparseLists lists, int n_samples) {
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    batch->n_samples = n_samples;
    batch->n_entries = 0;
    batch->by_sample.start[0] = 0;
    if (lists == SPARSE_BY_SAMPLE) return;
    assert(batch->by_input.start != NULL);
    memset(batch->by_input.start, 0,
           ((size_t)batch->n_inputs + 2) * sizeof(uint32_t));
    memset(batch->tally, 0, (size_t)batch->n_inputs);
}

/* Sample n has that many entries. */
static void close_sample(SparseBatch *batch, int n, uint32_t count) {
    batch->n_entries += count;
    batch->by_sample.start[n + 1] = (uint32_t)batch->n_entries;
}

static bool is_sparse(const SparseBatch *batch) {
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (double)batch->n_entries <= elements * (double)batch->max_density;
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
static void place_by_input(SparseBatch *batch) {
    uint32_t *const start = batch->by_input.start;
    SparseEntry *const placed = batch->by_input.entries;
    const SparseList *const list = &batch->by_sample;
    for (int i = 2; i <= batch->n_inputs; i++) start[i] += start[i - 1];
    for (int n = 0; n < batch->n_samples; n++) {
        const SparseEntry *const end = list->entries + list->start[n + 1];
        for (const SparseEntry *e = list->entries + list->start[n]; e < end;
             e++)
            placed[start[e->index + 1]++] =
                (SparseEntry){(uint32_t)n, e->value};
    }
}

/* ==== Both passes ======================================================= */

bool sparse_from_bytes(SparseBatch *batch, SparseLists lists,
                       const uint8_t *const *pixels, int n_samples,
                       float scale) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    open_batch(batch, lists, n_samples);
    for (int n = 0; n < n_samples; n++) {
        close_sample(batch, n, count_bytes(pixels[n], n_inputs));
        if (lists == SPARSE_BY_SAMPLE) continue;
        tally_bytes(pixels[n], n_inputs, batch->tally);
        if ((n + 1) % TALLY_MAX == 0 || n + 1 == n_samples)
            flush_tally(batch, input_counts(batch));
    }
    if (!is_sparse(batch)) return false;
    for (int n = 0; n < n_samples; n++)
        write_bytes(batch->by_sample.entries + batch->by_sample.start[n],
                    pixels[n], n_inputs, scale);
    if (lists == SPARSE_BOTH) place_by_input(batch);
    return true;
}

bool sparse_from_floats(SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    open_batch(batch, lists, n_samples);
    for (int n = 0; n < n_samples; n++)
        close_sample(batch, n,
                     count_floats(rows + (size_t)n * stride, n_inputs));
    if (!is_sparse(batch)) return false;
    for (int n = 0; n < n_samples; n++) {
        const float *const row = rows + (size_t)n * stride;
        write_floats(batch->by_sample.entries + batch->by_sample.start[n], row,
                     n_inputs);
        if (lists == SPARSE_BOTH)
            count_inputs(row, n_inputs, input_counts(batch));
    }
    if (lists == SPARSE_BOTH) place_by_input(batch);
    return true;
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
