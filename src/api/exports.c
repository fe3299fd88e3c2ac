/* The exported functions: each checks what came from outside, then hands on to
 * the room it belongs to. No logic of its own. */
#include "api/exports.h"

#include <stdlib.h>
#include <string.h>

#include "data/idx.h"
#include "train/setup.h"
#include "train/trainer.h"
#include "base/text.h"

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT
#endif

_Static_assert(SOMA_SET_TRAIN == (int)ROLE_TRAIN &&
                   SOMA_SET_VALIDATION == (int)ROLE_VALIDATION &&
                   SOMA_SET_TEST == (int)ROLE_TEST,
               "sets and roles are the same numbers");

/* The last failure and the last text: the only state of this file. */
static Fault last_fault;
static char last_text[4096];

/* ==== Memory and faults ================================================= */

EXPORT void *soma_alloc(size_t bytes) {
    if (bytes == 0 || bytes > SIZE_MAX - CACHE_LINE) return NULL;
    return aligned_alloc(CACHE_LINE, size_round_up(bytes, CACHE_LINE));
}

EXPORT void soma_free(void *block) { free(block); }

EXPORT const char *soma_build(void) {
#if !defined(__EMSCRIPTEN__)
    return "native";
#elif defined(SOMA_RELAXED) && defined(__EMSCRIPTEN_PTHREADS__)
    return "fast-threads";
#elif defined(SOMA_RELAXED)
    return "fast";
#elif defined(__EMSCRIPTEN_PTHREADS__)
    return "exact-threads";
#else
    return "exact";
#endif
}

EXPORT const char *soma_fault_name(void) {
    return status_name(last_fault.code);
}

EXPORT const char *soma_fault_place(void) { return last_fault.place; }

EXPORT const char *soma_fault_sentence(void) { return last_fault.sentence; }

/* Refuse an argument. */
static Status bad_argument(const char *place, const char *sentence) {
    return fault_set(&last_fault, STATUS_BAD_ARGUMENT, place, "%s", sentence);
}

/* Refuse a text or a buffer that is not there. */
static Status require(const void *given, const char *place) {
    if (given != NULL) return STATUS_OK;
    return fault_set(&last_fault, STATUS_BAD_ARGUMENT, place,
                     "There is nothing to work on: %s is missing.", place);
}

/* ==== Options and run descriptions ====================================== */

EXPORT int soma_option_count(void) { return OPTION_COUNT; }

EXPORT const char *soma_option_text(int row, int field) {
    static const char *const types[] = {"network", "choice", "integer",
                                        "number", "switch"};
    if (row < 0 || row >= OPTION_COUNT) return "";
    const Option *const option = option_row((OptionId)row);
    switch (field) {
    case SOMA_OPTION_KEY: return option->key;
    case SOMA_OPTION_TYPE: return types[option->type];
    case SOMA_OPTION_CHOICES: return option->choices;
    case SOMA_OPTION_DEFAULT: return option->initial;
    case SOMA_OPTION_HELP: return option->help;
    case SOMA_OPTION_GROUP: return option->group;
    }
    return "";
}

EXPORT double soma_option_number(int row, int field) {
    if (row < 0 || row >= OPTION_COUNT) return __builtin_nan("");
    const Option *const option = option_row((OptionId)row);
    switch (field) {
    case SOMA_OPTION_MIN: return option->min;
    case SOMA_OPTION_MAX: return option->max;
    case SOMA_OPTION_LIVE: return option->live;
    }
    return __builtin_nan("");
}

EXPORT int soma_layer_kind_count(void) { return layer_kind_count(); }

EXPORT const char *soma_layer_kind_text(int row, int field) {
    if (row < 0 || row >= layer_kind_count()) return "";
    const LayerKind *const kind = layer_kind(row);
    switch (field) {
    case SOMA_LAYER_NAME: return kind->name;
    case SOMA_LAYER_USAGE: return kind->usage;
    case SOMA_LAYER_HELP: return kind->help;
    }
    return "";
}

EXPORT const char *soma_run_text(const char *run, int all) {
    Options options = options_default();
    if (require(run, "run") != STATUS_OK) return NULL;
    if (options_read(&options, run, &last_fault) != STATUS_OK) return NULL;
    if (setup_check(&options, &last_fault) != STATUS_OK) return NULL;
    options_print(&options, all != 0, last_text, sizeof last_text);
    return last_text;
}

