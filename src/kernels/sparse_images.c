/* Lists of images, which are kept as lists of their ink (base/image.h).
 *
 * Method. by_sample is what the images hold already, and each thread only turns
 * it into indices and values of its own. For by_input the elements of a band of
 * all samples are counted by input, so that everything has its place, and then
 * distributed, sample after sample; the result, still ink, is turned into
 * indices and values in the same way. How much ink each band of an image has is
 * known, so bands need not wait for each other.
 */
#include <string.h>

#include "kernels/sparse_rows.h"

void sparse_bind_ink(SparseBatch *batch, Arena *arena) {
    assert(batch->n_inputs == IMAGE_PIXELS);
    if (batch->lists != SPARSE_BOTH) return;
    SparseInk *const ink = &batch->ink;
    const size_t n_groups =
        size_div_up((size_t)batch->max_samples, SPARSE_GROUP);
    ink->start =
        arena_alloc(arena, n_groups * IMAGE_PIXELS + 1, sizeof(uint32_t));
    if (ink->start != NULL) ink->end = ink->start + 1;
    ink->element = arena_alloc(arena, sparse_capacity(batch), sizeof(uint16_t));
}

void sparse_batch_bind_twin(SparseBatch *twin, Arena *arena,
                            const SparseBatch *of) {
    assert(of->from == SPARSE_FROM_IMAGES);
    *twin = *of;
    sparse_bind_ink(twin, arena);
}

/* ==== Ink by input ====================================================== */

/* What is listed, and how. */
typedef struct Source {
    SparseBatch *batch;
    const Image *const *images;
    float scale;
} Source;

/* How many elements a band has. */
static size_t band_count(const Image *image, int band) {
    return image->end[band] - image_band_begin(image, band);
}

/* Count the elements of a band of all samples by input: end[BAND_PIXELS]. */
static void count_band(const Image *const *images, int n_samples, int band,
                       uint32_t *end) {
    uint16_t room[BAND_ROOM];
    for (int n = 0; n < n_samples; n++) {
        const uint16_t *next = image_band(images[n], band, room);
        const uint16_t *const stop = next + band_count(images[n], band);
        while (next < stop) end[*next++ & 0xff]++;
    }
}

/* Give each of them the next place of its input. */
static void distribute_band(const Image *const *images, int n_samples, int band,
                            uint32_t *end, uint16_t *to) {
    uint16_t room[BAND_ROOM];
    for (int n = 0; n < n_samples; n++) {
        const uint16_t *next = image_band(images[n], band, room);
        const uint16_t *const stop = next + band_count(images[n], band);
        while (next < stop) {
            const unsigned element = *next++;
            to[end[element & 0xff]++] =
                (uint16_t)((element & 0xff00) | (unsigned)n);
        }
    }
}

/* How many elements of the batch are in groups before g, or in group g but in
 * bands before `band`. */
static uint32_t place_of_band(const Source *source, int g, int band) {
    const int first = g * SPARSE_GROUP;
    const int end = int_min(first + SPARSE_GROUP, source->batch->n_samples);
    size_t place = 0;
    for (int n = 0; n < first; n++) place += image_ink(source->images[n]);
    for (int n = first; n < end; n++)
        place += image_band_begin(source->images[n], band);
    return (uint32_t)place;
}

/* A band of a group of samples. An input ends where the next one starts: end[i]
 * counts, then is the place where it begins, and is moved to where it ends. */
static void list_band(void *context, int task) {
    const Source *const source = context;
    const int g = task / IMAGE_BANDS, band = task % IMAGE_BANDS;
    const int first = g * SPARSE_GROUP;
    const int n = int_min(SPARSE_GROUP, source->batch->n_samples - first);
    const Image *const *const images = source->images + first;
    const SparseInk *const ink = &source->batch->ink;
    uint32_t *const end = ink->end + (size_t)task * BAND_PIXELS;
    uint32_t place = place_of_band(source, g, band);
    memset(end, 0, BAND_PIXELS * sizeof *end);
    count_band(images, n, band, end);
    for (int i = 0; i < BAND_PIXELS; i++) {
        const uint32_t count = end[i];
        end[i] = place;
        place += count;
    }
    distribute_band(images, n, band, end, ink->element);
}

/* ==== Indices and values ================================================ */

