/* Protects: the generator is Philox4x32-10 (known answers of Random123), a
 * number depends on seed, stream, step and index alone and on each of them,
 * the distributions are what they say, shuffles are permutations, and the
 * elementary functions under them keep their stated error bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/scalar.h"
#include "kernels/philox.h"

static const RandomKey KEY = {.seed = 7, .stream = STREAM_INIT, .step = 3};

static void philox_gives_the_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u},
         {~0u, ~0u},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        random_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].answer, sizeof out);
    }
}

static void four_blocks_are_those_one_by_one(void **state) {
    (void)state;
    static const uint64_t indices[] = {0, 5, 0xfffffffd, ~(uint64_t)0 - 1,
                                       (uint64_t)7 << 56};
    const RandomKey keys[] = {
        KEY, {~0u, STREAM_DROPOUT, ~(uint64_t)0}, {0x80000000u, 9, 1}};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
            uint32_t bits[PHILOX_BITS], block[4];
            philox_four_blocks(keys[k], indices[i], bits);
            for (uint64_t j = 0; j < 4; j++) {
                random_block(keys[k], indices[i] + j, block);
                assert_memory_equal(bits + 4 * j, block, sizeof block);
            }
        }
}

/* Every part of the key and of a wide index must reach the counter. */
static void each_part_of_the_key_matters(void **state) {
    (void)state;
    const uint64_t far = (uint64_t)1 << 40;
    const RandomKey keys[] = {
        KEY,
        {KEY.seed + 1, KEY.stream, KEY.step},
        {KEY.seed, STREAM_SHUFFLE, KEY.step},
        {KEY.seed, KEY.stream, KEY.step + 1},
        {KEY.seed, KEY.stream, KEY.step + far},
    };
    uint32_t blocks[7][4];
    for (int i = 0; i < 5; i++) random_block(keys[i], 0, blocks[i]);
    random_block(KEY, 1, blocks[5]);
    random_block(KEY, far, blocks[6]);
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(blocks[i], blocks[j], sizeof blocks[i]);
        }
    }
}

static void words_come_from_their_blocks(void **state) {
    (void)state;
    for (uint64_t index = 0; index < 40; index++) {
        uint32_t block[4];
        random_block(KEY, index / 4, block);
        assert_int_equal(random_bits(KEY, index), block[index % 4]);
    }
}

/* Mean and variance within five standard errors of the exact ones. */
static void check_moments(float (*draw)(RandomKey, uint64_t), double mean,
                          double variance, double fourth) {
    enum { DRAWS = 200000 };
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const double off = (double)draw(KEY, i) - mean;
        sum += off;
        squares += off * off;
    }
    const double mean_error = sqrt(variance / DRAWS);
    const double variance_error = sqrt((fourth - variance * variance) / DRAWS);
    assert_true(fabs(sum / DRAWS) < 5 * mean_error);
    assert_true(fabs(squares / DRAWS - variance) < 5 * variance_error);
}

static void uniform_has_the_moments_and_the_range(void **state) {
    (void)state;
    check_moments(random_uniform, 0.5, 1.0 / 12, 1.0 / 80);
    for (uint64_t i = 0; i < 10000; i++) {
        const float x = random_uniform(KEY, i);
        assert_true(x >= 0 && x < 1);
    }
}

static void normal_has_the_moments(void **state) {
    (void)state;
    check_moments(random_normal, 0, 1, 3);
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov: sup |F - Fn| < 1.95 / sqrt(n) in 99.9 % of cases. */
static void normal_has_the_distribution_function(void **state) {
    (void)state;
    enum { DRAWS = 20000 };
    static float draws[DRAWS];
    for (uint64_t i = 0; i < DRAWS; i++) draws[i] = random_normal(KEY, i);
    qsort(draws, DRAWS, sizeof *draws, compare_floats);
    double worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double exact = 0.5 * erfc(-(double)draws[i] / sqrt(2));
        worst = fmax(worst, fabs(exact - (i + 0.5) / DRAWS));
    }
    assert_true(worst < 1.95 / sqrt(DRAWS));
}

/* The bits themselves are a promise (same seed, same weights everywhere). */
static void normal_keeps_its_bits(void **state) {
    (void)state;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (uint64_t i = 0; i < 1000; i++) {
        const float x = random_normal(KEY, i);
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        hash = (hash ^ bits) * 16777619u;
    }
    assert_int_equal(hash, 0xda19ad1a);
}

static void below_is_even_and_in_range(void **state) {
    (void)state;
    enum { BOUND = 7, DRAWS = 70000 };
    int counts[BOUND] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        const uint32_t x = random_below(KEY, i, BOUND);
        assert_true(x < BOUND);
        counts[x]++;
    }
    const double spread = sqrt(DRAWS / 7.0 * 6 / 7);
    for (int i = 0; i < BOUND; i++) {
        assert_true(fabs(counts[i] - DRAWS / 7.0) < 5 * spread);
    }
    assert_int_equal(random_below(KEY, 1, 1), 0);
    assert_true(random_below(KEY, 2, UINT32_MAX) < UINT32_MAX);
}

