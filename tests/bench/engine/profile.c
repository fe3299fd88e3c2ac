/* Where the time of a training step goes, for `npm run bench`. The step is the
 * product's own trainer_step; the linker puts the functions named __wrap_… in
 * front of those of the core that begin or end a phase (cmake/bench.cmake), and
 * the layers' kinds are replaced by ones that look at the clock afterwards.
 */
#include "bench.h"

/* In the order of a step. The phases of layers begin at PHASE_LAYERS, first
 * all forward, then all backward, each in the order of the network. */
enum {
    PHASE_BATCHER,
    PHASE_INPUT,
    PHASE_LOSS, /* and its gradient */
    PHASE_REST, /* record, what is left of the update */
    PHASE_LAYERS,
    PHASE_COUNT = PHASE_LAYERS + 2 * NETWORK_LAYERS_MAX
};

static struct Profile {
    bool observed; /* look at the clock */
    bool frozen;   /* leave out the update of the weights */
    double mark;   /* when the last phase ended, in milliseconds */
    double ms[PHASE_COUNT];
    int barriers; /* fork-joins of more than one task */
    int layer_count;
    const LayerKind *plain[NETWORK_LAYERS_MAX];
    LayerKind timed[NETWORK_LAYERS_MAX];
} profile;

/* The time since the last phase ended was this phase's. */
static void ends(int phase) {
    if (!profile.observed) return;
    const double now = emscripten_get_now();
    profile.ms[phase] += now - profile.mark;
    profile.mark = now;
}

/* ==== In front of the core's functions ================================== */

#define WRAPPED(function)                                                      \
    __typeof__(function) __real_##function, __wrap_##function

WRAPPED(batcher_next);
WRAPPED(input_load_images);
WRAPPED(loss_forward);
WRAPPED(loss_backward);
WRAPPED(optimizer_update);
WRAPPED(pool_run);

Status __wrap_batcher_next(Batcher *batcher, int max_rows, Batch *out) {
    const Status status = __real_batcher_next(batcher, max_rows, out);
    ends(PHASE_BATCHER);
    return status;
}

void __wrap_input_load_images(Input *input, Pool *pool,
                              const Image *const *images, int rows,
                              SparseLists lists) {
    __real_input_load_images(input, pool, images, rows, lists);
    ends(PHASE_INPUT);
}

LossSum __wrap_loss_forward(Loss *loss, Pool *pool, int rows, const float *z,
                            const uint8_t *labels) {
    const LossSum sum = __real_loss_forward(loss, pool, rows, z, labels);
    ends(PHASE_LOSS);
    return sum;
}

void __wrap_loss_backward(const Loss *loss, Pool *pool, int rows,
                          size_t batch_rows, const float *z,
                          const uint8_t *labels, float *dz) {
    __real_loss_backward(loss, pool, rows, batch_rows, z, labels, dz);
    ends(PHASE_LOSS);
}

/* On any thread. */
void __wrap_optimizer_update(const Optimizer *optimizer, size_t offset,
                             size_t count, float *weight, const float *gradient,
                             bool penalised) {
    if (profile.frozen) return;
    __real_optimizer_update(optimizer, offset, count, weight, gradient,
                            penalised);
}

void __wrap_pool_run(Pool *pool, int n_tasks, PoolTask *task, void *context) {
    if (n_tasks > 1) profile.barriers++;
    __real_pool_run(pool, n_tasks, task, context);
}

/* ==== In front of the layers ============================================ */

static void timed_forward(Layer *layer, const Pass *pass, const float *x,
                          float *y) {
    profile.plain[layer->index]->forward(layer, pass, x, y);
    ends(PHASE_LAYERS + layer->index);
}

static void timed_backward(Layer *layer, const Pass *pass, const float *x,
                           const float *y, const float *dy, float *dx) {
    profile.plain[layer->index]->backward(layer, pass, x, y, dy, dx);
    ends(PHASE_LAYERS + profile.layer_count + layer->index);
}

static void replace_kinds(Network *network) {
    profile.layer_count = network->layer_count;
    for (int i = 0; i < network->layer_count; i++) {
        profile.plain[i] = network->layers[i].kind;
        profile.timed[i] = *profile.plain[i];
        profile.timed[i].forward = timed_forward;
        profile.timed[i].backward = timed_backward;
        network->layers[i].kind = &profile.timed[i];
    }
}

static void restore_kinds(Network *network) {
    for (int i = 0; i < network->layer_count; i++)
        network->layers[i].kind = profile.plain[i];
}

/* ==== Exports =========================================================== */

EXPORT int soma_bench_profile(Trainer *trainer, int steps, int observed,
                              int frozen) {
    Fault fault;
    int done = 0;
    for (int i = 0; i < PHASE_COUNT; i++) profile.ms[i] = 0;
    profile.barriers = 0;
    profile.observed = observed != 0;
    profile.frozen = frozen != 0;
    if (profile.observed) replace_kinds(&trainer->network);
    profile.mark = emscripten_get_now();
    for (; done < steps && !trainer_finished(trainer); done++) {
        if (trainer_step(trainer, &fault) != STATUS_OK) break;
        ends(PHASE_REST);
    }
    if (profile.observed) restore_kinds(&trainer->network);
    profile.observed = profile.frozen = false;
    return done;
}

EXPORT double soma_bench_phase(int phase) {
    return phase >= 0 && phase < PHASE_COUNT ? profile.ms[phase] : 0;
}

EXPORT int soma_bench_barriers(void) { return profile.barriers; }
