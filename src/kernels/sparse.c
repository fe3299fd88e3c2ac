/* Building the lists; the products are in sparse_product.c.
 *
 * Method. Each thread takes a part of the samples. It counts first: the
 * non-zero elements of each sample and of each input, so that everything has
 * its place before anything is written, and without a branch that depends on
 * the data. Then it writes its samples into by_sample, which has a region for
 * every part. When all parts are there, each thread adds up their counts and
 * distributes all samples, in order, into a by_input of its own.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Samples that the bytes of `tally` can count. */
enum { TALLY_MAX = 255 };

/* Bits that one mask holds, and masks that are looked at together. */
enum { MASK_BITS = 8, MASKS_AT_ONCE = 64 };

/* Fewer samples than this are listed by the caller alone. */
enum { THREADS_FROM = 16 };

/* Inputs of a block, more or less: of their rows in a panel, 128 bytes each,
 * those that a batch of digits uses take a first-level cache of 32 KB. */
enum { BLOCK_INPUTS = 340 };

/* Elements are written eight at a time: so many may follow the last one. */
enum { OVERRUN = 8 };

/* Room for the masks of one sample. */
static size_t masks_per_sample(const SparseBatch *batch) {
    return size_round_up((size_t)batch->n_inputs, 2 * MASK_BITS) / MASK_BITS;
}

static uint8_t *masks_of(const SparseBatch *batch, int n) {
    return batch->masks + (size_t)n * masks_per_sample(batch);
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

/* How many elements `n_samples` samples may have. */
static size_t room_for(const SparseBatch *batch, int n_samples) {
    const double elements = (double)n_samples * batch->n_inputs;
    return (size_t)(elements * (double)batch->max_density);
}

/* Places for a list's elements, with an overrun for each part. */
static void bind_elements(SparseList *list, Arena *arena,
                          const SparseBatch *batch) {
    const size_t capacity = room_for(batch, batch->max_samples) +
                            (size_t)batch->max_threads * OVERRUN;
    list->index = arena_alloc(arena, capacity, sizeof(uint16_t));
    list->value = arena_floats(arena, capacity);
}

/* by_input's starts and ends are neighbours in one array: an input ends where
 * the next one starts. */
static void bind_by_input(SparseBatch *batch, Arena *arena, int thread) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    SparsePart *const part = &batch->part[thread];
    SparseList *const list = &batch->by_input[thread];
    part->counts = arena_alloc(arena, n_inputs, sizeof(uint32_t));
    part->tally = arena_alloc(arena, n_inputs, sizeof(uint8_t));
    list->start = arena_alloc(arena, n_inputs + 1, sizeof(uint32_t));
    if (list->start != NULL) list->end = list->start + 1;
    bind_elements(list, arena, batch);
}

/* As even blocks as can be, of whole masks. */
static void cut_blocks(SparseBatch *batch) {
    const int n_inputs = batch->n_inputs;
    const int n_blocks =
        int_max((n_inputs + BLOCK_INPUTS / 2) / BLOCK_INPUTS, 1);
    const int each = (n_inputs + n_blocks - 1) / n_blocks;
    batch->block_inputs = (int)size_round_up((size_t)each, 2 * MASK_BITS);
    batch->n_blocks =
        (n_inputs + batch->block_inputs - 1) / batch->block_inputs;
}

/* Where block b ends. */
static size_t block_end(const SparseBatch *batch, int b) {
    return (size_t)int_min((b + 1) * batch->block_inputs, batch->n_inputs);
}

