/* The update: from gradients to new weights, for a whole network.
 *
 * Normally each range of weights takes its step the moment its gradient is
 * complete, on the thread that completed it, while both are in its cache:
 * `update_ready` is the GradientReady of the pass. Clipping needs the length
 * of the whole gradient first, so then the step waits until backward is done.
 */
#ifndef SOMA_TRAIN_UPDATE_H
#define SOMA_TRAIN_UPDATE_H

#include "nn/network.h"
#include "nn/optimizer.h"

typedef struct Update {
    Network *network;
    Optimizer *optimizer;
    Pool *pool;
    double clip;     /* longest gradient that is followed; 0: any */
    double max_norm; /* longest weight vector of a unit; 0: any */
} Update;

/* Whether the step may be made range by range during backward. */
bool update_is_fused(const Update *update);

/* GradientReady for a fused update; context is the Update. optimizer_begin
 * must have been called for this step. */
void update_ready(void *context, size_t offset, size_t count,
                  const float *gradient);

/* What is left when backward is done: with clipping, scale the gradient to at
 * most `clip` and make the step at `rate`; then bring every unit's weights
 * back to at most `max_norm`. */
void update_finish(const Update *update, double rate);

#endif
