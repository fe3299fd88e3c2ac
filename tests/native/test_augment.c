/* Augmentation distorts as its settings say: nothing when all are zero, whole
 * pixels exactly, a field with the spread and the smoothness that Simard's
 * construction has; and always the same for the same seed, epoch and image,
 * whatever the threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/augment.h"

static const AugmentSettings NOTHING = {.elastic_sigma = 4};
static const AugmentSettings USUAL = {.shift = 1.5,
                                      .rotation = 10,
                                      .scale = 0.1,
                                      .shear = 8,
                                      .elastic_alpha = 34,
                                      .elastic_sigma = 4};

/* ==== Fixture ============================================================ */

typedef struct Bound {
    Augmenter augmenter;
    Arena arena;
    void *block;
} Bound;

static Bound bind(AugmentSettings settings, uint32_t seed) {
    Bound bound = {.block = NULL};
    Arena measure = arena_measure();
    augmenter_bind(&bound.augmenter, &measure, &settings, seed);
    if (measure.used == 0) return bound;
    bound.block = aligned_alloc(CACHE_LINE, measure.used);
    bound.arena = arena_bind(bound.block, measure.used);
    augmenter_bind(&bound.augmenter, &bound.arena, &settings, seed);
    assert_int_equal(bound.arena.used, measure.used);
    return bound;
}

static void unbind(Bound *bound) {
    arena_release(&bound->arena);
    free(bound->block);
}

/* Something like a zero: a ring around the middle. */
static void draw_ring(uint8_t image[IMAGE_PIXELS]) {
    for (int y = 0; y < IMAGE_SIDE; ++y)
        for (int x = 0; x < IMAGE_SIDE; ++x) {
            const double r = hypot((x - 13.5) / 0.7, y - 13.5);
            const double ink = 255 * fmax(0, 1.5 - fabs(r - 8));
            image[y * IMAGE_SIDE + x] = (uint8_t)fmin(255, ink);
        }
}

/* Every pixel another value. */
static void draw_noise(uint8_t image[IMAGE_PIXELS]) {
    for (int i = 0; i < IMAGE_PIXELS; ++i) image[i] = (uint8_t)(i * 89 + i / 7);
}

/* The field that reads `dx` to the right and `dy` below. */
static AugmentField move_field(float dx, float dy) {
    AugmentField field;
    for (int x = 0; x < IMAGE_SIDE; ++x)
        for (int y = 0; y < IMAGE_SIDE; ++y) {
            field.x[y][x] = (float)x + dx;
            field.y[y][x] = (float)y + dy;
        }
    return field;
}

/* ==== Reading through a field ============================================ */

static void zero_settings_are_the_identity(void **state) {
    (void)state;
    Bound bound = bind(NOTHING, 3);
    assert_false(bound.augmenter.active);
    assert_null(bound.block);
    uint8_t from[IMAGE_PIXELS], to[IMAGE_PIXELS];
    draw_noise(from);
    for (uint32_t image = 0; image < 50; ++image) {
        augment_image(&bound.augmenter, image, image, from, to);
        assert_memory_equal(from, to, IMAGE_PIXELS);
    }
    unbind(&bound);
}

static void whole_pixels_move_exactly(void **state) {
    (void)state;
    uint8_t from[IMAGE_PIXELS], to[IMAGE_PIXELS];
    draw_noise(from);
    const int moves[][2] = {{0, 0}, {1, 0},   {0, -1}, {-3, 2},
                            {5, 5}, {27, 27}, {28, 0}, {-400, 1000}};
    for (size_t m = 0; m < sizeof moves / sizeof *moves; ++m) {
        const int dx = moves[m][0], dy = moves[m][1];
        const AugmentField field = move_field((float)dx, (float)dy);
        augment_sample(&field, from, to);
        for (int y = 0; y < IMAGE_SIDE; ++y)
            for (int x = 0; x < IMAGE_SIDE; ++x) {
                const int sx = x + dx, sy = y + dy;
                const bool inside =
                    sx >= 0 && sx < IMAGE_SIDE && sy >= 0 && sy < IMAGE_SIDE;
                const int want = inside ? from[sy * IMAGE_SIDE + sx] : 0;
                assert_int_equal(to[y * IMAGE_SIDE + x], want);
            }
    }
}

