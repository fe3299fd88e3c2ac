/* Method. Both products walk a list with up to eight accumulators, 32 columns
 * of the result, in registers:
 *
 *     acc = start;  for each entry (index, value):  acc += value · row[index]
 *
 * Panels of 32 columns keep the part of the dense matrix that a list touches
 * small enough for the nearest caches.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Columns of the widest panel, rows of dW handed to `finish` at a time, and
 * tasks per thread. */
enum { PANEL = 32, PANEL_VECTORS = 8, FINISH_ROWS = 16, TASKS_PER_THREAD = 4 };

/* Fewer multiply-adds than this stay on the caller. */
static const int64_t THREADS_FROM = 200000;

/* ---- building the lists ------------------------------------------------- */

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
    /* A scan may run over by one sample, and writes one past its last. */
    batch->by_sample.entries = arena_alloc(
        arena, batch->capacity + (size_t)n_inputs + 1, sizeof(SparseEntry));
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

/* ---- one row of the result ---------------------------------------------- */

/* A row of the result is a list times a dense matrix of `stride` floats a row:
 * out = start + Σ value · matrix[index], start NULL for zero. */
typedef struct Chain {
    const SparseEntry *entries, *end;
    const float *matrix;
    size_t stride;
    const float *start;
    float *out;
} Chain;

/* 4·nv columns from `column`, all accumulators in registers. */
SIMD_INLINE void run_panel(const Chain *chain, size_t column, int nv) {
    f32x4 acc[PANEL_VECTORS];
    for (int v = 0; v < nv; v++)
        acc[v] = chain->start != NULL
                     ? f32x4_load(chain->start + column + 4 * v)
                     : f32x4_zero();
    const float *const matrix = chain->matrix + column;
    for (const SparseEntry *e = chain->entries; e < chain->end; e++) {
        const float *const row = matrix + e->index * chain->stride;
        const f32x4 value = f32x4_load_splat(&e->value);
        for (int v = 0; v < nv; v++)
            acc[v] = f32x4_madd(value, f32x4_load(row + 4 * v), acc[v]);
    }
    for (int v = 0; v < nv; v++)
        f32x4_store(chain->out + column + 4 * v, acc[v]);
}

/* A whole vector, or only the `count` floats that exist. */
SIMD_INLINE f32x4 load_end(const float *p, bool whole, size_t count) {
    return whole ? f32x4_load(p) : f32x4_load_part(p, count);
}

/* The last 1 to 3 columns. They are the end of a vector that begins among the
 * columns before them where there are any: its other lanes are not stored. */
static void run_tail(const Chain *chain, size_t column, size_t count) {
    const bool whole = column >= 4;
    const size_t back = whole ? 4 - count : 0;
    const size_t first = column - back;
    const float *const matrix = chain->matrix + first;
    float lane[4];
    f32x4 acc = f32x4_zero();
    if (chain->start != NULL)
        acc = load_end(chain->start + first, whole, count);
    for (const SparseEntry *e = chain->entries; e < chain->end; e++) {
        const float *const row = matrix + e->index * chain->stride;
        acc = f32x4_madd(f32x4_load_splat(&e->value),
                         load_end(row, whole, count), acc);
    }
    f32x4_store(lane, acc);
    memcpy(chain->out + column, lane + back, count * sizeof(float));
}

/* Columns column .. column+n-1, n at most PANEL. */
static void run_columns(const Chain *chain, size_t column, size_t n) {
    if (n == PANEL) {
        run_panel(chain, column, PANEL_VECTORS);
        return;
    }
    const size_t end = column + n;
    if (n & 16) run_panel(chain, column, 4), column += 16;
    if (n & 8) run_panel(chain, column, 2), column += 8;
    if (n & 4) run_panel(chain, column, 1), column += 4;
    if (column < end) run_tail(chain, column, end - column);
}

/* The chain of row `row` of `list`. */
static Chain chain_of(const SparseList *list, size_t row) {
    return (Chain){.entries = list->entries + list->start[row],
                   .end = list->entries + list->start[row + 1]};
}

/* ---- the products ------------------------------------------------------- */

