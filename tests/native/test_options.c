/* Run descriptions: whatever is wrong is refused with its own code, place and
 * sentence and changes nothing; whatever is right comes back from its
 * canonical text as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "train/options.h"
#include "train/setup.h"

static uint32_t random_state;

static uint32_t draw(uint32_t bound) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(random_state >> 4) * bound) >> 28);
}

static bool same_options(const Options *a, const Options *b) {
    return memcmp(a->value, b->value, sizeof a->value) == 0 &&
           strcmp(a->net, b->net) == 0;
}

static Options expect_read(const char *text) {
    Options options = options_default();
    Fault fault = {0};
    if (options_read(&options, text, &fault) != STATUS_OK)
        fail_msg("%s: %s", text, fault.sentence);
    return options;
}

/* ==== Refusals ========================================================== */

typedef struct Refusal {
    const char *text;
    Status code;
    const char *place;
    const char *words; /* that the sentence must hold */
} Refusal;

/* Of options_read: one row for every sentence there is. */
static const Refusal refusals[] = {
    {"nonsense", STATUS_BAD_TEXT, "", "\"nonsense\""},
    {"=3", STATUS_BAD_TEXT, "", "key=value"},
    {"lr=1 %%%", STATUS_BAD_VALUE, "lr", "1 %%%"},
    {"seed=1 seed=2", STATUS_BAD_TEXT, "seed", "twice"},
    {"seed=1&lr=2&seed=1", STATUS_BAD_TEXT, "seed", "twice"},
    {"speed=3", STATUS_UNKNOWN_KEY, "speed", "\"speed\""},
    {"momentun=0.5", STATUS_UNKNOWN_KEY, "momentun", "momentum"},
    {"LR=1", STATUS_UNKNOWN_KEY, "LR", "\"LR\""},
    {"optimizer=adamax", STATUS_BAD_VALUE, "optimizer", "rmsprop, adam or"},
    {"optimizer=", STATUS_BAD_VALUE, "optimizer", "sgd"},
    {"optimizer=a|b", STATUS_BAD_VALUE, "optimizer", "sgd"},
    {"shuffle=yes", STATUS_BAD_VALUE, "shuffle", "on or off"},
    {"shuffle=", STATUS_BAD_VALUE, "shuffle", "on or off"},
    {"lr=fast", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=1e", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=0x10", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=nan", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=inf", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=0.1,0.2", STATUS_BAD_VALUE, "lr", "a number"},
    {"lr=0.000000000000000000000000000000000000000001", STATUS_BAD_VALUE, "lr",
     "a number"},
    {"lr=-0.1", STATUS_OUT_OF_RANGE, "lr", "from 0 to"},
    {"lr=1e999", STATUS_OUT_OF_RANGE, "lr", "from 0 to"},
    {"lr=1000000001", STATUS_OUT_OF_RANGE, "lr", "1000000000"},
    {"momentum=1", STATUS_OUT_OF_RANGE, "momentum", "0.9999"},
    {"epsilon=0", STATUS_OUT_OF_RANGE, "epsilon", "1e-12"},
    {"batch=0", STATUS_OUT_OF_RANGE, "batch", "from 1 to"},
    {"batch=1.5", STATUS_BAD_VALUE, "batch", "whole number"},
    {"epochs=-1", STATUS_OUT_OF_RANGE, "epochs", "from 1 to"},
    {"seed=4294967296", STATUS_OUT_OF_RANGE, "seed", "4294967295"},
    {"net=", STATUS_BAD_VALUE, "net", "no layers"},
    {"net= ", STATUS_BAD_VALUE, "net", "no layers"},
    {"net=dense 5,,dense 10", STATUS_BAD_VALUE, "net, layer 2", "empty"},
    {"net=dense 10,", STATUS_BAD_VALUE, "net, layer 2", "empty"},
    {"net=dance 5", STATUS_UNKNOWN_LAYER, "net, layer 1", "\"dance\""},
    {"net=dense 5, Relu", STATUS_UNKNOWN_LAYER, "net, layer 2", "relu"},
    {"net=dense", STATUS_BAD_VALUE, "net, layer 1", "dense UNITS"},
    {"net=dense 5 6", STATUS_BAD_VALUE, "net, layer 1", "dense UNITS"},
    {"net=dense 1 2 3 4 5 6 7", STATUS_BAD_VALUE, "net, layer 1", "too many"},
    {"net=dense 0", STATUS_OUT_OF_RANGE, "net, layer 1", "number of units"},
    {"net=dense -3", STATUS_OUT_OF_RANGE, "net, layer 1", "from 1 to"},
    {"net=dense 16385", STATUS_OUT_OF_RANGE, "net, layer 1", "16384"},
    {"net=dense ten", STATUS_OUT_OF_RANGE, "net, layer 1", "\"ten\""},
    {"net=dense 2.5", STATUS_BAD_VALUE, "net, layer 1", "whole number"},
    {"net=relu 3", STATUS_BAD_VALUE, "net, layer 1", "\"relu\""},
    {"net=dense 5, dropout", STATUS_BAD_VALUE, "net, layer 2", "dropout RATE"},
    {"net=dense 5, dropout 1", STATUS_OUT_OF_RANGE, "net, layer 2", "0.99"},
    {"net=dense 5, leaky-relu 2", STATUS_OUT_OF_RANGE, "net, layer 2", "slope"},
    {"net=batchnorm 7", STATUS_OUT_OF_RANGE, "net, layer 1", "momentum"},
};

/* A refused text: code, place, sentence, and the options as they were. */
static void expect_refused(const Refusal *refusal) {
    Options options = expect_read("lr=0.5 net=dense 3,tanh,dense 10 batch=7");
    const Options before = options;
    Fault fault = {0};
    const Status status = options_read(&options, refusal->text, &fault);
    if (status != refusal->code || fault.code != refusal->code)
        fail_msg("\"%s\" gives %s, not %s: %s", refusal->text,
                 status_name(status), status_name(refusal->code),
                 fault.sentence);
    if (strcmp(fault.place, refusal->place) != 0)
        fail_msg("\"%s\" is placed at \"%s\"", refusal->text, fault.place);
    if (strstr(fault.sentence, refusal->words) == NULL)
        fail_msg("\"%s\" does not tell \"%s\": %s", refusal->text,
                 refusal->words, fault.sentence);
    assert_true(same_options(&options, &before));
}

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        expect_refused(&refusals[i]);
}

