#include "nn/optimizer.h"

#include <string.h>

#include "kernels/simd.h"

int optimizer_slots(OptimizerKind kind) {
    switch (kind) {
    case OPTIMIZER_MOMENTUM:
    case OPTIMIZER_NESTEROV:
    case OPTIMIZER_RMSPROP:
        return 1;
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        return 2;
    case OPTIMIZER_SGD:
    case OPTIMIZER_COUNT:
        break;
    }
    return 0;
}

void optimizer_bind(Optimizer *optimizer, Arena *arena,
                    const OptimizerSettings *settings, size_t size) {
    *optimizer = (Optimizer){.settings = *settings, .size = size};
    for (int i = 0; i < optimizer_slots(settings->kind); i++)
        optimizer->slot[i] = arena_floats(arena, size);
    optimizer->power1 = optimizer->power2 = 1;
}

void optimizer_reset(Optimizer *optimizer) {
    for (int i = 0; i < optimizer_slots(optimizer->settings.kind); i++)
        memset(optimizer->slot[i], 0, optimizer->size * sizeof(float));
    optimizer->power1 = optimizer->power2 = 1;
}

void optimizer_begin(Optimizer *optimizer, double rate, double clip) {
    const OptimizerSettings *const s = &optimizer->settings;
    optimizer->power1 *= s->beta1;
    optimizer->power2 *= s->beta2;
    const bool adam = s->kind == OPTIMIZER_ADAM || s->kind == OPTIMIZER_ADAMW;
    const double correction1 = adam ? 1 - optimizer->power1 : 1;
    const double correction2 = adam ? 1 - optimizer->power2 : 1;
    optimizer->step = (OptimizerStep){
        .rate = (float)(rate / correction1),
        .clip = (float)clip,
        .l1 = (float)s->l1,
        .l2 = (float)s->l2,
        .shrink = (float)(1 - rate * s->decay),
        .momentum = (float)s->momentum,
        .alpha = (float)s->alpha,
        .one_minus_alpha = (float)(1 - s->alpha),
        .beta1 = (float)s->beta1,
        .one_minus_beta1 = (float)(1 - s->beta1),
        .beta2 = (float)s->beta2,
        .one_minus_beta2 = (float)(1 - s->beta2),
        .root_correction = (float)(1 / __builtin_sqrt(correction2)),
        .epsilon = (float)s->epsilon,
        .tiny = 1e-30f,
        .least = 1e-16f,
    };
}

float optimizer_plain_step(const Optimizer *optimizer) {
    const OptimizerSettings *const s = &optimizer->settings;
    const bool plain = s->kind == OPTIMIZER_SGD && s->l1 == 0 && s->l2 == 0 &&
                       s->decay == 0 && optimizer->step.clip == 1;
    return plain ? -optimizer->step.rate : 0;
}

/* ==== One vector of four weights ======================================== */

/* Memory that decays passes through subnormal numbers on its way to zero, and
 * those cost a processor a hundred times an ordinary addition. Nothing this
 * small can move a weight, so it is zero at once; a NaN stays. */
static inline f32x4 flush_tiny(const OptimizerStep *s, f32x4 v) {
    return f32x4_keep(~(f32x4_abs(v) <= f32x4_splat(s->tiny)), v);
}

/* mean of squares ← share·mean + rest·g², for share + rest = 1. A network that
 * has learnt every image has gradients whose squares are subnormal; so g counts
 * for at least 1e-16, which is nothing beside any ε, and keeps the mean from
 * becoming subnormal when it decays. */
static inline f32x4 mean_square(const OptimizerStep *s, f32x4 g, float share,
                                float rest, float *mean) {
    const f32x4 size = f32x4_max(f32x4_abs(g), f32x4_splat(s->least));
    const f32x4 square = size * size * f32x4_splat(rest);
    const f32x4 next = f32x4_madd(f32x4_splat(share), f32x4_load(mean), square);
    f32x4_store(mean, next);
    return next;
}

static inline f32x4 momentum_direction(const OptimizerStep *s, bool nesterov,
                                       f32x4 g, float *velocity) {
    const f32x4 mu = f32x4_splat(s->momentum);
    const f32x4 v = flush_tiny(s, f32x4_madd(mu, f32x4_load(velocity), g));
    f32x4_store(velocity, v);
    return nesterov ? f32x4_madd(mu, v, g) : v;
}

static inline f32x4 rmsprop_direction(const OptimizerStep *s, f32x4 g,
                                      float *slot) {
    const f32x4 mean = mean_square(s, g, s->alpha, s->one_minus_alpha, slot);
    return g / (f32x4_sqrt(mean) + f32x4_splat(s->epsilon));
}

static inline f32x4 adam_direction(const OptimizerStep *s, f32x4 g,
                                   float *first, float *second) {
    const f32x4 m =
        flush_tiny(s, f32x4_madd(f32x4_splat(s->beta1), f32x4_load(first),
                                 g * f32x4_splat(s->one_minus_beta1)));
    const f32x4 v = mean_square(s, g, s->beta2, s->one_minus_beta2, second);
    f32x4_store(first, m);
    return m / f32x4_madd(f32x4_sqrt(v), f32x4_splat(s->root_correction),
                          f32x4_splat(s->epsilon));
}

/* Four weights; slots are updated in place. `kind` is a constant at every call,
 * so each instance is straight code. */
