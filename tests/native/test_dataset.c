/* The data set takes images in any order and any cut, knows exactly which have
 * arrived, and lets a refused write change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset.h"

static Dataset *create(size_t train_count, size_t test_count) {
    Dataset *dataset = NULL;
    Fault fault = {0};
    assert_int_equal(dataset_create(train_count, test_count, &dataset, &fault),
                     STATUS_OK);
    assert_non_null(dataset);
    return dataset;
}

/* The images and labels that the tests write: image i of generation g. */
static uint8_t ink(size_t image, size_t pixel, unsigned generation) {
    return (uint8_t)(image * 31 + pixel * 7 + generation * 101);
}

static uint8_t digit(size_t image, unsigned generation) {
    return (uint8_t)((image * 3 + generation) % 10);
}

static Status write_range(Dataset *dataset, SetKind set, size_t first,
                          size_t count, unsigned generation, Fault *fault) {
    uint8_t *const images = malloc(count * IMAGE_PIXELS + 1);
    uint8_t *const labels = malloc(count + 1);
    for (size_t i = 0; i < count; ++i) {
        for (size_t p = 0; p < IMAGE_PIXELS; ++p)
            images[i * IMAGE_PIXELS + p] = ink(first + i, p, generation);
        labels[i] = digit(first + i, generation);
    }
    const Status status =
        dataset_write(dataset, set, first, count, images, labels, fault);
    free(images);
    free(labels);
    return status;
}

static void write_ok(Dataset *dataset, SetKind set, size_t first, size_t count,
                     unsigned generation) {
    Fault fault = {0};
    assert_int_equal(
        write_range(dataset, set, first, count, generation, &fault), STATUS_OK);
}

static void expect_image(const Dataset *dataset, SetKind set, size_t image,
                         unsigned generation) {
    uint8_t pixels[IMAGE_PIXELS];
    image_read(dataset_image(dataset, set, image), pixels);
    for (size_t p = 0; p < IMAGE_PIXELS; ++p)
        assert_int_equal(pixels[p], ink(image, p, generation));
    assert_int_equal(dataset->sets[set].labels[image],
                     digit(image, generation));
}

static void counts_are_checked(void **state) {
    (void)state;
    Dataset *dataset = (Dataset *)&dataset;
    Fault fault = {0};
    assert_int_equal(dataset_create(0, 0, &dataset, &fault),
                     STATUS_OUT_OF_RANGE);
    assert_null(dataset);
    assert_int_equal(
        dataset_create((size_t)DATASET_IMAGES_MAX + 1, 0, &dataset, &fault),
        STATUS_OUT_OF_RANGE);
    assert_int_equal(dataset_create(1, SIZE_MAX, &dataset, &fault),
                     STATUS_OUT_OF_RANGE);
    assert_string_equal(fault.sentence,
                        sizeof(size_t) == 8
                            ? "18446744073709551615 test images are too many; "
                              "at most 16777216 are allowed."
                            : "4294967295 test images are too many; at most "
                              "16777216 are allowed.");
    dataset_destroy(create(1, 0));
    dataset_destroy(create(0, 1));
    dataset_destroy(NULL);
}

static void nothing_has_arrived_at_first(void **state) {
    (void)state;
    Dataset *const dataset = create(70, 3);
    for (size_t i = 0; i < 70; ++i)
        assert_false(dataset_ready(dataset, SET_TRAIN, i));
    assert_int_equal(dataset->sets[SET_TRAIN].count, 70);
    assert_int_equal(dataset->sets[SET_TRAIN].arrived, 0);
    assert_int_equal(dataset->sets[SET_TEST].prefix, 0);
    assert_false(dataset_complete(dataset, SET_TEST));
    dataset_destroy(dataset);
}

static void images_begin_cache_lines(void **state) {
    (void)state;
    Dataset *const dataset = create(5, 5);
    for (int set = 0; set < SET_COUNT; ++set)
        for (size_t i = 0; i < 5; ++i) {
            const Image *image = dataset_image(dataset, (SetKind)set, i);
            assert_int_equal((uintptr_t)image % CACHE_LINE, 0);
        }
    dataset_destroy(dataset);
}

static void what_has_not_arrived_reads_as_paper(void **state) {
    (void)state;
    Dataset *const dataset = create(9, 1);
    write_ok(dataset, SET_TRAIN, 3, 2, 0);
    uint8_t pixels[4 * IMAGE_PIXELS];
    memset(pixels, 77, sizeof pixels);
    dataset_read(dataset, SET_TRAIN, 2, 3, pixels);
    for (size_t p = 0; p < IMAGE_PIXELS; ++p) {
        assert_int_equal(pixels[p], 0);
        assert_int_equal(pixels[IMAGE_PIXELS + p], ink(3, p, 0));
        assert_int_equal(pixels[2 * IMAGE_PIXELS + p], ink(4, p, 0));
        assert_int_equal(pixels[3 * IMAGE_PIXELS + p], 77);
    }
    dataset_destroy(dataset);
}

