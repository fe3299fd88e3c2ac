/* Losses: what the network is asked to make small.
 *
 * A loss sees the last layer's output z[N,K] and the labels, and gives the sum
 * of the losses of the rows, the gradient with respect to z, and the class
 * probabilities. t is the one-hot target.
 *
 *   cross-entropy   p = softmax(z)   L = −Σ t' log p      dz = (p − t') / B
 *                   t' = (1−s)·t + s/K with label smoothing s
 *   mse             L = Σ (z − t)² / K                    dz = 2(z − t)/(K·B)
 *   binary          p = 1/(1+e^−z)   K = 1
 *                   L = −t log p − (1−t) log(1−p)         dz = (p − t) / B
 *   perceptron      L = Σ (t − z)², z from step neurons   dz = (z − t) / B
 *                   with sgd and batch 1 this is Rosenblatt's rule
 *                   Δw = η·(t − z)·x
 *
 * With one output (K = 1) the target is 1 for the images of one chosen digit
 * and 0 for all others. B is the number of rows of the whole batch, so that dz
 * is the gradient of the batch's mean loss however the batch is cut into
 * chunks. As PyTorch's CrossEntropyLoss, MSELoss and BCEWithLogitsLoss with
 * reduction 'mean'.
 */
#ifndef SOMA_NN_LOSS_H
#define SOMA_NN_LOSS_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/types.h"

/* In the order of the choices of the option `loss`. */
typedef enum LossKind {
    LOSS_CROSS_ENTROPY,
    LOSS_MSE,
    LOSS_BINARY,
    LOSS_PERCEPTRON,
    LOSS_COUNT
} LossKind;

typedef struct LossSettings {
    LossKind kind;
    double smoothing; /* s of cross-entropy, 0 .. 1 */
    int digit;        /* with one output: the class it stands for */
} LossSettings;

/* Over the rows of one chunk. */
typedef struct LossSum {
    double loss; /* sum of the rows' losses; not finite when one is not */
    int correct; /* rows whose largest output is the label's */
} LossSum;

typedef struct Loss {
    LossSettings settings;
    int max_rows;
    int outputs;          /* K: 10, or 1 */
    float *row_loss;      /* [max_rows] */
    float *probabilities; /* [max_rows,10] of the last loss_forward */
    uint8_t *predicted;   /* [max_rows] */
} Loss;

/* Lay out for chunks of up to max_rows rows of `outputs` outputs. */
void loss_bind(Loss *loss, Arena *arena, const LossSettings *settings,
               int max_rows, int outputs);

/* From z[rows,K] fill probabilities and predicted, and with labels[rows] sum
 * up loss and hits; labels NULL: returns zeros. Rows are summed in order.
 *
 * Probabilities are the softmax for cross-entropy, otherwise the positive
 * outputs' shares of their sum; with one output p for the chosen digit and the
 * rest spread evenly. The prediction is the first class with the largest
 * output; a single output that says no counts as the label it was right about,
 * or as another digit than the chosen one.
 * Cost: one exp per output. */
LossSum loss_forward(Loss *loss, Pool *pool, int rows, const float *z,
                     const uint8_t *labels);

/* dz[rows,K], the gradient of the mean loss over `batch_rows` rows. z and
 * labels are those of the last loss_forward. dz may not be z. */
void loss_backward(const Loss *loss, Pool *pool, int rows, size_t batch_rows,
                   const float *z, const uint8_t *labels, float *dz);

#endif
