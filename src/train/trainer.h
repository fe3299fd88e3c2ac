/* The trainer: a network, its data, its optimiser, and the loop over them.
 *
 *     trainer_create   read the run, measure, allocate once, bind, initialise
 *     trainer_step     next batch, forward, loss, backward, update, record
 *
 * It owns one block of memory and borrows the data set and the pool, which
 * must outlive it. Nothing is allocated after trainer_create. Not for
 * concurrent use.
 */
#ifndef SOMA_TRAIN_TRAINER_H
#define SOMA_TRAIN_TRAINER_H

#include "data/augment.h"
#include "nn/loss.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "train/metrics.h"
#include "train/options.h"
#include "train/snapshot.h"
#include "train/update.h"

typedef struct Trainer {
    Options options;
    Dataset *dataset; /* borrowed */
    Pool *pool;       /* borrowed */
    Network network;
    Loss loss;
    Optimizer optimizer;
    Batcher batcher;
    Augmenter augmenter;
    Evaluation evaluation;
    Snapshot finite;       /* the last state known to be finite */
    Snapshot best;         /* of early stopping: the best epoch's state */
    double best_loss;
    int epochs_without_better;
    bool ended_early;      /* by early stopping or the target accuracy */
    uint64_t step;         /* steps done */
    double learning_rate;  /* of the last step */
    Metrics batch;         /* of the last batch */
    Metrics mean;          /* since trainer_mark */
    uint32_t seen_writes;  /* to the data set, before the last step */
    Fault stop;            /* why no step is possible any more, if so */
    Arena arena;
    void *block;           /* owned: the arena's memory */
} Trainer;

/* A network with fresh weights at step 0, from a run description over the
 * defaults. Every refusal of options_read and setup_network, plus
 * STATUS_NO_DATA, STATUS_OUT_OF_RANGE (validation) and STATUS_OUT_OF_MEMORY.
 * *out is NULL then. */
Status trainer_create(Dataset *dataset, Pool *pool, const char *run,
                      Trainer **out, Fault *fault);

/* Free it; NULL is allowed. */
void trainer_destroy(Trainer *trainer);

/* Change a live option from the next step on; others are refused with
 * STATUS_BAD_COMBINATION. */
Status trainer_set(Trainer *trainer, const char *key, const char *value,
                   Fault *fault);

/* One step. STATUS_DATA_PENDING: the batch has not arrived, nothing changed.
 * STATUS_NOT_FINITE: the loss of this batch is not finite; weights are as they
 * were before the step and every further step is refused until
 * trainer_restore. Must not be called when trainer_finished. */
Status trainer_step(Trainer *trainer, Fault *fault);

/* Whether all steps are done, or the run has ended early. */
bool trainer_finished(const Trainer *trainer);

/* Steps of one epoch, and of the whole run. */
uint64_t trainer_epoch_steps(const Trainer *trainer);
uint64_t trainer_total_steps(const Trainer *trainer);

/* The learning rate that the schedule gives step `step` (0 is the first). */
double trainer_rate(const Trainer *trainer, uint64_t step);

/* To be called at the end of an epoch, when the validation set has been
 * evaluated: notes the best epoch, and ends the run when `target` is reached,
 * or when `patience` epochs have not been better (or the run is over): then
 * the weights of the best epoch come back, bit for bit. Returns whether the
 * run has ended early. */
bool trainer_judge(Trainer *trainer);

/* Start new means. */
void trainer_mark(Trainer *trainer);

/* Go back to the snapshot: the last state, at most 256 steps ago, whose loss
 * is known to have been finite. STATUS_NO_SNAPSHOT before the first step. */
Status trainer_restore(Trainer *trainer, Fault *fault);

/* Go back to a snapshot; STATUS_NO_SNAPSHOT when none was taken. */
Status trainer_return_to(Trainer *trainer, const Snapshot *snapshot,
                         Fault *fault);

/* A training pass over `rows` rows, of which the first is row `first_row` of
 * its batch. */
Pass trainer_pass(const Trainer *trainer, int rows, size_t first_row);

/* ==== Looking (inspect.c) =============================================== */

/* Go through the arrived images of a role in slices: begin, then run until it
 * returns 0, the images left. Weights and run are not touched. */
Status trainer_evaluate_begin(Trainer *trainer, BatchRole role, Fault *fault);
size_t trainer_evaluate_run(Trainer *trainer, size_t max_images);

/* probabilities[count,10] for pixels[count,784]. Exactly one of `bytes` and
 * `floats` (in place of byte/255) is given. */
void trainer_predict(Trainer *trainer, const uint8_t *bytes,
                     const float *floats, size_t count, float *probabilities);

/* Mean loss over count >= 1 images, and its gradient in the parameters'
 * gradient vectors. Layers behave as in training. Labels are 0 .. 9. */
double trainer_gradient(Trainer *trainer, const uint8_t *bytes,
                        const float *floats, const uint8_t *labels,
                        size_t count);

/* Copy a parameter's values (or gradient) out in PyTorch's layout, or in. */
void trainer_read_parameter(const Trainer *trainer, int number, bool gradient,
                            float *values);
void trainer_write_parameter(Trainer *trainer, int number,
                             const float *values);

/* 64 bits over all parameters (FNV-1a over their bytes, in PyTorch's order). */
uint64_t trainer_fingerprint(const Trainer *trainer);

/* ==== Saving (checkpoint.c) ============================================= */

/* The whole state as one block of bytes, with its run description: a trainer
 * that reads it goes on as the one that wrote it would have, bit for bit. */
size_t trainer_state_bytes(const Trainer *trainer);
void trainer_state_write(const Trainer *trainer, uint8_t *bytes);

/* Take over a state written for the same network, optimiser, data roles and
 * seed. Nothing changes when it is refused (STATUS_BAD_FILE, with the byte). */
Status trainer_state_read(Trainer *trainer, const uint8_t *bytes, size_t size,
                          Fault *fault);

#endif
