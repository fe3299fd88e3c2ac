/* Gradients against central differences, for every kind of layer, every loss,
 * and random networks drawn from the whole grammar.
 *
 * The loss is taken in double precision by the oracle. Along a direction d of
 * entries ±1 the derivative is
 *
 *     D = (L(w + h·d) − L(w − h·d)) / 2h     h = 1e-6
 *
 * with a truncation error of h²·L'''/6 and a rounding error of 1e-16·L/h, both
 * below 1e-9 here. The core's gradient g is float32, so Σ g·d may be off by the
 * rounding of g: sums of a few hundred terms, each within 6e-8 of its size,
 * through the layers above; norms multiply it. Hence the bound
 *
 *     |D − Σ g·d| ≤ BOUND · (Σ |g·d| + largest |g| of the network)
 *
 * where the last term is for gradients that are sums which cancel, such as
 * that of a bias before batch norm. Each network gets one direction through
 * all its parameters and one through each tensor. Points where a relu's input
 * is nearer to its kink than the step, or than float32 can tell, are left out;
 * few are.
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

#include "oracle.h"
#include "toy.h"

enum { ROWS = 12, RANDOM_NETWORKS = 300 };

#define STEP 1e-6
#define BOUND 5e-6
#define OUTPUT_BOUND 1e-5
#define KINK_DISTANCE 1e-4

static Dataset *dataset;
static Pool *pool;
static uint8_t pixels[ROWS * IMAGE_PIXELS], labels[ROWS];
static uint32_t random_state;
static double worst, worst_output; /* errors as shares of what bounds them */

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(ROWS, 0);
    pool = pool_create(1);
    toy_images(100, ROWS, pixels, labels);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    pool_destroy(pool);
    dataset_destroy(dataset);
    return 0;
}

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(random_state >> 4) * bound) >> 28);
}

/* ==== One network ======================================================= */

/* A network under test: the core's gradients beside the oracle. */
typedef struct Subject {
    const char *run;
    Trainer *trainer;
    Oracle oracle;
    float *gradient[ORACLE_TENSORS_MAX]; /* in PyTorch's layout */
    double largest;                      /* of all gradients */
} Subject;

static size_t tensor_size(const Subject *subject, int tensor) {
    return network_parameter(&subject->trainer->network, tensor)->count;
}

/* Biases away from 0 and gains away from 1, where errors could hide. */
static void unsettle(Trainer *trainer) {
    for (int i = 0; i < trainer->network.parameter_count; i++) {
        const Parameter *const p = network_parameter(&trainer->network, i);
        if (p->role == PARAMETER_WEIGHT) continue;
        const float middle = p->role == PARAMETER_GAIN ? 1 : 0;
        for (size_t at = 0; at < p->count; at++)
            p->value[at] = middle + ((float)draw(2001) - 1000) / 2500;
    }
}

static Subject subject_create(const char *run) {
    Subject subject = {.run = run};
    subject.trainer = toy_trainer(dataset, pool, run);
    unsettle(subject.trainer);
    trainer_gradient(subject.trainer, pixels, NULL, labels, ROWS);
    for (int i = 0; i < subject.trainer->network.parameter_count; i++) {
        const size_t count = tensor_size(&subject, i);
        subject.gradient[i] = calloc(count, sizeof(float));
        assert_non_null(subject.gradient[i]);
        trainer_read_parameter(subject.trainer, i, true, subject.gradient[i]);
        for (size_t at = 0; at < count; at++)
            subject.largest =
                fmax(subject.largest, fabs((double)subject.gradient[i][at]));
    }
    subject.oracle = oracle_create(subject.trainer, pixels, labels, ROWS);
    return subject;
}

static void subject_destroy(Subject *subject) {
    for (int i = 0; i < subject->oracle.tensor_count; i++)
        free(subject->gradient[i]);
    oracle_destroy(&subject->oracle);
    trainer_destroy(subject->trainer);
}

/* The oracle's outputs are the core's: it differentiates the same function. */
static void expect_outputs(Subject *subject) {
    const float *const z = network_result(&subject->trainer->network);
    const size_t outputs = shape_size(network_out(&subject->trainer->network));
    double size = 1;
    for (size_t i = 0; i < ROWS * outputs; i++)
        size = fmax(size, fabs(subject->oracle.z[i]));
    for (size_t i = 0; i < ROWS * outputs; i++) {
        const double share =
            fabs((double)z[i] - subject->oracle.z[i]) / (OUTPUT_BOUND * size);
        worst_output = fmax(worst_output, share);
        if (!(share <= 1))
            fail_msg("%s: output %zu is %.9g, not %.9g", subject->run, i,
                     (double)z[i], subject->oracle.z[i]);
    }
}

/* ==== One direction ===================================================== */

