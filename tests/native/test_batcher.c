/* Who trains and in which order is fixed by the settings alone: not by how
 * batches are cut into chunks, not by when the images arrive, not by a pause
 * and a restored position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/batcher.h"

/* Two whole blocks and a part of a third. */
enum { TRAIN = 2 * DATASET_BLOCK + 2345, TEST = 1500 };

static const BatcherSettings USUAL = {
    .seed = 7, .validation = 1000, .batch = 64, .shuffle = true};

/* ==== Fixture ============================================================ */

/* One batcher with its arena. */
typedef struct Bound {
    Batcher batcher;
    Arena arena;
    void *block;
} Bound;

static Dataset *create(size_t train_count, size_t test_count) {
    Dataset *dataset = NULL;
    Fault fault = {0};
    assert_int_equal(dataset_create(train_count, test_count, &dataset, &fault),
                     STATUS_OK);
    return dataset;
}

/* Label of an image, and its ink: the image number in the first bytes. */
static void write_range(Dataset *dataset, SetKind set, size_t first,
                        size_t count) {
    uint8_t *const images = calloc(count, IMAGE_PIXELS);
    uint8_t *const labels = malloc(count);
    for (size_t i = 0; i < count; ++i) {
        const uint32_t number = (uint32_t)(first + i);
        memcpy(images + i * IMAGE_PIXELS, &number, sizeof number);
        labels[i] = (uint8_t)(number % 10);
    }
    Fault fault = {0};
    assert_int_equal(
        dataset_write(dataset, set, first, count, images, labels, &fault),
        STATUS_OK);
    free(images);
    free(labels);
}

static Dataset *create_complete(void) {
    Dataset *const dataset = create(TRAIN, TEST);
    write_range(dataset, SET_TRAIN, 0, TRAIN);
    write_range(dataset, SET_TEST, 0, TEST);
    return dataset;
}

static Bound bind(const Dataset *dataset, const BatcherSettings *settings) {
    Bound bound;
    Fault fault = {0};
    Arena measure = arena_measure();
    assert_int_equal(
        batcher_bind(&bound.batcher, &measure, dataset, settings, &fault),
        STATUS_OK);
    bound.block = aligned_alloc(CACHE_LINE, measure.used);
    bound.arena = arena_bind(bound.block, measure.used);
    assert_int_equal(
        batcher_bind(&bound.batcher, &bound.arena, dataset, settings, &fault),
        STATUS_OK);
    assert_int_equal(bound.arena.used, measure.used);
    return bound;
}

static void unbind(Bound *bound) {
    arena_release(&bound->arena);
    free(bound->block);
}

/* What was handed out, row by row. */
typedef struct Log {
    size_t rows, batches;
    uint32_t *index;      /* [rows] */
    size_t *batch_begins; /* [batches] row at which each batch began */
} Log;

static Log log_create(size_t rows) {
    return (Log){.index = calloc(rows, sizeof(uint32_t)),
                 .batch_begins = calloc(rows, sizeof(size_t))};
}

static void log_destroy(Log *log) {
    free(log->index);
    free(log->batch_begins);
}

/* The number that an image carries in its first pixels. */
static uint32_t number_of(const Image *image) {
    uint8_t pixels[IMAGE_PIXELS];
    uint32_t number;
    image_read(image, pixels);
    memcpy(&number, pixels, sizeof number);
    return number;
}

/* Append a chunk after checking that its rows are what they say. */
static void log_chunk(Log *log, const Batch *chunk) {
    if (chunk->batch_row == 0) log->batch_begins[log->batches++] = log->rows;
    for (int r = 0; r < chunk->rows; ++r) {
        const uint32_t number = number_of(chunk->images[r]);
        assert_int_equal(number, chunk->index[r]);
        assert_int_equal(chunk->labels[r], number % 10);
        log->index[log->rows++] = number;
    }
}

static void expect_same(const Log *a, const Log *b) {
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->batches, b->batches);
    assert_memory_equal(a->index, b->index, a->rows * sizeof *a->index);
    assert_memory_equal(a->batch_begins, b->batch_begins,
                        a->batches * sizeof *a->batch_begins);
}

