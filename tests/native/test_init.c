/* Starting weights: each initialiser has the distribution that it promises
 * (PyTorch's torch.nn.init), by moments, bounds and orthogonality, and depends
 * on the seed, the parameter and the element alone.
 *
 * A sample mean of n values of deviation s has the deviation s/√n, a sample
 * variance about s²·√(2/n) for normal values. Every bound is five of these:
 * a right initialiser fails a check of a new seed once in a million.
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

#include "base/random.h"
#include "toy.h"

static Dataset *dataset;
static Pool *pool;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(20, 0);
    pool = pool_create(1);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    pool_destroy(pool);
    return 0;
}

static Trainer *create(const char *init, const char *net) {
    char run[256];
    snprintf(run, sizeof run, "validation=0 init=%s net=%s", init, net);
    return toy_trainer(dataset, pool, run);
}

/* Values of a parameter in PyTorch's order; the caller frees. */
static float *read(const Trainer *trainer, int number, size_t *count) {
    *count = network_parameter(&trainer->network, number)->count;
    float *const values = calloc(*count, sizeof *values);
    assert_non_null(values);
    trainer_read_parameter(trainer, number, false, values);
    return values;
}

/* ==== Moments =========================================================== */

typedef struct Moments {
    double mean, variance, fourth, largest;
    size_t count;
} Moments;

static Moments moments(const float *values, size_t count) {
    Moments m = {.count = count};
    for (size_t i = 0; i < count; i++) m.mean += (double)values[i];
    m.mean /= (double)count;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)values[i] - m.mean;
        m.variance += d * d / (double)count;
        m.fourth += d * d * d * d / (double)count;
        m.largest = fmax(m.largest, fabs((double)values[i]));
    }
    return m;
}

/* Kurtosis tells a normal (3) from a uniform distribution (1.8). */
static void expect_moments(const char *what, Moments m, double deviation,
                           bool normal) {
    const double n = (double)m.count, variance = deviation * deviation;
    const double kurtosis = m.fourth / (m.variance * m.variance);
    const double expected = normal ? 3 : 1.8;
    if (fabs(m.mean) > 5 * deviation / sqrt(n) ||
        fabs(m.variance - variance) > 5 * variance * sqrt(2 / n) ||
        fabs(kurtosis - expected) > 5 * sqrt(24 / n))
        fail_msg("%s: mean %g, deviation %g instead of %g, kurtosis %g", what,
                 m.mean, sqrt(m.variance), deviation, kurtosis);
    if (!normal && m.largest > deviation * sqrt(3) * (1 + 1e-6))
        fail_msg("%s: %g lies outside the uniform range", what, m.largest);
}

typedef struct Row {
    const char *init, *net;
    double deviation; /* of the first weight, [100,784] */
    bool normal;
} Row;