/* Add `length` times the signs that `seed` gives to tensors first .. end-1. */
static void move(Subject *subject, int first, int end, uint32_t seed,
                 double length) {
    random_state = seed;
    for (int i = first; i < end; i++)
        for (size_t at = 0; at < tensor_size(subject, i); at++)
            subject->oracle.tensor[i][at] += draw(2) == 0 ? -length : length;
}

/* Σ g·d and Σ |g·d| for the same signs. */
static void project(const Subject *subject, int first, int end, uint32_t seed,
                    double *sum, double *size) {
    random_state = seed;
    *sum = *size = 0;
    for (int i = first; i < end; i++)
        for (size_t at = 0; at < tensor_size(subject, i); at++) {
            const double g = (double)subject->gradient[i][at];
            *sum += draw(2) == 0 ? -g : g;
            *size += fabs(g);
        }
}

/* The derivative along the signs; false where a kink is in the way. */
static bool difference(Subject *subject, int first, int end, uint32_t seed,
                       double *derivative) {
    Oracle *const oracle = &subject->oracle;
    move(subject, first, end, seed, STEP);
    const double above = oracle_loss(oracle);
    const uint64_t signs = oracle->signs;
    move(subject, first, end, seed, -2 * STEP);
    const double below = oracle_loss(oracle);
    const bool smooth = signs == oracle->signs;
    move(subject, first, end, seed, STEP);
    *derivative = (above - below) / (2 * STEP);
    return smooth;
}

/* Check tensors first .. end-1 along one direction. */
static bool expect_direction(Subject *subject, int first, int end) {
    const uint32_t seed = 1 + draw(1u << 28);
    double derivative, sum, size;
    const bool smooth = difference(subject, first, end, seed, &derivative);
    project(subject, first, end, seed, &sum, &size);
    random_state = seed + 1;
    if (!smooth) return false;
    const double share =
        fabs(derivative - sum) / (BOUND * (size + subject->largest));
    worst = fmax(worst, share);
    if (!(share <= 1))
        fail_msg("%s: tensors %d to %d: derivative %.9g, gradient %.9g, sum of "
                 "sizes %.3g, largest %.3g",
                 subject->run, first, end - 1, derivative, sum, size,
                 subject->largest);
    return true;
}

/* All directions of one network; false when it stands on a kink. */
static bool check_network(const char *run) {
    char whole[640];
    snprintf(whole, sizeof whole, "%s validation=0", run);
    Subject subject = subject_create(whole);
    oracle_loss(&subject.oracle);
    const bool smooth = subject.oracle.nearest_kink > KINK_DISTANCE;
    if (smooth) {
        const int tensors = subject.oracle.tensor_count;
        expect_outputs(&subject);
        expect_direction(&subject, 0, tensors);
        for (int i = 0; i < tensors; i++) expect_direction(&subject, i, i + 1);
    }
    subject_destroy(&subject);
    return smooth;
}

/* The same run with other seeds until one is away from all kinks. */
static void expect_gradients(const char *run) {
    for (int seed = 1; seed <= 20; seed++) {
        char seeded[600];
        snprintf(seeded, sizeof seeded, "%s seed=%d", run, seed);
        random_state = (uint32_t)seed;
        if (check_network(seeded)) return;
    }
    fail_msg("%s: always near a kink", run);
}

/* ==== One row for each kind and each loss =============================== */

static const char *const rows[] = {
    "net=dense 10",
    "net=dense 10 input=standard",
    "net=dense 9,linear,dense 10",
    "net=dense 9,relu,dense 10",
    "net=dense 9,relu,dense 10 input=standard",
    "net=dense 9,leaky-relu,dense 10",
    "net=dense 9,leaky-relu 0.4,dense 10",
    "net=dense 9,gelu,dense 10",
    "net=dense 9,softplus,dense 10",
    "net=dense 9,tanh,dense 10",
    "net=dense 9,sigmoid,dense 10",
    "net=dense 9,softmax,dense 10",
    "net=dense 9,dropout 0.4,tanh,dense 10",
    "net=dropout 0.2,dense 10",
    "net=dense 9,batchnorm,tanh,dense 10",
    "net=batchnorm,dense 10",
    "net=dense 9,layernorm,tanh,dense 10",
    "net=layernorm,dense 10",
    "net=relu,tanh,dense 10 input=standard",
    "net=dense 9,tanh,dense 10 smoothing=0.2",
    "net=dense 9,tanh,dense 10 loss=mse",
    "net=dense 9,tanh,dense 10,sigmoid loss=mse",
    "net=dense 9,tanh,dense 10,tanh loss=mse",
    "net=dense 9,tanh,dense 10,softmax loss=mse",
    "net=dense 9,tanh,dense 1 loss=binary digit=3",
    "net=dense 9,tanh,dense 1,sigmoid loss=mse digit=7",
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_gradients(rows[i]);
}

