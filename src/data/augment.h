/* Augmentation: training images distorted a little, differently in each epoch,
 * so that the network sees what handwriting may look like.
 *
 * An image is moved, turned, scaled and slanted about its middle, and bent by
 * a smooth random field (elastic distortion). Every pixel of the result looks
 * up where it comes from and is read there by bilinear interpolation; outside
 * the image there is no ink.
 *
 *     source(x, y) = middle + M · (x - middle - shift) + field(x, y)
 *
 * M undoes rotation · shear · scale. The distortion of an image depends on
 * (seed, epoch, image number) only: not on batches, chunks or threads.
 *
 * Source: Simard, Steinkraus, Platt, "Best practices for convolutional neural
 * networks applied to visual document analysis", ICDAR 2003.
 */
#ifndef SOMA_DATA_AUGMENT_H
#define SOMA_DATA_AUGMENT_H

#include "base/arena.h"
#include "base/pool.h"
#include "data/batcher.h"

/* The largest values allowed; elastic_sigma also has a smallest. */
#define AUGMENT_SHIFT_MAX 14.0
#define AUGMENT_ROTATION_MAX 180.0
#define AUGMENT_SCALE_MAX 0.9
#define AUGMENT_SHEAR_MAX 60.0
#define AUGMENT_ALPHA_MAX 1000.0
#define AUGMENT_SIGMA_MIN 1.0
#define AUGMENT_SIGMA_MAX 28.0

/* How much; 0 turns a distortion off. All amounts are drawn uniformly. */
typedef struct AugmentSettings {
    double shift;         /* pixels, each axis: -shift .. shift */
    double rotation;      /* degrees: -rotation .. rotation */
    double scale;         /* each axis: times 1 - scale .. 1 + scale */
    double shear;         /* degrees of slant: -shear .. shear */
    double elastic_alpha; /* strength; Simard used 34 */
    double elastic_sigma; /* smoothness in pixels; Simard used 4; needed even
                             when alpha is 0 */
} AugmentSettings;

/* Taps of the smoothing kernel, and rows of the lattice of noise that an image
 * needs at AUGMENT_SIGMA_MIN, rounded up to whole vectors. */
enum { AUGMENT_TAPS = 8, AUGMENT_LATTICE_MAX = 36 };

/* Treat the fields as private. */
typedef struct Augmenter {
    AugmentSettings settings;
    uint32_t seed;
    bool active;           /* some setting is not 0 */
    bool elastic;          /* elastic_alpha is not 0 */
    int lattice;           /* rows and columns of the lattice */
    int first[IMAGE_SIDE]; /* first lattice row of pixel i */
    float weight[IMAGE_SIDE][AUGMENT_TAPS]; /* of that row and the next ones */
    Image *scratch;       /* [BATCHER_ROWS_MAX] */
    const Image **images; /* [BATCHER_ROWS_MAX] those of scratch */
} Augmenter;

/* Where each pixel of a distorted image comes from, in pixels of the original;
 * pixel (x, y) is at [y][x]. */
typedef struct AugmentField {
    float x[IMAGE_SIDE][IMAGE_SIDE];
    float y[IMAGE_SIDE][IMAGE_SIDE];
} AugmentField;

/* Lay out an augmenter in `arena`: 0.9 MB when it is active, else nothing.
 * Settings must be within their ranges. */
void augmenter_bind(Augmenter *augmenter, Arena *arena,
                    const AugmentSettings *settings, uint32_t seed);

/* Point the rows of a batch that batcher_next gave at distorted copies, which
 * hold until the next call; labels and numbers stay. The images are shared out
 * over the pool's threads. Inactive: the batch stays as it is.
 * Cost: about 7 microseconds an image with the elastic field, 4 without; 27 KB
 * of stack on each thread. */
void augmenter_apply(const Augmenter *augmenter, Pool *pool, Batch *batch);

/* Distort one image; `from` and `to` must not overlap. */
void augment_image(const Augmenter *augmenter, uint32_t epoch, uint32_t image,
                   const uint8_t from[IMAGE_PIXELS], uint8_t to[IMAGE_PIXELS]);

/* The field that augment_image uses. */
void augment_field(const Augmenter *augmenter, uint32_t epoch, uint32_t image,
                   AugmentField *field);

/* Read an image through a field. */
void augment_sample(const AugmentField *field, const uint8_t from[IMAGE_PIXELS],
                    uint8_t to[IMAGE_PIXELS]);

#endif
