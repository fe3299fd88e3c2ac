/* Optimisers by themselves: the formulas of optimizer.h in double precision,
 * any cut of the vector, and what the trainer builds on: penalties on weights
 * only, clipping, memory that ends in zero. test_golden compares whole runs
 * with PyTorch.
 */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/optimizer.h"
#include "reference.h"

enum { SIZE = 37, STEPS = 12 };

static OptimizerSettings settings(OptimizerKind kind) {
    return (OptimizerSettings){.kind = kind,
                               .momentum = 0.9,
                               .alpha = 0.99,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8};
}

/* An optimiser with an arena of its own. */
typedef struct Bound {
    Arena arena;
    Optimizer optimizer;
} Bound;

static Bound bind(const OptimizerSettings *s, size_t size) {
    Bound bound;
    Arena measure = arena_measure();
    optimizer_bind(&bound.optimizer, &measure, s, size);
    bound.arena = reference_bind(measure.used);
    optimizer_bind(&bound.optimizer, &bound.arena, s, size);
    return bound;
}

static void unbind(Bound *bound) { reference_unbind(&bound->arena); }

/* Gradients of step `step`: other ones each time, of other sizes. */
static void fill_gradient(int step, float gradient[SIZE]) {
    reference_fill_random(SIZE, 900 + (uint32_t)step, gradient);
    for (int i = 0; i < SIZE; i++) gradient[i] *= i % 5 == 0 ? 20.0f : 0.3f;
}

/* ==== The formulas in double ============================================ */

/* One weight with its memory. */
typedef struct Weight {
    double w, slot0, slot1;
} Weight;

static double adam(const OptimizerSettings *s, Weight *m, double g, int t) {
    m->slot0 = s->beta1 * m->slot0 + (1 - s->beta1) * g;
    m->slot1 = s->beta2 * m->slot1 + (1 - s->beta2) * g * g;
    const double first = m->slot0 / (1 - pow(s->beta1, t));
    const double second = m->slot1 / (1 - pow(s->beta2, t));
    return first / (sqrt(second) + s->epsilon);
}

static double direction(const OptimizerSettings *s, Weight *m, double g,
                        int t) {
    switch (s->kind) {
    case OPTIMIZER_MOMENTUM:
        return m->slot0 = s->momentum * m->slot0 + g;
    case OPTIMIZER_NESTEROV:
        m->slot0 = s->momentum * m->slot0 + g;
        return g + s->momentum * m->slot0;
    case OPTIMIZER_RMSPROP:
        m->slot0 = s->alpha * m->slot0 + (1 - s->alpha) * g * g;
        return g / (sqrt(m->slot0) + s->epsilon);
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        return adam(s, m, g, t);
    case OPTIMIZER_SGD:
    case OPTIMIZER_COUNT:
        break;
    }
    return g;
}

static double sign(double x) { return (double)((x > 0) - (x < 0)); }

static void reference_step(const OptimizerSettings *s, Weight *m, double g,
                           double rate, double clip, bool penalised, int t) {
    g *= clip;
    if (penalised) g += s->l2 * m->w + s->l1 * sign(m->w);
    const double shrink = penalised ? 1 - rate * s->decay : 1;
    const double step = rate * direction(s, m, g, t);
    m->w = m->w * shrink - step;
}

/* STEPS steps on both sides. A step of 0.01 to 0.2 is rounded to 6e-8 of
 * itself a few times, a weight of up to 3 once a step: 12 steps stay within
 * 12·(3 + 4·0.2)·6e-8 < 3e-6. */
static void expect_formula(OptimizerSettings s, double clip, bool penalised) {
    Bound bound = bind(&s, SIZE);
    float w[SIZE], gradient[SIZE];
    Weight expected[SIZE] = {0};
    reference_fill_random(SIZE, 7, w);
    w[3] = 0;
    for (int i = 0; i < SIZE; i++) expected[i].w = (double)w[i];
    for (int t = 1; t <= STEPS; t++) {
        const double rate = 0.02 / t;
        fill_gradient(t, gradient);
        optimizer_begin(&bound.optimizer, rate, clip);
        optimizer_update(&bound.optimizer, 0, SIZE, w, gradient, penalised);
        for (int i = 0; i < SIZE; i++)
            reference_step(&s, &expected[i], (double)gradient[i], rate, clip,
                           penalised, t);
    }
    for (int i = 0; i < SIZE; i++)
        if (!(fabs((double)w[i] - expected[i].w) <= 3e-6))
            fail_msg("kind %d, weight %d: %.9g, not %.9g", (int)s.kind, i,
                     (double)w[i], expected[i].w);
    unbind(&bound);
}

static void test_formulas(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++) {
        OptimizerSettings s = settings((OptimizerKind)kind);
        expect_formula(s, 1, true);
        expect_formula(s, 0.3, true);
        s.l1 = 0.01;
        s.l2 = 0.05;
        expect_formula(s, 1, true);
        expect_formula(s, 1, false);
        s.decay = 0.4;
        expect_formula(s, 0.7, true);
        expect_formula(s, 0.7, false);
    }
}

/* ==== Cuts ============================================================== */

