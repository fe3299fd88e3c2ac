#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ==== Images ============================================================ */

enum { INK = 150, SPECKS = 12, EDGE = 4, INNER = IMAGE_SIDE - 2 * EDGE };

/* Test images carry on where no training image is. */
enum { TEST_FIRST = 1 << 22 };

static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* A place away from the edge, where digits have their ink. */
static size_t place(uint32_t bits) {
    const size_t row = EDGE + bits % INNER,
                 column = EDGE + bits / INNER % INNER;
    return row * IMAGE_SIDE + column;
}

static void draw(uint32_t number, uint8_t label, uint8_t *row) {
    memset(row, 0, IMAGE_PIXELS);
    for (uint32_t i = 0; i < INK; i++) {
        const uint32_t chance = mix(number * 512 + i);
        if (chance % 8 != 0)
            row[place(mix(label * 1000u + i + 1))] =
                (uint8_t)(64 + (chance >> 8) % 192);
    }
    for (uint32_t i = 0; i < SPECKS; i++)
        row[place(mix(number * 512 + INK + i))] = 255;
}

void toy_images(size_t first, size_t count, uint8_t *pixels, uint8_t *labels) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t number = (uint32_t)(first + i);
        labels[i] = (uint8_t)(mix(number + 77) % CLASS_COUNT);
        draw(number, labels[i], pixels + i * IMAGE_PIXELS);
    }
}

static void write_images(Dataset *dataset, SetKind set, size_t first,
                         size_t count) {
    Fault fault = {0};
    uint8_t *const pixels = malloc(count * IMAGE_PIXELS + 1);
    uint8_t *const labels = malloc(count + 1);
    assert_true(pixels != NULL && labels != NULL);
    toy_images(set == SET_TEST ? TEST_FIRST + first : first, count, pixels,
               labels);
    assert_int_equal(
        dataset_write(dataset, set, first, count, pixels, labels, &fault),
        STATUS_OK);
    free(pixels);
    free(labels);
}

Dataset *toy_dataset_empty(size_t train_count, size_t test_count) {
    Dataset *dataset = NULL;
    Fault fault = {0};
    assert_int_equal(dataset_create(train_count, test_count, &dataset, &fault),
                     STATUS_OK);
    write_images(dataset, SET_TEST, 0, test_count);
    return dataset;
}

void toy_arrive(Dataset *dataset, size_t first, size_t count) {
    write_images(dataset, SET_TRAIN, first, count);
}

Dataset *toy_dataset(size_t train_count, size_t test_count) {
    Dataset *const dataset = toy_dataset_empty(train_count, test_count);
    toy_arrive(dataset, 0, train_count);
    return dataset;
}

/* ==== Runs ============================================================== */

const char *const toy_runs[TOY_RUNS] = {
    "net=dense 70,relu,dense 10 optimizer=sgd lr=0.1",
    "net=dense 70,relu,dense 10 optimizer=adam lr=0.002 batch=33",
    "net=dense 40,batchnorm,relu,dropout 0.3,dense 10 optimizer=momentum",
    "net=dense 33,layernorm,gelu,dense 21,tanh,dense 10,softmax loss=mse "
    "input=standard optimizer=adamw",
    "net=dense 24,sigmoid,dense 24,softplus,dense 10 smoothing=0.1 l1=0.0001",
    "net=dense 24,leaky-relu,dropout 0.5,dense 10 clip=0.5 max-norm=1.5 "
    "optimizer=nesterov lr=0.05",
    "net=dense 24,relu,dense 1 loss=binary digit=4 optimizer=rmsprop",
    "net=dense 10,step loss=perceptron optimizer=sgd lr=0.1 batch=1",
    "net=dense 20,relu,dense 10 shift=2 rotate=12 scale=0.1 elastic=30",
};

Trainer *toy_trainer(Dataset *dataset, Pool *pool, const char *run) {
    Trainer *trainer = NULL;
    Fault fault = {0};
    if (trainer_create(dataset, pool, run, &trainer, &fault) != STATUS_OK)
        fail_msg("%s: %s", run, fault.sentence);
    return trainer;
}

void toy_steps(Trainer *trainer, int count) {
    Fault fault = {0};
    for (int i = 0; i < count; i++)
        if (trainer_step(trainer, &fault) != STATUS_OK)
            fail_msg("step %d of %d: %s", i + 1, count, fault.sentence);
}

uint64_t toy_fingerprint(Dataset *dataset, int threads, const char *run,
                         int steps) {
    Pool *const pool = pool_create(threads);
    assert_int_equal(pool_threads(pool), threads);
    Trainer *const trainer = toy_trainer(dataset, pool, run);
    toy_steps(trainer, steps);
    const uint64_t fingerprint = trainer_fingerprint(trainer);
    trainer_destroy(trainer);
    pool_destroy(pool);
    return fingerprint;
}
