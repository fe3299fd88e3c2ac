/* The number of threads changes no bit of a run, whatever takes part in it.
 * Under ThreadSanitizer this is also the test that no two threads meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
        cmocka_unit_test(test_evaluation),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
