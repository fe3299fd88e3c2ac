/* A saved state goes on as the run that wrote it would have, bit for bit, and
 * bytes that are no such state are refused and change nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"

enum { TRAIN = 2000, TEST = 100 };

static Dataset *dataset;
static Pool *pool;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(TRAIN, TEST);
    pool = pool_create(1);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    pool_destroy(pool);
    return 0;
}

/* A state in memory of exactly its size. */
typedef struct Saved {
    size_t size;
    uint8_t *bytes;
} Saved;

static Saved save(const Trainer *trainer) {
    Saved saved = {.size = trainer_state_bytes(trainer)};
    saved.bytes = malloc(saved.size);
    assert_non_null(saved.bytes);
    trainer_state_write(trainer, saved.bytes);
    return saved;
}

static Status load(Trainer *trainer, Saved saved, Fault *fault) {
    return trainer_state_read(trainer, saved.bytes, saved.size, fault);
}

static bool same_state(Saved a, Saved b) {
    return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

/* ==== Going on ========================================================== */

/* Save after `before` steps, go on `after` steps there and in a new trainer
 * that read the state: everything that is saved must be the same then. */
static void expect_continues(const char *run, int before, int after) {
    Trainer *const first = toy_trainer(dataset, pool, run);
    toy_steps(first, before);
    const Saved saved = save(first);
    toy_steps(first, after);

    Trainer *const second = toy_trainer(dataset, pool, run);
    toy_steps(second, 3); /* what it did before must not matter */
    Fault fault = {0};
    if (load(second, saved, &fault) != STATUS_OK)
        fail_msg("%s: %s", run, fault.sentence);
    assert_int_equal(second->step, before);
    toy_steps(second, after);

    const Saved here = save(first), there = save(second);
    if (!same_state(here, there)) fail_msg("%s: other bits", run);
    free(saved.bytes);
    free(here.bytes);
    free(there.bytes);
    trainer_destroy(first);
    trainer_destroy(second);
}

static void test_goes_on(void **state) {
    (void)state;
    static const char *const runs[] = {
        "net=dense 12,relu,dense 10 validation=100 batch=50 optimizer=sgd",
        "net=dense 12,relu,dense 10 validation=100 batch=64 optimizer=adam",
        "net=dense 12,relu,dense 10 batch=1500 validation=0 optimizer=nesterov",
        "net=dense 12,batchnorm,relu,dropout 0.3,dense 10 validation=100 "
        "optimizer=rmsprop schedule=one-cycle warmup=1 patience=2",
        "net=dense 12,layernorm,gelu,dense 10 optimizer=adamw validation=9 "
        "shift=2 rotate=15 elastic=20 drop-last=on clip=0.5 max-norm=2",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        expect_continues(runs[i], 0, 7);
        expect_continues(runs[i], 5, 9);
    }
    /* Over the end of an epoch of 38 steps, and from the very end of it. */
    expect_continues(runs[0], 30, 20);
    expect_continues(runs[0], 38, 5);
}

/* What a live setting had become is part of the state. */
static void test_live_settings_are_saved(void **state) {
    (void)state;
    static const char run[] = "net=dense 10 validation=0 optimizer=momentum";
    Trainer *const first = toy_trainer(dataset, pool, run);
    Trainer *const second = toy_trainer(dataset, pool, run);
    Fault fault = {0};
    assert_int_equal(trainer_set(first, "lr", "0.25", &fault), STATUS_OK);
    assert_int_equal(trainer_set(first, "momentum", "0.5", &fault), STATUS_OK);
    toy_steps(first, 4);
    const Saved saved = save(first);
    assert_int_equal(load(second, saved, &fault), STATUS_OK);
    assert_true(second->options.value[OPTION_LR] == 0.25);
    toy_steps(first, 4);
    toy_steps(second, 4);
    assert_true(trainer_fingerprint(first) == trainer_fingerprint(second));
    free(saved.bytes);
    trainer_destroy(first);
    trainer_destroy(second);
}

/* A stopped run takes up a good state and goes on. */
static void test_revives_a_stopped_run(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(
        dataset, pool, "net=dense 9,relu,dense 10 validation=0 optimizer=sgd");
    const Saved saved = save(trainer);
    Fault fault = {0};
    assert_int_equal(trainer_set(trainer, "lr", "1e9", &fault), STATUS_OK);
    Status status = STATUS_OK;
    for (int i = 0; i < 20 && status == STATUS_OK; i++)
        status = trainer_step(trainer, &fault);
    assert_int_equal(status, STATUS_NOT_FINITE);
    assert_int_equal(load(trainer, saved, &fault), STATUS_OK);
    toy_steps(trainer, 5);
    free(saved.bytes);
    trainer_destroy(trainer);
}

/* ==== Refusals ========================================================== */

static const char RUN[] = "net=dense 12,relu,dense 10 validation=100";

/* The bytes are refused with that code, and nothing changes. */
static void expect_refused(Trainer *trainer, Saved bytes, Status code) {
    const Saved before = save(trainer);
    Fault fault = {0};
    const Status status = load(trainer, bytes, &fault);
    assert_int_equal(status, code);
    assert_int_equal(fault.code, code);
    assert_true(fault.sentence[0] != '\0');
    const Saved after = save(trainer);
    assert_true(same_state(before, after));
    free(before.bytes);
    free(after.bytes);
}

/* Every length but the right one. */
static void test_truncated(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(dataset, pool, RUN);
    toy_steps(trainer, 2);
    const Saved whole = save(trainer);
    for (size_t size = 0; size < whole.size;
         size += size < 1500 ? 1 : whole.size / 50) {
        Saved cut = {.size = size, .bytes = malloc(size + !size)};
        memcpy(cut.bytes, whole.bytes, size);
        expect_refused(trainer, cut, STATUS_BAD_FILE);
        free(cut.bytes);
    }
    Saved longer = {.size = whole.size + 1, .bytes = calloc(1, whole.size + 1)};
    memcpy(longer.bytes, whole.bytes, whole.size);
    expect_refused(trainer, longer, STATUS_BAD_FILE);
    free(longer.bytes);
    free(whole.bytes);
    trainer_destroy(trainer);
}

static void test_other_runs(void **state) {
    (void)state;
    static const char *const others[] = {
        "net=dense 13,relu,dense 10 validation=100",
        "net=dense 12,tanh,dense 10 validation=100",
        "net=dense 12,relu,dense 10 validation=101",
        "net=dense 12,relu,dense 10 validation=100 optimizer=sgd",
        "net=dense 12,relu,dense 10 validation=100 seed=2",
        "net=dense 12,relu,dense 10 validation=100 batch=32",
    };
    Trainer *const trainer = toy_trainer(dataset, pool, RUN);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        Trainer *const other = toy_trainer(dataset, pool, others[i]);
        const Saved saved = save(other);
        expect_refused(trainer, saved, STATUS_BAD_FILE);
        free(saved.bytes);
        trainer_destroy(other);
    }
    trainer_destroy(trainer);
}

