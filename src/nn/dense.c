/* dense UNITS: every output sees every input.
 *
 *   weight W[I,O] (PyTorch: [O,I]), bias b[O]
 *   forward    y  = b + x·W
 *   backward   dx = dy·Wᵀ     dW = xᵀ·dy     db = column sums of dy
 *
 * An image is read as a vector of all its values. The first layer reads a
 * sparse batch when there is one. Cost: 2·N·I·O flops forward, twice that
 * backward.
 */
#include "kernels/elementwise.h"
#include "nn/kinds.h"

enum { UNITS_MAX = 16384 };

static Status dense_configure(Layer *layer, Fault *fault) {
    int units = 0;
    TRY(layer_expect_words(layer, 1, 1, fault));
    TRY(layer_read_integer(layer, 0, "number of units", 1, UNITS_MAX, &units,
                           fault));
    layer->out = (Shape){units, 1, 1};
    const int shape[] = {units, (int)shape_size(layer->in)};
    layer_add_parameter(layer, "weight", PARAMETER_WEIGHT, 2, shape);
    layer_add_parameter(layer, "bias", PARAMETER_BIAS, 1, shape);
    return STATUS_OK;
}

static void dense_forward(Layer *layer, const Pass *pass, const float *x,
                          float *y) {
    const int inputs = (int)shape_size(layer->in), units = layer->out.channels;
    const float *const weight = layer->parameter[0].value;
    const float *const bias = layer->parameter[1].value;
    if (x == NULL) {
        sparse_forward(pass->pool, pass->gemm, &pass->input->batch, units,
                       weight, bias, y);
        return;
    }
    elementwise_fill_rows(pass->rows, units, bias, y);
    gemm(pass->pool, pass->gemm, pass->rows, units, inputs,
         matrix_rows(x, (size_t)inputs), matrix_rows(weight, (size_t)units), y,
         (size_t)units, true);
}

/* Rows of W whose gradient is complete. */
typedef struct RowsReady {
    const Pass *pass;
    const Parameter *weight;
    size_t units;
} RowsReady;

static void rows_ready(void *context, int first_row, int n_rows,
                       const float *gradient) {
    const RowsReady *const rows = context;
    rows->pass->ready(rows->pass->ready_context,
                      rows->weight->offset + (size_t)first_row * rows->units,
                      (size_t)n_rows * rows->units, gradient);
}

/* dW of a sparse batch; rows go to the pass's `ready` as they are complete. */
static void sparse_gradient(const Parameter *weight, const Pass *pass,
                            int units, const float *dy) {
    RowsReady rows = {.pass = pass, .weight = weight, .units = (size_t)units};
    const SparseFinish finish = {.take = rows_ready,
                                 .context = &rows,
                                 .used_only = pass->zeros_are_idle &&
                                              !pass->accumulate};
    sparse_weight_gradient(pass->pool, pass->gemm, &pass->input->batch, units,
                           dy, weight->gradient, pass->accumulate,
                           pass->ready != NULL ? &finish : NULL);
}

static void dense_backward(Layer *layer, const Pass *pass, const float *x,
                           const float *y, const float *dy, float *dx) {
    (void)y;
    const int inputs = (int)shape_size(layer->in), units = layer->out.channels;
    const size_t ldx = (size_t)inputs, ldy = (size_t)units;
    const Parameter *const weight = &layer->parameter[0];
    const Parameter *const bias = &layer->parameter[1];
    if (dx != NULL)
        gemm(pass->pool, pass->gemm, pass->rows, inputs, units,
             matrix_rows(dy, ldy), matrix_transposed(weight->value, ldy), dx,
             ldx, false);
    if (!pass->accumulate) elementwise_fill(bias->count, 0, bias->gradient);
    elementwise_add_column_sums(pass->rows, units, dy, bias->gradient);
    pass_ready(pass, bias);
    if (x == NULL) {
        sparse_gradient(weight, pass, units, dy);
        return;
    }
    gemm(pass->pool, pass->gemm, inputs, units, pass->rows,
         matrix_transposed(x, ldx), matrix_rows(dy, ldy), weight->gradient, ldy,
         pass->accumulate);
    pass_ready(pass, weight);
}

const LayerKind layer_dense = {
    .name = "dense",
    .usage = "dense UNITS",
    .help = "Every unit sums all inputs with its own weights and adds a bias.",
    .configure = dense_configure,
    .forward = dense_forward,
    .backward = dense_backward,
    .reads_sparse = true,
};