EXPORT const char *soma_option_note(const char *run, int row) {
    Options options = options_default();
    if (require(run, "run") != STATUS_OK) return NULL;
    if (row < 0 || row >= OPTION_COUNT) return "";
    if (options_read(&options, run, &last_fault) != STATUS_OK) return NULL;
    return options_note(&options, (OptionId)row);
}

/* ==== Threads and data ================================================== */

EXPORT Pool *soma_pool_create(int n_threads) {
    Pool *const pool = pool_create(n_threads);
    if (pool == NULL)
        fault_set(&last_fault, STATUS_OUT_OF_MEMORY, "threads",
                  "The threads could not be started.");
    return pool;
}

EXPORT void soma_pool_destroy(Pool *pool) { pool_destroy(pool); }

EXPORT int soma_pool_threads(const Pool *pool) { return pool_threads(pool); }

EXPORT Dataset *soma_dataset_create(int train_count, int test_count) {
    Dataset *dataset = NULL;
    if (train_count < 0 || test_count < 0) {
        bad_argument("count", "A data set cannot have fewer than 0 images.");
        return NULL;
    }
    dataset_create((size_t)train_count, (size_t)test_count, &dataset,
                   &last_fault);
    return dataset;
}

EXPORT void soma_dataset_destroy(Dataset *dataset) {
    dataset_destroy(dataset);
}

/* SOMA_SET_TRAIN or SOMA_SET_TEST as the data room's set; NULL for others. */
static const ImageSet *image_set(const Dataset *dataset, int set) {
    if (set == SOMA_SET_TRAIN) return &dataset->sets[SET_TRAIN];
    if (set == SOMA_SET_TEST) return &dataset->sets[SET_TEST];
    return NULL;
}

EXPORT Status soma_dataset_write(Dataset *dataset, int set, int first,
                                 int count, const uint8_t *pixels,
                                 const uint8_t *labels) {
    if (image_set(dataset, set) == NULL)
        return bad_argument("set", "Data goes into the train or test set.");
    if (first < 0 || count < 0)
        return bad_argument("first", "Image numbers start at 0.");
    TRY(require(pixels, "pixels"));
    TRY(require(labels, "labels"));
    return dataset_write(dataset, set == SOMA_SET_TEST ? SET_TEST : SET_TRAIN,
                         (size_t)first, (size_t)count, pixels, labels,
                         &last_fault);
}

EXPORT int soma_dataset_ready(const Dataset *dataset, int set) {
    const ImageSet *const images = image_set(dataset, set);
    return images != NULL ? (int)images->arrived : 0;
}

EXPORT Status soma_dataset_read(const Dataset *dataset, int set, int first,
                                int count, uint8_t *pixels) {
    const ImageSet *const images = image_set(dataset, set);
    if (images == NULL)
        return bad_argument("set", "Images are in the train or test set.");
    TRY(require(pixels, "pixels"));
    if (first < 0 || count < 0 || (size_t)first > images->count ||
        (size_t)count > images->count - (size_t)first)
        return bad_argument("first", "The set has no such images.");
    dataset_read(dataset, set == SOMA_SET_TEST ? SET_TEST : SET_TRAIN,
                 (size_t)first, (size_t)count, pixels);
    return STATUS_OK;
}

EXPORT const uint8_t *soma_dataset_labels(const Dataset *dataset, int set) {
    const ImageSet *const images = image_set(dataset, set);
    return images != NULL ? images->labels : NULL;
}

EXPORT int soma_idx_check(const uint8_t *bytes, size_t length, int dimensions,
                          uint32_t *payload) {
    if (dimensions != IDX_LABELS && dimensions != IDX_IMAGES)
        return bad_argument("dimensions", "IDX files have 1 or 3 dimensions.");
    TRY(require(bytes, "bytes"));
    TRY(require(payload, "payload"));
    IdxView view;
    TRY(idx_parse_kind(bytes, length, (IdxKind)dimensions, &view,
                       &last_fault));
    *payload = (uint32_t)(view.items - bytes);
    return (int)view.count;
}

/* ==== Trainer =========================================================== */

EXPORT Trainer *soma_trainer_create(Dataset *dataset, Pool *pool,
                                    const char *run) {
    Trainer *trainer = NULL;
    if (require(dataset, "dataset") != STATUS_OK ||
        require(pool, "pool") != STATUS_OK || require(run, "run") != STATUS_OK)
        return NULL;
    trainer_create(dataset, pool, run, &trainer, &last_fault);
    return trainer;
}

