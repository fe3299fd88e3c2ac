/* The notes beside the options are true: where one says that an option has no
 * effect, no value of it changes a bit of the run; in the run next to it,
 * where the option has one, nothing is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "toy.h"
#include "train/setup.h"

static Dataset *dataset;
static Pool *pool;

static int open_dataset(void **state) {
    (void)state;
    dataset = toy_dataset(110, 0);
    pool = pool_create(1);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    pool_destroy(pool);
    return 0;
}

/* What all runs here have in common. */
static const char base[] =
    "net=dense 10 optimizer=sgd lr=0.5 batch=16 epochs=4 validation=30";

static void read_over(Options *options, const char *text) {
    Fault fault = {0};
    if (options_read(options, text, &fault) != STATUS_OK)
        fail_msg("%s: %s", text, fault.sentence);
}

static Options options_of(const char *text) {
    Options options = options_default();
    read_over(&options, base);
    read_over(&options, text);
    return options;
}

static void set(Options *options, OptionId id, const char *value) {
    char text[64];
    snprintf(text, sizeof text, "%s=%s", option_row(id)->key, value);
    read_over(options, text);
}

/* ==== A run from its beginning to its end =============================== */

static void judge(Trainer *trainer) {
    Fault fault = {0};
    if (trainer->batcher.validation_count == 0) return;
    trainer_evaluate_begin(trainer, ROLE_VALIDATION, &fault);
    while (trainer_evaluate_run(trainer, 64) > 0) {
    }
    trainer_judge(trainer);
}

/* What a run leaves behind: the weights, and where it stopped. */
typedef struct Outcome {
    uint64_t fingerprint, step;
} Outcome;

static Outcome outcome_of(const Options *options) {
    char text[4096];
    Fault fault = {0};
    options_print(options, true, text, sizeof text);
    Trainer *const trainer = toy_trainer(dataset, pool, text);
    while (!trainer_finished(trainer)) {
        if (trainer_step(trainer, &fault) != STATUS_OK) break;
        if (trainer->step % trainer_epoch_steps(trainer) == 0) judge(trainer);
    }
    const Outcome outcome = {trainer_fingerprint(trainer), trainer->step};
    trainer_destroy(trainer);
    return outcome;
}

static bool same_outcome(Outcome a, Outcome b) {
    return a.fingerprint == b.fingerprint && a.step == b.step;
}

/* ==== Case by case ====================================================== */

typedef struct Case {
    OptionId id;
    const char *low, *high; /* two values of it */
    const char *idle;       /* a run in which they do the same, */
    const char *words;      /*   what is said of that, */
    const char *active;     /*   and one in which they do not */
} Case;

#define PLAIN "init=zeros shuffle=off validation=0 "

static const Case cases[] = {
    {OPTION_MOMENTUM, "0.1", "0.9", "optimizer=adam", "momentum and nesterov",
     "optimizer=nesterov"},
    {OPTION_MOMENTUM, "0.1", "0.9", "optimizer=sgd", "momentum and nesterov",
     "optimizer=momentum"},
    {OPTION_BETA1, "0.1", "0.9", "optimizer=sgd", "adam and adamw",
     "optimizer=adamw"},
    {OPTION_BETA2, "0.1", "0.9", "optimizer=rmsprop", "adam and adamw",
     "optimizer=adam"},
    {OPTION_ALPHA, "0.1", "0.9", "optimizer=adam", "rmsprop",
     "optimizer=rmsprop"},
    {OPTION_EPSILON, "1e-8", "1", "optimizer=momentum", "rmsprop, adam",
     "optimizer=rmsprop"},
    {OPTION_DECAY, "0.01", "0.5", "optimizer=adam", "adamw",
     "optimizer=adamw lr=0.01"},
    {OPTION_GAMMA, "0.1", "0.9", "schedule=cosine", "step and exponential",
     "schedule=exponential"},
    {OPTION_STEP_EPOCHS, "1", "2", "schedule=exponential", "schedule step",
     "schedule=step"},
    {OPTION_STEP_EPOCHS, "1", "2", "schedule=step gamma=1", "gamma is 1",
     "schedule=step gamma=0.9"},
    {OPTION_SMOOTHING, "0", "0.5", "loss=mse", "cross-entropy",
     "loss=cross-entropy"},
    {OPTION_INIT_SCALE, "0.05", "0.5", "init=he", "uniform and normal",
     "init=uniform"},
    {OPTION_ELASTIC_SIGMA, "3", "9", "elastic=0", "elastic is 0",
     "elastic=30"},
    {OPTION_TARGET, "0", "0.01", "validation=0", "validation is 0",
     "validation=30"},
    {OPTION_PATIENCE, "0", "1", "validation=0", "validation is 0",
     "validation=30 lr=20"},
    {OPTION_MIN_DELTA, "0", "10", "patience=0", "patience is 0",
     "patience=1 lr=0.01"},
    {OPTION_MIN_DELTA, "0", "10", "patience=1 validation=0 lr=0.01",
     "validation is 0", "patience=1 lr=0.01"},
    {OPTION_DROP_LAST, "off", "on", "batch=1", "batch is 1", "batch=3"},
    {OPTION_DIGIT, "1", "3", "", "one for each digit",
     "net=dense 1 loss=binary"},
    {OPTION_DIGIT, "1", "3", "net=dense 10, sigmoid loss=mse",
     "one for each digit", "net=dense 1, sigmoid loss=mse"},
    {OPTION_DIGIT, "1", "3", "net=dense 10, step loss=perceptron",
     "one for each digit", "net=dense 1, step loss=perceptron"},
    {OPTION_SEED, "1", "2", PLAIN, "at random", "init=zeros validation=0"},
    {OPTION_SEED, "1", "2", "init=constant shuffle=off validation=0",
     "at random", "init=zeros shuffle=off"},
    {OPTION_SEED, "1", "2", PLAIN "schedule=one-cycle", "at random",
     "init=auto shuffle=off validation=0"},
    {OPTION_SEED, "1", "2", PLAIN "elastic-sigma=6", "at random",
     PLAIN "elastic=30"},
    {OPTION_SEED, "1", "2", PLAIN "drop-last=on", "at random",
     PLAIN "net=dropout 0.2, dense 10"},
    {OPTION_SEED, "1", "2", PLAIN "limit=50", "at random", PLAIN "shift=2"},
    {OPTION_SEED, "1", "2", PLAIN "max-norm=1", "at random",
     PLAIN "rotate=9"},
    {OPTION_SEED, "1", "2", PLAIN "clip=1", "at random", PLAIN "scale=0.2"},
    {OPTION_SEED, "1", "2", PLAIN "net=dense 10, layernorm", "at random",
     PLAIN "shear=9"},
};

