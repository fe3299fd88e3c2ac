#include "data/batcher.h"

#include <string.h>

#include "base/random.h"

/* ==== Roles ============================================================== */

/* How many images play which role. */
static Status count_roles(Batcher *batcher, Fault *fault) {
    const BatcherSettings *const settings = &batcher->settings;
    const size_t count = batcher->dataset->sets[SET_TRAIN].count;
    if (count == 0)
        return fault_set(fault, STATUS_NO_DATA, "data",
                         "The data set has no training images.");
    if (settings->validation >= count)
        return fault_set(fault, STATUS_OUT_OF_RANGE, "validation",
                         "validation holds out %zu of %zu training images and "
                         "leaves none to train on; at most %zu are allowed.",
                         settings->validation, count, count - 1);
    size_t train = count - settings->validation;
    if (settings->limit != 0) train = size_min(train, settings->limit);
    batcher->train_count = train;
    batcher->validation_count = settings->validation;
    const bool whole = settings->batch == 0 || settings->batch > train;
    batcher->batch = whole ? train : settings->batch;
    return STATUS_OK;
}

/* Hold out exactly validation_count images, every subset equally likely, and
 * list both roles in ascending order. One pass: image i is held out with
 * probability (still wanted) / (images left).
 * Source: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S. */
static void draw_roles(Batcher *batcher) {
    const RandomKey key = {batcher->settings.seed, STREAM_SPLIT, 0};
    const size_t count = batcher->dataset->sets[SET_TRAIN].count;
    size_t held = 0, train = 0;
    for (size_t i = 0; i < count; ++i) {
        const size_t wanted = batcher->validation_count - held;
        const uint32_t left = (uint32_t)(count - i);
        if (wanted > 0 && random_below(key, i, left) < wanted)
            batcher->validation[held++] = (uint32_t)i;
        else if (train < batcher->train_count)
            batcher->train[train++] = (uint32_t)i;
    }
    assert(held == batcher->validation_count);
    assert(train == batcher->train_count);
}

/* ==== Order ============================================================== */

/* Shuffle the images of each block among themselves. `order` is ascending, so
 * the training images of a block are neighbours. */
static void shuffle_within_blocks(RandomKey key, uint32_t *order,
                                  size_t count) {
    for (size_t begin = 0; begin < count;) {
        const uint32_t block = order[begin] / DATASET_BLOCK;
        size_t end = begin + 1;
        while (end < count && order[end] / DATASET_BLOCK == block) ++end;
        random_shuffle(key, (uint64_t)block * DATASET_BLOCK, order + begin,
                       end - begin);
        begin = end;
    }
}

/* Bring the training images into the order of `epoch`; it depends on the
 * settings and the epoch only, not on the order before. */
static void order_epoch(Batcher *batcher, uint32_t epoch) {
    const RandomKey key = {batcher->settings.seed, STREAM_SHUFFLE, epoch};
    const size_t count = batcher->train_count;
    memcpy(batcher->order, batcher->train, count * sizeof *batcher->order);
    batcher->order_epoch = epoch;
    if (!batcher->settings.shuffle) return;
    if (epoch == 0)
        shuffle_within_blocks(key, batcher->order, count);
    else
        random_shuffle(key, 0, batcher->order, count);
}

/* ==== Binding ============================================================ */

static BatchRows bind_rows(Arena *arena) {
    BatchRows rows;
    rows.images = arena_alloc(arena, BATCHER_ROWS_MAX, sizeof *rows.images);
    rows.labels = arena_alloc(arena, BATCHER_ROWS_MAX, sizeof *rows.labels);
    rows.index = arena_alloc(arena, BATCHER_ROWS_MAX, sizeof *rows.index);
    return rows;
}

