/* Saving: the whole state of a trainer as one block of bytes.
 *
 *     "SOMA1\n" and two zero bytes
 *     u32 length of the run description, then its text (all keys)
 *     u64 step · u32 epoch · u64 row      position
 *     f64 β₁ᵗ · f64 β₂ᵗ
 *     f32 parameters [flat_size], states [state_size], then each slot
 *     [flat_size]
 *
 * Little-endian throughout, as WebAssembly is. */
#include <stdio.h>
#include <string.h>

#include "train/setup.h"
#include "train/trainer.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "states are written as they lie in memory");

static const char magic[8] = "SOMA1\n";

enum { RUN_TEXT_MAX = 4096 };

/* Bytes before the vectors, for a run text of that length. */
static size_t header_bytes(size_t run_length) {
    return sizeof magic + sizeof(uint32_t) + run_length + sizeof(uint64_t) +
           sizeof(uint32_t) + sizeof(uint64_t) + 2 * sizeof(double);
}

static size_t state_bytes(const Trainer *trainer) {
    return trainer->network.state_size * sizeof(float);
}

static size_t vector_bytes(const Trainer *trainer) {
    const int slots = optimizer_slots(trainer->optimizer.settings.kind);
    const size_t floats = (size_t)(1 + slots) * trainer->network.flat_size +
                          trainer->network.state_size;
    return floats * sizeof(float);
}

size_t trainer_state_bytes(const Trainer *trainer) {
    char run[RUN_TEXT_MAX];
    const size_t length =
        options_print(&trainer->options, true, run, sizeof run);
    return header_bytes(length) + vector_bytes(trainer);
}

static uint8_t *put(uint8_t *to, const void *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
    return to + bytes;
}

static const uint8_t *get(void *to, const uint8_t *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
    return from + bytes;
}

void trainer_state_write(const Trainer *trainer, uint8_t *bytes) {
    char run[RUN_TEXT_MAX];
    const uint32_t length =
        (uint32_t)options_print(&trainer->options, true, run, sizeof run);
    const BatcherPosition position = batcher_position(&trainer->batcher);
    const uint64_t row = position.row;
    const size_t vector = trainer->network.flat_size * sizeof(float);
    bytes = put(bytes, magic, sizeof magic);
    bytes = put(bytes, &length, sizeof length);
    bytes = put(bytes, run, length);
    bytes = put(bytes, &trainer->step, sizeof trainer->step);
    bytes = put(bytes, &position.epoch, sizeof position.epoch);
    bytes = put(bytes, &row, sizeof row);
    bytes = put(bytes, &trainer->optimizer.power1, sizeof(double));
    bytes = put(bytes, &trainer->optimizer.power2, sizeof(double));
    bytes = put(bytes, trainer->network.parameters, vector);
    bytes = put(bytes, trainer->network.states, state_bytes(trainer));
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        if (trainer->optimizer.slot[i] != NULL)
            bytes = put(bytes, trainer->optimizer.slot[i], vector);
}

/* What stands before the vectors. */
typedef struct Header {
    Options options;
    uint64_t step, row;
    uint32_t epoch;
    double power1, power2;
    const uint8_t *vectors;
} Header;

static Status bad_file(Fault *fault, size_t byte, const char *sentence) {
    char place[32];
    snprintf(place, sizeof place, "byte %zu", byte);
    return fault_set(fault, STATUS_BAD_FILE, place, "%s", sentence);
}

static Status read_header(Header *header, const uint8_t *bytes, size_t size,
                          Fault *fault) {
    uint32_t length;
    char run[RUN_TEXT_MAX] = {0};
    if (size < header_bytes(0) || memcmp(bytes, magic, sizeof magic) != 0)
        return bad_file(fault, 0, "This is not a saved state of Soma.");
    const uint8_t *at = get(&length, bytes + sizeof magic, sizeof length);
    if (length >= RUN_TEXT_MAX || size < header_bytes(length))
        return bad_file(fault, sizeof magic,
                        "The saved state is cut off in its run description.");
    at = get(run, at, length);
    header->options = options_default();
    TRY(options_read(&header->options, run, fault));
    at = get(&header->step, at, sizeof header->step);
    at = get(&header->epoch, at, sizeof header->epoch);
    at = get(&header->row, at, sizeof header->row);
    at = get(&header->power1, at, sizeof(double));
    header->vectors = get(&header->power2, at, sizeof(double));
    return STATUS_OK;
}

/* Refuse a state whose fixed options are not those of this trainer. */
static Status same_run(const Trainer *trainer, const Header *header,
                       Fault *fault) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        char here[NETWORK_TEXT_MAX], there[NETWORK_TEXT_MAX];
        const Option *const row = option_row((OptionId)i);
        if (row->live) continue;
        options_print_value(&trainer->options, (OptionId)i, here, sizeof here);
        options_print_value(&header->options, (OptionId)i, there,
                            sizeof there);
        if (strcmp(here, there) != 0)
            return fault_set(fault, STATUS_BAD_FILE, row->key,
                             "The saved state belongs to another run: its %s "
                             "is %.100s, here it is %.100s.",
                             row->key, there, here);
    }
    return STATUS_OK;
}

/* Position and powers as a run could have left them? */
static bool plausible(const Trainer *trainer, const Header *header) {
    const uint64_t in_epoch =
        (header->row + trainer->batcher.batch - 1) / trainer->batcher.batch;
    return header->row <= batcher_epoch_rows(&trainer->batcher) &&
           header->step ==
               header->epoch * trainer_epoch_steps(trainer) + in_epoch &&
           header->power1 >= 0 && header->power1 <= 1 &&
           header->power2 >= 0 && header->power2 <= 1;
}

Status trainer_state_read(Trainer *trainer, const uint8_t *bytes, size_t size,
                          Fault *fault) {
    Header header;
    TRY(read_header(&header, bytes, size, fault));
    TRY(same_run(trainer, &header, fault));
    const size_t start = (size_t)(header.vectors - bytes);
    if (size - start != vector_bytes(trainer))
        return bad_file(fault, start,
                        "The saved state has not as many weights as its run "
                        "description says.");
    if (!plausible(trainer, &header))
        return bad_file(fault, start, "The saved state's position is damaged.");
    const BatcherPosition position = {.epoch = header.epoch,
                                      .row = (size_t)header.row};
    TRY(batcher_seek(&trainer->batcher, position, fault));
    const size_t vector = trainer->network.flat_size * sizeof(float);
    const uint8_t *at =
        get(trainer->network.parameters, header.vectors, vector);
    at = get(trainer->network.states, at, state_bytes(trainer));
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        if (trainer->optimizer.slot[i] != NULL)
            at = get(trainer->optimizer.slot[i], at, vector);
    trainer->options = header.options;
    trainer->optimizer.settings = setup_optimizer(&trainer->options);
    trainer->step = header.step;
    trainer->optimizer.power1 = header.power1;
    trainer->optimizer.power2 = header.power2;
    trainer->finite.taken = trainer->best.taken = false;
    trainer->epochs_without_better = 0;
    trainer->ended_early = false;
    trainer->stop = (Fault){0};
    trainer_mark(trainer);
    return STATUS_OK;
}
