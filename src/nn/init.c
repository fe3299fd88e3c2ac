#include "nn/init.h"

#include <string.h>

#include "base/random.h"
#include "kernels/elementwise.h"

/* Is the next activation after `layer` one that passes about half of its
 * inputs, so that He's doubled variance fits? */
static bool feeds_relu_family(const Network *network, int layer) {
    static const char *const family[] = {"relu", "leaky-relu", "gelu",
                                         "softplus"};
    for (int i = layer + 1; i < network->layer_count; i++) {
        const LayerKind *const kind = network->layers[i].kind;
        for (size_t f = 0; f < sizeof family / sizeof family[0]; f++)
            if (strcmp(kind->name, family[f]) == 0) return true;
        if (network->layers[i].parameter_count > 0 &&
            network->layers[i].parameter[0].role == PARAMETER_WEIGHT)
            return false;
    }
    return false;
}

/* How one weight tensor is drawn: value = spread · U(−1,1) or · N(0,1), or
 * simply `spread` for constants. */
typedef struct Draw {
    enum { DRAW_CONSTANT, DRAW_UNIFORM, DRAW_NORMAL } form;
    double spread;
} Draw;

static Draw choose_draw(InitKind kind, double scale, double fan_in,
                        double fan_out) {
    const double xavier = 2 / (fan_in + fan_out), he = 2 / fan_in;
    switch (kind) {
    case INIT_CONSTANT: return (Draw){DRAW_CONSTANT, scale};
    case INIT_UNIFORM: return (Draw){DRAW_UNIFORM, scale};
    case INIT_NORMAL: return (Draw){DRAW_NORMAL, scale};
    case INIT_XAVIER: return (Draw){DRAW_NORMAL, __builtin_sqrt(xavier)};
    case INIT_XAVIER_UNIFORM:
        return (Draw){DRAW_UNIFORM, __builtin_sqrt(3 * xavier)};
    case INIT_HE: return (Draw){DRAW_NORMAL, __builtin_sqrt(he)};
    case INIT_HE_UNIFORM: return (Draw){DRAW_UNIFORM, __builtin_sqrt(3 * he)};
    case INIT_ORTHOGONAL: return (Draw){DRAW_NORMAL, 1};
    case INIT_AUTO:
    case INIT_ZEROS:
    case INIT_COUNT: break;
    }
    return (Draw){DRAW_CONSTANT, 0};
}

static float draw_value(Draw draw, RandomKey key, uint64_t index) {
    const float spread = (float)draw.spread;
    if (draw.form == DRAW_NORMAL) return spread * random_normal(key, index);
    if (draw.form == DRAW_UNIFORM)
        return spread * (2 * random_uniform(key, index) - 1);
    return spread;
}

/* Fill a weight, stored [I,O], in the order [O,I]. */
static void draw_weight(const Parameter *p, Draw draw, RandomKey key) {
    const size_t outputs = (size_t)p->shape[0], inputs = p->count / outputs;
    for (size_t o = 0; o < outputs; o++)
        for (size_t i = 0; i < inputs; i++)
            p->value[i * outputs + o] = draw_value(draw, key, o * inputs + i);
}

/* ==== Orthogonal ======================================================== */

/* A weight seen as `count` vectors of `length` elements, the shorter way. */
typedef struct Vectors {
    float *at;
    size_t count, length, vector_stride, element_stride;
} Vectors;

static Vectors short_side(const Parameter *p) {
    const size_t outputs = (size_t)p->shape[0], inputs = p->count / outputs;
    if (inputs <= outputs)
        return (Vectors){p->value, inputs, outputs, outputs, 1};
    return (Vectors){p->value, outputs, inputs, 1, outputs};
}

static double vectors_dot(const Vectors *v, size_t a, size_t b) {
    const float *const x = v->at + a * v->vector_stride;
    const float *const y = v->at + b * v->vector_stride;
    double sum = 0;
    for (size_t i = 0; i < v->length; i++)
        sum += (double)x[i * v->element_stride] *
               (double)y[i * v->element_stride];
    return sum;
}

/* Vector a += factor · vector b. */
static void vectors_add(const Vectors *v, size_t a, double factor, size_t b) {
    float *const x = v->at + a * v->vector_stride;
    const float *const y = v->at + b * v->vector_stride;
    for (size_t i = 0; i < v->length; i++) {
        const size_t at = i * v->element_stride;
        x[at] = (float)((double)x[at] + factor * (double)y[at]);
    }
}

/* Normal draws made orthonormal by Gram and Schmidt, twice over for the bits
 * that one pass leaves, then stretched to length `gain`. */
static void orthogonalise(const Parameter *p, double gain) {
    const Vectors v = short_side(p);
    for (size_t a = 0; a < v.count; a++) {
        for (int pass = 0; pass < 2; pass++)
            for (size_t b = 0; b < a; b++)
                vectors_add(&v, a, -vectors_dot(&v, a, b), b);
        const double length = __builtin_sqrt(vectors_dot(&v, a, a));
        vectors_add(&v, a, 1 / length - 1, a);
    }
    elementwise_scale(p->count, (float)gain, p->value);
}

static void init_states(Network *network) {
    for (int i = 0; i < network->layer_count; i++) {
        const Layer *const layer = &network->layers[i];
        for (int j = 0; j < 2; j++)
            elementwise_fill(layer->state_count, layer->state_initial[j],
                             layer->state[j]);
    }
}

void init_network(Network *network, InitKind kind, double scale,
                  uint32_t seed) {
    elementwise_fill(network->flat_size, 0, network->parameters);
    init_states(network);
    for (int i = 0; i < network->parameter_count; i++) {
        const Parameter *const p = network_parameter(network, i);
        if (p->role == PARAMETER_GAIN)
            elementwise_fill(p->count, 1, p->value);
        if (p->role != PARAMETER_WEIGHT) continue;
        InitKind chosen = kind;
        if (kind == INIT_AUTO)
            chosen = feeds_relu_family(network, p->layer) ? INIT_HE
                                                          : INIT_XAVIER;
        const double fan_in = (double)p->count / p->shape[0];
        const double fan_out =
            p->rank > 2 ? (double)p->count / p->shape[1] : p->shape[0];
        const RandomKey key = {
            .seed = seed, .stream = STREAM_INIT, .step = (uint64_t)i};
        draw_weight(p, choose_draw(chosen, scale, fan_in, fan_out), key);
        if (chosen == INIT_ORTHOGONAL)
            orthogonalise(p, feeds_relu_family(network, p->layer)
                                 ? __builtin_sqrt(2.0)
                                 : 1);
    }
}
