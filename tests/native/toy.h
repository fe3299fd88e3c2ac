/* Toy data and short runs for the tests of the trainer.
 *
 * The images look like MNIST to the engine: 28 × 28 bytes, about a fifth of
 * them ink, ten classes. Each class has a pattern of its own, from which an
 * image leaves out some ink and to which it adds specks, so the classes can be
 * learnt. Everything is a function of the image's number.
 */
#ifndef SOMA_TESTS_TOY_H
#define SOMA_TESTS_TOY_H

#include "train/trainer.h"

/* Images first .. first+count-1: pixels[count,784], labels[count]. */
void toy_images(size_t first, size_t count, uint8_t *pixels, uint8_t *labels);

/* A data set whose images are all there; test images are others than the
 * training images. */
Dataset *toy_dataset(size_t train_count, size_t test_count);

/* A data set of the same images, none of which has arrived, and a part of its
 * training images arriving. */
Dataset *toy_dataset_empty(size_t train_count, size_t test_count);
void toy_arrive(Dataset *dataset, size_t first, size_t count);

/* Run descriptions in which every part of the core that shares its work or
 * draws random numbers takes part. */
enum { TOY_RUNS = 9 };
extern const char *const toy_runs[TOY_RUNS];

/* A trainer, or a failed test with the fault's sentence. */
Trainer *toy_trainer(Dataset *dataset, Pool *pool, const char *run);

/* `count` steps, each of which must succeed. */
void toy_steps(Trainer *trainer, int count);

/* Fingerprint after `steps` steps of the run on `threads` threads. */
uint64_t toy_fingerprint(Dataset *dataset, int threads, const char *run,
                         int steps);

#endif
