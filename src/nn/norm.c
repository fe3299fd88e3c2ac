/* batchnorm and layernorm: values with mean 0 and variance 1, then stretched
 * and moved by learned γ and β.
 *
 *   x̂ = (x − μ)/√(σ² + ε)      y = γ·x̂ + β
 *   dx = γ/√(σ² + ε) · (dy − mean(dy) − x̂·mean(dy·x̂))
 *   dγ = Σ dy·x̂                dβ = Σ dy
 *
 * They differ in what μ and σ² are taken over:
 *
 *   batchnorm   each channel over the rows of the batch and its positions in
 *               training, running averages in evaluation (PyTorch: momentum
 *               0.1, the running variance unbiased)
 *   layernorm   each row over all its values; γ and β per value
 *
 * A vector has as many channels as values and one position; a [C,H,W] image
 * has C channels of H·W positions. Moments are taken in double, row after row.
 * Sources: Ioffe and Szegedy 2015; Ba, Kiros and Hinton 2016.
 */
#include "kernels/elementwise.h"
#include "nn/kinds.h"

static const double EPSILON = 1e-5;

static void add_gain_and_shift(Layer *layer, bool per_channel) {
    layer->out = layer->in;
    const int size =
        per_channel ? layer->in.channels : (int)shape_size(layer->in);
    layer_add_parameter(layer, "weight", PARAMETER_GAIN, 1, &size);
    layer_add_parameter(layer, "bias", PARAMETER_BIAS, 1, &size);
}

/* ==== One group: values that share a mean and a variance ================ */

/* `runs` runs of `run` values, `stride` floats from one to the next: a channel
 * of a batch has a run of H·W positions in every row; a row is one run. */
typedef struct Group {
    size_t runs, run, stride;
} Group;

static double group_count(Group group) {
    return (double)group.runs * (double)group.run;
}

static void group_moments(Group group, const float *x, double *mean,
                          double *variance) {
    double sum = 0, squares = 0;
    for (size_t r = 0; r < group.runs; r++)
        for (size_t i = 0; i < group.run; i++)
            sum += (double)x[r * group.stride + i];
    *mean = sum / group_count(group);
    for (size_t r = 0; r < group.runs; r++)
        for (size_t i = 0; i < group.run; i++) {
            const double d = (double)x[r * group.stride + i] - *mean;
            squares += d * d;
        }
    *variance = squares / group_count(group);
}

/* ==== batchnorm ========================================================= */
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
    add_gain_and_shift(layer, true);
    return STATUS_OK;
}

static void batchnorm_bind(Layer *layer, Arena *arena, int max_rows,
                           int n_threads) {
    (void)n_threads;
    (void)max_rows;
    for (int i = 0; i < 3; i++)
        layer->cache[i] = arena_floats(arena, (size_t)layer->in.channels);
}

static Group channel_group(const Layer *layer, const Pass *pass) {
    const size_t positions =
        (size_t)layer->in.height * (size_t)layer->in.width;
    return (Group){.runs = (size_t)pass->rows,
                   .run = positions,
                   .stride = shape_size(layer->in)};
}

/* One running average goes the share `momentum` of the way to `value`. */
static void move_average(const Layer *layer, int state, size_t channel,
                         float value) {
    float *const average = &layer->state[state][channel];
    const double momentum = layer->argument[0];
    *average =
        (float)((1 - momentum) * (double)*average + momentum * (double)value);
}

/* Mean, 1/deviation and unbiased variance of a channel into the cache: of the
 * batch in training, otherwise the running averages. */
static void channel_moments(Layer *layer, const Pass *pass, Group group,
                            const float *x, size_t channel) {
    double mean = (double)layer->state[0][channel];
    double variance = (double)layer->state[1][channel];
    if (pass->training) group_moments(group, x, &mean, &variance);
    const double count = group_count(group);
    layer->cache[0][channel] = (float)mean;
    layer->cache[1][channel] = (float)(1 / __builtin_sqrt(variance + EPSILON));
    layer->cache[2][channel] =
        (float)(count > 1 ? variance * count / (count - 1) : variance);
}

