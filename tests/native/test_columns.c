/* Protects: sums down columns are chains in the order of the rows, whatever the
 * number of columns; what belongs together has the moments of all its values;
 * nothing beside the columns is read or written.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/columns.h"
#include "reference.h"

enum { GAP = 3 };

/* A matrix in memory of just its size, with a gap behind each row but the
 * last. */
typedef struct Sheet {
    Columns c;
    float *x, *dy, *out;
} Sheet;

static Sheet make(size_t rows, size_t n, bool together) {
    const size_t stride = n + GAP, count = (rows - 1) * stride + n;
    Sheet m = {.c = {rows, stride, n, together},
               .x = reference_floats(count),
               .dy = reference_floats(count),
               .out = reference_floats(count)};
    reference_fill_random(count, 1, m.x);
    reference_fill_random(count, 2, m.dy);
    for (size_t i = 0; i < count; i++) m.x[i] = m.x[i] * 3 + 10, m.out[i] = 77;
    return m;
}

static void drop(Sheet *m) {
    free(m->x);
    free(m->dy);
    free(m->out);
}

/* The lane's values, one after the other, of what does not belong together. */
static double chain(const Sheet *m, size_t column) {
    double sum = 0;
    for (size_t r = 0; r < m->c.rows; r++)
        sum += (double)m->x[r * m->c.stride + column];
    return sum / (double)m->c.rows;
}

static double mean_of_all(const Sheet *m) {
    double sum = 0;
    for (size_t r = 0; r < m->c.rows; r++)
        for (size_t i = 0; i < m->c.n; i++)
            sum += (double)m->x[r * m->c.stride + i];
    return sum / columns_count(m->c);
}

static double variance_around(const Sheet *m, size_t first, size_t end,
                              double mean) {
    double sum = 0;
    for (size_t r = 0; r < m->c.rows; r++)
        for (size_t i = first; i < end; i++)
            sum += pow((double)m->x[r * m->c.stride + i] - mean, 2);
    return sum / columns_count(m->c);
}

static void check_moments(const Sheet *m) {
    double mean[LANES], variance[LANES];
    columns_moments(m->c, m->x, mean, variance);
    const double all = m->c.together ? mean_of_all(m) : 0;
    for (size_t j = 0; j < (m->c.together ? LANES : m->c.n); j++) {
        const double wanted = m->c.together ? all : chain(m, j);
        const size_t first = m->c.together ? 0 : j;
        const size_t end = m->c.together ? m->c.n : j + 1;
        if (!m->c.together) assert_true(mean[j] == wanted);
        assert_true(fabs(mean[j] - wanted) <= 1e-12 * fabs(wanted));
        const double spread = variance_around(m, first, end, mean[j]);
        assert_true(fabs(variance[j] - spread) <= 1e-12 * spread);
    }
}

static NormGradient make_lanes(void) {
    NormGradient lanes;
    for (int j = 0; j < LANES; j++) {
        lanes.mean[j] = 10 + 0.1f * (float)j;
        lanes.inverse[j] = 0.5f + 0.01f * (float)j;
        lanes.scale[j] = 2 - 0.1f * (float)j;
        lanes.mean_dy[j] = 0.3f, lanes.mean_dy_x[j] = -0.2f;
    }
    return lanes;
}

static double x_hat(const Sheet *m, const NormGradient *lanes, size_t at,
                    size_t j) {
    return ((double)m->x[at] - (double)lanes->mean[j]) *
           (double)lanes->inverse[j];
}

/* y, with the scale as the shift, or dx. */
static double output(const Sheet *m, const NormGradient *lanes, size_t at,
                     size_t j, bool gradient) {
    const double normal = x_hat(m, lanes, at, j),
                 scale = (double)lanes->scale[j];
    if (!gradient) return normal + scale;
    return scale * ((double)m->dy[at] - (double)lanes->mean_dy[j] -
                    normal * (double)lanes->mean_dy_x[j]);
}

static void check_output(Sheet *m, bool gradient) {
    const NormGradient lanes = make_lanes();
    if (gradient)
        columns_gradient(m->c, m->x, m->dy, &lanes, m->out);
    else
        columns_normalise(m->c, m->x, lanes.mean, lanes.inverse, lanes.scale,
                          m->out);
    const size_t count = (m->c.rows - 1) * m->c.stride + m->c.n;
    for (size_t at = 0; at < count; at++) {
        const size_t i = at % m->c.stride;
        const double wanted =
            i < m->c.n ? output(m, &lanes, at, i % LANES, gradient) : 77;
        assert_true(fabs((double)m->out[at] - wanted) < 1e-5);
    }
}

static void check_sums(const Sheet *m) {
    const NormGradient lanes = make_lanes();
    double sum_dy[LANES], sum_dy_x[LANES];
    double wanted[LANES] = {0}, wanted_x[LANES] = {0};
    columns_gradient_sums(m->c, m->x, m->dy, lanes.mean, lanes.inverse, sum_dy,
                          sum_dy_x);
    for (size_t r = 0; r < m->c.rows; r++)
        for (size_t i = 0; i < m->c.n; i++) {
            const size_t at = r * m->c.stride + i;
            const double dy = (double)m->dy[at];
            for (size_t j = 0; j < LANES; j++) {
                if (!m->c.together && i % LANES != j) continue;
                wanted[j] += dy;
                wanted_x[j] += dy * x_hat(m, &lanes, at, i % LANES);
            }
        }
    for (int j = 0; j < LANES; j++) {
        assert_true(fabs(sum_dy[j] - wanted[j]) < 1e-3);
        assert_true(fabs(sum_dy_x[j] - wanted_x[j]) < 1e-3);
    }
}

static void columns_agree_with_double(void **state) {
    (void)state;
    static const size_t rows[] = {1, 2, 5, 128};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t n = 1; n <= 50; n++)
            for (int together = n > LANES; together <= 1; together++) {
                Sheet m = make(rows[r], n, together);
                check_moments(&m);
                check_output(&m, false);
                check_output(&m, true);
                check_sums(&m);
                drop(&m);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_agree_with_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
