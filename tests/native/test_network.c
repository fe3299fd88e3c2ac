/* The network as a whole: where parameters lie, when their gradients are
 * announced, what dropout draws, and that passes are independent of how rows
 * come. Values are test_golden's and test_gradients' business.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reference.h"
#include "toy.h"

enum { IMAGES = 300 };

static Dataset *dataset;
static Pool *pool;
static uint8_t *pixels, *labels;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(IMAGES, 0);
    pool = pool_create(3);
    pixels = malloc(IMAGES * IMAGE_PIXELS);
    labels = malloc(IMAGES);
    toy_images(5000, IMAGES, pixels, labels);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    free(pixels);
    free(labels);
    pool_destroy(pool);
    dataset_destroy(dataset);
    return 0;
}

static Trainer *create(const char *run) {
    char whole[512];
    snprintf(whole, sizeof whole, "validation=0 epochs=1000 %s", run);
    return toy_trainer(dataset, pool, whole);
}

#define EVERY_KIND                                                             \
    "net=dense 21,batchnorm,relu,dropout 0.3,dense 17,layernorm,gelu,"         \
    "dense 13,leaky-relu,softplus,tanh,sigmoid,linear,dense 10 "

/* ==== Parameters ======================================================== */

static void test_parameters(void **state) {
    (void)state;
    static const char *const names[] = {
        "0.weight", "0.bias", "1.weight", "1.bias", "4.weight",  "4.bias",
        "5.weight", "5.bias", "7.weight", "7.bias", "13.weight", "13.bias"};
    static const int shapes[][2] = {{21, 784}, {21}, {21},     {21},
                                    {17, 21},  {17}, {17},     {17},
                                    {13, 17},  {13}, {10, 13}, {10}};
    Trainer *const trainer = create(EVERY_KIND);
    const Network *const network = &trainer->network;
    assert_int_equal(network->parameter_count, 12);
    size_t end = 0, scalars = 0;
    for (int i = 0; i < 12; i++) {
        const Parameter *const p = network_parameter(network, i);
        assert_string_equal(p->name, names[i]);
        assert_int_equal(p->rank, shapes[i][1] > 0 ? 2 : 1);
        assert_int_equal(p->shape[0], shapes[i][0]);
        if (p->rank == 2) assert_int_equal(p->shape[1], shapes[i][1]);
        assert_int_equal(p->offset % 16, 0);
        assert_true(p->offset >= end);
        assert_ptr_equal(p->value, network->parameters + p->offset);
        assert_ptr_equal(p->gradient, network->gradients + p->offset);
        end = p->offset + p->count;
        scalars += p->count;
    }
    assert_true(end <= network->flat_size);
    assert_int_equal(network->scalar_count, scalars);
    trainer_destroy(trainer);
}

/* Element [o,i] of PyTorch's weight is the one by which input i reaches
 * output o. */
static void test_layout(void **state) {
    (void)state;
    Trainer *const trainer = create("net=dense 10");
    float *const weight = calloc(7840, sizeof *weight);
    float bias[10] = {0}, out[10];
    weight[3 * IMAGE_PIXELS + 100] = 2; /* output 3, input 100 */
    trainer_write_parameter(trainer, 0, weight);
    trainer_write_parameter(trainer, 1, bias);
    uint8_t image[IMAGE_PIXELS] = {0};
    image[100] = 255;
    trainer_predict(trainer, image, NULL, 1, out);
    const float *const z = network_result(&trainer->network);
    for (int k = 0; k < 10; k++)
        assert_true(fabsf(z[k] - (k == 3 ? 2.0f : 0.0f)) < 1e-6f);
    float *const back = calloc(7840, sizeof *back);
    trainer_read_parameter(trainer, 0, false, back);
    reference_assert_same_bits(7840, back, weight);
    free(weight);
    free(back);
    trainer_destroy(trainer);
}

