/* dropout RATE: in training every value is left out with probability p, and
 * the others grow by 1/(1 − p), so that the expectation stays.
 *
 *   training     y = x·m      dx = dy·m      m = 0 or 1/(1 − p)
 *   evaluation   y = x
 *
 * The mask is a function of (seed, step, layer, row of the batch, value):
 * the same for any number of threads and any cut of the batch into chunks.
 * cache[0] holds the masks of the rows at hand, m[N,O].
 * Source: Srivastava et al., "Dropout", JMLR 2014 (inverted form).
 */
#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/philox.h"
#include "nn/kinds.h"

static Status dropout_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 1, 1, fault));
    TRY(layer_read_number(layer, 0, "rate", 0, 0.99, &layer->argument[0],
                          fault));
    layer->out = layer->in;
    return STATUS_OK;
}

static void dropout_bind(Layer *layer, Arena *arena, int max_rows,
                         int n_threads) {
    (void)n_threads;
    layer->cache[0] = arena_alloc(arena, (size_t)max_rows,
                                  shape_size(layer->out) * sizeof(float));
}

/* Rows that one task takes. */
enum { ROWS_PER_TASK = 8 };

/* One pass: out = in·mask, or in when nothing is left out. */
typedef struct DropoutJob {
    const Layer *layer;
    const Pass *pass;
    bool draws; /* the masks are made first */
    const float *in;
    float *out;
} DropoutJob;

/* Draw the mask of one row, four values to a block of random bits. */
static void draw_mask(const Layer *layer, const Pass *pass, size_t row) {
    const size_t width = shape_size(layer->out);
    const double rate = layer->argument[0];
    const uint32_t threshold = (uint32_t)(rate * 4294967296.0);
    const float kept = (float)(1 / (1 - rate));
    const RandomKey key = {
        .seed = pass->seed, .stream = STREAM_DROPOUT, .step = pass->step};
    const uint64_t first = ((uint64_t)layer->index << 56) +
                           (pass->first_row + row) * size_div_up(width, 4);
    float *const mask = layer->cache[0] + row * width;
    for (size_t i = 0; i < width; i += PHILOX_BITS) {
        uint32_t bits[PHILOX_BITS];
        philox_four_blocks(key, first + i / 4, bits);
        elementwise_threshold(size_min(PHILOX_BITS, width - i), bits, threshold,
                              kept, mask + i);
    }
}

static void dropout_rows(void *context, int task) {
    const DropoutJob *const job = context;
    const size_t width = shape_size(job->layer->out);
    const size_t first = (size_t)task * ROWS_PER_TASK;
    const size_t end = size_min(first + ROWS_PER_TASK, (size_t)job->pass->rows);
    const size_t at = first * width, count = (end - first) * width;
    for (size_t row = first; row < end && job->draws; row++)
        draw_mask(job->layer, job->pass, row);
    memcpy(job->out + at, job->in + at, count * sizeof(float));
    if (job->pass->training)
        elementwise_multiply(count, job->layer->cache[0] + at, job->out + at);
}

static void dropout_run(const DropoutJob *job) {
    const size_t rows = (size_t)job->pass->rows;
    pool_run(job->pass->pool, (int)size_div_up(rows, ROWS_PER_TASK),
             dropout_rows, (void *)(uintptr_t)job);
}

static void dropout_forward(Layer *layer, const Pass *pass, const float *x,
                            float *y) {
    dropout_run(&(DropoutJob){.layer = layer,
                              .pass = pass,
                              .draws = pass->training,
                              .in = x,
                              .out = y});
}

static void dropout_backward(Layer *layer, const Pass *pass, const float *x,
                             const float *y, const float *dy, float *dx) {
    (void)x, (void)y;
    if (dx == NULL) return;
    dropout_run(
        &(DropoutJob){.layer = layer, .pass = pass, .in = dy, .out = dx});
}

const LayerKind layer_dropout = {
    .name = "dropout",
    .usage = "dropout RATE",
    .help = "Leaves out a random share of the values in training, so that no "
            "unit can rely on another; 0.2 to 0.5 is usual.",
    .configure = dropout_configure,
    .bind = dropout_bind,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
