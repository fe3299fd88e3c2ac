/* The only symbols that leave the core: what JavaScript (or a C program) sees.
 *
 * Conventions
 *   - Handles are pointers to Pool, Dataset and Trainer. A creating function
 *     returns NULL on failure.
 *   - Functions that can fail return a Status (0 or negative) or a count >= 0.
 *     After any failure soma_fault_* tell code, place and sentence.
 *   - Nothing here traps, prints or exits, whatever the arguments; handles and
 *     buffers must be what they claim to be.
 *   - Returned `const char *` texts stay valid until the next soma_ call.
 *   - Buffers are borrowed for the duration of the call only.
 *   - One thread calls; the pool's helpers are an inner matter.
 *
 * Shapes of parameters are those of PyTorch: a dense weight is [O,I], however
 * the core stores it.
 */
#ifndef SOMA_API_EXPORTS_H
#define SOMA_API_EXPORTS_H

#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"

typedef struct Dataset Dataset;
typedef struct Trainer Trainer;

/* ==== Memory and faults ================================================= */

void *soma_alloc(size_t bytes); /* 64-byte aligned; NULL when there is none */
void soma_free(void *block);

/* The build that runs: "exact", "exact-threads", "fast", "fast-threads",
 * "native". */
const char *soma_build(void);

/* The last failure: name of the code ("OUT_OF_RANGE"), place, sentence. */
const char *soma_fault_name(void);
const char *soma_fault_place(void);
const char *soma_fault_sentence(void);

/* ==== Options and run descriptions ====================================== */

/* The options table, row by row. Text fields: */
enum {
    SOMA_OPTION_KEY,
    SOMA_OPTION_TYPE,    /* network, choice, integer, number, switch */
    SOMA_OPTION_CHOICES, /* "a|b|c" for choice, else "" */
    SOMA_OPTION_DEFAULT,
    SOMA_OPTION_HELP,
    SOMA_OPTION_GROUP
};
/* Number fields (LIVE is 0 or 1): */
enum { SOMA_OPTION_MIN, SOMA_OPTION_MAX, SOMA_OPTION_LIVE };
int soma_option_count(void);
const char *soma_option_text(int row, int field);
double soma_option_number(int row, int field);

/* The layer kinds that `net=` knows. Fields: */
enum { SOMA_LAYER_NAME, SOMA_LAYER_USAGE, SOMA_LAYER_HELP };
int soma_layer_kind_count(void);
const char *soma_layer_kind_text(int row, int field);

/* Read a run description (zero-terminated UTF-8; `key=value`, separated by
 * white space, newline or '&'; a value runs to the next key) and return its
 * canonical form, one `key=value` a line: every key (all = 1) or only what
 * differs from the defaults (all = 0). Checks keys, values, layers and shapes;
 * NULL when it is refused. */
const char *soma_run_text(const char *run, int all);

/* Why option `row` has no effect beside the others of this run description, as
 * a sentence, or "" when it has; NULL when the description is refused. */
const char *soma_option_note(const char *run, int row);

/* ==== Threads and data ================================================== */

Pool *soma_pool_create(int n_threads);
void soma_pool_destroy(Pool *pool);
int soma_pool_threads(const Pool *pool);

/* Sets: */
enum { SOMA_SET_TRAIN, SOMA_SET_VALIDATION, SOMA_SET_TEST };

/* Room for that many training and test images, none of which is there yet. */
Dataset *soma_dataset_create(int train_count, int test_count);
void soma_dataset_destroy(Dataset *dataset);

/* Images first .. first+count-1 of SOMA_SET_TRAIN or SOMA_SET_TEST have
 * arrived: pixels[count,784], labels[count] (0..9). All or nothing. */
Status soma_dataset_write(Dataset *dataset, int set, int first, int count,
                          const uint8_t *pixels, const uint8_t *labels);

/* How many images of the set are there so far. */
int soma_dataset_ready(const Dataset *dataset, int set);

/* Images first .. first+count-1 of the set into pixels[count,784]; one that has
 * not arrived is white paper. */
Status soma_dataset_read(const Dataset *dataset, int set, int first, int count,
                         uint8_t *pixels);

/* Where the labels [count] of the set lie. */
const uint8_t *soma_dataset_labels(const Dataset *dataset, int set);

/* Check an IDX file in memory. Returns the number of items and sets
 * *payload to the offset of the first byte after the header;
 * `dimensions` is 3 for images (28x28) and 1 for labels (0..9). */
int soma_idx_check(const uint8_t *bytes, size_t length, int dimensions,
                   uint32_t *payload);

/* ==== Trainer =========================================================== */

/* A network with fresh weights at step 0. Borrows dataset and pool. NULL when
 * the run is refused or does not fit into memory. */
Trainer *soma_trainer_create(Dataset *dataset, Pool *pool, const char *run);
void soma_trainer_destroy(Trainer *trainer);

/* The description in force (after soma_trainer_set too), as soma_run_text. */
const char *soma_trainer_run_text(Trainer *trainer, int all);

/* Change a live option (lr, …) from the next step on. */
Status soma_trainer_set(Trainer *trainer, const char *key, const char *value);

/* Up to `max_steps` steps; ends early at the end of an epoch, at the end of the
 * run, and before a batch that has not arrived. Returns the steps done, or, if
 * the very first could not be done: DATA_PENDING, NO_DATA or NOT_FINITE.
 * 0 means the run is finished. */
int soma_trainer_steps(Trainer *trainer, int max_steps);

