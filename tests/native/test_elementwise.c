/* Protects the elementwise passes: each is its formula for every length (tails
 * included, nothing read or written past the end), reductions have their
 * stated order, NaN and infinities stay visible, and every backward pass is
 * the derivative of its forward pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "kernels/elementwise.h"
#include "reference.h"

enum { LENGTH_MAX = 37 };

/* Two arrays of random numbers for one length. */
typedef struct Pair {
    size_t count;
    float *x, *y, *expected;
} Pair;

static Pair make_pair(size_t count) {
    Pair t = {count, reference_floats(count), reference_floats(count), NULL};
    reference_fill_random(count, 1, t.x);
    reference_fill_random(count, 2, t.y);
    t.expected = reference_copy(count, t.y);
    return t;
}

static void check_pair(Pair *t) {
    reference_assert_same_bits(t->count, t->y, t->expected);
    free(t->x);
    free(t->y);
    free(t->expected);
}

static void simple_passes_are_their_formulas(void **state) {
    (void)state;
    for (size_t count = 0; count <= LENGTH_MAX; count++) {
        Pair t = make_pair(count);
        for (size_t i = 0; i < count; i++) t.expected[i] = 2.5f;
        elementwise_fill(count, 2.5f, t.y);
        check_pair(&t);
        t = make_pair(count);
        for (size_t i = 0; i < count; i++) t.expected[i] *= 0.3f;
        elementwise_scale(count, 0.3f, t.y);
        check_pair(&t);
        t = make_pair(count);
        for (size_t i = 0; i < count; i++) t.expected[i] += t.x[i];
        elementwise_add(count, t.x, t.y);
        check_pair(&t);
        t = make_pair(count);
        for (size_t i = 0; i < count; i++) t.expected[i] *= t.x[i];
        elementwise_multiply(count, t.x, t.y);
        check_pair(&t);
        t = make_pair(count);
        for (size_t i = 0; i < count; i++) {
            const float product = -0.7f * t.x[i];
            t.expected[i] += product;
        }
        elementwise_axpy(count, -0.7f, t.x, t.y);
        check_pair(&t);
    }
}

static void bytes_become_scaled_floats(void **state) {
    (void)state;
    for (size_t count = 0; count <= LENGTH_MAX; count++) {
        Pair t = make_pair(count);
        uint8_t *const bytes = malloc(count + 1);
        for (size_t i = 0; i < count; i++) {
            bytes[i + 1] = (uint8_t)(i * 53 + 200);
            t.expected[i] = (float)bytes[i + 1] * (1.0f / 255.0f);
        }
        elementwise_from_bytes(count, bytes + 1, 1.0f / 255.0f, t.y);
        check_pair(&t);
        free(bytes);
    }
}

static void some_columns_are_scaled(void **state) {
    (void)state;
    enum { ROWS = 5 };
    for (size_t n = 0; n <= LENGTH_MAX; n++)
        for (size_t stride = n; stride <= n + 3; stride += 3) {
            float *const x = reference_floats(ROWS * stride);
            reference_fill_random(ROWS * stride, 6, x);
            Pair t = make_pair(ROWS * n);
            for (size_t i = 0; i < ROWS * n; i++)
                t.expected[i] = -0.3f * x[i / n * stride + i % n];
            elementwise_scale_columns(ROWS, n, -0.3f, x, stride, t.y);
            check_pair(&t);
            free(x);
        }
}

static void rows_take_the_bias_and_columns_sum_in_row_order(void **state) {
    (void)state;
    enum { ROWS = 7 };
    for (size_t n = 1; n <= LENGTH_MAX; n++) {
        float *const x = reference_floats(ROWS * n);
        Pair t = make_pair(ROWS * n);
        float *const bias = reference_floats(n);
        reference_fill_random(n, 4, bias);
        for (size_t i = 0; i < ROWS * n; i++) t.expected[i] = bias[i % n];
        elementwise_fill_rows(ROWS, (int)n, bias, t.y);
        reference_assert_same_bits(ROWS * n, t.y, t.expected);
        for (size_t i = 0; i < ROWS * n; i++) t.expected[i] += bias[i % n];
        elementwise_add_rows(ROWS, (int)n, bias, t.y);
        reference_assert_same_bits(ROWS * n, t.y, t.expected);
        memset(t.expected, 0, ROWS * n * sizeof(float));
        elementwise_fill_rows(ROWS, (int)n, NULL, t.y);
        check_pair(&t);
        reference_fill_random(ROWS * n, 5, x);
        float *const sums = reference_copy(n, bias);
        for (size_t i = 0; i < ROWS * n; i++) bias[i % n] += x[i];
        elementwise_add_column_sums(ROWS, (int)n, x, sums);
        reference_assert_same_bits(n, sums, bias);
        free(x);
        free(bias);
        free(sums);
    }
}

