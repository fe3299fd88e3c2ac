#include "nn/init.h"

#include <string.h>

#include "base/random.h"
#include "kernels/elementwise.h"
#include "kernels/simd.h"

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
    case INIT_ORTHOGONAL:
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

/* Fill a weight in the order [O,I]. */
static void draw_weight(const Parameter *p, Draw draw, RandomKey key) {
    const size_t outputs = (size_t)p->shape[0], inputs = p->count / outputs;
    for (size_t o = 0; o < outputs; o++)
        for (size_t i = 0; i < inputs; i++)
            p->value[parameter_at(p, i, o)] =
                draw_value(draw, key, o * inputs + i);
}

/* ==== Orthogonal ======================================================== */

/* Sum of x[i]·y[i] in double precision: of the eight products that share i mod
 * 4 in every 32, which float adds up well enough. */
static double dot(size_t count, const float *x, const float *y) {
    const size_t whole = count / 32 * 32;
    double sum[4] = {0};
    for (size_t i = 0; i < whole; i += 32) {
        f32x4 even = f32x4_zero(), odd = f32x4_zero();
        for (size_t j = i; j < i + 32; j += 8) {
            even += f32x4_load(x + j) * f32x4_load(y + j);
            odd += f32x4_load(x + j + 4) * f32x4_load(y + j + 4);
        }
        even += odd;
        for (int lane = 0; lane < 4; lane++) sum[lane] += (double)even[lane];
    }
    for (size_t i = whole; i < count; i++)
        sum[i % 4] += (double)x[i] * (double)y[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* y[i] += factor · x[i]; never one fused operation, so that starting weights
 * have the same bits in every build. */
static void add_scaled(size_t count, float factor, const float *x, float *y) {
    const size_t whole = count / 4 * 4;
    for (size_t i = 0; i < whole; i += 4)
        f32x4_store(y + i, f32x4_load(y + i) +
                               f32x4_splat(factor) * f32x4_load(x + i));
    for (size_t i = whole; i < count; i++) y[i] += factor * x[i];
}

/* Sign of the first component of a mirror or of its draw. */
static float sign_of(float x) { return x < 0 ? -1 : 1; }

/* Draw the normal of mirror `k`: x[count] uniform on the sphere, and then
 * ±1, x[0]'s own sign, added to x[0]. The mirror at right angles to that takes
 * x to ∓e0, the first unit vector. */
static void draw_mirror(RandomKey key, uint64_t index, size_t count,
                        float *x) {
    for (size_t i = 0; i < count; i++) x[i] = random_normal(key, index + i);
    const double length = __builtin_sqrt(dot(count, x, x));
    if (length > 0)
        elementwise_scale(count, (float)(1 / length), x);
    else
        x[0] = 1;
    x[0] += sign_of(x[0]);
}

/* Mirrors that one vector passes while it is in the nearest cache and they
 * are in the next one. */
enum { MIRRORS = 16 };

/* Turn rows[count,length] of mirrors, number k in row k from column k on, into
 * as many orthonormal vectors, uniformly distributed. Vector k is x of mirror
 * k, seen in the mirrors k-1, k-2 … 0 one after the other. It takes the place
 * of its own mirror, which only the vectors behind it need.
 * Cost: count²·(length − count/3) multiply-adds.
 * Source: Stewart, "The efficient generation of random orthogonal matrices",
 * SIAM J. Numer. Anal. 17, 1980: the Q of a normal matrix' QR. */
static void reflect_rows(size_t count, size_t length, float *rows) {
    for (size_t end = count; end > 0;) {
        const size_t begin = (end - 1) / MIRRORS * MIRRORS;
        float factor[MIRRORS]; /* −2 / vᵀv */
        for (size_t k = begin; k < end; k++) {
            const float *const v = rows + k * length + k;
            factor[k - begin] = (float)(-2 / dot(length - k, v, v));
        }
        for (size_t r = count; r-- > begin;) {
            float *const row = rows + r * length;
            if (r < end) row[r] -= sign_of(row[r]);
            for (size_t k = size_min(r, end); k-- > begin;) {
                const float *const v = rows + k * length + k;
                const double along = dot(length - k, v, row + k);
                add_scaled(length - k,
                           (float)(along * (double)factor[k - begin]), v,
                           row + k);
            }
        }
        end = begin;
    }
}

/* Set a weight [I,O] to orthonormal rows or columns, whichever are
 * fewer, times `gain`. The gradient's place serves as workspace. */
static void draw_orthogonal(const Parameter *p, float gain, RandomKey key) {
    const size_t outputs = (size_t)p->shape[0], inputs = p->count / outputs;
    const bool by_input = inputs <= outputs;
    const size_t count = by_input ? inputs : outputs;
    const size_t length = by_input ? outputs : inputs;
    float *const rows = p->gradient;
    elementwise_fill(p->count, 0, rows);
    for (size_t k = 0; k < count; k++)
        draw_mirror(key, k * length + k, length - k, rows + k * length + k);
    reflect_rows(count, length, rows);
    for (size_t i = 0; i < inputs; i++)
        for (size_t o = 0; o < outputs; o++)
            p->value[parameter_at(p, i, o)] =
                gain * rows[by_input ? i * length + o : o * length + i];
    elementwise_fill(p->count, 0, rows);
}

static void init_states(Network *network) {
    for (int i = 0; i < network->layer_count; i++) {
        const Layer *const layer = &network->layers[i];
        for (int j = 0; j < 2; j++)
            elementwise_fill(layer->state_count, layer->state_initial[j],
                             layer->state[j]);
    }
}

static void init_weight(const Network *network, int number, InitKind kind,
                        double scale, uint32_t seed) {
    const Parameter *const p = network_parameter(network, number);
    const bool relu = feeds_relu_family(network, p->layer);
    const RandomKey key = {
        .seed = seed, .stream = STREAM_INIT, .step = (uint64_t)number};
    if (kind == INIT_ORTHOGONAL) {
        draw_orthogonal(p, relu ? (float)__builtin_sqrt(2.0) : 1, key);
        return;
    }
    if (kind == INIT_AUTO) kind = relu ? INIT_HE : INIT_XAVIER;
    const double fan_in = (double)p->count / p->shape[0];
    const double fan_out =
        p->rank > 2 ? (double)p->count / p->shape[1] : p->shape[0];
    draw_weight(p, choose_draw(kind, scale, fan_in, fan_out), key);
}

void init_network(Network *network, InitKind kind, double scale,
                  uint32_t seed) {
    elementwise_fill(network->flat_size, 0, network->parameters);
    init_states(network);
    for (int i = 0; i < network->parameter_count; i++) {
        const Parameter *const p = network_parameter(network, i);
        if (p->role == PARAMETER_GAIN) elementwise_fill(p->count, 1, p->value);
        if (p->role == PARAMETER_WEIGHT)
            init_weight(network, i, kind, scale, seed);
    }
}