EXPORT void soma_trainer_destroy(Trainer *trainer) {
    trainer_destroy(trainer);
}

EXPORT const char *soma_trainer_run_text(Trainer *trainer, int all) {
    options_print(&trainer->options, all != 0, last_text, sizeof last_text);
    return last_text;
}

EXPORT Status soma_trainer_set(Trainer *trainer, const char *key,
                               const char *value) {
    TRY(require(key, "key"));
    TRY(require(value, "value"));
    return trainer_set(trainer, key, value, &last_fault);
}

EXPORT int soma_trainer_steps(Trainer *trainer, int max_steps) {
    const uint64_t epoch_steps = trainer_epoch_steps(trainer);
    int done = 0;
    while (done < max_steps && !trainer_finished(trainer)) {
        const Status status = trainer_step(trainer, &last_fault);
        if (status != STATUS_OK) return done > 0 ? done : (int)status;
        done++;
        if (trainer->step % epoch_steps == 0) break;
    }
    return done;
}

EXPORT double soma_trainer_number(const Trainer *trainer, int which) {
    const Batcher *const batcher = &trainer->batcher;
    const uint64_t epoch_steps = trainer_epoch_steps(trainer);
    switch (which) {
    case SOMA_STEP: return (double)trainer->step;
    case SOMA_TOTAL_STEPS: return (double)trainer_total_steps(trainer);
    case SOMA_STEPS_PER_EPOCH: return (double)epoch_steps;
    case SOMA_EPOCH: return (double)(trainer->step / epoch_steps);
    case SOMA_EPOCHS: return trainer->options.value[OPTION_EPOCHS];
    case SOMA_BATCH_LOSS: return metrics_loss(&trainer->batch);
    case SOMA_BATCH_ACCURACY: return metrics_accuracy(&trainer->batch);
    case SOMA_MEAN_LOSS: return metrics_loss(&trainer->mean);
    case SOMA_MEAN_ACCURACY: return metrics_accuracy(&trainer->mean);
    case SOMA_LEARNING_RATE:
        return trainer->step > 0 ? trainer->learning_rate
                                 : trainer_rate(trainer, 0);
    case SOMA_PARAMETER_COUNT: return (double)trainer->network.scalar_count;
    case SOMA_TRAIN_COUNT: return (double)batcher_count(batcher, ROLE_TRAIN);
    case SOMA_VALIDATION_COUNT:
        return (double)batcher_count(batcher, ROLE_VALIDATION);
    case SOMA_TEST_COUNT: return (double)batcher_count(batcher, ROLE_TEST);
    case SOMA_MEMORY_BYTES: return (double)trainer->arena.used;
    case SOMA_CAN_RESTORE: return trainer->finite.taken;
    case SOMA_INPUT_SPARSE: return trainer->network.input.sparse;
    }
    return __builtin_nan("");
}

EXPORT double soma_trainer_rate(const Trainer *trainer, double step) {
    const double last = (double)trainer_total_steps(trainer);
    if (!(step > 0)) return trainer_rate(trainer, 0);
    return trainer_rate(trainer, (uint64_t)(step < last ? step : last));
}

EXPORT int soma_trainer_judge(Trainer *trainer) {
    return trainer_judge(trainer);
}

EXPORT Status soma_augment(Trainer *trainer, const uint8_t *pixels, int epoch,
                           int image, uint8_t *distorted) {
    if (epoch < 0 || image < 0)
        return bad_argument("epoch", "Epochs and images count from 0.");
    TRY(require(pixels, "pixels"));
    TRY(require(distorted, "distorted"));
    if (!trainer->augmenter.active)
        memcpy(distorted, pixels, IMAGE_PIXELS);
    else
        augment_image(&trainer->augmenter, (uint32_t)epoch, (uint32_t)image,
                      pixels, distorted);
    return STATUS_OK;
}

EXPORT void soma_trainer_mark(Trainer *trainer) { trainer_mark(trainer); }

EXPORT Status soma_trainer_restore(Trainer *trainer) {
    return trainer_restore(trainer, &last_fault);
}

EXPORT const char *soma_trainer_fingerprint(Trainer *trainer) {
    text_format(last_text, sizeof last_text, "%016llx",
             (unsigned long long)trainer_fingerprint(trainer));
    return last_text;
}

