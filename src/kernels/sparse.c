/* Building the lists; the products are in sparse_product.c.
 *
 * Method. A first pass counts: the non-zero elements of each sample and of
 * each input, so that both lists have their places before anything is written.
 * It has no branch that depends on the data. The second pass writes each sample
 * into by_sample and distributes it into by_input.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Samples that the bytes of `tally` can count. */
enum { TALLY_MAX = 255 };

/* Bits that one mask holds, and masks that are looked at together. */
enum { MASK_BITS = 8, MASKS_AT_ONCE = 64 };

/* Fewer samples than this are listed once, by the caller. */
enum { COPIES_FROM = 16 };

/* Room for the masks of one sample. Those beyond the inputs stay zero. */
static size_t masks_per_sample(const SparseBatch *batch) {
    return size_round_up((size_t)batch->n_inputs, MASK_BITS * MASKS_AT_ONCE) /
           MASK_BITS;
}

static uint8_t *masks_of(const SparseBatch *batch, const SparseCopy *copy,
                         int n) {
    return copy->masks + (size_t)n * masks_per_sample(batch);
}

/* orders[mask]: the numbers of the bits that are set, ascending; then zeros. */
static void fill_orders(uint8_t *orders) {
    memset(orders, 0, 256 * MASK_BITS);
    for (uint32_t mask = 0; mask < 256; mask++) {
        uint8_t *order = orders + MASK_BITS * mask;
        for (uint8_t bit = 0; bit < MASK_BITS; bit++)
            if (mask >> bit & 1) *order++ = bit;
    }
}

static void bind_list(SparseList *list, Arena *arena, size_t n_starts,
                      size_t capacity) {
    const size_t overrun = 8; /* that many elements are written at a time */
    list->start = arena_alloc(arena, n_starts, sizeof(uint32_t));
    list->index = arena_alloc(arena, capacity + overrun, sizeof(uint16_t));
    list->value = arena_floats(arena, capacity + overrun);
}

static void bind_copy(SparseCopy *copy, Arena *arena, const SparseBatch *batch,
                      SparseLists lists) {
    const size_t max_samples = (size_t)batch->max_samples;
    const size_t n_inputs = (size_t)batch->n_inputs;
    const double elements = (double)max_samples * (double)n_inputs;
    const size_t capacity = (size_t)(elements * (double)batch->max_density);
    bind_list(&copy->by_sample, arena, max_samples + 1, capacity);
    copy->masks = arena_alloc(arena, max_samples, masks_per_sample(batch));
    if (lists == SPARSE_BY_SAMPLE) return;
    bind_list(&copy->by_input, arena, n_inputs + 2, capacity);
    copy->tally = arena_alloc(arena, n_inputs, sizeof(uint8_t));
}

void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float max_density, SparseLists lists,
                       int max_copies) {
    assert(max_samples >= 1 && max_samples <= SPARSE_INDEX_MAX);
    assert(n_inputs >= 1 && n_inputs <= SPARSE_INDEX_MAX);
    assert(max_density > 0 && max_density <= 1);
    assert(max_copies >= 1 && max_copies <= POOL_THREADS_MAX);
    *batch = (SparseBatch){.max_samples = max_samples,
                           .n_inputs = n_inputs,
                           .max_copies = max_copies,
                           .max_density = max_density};
    batch->orders = arena_alloc(arena, 256, MASK_BITS);
    if (arena->base != NULL) fill_orders(batch->orders);
    for (int i = 0; i < max_copies; i++)
        bind_copy(&batch->copy[i], arena, batch, lists);
}

/* ==== Counting ========================================================== */

/* Note the non-zero bytes of one sample, a bit for each, and count them by
 * input as well: tally[i] += 1 (NULL: do not). Returns how many there are. */
static uint32_t mark_bytes(const uint8_t *pixels, size_t n, uint8_t *masks,
                           uint8_t *tally) {
    uint32_t count = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const u8x16 found = (u8x16)(u8x16_load(pixels + i) != 0);
        const uint16_t bits = (uint16_t)u8x16_bits(found);
        memcpy(masks + i / 8, &bits, sizeof bits);
        count += (uint32_t)__builtin_popcount(bits);
        if (tally != NULL)
            u8x16_store(tally + i, u8x16_load(tally + i) - found);
    }
    for (; i < n; i++) {
        count += pixels[i] != 0;
        if (tally != NULL) tally[i] = (uint8_t)(tally[i] + (pixels[i] != 0));
    }
    return count;
}

/* Non-zero elements of one sample. */
static uint32_t count_floats(const float *x, size_t n) {
    i32x4 counts = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) counts -= f32x4_load(x + i) != f32x4_zero();
    int32_t count = (counts[0] + counts[1]) + (counts[2] + counts[3]);
    for (; i < n; i++) count += x[i] != 0;
    return (uint32_t)count;
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

/* Where the inputs are counted: two places up, see open_inputs. */
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

/* Sample n has that many elements. */
static void close_sample(SparseCopy *copy, int n, uint32_t count) {
    copy->n_entries += count;
    copy->by_sample.start[n + 1] = (uint32_t)copy->n_entries;
}

