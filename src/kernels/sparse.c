/* Building the lists; the products are in sparse_product.c.
 *
 * Method. Each thread takes a part of the samples. It counts first: the
 * non-zero elements of each sample and of each input, so that everything has
 * its place before anything is written, and without a branch that depends on
 * the data. Then it writes its samples into by_sample, which has a region for
 * every part. When all parts are there, each thread adds up their counts and
 * distributes all samples, in order, into a by_input of its own. What was
 * listed as bytes it then turns into values, for itself as well.
 */
#include "kernels/sparse.h"

#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/sparse_rows.h"

/* Samples that the bytes of `tally` can count. */
enum { TALLY_MAX = 255 };

/* Fewer samples than this are listed by the caller alone. */
enum { THREADS_FROM = 16 };

/* Inputs of a block, more or less: of their rows in a panel, 128 bytes each,
 * those that a batch of digits uses take a first-level cache of 32 KB. */
enum { BLOCK_INPUTS = 340 };

/* Room for the masks of one sample. Behind the last one as many are read as are
 * looked at together, and the next sample's may be in the making. */
static size_t masks_per_sample(const SparseBatch *batch) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    return size_div_up(n_inputs, SPARSE_MASK_BITS) + SPARSE_MASKS_AT_ONCE;
}

static uint8_t *masks_of(const SparseBatch *batch, int n) {
    return batch->masks + (size_t)n * masks_per_sample(batch);
}

/* How many elements `n_samples` samples may have. */
static size_t room_for(const SparseBatch *batch, int n_samples) {
    const double elements = (double)n_samples * batch->n_inputs;
    return (size_t)(elements * (double)batch->max_density);
}

/* Places for a list's elements, with an overrun for each part. */
static size_t capacity_of(const SparseBatch *batch) {
    return room_for(batch, batch->max_samples) +
           (size_t)batch->max_threads * SPARSE_OVERRUN;
}

static void bind_elements(SparseList *list, Arena *arena,
                          const SparseBatch *batch) {
    list->index = arena_alloc(arena, capacity_of(batch), sizeof(uint16_t));
    if (batch->from == SPARSE_FROM_BYTES)
        list->byte = arena_alloc(arena, capacity_of(batch), sizeof(uint8_t));
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
    batch->block_inputs =
        (int)size_round_up((size_t)each, 2 * SPARSE_MASK_BITS);
    batch->n_blocks =
        (n_inputs + batch->block_inputs - 1) / batch->block_inputs;
}

/* Where block b ends. */
static size_t block_end(const SparseBatch *batch, int b) {
    return (size_t)int_min((b + 1) * batch->block_inputs, batch->n_inputs);
}

static void bind_by_sample(SparseBatch *batch, Arena *arena) {
    const size_t rows = (size_t)batch->max_samples * (size_t)batch->n_blocks;
    batch->by_sample.start = arena_alloc(arena, rows, sizeof(uint32_t));
    batch->by_sample.end = arena_alloc(arena, rows, sizeof(uint32_t));
    bind_elements(&batch->by_sample, arena, batch);
}

/* Floats are listed by_sample once, for all threads. */
static void bind_values(SparseBatch *batch, Arena *arena) {
    for (int i = 0; i < batch->max_threads; i++) {
        if (i == 0 || batch->from == SPARSE_FROM_BYTES)
            batch->sample_value[i] = arena_floats(arena, capacity_of(batch));
        if (batch->lists == SPARSE_BOTH)
            batch->input_value[i] = arena_floats(arena, capacity_of(batch));
    }
}

/* What only bytes need. */
static void bind_masks(SparseBatch *batch, Arena *arena) {
    batch->masks =
        arena_alloc(arena, (size_t)batch->max_samples, masks_per_sample(batch));
    batch->orders = arena_alloc(arena, 256, SPARSE_MASK_BITS);
    if (batch->orders != NULL) sparse_fill_orders(batch->orders);
}

static void bind_lists(SparseBatch *batch, Arena *arena) {
    bind_by_sample(batch, arena);
    if (batch->from == SPARSE_FROM_BYTES) bind_masks(batch, arena);
    for (int i = 0; i < batch->max_threads && batch->lists == SPARSE_BOTH; i++)
        bind_by_input(batch, arena, i);
}

void sparse_batch_bind(SparseBatch *batch, Arena *arena, SparseFrom from,
                       SparseLists lists, int max_samples, int n_inputs,
                       float max_density, int max_threads) {
    assert(max_samples >= 1 && max_samples <= SPARSE_INDEX_MAX);
    assert(n_inputs >= 1 && n_inputs <= SPARSE_INDEX_MAX);
    assert(max_density > 0 && max_density <= 1);
    assert(max_threads >= 1 && max_threads <= POOL_THREADS_MAX);
    *batch = (SparseBatch){.from = from,
                           .lists = lists,
                           .max_samples = max_samples,
                           .n_inputs = n_inputs,
                           .max_threads = max_threads,
                           .max_density = max_density};
    cut_blocks(batch);
    bind_lists(batch, arena);
    bind_values(batch, arena);
}

void sparse_batch_bind_twin(SparseBatch *twin, Arena *arena,
                            const SparseBatch *of) {
    *twin = *of;
    bind_lists(twin, arena);
}

