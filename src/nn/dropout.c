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
    layer->cache[0] =
        arena_alloc(arena, (size_t)max_rows,
                    shape_size(layer->out) * sizeof(float));
}

typedef struct MaskJob {
    const Layer *layer;
    const Pass *pass;
} MaskJob;

/* Draw the mask of one row, four values to a block of random bits. */
static void mask_row(void *context, int row) {
    const MaskJob *const job = context;
    const size_t width = shape_size(job->layer->out);
    const double rate = job->layer->argument[0];
    const uint32_t threshold = (uint32_t)(rate * 4294967296.0);
    const float kept = (float)(1 / (1 - rate));
    const RandomKey key = {.seed = job->pass->seed,
                           .stream = STREAM_DROPOUT,
                           .step = job->pass->step};
    const uint64_t blocks = size_div_up(width, 4);
    const uint64_t first =
        ((uint64_t)job->layer->index << 56) +
        (job->pass->first_row + (uint64_t)row) * blocks;
    float *const mask = job->layer->cache[0] + (size_t)row * width;
    for (size_t block = 0; block < blocks; block++) {
        uint32_t bits[4];
        random_block(key, first + block, bits);
        for (size_t i = block * 4; i < size_min(block * 4 + 4, width); i++)
            mask[i] = bits[i % 4] < threshold ? 0 : kept;
    }
}

/* out = in, or in·mask while training. */
static void apply_mask(const Layer *layer, const Pass *pass, const float *in,
                       float *out) {
    const size_t count = (size_t)pass->rows * shape_size(layer->out);
    memcpy(out, in, count * sizeof(float));
    if (pass->training) elementwise_multiply(count, layer->cache[0], out);
}

static void dropout_forward(Layer *layer, const Pass *pass, const float *x,
                            float *y) {
    MaskJob job = {.layer = layer, .pass = pass};
    if (pass->training) pool_run(pass->pool, pass->rows, mask_row, &job);
    apply_mask(layer, pass, x, y);
}

static void dropout_backward(Layer *layer, const Pass *pass, const float *x,
                             const float *y, const float *dy, float *dx) {
    (void)x, (void)y;
    if (dx != NULL) apply_mask(layer, pass, dy, dx);
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
