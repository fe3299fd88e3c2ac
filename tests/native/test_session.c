/* What may happen to a run between its steps: looking at it, changing a live
 * setting, stopping on a divergence and going back. None of it leaves a trace
 * that it should not.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"

/* Three blocks of the data set, the last one cut short. */
enum { TRAIN = 12000, TEST = 500, VALIDATION = 1000 };

#define SMALL "net=dense 16,relu,dense 10 validation=1000 "

static Dataset *dataset;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(TRAIN, TEST);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    return 0;
}

/* A trainer with a pool of its own. */
typedef struct Run {
    Pool *pool;
    Trainer *trainer;
} Run;

static Run run_begin(Dataset *data, const char *description) {
    Pool *const pool = pool_create(1);
    return (Run){.pool = pool, .trainer = toy_trainer(data, pool, description)};
}

static void run_end(Run run) {
    trainer_destroy(run.trainer);
    pool_destroy(run.pool);
}

static double train_loss(Trainer *trainer, BatchRole role) {
    Fault fault = {0};
    assert_int_equal(trainer_evaluate_begin(trainer, role, &fault), STATUS_OK);
    assert_int_equal(trainer_evaluate_run(trainer, SIZE_MAX / 2), 0);
    return metrics_loss(&trainer->evaluation.metrics);
}

/* ==== Looking =========================================================== */

/* Everything that looks at a network, between two steps. */
static void look(Trainer *trainer) {
    uint8_t pixels[20 * IMAGE_PIXELS], labels[20];
    float probabilities[20 * CLASS_COUNT];
    toy_images(0, 20, pixels, labels);
    train_loss(trainer, ROLE_TRAIN);
    train_loss(trainer, ROLE_VALIDATION);
    train_loss(trainer, ROLE_TEST);
    trainer_predict(trainer, pixels, NULL, 20, probabilities);
    trainer_gradient(trainer, pixels, NULL, labels, 20);
    trainer_mark(trainer);
}

static void test_looking_changes_nothing(void **state) {
    (void)state;
    static const char description[] = SMALL "optimizer=adam";
    const Run run = run_begin(dataset, description);
    for (int i = 0; i < 6; i++) {
        look(run.trainer);
        toy_steps(run.trainer, 30);
    }
    assert_true(trainer_fingerprint(run.trainer) ==
                toy_fingerprint(dataset, 1, description, 180));
    run_end(run);
}