/* Weights after a few steps in ranges of `range`, the last one first. */
static void run_in_ranges(const OptimizerSettings *s, size_t range,
                          float w[SIZE]) {
    Bound bound = bind(s, SIZE);
    float gradient[SIZE];
    reference_fill_random(SIZE, 7, w);
    for (int t = 1; t <= 5; t++) {
        fill_gradient(t, gradient);
        optimizer_begin(&bound.optimizer, 0.1, 0.5);
        for (size_t end = SIZE; end > 0;) {
            const size_t first = (end - 1) / range * range;
            optimizer_update(&bound.optimizer, first, end - first, w + first,
                             gradient + first, true);
            end = first;
        }
    }
    unbind(&bound);
}

static void test_any_cut_gives_the_same_bits(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++) {
        OptimizerSettings s = settings((OptimizerKind)kind);
        s.l1 = s.l2 = s.decay = 0.01;
        float whole[SIZE], cut[SIZE];
        run_in_ranges(&s, SIZE, whole);
        for (size_t range = 1; range < SIZE; range += 3) {
            run_in_ranges(&s, range, cut);
            reference_assert_same_bits(SIZE, cut, whole);
        }
    }
}

/* ==== Memory ============================================================ */

/* The memory after one step with gradients and 1500 with `later` everywhere.
 * Nothing underflows on the way. */
static void decay(OptimizerKind kind, float later, void (*see)(float)) {
    OptimizerSettings s = settings(kind);
    s.alpha = s.beta2 = 0.9;
    Bound bound = bind(&s, SIZE);
    float w[SIZE], gradient[SIZE];
    reference_fill_random(SIZE, 7, w);
    fill_gradient(1, gradient);
    for (int t = 0; t < 1500; t++) {
        optimizer_begin(&bound.optimizer, 0.01, 1);
        feclearexcept(FE_UNDERFLOW);
        optimizer_update(&bound.optimizer, 0, SIZE, w, gradient, true);
        assert_int_equal(fetestexcept(FE_UNDERFLOW), 0);
        for (int i = 0; i < SIZE; i++) gradient[i] = later;
        for (int slot = 0; slot < optimizer_slots(s.kind); slot++)
            for (int i = 0; i < SIZE; i++)
                assert_int_not_equal(fpclassify(bound.optimizer.slot[slot][i]),
                                     FP_SUBNORMAL);
    }
    for (int slot = 0; slot < optimizer_slots(s.kind); slot++)
        for (int i = 0; i < SIZE; i++) see(bound.optimizer.slot[slot][i]);
    unbind(&bound);
}

static void expect_nothing(float memory) {
    assert_true(fabsf(memory) <= 1e-30f);
}

static void expect_little(float memory) { assert_true(fabsf(memory) < 1e-16f); }

/* Without gradients the memory decays to next to nothing, and not by way of
 * subnormal numbers, which are slow. */
static void test_memory_decays_to_nothing(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++)
        decay((OptimizerKind)kind, 0, expect_nothing);
}

/* Gradients of a network that has learnt every image: their squares would be
 * subnormal. Adam on 784-128-10 lost a third of its speed after 30 epochs. */
static void test_squares_of_tiny_gradients_are_not_subnormal(void **state) {
    (void)state;
    static const float sizes[] = {1e-18f, -3e-20f, 1e-22f};
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++)
        for (int i = 0; i < 3; i++)
            decay((OptimizerKind)kind, sizes[i], expect_little);
}

static void test_reset(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++) {
        const OptimizerSettings s = settings((OptimizerKind)kind);
        Bound bound = bind(&s, SIZE);
        float fresh[SIZE], again[SIZE], gradient[SIZE];
        fill_gradient(1, gradient);
        for (int round = 0; round < 2; round++) {
            float *const w = round == 0 ? fresh : again;
            reference_fill_random(SIZE, 7, w);
            for (int t = 0; t < 4; t++) {
                optimizer_begin(&bound.optimizer, 0.1, 1);
                optimizer_update(&bound.optimizer, 0, SIZE, w, gradient, true);
            }
            optimizer_reset(&bound.optimizer);
        }
        reference_assert_same_bits(SIZE, again, fresh);
        unbind(&bound);
    }
}

/* A gradient that is not a number must not be hidden. */
static void test_nan_stays_visible(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_COUNT; kind++) {
        const OptimizerSettings s = settings((OptimizerKind)kind);
        Bound bound = bind(&s, SIZE);
        float w[SIZE], gradient[SIZE];
        reference_fill_random(SIZE, 7, w);
        fill_gradient(1, gradient);
        gradient[5] = gradient[36] = NAN;
        optimizer_begin(&bound.optimizer, 0.1, 1);
        optimizer_update(&bound.optimizer, 0, SIZE, w, gradient, true);
        for (int i = 0; i < SIZE; i++)
            assert_true(isnan(w[i]) == (i == 5 || i == 36));
        unbind(&bound);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        {"every kind within 3e-6 of its formula over 12 steps", test_formulas,
         NULL, NULL, NULL},
        cmocka_unit_test(test_any_cut_gives_the_same_bits),
        cmocka_unit_test(test_memory_decays_to_nothing),
        cmocka_unit_test(test_squares_of_tiny_gradients_are_not_subnormal),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_nan_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
