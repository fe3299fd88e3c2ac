#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "nn/init.h"
#include "train/setup.h"

/* Rows of a pass at most, and at least, so that evaluation runs well when
 * training takes one image at a time. */
enum { ROWS_MAX = BATCHER_ROWS_MAX, ROWS_MIN = 256 };

/* Steps between snapshots: a copy of the weights costs about one step. */
enum { SNAPSHOT_STEPS = 256 };

/* A mean loss beyond this has diverged for good, though Adam can go on with it
 * for ever: guessing costs 2.3. */
static const double DIVERGED_LOSS = 1e9;

/* ==== Making ============================================================ */

/* Arrays for the largest set. */
static void bind_evaluation(Trainer *trainer, Arena *arena) {
    size_t most = 0;
    for (int role = ROLE_TRAIN; role <= ROLE_TEST; role++)
        most =
            size_max(most, batcher_count(&trainer->batcher, (BatchRole)role));
    trainer->evaluation.predicted = arena_alloc(arena, most, 1);
    trainer->evaluation.probabilities =
        arena_alloc(arena, most, CLASS_COUNT * sizeof(float));
}

/* Lay everything out; runs once to measure and once to bind. */
static Status trainer_bind(Trainer *trainer, Arena *arena, Fault *fault) {
    const Options *const options = &trainer->options;
    const BatcherSettings batches = setup_batcher(options);
    const AugmentSettings distortions = setup_augment(options);
    const LossSettings loss = setup_loss(options);
    const OptimizerSettings optimizer = setup_optimizer(options);
    Network *const network = &trainer->network;
    const int rows = int_max(ROWS_MIN, (int)size_min(batches.batch, ROWS_MAX));
    TRY(batcher_bind(&trainer->batcher, arena, trainer->dataset, &batches,
                     fault));
    augmenter_bind(&trainer->augmenter, arena, &distortions, batches.seed);
    network_bind(network, arena, rows, pool_threads(trainer->pool),
                 (InputScaling)options->value[OPTION_INPUT]);
    loss_bind(&trainer->loss, arena, &loss, rows,
              (int)shape_size(network_out(network)));
    optimizer_bind(&trainer->optimizer, arena, &optimizer, network->flat_size);
    snapshot_bind(&trainer->finite, arena, network, &trainer->optimizer);
    if (options->value[OPTION_PATIENCE] > 0)
        snapshot_bind(&trainer->best, arena, network, &trainer->optimizer);
    bind_evaluation(trainer, arena);
    return STATUS_OK;
}

/* Measure, allocate, bind. */
static Status allocate(Trainer *trainer, Fault *fault) {
    Arena measure = arena_measure();
    TRY(trainer_bind(trainer, &measure, fault));
    const size_t bytes = measure.used;
    if (!measure.overflowed)
        trainer->block =
            aligned_alloc(CACHE_LINE, size_round_up(bytes, CACHE_LINE));
    if (trainer->block == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "net",
                         "This run needs %zu MB of memory, more than there "
                         "is; use fewer units or a smaller batch.",
                         bytes / 1000000);
    trainer->arena = arena_bind(trainer->block, bytes);
    TRY(trainer_bind(trainer, &trainer->arena, fault));
    assert(trainer->arena.used == bytes);
    arena_seal(&trainer->arena);
    return STATUS_OK;
}

/* Everything that trainer_create does once the struct is there. */
static Status build(Trainer *trainer, const char *run, Fault *fault) {
    Options *const options = &trainer->options;
    *options = options_default();
    TRY(options_read(options, run, fault));
    TRY(setup_network(options, &trainer->network, fault));
    TRY(allocate(trainer, fault));
    init_network(&trainer->network, (InitKind)options->value[OPTION_INIT],
                 options->value[OPTION_INIT_SCALE],
                 (uint32_t)options->value[OPTION_SEED]);
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
    trainer->optimizer.settings = setup_optimizer(&trainer->options);
    return STATUS_OK;
}

uint64_t trainer_epoch_steps(const Trainer *trainer) {
    return batcher_epoch_batches(&trainer->batcher);
}

uint64_t trainer_total_steps(const Trainer *trainer) {
    return setup_total_steps(&trainer->options, trainer_epoch_steps(trainer));
}