/* First pass: where everything goes. */
static void count_all(const Source *source, SparseCopy *copy) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const int n_samples = source->batch->n_samples;
    const bool both = source->lists == SPARSE_BOTH;
    open_copy(copy, n_inputs, source->lists);
    for (int n = 0; n < n_samples; n++) {
        if (source->pixels == NULL) {
            const float *const row = source->rows + (size_t)n * source->stride;
            close_sample(copy, n, count_floats(row, n_inputs));
            if (both) count_inputs(row, n_inputs, input_counts(copy));
            continue;
        }
        close_sample(copy, n,
                     mark_bytes(source->pixels[n], n_inputs,
                                masks_of(source->batch, copy, n),
                                both ? copy->tally : NULL));
        if (!both) continue;
        if ((n + 1) % TALLY_MAX == 0 || n + 1 == n_samples)
            flush_tally(copy, n_inputs);
    }
}

static bool is_sparse(const SparseBatch *batch, const SparseCopy *copy) {
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (double)copy->n_entries <= elements * (double)batch->max_density;
}

/* ==== Writing =========================================================== */

/* Where the next element of a list goes. */
typedef struct Place {
    uint16_t *index;
    float *value;
} Place;

/* Four elements from input i on. All four are written, the non-zero ones in
 * front; returns where the next one goes: no branch to mispredict. */
SIMD_INLINE Place write_four(Place to, size_t i, f32x4 value) {
    const uint32_t mask = i32x4_bits(value != f32x4_zero());
    const int count = __builtin_popcount(mask);
    u16x4_store_lanes(to.index, (uint32_t)i, mask);
    f32x4_store(to.value, f32x4_compact(value, mask));
    return (Place){to.index + count, to.value + count};
}

static Place write_one(Place to, size_t i, float value) {
    if (value == 0) return to;
    *to.index = (uint16_t)i;
    *to.value = value;
    return (Place){to.index + 1, to.value + 1};
}

/* Bit g: is masks[g] not zero? 64 of them. */
SIMD_INLINE uint64_t used_masks(const uint8_t *masks) {
    uint64_t used = 0;
    for (int g = 0; g < 64; g += 16)
        used |= (uint64_t)u8x16_bits(u8x16_load(masks + g)) << g;
    return used;
}

/* Eight bytes from input i on, in the same way. */
SIMD_INLINE Place write_eight(Place to, size_t i, const uint8_t *pixels,
                              uint32_t mask, const uint8_t *orders,
                              f32x4 factor) {
    const uint8_t *const order = orders + 8 * mask;
    const int count = __builtin_popcount(mask);
    f32x4 value[2];
    f32x4_pick_bytes(pixels + i, order, value);
    u16x8_store_sum(to.index, (uint32_t)i, order);
    f32x4_store(to.value, value[0] * factor);
    f32x4_store(to.value + 4, value[1] * factor);
    return (Place){to.index + count, to.value + count};
}

/* The non-zero bytes of sample n: from one used mask to the next. */
static void write_bytes(const Source *source, const SparseCopy *copy, int n,
                        Place to) {
    const uint8_t *const pixels = source->pixels[n];
    const uint8_t *const masks = masks_of(source->batch, copy, n);
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const size_t whole = n_inputs / 16 * 16;
    const f32x4 factor = f32x4_splat(source->scale);
    for (size_t first = 0; first < whole / 8; first += 64)
        for (uint64_t used = used_masks(masks + first); used != 0;
             used &= used - 1) {
            const size_t at = first + (size_t)__builtin_ctzll(used);
            to = write_eight(to, 8 * at, pixels, masks[at],
                             source->batch->orders, factor);
        }
    for (size_t i = whole; i < n_inputs; i++)
        to = write_one(to, i, (float)pixels[i] * source->scale);
}

/* The same for floats. */
static void write_floats(Place to, const float *x, size_t n_inputs) {
    size_t i = 0;
    for (; i + 4 <= n_inputs; i += 4) to = write_four(to, i, f32x4_load(x + i));
    for (; i < n_inputs; i++) to = write_one(to, i, x[i]);
}

/* Make start[i+1] the place where input i begins; placing moves it to where
 * input i ends. */
static void open_inputs(uint32_t *start, int n_inputs) {
    for (int i = 2; i <= n_inputs; i++) start[i] += start[i - 1];
}

/* Distribute the elements of sample n over the inputs. */
static void place_by_input(SparseCopy *copy, int n) {
    const SparseList *const from = &copy->by_sample, *const to =
                                                         &copy->by_input;
    uint32_t *const start = to->start;
    const uint32_t end = from->start[n + 1];
    for (uint32_t e = from->start[n]; e < end; e++) {
        const uint32_t at = start[from->index[e] + 1]++;
        to->index[at] = (uint16_t)n;
        to->value[at] = from->value[e];
    }
}

/* Second pass: each sample goes into by_sample, and while it is in the cache
 * into by_input. */
static void write_all(const Source *source, SparseCopy *copy) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const int n_samples = source->batch->n_samples;
    const bool both = source->lists == SPARSE_BOTH;
    if (both) open_inputs(copy->by_input.start, source->batch->n_inputs);
    for (int n = 0; n < n_samples; n++) {
        const uint32_t at = copy->by_sample.start[n];
        const Place to = {copy->by_sample.index + at,
                          copy->by_sample.value + at};
        if (source->pixels != NULL)
            write_bytes(source, copy, n, to);
        else
            write_floats(to, source->rows + (size_t)n * source->stride,
                         n_inputs);
        if (both) place_by_input(copy, n);
    }
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
