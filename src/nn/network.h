/* A network: layers in a row, their parameters in one flat vector.
 *
 * network_parse reads `net=` and knows every shape; nothing is allocated.
 * network_bind lays the memory out (twice, see arena.h):
 *
 *     parameters | gradients | y of every layer | two dy buffers | caches
 *
 * Each parameter starts on a cache line; the gap before the next one is zero
 * in all flat vectors and stays zero, so loops may run over it.
 */
#ifndef SOMA_NN_NETWORK_H
#define SOMA_NN_NETWORK_H

#include "nn/input.h"
#include "nn/layer.h"

enum { NETWORK_LAYERS_MAX = 64, NETWORK_TEXT_MAX = 1024 };

typedef struct Network {
    int layer_count;
    Layer layers[NETWORK_LAYERS_MAX];
    int parameter_count;    /* tensors */
    size_t scalar_count;    /* numbers in them */
    size_t flat_size;       /* floats of each flat vector, gaps included */
    size_t state_size;      /* floats of all layers' states */
    bool needs_whole_batch; /* some layer does: a batch is one chunk */
    int max_rows;
    float *parameters;      /* [flat_size] */
    float *gradients;       /* [flat_size] */
    float *states;          /* [state_size], running statistics */
    float *outputs[NETWORK_LAYERS_MAX]; /* y[max_rows,O] of every layer */
    float *errors[2];       /* dy[max_rows, widest layer], taken in turns */
    Input input;
    GemmWork gemm;
} Network;

/* Read a list of layers, "dense 128, relu, dense 10", for images of shape
 * `in`. Shapes are checked layer by layer; the fault names the layer.
 * STATUS_OUT_OF_MEMORY when the parameters could not be addressed. */
Status network_parse(Network *network, const char *text, Shape in,
                     Fault *fault);

/* The canonical text of the layers; at most `size` bytes with the zero. */
void network_print(const Network *network, char *text, size_t size);

/* Shape of the last layer's output. */
Shape network_out(const Network *network);

/* Memory for passes of up to max_rows rows on up to n_threads threads. */
void network_bind(Network *network, Arena *arena, int max_rows, int n_threads,
                  InputScaling scaling);

/* Parameter number 0 .. parameter_count-1, in the order of the layers. */
const Parameter *network_parameter(const Network *network, int number);

/* Forward over the rows that network->input holds. Returns z[rows,K], the last
 * layer's output, which stays valid until the next pass. */
const float *network_forward(Network *network, Pass *pass);

/* z[rows,K] of the last forward pass. */
const float *network_result(const Network *network);

/* Where network_backward expects dz[rows,K]. */
float *network_error(Network *network);

/* Backward over the same rows, from dz in network_error. Gradients of all
 * parameters are added to or overwritten (Pass.accumulate). */
void network_backward(Network *network, Pass *pass);

/* The first layer whose output, in the last forward pass over `rows` rows,
 * holds a value that is not finite; -1 when all are finite. */
int network_find_not_finite(const Network *network, int rows);

#endif
