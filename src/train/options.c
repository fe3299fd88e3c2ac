#include "train/options.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const Option table[OPTION_COUNT] = {
#define OPTION_ROW(id, key, type, choices, min, max, initial, live, group,     \
                   help)                                                       \
    [OPTION_##id] = {key,     OPTION_##type, choices, min, max,                \
                     initial, live,          group,   help},
    OPTION_LIST(OPTION_ROW)
#undef OPTION_ROW
};

const Option *option_row(OptionId id) {
    assert(id < OPTION_COUNT);
    return &table[id];
}

OptionId option_find(const char *key, size_t length) {
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].key) == length &&
            memcmp(table[i].key, key, length) == 0)
            return (OptionId)i;
    return OPTION_COUNT;
}

/* ==== One value ========================================================= */

/* Longest number or word that is looked at; nothing allowed is longer. */
enum { VALUE_CHARS = 40 };

/* A row and the text given for it, zero-terminated and cut. */
typedef struct Given {
    const Option *row;
    char text[VALUE_CHARS];
    bool cut;
} Given;

static Given given(const Option *row, const char *value, size_t length) {
    Given g = {.row = row, .cut = length >= VALUE_CHARS};
    const size_t kept = size_min(length, VALUE_CHARS - 1);
    memcpy(g.text, value, kept);
    return g;
}

/* The index of the choice `text` among "a|b|c", or -1. */
static int find_choice(const char *choices, const char *text) {
    const size_t length = strlen(text);
    int index = 0;
    for (const char *at = choices;; index++) {
        const size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, text, word) == 0) return index;
        if (at[word] == '\0') return -1;
        at += word + 1;
    }
}

/* "a, b or c" from "a|b|c". */
static void list_choices(const char *choices, char *text, size_t size) {
    size_t used = 0;
    for (const char *at = choices; used + 1 < size;) {
        const size_t word = strcspn(at, "|");
        const bool last = at[word] == '\0';
        const char *const after = last                                 ? ""
                                  : strchr(at + word + 1, '|') != NULL ? ", "
                                                                       : " or ";
        used += text_format(text + used, size - used, "%.*s%s", (int)word, at,
                            after);
        if (last) return;
        at += word + 1;
    }
}

static Status read_choice(const Given *g, double *value, Fault *fault) {
    const int index = g->cut ? -1 : find_choice(g->row->choices, g->text);
    if (index >= 0) {
        *value = index;
        return STATUS_OK;
    }
    char list[192];
    list_choices(g->row->choices, list, sizeof list);
    return fault_set(fault, STATUS_BAD_VALUE, g->row->key,
                     "%s must be %s, not \"%s\".", g->row->key, list, g->text);
}

static Status read_switch(const Given *g, double *value, Fault *fault) {
    const bool on = strcmp(g->text, "on") == 0;
    if (on || strcmp(g->text, "off") == 0) {
        *value = on;
        return STATUS_OK;
    }
    return fault_set(fault, STATUS_BAD_VALUE, g->row->key,
                     "%s must be on or off, not \"%s\".", g->row->key, g->text);
}

static Status read_number(const Given *g, double *value, Fault *fault) {
    const char *const key = g->row->key;
    double number = 0;
    if (g->cut || !text_read_number(g->text, &number))
        return fault_set(fault, STATUS_BAD_VALUE, key,
                         "%s must be a number, not \"%s\".", key, g->text);
    if (!(number >= g->row->min && number <= g->row->max))
        return fault_set(fault, STATUS_OUT_OF_RANGE, key,
                         "%s must be from %.10g to %.10g, not %s.", key,
                         g->row->min, g->row->max, g->text);
    if (g->row->type == OPTION_INTEGER && number != __builtin_floor(number))
        return fault_set(fault, STATUS_BAD_VALUE, key,
                         "%s must be a whole number, not %s.", key, g->text);
    *value = number;
    return STATUS_OK;
}

/* Between pairs, and between the words of a layer. */
static bool is_separator(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '&';
}

/* Longest text of a network, as given and in canonical form, so that what is
 * printed can be read again. */
enum { NETWORK_TEXT_LONGEST = NETWORK_TEXT_MAX - 2 * NETWORK_LAYERS_MAX };

static Status check_network_length(size_t length, Fault *fault) {
    if (length <= NETWORK_TEXT_LONGEST) return STATUS_OK;
    return fault_set(fault, STATUS_OUT_OF_RANGE, "net",
                     "The network's text may have %d characters, not %zu.",
                     NETWORK_TEXT_LONGEST, length);
}

/* Keep a network in canonical form; its shapes are checked on the way. */
static Status read_network(char net[NETWORK_TEXT_MAX], const char *value,
                           size_t length, Fault *fault) {
    TRY(check_network_length(length, fault));
    char text[NETWORK_TEXT_MAX] = {0};
    for (size_t i = 0; i < length; i++)
        text[i] = is_separator(value[i]) ? ' ' : value[i];
    const Shape image = {1, IMAGE_SIDE, IMAGE_SIDE};
    Network *const network = malloc(sizeof *network);
    if (network == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "net", "%s",
                         status_sentence(STATUS_OUT_OF_MEMORY));
    Status status = network_parse(network, text, image, fault);
    if (status == STATUS_OK) {
        network_print(network, text, sizeof text);
        status = check_network_length(strlen(text), fault);
    }
    if (status == STATUS_OK) memcpy(net, text, sizeof text);
    free(network);
    return status;
}

