/* Looking at a trainer's network without changing its run: evaluation of whole
 * sets, prediction, gradients for given images, parameters in and out. */
#include <string.h>

#include "train/trainer.h"

/* ==== Forward over rows ================================================= */

/* Forward in evaluation mode over what the input stage holds, and the
 * probabilities into the loss's buffers. */
static LossSum forward_rows(Trainer *trainer, int rows, const uint8_t *labels) {
    Pass pass = {.pool = trainer->pool, .rows = rows};
    const float *const z = network_forward(&trainer->network, &pass);
    return loss_forward(&trainer->loss, trainer->pool, rows, z, labels);
}

/* Load images first .. first+rows-1 of a caller's array. */
static void load_rows(Trainer *trainer, const uint8_t *bytes,
                      const float *floats, size_t first, int rows,
                      SparseLists lists) {
    Input *const input = &trainer->network.input;
    if (floats != NULL) {
        input_load_floats(input, floats + first * IMAGE_PIXELS, rows);
        return;
    }
    input_load_bytes(input, trainer->pool, bytes + first * IMAGE_PIXELS, rows,
                     lists);
}

void trainer_predict(Trainer *trainer, const uint8_t *bytes,
                     const float *floats, size_t count, float *probabilities) {
    assert((bytes == NULL) != (floats == NULL) || count == 0);
    for (size_t at = 0; at < count;) {
        const int rows =
            (int)size_min((size_t)trainer->network.max_rows, count - at);
        load_rows(trainer, bytes, floats, at, rows, SPARSE_BY_SAMPLE);
        forward_rows(trainer, rows, NULL);
        memcpy(probabilities + at * CLASS_COUNT, trainer->loss.probabilities,
               (size_t)rows * CLASS_COUNT * sizeof(float));
        at += (size_t)rows;
    }
}

double trainer_gradient(Trainer *trainer, const uint8_t *bytes,
                        const float *floats, const uint8_t *labels,
                        size_t count) {
    assert(count > 0);
    Network *const network = &trainer->network;
    Metrics metrics = {0};
    for (size_t at = 0; at < count;) {
        const int rows = (int)size_min((size_t)network->max_rows, count - at);
        Pass pass = trainer_pass(trainer, rows, at);
        load_rows(trainer, bytes, floats, at, rows, SPARSE_BOTH);
        const float *const z = network_forward(network, &pass);
        metrics_add(
            &metrics,
            loss_forward(&trainer->loss, trainer->pool, rows, z, labels + at),
            rows);
        loss_backward(&trainer->loss, trainer->pool, rows, count, z,
                      labels + at, network_error(network));
        network_backward(network, &pass);
        at += (size_t)rows;
    }
    return metrics_loss(&metrics);
}

/* ==== Evaluation ======================================================== */

Status trainer_evaluate_begin(Trainer *trainer, BatchRole role, Fault *fault) {
    Evaluation *const evaluation = &trainer->evaluation;
    if (batcher_arrived(&trainer->batcher, role) == 0)
        return fault_set(fault, STATUS_NO_DATA, "",
                         "There is no image to evaluate yet.");
    evaluation->role = role;
    evaluation->total = batcher_count(&trainer->batcher, role);
    evaluation->next = 0;
    evaluation->metrics = (Metrics){0};
    memset(evaluation->confusion, 0, sizeof evaluation->confusion);
    return STATUS_OK;
}

/* Add the rows of the last forward pass. Results are kept in the order of the
 * images that have arrived. */
static void keep_results(Trainer *trainer, const Batch *batch, LossSum sum) {
    Evaluation *const evaluation = &trainer->evaluation;
    const size_t at = evaluation->metrics.rows, rows = (size_t)batch->rows;
    memcpy(evaluation->predicted + at, trainer->loss.predicted, rows);
    memcpy(evaluation->probabilities + at * CLASS_COUNT,
           trainer->loss.probabilities, rows * CLASS_COUNT * sizeof(float));
    for (size_t n = 0; n < rows; n++)
        evaluation->confusion[batch->labels[n] * CLASS_COUNT +
                              trainer->loss.predicted[n]]++;
    metrics_add(&evaluation->metrics, sum, batch->rows);
}

size_t trainer_evaluate_run(Trainer *trainer, size_t max_images) {
    Evaluation *const evaluation = &trainer->evaluation;
    const size_t end =
        size_min(evaluation->total, evaluation->next + max_images);
    while (evaluation->next < end) {
        const int rows = (int)size_min((size_t)trainer->network.max_rows,
                                       end - evaluation->next);
        Batch batch;
        batcher_read(&trainer->batcher, evaluation->role, evaluation->next,
                     rows, &batch);
        evaluation->next += (size_t)rows;
        if (batch.rows == 0) continue;
        input_load_images(&trainer->network.input, trainer->pool, batch.images,
                          batch.rows, SPARSE_BY_SAMPLE);
        keep_results(trainer, &batch,
                     forward_rows(trainer, batch.rows, batch.labels));
    }
    return evaluation->total - evaluation->next;
}

/* ==== Parameters ======================================================== */

/* Where element `at` of PyTorch's order lies in our storage. */
static size_t stored_at(const Parameter *p, size_t at) {
    if (!p->in_panels) return at;
    const size_t inputs = p->count / (size_t)p->shape[0];
    return parameter_at(p, at % inputs, at / inputs);
}

void trainer_read_parameter(const Trainer *trainer, int number, bool gradient,
                            float *values) {
    const Parameter *const p = network_parameter(&trainer->network, number);
    const float *const stored = gradient ? p->gradient : p->value;
    for (size_t at = 0; at < p->count; at++)
        values[at] = stored[stored_at(p, at)];
}

void trainer_write_parameter(Trainer *trainer, int number,
                             const float *values) {
    const Parameter *const p = network_parameter(&trainer->network, number);
    for (size_t at = 0; at < p->count; at++)
        p->value[stored_at(p, at)] = values[at];
}

uint64_t trainer_fingerprint(const Trainer *trainer) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < trainer->network.parameter_count; i++) {
        const Parameter *const p = network_parameter(&trainer->network, i);
        for (size_t at = 0; at < p->count; at++) {
            uint32_t bits;
            memcpy(&bits, &p->value[stored_at(p, at)], sizeof bits);
            for (int shift = 0; shift < 32; shift += 8)
                hash = (hash ^ (bits >> shift & 0xff)) * 0x100000001b3u;
        }
    }
    return hash;
}
