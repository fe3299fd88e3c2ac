/* Optimisers: how a gradient becomes a step of the weights.
 *
 * Weights, gradients and the optimiser's own memory ("slots": velocity, first
 * and second moments) are flat vectors of the same length, so an update is one
 * loop. Formulas, names and defaults are those of PyTorch 2; t counts steps
 * from 1, η is the learning rate:
 *
 *   all        g  = clip·∇ + l2·w + l1·sign(w)      l2, l1 on weights only
 *              w ← w − η·decay·w                    decoupled, on weights only
 *   sgd        w ← w − η·g
 *   momentum   v ← μ·v + g            w ← w − η·v
 *   nesterov   v ← μ·v + g            w ← w − η·(g + μ·v)
 *   rmsprop    s ← α·s + (1−α)·g²     w ← w − η·g / (√s + ε)
 *   adam       m ← β₁·m + (1−β₁)·g    s ← β₂·s + (1−β₂)·g²
 *              w ← w − η/(1−β₁ᵗ) · m / (√s/√(1−β₂ᵗ) + ε)
 *   adamw      adam with decay = 0.01 unless told otherwise
 *
 * Sources: Sutskever et al. 2013 (momentum), Tieleman and Hinton 2012
 * (RMSProp), Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (AdamW).
 */
#ifndef SOMA_NN_OPTIMIZER_H
#define SOMA_NN_OPTIMIZER_H

#include "base/arena.h"
#include "base/types.h"

enum { OPTIMIZER_SLOTS_MAX = 2 };

/* In the order of the choices of the option `optimizer`. */
typedef enum OptimizerKind {
    OPTIMIZER_SGD,
    OPTIMIZER_MOMENTUM,
    OPTIMIZER_NESTEROV,
    OPTIMIZER_RMSPROP,
    OPTIMIZER_ADAM,
    OPTIMIZER_ADAMW,
    OPTIMIZER_COUNT
} OptimizerKind;

typedef struct OptimizerSettings {
    OptimizerKind kind;
    double momentum;     /* μ */
    double alpha;        /* α of rmsprop */
    double beta1, beta2; /* of adam */
    double epsilon;
    double l1, l2, decay;
} OptimizerSettings;

/* The constants of one step as the kernels want them. */
typedef struct OptimizerStep {
    float rate;          /* η, for adam η/(1−β₁ᵗ) */
    float clip;          /* factor on the gradient; 1 = none */
    float l1, l2, shrink /* 1 − η·decay */;
    float momentum, alpha, one_minus_alpha;
    float beta1, one_minus_beta1, beta2, one_minus_beta2;
    float root_correction; /* 1/√(1−β₂ᵗ) */
    float epsilon;
    float tiny, least; /* see optimizer.c; here, so that loops keep them */
} OptimizerStep;

typedef struct Optimizer {
    OptimizerSettings settings;
    size_t size;                      /* floats of each slot */
    float *slot[OPTIMIZER_SLOTS_MAX]; /* [size], NULL when the kind has none */
    double power1, power2;            /* β₁ᵗ, β₂ᵗ: part of the state */
    OptimizerStep step;
} Optimizer;

/* How many slots a kind keeps. */
int optimizer_slots(OptimizerKind kind);

/* Lay out the slots for `size` weights. */
void optimizer_bind(Optimizer *optimizer, Arena *arena,
                    const OptimizerSettings *settings, size_t size);

/* Forget all memory: as before the first step. */
void optimizer_reset(Optimizer *optimizer);

/* Open step t = 1, 2, …: `rate` is η, `clip` the factor of gradient clipping.
 * Once a step, before its updates. */
void optimizer_begin(Optimizer *optimizer, double rate, double clip);

/* The factor −η when this step of all weights is w += −η·∇ and nothing else,
 * as of sgd without penalties; 0 when there is more to it. */
float optimizer_plain_step(const Optimizer *optimizer);

/* Update the weights offset .. offset+count-1:
 *
 *   weight[count]          in and out; `weight` points at the first of them
 *   gradient[count]        read
 *   penalised              whether l1, l2 and decay apply here
 *
 * Disjoint ranges may be updated by different threads and in any order; how
 * the vector is cut does not change a bit. Cannot fail. */
void optimizer_update(const Optimizer *optimizer, size_t offset, size_t count,
                      float *weight, const float *gradient, bool penalised);

#endif