/* What stands before a wrong key is not taken either. */
static void test_all_or_nothing(void **state) {
    (void)state;
    expect_refused(&(Refusal){"lr=0.1 seed=9 net=dense 10 batch=0",
                              STATUS_OUT_OF_RANGE, "batch", "from 1 to"});
}

static void test_network_limits(void **state) {
    (void)state;
    char text[3000] = "net=";
    for (int i = 0; i < NETWORK_LAYERS_MAX - 1; i++) strcat(text, "relu,");
    strcat(text, "relu");
    expect_read(text);
    strcat(text, ",relu");
    expect_refused(
        &(Refusal){text, STATUS_OUT_OF_RANGE, "net", "at most 64 layers"});

    strcpy(text, "net=dense 10");
    memset(text + strlen(text), ' ', 2000);
    strcpy(text + 2000, "relu");
    expect_refused(&(Refusal){text, STATUS_OUT_OF_RANGE, "net", "characters"});
}

/* A refusal of a very long key or value is cut, not overrun. */
static void test_long_junk(void **state) {
    (void)state;
    static char text[20000];
    Options options = options_default();
    Fault fault = {0};
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(options_read(&options, text, &fault), STATUS_BAD_TEXT);
    text[9000] = '=';
    assert_int_equal(options_read(&options, text, &fault), STATUS_UNKNOWN_KEY);
    memcpy(text, "lr=", 3);
    text[9000] = 'a';
    assert_int_equal(options_read(&options, text, &fault), STATUS_BAD_VALUE);
    memcpy(text, "net=", 4);
    assert_int_equal(options_read(&options, text, &fault), STATUS_OUT_OF_RANGE);
    memcpy(text, "net=dense 5,", 12);
    text[900] = '\0';
    assert_int_equal(options_read(&options, text, &fault),
                     STATUS_UNKNOWN_LAYER);
}

/* ==== Settings that do not go together ================================== */

static const Refusal combinations[] = {
    {"net=dense 5", STATUS_BAD_SHAPE, "net", "dense 10"},
    {"net=dense 10, relu, dense 11", STATUS_BAD_SHAPE, "net", "not 11"},
    {"net=relu", STATUS_BAD_SHAPE, "net", "784"},
    {"net=dense 1", STATUS_BAD_SHAPE, "net", "10 outputs"},
    {"net=dense 10 loss=binary", STATUS_BAD_SHAPE, "net", "dense 1"},
    {"net=dense 10, softmax", STATUS_BAD_COMBINATION, "net", "built in"},
    {"net=dense 10 loss=perceptron", STATUS_BAD_COMBINATION, "loss", "step"},
    {"net=dense 10, step", STATUS_BAD_COMBINATION, "net", "derivative"},
    {"net=dense 5, step, dense 10", STATUS_BAD_COMBINATION, "net", "Layer 2"},
    {"net=dense 9, relu, dense 10, step loss=perceptron",
     STATUS_BAD_COMBINATION, "net", "Layer 4"},
    {"net=dense 9, batchnorm, dense 10 batch=1025", STATUS_BAD_COMBINATION,
     "batch", "1024"},
};

