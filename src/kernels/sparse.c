/* Making the lists, from floats; from images, see sparse_images.c, and for the
 * products sparse_product.c.
 *
 * Method. Each thread takes a part of the samples. It counts first: the
 * non-zero elements of each sample and of each input, so that everything has
 * its place before anything is written, and without a branch that depends on
 * the data. Then it writes its samples into by_sample, which has a region for
 * every part. When all parts are there, each thread adds up their counts and
 * distributes all samples, in order, into a by_input of its own.
 */
#include "kernels/sparse.h"

#include <string.h>

#include "kernels/sparse_rows.h"

/* Fewer samples than this are listed by the caller alone. */
enum { THREADS_FROM = 16 };

/* Inputs of a block, more or less: of their rows in a panel, 128 bytes each,
 * those that a batch of digits uses take a first-level cache of 32 KB. */
enum { BLOCK_INPUTS = 340 };

/* ==== Memory ============================================================ */

size_t sparse_room(const SparseBatch *batch, int n_samples) {
    const double elements = (double)n_samples * batch->n_inputs;
    return (size_t)(elements * (double)batch->max_density);
}

/* An overrun for each part. */
size_t sparse_capacity(const SparseBatch *batch) {
    return sparse_room(batch, batch->max_samples) +
           (size_t)batch->max_threads * SPARSE_OVERRUN;
}

/* As even blocks as can be, of whole bands of an image or whole vectors. */
static void cut_blocks(SparseBatch *batch) {
    const int n_inputs = batch->n_inputs;
    const size_t unit = batch->from == SPARSE_FROM_IMAGES ? BAND_PIXELS : 4;
    const int n_blocks =
        int_max((n_inputs + BLOCK_INPUTS / 2) / BLOCK_INPUTS, 1);
    const int each = (n_inputs + n_blocks - 1) / n_blocks;
    batch->block_inputs = (int)size_round_up((size_t)each, unit);
    batch->n_blocks =
        (n_inputs + batch->block_inputs - 1) / batch->block_inputs;
}

static void bind_elements(SparseList *list, Arena *arena,
                          const SparseBatch *batch) {
    list->index = arena_alloc(arena, sparse_capacity(batch), sizeof(uint16_t));
    list->value = arena_floats(arena, sparse_capacity(batch));
}

static void bind_by_sample(SparseBatch *batch, Arena *arena, int thread) {
    const size_t rows = (size_t)batch->max_samples * (size_t)batch->n_blocks;
    SparseList *const list = &batch->by_sample[thread];
    list->start = arena_alloc(arena, rows, sizeof(uint32_t));
    list->end = arena_alloc(arena, rows, sizeof(uint32_t));
    bind_elements(list, arena, batch);
}

/* by_input's starts and ends are neighbours in one array: an input ends where
 * the next one starts. Those of images are with the ink. */
static void bind_by_input(SparseBatch *batch, Arena *arena, int thread) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    SparseList *const list = &batch->by_input[thread];
    bind_elements(list, arena, batch);
    if (batch->from == SPARSE_FROM_IMAGES) return;
    batch->part[thread].counts = arena_alloc(arena, n_inputs, sizeof(uint32_t));
    list->start = arena_alloc(arena, n_inputs + 1, sizeof(uint32_t));
    if (list->start != NULL) list->end = list->start + 1;
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
    for (int i = 0; i < max_threads; i++) {
        if (i == 0 || from == SPARSE_FROM_IMAGES)
            bind_by_sample(batch, arena, i);
        if (lists == SPARSE_BOTH) bind_by_input(batch, arena, i);
    }
    if (from == SPARSE_FROM_IMAGES) sparse_bind_ink(batch, arena);
}

/* ==== Threads =========================================================== */

int sparse_threads(const SparseBatch *batch, const Pool *pool) {
    if (pool == NULL || batch->n_samples < THREADS_FROM) return 1;
    const int n_threads = pool_threads(pool);
    return n_threads <= batch->max_threads ? n_threads : 1;
}

void sparse_run(Pool *pool, int n_tasks, PoolTask *task, void *context) {
    if (n_tasks == 1)
        task(context, 0);
    else
        pool_run(pool, n_tasks, task, context);
}

/* ==== Counting ========================================================== */

/* What is listed, and how. */
typedef struct Source {
    SparseBatch *batch;
    SparseLists lists;
    const float *rows;
    size_t stride;
} Source;

static const float *row_of(const Source *source, int n) {
    return source->rows + (size_t)n * source->stride;
}

/* Count sample n, and by input as well if both lists are wanted. */
static uint32_t count_sample(const Source *source, SparsePart *part, int n) {
    const size_t n_inputs = (size_t)source->batch->n_inputs;
    if (source->lists == SPARSE_BOTH)
        sparse_count_inputs(row_of(source, n), n_inputs, part->counts);
    return sparse_count_floats(row_of(source, n), n_inputs);
}

/* Where everything of a part goes; in by_sample, from `at` on. */
static void count_part(const Source *source, SparsePart *part, size_t at) {
    const SparseList *const list = &source->batch->by_sample[0];
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
    const SparseList *const list = &batch->by_sample[0];
    const size_t at = list->start[n];
    SparsePlace to = {list->index + at, list->value + at};
    for (int b = 0; b < batch->n_blocks; b++) {
        const int begin = b * batch->block_inputs;
        const int end = int_min(begin + batch->block_inputs, batch->n_inputs);
        const int row = b * batch->n_samples + n;
        list->start[row] = (uint32_t)(to.index - list->index);
        to = sparse_write_floats(row_of(source, n), (size_t)begin, (size_t)end,
                                 to);
        list->end[row] = (uint32_t)(to.index - list->index);
    }
}

/* The first place of part p. */
static size_t begin_of_part(const SparseBatch *batch, int p) {
    return sparse_room(batch, batch->part[p].first) +
           (size_t)p * SPARSE_OVERRUN;
}

/* Everything that one thread does for its own samples. */
static void list_part(void *context, int task) {
    const Source *const source = context;
    const SparseBatch *const batch = source->batch;
    SparsePart *const part = &source->batch->part[task];
    count_part(source, part, begin_of_part(batch, task));
    part->fits = part->n_entries <= sparse_room(batch, part->end - part->first);
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
    const Source *const source = context;
    const SparseBatch *const batch = source->batch;
    const SparseList from = batch->by_sample[0], to = batch->by_input[task];
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

bool sparse_from_floats(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const float *rows, size_t stride, int n_samples) {
    Source source = {
        .batch = batch, .lists = lists, .rows = rows, .stride = stride};
    assert(batch->from == SPARSE_FROM_FLOATS);
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    assert(lists == SPARSE_BY_SAMPLE || batch->lists == SPARSE_BOTH);
    batch->n_samples = n_samples;
    batch->n_groups = 1;
    batch->n_by_sample = 1;
    batch->n_by_input = 0;
    const int n_threads = sparse_threads(batch, pool);
    cut_parts(batch, n_threads);
    sparse_run(pool, n_threads, list_part, &source);
    const bool fits = add_parts(batch);
    if (fits && lists == SPARSE_BOTH) {
        batch->n_by_input = n_threads;
        sparse_run(pool, n_threads, list_by_input, &source);
    }
    return fits;
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
