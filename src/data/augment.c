#include "data/augment.h"

#include <string.h>

#include "base/random.h"
#include "base/scalar.h"

/* ==== Random numbers ===================================================== */

/* The numbers of an image: blocks image·1024 + 0, 1, … of the epoch. */
enum { BLOCKS_OF_IMAGE = 1024, AFFINE_BLOCKS = 2, AFFINE_DRAWS = 6 };

/* One block gives eight lattice values of 16 bits. */
enum { NOISE_PER_BLOCK = 8 };

_Static_assert(AFFINE_BLOCKS + 2 * AUGMENT_LATTICE_MAX * AUGMENT_LATTICE_MAX /
                                   NOISE_PER_BLOCK <=
                   BLOCKS_OF_IMAGE,
               "an image must not use the numbers of the next");

static RandomKey key_of_epoch(const Augmenter *augmenter, uint32_t epoch) {
    return (RandomKey){augmenter->seed, STREAM_AUGMENT, epoch};
}

/* Six numbers in [-1, 1]: shift x and y, rotation, scale x and y, shear. */
static void draw_affine(RandomKey key, uint64_t first_block,
                        double draws[AFFINE_DRAWS]) {
    uint32_t bits[AFFINE_BLOCKS * 4];
    for (int block = 0; block < AFFINE_BLOCKS; ++block)
        random_block(key, first_block + (uint64_t)block, bits + 4 * block);
    for (int i = 0; i < AFFINE_DRAWS; ++i)
        draws[i] = (double)bits[i] * (2.0 / UINT32_MAX) - 1.0;
}

/* `count` numbers in [-1, 1]; count is a multiple of NOISE_PER_BLOCK. */
static void draw_noise(RandomKey key, uint64_t first_block, float *noise,
                       int count) {
    assert(count % NOISE_PER_BLOCK == 0);
    for (int at = 0; at < count; at += NOISE_PER_BLOCK) {
        uint32_t bits[4];
        random_block(key, first_block++, bits);
        for (int i = 0; i < NOISE_PER_BLOCK; ++i) {
            const uint32_t half = bits[i / 2] >> (i % 2 * 16) & 0xffffu;
            noise[at + i] = (float)(int32_t)half * (2.0f / 65535.0f) - 1.0f;
        }
    }
}

/* ==== The elastic field ================================================== */

/* Simard smooths noise on every pixel, uniform in [-1, 1], by a Gaussian of
 * sigma and multiplies by alpha. The result has no detail much finer than
 * sigma, so the noise may as well sit on a lattice with sigma pixels between
 * its points:
 *
 *     field(x, y) = alpha · sum over k, l of g(x - k·sigma) g(y - l·sigma) n
 *     g(d) = sqrt(sigma) · exp(-d²/2·sigma²) / (sigma · sqrt(2·pi))
 *
 * n are the lattice values n[k,l]. The factor sqrt(sigma) per axis makes up
 * for the fewer points, so the field has the variance of Simard's, which is
 * alpha² / (12·pi·sigma²), and the same correlations; between lattice points
 * and on them the variances differ by 2·exp(-pi²) = 1e-4 of it. Eight taps per
 * axis reach beyond 3 sigma. The sum is separable: two small products per axis
 * of displacement, 20,000 multiply-adds an image for sigma = 4 instead of
 * 100,000. */
static void plan_lattice(Augmenter *augmenter) {
    static const double SQRT_2_PI = 2.5066282746310002;
    const double sigma = augmenter->settings.elastic_sigma;
    const double alpha = augmenter->settings.elastic_alpha;
    /* alpha once, not once per axis */
    const double peak =
        __builtin_sqrt(alpha) * __builtin_sqrt(sigma) / (sigma * SQRT_2_PI);
    for (int i = 0; i < IMAGE_SIDE; ++i) {
        const double place = i / sigma;
        augmenter->first[i] = (int)place;
        for (int tap = 0; tap < AUGMENT_TAPS; ++tap) {
            const double d = place - (int)place + AUGMENT_TAPS / 2 - 1 - tap;
            augmenter->weight[i][tap] = (float)(peak * scalar_exp(-d * d / 2));
        }
    }
    const int rows = augmenter->first[IMAGE_SIDE - 1] + AUGMENT_TAPS;
    augmenter->lattice = (rows + 3) / 4 * 4;
    assert(augmenter->lattice <= AUGMENT_LATTICE_MAX);
}

/* Sum over taps of weight[tap] · row tap of `rows`, at place i: a fixed order,
 * one multiply-add after the other. Written out, because the loops over places
 * become vectors only without a loop inside. */
static inline float weigh(const float *rows, int stride,
                          const float weight[AUGMENT_TAPS], int i) {
    _Static_assert(AUGMENT_TAPS == 8, "eight taps are written out");
    const float *const at = rows + i;
    float sum = weight[0] * at[0];
    sum += weight[1] * at[stride];
    sum += weight[2] * at[2 * stride];
    sum += weight[3] * at[3 * stride];
    sum += weight[4] * at[4 * stride];
    sum += weight[5] * at[5 * stride];
    sum += weight[6] * at[6 * stride];
    sum += weight[7] * at[7 * stride];
    return sum;
}