SIMD_INLINE void update_vector(OptimizerKind kind, const OptimizerStep *s,
                               float *weight, const float *gradient,
                               float *slot0, float *slot1) {
    const f32x4 w = f32x4_load(weight), g = f32x4_load(gradient);
    f32x4 direction = g;
    if (kind == OPTIMIZER_MOMENTUM || kind == OPTIMIZER_NESTEROV)
        direction = momentum_direction(s, kind == OPTIMIZER_NESTEROV, g, slot0);
    else if (kind == OPTIMIZER_RMSPROP)
        direction = rmsprop_direction(s, g, slot0);
    else if (kind == OPTIMIZER_ADAM)
        direction = adam_direction(s, g, slot0, slot1);
    f32x4_store(weight, f32x4_madd(f32x4_splat(-s->rate), direction, w));
}

/* ==== Ranges ============================================================ */

/* Weights 0 .. count-1, two vectors a round; the last one to seven go through a
 * padded copy, so that they see the same arithmetic as the others. */
SIMD_INLINE void update_range(OptimizerKind kind, const OptimizerStep *shared,
                              size_t count, float *w, const float *g,
                              float *slot0, float *slot1) {
    const OptimizerStep own = *shared; /* so that the loop need not reload it */
    const OptimizerStep *const s = &own;
    const bool has0 = kind != OPTIMIZER_SGD, has1 = kind == OPTIMIZER_ADAM;
    const size_t whole = count / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        for (size_t j = i; j < i + 8; j += 4)
            update_vector(kind, s, w + j, g + j, has0 ? slot0 + j : NULL,
                          has1 ? slot1 + j : NULL);
    const size_t rest_bytes = (count - whole) * sizeof(float);
    if (rest_bytes == 0) return;
    float tail[4][8] = {{0}};
    memcpy(tail[0], w + whole, rest_bytes);
    memcpy(tail[1], g + whole, rest_bytes);
    if (has0) memcpy(tail[2], slot0 + whole, rest_bytes);
    if (has1) memcpy(tail[3], slot1 + whole, rest_bytes);
    for (size_t j = 0; j < 8; j += 4)
        update_vector(kind, s, tail[0] + j, tail[1] + j, tail[2] + j,
                      tail[3] + j);
    memcpy(w + whole, tail[0], rest_bytes);
    if (has0) memcpy(slot0 + whole, tail[2], rest_bytes);
    if (has1) memcpy(slot1 + whole, tail[3], rest_bytes);
}

/* The instance of the kind, for weights offset .. offset+count-1. */
static void update(const Optimizer *optimizer, size_t offset, size_t count,
                   float *w, const float *g) {
    const OptimizerStep *const s = &optimizer->step;
    float *const slot0 =
        optimizer->slot[0] != NULL ? optimizer->slot[0] + offset : NULL;
    float *const slot1 =
        optimizer->slot[1] != NULL ? optimizer->slot[1] + offset : NULL;
    switch (optimizer->settings.kind) {
    case OPTIMIZER_SGD:
        update_range(OPTIMIZER_SGD, s, count, w, g, slot0, slot1);
        return;
    case OPTIMIZER_MOMENTUM:
        update_range(OPTIMIZER_MOMENTUM, s, count, w, g, slot0, slot1);
        return;
    case OPTIMIZER_NESTEROV:
        update_range(OPTIMIZER_NESTEROV, s, count, w, g, slot0, slot1);
        return;
    case OPTIMIZER_RMSPROP:
        update_range(OPTIMIZER_RMSPROP, s, count, w, g, slot0, slot1);
        return;
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        update_range(OPTIMIZER_ADAM, s, count, w, g, slot0, slot1);
        return;
    case OPTIMIZER_COUNT:
        break;
    }
}

/* ==== Clipping and penalties ============================================ */

/* Weights that are done at a time, with their gradients on the stack. */
enum { BLOCK = 256 };

/* out = clip·∇ + l2·w + l1·sign(w), then w = shrink·w. */
static void penalise(const OptimizerStep *s, size_t count, float *w,
                     const float *gradient, float *out) {
    for (size_t i = 0; i < count; i += 4) {
        const size_t n = count - i;
        const bool whole = n >= 4;
        const f32x4 old = whole ? f32x4_load(w + i) : f32x4_load_part(w + i, n);
        const f32x4 g =
            f32x4_splat(s->clip) * (whole ? f32x4_load(gradient + i)
                                          : f32x4_load_part(gradient + i, n));
        const f32x4 sum = f32x4_madd(f32x4_splat(s->l1), f32x4_sign(old),
                                     f32x4_madd(f32x4_splat(s->l2), old, g));
        const f32x4 shrunk = old * f32x4_splat(s->shrink);
        f32x4_store(out + i, sum); /* out has room for whole vectors */
        if (whole)
            f32x4_store(w + i, shrunk);
        else
            f32x4_store_part(w + i, shrunk, n);
    }
}

void optimizer_update(const Optimizer *optimizer, size_t offset, size_t count,
                      float *weight, const float *gradient, bool penalised) {
    assert(offset + count <= optimizer->size);
    OptimizerStep step = optimizer->step;
    if (!penalised) step.l1 = step.l2 = 0, step.shrink = 1;
    if (step.clip == 1 && step.l1 == 0 && step.l2 == 0 && step.shrink == 1) {
        update(optimizer, offset, count, weight, gradient);
        return;
    }
    float sum[BLOCK];
    for (size_t i = 0; i < count; i += BLOCK) {
        const size_t n = size_min(BLOCK, count - i);
        penalise(&step, n, weight + i, gradient + i, sum);
        update(optimizer, offset + i, n, weight + i, sum);
    }
}
