/* Learning-rate schedules where test_golden does not look: warm-up as long as
 * the run or longer, a run of one step, steps behind the end, and what every
 * schedule promises of its ends.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/schedule.h"

static Schedule schedule(ScheduleKind kind, uint64_t warmup, uint64_t total) {
    return (Schedule){.kind = kind,
                      .gamma = 0.5,
                      .step_epochs = 2,
                      .warmup = warmup,
                      .total_steps = total,
                      .epoch_steps = 10};
}

static bool near(double a, double b) { return fabs(a - b) < 1e-12; }

/* From 0 to 1 at every step, whatever the settings. */
static void test_range(void **state) {
    (void)state;
    static const uint64_t totals[] = {1, 2, 3, 4, 7, 100, 1000000000000};
    static const uint64_t warmups[] = {0, 1, 2, 5, 99, 100, 1000000000000};
    for (int kind = 0; kind < SCHEDULE_COUNT; kind++)
        for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
            for (size_t j = 0; j < sizeof warmups / sizeof warmups[0]; j++) {
                const Schedule s =
                    schedule((ScheduleKind)kind, warmups[j], totals[i]);
                for (uint64_t t = 0; t < totals[i] && t < 120; t++) {
                    const double factor = schedule_factor(&s, t);
                    if (!(factor > 0 && factor <= 1 + 1e-12))
                        fail_msg("kind %d, warm-up %d of %d: %g at step %d",
                                 kind, (int)j, (int)i, factor, (int)t);
                }
            }
}

static void test_steps_behind_the_end(void **state) {
    (void)state;
    for (int kind = 0; kind < SCHEDULE_COUNT; kind++) {
        const Schedule s = schedule((ScheduleKind)kind, 3, 50);
        const double last = schedule_factor(&s, 49);
        assert_true(schedule_factor(&s, 50) == last);
        assert_true(schedule_factor(&s, UINT64_MAX) == last);
    }
}

/* A straight line up to the schedule's own first value. */
static void test_warmup(void **state) {
    (void)state;
    for (int kind = 0; kind < SCHEDULE_COUNT; kind++) {
        const Schedule plain = schedule((ScheduleKind)kind, 0, 92);
        const Schedule warm = schedule((ScheduleKind)kind, 8, 100);
        const double first = schedule_factor(&plain, 0);
        for (uint64_t t = 0; t < 8; t++)
            assert_true(
                near(schedule_factor(&warm, t), first * (double)(t + 1) / 8));
        for (uint64_t t = 8; t < 100; t++)
            assert_true(near(schedule_factor(&warm, t),
                             schedule_factor(&plain, t - 8)));
    }
}

static void test_known_points(void **state) {
    (void)state;
    const Schedule drops = schedule(SCHEDULE_STEP, 0, 100);
    assert_true(near(schedule_factor(&drops, 19), 1));
    assert_true(near(schedule_factor(&drops, 20), 0.5));
    assert_true(near(schedule_factor(&drops, 99), 0.0625));
    const Schedule decay = schedule(SCHEDULE_EXPONENTIAL, 0, 100);
    assert_true(near(schedule_factor(&decay, 10), 0.5));
    assert_true(near(schedule_factor(&decay, 5), sqrt(0.5)));
    const Schedule line = schedule(SCHEDULE_LINEAR, 0, 100);
    assert_true(near(schedule_factor(&line, 25), 0.75));
    const Schedule cosine = schedule(SCHEDULE_COSINE, 0, 100);
    assert_true(near(schedule_factor(&cosine, 0), 1));
    assert_true(near(schedule_factor(&cosine, 50), 0.5));
    const Schedule cycle = schedule(SCHEDULE_ONE_CYCLE, 0, 100);
    assert_true(near(schedule_factor(&cycle, 0), 1.0 / 25));
    assert_true(near(schedule_factor(&cycle, 29), 1));
    assert_true(near(schedule_factor(&cycle, 99), 1.0 / 250000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_steps_behind_the_end),
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_known_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
