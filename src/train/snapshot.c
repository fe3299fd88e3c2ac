#include "train/snapshot.h"

#include <string.h>

void snapshot_bind(Snapshot *snapshot, Arena *arena, const Network *network,
                   const Optimizer *optimizer) {
    *snapshot = (Snapshot){0};
    snapshot->parameters = arena_floats(arena, network->flat_size);
    snapshot->states = arena_floats(arena, network->state_size);
    for (int i = 0; i < optimizer_slots(optimizer->settings.kind); i++)
        snapshot->slot[i] = arena_floats(arena, network->flat_size);
}

/* Copy `count` floats where there are any. */
static void copy_floats(float *to, const float *from, size_t count) {
    if (from != NULL && count > 0) memcpy(to, from, count * sizeof(float));
}

void snapshot_take(Snapshot *snapshot, const Network *network,
                   const Optimizer *optimizer, uint64_t step,
                   BatcherPosition position) {
    copy_floats(snapshot->parameters, network->parameters, network->flat_size);
    copy_floats(snapshot->states, network->states, network->state_size);
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        copy_floats(snapshot->slot[i], optimizer->slot[i], optimizer->size);
    snapshot->taken = true;
    snapshot->step = step;
    snapshot->position = position;
    snapshot->power1 = optimizer->power1;
    snapshot->power2 = optimizer->power2;
}

void snapshot_restore(const Snapshot *snapshot, Network *network,
                      Optimizer *optimizer) {
    assert(snapshot->taken);
    copy_floats(network->parameters, snapshot->parameters, network->flat_size);
    copy_floats(network->states, snapshot->states, network->state_size);
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        copy_floats(optimizer->slot[i], snapshot->slot[i], optimizer->size);
    optimizer->power1 = snapshot->power1;
    optimizer->power2 = snapshot->power2;
}