/* Bytes from the front of a state until its vectors begin. */
static size_t header_size(const Trainer *trainer, Saved saved) {
    const size_t vectors =
        1 + (size_t)optimizer_slots(trainer->optimizer.settings.kind);
    assert_true(trainer->options.value[OPTION_PATIENCE] == 0);
    return saved.size - sizeof(float) * (trainer->network.state_size +
                                         vectors * trainer->network.flat_size);
}

/* Any change of the header is either refused or gives a state that works. */
static void test_damaged_header(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(dataset, pool, RUN);
    toy_steps(trainer, 5);
    const Saved good = save(trainer);
    const Saved bad = save(trainer);
    const size_t header = header_size(trainer, good);
    Fault fault = {0};
    int refused = 0;
    for (size_t at = 0; at < header; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bad.bytes[at] = (uint8_t)(good.bytes[at] ^ 1u << bit);
            if (load(trainer, bad, &fault) != STATUS_OK) {
                assert_true(fault.sentence[0] != '\0');
                refused++;
            } else if (!trainer_finished(trainer)) {
                toy_steps(trainer, 1);
            }
        }
        bad.bytes[at] = good.bytes[at];
    }
    assert_true(refused > (int)header * 4);
    assert_int_equal(load(trainer, good, &fault), STATUS_OK);
    free(good.bytes);
    free(bad.bytes);
    trainer_destroy(trainer);
}

/* A position that no run reaches is found. */
static void test_impossible_position(void **state) {
    (void)state;
    Trainer *const trainer = toy_trainer(dataset, pool, RUN);
    toy_steps(trainer, 5);
    const Saved bad = save(trainer);
    const size_t powers = header_size(trainer, bad) - 2 * sizeof(double);
    const uint64_t row = 5 * 64 + 1;
    const Saved good = save(trainer);
    memcpy(bad.bytes + powers - sizeof row, &row, sizeof row);
    expect_refused(trainer, bad, STATUS_BAD_FILE);
    /* The place begins with the step, u64, and the epoch, u32. */
    const uint64_t steps[] = {4, 6, 5 + trainer_epoch_steps(trainer),
                              UINT64_MAX};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        memcpy(bad.bytes, good.bytes, good.size);
        memcpy(bad.bytes + powers - 20, &steps[i], sizeof steps[i]);
        expect_refused(trainer, bad, STATUS_BAD_FILE);
    }
    const double power = 1.5;
    memcpy(bad.bytes, good.bytes, good.size);
    memcpy(bad.bytes + powers, &power, sizeof power);
    expect_refused(trainer, bad, STATUS_BAD_FILE);
    free(good.bytes);
    free(bad.bytes);
    trainer_destroy(trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_live_settings_are_saved),
        cmocka_unit_test(test_revives_a_stopped_run),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_other_runs),
        cmocka_unit_test(test_damaged_header),
        cmocka_unit_test(test_impossible_position),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
