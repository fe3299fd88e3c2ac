/* Protects the products over non-zero elements: both products have the bits of
 * the dense gemm on the same values, for any number of outputs, inputs, samples
 * and threads; the lists hold exactly the non-zero elements in both orders; too
 * dense a batch is refused; and the optimiser's callback sees every row of the
 * gradient once, complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/elementwise.h"
#include "kernels/sparse.h"
#include "reference.h"

enum { THREADS_MAX = 3 };

static const float SCALE = 1.0f / 255.0f;

/* A batch of bytes, as images where they have as many pixels, the same as dense
 * floats, and its lists: from the images, or from the floats. */
typedef struct Images {
    int n_samples, n_inputs;
    SparseFrom from;
    uint8_t **pixels; /* each sample in memory of its own */
    Image *image;
    const Image **images;
    float *dense; /* N x I */
    Arena arena;
    SparseBatch batch;
} Images;

/* `percent` of the bytes are non-zero, in runs, as ink is. */
static void draw(size_t count, int percent, uint32_t seed, uint8_t *pixels) {
    float *const random = reference_floats(count + 1);
    reference_fill_random(count + 1, seed, random);
    bool ink = false;
    for (size_t i = 0; i < count; i++) {
        if (i % 5 == 0) ink = (random[i] + 1) * 50 < (float)percent;
        const int byte = 1 + (int)((random[i + 1] + 1) * 127);
        pixels[i] = ink ? (uint8_t)byte : 0;
    }
    free(random);
}

static void bind(SparseBatch *batch, Arena *arena, const Images *t,
                 SparseFrom from, SparseLists lists, int n_threads) {
    Arena measure = arena_measure();
    const int max_samples = int_max(t->n_samples, 1);
    sparse_batch_bind(batch, &measure, from, lists, max_samples, t->n_inputs, 1,
                      n_threads);
    *arena = reference_bind(measure.used);
    sparse_batch_bind(batch, arena, from, lists, max_samples, t->n_inputs, 1,
                      n_threads);
    assert_int_equal(arena->used, measure.used);
}

static void fill_sample(Images *t, int n) {
    const size_t count = (size_t)t->n_inputs;
    if (t->from == SPARSE_FROM_IMAGES) image_write(&t->image[n], t->pixels[n]);
    elementwise_from_bytes(count, t->pixels[n], SCALE,
                           t->dense + (size_t)n * count);
}

/* Every seventh sample has so much ink that it is kept as its pixels. */
static Images make_images(int n_samples, int n_inputs, int percent) {
    Images t = {.n_samples = n_samples,
                .n_inputs = n_inputs,
                .from = n_inputs == IMAGE_PIXELS ? SPARSE_FROM_IMAGES
                                                 : SPARSE_FROM_FLOATS};
    const size_t count = (size_t)n_inputs, room = (size_t)n_samples + 1;
    t.pixels = calloc(room, sizeof *t.pixels);
    t.image = aligned_alloc(CACHE_LINE, room * sizeof *t.image);
    t.images = calloc(room, sizeof *t.images);
    t.dense = reference_floats((size_t)n_samples * count);
    for (int n = 0; n < n_samples; n++) {
        t.pixels[n] = malloc(count);
        t.images[n] = &t.image[n];
        draw(count, n % 7 == 6 ? 80 : percent, (uint32_t)n + 1, t.pixels[n]);
        fill_sample(&t, n);
    }
    bind(&t.batch, &t.arena, &t, t.from, SPARSE_BOTH, THREADS_MAX);
    return t;
}

static void free_images(Images *t) {
    for (int n = 0; n < t->n_samples; n++) free(t->pixels[n]);
    free(t->pixels);
    free(t->image);
    free(t->images);
    free(t->dense);
    reference_unbind(&t->arena);
}

