/* The oracle: the whole network once more, forward only, in double precision
 * and in the plainest way, to differentiate by differences.
 *
 * It shares nothing with the core but the parsed list of layers. A new kind of
 * layer is one function and one row in oracle.c, and so is a new loss.
 */
#ifndef SOMA_TESTS_ORACLE_H
#define SOMA_TESTS_ORACLE_H

#include "train/trainer.h"

enum { ORACLE_TENSORS_MAX = 64 };

typedef struct Oracle {
    const Network *network; /* borrowed, for its layers */
    LossSettings loss;
    int rows;
    double *x;             /* [rows,784], as the first layer sees */
    const uint8_t *labels; /* [rows], borrowed */
    int tensor_count;
    double *tensor[ORACLE_TENSORS_MAX]; /* parameters in PyTorch's layout */
    double *z;                          /* [rows,K] of the last oracle_loss */
    uint64_t signs;      /* of everything that went into a kink */
    double nearest_kink; /* smallest distance of it from the kink */
} Oracle;

/* The trainer's network with its present weights and, where it has dropout,
 * the masks of its last pass, over `rows` images of bytes. */
Oracle oracle_create(const Trainer *trainer, const uint8_t *pixels,
                     const uint8_t *labels, int rows);
void oracle_destroy(Oracle *oracle);

/* Mean loss over the rows in training mode; sets z, signs, nearest_kink. */
double oracle_loss(Oracle *oracle);

/* Whether the oracle knows this kind of layer. */
bool oracle_knows(const char *kind);

#endif
