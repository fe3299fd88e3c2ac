/* The products over the lists of sparse.h.
 *
 * Method. Both walk a list with up to eight accumulators, 32 columns of the
 * result, in registers:
 *
 *     acc = start;  for each entry (index, value):  acc += value · row[index]
 *
 * The rows are those of a panel: 32 columns of the dense matrix, copied so that
 * they follow each other without gaps. Forward, a task copies the panels of W
 * that it needs, leaving out rows that no sample uses. For the gradient all
 * panels of dy, which is small, are copied beforehand.
 */
#include "kernels/sparse.h"

#include "kernels/simd.h"

/* Columns of the widest panel, and most rows of dW handed over at a time. */
enum { PANEL = 32, PANEL_VECTORS = 8, FINISH_ROWS = 16 };

/* Tasks per thread: few when each copies its panels, more when not. */
enum { FORWARD_TASKS = 2, GRADIENT_TASKS = 4 };

/* Fewer multiply-adds than this stay on the caller. */
static const int64_t THREADS_FROM = 200000;

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

/* acc += value · row, 4·nv columns. */
SIMD_INLINE void add_row(const float *row, const float *value, int nv,
                         f32x4 acc[PANEL_VECTORS]) {
    const f32x4 factor = f32x4_load_splat(value);
    for (int v = 0; v < nv; v++)
        acc[v] = f32x4_madd(factor, f32x4_load(row + 4 * v), acc[v]);
}

/* 4·nv columns from `column`, all accumulators in registers. Two entries at a
 * time: engines look for interruptions in every round of a loop, and a quarter
 * of the time goes into that with one. */
