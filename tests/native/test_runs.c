/* Properties that hold for every run, tried on runs that are drawn at random:
 * any number of threads gives the same bits, and so does a run that was saved,
 * read by another trainer on other threads and continued.
 *
 * SOMA_RUNS=1000 build/native/test_runs tries a thousand of them, SOMA_FIRST=17
 * begins with the seventeenth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "toy.h"

enum { TRAIN = 1500, RUNS = 60, TEXT_MAX = 512, THREADS_MAX = 4 };

static Dataset *dataset;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(TRAIN, 0);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    return 0;
}

/* ==== Drawing a run ===================================================== */

/* The text so far, and the numbers it is drawn from. */
typedef struct Draw {
    RandomKey key;
    uint64_t used;
    size_t length;
    char text[TEXT_MAX];
} Draw;

static uint32_t below(Draw *draw, uint32_t bound) {
    return random_below(draw->key, draw->used++, bound);
}

static void add(Draw *draw, const char *format, ...) {
    va_list values;
    va_start(values, format);
    const int count = vsnprintf(draw->text + draw->length,
                                TEXT_MAX - draw->length, format, values);
    va_end(values);
    draw->length += (size_t)count;
    assert_true(draw->length < TEXT_MAX);
}

#define ONE_OF(draw, list)                                                     \
    (list)[below(draw, (uint32_t)(sizeof(list) / sizeof *(list)))]

/* A hidden layer: mostly sizes at which products, lists and panels begin to be
 * cut, and with zeros in what it puts out. */
static void add_hidden(Draw *draw) {
    static const int units[] = {1, 7, 31, 32, 33, 63, 64, 65, 96, 130};
    static const char *const activations[] = {
        "relu", "relu",     "leaky-relu 0.1", "tanh",
        "gelu", "softplus", "sigmoid",        "linear"};
    static const char *const rates[] = {"0.1", "0.2", "0.5", "0.9"};
    add(draw, "dense %d,", ONE_OF(draw, units));
    if (below(draw, 5) == 0)
        add(draw, "%s,", below(draw, 2) ? "batchnorm" : "layernorm");
    add(draw, "%s,", ONE_OF(draw, activations));
    if (below(draw, 3) == 0) add(draw, "dropout %s,", ONE_OF(draw, rates));
}

static void add_optional(Draw *draw) {
    static const char *const settings[] = {
        "clip=0.5",     "l2=0.001",
        "l1=0.0001",    "max-norm=2",
        "shift=2",      "input=standard",
        "drop-last=on", "schedule=one-cycle",
        "warmup=1",     "rotate=10 elastic=20"};
    if (below(draw, 3) == 0) add(draw, " %s", ONE_OF(draw, settings));
}

static void draw_run(Draw *draw, uint32_t number) {
    static const char *const optimizers[] = {"sgd lr=0.1",
                                             "sgd lr=0.1",
                                             "sgd lr=0.1 l2=0.001",
                                             "momentum lr=0.02",
                                             "nesterov lr=0.02",
                                             "rmsprop",
                                             "adam",
                                             "adamw"};
    static const char *const ends[] = {
        "dense 10 loss=mse", "dense 10,softmax loss=mse",
        "dense 1 loss=binary digit=3", "dense 10 smoothing=0.1"};
    static const int batches[] = {1, 7, 15, 16, 33, 64, 100, 300, 700};
    *draw = (Draw){.key = {.seed = number, .stream = 99}};
    add(draw, "net=");
    for (uint32_t i = below(draw, 4); i > 0; i--) add_hidden(draw);
    add(draw, "%s", below(draw, 3) > 0 ? "dense 10" : ONE_OF(draw, ends));
    add(draw, " optimizer=%s", ONE_OF(draw, optimizers));
    add(draw, " batch=%d", ONE_OF(draw, batches));
    add(draw, " validation=%d seed=%d epochs=100", below(draw, 2) ? 0 : 200,
        (int)below(draw, 1000));
    if (strstr(draw->text, "l2=") == NULL) add_optional(draw);
}

/* ==== Properties ======================================================== */

/* Steps until `steps` are done or the loss is too large, on a pool of its own;
 * from the saved state if there is one, and saved at the end if `save` is not
 * NULL. */
static uint64_t go(const char *run, int threads, int steps,
                   const uint8_t *saved, uint8_t **save) {
    Fault fault = {0};
    Pool *const pool = pool_create(threads);
    Trainer *const trainer = toy_trainer(dataset, pool, run);
    if (saved != NULL &&
        trainer_state_read(trainer, saved, trainer_state_bytes(trainer),
                           &fault) != STATUS_OK)
        fail_msg("%s: %s", run, fault.sentence);
    while ((int)trainer->step < steps &&
           trainer_step(trainer, &fault) == STATUS_OK) {
    }
    if (save != NULL) {
        *save = malloc(trainer_state_bytes(trainer));
        trainer_state_write(trainer, *save);
    }
    const uint64_t fingerprint = trainer_fingerprint(trainer);
    trainer_destroy(trainer);
    pool_destroy(pool);
    return fingerprint;
}

static void check_run(uint32_t number) {
    Draw draw;
    draw_run(&draw, number);
    const char *const run = draw.text;
    const int steps = 2 + (int)below(&draw, 8);
    const int half = (int)below(&draw, (uint32_t)steps);
    const int threads = 2 + (int)below(&draw, THREADS_MAX - 1);
    uint8_t *saved;
    const uint64_t one = go(run, 1, steps, NULL, NULL);
    if (go(run, threads, steps, NULL, NULL) != one)
        fail_msg("run %u, %s: other bits on %d threads", number, run, threads);
    go(run, threads, half, NULL, &saved);
    if (go(run, 1, steps, saved, NULL) != one)
        fail_msg("run %u, %s: other bits when continued after %d of %d steps",
                 number, run, half, steps);
    free(saved);
}

static uint32_t number_from(const char *name, uint32_t otherwise) {
    const char *const text = getenv(name);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void test_random_runs(void **state) {
    (void)state;
    const uint32_t first = number_from("SOMA_FIRST", 1);
    const uint32_t count = number_from("SOMA_RUNS", RUNS);
    for (uint32_t i = 0; i < count; i++) check_run(first + i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_runs),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