/* What an evaluation says is what its parts say. */
static void expect_consistent(const Evaluation *evaluation) {
    size_t right = 0, all = 0;
    for (int label = 0; label < CLASS_COUNT; label++)
        for (int guess = 0; guess < CLASS_COUNT; guess++) {
            const uint32_t n =
                evaluation->confusion[label * CLASS_COUNT + guess];
            all += n;
            right += label == guess ? n : 0;
        }
    assert_int_equal(all, evaluation->metrics.rows);
    assert_int_equal(right, evaluation->metrics.correct);
    for (size_t i = 0; i < all; i++) {
        const float *const p = evaluation->probabilities + i * CLASS_COUNT;
        double sum = 0;
        for (int k = 0; k < CLASS_COUNT; k++) {
            sum += (double)p[k];
            assert_true(p[k] <= p[evaluation->predicted[i]]);
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
}

static void test_evaluation_in_slices(void **state) {
    (void)state;
    const Run run = run_begin(dataset, SMALL);
    Trainer *const trainer = run.trainer;
    toy_steps(trainer, 30);
    const double whole = train_loss(trainer, ROLE_VALIDATION);
    const size_t right = trainer->evaluation.metrics.correct;
    expect_consistent(&trainer->evaluation);
    Fault fault = {0};
    assert_int_equal(trainer_evaluate_begin(trainer, ROLE_VALIDATION, &fault),
                     STATUS_OK);
    size_t left = VALIDATION;
    for (size_t slice = 1; left > 0; slice = slice * 3 % 101) {
        const size_t now = trainer_evaluate_run(trainer, slice);
        assert_int_equal(now, left - size_min(slice, left));
        left = now;
    }
    expect_consistent(&trainer->evaluation);
    assert_int_equal(trainer->evaluation.metrics.correct, right);
    assert_true(fabs(metrics_loss(&trainer->evaluation.metrics) - whole) <
                1e-12);
    run_end(run);
}

static void test_evaluation_without_images(void **state) {
    (void)state;
    Dataset *const data = toy_dataset_empty(TRAIN, 0);
    const Run run = run_begin(data, SMALL);
    Fault fault = {0};
    for (int role = ROLE_TRAIN; role <= ROLE_TEST; role++)
        assert_int_equal(
            trainer_evaluate_begin(run.trainer, (BatchRole)role, &fault),
            STATUS_NO_DATA);
    toy_arrive(data, 0, 100); /* some of them are held out */
    assert_int_equal(trainer_evaluate_begin(run.trainer, ROLE_TRAIN, &fault),
                     STATUS_OK);
    assert_int_equal(trainer_evaluate_run(run.trainer, TRAIN), 0);
    assert_int_equal(run.trainer->evaluation.metrics.rows,
                     batcher_arrived(&run.trainer->batcher, ROLE_TRAIN));
    run_end(run);
    dataset_destroy(data);
}

/* ==== Stopping and going back =========================================== */

static bool all_finite(const Trainer *trainer) {
    for (size_t i = 0; i < trainer->network.flat_size; i++)
        if (!isfinite(trainer->network.parameters[i])) return false;
    return true;
}

/* Step until the run stops by itself. */
static Fault run_until_stopped(Trainer *trainer, int at_most) {
    Fault fault = {0};
    for (int i = 0; i < at_most; i++) {
        const Status status = trainer_step(trainer, &fault);
        if (status == STATUS_OK) continue;
        assert_int_equal(status, STATUS_NOT_FINITE);
        return fault;
    }
    fail_msg("still running after %d steps", at_most);
    return fault;
}

static void test_diverges_and_restores(void **state) {
    (void)state;
    const Run run =
        run_begin(dataset, "net=dense 16,relu,dense 10 optimizer=sgd lr=1e6");
    Trainer *const trainer = run.trainer;
    Fault fault = {0};
    assert_int_equal(trainer_restore(trainer, &fault), STATUS_NO_SNAPSHOT);
    const uint64_t fresh = trainer_fingerprint(trainer);
    fault = run_until_stopped(trainer, 100);
    assert_non_null(strstr(fault.place, "step "));
    assert_non_null(strstr(fault.sentence, "learning rate"));
    assert_non_null(strstr(fault.sentence, "1000000"));
    assert_int_equal(trainer_step(trainer, &fault), STATUS_NOT_FINITE);

    assert_int_equal(trainer_restore(trainer, &fault), STATUS_OK);
    assert_int_equal(trainer->step, 0);
    assert_true(all_finite(trainer));
    assert_true(trainer_fingerprint(trainer) == fresh);
    assert_int_equal(trainer_set(trainer, "lr", "0.1", &fault), STATUS_OK);
    toy_steps(trainer, 150);
    assert_true(metrics_loss(&trainer->batch) < 0.5);
    run_end(run);
}

/* A snapshot in the middle of a run, with the optimiser's memory. */
static void test_restore_goes_on_as_before(void **state) {
    (void)state;
    static const char description[] = SMALL "optimizer=adam lr=0.001";
    const uint64_t at_256 = toy_fingerprint(dataset, 1, description, 256);
    const uint64_t at_300 = toy_fingerprint(dataset, 1, description, 300);
    const Run run = run_begin(dataset, description);
    Fault fault = {0};
    toy_steps(run.trainer, 290);
    assert_int_equal(trainer_set(run.trainer, "lr", "1e9", &fault), STATUS_OK);
    run_until_stopped(run.trainer, 50);
    assert_int_equal(trainer_restore(run.trainer, &fault), STATUS_OK);
    assert_int_equal(run.trainer->step, 256);
    assert_true(trainer_fingerprint(run.trainer) == at_256);
    assert_int_equal(trainer_set(run.trainer, "lr", "0.001", &fault),
                     STATUS_OK);
    toy_steps(run.trainer, 44);
    assert_true(trainer_fingerprint(run.trainer) == at_300);
    run_end(run);
}

/* Right after the start Adam's bias corrections are at their largest: going
 * back takes them along. */
static void test_restore_at_the_start(void **state) {
    (void)state;
    static const char description[] = SMALL "optimizer=adam lr=0.001";
    const Run run = run_begin(dataset, description);
    Fault fault = {0};
    toy_steps(run.trainer, 7);
    assert_int_equal(trainer_restore(run.trainer, &fault), STATUS_OK);
    assert_int_equal(run.trainer->step, 0);
    toy_steps(run.trainer, 9);
    assert_true(trainer_fingerprint(run.trainer) ==
                toy_fingerprint(dataset, 1, description, 9));
    run_end(run);
}

/* The weights that were written are NaN from the start. */
static void test_not_finite_names_the_layer(void **state) {
    (void)state;
    const Run run = run_begin(dataset, SMALL);
    float bias[CLASS_COUNT] = {0, 0, NAN};
    trainer_write_parameter(run.trainer, 3, bias);
    Fault fault = {0};
    assert_int_equal(trainer_step(run.trainer, &fault), STATUS_NOT_FINITE);
    assert_string_equal(fault.place, "step 1");
    assert_non_null(strstr(fault.sentence, "layer 3"));
    run_end(run);
}

/* ==== Live settings ===================================================== */

static void test_live_settings(void **state) {
    (void)state;
    const Run run = run_begin(dataset, SMALL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *const row = option_row((OptionId)i);
        char value[NETWORK_TEXT_MAX];
        Fault fault = {0};
        options_print_value(&run.trainer->options, (OptionId)i, value,
                            sizeof value);
        const Status status = trainer_set(run.trainer, row->key, value, &fault);
        assert_int_equal(status,
                         row->live ? STATUS_OK : STATUS_BAD_COMBINATION);
        if (!row->live) assert_string_equal(fault.place, row->key);
    }
    Fault fault = {0};
    assert_int_equal(trainer_set(run.trainer, "lr", "fast", &fault),
                     STATUS_BAD_VALUE);
    assert_int_equal(trainer_set(run.trainer, "speed", "1", &fault),
                     STATUS_UNKNOWN_KEY);
    run_end(run);
}

static void test_rate_changes_at_once(void **state) {
    (void)state;
    const Run run = run_begin(dataset, SMALL "optimizer=sgd lr=0.1");
    Fault fault = {0};
    toy_steps(run.trainer, 5);
    const uint64_t before = trainer_fingerprint(run.trainer);
    assert_int_equal(trainer_set(run.trainer, "lr", "0", &fault), STATUS_OK);
    toy_steps(run.trainer, 5);
    assert_true(trainer_fingerprint(run.trainer) == before);
    assert_int_equal(trainer_set(run.trainer, "lr", "0.1", &fault), STATUS_OK);
    toy_steps(run.trainer, 1);
    assert_true(trainer_fingerprint(run.trainer) != before);
    run_end(run);
}

static void test_epochs_end_the_run(void **state) {
    (void)state;
    const Run run = run_begin(dataset, SMALL "batch=1000 epochs=2");
    Fault fault = {0};
    assert_int_equal(trainer_epoch_steps(run.trainer), 11);
    assert_int_equal(trainer_total_steps(run.trainer), 22);
    toy_steps(run.trainer, 22);
    assert_true(trainer_finished(run.trainer));
    assert_int_equal(trainer_set(run.trainer, "epochs", "3", &fault),
                     STATUS_OK);
    assert_false(trainer_finished(run.trainer));
    toy_steps(run.trainer, 11);
    assert_true(trainer_finished(run.trainer));
    assert_true(trainer_fingerprint(run.trainer) ==
                toy_fingerprint(dataset, 1, SMALL "batch=1000 epochs=3", 33));
    run_end(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looking_changes_nothing),
        cmocka_unit_test(test_evaluation_in_slices),
        cmocka_unit_test(test_evaluation_without_images),
        cmocka_unit_test(test_diverges_and_restores),
        cmocka_unit_test(test_restore_goes_on_as_before),
        cmocka_unit_test(test_restore_at_the_start),
        cmocka_unit_test(test_not_finite_names_the_layer),
        cmocka_unit_test(test_live_settings),
        cmocka_unit_test(test_rate_changes_at_once),
        cmocka_unit_test(test_epochs_end_the_run),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