static const char *const allowed[] = {
    "",
    "net=dense 10",
    "net=dense 1 loss=binary digit=0",
    "net=dense 1, sigmoid loss=mse",
    "net=dense 10, softmax loss=mse",
    "net=dense 10, step loss=perceptron",
    "net=dense 1, step loss=perceptron",
    "net=dense 9, batchnorm, dense 10 batch=1024",
    "net=dense 9, dense 10 batch=5000",
};

static void test_combinations(void **state) {
    (void)state;
    Fault fault = {0};
    for (size_t i = 0; i < sizeof combinations / sizeof combinations[0]; i++) {
        const Refusal *const row = &combinations[i];
        const Options options = expect_read(row->text);
        const Status status = setup_check(&options, &fault);
        if (status != row->code || strcmp(fault.place, row->place) != 0 ||
            strstr(fault.sentence, row->words) == NULL)
            fail_msg("\"%s\" gives %s at \"%s\": %s", row->text,
                     status_name(status), fault.place, fault.sentence);
    }
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        const Options options = expect_read(allowed[i]);
        if (setup_check(&options, &fault) != STATUS_OK)
            fail_msg("\"%s\" is refused: %s", allowed[i], fault.sentence);
    }
}

/* ==== Canonical text ==================================================== */

static void expect_canonical(const char *text, const char *canonical) {
    char printed[4096];
    const Options options = expect_read(text);
    const size_t length =
        options_print(&options, false, printed, sizeof printed);
    assert_int_equal(length, strlen(printed));
    assert_string_equal(printed, canonical);
}

static void test_canonical(void **state) {
    (void)state;
    expect_canonical("", "");
    expect_canonical(" \n&& \t", "");
    expect_canonical("lr=0.001", "");
    expect_canonical("lr=1e-3 seed=001 optimizer=adam", "");
    expect_canonical("seed=7 lr=.5", "lr=0.5\nseed=7\n");
    expect_canonical("shuffle=off&net=dense  7 ,relu,\tdense 10\n&seed=2",
                     "net=dense 7, relu, dense 10\nshuffle=off\nseed=2\n");
    expect_canonical("net=dense 7,relu\n,dense 10 batch=8",
                     "net=dense 7, relu, dense 10\nbatch=8\n");
    expect_canonical("epsilon=0.00000001 l2=0.30000000000000004",
                     "l2=0.3\n");
}

/* Printing never writes past its buffer, and always ends with a zero. */
static void test_print_cuts(void **state) {
    (void)state;
    const Options options = expect_read("lr=0.5 seed=9");
    for (size_t size = 1; size < 40; size++) {
        char *const text = malloc(size);
        assert_non_null(text);
        const size_t length = options_print(&options, false, text, size);
        assert_true(length < size);
        assert_int_equal(strlen(text), length);
        free(text);
    }
}

/* ==== Any valid options come back ======================================= */

/* Anywhere between min and max, at any order of magnitude. */
static double random_number(const Option *row) {
    const double share = draw(1u << 28) / (double)(1u << 28);
    double value = row->min + (row->max - row->min) * share;
    for (uint32_t tens = draw(12); tens > 0; tens--) value /= 10;
    if (row->type == OPTION_INTEGER) value = __builtin_floor(value);
    return value < row->min ? row->min : value;
}

static int choice_count(const char *choices) {
    int count = 1;
    for (; *choices != '\0'; choices++) count += *choices == '|';
    return count;
}

/* A network in canonical form, from the words of the grammar. */
static void random_network(char *net, size_t size) {
    static const char *const words[] = {
        "relu",      "leaky-relu",    "leaky-relu 0.25", "gelu",
        "softplus",  "tanh",          "sigmoid",         "step",
        "linear",    "softmax",       "dropout .5",      "dropout 0.1",
        "batchnorm", "batchnorm 0.3", "layernorm"};
    size_t used = 0;
    const uint32_t layers = 1 + draw(12);
    for (uint32_t i = 0; i < layers; i++) {
        const char *const comma = i > 0 ? ", " : "";
        if (draw(2) == 0)
            used += (size_t)snprintf(net + used, size - used, "%sdense %u",
                                     comma, 1 + draw(300));
        else
            used +=
                (size_t)snprintf(net + used, size - used, "%s%s", comma,
                                 words[draw(sizeof words / sizeof words[0])]);
    }
}