static void shuffle_is_a_permutation_fixed_by_the_key(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    uint32_t order[COUNT], again[COUNT], other[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) order[i] = again[i] = other[i] = i;
    random_shuffle(KEY, 0, order, COUNT);
    random_shuffle(KEY, 0, again, COUNT);
    random_shuffle(KEY, COUNT, other, COUNT);
    assert_memory_equal(order, again, sizeof order);
    assert_memory_not_equal(order, other, sizeof order);
    bool seen[COUNT] = {false};
    int at_home = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(order[i] < COUNT && !seen[order[i]]);
        seen[order[i]] = true;
        at_home += order[i] == i;
    }
    assert_true(at_home < 10); /* 1 is expected; P(>= 10) is 1e-7 */
    random_shuffle(KEY, 0, order, 0);
    random_shuffle(KEY, 0, order, 1);
}

/* All 24 orders of four things, about equally often. */
static void shuffle_reaches_every_order(void **state) {
    (void)state;
    int counts[256] = {0};
    for (uint64_t round = 0; round < 24000; round++) {
        uint32_t order[4] = {0, 1, 2, 3};
        random_shuffle(KEY, 4 * round, order, 4);
        counts[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    int reached = 0;
    for (int i = 0; i < 256; i++) {
        if (counts[i] == 0) continue;
        reached++;
        assert_true(abs(counts[i] - 1000) < 5 * 31);
    }
    assert_int_equal(reached, 24);
}

static void check_relative(double got, double want, double bound) {
    assert_true(fabs(got - want) <= bound * fabs(want));
}

static void exp_and_log_keep_their_bounds(void **state) {
    (void)state;
    for (int i = -7000; i <= 7000; i++) {
        const double x = i * 0.1013;
        check_relative(scalar_exp(x), exp(x), 4e-16);
        const double positive = exp(x / 1.01);
        check_relative(scalar_log(positive), log(positive), 4e-16);
        const double near_one = 1 + i * 1e-5;
        check_relative(scalar_log(near_one), log(near_one), 4e-16);
    }
    check_relative(scalar_log(0x1p-1070), log(0x1p-1070), 4e-16);
    assert_true(scalar_exp(710) == INFINITY && scalar_exp(-746) == 0);
    assert_true(scalar_exp(-740) == exp(-740) && scalar_exp(0) == 1);
    assert_true(isnan(scalar_exp(NAN)) && scalar_exp(-INFINITY) == 0);
    assert_true(scalar_log(0) == -INFINITY && isnan(scalar_log(-1)));
    assert_true(scalar_log(INFINITY) == INFINITY && scalar_log(1) == 0);
    assert_true(isnan(scalar_log(NAN)));
}

static void sin_and_cos_keep_their_bounds(void **state) {
    (void)state;
    for (int i = -20000; i <= 20000; i++) {
        const double near = i * 0.00131, far = i * 4.9997;
        assert_true(fabs(scalar_sin(near) - sin(near)) < 4e-16);
        assert_true(fabs(scalar_cos(near) - cos(near)) < 4e-16);
        assert_true(fabs(scalar_sin(far) - sin(far)) < 4e-16);
        assert_true(fabs(scalar_cos(far) - cos(far)) < 4e-16);
    }
    assert_true(isnan(scalar_sin(1e300)) && isnan(scalar_cos(NAN)));
}

static void pow_keeps_its_bound(void **state) {
    (void)state;
    for (int i = 1; i <= 100000; i += 37) {
        check_relative(scalar_pow(0.999, i), pow(0.999, i),
                       4e-16 * (1 + i * 0.0010005));
        check_relative(scalar_pow(0.9, i / 100.0), pow(0.9, i / 100.0), 5e-14);
    }
    assert_true(scalar_pow(5, 0) == 1 && scalar_pow(0, 2) == 0);
    assert_true(isnan(scalar_pow(-2, 0.5)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(four_blocks_are_those_one_by_one),
        cmocka_unit_test(each_part_of_the_key_matters),
        cmocka_unit_test(words_come_from_their_blocks),
        cmocka_unit_test(uniform_has_the_moments_and_the_range),
        cmocka_unit_test(normal_has_the_moments),
        cmocka_unit_test(normal_has_the_distribution_function),
        cmocka_unit_test(normal_keeps_its_bits),
        cmocka_unit_test(below_is_even_and_in_range),
        cmocka_unit_test(shuffle_is_a_permutation_fixed_by_the_key),
        cmocka_unit_test(shuffle_reaches_every_order),
        cmocka_unit_test(exp_and_log_keep_their_bounds),
        cmocka_unit_test(sin_and_cos_keep_their_bounds),
        cmocka_unit_test(pow_keeps_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