static void sum_of_squares_is_within_1e_5(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 3, 4, 17, 1023, 1024, 1025, 100000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        float *const x = reference_floats(counts[c]);
        reference_fill_random(counts[c], 6, x);
        double exact = 0;
        for (size_t i = 0; i < counts[c]; i++)
            exact += (double)x[i] * (double)x[i];
        const double sum = elementwise_sum_squares(counts[c], x);
        assert_true(fabs(sum - exact) <= 1e-5 * exact);
        free(x);
    }
}

static void extremes_and_broken_numbers_are_found_anywhere(void **state) {
    (void)state;
    assert_true(elementwise_max_abs(0, NULL) == 0);
    assert_true(elementwise_is_finite(0, NULL));
    for (size_t count = 1; count <= LENGTH_MAX; count++)
        for (size_t at = 0; at < count; at++) {
            float *const x = reference_floats(count);
            reference_fill_random(count, 7, x);
            x[at] = -3;
            assert_true(elementwise_max_abs(count, x) == 3);
            assert_true(elementwise_is_finite(count, x));
            x[at] = 3;
            assert_int_equal(elementwise_argmax(count, x), at);
            x[at] = -INFINITY;
            assert_true(elementwise_max_abs(count, x) == INFINITY);
            assert_false(elementwise_is_finite(count, x));
            x[at] = NAN;
            assert_true(isnan(elementwise_max_abs(count, x)));
            assert_false(elementwise_is_finite(count, x));
            free(x);
        }
    const float equal[] = {1, 2, 2, 0};
    assert_int_equal(elementwise_argmax(4, equal), 1);
}

static void softmax_rows_are_within_1e_6(void **state) {
    (void)state;
    enum { ROWS = 3 };
    for (size_t n = 1; n <= LENGTH_MAX; n++) {
        float *const x = reference_floats(ROWS * n);
        float *const y = reference_floats(ROWS * n);
        reference_fill_random(ROWS * n, 8, x);
        for (size_t i = 0; i < ROWS * n; i++) x[i] = 100 * x[i] + 300;
        elementwise_softmax_rows(ROWS, (int)n, x, y);
        for (size_t row = 0; row < ROWS; row++) {
            double sum = 0, most = -INFINITY;
            for (size_t i = 0; i < n; i++)
                most = fmax(most, (double)x[row * n + i]);
            for (size_t i = 0; i < n; i++)
                sum += exp((double)x[row * n + i] - most);
            for (size_t i = 0; i < n; i++) {
                const double exact = exp((double)x[row * n + i] - most) / sum;
                assert_true(fabs((double)y[row * n + i] - exact) < 1e-6);
            }
        }
        x[n - 1] = NAN;
        elementwise_softmax_rows(ROWS, (int)n, x, x);
        for (size_t i = 0; i < n; i++) assert_true(isnan(x[i]));
        reference_assert_same_bits((ROWS - 1) * n, x + n, y + n);
        free(x);
        free(y);
    }
}

/* ---- activations -------------------------------------------------------- */

typedef void Forward(size_t count, const float *x, float *y);
typedef void Backward(size_t count, const float *stored, const float *dy,
                      float *dx);

static void leaky(size_t count, const float *x, float *y) {
    elementwise_leaky_relu(count, 0.1f, x, y);
}
static void leaky_backward(size_t count, const float *y, const float *dy,
                           float *dx) {
    elementwise_leaky_relu_backward(count, 0.1f, y, dy, dx);
}

static double exact_relu(double x) { return x > 0 ? x : 0; }
static double exact_leaky(double x) { return x > 0 ? x : (double)0.1f * x; }
static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double exact_softplus(double x) { return log1p(exp(x)); }
static double exact_gelu(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }

static const struct {
    Forward *forward;
    Backward *backward;
    double (*exact)(double x);
    bool from_input;
} activations[] = {
    {elementwise_relu, elementwise_relu_backward, exact_relu, false},
    {leaky, leaky_backward, exact_leaky, false},
    {elementwise_sigmoid, elementwise_sigmoid_backward, exact_sigmoid, false},
    {elementwise_tanh, elementwise_tanh_backward, tanh, false},
    {elementwise_softplus, elementwise_softplus_backward, exact_softplus,
     false},
    {elementwise_gelu, elementwise_gelu_backward, exact_gelu, true},
};