static void arrival_is_exact_for_every_range(void **state) {
    (void)state;
    enum { COUNT = 67 };
    for (size_t first = 0; first <= COUNT; first += 3)
        for (size_t count = 0; count <= COUNT - first; count += 5) {
            Dataset *const dataset = create(COUNT, 1);
            write_ok(dataset, SET_TRAIN, first, count, 0);
            for (size_t i = 0; i < COUNT; ++i) {
                const bool inside = i >= first && i < first + count;
                assert_int_equal(dataset_ready(dataset, SET_TRAIN, i), inside);
            }
            const ImageSet *const train = &dataset->sets[SET_TRAIN];
            assert_int_equal(train->arrived, count);
            assert_int_equal(train->prefix, first == 0 ? count : 0);
            dataset_destroy(dataset);
        }
}

static void ranges_join_in_any_order(void **state) {
    (void)state;
    Dataset *const dataset = create(100, 40);
    const ImageSet *const train = &dataset->sets[SET_TRAIN];
    write_ok(dataset, SET_TRAIN, 64, 36, 0);
    write_ok(dataset, SET_TEST, 0, 40, 0);
    assert_int_equal(train->prefix, 0);
    write_ok(dataset, SET_TRAIN, 0, 32, 0);
    assert_int_equal(train->prefix, 32);
    assert_int_equal(train->arrived, 68);
    assert_false(dataset_complete(dataset, SET_TRAIN));
    write_ok(dataset, SET_TRAIN, 32, 32, 0);
    assert_int_equal(train->prefix, 100);
    assert_true(dataset_complete(dataset, SET_TRAIN));
    assert_true(dataset_complete(dataset, SET_TEST));
    for (size_t i = 0; i < 100; ++i) expect_image(dataset, SET_TRAIN, i, 0);
    for (size_t i = 0; i < 40; ++i) expect_image(dataset, SET_TEST, i, 0);
    dataset_destroy(dataset);
}

static void a_rewrite_replaces_and_counts_once(void **state) {
    (void)state;
    Dataset *const dataset = create(50, 0);
    write_ok(dataset, SET_TRAIN, 10, 20, 0);
    write_ok(dataset, SET_TRAIN, 25, 10, 1);
    assert_int_equal(dataset->sets[SET_TRAIN].arrived, 25);
    for (size_t i = 10; i < 25; ++i) expect_image(dataset, SET_TRAIN, i, 0);
    for (size_t i = 25; i < 35; ++i) expect_image(dataset, SET_TRAIN, i, 1);
    dataset_destroy(dataset);
}

static void a_write_past_the_end_changes_nothing(void **state) {
    (void)state;
    Dataset *const dataset = create(20, 5);
    Fault fault = {0};
    write_ok(dataset, SET_TRAIN, 0, 20, 0);
    assert_int_equal(write_range(dataset, SET_TRAIN, 15, 6, 1, &fault),
                     STATUS_OUT_OF_RANGE);
    assert_string_equal(fault.sentence,
                        "Images 15 and the 5 after it do not fit into the 20 "
                        "training images that were announced.");
    const uint8_t byte = 0;
    assert_int_equal(
        dataset_write(dataset, SET_TRAIN, 1, SIZE_MAX, &byte, &byte, &fault),
        STATUS_OUT_OF_RANGE);
    assert_int_equal(
        dataset_write(dataset, SET_TRAIN, SIZE_MAX, 1, &byte, &byte, &fault),
        STATUS_OUT_OF_RANGE);
    assert_int_equal(write_range(dataset, SET_TEST, 5, 1, 0, &fault),
                     STATUS_OUT_OF_RANGE);
    for (size_t i = 0; i < 20; ++i) expect_image(dataset, SET_TRAIN, i, 0);
    assert_int_equal(dataset->sets[SET_TEST].arrived, 0);
    dataset_destroy(dataset);
}

static void a_wrong_label_changes_nothing(void **state) {
    (void)state;
    Dataset *const dataset = create(20, 5);
    write_ok(dataset, SET_TRAIN, 0, 10, 0);
    static const uint8_t images[12 * IMAGE_PIXELS];
    const uint8_t labels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    Fault fault = {0};
    assert_int_equal(
        dataset_write(dataset, SET_TRAIN, 5, 12, images, labels, &fault),
        STATUS_BAD_LABEL);
    assert_string_equal(fault.place, "training label 15");
    assert_string_equal(
        fault.sentence,
        "The training label 15 is 10; labels are digits from 0 to 9.");
    for (size_t i = 0; i < 10; ++i) expect_image(dataset, SET_TRAIN, i, 0);
    assert_int_equal(dataset->sets[SET_TRAIN].arrived, 10);
    assert_false(dataset_ready(dataset, SET_TRAIN, 10));
    dataset_destroy(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_checked),
        cmocka_unit_test(nothing_has_arrived_at_first),
        cmocka_unit_test(images_begin_cache_lines),
        cmocka_unit_test(what_has_not_arrived_reads_as_paper),
        cmocka_unit_test(arrival_is_exact_for_every_range),
        cmocka_unit_test(ranges_join_in_any_order),
        cmocka_unit_test(a_rewrite_replaces_and_counts_once),
        cmocka_unit_test(a_write_past_the_end_changes_nothing),
        cmocka_unit_test(a_wrong_label_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
