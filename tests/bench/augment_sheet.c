/* A contact sheet of augmented digits, and what augmenting costs.
 *
 *     augment_sheet t10k-images-idx3-ubyte sheet.pgm [shift rotation scale
 *                   shear alpha sigma]
 *
 * The sheet has one row per digit: the original and then eleven distortions,
 * one per epoch, drawn as ink on paper. Time per image goes to standard
 * output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/augment.h"
#include "data/idx.h"

enum { SHEET_ROWS = 12, SHEET_COLS = 12, CELL = IMAGE_SIDE + 2 };
enum { WIDTH = SHEET_COLS * CELL, HEIGHT = SHEET_ROWS * CELL };

static int give_up(const char *what) {
    fprintf(stderr, "augment_sheet: %s\n", what);
    return 1;
}

static uint8_t *read_file(const char *path, size_t *n_bytes) {
    FILE *const file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *const bytes = malloc(*n_bytes);
    const size_t got = bytes == NULL ? 0 : fread(bytes, 1, *n_bytes, file);
    fclose(file);
    if (got == *n_bytes) return bytes;
    free(bytes);
    return NULL;
}

static void place(uint8_t *sheet, int row, int col, const uint8_t *image) {
    for (int y = 0; y < IMAGE_SIDE; ++y)
        for (int x = 0; x < IMAGE_SIDE; ++x)
            sheet[(row * CELL + y + 1) * WIDTH + col * CELL + x + 1] =
                (uint8_t)(255 - image[y * IMAGE_SIDE + x]);
}

static bool write_sheet(const char *path, const Augmenter *augmenter,
                        const IdxView *images) {
    static uint8_t sheet[WIDTH * HEIGHT];
    memset(sheet, 200, sizeof sheet);
    for (int row = 0; row < SHEET_ROWS && (size_t)row < images->count; ++row) {
        const uint8_t *const from = images->items + row * IMAGE_PIXELS;
        place(sheet, row, 0, from);
        for (int col = 1; col < SHEET_COLS; ++col) {
            uint8_t to[IMAGE_PIXELS];
            augment_image(augmenter, (uint32_t)col, (uint32_t)row, from, to);
            place(sheet, row, col, to);
        }
    }
    FILE *const file = fopen(path, "wb");
    if (file == NULL) return false;
    fprintf(file, "P5\n%d %d\n255\n", WIDTH, HEIGHT);
    const size_t written = fwrite(sheet, 1, sizeof sheet, file);
    return fclose(file) == 0 && written == sizeof sheet;
}

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Microseconds for 1000 images; *ink keeps the work from being left out. */
static double time_thousand(const Augmenter *augmenter, const IdxView *images,
                            unsigned *ink) {
    uint8_t to[IMAGE_PIXELS];
    const double begin = microseconds();
    for (uint32_t i = 0; i < 1000; ++i) {
        const size_t from = i % images->count * IMAGE_PIXELS;
        augment_image(augmenter, 1, i, images->items + from, to);
        *ink += to[400];
    }
    return microseconds() - begin;
}

/* The best of 20 rounds: others may use the machine, too. */
static void report_cost(const char *what, const AugmentSettings *settings,
                        const IdxView *images) {
    Augmenter augmenter;
    Arena arena = arena_measure(); /* augment_image needs no scratch */
    augmenter_bind(&augmenter, &arena, settings, 1);
    unsigned ink = 0;
    double best = time_thousand(&augmenter, images, &ink);
    for (int round = 1; round < 20; ++round) {
        const double next = time_thousand(&augmenter, images, &ink);
        if (next < best) best = next;
    }
    printf("%-8s %6.2f us an image (checksum %u)\n", what, best / 1000, ink);
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 9)
        return give_up("usage: augment_sheet IMAGES SHEET.pgm [shift rotation "
                       "scale shear alpha sigma]");
    double amounts[6] = {1.5, 10, 0.1, 8, 34, 4};
    for (int i = 3; i < argc; ++i) amounts[i - 3] = strtod(argv[i], NULL);
    AugmentSettings settings = {amounts[0], amounts[1], amounts[2],
                                amounts[3], amounts[4], amounts[5]};
    size_t n_bytes = 0;
    uint8_t *const bytes = read_file(argv[1], &n_bytes);
    if (bytes == NULL) return give_up("the images cannot be read");
    IdxView images;
    Fault fault = {0};
    if (idx_parse_kind(bytes, n_bytes, IDX_IMAGES, &images, &fault) !=
        STATUS_OK)
        return give_up(fault.sentence);
    Augmenter augmenter;
    Arena arena = arena_measure();
    augmenter_bind(&augmenter, &arena, &settings, 1);
    if (!write_sheet(argv[2], &augmenter, &images))
        return give_up("the sheet cannot be written");
    report_cost("all", &settings, &images);
    settings.elastic_alpha = 0;
    report_cost("affine", &settings, &images);
    free(bytes);
    return 0;
}