/* Whether the two values make the same run. */
static bool does_nothing(const Case *row, const char *run) {
    Options low = options_of(run), high = low;
    set(&low, row->id, row->low);
    set(&high, row->id, row->high);
    return same_outcome(outcome_of(&low), outcome_of(&high));
}

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Case *const row = &cases[i];
        const char *const key = option_row(row->id)->key;
        const Options idle = options_of(row->idle);
        const Options active = options_of(row->active);
        const char *const note = options_note(&idle, row->id);
        if (*note == '\0' || strstr(note, row->words) == NULL)
            fail_msg("%s beside \"%s\": \"%s\"", key, row->idle, note);
        if (!does_nothing(row, row->idle))
            fail_msg("%s does something beside \"%s\"", key, row->idle);
        if (*options_note(&active, row->id) != '\0')
            fail_msg("%s beside \"%s\": \"%s\"", key, row->active,
                     options_note(&active, row->id));
        if (does_nothing(row, row->active))
            fail_msg("%s does nothing beside \"%s\"", key, row->active);
    }
}

/* A network that cannot be read, or that no run takes, has no outputs to talk
 * about. */
static void test_no_network(void **state) {
    (void)state;
    static const char *const nets[] = {"", "dense", "nonsense 5", "dense 7",
                                       "dense 10, dense 0"};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        Options options = options_of("");
        strcpy(options.net, nets[i]);
        assert_string_equal(options_note(&options, OPTION_DIGIT), "");
    }
    Options options = options_of(PLAIN);
    strcpy(options.net, "nonsense 5");
    assert_string_equal(options_note(&options, OPTION_SEED), "");
}

/* ==== Any run =========================================================== */

static uint32_t random_state = 3;

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(random_state >> 4) * bound) >> 28);
}

static const char *pick(const char *const *words, uint32_t count) {
    return words[draw(count)];
}

#define PICK(...)                                                              \
    pick((const char *const[]){__VA_ARGS__},                                   \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static Options random_run(void) {
    Options options = options_of(
        PICK("", "net=dense 5, relu, dense 10", "net=dense 1 loss=binary",
             "net=dropout 0.2, dense 10", "loss=mse", PLAIN,
             PLAIN "net=dense 1 loss=mse", "init=uniform shuffle=off",
             "net=dense 10, step loss=perceptron lr=0.01"));
    read_over(&options, PICK("optimizer=sgd", "optimizer=momentum lr=0.1",
                             "optimizer=nesterov lr=0.1",
                             "optimizer=rmsprop lr=0.01",
                             "optimizer=adam lr=0.01",
                             "optimizer=adamw lr=0.01"));
    read_over(&options, PICK("schedule=constant", "schedule=step gamma=1",
                             "schedule=step", "schedule=exponential",
                             "schedule=cosine warmup=1"));
    read_over(&options, PICK("batch=1", "batch=7", "batch=100", "elastic=9",
                             "batch=64 shift=1", "clip=0.1 l1=0.01"));
    read_over(&options, PICK("patience=0", "patience=2", "target=0.5"));
    if (draw(3) == 0) read_over(&options, "validation=0");
    return options;
}

/* Another value than the one that is there. */
static void change(Options *options, OptionId id) {
    const Option *const row = option_row(id);
    double *const value = &options->value[id];
    if (row->type == OPTION_CHOICE) {
        *value = *value == 0;
        return;
    }
    const double share = draw(1000) / 1000.0;
    double other = row->min + (row->max - row->min) * share;
    if (row->type != OPTION_NUMBER) other = __builtin_floor(other);
    if (other == *value) other = *value == row->min ? row->max : row->min;
    *value = other;
}

static void test_any_run(void **state) {
    (void)state;
    int notes = 0;
    for (int i = 0; i < 25; i++) {
        const Options options = random_run();
        const Outcome outcome = outcome_of(&options);
        for (int id = 0; id < OPTION_COUNT; id++) {
            const char *const note = options_note(&options, (OptionId)id);
            if (*note == '\0') continue;
            Options other = options;
            change(&other, (OptionId)id);
            notes++;
            if (same_outcome(outcome_of(&other), outcome)) continue;
            char text[4096];
            options_print(&options, false, text, sizeof text);
            fail_msg("%s changes the run although \"%s\":\n%s",
                     option_row((OptionId)id)->key, note, text);
        }
    }
    assert_true(notes > 150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_no_network),
        cmocka_unit_test(test_any_run),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