/* Whole epochs in chunks of max_rows; all data must be there. */
static Log run_epochs(Batcher *batcher, uint32_t epochs, int max_rows) {
    Log log = log_create(epochs * batcher_epoch_rows(batcher));
    Batch chunk = {0};
    for (uint32_t done = 0; done < epochs; done += chunk.ends_epoch) {
        assert_int_equal(batcher_next(batcher, max_rows, &chunk), STATUS_OK);
        log_chunk(&log, &chunk);
    }
    return log;
}

static Log run_settings(const Dataset *dataset, const BatcherSettings *settings,
                        uint32_t epochs, int max_rows) {
    Bound bound = bind(dataset, settings);
    const Log log = run_epochs(&bound.batcher, epochs, max_rows);
    unbind(&bound);
    return log;
}

/* Every training image exactly once among `count` rows? */
static void expect_permutation(const Batcher *batcher, const uint32_t *index,
                               size_t count) {
    assert_int_equal(count, batcher->train_count);
    uint8_t *const seen = calloc(TRAIN, 1);
    for (size_t i = 0; i < count; ++i) ++seen[index[i]];
    for (size_t i = 0; i < count; ++i)
        assert_int_equal(seen[batcher->train[i]], 1);
    free(seen);
}

/* ==== Roles ============================================================== */

static void roles_divide_the_training_set(void **state) {
    Bound bound = bind(*state, &USUAL);
    const Batcher *const batcher = &bound.batcher;
    assert_int_equal(batcher_count(batcher, ROLE_TRAIN), TRAIN - 1000);
    assert_int_equal(batcher_count(batcher, ROLE_VALIDATION), 1000);
    assert_int_equal(batcher_count(batcher, ROLE_TEST), TEST);
    size_t t = 0, v = 0;
    for (uint32_t image = 0; image < TRAIN; ++image) {
        if (v < 1000 && batcher->validation[v] == image)
            ++v;
        else
            assert_int_equal(batcher->train[t++], image);
    }
    assert_int_equal(v, 1000);
    unbind(&bound);
}

/* Each image is held out with probability 1/2 in 400 draws: 200 ± 10, so a
 * count off by more than 7 standard deviations is a bug, for any image. */
static void every_image_is_held_out_equally_often(void **state) {
    (void)state;
    enum { COUNT = 40, DRAWS = 400 };
    Dataset *const dataset = create(COUNT, 0);
    int held[COUNT] = {0};
    for (uint32_t seed = 0; seed < DRAWS; ++seed) {
        Bound bound = bind(dataset, &(BatcherSettings){.seed = seed,
                                                       .validation = COUNT / 2,
                                                       .batch = 1});
        for (int i = 0; i < COUNT / 2; ++i) ++held[bound.batcher.validation[i]];
        unbind(&bound);
    }
    for (int i = 0; i < COUNT; ++i) assert_in_range(held[i], 130, 270);
    dataset_destroy(dataset);
}

static void roles_follow_the_seed_only(void **state) {
    BatcherSettings other = USUAL;
    other.batch = 999;
    other.shuffle = false;
    Bound a = bind(*state, &USUAL), b = bind(*state, &other);
    const size_t bytes = 1000 * sizeof(uint32_t);
    assert_memory_equal(a.batcher.validation, b.batcher.validation, bytes);
    other.seed = 8;
    Bound c = bind(*state, &other);
    assert_memory_not_equal(a.batcher.validation, c.batcher.validation, bytes);
    unbind(&a);
    unbind(&b);
    unbind(&c);
}

