#include "nn/loss.h"

#include "kernels/elementwise.h"
#include "kernels/vmath.h"

/* Rows that one task of the pool takes. */
enum { ROWS_PER_TASK = 64 };

void loss_bind(Loss *loss, Arena *arena, const LossSettings *settings,
               int max_rows, int outputs) {
    assert(outputs == CLASS_COUNT || outputs == 1);
    *loss =
        (Loss){.settings = *settings, .max_rows = max_rows, .outputs = outputs};
    const size_t rows = (size_t)max_rows;
    loss->row_loss = arena_floats(arena, rows);
    loss->probabilities = arena_floats(arena, rows * CLASS_COUNT);
    loss->predicted = arena_alloc(arena, rows, 1);
}

/* What the tasks of one call share. */
typedef struct LossJob {
    const Loss *loss;
    int rows;
    float scale; /* 1/B; backward only */
    const float *z;
    const uint8_t *labels; /* may be NULL in forward */
    float *dz;
} LossJob;

/* The rows first .. end-1 of task number `task`. */
static int task_end(int task, int rows) {
    return int_min((task + 1) * ROWS_PER_TASK, rows);
}

static int task_count(int rows) {
    return (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

/* What the output that stands for the label should be (one = 1), or another
 * (one = 0). */
static float target_value(const Loss *loss, float one) {
    const LossSettings *const s = &loss->settings;
    if (s->kind != LOSS_CROSS_ENTROPY || s->smoothing == 0) return one;
    return (float)((1 - s->smoothing) * (double)one +
                   s->smoothing / loss->outputs);
}

/* What output k should be for an image with that label. */
static float target(const Loss *loss, int label, int k) {
    const int wanted = loss->outputs == 1 ? loss->settings.digit : k;
    return target_value(loss, label == wanted ? 1 : 0);
}

/* ==== The loss of one row =============================================== */

/* −Σ t' log p, by way of log p[k] = z[k] − z[best] + log p[best], in which
 * nothing underflows: p[best] is at least 1/K. */
static float cross_entropy(const Loss *loss, const float *z_row, int best,
                           float log_best, int label) {
    if (loss->settings.smoothing == 0)
        return (z_row[best] - z_row[label]) - log_best;
    float sum = 0;
    for (int k = 0; k < loss->outputs; k++)
        sum += target(loss, label, k) * ((z_row[best] - z_row[k]) - log_best);
    return sum;
}

/* Σ (z − t)² */
static float squared_error(const Loss *loss, const float *z_row, int label) {
    float sum = 0;
    for (int k = 0; k < loss->outputs; k++) {
        const float error = z_row[k] - target(loss, label, k);
        sum += error * error;
    }
    return sum;
}

/* −log of the probability given to the truth: softplus of ∓z. */
static float binary_cross_entropy(const Loss *loss, float z, int label) {
    const float x = target(loss, label, 0) > 0 ? -z : z;
    float y;
    vmath_softplus(1, &x, &y);
    return y;
}

/* Any loss but cross-entropy, whose rows are done together. */
static float row_loss(const Loss *loss, const float *z_row, int label) {
    if (loss->settings.kind == LOSS_BINARY)
        return binary_cross_entropy(loss, z_row[0], label);
    const float squares = squared_error(loss, z_row, label);
    return loss->settings.kind == LOSS_MSE ? squares / (float)loss->outputs
                                           : squares;
}

/* ==== Probabilities ===================================================== */

/* Softmax of rows first .. end-1 and, in row_loss, log p[best]. */
static void softmax_rows(const Loss *loss, const float *z, int first, int end) {
    const size_t at = (size_t)first * CLASS_COUNT;
    elementwise_softmax_rows(end - first, CLASS_COUNT, z + at,
                             loss->probabilities + at);
    for (int n = first; n < end; n++)
        loss->row_loss[n] =
            loss->probabilities[n * CLASS_COUNT + loss->predicted[n]];
    vmath_log((size_t)(end - first), loss->row_loss + first,
              loss->row_loss + first);
}

/* Shares of the positive outputs; even shares when there are none. */
static void positive_shares(const float *z_row, float *p_row) {
    float sum = 0;
    for (int k = 0; k < CLASS_COUNT; k++) sum += z_row[k] > 0 ? z_row[k] : 0;
    for (int k = 0; k < CLASS_COUNT; k++)
        p_row[k] = sum > 0 ? (z_row[k] > 0 ? z_row[k] : 0) / sum
                           : 1 / (float)CLASS_COUNT;
}

/* p of the chosen digit from the one output. */
static float single_probability(const Loss *loss, float z) {
    float p = z < 0 ? 0 : z > 1 ? 1 : z;
    if (loss->settings.kind == LOSS_BINARY) vmath_sigmoid(1, &z, &p);
    return p;
}

static void spread_single(const Loss *loss, float p, float *p_row) {
    for (int k = 0; k < CLASS_COUNT; k++)
        p_row[k] = k == loss->settings.digit ? p : (1 - p) / (CLASS_COUNT - 1);
}

/* The class that a single output's verdict stands for (see loss_forward). */
static int single_prediction(const Loss *loss, bool yes, int label) {
    const int digit = loss->settings.digit;
    if (yes) return digit;
    return label != digit ? label : (digit == 0 ? 1 : 0);
}

/* ==== Forward =========================================================== */

static void predict_rows(const LossJob *job, int first, int end) {
    const Loss *const loss = job->loss;
    for (int n = first; n < end; n++) {
        const float *const z_row = job->z + (size_t)n * (size_t)loss->outputs;
        float *const p_row = loss->probabilities + (size_t)n * CLASS_COUNT;
        if (loss->outputs == 1) {
            const float p = single_probability(loss, z_row[0]);
            const int label =
                job->labels != NULL ? job->labels[n] : loss->settings.digit;
            spread_single(loss, p, p_row);
            loss->predicted[n] =
                (uint8_t)single_prediction(loss, p > 0.5f, label);
            continue;
        }
        loss->predicted[n] = (uint8_t)elementwise_argmax(CLASS_COUNT, z_row);
        if (loss->settings.kind != LOSS_CROSS_ENTROPY)
            positive_shares(z_row, p_row);
    }
}

static void forward_task(void *context, int task) {
    const LossJob *const job = context;
    const Loss *const loss = job->loss;
    const bool softmax = loss->settings.kind == LOSS_CROSS_ENTROPY;
    const int first = task * ROWS_PER_TASK, end = task_end(task, job->rows);
    predict_rows(job, first, end);
    if (softmax) softmax_rows(loss, job->z, first, end);
    for (int n = first; n < end && job->labels != NULL; n++) {
        const float *const z_row = job->z + (size_t)n * (size_t)loss->outputs;
        loss->row_loss[n] =
            softmax ? cross_entropy(loss, z_row, loss->predicted[n],
                                    loss->row_loss[n], job->labels[n])
                    : row_loss(loss, z_row, job->labels[n]);
    }
}

LossSum loss_forward(Loss *loss, Pool *pool, int rows, const float *z,
                     const uint8_t *labels) {
    assert(rows >= 0 && rows <= loss->max_rows);
    LossJob job = {.loss = loss, .rows = rows, .z = z, .labels = labels};
    pool_run(pool, task_count(rows), forward_task, &job);
    LossSum sum = {0};
    for (int n = 0; n < rows && labels != NULL; n++) {
        sum.loss += (double)loss->row_loss[n];
        sum.correct += loss->predicted[n] == labels[n];
    }
    return sum;
}

/* ==== Backward ========================================================== */

/* dz = (y − t)·factor of rows with ten outputs, where y is p if the loss has
 * its own squashing, z otherwise. */
static void ten_outputs(const LossJob *job, int first, int end, float factor) {
    const Loss *const loss = job->loss;
    const size_t at = (size_t)first * CLASS_COUNT;
    const size_t count = (size_t)(end - first) * CLASS_COUNT;
    const float *const y = loss->settings.kind == LOSS_CROSS_ENTROPY
                               ? loss->probabilities
                               : job->z;
    const float hot = target_value(loss, 1), cold = target_value(loss, 0);
    elementwise_subtract(count, y + at, cold, job->dz + at);
    elementwise_scale(count, factor, job->dz + at);
    for (int n = first; n < end; n++) {
        assert(job->labels[n] < CLASS_COUNT);
        const size_t wanted = (size_t)n * CLASS_COUNT + job->labels[n];
        job->dz[wanted] = (y[wanted] - hot) * factor;
    }
}

static void single_output(const LossJob *job, int first, int end,
                          float factor) {
    const Loss *const loss = job->loss;
    const bool binary = loss->settings.kind == LOSS_BINARY;
    for (int n = first; n < end; n++) {
        const size_t p = (size_t)n * CLASS_COUNT + (size_t)loss->settings.digit;
        const float y = binary ? loss->probabilities[p] : job->z[n];
        job->dz[n] = (y - target(loss, job->labels[n], 0)) * factor;
    }
}

static void backward_task(void *context, int task) {
    const LossJob *const job = context;
    const Loss *const loss = job->loss;
    const float factor = loss->settings.kind == LOSS_MSE
                             ? 2 * job->scale / (float)loss->outputs
                             : job->scale;
    const int first = task * ROWS_PER_TASK, end = task_end(task, job->rows);
    if (loss->outputs == 1)
        single_output(job, first, end, factor);
    else
        ten_outputs(job, first, end, factor);
}

void loss_backward(const Loss *loss, Pool *pool, int rows, size_t batch_rows,
                   const float *z, const uint8_t *labels, float *dz) {
    assert(rows >= 0 && rows <= loss->max_rows && labels != NULL);
    LossJob job = {.loss = loss,
                   .rows = rows,
                   .scale = 1 / (float)batch_rows,
                   .z = z,
                   .labels = labels,
                   .dz = dz};
    pool_run(pool, task_count(rows), backward_task, &job);
}