EXPORT size_t soma_trainer_state_bytes(const Trainer *trainer) {
    return trainer_state_bytes(trainer);
}

EXPORT Status soma_trainer_state_write(Trainer *trainer, uint8_t *bytes,
                                       size_t size) {
    if (size != trainer_state_bytes(trainer))
        return bad_argument("size", "The buffer has not the state's size.");
    TRY(require(bytes, "bytes"));
    trainer_state_write(trainer, bytes);
    return STATUS_OK;
}

EXPORT Status soma_trainer_state_read(Trainer *trainer, const uint8_t *bytes,
                                      size_t size) {
    TRY(require(bytes, "bytes"));
    return trainer_state_read(trainer, bytes, size, &last_fault);
}

/* ==== Looking at the network ============================================ */

EXPORT Status soma_evaluation_begin(Trainer *trainer, int set) {
    if (set < SOMA_SET_TRAIN || set > SOMA_SET_TEST)
        return bad_argument("set", "A set is train, validation or test.");
    return trainer_evaluate_begin(trainer, (BatchRole)set, &last_fault);
}

EXPORT int soma_evaluation_run(Trainer *trainer, int max_images) {
    return (int)trainer_evaluate_run(trainer,
                                     max_images > 0 ? (size_t)max_images : 0);
}

EXPORT double soma_evaluation_number(const Trainer *trainer, int which) {
    const Metrics *const metrics = &trainer->evaluation.metrics;
    switch (which) {
    case SOMA_EVAL_COUNT: return (double)metrics->rows;
    case SOMA_EVAL_LOSS: return metrics_loss(metrics);
    case SOMA_EVAL_ACCURACY: return metrics_accuracy(metrics);
    }
    return __builtin_nan("");
}

EXPORT const uint32_t *soma_evaluation_confusion(const Trainer *trainer) {
    return trainer->evaluation.confusion;
}

EXPORT const uint8_t *soma_evaluation_predicted(const Trainer *trainer) {
    return trainer->evaluation.predicted;
}

EXPORT const float *soma_evaluation_probabilities(const Trainer *trainer) {
    return trainer->evaluation.probabilities;
}

/* A count that makes sense, and images and room for the answer. */
static Status check_images(const void *pixels, int count, const void *answer) {
    if (count < 0)
        return bad_argument("count", "There cannot be fewer than 0 images.");
    if (count == 0) return STATUS_OK;
    TRY(require(pixels, "pixels"));
    return require(answer, "answer");
}

EXPORT Status soma_predict(Trainer *trainer, const uint8_t *pixels, int count,
                           float *probabilities) {
    TRY(check_images(pixels, count, probabilities));
    trainer_predict(trainer, pixels, NULL, (size_t)count, probabilities);
    return STATUS_OK;
}

EXPORT Status soma_predict_floats(Trainer *trainer, const float *pixels,
                                  int count, float *probabilities) {
    TRY(check_images(pixels, count, probabilities));
    trainer_predict(trainer, NULL, pixels, (size_t)count, probabilities);
    return STATUS_OK;
}

/* Both forms of soma_gradient. */
static Status gradient(Trainer *trainer, const uint8_t *bytes,
                       const float *floats, const uint8_t *labels, int count,
                       double *loss) {
    const void *const pixels =
        bytes != NULL ? (const void *)bytes : (const void *)floats;
    TRY(check_images(pixels, count, loss));
    if (count == 0)
        return fault_set(&last_fault, STATUS_NO_DATA, "count",
                         "A gradient needs at least one image.");
    TRY(require(labels, "labels"));
    for (int n = 0; n < count; n++)
        if (labels[n] >= CLASS_COUNT)
            return fault_set(&last_fault, STATUS_BAD_LABEL, "labels",
                             "Label %d is %d; labels go from 0 to 9.", n,
                             labels[n]);
    *loss = trainer_gradient(trainer, bytes, floats, labels, (size_t)count);
    return STATUS_OK;
}

EXPORT Status soma_gradient(Trainer *trainer, const uint8_t *pixels,
                            const uint8_t *labels, int count, double *loss) {
    return gradient(trainer, pixels, NULL, labels, count, loss);
}

EXPORT Status soma_gradient_floats(Trainer *trainer, const float *pixels,
                                   const uint8_t *labels, int count,
                                   double *loss) {
    return gradient(trainer, NULL, pixels, labels, count, loss);
}

/* ==== Layers and parameters ============================================= */

