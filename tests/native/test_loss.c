/* Losses by themselves: the values at the ends of the number line, ties,
 * predictions, one output in place of ten, and that no NaN is lost.
 * test_golden compares with PyTorch, test_gradients with differences.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/loss.h"
#include "reference.h"

enum { ROWS = 200 };

/* A loss with an arena of its own. */
typedef struct Bound {
    Arena arena;
    Loss loss;
    Pool *pool;
} Bound;

static Bound bind(LossSettings settings, int outputs) {
    Bound bound = {.pool = pool_create(2)};
    Arena measure = arena_measure();
    loss_bind(&bound.loss, &measure, &settings, ROWS, outputs);
    bound.arena = reference_bind(measure.used);
    loss_bind(&bound.loss, &bound.arena, &settings, ROWS, outputs);
    return bound;
}

static void unbind(Bound *bound) {
    pool_destroy(bound->pool);
    reference_unbind(&bound->arena);
}

/* Loss of one row. */
static double loss_of(Bound *bound, const float *z, uint8_t label) {
    return loss_forward(&bound->loss, bound->pool, 1, z, &label).loss;
}

static const LossSettings cross_entropy = {.kind = LOSS_CROSS_ENTROPY};

/* ==== Cross-entropy ===================================================== */

static void test_extreme_outputs(void **state) {
    (void)state;
    Bound bound = bind(cross_entropy, 10);
    float z[10] = {0}, dz[10];
    const uint8_t label = 3;
    assert_true(fabs(loss_of(&bound, z, 3) - log(10)) < 1e-6);
    z[3] = 1e4f;
    assert_true(loss_of(&bound, z, 3) == 0);
    assert_true(loss_of(&bound, z, 5) == 1e4);
    z[3] = -3e38f;
    z[5] = 3e37f;
    assert_true(isfinite(loss_of(&bound, z, 5)));
    z[3] = -1e30f;
    z[5] = 1e30f;
    assert_true(fabs(loss_of(&bound, z, 3) / 2e30 - 1) < 1e-6);
    loss_backward(&bound.loss, bound.pool, 1, 1, z, &label, dz);
    for (int k = 0; k < 10; k++)
        assert_true(dz[k] == (k == 3 ? -1.0f : k == 5 ? 1.0f : 0.0f));
    unbind(&bound);
}

/* Moving all outputs together changes nothing, within float32's grain there. */
static void test_shift(void **state) {
    (void)state;
    Bound bound = bind(cross_entropy, 10);
    float z[10], moved[10];
    reference_fill_whole(10, 4, z);
    for (int k = 0; k < 10; k++) moved[k] = z[k] + 1024;
    assert_true(loss_of(&bound, z, 2) == loss_of(&bound, moved, 2));
    unbind(&bound);
}

static void test_smoothing(void **state) {
    (void)state;
    const LossSettings smooth = {.kind = LOSS_CROSS_ENTROPY, .smoothing = 0.3};
    Bound plain = bind(cross_entropy, 10), bound = bind(smooth, 10);
    float z[10], dz[10];
    const uint8_t label = 6;
    reference_fill_random(10, 3, z);
    double mean = 0, sum = 0;
    for (uint8_t k = 0; k < 10; k++) mean += loss_of(&plain, z, k) / 10;
    const double expected = 0.7 * loss_of(&plain, z, label) + 0.3 * mean;
    assert_true(fabs(loss_of(&bound, z, label) - expected) < 1e-6);
    loss_backward(&bound.loss, bound.pool, 1, 1, z, &label, dz);
    for (int k = 0; k < 10; k++) sum += (double)dz[k];
    assert_true(fabs(sum) < 1e-6);
    unbind(&plain);
    unbind(&bound);
}

/* ==== Predictions ======================================================= */

static void test_ties_go_to_the_lowest_class(void **state) {
    (void)state;
    Bound bound = bind(cross_entropy, 10);
    const float z[10] = {-1, 2, 0, 2, 2};
    const uint8_t one = 1, three = 3;
    assert_int_equal(loss_forward(&bound.loss, bound.pool, 1, z, &one).correct,
                     1);
    assert_int_equal(
        loss_forward(&bound.loss, bound.pool, 1, z, &three).correct, 0);
    assert_int_equal(bound.loss.predicted[0], 1);
    unbind(&bound);
}