void sparse_batch_bind(SparseBatch *batch, Arena *arena, int max_samples,
                       int n_inputs, float max_density, SparseLists lists,
                       int max_threads) {
    assert(max_samples >= 1 && max_samples <= SPARSE_INDEX_MAX);
    assert(n_inputs >= 1 && n_inputs <= SPARSE_INDEX_MAX);
    assert(max_density > 0 && max_density <= 1);
    assert(max_threads >= 1 && max_threads <= POOL_THREADS_MAX);
    *batch = (SparseBatch){.max_samples = max_samples,
                           .n_inputs = n_inputs,
                           .max_threads = max_threads,
                           .max_density = max_density};
    const size_t samples = (size_t)max_samples;
    cut_blocks(batch);
    const size_t rows = samples * (size_t)batch->n_blocks;
    batch->orders = arena_alloc(arena, 256, MASK_BITS);
    if (batch->orders != NULL) fill_orders(batch->orders);
    batch->masks = arena_alloc(
        arena, samples * masks_per_sample(batch) + MASKS_AT_ONCE, 1);
    batch->by_sample.start = arena_alloc(arena, rows, sizeof(uint32_t));
    batch->by_sample.end = arena_alloc(arena, rows, sizeof(uint32_t));
    bind_elements(&batch->by_sample, arena, batch);
    for (int i = 0; i < max_threads && lists == SPARSE_BOTH; i++)
        bind_by_input(batch, arena, i);
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

/* What is listed, and how. */
typedef struct Source {
    SparseBatch *batch;
    SparseLists lists;
    const uint8_t *const *pixels; /* bytes, or NULL */
    float scale;
    const float *rows; /* floats */
    size_t stride;
} Source;

static const float *row_of(const Source *source, int n) {
    return source->rows + (size_t)n * source->stride;
}

/* counts[i] += tally[i], and tally starts again. */
static void flush_tally(const SparsePart *part, size_t n_inputs) {
    for (size_t i = 0; i < n_inputs; i++) part->counts[i] += part->tally[i];
    memset(part->tally, 0, n_inputs);
}

/* Read a byte of every cache line. Images lie at random places, far from any
 * cache: a loop that does nothing else has many of them on their way at once,
 * and the counting that follows has not. */
static void fetch_images(const Source *source, const SparsePart *part) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    for (int n = part->first; n < part->end; n++) {
        const volatile uint8_t *const pixels = source->pixels[n];
        for (size_t i = 0; i < n_inputs; i += CACHE_LINE) (void)pixels[i];
    }
}

/* Count sample n, and by input as well if both lists are wanted. */
static uint32_t count_sample(const Source *source, SparsePart *part, int n) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    const bool both = source->lists == SPARSE_BOTH;
    if (source->pixels == NULL) {
        if (both) count_inputs(row_of(source, n), n_inputs, part->counts);
        return count_floats(row_of(source, n), n_inputs);
    }
    const uint32_t count =
        mark_bytes(source->pixels[n], n_inputs, masks_of(source->batch, n),
                   both ? part->tally : NULL);
    const bool full = (n - part->first + 1) % TALLY_MAX == 0;
    if (both && (full || n + 1 == part->end)) flush_tally(part, n_inputs);
    return count;
}

