/* Metrics: sums over rows that have been seen, and the means they give. */
#ifndef SOMA_TRAIN_METRICS_H
#define SOMA_TRAIN_METRICS_H

#include "data/batcher.h"
#include "nn/loss.h"

typedef struct Metrics {
    size_t rows;
    size_t correct;
    double loss; /* sum over the rows */
} Metrics;

static inline void metrics_add(Metrics *metrics, LossSum sum, int rows) {
    metrics->rows += (size_t)rows;
    metrics->correct += (size_t)sum.correct;
    metrics->loss += sum.loss;
}

/* Mean loss per row; NaN before the first row. */
static inline double metrics_loss(const Metrics *metrics) {
    return metrics->loss / (double)metrics->rows;
}

/* Share of rows that were right, 0..1; NaN before the first row. */
static inline double metrics_accuracy(const Metrics *metrics) {
    return (double)metrics->correct / (double)metrics->rows;
}

/* What a whole set gave: metrics, the prediction for every image, and how the
 * labels were taken for one another. Arrays are the arena's. */
typedef struct Evaluation {
    BatchRole role;
    size_t total;         /* images to go through */
    size_t next;          /* the first image not yet seen */
    Metrics metrics;
    uint32_t confusion[CLASS_COUNT * CLASS_COUNT]; /* [label, prediction] */
    uint8_t *predicted;                            /* [total] */
    float *probabilities;                          /* [total, CLASS_COUNT] */
} Evaluation;

#endif
