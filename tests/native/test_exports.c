/* The exported functions stand whatever JavaScript hands them: numbers out of
 * range, no text, no buffer. They answer with a code and a sentence, or with
 * "nothing" where the header says so, and what was there goes on.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "api/exports.h"
#include "toy.h"

/* Memory that cannot be had is NULL under the sanitizers too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1:max_allocation_size_mb=2000";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "allocator_may_return_null=1:max_allocation_size_mb=2000";
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static const int hostile[] = {INT32_MIN, -1000, -1,      2,         3,
                              10,        1000,  1 << 28, INT32_MAX, 99};
enum { HOSTILE = sizeof hostile / sizeof hostile[0] };

static Dataset *dataset;
static Pool *pool;
static Trainer *trainer;

static int open_trainer(void **state) {
    (void)state;
#ifndef SANITIZED
    const struct rlimit limit = {.rlim_cur = (rlim_t)4 << 30,
                                 .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
#endif
    dataset = toy_dataset(600, 100);
    pool = soma_pool_create(1);
    trainer = soma_trainer_create(
        dataset, pool, "net=dense 4,relu,dense 10 batch=50 validation=100");
    return trainer == NULL;
}

static int close_trainer(void **state) {
    (void)state;
    soma_trainer_destroy(trainer);
    soma_pool_destroy(pool);
    soma_dataset_destroy(dataset);
    return 0;
}

/* The last failure has this name, a place or none, and a sentence. */
static void expect_fault(const char *name) {
    assert_string_equal(soma_fault_name(), name);
    assert_true(strlen(soma_fault_sentence()) > 10);
    assert_non_null(soma_fault_place());
}

/* ==== Tables ============================================================ */

static void test_option_table(void **state) {
    (void)state;
    for (int i = 0; i < HOSTILE; i++) {
        const int n = hostile[i];
        if (n < 0 || n >= soma_option_count()) {
            assert_string_equal(soma_option_text(n, SOMA_OPTION_KEY), "");
            assert_true(isnan(soma_option_number(n, SOMA_OPTION_MIN)));
            assert_string_equal(soma_option_note("", n), "");
        }
        if (n < 0 || n > SOMA_OPTION_GROUP)
            assert_string_equal(soma_option_text(0, n), "");
        if (n < 0 || n > SOMA_OPTION_LIVE)
            assert_true(isnan(soma_option_number(0, n)));
        if (n < 0 || n >= soma_layer_kind_count())
            assert_string_equal(soma_layer_kind_text(n, SOMA_LAYER_NAME), "");
        if (n < 0 || n > SOMA_LAYER_HELP)
            assert_string_equal(soma_layer_kind_text(0, n), "");
    }
    for (int row = 0; row < soma_option_count(); row++)
        for (int field = 0; field <= SOMA_OPTION_GROUP; field++)
            assert_true(field == SOMA_OPTION_CHOICES ||
                        strlen(soma_option_text(row, field)) > 0);
    for (int row = 0; row < soma_layer_kind_count(); row++)
        for (int field = 0; field <= SOMA_LAYER_HELP; field++)
            assert_true(strlen(soma_layer_kind_text(row, field)) > 0);
}

static void test_run_text(void **state) {
    (void)state;
    assert_string_equal(soma_run_text("", 0), "");
    assert_string_equal(soma_run_text("seed=2", 0), "seed=2\n");
    assert_non_null(strstr(soma_run_text("seed=2", -7), "lr=0.001\n"));
    assert_null(soma_run_text(NULL, 0));
    expect_fault("BAD_ARGUMENT");
    assert_null(soma_option_note(NULL, 0));
    expect_fault("BAD_ARGUMENT");
    assert_null(soma_run_text("seed=two", 0));
    expect_fault("BAD_VALUE");
    assert_null(soma_run_text("net=dense 5", 0));
    expect_fault("BAD_SHAPE");
    assert_null(soma_run_text("\xff\xfe\x01 %s%n", 0));
    expect_fault("BAD_TEXT");
}

/* ==== Memory and data =================================================== */