/* The gaps between parameters stay zero whatever is trained. */
static void test_gaps_stay_zero(void **state) {
    (void)state;
    Trainer *const trainer =
        create(EVERY_KIND "optimizer=adamw l1=0.01 l2=0.01 clip=1 max-norm=2");
    toy_steps(trainer, 12);
    const Network *const network = &trainer->network;
    bool *const used = calloc(network->flat_size, sizeof *used);
    for (int i = 0; i < network->parameter_count; i++) {
        const Parameter *const p = network_parameter(network, i);
        memset(used + p->offset, 1, p->count);
    }
    for (size_t at = 0; at < network->flat_size; at++)
        if (!used[at])
            assert_true(network->parameters[at] == 0 &&
                        network->gradients[at] == 0 &&
                        trainer->optimizer.slot[0][at] == 0);
    free(used);
    trainer_destroy(trainer);
}

/* ==== Gradients are announced =========================================== */

/* What was announced, and with which value. */
typedef struct Announced {
    atomic_int *times; /* [flat_size] */
    float *value;      /* [flat_size] */
} Announced;

static void announce(void *context, size_t offset, size_t count,
                     const float *gradient) {
    const Announced *const announced = context;
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_add(&announced->times[offset + i], 1);
        announced->value[offset + i] = gradient[i];
    }
}

/* A training pass over 64 images that announces its gradients. */
static void pass_announcing(Trainer *trainer, Announced *announced) {
    Network *const network = &trainer->network;
    Pass pass = trainer_pass(trainer, 64, 0);
    pass.ready = announce;
    pass.ready_context = announced;
    const float *const z = network_forward(network, &pass);
    loss_forward(&trainer->loss, pool, 64, z, labels);
    loss_backward(&trainer->loss, pool, 64, 64, z, labels,
                  network_error(network));
    network_backward(network, &pass);
}

/* Each element once, with the value that it has when nobody listens; and
 * nothing that is no parameter. */
static void expect_announced_once(const char *run) {
    Trainer *const trainer = create(run);
    const size_t size = trainer->network.flat_size;
    Announced announced = {.times = calloc(size, sizeof(atomic_int)),
                           .value = calloc(size, sizeof(float))};
    trainer_gradient(trainer, pixels, NULL, labels, 64);
    float *const silent = reference_copy(size, trainer->network.gradients);
    pass_announcing(trainer, &announced);
    for (int i = 0; i < trainer->network.parameter_count; i++) {
        const Parameter *const p = network_parameter(&trainer->network, i);
        for (size_t at = p->offset; at < p->offset + p->count; at++)
            if (announced.times[at]-- != 1)
                fail_msg("%s: %s is announced %d times", run, p->name,
                         announced.times[at] + 1);
        reference_assert_same_bits(p->count, announced.value + p->offset,
                                   silent + p->offset);
    }
    for (size_t at = 0; at < size; at++)
        assert_int_equal(announced.times[at], 0);
    free(silent);
    free(announced.times);
    free(announced.value);
    trainer_destroy(trainer);
}

static void test_gradients_are_announced(void **state) {
    (void)state;
    expect_announced_once(EVERY_KIND);
    expect_announced_once(EVERY_KIND "input=standard");
    expect_announced_once("net=dense 67,relu,dense 10");
    expect_announced_once("net=batchnorm,dense 10");
    expect_announced_once("net=layernorm,dense 100,dense 10");
}

/* ==== Rows ============================================================== */

/* What a row gives does not depend on its company. */
static void expect_rows_alone(const char *run) {
    Trainer *const trainer = create(run);
    float *const together = calloc(IMAGES * CLASS_COUNT, sizeof(float));
    toy_steps(trainer, 3);
    trainer_predict(trainer, pixels, NULL, IMAGES, together);
    for (size_t n = 0; n < IMAGES; n += 17) {
        float alone[CLASS_COUNT];
        trainer_predict(trainer, pixels + n * IMAGE_PIXELS, NULL, 1, alone);
        reference_assert_same_bits(CLASS_COUNT, alone,
                                   together + n * CLASS_COUNT);
    }
    free(together);
    trainer_destroy(trainer);
}

static void test_rows_are_independent(void **state) {
    (void)state;
    expect_rows_alone("net=dense 19,relu,dense 10");
    expect_rows_alone(EVERY_KIND);
    expect_rows_alone(EVERY_KIND "input=standard loss=mse");
    expect_rows_alone("net=dense 5,tanh,dense 1 loss=binary");
}

