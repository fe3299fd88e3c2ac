/* The layer interface: what every kind of layer tells and does.
 *
 * A network is an array of layers. Each has a kind, which is one row of the
 * table in layer.c; adding a kind of layer is adding one file and one row.
 *
 *     configure   words of `net=` and input shape → output shape, parameters
 *     bind        memory for what forward keeps for backward (measured first)
 *     forward     x[N,in] → y[N,out]
 *     backward    dy[N,out] → dx[N,in], and adds to the parameters' gradients
 *
 * Letters: N rows, I = size of `in`, O = size of `out`; every activation is
 * row-major without padding, an image's values in the order C, H, W.
 * Gradients are sums over the rows: the loss has already divided by the batch,
 * so a batch may come in chunks, the first overwriting, the others adding.
 */
#ifndef SOMA_NN_LAYER_H
#define SOMA_NN_LAYER_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/status.h"
#include "kernels/gemm.h"
#include "nn/input.h"

enum {
    LAYER_WORDS_MAX = 6,
    LAYER_WORD_CHARS = 24,
    LAYER_PARAMETERS_MAX = 4,
    PARAMETER_RANK_MAX = 4
};

/* Of one image: channels, height, width. A vector is {n, 1, 1}. */
typedef struct Shape {
    int channels, height, width;
} Shape;

static inline size_t shape_size(Shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

/* How a parameter starts, and whether weight decay applies to it. */
typedef enum ParameterRole {
    PARAMETER_WEIGHT, /* drawn by the initialiser; decays */
    PARAMETER_BIAS,   /* starts at 0 */
    PARAMETER_GAIN    /* starts at 1 (normalisation) */
} ParameterRole;

/* One tensor of the flat parameter vector.
 *
 * `shape` is PyTorch's, outputs first. A weight is stored the other way round,
 * [inputs,outputs] = [count/shape[0], shape[0]], because every kernel wants
 * the outputs of one input side by side, and in panels (kernels/panels.h);
 * `in_panels` says so. */
typedef struct Parameter {
    char name[24]; /* "0.weight": the layer's position and the tensor */
    int layer;
    int rank;
    int shape[PARAMETER_RANK_MAX];
    bool in_panels;
    ParameterRole role;
    size_t offset, count; /* within the flat vectors */
    float *value;         /* [count] */
    float *gradient;      /* [count] */
} Parameter;

/* Where the weight from input `input` to output `output` lies within a
 * parameter in panels. */
static inline size_t parameter_at(const Parameter *parameter, size_t input,
                                  size_t output) {
    const size_t outputs = (size_t)parameter->shape[0];
    return panels_at(parameter->count / outputs, outputs, input, output);
}

/* Given the gradients offset .. offset+count-1 of the flat vector when they
 * are final for this batch. Comes from any thread of the pool, for disjoint
 * ranges, each within one parameter. `gradient` is borrowed for the call and
 * need not lie in the flat vector, whose content has no meaning then. */
typedef void GradientReady(void *context, size_t offset, size_t count,
                           const float *gradient);

/* What one forward or backward pass knows. */
typedef struct Pass {
    Pool *pool;
    GemmWork *gemm;
    const Input *input;  /* where the first layer's x lies, dense or sparse */
    int rows;            /* N of this chunk */
    bool training;       /* dropout and batch statistics on */
    bool observing;      /* running statistics take note of this batch */
    uint32_t seed;       /* for layers that draw random numbers: */
    uint64_t step;       /*   the training step, */
    size_t first_row;    /*   and the chunk's first row within the batch */
    bool accumulate;     /* add to the gradients; false: overwrite them */
    GradientReady *ready; /* set for the last chunk of a batch only */
    void *ready_context;
    float plain_step; /* not 0: a whole update is w += plain_step·gradient, and
                         a layer may make it itself instead of announcing */
} Pass;

typedef struct Layer Layer;

typedef struct LayerKind {
    const char *name;  /* as written in `net=` */
    const char *usage; /* "dense UNITS" */
    const char *help;  /* one sentence for a person */

    /* Check the words, set out, arguments and parameters of a layer whose
     * `in` is known. Allocates nothing. */
    Status (*configure)(Layer *layer, Fault *fault);

    /* Room for caches and workspace of up to max_rows rows on up to n_threads
     * threads. NULL: none. Runs twice (arena.h). */
    void (*bind)(Layer *layer, Arena *arena, int max_rows, int n_threads);

    /* y[N,O] from x[N,I]. For the first layer x is NULL when the input is
     * sparse (only kinds with reads_sparse are given that). */
    void (*forward)(Layer *layer, const Pass *pass, const float *x, float *y);

    /* dx[N,I] from dy[N,O], given the x and y of the matching forward; then
     * the parameters' gradients (see Pass.accumulate), each announced with
     * pass_ready when it is complete: its weights may change at once, so dx
     * comes first. dx is NULL for the first layer. */
    void (*backward)(Layer *layer, const Pass *pass, const float *x,
                     const float *y, const float *dy, float *dx);

    bool reads_sparse;  /* can take a sparse pass->input instead of x */
    const void *detail; /* what kinds that share functions differ in */
} LayerKind;

struct Layer {
    const LayerKind *kind;
    int index;                                     /* position in `net=` */
    int word_count;                                /* words after the name */
    char word[LAYER_WORDS_MAX][LAYER_WORD_CHARS];  /* "8", "3x3" */
    Shape in, out;
    double argument[LAYER_WORDS_MAX]; /* what configure read from the words */
    int parameter_count;
    Parameter parameter[LAYER_PARAMETERS_MAX];
    float *cache[4];  /* kept between forward and backward; see each kind */
    SparseBatch lists[2]; /* likewise */
    bool x_is_sparse;     /* likewise */
    bool needs_whole_batch; /* statistics over the batch: no chunks */
    float *state[2];        /* [state_count], kept between steps */
    float state_initial[2]; /* what each starts from */
    size_t state_count;     /* 0: the layer keeps nothing */
};

/* The table of kinds. */
int layer_kind_count(void);
const LayerKind *layer_kind(int row);

/* Read one layer from `text` (not zero-terminated; "dense 128"), set its kind
 * and words. STATUS_UNKNOWN_LAYER lists what is known. */
Status layer_parse(Layer *layer, int index, const char *text, size_t length,
                   Fault *fault);

/* "dense 128", as the canonical text of the layer. Writes at most `size`. */
void layer_print(const Layer *layer, char *text, size_t size);

/* ==== For backward ====================================================== */

/* The whole gradient of this parameter is complete: tell whoever waits. */
void pass_ready(const Pass *pass, const Parameter *parameter);

/* ==== For configure ==================================================== */

/* Refuse more or fewer words than min .. max. */
Status layer_expect_words(const Layer *layer, int min, int max, Fault *fault);

/* Word `word` as a number in min .. max; `what` names it in the refusal. A
 * missing word leaves *value as it is. */
Status layer_read_number(const Layer *layer, int word, const char *what,
                         double min, double max, double *value, Fault *fault);

/* The same for whole numbers. */
Status layer_read_integer(const Layer *layer, int word, const char *what,
                          int min, int max, int *value, Fault *fault);

/* Declare a parameter of the given PyTorch shape. */
void layer_add_parameter(Layer *layer, const char *name, ParameterRole role,
                         int rank, const int *shape);

/* "net, layer 3" into `place`, for faults; layers count from 1 for people. */
void layer_place(const Layer *layer, char *place, size_t size);

#endif