/* Refuse an unknown key, naming the nearest known one where one is near. */
static Status unknown_key(const char *key, size_t length, Fault *fault) {
    char shown[VALUE_CHARS] = {0};
    memcpy(shown, key, size_min(length, VALUE_CHARS - 1));
    const char *near = NULL;
    for (int i = 0; i < OPTION_COUNT && near == NULL; i++)
        if (length >= 2 && strncmp(table[i].key, shown, 2) == 0)
            near = table[i].key;
    if (near != NULL)
        return fault_set(fault, STATUS_UNKNOWN_KEY, shown,
                         "There is no setting \"%s\"; is %s meant?", shown,
                         near);
    return fault_set(fault, STATUS_UNKNOWN_KEY, shown,
                     "There is no setting \"%s\".", shown);
}

Status options_set(Options *options, const char *key, size_t key_length,
                   const char *value, size_t value_length, Fault *fault) {
    const OptionId id = option_find(key, key_length);
    if (id == OPTION_COUNT) return unknown_key(key, key_length, fault);
    const Option *const row = &table[id];
    const Given g = given(row, value, value_length);
    double *const place = &options->value[id];
    switch (row->type) {
    case OPTION_NETWORK:
        return read_network(options->net, value, value_length, fault);
    case OPTION_CHOICE:
        return read_choice(&g, place, fault);
    case OPTION_SWITCH:
        return read_switch(&g, place, fault);
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        break;
    }
    return read_number(&g, place, fault);
}

Options options_default(void) {
    Options options = {0};
    Fault fault;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *const row = &table[i];
        const Status status =
            options_set(&options, row->key, strlen(row->key), row->initial,
                        strlen(row->initial), &fault);
        assert(status == STATUS_OK);
        (void)status;
    }
    return options;
}

/* ==== Text ============================================================== */

static bool is_key_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Length of a key if `text` starts with `key=`, else 0. */
static size_t key_at(const char *text) {
    size_t length = 0;
    while (is_key_char(text[length])) length++;
    return text[length] == '=' ? length : 0;
}

/* Where the value at `text` ends: at '&', the end, or white space before the
 * next key; trailing white space is not part of it. */
static size_t value_length(const char *text) {
    size_t end = 0, kept = 0;
    while (text[end] != '\0' && text[end] != '&') {
        if (is_separator(text[end])) {
            size_t next = end;
            while (text[next] != '&' && is_separator(text[next])) next++;
            if (text[next] == '\0' || key_at(text + next) > 0) break;
            end = next;
        } else {
            kept = ++end;
        }
    }
    return kept;
}

Status options_read(Options *options, const char *text, Fault *fault) {
    Options next = *options;
    bool seen[OPTION_COUNT] = {0};
    for (const char *at = text;;) {
        while (is_separator(*at)) at++;
        if (*at == '\0') break;
        const size_t key = key_at(at);
        if (key == 0)
            return fault_set(fault, STATUS_BAD_TEXT, "",
                             "A run description is made of key=value; \"%.40s\""
                             " is not.",
                             at);
        const OptionId id = option_find(at, key);
        if (id != OPTION_COUNT && seen[id])
            return fault_set(fault, STATUS_BAD_TEXT, table[id].key,
                             "%s is given twice.", table[id].key);
        const size_t value = value_length(at + key + 1);
        TRY(options_set(&next, at, key, at + key + 1, value, fault));
        seen[id] = true;
        at += key + 1 + value;
    }
    *options = next;
    return STATUS_OK;
}

/* Text of choice number `index` in "a|b|c". */
static size_t print_choice(const char *choices, int index, char *text,
                           size_t size) {
    for (; index > 0; index--) choices = strchr(choices, '|') + 1;
    return text_format(text, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

size_t options_print_value(const Options *options, OptionId id, char *text,
                           size_t size) {
    const Option *const row = option_row(id);
    const double value = options->value[id];
    switch (row->type) {
    case OPTION_NETWORK:
        return text_format(text, size, "%s", options->net);
    case OPTION_CHOICE:
        return print_choice(row->choices, (int)value, text, size);
    case OPTION_SWITCH:
        return text_format(text, size, "%s", value != 0 ? "on" : "off");
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        break;
    }
    char number[32];
    text_print_number(value, number);
    return text_format(text, size, "%s", number);
}

size_t options_print(const Options *options, bool all, char *text,
                     size_t size) {
    const Options initial = options_default();
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < OPTION_COUNT; i++) {
        char value[NETWORK_TEXT_MAX], standard[NETWORK_TEXT_MAX];
        options_print_value(options, (OptionId)i, value, sizeof value);
        options_print_value(&initial, (OptionId)i, standard, sizeof standard);
        if (!all && strcmp(value, standard) == 0) continue;
        if (used + 1 >= size) break;
        used += text_format(text + used, size - used, "%s=%s\n", table[i].key,
                            value);
    }
    return size_min(used, size - 1);
}
