/* Protects the stated error bounds of the vector functions over their whole
 * range, their behaviour at the edges (NaN, infinities, zeros, the ends of the
 * normal floats), and that an element's bits depend neither on its lane nor on
 * its neighbours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "kernels/vmath.h"
#include "reference.h"

typedef void ArrayFunction(size_t count, const float *x, float *y);
typedef double Exact(double x);

enum { BLOCK = 4096, BLOCKS = 100 };

/* The worst error in ulps over an even grid of [low, high]. */
static double worst_ulps(ArrayFunction *function, Exact *exact, double low,
                         double high) {
    static float x[BLOCK], y[BLOCK];
    double worst = 0;
    for (int block = 0; block < BLOCKS; block++) {
        for (int i = 0; i < BLOCK; i++) {
            const double share = (block * BLOCK + i) / (BLOCK * BLOCKS - 1.0);
            x[i] = (float)(low + (high - low) * share);
        }
        function(BLOCK, x, y);
        for (int i = 0; i < BLOCK; i++) {
            const double ulps = reference_ulps(y[i], exact((double)x[i]));
            if (ulps > worst) worst = ulps;
        }
    }
    return worst;
}

/* The same over an even grid of exponents, both signs when low < 0. */
static double worst_ulps_by_exponent(ArrayFunction *function, Exact *exact,
                                     double low_power, double high_power,
                                     double sign) {
    static float x[BLOCK], y[BLOCK];
    double worst = 0;
    for (int block = 0; block < BLOCKS; block++) {
        for (int i = 0; i < BLOCK; i++) {
            const double share = (block * BLOCK + i) / (BLOCK * BLOCKS - 1.0);
            const double power = low_power + (high_power - low_power) * share;
            x[i] = (float)(sign * exp2(power));
        }
        function(BLOCK, x, y);
        for (int i = 0; i < BLOCK; i++) {
            const double ulps = reference_ulps(y[i], exact((double)x[i]));
            if (ulps > worst) worst = ulps;
        }
    }
    return worst;
}

static double sigmoid(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static void check_bound(const char *what, double worst, double bound) {
    print_message("           %s: %.3f ulp\n", what, worst);
    assert_true(worst < bound);
}

static void exp_is_within_1_5_ulp(void **state) {
    (void)state;
    check_bound("exp", worst_ulps(vmath_exp, exp, -87.3365, 88.7228), 1.5);
    check_bound("near 0", worst_ulps(vmath_exp, exp, -0.01, 0.01), 1.5);
}

static void log_is_within_1_5_ulp(void **state) {
    (void)state;
    check_bound("log", worst_ulps_by_exponent(vmath_log, log, -149, 127.9, 1),
                1.5);
    check_bound("near 1", worst_ulps(vmath_log, log, 0.5, 2), 1.5);
}

static void tanh_is_within_3_ulp(void **state) {
    (void)state;
    check_bound("tanh", worst_ulps(vmath_tanh, tanh, -10, 10), 3);
    check_bound("small", worst_ulps_by_exponent(vmath_tanh, tanh, -126, 7, -1),
                3);
}

static void sigmoid_is_within_3_ulp(void **state) {
    (void)state;
    check_bound("sigmoid", worst_ulps(vmath_sigmoid, sigmoid, -87, 90), 3);
}

static void softplus_is_within_3_ulp(void **state) {
    (void)state;
    check_bound("softplus", worst_ulps(vmath_softplus, softplus, -87, 90), 3);
}

static void erf_is_within_3_ulp(void **state) {
    (void)state;
    check_bound("erf", worst_ulps(vmath_erf, erf, -6, 6), 3);
    check_bound("small", worst_ulps_by_exponent(vmath_erf, erf, -120, 0, 1), 3);
}

/* f(x), as an array of one. */
static float at(ArrayFunction *function, float x) {
    float y;
    function(1, &x, &y);
    return y;
}

static void edges_are_as_in_c(void **state) {
    (void)state;
    const float inf = INFINITY;
    static ArrayFunction *const all[] = {vmath_exp,      vmath_log,
                                         vmath_tanh,     vmath_sigmoid,
                                         vmath_softplus, vmath_erf};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(isnan(at(all[i], NAN)));
    assert_true(at(vmath_exp, 0) == 1 && at(vmath_exp, -0.0f) == 1);
    assert_true(at(vmath_exp, inf) == inf && at(vmath_exp, -inf) == 0);
    assert_true(at(vmath_exp, 88.73f) == inf && at(vmath_exp, -87.4f) == 0);
    assert_true(isfinite(at(vmath_exp, 88.72f)));
    assert_true(at(vmath_log, 0) == -inf && at(vmath_log, -0.0f) == -inf);
    assert_true(at(vmath_log, inf) == inf && at(vmath_log, 1) == 0);
    assert_true(isnan(at(vmath_log, -1)) && isnan(at(vmath_log, -inf)));
    assert_true(at(vmath_tanh, inf) == 1 && at(vmath_tanh, -inf) == -1);
    assert_true(at(vmath_tanh, 0) == 0 && signbit(at(vmath_tanh, -0.0f)));
    assert_true(at(vmath_sigmoid, inf) == 1 && at(vmath_sigmoid, -inf) == 0);
    assert_true(at(vmath_sigmoid, 0) == 0.5f);
    assert_true(at(vmath_softplus, inf) == inf);
    assert_true(at(vmath_softplus, -inf) == 0);
    assert_true(at(vmath_erf, inf) == 1 && at(vmath_erf, -inf) == -1);
    assert_true(at(vmath_erf, 0) == 0 && signbit(at(vmath_erf, -0.0f)));
}

/* Any length, any place: the bits of the element alone. */
static void bits_do_not_depend_on_the_place(void **state) {
    (void)state;
    for (size_t count = 0; count <= 13; count++) {
        float *const x = reference_floats(count);
        float *const y = reference_floats(count);
        reference_fill_random(count, 3, x);
        vmath_exp(count, x, y);
        for (size_t i = 0; i < count; i++) {
            const float alone = at(vmath_exp, x[i]);
            reference_assert_same_bits(1, y + i, &alone);
        }
        vmath_exp(count, x, x);
        reference_assert_same_bits(count, x, y);
        free(x);
        free(y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_1_5_ulp),
        cmocka_unit_test(log_is_within_1_5_ulp),
        cmocka_unit_test(tanh_is_within_3_ulp),
        cmocka_unit_test(sigmoid_is_within_3_ulp),
        cmocka_unit_test(softplus_is_within_3_ulp),
        cmocka_unit_test(erf_is_within_3_ulp),
        cmocka_unit_test(edges_are_as_in_c),
        cmocka_unit_test(bits_do_not_depend_on_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
