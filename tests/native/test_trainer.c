/* A run is determined by its description and nothing else: not by threads, not
 * by when data arrives, not by how batches are cut. And it learns.
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

/* ==== The same bits ===================================================== */

static void test_seed(void **state) {
    (void)state;
    const uint64_t first = toy_fingerprint(dataset, 1, SMALL "seed=5", 40);
    assert_true(toy_fingerprint(dataset, 1, SMALL "seed=5", 40) == first);
    assert_true(toy_fingerprint(dataset, 1, SMALL "seed=6", 40) != first);
    assert_true(toy_fingerprint(dataset, 1, SMALL "seed=5", 41) != first);
}

static void expect_same_on_threads(const char *run) {
    const uint64_t one = toy_fingerprint(dataset, 1, run, 200);
    for (int threads = 2; threads <= 3; threads++)
        if (toy_fingerprint(dataset, threads, run, 200) != one)
            fail_msg("%s: other bits on %d threads", run, threads);
}

/* Widths that make the products worth sharing, and some that are odd. */
static void test_threads(void **state) {
    (void)state;
    expect_same_on_threads("net=dense 67,relu,dense 10 optimizer=adam");
    expect_same_on_threads("net=dense 130,relu,dense 37,relu,dense 10 "
                           "optimizer=momentum lr=0.05 batch=37 l2=0.001");
    expect_same_on_threads("net=dense 33,relu,dense 10 input=standard "
                           "optimizer=rmsprop batch=100");
}

/* ==== Data that arrives ================================================= */

/* Train on blocks that arrive in the given order, each when the trainer has
 * had to wait. Returns how often it waited. */
static int train_waiting(Trainer *trainer, Dataset *data, const size_t *blocks,
                         int steps) {
    int waits = 0;
    for (int done = 0; done < steps;) {
        Fault fault = {0};
        const Status status = trainer_step(trainer, &fault);
        if (status == STATUS_OK) {
            done++;
            continue;
        }
        assert_int_equal(status, STATUS_DATA_PENDING);
        assert_true(fault.sentence[0] != '\0');
        assert_int_equal(trainer->step, done);
        assert_true(waits < 3);
        const size_t first = blocks[waits++] * DATASET_BLOCK;
        toy_arrive(data, first, size_min(DATASET_BLOCK, TRAIN - first));
    }
    return waits;
}

static void test_arrival(void **state) {
    (void)state;
    static const char run[] = SMALL "optimizer=adam batch=64";
    static const size_t orders[][3] = {{0, 1, 2}, {2, 0, 1}, {2, 1, 0}};
    const int steps = 230; /* the first epoch has 172 */
    const uint64_t at_once = toy_fingerprint(dataset, 1, run, steps);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        Dataset *const data = toy_dataset_empty(TRAIN, TEST);
        const Run waiting = run_begin(data, run);
        assert_int_equal(train_waiting(waiting.trainer, data, orders[i], steps),
                         3);
        assert_true(trainer_fingerprint(waiting.trainer) == at_once);
        run_end(waiting);
        dataset_destroy(data);
    }
}

static void test_no_data_announced(void **state) {
    (void)state;
    Dataset *const data = toy_dataset_empty(0, 10);
    Pool *const pool = pool_create(1);
    Trainer *trainer = NULL;
    Fault fault = {0};
    assert_int_equal(trainer_create(data, pool, "", &trainer, &fault),
                     STATUS_NO_DATA);
    assert_null(trainer);
    assert_true(fault.sentence[0] != '\0');
    pool_destroy(pool);
    dataset_destroy(data);
}

/* ==== Chunks ============================================================ */

/* Fingerprint when no pass may take more than `rows` rows. */
static uint64_t in_chunks(const char *description, int rows, int steps) {
    const Run run = run_begin(dataset, description);
    assert_true(rows <= run.trainer->network.max_rows);
    run.trainer->network.max_rows = rows;
    toy_steps(run.trainer, steps);
    const uint64_t fingerprint = trainer_fingerprint(run.trainer);
    run_end(run);
    return fingerprint;
}

static void test_chunks(void **state) {
    (void)state;
    static const char *const runs[] = {
        SMALL "batch=1500 optimizer=adam lr=0.01",
        SMALL "batch=1500 optimizer=sgd lr=0.1 input=standard",
        SMALL "batch=1100 optimizer=momentum lr=0.1 loss=mse l2=0.01",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const uint64_t whole = in_chunks(runs[i], BATCHER_ROWS_MAX, 12);
        assert_true(in_chunks(runs[i], 500, 12) == whole);
        assert_true(in_chunks(runs[i], 7, 12) == whole);
    }
}

