/* batchnorm: values with mean 0 and variance 1 over the batch, then stretched
 * and moved by learned γ and β.
 *
 *   x̂ = (x − μ)/√(σ² + ε)      y = γ·x̂ + β
 *   dx = γ/√(σ² + ε) · (dy − mean(dy) − x̂·mean(dy·x̂))
 *   dγ = Σ dy·x̂                dβ = Σ dy
 *
 * μ and σ² are those of each channel over the rows of the batch and its
 * positions in training, running averages in evaluation (PyTorch: momentum 0.1,
 * the running variance unbiased). A vector has as many channels as values and
 * one position; a [C,H,W] image has C channels of H·W positions. Threads share
 * the channels.
 * Source: Ioffe and Szegedy 2015.
 */
#include "kernels/columns.h"
#include "nn/kinds.h"

/* cache[0]: μ and cache[1]: 1/√(σ²+ε) of each channel in the last forward,
 * cache[2]: its unbiased variance; state[0]: running mean, state[1]: running
 * variance. These move in backward, so that a batch whose loss is not finite
 * leaves them alone. */

static Status batchnorm_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 1, fault));
    layer->argument[0] = 0.1;
    TRY(layer_read_number(layer, 0, "momentum", 0, 1, &layer->argument[0],
                          fault));
    layer->state_count = (size_t)layer->in.channels;
    layer->state_initial[1] = 1;
    layer->needs_whole_batch = true;
    layer->out = layer->in;
    layer_add_parameter(layer, "weight", PARAMETER_GAIN, 1,
                        &layer->in.channels);
    layer_add_parameter(layer, "bias", PARAMETER_BIAS, 1, &layer->in.channels);
    return STATUS_OK;
}

static void batchnorm_bind(Layer *layer, Arena *arena, int max_rows,
                           int n_threads) {
    (void)n_threads;
    (void)max_rows;
    for (int i = 0; i < 3; i++)
        layer->cache[i] = arena_floats(arena, (size_t)layer->in.channels);
}

/* What the tasks of one pass share. */
typedef struct NormJob {
    Layer *layer;
    const Pass *pass;
    const float *x, *dy;
    float *out; /* y forward, dx backward; NULL when nobody wants dx */
} NormJob;

/* What one task has: LANES channels of one position, or one channel of many.
 * `at` is the first of its values in a row. */
typedef struct Channels {
    size_t first, count, at;
    Columns columns;
} Channels;

static size_t positions_of(const Layer *layer) {
    return (size_t)layer->in.height * (size_t)layer->in.width;
}

static size_t channels_per_task(const Layer *layer) {
    return positions_of(layer) == 1 ? LANES : 1;
}

static Channels task_channels(const NormJob *job, int task) {
    const Layer *const layer = job->layer;
    const size_t positions = positions_of(layer);
    const size_t each = channels_per_task(layer);
    const size_t first = (size_t)task * each;
    const size_t count = size_min(each, (size_t)layer->in.channels - first);
    return (Channels){.first = first,
                      .count = count,
                      .at = first * positions,
                      .columns = {.rows = (size_t)job->pass->rows,
                                  .stride = shape_size(layer->in),
                                  .n = count * positions,
                                  .together = positions > 1}};
}

static void run_channels(const NormJob *job, PoolTask *task) {
    const Layer *const layer = job->layer;
    const size_t n_tasks =
        size_div_up((size_t)layer->in.channels, channels_per_task(layer));
    pool_run(job->pass->pool, (int)n_tasks, task, (void *)(uintptr_t)job);
}

/* `values` of the task's channels, one for each lane. */
static void spread(const Channels *c, const float *values, float lanes[LANES]) {
    for (size_t j = 0; j < LANES; j++)
        lanes[j] = values[c->first + (j < c->count ? j : 0)];
}

/* One running average goes the share `momentum` of the way to `value`. */
static void move_average(const Layer *layer, int state, size_t channel,
                         float value) {
    float *const average = &layer->state[state][channel];
    const double momentum = layer->argument[0];
    *average =
        (float)((1 - momentum) * (double)*average + momentum * (double)value);
}

/* Mean, 1/deviation and unbiased variance of the channels into the cache: of
 * the batch in training, otherwise the running averages. */