static bool build(Pool *pool, Images *t, SparseLists lists) {
    return t->from == SPARSE_FROM_IMAGES
               ? sparse_from_images(pool, &t->batch, lists, t->images,
                                    t->n_samples, SCALE)
               : sparse_from_floats(pool, &t->batch, lists, t->dense,
                                    (size_t)t->n_inputs, t->n_samples);
}

/* Rebuild the dense matrix from a list, checking the order. by_sample has a row
 * for each block of each sample, by_input for each group of samples of each
 * input. */
static void check_values(const Images *t, bool by_input,
                         const SparseList *list) {
    const size_t count = (size_t)t->n_samples * (size_t)t->n_inputs;
    const uint32_t samples = (uint32_t)t->n_samples;
    const uint32_t inputs = (uint32_t)t->n_inputs;
    const uint32_t group = t->from == SPARSE_FROM_IMAGES ? 256 : samples + 1;
    const uint32_t n_rows = by_input ? inputs * (uint32_t)t->batch.n_groups
                                     : samples * (uint32_t)t->batch.n_blocks;
    float *const rebuilt = reference_floats(count);
    memset(rebuilt, 0, count * sizeof *rebuilt);
    size_t n_entries = 0;
    for (uint32_t row = 0; row < n_rows; row++) {
        n_entries += list->end[row] - list->start[row];
        for (uint32_t e = list->start[row]; e < list->end[row]; e++) {
            const uint32_t index = list->index[e];
            assert_true(list->value[e] != 0);
            if (e > list->start[row]) assert_true(list->index[e - 1] < index);
            const uint32_t n = by_input ? index : row % samples;
            const uint32_t i = by_input ? row % inputs : index;
            if (by_input)
                assert_int_equal(n / group, row / inputs);
            else
                assert_int_equal(i / (uint32_t)t->batch.block_inputs,
                                 row / samples);
            rebuilt[n * inputs + i] = list->value[e];
        }
    }
    assert_int_equal(n_entries, t->batch.n_entries);
    reference_assert_same_bits(count, rebuilt, t->dense);
    free(rebuilt);
}

/* The lists of one kind, of every thread that has one. */
static void check_list(const Images *t, bool by_input) {
    const SparseBatch *const batch = &t->batch;
    const int n_lists = by_input ? batch->n_by_input : batch->n_by_sample;
    assert_true(n_lists >= 1);
    for (int i = 0; i < n_lists; i++)
        check_values(t, by_input,
                     by_input ? &batch->by_input[i] : &batch->by_sample[i]);
}

/* The list by sample alone, from a memory of just its size. */
static void check_one_list(Images *t, SparseFrom from) {
    Images alone = *t;
    alone.from = from;
    bind(&alone.batch, &alone.arena, t, from, SPARSE_BY_SAMPLE, 1);
    assert_true(build(NULL, &alone, SPARSE_BY_SAMPLE));
    check_list(&alone, false);
    reference_unbind(&alone.arena);
}

static void lists_hold_the_non_zero_elements_in_both_orders(void **state) {
    (void)state;
    static const int inputs[] = {1, 3, 7, 8, 9, 16, 23, 64, 511, 784, 1037};
    static const int samples[] = {0, 1, 2, 5, 64, 300};
    static const int percents[] = {0, 19, 60, 100};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t n = 0; n < sizeof samples / sizeof *samples; n++)
            for (size_t p = 0; p < sizeof percents / sizeof *percents; p++) {
                Images t = make_images(samples[n], inputs[i], percents[p]);
                assert_true(build(NULL, &t, SPARSE_BOTH));
                check_list(&t, false);
                check_list(&t, true);
                check_one_list(&t, t.from);
                check_one_list(&t, SPARSE_FROM_FLOATS);
                free_images(&t);
            }
}