static void limit_takes_the_first_training_images(void **state) {
    BatcherSettings limited = USUAL;
    limited.limit = 500;
    Bound all = bind(*state, &USUAL), some = bind(*state, &limited);
    assert_int_equal(batcher_count(&some.batcher, ROLE_TRAIN), 500);
    assert_memory_equal(some.batcher.train, all.batcher.train,
                        500 * sizeof(uint32_t));
    assert_memory_equal(some.batcher.validation, all.batcher.validation,
                        1000 * sizeof(uint32_t));
    limited.limit = TRAIN;
    Bound more = bind(*state, &limited);
    assert_int_equal(batcher_count(&more.batcher, ROLE_TRAIN), TRAIN - 1000);
    unbind(&all);
    unbind(&some);
    unbind(&more);
}

static void impossible_roles_are_refused(void **state) {
    (void)state;
    Dataset *const no_train = create(0, 10), *const ten = create(10, 0);
    Batcher batcher;
    Arena arena = arena_measure();
    Fault fault = {0};
    assert_int_equal(batcher_bind(&batcher, &arena, no_train, &USUAL, &fault),
                     STATUS_NO_DATA);
    assert_int_equal(batcher_bind(&batcher, &arena, ten, &USUAL, &fault),
                     STATUS_OUT_OF_RANGE);
    assert_string_equal(fault.place, "validation");
    assert_string_equal(fault.sentence,
                        "validation holds out 1000 of 10 training images and "
                        "leaves none to train on; at most 9 are allowed.");
    dataset_destroy(no_train);
    dataset_destroy(ten);
}

/* ==== Order ============================================================== */

static void epoch_0_goes_block_by_block(void **state) {
    Bound bound = bind(*state, &USUAL);
    Log log = run_epochs(&bound.batcher, 1, BATCHER_ROWS_MAX);
    expect_permutation(&bound.batcher, log.index, log.rows);
    size_t steps_up = 0;
    for (size_t i = 1; i < log.rows; ++i) {
        assert_true(log.index[i] / DATASET_BLOCK >=
                    log.index[i - 1] / DATASET_BLOCK);
        steps_up += log.index[i] > log.index[i - 1];
    }
    /* in random order about half of the steps go up */
    assert_in_range(steps_up, log.rows * 45 / 100, log.rows * 55 / 100);
    log_destroy(&log);
    unbind(&bound);
}

static void later_epochs_shuffle_everything_anew(void **state) {
    Bound bound = bind(*state, &USUAL);
    Log log = run_epochs(&bound.batcher, 4, BATCHER_ROWS_MAX);
    const size_t rows = batcher_epoch_rows(&bound.batcher);
    for (size_t e = 1; e < 4; ++e) {
        const uint32_t *const epoch = log.index + e * rows;
        expect_permutation(&bound.batcher, epoch, rows);
        size_t repeats = 0, late_in_first_half = 0;
        for (size_t i = 0; i < rows; ++i) {
            repeats += epoch[i] == log.index[(e - 1) * rows + i];
            late_in_first_half += i < rows / 2 && epoch[i] >= TRAIN / 2;
        }
        /* one fixed point is expected; a quarter of the rows is late images
         * in the first half */
        assert_in_range(repeats, 0, 12);
        assert_in_range(late_in_first_half, rows * 23 / 100, rows * 27 / 100);
    }
    log_destroy(&log);
    unbind(&bound);
}

static void the_order_follows_the_seed(void **state) {
    BatcherSettings other = USUAL;
    Log a = run_settings(*state, &USUAL, 2, 64);
    Log b = run_settings(*state, &other, 2, 64);
    expect_same(&a, &b);
    other.seed = 8;
    Log c = run_settings(*state, &other, 2, 64);
    assert_memory_not_equal(a.index, c.index, a.rows * sizeof *a.index);
    log_destroy(&a);
    log_destroy(&b);
    log_destroy(&c);
}

static void without_shuffle_every_epoch_is_in_file_order(void **state) {
    BatcherSettings settings = USUAL;
    settings.shuffle = false;
    Bound bound = bind(*state, &settings);
    Log log = run_epochs(&bound.batcher, 2, 500);
    const size_t rows = batcher_epoch_rows(&bound.batcher);
    const size_t bytes = rows * sizeof *log.index;
    assert_memory_equal(log.index, bound.batcher.train, bytes);
    assert_memory_equal(log.index + rows, bound.batcher.train, bytes);
    log_destroy(&log);
    unbind(&bound);
}

