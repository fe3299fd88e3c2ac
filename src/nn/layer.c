#include "nn/layer.h"

#include <string.h>

#include "base/text.h"
#include "nn/kinds.h"

static const LayerKind *const kinds[] = {
    &layer_dense,     &layer_relu,    &layer_leaky_relu, &layer_gelu,
    &layer_softplus,  &layer_tanh,    &layer_sigmoid,    &layer_step,
    &layer_linear,    &layer_softmax, &layer_dropout,    &layer_batchnorm,
    &layer_layernorm,
};

int layer_kind_count(void) { return (int)(sizeof kinds / sizeof kinds[0]); }

const LayerKind *layer_kind(int row) {
    assert(row >= 0 && row < layer_kind_count());
    return kinds[row];
}

void layer_place(const Layer *layer, char *place, size_t size) {
    text_format(place, size, "net, layer %d", layer->index + 1);
}

/* The kind of that name, or NULL. */
static const LayerKind *find_kind(const char *name) {
    for (int i = 0; i < layer_kind_count(); i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

/* "dense, relu, …" into `text`, for refusals. */
static void list_kinds(char *text, size_t size) {
    size_t used = 0;
    for (int i = 0; i < layer_kind_count() && used < size; i++)
        used += text_format(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                            kinds[i]->name);
}

/* Copy the next blank-separated word of text[*at .. length) into `word`.
 * False at the end. A longer word is cut, which no kind or number matches. */
static bool next_word(const char *text, size_t length, size_t *at,
                      char word[LAYER_WORD_CHARS]) {
    while (*at < length && text[*at] == ' ') ++*at;
    if (*at >= length) return false;
    size_t used = 0;
    while (*at < length && text[*at] != ' ') {
        if (used + 1 < LAYER_WORD_CHARS) word[used++] = text[*at];
        ++*at;
    }
    word[used] = '\0';
    return true;
}

Status layer_parse(Layer *layer, int index, const char *text, size_t length,
                   Fault *fault) {
    *layer = (Layer){.index = index};
    char place[64], name[LAYER_WORD_CHARS];
    layer_place(layer, place, sizeof place);
    size_t at = 0;
    if (!next_word(text, length, &at, name))
        return fault_set(fault, STATUS_BAD_VALUE, place,
                         "Layer %d is empty; remove the extra comma.",
                         index + 1);
    layer->kind = find_kind(name);
    if (layer->kind == NULL) {
        char list[192];
        list_kinds(list, sizeof list);
        return fault_set(fault, STATUS_UNKNOWN_LAYER, place,
                         "Layer %d: there is no layer \"%s\"; known are %s.",
                         index + 1, name, list);
    }
    char word[LAYER_WORD_CHARS];
    while (next_word(text, length, &at, word)) {
        if (layer->word_count == LAYER_WORDS_MAX)
            return fault_set(fault, STATUS_BAD_VALUE, place,
                             "Layer %d has too many words; write \"%s\".",
                             index + 1, layer->kind->usage);
        memcpy(layer->word[layer->word_count++], word, sizeof word);
    }
    return STATUS_OK;
}

void layer_print(const Layer *layer, char *text, size_t size) {
    size_t used = text_format(text, size, "%s", layer->kind->name);
    for (int i = 0; i < layer->word_count && used < size; i++)
        used += text_format(text + used, size - used, " %s", layer->word[i]);
}

/* Values whose update is worth a task of its own. */
enum { READY_PIECE = 1 << 13 };

typedef struct ReadyJob {
    const Pass *pass;
    const Parameter *parameter;
} ReadyJob;

static void ready_task(void *context, int task) {
    const ReadyJob *const job = context;
    const Parameter *const p = job->parameter;
    const size_t at = (size_t)task * READY_PIECE;
    job->pass->ready(job->pass->ready_context, p->offset + at,
                     size_min(READY_PIECE, p->count - at), p->gradient + at);
}

void pass_ready(const Pass *pass, const Parameter *parameter) {
    if (pass->ready == NULL) return;
    ReadyJob job = {.pass = pass, .parameter = parameter};
    pool_run(pass->pool, (int)size_div_up(parameter->count, READY_PIECE),
             ready_task, &job);
}

Status layer_expect_words(const Layer *layer, int min, int max, Fault *fault) {
    if (layer->word_count >= min && layer->word_count <= max) return STATUS_OK;
    char place[64];
    layer_place(layer, place, sizeof place);
    return fault_set(fault, STATUS_BAD_VALUE, place,
                     "Layer %d: write it as \"%s\".", layer->index + 1,
                     layer->kind->usage);
}

Status layer_read_number(const Layer *layer, int word, const char *what,
                         double min, double max, double *value, Fault *fault) {
    if (word >= layer->word_count) return STATUS_OK;
    const char *const text = layer->word[word];
    double number;
    if (text_read_number(text, &number) && number >= min && number <= max) {
        *value = number;
        return STATUS_OK;
    }
    char place[64];
    layer_place(layer, place, sizeof place);
    return fault_set(fault, STATUS_OUT_OF_RANGE, place,
                     "Layer %d: the %s of %s must be a number from %.10g to "
                     "%.10g, not \"%s\".",
                     layer->index + 1, what, layer->kind->name, min, max, text);
}

Status layer_read_integer(const Layer *layer, int word, const char *what,
                          int min, int max, int *value, Fault *fault) {
    double number = *value;
    TRY(layer_read_number(layer, word, what, min, max, &number, fault));
    if (number == (double)(int)number) {
        *value = (int)number;
        return STATUS_OK;
    }
    char place[64];
    layer_place(layer, place, sizeof place);
    return fault_set(fault, STATUS_BAD_VALUE, place,
                     "Layer %d: the %s of %s must be a whole number, not "
                     "\"%s\".",
                     layer->index + 1, what, layer->kind->name,
                     layer->word[word]);
}

void layer_add_parameter(Layer *layer, const char *name, ParameterRole role,
                         int rank, const int *shape) {
    assert(layer->parameter_count < LAYER_PARAMETERS_MAX);
    assert(rank >= 1 && rank <= PARAMETER_RANK_MAX);
    Parameter *const p = &layer->parameter[layer->parameter_count++];
    *p = (Parameter){.layer = layer->index, .rank = rank, .role = role};
    text_format(p->name, sizeof p->name, "%d.%s", layer->index, name);
    p->in_panels = role == PARAMETER_WEIGHT && rank >= 2;
    p->count = 1;
    for (int i = 0; i < rank; i++) {
        p->shape[i] = shape[i];
        p->count *= (size_t)shape[i];
    }
}
