#include "nn/schedule.h"

#include "base/scalar.h"

static const double PI = 3.14159265358979323846;

/* From `from` to `to` along half a cosine, as u goes from 0 to 1. */
static double anneal(double from, double to, double u) {
    return to + (from - to) * (1 + scalar_cos(PI * u)) / 2;
}

/* PyTorch's OneCycleLR: the top is reached at step 0.3·T − 1. */
static double one_cycle(double step, double steps) {
    const double start = 1.0 / 25, end = start / 1e4;
    const double top = 0.3 * steps - 1, last = steps - 1;
    if (step <= top) return anneal(start, 1, top > 0 ? step / top : 1);
    return anneal(1, end, last > top ? (step - top) / (last - top) : 1);
}

double schedule_factor(const Schedule *schedule, uint64_t t) {
    const uint64_t total = schedule->total_steps;
    const uint64_t warmup =
        schedule->warmup < total ? schedule->warmup : total - 1;
    if (t >= total) t = total - 1;
    if (t < warmup)
        return (double)(t + 1) / (double)warmup *
               schedule_factor(schedule, warmup);
    const double step = (double)(t - warmup);
    const double steps = (double)(total - warmup);
    const double u = step / steps;
    const double epochs = step / (double)schedule->epoch_steps;
    switch (schedule->kind) {
    case SCHEDULE_STEP:
        return scalar_pow(schedule->gamma,
                          __builtin_floor(epochs / schedule->step_epochs));
    case SCHEDULE_EXPONENTIAL: return scalar_pow(schedule->gamma, epochs);
    case SCHEDULE_LINEAR: return 1 - u;
    case SCHEDULE_COSINE: return anneal(1, 0, u);
    case SCHEDULE_ONE_CYCLE: return one_cycle(step, steps);
    case SCHEDULE_CONSTANT:
    case SCHEDULE_COUNT: break;
    }
    return 1;
}
