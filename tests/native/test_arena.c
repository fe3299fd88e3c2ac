/* The arena: what is measured is what is bound, blocks are aligned, zero and
 * apart, sizes that overflow are noticed. And faults: cut, never overrun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/status.h"

static const size_t counts[] = {1, 15, 16, 17, 0, 1000};
enum { BLOCKS = sizeof counts / sizeof counts[0] };

static void measured_size_is_the_size_used(void **state) {
    (void)state;
    Arena measure = arena_measure();
    for (int i = 0; i < BLOCKS; i++)
        assert_null(arena_floats(&measure, counts[i]));
    void *const block = aligned_alloc(CACHE_LINE, measure.used);
    memset(block, 0xff, measure.used);
    Arena arena = arena_bind(block, measure.used);
    float *last = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        float *const floats = arena_floats(&arena, counts[i]);
        assert_true((floats == NULL) == (counts[i] == 0));
        for (size_t j = 0; j < counts[i]; j++) assert_true(floats[j] == 0);
        if (floats == NULL) continue;
        assert_int_equal((uintptr_t)floats % CACHE_LINE, 0);
        assert_true(last == NULL || floats > last);
        last = floats + counts[i] - 1;
    }
    assert_int_equal(arena.used, measure.used);
    arena_release(&arena);
    free(block);
}

static void sizes_that_overflow_are_noticed(void **state) {
    (void)state;
    Arena product = arena_measure();
    assert_null(arena_alloc(&product, SIZE_MAX / 2, 3));
    assert_true(product.overflowed);
    Arena sum = arena_measure();
    arena_alloc(&sum, SIZE_MAX - 1000, 1);
    arena_alloc(&sum, 2000, 1);
    assert_true(sum.overflowed);
}

static void long_sentences_are_cut(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    Fault fault;
    assert_int_equal(fault_set(&fault, STATUS_BAD_VALUE, text, "%s", text),
                     STATUS_BAD_VALUE);
    assert_int_equal(strlen(fault.place), sizeof fault.place - 1);
    assert_int_equal(strlen(fault.sentence), sizeof fault.sentence - 1);
}

static void every_status_has_a_name_and_a_sentence(void **state) {
    (void)state;
    for (int code = STATUS_NO_SNAPSHOT; code <= STATUS_OK; code++) {
        assert_string_not_equal(status_name((Status)code), "UNKNOWN");
        assert_true(strlen(status_sentence((Status)code)) > 4);
    }
    assert_string_equal(status_name((Status)-99), "UNKNOWN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured_size_is_the_size_used),
        cmocka_unit_test(sizes_that_overflow_are_noticed),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(every_status_has_a_name_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
