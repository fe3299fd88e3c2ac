/* The IDX parser takes what the original files look like, and refuses every
 * other file with a sentence that names the byte. Files are built in heap
 * blocks of exactly their length, so that reading one byte too far is found by
 * AddressSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/idx.h"

typedef struct File {
    uint8_t *bytes;
    size_t n_bytes;
} File;

static void put_be32(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A file with a header for `count` items and `held` bytes after it. */
static File make_file(IdxKind kind, uint32_t count, size_t held) {
    const size_t header = kind == IDX_IMAGES ? 16 : 8;
    File file = {malloc(header + held), header + held};
    assert_non_null(file.bytes);
    for (size_t i = header; i < header + held; ++i)
        file.bytes[i] =
            (uint8_t)((i - header) % (kind == IDX_IMAGES ? 256 : 10));
    const uint8_t magic[4] = {0, 0, 8, (uint8_t)kind};
    memcpy(file.bytes, magic, sizeof magic);
    put_be32(file.bytes + 4, count);
    if (kind == IDX_IMAGES) {
        put_be32(file.bytes + 8, IMAGE_SIDE);
        put_be32(file.bytes + 12, IMAGE_SIDE);
    }
    return file;
}

/* Parse, expect `code`, place and sentence, and see that the view is
 * untouched. */
static void expect_refusal(File file, Status code, const char *place,
                           const char *sentence) {
    IdxView view = {.count = 77};
    Fault fault = {0};
    assert_int_equal(idx_parse(file.bytes, file.n_bytes, &view, &fault), code);
    assert_int_equal(fault.code, code);
    assert_string_equal(fault.sentence, sentence);
    assert_string_equal(fault.place, place);
    assert_int_equal(view.count, 77);
    assert_null(view.items);
    free(file.bytes);
}

static void images_are_viewed_in_place(void **state) {
    (void)state;
    const File file = make_file(IDX_IMAGES, 3, 3 * IMAGE_PIXELS);
    IdxView view;
    Fault fault = {0};
    assert_int_equal(idx_parse(file.bytes, file.n_bytes, &view, &fault),
                     STATUS_OK);
    assert_int_equal(view.kind, IDX_IMAGES);
    assert_int_equal(view.count, 3);
    assert_int_equal(view.rows, IMAGE_SIDE);
    assert_int_equal(view.cols, IMAGE_SIDE);
    assert_ptr_equal(view.items, file.bytes + 16);
    free(file.bytes);
}

static void labels_are_viewed_in_place(void **state) {
    (void)state;
    const File file = make_file(IDX_LABELS, 25, 25);
    IdxView view;
    Fault fault = {0};
    assert_int_equal(idx_parse(file.bytes, file.n_bytes, &view, &fault),
                     STATUS_OK);
    assert_int_equal(view.kind, IDX_LABELS);
    assert_int_equal(view.count, 25);
    assert_int_equal(view.rows, 1);
    assert_int_equal(view.cols, 1);
    assert_ptr_equal(view.items, file.bytes + 8);
    free(file.bytes);
}

static void the_other_kind_is_refused(void **state) {
    (void)state;
    const File file = make_file(IDX_LABELS, 5, 5);
    IdxView view;
    Fault fault = {0};
    assert_int_equal(
        idx_parse_kind(file.bytes, file.n_bytes, IDX_LABELS, &view, &fault),
        STATUS_OK);
    assert_int_equal(
        idx_parse_kind(file.bytes, file.n_bytes, IDX_IMAGES, &view, &fault),
        STATUS_BAD_FILE);
    assert_string_equal(
        fault.sentence,
        "The file holds labels; images are needed here.");
    free(file.bytes);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    const IdxKind kinds[] = {IDX_LABELS, IDX_IMAGES};
    for (int k = 0; k < 2; ++k) {
        const size_t item = kinds[k] == IDX_IMAGES ? IMAGE_PIXELS : 1;
        const File whole = make_file(kinds[k], 2, 2 * item);
        for (size_t length = 0; length < whole.n_bytes; ++length) {
            uint8_t *const cut = malloc(length + (length == 0));
            memcpy(cut, whole.bytes, length);
            IdxView view;
            Fault fault = {0};
            assert_int_equal(idx_parse(cut, length, &view, &fault),
                             STATUS_BAD_FILE);
            assert_true(fault.sentence[0] != 0);
            free(cut);
        }
        free(whole.bytes);
    }
}

