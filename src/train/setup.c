#include "train/setup.h"

#include <stdlib.h>

#include "nn/kinds.h"

BatcherSettings setup_batcher(const Options *options) {
    return (BatcherSettings){
        .seed = (uint32_t)options->value[OPTION_SEED],
        .validation = options_count(options, OPTION_VALIDATION),
        .limit = options_count(options, OPTION_LIMIT),
        .batch = options_count(options, OPTION_BATCH),
        .shuffle = options->value[OPTION_SHUFFLE] != 0,
        .drop_last = options->value[OPTION_DROP_LAST] != 0,
    };
}

AugmentSettings setup_augment(const Options *options) {
    const double *const value = options->value;
    return (AugmentSettings){
        .shift = value[OPTION_SHIFT],
        .rotation = value[OPTION_ROTATE],
        .scale = value[OPTION_SCALE],
        .shear = value[OPTION_SHEAR],
        .elastic_alpha = value[OPTION_ELASTIC],
        .elastic_sigma = value[OPTION_ELASTIC_SIGMA],
    };
}

LossSettings setup_loss(const Options *options) {
    return (LossSettings){
        .kind = (LossKind)options->value[OPTION_LOSS],
        .smoothing = options->value[OPTION_SMOOTHING],
        .digit = (int)options->value[OPTION_DIGIT],
    };
}

OptimizerSettings setup_optimizer(const Options *options) {
    const double *const value = options->value;
    const OptimizerKind kind = (OptimizerKind)value[OPTION_OPTIMIZER];
    return (OptimizerSettings){
        .kind = kind,
        .momentum = value[OPTION_MOMENTUM],
        .alpha = value[OPTION_ALPHA],
        .beta1 = value[OPTION_BETA1],
        .beta2 = value[OPTION_BETA2],
        .epsilon = value[OPTION_EPSILON],
        .l1 = value[OPTION_L1],
        .l2 = value[OPTION_L2],
        .decay = kind == OPTIMIZER_ADAMW ? value[OPTION_DECAY] : 0,
    };
}

uint64_t setup_total_steps(const Options *options, uint64_t epoch_steps) {
    const uint64_t all = epoch_steps * (uint64_t)options->value[OPTION_EPOCHS];
    const uint64_t limit = (uint64_t)options->value[OPTION_STEPS];
    return limit > 0 && limit < all ? limit : all;
}

Schedule setup_schedule(const Options *options, uint64_t epoch_steps) {
    const double *const value = options->value;
    return (Schedule){
        .kind = (ScheduleKind)value[OPTION_SCHEDULE],
        .gamma = value[OPTION_GAMMA],
        .step_epochs = value[OPTION_STEP_EPOCHS],
        .warmup = (uint64_t)(value[OPTION_WARMUP] * (double)epoch_steps),
        .total_steps = setup_total_steps(options, epoch_steps),
        .epoch_steps = epoch_steps,
    };
}

/* ==== Do they go together? ============================================== */

/* Ten outputs, or one where the loss can work with it. */
static Status check_outputs(const Network *network, LossKind loss,
                            Fault *fault) {
    const size_t outputs = shape_size(network_out(network));
    if (loss == LOSS_BINARY && outputs != 1)
        return fault_set(fault, STATUS_BAD_SHAPE, "net",
                         "loss=binary wants one output, not %zu; end the "
                         "network with \"dense 1\".",
                         outputs);
    if (outputs == CLASS_COUNT) return STATUS_OK;
    if (outputs == 1 && loss != LOSS_CROSS_ENTROPY) return STATUS_OK;
    return fault_set(fault, STATUS_BAD_SHAPE, "net",
                     "The last layer must have %d outputs, one for each "
                     "digit, not %zu; end with \"dense %d\".",
                     CLASS_COUNT, outputs, CLASS_COUNT);
}

/* The last layer must suit the loss. */
static Status check_last(const Network *network, LossKind loss, Fault *fault) {
    const Layer *const last = &network->layers[network->layer_count - 1];
    if (loss == LOSS_CROSS_ENTROPY && last->kind == &layer_softmax)
        return fault_set(fault, STATUS_BAD_COMBINATION, "net",
                         "loss=cross-entropy has the softmax built in; remove "
                         "the softmax layer, or choose loss=mse.");
    if (loss == LOSS_PERCEPTRON && last->kind != &layer_step)
        return fault_set(fault, STATUS_BAD_COMBINATION, "loss",
                         "loss=perceptron trains a single layer of step "
                         "neurons: write net=dense 10, step.");
    return STATUS_OK;
}

/* step has no derivative: only as the perceptron's last layer, right behind
 * the only weights. */
static Status check_steps(const Network *network, LossKind loss,
                          Fault *fault) {
    int weighted = 0;
    for (int i = 0; i < network->layer_count; i++) {
        const Layer *const layer = &network->layers[i];
        const bool last = i == network->layer_count - 1;
        weighted += layer->parameter_count > 0;
        if (layer->kind != &layer_step) continue;
        if (loss == LOSS_PERCEPTRON && last && weighted <= 1) continue;
        return fault_set(fault, STATUS_BAD_COMBINATION, "net",
                         "Layer %d: step has no derivative, so nothing in "
                         "front of it can learn; it works only in \"dense 10, "
                         "step\" with loss=perceptron.",
                         i + 1);
    }
    return STATUS_OK;
}

Status setup_network(const Options *options, Network *network, Fault *fault) {
    const Shape image = {1, IMAGE_SIDE, IMAGE_SIDE};
    const LossKind loss = (LossKind)options->value[OPTION_LOSS];
    TRY(network_parse(network, options->net, image, fault));
    TRY(check_outputs(network, loss, fault));
    TRY(check_last(network, loss, fault));
    TRY(check_steps(network, loss, fault));
    if (network->needs_whole_batch &&
        options_count(options, OPTION_BATCH) > BATCHER_ROWS_MAX)
        return fault_set(fault, STATUS_BAD_COMBINATION, "batch",
                         "Batch normalisation sees the whole batch at once; "
                         "with it batch may be at most %d.",
                         BATCHER_ROWS_MAX);
    return STATUS_OK;
}

Status setup_check(const Options *options, Fault *fault) {
    Network *const network = malloc(sizeof *network);
    if (network == NULL)
        return fault_set(fault, STATUS_OUT_OF_MEMORY, "net", "%s",
                         status_sentence(STATUS_OUT_OF_MEMORY));
    const Status status = setup_network(options, network, fault);
    free(network);
    return status;
}
