/* dense UNITS: every output sees every input.
 *
 *   weight W[I,O] in panels (PyTorch: [O,I]), bias b[O]
 *   forward    y  = b + x·W
 *   backward   dx = dy·Wᵀ     dW = xᵀ·dy     db = column sums of dy
 *
 * An image is read as a vector of all its values. Each product goes over the
 * non-zero elements only where enough of x or dy is zero: of the pixels, of
 * what relu or dropout let through, of the errors that relu passed back. The
 * bits are the same. Cost: 2·N·I·O flops forward, twice that backward, times
 * the share of non-zeros.
 */
#include "kernels/elementwise.h"
#include "nn/kinds.h"

enum { UNITS_MAX = 16384 };

/* Layers behind the first one look for zeros from this many inputs and units
 * on: below, writing the lists costs more than they save. */
enum { SPARSE_FROM = 64 };

/* Above this share of non-zeros the dense product is the faster one: both
 * products run at about the same speed, and the lists cost some of it. */
static const float MAX_DENSITY = 0.8f;

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

static int inputs_of(const Layer *layer) { return (int)shape_size(layer->in); }

static bool looks_for_zeros(const Layer *layer) {
    return layer->index > 0 && inputs_of(layer) >= SPARSE_FROM &&
           layer->out.channels >= SPARSE_FROM;
}

static void dense_bind(Layer *layer, Arena *arena, int max_rows,
                       int n_threads) {
    if (!looks_for_zeros(layer)) return;
    sparse_batch_bind(&layer->lists[0], arena, SPARSE_FROM_FLOATS, SPARSE_BOTH,
                      max_rows, inputs_of(layer), MAX_DENSITY, n_threads);
    sparse_batch_bind(&layer->lists[1], arena, SPARSE_FROM_FLOATS,
                      SPARSE_BY_SAMPLE, max_rows, layer->out.channels,
                      MAX_DENSITY, n_threads);
}

/* x as lists: those of the input stage, or this layer's own. NULL when x is
 * dense. Backward finds what forward has built. */
static const SparseBatch *sparse_x(Layer *layer, const Pass *pass,
                                   const float *x, bool build) {
    if (x == NULL) return input_batch(pass->input);
    if (!looks_for_zeros(layer)) return NULL;
    if (build)
        layer->x_is_sparse =
            sparse_from_floats(pass->pool, &layer->lists[0],
                               pass->training ? SPARSE_BOTH : SPARSE_BY_SAMPLE,
                               x, (size_t)inputs_of(layer), pass->rows);
    return layer->x_is_sparse ? &layer->lists[0] : NULL;
}

static void dense_forward(Layer *layer, const Pass *pass, const float *x,
                          float *y) {
    const int inputs = inputs_of(layer), units = layer->out.channels;
    const Matrix weight =
        matrix_panels(layer->parameter[0].value, (size_t)inputs, (size_t)units);
    const float *const bias = layer->parameter[1].value;
    const SparseBatch *const lists = sparse_x(layer, pass, x, true);
    if (lists != NULL) {
        sparse_forward(pass->pool, pass->gemm, lists, units, weight, bias, y);
        return;
    }
    elementwise_fill_rows(pass->rows, units, bias, y);
    gemm(pass->pool, pass->gemm, pass->rows, units, inputs,
         matrix_rows(x, (size_t)inputs), weight, y, (size_t)units, true);
}

/* dx[N,I] = dy·Wᵀ. */
static void input_gradient(Layer *layer, const Pass *pass, const float *dy,
                           float *dx) {
    const int inputs = inputs_of(layer), units = layer->out.channels;
    const Matrix transposed = matrix_panels_transposed(
        layer->parameter[0].value, (size_t)inputs, (size_t)units);
    SparseBatch *const lists = &layer->lists[1];
    if (looks_for_zeros(layer) && sparse_reads_any(pass->gemm, units) &&
        sparse_from_floats(pass->pool, lists, SPARSE_BY_SAMPLE, dy,
                           (size_t)units, pass->rows))
        sparse_forward(pass->pool, pass->gemm, lists, inputs, transposed, NULL,
                       dx);
    else
        gemm(pass->pool, pass->gemm, pass->rows, inputs, units,
             matrix_rows(dy, (size_t)units), transposed, dx, (size_t)inputs,
             false);
}

/* A weight whose gradient becomes complete piece by piece. */
typedef struct PieceReady {
    const Pass *pass;
    const Parameter *weight;
} PieceReady;

static void piece_ready(void *context, size_t offset, size_t count,
                        const float *gradient) {
    const PieceReady *const piece = context;
    piece->pass->ready(piece->pass->ready_context,
                       piece->weight->offset + offset, count, gradient);
}

/* dW of a sparse batch; pieces go to the pass's `ready` as they are complete. A
 * plain step needs no dW: W += step·xᵀ·dy. That rounds otherwise than the dense
 * way, by less than 2e-6 of the largest weight in dozens of steps.
 */
static void sparse_gradient(const Parameter *weight, const Pass *pass,
                            const SparseBatch *lists, int units,
                            const float *dy) {
    PieceReady piece = {.pass = pass, .weight = weight};
    const SparseFinish finish = {.take = piece_ready, .context = &piece};
    if (pass->plain_step != 0 && !pass->accumulate) {
        sparse_add_gradient(pass->pool, pass->gemm, lists, units,
                            pass->plain_step, dy, weight->value);
        return;
    }
    sparse_weight_gradient(pass->pool, pass->gemm, lists, units, dy,
                           weight->gradient, pass->accumulate,
                           pass->ready != NULL ? &finish : NULL);
}

static void dense_backward(Layer *layer, const Pass *pass, const float *x,
                           const float *y, const float *dy, float *dx) {
    (void)y;
    const int inputs = inputs_of(layer), units = layer->out.channels;
    const Parameter *const weight = &layer->parameter[0];
    const Parameter *const bias = &layer->parameter[1];
    if (dx != NULL) input_gradient(layer, pass, dy, dx);
    if (!pass->accumulate) elementwise_fill(bias->count, 0, bias->gradient);
    elementwise_add_column_sums(pass->rows, units, dy, bias->gradient);
    pass_ready(pass, bias);
    const SparseBatch *const lists = sparse_x(layer, pass, x, false);
    if (lists != NULL) {
        sparse_gradient(weight, pass, lists, units, dy);
        return;
    }
    gemm_to_panels(pass->pool, pass->gemm, inputs, units, pass->rows,
                   matrix_transposed(x, (size_t)inputs),
                   matrix_rows(dy, (size_t)units), weight->gradient,
                   pass->accumulate);
    pass_ready(pass, weight);
}

const LayerKind layer_dense = {
    .name = "dense",
    .usage = "dense UNITS",
    .help = "Every unit sums all inputs with its own weights and adds a bias.",
    .configure = dense_configure,
    .bind = dense_bind,
    .forward = dense_forward,
    .backward = dense_backward,
    .reads_sparse = true,
};