EXPORT int soma_layer_count(const Trainer *trainer) {
    return trainer->network.layer_count;
}

static bool is_layer(const Trainer *trainer, int layer) {
    return layer >= 0 && layer < trainer->network.layer_count;
}

EXPORT const char *soma_layer_text(const Trainer *trainer, int layer) {
    if (!is_layer(trainer, layer)) return "";
    layer_print(&trainer->network.layers[layer], last_text, sizeof last_text);
    return last_text;
}

EXPORT int soma_layer_shape(const Trainer *trainer, int layer, int shape[3]) {
    if (!is_layer(trainer, layer))
        return bad_argument("layer", "There is no such layer.");
    const Shape out = trainer->network.layers[layer].out;
    shape[0] = out.channels;
    shape[1] = out.height;
    shape[2] = out.width;
    return out.height == 1 && out.width == 1 ? 1 : 3;
}

EXPORT const float *soma_layer_output(const Trainer *trainer, int layer) {
    if (!is_layer(trainer, layer)) return NULL;
    return trainer->network.outputs[layer];
}

EXPORT int soma_parameter_count(const Trainer *trainer) {
    return trainer->network.parameter_count;
}

/* The parameter, or NULL with a fault. */
static const Parameter *find_parameter(const Trainer *trainer, int parameter) {
    if (parameter >= 0 && parameter < trainer->network.parameter_count)
        return network_parameter(&trainer->network, parameter);
    bad_argument("parameter", "There is no such parameter.");
    return NULL;
}

EXPORT const char *soma_parameter_name(const Trainer *trainer, int parameter) {
    const Parameter *const p = find_parameter(trainer, parameter);
    return p != NULL ? p->name : "";
}

EXPORT int soma_parameter_layer(const Trainer *trainer, int parameter) {
    const Parameter *const p = find_parameter(trainer, parameter);
    return p != NULL ? p->layer : STATUS_BAD_ARGUMENT;
}

EXPORT int soma_parameter_shape(const Trainer *trainer, int parameter,
                                int shape[4]) {
    const Parameter *const p = find_parameter(trainer, parameter);
    if (p == NULL) return STATUS_BAD_ARGUMENT;
    memcpy(shape, p->shape, sizeof p->shape);
    return p->rank;
}

/* A parameter that exists and has `count` values. */
static Status check_parameter(const Trainer *trainer, int parameter,
                              int count) {
    const Parameter *const p = find_parameter(trainer, parameter);
    if (p == NULL) return STATUS_BAD_ARGUMENT;
    if (count >= 0 && (size_t)count == p->count) return STATUS_OK;
    return fault_set(&last_fault, STATUS_BAD_SHAPE, p->name,
                     "%s has %zu values, not %d.", p->name, p->count, count);
}

EXPORT Status soma_parameter_read(const Trainer *trainer, int parameter,
                                  int which, float *values, int count) {
    TRY(check_parameter(trainer, parameter, count));
    TRY(require(values, "values"));
    if (which != SOMA_VALUE && which != SOMA_GRADIENT)
        return bad_argument("which", "A parameter has a value and a gradient.");
    trainer_read_parameter(trainer, parameter, which == SOMA_GRADIENT, values);
    return STATUS_OK;
}

EXPORT Status soma_parameter_write(Trainer *trainer, int parameter,
                                   const float *values, int count) {
    TRY(check_parameter(trainer, parameter, count));
    TRY(require(values, "values"));
    trainer_write_parameter(trainer, parameter, values);
    return STATUS_OK;
}

/* ==== Speed ============================================================= */

EXPORT int soma_gemm_tile_count(void) { return gemm_tile_count(); }

EXPORT const char *soma_gemm_tile_name(int tile) {
    if (tile < 0 || tile >= gemm_tile_count()) return "";
    return gemm_tile_name(tile);
}

EXPORT double soma_gemm_probe(Trainer *trainer, int tile, int rounds) {
    if (tile < 0 || tile >= gemm_tile_count()) return 0;
    for (int i = 0; i < rounds; i++) gemm_trial(&trainer->network.gemm, tile);
    return GEMM_TRIAL_FLOPS;
}

EXPORT Status soma_gemm_choose(Trainer *trainer, int tile) {
    if (tile < 0 || tile >= gemm_tile_count())
        return bad_argument("tile", "There is no such tile.");
    trainer->network.gemm.tile = tile;
    return STATUS_OK;
}
