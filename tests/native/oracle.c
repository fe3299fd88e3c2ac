#include "oracle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* PyTorch's ε of both norms. */
static const double EPSILON = 1e-5;

static double *doubles(size_t count) {
    double *const block = calloc(count + 1, sizeof *block);
    assert_non_null(block);
    return block;
}

/* ==== The layers ======================================================== */

/* One layer at work: y[rows,O] from x[rows,I]. */
typedef struct Step {
    Oracle *oracle;
    const Layer *layer;
    double *const *tensor; /* its parameters */
    size_t rows, in, out;
    const double *x;
    double *y;
} Step;

/* The layer's first word as a number, or what it is without one. */
static double first_word(const Layer *layer, double otherwise) {
    return layer->word_count > 0 ? atof(layer->word[0]) : otherwise;
}

/* Note on which side of the kink at 0 a value lies. */
static void note_kink(Oracle *oracle, double x) {
    oracle->nearest_kink = fmin(oracle->nearest_kink, fabs(x));
    oracle->signs = (oracle->signs ^ (x > 0)) * 0x100000001b3u;
}

static void dense(const Step *s) {
    for (size_t n = 0; n < s->rows; n++)
        for (size_t o = 0; o < s->out; o++) {
            double sum = s->tensor[1][o];
            for (size_t i = 0; i < s->in; i++)
                sum += s->x[n * s->in + i] * s->tensor[0][o * s->in + i];
            s->y[n * s->out + o] = sum;
        }
}