bool trainer_finished(const Trainer *trainer) {
    return trainer->ended_early ||
           trainer->step >= trainer_total_steps(trainer);
}

double trainer_rate(const Trainer *trainer, uint64_t step) {
    const Schedule schedule =
        setup_schedule(&trainer->options, trainer_epoch_steps(trainer));
    return trainer->options.value[OPTION_LR] * schedule_factor(&schedule, step);
}

void trainer_mark(Trainer *trainer) { trainer->mean = (Metrics){0}; }

Status trainer_return_to(Trainer *trainer, const Snapshot *snapshot,
                         Fault *fault) {
    if (!snapshot->taken)
        return fault_set(fault, STATUS_NO_SNAPSHOT, "", "%s",
                         status_sentence(STATUS_NO_SNAPSHOT));
    TRY(batcher_seek(&trainer->batcher, snapshot->position, fault));
    snapshot_restore(snapshot, &trainer->network, &trainer->optimizer);
    trainer->step = snapshot->step;
    trainer->stop = (Fault){0};
    trainer_mark(trainer);
    return STATUS_OK;
}

Status trainer_restore(Trainer *trainer, Fault *fault) {
    return trainer_return_to(trainer, &trainer->finite, fault);
}

/* ==== One step ========================================================== */

/* Stop the run: say where the first value that is not finite was seen. */
static Status stop_diverged(Trainer *trainer, int rows, double loss,
                            Fault *fault) {
    const Network *const network = &trainer->network;
    const unsigned long long step = trainer->step + 1;
    const int layer = network_find_not_finite(network, rows);
    char place[64], what[160], name[64];
    text_format(place, sizeof place, "step %llu", step);
    if (layer >= 0) {
        layer_print(&network->layers[layer], name, sizeof name);
        text_format(what, sizeof what,
                    "is no longer a finite number (first seen in layer %d, %s)",
                    layer + 1, name);
    } else {
        text_format(what, sizeof what, "has grown to %.3g", loss);
    }
    fault_set(&trainer->stop, STATUS_NOT_FINITE, place,
              "Training stopped at step %llu: the loss %s. Try a smaller "
              "learning rate than %.10g.",
              step, what, trainer->options.value[OPTION_LR]);
    *fault = trainer->stop;
    return STATUS_NOT_FINITE;
}

/* What was listed ahead is of no use when images have been overwritten. */
static void forget_old_images(Trainer *trainer) {
    const uint32_t writes = trainer->dataset->writes;
    if (writes != trainer->seen_writes)
        input_expect(&trainer->network.input, NULL, 0);
    trainer->seen_writes = writes;
}

/* The next chunk of the batch, distorted if the run asks for it. */
static Status next_chunk(Trainer *trainer, Batch *batch, Fault *fault) {
    const Status status =
        batcher_next(&trainer->batcher, trainer->network.max_rows, batch);
    if (status != STATUS_OK)
        return fault_set(fault, status, "", "%s", status_sentence(status));
    augmenter_apply(&trainer->augmenter, trainer->pool, batch);
    return STATUS_OK;
}

/* Tell the input stage which rows come after these, so that a helper with
 * nothing to do can begin with them. */
static void expect_next(Trainer *trainer) {
    const Image *const *images = NULL;
    if (pool_threads(trainer->pool) == 1 || trainer->augmenter.active) return;
    const int rows =
        batcher_peek(&trainer->batcher, trainer->network.max_rows, &images);
    input_expect(&trainer->network.input, images, rows);
}

static LossSum forward(Trainer *trainer, Pass *pass, const Batch *batch) {
    Network *const network = &trainer->network;
    pool_settle(trainer->pool);
    input_load_images(&network->input, trainer->pool, batch->images,
                      batch->rows, SPARSE_BOTH);
    expect_next(trainer);
    const float *const z = network_forward(network, pass);
    return loss_forward(&trainer->loss, trainer->pool, batch->rows, z,
                        batch->labels);
}

static void backward(Trainer *trainer, Pass *pass, const Batch *batch) {
    Network *const network = &trainer->network;
    loss_backward(&trainer->loss, trainer->pool, batch->rows, batch->batch_rows,
                  network_result(network), batch->labels,
                  network_error(network));
    network_backward(network, pass);
}