static void parts_of_pixels_are_blended(void **state) {
    (void)state;
    uint8_t from[IMAGE_PIXELS] = {0}, to[IMAGE_PIXELS];
    from[10 * IMAGE_SIDE + 10] = 200;
    const AugmentField field = move_field(0.25f, 0.5f);
    augment_sample(&field, from, to);
    assert_int_equal(to[10 * IMAGE_SIDE + 10], 75); /* 200 · 3/4 · 1/2 */
    assert_int_equal(to[9 * IMAGE_SIDE + 10], 75);
    assert_int_equal(to[10 * IMAGE_SIDE + 9], 25);
    assert_int_equal(to[9 * IMAGE_SIDE + 9], 25);
    int ink = 0;
    for (int i = 0; i < IMAGE_PIXELS; ++i) ink += to[i];
    assert_int_equal(ink, 200);
}

/* ==== The affine part ==================================================== */

static AugmentField field_of(AugmentSettings settings, uint32_t image) {
    Bound bound = bind(settings, 11);
    AugmentField field;
    augment_field(&bound.augmenter, 2, image, &field);
    unbind(&bound);
    return field;
}

/* How the source moves with one step right and one step down, and where the
 * middle of the image comes from. */
typedef struct Frame {
    double xx, xy, yx, yy; /* d source x / dx, d source x / dy, … */
    double middle_x, middle_y;
} Frame;

static Frame frame_of(const AugmentField *field) {
    const double n = IMAGE_SIDE - 1;
    return (Frame){
        .xx = (field->x[0][27] - field->x[0][0]) / n,
        .xy = (field->x[27][0] - field->x[0][0]) / n,
        .yx = (field->y[0][27] - field->y[0][0]) / n,
        .yy = (field->y[27][0] - field->y[0][0]) / n,
        .middle_x = (field->x[0][0] + field->x[27][27]) / 2,
        .middle_y = (field->y[0][0] + field->y[27][27]) / 2,
    };
}

static void expect_near(double value, double wanted, double bound) {
    if (fabs(value - wanted) <= bound) return;
    print_error("%g is not within %g of %g\n", value, bound, wanted);
    fail();
}

/* Draws on both sides of the middle, none outside, some near the ends. */
static void expect_spread(const double *values, int count, double low,
                          double high) {
    double least = high, most = low;
    for (int i = 0; i < count; ++i) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    const double range = high - low;
    assert_true(least >= low - 1e-5 && most <= high + 1e-5);
    assert_true(least < low + 0.1 * range && most > high - 0.1 * range);
}

enum { DRAWS = 200 };

static void shift_moves_within_its_range(void **state) {
    (void)state;
    double x[DRAWS], y[DRAWS];
    AugmentSettings settings = NOTHING;
    settings.shift = 3;
    for (uint32_t i = 0; i < DRAWS; ++i) {
        const AugmentField field = field_of(settings, i);
        const Frame frame = frame_of(&field);
        expect_near(frame.xx, 1, 1e-6);
        expect_near(frame.xy, 0, 1e-6);
        x[i] = frame.middle_x - 13.5;
        y[i] = frame.middle_y - 13.5;
    }
    expect_spread(x, DRAWS, -3, 3);
    expect_spread(y, DRAWS, -3, 3);
}

static void rotation_keeps_lengths_and_the_middle(void **state) {
    (void)state;
    double angles[DRAWS];
    AugmentSettings settings = NOTHING;
    settings.rotation = 30;
    for (uint32_t i = 0; i < DRAWS; ++i) {
        const AugmentField field = field_of(settings, i);
        const Frame frame = frame_of(&field);
        expect_near(hypot(frame.xx, frame.yx), 1, 1e-6);
        expect_near(frame.xx, frame.yy, 1e-6);
        expect_near(frame.xy, -frame.yx, 1e-6);
        expect_near(frame.middle_x, 13.5, 1e-5);
        expect_near(frame.middle_y, 13.5, 1e-5);
        angles[i] = atan2(frame.yx, frame.xx) * 180 / acos(-1);
    }
    expect_spread(angles, DRAWS, -30, 30);
}

