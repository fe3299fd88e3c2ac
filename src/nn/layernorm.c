/* layernorm: the values of each image with mean 0 and variance 1, then
 * stretched and moved by learned γ and β.
 *
 *   x̂ = (x − μ)/√(σ² + ε)      y = γ·x̂ + β
 *   dx = γ/√(σ² + ε) · (dy − mean(dy) − x̂·mean(dy·x̂))
 *   dγ = Σ dy·x̂                dβ = Σ dy
 *
 * μ and σ² are those of each row over all its values; γ and β are per value.
 * Threads share the rows. Source: Ba, Kiros and Hinton 2016.
 */
#include <string.h>

#include "kernels/columns.h"
#include "kernels/elementwise.h"
#include "nn/kinds.h"

/* cache[0]: x̂[N,O]; cache[1]: 1/√(σ²+ε) of each row. */

static Status layernorm_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 0, fault));
    const int size = (int)shape_size(layer->in);
    layer->out = layer->in;
    layer_add_parameter(layer, "weight", PARAMETER_GAIN, 1, &size);
    layer_add_parameter(layer, "bias", PARAMETER_BIAS, 1, &size);
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

/* Rows, and columns of γ and β, that one task takes. */
enum { ROWS_PER_TASK = 8, COLUMNS_PER_TASK = 64 };

/* What the tasks of one pass share. */
typedef struct NormJob {
    Layer *layer;
    const Pass *pass;
    const float *x, *dy;
    float *out; /* y forward, dx backward */
} NormJob;

/* A row's values, which share a mean and a variance. */
static Columns row_values(const Layer *layer) {
    const size_t width = shape_size(layer->in);
    return (Columns){.rows = 1, .stride = width, .n = width, .together = true};
}

static void fill(float lanes[LANES], float value) {
    elementwise_fill(LANES, value, lanes);
}

static void forward_row(const NormJob *job, size_t row) {
    Layer *const layer = job->layer;
    const size_t width = shape_size(layer->in);
    const Columns values = row_values(layer);
    const float *const x = job->x + row * width;
    float *const x_hat = layer->cache[0] + row * width;
    float *const y = job->out + row * width;
    double means[LANES], variances[LANES];
    float mean[LANES], inverse[LANES], zero[LANES];
    columns_moments(values, x, means, variances);
    layer->cache[1][row] = columns_inverse(variances[0]);
    fill(mean, (float)means[0]);
    fill(inverse, layer->cache[1][row]);
    fill(zero, 0);
    columns_normalise(values, x, mean, inverse, zero, x_hat);
    memcpy(y, x_hat, width * sizeof *y);
    elementwise_multiply(width, layer->parameter[0].value, y);
    elementwise_add(width, layer->parameter[1].value, y);
}

/* What comes through γ stands in dx before it goes through the rest. */
static void backward_row(const NormJob *job, size_t row) {
    const Layer *const layer = job->layer;
    const size_t width = shape_size(layer->in);
    const Columns values = row_values(layer);
    const float *const x_hat = layer->cache[0] + row * width;
    float *const dx = job->out + row * width;
    memcpy(dx, job->dy + row * width, width * sizeof *dx);
    elementwise_multiply(width, layer->parameter[0].value, dx);
    double sum[LANES], sum_x[LANES];
    NormGradient lanes;
    fill(lanes.mean, 0);
    fill(lanes.inverse, 1);
    columns_gradient_sums(values, x_hat, dx, lanes.mean, lanes.inverse, sum,
                          sum_x);
    fill(lanes.scale, layer->cache[1][row]);
    fill(lanes.mean_dy, (float)(sum[0] / (double)width));
    fill(lanes.mean_dy_x, (float)(sum_x[0] / (double)width));
    columns_gradient(values, x_hat, dx, &lanes, dx);
}

/* `count` columns from `first` on of dγ and dβ: one chain of additions down
 * each, so that a batch may come in chunks. */
static void add_gradients(const NormJob *job, size_t first, size_t count) {
    const Layer *const layer = job->layer;
    const size_t width = shape_size(layer->in);
    float *const gain = layer->parameter[0].gradient + first;
    float *const shift = layer->parameter[1].gradient + first;
    float product[COLUMNS_PER_TASK];
    if (!job->pass->accumulate) {
        elementwise_fill(count, 0, gain);
        elementwise_fill(count, 0, shift);
    }
    for (size_t n = 0; n < (size_t)job->pass->rows; n++) {
        const size_t at = n * width + first;
        memcpy(product, job->dy + at, count * sizeof *product);
        elementwise_multiply(count, layer->cache[0] + at, product);
        elementwise_add(count, product, gain);
        elementwise_add(count, job->dy + at, shift);
    }
}

/* ==== Tasks ============================================================= */

static void forward_task(void *context, int task) {
    const NormJob *const job = context;
    const size_t first = (size_t)task * ROWS_PER_TASK;
    const size_t end = size_min(first + ROWS_PER_TASK, (size_t)job->pass->rows);
    for (size_t row = first; row < end; row++) forward_row(job, row);
}

static void backward_task(void *context, int task) {
    const NormJob *const job = context;
    const size_t first = (size_t)task * ROWS_PER_TASK;
    const size_t end = size_min(first + ROWS_PER_TASK, (size_t)job->pass->rows);
    for (size_t row = first; row < end; row++) backward_row(job, row);
}

static void gradient_task(void *context, int task) {
    const NormJob *const job = context;
    const size_t first = (size_t)task * COLUMNS_PER_TASK;
    add_gradients(
        job, first,
        size_min(COLUMNS_PER_TASK, shape_size(job->layer->in) - first));
}

static void layernorm_forward(Layer *layer, const Pass *pass, const float *x,
                              float *y) {
    NormJob job = {.layer = layer, .pass = pass, .x = x, .out = y};
    pool_run(pass->pool, (int)size_div_up((size_t)pass->rows, ROWS_PER_TASK),
             forward_task, &job);
}

static void layernorm_backward(Layer *layer, const Pass *pass, const float *x,
                               const float *y, const float *dy, float *dx) {
    (void)x, (void)y;
    NormJob job = {.layer = layer, .pass = pass, .dy = dy, .out = dx};
    if (dx != NULL)
        pool_run(pass->pool,
                 (int)size_div_up((size_t)pass->rows, ROWS_PER_TASK),
                 backward_task, &job);
    pool_run(pass->pool,
             (int)size_div_up(shape_size(layer->in), COLUMNS_PER_TASK),
             gradient_task, &job);
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
