#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/init.h"

/* Rows of a pass at most, and at least, so that evaluation runs well when
 * training takes one image at a time. */
enum { ROWS_MAX = BATCHER_ROWS_MAX, ROWS_MIN = 256 };

/* Steps between snapshots: a copy of the weights costs about one step. */
enum { SNAPSHOT_STEPS = 256 };

/* A mean loss beyond this has diverged for good, though Adam can go on with it
 * for ever: guessing costs 2.3. */
static const double DIVERGED_LOSS = 1e9;

/* ==== Making ============================================================ */

Status trainer_check(const Options *options, Fault *fault) {
    Network *const network = malloc(sizeof *network);
    if (network == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "net", "%s",
                         status_sentence(STATUS_OUT_OF_MEMORY));
    const Shape image = {1, IMAGE_SIDE, IMAGE_SIDE};
    Status status = network_parse(network, options->net, image, fault);
    if (status == STATUS_OK) {
        const size_t outputs = shape_size(network_out(network));
        if (outputs != CLASS_COUNT)
            status = fault_set(fault, STATUS_BAD_SHAPE, "net",
                               "The last layer must have %d outputs, one for "
                               "each digit, not %zu; end with \"dense %d\".",
                               CLASS_COUNT, outputs, CLASS_COUNT);
    }
    free(network);
    return status;
}

static BatcherSettings batcher_settings(const Options *options) {
    return (BatcherSettings){
        .seed = (uint32_t)options->value[OPTION_SEED],
        .validation = options_count(options, OPTION_VALIDATION),
        .limit = options_count(options, OPTION_LIMIT),
        .batch = options_count(options, OPTION_BATCH),
        .shuffle = options->value[OPTION_SHUFFLE] != 0,
        .drop_last = options->value[OPTION_DROP_LAST] != 0,
    };
}

OptimizerSettings trainer_optimizer_settings(const Options *options) {
    const double *const value = options->value;
    return (OptimizerSettings){
        .kind = (OptimizerKind)value[OPTION_OPTIMIZER],
        .momentum = value[OPTION_MOMENTUM],
        .alpha = value[OPTION_ALPHA],
        .beta1 = value[OPTION_BETA1],
        .beta2 = value[OPTION_BETA2],
        .epsilon = value[OPTION_EPSILON],
        .l2 = value[OPTION_L2],
    };
}

/* Arrays for the largest set. */
static void bind_evaluation(Trainer *trainer, Arena *arena) {
    size_t most = 0;
    for (int role = ROLE_TRAIN; role <= ROLE_TEST; role++)
        most = size_max(most,
                        batcher_count(&trainer->batcher, (BatchRole)role));
    trainer->evaluation.predicted = arena_alloc(arena, most, 1);
    trainer->evaluation.probabilities =
        arena_alloc(arena, most, CLASS_COUNT * sizeof(float));
}

static void bind_snapshot(Trainer *trainer, Arena *arena) {
    const size_t size = trainer->network.flat_size;
    trainer->snapshot.parameters = arena_floats(arena, size);
    for (int i = 0; i < optimizer_slots(trainer->optimizer.settings.kind); i++)
        trainer->snapshot.slot[i] = arena_floats(arena, size);
}

/* Lay everything out; runs once to measure and once to bind. */
static Status trainer_bind(Trainer *trainer, Arena *arena, Fault *fault) {
    const Options *const options = &trainer->options;
    const BatcherSettings batches = batcher_settings(options);
    const OptimizerSettings optimizer = trainer_optimizer_settings(options);
    const LossSettings loss = {.kind = (LossKind)options->value[OPTION_LOSS]};
    const int rows =
        int_max(ROWS_MIN, (int)size_min(batches.batch, ROWS_MAX));
    TRY(batcher_bind(&trainer->batcher, arena, trainer->dataset, &batches,
                     fault));
    network_bind(&trainer->network, arena, rows, pool_threads(trainer->pool),
                 (InputScaling)options->value[OPTION_INPUT]);
    loss_bind(&trainer->loss, arena, &loss, rows, CLASS_COUNT);
    optimizer_bind(&trainer->optimizer, arena, &optimizer,
                   trainer->network.flat_size);
    bind_snapshot(trainer, arena);
    bind_evaluation(trainer, arena);
    return STATUS_OK;
}

/* Measure, allocate, bind. */
static Status allocate(Trainer *trainer, Fault *fault) {
    Arena measure = arena_measure();
    TRY(trainer_bind(trainer, &measure, fault));
    const size_t bytes = measure.used;
    if (!measure.overflowed)
        trainer->block = aligned_alloc(CACHE_LINE,
                                       size_round_up(bytes, CACHE_LINE));
    if (trainer->block == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "net",
                         "This run needs %.0f MB of memory, more than there "
                         "is; use fewer units or a smaller batch.",
                         (double)bytes / 1e6);
    trainer->arena = arena_bind(trainer->block, bytes);
    TRY(trainer_bind(trainer, &trainer->arena, fault));
    assert(trainer->arena.used == bytes);
    arena_seal(&trainer->arena);
    return STATUS_OK;
}