/* Add the smoothed lattice to one coordinate of the field.
 *
 *   noise[lattice, lattice]   by columns
 *   across[lattice, x]        smoothed along x, transposed on the way
 *   field[y][x]              += across, smoothed along y */
static void add_smoothed(const Augmenter *augmenter, const float *noise,
                         float field[IMAGE_SIDE][IMAGE_SIDE]) {
    const int lattice = augmenter->lattice;
    float across[AUGMENT_LATTICE_MAX][IMAGE_SIDE];
    float column[AUGMENT_LATTICE_MAX];
    for (int x = 0; x < IMAGE_SIDE; ++x) {
        const float *const rows = noise + augmenter->first[x] * lattice;
        for (int l = 0; l < lattice; ++l)
            column[l] = weigh(rows, lattice, augmenter->weight[x], l);
        for (int l = 0; l < lattice; ++l) across[l][x] = column[l];
    }
    for (int y = 0; y < IMAGE_SIDE; ++y) {
        const float *const rows = across[augmenter->first[y]];
        for (int x = 0; x < IMAGE_SIDE; ++x)
            field[y][x] += weigh(rows, IMAGE_SIDE, augmenter->weight[y], x);
    }
}

static void add_elastic(const Augmenter *augmenter, RandomKey key,
                        uint64_t first_block, AugmentField *field) {
    const int count = augmenter->lattice * augmenter->lattice;
    float noise[2 * AUGMENT_LATTICE_MAX * AUGMENT_LATTICE_MAX];
    draw_noise(key, first_block, noise, 2 * count);
    float(*const axes[])[IMAGE_SIDE] = {field->x, field->y};
    for (int axis = 0; axis < 2; ++axis)
        add_smoothed(augmenter, noise + axis * count, axes[axis]);
}

/* ==== The affine part ==================================================== */

/* source = matrix · (x, y) + offset */
typedef struct Affine {
    double matrix[2][2];
    double offset[2];
} Affine;

/* Forward, a point p about the middle goes to R·H·S·p + shift, with
 *
 *     R = | cos -sin |   H = | 1  tan |   S = | sx  0 |
 *         | sin  cos |       | 0   1  |       | 0  sy |
 *
 * so the way back is S⁻¹·H⁻¹·R⁻¹. The y axis points down; a positive rotation
 * turns clockwise, a positive shear slants to the left at the top. */
static Affine invert_affine(const AugmentSettings *settings,
                            const double draws[AFFINE_DRAWS]) {
    static const double RADIANS = 0.017453292519943295;
    static const double MIDDLE = (IMAGE_SIDE - 1) / 2.0;
    const double angle = draws[2] * settings->rotation * RADIANS;
    const double slant = draws[5] * settings->shear * RADIANS;
    const double c = scalar_cos(angle), s = scalar_sin(angle);
    const double t = scalar_sin(slant) / scalar_cos(slant);
    const double sx = 1 + draws[3] * settings->scale;
    const double sy = 1 + draws[4] * settings->scale;
    Affine affine = {{{(c + t * s) / sx, (s - t * c) / sx}, {-s / sy, c / sy}},
                     {0, 0}};
    const double x = MIDDLE + draws[0] * settings->shift;
    const double y = MIDDLE + draws[1] * settings->shift;
    for (int i = 0; i < 2; ++i) {
        const double *const row = affine.matrix[i];
        affine.offset[i] = MIDDLE - (row[0] * x + row[1] * y);
    }
    return affine;
}

static void fill_affine(const Affine *affine, AugmentField *field) {
    const double *const to_x = affine->matrix[0];
    const double *const to_y = affine->matrix[1];
    const float step_x = (float)to_x[0], step_y = (float)to_y[0];
    for (int y = 0; y < IMAGE_SIDE; ++y) {
        const float at_x = (float)(to_x[1] * y + affine->offset[0]);
        const float at_y = (float)(to_y[1] * y + affine->offset[1]);
        for (int x = 0; x < IMAGE_SIDE; ++x) {
            field->x[y][x] = at_x + step_x * (float)x;
            field->y[y][x] = at_y + step_y * (float)x;
        }
    }
}

void augment_field(const Augmenter *augmenter, uint32_t epoch, uint32_t image,
                   AugmentField *field) {
    const RandomKey key = key_of_epoch(augmenter, epoch);
    const uint64_t first_block = (uint64_t)image * BLOCKS_OF_IMAGE;
    double draws[AFFINE_DRAWS];
    draw_affine(key, first_block, draws);
    const Affine affine = invert_affine(&augmenter->settings, draws);
    fill_affine(&affine, field);
    if (augmenter->elastic)
        add_elastic(augmenter, key, first_block + AFFINE_BLOCKS, field);
}

/* ==== Reading through the field ========================================== */

/* The image with a margin of one pixel without ink on the left and top and two
 * on the right and bottom, so that every clamped place has four neighbours. */
enum { PADDED_SIDE = IMAGE_SIDE + 3 };