/* A sample into by_sample, from place `at` on. Returns the next place. */
static size_t spread_image(const SparseBatch *batch, const Image *image, int n,
                           size_t at, float scale, const SparseList *list) {
    const int bands = batch->block_inputs / BAND_PIXELS;
    uint16_t room[IMAGE_ROOM];
    sparse_write_image(image_elements(image, room), image->end, scale,
                       (SparsePlace){list->index + at, list->value + at});
    for (int b = 0; b < batch->n_blocks; b++) {
        const int row = b * batch->n_samples + n;
        const int last = int_min((b + 1) * bands, IMAGE_BANDS) - 1;
        list->start[row] = (uint32_t)(at + image_band_begin(image, b * bands));
        list->end[row] = (uint32_t)(at + image->end[last]);
    }
    return at + image_ink(image);
}

static void spread_by_sample(const Source *source, int thread) {
    const SparseBatch *const batch = source->batch;
    size_t at = 0;
    for (int n = 0; n < batch->n_samples; n++)
        at = spread_image(batch, source->images[n], n, at, source->scale,
                          &batch->by_sample[thread]);
}

static void spread_by_input(const Source *source, int thread) {
    const SparseBatch *const batch = source->batch;
    const SparseInk *const ink = &batch->ink;
    const SparseList *const list = &batch->by_input[thread];
    for (int g = 0; g < batch->n_groups; g++) {
        const uint32_t begin = ink->start[g * IMAGE_PIXELS];
        const uint32_t end = ink->start[(g + 1) * IMAGE_PIXELS];
        sparse_write_ink(
            ink->element + begin, end - begin, (size_t)g * SPARSE_GROUP,
            source->scale,
            (SparsePlace){list->index + begin, list->value + begin});
    }
}

static void spread_task(void *context, int thread) {
    const Source *const source = context;
    image_fetch(source->images, source->batch->n_samples);
    spread_by_sample(source, thread);
    if (source->batch->has_ink) spread_by_input(source, thread);
}

/* ==== Both ============================================================== */

/* Begin with a batch; false when it is too dense. */
static bool open_batch(SparseBatch *batch, SparseLists lists,
                       const Image *const *images, int n_samples) {
    assert(batch->from == SPARSE_FROM_IMAGES);
    assert(n_samples >= 0 && n_samples <= batch->max_samples);
    assert(lists == SPARSE_BY_SAMPLE || batch->lists == SPARSE_BOTH);
    (void)lists;
    batch->n_samples = n_samples;
    batch->n_groups = int_max((n_samples + SPARSE_GROUP - 1) / SPARSE_GROUP, 1);
    batch->has_ink = false;
    batch->n_entries = 0;
    for (int n = 0; n < n_samples; n++)
        batch->n_entries += image_ink(images[n]);
    return batch->n_entries <= sparse_room(batch, n_samples);
}

/* All bands of all groups; `pool` NULL: by the calling thread. */
static void list_bands(Pool *pool, Source *source) {
    SparseBatch *const batch = source->batch;
    const int n_tasks = batch->n_groups * IMAGE_BANDS;
    batch->has_ink = true;
    batch->ink.start[0] = 0;
    if (pool != NULL) {
        pool_run(pool, n_tasks, list_band, source);
        return;
    }
    image_fetch(source->images, batch->n_samples);
    for (int i = 0; i < n_tasks; i++) list_band(source, i);
}

bool sparse_list_images(SparseBatch *batch, const Image *const *images,
                        int n_samples) {
    Source source = {.batch = batch, .images = images};
    if (!open_batch(batch, SPARSE_BOTH, images, n_samples)) return false;
    list_bands(NULL, &source);
    return true;
}

void sparse_spread(Pool *pool, SparseBatch *batch, const Image *const *images,
                   float scale) {
    Source source = {.batch = batch, .images = images, .scale = scale};
    const int n_threads = sparse_threads(batch, pool);
    batch->n_by_sample = n_threads;
    batch->n_by_input = batch->has_ink ? n_threads : 0;
    for (int i = 0; i < batch->n_by_input; i++) {
        batch->by_input[i].start = batch->ink.start;
        batch->by_input[i].end = batch->ink.end;
    }
    sparse_run(pool, n_threads, spread_task, &source);
}

bool sparse_from_images(Pool *pool, SparseBatch *batch, SparseLists lists,
                        const Image *const *images, int n_samples,
                        float scale) {
    Source source = {.batch = batch, .images = images};
    if (!open_batch(batch, lists, images, n_samples)) return false;
    if (lists == SPARSE_BOTH)
        list_bands(sparse_threads(batch, pool) > 1 ? pool : NULL, &source);
    sparse_spread(pool, batch, images, scale);
    return true;
}