/* Where everything of a part goes; in by_sample, from `at` on. */
static void count_part(const Source *source, SparsePart *part, size_t at) {
    const SparseList *const list = &source->batch->by_sample;
    if (source->lists == SPARSE_BOTH)
        memset(part->counts, 0,
               (size_t)source->batch->n_inputs * sizeof(uint32_t));
    part->n_entries = 0;
    for (int n = part->first; n < part->end; n++) {
        list->start[n] = (uint32_t)(at + part->n_entries);
        part->n_entries += count_sample(source, part, n);
    }
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

/* Bit g: is masks[g] not zero? Of the first `count`, at most 64. */
SIMD_INLINE uint64_t used_masks(const uint8_t *masks, size_t count) {
    uint64_t used = 0;
    for (int g = 0; g < 64; g += 16)
        used |= (uint64_t)u8x16_bits(u8x16_load(masks + g)) << g;
    return count < 64 ? used & (((uint64_t)1 << count) - 1) : used;
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

/* The non-zero ones of bytes i .. end-1: from one used mask to the next. */
static Place write_bytes(const Source *source, int n, size_t i, size_t end,
                         Place to) {
    const uint8_t *const pixels = source->pixels[n];
    const uint8_t *const masks = masks_of(source->batch, n);
    const uint8_t *const orders = source->batch->orders;
    const f32x4 factor = f32x4_splat(source->scale);
    const size_t n_masks = end / 16 * 2;
    for (size_t first = i / 8; first < n_masks; first += MASKS_AT_ONCE)
        for (uint64_t used = used_masks(masks + first, n_masks - first);
             used != 0; used &= used - 1) {
            const size_t at = first + (size_t)__builtin_ctzll(used);
            to = write_eight(to, 8 * at, pixels, masks[at], orders, factor);
        }
    for (i = end / 16 * 16; i < end; i++)
        to = write_one(to, i, (float)pixels[i] * source->scale);
    return to;
}

/* The same for floats. */
static Place write_floats(const float *x, size_t i, size_t end, Place to) {
    for (; i + 4 <= end; i += 4) to = write_four(to, i, f32x4_load(x + i));
    for (; i < end; i++) to = write_one(to, i, x[i]);
    return to;
}

/* Block by block, one after the other. */
static void write_sample(const Source *source, int n) {
    const SparseBatch *const batch = source->batch;
    const SparseList *const list = &batch->by_sample;
    Place to = {list->index + list->start[n], list->value + list->start[n]};
    for (int b = 0; b < batch->n_blocks; b++) {
        const size_t i = (size_t)b * (size_t)batch->block_inputs;
        const size_t row = (size_t)b * (size_t)batch->n_samples + (size_t)n;
        list->start[row] = (uint32_t)(to.index - list->index);
        to = source->pixels != NULL
                 ? write_bytes(source, n, i, block_end(batch, b), to)
                 : write_floats(row_of(source, n), i, block_end(batch, b), to);
        list->end[row] = (uint32_t)(to.index - list->index);
    }
}

/* Everything that one thread does for its own samples. */
static void list_part(void *context, int task) {
    const Source *const source = context;
    const SparseBatch *const batch = source->batch;
    SparsePart *const part = &source->batch->part[task];
    if (source->pixels != NULL) fetch_images(source, part);
    count_part(source, part,
               room_for(batch, part->first) + (size_t)task * OVERRUN);
    part->fits = part->n_entries <= room_for(batch, part->end - part->first);
    for (int n = part->first; n < part->end && part->fits; n++)
        write_sample(source, n);
}

/* ==== by_input ========================================================== */

/* end[i] = the place where input i begins; placing moves it to where it ends.
 */
static void open_inputs(const SparseBatch *batch, const SparseList *list) {
    uint32_t sum = 0;
    list->start[0] = 0;
    for (int i = 0; i < batch->n_inputs; i++) {
        list->end[i] = sum;
        for (int p = 0; p < batch->n_parts; p++)
            sum += batch->part[p].counts[i];
    }
}

/* Distribute the elements of all samples over the inputs. */
static void list_by_input(void *context, int task) {
    const SparseBatch *const batch = context;
    const SparseList from = batch->by_sample, to = batch->by_input[task];
    const uint32_t *const ends =
        from.end + (batch->n_blocks - 1) * batch->n_samples;
    open_inputs(batch, &to);
    for (int n = 0; n < batch->n_samples; n++) {
        const uint32_t end = ends[n];
        for (uint32_t e = from.start[n]; e < end; e++) {
            const uint32_t at = to.end[from.index[e]]++;
            to.index[at] = (uint16_t)n;
            to.value[at] = from.value[e];
        }
    }
}

/* ==== Both ============================================================== */

/* How many threads work on the batch. */
static int threads_for(const SparseBatch *batch, const Pool *pool) {
    if (pool == NULL || batch->n_samples < THREADS_FROM) return 1;
    const int n_threads = pool_threads(pool);
    return n_threads <= batch->max_threads ? n_threads : 1;
}

static void run(Pool *pool, int n_tasks, PoolTask *task, void *context) {
    if (n_tasks == 1)
        task(context, 0);
    else
        pool_run(pool, n_tasks, task, context);
}

static void cut_parts(SparseBatch *batch, int n_parts) {
    batch->n_parts = n_parts;
    for (int p = 0; p < n_parts; p++) {
        batch->part[p].first = batch->n_samples * p / n_parts;
        batch->part[p].end = batch->n_samples * (p + 1) / n_parts;
    }
}

/* What the parts found together; false if one of them did not fit. */
static bool add_parts(SparseBatch *batch) {
    bool fits = true;
    batch->n_entries = 0;
    for (int p = 0; p < batch->n_parts; p++) {
        fits = fits && batch->part[p].fits;
        batch->n_entries += batch->part[p].n_entries;
    }
    return fits;
}

static bool list(Pool *pool, Source *source, int n_samples) {
    SparseBatch *const batch = source->batch;
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    batch->n_samples = n_samples;
    const int n_threads = threads_for(batch, pool);
    cut_parts(batch, n_threads);
    run(pool, n_threads, list_part, source);
    const bool fits = add_parts(batch);
    if (!fits || source->lists != SPARSE_BOTH) return fits;
    assert(batch->by_input[0].start != NULL);
    batch->n_copies = n_threads;
    run(pool, n_threads, list_by_input, batch);
    return true;
}

bool sparse_from_bytes(Pool *pool, SparseBatch *batch, SparseLists lists,
                       const uint8_t *const *pixels, int n_samples,
                       float scale) {
    Source source = {
        .batch = batch, .lists = lists, .pixels = pixels, .scale = scale};
    return list(pool, &source, n_samples);
}

bool sparse_from_floats(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples) {
    Source source = {
        .batch = batch, .lists = lists, .rows = rows, .stride = stride};
    return list(pool, &source, n_samples);
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