/* ==== Batches and chunks ================================================= */

static void chunks_change_nothing_but_the_cut(void **state) {
    const size_t batches[] = {1, 2, 64, 1024, 1025, 3000, 0, TRAIN + 1};
    const int cuts[] = {1, 7, 64, 1000, BATCHER_ROWS_MAX};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; ++b) {
        BatcherSettings settings = USUAL;
        settings.batch = batches[b];
        Log whole = run_settings(*state, &settings, 2, BATCHER_ROWS_MAX);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; ++c) {
            Log cut = run_settings(*state, &settings, 2, cuts[c]);
            expect_same(&whole, &cut);
            log_destroy(&cut);
        }
        log_destroy(&whole);
    }
}

static void chunks_tell_where_they_stand(void **state) {
    BatcherSettings settings = USUAL;
    settings.batch = 150;
    Bound bound = bind(*state, &settings);
    Batcher *const batcher = &bound.batcher;
    const size_t rows = TRAIN - 1000, batches = (rows + 149) / 150;
    assert_int_equal(batcher_epoch_rows(batcher), rows);
    assert_int_equal(batcher_epoch_batches(batcher), batches);
    uint64_t step = 0;
    for (uint32_t epoch = 0; epoch < 2; ++epoch)
        for (size_t row = 0; row < rows;) {
            const size_t in_batch = row % 150;
            const size_t batch_rows = size_min(150, rows - (row - in_batch));
            Batch chunk;
            assert_int_equal(batcher_next(batcher, 64, &chunk), STATUS_OK);
            assert_int_equal(chunk.rows, size_min(64, batch_rows - in_batch));
            assert_int_equal(chunk.epoch, epoch);
            assert_int_equal(chunk.step, step);
            assert_int_equal(chunk.epoch_row, row);
            assert_int_equal(chunk.batch_row, in_batch);
            assert_int_equal(chunk.batch_rows, batch_rows);
            row += (size_t)chunk.rows;
            const bool ends = in_batch + (size_t)chunk.rows == batch_rows;
            assert_int_equal(chunk.ends_batch, ends);
            assert_int_equal(chunk.ends_epoch, row == rows);
            step += chunk.ends_batch;
        }
    assert_int_equal(step, 2 * batches);
    unbind(&bound);
}

static void drop_last_leaves_out_the_smaller_batch(void **state) {
    BatcherSettings settings = USUAL;
    settings.drop_last = true;
    settings.batch = 100;
    Bound bound = bind(*state, &settings);
    assert_int_equal(batcher_epoch_rows(&bound.batcher), 11300);
    assert_int_equal(batcher_epoch_batches(&bound.batcher), 113);
    Log log = run_epochs(&bound.batcher, 3, BATCHER_ROWS_MAX);
    assert_int_equal(log.batches, 3 * 113);
    for (size_t b = 0; b < log.batches; ++b)
        assert_int_equal(log.batch_begins[b], b * 100);
    log_destroy(&log);
    unbind(&bound);
    /* with a batch above the number of images there is still one batch */
    settings.batch = TRAIN;
    bound = bind(*state, &settings);
    assert_int_equal(batcher_epoch_batches(&bound.batcher), 1);
    assert_int_equal(batcher_epoch_rows(&bound.batcher), TRAIN - 1000);
    unbind(&bound);
}

/* ==== Arrival ============================================================ */

/* Two epochs while the pieces of the training set arrive in the given order,
 * one after each time that the batcher has to wait. */
