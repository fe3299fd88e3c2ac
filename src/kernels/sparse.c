/* Building the lists; the products are in sparse_product.c. */
#include "kernels/sparse.h"

#include "kernels/simd.h"

void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float density) {
    assert(max_samples >= 1 && n_inputs >= 1);
    assert(density > 0 && density <= 1);
    const size_t elements = (size_t)max_samples * (size_t)n_inputs;
    *batch =
        (SparseBatch){.max_samples = max_samples,
                      .n_inputs = n_inputs,
                      .capacity = (size_t)((double)elements * (double)density)};
    batch->by_sample.start =
        arena_alloc(arena, (size_t)max_samples + 1, sizeof(uint32_t));
    batch->by_input.start =
        arena_alloc(arena, (size_t)n_inputs + 2, sizeof(uint32_t));
    /* A scan is stopped after the sample that is too much. */
    batch->by_sample.entries = arena_alloc(
        arena, batch->capacity + (size_t)n_inputs, sizeof(SparseEntry));
    batch->by_input.entries =
        arena_alloc(arena, batch->capacity, sizeof(SparseEntry));
}

/* The lists while they are built. Inputs are counted in by_input.start, two
 * places up: see place_by_input. */
typedef struct Scan {
    SparseEntry *entries; /* where the next one goes */
    uint32_t *counts;     /* of samples per input */
} Scan;

/* Four elements from input i on. All four are written, the non-zero ones in
 * front, and the place moves on by their number: no branch to mispredict. */
SIMD_INLINE void scan_four(Scan *scan, size_t i, f32x4 value) {
    const i32x4 lanes = {0, 1, 2, 3};
    const i32x4 found = value != f32x4_zero();
    const uint32_t mask = i32x4_bits(found);
    const i32x4 index = i32x4_splat((int32_t)i) + lanes;
    i32x4_store_pairs(scan->entries, i32x4_compact(index, mask),
                      i32x4_compact((i32x4)value, mask));
    scan->entries += __builtin_popcount(mask);
    i32x4 counts;
    memcpy(&counts, scan->counts + i, sizeof counts);
    counts -= found;
    memcpy(scan->counts + i, &counts, sizeof counts);
}

/* One element. */
static void scan_one(Scan *scan, size_t i, float value) {
    if (value == 0) return;
    *scan->entries++ = (SparseEntry){(uint32_t)i, value};
    scan->counts[i]++;
}

/* Append the non-zero bytes of one sample. Most groups of eight are empty. */
static void scan_bytes(Scan *scan, const uint8_t *pixels, size_t n_inputs,
                       float scale) {
    const f32x4 factor = f32x4_splat(scale);
    size_t i = 0;
    for (; i + 8 <= n_inputs; i += 8) {
        uint64_t group;
        memcpy(&group, pixels + i, sizeof group);
        if (group == 0) continue;
        scan_four(scan, i, f32x4_load_bytes(pixels + i) * factor);
        scan_four(scan, i + 4, f32x4_load_bytes(pixels + i + 4) * factor);
    }
    for (; i < n_inputs; i++) scan_one(scan, i, (float)pixels[i] * scale);
}

/* The same for floats. */
static void scan_floats(Scan *scan, const float *x, size_t n_inputs) {
    size_t i = 0;
    for (; i + 4 <= n_inputs; i += 4) scan_four(scan, i, f32x4_load(x + i));
    for (; i < n_inputs; i++) scan_one(scan, i, x[i]);
}

/* Order the entries by input, once all are counted. The running sum makes
 * start[i+1] the place where input i begins; placing moves it to where input i
 * ends. */
static void place_by_input(SparseBatch *batch) {
    uint32_t *const start = batch->by_input.start;
    SparseEntry *const placed = batch->by_input.entries;
    for (int i = 2; i <= batch->n_inputs; i++) start[i] += start[i - 1];
    for (int n = 0; n < batch->n_samples; n++) {
        const SparseList *const list = &batch->by_sample;
        const SparseEntry *const end = list->entries + list->start[n + 1];
        for (const SparseEntry *e = list->entries + list->start[n]; e < end;
             e++)
            placed[start[e->index + 1]++] =
                (SparseEntry){(uint32_t)n, e->value};
    }
}

static Scan open_batch(SparseBatch *batch, int n_samples) {
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    uint32_t *const start = batch->by_input.start;
    memset(start, 0, ((size_t)batch->n_inputs + 2) * sizeof *start);
    batch->n_samples = n_samples;
    batch->n_entries = 0;
    batch->by_sample.start[0] = 0;
    return (Scan){.entries = batch->by_sample.entries, .counts = start + 2};
}

/* Sample n ends here; false when there are too many entries. */
static bool close_sample(SparseBatch *batch, int n, const Scan *scan) {
    batch->n_entries = (size_t)(scan->entries - batch->by_sample.entries);
    batch->by_sample.start[n + 1] = (uint32_t)batch->n_entries;
    return batch->n_entries <= batch->capacity;
}

bool sparse_from_bytes(SparseBatch *batch, const uint8_t *const *pixels,
                       int n_samples, float scale) {
    Scan scan = open_batch(batch, n_samples);
    for (int n = 0; n < n_samples; n++) {
        scan_bytes(&scan, pixels[n], (size_t)batch->n_inputs, scale);
        if (!close_sample(batch, n, &scan)) return false;
    }
    place_by_input(batch);
    return true;
}

bool sparse_from_floats(SparseBatch *batch, const float *rows, size_t stride,
                        int n_samples) {
    Scan scan = open_batch(batch, n_samples);
    for (int n = 0; n < n_samples; n++) {
        scan_floats(&scan, rows + (size_t)n * stride, (size_t)batch->n_inputs);
        if (!close_sample(batch, n, &scan)) return false;
    }
    place_by_input(batch);
    return true;
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
