/* Learning-rate schedules: how η changes over a run.
 *
 * A schedule is a factor on the learning rate as a function of the step alone,
 * t = 0 .. T-1 of T steps, so that the curve can be drawn before the run.
 * During the first W steps (warm-up) the rate climbs in a straight line,
 * (t+1)/W of the schedule's own first value; the schedule then runs over the
 * T − W steps that are left, u = (t − W)/(T − W) from 0 up to just below 1.
 *
 *   constant      1
 *   step          γ^floor(epochs done / step-epochs)
 *   exponential   γ^(epochs done), smoothly: γ^((t − W)/steps per epoch)
 *   linear        1 − u
 *   cosine        (1 + cos πu)/2
 *   one-cycle     from 1/25 up to 1 on a cosine over the first 30 %, then down
 *                 to 1/250,000 (Smith and Topin 2018)
 *
 * These are PyTorch's StepLR, ExponentialLR, LinearLR, CosineAnnealingLR and
 * OneCycleLR (without its momentum cycle), stepped after every batch.
 */
#ifndef SOMA_NN_SCHEDULE_H
#define SOMA_NN_SCHEDULE_H

#include "base/types.h"

/* In the order of the choices of the option `schedule`. */
typedef enum ScheduleKind {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,
    SCHEDULE_EXPONENTIAL,
    SCHEDULE_LINEAR,
    SCHEDULE_COSINE,
    SCHEDULE_ONE_CYCLE,
    SCHEDULE_COUNT
} ScheduleKind;

typedef struct Schedule {
    ScheduleKind kind;
    double gamma;         /* of step and exponential, per drop or epoch */
    double step_epochs;   /* of step: epochs between drops */
    uint64_t warmup;      /* W */
    uint64_t total_steps; /* T >= 1 */
    uint64_t epoch_steps; /* >= 1 */
} Schedule;

/* The factor at step t; steps past the end keep the last value. The same bits
 * on every machine. */
double schedule_factor(const Schedule *schedule, uint64_t t);

#endif