/* y against gemm started from the bias. */
static void check_forward(Pool *pool, Images *t, const GemmWork *work,
                          int n_outputs, bool with_bias) {
    const size_t n = (size_t)n_outputs;
    const size_t y_count = (size_t)t->n_samples * n;
    const size_t w_count = (size_t)t->n_inputs * n;
    float *const w = reference_floats(w_count);
    float *const bias = reference_floats(n);
    float *const y = reference_floats(y_count);
    float *const expected = reference_floats(y_count);
    reference_fill_random(w_count, 7, w);
    reference_fill_random(n, 8, bias);
    const float *const start = with_bias ? bias : NULL;
    elementwise_fill_rows(t->n_samples, n_outputs, start, expected);
    gemm(NULL, work, t->n_samples, n_outputs, t->n_inputs,
         matrix_rows(t->dense, (size_t)t->n_inputs), matrix_rows(w, n),
         expected, n, true);
    float *const panels =
        reference_panels((size_t)t->n_inputs, n, matrix_rows(w, n));
    float *const transposed =
        reference_panels(n, (size_t)t->n_inputs, matrix_transposed(w, n));
    const Matrix forms[] = {
        matrix_panels(panels, (size_t)t->n_inputs, n),
        matrix_panels_transposed(transposed, n, (size_t)t->n_inputs),
        matrix_rows(w, n)};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        reference_fill_random(y_count, 9, y);
        sparse_forward(pool, work, &t->batch, n_outputs, forms[i], start, y);
        reference_assert_same_bits(y_count, y, expected);
    }
    free(panels);
    free(transposed);
    free(w);
    free(bias);
    free(y);
    free(expected);
}

/* What the callback has seen of a gradient. */
typedef struct Seen {
    const float *expected;
    int *times; /* per element, as it lies in panels */
} Seen;

static void see(void *context, size_t offset, size_t count,
                const float *gradient) {
    Seen *const seen = context;
    reference_assert_same_bits(count, gradient, seen->expected + offset);
    for (size_t i = 0; i < count; i++) seen->times[offset + i]++;
}

/* Every element is handed over once, complete. */
static void check_taken(Pool *pool, Images *t, const GemmWork *work,
                        int n_outputs, const float *dy, float *dw,
                        const float *expected, bool accumulate) {
    const size_t inputs = (size_t)t->n_inputs, outputs = (size_t)n_outputs;
    Seen seen = {expected, calloc(inputs * outputs, sizeof *seen.times)};
    const SparseFinish finish = {see, &seen};
    sparse_weight_gradient(pool, work, &t->batch, n_outputs, dy, dw, accumulate,
                           &finish);
    for (size_t i = 0; i < inputs * outputs; i++)
        assert_int_equal(seen.times[i], 1);
    free(seen.times);
}

/* w += factor·xᵀ·dy has the bits of the gradient of factor·dy added to w. */
static void check_plain_step(Pool *pool, Images *t, const GemmWork *work,
                             int n_outputs, const float *dy, const float *w) {
    const float factor = -0.3f;
    const size_t dy_count = (size_t)t->n_samples * (size_t)n_outputs;
    const size_t w_count = (size_t)t->n_inputs * (size_t)n_outputs;
    float *const moved = reference_copy(w_count, w);
    float *const expected = reference_copy(w_count, w);
    float *const scaled = reference_copy(dy_count, dy);
    for (size_t i = 0; i < dy_count; i++) scaled[i] *= factor;
    sparse_weight_gradient(NULL, work, &t->batch, n_outputs, scaled, expected,
                           true, NULL);
    sparse_add_gradient(pool, work, &t->batch, n_outputs, factor, dy, moved);
    reference_assert_same_bits(w_count, moved, expected);
    free(moved);
    free(expected);
    free(scaled);
}

