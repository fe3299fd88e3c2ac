#include "nn/loss.h"

#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/vmath.h"

/* Rows that one task of the pool takes. */
enum { ROWS_PER_TASK = 64 };

void loss_bind(Loss *loss, Arena *arena, const LossSettings *settings,
               int max_rows, int classes) {
    *loss = (Loss){
        .settings = *settings, .max_rows = max_rows, .classes = classes};
    loss->row_loss = arena_floats(arena, (size_t)max_rows);
    loss->probabilities =
        arena_floats(arena, (size_t)max_rows * (size_t)classes);
    loss->predicted = arena_alloc(arena, (size_t)max_rows, 1);
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

/* The target of class k: one-hot, smoothed for cross-entropy. */
static float target(const Loss *loss, int label, int k) {
    const double s = loss->settings.smoothing;
    const double one = k == label ? 1 : 0;
    if (loss->settings.kind != LOSS_CROSS_ENTROPY || s == 0) return (float)one;
    return (float)((1 - s) * one + s / loss->classes);
}

/* −Σ t' log p, by way of log p[k] = z[k] − z[best] + log p[best], in which
 * nothing underflows: p[best] is at least 1/K. */
static float cross_entropy(const Loss *loss, const float *z_row, int best,
                           float log_best, int label) {
    if (loss->settings.smoothing == 0)
        return (z_row[best] - z_row[label]) - log_best;
    float sum = 0;
    for (int k = 0; k < loss->classes; k++)
        sum += target(loss, label, k) * ((z_row[best] - z_row[k]) - log_best);
    return sum;
}

static float squared_error(const Loss *loss, const float *z_row, int label) {
    float sum = 0;
    for (int k = 0; k < loss->classes; k++) {
        const float error = z_row[k] - target(loss, label, k);
        sum += error * error;
    }
    return sum / (float)loss->classes;
}

/* The rows of task number `task`. */
static int task_end(int task, int rows) {
    return int_min((task + 1) * ROWS_PER_TASK, rows);
}

/* Probabilities, predictions and log p[best] of rows first .. end-1 of
 * cross-entropy; row_loss holds the logarithms. */
static void softmax_task_rows(const Loss *loss, const LossJob *job, int first,
                              int end) {
    const size_t classes = (size_t)loss->classes;
    const size_t at = (size_t)first * classes;
    elementwise_softmax_rows(end - first, loss->classes, job->z + at,
                             loss->probabilities + at);
    for (int n = first; n < end; n++)
        loss->row_loss[n] =
            loss->probabilities[(size_t)n * classes + loss->predicted[n]];
    vmath_log((size_t)(end - first), loss->row_loss + first,
              loss->row_loss + first);
}

static void forward_task(void *context, int task) {
    const LossJob *const job = context;
    const Loss *const loss = job->loss;
    const size_t classes = (size_t)loss->classes;
    const bool softmax = loss->settings.kind == LOSS_CROSS_ENTROPY;
    const int first = task * ROWS_PER_TASK, end = task_end(task, job->rows);
    for (int n = first; n < end; n++)
        loss->predicted[n] = (uint8_t)elementwise_argmax(
            classes, job->z + (size_t)n * classes);
    if (softmax)
        softmax_task_rows(loss, job, first, end);
    else
        memcpy(loss->probabilities + (size_t)first * classes,
               job->z + (size_t)first * classes,
               (size_t)(end - first) * classes * sizeof(float));
    for (int n = first; n < end && job->labels != NULL; n++) {
        const float *const z_row = job->z + (size_t)n * classes;
        loss->row_loss[n] =
            softmax ? cross_entropy(loss, z_row, loss->predicted[n],
                                    loss->row_loss[n], job->labels[n])
                    : squared_error(loss, z_row, job->labels[n]);
    }
}

LossSum loss_forward(Loss *loss, Pool *pool, int rows, const float *z,
                     const uint8_t *labels) {
    assert(rows >= 0 && rows <= loss->max_rows);
    LossJob job = {.loss = loss, .rows = rows, .z = z, .labels = labels};
    pool_run(pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, forward_task,
             &job);
    LossSum sum = {0};
    for (int n = 0; n < rows && labels != NULL; n++) {
        sum.loss += (double)loss->row_loss[n];
        sum.correct += loss->predicted[n] == labels[n];
    }
    return sum;
}

static void backward_task(void *context, int task) {
    const LossJob *const job = context;
    const Loss *const loss = job->loss;
    const size_t classes = (size_t)loss->classes;
    const float factor = loss->settings.kind == LOSS_CROSS_ENTROPY
                             ? job->scale
                             : 2 * job->scale / (float)loss->classes;
    for (int n = task * ROWS_PER_TASK; n < task_end(task, job->rows); n++) {
        const float *const p_row = loss->probabilities + (size_t)n * classes;
        float *const dz_row = job->dz + (size_t)n * classes;
        for (int k = 0; k < loss->classes; k++)
            dz_row[k] = (p_row[k] - target(loss, job->labels[n], k)) * factor;
    }
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
    pool_run(pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, backward_task,
             &job);
}
