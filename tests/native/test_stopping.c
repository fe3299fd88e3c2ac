/* Ends of a run: early stopping brings back exactly the best epoch, the target
 * and the limit of steps end it, and going back after a divergence leaves no
 * trace in the layers' running averages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"

enum { TRAIN = 700, VALIDATION = 300, EPOCHS_MAX = 60 };

static Dataset *dataset;
static Pool *pool;

/* Some training labels are wrong, so that learning them by heart makes the
 * validation loss rise again. */
static int open_dataset(void **state) {
    (void)state;
    Fault fault = {0};
    uint8_t pixels[IMAGE_PIXELS], label;
    dataset = toy_dataset(TRAIN, 0);
    pool = pool_create(1);
    for (size_t i = 0; i < TRAIN; i += 3) {
        toy_images(i, 1, pixels, &label);
        label = (uint8_t)((label + 1 + i % 9) % CLASS_COUNT);
        dataset_write(dataset, SET_TRAIN, i, 1, pixels, &label, &fault);
    }
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    pool_destroy(pool);
    return 0;
}

static double validation_loss(Trainer *trainer) {
    Fault fault = {0};
    assert_int_equal(trainer_evaluate_begin(trainer, ROLE_VALIDATION, &fault),
                     STATUS_OK);
    while (trainer_evaluate_run(trainer, 64) > 0) {
    }
    return metrics_loss(&trainer->evaluation.metrics);
}

/* What each epoch left behind. */
typedef struct History {
    int epochs;
    double loss[EPOCHS_MAX];
    uint64_t fingerprint[EPOCHS_MAX];
    uint64_t step[EPOCHS_MAX];
} History;

/* One epoch with its evaluation and judgement; false when the run is over. */
static bool run_epoch(Trainer *trainer, History *history) {
    assert_true(history->epochs < EPOCHS_MAX);
    toy_steps(trainer, (int)trainer_epoch_steps(trainer));
    const int epoch = history->epochs++;
    history->loss[epoch] = validation_loss(trainer);
    history->fingerprint[epoch] = trainer_fingerprint(trainer);
    history->step[epoch] = trainer->step;
    return !trainer_judge(trainer) && !trainer_finished(trainer);
}

static History run_to_the_end(Trainer *trainer) {
    History history = {0};
    while (run_epoch(trainer, &history)) {
    }
    return history;
}

/* The epoch that early stopping should take for the best. */
static int best_epoch(const History *history, double min_delta) {
    int best = 0;
    for (int i = 1; i < history->epochs; i++)
        if (history->loss[i] < history->loss[best] - min_delta) best = i;
    return best;
}

#define RUN                                                                    \
    "net=dense 64,batchnorm,relu,dropout 0.1,dense 10 lr=0.02 batch=50 "       \
    "validation=300 "

/* ==== Early stopping ==================================================== */

static void expect_best(Trainer *trainer, const History *history, int best) {
    assert_true(trainer_finished(trainer));
    assert_int_equal(trainer->step, history->step[best]);
    assert_true(trainer_fingerprint(trainer) == history->fingerprint[best]);
    /* The running averages of batch norm are the best epoch's, too. */
    assert_true(validation_loss(trainer) == history->loss[best]);
}

static void test_best_epoch_comes_back(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "patience=4 epochs=50");
    const History history = run_to_the_end(trainer);
    const int best = best_epoch(&history, 0);
    assert_true(trainer->ended_early);
    assert_true(history.epochs < 50);
    assert_int_equal(history.epochs - 1 - best, 4);
    expect_best(trainer, &history, best);
    trainer_destroy(trainer);
}

/* Improvements below min-delta do not count. */
static void test_smallest_improvement(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "patience=3 epochs=50 min-delta=0.2");
    const History history = run_to_the_end(trainer);
    const int best = best_epoch(&history, 0.2);
    assert_int_equal(history.epochs - 1 - best, 3);
    expect_best(trainer, &history, best);
    trainer_destroy(trainer);
}

/* A run that is over before patience is takes its best epoch as well. */
static void test_patience_outlasts_the_run(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "patience=40 epochs=15");
    const History history = run_to_the_end(trainer);
    assert_int_equal(history.epochs, 15);
    const int best = best_epoch(&history, 0);
    assert_true(best < 14);
    expect_best(trainer, &history, best);
    trainer_destroy(trainer);
}

static void test_without_patience_nothing_comes_back(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(dataset, pool, RUN "epochs=15");
    const History history = run_to_the_end(trainer);
    assert_int_equal(history.epochs, 15);
    assert_false(trainer->ended_early);
    assert_true(trainer_fingerprint(trainer) == history.fingerprint[14]);
    trainer_destroy(trainer);
}

static void test_target(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "epochs=50 target=0.5");
    const History history = run_to_the_end(trainer);
    assert_true(trainer->ended_early && history.epochs < 50);
    assert_true(metrics_accuracy(&trainer->evaluation.metrics) >= 0.5);
    assert_true(trainer_fingerprint(trainer) ==
                history.fingerprint[history.epochs - 1]);
    trainer_destroy(trainer);
}