/* What is left of a number when a person has written it: fifteen digits. */
static double written(double value) {
    char text[32];
    double read = value;
    text_print_number(value, text);
    assert_true(text_read_number(text, &read));
    return read;
}

static Options random_options(void) {
    Options options = options_default();
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *const row = option_row((OptionId)i);
        if (draw(3) == 0) continue;
        switch (row->type) {
        case OPTION_NETWORK:
            random_network(options.net, sizeof options.net);
            break;
        case OPTION_CHOICE:
            options.value[i] = draw((uint32_t)choice_count(row->choices));
            break;
        case OPTION_SWITCH:
            options.value[i] = draw(2);
            break;
        case OPTION_INTEGER:
        case OPTION_NUMBER:
            options.value[i] = written(random_number(row));
            break;
        }
    }
    return options;
}

static void test_round_trip(void **state) {
    (void)state;
    random_state = 11;
    for (int i = 0; i < 3000; i++) {
        const Options options = random_options();
        for (int all = 0; all < 2; all++) {
            char text[4096], again[4096];
            const size_t length =
                options_print(&options, all == 1, text, sizeof text);
            assert_true(length + 1 < sizeof text);
            const Options back = expect_read(text);
            if (!same_options(&back, &options))
                fail_msg("reads as other options:\n%s", text);
            options_print(&back, all == 1, again, sizeof again);
            assert_string_equal(again, text);
        }
    }
}

/* The longest network that is taken can be printed and read again: the limit
 * holds for the canonical text, which has blanks behind the commas. */
static void test_longest_network(void **state) {
    (void)state;
    char text[NETWORK_TEXT_MAX + 8] = "net=", printed[4096];
    int read = 0, refused = 0;
    for (int layers = 30; layers < 48; layers++) {
        text[4] = '\0';
        for (int i = 0; i < layers; i++) strcat(text, "leaky-relu 0.123456,");
        strcat(text, "dense 10");
        Options options = options_default();
        Fault fault = {0};
        if (options_read(&options, text, &fault) != STATUS_OK) {
            assert_int_equal(fault.code, STATUS_OUT_OF_RANGE);
            refused++;
            continue;
        }
        options_print(&options, true, printed, sizeof printed);
        const Options back = expect_read(printed);
        assert_true(same_options(&back, &options));
        read++;
    }
    assert_true(read > 5 && refused > 2);
}

/* Texts near valid ones: taken whole or refused whole. */
static void test_mutations(void **state) {
    (void)state;
    static const char junk[] = "=&, \n0.9e-+|%\xff\x80\"<netlrdense10";
    random_state = 5;
    for (int i = 0; i < 20000; i++) {
        char text[4096];
        const Options valid = random_options();
        size_t length = options_print(&valid, draw(2), text, sizeof text);
        for (uint32_t edits = draw(4); edits > 0 && length > 0; edits--)
            text[draw((uint32_t)length)] = junk[draw(sizeof junk - 1)];
        if (length > 0 && draw(4) == 0) text[draw((uint32_t)length)] = '\0';
        Options options = options_default();
        const Options before = options;
        Fault fault = {0};
        if (options_read(&options, text, &fault) == STATUS_OK) continue;
        assert_true(fault.code != STATUS_OK && fault.sentence[0] != '\0');
        assert_true(same_options(&options, &before));
    }
}

/* ==== The table ========================================================= */

static void test_table(void **state) {
    (void)state;
    const Options initial = options_default();
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *const row = option_row((OptionId)i);
        char text[NETWORK_TEXT_MAX];
        assert_int_equal(option_find(row->key, strlen(row->key)), i);
        options_print_value(&initial, (OptionId)i, text, sizeof text);
        assert_string_equal(text, row->initial);
        assert_true(strlen(row->group) > 0);
        assert_int_equal(row->help[strlen(row->help) - 1], '.');
        assert_true((row->type == OPTION_CHOICE) == (*row->choices != '\0'));
        assert_true(row->min <= row->max);
        /* A note is empty or a sentence. */
        const char *const note = options_note(&initial, (OptionId)i);
        assert_true(*note == '\0' || note[strlen(note) - 1] == '.');
    }
    assert_int_equal(option_find("", 0), OPTION_COUNT);
    assert_int_equal(option_find("lrx", 2), OPTION_LR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_network_limits),
        cmocka_unit_test(test_long_junk),
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_print_cuts),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_longest_network),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
