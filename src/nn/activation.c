/* Activations: a function applied to every value by itself.
 *
 *   linear      y = x
 *   step        y = 1 where x >= 0, else 0          dx = dy (see below)
 *   sigmoid     y = 1/(1 + e^−x)                    dx = dy·y(1 − y)
 *   tanh        y = tanh x                          dx = dy·(1 − y²)
 *   relu        y = max(x, 0)                       dx = dy where y > 0
 *   leaky-relu  y = x, s·x below 0                  dx = dy, s·dy there
 *   gelu        y = x·Φ(x)                          dx = dy·(Φ(x) + x·φ(x))
 *   softplus    y = log(1 + e^x)                    dx = dy·(1 − e^−y)
 *
 * Shape in is shape out. Derivatives come from the stored output where that is
 * cheaper. step has no useful derivative; the perceptron rule, the only loss
 * that trains it, hands it the error, which it passes on as it is.
 * Large layers are cut into pieces for the threads; every value is its own
 * business, so the cut does not matter.
 */
#include <string.h>

#include "kernels/elementwise.h"
#include "nn/kinds.h"

/* Values that one task takes, for several times the cost of a wake: of forms
 * that only move values or compare them, and of those with an exponential. */
enum { LIGHT_PIECE = 1 << 14, HEAVY_PIECE = 1 << 11 };

/* One pass over a layer's values; forward reads x and writes y, backward reads
 * x, y and dy and writes dx. */
typedef struct ActivationJob {
    size_t count, per_task;
    float slope; /* of leaky-relu */
    const float *x, *y, *dy;
    float *out; /* y forward, dx backward */
    void (*piece)(const struct ActivationJob *job, size_t at, size_t count);
} ActivationJob;

typedef void ActivationPiece(const ActivationJob *job, size_t at, size_t count);

/* What LayerKind.detail of every kind in this file points to. */
typedef struct Activation {
    ActivationPiece *forward, *backward;
    size_t per_task;
} Activation;

static void activation_task(void *context, int task) {
    const ActivationJob *const job = context;
    const size_t at = (size_t)task * job->per_task;
    job->piece(job, at, size_min(job->per_task, job->count - at));
}

static void activation_run(const Layer *layer, const Pass *pass,
                           ActivationJob job) {
    const Activation *const form = layer->kind->detail;
    job.count = (size_t)pass->rows * shape_size(layer->out);
    job.per_task = form->per_task;
    job.slope = (float)layer->argument[0];
    pool_run(pass->pool, (int)size_div_up(job.count, job.per_task),
             activation_task, &job);
}

static Status activation_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 0, fault));
    layer->out = layer->in;
    return STATUS_OK;
}

static void activation_forward(Layer *layer, const Pass *pass, const float *x,
                               float *y) {
    const Activation *const form = layer->kind->detail;
    activation_run(layer, pass,
                   (ActivationJob){.piece = form->forward, .x = x, .out = y});
}

static void activation_backward(Layer *layer, const Pass *pass, const float *x,
                                const float *y, const float *dy, float *dx) {
    const Activation *const form = layer->kind->detail;
    if (dx == NULL) return;
    activation_run(
        layer, pass,
        (ActivationJob){
            .piece = form->backward, .x = x, .y = y, .dy = dy, .out = dx});
}

/* ==== The forms ========================================================= */

static void copy_x(const ActivationJob *job, size_t at, size_t count) {
    memcpy(job->out + at, job->x + at, count * sizeof(float));
}

static void copy_dy(const ActivationJob *job, size_t at, size_t count) {
    memcpy(job->out + at, job->dy + at, count * sizeof(float));
}

static void leaky_forward(const ActivationJob *job, size_t at, size_t count) {
    elementwise_leaky_relu(count, job->slope, job->x + at, job->out + at);
}

static void leaky_backward(const ActivationJob *job, size_t at, size_t count) {
    elementwise_leaky_relu_backward(count, job->slope, job->y + at,
                                    job->dy + at, job->out + at);
}

/* A form whose forward is elementwise_NAME(count, x, y) and whose backward is
 * elementwise_NAME_backward(count, STORED, dy, dx). */
#define FORWARD_PIECE(name)                                                    \
    static void name##_forward(const ActivationJob *job, size_t at,            \
                               size_t count) {                                 \
        elementwise_##name(count, job->x + at, job->out + at);                 \
    }
#define BACKWARD_PIECE(name, stored)                                           \
    static void name##_backward(const ActivationJob *job, size_t at,           \
                                size_t count) {                                \
        elementwise_##name##_backward(count, job->stored + at, job->dy + at,   \
                                      job->out + at);                          \
    }

FORWARD_PIECE(step)
FORWARD_PIECE(sigmoid)
FORWARD_PIECE(tanh)
FORWARD_PIECE(relu)
FORWARD_PIECE(gelu)
FORWARD_PIECE(softplus)
BACKWARD_PIECE(sigmoid, y)
BACKWARD_PIECE(tanh, y)
BACKWARD_PIECE(relu, y)
BACKWARD_PIECE(gelu, x)
BACKWARD_PIECE(softplus, y)

/* ==== The kinds ========================================================= */

#define ACTIVATION_KIND(id, written, forward_piece, backward_piece, weight,    \
                        sentence)                                              \
    static const Activation id##_form = {forward_piece, backward_piece,        \
                                         weight##_PIECE};                      \
    const LayerKind layer_##id = {                                             \
        .name = written,                                                       \
        .usage = written,                                                      \
        .help = sentence,                                                      \
        .configure = activation_configure,                                     \
        .forward = activation_forward,                                         \
        .backward = activation_backward,                                       \
        .detail = &id##_form,                                                  \
    };

ACTIVATION_KIND(linear, "linear", copy_x, copy_dy, LIGHT,
                "Passes every value as it is: what is left without an "
                "activation.")
ACTIVATION_KIND(step, "step", step_forward, copy_dy, LIGHT,
                "Fires or does not: the first neuron's threshold, only for "
                "the perceptron rule.")
ACTIVATION_KIND(sigmoid, "sigmoid", sigmoid_forward, sigmoid_backward, HEAVY,
                "Squeezes every value between 0 and 1; slow in deep networks, "
                "because it saturates.")
ACTIVATION_KIND(tanh, "tanh", tanh_forward, tanh_backward, HEAVY,
                "Squeezes every value between -1 and 1; centred, so better "
                "than sigmoid inside a network.")
ACTIVATION_KIND(relu, "relu", relu_forward, relu_backward, LIGHT,
                "Passes positive values and stops negative ones: the usual "
                "choice.")
ACTIVATION_KIND(gelu, "gelu", gelu_forward, gelu_backward, HEAVY,
                "A smooth relu that lets a little of the negative side "
                "through; common in transformers.")
ACTIVATION_KIND(softplus, "softplus", softplus_forward, softplus_backward,
                HEAVY,
                "The smooth curve whose corner relu is; never quite zero.")

static Status leaky_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 1, fault));
    layer->argument[0] = 0.01;
    TRY(layer_read_number(layer, 0, "slope", 0, 0.999, &layer->argument[0],
                          fault));
    layer->out = layer->in;
    return STATUS_OK;
}

static const Activation leaky_form = {leaky_forward, leaky_backward,
                                      LIGHT_PIECE};
const LayerKind layer_leaky_relu = {
    .name = "leaky-relu",
    .usage = "leaky-relu [SLOPE]",
    .help = "A relu that keeps a small slope (0.01) below zero, so that no "
            "unit dies.",
    .configure = leaky_configure,
    .forward = activation_forward,
    .backward = activation_backward,
    .detail = &leaky_form,
};
