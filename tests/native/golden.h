/* Golden vectors: reads the files that tests/vectors/make.py wrote.
 *
 * Anything unreadable fails the test that asks. The caller frees with
 * golden_close.
 */
#ifndef SOMA_TESTS_GOLDEN_H
#define SOMA_TESTS_GOLDEN_H

#include "train/trainer.h"

enum { GOLDEN_CASES_MAX = 96, GOLDEN_TENSORS_MAX = 24, GOLDEN_STEPS_MAX = 64 };

/* A tensor as PyTorch has it: some of its values, and what moves when any of
 * the others is wrong. */
typedef struct GoldenTensor {
    char kind[16];  /* output, gradient, final */
    char name[24];  /* "0.weight" */
    size_t count;   /* values of the whole tensor */
    double largest; /* what errors are measured by */
    double product; /* with golden_number(GOLDEN_PRODUCT, index) */
    size_t entries;
    size_t *index; /* [entries] */
    double *value; /* [entries] */
} GoldenTensor;

/* Starting values of one parameter: offset + scale·golden_number. */
typedef struct GoldenStart {
    char name[24];
    size_t count;
    double scale, offset;
} GoldenStart;

typedef struct GoldenCase {
    char name[96];
    char run[512];
    int start_count;
    GoldenStart start[GOLDEN_TENSORS_MAX];
    int tensor_count;
    GoldenTensor tensor[GOLDEN_TENSORS_MAX];
    int loss_count;
    double loss[GOLDEN_STEPS_MAX]; /* of one batch, or of every step */
    double rate[GOLDEN_STEPS_MAX]; /* learning rate of every step */
} GoldenCase;

typedef struct GoldenFile {
    size_t image_count;
    uint8_t *pixels; /* [image_count, 784] */
    uint8_t *labels; /* [image_count] */
    int case_count;
    GoldenCase cases[GOLDEN_CASES_MAX];
} GoldenFile;

enum { GOLDEN_PRODUCT = 500 };

/* A multiple of 2⁻¹¹ in [−1, 1): the same numbers as in make.py. */
double golden_number(uint32_t stream, size_t index);

/* Read tests/vectors/`name`. Never NULL. */
GoldenFile *golden_open(const char *name);
void golden_close(GoldenFile *file);

/* A trainer for the case that goes through `dataset` in file order, with the
 * case's starting weights. */
Trainer *golden_trainer(const GoldenCase *golden, Dataset *dataset, Pool *pool);

/* The file's images as a data set. */
Dataset *golden_dataset(const GoldenFile *file);

/* Largest difference between `values` and what is known of the tensor, as a
 * share of its largest value; the product counts with its own size. */
double golden_distance(const GoldenTensor *tensor, const float *values);

#endif
