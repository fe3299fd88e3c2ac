/* The bits of the weights depend on the run description alone: not on how the
 * first layer reads its input, on the tile of the matrix product, on the cut
 * into chunks, or on when the update is made; nor on threads (test_threads).
 * The plain step of sgd rounds otherwise where it is made without a gradient in
 * between; so for it, these ways agree within a bound.
 *
 * Nothing is compared with stored fingerprints: tests/wasm compares with the
 * exact build, this file with itself.
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

#include "reference.h"
#include "toy.h"

enum { TRAIN = 12000 };

static Dataset *dataset;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(TRAIN, 100);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    return 0;
}

/* Where a run leads. */
typedef struct Outcome {
    uint64_t bits;
    size_t count;
    float *weights; /* [count] */
} Outcome;

/* After `steps` steps, when `change` has had its way with the fresh trainer. */
static Outcome outcome(const char *run, int steps,
                       void (*change)(Trainer *, int), int argument) {
    Pool *const pool = pool_create(1);
    Trainer *const trainer = toy_trainer(dataset, pool, run);
    if (change != NULL) change(trainer, argument);
    toy_steps(trainer, steps);
    const Outcome end = {
        .bits = trainer_fingerprint(trainer),
        .count = trainer->network.flat_size,
        .weights = reference_copy(trainer->network.flat_size,
                                  trainer->network.parameters),
    };
    trainer_destroy(trainer);
    pool_destroy(pool);
    return end;
}

/* How far the plain steps of sgd may lead apart, as a share of the largest
 * weight. */
static const float PLAIN_BOUND = 2e-6f;

static void expect_close(const char *run, const char *what, const Outcome *got,
                         const Outcome *expected) {
    float largest = 0, apart = 0;
    for (size_t i = 0; i < got->count; i++) {
        largest = fmaxf(largest, fabsf(expected->weights[i]));
        apart = fmaxf(apart, fabsf(got->weights[i] - expected->weights[i]));
    }
    if (!(apart <= PLAIN_BOUND * largest))
        fail_msg("%s: apart by %g of %g with %s", run, (double)apart,
                 (double)largest, what);
}

/* The same bits; or nearly the same weights, for plain sgd. Frees `got`. */
static void expect_same(const char *run, const char *what, Outcome got,
                        const Outcome *expected) {
    if (strstr(run, "optimizer=sgd") != NULL)
        expect_close(run, what, &got, expected);
    else if (got.bits != expected->bits)
        fail_msg("%s: other bits with %s", run, what);
    free(got.weights);
}

/* ==== Ways to compute the same ========================================== */

static void read_dense(Trainer *trainer, int argument) {
    (void)argument;
    assert_true(trainer->network.input.may_be_sparse);
    trainer->network.input.may_be_sparse = false;
}

static void test_sparse_and_dense(void **state) {
    (void)state;
    static const char *const runs[] = {
        "net=dense 10 optimizer=sgd lr=0.1",
        "net=dense 10 optimizer=momentum lr=0.1",
        "net=dense 47,relu,dense 10 optimizer=adam",
        "net=dense 64,tanh,dense 10 optimizer=momentum l2=0.001 batch=100",
        "net=dense 33,relu,dense 10 batch=1100 l1=0.001",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const Outcome usual = outcome(runs[i], 20, NULL, 0);
        expect_same(runs[i], "dense input", outcome(runs[i], 20, read_dense, 0),
                    &usual);
        free(usual.weights);
    }
}

static void use_tile(Trainer *trainer, int tile) {
    trainer->network.gemm.tile = tile;
}

static void test_tiles(void **state) {
    (void)state;
    static const char run[] =
        "net=dense 45,relu,dense 23,relu,dense 10 input=standard batch=61";
    const Outcome first = outcome(run, 50, use_tile, 0);
    for (int tile = 1; tile < gemm_tile_count(); tile++)
        expect_same(run, gemm_tile_name(tile), outcome(run, 50, use_tile, tile),
                    &first);
    free(first.weights);
}

static void cut_passes(Trainer *trainer, int rows) {
    trainer->network.max_rows = rows;
}

/* Batch norm alone must see its batch whole; it is refused beyond 1024. */
static void test_chunks(void **state) {
    (void)state;
    for (int i = 0; i < TOY_RUNS; i++) {
        char run[512];
        if (strstr(toy_runs[i], "batch") != NULL) continue;
        snprintf(run, sizeof run, "%s batch=300", toy_runs[i]);
        const Outcome whole = outcome(run, 10, NULL, 0);
        expect_same(run, "chunks of 100", outcome(run, 10, cut_passes, 100),
                    &whole);
        expect_same(run, "chunks of 7", outcome(run, 10, cut_passes, 7),
                    &whole);
        free(whole.weights);
    }
}

/* A limit that no gradient reaches makes the update wait for the end of the
 * backward pass, and changes nothing else. */
static void test_update_at_once_or_at_the_end(void **state) {
    (void)state;
    for (int i = 0; i < TOY_RUNS; i++) {
        char run[512];
        if (strstr(toy_runs[i], "clip") != NULL) continue;
        snprintf(run, sizeof run, "%s clip=1e6", toy_runs[i]);
        const Outcome at_once = outcome(toy_runs[i], 40, NULL, 0);
        expect_same(run, "the update at the end", outcome(run, 40, NULL, 0),
                    &at_once);
        free(at_once.weights);
    }
}

/* ==== The fingerprint itself ============================================ */

/* Any bit of any parameter changes it. */
static void test_fingerprint_sees_every_bit(void **state) {
    (void)state;
    Pool *const pool = pool_create(1);
    Trainer *const trainer =
        toy_trainer(dataset, pool, "net=dense 3,layernorm,relu,dense 10");
    const uint64_t usual = trainer_fingerprint(trainer);
    for (int i = 0; i < trainer->network.parameter_count; i++) {
        const Parameter *const p = network_parameter(&trainer->network, i);
        for (size_t at = 0; at < p->count; at += 1 + p->count / 7)
            for (int bit = 0; bit < 32; bit += 31) {
                uint32_t bits;
                memcpy(&bits, &p->value[at], sizeof bits);
                bits ^= 1u << bit;
                memcpy(&p->value[at], &bits, sizeof bits);
                assert_true(trainer_fingerprint(trainer) != usual);
                bits ^= 1u << bit;
                memcpy(&p->value[at], &bits, sizeof bits);
            }
    }
    assert_true(trainer_fingerprint(trainer) == usual);
    trainer_destroy(trainer);
    pool_destroy(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sparse_and_dense),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_update_at_once_or_at_the_end),
        cmocka_unit_test(test_fingerprint_sees_every_bit),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
