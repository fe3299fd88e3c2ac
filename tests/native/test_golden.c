/* The core computes what PyTorch computes: outputs, loss and every gradient of
 * whole networks, and the weights after twenty steps of every optimiser.
 *
 * PyTorch's answers are in double precision, so each bound is the room for our
 * float32 rounding. A value rounded once is off by 6e-8 of itself; sums over
 * 784 pixels, three layers and twenty steps add such errors up, mostly at
 * random. The bounds, as shares of a tensor's largest value, are three to five
 * times what was measured, and far below what a slip (an ε in the wrong place,
 * a missing bias correction) changes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

/* Shares of the largest value of each tensor; of the loss itself. */
#define OUTPUT_BOUND 3e-6
#define LOSS_BOUND 3e-6
#define GRADIENT_BOUND 1e-5
#define STEPS_LOSS_BOUND 3e-6
#define WEIGHT_BOUND 4e-6
#define STEPS_OUTPUT_BOUND 1e-5
/* Of the first rate: both sides are in double precision. */
#define RATE_BOUND 1e-13

#define TEXT_OF(bound) #bound
#define TEXT(bound) TEXT_OF(bound)

enum { BATCH = 16 };

static GoldenFile *networks, *optimizers;

static void expect_tensor(const GoldenCase *golden, const GoldenTensor *tensor,
                          const float *values, double bound) {
    const double distance = golden_distance(tensor, values);
    if (!(distance <= bound))
        fail_msg("%s: %s %s is off by %.2g of its largest value, bound %.2g",
                 golden->name, tensor->kind, tensor->name, distance, bound);
}

static void expect_loss(const GoldenCase *golden, int step, double loss,
                        double bound) {
    const double expected = golden->loss[step];
    if (!(fabs(loss - expected) <= bound * fabs(expected)))
        fail_msg("%s: loss %d is %.9g, not %.9g", golden->name, step + 1, loss,
                 expected);
}

/* ==== Outputs, loss, gradients ========================================== */

/* The parameter of the tensor's name, or its gradient, in PyTorch's layout; the
 * caller frees. */
static float *read_parameter(const Trainer *trainer, const GoldenTensor *tensor,
                             bool gradient) {
    int number = 0;
    while (strcmp(network_parameter(&trainer->network, number)->name,
                  tensor->name) != 0)
        number++;
    float *const values = calloc(tensor->count, sizeof *values);
    assert_non_null(values);
    trainer_read_parameter(trainer, number, gradient, values);
    return values;
}

static void expect_gradient(const Trainer *trainer, const GoldenCase *golden,
                            const GoldenTensor *tensor) {
    float *const values = read_parameter(trainer, tensor, true);
    expect_tensor(golden, tensor, values, GRADIENT_BOUND);
    free(values);
}

static void test_network(void **state) {
    const GoldenCase *const golden = *state;
    Dataset *const dataset = golden_dataset(networks);
    Pool *const pool = pool_create(2);
    Trainer *const trainer = golden_trainer(golden, dataset, pool);
    const double loss = trainer_gradient(trainer, networks->pixels, NULL,
                                         networks->labels, BATCH);
    expect_loss(golden, 0, loss, LOSS_BOUND);
    for (int i = 0; i < golden->tensor_count; i++) {
        const GoldenTensor *const tensor = &golden->tensor[i];
        if (strcmp(tensor->kind, "output") == 0)
            expect_tensor(golden, tensor, network_result(&trainer->network),
                          OUTPUT_BOUND);
        else
            expect_gradient(trainer, golden, tensor);
    }
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
}

/* ==== Twenty steps ====================================================== */

static void expect_rate(const GoldenCase *golden, const Trainer *trainer,
                        int step) {
    const double rate = trainer_rate(trainer, (uint64_t)step);
    if (!(fabs(rate - golden->rate[step]) <= RATE_BOUND * golden->rate[0]))
        fail_msg("%s: rate %d is %.17g, not %.17g", golden->name, step + 1,
                 rate, golden->rate[step]);
}

static void expect_step(const GoldenCase *golden, Trainer *trainer, int step) {
    Fault fault = {0};
    expect_rate(golden, trainer, step);
    if (trainer_step(trainer, &fault) != STATUS_OK)
        fail_msg("%s: %s", golden->name, fault.sentence);
    expect_loss(golden, step, metrics_loss(&trainer->batch), STEPS_LOSS_BOUND);
}