static void pad_image(const uint8_t from[IMAGE_PIXELS],
                      float padded[PADDED_SIDE][PADDED_SIDE]) {
    memset(padded, 0, sizeof(float) * PADDED_SIDE * PADDED_SIDE);
    for (int y = 0; y < IMAGE_SIDE; ++y)
        for (int x = 0; x < IMAGE_SIDE; ++x)
            padded[y + 1][x + 1] = (float)from[y * IMAGE_SIDE + x];
}

/* A coordinate in the padded image, clamped to where there is no ink beyond. */
static inline float padded_place(float place) {
    const float moved = place + 1.0f;
    if (moved < 0.0f) return 0.0f;
    const float beyond = (float)IMAGE_SIDE + 1;
    return moved > beyond ? beyond : moved;
}

static inline uint8_t sample_at(float padded[PADDED_SIDE][PADDED_SIDE],
                                float place_x, float place_y) {
    const float px = padded_place(place_x), py = padded_place(place_y);
    const int x = (int)px, y = (int)py;
    const float fx = px - (float)x, fy = py - (float)y;
    const float *const upper = &padded[y][x];
    const float *const lower = upper + PADDED_SIDE;
    const float top = upper[0] + fx * (upper[1] - upper[0]);
    const float bottom = lower[0] + fx * (lower[1] - lower[0]);
    return (uint8_t)(int)(top + fy * (bottom - top) + 0.5f);
}

void augment_sample(const AugmentField *field, const uint8_t from[IMAGE_PIXELS],
                    uint8_t to[IMAGE_PIXELS]) {
    float padded[PADDED_SIDE][PADDED_SIDE];
    pad_image(from, padded);
    for (int y = 0; y < IMAGE_SIDE; ++y)
        for (int x = 0; x < IMAGE_SIDE; ++x)
            to[y * IMAGE_SIDE + x] =
                sample_at(padded, field->x[y][x], field->y[y][x]);
}

void augment_image(const Augmenter *augmenter, uint32_t epoch, uint32_t image,
                   const uint8_t from[IMAGE_PIXELS], uint8_t to[IMAGE_PIXELS]) {
    AugmentField field;
    augment_field(augmenter, epoch, image, &field);
    augment_sample(&field, from, to);
}

/* ==== Batches ============================================================ */

void augmenter_bind(Augmenter *augmenter, Arena *arena,
                    const AugmentSettings *settings, uint32_t seed) {
    const AugmentSettings s = *settings;
    assert(s.shift >= 0 && s.shift <= AUGMENT_SHIFT_MAX);
    assert(s.rotation >= 0 && s.rotation <= AUGMENT_ROTATION_MAX);
    assert(s.scale >= 0 && s.scale <= AUGMENT_SCALE_MAX);
    assert(s.shear >= 0 && s.shear <= AUGMENT_SHEAR_MAX);
    assert(s.elastic_alpha >= 0 && s.elastic_alpha <= AUGMENT_ALPHA_MAX);
    assert(s.elastic_sigma >= AUGMENT_SIGMA_MIN &&
           s.elastic_sigma <= AUGMENT_SIGMA_MAX);
    *augmenter = (Augmenter){.settings = s, .seed = seed};
    augmenter->elastic = s.elastic_alpha > 0;
    augmenter->active = augmenter->elastic || s.shift > 0 || s.rotation > 0 ||
                        s.scale > 0 || s.shear > 0;
    if (!augmenter->active) return;
    plan_lattice(augmenter);
    augmenter->scratch = arena_alloc(arena, BATCHER_ROWS_MAX, sizeof(Image));
    augmenter->images = arena_alloc(arena, BATCHER_ROWS_MAX, sizeof(Image *));
    if (arena->base == NULL) return;
    for (size_t row = 0; row < BATCHER_ROWS_MAX; ++row)
        augmenter->images[row] = augmenter->scratch + row;
}

/* Rows of one task: about 30 microseconds of work, so that the threads finish
 * together and taking a task does not show. */
enum { ROWS_OF_TASK = 4 };

typedef struct ApplyJob {
    const Augmenter *augmenter;
    const Batch *batch;
} ApplyJob;

static void apply_task(void *context, int task) {
    const ApplyJob *const job = context;
    const Batch *const batch = job->batch;
    const int first = task * ROWS_OF_TASK;
    const int end = int_min(first + ROWS_OF_TASK, batch->rows);
    uint8_t from[IMAGE_PIXELS], to[IMAGE_PIXELS];
    for (int row = first; row < end; ++row) {
        image_read(batch->images[row], from);
        augment_image(job->augmenter, batch->epoch, batch->index[row], from,
                      to);
        image_write(&job->augmenter->scratch[row], to);
    }
}

void augmenter_apply(const Augmenter *augmenter, Pool *pool, Batch *batch) {
    if (!augmenter->active) return;
    ApplyJob job = {augmenter, batch};
    const int tasks = (batch->rows + ROWS_OF_TASK - 1) / ROWS_OF_TASK;
    pool_run(pool, tasks, apply_task, &job);
    batch->images = augmenter->images;
}
