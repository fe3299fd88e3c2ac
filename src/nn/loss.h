/* Losses: what the network is asked to make small.
 *
 * A loss sees the last layer's output z[N,K] and the labels, and gives the sum
 * of the losses of the rows, the gradient with respect to z, and the class
 * probabilities. t is the one-hot target.
 *
 *   cross-entropy   p = softmax(z)   L = −Σ t' log p      dz = (p − t') / B
 *                   t' = (1−s)·t + s/K with label smoothing s
 *   mse             p = z            L = Σ (z − t)² / K   dz = 2(z − t)/(K·B)
 *
 * B is the number of rows of the whole batch, so that dz is the gradient of
 * the batch's mean loss however the batch is cut into chunks. As in PyTorch
 * (CrossEntropyLoss and MSELoss with reduction 'mean').
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
    LOSS_COUNT
} LossKind;

typedef struct LossSettings {
    LossKind kind;
    double smoothing; /* s of cross-entropy, 0 .. 1 */
} LossSettings;

/* Over the rows of one chunk. */
typedef struct LossSum {
    double loss; /* sum of the rows' losses; not finite when one is not */
    int correct; /* rows whose largest output is the label's */
} LossSum;

typedef struct Loss {
    LossSettings settings;
    int max_rows, classes;
    float *row_loss;      /* [max_rows] */
    float *probabilities; /* p[max_rows,K] of the last loss_forward */
    uint8_t *predicted;   /* [max_rows], class of the largest output */
} Loss;

/* Lay out for chunks of up to max_rows rows of `classes` outputs. */
void loss_bind(Loss *loss, Arena *arena, const LossSettings *settings,
               int max_rows, int classes);

/* Fill probabilities and predicted (lowest class on a tie) from z[rows,K], and
 * with labels[rows] sum up loss and hits; labels NULL: returns zeros.
 * Rows are summed in order. Cost: one exp per output. */
LossSum loss_forward(Loss *loss, Pool *pool, int rows, const float *z,
                     const uint8_t *labels);

/* dz[rows,K], the gradient of the mean loss over `batch_rows` rows. z and
 * labels are those of the last loss_forward. dz may not be z. */
void loss_backward(const Loss *loss, Pool *pool, int rows, size_t batch_rows,
                   const float *z, const uint8_t *labels, float *dz);

#endif