/* Everything that trainer_create does once the struct is there. */
static Status build(Trainer *trainer, const char *run, Fault *fault) {
    const Shape image = {1, IMAGE_SIDE, IMAGE_SIDE};
    trainer->options = options_default();
    TRY(options_read(&trainer->options, run, fault));
    TRY(trainer_check(&trainer->options, fault));
    TRY(network_parse(&trainer->network, trainer->options.net, image, fault));
    TRY(allocate(trainer, fault));
    init_network(&trainer->network,
                 (InitKind)trainer->options.value[OPTION_INIT],
                 trainer->options.value[OPTION_INIT_SCALE],
                 (uint32_t)trainer->options.value[OPTION_SEED]);
    return STATUS_OK;
}

Status trainer_create(Dataset *dataset, Pool *pool, const char *run,
                      Trainer **out, Fault *fault) {
    *out = NULL;
    Trainer *const trainer = calloc(1, sizeof *trainer);
    if (trainer == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "", "%s",
                         status_sentence(STATUS_OUT_OF_MEMORY));
    trainer->dataset = dataset;
    trainer->pool = pool;
    const Status status = build(trainer, run, fault);
    if (status != STATUS_OK) {
        trainer_destroy(trainer);
        return status;
    }
    *out = trainer;
    return STATUS_OK;
}

void trainer_destroy(Trainer *trainer) {
    if (trainer == NULL) return;
    arena_release(&trainer->arena);
    free(trainer->block);
    free(trainer);
}

/* ==== Settings ========================================================== */

Status trainer_set(Trainer *trainer, const char *key, const char *value,
                   Fault *fault) {
    const OptionId id = option_find(key, strlen(key));
    if (id != OPTION_COUNT && !option_row(id)->live)
        return fault_set(fault, STATUS_BAD_COMBINATION, key,
                         "%s cannot change during a run; start a new one.",
                         key);
    TRY(options_set(&trainer->options, key, strlen(key), value, strlen(value),
                    fault));
    trainer->optimizer.settings = trainer_optimizer_settings(&trainer->options);
    return STATUS_OK;
}

uint64_t trainer_epoch_steps(const Trainer *trainer) {
    return batcher_epoch_batches(&trainer->batcher);
}

uint64_t trainer_total_steps(const Trainer *trainer) {
    return trainer_epoch_steps(trainer) *
           (uint64_t)trainer->options.value[OPTION_EPOCHS];
}

bool trainer_finished(const Trainer *trainer) {
    return trainer->step >= trainer_total_steps(trainer);
}

void trainer_mark(Trainer *trainer) { trainer->mean = (Metrics){0}; }

/* ==== Snapshots ========================================================= */

/* Copy between the trainer and its snapshot. */
static void copy_weights(Trainer *trainer, bool to_snapshot) {
    const size_t bytes = trainer->network.flat_size * sizeof(float);
    float *const inside[] = {trainer->network.parameters,
                             trainer->optimizer.slot[0],
                             trainer->optimizer.slot[1]};
    float *const kept[] = {trainer->snapshot.parameters,
                           trainer->snapshot.slot[0],
                           trainer->snapshot.slot[1]};
    for (int i = 0; i < 1 + OPTIMIZER_SLOTS_MAX; i++)
        if (inside[i] != NULL)
            memcpy(to_snapshot ? kept[i] : inside[i],
                   to_snapshot ? inside[i] : kept[i], bytes);
}

/* Keep the state before this step; its loss has just come out finite. */
static void take_snapshot(Trainer *trainer, BatcherPosition position) {
    Snapshot *const snapshot = &trainer->snapshot;
    copy_weights(trainer, true);
    snapshot->taken = true;
    snapshot->step = trainer->step;
    snapshot->position = position;
    snapshot->power1 = trainer->optimizer.power1;
    snapshot->power2 = trainer->optimizer.power2;
}

Status trainer_restore(Trainer *trainer, Fault *fault) {
    const Snapshot *const snapshot = &trainer->snapshot;
    if (!snapshot->taken)
        return fault_set(fault, STATUS_NO_SNAPSHOT, "", "%s",
                         status_sentence(STATUS_NO_SNAPSHOT));
    TRY(batcher_seek(&trainer->batcher, snapshot->position, fault));
    copy_weights(trainer, false);
    trainer->step = snapshot->step;
    trainer->optimizer.power1 = snapshot->power1;
    trainer->optimizer.power2 = snapshot->power2;
    trainer->stop = (Fault){0};
    trainer_mark(trainer);
    return STATUS_OK;
}