/* A gradient over more images than fit into a pass is the same, and so is the
 * loss but for the order of its sum. */
static void test_gradient_in_chunks(void **state) {
    (void)state;
    Trainer *const trainer = create("net=dense 19,relu,layernorm,dense 10");
    const size_t size = trainer->network.flat_size;
    trainer->network.max_rows = 256;
    const double loss = trainer_gradient(trainer, pixels, NULL, labels, IMAGES);
    float *const whole = reference_copy(size, trainer->network.gradients);
    trainer->network.max_rows = 77;
    const double chunked =
        trainer_gradient(trainer, pixels, NULL, labels, IMAGES);
    reference_assert_same_bits(size, trainer->network.gradients, whole);
    assert_true(fabs(loss - chunked) < 1e-12);
    free(whole);
    trainer_destroy(trainer);
}

/* Floats in place of byte/255 are the same input. */
static void test_bytes_and_floats(void **state) {
    (void)state;
    static const char *const inputs[] = {"unit", "standard"};
    float *const floats = calloc(20 * IMAGE_PIXELS, sizeof *floats);
    for (size_t i = 0; i < 20 * IMAGE_PIXELS; i++)
        floats[i] = (float)pixels[i] * (1 / 255.0f);
    for (int i = 0; i < 2; i++) {
        char run[64];
        float of_bytes[200], of_floats[200];
        snprintf(run, sizeof run, "net=dense 9,relu,dense 10 input=%s",
                 inputs[i]);
        Trainer *const trainer = create(run);
        trainer_predict(trainer, pixels, NULL, 20, of_bytes);
        trainer_predict(trainer, NULL, floats, 20, of_floats);
        reference_assert_same_bits(200, of_floats, of_bytes);
        trainer_destroy(trainer);
    }
    free(floats);
}

/* Images that are all ink do not fit into lists and are read densely; each
 * gives what it gives alone. */
static void test_dense_images(void **state) {
    (void)state;
    enum { MANY = 256 };
    Trainer *const trainer = create("net=dense 9,relu,dense 10");
    uint8_t *const ink = malloc(MANY * IMAGE_PIXELS);
    float alone[10], *const all = calloc(MANY * 10, sizeof *all);
    memset(ink, 200, MANY * IMAGE_PIXELS);
    trainer_predict(trainer, ink, NULL, MANY, all);
    assert_false(trainer->network.input.sparse);
    memset(ink + IMAGE_PIXELS, 0, (MANY - 1) * IMAGE_PIXELS);
    memcpy(alone, all, sizeof alone);
    trainer_predict(trainer, ink, NULL, MANY, all);
    assert_true(trainer->network.input.sparse);
    reference_assert_same_bits(10, all, alone);
    free(ink);
    free(all);
    trainer_destroy(trainer);
}

static void test_find_not_finite(void **state) {
    (void)state;
    Trainer *const trainer = create("net=dense 9,relu,dense 10");
    float out[10], bias[10] = {0};
    trainer_predict(trainer, pixels, NULL, 1, out);
    assert_int_equal(network_find_not_finite(&trainer->network, 1), -1);
    bias[9] = -INFINITY;
    trainer_write_parameter(trainer, 3, bias);
    trainer_predict(trainer, pixels, NULL, 1, out);
    assert_int_equal(network_find_not_finite(&trainer->network, 1), 2);
    trainer_destroy(trainer);
}

/* ==== Dropout =========================================================== */

enum { WIDTH = 200, ROWS = 256, DRAWS = WIDTH * ROWS };

/* Masks of a training pass over ROWS rows at `step`, into mask[DRAWS]. */
static void draw_masks(const char *run, uint64_t step, float *mask) {
    Trainer *const trainer = create(run);
    trainer->step = step;
    trainer_gradient(trainer, pixels, NULL, labels, ROWS);
    memcpy(mask, trainer->network.layers[1].cache[0], DRAWS * sizeof *mask);
    trainer_destroy(trainer);
}

