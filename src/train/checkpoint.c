/* Saving: the whole state of a trainer as one block of bytes.
 *
 *     "SOMA2\n" and two zero bytes
 *     u32 length of the run description, then its text (all keys)
 *     place     u64 step · u32 epoch · u64 row · f64 β₁ᵗ · f64 β₂ᵗ
 *     vectors   f32 parameters [flat_size], states [state_size], then each
 *               slot [flat_size]
 *
 * and with early stopping (patience > 0)
 *
 *     f64 best loss · u32 epochs without a better one · u32 1 when there is a
 *     best epoch, else 0
 *     place and vectors of the best epoch
 *
 * Weights lie in the vectors as in memory, in panels (kernels/panels.h).
 * Little-endian throughout, as WebAssembly is. */
#include <string.h>

#include "train/setup.h"
#include "train/trainer.h"
#include "base/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "states are written as they lie in memory");

static const char magic[8] = "SOMA2\n";

enum {
    RUN_TEXT_MAX = 4096,
    PLACE_BYTES = 8 + 4 + 8 + 2 * 8,
    VERDICT_BYTES = 8 + 2 * 4
};

static bool stops_early(const Trainer *trainer) {
    return trainer->options.value[OPTION_PATIENCE] > 0;
}

/* ==== Sizes ============================================================= */

/* Bytes up to the first place, for a run text of that length. */
static size_t header_bytes(size_t run_length) {
    return sizeof magic + sizeof(uint32_t) + run_length;
}

static size_t vector_bytes(const Trainer *trainer) {
    const int slots = optimizer_slots(trainer->optimizer.settings.kind);
    const size_t floats = (size_t)(1 + slots) * trainer->network.flat_size +
                          trainer->network.state_size;
    return floats * sizeof(float);
}

/* Bytes from the first place to the end. */
static size_t body_bytes(const Trainer *trainer) {
    const size_t one = PLACE_BYTES + vector_bytes(trainer);
    return stops_early(trainer) ? 2 * one + VERDICT_BYTES : one;
}

size_t trainer_state_bytes(const Trainer *trainer) {
    char run[RUN_TEXT_MAX];
    const size_t length =
        options_print(&trainer->options, true, run, sizeof run);
    return header_bytes(length) + body_bytes(trainer);
}

/* ==== Writing =========================================================== */

/* Where a state stands, apart from its vectors. */
typedef struct Place {
    uint64_t step, row;
    uint32_t epoch;
    double power1, power2;
} Place;

static uint8_t *put(uint8_t *to, const void *from, size_t bytes) {
    if (bytes > 0 && from != NULL) memcpy(to, from, bytes);
    return to + bytes;
}

static uint8_t *put_place(uint8_t *to, Place place) {
    to = put(to, &place.step, sizeof place.step);
    to = put(to, &place.epoch, sizeof place.epoch);
    to = put(to, &place.row, sizeof place.row);
    to = put(to, &place.power1, sizeof place.power1);
    return put(to, &place.power2, sizeof place.power2);
}

/* The vectors of the trainer, or of a snapshot of it. */
static uint8_t *put_vectors(uint8_t *to, const Trainer *trainer,
                            const float *parameters, const float *states,
                            float *const slot[OPTIMIZER_SLOTS_MAX]) {
    const size_t vector = trainer->network.flat_size * sizeof(float);
    to = put(to, parameters, vector);
    to = put(to, states, trainer->network.state_size * sizeof(float));
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        if (slot[i] != NULL) to = put(to, slot[i], vector);
    return to;
}

/* What early stopping knows. */
static void put_verdict(uint8_t *to, const Trainer *trainer) {
    const Snapshot *const best = &trainer->best;
    const uint32_t without_better = (uint32_t)trainer->epochs_without_better;
    const uint32_t taken = best->taken;
    to = put(to, &trainer->best_loss, sizeof trainer->best_loss);
    to = put(to, &without_better, sizeof without_better);
    to = put(to, &taken, sizeof taken);
    to = put_place(to, (Place){.step = best->step,
                               .epoch = best->position.epoch,
                               .row = best->position.row,
                               .power1 = best->power1,
                               .power2 = best->power2});
    put_vectors(to, trainer, best->parameters, best->states, best->slot);
}