static double linear(double x) { return x; }
static double relu(double x) { return x > 0 ? x : 0; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double gelu(double x) { return x * (1 + erf(x / sqrt(2))) / 2; }
static double softplus(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void apply(const Step *s, double (*function)(double)) {
    for (size_t i = 0; i < s->rows * s->out; i++) s->y[i] = function(s->x[i]);
}

static void linear_layer(const Step *s) { apply(s, linear); }
static void sigmoid_layer(const Step *s) { apply(s, sigmoid); }
static void tanh_layer(const Step *s) { apply(s, tanh); }
static void gelu_layer(const Step *s) { apply(s, gelu); }
static void softplus_layer(const Step *s) { apply(s, softplus); }

static void relu_layer(const Step *s) {
    for (size_t i = 0; i < s->rows * s->in; i++) note_kink(s->oracle, s->x[i]);
    apply(s, relu);
}

static void leaky_relu_layer(const Step *s) {
    const double slope = first_word(s->layer, 0.01);
    for (size_t i = 0; i < s->rows * s->in; i++) {
        note_kink(s->oracle, s->x[i]);
        s->y[i] = s->x[i] > 0 ? s->x[i] : slope * s->x[i];
    }
}

static void softmax_layer(const Step *s) {
    for (size_t n = 0; n < s->rows; n++) {
        const double *const x = s->x + n * s->in;
        double sum = 0;
        for (size_t k = 0; k < s->in; k++) sum += exp(x[k]);
        for (size_t k = 0; k < s->in; k++)
            s->y[n * s->in + k] = exp(x[k]) / sum;
    }
}

/* The masks are the core's own: what they are is test_network's business. */
static void dropout_layer(const Step *s) {
    for (size_t i = 0; i < s->rows * s->in; i++)
        s->y[i] = s->x[i] * (double)s->layer->cache[0][i];
}

/* γ·(x − μ)/√(σ² + ε) + β for `count` values, `stride` apart in groups of
 * `run`; the parameters advance by `step`. */
static void normalise(const Step *s, size_t first, size_t runs, size_t stride,
                      size_t run, size_t parameter, size_t step) {
    const double count = (double)(runs * run);
    double mean = 0, variance = 0;
    for (size_t r = 0; r < runs; r++)
        for (size_t i = 0; i < run; i++)
            mean += s->x[first + r * stride + i] / count;
    for (size_t r = 0; r < runs; r++)
        for (size_t i = 0; i < run; i++)
            variance += pow(s->x[first + r * stride + i] - mean, 2) / count;
    for (size_t r = 0; r < runs; r++)
        for (size_t i = 0; i < run; i++) {
            const size_t at = first + r * stride + i, p = parameter + i * step;
            s->y[at] =
                s->tensor[0][p] * (s->x[at] - mean) / sqrt(variance + EPSILON) +
                s->tensor[1][p];
        }
}

static void batchnorm_layer(const Step *s) {
    const size_t channels = (size_t)s->layer->in.channels;
    const size_t positions = s->in / channels;
    for (size_t c = 0; c < channels; c++)
        normalise(s, c * positions, s->rows, s->in, positions, c, 0);
}

static void layernorm_layer(const Step *s) {
    for (size_t n = 0; n < s->rows; n++)
        normalise(s, n * s->in, 1, 0, s->in, 0, 1);
}

static const struct {
    const char *name;
    void (*forward)(const Step *step);
} kinds[] = {
    {"dense", dense},
    {"linear", linear_layer},
    {"relu", relu_layer},
    {"leaky-relu", leaky_relu_layer},
    {"gelu", gelu_layer},
    {"softplus", softplus_layer},
    {"tanh", tanh_layer},
    {"sigmoid", sigmoid_layer},
    {"softmax", softmax_layer},
    {"dropout", dropout_layer},
    {"batchnorm", batchnorm_layer},
    {"layernorm", layernorm_layer},
};

static int find_kind(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) return (int)i;
    return -1;
}

bool oracle_knows(const char *kind) { return find_kind(kind) >= 0; }

/* ==== The losses ======================================================== */

/* Of one row; t[outputs] are the one-hot targets. */
static double cross_entropy(const LossSettings *settings, int outputs,
                            const double *z, const double *t) {
    double sum = 0, loss = 0;
    for (int k = 0; k < outputs; k++) sum += exp(z[k]);
    for (int k = 0; k < outputs; k++) {
        const double wanted =
            t[k] * (1 - settings->smoothing) + settings->smoothing / outputs;
        loss -= wanted * (z[k] - log(sum));
    }
    return loss;
}

static double mean_squares(const LossSettings *settings, int outputs,
                           const double *z, const double *t) {
    (void)settings;
    double loss = 0;
    for (int k = 0; k < outputs; k++) loss += pow(z[k] - t[k], 2) / outputs;
    return loss;
}

static double binary(const LossSettings *settings, int outputs, const double *z,
                     const double *t) {
    (void)settings, (void)outputs;
    return -t[0] * log(sigmoid(z[0])) - (1 - t[0]) * log(sigmoid(-z[0]));
}

typedef double RowLoss(const LossSettings *settings, int outputs,
                       const double *z, const double *t);

static RowLoss *const losses[LOSS_COUNT] = {
    [LOSS_CROSS_ENTROPY] = cross_entropy,
    [LOSS_MSE] = mean_squares,
    [LOSS_BINARY] = binary,
};

static double mean_loss(const Oracle *oracle, size_t outputs) {
    RowLoss *const row_loss = losses[oracle->loss.kind];
    assert_non_null(row_loss);
    double sum = 0;
    for (int n = 0; n < oracle->rows; n++) {
        double t[CLASS_COUNT] = {0};
        if (outputs == 1)
            t[0] = oracle->labels[n] == oracle->loss.digit;
        else
            t[oracle->labels[n]] = 1;
        sum += row_loss(&oracle->loss, (int)outputs,
                        oracle->z + (size_t)n * outputs, t);
    }
    return sum / oracle->rows;
}

/* ==== The network ======================================================= */

/* Pixels as the input stage says they are, in double. */
static double *read_pixels(const Trainer *trainer, const uint8_t *pixels,
                           int rows) {
    const bool standard =
        trainer->options.value[OPTION_INPUT] == INPUT_STANDARD;
    const size_t count = (size_t)rows * IMAGE_PIXELS;
    double *const x = doubles(count);
    for (size_t i = 0; i < count; i++) {
        const double unit = pixels[i] / 255.0;
        x[i] = standard ? (unit - 0.1307) / 0.3081 : unit;
    }
    return x;
}

Oracle oracle_create(const Trainer *trainer, const uint8_t *pixels,
                     const uint8_t *labels, int rows) {
    const Network *const network = &trainer->network;
    Oracle oracle = {.network = network,
                     .loss = trainer->loss.settings,
                     .rows = rows,
                     .x = read_pixels(trainer, pixels, rows),
                     .labels = labels,
                     .tensor_count = network->parameter_count,
                     .z = doubles((size_t)rows * CLASS_COUNT)};
    assert_true(oracle.tensor_count <= ORACLE_TENSORS_MAX);
    for (int i = 0; i < oracle.tensor_count; i++) {
        const size_t count = network_parameter(network, i)->count;
        float *const values = calloc(count, sizeof *values);
        assert_non_null(values);
        trainer_read_parameter(trainer, i, false, values);
        oracle.tensor[i] = doubles(count);
        for (size_t at = 0; at < count; at++)
            oracle.tensor[i][at] = (double)values[at];
        free(values);
    }
    return oracle;
}

void oracle_destroy(Oracle *oracle) {
    for (int i = 0; i < oracle->tensor_count; i++) free(oracle->tensor[i]);
    free(oracle->x);
    free(oracle->z);
}

double oracle_loss(Oracle *oracle) {
    const Network *const network = oracle->network;
    const size_t rows = (size_t)oracle->rows;
    double *x = oracle->x;
    int tensor = 0;
    oracle->signs = 0;
    oracle->nearest_kink = INFINITY;
    for (int i = 0; i < network->layer_count; i++) {
        const Layer *const layer = &network->layers[i];
        const size_t out = shape_size(layer->out);
        const Step step = {.oracle = oracle,
                           .layer = layer,
                           .tensor = &oracle->tensor[tensor],
                           .rows = rows,
                           .in = shape_size(layer->in),
                           .out = out,
                           .x = x,
                           .y = doubles(rows * out)};
        kinds[find_kind(layer->kind->name)].forward(&step);
        tensor += layer->parameter_count;
        if (i > 0) free(x);
        x = step.y;
    }
    const size_t outputs = shape_size(network_out(network));
    memcpy(oracle->z, x, rows * outputs * sizeof *x);
    if (x != oracle->x) free(x);
    return mean_loss(oracle, outputs);
}
