/* Any bytes as a saved state of a small trainer: refused with a sentence and
 * nothing changed, or taken over, and then the trainer can be written, and
 * trained a step or stopped with a sentence. */
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

static void require(bool holds) {
    if (!holds) abort();
}

enum { IMAGES = 96 };

/* The run of the seeds: batch norm has running averages in its state, and
 * early stopping its best epoch. */
static const char RUN[] = "net=dense 1,batchnorm,relu,dense 10 batch=16 "
                          "validation=16 optimizer=momentum patience=2";

static Trainer *make_trainer(void) {
    Fault fault = {0};
    Dataset *dataset = NULL;
    Trainer *trainer = NULL;
    uint8_t pixels[IMAGE_PIXELS];
    require(dataset_create(IMAGES, 0, &dataset, &fault) == STATUS_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        const uint8_t label = (uint8_t)(i % CLASS_COUNT);
        memset(pixels, (int)i, sizeof pixels);
        require(dataset_write(dataset, SET_TRAIN, i, 1, pixels, &label,
                              &fault) == STATUS_OK);
    }
    require(trainer_create(dataset, pool_create(1), RUN, &trainer, &fault) ==
            STATUS_OK);
    return trainer;
}

static uint8_t *write_state(const Trainer *trainer, size_t *size) {
    *size = trainer_state_bytes(trainer);
    uint8_t *const bytes = malloc(*size);
    require(bytes != NULL);
    trainer_state_write(trainer, bytes);
    return bytes;
}

/* Before a refusal and after it, every byte of the state is the same. */
static void use_refusal(const Trainer *trainer, const uint8_t *before,
                        size_t size, const Fault *fault) {
    size_t after_size;
    uint8_t *const after = write_state(trainer, &after_size);
    require(fault->code != STATUS_OK && fault->sentence[0] != '\0');
    require(after_size == size && memcmp(before, after, size) == 0);
    free(after);
}

static void use_state(Trainer *trainer) {
    Fault fault = {0};
    size_t size;
    free(write_state(trainer, &size));
    if (trainer_finished(trainer)) return;
    const Status status = trainer_step(trainer, &fault);
    require(status == STATUS_OK || status == STATUS_NOT_FINITE);
    require(status == STATUS_OK || fault.sentence[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Trainer *trainer;
    static uint8_t *before;
    static size_t before_size;
    Fault fault = {0};
    if (trainer == NULL) {
        trainer = make_trainer();
        before = write_state(trainer, &before_size);
    }
    require(trainer_state_read(trainer, before, before_size, &fault) ==
            STATUS_OK);
    uint8_t *const bytes = malloc(size + (size == 0));
    if (bytes == NULL) return 0;
    memcpy(bytes, data, size);
    if (trainer_state_read(trainer, bytes, size, &fault) == STATUS_OK)
        use_state(trainer);
    else
        use_refusal(trainer, before, before_size, &fault);
    free(bytes);
    return 0;
}