/* dW against gemm. */
static void check_gradient(Pool *pool, Images *t, const GemmWork *work,
                           int n_outputs, bool accumulate) {
    const size_t n = (size_t)n_outputs;
    const size_t dy_count = (size_t)t->n_samples * n;
    const size_t dw_count = (size_t)t->n_inputs * n;
    float *const dy = reference_floats(dy_count);
    float *const dw = reference_floats(dw_count);
    reference_fill_random(dy_count, 11, dy);
    reference_fill_random(dw_count, 12, dw);
    float *const rows = reference_rows((size_t)t->n_inputs, n, dw);
    gemm(NULL, work, t->n_inputs, n_outputs, t->n_samples,
         matrix_transposed(t->dense, (size_t)t->n_inputs), matrix_rows(dy, n),
         rows, n, accumulate);
    float *const expected =
        reference_panels((size_t)t->n_inputs, n, matrix_rows(rows, n));
    free(rows);
    float *const taken = reference_copy(dw_count, dw);
    sparse_weight_gradient(pool, work, &t->batch, n_outputs, dy, dw, accumulate,
                           NULL);
    reference_assert_same_bits(dw_count, dw, expected);
    check_taken(pool, t, work, n_outputs, dy, taken, expected, accumulate);
    check_plain_step(pool, t, work, n_outputs, dy, expected);
    free(dy);
    free(dw);
    free(taken);
    free(expected);
}

/* Ink that one thread listed, indices and values worked out by all. */
static void check_two_steps(Pool *pool, Images *t, const GemmWork *work,
                            int n_outputs) {
    if (t->from != SPARSE_FROM_IMAGES) return;
    assert_true(sparse_list_images(&t->batch, t->images, t->n_samples));
    sparse_spread(pool, &t->batch, t->images, SCALE);
    check_list(t, false);
    check_list(t, true);
    check_forward(pool, t, work, n_outputs, true);
    check_gradient(pool, t, work, n_outputs, false);
}

/* Both products with all thread counts for one shape. `room_for` threads' worth
 * of packing space: with little of it, fewer tasks run. */
static void check_shape(int n_samples, int n_inputs, int n_outputs,
                        int room_for) {
    Images t = make_images(n_samples, n_inputs, 25);
    Arena arena;
    const GemmWork work = reference_work(&arena, room_for);
    for (int n_threads = 1; n_threads <= THREADS_MAX; n_threads++) {
        Pool *const pool = pool_create(n_threads);
        assert_non_null(pool);
        assert_true(build(pool, &t, SPARSE_BOTH));
        assert_int_equal(t.batch.n_by_input, n_samples < 16 ? 1 : n_threads);
        check_list(&t, false);
        check_list(&t, true);
        check_forward(pool, &t, &work, n_outputs, n_threads != 2);
        check_gradient(pool, &t, &work, n_outputs, false);
        check_gradient(pool, &t, &work, n_outputs, true);
        check_two_steps(pool, &t, &work, n_outputs);
        pool_destroy(pool);
    }
    reference_unbind(&arena);
    free_images(&t);
}

static void products_have_the_bits_of_the_dense_ones(void **state) {
    (void)state;
    for (int n_outputs = 1; n_outputs <= 40; n_outputs++)
        check_shape(5, 50, n_outputs, 1);
    static const int outputs[] = {63, 64, 65, 97, 128, 131};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        check_shape(64, 784, outputs[i], i % 2 == 0 ? THREADS_MAX : 1);
    check_shape(64, 784, 500, THREADS_MAX);
    check_shape(250, 784, 400, 1);
    check_shape(520, 784, 40, THREADS_MAX);
    check_shape(1, 784, 128, 1);
    check_shape(20, 1037, 40, THREADS_MAX);
    check_shape(0, 20, 10, 1);
    check_shape(33, 1, 7, 1);
}

static void check_density(SparseFrom from) {
    Images t = make_images(10, 784, 60);
    Arena measure = arena_measure();
    const SparseBatch kept = t.batch;
    sparse_batch_bind(&t.batch, &measure, from, SPARSE_BOTH, 10, 784, 0.25f, 1);
    Arena arena = reference_bind(measure.used);
    sparse_batch_bind(&t.batch, &arena, from, SPARSE_BOTH, 10, 784, 0.25f, 1);
    t.from = from;
    assert_false(build(NULL, &t, SPARSE_BOTH));
    t.from = SPARSE_FROM_IMAGES;
    for (int n = 0; n < 10; n++) {
        draw(784, 15, (uint32_t)n + 1, t.pixels[n]);
        fill_sample(&t, n);
    }
    t.from = from;
    assert_true(build(NULL, &t, SPARSE_BOTH));
    const float density = sparse_density(&t.batch);
    assert_true(density > 0.05f && density < 0.25f);
    t.batch = kept;
    reference_unbind(&arena);
    free_images(&t);
}