static Log run_arriving(const BatcherSettings *settings, const size_t *pieces,
                        size_t n_pieces, size_t piece_rows, int max_rows) {
    Dataset *const dataset = create(TRAIN, 0);
    Bound bound = bind(dataset, settings);
    Batcher *const batcher = &bound.batcher;
    Log log = log_create(2 * batcher_epoch_rows(batcher));
    Batch chunk = {0};
    size_t arrived = 0, waits = 0;
    for (uint32_t done = 0; done < 2;) {
        const BatcherPosition before = batcher_position(batcher);
        const Status status = batcher_next(batcher, max_rows, &chunk);
        if (status == STATUS_OK) {
            log_chunk(&log, &chunk);
            done += chunk.ends_epoch;
            continue;
        }
        assert_int_equal(status, STATUS_DATA_PENDING);
        assert_int_equal(batcher_position(batcher).epoch, before.epoch);
        assert_int_equal(batcher_position(batcher).row, before.row);
        assert_in_range(arrived, 0, n_pieces - 1);
        const size_t first = pieces[arrived++] * piece_rows;
        write_range(dataset, SET_TRAIN, first,
                    size_min(piece_rows, TRAIN - first));
        ++waits;
    }
    assert_true(waits > 1);
    unbind(&bound);
    dataset_destroy(dataset);
    return log;
}

static void the_order_of_arrival_changes_nothing(void **state) {
    const size_t blocks[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}};
    const size_t batches[] = {64, 3000, 0};
    for (size_t b = 0; b < 3; ++b) {
        BatcherSettings settings = USUAL;
        settings.batch = batches[b];
        Log at_once = run_settings(*state, &settings, 2, 64);
        for (size_t i = 0; i < 4; ++i) {
            Log arriving =
                run_arriving(&settings, blocks[i], 3, DATASET_BLOCK, 64);
            expect_same(&at_once, &arriving);
            log_destroy(&arriving);
        }
        log_destroy(&at_once);
    }
}

static void pieces_other_than_blocks_change_nothing(void **state) {
    enum { PIECES = 13 };
    size_t pieces[PIECES];
    for (size_t i = 0; i < PIECES; ++i) pieces[i] = i * 5 % PIECES;
    Log at_once = run_settings(*state, &USUAL, 2, BATCHER_ROWS_MAX);
    Log arriving = run_arriving(&USUAL, pieces, PIECES, 1000, 1000);
    expect_same(&at_once, &arriving);
    log_destroy(&at_once);
    log_destroy(&arriving);
}

/* Otherwise a step could stop in its middle, with half a gradient. */
static void a_batch_begins_only_when_all_of_it_is_here(void **state) {
    (void)state;
    Dataset *const dataset = create(TRAIN, 0);
    BatcherSettings settings = USUAL;
    settings.batch = DATASET_BLOCK;
    Bound bound = bind(dataset, &settings);
    Batch chunk;
    write_range(dataset, SET_TRAIN, 0, DATASET_BLOCK);
    /* about 400 images of the first block are held out, so the first batch
     * reaches into the second */
    assert_int_equal(batcher_next(&bound.batcher, 10, &chunk),
                     STATUS_DATA_PENDING);
    write_range(dataset, SET_TRAIN, DATASET_BLOCK, DATASET_BLOCK);
    do {
        assert_int_equal(batcher_next(&bound.batcher, 10, &chunk), STATUS_OK);
    } while (!chunk.ends_batch);
    unbind(&bound);
    dataset_destroy(dataset);
}

/* Before each chunk, peeking tells its rows, or nothing where it cannot know:
 * at the end of an epoch. */
static void peeking_tells_what_comes_next(void **state) {
    Bound bound = bind(*state, &USUAL);
    Batch chunk = {0};
    bool epoch_ended = false;
    for (uint32_t done = 0; done < 2; done += chunk.ends_epoch) {
        const Image *const *images = NULL;
        const int rows = batcher_peek(&bound.batcher, 50, &images);
        assert_int_equal(batcher_next(&bound.batcher, 50, &chunk), STATUS_OK);
        assert_int_equal(rows, epoch_ended ? 0 : chunk.rows);
        for (int r = 0; r < rows; ++r)
            assert_ptr_equal(images[r], chunk.images[r]);
        epoch_ended = chunk.ends_epoch;
    }
    unbind(&bound);
}