static void test_chunked_metrics(void **state) {
    (void)state;
    const Run whole = run_begin(dataset, SMALL "batch=1000");
    const Run cut = run_begin(dataset, SMALL "batch=1000");
    cut.trainer->network.max_rows = 333;
    toy_steps(whole.trainer, 3);
    toy_steps(cut.trainer, 3);
    assert_int_equal(cut.trainer->batch.rows, 1000);
    assert_int_equal(cut.trainer->batch.correct, whole.trainer->batch.correct);
    assert_int_equal(cut.trainer->mean.rows, 3000);
    /* Sums of the same doubles, in another order. */
    assert_true(fabs(metrics_loss(&cut.trainer->batch) -
                     metrics_loss(&whole.trainer->batch)) < 1e-12);
    run_end(whole);
    run_end(cut);
}

/* ==== Learning ========================================================== */

static double train_loss(Trainer *trainer, BatchRole role) {
    Fault fault = {0};
    assert_int_equal(trainer_evaluate_begin(trainer, role, &fault), STATUS_OK);
    assert_int_equal(trainer_evaluate_run(trainer, SIZE_MAX / 2), 0);
    return metrics_loss(&trainer->evaluation.metrics);
}

static void test_learns(void **state) {
    (void)state;
    static const char *const rules[] = {"sgd lr=0.1",       "momentum lr=0.02",
                                        "nesterov lr=0.02", "rmsprop lr=0.001",
                                        "adam lr=0.002",    "adamw lr=0.002"};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char description[256] = SMALL "optimizer=";
        strcat(description, rules[i]);
        const Run run = run_begin(dataset, description);
        const double before = train_loss(run.trainer, ROLE_TEST);
        toy_steps(run.trainer, 172);
        const double after = train_loss(run.trainer, ROLE_TEST);
        const double accuracy =
            metrics_accuracy(&run.trainer->evaluation.metrics);
        if (!(after < 0.2 * before && accuracy > 0.95))
            fail_msg("%s: test loss %g -> %g, accuracy %g", rules[i], before,
                     after, accuracy);
        run_end(run);
    }
}

static void test_overfits(void **state) {
    (void)state;
    const Run run = run_begin(dataset, "net=dense 32,relu,dense 10 limit=16 "
                                       "batch=16 epochs=1000 lr=0.01");
    assert_int_equal(batcher_count(&run.trainer->batcher, ROLE_TRAIN), 16);
    toy_steps(run.trainer, 200);
    assert_true(metrics_loss(&run.trainer->batch) < 1e-3);
    assert_int_equal(run.trainer->batch.correct, 16);
    run_end(run);
}

/* Images held out have no influence on the weights; others have. */
static void test_validation_never_trains(void **state) {
    (void)state;
    static const char description[] = SMALL "seed=3";
    const Run run = run_begin(dataset, description);
    const Batcher *const batcher = &run.trainer->batcher;
    assert_int_equal(batcher_count(batcher, ROLE_VALIDATION), VALIDATION);
    uint8_t ink[IMAGE_PIXELS];
    memset(ink, 200, sizeof ink);
    const uint8_t label = 4;
    Fault fault = {0};
    Dataset *const held_out = toy_dataset(TRAIN, 0);
    Dataset *const trained = toy_dataset(TRAIN, 0);
    for (int i = 0; i < VALIDATION; i++)
        assert_int_equal(dataset_write(held_out, SET_TRAIN,
                                       batcher->validation[i], 1, ink, &label,
                                       &fault),
                         STATUS_OK);
    assert_int_equal(dataset_write(trained, SET_TRAIN, batcher->train[17], 1,
                                   ink, &label, &fault),
                     STATUS_OK);
    toy_steps(run.trainer, 200);
    const uint64_t usual = trainer_fingerprint(run.trainer);
    run_end(run);
    assert_true(toy_fingerprint(held_out, 1, description, 200) == usual);
    assert_true(toy_fingerprint(trained, 1, description, 200) != usual);
    dataset_destroy(held_out);
    dataset_destroy(trained);
}

/* ==== Memory ============================================================ */

static void test_measured_is_used(void **state) {
    (void)state;
    static const char *const runs[] = {
        "",
        "net=dense 10 optimizer=sgd batch=1",
        SMALL "optimizer=adam batch=3000",
        SMALL "optimizer=momentum input=standard limit=1",
        "net=dense 7,relu,relu,dense 3,dense 10 optimizer=rmsprop batch=999999",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const Run run = run_begin(dataset, runs[i]);
        assert_int_equal(run.trainer->arena.used, run.trainer->arena.capacity);
        assert_true(run.trainer->arena.sealed);
        run_end(run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_arrival),
        cmocka_unit_test(test_no_data_announced),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunked_metrics),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_overfits),
        cmocka_unit_test(test_validation_never_trains),
        cmocka_unit_test(test_measured_is_used),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