static void a_batch_above_the_density_is_refused(void **state) {
    (void)state;
    check_density(SPARSE_FROM_IMAGES);
    check_density(SPARSE_FROM_FLOATS);
}

/* The first samples of floats decide; there is room for whatever follows. */
static void the_first_floats_tell_the_density(void **state) {
    (void)state;
    for (int n_threads = 1; n_threads <= THREADS_MAX; n_threads++) {
        Pool *const pool = pool_create(n_threads);
        Images t = make_images(45, 130, 100);
        Arena measure = arena_measure();
        sparse_batch_bind(&t.batch, &measure, t.from, SPARSE_BOTH, 45, 130,
                          0.5f, n_threads);
        Arena arena = reference_bind(measure.used);
        sparse_batch_bind(&t.batch, &arena, t.from, SPARSE_BOTH, 45, 130, 0.5f,
                          n_threads);
        assert_false(build(pool, &t, SPARSE_BOTH));
        memset(t.dense, 0, 16 * 130 * sizeof *t.dense);
        assert_true(build(pool, &t, SPARSE_BOTH));
        check_list(&t, false);
        check_list(&t, true);
        reference_unbind(&arena);
        free_images(&t);
        pool_destroy(pool);
    }
}

/* Ink listed ahead is still that of its images when the batch whose lists it
 * shares has been used for others. */
static void a_twin_keeps_its_ink(void **state) {
    (void)state;
    Images next = make_images(30, 784, 25), now = make_images(30, 784, 60);
    Arena measure = arena_measure();
    SparseBatch twin;
    sparse_batch_bind_twin(&twin, &measure, &now.batch);
    Arena arena = reference_bind(measure.used);
    sparse_batch_bind_twin(&twin, &arena, &now.batch);
    assert_true(sparse_list_images(&twin, next.images, 30));
    assert_true(build(NULL, &now, SPARSE_BOTH));
    check_list(&now, false);
    check_list(&now, true);
    sparse_spread(NULL, &twin, next.images, SCALE);
    Images taken = next;
    taken.batch = twin;
    check_list(&taken, false);
    check_list(&taken, true);
    reference_unbind(&arena);
    free_images(&next);
    free_images(&now);
}

/* A weight that is not finite must show wherever its pixel has ink. */
static void nan_in_the_weights_stays_visible(void **state) {
    (void)state;
    enum { I = IMAGE_PIXELS, O = 6 };
    static float w[I * O];
    float y[2 * O];
    w[4 * O + 5] = __builtin_nanf("");
    Images t = make_images(2, I, 0);
    t.pixels[1][4] = 3;
    fill_sample(&t, 1);
    assert_true(build(NULL, &t, SPARSE_BOTH));
    Arena arena;
    const GemmWork work = reference_work(&arena, 1);
    sparse_forward(NULL, &work, &t.batch, O, matrix_panels(w, I, O), NULL, y);
    assert_true(y[5] == 0 && y[O + 5] != y[O + 5] && y[O + 4] == 0);
    reference_unbind(&arena);
    free_images(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_the_non_zero_elements_in_both_orders),
        cmocka_unit_test(products_have_the_bits_of_the_dense_ones),
        cmocka_unit_test(a_batch_above_the_density_is_refused),
        cmocka_unit_test(the_first_floats_tell_the_density),
        cmocka_unit_test(a_twin_keeps_its_ink),
        cmocka_unit_test(nan_in_the_weights_stays_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
