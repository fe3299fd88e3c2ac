/* Snapshots: a copy of everything that a run changes, to go back to.
 *
 * Weights, the layers' running statistics, the optimiser's memory and the
 * place in the data. The trainer keeps one of the last state known to be
 * finite and, with early stopping, one of the best epoch.
 */
#ifndef SOMA_TRAIN_SNAPSHOT_H
#define SOMA_TRAIN_SNAPSHOT_H

#include "data/batcher.h"
#include "nn/network.h"
#include "nn/optimizer.h"

typedef struct Snapshot {
    bool taken;
    uint64_t step;
    BatcherPosition position;
    double power1, power2;
    float *parameters;                /* [flat_size] */
    float *states;                    /* [state_size] */
    float *slot[OPTIMIZER_SLOTS_MAX]; /* [flat_size] */
} Snapshot;

/* Room for a snapshot of this network and optimiser, both bound. */
void snapshot_bind(Snapshot *snapshot, Arena *arena, const Network *network,
                   const Optimizer *optimizer);

/* Copy the state at `step` and `position`. Cost: one pass over the weights
 * and the optimiser's memory. */
void snapshot_take(Snapshot *snapshot, const Network *network,
                   const Optimizer *optimizer, uint64_t step,
                   BatcherPosition position);

/* Copy it back; the caller takes over step and position. The snapshot must
 * have been taken. */
void snapshot_restore(const Snapshot *snapshot, Network *network,
                      Optimizer *optimizer);

#endif