static void test_alloc(void **state) {
    (void)state;
    assert_null(soma_alloc(0));
    assert_null(soma_alloc(SIZE_MAX));
    assert_null(soma_alloc(SIZE_MAX / 2));
    void *const block = soma_alloc(1);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % CACHE_LINE, 0);
    soma_free(block);
    soma_free(NULL);
}

static void test_pool(void **state) {
    (void)state;
    static const int counts[] = {INT32_MIN, -1, 0, 1, 2, 1000, INT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        Pool *const some = soma_pool_create(counts[i]);
        assert_non_null(some);
        assert_in_range(soma_pool_threads(some), 1, POOL_THREADS_MAX);
        soma_pool_destroy(some);
    }
    soma_pool_destroy(NULL);
}

static void test_dataset(void **state) {
    (void)state;
    for (int i = 0; i < HOSTILE; i++) {
        if (hostile[i] >= 0 && hostile[i] < DATASET_IMAGES_MAX) continue;
        assert_null(soma_dataset_create(hostile[i], 5));
        expect_fault(hostile[i] < 0 ? "BAD_ARGUMENT" : "OUT_OF_RANGE");
        assert_null(soma_dataset_create(5, hostile[i]));
    }
    assert_null(soma_dataset_create(0, 0));
    expect_fault("OUT_OF_RANGE");
    assert_null(soma_dataset_create(DATASET_IMAGES_MAX, DATASET_IMAGES_MAX));
    expect_fault("OUT_OF_MEMORY");
    soma_dataset_destroy(NULL);
}