/* The rows above leave no kind of layer out but step, which has none. */
static void test_every_kind_has_a_row(void **state) {
    (void)state;
    for (int i = 0; i < layer_kind_count(); i++) {
        const char *const name = layer_kind(i)->name;
        bool found = strcmp(name, "step") == 0;
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            found |= strstr(rows[r], name) != NULL;
        if (!found || !(oracle_knows(name) || strcmp(name, "step") == 0))
            fail_msg("no gradient check for %s", name);
    }
}

/* ==== Random networks =================================================== */

typedef struct Text {
    char text[512];
    size_t used;
} Text;

static void append(Text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(Text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text->used +=
        (size_t)vsnprintf(text->text + text->used,
                          sizeof text->text - text->used, format, arguments);
    va_end(arguments);
    assert_true(text->used < sizeof text->text);
}

/* Any kind of layer but dense and step, from the core's own table. Softmax
 * inside a network is rare: it leaves little of the gradient. */
static void append_other(Text *text) {
    const char *name;
    do {
        name = layer_kind((int)draw((uint32_t)layer_kind_count()))->name;
    } while (strcmp(name, "dense") == 0 || strcmp(name, "step") == 0 ||
             (strcmp(name, "softmax") == 0 && draw(4) > 0));
    append(text, "%s", name);
    if (strcmp(name, "dropout") == 0) append(text, " 0.%u", draw(6));
    if (strcmp(name, "leaky-relu") == 0 && draw(2) == 0)
        append(text, " 0.%u", 1 + draw(5));
    append(text, ",");
}

static void append_end(Text *text) {
    static const char *const ends[] = {
        "dense 10",
        "dense 10 smoothing=0.1",
        "dense 10 loss=mse",
        "dense 10,tanh loss=mse",
        "dense 10,sigmoid loss=mse",
        "dense 10,softmax loss=mse",
        "dense 1,sigmoid loss=mse digit=2",
        "dense 1 loss=binary digit=5",
    };
    append(text, "%s", ends[draw(sizeof ends / sizeof ends[0])]);
    if (draw(3) == 0) append(text, " input=standard");
}

/* Up to four dense layers with up to two others behind each. */
static Text random_network(uint32_t seed) {
    Text text = {.used = 0};
    random_state = seed * 2654435761u;
    append(&text, "net=");
    if (draw(5) == 0) append_other(&text);
    for (uint32_t layers = draw(4); layers > 0; layers--) {
        append(&text, "dense %u,", 4 + draw(20));
        for (uint32_t others = draw(3); others > 0; others--)
            append_other(&text);
    }
    append_end(&text);
    append(&text, " seed=%u", seed);
    return text;
}

static void test_random_networks(void **state) {
    (void)state;
    int checked = 0;
    for (uint32_t seed = 1; checked < RANDOM_NETWORKS; seed++) {
        const Text text = random_network(seed);
        assert_true(seed < 4 * RANDOM_NETWORKS);
        checked += check_network(text.text);
    }
}

/* ==== The check itself ================================================== */

/* The entry of a tensor's gradient with the largest size. */
static float *largest_entry(const Subject *subject, int tensor) {
    float *entry = subject->gradient[tensor];
    for (size_t at = 0; at < tensor_size(subject, tensor); at++)
        if (fabsf(subject->gradient[tensor][at]) > fabsf(*entry))
            entry = &subject->gradient[tensor][at];
    return entry;
}

/* One entry that is wrong by a twentieth is found, whatever the tensor. */
static void test_check_can_fail(void **state) {
    (void)state;
    Subject subject =
        subject_create("net=dense 9,tanh,dense 10 validation=0 seed=3");
    for (int i = 0; i < subject.oracle.tensor_count; i++) {
        double derivative, sum, size;
        const uint32_t seed = 77 + (uint32_t)i;
        assert_true(difference(&subject, i, i + 1, seed, &derivative));
        project(&subject, i, i + 1, seed, &sum, &size);
        assert_true(fabs(derivative - sum) <= BOUND * (size + subject.largest));
        *largest_entry(&subject, i) *= 1.05f;
        project(&subject, i, i + 1, seed, &sum, &size);
        assert_true(fabs(derivative - sum) > BOUND * (size + subject.largest));
    }
    subject_destroy(&subject);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        {"each kind and loss: derivatives within 5e-6, outputs within 1e-5",
         test_rows, NULL, NULL, NULL},
        cmocka_unit_test(test_every_kind_has_a_row),
        {"300 random networks: derivatives within 5e-6, outputs within 1e-5",
         test_random_networks, NULL, NULL, NULL},
        cmocka_unit_test(test_check_can_fail),
    };
    const int failed =
        cmocka_run_group_tests(tests, open_dataset, close_dataset);
    print_message("largest errors as shares of their bounds: derivatives "
                  "%.2f, outputs %.2f\n",
                  worst, worst_output);
    return failed;
}