static void scale_stretches_each_axis(void **state) {
    (void)state;
    double x[DRAWS], y[DRAWS];
    AugmentSettings settings = NOTHING;
    settings.scale = 0.25;
    for (uint32_t i = 0; i < DRAWS; ++i) {
        const AugmentField field = field_of(settings, i);
        const Frame frame = frame_of(&field);
        expect_near(frame.xy, 0, 1e-6);
        expect_near(frame.yx, 0, 1e-6);
        expect_near(frame.middle_x, 13.5, 1e-5);
        x[i] = 1 / frame.xx;
        y[i] = 1 / frame.yy;
    }
    expect_spread(x, DRAWS, 0.75, 1.25);
    expect_spread(y, DRAWS, 0.75, 1.25);
}

static void shear_slants_and_keeps_heights(void **state) {
    (void)state;
    double slants[DRAWS];
    AugmentSettings settings = NOTHING;
    settings.shear = 20;
    for (uint32_t i = 0; i < DRAWS; ++i) {
        const AugmentField field = field_of(settings, i);
        const Frame frame = frame_of(&field);
        expect_near(frame.xx, 1, 1e-6);
        expect_near(frame.yy, 1, 1e-6);
        expect_near(frame.yx, 0, 1e-6);
        expect_near(frame.middle_x, 13.5, 1e-5);
        slants[i] = atan(frame.xy) * 180 / acos(-1);
    }
    expect_spread(slants, DRAWS, -20, 20);
}

/* Undoing rotation · shear · scale: the whole matrix against its inverse. */
static void all_parts_together_are_the_product(void **state) {
    (void)state;
    const AugmentSettings parts[] = {
        {.rotation = 30, .elastic_sigma = 4},
        {.shear = 20, .elastic_sigma = 4},
        {.scale = 0.25, .elastic_sigma = 4},
        {.rotation = 30, .shear = 20, .scale = 0.25, .elastic_sigma = 4}};
    for (uint32_t i = 0; i < DRAWS; ++i) {
        Frame frames[4];
        for (int p = 0; p < 4; ++p) {
            const AugmentField field = field_of(parts[p], i);
            frames[p] = frame_of(&field);
        }
        const Frame *const r = &frames[0], *const h = &frames[1];
        const Frame *const s = &frames[2], *const all = &frames[3];
        /* S⁻¹ · H⁻¹ · R⁻¹, from the right */
        const double hr_xx = h->xx * r->xx + h->xy * r->yx;
        const double hr_xy = h->xx * r->xy + h->xy * r->yy;
        expect_near(all->xx, s->xx * hr_xx, 1e-5);
        expect_near(all->xy, s->xx * hr_xy, 1e-5);
        expect_near(all->yx, s->yy * r->yx, 1e-5);
        expect_near(all->yy, s->yy * r->yy, 1e-5);
    }
}

/* ==== The elastic field ================================================== */

/* Over 3000 fields: at every pixel the variance alpha²/(12·pi·sigma²) within
 * 6 standard errors, and the correlation exp(-d²/(4·sigma²)) between pixels
 * that are d apart, as noise on every pixel smoothed by the Gaussian has. */
