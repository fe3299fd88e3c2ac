/* Text: numbers are read and printed as the C library does within the stated
 * digits, what is printed reads as the same, formatting never overruns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"

/* A number of up to fifteen digits and an exponent of -14 .. 9, as text. */
static void random_number(uint64_t index, char text[40]) {
    const RandomKey key = {.seed = 7, .stream = STREAM_INIT};
    uint32_t bits[4];
    random_block(key, index, bits);
    const double digits = pow(10, 1 + bits[0] % 15);
    const double share = (bits[1] + bits[2] / 4294967296.0) / 4294967296.0;
    snprintf(text, 40, "%.0fe%d", floor(share * digits),
             (int)(bits[3] % 24) - 14);
}

static void numbers_of_fifteen_digits_are_read_as_strtod_does(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 50000; i++) {
        char text[40];
        double value = -1;
        random_number(i, text);
        assert_true(text_read_number(text, &value));
        assert_true(value == strtod(text, NULL));
    }
}

static void what_is_printed_reads_as_the_same(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 50000; i++) {
        char text[40], printed[32];
        double value = 0, read = -1;
        random_number(i, text);
        assert_true(text_read_number(text, &value));
        assert_true(text_print_number(value, printed) < 32);
        assert_true(text_read_number(printed, &read) && read == value);
    }
}

/* Found by fuzzing: digits of numbers near the smallest doubles did not come
 * back. Such numbers are zero now. */
static void tiny_numbers_are_zero_and_the_next_ones_come_back(void **state) {
    (void)state;
    static const char *const texts[] = {"9.87654321012345e-31", "1.1e-300",
                                        "123456789012345e-44",
                                        "9.99999999999999e-30", "10e-26"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char printed[32];
        double value = -1, read = -1;
        assert_true(text_read_number(texts[i], &value));
        assert_int_equal(value == 0, i < 2);
        text_print_number(value, printed);
        assert_true(text_read_number(printed, &read) && read == value);
    }
}

static void numbers_are_printed_in_the_form_of_g(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},           {0.001, "0.001"},
                 {1e-8, "1e-08"},    {1e9, "1000000000"},
                 {-2.5, "-2.5"},     {4294967295.0, "4294967295"},
                 {0.0001, "0.0001"}, {0.00001, "1e-05"},
                 {1e16, "1e+16"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        text_print_number(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void what_is_no_number_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",    "-",   ".",   "e5",
                                        "1e",  "1e+", "0x1", "nan",
                                        "inf", "1 ",  "--1", "1.2.3"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double value = 5;
        assert_false(text_read_number(texts[i], &value));
        assert_true(value == 5);
    }
}

static void formatting_agrees_with_snprintf_and_is_cut_like_it(void **state) {
    (void)state;
    for (size_t size = 1; size < 90; size++) {
        char *const ours = malloc(size), *const theirs = malloc(size);
#define ARGUMENTS                                                              \
    "%s|%.3s|%.*s|%d|%u|%zu|%llu|%016llx|%.10g|%.3g|%.10g|%%", "ab", "cdefg",  \
        2, "xyz", -2147483647 - 1, 7u, (size_t)9, 18446744073709551615ull,     \
        255ull, 0.25, 1.15e13, (double)INFINITY
        const size_t length = text_format(ours, size, ARGUMENTS);
        assert_int_equal(length, snprintf(theirs, size, ARGUMENTS));
        assert_string_equal(ours, theirs);
        free(ours);
        free(theirs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_fifteen_digits_are_read_as_strtod_does),
        cmocka_unit_test(what_is_printed_reads_as_the_same),
        cmocka_unit_test(tiny_numbers_are_zero_and_the_next_ones_come_back),
        cmocka_unit_test(numbers_are_printed_in_the_form_of_g),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(formatting_agrees_with_snprintf_and_is_cut_like_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