/* How many tasks, given the work. */
static int count_tasks(const Pool *pool, const SparseBatch *batch,
                       int n_outputs) {
    const bool alone = pool == NULL || pool_threads(pool) == 1 ||
                       (int64_t)batch->n_entries * n_outputs < THREADS_FROM;
    return alone ? 1 : pool_threads(pool) * TASKS_PER_THREAD;
}

/* Both products; which one decides what the members mean. */
typedef struct SparseJob {
    const SparseBatch *batch;
    int n_outputs;
    const float *matrix; /* W or dy */
    const float *bias;   /* forward */
    float *out;          /* y or dW */
    bool accumulate;     /* gradient */
    SparseFinish *finish;
    void *context;
    int rows_per_task;
} SparseJob;

static void run_job(Pool *pool, SparseJob *job, int n_rows, int n_tasks,
                    int unit, PoolTask *task) {
    const int units = (n_rows + unit - 1) / unit;
    job->rows_per_task = (units + n_tasks - 1) / n_tasks * unit;
    if (n_rows == 0) return;
    const int count = (n_rows + job->rows_per_task - 1) / job->rows_per_task;
    if (count == 1)
        task(job, 0);
    else
        pool_run(pool, count, task, job);
}

/* Some samples: panel after panel, so that a panel of W serves them all. */
static void forward_task(void *context, int task) {
    const SparseJob *const job = context;
    const size_t n_outputs = (size_t)job->n_outputs;
    const int first = task * job->rows_per_task;
    const int end = int_min(first + job->rows_per_task, job->batch->n_samples);
    for (size_t column = 0; column < n_outputs; column += PANEL)
        for (int n = first; n < end; n++) {
            Chain chain = chain_of(&job->batch->by_sample, (size_t)n);
            chain.matrix = job->matrix;
            chain.stride = n_outputs;
            chain.start = job->bias;
            chain.out = job->out + (size_t)n * n_outputs;
            run_columns(&chain, column, size_min(PANEL, n_outputs - column));
        }
}

void sparse_forward(Pool *pool, const SparseBatch *batch, int n_outputs,
                    const float *w, const float *bias, float *y) {
    assert(n_outputs >= 1);
    SparseJob job = {.batch = batch,
                     .n_outputs = n_outputs,
                     .matrix = w,
                     .bias = bias,
                     .out = y};
    run_job(pool, &job, batch->n_samples, count_tasks(pool, batch, n_outputs),
            1, forward_task);
}

/* Rows first .. end-1 of dW, complete. */
static void gradient_rows(const SparseJob *job, int first, int end) {
    const size_t n_outputs = (size_t)job->n_outputs;
    for (int i = first; i < end; i++) {
        Chain chain = chain_of(&job->batch->by_input, (size_t)i);
        chain.matrix = job->matrix;
        chain.stride = n_outputs;
        chain.out = job->out + (size_t)i * n_outputs;
        chain.start = job->accumulate ? chain.out : NULL;
        for (size_t column = 0; column < n_outputs; column += PANEL)
            run_columns(&chain, column, size_min(PANEL, n_outputs - column));
    }
    if (job->finish != NULL) job->finish(job->context, first, end - first);
}

/* Some inputs, a block at a time. */
static void gradient_task(void *context, int task) {
    const SparseJob *const job = context;
    const int first = task * job->rows_per_task;
    const int end = int_min(first + job->rows_per_task, job->batch->n_inputs);
    for (int i = first; i < end; i += FINISH_ROWS)
        gradient_rows(job, i, int_min(i + FINISH_ROWS, end));
}

void sparse_weight_gradient(Pool *pool, const SparseBatch *batch, int n_outputs,
                            const float *dy, float *dw, bool accumulate,
                            SparseFinish *finish, void *context) {
    assert(n_outputs >= 1);
    SparseJob job = {.batch = batch,
                     .n_outputs = n_outputs,
                     .matrix = dy,
                     .out = dw,
                     .accumulate = accumulate,
                     .finish = finish,
                     .context = context};
    run_job(pool, &job, batch->n_inputs, count_tasks(pool, batch, n_outputs),
            FINISH_ROWS, gradient_task);
}
