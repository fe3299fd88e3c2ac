/* The products over the lists of sparse.h.
 *
 * Method. Both walk a list with up to eight accumulators, one panel of a row of
 * the result, in registers:
 *
 *     acc = start;
 *     for each element (index, value):  acc += value · panel[index]
 *
 * Forward, the panels are W's own, taken block of inputs by block of inputs.
 * For the gradient, a task copies those of dy, which are small. The work is cut
 * at panels of the weights, and the same thread gets the same panels in both
 * products wherever it can: they stay in its core's cache from step to step.
 */
#include "kernels/sparse.h"

#include "kernels/elementwise.h"
#include "kernels/simd.h"

enum { PANEL_VECTORS = PANEL / 4 };

/* Rows of a panel of dW that are handed over at a time. The optimiser runs
 * through its memory faster the longer it runs. On the stack: 64 KB. */
enum { FINISH_ROWS = 512 };

/* Tasks per thread, so that a thread whose core is busy elsewhere leaves its
 * share to the others. */
enum { TASKS_PER_THREAD = 4 };

/* Fewer multiply-adds than this stay on the caller. */
static const int64_t THREADS_FROM = 200000;

/* ---- one row of the result ---------------------------------------------- */

/* A panel of a row of the result is a list times a panel of n columns:
 * out = start + Σ value · panel[index], start NULL for zero. */