static void an_empty_file_may_have_no_address(void **state) {
    (void)state;
    expect_refusal((File){NULL, 0}, STATUS_BAD_FILE,
                   "byte 0",
                   "An IDX file begins with at least 8 bytes; this one has 0.");
}

static void lying_counts_are_refused(void **state) {
    (void)state;
    expect_refusal(make_file(IDX_IMAGES, 4, 3 * IMAGE_PIXELS), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 4 images, the file holds 3.");
    expect_refusal(make_file(IDX_LABELS, 60000, 59999), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 60000 labels, the file holds 59999.");
    expect_refusal(make_file(IDX_IMAGES, 0, 0), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises no images; at least one is needed.");
}

/* In 32-bit sizes, 2^28 images of 784 bytes would take 0 bytes, and 5478275
 * of them 304. */
static void counts_that_overflow_are_refused(void **state) {
    (void)state;
    expect_refusal(make_file(IDX_IMAGES, UINT32_MAX, IMAGE_PIXELS),
                   STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 4294967295 images, the file holds 1.");
    expect_refusal(make_file(IDX_IMAGES, 1u << 28, 0), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 268435456 images, the file holds 0.");
    expect_refusal(make_file(IDX_IMAGES, 5478275, 304), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 5478275 images, the file holds 0.");
}

static void trailing_bytes_are_refused(void **state) {
    (void)state;
    expect_refusal(make_file(IDX_LABELS, 10, 11), STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 10 labels, the file goes on for 1 "
                   "bytes after them.");
    expect_refusal(make_file(IDX_IMAGES, 1, IMAGE_PIXELS + 783),
                   STATUS_BAD_FILE,
                   "byte 4",
                   "The header promises 1 images, the file goes on for 783 "
                   "bytes after them.");
}

static void foreign_magic_is_refused(void **state) {
    (void)state;
    File file = make_file(IDX_LABELS, 4, 4);
    file.bytes[1] = 7;
    expect_refusal(file, STATUS_BAD_FILE,
                   "byte 0",
                   "An IDX file begins with two zero bytes, this one with 0 "
                   "and 7.");
    file = make_file(IDX_LABELS, 4, 4);
    file.bytes[2] = 13;
    expect_refusal(file, STATUS_BAD_FILE,
                   "byte 2",
                   "The items have type 13; only 8, unsigned bytes, can be "
                   "read.");
    file = make_file(IDX_LABELS, 4, 4);
    file.bytes[3] = 2;
    expect_refusal(file, STATUS_BAD_FILE,
                   "byte 3",
                   "The file has 2 dimensions; labels have 1, images 3.");
    file = make_file(IDX_LABELS, 4, 4);
    file.bytes[0] = 0x1f;
    file.bytes[1] = 0x8b;
    expect_refusal(file, STATUS_BAD_FILE,
                   "byte 0",
                   "The file is compressed with gzip and must be unpacked "
                   "first.");
}

static void other_image_sizes_are_refused(void **state) {
    (void)state;
    File file = make_file(IDX_IMAGES, 1, 32 * 32);
    put_be32(file.bytes + 8, 32);
    put_be32(file.bytes + 12, 32);
    expect_refusal(file, STATUS_BAD_SHAPE,
                   "byte 8",
                   "The images are 32 x 32 pixels; they must be 28 x 28.");
    /* the same number of pixels, in another shape */
    file = make_file(IDX_IMAGES, 1, IMAGE_PIXELS);
    put_be32(file.bytes + 8, 14);
    put_be32(file.bytes + 12, 56);
    expect_refusal(file, STATUS_BAD_SHAPE,
                   "byte 8",
                   "The images are 14 x 56 pixels; they must be 28 x 28.");
}

static void a_wrong_label_is_named(void **state) {
    (void)state;
    File file = make_file(IDX_LABELS, 300, 300);
    file.bytes[8 + 123] = 10;
    file.bytes[8 + 200] = 255;
    expect_refusal(file, STATUS_BAD_LABEL,
                   "byte 131",
                   "Label 123 is 10; labels are digits from 0 to 9.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_viewed_in_place),
        cmocka_unit_test(labels_are_viewed_in_place),
        cmocka_unit_test(the_other_kind_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(an_empty_file_may_have_no_address),
        cmocka_unit_test(lying_counts_are_refused),
        cmocka_unit_test(counts_that_overflow_are_refused),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(foreign_magic_is_refused),
        cmocka_unit_test(other_image_sizes_are_refused),
        cmocka_unit_test(a_wrong_label_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
