/* Which options have no effect beside which others, in words.
 *
 * An option gets a note when no value of it can change the run, whatever the
 * data. The reason is always a setting that is fixed for the whole run: what
 * may change on the way, such as lr=0, leaves the others in force. */
#include <stdlib.h>

#include "nn/init.h"
#include "nn/kinds.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "train/options.h"

static bool is_adam(OptimizerKind kind) {
    return kind == OPTIMIZER_ADAM || kind == OPTIMIZER_ADAMW;
}

static const char *optimizer_note(OptimizerKind kind, OptionId id) {
    switch (id) {
    case OPTION_MOMENTUM:
        if (kind != OPTIMIZER_MOMENTUM && kind != OPTIMIZER_NESTEROV)
            return "Only the optimisers momentum and nesterov use it.";
        break;
    case OPTION_BETA1:
    case OPTION_BETA2:
        if (!is_adam(kind)) return "Only the optimisers adam and adamw use it.";
        break;
    case OPTION_ALPHA:
        if (kind != OPTIMIZER_RMSPROP) {
            return "Only the optimiser rmsprop uses it.";
        }
        break;
    case OPTION_EPSILON:
        if (!is_adam(kind) && kind != OPTIMIZER_RMSPROP)
            return "Only the optimisers rmsprop, adam and adamw use it.";
        break;
    case OPTION_DECAY:
        if (kind != OPTIMIZER_ADAMW) return "Only the optimiser adamw uses it.";
        break;
    default: break;
    }
    return "";
}

static const char *schedule_note(const double *value, OptionId id) {
    const ScheduleKind kind = (ScheduleKind)value[OPTION_SCHEDULE];
    const bool drops = kind == SCHEDULE_STEP;
    if (id == OPTION_GAMMA && !drops && kind != SCHEDULE_EXPONENTIAL)
        return "Only the schedules step and exponential use it.";
    if (id == OPTION_STEP_EPOCHS && !drops)
        return "Only the schedule step uses it.";
    if (id == OPTION_STEP_EPOCHS && value[OPTION_GAMMA] == 1)
        return "The drops do not lower the rate: gamma is 1.";
    return "";
}

/* Options that ask the validation images. */
static const char *judging_note(const double *value, OptionId id) {
    const bool stops_early = id == OPTION_PATIENCE || id == OPTION_MIN_DELTA;
    if (id == OPTION_MIN_DELTA && value[OPTION_PATIENCE] == 0)
        return "Early stopping is off: patience is 0.";
    if ((stops_early || id == OPTION_TARGET) && value[OPTION_VALIDATION] == 0)
        return "It judges by validation images, and validation is 0.";
    return "";
}

/* Does the initialiser take init-scale? */
static bool is_scaled(InitKind kind) {
    return kind == INIT_CONSTANT || kind == INIT_UNIFORM ||
           kind == INIT_NORMAL;
}

/* Options that wait for another one to be set. */
static const char *dependent_note(const double *value, OptionId id) {
    const LossKind loss = (LossKind)value[OPTION_LOSS];
    if (id == OPTION_SMOOTHING && loss != LOSS_CROSS_ENTROPY)
        return "Only the loss cross-entropy uses it.";
    if (id == OPTION_INIT_SCALE && !is_scaled((InitKind)value[OPTION_INIT]))
        return "Only the initialisers constant, uniform and normal use it.";
    if (id == OPTION_ELASTIC_SIGMA && value[OPTION_ELASTIC] == 0)
        return "The elastic distortion is off: elastic is 0.";
    if (id == OPTION_DROP_LAST && value[OPTION_BATCH] == 1)
        return "No batch is smaller than the others: batch is 1.";
    return judging_note(value, id);
}

/* ==== Options that depend on the network ================================ */

static const char *digit_note(const Network *network) {
    if (shape_size(network_out(network)) != CLASS_COUNT) return "";
    return "Only a single output uses it; this network has one for each "
           "digit.";
}

/* Do the values alone ask for random numbers? */
static bool values_draw(const double *value) {
    static const OptionId drawing[] = {OPTION_SHUFFLE, OPTION_VALIDATION,
                                       OPTION_SHIFT,   OPTION_ROTATE,
                                       OPTION_SCALE,   OPTION_SHEAR,
                                       OPTION_ELASTIC};
    for (size_t i = 0; i < sizeof drawing / sizeof drawing[0]; i++)
        if (value[drawing[i]] != 0) return true;
    const InitKind init = (InitKind)value[OPTION_INIT];
    return init != INIT_ZEROS && init != INIT_CONSTANT;
}

static const char *seed_note(const Network *network, const double *value) {
    if (values_draw(value)) return "";
    for (int i = 0; i < network->layer_count; i++)
        if (network->layers[i].kind == &layer_dropout) return "";
    return "Nothing in this run is drawn at random.";
}

static const char *network_note(const Options *options, OptionId id) {
    const Shape image = {1, IMAGE_SIDE, IMAGE_SIDE};
    Fault fault;
    const char *note = "";
    if (id != OPTION_DIGIT && id != OPTION_SEED) return note;
    /* Too large for the small stack of a page. */
    Network *const network = malloc(sizeof *network);
    if (network == NULL) return note;
    if (network_parse(network, options->net, image, &fault) == STATUS_OK)
        note = id == OPTION_DIGIT ? digit_note(network)
                                  : seed_note(network, options->value);
    free(network);
    return note;
}

const char *options_note(const Options *options, OptionId id) {
    const double *const value = options->value;
    const char *note =
        optimizer_note((OptimizerKind)value[OPTION_OPTIMIZER], id);
    if (*note == '\0') note = schedule_note(value, id);
    if (*note == '\0') note = dependent_note(value, id);
    return *note == '\0' ? network_note(options, id) : note;
}
