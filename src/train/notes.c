/* Which options have no effect beside which others, in words. */
#include "nn/init.h"
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

static const char *schedule_note(ScheduleKind kind, OptionId id) {
    const bool drops = kind == SCHEDULE_STEP;
    if (id == OPTION_GAMMA && !drops && kind != SCHEDULE_EXPONENTIAL)
        return "Only the schedules step and exponential use it.";
    if (id == OPTION_STEP_EPOCHS && !drops)
        return "Only the schedule step uses it.";
    return "";
}

/* Options that wait for another one to be set. */
static const char *dependent_note(const double *value, OptionId id) {
    const LossKind loss = (LossKind)value[OPTION_LOSS];
    const InitKind init = (InitKind)value[OPTION_INIT];
    const bool scaled = init == INIT_CONSTANT || init == INIT_UNIFORM ||
                        init == INIT_NORMAL;
    if (id == OPTION_SMOOTHING && loss != LOSS_CROSS_ENTROPY)
        return "Only the loss cross-entropy uses it.";
    if (id == OPTION_INIT_SCALE && !scaled)
        return "Only the initialisers constant, uniform and normal use it.";
    if (id == OPTION_ELASTIC_SIGMA && value[OPTION_ELASTIC] == 0)
        return "The elastic distortion is off: elastic is 0.";
    if (id == OPTION_MIN_DELTA && value[OPTION_PATIENCE] == 0)
        return "Early stopping is off: patience is 0.";
    const bool judges = id == OPTION_PATIENCE || id == OPTION_TARGET;
    if (judges && value[OPTION_VALIDATION] == 0)
        return "It judges by validation images, and validation is 0.";
    return "";
}

const char *options_note(const Options *options, OptionId id) {
    const double *const value = options->value;
    const char *note =
        optimizer_note((OptimizerKind)value[OPTION_OPTIMIZER], id);
    if (*note == '\0')
        note = schedule_note((ScheduleKind)value[OPTION_SCHEDULE], id);
    return *note == '\0' ? dependent_note(value, id) : note;
}
