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
#define GRADIENT_BOUND 5e-6
#define STEPS_LOSS_BOUND 3e-6
#define WEIGHT_BOUND 2e-6

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

static const float *last_output(const Trainer *trainer) {
    return trainer->network.outputs[trainer->network.layer_count - 1];
}

/* The gradient called `name`, in PyTorch's layout; the caller frees. */
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

static void expect_outputs(Trainer *trainer, const GoldenFile *file,
                           const GoldenCase *golden,
                           const GoldenTensor *tensor) {
    float probabilities[BATCH * CLASS_COUNT];
    if (strcmp(tensor->name, "evaluation") == 0)
        trainer_predict(trainer, file->pixels, NULL, BATCH, probabilities);
    else
        trainer_gradient(trainer, file->pixels, NULL, file->labels, BATCH);
    expect_tensor(golden, tensor, last_output(trainer), OUTPUT_BOUND);
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
    Trainer *const trainer = golden_trainer(golden, "", dataset, pool);
    const double loss = trainer_gradient(trainer, networks->pixels, NULL,
                                         networks->labels, BATCH);
    expect_loss(golden, 0, loss, LOSS_BOUND);
    for (int i = 0; i < golden->tensor_count; i++) {
        const GoldenTensor *const tensor = &golden->tensor[i];
        if (strcmp(tensor->kind, "output") == 0)
            expect_outputs(trainer, networks, golden, tensor);
        else
            expect_gradient(trainer, golden, tensor);
    }
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
}

/* ==== Twenty steps ====================================================== */

static void test_optimizer(void **state) {
    const GoldenCase *const golden = *state;
    Dataset *const dataset = golden_dataset(optimizers);
    Pool *const pool = pool_create(2);
    Trainer *const trainer =
        golden_trainer(golden, "batch=16 epochs=100", dataset, pool);
    Fault fault = {0};
    for (int step = 0; step < golden->loss_count; step++) {
        if (trainer_step(trainer, &fault) != STATUS_OK)
            fail_msg("%s: %s", golden->name, fault.sentence);
        expect_loss(golden, step, metrics_loss(&trainer->batch),
                    STEPS_LOSS_BOUND);
    }
    for (int i = 0; i < golden->tensor_count; i++) {
        const GoldenTensor *const tensor = &golden->tensor[i];
        float *const values = read_parameter(trainer, tensor, false);
        expect_tensor(golden, tensor, values, WEIGHT_BOUND);
        free(values);
    }
    trainer_destroy(trainer);
    pool_destroy(pool);
    dataset_destroy(dataset);
}

/* A wrong gradient must not pass: the bounds see a change of one value of the
 * selection, and of one that only the product holds. */
static void test_bounds_can_fail(void **state) {
    (void)state;
    const GoldenTensor *tensor = NULL;
    const GoldenCase *const golden = &networks->cases[0];
    for (int i = 0; i < golden->tensor_count && tensor == NULL; i++)
        if (strcmp(golden->tensor[i].kind, "gradient") == 0)
            tensor = &golden->tensor[i];
    assert_non_null(tensor);
    float *const values = calloc(tensor->count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < tensor->entries; i++)
        values[tensor->index[i]] = (float)tensor->value[i];
    assert_true(golden_distance(tensor, values) <= GRADIENT_BOUND);
    values[5] += 0.01f * (float)tensor->largest; /* neither lit nor chosen */
    assert_true(golden_distance(tensor, values) > GRADIENT_BOUND);
    values[5] = 0;
    values[tensor->index[3]] += 1e-5f * (float)tensor->largest;
    assert_true(golden_distance(tensor, values) > GRADIENT_BOUND);
    free(values);
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
    count = add_cases(
        tests, count, optimizers, test_optimizer,
        "20 losses within " TEXT(STEPS_LOSS_BOUND) ", then weights "
                                                   "within " TEXT(
                                                       WEIGHT_BOUND) " of the "
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
