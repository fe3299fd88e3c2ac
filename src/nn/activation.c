/* Activations: a function applied to every value by itself.
 *
 *   relu   y = max(x, 0)        dx = dy where y > 0, else 0
 *
 * Shape in is shape out. Derivatives come from the stored output where that is
 * cheaper. Large layers are cut into pieces for the threads; every piece is
 * its own business, so the cut does not matter.
 */
#include "kernels/elementwise.h"
#include "nn/kinds.h"

/* Values that one task takes: 128 KB, several times the cost of a wake. */
enum { PIECE = 1 << 15 };

static Status activation_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 0, fault));
    layer->out = layer->in;
    return STATUS_OK;
}

/* One call over many pieces; `dx` is NULL on the way forward. */
typedef struct ActivationJob {
    void (*piece)(const struct ActivationJob *job, size_t at, size_t count);
    size_t count;
    const float *x, *y_in, *dy;
    float *y, *dx;
} ActivationJob;

static void activation_task(void *context, int task) {
    const ActivationJob *const job = context;
    const size_t at = (size_t)task * PIECE;
    job->piece(job, at, size_min(PIECE, job->count - at));
}

static void activation_run(const Layer *layer, const Pass *pass,
                           ActivationJob *job) {
    job->count = (size_t)pass->rows * shape_size(layer->out);
    pool_run(pass->pool, (int)size_div_up(job->count, PIECE), activation_task,
             job);
}

/* ==== relu ============================================================== */

static void relu_piece(const ActivationJob *job, size_t at, size_t count) {
    elementwise_relu(count, job->x + at, job->y + at);
}

static void relu_backward_piece(const ActivationJob *job, size_t at,
                                size_t count) {
    elementwise_relu_backward(count, job->y_in + at, job->dy + at,
                              job->dx + at);
}

static void relu_forward(Layer *layer, const Pass *pass, const float *x,
                         float *y) {
    ActivationJob job = {.piece = relu_piece, .x = x, .y = y};
    activation_run(layer, pass, &job);
}

static void relu_backward(Layer *layer, const Pass *pass, const float *x,
                          const float *y, const float *dy, float *dx) {
    (void)x;
    if (dx == NULL) return;
    ActivationJob job = {
        .piece = relu_backward_piece, .y_in = y, .dy = dy, .dx = dx};
    activation_run(layer, pass, &job);
}

const LayerKind layer_relu = {
    .name = "relu",
    .usage = "relu",
    .help = "Passes positive values and stops negative ones: the usual choice.",
    .configure = activation_configure,
    .forward = relu_forward,
    .backward = relu_backward,
};
