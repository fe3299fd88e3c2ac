/* Making the lists, from floats; from images, see sparse_images.c, and for the
 * products sparse_product.c.
 *
 * Method. Every sample and every input has room for as many elements as it can
 * have, so nothing need be counted before it is written, and what is written
 * never depends on a branch that the data decide. Each thread writes a share
 * of the samples into by_sample, and all of a by_input of its own.
 */
#include "kernels/sparse.h"

#include "kernels/sparse_rows.h"

/* Fewer samples than this are listed by the caller alone. */
enum { THREADS_FROM = 16 };

/* Samples that tell how many zeros to expect. One rule for any number of
 * threads: of a plain step lists and dense product give other bits. */
enum { LOOKED_AT = 16 };

/* Inputs of a block, more or less: of their rows in a panel, 128 bytes each,
 * those that a batch of digits uses take a first-level cache of 32 KB. */
enum { BLOCK_INPUTS = 340 };

/* ==== Memory ============================================================ */

size_t sparse_room(const SparseBatch *batch, int n_samples) {
    const double elements = (double)n_samples * batch->n_inputs;
    return (size_t)(elements * (double)batch->max_density);
}

/* Of images an overrun for each thread; of floats one for each row, in both
 * lists. */
size_t sparse_capacity(const SparseBatch *batch) {
    if (batch->from == SPARSE_FROM_IMAGES)
        return sparse_room(batch, batch->max_samples) +
               (size_t)batch->max_threads * SPARSE_OVERRUN;
    return ((size_t)batch->max_samples + SPARSE_OVERRUN) *
           ((size_t)batch->n_inputs + SPARSE_OVERRUN);
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

/* Starts and ends of images are with the ink. */
static void bind_by_input(SparseBatch *batch, Arena *arena, int thread) {
    const size_t n_inputs = (size_t)batch->n_inputs;
    SparseList *const list = &batch->by_input[thread];
    bind_elements(list, arena, batch);
    if (batch->from == SPARSE_FROM_IMAGES) return;
    list->start = arena_alloc(arena, n_inputs, sizeof(uint32_t));
    list->end = arena_alloc(arena, n_inputs, sizeof(uint32_t));
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

/* ==== Lists of floats =================================================== */

/* What is listed, and how. */
typedef struct Source {
    SparseBatch *batch;
    SparseLists lists;
    const float *rows;
    size_t stride;
    int n_tasks;
    size_t n_entries[POOL_THREADS_MAX]; /* found by each task */
} Source;

static const float *row_of(const Source *source, int n) {
    return source->rows + (size_t)n * source->stride;
}

/* Is so little of the first samples zero that lists are not worth it? */
static bool is_dense(const Source *source) {
    const SparseBatch *const batch = source->batch;
    const int n_looked_at = int_min(batch->n_samples, LOOKED_AT);
    size_t n_entries = 0;
    for (int n = 0; n < n_looked_at; n++)
        n_entries +=
            sparse_count_floats(row_of(source, n), (size_t)batch->n_inputs);
    return n_entries > sparse_room(batch, n_looked_at);
}

/* Block by block, one after the other. Returns how many elements there are. */
static size_t list_sample(const Source *source, int n) {
    const SparseBatch *const batch = source->batch;
    const SparseList *const list = &batch->by_sample[0];
    const size_t first = (size_t)n * ((size_t)batch->n_inputs + SPARSE_OVERRUN);
    SparsePlace to = {list->index + first, list->value + first};
    for (int b = 0; b < batch->n_blocks; b++) {
        const int begin = b * batch->block_inputs;
        const int end = int_min(begin + batch->block_inputs, batch->n_inputs);
        const int row = b * batch->n_samples + n;
        list->start[row] = (uint32_t)(to.index - list->index);
        to = sparse_write_floats(row_of(source, n), (size_t)begin, (size_t)end,
                                 to);
        list->end[row] = (uint32_t)(to.index - list->index);
    }
    return (size_t)(to.index - list->index) - first;
}

/* Everything that one thread does: the task's share of the samples, and all of
 * a by_input. */
static void list_task(void *context, int task) {
    Source *const source = context;
    const SparseBatch *const batch = source->batch;
    const int first = batch->n_samples * task / source->n_tasks;
    const int end = batch->n_samples * (task + 1) / source->n_tasks;
    size_t n_entries = 0;
    for (int n = first; n < end; n++) n_entries += list_sample(source, n);
    source->n_entries[task] = n_entries;
    if (source->lists == SPARSE_BOTH)
        sparse_list_columns(source->rows, source->stride, batch->n_samples,
                            batch->n_inputs, &batch->by_input[task]);
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
    batch->n_entries = 0;
    if (is_dense(&source)) return false;
    source.n_tasks = sparse_threads(batch, pool);
    batch->n_by_sample = 1;
    batch->n_by_input = lists == SPARSE_BOTH ? source.n_tasks : 0;
    sparse_run(pool, source.n_tasks, list_task, &source);
    for (int i = 0; i < source.n_tasks; i++)
        batch->n_entries += source.n_entries[i];
    return true;
}

float sparse_density(const SparseBatch *batch) {
    if (batch->n_samples == 0) return 0;
    const double elements = (double)batch->n_samples * batch->n_inputs;
    return (float)((double)batch->n_entries / elements);
}