static void test_dataset_write(void **state) {
    (void)state;
    uint8_t pixels[2 * IMAGE_PIXELS] = {0}, labels[2] = {3, 10};
    Dataset *const some = soma_dataset_create(5, 2);
    for (int i = 0; i < HOSTILE; i++) {
        const int n = hostile[i];
        if (n != SOMA_SET_TEST) {
            assert_true(soma_dataset_write(some, n, 0, 1, pixels, labels) < 0);
            assert_int_equal(soma_dataset_ready(some, n), 0);
            assert_true(soma_dataset_read(some, n, 0, 1, pixels) < 0);
            assert_null(soma_dataset_labels(some, n));
        }
        if (n < 0 || n > 4)
            assert_true(soma_dataset_write(some, SOMA_SET_TRAIN, n, 1, pixels,
                                           labels) < 0);
        if (n < 0 || n > 5)
            assert_true(soma_dataset_write(some, SOMA_SET_TRAIN, 0, n, pixels,
                                           labels) < 0);
        assert_true(soma_dataset_write(some, SOMA_SET_TRAIN, n, INT32_MAX,
                                       pixels, labels) < 0);
        assert_true(
            soma_dataset_read(some, SOMA_SET_TRAIN, n, INT32_MAX, pixels) < 0);
        if (n < 0 || n > 4)
            assert_true(soma_dataset_read(some, SOMA_SET_TRAIN, n, 1, pixels) <
                        0);
    }
    assert_true(soma_dataset_read(some, SOMA_SET_TRAIN, 0, 1, NULL) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_dataset_write(some, 0, 0, 2, pixels, labels) < 0);
    expect_fault("BAD_LABEL");
    assert_true(soma_dataset_write(some, 0, 0, 1, NULL, labels) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_dataset_write(some, 0, 0, 1, pixels, NULL) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_int_equal(soma_dataset_ready(some, SOMA_SET_TRAIN), 0);
    assert_int_equal(soma_dataset_write(some, 0, 4, 1, pixels, labels), 0);
    assert_int_equal(soma_dataset_ready(some, SOMA_SET_TRAIN), 1);
    pixels[5] = 9;
    assert_int_equal(soma_dataset_write(some, 0, 4, 1, pixels, labels), 0);
    uint8_t back[2 * IMAGE_PIXELS];
    assert_int_equal(soma_dataset_read(some, 0, 3, 2, back), 0);
    assert_int_equal(back[5], 0);
    assert_memory_equal(back + IMAGE_PIXELS, pixels, IMAGE_PIXELS);
    soma_dataset_destroy(some);
}

static void test_idx(void **state) {
    (void)state;
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
    uint32_t payload = 77;
    assert_int_equal(soma_idx_check(labels, sizeof labels, 1, &payload), 2);
    assert_int_equal(payload, 8);
    for (int i = 0; i < HOSTILE; i++)
        if (hostile[i] != 3)
            assert_true(soma_idx_check(labels, sizeof labels, hostile[i],
                                       &payload) < 0);
    assert_true(soma_idx_check(labels, sizeof labels, 3, &payload) < 0);
    expect_fault("BAD_FILE");
    assert_true(soma_idx_check(NULL, 10, 1, &payload) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_idx_check(labels, 0, 1, &payload) < 0);
    assert_int_equal(payload, 8);
}

/* ==== Trainer =========================================================== */

static void test_create(void **state) {
    (void)state;
    assert_null(soma_trainer_create(dataset, pool, NULL));
    expect_fault("BAD_ARGUMENT");
    assert_null(soma_trainer_create(NULL, pool, ""));
    expect_fault("BAD_ARGUMENT");
    assert_null(soma_trainer_create(dataset, NULL, ""));
    expect_fault("BAD_ARGUMENT");
    assert_null(soma_trainer_create(dataset, pool, "validation=600"));
    expect_fault("OUT_OF_RANGE");
    soma_trainer_destroy(NULL);
}

/* A network for which there is no memory is refused with its size. */
static void test_too_large(void **state) {
    (void)state;
    char run[1200] = "validation=0 net=";
    for (int i = 0; i < 30; i++) strcat(run, "dense 16384,");
    strcat(run, "dense 10");
    assert_null(soma_trainer_create(dataset, pool, run));
    expect_fault("OUT_OF_MEMORY");
    assert_non_null(strstr(soma_fault_sentence(), " MB "));
}

static void test_settings(void **state) {
    (void)state;
    assert_true(soma_trainer_set(trainer, NULL, "1") < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_trainer_set(trainer, "lr", NULL) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_trainer_set(trainer, "", "") < 0);
    expect_fault("UNKNOWN_KEY");
    assert_true(soma_trainer_set(trainer, "seed", "3") < 0);
    expect_fault("BAD_COMBINATION");
    assert_true(soma_trainer_set(trainer, "lr", "-1") < 0);
    expect_fault("OUT_OF_RANGE");
    assert_non_null(strstr(soma_trainer_run_text(trainer, 1), "lr=0.001\n"));
}

static void test_steps(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) /* INT32_MIN, -1000, -1 */
        assert_int_equal(soma_trainer_steps(trainer, hostile[i]), 0);
    assert_int_equal(soma_trainer_steps(trainer, 0), 0);
    assert_int_equal(soma_trainer_steps(trainer, INT32_MAX), 10);
    assert_true(soma_trainer_number(trainer, SOMA_STEP) == 10);
    assert_true(soma_trainer_number(trainer, SOMA_EPOCH) == 1);
}

static void test_numbers(void **state) {
    (void)state;
    for (int i = 0; i < HOSTILE; i++)
        if (hostile[i] < 0 || hostile[i] > SOMA_INPUT_SPARSE)
            assert_true(isnan(soma_trainer_number(trainer, hostile[i])));
    static const double steps[] = {-INFINITY, -1e300, -1,    0,        0.5,
                                   1e18,      1e19,   1e300, INFINITY, NAN};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        assert_true(soma_trainer_rate(trainer, steps[i]) == 0.001);
    Trainer *const fresh =
        soma_trainer_create(dataset, pool, "net=dense 10 validation=0 lr=0.25");
    assert_true(soma_trainer_number(fresh, SOMA_LEARNING_RATE) == 0.25);
    assert_true(isnan(soma_trainer_number(fresh, SOMA_BATCH_LOSS)));
    assert_true(soma_trainer_number(fresh, SOMA_PARAMETER_COUNT) == 7850);
    soma_trainer_destroy(fresh);
}