static void record(Trainer *trainer, const Batch *batch, LossSum sum) {
    if (batch->batch_row == 0) trainer->batch = (Metrics){0};
    metrics_add(&trainer->batch, sum, batch->rows);
    metrics_add(&trainer->mean, sum, batch->rows);
}

/* Before the batch's last backward pass: its loss is known and the weights
 * are still those that gave it. */
static void open_update(Trainer *trainer, const Update *update, Pass *pass,
                        BatcherPosition before) {
    if (trainer->step % SNAPSHOT_STEPS == 0)
        snapshot_take(&trainer->finite, &trainer->network, &trainer->optimizer,
                      trainer->step, before);
    if (!update_is_fused(update)) return;
    optimizer_begin(&trainer->optimizer, trainer->learning_rate, 1);
    pass->ready = update_ready;
    pass->ready_context = (void *)(uintptr_t)update;
    pass->plain_step = optimizer_plain_step(&trainer->optimizer);
}

static Status step(Trainer *trainer, Fault *fault) {
    const BatcherPosition before = batcher_position(&trainer->batcher);
    const Update update = {
        .network = &trainer->network,
        .optimizer = &trainer->optimizer,
        .pool = trainer->pool,
        .clip = trainer->options.value[OPTION_CLIP],
        .max_norm = trainer->options.value[OPTION_MAX_NORM],
    };
    trainer->learning_rate = trainer_rate(trainer, trainer->step);
    Batch batch = {0};
    while (!batch.ends_batch) {
        TRY(next_chunk(trainer, &batch, fault));
        Pass pass = trainer_pass(trainer, batch.rows, batch.batch_row);
        pass.observing = true;
        const LossSum sum = forward(trainer, &pass, &batch);
        const double loss = sum.loss / batch.rows;
        if (!(loss < DIVERGED_LOSS))
            return stop_diverged(trainer, batch.rows, loss, fault);
        if (batch.ends_batch) open_update(trainer, &update, &pass, before);
        backward(trainer, &pass, &batch);
        record(trainer, &batch, sum);
    }
    update_finish(&update, trainer->learning_rate);
    trainer->step++;
    return STATUS_OK;
}

Status trainer_step(Trainer *trainer, Fault *fault) {
    assert(!trainer_finished(trainer));
    if (trainer->stop.code != STATUS_OK) {
        *fault = trainer->stop;
        return trainer->stop.code;
    }
    forget_old_images(trainer);
    const Status status = step(trainer, fault);
    pool_settle(trainer->pool);
    return status;
}

Pass trainer_pass(const Trainer *trainer, int rows, size_t first_row) {
    return (Pass){
        .pool = trainer->pool,
        .rows = rows,
        .training = true,
        .seed = (uint32_t)trainer->options.value[OPTION_SEED],
        .step = trainer->step,
        .first_row = first_row,
        .accumulate = first_row > 0,
    };
}

/* ==== Stopping early ==================================================== */

/* Is this validation loss better than the best so far, by enough? */
static bool is_better(const Trainer *trainer, double loss) {
    return !trainer->best.taken ||
           loss < trainer->best_loss - trainer->options.value[OPTION_MIN_DELTA];
}

bool trainer_judge(Trainer *trainer) {
    const Metrics *const metrics = &trainer->evaluation.metrics;
    const double *const value = trainer->options.value;
    if (trainer->evaluation.role != ROLE_VALIDATION || metrics->rows == 0)
        return trainer->ended_early;
    if (value[OPTION_TARGET] > 0 &&
        metrics_accuracy(metrics) >= value[OPTION_TARGET])
        trainer->ended_early = true;
    if (value[OPTION_PATIENCE] == 0) return trainer->ended_early;
    if (is_better(trainer, metrics_loss(metrics))) {
        trainer->best_loss = metrics_loss(metrics);
        trainer->epochs_without_better = 0;
        snapshot_take(&trainer->best, &trainer->network, &trainer->optimizer,
                      trainer->step, batcher_position(&trainer->batcher));
    } else {
        trainer->epochs_without_better++;
    }
    if (trainer->epochs_without_better < value[OPTION_PATIENCE] &&
        !trainer_finished(trainer))
        return false;
    trainer->ended_early = true;
    Fault fault;
    trainer_return_to(trainer, &trainer->best, &fault);
    return true;
}
