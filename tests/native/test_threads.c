/* The number of threads changes no bit of a run, whatever takes part in it.
 * Under ThreadSanitizer this is also the test that no two threads meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "toy.h"

enum { TRAIN = 7000, STEPS = 40 };

static Dataset *dataset;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(TRAIN, 0);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    return 0;
}

static void test_threads(void **state) {
    (void)state;
    for (int i = 0; i < TOY_RUNS; i++) {
        const uint64_t one = toy_fingerprint(dataset, 1, toy_runs[i], STEPS);
        for (int threads = 2; threads <= 3; threads++)
            if (toy_fingerprint(dataset, threads, toy_runs[i], STEPS) != one)
                fail_msg("%s: other bits on %d threads", toy_runs[i], threads);
    }
}

/* A run in which every image is overwritten between two steps: what was made
 * ready of the next batch must not be used. */
static uint64_t run_with_new_images(int threads) {
    Dataset *const images = toy_dataset(500, 0);
    Pool *const pool = pool_create(threads);
    Trainer *const trainer =
        toy_trainer(images, pool, "net=dense 70,relu,dense 10 validation=0");
    uint8_t *const pixels = malloc(500 * IMAGE_PIXELS);
    uint8_t *const labels = malloc(500);
    for (size_t step = 0; step < 10; step++) {
        Fault fault = {0};
        toy_images(1000 * step, 500, pixels, labels);
        assert_int_equal(dataset_write(images, SET_TRAIN, 0, 500, pixels,
                                       labels, &fault),
                         STATUS_OK);
        toy_steps(trainer, 1);
    }
    const uint64_t fingerprint = trainer_fingerprint(trainer);
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(images);
    free(pixels);
    free(labels);
    return fingerprint;
}

static void test_new_images(void **state) {
    (void)state;
    const uint64_t one = run_with_new_images(1);
    for (int round = 0; round < 5; round++)
        for (int threads = 2; threads <= 3; threads++)
            assert_true(run_with_new_images(threads) == one);
}

/* Fingerprint after two epochs over images of which every `every`-th is white
 * where it was black: some batches are too dense for lists, also for those that
 * a helper makes ahead. */
static uint64_t run_with_dense_images(int threads, int every) {
    enum { COUNT = 480, BATCH = 48 };
    uint8_t *const pixels = malloc(COUNT * IMAGE_PIXELS);
    uint8_t *const labels = malloc(COUNT);
    Dataset *const images = toy_dataset(COUNT, 0);
    Fault fault = {0};
    toy_images(0, COUNT, pixels, labels);
    for (int i = 0; i < COUNT; i += every)
        for (int p = 0; p < IMAGE_PIXELS; p++)
            pixels[i * IMAGE_PIXELS + p] =
                (uint8_t)(255 - pixels[i * IMAGE_PIXELS + p]);
    assert_int_equal(
        dataset_write(images, SET_TRAIN, 0, COUNT, pixels, labels, &fault),
        STATUS_OK);
    const uint64_t fingerprint = toy_fingerprint(
        images, threads, "net=dense 70,relu,dense 10 batch=48 validation=0",
        2 * COUNT / BATCH);
    dataset_destroy(images);
    free(pixels);
    free(labels);
    return fingerprint;
}

static void test_dense_images(void **state) {
    (void)state;
    for (int every = 1; every <= 2; every++) {
        const uint64_t one = run_with_dense_images(1, every);
        for (int threads = 2; threads <= 3; threads++)
            assert_true(run_with_dense_images(threads, every) == one);
    }
}

/* Dropout of a fifth leaves as many values as the lists of zeros are worth: a
 * batch is a little above or below, and so may a part of it be. Of a plain step
 * lists and dense product give other bits; which of them it is was decided by
 * the share of each thread, until the whole batch decided. */
static void test_threads_agree_at_the_bound_of_density(void **state) {
    (void)state;
    const char *const run = "net=dense 96,tanh,dropout 0.2,dense 64,dense 10 "
                            "optimizer=sgd lr=0.1 batch=32 "
                            "validation=0";
    const uint64_t one = toy_fingerprint(dataset, 1, run, STEPS);
    for (int threads = 2; threads <= 3; threads++)
        assert_true(toy_fingerprint(dataset, threads, run, STEPS) == one);
}

/* Looking at the network shares its work too. */
static double evaluate(int threads) {
    Fault fault = {0};
    Pool *const pool = pool_create(threads);
    Trainer *const trainer = toy_trainer(dataset, pool, toy_runs[2]);
    toy_steps(trainer, 5);
    assert_int_equal(trainer_evaluate_begin(trainer, ROLE_VALIDATION, &fault),
                     STATUS_OK);
    while (trainer_evaluate_run(trainer, 1000) > 0) {
    }
    const double loss = metrics_loss(&trainer->evaluation.metrics);
    trainer_destroy(trainer);
    pool_destroy(pool);
    return loss;
}

static void test_evaluation(void **state) {
    (void)state;
    const double one = evaluate(1);
    assert_true(evaluate(2) == one);
    assert_true(evaluate(3) == one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_new_images),
        cmocka_unit_test(test_dense_images),
        cmocka_unit_test(test_threads_agree_at_the_bound_of_density),
        cmocka_unit_test(test_evaluation),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