static void test_distributions(void **state) {
    (void)state;
    const double inputs = 784, outputs = 100;
    const double he = sqrt(2 / inputs), xavier = sqrt(2 / (inputs + outputs));
    const Row rows[] = {
        {"uniform", "dense 100,relu,dense 10", 0.05 / sqrt(3), false},
        {"uniform init-scale=0.3", "dense 100,dense 10", 0.3 / sqrt(3), false},
        {"normal", "dense 100,relu,dense 10", 0.05, true},
        {"normal init-scale=2", "dense 100,relu,dense 10", 2, true},
        {"xavier", "dense 100,relu,dense 10", xavier, true},
        {"xavier-uniform", "dense 100,relu,dense 10", xavier, false},
        {"he", "dense 100,tanh,dense 10", he, true},
        {"he-uniform", "dense 100,tanh,dense 10", he, false},
        {"auto", "dense 100,relu,dense 10", he, true},
        {"auto", "dense 100,batchnorm,leaky-relu,dense 10", he, true},
        {"auto", "dense 100,dropout 0.2,gelu,dense 10", he, true},
        {"auto", "dense 100,softplus,dense 10", he, true},
        {"auto", "dense 100,tanh,dense 10", xavier, true},
        {"auto", "dense 100,sigmoid,dense 10", xavier, true},
        {"auto", "dense 100,dense 9,relu,dense 10", xavier, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Trainer *const trainer = create(rows[i].init, rows[i].net);
        size_t count;
        float *const values = read(trainer, 0, &count);
        char what[128];
        snprintf(what, sizeof what, "%s of %s", rows[i].init, rows[i].net);
        expect_moments(what, moments(values, count), rows[i].deviation,
                       rows[i].normal);
        free(values);
        trainer_destroy(trainer);
    }
}

/* The last layer, in front of no activation. */
static void test_last_layer(void **state) {
    (void)state;
    Trainer *const trainer = create("auto", "dense 400,relu,dense 10");
    size_t count;
    float *const values = read(trainer, 2, &count);
    assert_int_equal(count, 4000);
    expect_moments("auto, last layer", moments(values, count), sqrt(2.0 / 410),
                   true);
    free(values);
    trainer_destroy(trainer);
}

static void expect_all(const Trainer *trainer, int number, float expected) {
    size_t count;
    float *const values = read(trainer, number, &count);
    for (size_t i = 0; i < count; i++) assert_true(values[i] == expected);
    free(values);
}

static void test_constants(void **state) {
    (void)state;
    static const char net[] = "dense 7,batchnorm,relu,layernorm,dense 10";
    Trainer *const zeros = create("zeros", net);
    Trainer *const constant = create("constant init-scale=0.25", net);
    Trainer *const normal = create("normal", net);
    expect_all(zeros, 0, 0);
    expect_all(constant, 0, 0.25f);
    const Trainer *const all[] = {zeros, constant, normal};
    for (int i = 0; i < 3; i++) {
        expect_all(all[i], 1, 0); /* biases */
        expect_all(all[i], 2, 1); /* gains */
        expect_all(all[i], 3, 0);
        expect_all(all[i], 4, 1);
        expect_all(all[i], 7, 0);
    }
    trainer_destroy(zeros);
    trainer_destroy(constant);
    trainer_destroy(normal);
}

/* ==== Orthogonality ===================================================== */

/* w[rows,columns]: rows (or, with more rows than columns, columns) have length
 * `gain` and stand at right angles. A vector is rounded once at each of up to
 * 784 mirrors; were all errors to add up, a product would be 784·2^-24 = 5e-5
 * off. They do not: 2e-6 are about 30 times the rounding of one. */
static void expect_orthogonal(const float *w, size_t rows, size_t columns,
                              double gain) {
    const bool wide = columns >= rows;
    const size_t vectors = wide ? rows : columns,
                 length = wide ? columns : rows;
    const size_t next = wide ? columns : 1, along = wide ? 1 : columns;
    for (size_t a = 0; a < vectors; a++)
        for (size_t b = 0; b <= a; b++) {
            double product = 0;
            for (size_t i = 0; i < length; i++)
                product += (double)w[a * next + i * along] *
                           (double)w[b * next + i * along];
            const double expected = a == b ? gain * gain : 0;
            if (fabs(product - expected) > 2e-6)
                fail_msg("[%zu,%zu], vectors %zu and %zu: product %g, not %g",
                         rows, columns, a, b, product, expected);
        }
}

/* The weight [outputs,inputs] of a trainer, and nothing left in the gradient,
 * which was its workspace. */
static void expect_orthogonal_weight(const Trainer *trainer, int number,
                                     size_t outputs, size_t inputs,
                                     double gain) {
    size_t count;
    float *const w = read(trainer, number, &count);
    assert_int_equal(count, outputs * inputs);
    expect_orthogonal(w, outputs, inputs, gain);
    const Moments m = moments(w, count);
    if (count > 1000)
        assert_true(fabs(m.mean) < 6 * sqrt(m.variance) / sqrt((double)count));
    trainer_read_parameter(trainer, number, true, w);
    for (size_t i = 0; i < count; i++) assert_true(w[i] == 0);
    free(w);
}

static void test_orthogonal(void **state) {
    (void)state;
    Trainer *const trainer =
        create("orthogonal", "dense 60,relu,dense 90,tanh,dense 90,dense 10");
    const double root2 = 1.4142135623730951;
    expect_orthogonal_weight(trainer, 0, 60, 784, root2);
    expect_orthogonal_weight(trainer, 2, 90, 60, 1);
    expect_orthogonal_weight(trainer, 4, 90, 90, 1);
    expect_orthogonal_weight(trainer, 6, 10, 90, 1);
    trainer_destroy(trainer);
}

/* Shapes around the number of mirrors taken together (16) and around the
 * steps of the sums (4 and 32), from a single vector on. */
static void test_orthogonal_shapes(void **state) {
    (void)state;
    static const size_t widths[] = {1, 2, 3, 5, 15, 16, 17, 31, 33, 48, 63};
    size_t before = 784;
    char net[256];
    size_t used = 0;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        used += (size_t)snprintf(net + used, sizeof net - used, "dense %zu,",
                                 widths[i]);
    snprintf(net + used, sizeof net - used, "dense 10");
    Trainer *const trainer = create("orthogonal", net);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        expect_orthogonal_weight(trainer, 2 * (int)i, widths[i], before, 1);
        before = widths[i];
    }
    trainer_destroy(trainer);
}