static void nothing_is_peeked_before_it_is_here(void **state) {
    (void)state;
    Dataset *const dataset = create(TRAIN, 0);
    Bound bound = bind(dataset, &USUAL);
    const Image *const *images = NULL;
    assert_int_equal(batcher_peek(&bound.batcher, 64, &images), 0);
    write_range(dataset, SET_TRAIN, 0, TRAIN);
    assert_int_equal(batcher_peek(&bound.batcher, 64, &images), 64);
    unbind(&bound);
    dataset_destroy(dataset);
}

/* ==== Position =========================================================== */

static void a_run_goes_on_from_every_position(void **state) {
    BatcherSettings settings = USUAL;
    settings.batch = 700;
    Log whole = run_settings(*state, &settings, 3, 300);
    Bound first = bind(*state, &settings);
    for (size_t taken = 0; taken < whole.batches; ++taken) {
        const BatcherPosition position = batcher_position(&first.batcher);
        Bound second = bind(*state, &settings);
        Fault fault = {0};
        assert_int_equal(batcher_seek(&second.batcher, position, &fault),
                         STATUS_OK);
        const uint32_t *expected = whole.index + whole.batch_begins[taken];
        Batch chunk;
        do {
            assert_int_equal(batcher_next(&second.batcher, 300, &chunk),
                             STATUS_OK);
            assert_int_equal(chunk.step, taken);
            assert_memory_equal(chunk.index, expected,
                                (size_t)chunk.rows * sizeof *expected);
            expected += chunk.rows;
        } while (!chunk.ends_batch);
        unbind(&second);
        do {
            assert_int_equal(batcher_next(&first.batcher, 1000, &chunk),
                             STATUS_OK);
        } while (!chunk.ends_batch);
    }
    log_destroy(&whole);
    unbind(&first);
}

static void a_position_within_a_batch_is_its_beginning(void **state) {
    Bound bound = bind(*state, &USUAL);
    Batcher *const batcher = &bound.batcher;
    Batch first, again;
    Fault fault = {0};
    assert_int_equal(batcher_next(batcher, 64, &first), STATUS_OK);
    assert_int_equal(batcher_next(batcher, 10, &first), STATUS_OK);
    assert_int_equal(batcher_position(batcher).row, 64);
    uint32_t index[10];
    memcpy(index, first.index, sizeof index);
    assert_int_equal(batcher_seek(batcher, batcher_position(batcher), &fault),
                     STATUS_OK);
    assert_int_equal(batcher_next(batcher, 10, &again), STATUS_OK);
    assert_int_equal(again.batch_row, 0);
    assert_memory_equal(again.index, index, sizeof index);
    unbind(&bound);
}

static void foreign_positions_are_refused(void **state) {
    Bound bound = bind(*state, &USUAL);
    Fault fault = {0};
    Batch chunk;
    assert_int_equal(batcher_next(&bound.batcher, 64, &chunk), STATUS_OK);
    const size_t rows[] = {TRAIN - 1000, SIZE_MAX, 63, 65};
    for (size_t i = 0; i < 4; ++i) {
        const BatcherPosition position = {.epoch = 1, .row = rows[i]};
        assert_int_equal(batcher_seek(&bound.batcher, position, &fault),
                         STATUS_OUT_OF_RANGE);
        assert_int_equal(batcher_position(&bound.batcher).epoch, 0);
        assert_int_equal(batcher_position(&bound.batcher).row, 64);
    }
    unbind(&bound);
}

/* ==== Roles in file order ================================================ */