typedef struct Chain {
    const uint16_t *index; /* [count] */
    const float *value;    /* [count] */
    size_t count;
    const float *panel; /* [any,n] */
    size_t n;
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

/* 4·nv columns from `column`, all accumulators in registers; `n` is chain->n.
 * Two elements at a time: engines look for interruptions in every round of a
 * loop, and a quarter of the time goes into that with one. With an exit between
 * them, because LLVM would mix their loads. */
SIMD_INLINE void run_columns(const Chain *chain, size_t column, int nv,
                             size_t n) {
    f32x4 acc[PANEL_VECTORS];
    for (int v = 0; v < nv; v++)
        acc[v] = chain->start != NULL
                     ? f32x4_load(chain->start + column + 4 * v)
                     : f32x4_zero();
    const float *const panel = chain->panel + column;
    const uint16_t *index = chain->index;
    const float *value = chain->value, *const end = value + chain->count;
    while (value < end) {
        add_row(panel + *index++ * n, value++, nv, acc);
        if (value == end) break;
        add_row(panel + *index++ * n, value++, nv, acc);
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
    const float *const panel = chain->panel + first;
    float lane[4];
    f32x4 acc = f32x4_zero();
    if (chain->start != NULL)
        acc = load_end(chain->start + first, whole, count);
    for (size_t e = 0; e < chain->count; e++) {
        const float *const row = panel + chain->index[e] * chain->n;
        acc = f32x4_madd(f32x4_load_splat(chain->value + e),
                         load_end(row, whole, count), acc);
    }
    f32x4_store(lane, acc);
    memcpy(chain->out + column, lane + back, count * sizeof(float));
}

static void run_chain(const Chain *chain) {
    const size_t n = chain->n;
    size_t column = 0;
    if (n == PANEL) {
        run_columns(chain, column, PANEL_VECTORS, PANEL);
        return;
    }
    if (n & 16) run_columns(chain, column, 4, n), column += 16;
    if (n & 8) run_columns(chain, column, 2, n), column += 8;
    if (n & 4) run_columns(chain, column, 1, n), column += 4;
    if (column < n) run_tail(chain, column, n - column);
}

/* ---- the work, cut into tasks ------------------------------------------- */

/* Both products; which one decides what the members mean. */
typedef struct SparseJob {
    const SparseBatch *batch;
    bool by_input; /* whose list has a row for each of the result */
    int n_rows, n_outputs;
    Matrix w;                   /* forward */
    const float *bias;          /* forward */
    const float *dy;            /* gradient */
    const GemmWork *work;       /* room for a panel of W or dy per task */
    float factor;               /* gradient: of dy */
    bool accumulate;            /* gradient */
    const SparseFinish *finish; /* gradient */
    float *out;                 /* y row-major, or dW in panels */
    int tasks_across, tasks_down, rows_per_task, n_tasks;
} SparseJob;

/* Rows and columns of a task. */
typedef struct SparseArea {
    int first, end, left, right;
} SparseArea;

static int panel_count(const SparseJob *job) {
    return (job->n_outputs + PANEL - 1) / PANEL;
}

/* The first column of task `across`: panels are dealt out as evenly as can be.
 */
static int task_left(const SparseJob *job, int across) {
    const int panel = panel_count(job) * across / job->tasks_across;
    return int_min(panel * PANEL, job->n_outputs);
}

static SparseArea task_area(const SparseJob *job, int task) {
    const int first = task % job->tasks_down * job->rows_per_task;
    const int across = task / job->tasks_down;
    return (SparseArea){.first = first,
                        .end = int_min(first + job->rows_per_task, job->n_rows),
                        .left = task_left(job, across),
                        .right = task_left(job, across + 1)};
}

/* Cut the result into tasks: at panels first, and by rows when there are
 * fewer panels than tasks wanted. Returns how many there are. */
static int cut(SparseJob *job, const Pool *pool) {
    const bool shared =
        pool != NULL && pool_threads(pool) > 1 &&
        (int64_t)job->batch->n_entries * job->n_outputs >= THREADS_FROM;
    const int n_wanted = shared ? int_min(pool_threads(pool) * TASKS_PER_THREAD,
                                          job->work->n_slots)
                                : 1;
    job->tasks_across = int_min(panel_count(job), n_wanted);
    const int n_down = n_wanted / job->tasks_across;
    job->rows_per_task = (job->n_rows + n_down - 1) / n_down;
    job->tasks_down =
        (job->n_rows + job->rows_per_task - 1) / job->rows_per_task;
    return job->tasks_across * job->tasks_down;
}

/* What a task goes through: the lists of the thread that has it in its share.
 */
static const SparseList *task_list(const SparseJob *job, int task) {
    const SparseBatch *const batch = job->batch;
    const int n_lists = job->by_input ? batch->n_by_input : batch->n_by_sample;
    assert(n_lists > 0);
    const int owner =
        job->n_tasks > 1 ? pool_share(job->n_tasks, n_lists, task) : 0;
    return job->by_input ? &batch->by_input[owner] : &batch->by_sample[owner];
}

static void run_tasks(Pool *pool, SparseJob *job, PoolTask *task) {
    job->n_tasks = cut(job, pool);
    if (job->n_tasks > 1)
        pool_run(pool, job->n_tasks, task, job);
    else if (job->n_tasks == 1)
        task(job, 0);
}

/* Rows first .. end-1 of a list times one panel, to `out` with `stride` floats
 * from row to row. They start from `bias`, from what is there (accumulate), or
 * from zero. */
static void run_rows(const SparseList *list, int first, int end,
                     const float *panel, size_t n, const float *bias,
                     bool accumulate, float *out, size_t stride) {
    for (int r = first; r < end; r++, out += stride) {
        const uint32_t at = list->start[r];
        if (accumulate && list->end[r] == at) continue;
        const Chain chain = {.index = list->index + at,
                             .value = list->value + at,
                             .count = list->end[r] - at,
                             .panel = panel,
                             .n = n,
                             .start = accumulate ? out : bias,
                             .out = out};
        run_chain(&chain);
    }
}

/* ---- forward ------------------------------------------------------------ */

static void forward_task(void *context, int task) {
    const SparseJob *const job = context;
    const SparseArea area = task_area(job, task);
    const size_t n_inputs = (size_t)job->batch->n_inputs;
    const size_t stride = (size_t)job->n_outputs;
    float *const space = job->work->space + (size_t)task * n_inputs * PANEL;
    for (int column = area.left; column < area.right; column += PANEL) {
        const int n = int_min(PANEL, area.right - column);
        const size_t at = (size_t)column;
        const float *panel = space;
        if (job->w.form == MATRIX_PANELS)
            panel = job->w.data + at * n_inputs;
        else
            gemm_pack_columns(&job->w, column, n, job->batch->n_inputs, space);
        for (int b = 0; b < job->batch->n_blocks; b++) {
            const int block = b * job->n_rows;
            run_rows(task_list(job, task), block + area.first, block + area.end,
                     panel, (size_t)n,
                     job->bias != NULL ? job->bias + at : NULL, b > 0,
                     job->out + (size_t)area.first * stride + at, stride);
        }
    }
}

bool sparse_reads_any(const GemmWork *work, int n_inputs) {
    return (size_t)n_inputs * PANEL * (size_t)work->n_slots <= work->n_floats;
}

void sparse_forward(Pool *pool, const GemmWork *work, const SparseBatch *batch,
                    int n_outputs, Matrix w, const float *bias, float *y) {
    assert(n_outputs >= 1);
    assert(w.form == MATRIX_PANELS || sparse_reads_any(work, batch->n_inputs));
    if (batch->n_samples == 0) return;
    SparseJob job = {.batch = batch,
                     .n_rows = batch->n_samples,
                     .n_outputs = n_outputs,
                     .w = w,
                     .bias = bias,
                     .work = work,
                     .out = y};
    run_tasks(pool, &job, forward_task);
}

/* ---- weight gradient ---------------------------------------------------- */

/* Rows first .. end-1 of one panel of dW from one of dy, a block at a time.
 * What is taken away and starts from nothing passes through a buffer. */
static void gradient_panel(const SparseJob *job, const SparseList *list,
                           int first, int end, int column, size_t n,
                           const float *panel) {
    const size_t offset = (size_t)column * (size_t)job->n_rows;
    const SparseFinish *const finish = job->finish;
    float passing[FINISH_ROWS * PANEL];
    for (int i = first, stop; i < end; i = stop) {
        const size_t at = offset + (size_t)i * n;
        stop = int_min(i + FINISH_ROWS, end);
        float *const rows =
            finish != NULL && !job->accumulate ? passing : job->out + at;
        for (int g = 0; g < job->batch->n_groups; g++)
            run_rows(list, g * job->n_rows + i, g * job->n_rows + stop, panel,
                     n, NULL, job->accumulate || g > 0, rows, n);
        if (finish != NULL)
            finish->take(finish->context, at, (size_t)(stop - i) * n, rows);
    }
}

static void gradient_task(void *context, int task) {
    const SparseJob *const job = context;
    const SparseArea area = task_area(job, task);
    float *const panel =
        job->work->space + (size_t)task * (size_t)job->batch->n_samples * PANEL;
    for (int column = area.left; column < area.right; column += PANEL) {
        const size_t n = (size_t)int_min(PANEL, area.right - column);
        elementwise_scale_columns(job->batch->n_samples, n, job->factor,
                                  job->dy + column, (size_t)job->n_outputs,
                                  panel);
        gradient_panel(job, task_list(job, task), area.first, area.end, column,
                       n, panel);
    }
}

void sparse_weight_gradient(Pool *pool, const GemmWork *work,
                            const SparseBatch *batch, int n_outputs,
                            const float *dy, float *dw, bool accumulate,
                            const SparseFinish *finish) {
    assert(n_outputs >= 1);
    assert(sparse_reads_any(work, batch->n_samples));
    SparseJob job = {.batch = batch,
                     .by_input = true,
                     .n_rows = batch->n_inputs,
                     .n_outputs = n_outputs,
                     .dy = dy,
                     .factor = 1,
                     .work = work,
                     .accumulate = accumulate,
                     .finish = finish,
                     .out = dw};
    run_tasks(pool, &job, gradient_task);
}

void sparse_add_gradient(Pool *pool, const GemmWork *work,
                         const SparseBatch *batch, int n_outputs, float factor,
                         const float *dy, float *w) {
    assert(n_outputs >= 1);
    assert(sparse_reads_any(work, batch->n_samples));
    SparseJob job = {.batch = batch,
                     .by_input = true,
                     .n_rows = batch->n_inputs,
                     .n_outputs = n_outputs,
                     .dy = dy,
                     .factor = factor,
                     .work = work,
                     .accumulate = true,
                     .out = w};
    run_tasks(pool, &job, gradient_task);
}