static void test_state(void **state) {
    (void)state;
    const size_t size = soma_trainer_state_bytes(trainer);
    uint8_t *const bytes = malloc(size);
    assert_true(soma_trainer_state_write(trainer, bytes, size - 1) < 0);
    assert_true(soma_trainer_state_write(trainer, bytes, 0) < 0);
    assert_true(soma_trainer_state_write(trainer, NULL, size) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_int_equal(soma_trainer_state_write(trainer, bytes, size), 0);
    assert_true(soma_trainer_state_read(trainer, bytes, size - 1) < 0);
    expect_fault("BAD_FILE");
    assert_true(soma_trainer_state_read(trainer, bytes, 0) < 0);
    assert_true(soma_trainer_state_read(trainer, NULL, size) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_int_equal(soma_trainer_state_read(trainer, bytes, size), 0);
    free(bytes);
}

static void test_augment(void **state) {
    (void)state;
    uint8_t pixels[IMAGE_PIXELS] = {5}, out[IMAGE_PIXELS];
    for (int i = 0; i < HOSTILE; i++) {
        const Status status =
            soma_augment(trainer, pixels, hostile[i], hostile[i], out);
        assert_int_equal(status, hostile[i] < 0 ? STATUS_BAD_ARGUMENT : 0);
    }
    assert_memory_equal(pixels, out, sizeof out);
    assert_true(soma_augment(trainer, NULL, 0, 0, out) < 0);
    assert_true(soma_augment(trainer, pixels, 0, 0, NULL) < 0);
}

/* ==== Looking =========================================================== */

static void test_evaluation(void **state) {
    (void)state;
    assert_true(isnan(soma_evaluation_number(trainer, SOMA_EVAL_LOSS)));
    assert_int_equal(soma_evaluation_run(trainer, 5), 0);
    for (int i = 0; i < HOSTILE; i++) {
        if (hostile[i] != SOMA_SET_TEST)
            assert_true(soma_evaluation_begin(trainer, hostile[i]) < 0);
        if (hostile[i] < 0 || hostile[i] > SOMA_EVAL_ACCURACY)
            assert_true(isnan(soma_evaluation_number(trainer, hostile[i])));
    }
    assert_int_equal(soma_evaluation_begin(trainer, SOMA_SET_TEST), 0);
    assert_int_equal(soma_evaluation_run(trainer, INT32_MIN), 100);
    assert_int_equal(soma_evaluation_run(trainer, 0), 100);
    assert_int_equal(soma_evaluation_run(trainer, 40), 60);
    assert_int_equal(soma_evaluation_run(trainer, INT32_MAX), 0);
    assert_int_equal(soma_evaluation_run(trainer, 1), 0);
    assert_true(soma_evaluation_number(trainer, SOMA_EVAL_COUNT) == 100);
}

static void test_predict(void **state) {
    (void)state;
    uint8_t pixels[3 * IMAGE_PIXELS], labels[3];
    float floats[IMAGE_PIXELS] = {NAN, INFINITY, -1e30f}, out[30];
    toy_images(0, 3, pixels, labels);
    assert_true(soma_predict(trainer, pixels, -1, out) < 0);
    assert_true(soma_predict(trainer, NULL, 1, out) < 0);
    assert_true(soma_predict(trainer, pixels, 1, NULL) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_predict_floats(trainer, floats, INT32_MIN, out) < 0);
    assert_true(soma_predict_floats(trainer, NULL, 1, out) < 0);
    assert_int_equal(soma_predict(trainer, NULL, 0, NULL), 0);
    assert_int_equal(soma_predict(trainer, pixels, 3, out), 0);
    assert_int_equal(soma_predict_floats(trainer, floats, 1, out), 0);
}

static void test_gradient(void **state) {
    (void)state;
    uint8_t pixels[3 * IMAGE_PIXELS], labels[3];
    double loss = -1;
    toy_images(0, 3, pixels, labels);
    assert_true(soma_gradient(trainer, pixels, labels, -1, &loss) < 0);
    assert_true(soma_gradient(trainer, pixels, labels, 0, &loss) < 0);
    expect_fault("NO_DATA");
    assert_true(soma_gradient(trainer, NULL, labels, 3, &loss) < 0);
    assert_true(soma_gradient(trainer, pixels, NULL, 3, &loss) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_gradient(trainer, pixels, labels, 3, NULL) < 0);
    assert_true(soma_gradient_floats(trainer, NULL, labels, 3, &loss) < 0);
    labels[2] = 255;
    assert_true(soma_gradient(trainer, pixels, labels, 3, &loss) < 0);
    expect_fault("BAD_LABEL");
    assert_true(loss == -1);
    labels[2] = 9;
    assert_int_equal(soma_gradient(trainer, pixels, labels, 3, &loss), 0);
    assert_true(isfinite(loss) && loss >= 0);
}

static void test_layers(void **state) {
    (void)state;
    int shape[4];
    assert_int_equal(soma_layer_count(trainer), 3);
    for (int i = 0; i < HOSTILE; i++) {
        const int n = hostile[i];
        if (n == 2) continue;
        assert_string_equal(soma_layer_text(trainer, n), "");
        assert_true(soma_layer_shape(trainer, n, shape) < 0);
        expect_fault("BAD_ARGUMENT");
        assert_null(soma_layer_output(trainer, n));
    }
    assert_string_equal(soma_layer_text(trainer, 2), "dense 10");
    assert_int_equal(soma_layer_shape(trainer, 2, shape), 1);
    assert_int_equal(shape[0], 10);
}

static void test_parameters(void **state) {
    (void)state;
    float values[4] = {1, 2, 3, 4};
    int shape[4];
    assert_int_equal(soma_parameter_count(trainer), 4);
    for (int i = 0; i < HOSTILE; i++) {
        const int n = hostile[i];
        if (n != 2 && n != 3) {
            assert_string_equal(soma_parameter_name(trainer, n), "");
            assert_true(soma_parameter_layer(trainer, n) < 0);
            assert_true(soma_parameter_shape(trainer, n, shape) < 0);
            assert_true(soma_parameter_read(trainer, n, SOMA_VALUE, values, 4) <
                        0);
            assert_true(soma_parameter_write(trainer, n, values, 4) < 0);
            expect_fault("BAD_ARGUMENT");
        }
        assert_true(soma_parameter_read(trainer, 1, SOMA_VALUE, values, n) < 0);
        expect_fault("BAD_SHAPE");
        assert_true(soma_parameter_write(trainer, 1, values, n) < 0);
    }
    assert_true(soma_parameter_read(trainer, 1, SOMA_VALUE, NULL, 4) < 0);
    assert_true(soma_parameter_write(trainer, 1, NULL, 4) < 0);
    expect_fault("BAD_ARGUMENT");
    assert_true(soma_parameter_read(trainer, 1, 7, values, 4) < 0);
    assert_int_equal(soma_parameter_write(trainer, 1, values, 4), 0);
    values[0] = 0;
    assert_int_equal(soma_parameter_read(trainer, 1, SOMA_VALUE, values, 4), 0);
    assert_true(values[0] == 1);
}

static void test_tiles(void **state) {
    (void)state;
    for (int i = 0; i < HOSTILE; i++) {
        if (hostile[i] >= 0 && hostile[i] < soma_gemm_tile_count()) continue;
        assert_string_equal(soma_gemm_tile_name(hostile[i]), "");
        assert_true(soma_gemm_probe(trainer, hostile[i], 1) == 0);
        assert_true(soma_gemm_choose(trainer, hostile[i]) < 0);
        expect_fault("BAD_ARGUMENT");
    }
    assert_true(soma_gemm_probe(trainer, 0, -5) > 0);
    assert_int_equal(soma_gemm_choose(trainer, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option_table),
        cmocka_unit_test(test_run_text),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_dataset),
        cmocka_unit_test(test_dataset_write),
        cmocka_unit_test(test_idx),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_augment),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_predict),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_tiles),
    };
    return cmocka_run_group_tests(tests, open_trainer, close_trainer);
}