/* More outputs than inputs, and as many vectors as an image has pixels. */
static void test_orthogonal_large(void **state) {
    (void)state;
    Trainer *const trainer = create("orthogonal", "dense 801,dense 10");
    expect_orthogonal_weight(trainer, 0, 801, 784, 1);
    trainer_destroy(trainer);
}

/* Over all square orthogonal matrices alike (Haar's measure): then the trace
 * of Q has mean 0 and variance 1 like a normal variable, and the trace of Q²
 * has mean 1 and variance 2 (Diaconis and Shahshahani 1994). A Q whose signs
 * are those of the reflections has a trace that is far from 0. */
static void test_orthogonal_is_uniform(void **state) {
    (void)state;
    enum { SEEDS = 400, N = 10 };
    double trace = 0, trace_squared = 0, square_trace = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        char init[64];
        snprintf(init, sizeof init, "orthogonal seed=%d", seed);
        Trainer *const trainer = create(init, "dense 10,dense 10");
        size_t count;
        float *const q = read(trainer, 2, &count);
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            sum += (double)q[i * N + i];
            for (size_t j = 0; j < N; j++)
                square_trace += (double)q[i * N + j] * (double)q[j * N + i];
        }
        trace += sum;
        trace_squared += sum * sum;
        free(q);
        trainer_destroy(trainer);
    }
    assert_true(fabs(trace / SEEDS) < 5 / sqrt(SEEDS));
    assert_true(fabs(trace_squared / SEEDS - 1) < 5 * sqrt(2.0 / SEEDS));
    assert_true(fabs(square_trace / SEEDS - 1) < 5 * sqrt(2.0 / SEEDS));
}

/* ==== What it depends on ================================================ */

/* Element [o,i] of PyTorch's layout is draw number o·I + i of the parameter's
 * own key, so neither storage nor order of work has a say. */
static void test_draws(void **state) {
    (void)state;
    Trainer *const trainer =
        create("normal init-scale=1 seed=77", "dense 6,relu,dense 8,dense 10");
    const RandomKey key = {.seed = 77, .stream = STREAM_INIT, .step = 2};
    size_t count;
    float *const w = read(trainer, 2, &count);
    assert_int_equal(count, 48);
    for (size_t at = 0; at < count; at++)
        assert_true(w[at] == random_normal(key, at));
    free(w);
    trainer_destroy(trainer);
}

static void test_depends_on_seed_and_parameter(void **state) {
    (void)state;
    static const char net[] = "dense 10,dense 10,dense 10";
    Trainer *const one = create("normal seed=1", net);
    Trainer *const again = create("normal seed=1 batch=3 optimizer=sgd", net);
    Trainer *const two = create("normal seed=2", net);
    assert_true(trainer_fingerprint(one) == trainer_fingerprint(again));
    assert_true(trainer_fingerprint(one) != trainer_fingerprint(two));
    size_t count;
    float *const middle = read(one, 2, &count), *const last =
                                                    read(one, 4, &count);
    int same = 0;
    for (size_t i = 0; i < count; i++) same += middle[i] == last[i];
    assert_int_equal(same, 0);
    free(middle);
    free(last);
    trainer_destroy(one);
    trainer_destroy(again);
    trainer_destroy(two);
}

/* With zeros every hidden unit stays like its neighbour: the failure that the
 * initialiser is there to show. */
static void test_zeros_fail_to_break_the_symmetry(void **state) {
    (void)state;
    Trainer *const trainer = create("zeros epochs=100 optimizer=sgd lr=0.5",
                                    "dense 5,sigmoid,dense 10");
    toy_steps(trainer, 20);
    size_t count;
    float *const w = read(trainer, 0, &count);
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        for (size_t unit = 1; unit < 5; unit++)
            assert_true(w[unit * IMAGE_PIXELS + i] == w[i]);
    free(w);
    trainer_destroy(trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_last_layer),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_orthogonal_shapes),
        cmocka_unit_test(test_orthogonal_large),
        cmocka_unit_test(test_orthogonal_is_uniform),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_depends_on_seed_and_parameter),
        cmocka_unit_test(test_zeros_fail_to_break_the_symmetry),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
