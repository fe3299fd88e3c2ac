/* The bits of the weights depend on the run description alone: not on how the
 * first layer reads its input, on the tile of the matrix product, on the cut
 * into chunks, or on when the update is made; nor on threads (test_threads).
 *
 * Nothing is compared with stored fingerprints: tests/wasm compares with the
 * exact build, this file with itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

/* Fingerprint after `steps` steps, when `change` has had its way with the
 * fresh trainer. */
static uint64_t fingerprint(const char *run, int steps,
                            void (*change)(Trainer *, int), int argument) {
    Pool *const pool = pool_create(1);
    Trainer *const trainer = toy_trainer(dataset, pool, run);
    if (change != NULL) change(trainer, argument);
    toy_steps(trainer, steps);
    const uint64_t bits = trainer_fingerprint(trainer);
    trainer_destroy(trainer);
    pool_destroy(pool);
    return bits;
}

static void expect_same(const char *run, const char *what, uint64_t bits,
                        uint64_t expected) {
    if (bits != expected) fail_msg("%s: other bits with %s", run, what);
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
        "net=dense 47,relu,dense 10 optimizer=adam",
        "net=dense 64,tanh,dense 10 optimizer=momentum l2=0.001 batch=100",
        "net=dense 33,relu,dense 10 batch=1100 l1=0.001",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        expect_same(runs[i], "dense input",
                    fingerprint(runs[i], 20, read_dense, 0),
                    fingerprint(runs[i], 20, NULL, 0));
}

static void use_tile(Trainer *trainer, int tile) {
    trainer->network.gemm.tile = tile;
}

static void test_tiles(void **state) {
    (void)state;
    static const char run[] =
        "net=dense 45,relu,dense 23,relu,dense 10 input=standard batch=61";
    const uint64_t first = fingerprint(run, 50, use_tile, 0);
    for (int tile = 1; tile < gemm_tile_count(); tile++)
        expect_same(run, gemm_tile_name(tile),
                    fingerprint(run, 50, use_tile, tile), first);
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
        const uint64_t whole = fingerprint(run, 10, NULL, 0);
        expect_same(run, "chunks of 100", fingerprint(run, 10, cut_passes, 100),
                    whole);
        expect_same(run, "chunks of 7", fingerprint(run, 10, cut_passes, 7),
                    whole);
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
        expect_same(run, "the update at the end", fingerprint(run, 40, NULL, 0),
                    fingerprint(toy_runs[i], 40, NULL, 0));
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
