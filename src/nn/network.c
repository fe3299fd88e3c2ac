#include "nn/network.h"

#include <string.h>

#include "kernels/elementwise.h"
#include "base/text.h"

/* ==== Reading =========================================================== */

/* Floats between the starts of parameters are multiples of this. */
enum { FLAT_ALIGN = CACHE_LINE / (int)sizeof(float) };

/* Give the layer's parameters their places in the flat vectors. */
static Status place_parameters(Network *network, Layer *layer, Fault *fault) {
    for (int i = 0; i < layer->parameter_count; i++) {
        Parameter *const p = &layer->parameter[i];
        p->offset = network->flat_size;
        size_t end;
        if (__builtin_add_overflow(p->offset, p->count + FLAT_ALIGN, &end) ||
            end > SIZE_MAX / (4 * sizeof(float))) {
            char place[64];
            layer_place(layer, place, sizeof place);
            return fault_set(fault, STATUS_OUT_OF_MEMORY, place,
                             "Layer %d makes the network too large for the "
                             "memory of a page; use fewer units.",
                             layer->index + 1);
        }
        network->flat_size = size_round_up(p->offset + p->count, FLAT_ALIGN);
        network->scalar_count += p->count;
        network->parameter_count++;
    }
    return STATUS_OK;
}

/* Parse, configure and place one layer after what is there already. */
static Status append_layer(Network *network, const char *text, size_t length,
                           Shape in, Fault *fault) {
    const int index = network->layer_count;
    if (index == NETWORK_LAYERS_MAX)
        return fault_set(fault, STATUS_OUT_OF_RANGE, "net",
                         "A network has at most %d layers.",
                         NETWORK_LAYERS_MAX);
    Layer *const layer = &network->layers[index];
    TRY(layer_parse(layer, index, text, length, fault));
    layer->in = index == 0 ? in : network_out(network);
    TRY(layer->kind->configure(layer, fault));
    network->layer_count++;
    network->state_size += 2 * layer->state_count;
    network->needs_whole_batch |= layer->needs_whole_batch;
    return place_parameters(network, layer, fault);
}

Status network_parse(Network *network, const char *text, Shape in,
                     Fault *fault) {
    memset(network, 0, sizeof *network);
    if (text[strspn(text, " ")] == '\0')
        return fault_set(fault, STATUS_BAD_VALUE, "net",
                         "The network has no layers; write for example "
                         "\"dense 128, relu, dense 10\".");
    for (const char *at = text;;) {
        const size_t length = strcspn(at, ",");
        TRY(append_layer(network, at, length, in, fault));
        if (at[length] == '\0') return STATUS_OK;
        at += length + 1;
    }
}

void network_print(const Network *network, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < network->layer_count && used + 1 < size; i++) {
        if (i > 0)
            used += text_format(text + used, size - used, ", ");
        if (used + 1 >= size) return;
        layer_print(&network->layers[i], text + used, size - used);
        used += strlen(text + used);
    }
}

Shape network_out(const Network *network) {
    assert(network->layer_count > 0);
    return network->layers[network->layer_count - 1].out;
}

const Parameter *network_parameter(const Network *network, int number) {
    for (int i = 0; i < network->layer_count; i++) {
        const Layer *const layer = &network->layers[i];
        if (number < layer->parameter_count) return &layer->parameter[number];
        number -= layer->parameter_count;
    }
    assert(false);
    return NULL;
}

/* ==== Memory ============================================================ */

/* Point the parameters and states of all layers into the flat vectors. */
static void bind_parameters(Network *network) {
    if (network->parameters == NULL) return;
    float *state = network->states;
    for (int i = 0; i < network->layer_count; i++)
        for (int j = 0; j < 2; j++) {
            network->layers[i].state[j] = state;
            state += network->layers[i].state_count;
        }
    for (int i = 0; i < network->layer_count; i++)
        for (int j = 0; j < network->layers[i].parameter_count; j++) {
            Parameter *const p = &network->layers[i].parameter[j];
            p->value = network->parameters + p->offset;
            p->gradient = network->gradients + p->offset;
        }
}

void network_bind(Network *network, Arena *arena, int max_rows, int n_threads,
                  InputScaling scaling) {
    const size_t rows = (size_t)max_rows;
    size_t widest = 0;
    network->max_rows = max_rows;
    network->parameters = arena_floats(arena, network->flat_size);
    network->gradients = arena_floats(arena, network->flat_size);
    network->states = arena_floats(arena, network->state_size);
    bind_parameters(network);
    input_bind(&network->input, arena, max_rows, n_threads, scaling,
               network->layers[0].kind->reads_sparse);
    for (int i = 0; i < network->layer_count; i++) {
        Layer *const layer = &network->layers[i];
        const size_t width = shape_size(layer->out);
        network->outputs[i] = arena_alloc(arena, rows, width * sizeof(float));
        widest = size_max(widest, width);
        if (layer->kind->bind != NULL)
            layer->kind->bind(layer, arena, max_rows, n_threads);
    }
    for (int i = 0; i < 2; i++)
        network->errors[i] =
            arena_alloc(arena, rows, widest * sizeof(float));
    gemm_work_bind(&network->gemm, arena, n_threads);
}

/* ==== Passes ============================================================ */

/* What layer `i` reads: the output before it or the input stage's array, NULL
 * when that is sparse. */
static const float *layer_input(const Network *network, int i) {
    if (i > 0) return network->outputs[i - 1];
    return network->input.sparse ? NULL : network->input.dense;
}

const float *network_forward(Network *network, Pass *pass) {
    assert(pass->rows <= network->max_rows);
    pass->input = &network->input;
    pass->gemm = &network->gemm;
    for (int i = 0; i < network->layer_count; i++) {
        Layer *const layer = &network->layers[i];
        layer->kind->forward(layer, pass, layer_input(network, i),
                             network->outputs[i]);
        if (i == 0 && pass->training)
            input_list_ahead(&network->input, pass->pool);
    }
    return network_result(network);
}

const float *network_result(const Network *network) {
    return network->outputs[network->layer_count - 1];
}

float *network_error(Network *network) { return network->errors[0]; }

void network_backward(Network *network, Pass *pass) {
    int at = 0;
    for (int i = network->layer_count - 1; i >= 0; i--) {
        Layer *const layer = &network->layers[i];
        float *const dx = i > 0 ? network->errors[1 - at] : NULL;
        layer->kind->backward(layer, pass, layer_input(network, i),
                              network->outputs[i], network->errors[at], dx);
        at = 1 - at;
    }
}

int network_find_not_finite(const Network *network, int rows) {
    for (int i = 0; i < network->layer_count; i++)
        if (!elementwise_is_finite(
                (size_t)rows * shape_size(network->layers[i].out),
                network->outputs[i]))
            return i;
    return -1;
}