/* Probabilities are shares of one, of every loss. */
static void test_probabilities(void **state) {
    (void)state;
    float z[ROWS * 10];
    uint8_t labels[ROWS] = {0};
    for (int kind = 0; kind < LOSS_COUNT; kind++) {
        const int outputs = kind == LOSS_BINARY ? 1 : 10;
        const LossSettings settings = {.kind = (LossKind)kind, .digit = 4};
        Bound bound = bind(settings, outputs);
        reference_fill_random(ROWS * 10, 5, z);
        for (int k = 0; k < 10; k++) z[k] = -1; /* nothing positive */
        loss_forward(&bound.loss, bound.pool, ROWS, z, labels);
        for (size_t n = 0; n < ROWS; n++) {
            double sum = 0;
            for (int k = 0; k < 10; k++) {
                const float p = bound.loss.probabilities[n * 10 + (size_t)k];
                assert_true(p >= 0 && p <= 1);
                sum += (double)p;
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
        unbind(&bound);
    }
}

/* Without labels there are predictions and no loss. */
static void test_without_labels(void **state) {
    (void)state;
    Bound bound = bind(cross_entropy, 10);
    const float z[10] = {0, 0, 9};
    const LossSum sum = loss_forward(&bound.loss, bound.pool, 1, z, NULL);
    assert_true(sum.loss == 0 && sum.correct == 0);
    assert_int_equal(bound.loss.predicted[0], 2);
    assert_true(bound.loss.probabilities[2] > 0.99f);
    unbind(&bound);
}

/* ==== One output ======================================================== */

static void test_one_output(void **state) {
    (void)state;
    const LossSettings settings = {.kind = LOSS_BINARY, .digit = 4};
    Bound bound = bind(settings, 1);
    const float z[4] = {3, 3, -3, -3};
    const uint8_t labels[4] = {4, 5, 4, 5};
    float dz[4];
    const LossSum sum = loss_forward(&bound.loss, bound.pool, 4, z, labels);
    const double right = log1p(exp(-3)), wrong = log1p(exp(3));
    assert_int_equal(sum.correct, 2);
    assert_true(fabs(sum.loss - 2 * (right + wrong)) < 1e-5);
    loss_backward(&bound.loss, bound.pool, 4, 4, z, labels, dz);
    const double p = 1 / (1 + exp(-3));
    const double expected[] = {(p - 1) / 4, p / 4, -p / 4, (1 - p) / 4};
    for (int n = 0; n < 4; n++)
        assert_true(fabs((double)dz[n] - expected[n]) < 1e-7);
    const float far[2] = {200, -200};
    const uint8_t four[2] = {4, 4};
    const double loss =
        loss_forward(&bound.loss, bound.pool, 2, far, four).loss;
    assert_true(fabs(loss - 200) < 1e-4);
    unbind(&bound);
}

/* ==== Sums ============================================================== */

/* dz is that of the mean over the whole batch, whatever the chunk. */
static void test_batch_rows(void **state) {
    (void)state;
    for (int kind = 0; kind < LOSS_COUNT; kind++) {
        const int outputs = kind == LOSS_BINARY ? 1 : 10;
        const LossSettings settings = {.kind = (LossKind)kind, .digit = 4};
        Bound bound = bind(settings, outputs);
        float z[ROWS * 10], whole[ROWS * 10], chunk[ROWS * 10];
        uint8_t labels[ROWS];
        reference_fill_random(ROWS * 10, 8, z);
        for (int n = 0; n < ROWS; n++) labels[n] = (uint8_t)(n * 7 % 10);
        loss_forward(&bound.loss, bound.pool, ROWS, z, labels);
        loss_backward(&bound.loss, bound.pool, ROWS, ROWS, z, labels, whole);
        const size_t half = (size_t)(ROWS / 2 * outputs);
        loss_forward(&bound.loss, bound.pool, ROWS / 2, z + half,
                     labels + ROWS / 2);
        loss_backward(&bound.loss, bound.pool, ROWS / 2, ROWS, z + half,
                      labels + ROWS / 2, chunk);
        reference_assert_same_bits(half, chunk, whole + half);
        unbind(&bound);
    }
}

/* One row that is not a number makes the sum not a number. */
static void test_nan_stays_visible(void **state) {
    (void)state;
    for (int kind = 0; kind < LOSS_COUNT; kind++)
        for (size_t at = 0; at < 10; at += 3) {
            const int outputs = kind == LOSS_BINARY ? 1 : 10;
            const LossSettings settings = {.kind = (LossKind)kind, .digit = 4};
            Bound bound = bind(settings, outputs);
            float z[ROWS * 10];
            const uint8_t labels[ROWS] = {0};
            reference_fill_random(ROWS * 10, 8, z);
            z[10 + (outputs == 1 ? 0 : at)] = NAN;
            const double loss =
                loss_forward(&bound.loss, bound.pool, ROWS, z, labels).loss;
            if (isfinite(loss))
                fail_msg("loss %d hides a NaN at output %zu", kind, at);
            unbind(&bound);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extreme_outputs),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_ties_go_to_the_lowest_class),
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_without_labels),
        cmocka_unit_test(test_one_output),
        cmocka_unit_test(test_batch_rows),
        cmocka_unit_test(test_nan_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