static void expect_simard_statistics(double sigma) {
    enum { FIELDS = 3000 };
    const double pi = acos(-1), alpha = 30;
    const double variance = alpha * alpha / (12 * pi * sigma * sigma);
    Bound bound = bind(
        (AugmentSettings){.elastic_alpha = alpha, .elastic_sigma = sigma}, 5);
    static double squares[IMAGE_SIDE][IMAGE_SIDE], sums[IMAGE_SIDE][IMAGE_SIDE];
    double together[3] = {0};
    memset(squares, 0, sizeof squares);
    memset(sums, 0, sizeof sums);
    for (uint32_t i = 0; i < FIELDS; ++i) {
        AugmentField field;
        augment_field(&bound.augmenter, 1, i, &field);
        for (int x = 0; x < IMAGE_SIDE; ++x)
            for (int y = 0; y < IMAGE_SIDE; ++y) {
                const double d = (double)field.x[y][x] - x;
                sums[x][y] += d;
                squares[x][y] += d * d;
            }
        const double here = field.x[12][9] - 9;
        together[0] += here * (field.x[16][9] - 9);
        together[1] += here * (field.x[12][17] - 17);
        together[2] += here * (field.y[12][9] - 12);
    }
    for (int x = 0; x < IMAGE_SIDE; ++x)
        for (int y = 0; y < IMAGE_SIDE; ++y) {
            expect_near(sums[x][y] / FIELDS, 0, 6 * sqrt(variance / FIELDS));
            expect_near(squares[x][y] / FIELDS / variance, 1,
                        6 * sqrt(2.0 / FIELDS));
        }
    const double bound_of_correlation = 6 / sqrt(FIELDS);
    const double wanted[3] = {exp(-4 / (sigma * sigma)),
                              exp(-16 / (sigma * sigma)), 0};
    for (int i = 0; i < 3; ++i)
        expect_near(together[i] / FIELDS / variance, wanted[i],
                    bound_of_correlation);
    unbind(&bound);
}

static void the_elastic_field_has_simards_statistics(void **state) {
    (void)state;
    const double sigmas[] = {1, 1.7, 4, 6, 28};
    for (int i = 0; i < 5; ++i) expect_simard_statistics(sigmas[i]);
}

/* ==== Whole images ======================================================= */

/* A 0 stays a 0: the ink of a ring is neither lost nor doubled. */
static void ink_is_roughly_kept(void **state) {
    (void)state;
    Bound bound = bind(USUAL, 1);
    uint8_t from[IMAGE_PIXELS], to[IMAGE_PIXELS];
    draw_ring(from);
    double ink = 0, mean = 0;
    for (int i = 0; i < IMAGE_PIXELS; ++i) ink += from[i];
    for (uint32_t image = 0; image < 500; ++image) {
        double left = 0;
        augment_image(&bound.augmenter, 0, image, from, to);
        for (int i = 0; i < IMAGE_PIXELS; ++i) left += to[i];
        assert_true(left > 0.5 * ink && left < 1.8 * ink);
        mean += left / ink / 500;
    }
    expect_near(mean, 1, 0.05);
    unbind(&bound);
}

static void only_seed_epoch_and_image_count(void **state) {
    (void)state;
    Bound a = bind(USUAL, 1), b = bind(USUAL, 1), c = bind(USUAL, 2);
    uint8_t from[IMAGE_PIXELS], first[IMAGE_PIXELS], other[IMAGE_PIXELS];
    draw_ring(from);
    augment_image(&a.augmenter, 4, 1234, from, first);
    augment_image(&b.augmenter, 4, 99, from, other);
    assert_memory_not_equal(first, other, IMAGE_PIXELS);
    augment_image(&b.augmenter, 5, 1234, from, other);
    assert_memory_not_equal(first, other, IMAGE_PIXELS);
    augment_image(&b.augmenter, 4, 1234, from, other);
    assert_memory_equal(first, other, IMAGE_PIXELS);
    augment_image(&c.augmenter, 4, 1234, from, other);
    assert_memory_not_equal(first, other, IMAGE_PIXELS);
    unbind(&a);
    unbind(&b);
    unbind(&c);
}

/* ==== Batches ============================================================ */

enum { TRAIN = 300 };

static Dataset *create_rings(void) {
    Dataset *dataset = NULL;
    Fault fault = {0};
    assert_int_equal(dataset_create(TRAIN, 0, &dataset, &fault), STATUS_OK);
    static uint8_t images[TRAIN * IMAGE_PIXELS], labels[TRAIN];
    for (size_t i = 0; i < TRAIN; ++i) draw_ring(images + i * IMAGE_PIXELS);
    assert_int_equal(
        dataset_write(dataset, SET_TRAIN, 0, TRAIN, images, labels, &fault),
        STATUS_OK);
    return dataset;
}