static void test_limit_of_steps(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "epochs=5 steps=11");
    assert_int_equal(trainer_total_steps(trainer), 11);
    toy_steps(trainer, 11);
    assert_true(trainer_finished(trainer));
    trainer_destroy(trainer);
}

/* A judgement without an evaluation of the validation images is none. */
static void test_judges_by_validation_only(void **state) {
    (void)state;
    Fault fault = {0};
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "patience=1 target=0.00001");
    assert_false(trainer_judge(trainer));
    trainer_evaluate_begin(trainer, ROLE_TRAIN, &fault);
    trainer_evaluate_run(trainer, TRAIN);
    assert_false(trainer_judge(trainer));
    trainer_destroy(trainer);
}

/* ==== Saving in the middle ============================================== */

/* A run that is saved and taken up elsewhere ends as it would have here. */
static void test_saved_run_ends_the_same(void **state) {
    (void)state;
    static const char run[] = RUN "patience=4 epochs=50";
    Trainer *const whole = toy_trainer(dataset, pool, run);
    const History expected = run_to_the_end(whole);
    Trainer *const first = toy_trainer(dataset, pool, run);
    History history = {0};
    for (int i = 0; i < expected.epochs - 2; i++)
        assert_true(run_epoch(first, &history));
    const size_t size = trainer_state_bytes(first);
    uint8_t *const bytes = malloc(size);
    trainer_state_write(first, bytes);

    Fault fault = {0};
    Trainer *const second = toy_trainer(dataset, pool, run);
    assert_int_equal(trainer_state_read(second, bytes, size, &fault),
                     STATUS_OK);
    while (run_epoch(second, &history)) {
    }
    assert_int_equal(history.epochs, expected.epochs);
    expect_best(second, &history, best_epoch(&expected, 0));
    assert_true(trainer_fingerprint(second) == trainer_fingerprint(whole));
    free(bytes);
    trainer_destroy(whole);
    trainer_destroy(first);
    trainer_destroy(second);
}

/* A state from before the end makes an ended run go on. */
static void test_state_reopens_an_ended_run(void **state) {
    (void)state;
    Trainer *const trainer =
        toy_trainer(dataset, pool, RUN "epochs=50 target=0.5");
    const size_t size = trainer_state_bytes(trainer);
    uint8_t *const bytes = malloc(size);
    trainer_state_write(trainer, bytes);
    const History history = run_to_the_end(trainer);
    Fault fault = {0};
    assert_true(trainer_finished(trainer));
    assert_int_equal(trainer_state_read(trainer, bytes, size, &fault),
                     STATUS_OK);
    assert_false(trainer_finished(trainer));
    const History again = run_to_the_end(trainer);
    assert_int_equal(again.epochs, history.epochs);
    assert_true(again.fingerprint[0] == history.fingerprint[0]);
    free(bytes);
    trainer_destroy(trainer);
}

/* ==== Going back after a divergence ===================================== */

/* Fingerprint and evaluation are those of a run that never strayed. */
static void test_restore_with_batchnorm(void **state) {
    (void)state;
    Trainer *const straight = toy_trainer(dataset, pool, RUN "epochs=80");
    toy_steps(straight, 300);
    Trainer *const strayed = toy_trainer(dataset, pool, RUN "epochs=80");
    Fault fault = {0};
    toy_steps(strayed, 290);
    trainer_set(strayed, "lr", "0.5", &fault);
    toy_steps(strayed, 5);
    assert_int_equal(trainer_restore(strayed, &fault), STATUS_OK);
    assert_int_equal(strayed->step, 256);
    trainer_set(strayed, "lr", "0.02", &fault);
    toy_steps(strayed, 44);
    assert_true(trainer_fingerprint(strayed) == trainer_fingerprint(straight));
    assert_true(validation_loss(strayed) == validation_loss(straight));
    trainer_destroy(straight);
    trainer_destroy(strayed);
}

/* A batch that stops the run leaves the evaluation as it was. */
static void test_stop_leaves_averages_alone(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(dataset, pool, RUN "epochs=80");
    Fault fault = {0};
    toy_steps(trainer, 20);
    const double before = validation_loss(trainer);
    float bias[CLASS_COUNT], broken[CLASS_COUNT] = {1e38f * 10};
    const int last = trainer->network.parameter_count - 1;
    trainer_read_parameter(trainer, last, false, bias);
    trainer_write_parameter(trainer, last, broken);
    assert_int_equal(trainer_step(trainer, &fault), STATUS_NOT_FINITE);
    trainer_write_parameter(trainer, last, bias);
    assert_true(validation_loss(trainer) == before);
    trainer_destroy(trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_epoch_comes_back),
        cmocka_unit_test(test_smallest_improvement),
        cmocka_unit_test(test_patience_outlasts_the_run),
        cmocka_unit_test(test_without_patience_nothing_comes_back),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_limit_of_steps),
        cmocka_unit_test(test_judges_by_validation_only),
        cmocka_unit_test(test_saved_run_ends_the_same),
        cmocka_unit_test(test_state_reopens_an_ended_run),
        cmocka_unit_test(test_restore_with_batchnorm),
        cmocka_unit_test(test_stop_leaves_averages_alone),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