SIMD_INLINE void run_panel(const Chain *chain, size_t column, int nv) {
    f32x4 acc[PANEL_VECTORS];
    for (int v = 0; v < nv; v++)
        acc[v] = chain->start != NULL
                     ? f32x4_load(chain->start + column + 4 * v)
                     : f32x4_zero();
    const float *const matrix = chain->matrix + column;
    const SparseEntry *e = chain->entries;
    for (; e + 1 < chain->end; e += 2) {
        add_row(matrix + e[0].index * chain->stride, &e[0].value, nv, acc);
        add_row(matrix + e[1].index * chain->stride, &e[1].value, nv, acc);
    }
    if (e < chain->end)
        add_row(matrix + e->index * chain->stride, &e->value, nv, acc);
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

/* The chain for n columns, n at most PANEL. */
static void run_chain(const Chain *chain, size_t n) {
    size_t column = 0;
    if (n == PANEL) {
        run_panel(chain, column, PANEL_VECTORS);
        return;
    }
    if (n & 16) run_panel(chain, column, 4), column += 16;
    if (n & 8) run_panel(chain, column, 2), column += 8;
    if (n & 4) run_panel(chain, column, 1), column += 4;
    if (column < n) run_tail(chain, column, n - column);
}

/* ---- the work, cut into tasks ------------------------------------------- */

/* Both products; which one decides what the members mean. */
typedef struct SparseJob {
    const SparseBatch *batch;
    const SparseList *list; /* one row for each row of the result */
    int n_rows, n_outputs;
    const float *matrix; /* W or dy, or dy's panels */
    bool in_panels;      /* matrix is dy's panels */
    const float *bias;   /* forward */
    float *out;          /* y or dW */
    bool accumulate;     /* gradient */
    float *space; /* forward: room for one panel of W per task, or NULL */
    const SparseFinish *finish;
    int rows_per_task, columns_per_task;
} SparseJob;

/* Is it worth more than one thread? */
static bool is_shared(const Pool *pool, const SparseBatch *batch,
                      int n_outputs) {
    return pool != NULL && pool_threads(pool) > 1 &&
           (int64_t)batch->n_entries * n_outputs >= THREADS_FROM;
}

static void run_tasks(Pool *pool, int n_tasks, PoolTask *task, SparseJob *job) {
    if (n_tasks > 1)
        pool_run(pool, n_tasks, task, job);
    else if (n_tasks == 1)
        task(job, 0);
}

/* Copy `n` columns of one row; whole panels without a loop. */
SIMD_INLINE void copy_columns(const float *from, size_t n, float *to) {
    size_t i = 0;
    if (n == PANEL) {
        for (size_t v = 0; v < PANEL; v += 4)
            f32x4_store(to + v, f32x4_load(from + v));
        return;
    }
    for (; i + 4 <= n; i += 4) f32x4_store(to + i, f32x4_load(from + i));
    for (; i < n; i++) to[i] = from[i];
}

/* Rows first .. end-1 of the result, n columns from `column`, to `rows`:
 * `panel` is where these columns of the dense matrix are, `stride` floats from
 * row to row. */
static void run_rows(const SparseJob *job, int first, int end, float *rows,
                     size_t column, size_t n, const float *panel,
                     size_t stride) {
    const SparseList *const list = job->list;
    for (int r = first; r < end; r++) {
        float *const out =
            rows + (size_t)(r - first) * (size_t)job->n_outputs + column;
        const float *start = job->accumulate ? out : NULL;
        if (job->bias != NULL) start = job->bias + column;
        const Chain chain = {.entries = list->entries + list->start[r],
                             .end = list->entries + list->start[r + 1],
                             .matrix = panel,
                             .stride = stride,
                             .start = start,
                             .out = out};
        run_chain(&chain, n);
    }
}

static float *result_rows(const SparseJob *job, int first) {
    return job->out + (size_t)first * (size_t)job->n_outputs;
}

/* ---- forward ------------------------------------------------------------ */

/* The rows of W that some sample uses, n columns from `column`. */
static void pack_used_rows(const SparseJob *job, size_t column, size_t n,
                           float *panel) {
    const uint32_t *const start = job->batch->by_input.start;
    const float *const w = job->matrix + column;
    for (size_t i = 0; i < (size_t)job->batch->n_inputs; i++)
        if (start[i] < start[i + 1])
            copy_columns(w + i * (size_t)job->n_outputs, n, panel + i * n);
}

/* Some columns of some samples, panel after panel. */
static void forward_task(void *context, int task) {
    const SparseJob *const job = context;
    const int n_across =
        (job->n_outputs + job->columns_per_task - 1) / job->columns_per_task;
    const int first = task / n_across * job->rows_per_task;
    const int end = int_min(first + job->rows_per_task, job->n_rows);
    const int left = task % n_across * job->columns_per_task;
    const int right = int_min(left + job->columns_per_task, job->n_outputs);
    const size_t panel_floats = (size_t)job->batch->n_inputs * PANEL;
    float *const rows = result_rows(job, first);
    for (int column = left; column < right; column += PANEL) {
        const size_t n = (size_t)int_min(PANEL, right - column);
        if (job->space == NULL) {
            run_rows(job, first, end, rows, (size_t)column, n,
                     job->matrix + column, (size_t)job->n_outputs);
            continue;
        }
        float *const panel = job->space + (size_t)task * panel_floats;
        pack_used_rows(job, (size_t)column, n, panel);
        run_rows(job, first, end, rows, (size_t)column, n, panel, n);
    }
}

/* Cut y into tasks: columns at panels first, and rows when there are fewer
 * panels than tasks wanted. Returns how many there are. */
static int cut_forward(SparseJob *job, int n_wanted) {
    const int n_panels = (job->n_outputs + PANEL - 1) / PANEL;
    const int across = int_min(n_panels, n_wanted);
    const int panels_each = (n_panels + across - 1) / across;
    const int n_across = (n_panels + panels_each - 1) / panels_each;
    const int down = (n_wanted + n_across - 1) / n_across;
    job->columns_per_task = panels_each * PANEL;
    job->rows_per_task = (job->n_rows + down - 1) / down;
    return n_across *
           ((job->n_rows + job->rows_per_task - 1) / job->rows_per_task);
}

void sparse_forward(Pool *pool, const GemmWork *work, const SparseBatch *batch,
                    int n_outputs, const float *w, const float *bias,
                    float *y) {
    assert(n_outputs >= 1);
    if (batch->n_samples == 0) return;
    SparseJob job = {.batch = batch,
                     .list = &batch->by_sample,
                     .n_rows = batch->n_samples,
                     .n_outputs = n_outputs,
                     .matrix = w,
                     .bias = bias,
                     .out = y};
    const bool shared = is_shared(pool, batch, n_outputs);
    const int n_tasks =
        cut_forward(&job, shared ? pool_threads(pool) * FORWARD_TASKS : 1);
    const size_t panel_floats = (size_t)batch->n_inputs * PANEL;
    if (n_outputs > PANEL && (size_t)n_tasks * panel_floats <= work->n_floats)
        job.space = work->space;
    run_tasks(pool, n_tasks, forward_task, &job);
}

/* ---- weight gradient ---------------------------------------------------- */

/* Panels of dy one after the other, each N rows of its columns. */
static void pack_panels(int n_rows, int n_outputs, const float *dy,
                        float *panels) {
    for (int column = 0; column < n_outputs; column += PANEL) {
        const size_t n = (size_t)int_min(PANEL, n_outputs - column);
        for (int r = 0; r < n_rows; r++, panels += n)
            copy_columns(dy + (size_t)r * (size_t)n_outputs + column, n,
                         panels);
    }
}

/* Rows first .. end-1 of dW to `rows`, and on to who takes them. */
static void gradient_rows(const SparseJob *job, int first, int end,
                          float *rows) {
    const size_t n_samples = (size_t)job->batch->n_samples;
    for (int column = 0; column < job->n_outputs; column += PANEL) {
        const size_t at = (size_t)column;
        const size_t n = (size_t)int_min(PANEL, job->n_outputs - column);
        if (job->in_panels)
            run_rows(job, first, end, rows, at, n,
                     job->matrix + at * n_samples, n);
        else
            run_rows(job, first, end, rows, at, n, job->matrix + at,
                     (size_t)job->n_outputs);
    }
    if (job->finish != NULL)
        job->finish->take(job->finish->context, first, end - first, rows);
}

static bool is_used(const SparseJob *job, int row) {
    return job->list->start[row] < job->list->start[row + 1];
}

/* Where the block that starts at `first` ends: at most FINISH_ROWS rows, and,
 * when only used rows are wanted, before the first unused one. */
static int block_end(const SparseJob *job, int first, int end) {
    const int most = int_min(first + FINISH_ROWS, end);
    if (job->finish == NULL || !job->finish->used_only) return most;
    int row = first;
    while (row < most && is_used(job, row)) row++;
    return row;
}

/* Some inputs, a block at a time. Rows that are taken away and start from
 * nothing all pass through the same place. */
static void gradient_task(void *context, int task) {
    const SparseJob *const job = context;
    const int first = task * job->rows_per_task;
    const int end = int_min(first + job->rows_per_task, job->n_rows);
    const bool passing = job->finish != NULL && !job->accumulate;
    for (int i = first; i < end;) {
        const int stop = block_end(job, i, end);
        if (stop > i)
            gradient_rows(job, i, stop, result_rows(job, passing ? first : i));
        i = int_max(stop, i + 1);
    }
}

/* Cut dW into about n_wanted tasks of whole blocks of rows. */
static int cut_gradient(SparseJob *job, int n_wanted) {
    const int n_blocks = (job->n_rows + FINISH_ROWS - 1) / FINISH_ROWS;
    const int each = (n_blocks + n_wanted - 1) / n_wanted;
    job->rows_per_task = each * FINISH_ROWS;
    return (n_blocks + each - 1) / each;
}

void sparse_weight_gradient(Pool *pool, const GemmWork *work,
                            const SparseBatch *batch, int n_outputs,
                            const float *dy, float *dw, bool accumulate,
                            const SparseFinish *finish) {
    assert(n_outputs >= 1);
    SparseJob job = {.batch = batch,
                     .list = &batch->by_input,
                     .n_rows = batch->n_inputs,
                     .n_outputs = n_outputs,
                     .matrix = dy,
                     .out = dw,
                     .accumulate = accumulate,
                     .finish = finish};
    const size_t dy_floats = (size_t)batch->n_samples * (size_t)n_outputs;
    if (n_outputs > PANEL && dy_floats <= work->n_floats) {
        pack_panels(batch->n_samples, n_outputs, dy, work->space);
        job.matrix = work->space;
        job.in_panels = true;
    }
    const bool shared = is_shared(pool, batch, n_outputs);
    const int n_tasks =
        cut_gradient(&job, shared ? pool_threads(pool) * GRADIENT_TASKS : 1);
    run_tasks(pool, n_tasks, gradient_task, &job);
}