void trainer_state_write(const Trainer *trainer, uint8_t *bytes) {
    char run[RUN_TEXT_MAX];
    const uint32_t length =
        (uint32_t)options_print(&trainer->options, true, run, sizeof run);
    const BatcherPosition position = batcher_position(&trainer->batcher);
    bytes = put(bytes, magic, sizeof magic);
    bytes = put(bytes, &length, sizeof length);
    bytes = put(bytes, run, length);
    bytes = put_place(bytes, (Place){.step = trainer->step,
                                     .epoch = position.epoch,
                                     .row = position.row,
                                     .power1 = trainer->optimizer.power1,
                                     .power2 = trainer->optimizer.power2});
    bytes = put_vectors(bytes, trainer, trainer->network.parameters,
                        trainer->network.states, trainer->optimizer.slot);
    if (stops_early(trainer)) put_verdict(bytes, trainer);
}

/* ==== Reading =========================================================== */

static const uint8_t *get(void *to, const uint8_t *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
    return from + bytes;
}

static const uint8_t *get_place(Place *place, const uint8_t *from) {
    from = get(&place->step, from, sizeof place->step);
    from = get(&place->epoch, from, sizeof place->epoch);
    from = get(&place->row, from, sizeof place->row);
    from = get(&place->power1, from, sizeof place->power1);
    return get(&place->power2, from, sizeof place->power2);
}

static const uint8_t *get_vectors(const Trainer *trainer, float *parameters,
                                  float *states,
                                  float *const slot[OPTIMIZER_SLOTS_MAX],
                                  const uint8_t *from) {
    const size_t vector = trainer->network.flat_size * sizeof(float);
    from = get(parameters, from, vector);
    from = get(states, from, trainer->network.state_size * sizeof(float));
    for (int i = 0; i < OPTIMIZER_SLOTS_MAX; i++)
        if (slot[i] != NULL) from = get(slot[i], from, vector);
    return from;
}

/* What a state says apart from its vectors. */
typedef struct Header {
    Options options;
    size_t body; /* byte at which the first place begins */
    Place place;
    double best_loss;
    uint32_t without_better, best_taken;
    Place best; /* meant when best_taken */
} Header;

static Status bad_file(Fault *fault, size_t byte, const char *sentence) {
    char place[32];
    text_format(place, sizeof place, "byte %zu", byte);
    return fault_set(fault, STATUS_BAD_FILE, place, "%s", sentence);
}

static Status read_run(Header *header, const uint8_t *bytes, size_t size,
                       Fault *fault) {
    uint32_t length;
    char run[RUN_TEXT_MAX] = {0};
    if (size < header_bytes(0) || memcmp(bytes, magic, sizeof magic) != 0)
        return bad_file(fault, 0, "This is not a saved state of Soma.");
    const uint8_t *const text =
        get(&length, bytes + sizeof magic, sizeof length);
    if (length >= RUN_TEXT_MAX || size < header_bytes(length))
        return bad_file(fault, sizeof magic,
                        "The saved state is cut off in its run description.");
    get(run, text, length);
    header->options = options_default();
    header->body = header_bytes(length);
    return options_read(&header->options, run, fault);
}

/* Refuse a state whose fixed options are not those of this trainer. */
static Status same_run(const Trainer *trainer, const Header *header,
                       Fault *fault) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        char here[NETWORK_TEXT_MAX], there[NETWORK_TEXT_MAX];
        const Option *const row = option_row((OptionId)i);
        if (row->live) continue;
        options_print_value(&trainer->options, (OptionId)i, here, sizeof here);
        options_print_value(&header->options, (OptionId)i, there, sizeof there);
        if (strcmp(here, there) != 0)
            return fault_set(fault, STATUS_BAD_FILE, row->key,
                             "The saved state belongs to another run: its %s "
                             "is %.100s, here it is %.100s.",
                             row->key, there, here);
    }
    return STATUS_OK;
}