/* One number of what the trainer knows; see the enum. NaN when not known. */
enum {
    SOMA_STEP,             /* steps done */
    SOMA_TOTAL_STEPS,      /* steps of the whole run */
    SOMA_STEPS_PER_EPOCH,
    SOMA_EPOCH,            /* whole epochs done */
    SOMA_EPOCHS,
    SOMA_BATCH_LOSS,       /* of the last batch, before its update */
    SOMA_BATCH_ACCURACY,
    SOMA_MEAN_LOSS,        /* over the steps since soma_trainer_mark */
    SOMA_MEAN_ACCURACY,
    SOMA_LEARNING_RATE,    /* of the last step, or of the first */
    SOMA_PARAMETER_COUNT,  /* scalars */
    SOMA_TRAIN_COUNT,
    SOMA_VALIDATION_COUNT,
    SOMA_TEST_COUNT,
    SOMA_MEMORY_BYTES,     /* of the trainer's arena */
    SOMA_CAN_RESTORE,      /* 1 when soma_trainer_restore would succeed */
    SOMA_INPUT_SPARSE      /* 1 when the last batch went the sparse way */
};
double soma_trainer_number(const Trainer *trainer, int which);

/* The learning rate that the schedule gives to a step (0 is the first): the
 * whole curve can be drawn before the run. */
double soma_trainer_rate(const Trainer *trainer, double step);

/* At the end of every epoch, after the validation set was evaluated: notes the
 * best epoch for early stopping and the target accuracy. Returns 1 when the
 * run has ended early; with early stopping the best weights are back then. */
int soma_trainer_judge(Trainer *trainer);

/* The distorted copy that training image number `image` becomes in `epoch`;
 * without augmentation the image itself. Both are [784] bytes. */
Status soma_augment(Trainer *trainer, const uint8_t *pixels, int epoch,
                    int image, uint8_t *distorted);

/* Start a new mean for SOMA_MEAN_LOSS and SOMA_MEAN_ACCURACY. */
void soma_trainer_mark(Trainer *trainer);

/* Back to the last state whose loss was known to be finite. */
Status soma_trainer_restore(Trainer *trainer);

/* 16 hexadecimal digits over the bits of all parameters. */
const char *soma_trainer_fingerprint(Trainer *trainer);

/* Whole state (run text, weights, optimiser, position) as one block: size,
 * write, and read into a trainer made from the same run description. */
size_t soma_trainer_state_bytes(const Trainer *trainer);
Status soma_trainer_state_write(Trainer *trainer, uint8_t *bytes, size_t size);
Status soma_trainer_state_read(Trainer *trainer, const uint8_t *bytes,
                               size_t size);

/* ==== Looking at the network ============================================ */

/* Evaluate a set in slices, so that the caller can stay responsive: begin,
 * then run until 0 images are left. Only images that have arrived count. */
Status soma_evaluation_begin(Trainer *trainer, int set);
int soma_evaluation_run(Trainer *trainer, int max_images); /* images left */

/* Of the last evaluation; valid while it runs, too. */
enum { SOMA_EVAL_COUNT, SOMA_EVAL_LOSS, SOMA_EVAL_ACCURACY };
double soma_evaluation_number(const Trainer *trainer, int which);
const uint32_t *soma_evaluation_confusion(const Trainer *trainer); /* [10,10] */
const uint8_t *soma_evaluation_predicted(const Trainer *trainer);  /* [count] */
/* [count,10] */
const float *soma_evaluation_probabilities(const Trainer *trainer);

/* Class probabilities for any number of images: bytes 0..255, or floats that
 * replace pixel/255. */
Status soma_predict(Trainer *trainer, const uint8_t *pixels, int count,
                    float *probabilities);
Status soma_predict_floats(Trainer *trainer, const float *pixels, int count,
                           float *probabilities);

/* Mean loss over the given images and its gradient, which then can be read
 * with soma_parameter_read(…, SOMA_GRADIENT, …). Weights stay as they are.
 * Returns the loss through *loss. */
Status soma_gradient(Trainer *trainer, const uint8_t *pixels,
                     const uint8_t *labels, int count, double *loss);
Status soma_gradient_floats(Trainer *trainer, const float *pixels,
                            const uint8_t *labels, int count, double *loss);

/* Layers of the network, in the order of `net=`. */
int soma_layer_count(const Trainer *trainer);
const char *soma_layer_text(const Trainer *trainer, int layer); /* "relu" */
/* Output shape of one image; returns the rank, dims in shape[0..2]. */
int soma_layer_shape(const Trainer *trainer, int layer, int shape[3]);
/* Outputs of the layer for row 0 of the last soma_predict call. */
const float *soma_layer_output(const Trainer *trainer, int layer);

/* Parameters by number. */
enum { SOMA_VALUE, SOMA_GRADIENT };
int soma_parameter_count(const Trainer *trainer);
const char *soma_parameter_name(const Trainer *trainer, int parameter);
int soma_parameter_layer(const Trainer *trainer, int parameter);
int soma_parameter_shape(const Trainer *trainer, int parameter, int shape[4]);
/* Copy out (VALUE or GRADIENT) or in (VALUE), in PyTorch's layout. */
Status soma_parameter_read(const Trainer *trainer, int parameter, int which,
                           float *values, int count);
Status soma_parameter_write(Trainer *trainer, int parameter,
                            const float *values, int count);

/* ==== Speed ============================================================= */

/* Compiled GEMM tiles ("5x8") and which of them this trainer uses from now on
 * (never changes a result). soma_gemm_probe runs a fixed amount of work with
 * the given tile `rounds` times, for the caller to time; returns the flops of
 * one round. */
int soma_gemm_tile_count(void);
const char *soma_gemm_tile_name(int tile);
double soma_gemm_probe(Trainer *trainer, int tile, int rounds);
Status soma_gemm_choose(Trainer *trainer, int tile);

#endif