static void roles_are_read_in_file_order(void **state) {
    Bound bound = bind(*state, &USUAL);
    Batcher *const batcher = &bound.batcher;
    Batch chunk, read;
    assert_int_equal(batcher_next(batcher, 64, &chunk), STATUS_OK);
    uint32_t training[64];
    memcpy(training, chunk.index, sizeof training);
    for (int role = ROLE_TRAIN; role <= ROLE_TEST; ++role) {
        const size_t count = batcher_count(batcher, (BatchRole)role);
        assert_int_equal(batcher_arrived(batcher, (BatchRole)role), count);
        uint32_t previous = 0;
        for (size_t first = 0; first < count; first += 1000) {
            const size_t rows = size_min(1000, count - first);
            batcher_read(batcher, (BatchRole)role, first, (int)rows, &read);
            assert_int_equal(read.rows, rows);
            for (size_t r = 0; r < rows; ++r) {
                const uint32_t number = number_of(read.images[r]);
                assert_int_equal(number, read.index[r]);
                assert_int_equal(read.labels[r], number % 10);
                if (first + r > 0) assert_true(number > previous);
                previous = number;
            }
        }
    }
    /* the training chunk that was handed out is still there */
    assert_memory_equal(chunk.index, training, sizeof training);
    assert_int_equal(batcher_position(batcher).row, 64);
    unbind(&bound);
}

static void images_that_are_missing_are_left_out(void **state) {
    (void)state;
    Dataset *const dataset = create(3000, 100);
    BatcherSettings settings = USUAL;
    settings.validation = 2000;
    Bound bound = bind(dataset, &settings);
    Batcher *const batcher = &bound.batcher;
    Batch read;
    batcher_read(batcher, ROLE_VALIDATION, 0, 500, &read);
    assert_int_equal(read.rows, 0);
    write_range(dataset, SET_TRAIN, 1000, 1000);
    write_range(dataset, SET_TEST, 10, 20);
    size_t inside = 0;
    for (size_t i = 0; i < 2000; ++i)
        inside += batcher->validation[i] / 1000 == 1;
    assert_int_equal(batcher_arrived(batcher, ROLE_VALIDATION), inside);
    assert_int_equal(batcher_arrived(batcher, ROLE_TRAIN), 1000 - inside);
    size_t read_rows = 0;
    for (size_t first = 0; first < 2000; first += 500) {
        batcher_read(batcher, ROLE_VALIDATION, first, 500, &read);
        read_rows += (size_t)read.rows;
        for (int r = 0; r < read.rows; ++r)
            assert_int_equal(read.index[r] / 1000, 1);
    }
    assert_int_equal(read_rows, inside);
    batcher_read(batcher, ROLE_TEST, 0, 100, &read);
    assert_int_equal(read.rows, 20);
    assert_int_equal(read.index[0], 10);
    unbind(&bound);
    dataset_destroy(dataset);
}

static int set_up(void **state) {
    *state = create_complete();
    return 0;
}

static int tear_down(void **state) {
    dataset_destroy(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_divide_the_training_set),
        cmocka_unit_test(every_image_is_held_out_equally_often),
        cmocka_unit_test(roles_follow_the_seed_only),
        cmocka_unit_test(limit_takes_the_first_training_images),
        cmocka_unit_test(impossible_roles_are_refused),
        cmocka_unit_test(epoch_0_goes_block_by_block),
        cmocka_unit_test(later_epochs_shuffle_everything_anew),
        cmocka_unit_test(the_order_follows_the_seed),
        cmocka_unit_test(without_shuffle_every_epoch_is_in_file_order),
        cmocka_unit_test(chunks_change_nothing_but_the_cut),
        cmocka_unit_test(chunks_tell_where_they_stand),
        cmocka_unit_test(drop_last_leaves_out_the_smaller_batch),
        cmocka_unit_test(the_order_of_arrival_changes_nothing),
        cmocka_unit_test(pieces_other_than_blocks_change_nothing),
        cmocka_unit_test(a_batch_begins_only_when_all_of_it_is_here),
        cmocka_unit_test(peeking_tells_what_comes_next),
        cmocka_unit_test(nothing_is_peeked_before_it_is_here),
        cmocka_unit_test(a_run_goes_on_from_every_position),
        cmocka_unit_test(a_position_within_a_batch_is_its_beginning),
        cmocka_unit_test(foreign_positions_are_refused),
        cmocka_unit_test(roles_are_read_in_file_order),
        cmocka_unit_test(images_that_are_missing_are_left_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