/* The share that is left out has the deviation √(p(1−p)/n): five of them. */
static void test_dropout_rate(void **state) {
    (void)state;
    static const double rates[] = {0, 0.1, 0.5, 0.8, 0.99};
    float *const mask = calloc(DRAWS, sizeof *mask);
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        char run[80];
        double out = 0, sum = 0;
        const double p = rates[r];
        snprintf(run, sizeof run, "net=dense %d,dropout %g,dense 10", WIDTH, p);
        draw_masks(run, 0, mask);
        for (size_t i = 0; i < DRAWS; i++) {
            assert_true(mask[i] == 0 || mask[i] == (float)(1 / (1 - p)));
            out += mask[i] == 0;
            sum += (double)mask[i];
        }
        const double deviation = sqrt(p * (1 - p) / DRAWS);
        assert_true(fabs(out / DRAWS - p) <= 5 * deviation);
        /* The expectation stays: the mean factor is 1. */
        assert_true(fabs(sum / DRAWS - 1) <= 5 * deviation / (1 - p) + 1e-6);
    }
    free(mask);
}

/* Share of the places at which two draws agree; 1/2 at p = 1/2 by chance. */
static double agreement(const float *a, const float *b, size_t count) {
    double same = 0;
    for (size_t i = 0; i < count; i++) same += (a[i] == 0) == (b[i] == 0);
    return same / (double)count;
}

static void test_dropout_draws(void **state) {
    (void)state;
    static const char run[] = "net=dense 200,dropout 0.5,dense 10";
    float *const first = calloc(DRAWS, sizeof *first);
    float *const other = calloc(DRAWS, sizeof *other);
    draw_masks(run, 7, first);
    draw_masks(run, 7, other);
    assert_true(agreement(first, other, DRAWS) == 1);
    const double chance = 5 * 0.5 / sqrt(DRAWS);
    draw_masks(run, 8, other);
    assert_true(fabs(agreement(first, other, DRAWS) - 0.5) < chance);
    draw_masks("seed=2 net=dense 200,dropout 0.5,dense 10", 7, other);
    assert_true(fabs(agreement(first, other, DRAWS) - 0.5) < chance);
    /* Rows, and neighbours in a row, have nothing to do with each other. */
    assert_true(fabs(agreement(first, first + WIDTH, DRAWS - WIDTH) - 0.5) <
                chance);
    assert_true(fabs(agreement(first, first + 1, DRAWS - 1) - 0.5) < chance);
    free(first);
    free(other);
}

/* Two dropout layers draw each for itself. */
static void test_dropout_layers_differ(void **state) {
    (void)state;
    Trainer *const trainer =
        create("net=dense 200,dropout 0.5,dropout 0.5,dense 10");
    trainer_gradient(trainer, pixels, NULL, labels, ROWS);
    const Layer *const layers = trainer->network.layers;
    assert_true(fabs(agreement(layers[1].cache[0], layers[2].cache[0], DRAWS) -
                     0.5) < 5 * 0.5 / sqrt(DRAWS));
    trainer_destroy(trainer);
}

static void test_dropout_is_off_in_evaluation(void **state) {
    (void)state;
    Trainer *const with = create("net=dense 20,dropout 0.6,dense 10");
    Trainer *const without = create("net=dense 20,linear,dense 10");
    float a[200], b[200];
    trainer_predict(with, pixels, NULL, 20, a);
    trainer_predict(without, pixels, NULL, 20, b);
    reference_assert_same_bits(200, a, b);
    trainer_destroy(with);
    trainer_destroy(without);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_gaps_stay_zero),
        cmocka_unit_test(test_gradients_are_announced),
        cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_gradient_in_chunks),
        cmocka_unit_test(test_bytes_and_floats),
        cmocka_unit_test(test_dense_images),
        cmocka_unit_test(test_find_not_finite),
        cmocka_unit_test(test_dropout_rate),
        cmocka_unit_test(test_dropout_draws),
        cmocka_unit_test(test_dropout_layers_differ),
        cmocka_unit_test(test_dropout_is_off_in_evaluation),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
