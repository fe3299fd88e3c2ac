/* softmax: the outputs of a layer become shares of one.
 *
 *   y = e^x / Σ e^x      dx = y ∘ (dy − Σ dy·y)     over each row
 *
 * For the squared error; cross-entropy has its own softmax inside.
 */
#include "kernels/elementwise.h"
#include "nn/kinds.h"

static Status softmax_configure(Layer *layer, Fault *fault) {
    TRY(layer_expect_words(layer, 0, 0, fault));
    layer->out = layer->in;
    return STATUS_OK;
}

static void softmax_forward(Layer *layer, const Pass *pass, const float *x,
                            float *y) {
    elementwise_softmax_rows(pass->rows, (int)shape_size(layer->out), x, y);
}

static void softmax_backward(Layer *layer, const Pass *pass, const float *x,
                             const float *y, const float *dy, float *dx) {
    (void)x;
    if (dx == NULL) return;
    const size_t width = shape_size(layer->out);
    for (size_t n = 0; n < (size_t)pass->rows; n++) {
        const float *const y_row = y + n * width;
        const float *const dy_row = dy + n * width;
        float dot = 0;
        for (size_t k = 0; k < width; k++) dot += dy_row[k] * y_row[k];
        for (size_t k = 0; k < width; k++)
            dx[n * width + k] = y_row[k] * (dy_row[k] - dot);
    }
}

const LayerKind layer_softmax = {
    .name = "softmax",
    .usage = "softmax",
    .help = "Turns the outputs into shares that sum to one; for loss=mse, "
            "since cross-entropy has it built in.",
    .configure = softmax_configure,
    .forward = softmax_forward,
    .backward = softmax_backward,
};
