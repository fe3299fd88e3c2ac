/* Work of known size: streams through memory, fork-joins of nothing, products
 * of matrices. Pools and trainers come from the exports of the product.
 */
#include "bench.h"

#include "kernels/gemm.h"
#include "kernels/panels.h"
#include "kernels/simd.h"

/* ==== Memory ============================================================ */

/* Floats in one round of the loops: eight vectors, so that loads do not wait
 * for sums. */
enum { ROUND = 32 };

/* Each thread has the part `task` of `from`, and of `to`. */
typedef struct Stream {
    const float *from;
    float *to;
    size_t part; /* floats of one thread, a multiple of ROUND */
    int repeats;
    float sum[POOL_THREADS_MAX];
} Stream;

static void read_task(void *context, int task) {
    Stream *const stream = context;
    const float *const from = stream->from + (size_t)task * stream->part;
    f32x4 sum[ROUND / 4] = {0};
    for (int repeat = 0; repeat < stream->repeats; repeat++)
        for (size_t i = 0; i < stream->part; i += ROUND)
            for (size_t j = 0; j < ROUND / 4; j++)
                sum[j] += f32x4_load(from + i + 4 * j);
    for (size_t j = 1; j < ROUND / 4; j++) sum[0] += sum[j];
    stream->sum[task] = f32x4_sum(sum[0]);
}

static void copy_task(void *context, int task) {
    const Stream *const stream = context;
    const float *const from = stream->from + (size_t)task * stream->part;
    float *const to = stream->to + (size_t)task * stream->part;
    for (int repeat = 0; repeat < stream->repeats; repeat++)
        for (size_t i = 0; i < stream->part; i += 4)
            f32x4_store(to + i, f32x4_load(from + i));
}

EXPORT float soma_bench_read(Pool *pool, const float *from, int floats,
                             int repeats) {
    Stream stream = {.from = from, .part = (size_t)floats, .repeats = repeats};
    pool_run(pool, pool_threads(pool), read_task, &stream);
    float sum = 0;
    for (int i = 0; i < pool_threads(pool); i++) sum += stream.sum[i];
    return sum;
}

EXPORT void soma_bench_copy(Pool *pool, const float *from, float *to,
                            int floats, int repeats) {
    Stream stream = {
        .from = from, .to = to, .part = (size_t)floats, .repeats = repeats};
    pool_run(pool, pool_threads(pool), copy_task, &stream);
}

EXPORT void soma_bench_fill(float *x, int count) {
    uint32_t state = 1;
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
}

/* ==== Fork-join ========================================================= */

typedef struct Fork {
    int work;
    float sum[POOL_THREADS_MAX];
} Fork;

static void fork_task(void *context, int task) {
    Fork *const fork = context;
    float sum = 0;
    for (int i = 0; i < fork->work; i++) sum += 1.5f;
    fork->sum[task] = sum;
}

EXPORT void soma_bench_fork(Pool *pool, int n_tasks, int work, int repeats) {
    assert(n_tasks <= POOL_THREADS_MAX);
    Fork fork = {.work = work};
    for (int i = 0; i < repeats; i++) pool_run(pool, n_tasks, fork_task, &fork);
}

/* ==== Products ========================================================== */

EXPORT void soma_bench_gemm(Trainer *trainer, const float *a, const float *b,
                            float *c, int m, int n, int k, int form,
                            int repeats) {
    const bool transposed = form == FORM_A_TRANSPOSED || form == FORM_WEIGHTS;
    const Matrix left = transposed ? matrix_transposed(a, (size_t)m)
                                   : matrix_rows(a, (size_t)k);
    Matrix right = matrix_rows(b, (size_t)n);
    if (form == FORM_FORWARD) right = matrix_panels(b, (size_t)k, (size_t)n);
    if (form == FORM_INPUT_GRADIENT)
        right = matrix_panels_transposed(b, (size_t)n, (size_t)k);
    const GemmWork *const work = &trainer->network.gemm;
    for (int i = 0; i < repeats; i++)
        if (form == FORM_WEIGHTS)
            gemm_to_panels(trainer->pool, work, m, n, k, left, right, c, false);
        else
            gemm(trainer->pool, work, m, n, k, left, right, c, (size_t)n,
                 false);
}

/* ==== Rows from lists =================================================== */

/* One row of a panel, times a number, onto eight sums. */
SIMD_INLINE void add_row(const float *row, f32x4 factor,
                         f32x4 sum[PANEL / 4]) {
    for (int v = 0; v < PANEL / 4; v++)
        sum[v] = f32x4_madd(factor, f32x4_load(row + 4 * v), sum[v]);
}

/* Two to a round, with an exit between them, as sparse_product.c has it. */
static void add_rows(const float *panel, const uint16_t *index,
                     const float *value, int count, f32x4 sum[PANEL / 4]) {
    const float *const end = value + count;
    f32x4 own[PANEL / 4];
    memcpy(own, sum, sizeof own);
    while (value < end) {
        add_row(panel + *index++ * PANEL, f32x4_load_splat(value++), own);
        if (value == end) break;
        add_row(panel + *index++ * PANEL, f32x4_load_splat(value++), own);
    }
    memcpy(sum, own, sizeof own);
}

EXPORT float soma_bench_rows(const float *panel, int rows, int repeats) {
    uint16_t index[BENCH_LIST];
    float value[BENCH_LIST];
    f32x4 sum[PANEL / 4] = {0};
    uint32_t state = 1;
    for (int i = 0; i < BENCH_LIST; i++) {
        state = state * 1664525u + 1013904223u;
        index[i] = (uint16_t)((uint64_t)state * (uint32_t)rows >> 32);
        value[i] = (float)(state >> 8) * 0x1p-26f;
    }
    for (int i = 0; i < repeats; i++)
        add_rows(panel, index, value, BENCH_LIST, sum);
    for (int v = 1; v < PANEL / 4; v++) sum[0] += sum[v];
    return f32x4_sum(sum[0]);
}