/* What the tasks of one pass share; a task is one channel or one row. */
typedef struct NormJob {
    Layer *layer;
    const Pass *pass;
    const float *x, *dy;
    float *out; /* y forward, dx backward; NULL when nobody wants dx */
} NormJob;

static void batchnorm_forward_channel(void *context, int task) {
    const NormJob *const job = context;
    Layer *const layer = job->layer;
    const size_t channel = (size_t)task;
    const Group group = channel_group(layer, job->pass);
    const float *const x = job->x + channel * group.run;
    float *const y = job->out + channel * group.run;
    channel_moments(layer, job->pass, group, x, channel);
    const float mean = layer->cache[0][channel];
    const float scale =
        layer->parameter[0].value[channel] * layer->cache[1][channel];
    const float shift = layer->parameter[1].value[channel];
    for (size_t r = 0; r < group.runs; r++)
        for (size_t i = 0; i < group.run; i++) {
            const size_t at = r * group.stride + i;
            y[at] = (x[at] - mean) * scale + shift;
        }
}

static void batchnorm_forward(Layer *layer, const Pass *pass, const float *x,
                              float *y) {
    NormJob job = {.layer = layer, .pass = pass, .x = x, .out = y};
    pool_run(pass->pool, layer->in.channels, batchnorm_forward_channel, &job);
}

/* Overwrite or add to one element of a gradient. */
static void give_gradient(const Pass *pass, float *gradient, double value) {
    *gradient = (pass->accumulate ? *gradient : 0) + (float)value;
}

static void batchnorm_backward_channel(void *context, int task) {
    const NormJob *const job = context;
    Layer *const layer = job->layer;
    const size_t channel = (size_t)task;
    const Group group = channel_group(layer, job->pass);
    const float *const x = job->x + channel * group.run;
    const float *const dy = job->dy + channel * group.run;
    const float mean = layer->cache[0][channel];
    const float inverse = layer->cache[1][channel];
    double sum_dy = 0, sum_dy_x = 0;
    for (size_t r = 0; r < group.runs; r++)
        for (size_t i = 0; i < group.run; i++) {
            const size_t at = r * group.stride + i;
            sum_dy += (double)dy[at];
            sum_dy_x += (double)(dy[at] * ((x[at] - mean) * inverse));
        }
    give_gradient(job->pass, &layer->parameter[0].gradient[channel], sum_dy_x);
    give_gradient(job->pass, &layer->parameter[1].gradient[channel], sum_dy);
    if (job->pass->observing) {
        move_average(layer, 0, channel, layer->cache[0][channel]);
        move_average(layer, 1, channel, layer->cache[2][channel]);
    }
    if (job->out == NULL) return;
    const float mean_dy = (float)(sum_dy / group_count(group));
    const float mean_dy_x = (float)(sum_dy_x / group_count(group));
    const float scale = layer->parameter[0].value[channel] * inverse;
    float *const dx = job->out + channel * group.run;
    for (size_t r = 0; r < group.runs; r++)
        for (size_t i = 0; i < group.run; i++) {
            const size_t at = r * group.stride + i;
            const float x_hat = (x[at] - mean) * inverse;
            dx[at] = scale * (dy[at] - mean_dy - x_hat * mean_dy_x);
        }
}

static void batchnorm_backward(Layer *layer, const Pass *pass, const float *x,
                               const float *y, const float *dy, float *dx) {
    (void)y;
    NormJob job = {.layer = layer, .pass = pass, .x = x, .dy = dy, .out = dx};
    pool_run(pass->pool, layer->in.channels, batchnorm_backward_channel, &job);
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

/* ==== layernorm ========================================================= */
/* cache[0]: x̂[N,O]; cache[1]: 1/√(σ²+ε) of each row. */

static Status layernorm_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 0, fault));
    add_gain_and_shift(layer, false);
    return STATUS_OK;
}

