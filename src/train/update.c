#include "train/update.h"

#include "kernels/elementwise.h"

/* Which parameter holds element `offset` of the flat vectors. */
static const Parameter *parameter_of(const Network *network, size_t offset) {
    for (int i = network->layer_count - 1; i > 0; i--) {
        const Layer *const layer = &network->layers[i];
        for (int j = layer->parameter_count - 1; j >= 0; j--)
            if (layer->parameter[j].offset <= offset)
                return &layer->parameter[j];
    }
    const Layer *const first = &network->layers[0];
    int j = first->parameter_count - 1;
    while (first->parameter[j].offset > offset) j--;
    return &first->parameter[j];
}

bool update_is_fused(const Update *update) { return update->clip == 0; }

void update_ready(void *context, size_t offset, size_t count,
                  const float *gradient) {
    const Update *const update = context;
    const Network *const network = update->network;
    optimizer_update(update->optimizer, offset, count,
                     network->parameters + offset, gradient,
                     parameter_of(network, offset)->role == PARAMETER_WEIGHT);
}

/* ==== Clipping ========================================================== */

/* Factor that brings the gradient's length to at most `clip`, as PyTorch's
 * clip_grad_norm_. */
static double clip_factor(const Update *update) {
    const Network *const network = update->network;
    const double length = __builtin_sqrt(
        elementwise_sum_squares(network->flat_size, network->gradients));
    const double factor = update->clip / (length + 1e-6);
    return factor < 1 ? factor : 1;
}

static void update_all(const Update *update) {
    Pass pass = {.pool = update->pool,
                 .ready = update_ready,
                 .ready_context = (void *)(uintptr_t)update};
    for (int i = 0; i < update->network->parameter_count; i++)
        pass_ready(&pass, network_parameter(update->network, i));
}

/* ==== Max-norm ========================================================== */

/* One panel of a weight: the weights of some units, [inputs,units]. */
typedef struct Panel {
    float *value;
    size_t inputs, units;
} Panel;

/* squares[unit] = the squared length of each unit's weights. */
static void measure_units(const Panel *panel, double squares[PANEL]) {
    const float *row = panel->value;
    for (size_t unit = 0; unit < panel->units; unit++) squares[unit] = 0;
    for (size_t i = 0; i < panel->inputs; i++, row += panel->units)
        for (size_t unit = 0; unit < panel->units; unit++)
            squares[unit] += (double)row[unit] * (double)row[unit];
}

/* Shorten the weights of units whose vector is longer than max_norm. */
static void limit_panel(const Panel *panel, double max_norm) {
    double squares[PANEL];
    measure_units(panel, squares);
    for (size_t unit = 0; unit < panel->units; unit++) {
        const double length = __builtin_sqrt(squares[unit]);
        if (!(length > max_norm)) continue;
        const float factor = (float)(max_norm / length);
        for (size_t i = 0; i < panel->inputs; i++)
            panel->value[i * panel->units + unit] *= factor;
    }
}

static void limit_units(const Parameter *p, double max_norm) {
    const size_t units = (size_t)p->shape[0], inputs = p->count / units;
    for (size_t unit = 0; unit < units; unit += PANEL) {
        const Panel panel = {.value = p->value + parameter_at(p, 0, unit),
                             .inputs = inputs,
                             .units = panel_width(units, unit)};
        limit_panel(&panel, max_norm);
    }
}

void update_finish(const Update *update, double rate) {
    if (!update_is_fused(update)) {
        optimizer_begin(update->optimizer, rate, clip_factor(update));
        update_all(update);
    }
    if (update->max_norm == 0) return;
    for (int i = 0; i < update->network->parameter_count; i++) {
        const Parameter *const p = network_parameter(update->network, i);
        if (p->role == PARAMETER_WEIGHT) limit_units(p, update->max_norm);
    }
}