/* Outputs in evaluation mode: they show the running averages. */
static void expect_evaluation(Trainer *trainer, const GoldenCase *golden,
                              const GoldenTensor *tensor) {
    float probabilities[BATCH * CLASS_COUNT];
    trainer_predict(trainer, optimizers->pixels, NULL, BATCH, probabilities);
    expect_tensor(golden, tensor, network_result(&trainer->network),
                  STEPS_OUTPUT_BOUND);
}

static void expect_weights(const Trainer *trainer, const GoldenCase *golden,
                           const GoldenTensor *tensor) {
    float *const values = read_parameter(trainer, tensor, false);
    expect_tensor(golden, tensor, values, WEIGHT_BOUND);
    free(values);
}

static void test_optimizer(void **state) {
    const GoldenCase *const golden = *state;
    Dataset *const dataset = golden_dataset(optimizers);
    Pool *const pool = pool_create(2);
    Trainer *const trainer = golden_trainer(golden, dataset, pool);
    for (int step = 0; step < golden->loss_count; step++)
        expect_step(golden, trainer, step);
    assert_true(trainer_finished(trainer));
    for (int i = 0; i < golden->tensor_count; i++) {
        const GoldenTensor *const tensor = &golden->tensor[i];
        if (strcmp(tensor->kind, "output") == 0)
            expect_evaluation(trainer, golden, tensor);
        else
            expect_weights(trainer, golden, tensor);
    }
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
}

/* A wrong gradient must not pass: the bound sees a change of one value of the
 * selection, and of one that only the product holds. */
static void test_bounds_can_fail(void **state) {
    (void)state;
    const GoldenCase *const golden = &networks->cases[0];
    const GoldenTensor *const tensor = &golden->tensor[1];
    assert_string_equal(tensor->kind, "gradient");
    assert_string_equal(tensor->name, "0.weight");
    Dataset *const dataset = golden_dataset(networks);
    Pool *const pool = pool_create(1);
    Trainer *const trainer = golden_trainer(golden, dataset, pool);
    trainer_gradient(trainer, networks->pixels, NULL, networks->labels, BATCH);
    float *const values = read_parameter(trainer, tensor, true);
    const float largest = (float)tensor->largest;
    assert_true(golden_distance(tensor, values) <= GRADIENT_BOUND);
    values[5] += 0.01f * largest; /* a dark pixel that is not in the file */
    assert_true(golden_distance(tensor, values) > GRADIENT_BOUND);
    values[5] = 0;
    values[tensor->index[3]] += 2e-5f * largest;
    assert_true(golden_distance(tensor, values) > GRADIENT_BOUND);
    free(values);
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
}

/* ==== One test for each case ============================================ */

static char names[2 * GOLDEN_CASES_MAX][224];

/* Append a test for each case of the file; returns the new count. */
static size_t add_cases(struct CMUnitTest *tests, size_t count,
                        GoldenFile *file, CMUnitTestFunction test,
                        const char *promise) {
    for (int i = 0; i < file->case_count; i++, count++) {
        snprintf(names[count], sizeof names[count], "%s: %s",
                 file->cases[i].name, promise);
        tests[count] = (struct CMUnitTest){.name = names[count],
                                           .test_func = test,
                                           .initial_state = &file->cases[i]};
    }
    return count;
}

int main(void) {
    static struct CMUnitTest tests[2 * GOLDEN_CASES_MAX + 1];
    networks = golden_open("networks.txt");
    optimizers = golden_open("optimizers.txt");
    size_t count = add_cases(
        tests, 0, networks, test_network,
        "outputs and loss within " TEXT(
            OUTPUT_BOUND) ", gradients within " TEXT(GRADIENT_BOUND) " of the "
                                                                     "largest");
    count =
        add_cases(tests, count, optimizers, test_optimizer,
                  "20 losses within " TEXT(
                      STEPS_LOSS_BOUND) ", then weights "
                                        "within " TEXT(WEIGHT_BOUND) " of the "
                                                                     "largest");
    tests[count++] =
        (struct CMUnitTest){.name = "the bounds see one wrong value",
                            .test_func = test_bounds_can_fail};
    const int failed =
        _cmocka_run_group_tests("golden", tests, count, NULL, NULL);
    golden_close(networks);
    golden_close(optimizers);
    return failed;
}