/* Position and powers as a run could have left them? */
static bool plausible(const Trainer *trainer, const Place *place) {
    const uint64_t batch = trainer->batcher.batch;
    return place->row < batcher_epoch_rows(&trainer->batcher) &&
           place->row % batch == 0 &&
           place->step == place->epoch * trainer_epoch_steps(trainer) +
                              place->row / batch &&
           place->power1 >= 0 && place->power1 <= 1 && place->power2 >= 0 &&
           place->power2 <= 1;
}

/* The places and the verdict, from bytes whose length is known to fit. */
static Status read_places(Header *header, const Trainer *trainer,
                          const uint8_t *body, Fault *fault) {
    const uint8_t *at = get_place(&header->place, body);
    bool good = plausible(trainer, &header->place);
    if (stops_early(trainer)) {
        at += vector_bytes(trainer);
        at = get(&header->best_loss, at, sizeof header->best_loss);
        at = get(&header->without_better, at, sizeof header->without_better);
        at = get(&header->best_taken, at, sizeof header->best_taken);
        get_place(&header->best, at);
        good = good && header->best_taken <= 1 &&
               header->without_better <= INT32_MAX &&
               (header->best_taken == 0 || plausible(trainer, &header->best));
    }
    if (good) return STATUS_OK;
    return bad_file(fault, header->body,
                    "The saved state's position is damaged.");
}

static BatcherPosition position_of(const Place *place) {
    return (BatcherPosition){.epoch = place->epoch, .row = (size_t)place->row};
}

/* Early stopping knows again what it knew. */
static void take_verdict(Trainer *trainer, const Header *header,
                         const uint8_t *vectors) {
    Snapshot *const best = &trainer->best;
    trainer->best_loss = header->best_loss;
    trainer->epochs_without_better = (int)header->without_better;
    best->taken = header->best_taken == 1;
    best->step = header->best.step;
    best->position = position_of(&header->best);
    best->power1 = header->best.power1;
    best->power2 = header->best.power2;
    get_vectors(trainer, best->parameters, best->states, best->slot, vectors);
}

/* Everything has been checked: take it over. */
static void take_over(Trainer *trainer, const Header *header,
                      const uint8_t *body) {
    const uint8_t *const verdict = get_vectors(
        trainer, trainer->network.parameters, trainer->network.states,
        trainer->optimizer.slot, body + PLACE_BYTES);
    trainer->options = header->options;
    trainer->optimizer.settings = setup_optimizer(&trainer->options);
    trainer->optimizer.power1 = header->place.power1;
    trainer->optimizer.power2 = header->place.power2;
    trainer->step = header->place.step;
    trainer->finite.taken = false;
    trainer->ended_early = false;
    trainer->stop = (Fault){0};
    if (stops_early(trainer))
        take_verdict(trainer, header, verdict + VERDICT_BYTES + PLACE_BYTES);
    trainer_mark(trainer);
}

Status trainer_state_read(Trainer *trainer, const uint8_t *bytes, size_t size,
                          Fault *fault) {
    Header header;
    TRY(read_run(&header, bytes, size, fault));
    TRY(same_run(trainer, &header, fault));
    if (size - header.body != body_bytes(trainer))
        return bad_file(fault, header.body,
                        "The saved state has not as many weights as its run "
                        "description says.");
    TRY(read_places(&header, trainer, bytes + header.body, fault));
    TRY(batcher_seek(&trainer->batcher, position_of(&header.place), fault));
    take_over(trainer, &header, bytes + header.body);
    return STATUS_OK;
}