/* ==== One step ========================================================== */

/* Which parameter holds element `offset` of the flat vectors. */
static const Parameter *parameter_at(const Network *network, size_t offset) {
    int i = 0;
    while (i + 1 < network->parameter_count &&
           network_parameter(network, i + 1)->offset <= offset)
        i++;
    return network_parameter(network, i);
}

/* A range of gradients is complete: make the step there while it is warm. */
static void update_range(void *context, size_t offset, size_t count) {
    Trainer *const trainer = context;
    const Network *const network = &trainer->network;
    optimizer_update(&trainer->optimizer, offset, count,
                     network->parameters + offset, network->gradients + offset,
                     parameter_at(network, offset)->role == PARAMETER_WEIGHT);
}

/* Stop the run: say where the first value that is not finite was seen. */
static Status stop_diverged(Trainer *trainer, int rows, double loss,
                            Fault *fault) {
    const Network *const network = &trainer->network;
    const unsigned long long step = trainer->step + 1;
    const int layer = network_find_not_finite(network, rows);
    char place[64], what[160], name[64];
    snprintf(place, sizeof place, "step %llu", step);
    if (layer >= 0) {
        layer_print(&network->layers[layer], name, sizeof name);
        snprintf(what, sizeof what,
                 "is no longer a finite number (first seen in layer %d, %s)",
                 layer + 1, name);
    } else {
        snprintf(what, sizeof what, "has grown to %.3g", loss);
    }
    fault_set(&trainer->stop, STATUS_NOT_FINITE, place,
              "Training stopped at step %llu: the loss %s. Try a smaller "
              "learning rate than %.10g.",
              step, what, trainer->options.value[OPTION_LR]);
    *fault = trainer->stop;
    return STATUS_NOT_FINITE;
}

static Pass training_pass(Trainer *trainer, const Batch *batch) {
    return (Pass){
        .pool = trainer->pool,
        .rows = batch->rows,
        .training = true,
        .seed = (uint32_t)trainer->options.value[OPTION_SEED],
        .step = trainer->step,
        .first_row = batch->batch_row,
        .accumulate = batch->batch_row > 0,
        .ready = batch->ends_batch ? update_range : NULL,
        .ready_context = trainer,
    };
}

/* The batch's mean so far; the last chunk completes it. */
static void record(Trainer *trainer, const Batch *batch, LossSum sum) {
    if (batch->batch_row == 0) trainer->batch = (Metrics){0};
    metrics_add(&trainer->batch, sum, batch->rows);
    metrics_add(&trainer->mean, sum, batch->rows);
}

/* Forward, loss, backward over one chunk of the batch. With the last chunk the
 * layers announce their gradients, and update_range makes the step. */
static Status learn_chunk(Trainer *trainer, const Batch *batch,
                          BatcherPosition before, Fault *fault) {
    Network *const network = &trainer->network;
    Pass pass = training_pass(trainer, batch);
    input_load_bytes(&network->input, trainer->pool, batch->pixels,
                     batch->rows);
    const float *const z = network_forward(network, &pass);
    const LossSum sum = loss_forward(&trainer->loss, trainer->pool,
                                     batch->rows, z, batch->labels);
    const double loss = sum.loss / batch->rows;
    if (!(loss < DIVERGED_LOSS))
        return stop_diverged(trainer, batch->rows, loss, fault);
    record(trainer, batch, sum);
    if (batch->ends_batch && trainer->step % SNAPSHOT_STEPS == 0)
        take_snapshot(trainer, before);
    if (batch->ends_batch)
        optimizer_begin(&trainer->optimizer, trainer->learning_rate, 1);
    loss_backward(&trainer->loss, trainer->pool, batch->rows,
                  batch->batch_rows, z, batch->labels,
                  network_error(network));
    network_backward(network, &pass);
    return STATUS_OK;
}

Status trainer_step(Trainer *trainer, Fault *fault) {
    assert(!trainer_finished(trainer));
    if (trainer->stop.code != STATUS_OK) {
        *fault = trainer->stop;
        return trainer->stop.code;
    }
    const BatcherPosition before = batcher_position(&trainer->batcher);
    trainer->learning_rate = trainer->options.value[OPTION_LR];
    Batch batch = {0};
    while (!batch.ends_batch) {
        const Status status = batcher_next(
            &trainer->batcher, trainer->network.max_rows, &batch);
        if (status != STATUS_OK)
            return fault_set(fault, status, "", "%s", status_sentence(status));
        TRY(learn_chunk(trainer, &batch, before, fault));
    }
    trainer->step++;
    return STATUS_OK;
}