/* ==== Counting ========================================================== */

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
        if (both)
            sparse_count_inputs(row_of(source, n), n_inputs, part->counts);
        return sparse_count_floats(row_of(source, n), n_inputs);
    }
    const uint32_t count = sparse_mark_bytes(source->pixels[n], n_inputs,
                                             masks_of(source->batch, n),
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

/* Block by block, one after the other. */
static void write_sample(const Source *source, int n) {
    const SparseBatch *const batch = source->batch;
    const SparseList *const list = &batch->by_sample;
    const size_t at = list->start[n];
    SparsePlace to = {list->index + at,
                      list->byte != NULL ? list->byte + at : NULL,
                      batch->sample_value[0] + at};
    for (int b = 0; b < batch->n_blocks; b++) {
        const size_t i = (size_t)b * (size_t)batch->block_inputs;
        const size_t row = (size_t)b * (size_t)batch->n_samples + (size_t)n;
        list->start[row] = (uint32_t)(to.index - list->index);
        to = source->pixels != NULL
                 ? sparse_write_bytes(source->pixels[n], masks_of(batch, n), i,
                                      block_end(batch, b), batch->orders, to)
                 : sparse_write_floats(row_of(source, n), i,
                                       block_end(batch, b), to);
        list->end[row] = (uint32_t)(to.index - list->index);
    }
}

/* The first place of part p. */
static size_t begin_of_part(const SparseBatch *batch, int p) {
    return room_for(batch, batch->part[p].first) + (size_t)p * SPARSE_OVERRUN;
}

/* Everything that one thread does for its own samples. */
static void list_part(void *context, int task) {
    const Source *const source = context;
    const SparseBatch *const batch = source->batch;
    SparsePart *const part = &source->batch->part[task];
    if (source->pixels != NULL) fetch_images(source, part);
    count_part(source, part, begin_of_part(batch, task));
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

/* Distribute the elements of all samples over the inputs, with bytes or with
 * values. */
static void distribute(const SparseBatch *batch, int copy, bool bytes) {
    const SparseList from = batch->by_sample, to = batch->by_input[copy];
    const float *const from_value = batch->sample_value[0];
    float *const to_value = batch->input_value[copy];
    const uint32_t *const ends =
        from.end + (batch->n_blocks - 1) * batch->n_samples;
    for (int n = 0; n < batch->n_samples; n++) {
        const uint32_t end = ends[n];
        for (uint32_t e = from.start[n]; e < end; e++) {
            const uint32_t at = to.end[from.index[e]]++;
            to.index[at] = (uint16_t)n;
            if (bytes)
                to.byte[at] = from.byte[e];
            else
                to_value[at] = from_value[e];
        }
    }
}

static void list_by_input(void *context, int task) {
    const Source *const source = context;
    const SparseBatch *const batch = source->batch;
    open_inputs(batch, &batch->by_input[task]);
    distribute(batch, task, source->pixels != NULL);
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
    assert(source->lists == SPARSE_BY_SAMPLE || batch->lists == SPARSE_BOTH);
    assert(source->pixels == NULL || batch->from == SPARSE_FROM_BYTES);
    batch->n_samples = n_samples;
    batch->scale = source->scale;
    batch->n_copies = 0;
    const int n_threads = threads_for(batch, pool);
    cut_parts(batch, n_threads);
    run(pool, n_threads, list_part, source);
    const bool fits = add_parts(batch);
    if (!fits || source->lists != SPARSE_BOTH) return fits;
    batch->n_copies = n_threads;
    run(pool, n_threads, list_by_input, source);
    return true;
}

/* The values of one thread: of by_sample part by part, because there are gaps
 * between the parts. */
static void spread_task(void *context, int task) {
    const SparseBatch *const batch = context;
    const SparseList *const list = &batch->by_sample;
    for (int p = 0; p < batch->n_parts; p++) {
        const SparsePart *const part = &batch->part[p];
        const size_t at = begin_of_part(batch, p);
        elementwise_from_bytes(part->n_entries, list->byte + at, batch->scale,
                               batch->sample_value[task] + at);
    }
    if (batch->n_copies == 0) return;
    const int copy = int_min(task, batch->n_copies - 1);
    elementwise_from_bytes(batch->n_entries, batch->by_input[copy].byte,
                           batch->scale, batch->input_value[task]);
}

void sparse_spread(Pool *pool, SparseBatch *batch) {
    const int n_threads = threads_for(batch, pool);
    batch->n_sample_values = batch->n_input_values = n_threads;
    run(pool, n_threads, spread_task, batch);
}

bool sparse_list_bytes(SparseBatch *batch, SparseLists lists,
                       const uint8_t *const *pixels, int n_samples,
                       float scale) {
    Source source = {
        .batch = batch, .lists = lists, .pixels = pixels, .scale = scale};
    return list(NULL, &source, n_samples);
}

bool sparse_from_bytes(Pool *pool, SparseBatch *batch, SparseLists lists,
                       const uint8_t *const *pixels, int n_samples,
                       float scale) {
    Source source = {
        .batch = batch, .lists = lists, .pixels = pixels, .scale = scale};
    const bool fits = list(pool, &source, n_samples);
    if (fits) sparse_spread(pool, batch);
    return fits;
}

bool sparse_from_floats(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples) {
    Source source = {
        .batch = batch, .lists = lists, .rows = rows, .stride = stride};
    const bool fits = list(pool, &source, n_samples);
    batch->n_sample_values = 1;
    batch->n_input_values = batch->n_copies;
    return fits;
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