static void channel_moments(Layer *layer, const Pass *pass, const Channels *c,
                            const float *x) {
    double means[LANES], variances[LANES];
    if (pass->training) columns_moments(c->columns, x, means, variances);
    const double count = columns_count(c->columns);
    for (size_t j = 0; j < c->count; j++) {
        const size_t channel = c->first + j;
        const double mean =
            pass->training ? means[j] : (double)layer->state[0][channel];
        const double variance =
            pass->training ? variances[j] : (double)layer->state[1][channel];
        layer->cache[0][channel] = (float)mean;
        layer->cache[1][channel] = columns_inverse(variance);
        layer->cache[2][channel] =
            (float)(count > 1 ? variance * count / (count - 1) : variance);
    }
}

static void forward_channels(void *context, int task) {
    const NormJob *const job = context;
    Layer *const layer = job->layer;
    const Channels c = task_channels(job, task);
    channel_moments(layer, job->pass, &c, job->x + c.at);
    float mean[LANES], scale[LANES], gain[LANES], shift[LANES];
    spread(&c, layer->cache[0], mean);
    spread(&c, layer->cache[1], scale);
    spread(&c, layer->parameter[0].value, gain);
    spread(&c, layer->parameter[1].value, shift);
    for (int j = 0; j < LANES; j++) scale[j] *= gain[j];
    columns_normalise(c.columns, job->x + c.at, mean, scale, shift,
                      job->out + c.at);
}

static void batchnorm_forward(Layer *layer, const Pass *pass, const float *x,
                              float *y) {
    run_channels(&(NormJob){.layer = layer, .pass = pass, .x = x, .out = y},
                 forward_channels);
}

/* Overwrite or add to one element of a gradient. */
static void give_gradient(const Pass *pass, float *gradient, double value) {
    *gradient = (pass->accumulate ? *gradient : 0) + (float)value;
}

/* dγ, dβ and the running averages. */
static void keep_channels(const NormJob *job, const Channels *c,
                          const double sum_dy[LANES],
                          const double sum_dy_x[LANES]) {
    Layer *const layer = job->layer;
    for (size_t j = 0; j < c->count; j++) {
        const size_t k = c->first + j;
        give_gradient(job->pass, &layer->parameter[0].gradient[k], sum_dy_x[j]);
        give_gradient(job->pass, &layer->parameter[1].gradient[k], sum_dy[j]);
        if (!job->pass->observing) continue;
        move_average(layer, 0, k, layer->cache[0][k]);
        move_average(layer, 1, k, layer->cache[2][k]);
    }
}

static void backward_channels(void *context, int task) {
    const NormJob *const job = context;
    const Layer *const layer = job->layer;
    const Channels c = task_channels(job, task);
    const float *const x = job->x + c.at, *const dy = job->dy + c.at;
    const double count = columns_count(c.columns);
    double sum_dy[LANES], sum_dy_x[LANES];
    NormGradient lanes;
    spread(&c, layer->cache[0], lanes.mean);
    spread(&c, layer->cache[1], lanes.inverse);
    spread(&c, layer->parameter[0].value, lanes.scale);
    columns_gradient_sums(c.columns, x, dy, lanes.mean, lanes.inverse, sum_dy,
                          sum_dy_x);
    keep_channels(job, &c, sum_dy, sum_dy_x);
    if (job->out == NULL) return;
    for (int j = 0; j < LANES; j++) {
        lanes.mean_dy[j] = (float)(sum_dy[j] / count);
        lanes.mean_dy_x[j] = (float)(sum_dy_x[j] / count);
        lanes.scale[j] *= lanes.inverse[j];
    }
    columns_gradient(c.columns, x, dy, &lanes, job->out + c.at);
}

static void batchnorm_backward(Layer *layer, const Pass *pass, const float *x,
                               const float *y, const float *dy, float *dx) {
    (void)y;
    run_channels(
        &(NormJob){.layer = layer, .pass = pass, .x = x, .dy = dy, .out = dx},
        backward_channels);
    pass_ready(pass, &layer->parameter[0]);
    pass_ready(pass, &layer->parameter[1]);
}

const LayerKind layer_batchnorm = {
    .name = "batchnorm",
    .usage = "batchnorm [MOMENTUM]",
    .help = "Gives every unit mean 0 and variance 1 over the batch, then a "
            "learned scale and shift; allows much larger learning rates.",
    .configure = batchnorm_configure,
    .bind = batchnorm_bind,
    .forward = batchnorm_forward,
    .backward = batchnorm_backward,
};