static void layernorm_bind(Layer *layer, Arena *arena, int max_rows,
                           int n_threads) {
    (void)n_threads;
    const size_t rows = (size_t)max_rows;
    layer->cache[0] =
        arena_alloc(arena, rows, shape_size(layer->in) * sizeof(float));
    layer->cache[1] = arena_floats(arena, rows);
}

static void layernorm_forward_row(void *context, int task) {
    const NormJob *const job = context;
    Layer *const layer = job->layer;
    const size_t width = shape_size(layer->in), row = (size_t)task;
    const Group group = {.runs = 1, .run = width, .stride = width};
    const float *const x = job->x + row * width;
    float *const x_hat = layer->cache[0] + row * width;
    double mean, variance;
    group_moments(group, x, &mean, &variance);
    const float inverse = (float)(1 / __builtin_sqrt(variance + EPSILON));
    layer->cache[1][row] = inverse;
    for (size_t i = 0; i < width; i++) {
        x_hat[i] = (x[i] - (float)mean) * inverse;
        job->out[row * width + i] =
            x_hat[i] * layer->parameter[0].value[i] +
            layer->parameter[1].value[i];
    }
}

static void layernorm_forward(Layer *layer, const Pass *pass, const float *x,
                              float *y) {
    NormJob job = {.layer = layer, .pass = pass, .x = x, .out = y};
    pool_run(pass->pool, pass->rows, layernorm_forward_row, &job);
}

static void layernorm_backward_row(void *context, int task) {
    const NormJob *const job = context;
    Layer *const layer = job->layer;
    const size_t width = shape_size(layer->in), row = (size_t)task;
    const float *const dy = job->dy + row * width;
    const float *const x_hat = layer->cache[0] + row * width;
    const float *const gain = layer->parameter[0].value;
    double sum = 0, sum_x = 0;
    for (size_t i = 0; i < width; i++) {
        sum += (double)(dy[i] * gain[i]);
        sum_x += (double)(dy[i] * gain[i] * x_hat[i]);
    }
    const float mean = (float)(sum / (double)width);
    const float mean_x = (float)(sum_x / (double)width);
    for (size_t i = 0; i < width; i++)
        job->out[row * width + i] =
            layer->cache[1][row] *
            (dy[i] * gain[i] - mean - x_hat[i] * mean_x);
}

/* dγ and dβ: one chain of additions down each column, so that a batch may come
 * in chunks. */
static void layernorm_gradients(const Layer *layer, const Pass *pass,
                                const float *dy) {
    const size_t width = shape_size(layer->in);
    float *const gain = layer->parameter[0].gradient;
    float *const shift = layer->parameter[1].gradient;
    if (!pass->accumulate) {
        elementwise_fill(width, 0, gain);
        elementwise_fill(width, 0, shift);
    }
    for (size_t n = 0; n < (size_t)pass->rows; n++)
        for (size_t i = 0; i < width; i++) {
            const size_t at = n * width + i;
            gain[i] += dy[at] * layer->cache[0][at];
            shift[i] += dy[at];
        }
}

static void layernorm_backward(Layer *layer, const Pass *pass, const float *x,
                               const float *y, const float *dy, float *dx) {
    (void)x, (void)y;
    NormJob job = {.layer = layer, .pass = pass, .dy = dy, .out = dx};
    if (dx != NULL)
        pool_run(pass->pool, pass->rows, layernorm_backward_row, &job);
    layernorm_gradients(layer, pass, dy);
    pass_ready(pass, &layer->parameter[0]);
    pass_ready(pass, &layer->parameter[1]);
}

const LayerKind layer_layernorm = {
    .name = "layernorm",
    .usage = "layernorm",
    .help = "Gives the values of every single image mean 0 and variance 1, "
            "then a learned scale and shift; independent of the batch.",
    .configure = layernorm_configure,
    .bind = layernorm_bind,
    .forward = layernorm_forward,
    .backward = layernorm_backward,
};