Status batcher_bind(Batcher *batcher, Arena *arena, const Dataset *dataset,
                    const BatcherSettings *settings, Fault *fault) {
    Batcher bound = {.dataset = dataset, .settings = *settings};
    TRY(count_roles(&bound, fault));
    const size_t item = sizeof(uint32_t);
    bound.train = arena_alloc(arena, bound.train_count, item);
    bound.validation = arena_alloc(arena, bound.validation_count, item);
    bound.order = arena_alloc(arena, bound.train_count, item);
    bound.next_rows = bind_rows(arena);
    bound.read_rows = bind_rows(arena);
    bound.peek_rows =
        arena_alloc(arena, BATCHER_ROWS_MAX, sizeof *bound.peek_rows);
    if (arena->base != NULL) {
        draw_roles(&bound);
        order_epoch(&bound, 0);
    }
    *batcher = bound;
    return STATUS_OK;
}

/* ==== Handing out ======================================================== */

/* Rows of the batch that begins at row `row` of an epoch. */
static size_t rows_of_batch(const Batcher *batcher, size_t row) {
    return size_min(batcher->batch, batcher_epoch_rows(batcher) - row);
}

static bool all_arrived(const Batcher *batcher, const uint32_t *index,
                        size_t count) {
    if (dataset_complete(batcher->dataset, SET_TRAIN)) return true;
    for (size_t i = 0; i < count; ++i)
        if (!dataset_ready(batcher->dataset, SET_TRAIN, index[i])) return false;
    return true;
}

/* Put one image into row `row` of the arrays. */
static void place_image(const Dataset *dataset, SetKind set, size_t image,
                        const BatchRows *rows, int row) {
    rows->images[row] = dataset_image(dataset, set, image);
    rows->labels[row] = dataset->sets[set].labels[image];
    rows->index[row] = (uint32_t)image;
}

/* The chunk of `rows` rows after those that were taken. */
static Batch describe_chunk(const Batcher *batcher, int rows) {
    const size_t begin = batcher->position.row, taken = batcher->taken;
    const size_t batch_rows = rows_of_batch(batcher, begin);
    const bool ends_batch = taken + (size_t)rows == batch_rows;
    const uint64_t epoch_batches = batcher_epoch_batches(batcher);
    return (Batch){
        .rows = rows,
        .images = batcher->next_rows.images,
        .labels = batcher->next_rows.labels,
        .index = batcher->next_rows.index,
        .epoch = batcher->position.epoch,
        .step =
            batcher->position.epoch * epoch_batches + begin / batcher->batch,
        .batch_rows = batch_rows,
        .batch_row = taken,
        .epoch_row = begin + taken,
        .ends_batch = ends_batch,
        .ends_epoch =
            ends_batch && begin + batch_rows == batcher_epoch_rows(batcher),
    };
}

/* Stand behind a chunk that was handed out. */
static void advance(Batcher *batcher, const Batch *chunk) {
    batcher->taken += (size_t)chunk->rows;
    if (!chunk->ends_batch) return;
    batcher->taken = 0;
    batcher->position.row += chunk->batch_rows;
    if (!chunk->ends_epoch) return;
    batcher->position.row = 0;
    ++batcher->position.epoch;
}

/* Rows of the next chunk; 0 when its batch has not arrived. */
static size_t next_chunk_rows(const Batcher *batcher, int max_rows) {
    assert(max_rows >= 1 && max_rows <= BATCHER_ROWS_MAX);
    const size_t begin = batcher->position.row, taken = batcher->taken;
    const size_t batch_rows = rows_of_batch(batcher, begin);
    if (taken == 0 && !all_arrived(batcher, batcher->order + begin, batch_rows))
        return 0;
    return size_min((size_t)max_rows, batch_rows - taken);
}

Status batcher_next(Batcher *batcher, int max_rows, Batch *out) {
    if (batcher->order_epoch != batcher->position.epoch)
        order_epoch(batcher, batcher->position.epoch);
    const size_t rows = next_chunk_rows(batcher, max_rows);
    if (rows == 0) return STATUS_DATA_PENDING;
    const uint32_t *const index =
        batcher->order + batcher->position.row + batcher->taken;
    for (size_t r = 0; r < rows; ++r)
        place_image(batcher->dataset, SET_TRAIN, index[r], &batcher->next_rows,
                    (int)r);
    *out = describe_chunk(batcher, (int)rows);
    advance(batcher, out);
    return STATUS_OK;
}