/* Two epochs: every image as it came out, by epoch and image number. */
static uint8_t *run(const Dataset *dataset, int threads, size_t batch,
                    int max_rows) {
    uint8_t *const seen = calloc(2 * TRAIN, IMAGE_PIXELS);
    const BatcherSettings settings = {
        .seed = 1, .batch = batch, .shuffle = true};
    Bound bound = bind(USUAL, 1);
    Pool *const pool = pool_create(threads);
    Arena measure = arena_measure();
    Batcher batcher;
    Fault fault = {0};
    assert_int_equal(
        batcher_bind(&batcher, &measure, dataset, &settings, &fault),
        STATUS_OK);
    void *const block = aligned_alloc(CACHE_LINE, measure.used);
    Arena arena = arena_bind(block, measure.used);
    assert_int_equal(batcher_bind(&batcher, &arena, dataset, &settings, &fault),
                     STATUS_OK);
    Batch chunk = {0};
    while (batcher_position(&batcher).epoch < 2) {
        assert_int_equal(batcher_next(&batcher, max_rows, &chunk), STATUS_OK);
        const Image *const original = chunk.images[0];
        augmenter_apply(&bound.augmenter, pool, &chunk);
        assert_ptr_not_equal(chunk.images[0], original);
        for (int r = 0; r < chunk.rows; ++r)
            image_read(chunk.images[r],
                       seen + (chunk.epoch * TRAIN + chunk.index[r]) *
                                  IMAGE_PIXELS);
    }
    arena_release(&arena);
    free(block);
    pool_destroy(pool);
    unbind(&bound);
    return seen;
}

static void threads_and_cuts_change_no_bit(void **state) {
    (void)state;
    Dataset *const dataset = create_rings();
    uint8_t *const plain = run(dataset, 1, 64, BATCHER_ROWS_MAX);
    assert_memory_not_equal(plain, plain + TRAIN * IMAGE_PIXELS,
                            TRAIN * IMAGE_PIXELS);
    const int cuts[][3] = {{2, 64, 1024}, {3, 64, 7}, {2, 0, 100}, {1, 1, 1}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; ++i) {
        uint8_t *const other =
            run(dataset, cuts[i][0], (size_t)cuts[i][1], cuts[i][2]);
        assert_memory_equal(plain, other, 2 * TRAIN * IMAGE_PIXELS);
        free(other);
    }
    uint8_t first[IMAGE_PIXELS], other[IMAGE_PIXELS];
    dataset_read(dataset, SET_TRAIN, 0, 1, first);
    for (size_t i = 0; i < TRAIN; ++i) {
        dataset_read(dataset, SET_TRAIN, i, 1, other);
        assert_memory_equal(other, first, IMAGE_PIXELS);
    }
    free(plain);
    dataset_destroy(dataset);
}

static void an_inactive_augmenter_leaves_the_batch_alone(void **state) {
    (void)state;
    Bound bound = bind(NOTHING, 1);
    const Image image = {.is_list = true}, *rows[1] = {&image};
    Batch batch = {.rows = 1, .images = rows};
    augmenter_apply(&bound.augmenter, NULL, &batch);
    assert_ptr_equal(batch.images, rows);
    unbind(&bound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_settings_are_the_identity),
        cmocka_unit_test(whole_pixels_move_exactly),
        cmocka_unit_test(parts_of_pixels_are_blended),
        cmocka_unit_test(shift_moves_within_its_range),
        cmocka_unit_test(rotation_keeps_lengths_and_the_middle),
        cmocka_unit_test(scale_stretches_each_axis),
        cmocka_unit_test(shear_slants_and_keeps_heights),
        cmocka_unit_test(all_parts_together_are_the_product),
        cmocka_unit_test(the_elastic_field_has_simards_statistics),
        cmocka_unit_test(ink_is_roughly_kept),
        cmocka_unit_test(only_seed_epoch_and_image_count),
        cmocka_unit_test(threads_and_cuts_change_no_bit),
        cmocka_unit_test(an_inactive_augmenter_leaves_the_batch_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