enum { ACTIVATIONS = sizeof activations / sizeof activations[0] };

/* Central differences in double, away from the kinks at 0. */
static void activations_and_derivatives_are_within_1e_6(void **state) {
    (void)state;
    enum { COUNT = 2001 };
    static float x[COUNT], y[COUNT], dy[COUNT], dx[COUNT];
    const double h = 1e-5;
    for (int i = 0; i < COUNT; i++) x[i] = (float)(i - 1000) * 0.01f + 0.003f;
    reference_fill_random(COUNT, 9, dy);
    for (int a = 0; a < ACTIVATIONS; a++) {
        activations[a].forward(COUNT, x, y);
        activations[a].backward(COUNT, activations[a].from_input ? x : y, dy,
                                dx);
        for (int i = 0; i < COUNT; i++) {
            const double at = (double)x[i];
            const double exact = activations[a].exact(at);
            const double slope =
                (activations[a].exact(at + h) - activations[a].exact(at - h)) /
                (2 * h);
            assert_true(fabs((double)y[i] - exact) <=
                        1e-6 * fmax(1, fabs(exact)));
            assert_true(fabs((double)dx[i] - slope * (double)dy[i]) <= 1e-6);
        }
    }
}

/* Any length, in place or not, forward and backward: the same bits. */
static void activations_do_not_depend_on_the_place(void **state) {
    (void)state;
    for (int a = 0; a < ACTIVATIONS; a++)
        for (size_t count = 0; count <= LENGTH_MAX; count++) {
            float *const x = reference_floats(count);
            float *const y = reference_floats(count);
            float *const d = reference_floats(count);
            reference_fill_random(count, 10, x);
            reference_fill_random(count, 11, d);
            activations[a].forward(count, x, y);
            float *const dx = reference_copy(count, d);
            activations[a].backward(count, y, d, dx);
            activations[a].backward(count, y, d, d);
            reference_assert_same_bits(count, d, dx);
            for (size_t i = 0; i < count; i++) {
                float alone;
                activations[a].forward(1, x + i, &alone);
                reference_assert_same_bits(1, y + i, &alone);
            }
            activations[a].forward(count, x, x);
            reference_assert_same_bits(count, x, y);
            free(x);
            free(y);
            free(d);
            free(dx);
        }
}

static void nan_passes_through_activations(void **state) {
    (void)state;
    const float broken = NAN, one = 1;
    float y;
    for (int a = 0; a < ACTIVATIONS; a++) {
        activations[a].forward(1, &broken, &y);
        assert_true(isnan(y));
        activations[a].backward(1, &one, &broken, &y);
        assert_true(isnan(y));
    }
}

static void step_is_one_from_zero_on(void **state) {
    (void)state;
    const float x[] = {-1, -0.0f, 0, 1e-40f, 5};
    const float expected[] = {0, 1, 1, 1, 1};
    float y[5];
    elementwise_step(5, x, y);
    reference_assert_same_bits(5, y, expected);
}

static void threshold_keeps_what_reaches_it(void **state) {
    (void)state;
    enum { MOST = 23 };
    for (size_t count = 0; count <= MOST; count++) {
        uint32_t x[MOST];
        float y[MOST + 1];
        for (size_t i = 0; i < count; i++)
            x[i] = 0x7ffffffeu + (uint32_t)(i % 5); /* around the sign bit */
        y[count] = 7;
        elementwise_threshold(count, x, 0x80000001u, 1.25f, y);
        for (size_t i = 0; i < count; i++)
            assert_true(y[i] == (i % 5 >= 3 ? 1.25f : 0));
        assert_true(y[count] == 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_passes_are_their_formulas),
        cmocka_unit_test(bytes_become_scaled_floats),
        cmocka_unit_test(some_columns_are_scaled),
        cmocka_unit_test(rows_take_the_bias_and_columns_sum_in_row_order),
        cmocka_unit_test(sum_of_squares_is_within_1e_5),
        cmocka_unit_test(extremes_and_broken_numbers_are_found_anywhere),
        cmocka_unit_test(softmax_rows_are_within_1e_6),
        cmocka_unit_test(activations_and_derivatives_are_within_1e_6),
        cmocka_unit_test(activations_do_not_depend_on_the_place),
        cmocka_unit_test(nan_passes_through_activations),
        cmocka_unit_test(threshold_keeps_what_reaches_it),
        cmocka_unit_test(step_is_one_from_zero_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