int batcher_peek(Batcher *batcher, int max_rows, const Image *const **images) {
    if (batcher->order_epoch != batcher->position.epoch) return 0;
    const size_t rows = next_chunk_rows(batcher, max_rows);
    const uint32_t *const index =
        batcher->order + batcher->position.row + batcher->taken;
    for (size_t r = 0; r < rows; ++r)
        batcher->peek_rows[r] =
            dataset_image(batcher->dataset, SET_TRAIN, index[r]);
    *images = batcher->peek_rows;
    return (int)rows;
}

/* ==== Roles in file order ================================================ */

static SetKind role_set(BatchRole role) {
    return role == ROLE_TEST ? SET_TEST : SET_TRAIN;
}

/* Image number of row `row` of a role. */
static size_t role_image(const Batcher *batcher, BatchRole role, size_t row) {
    switch (role) {
    case ROLE_TRAIN:
        return batcher->train[row];
    case ROLE_VALIDATION:
        return batcher->validation[row];
    case ROLE_TEST:
        break;
    }
    return row;
}

size_t batcher_count(const Batcher *batcher, BatchRole role) {
    switch (role) {
    case ROLE_TRAIN:
        return batcher->train_count;
    case ROLE_VALIDATION:
        return batcher->validation_count;
    case ROLE_TEST:
        break;
    }
    return batcher->dataset->sets[SET_TEST].count;
}

size_t batcher_arrived(const Batcher *batcher, BatchRole role) {
    const size_t count = batcher_count(batcher, role);
    const SetKind set = role_set(role);
    if (dataset_complete(batcher->dataset, set)) return count;
    size_t arrived = 0;
    for (size_t row = 0; row < count; ++row)
        if (dataset_ready(batcher->dataset, set,
                          role_image(batcher, role, row)))
            ++arrived;
    return arrived;
}

void batcher_read(Batcher *batcher, BatchRole role, size_t first, int rows,
                  Batch *out) {
    assert(rows >= 0 && rows <= BATCHER_ROWS_MAX);
    assert(first <= batcher_count(batcher, role));
    assert((size_t)rows <= batcher_count(batcher, role) - first);
    const SetKind set = role_set(role);
    int n = 0;
    for (size_t row = first; row < first + (size_t)rows; ++row) {
        const size_t image = role_image(batcher, role, row);
        if (!dataset_ready(batcher->dataset, set, image)) continue;
        place_image(batcher->dataset, set, image, &batcher->read_rows, n++);
    }
    *out = (Batch){
        .rows = n,
        .images = batcher->read_rows.images,
        .labels = batcher->read_rows.labels,
        .index = batcher->read_rows.index,
        .batch_rows = (size_t)n,
        .ends_batch = true,
    };
}

/* ==== Position =========================================================== */

size_t batcher_epoch_rows(const Batcher *batcher) {
    const size_t count = batcher->train_count;
    if (!batcher->settings.drop_last) return count;
    return count - count % batcher->batch;
}

size_t batcher_epoch_batches(const Batcher *batcher) {
    return size_div_up(batcher_epoch_rows(batcher), batcher->batch);
}

BatcherPosition batcher_position(const Batcher *batcher) {
    return batcher->position;
}

Status batcher_seek(Batcher *batcher, BatcherPosition position, Fault *fault) {
    const size_t rows = batcher_epoch_rows(batcher);
    if (position.row >= rows || position.row % batcher->batch != 0)
        return fault_set(fault, STATUS_OUT_OF_RANGE, "position",
                         "No batch begins at row %zu; an epoch has %zu rows in "
                         "batches of %zu.",
                         position.row, rows, batcher->batch);
    batcher->position = position;
    batcher->taken = 0;
    return STATUS_OK;
}
