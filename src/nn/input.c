#include "nn/input.h"

#include <string.h>

#include "base/types.h"
#include "kernels/elementwise.h"

/* Above this share of non-zero pixels the dense product is the faster one. */
static const float MAX_DENSITY = 0.5f;

static const float INK_SCALE = 1 / 255.0f;

enum { ROWS_PER_TASK = 16 };

void input_bind(Input *input, Arena *arena, int max_rows, int n_threads,
                InputScaling scaling, bool reads_sparse) {
    const float mean = 0.1307f, deviation = 0.3081f;
    const bool standard = scaling == INPUT_STANDARD;
    *input = (Input){
        .max_rows = max_rows,
        .scale = standard ? 1 / deviation : 1,
        .shift = standard ? -mean / deviation : 0,
        .may_be_sparse = reads_sparse && !standard,
    };
    input->dense = arena_floats(arena, (size_t)max_rows * IMAGE_PIXELS);
    input->given = arena_alloc(arena, (size_t)max_rows, sizeof(Image));
    input->rows = arena_alloc(arena, (size_t)max_rows, sizeof(Image *));
    if (!input->may_be_sparse) return;
    sparse_batch_bind(&input->lists[0], arena, SPARSE_FROM_IMAGES, SPARSE_BOTH,
                      max_rows, IMAGE_PIXELS, MAX_DENSITY, n_threads);
    if (n_threads == 1) return;
    sparse_batch_bind_twin(&input->lists[1], arena, &input->lists[0]);
    input->expected =
        arena_alloc(arena, (size_t)max_rows, sizeof *input->expected);
}

/* x = x·scale + shift, where that is not the identity. */
static void standardise(const Input *input, size_t count, float *x) {
    if (input->scale == 1 && input->shift == 0) return;
    elementwise_scale(count, input->scale, x);
    elementwise_subtract(count, x, -input->shift, x);
}

/* A list of ink: paper everywhere, then what is not. */
static void write_list(const Input *input, const Image *image, float *row) {
    elementwise_fill(IMAGE_PIXELS, input->shift, row);
    for (int b = 0; b < IMAGE_BANDS; b++, row += BAND_PIXELS)
        for (size_t e = image_band_begin(image, b); e < image->end[b]; e++) {
            const unsigned element = image->as.ink[e];
            const float ink = (float)(element >> 8) * INK_SCALE;
            row[element & 0xff] = ink * input->scale + input->shift;
        }
}

/* The pixels of an image, byte/255 and standardised, in place of the dense
 * ones. */
static void write_row(const Input *input, const Image *image, float *row) {
    if (image->is_list) {
        write_list(input, image, row);
        return;
    }
    elementwise_from_bytes(IMAGE_PIXELS, image->as.pixels, INK_SCALE, row);
    standardise(input, IMAGE_PIXELS, row);
}

typedef struct DenseJob {
    const Input *input;
    const Image *const *images;
    int rows;
} DenseJob;

static void dense_task(void *context, int task) {
    const DenseJob *const job = context;
    const int first = task * ROWS_PER_TASK;
    const int end = int_min(first + ROWS_PER_TASK, job->rows);
    image_fetch(job->images + first, end - first);
    for (int n = first; n < end; n++)
        write_row(job->input, job->images[n],
                  job->input->dense + (size_t)n * IMAGE_PIXELS);
}

/* ==== The batch after this one ========================================== */

void input_expect(Input *input, const Image *const *images, int rows) {
    input->listed = false;
    input->expected_rows = 0;
    if (input->expected == NULL || rows == 0) return;
    assert(rows <= input->max_rows);
    memcpy(input->expected, images, (size_t)rows * sizeof *images);
    input->expected_rows = rows;
}

static void list_expected(void *context, int task) {
    (void)task;
    Input *const input = context;
    input->listed_fits =
        sparse_list_images(&input->lists[1 - input->at_hand], input->expected,
                           input->expected_rows);
}

void input_list_ahead(Input *input, Pool *pool) {
    if (input->expected_rows == 0 || input->listed) return;
    input->listed = true;
    pool_offer(pool, list_expected, input);
}

/* Are these the images whose lists were made? */
static bool is_expected(const Input *input, const Image *const *images,
                        int rows) {
    return input->listed && rows == input->expected_rows &&
           memcmp(images, input->expected, (size_t)rows * sizeof *images) == 0;
}

/* ==== The batch at hand ================================================= */

static bool list_images(Input *input, Pool *pool, const Image *const *images,
                        int rows, SparseLists lists) {
    if (!input->may_be_sparse) return false;
    if (lists == SPARSE_BOTH && is_expected(input, images, rows)) {
        input->listed = false;
        input->expected_rows = 0;
        input->at_hand = 1 - input->at_hand;
        if (input->listed_fits)
            sparse_spread(pool, &input->lists[input->at_hand], images,
                          INK_SCALE);
        return input->listed_fits;
    }
    return sparse_from_images(pool, &input->lists[input->at_hand], lists,
                              images, rows, INK_SCALE);
}

void input_load_images(Input *input, Pool *pool, const Image *const *images,
                       int rows, SparseLists lists) {
    assert(rows >= 0 && rows <= input->max_rows);
    input->sparse = list_images(input, pool, images, rows, lists);
    if (input->sparse) return;
    DenseJob job = {.input = input, .images = images, .rows = rows};
    pool_run(pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, dense_task,
             &job);
}

void input_load_bytes(Input *input, Pool *pool, const uint8_t *pixels, int rows,
                      SparseLists lists) {
    assert(rows >= 0 && rows <= input->max_rows);
    for (int n = 0; n < rows; n++) {
        image_write(&input->given[n], pixels + (size_t)n * IMAGE_PIXELS);
        input->rows[n] = &input->given[n];
    }
    input_load_images(input, pool, input->rows, rows, lists);
}

void input_load_floats(Input *input, const float *pixels, int rows) {
    assert(rows >= 0 && rows <= input->max_rows);
    const size_t count = (size_t)rows * IMAGE_PIXELS;
    input->sparse = false;
    if (count == 0) return;
    memcpy(input->dense, pixels, count * sizeof(float));
    standardise(input, count, input->dense);
}
