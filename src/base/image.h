/* An image as it is kept: 28 x 28 bytes of ink, 0 .. 255.
 *
 * Four fifths of a written digit are paper. So an image is kept as a list of
 * its ink, which is shorter, and what the products over non-zero elements read
 * (kernels/sparse.h); only one with more than IMAGE_INK_MAX inked pixels is
 * kept as its pixels. The list is cut into bands of seven rows, whose pixels a
 * byte can number:
 *
 *     element = place within its band | ink << 8, places ascending
 */
#ifndef SOMA_BASE_IMAGE_H
#define SOMA_BASE_IMAGE_H

#include "base/types.h"

enum { IMAGE_BANDS = 4, BAND_PIXELS = IMAGE_PIXELS / IMAGE_BANDS };

/* Elements may be read eight at a time from any of them on. The longest list
 * that fits so where otherwise the pixels are, and room for any. */
enum {
    IMAGE_READ = 8,
    IMAGE_INK_MAX = IMAGE_PIXELS / 2 - IMAGE_READ,
    IMAGE_ROOM = IMAGE_PIXELS + IMAGE_READ,
    BAND_ROOM = BAND_PIXELS + IMAGE_READ
};

typedef struct Image {
    _Alignas(CACHE_LINE)
        uint16_t end[IMAGE_BANDS]; /* inked pixels up to the end of each band */
    bool is_list;
    union {
        uint16_t ink[IMAGE_PIXELS / 2];
        uint8_t pixels[IMAGE_PIXELS];
    } as;
} Image;

/* Keep these pixels. Cost: about 600 ns. */
void image_write(Image *image, const uint8_t pixels[IMAGE_PIXELS]);

/* The pixels that were written. */
void image_read(const Image *image, uint8_t pixels[IMAGE_PIXELS]);

/* Read a byte of every cache line of some images. They lie at random places,
 * far from any cache: a loop that does nothing else has many of them on their
 * way at once, and what follows has not. */
void image_fetch(const Image *const *images, int count);

/* How many pixels have ink. */
static inline size_t image_ink(const Image *image) {
    return image->end[IMAGE_BANDS - 1];
}

/* How much of the image is used, from its first byte on. */
static inline size_t image_bytes(const Image *image) {
    return offsetof(Image, as) + (image->is_list
                                      ? image_ink(image) * sizeof(uint16_t)
                                      : IMAGE_PIXELS);
}

/* Where the elements of a band begin, among those of the image. */
static inline size_t image_band_begin(const Image *image, int band) {
    return band > 0 ? image->end[band - 1] : 0;
}

/* The elements of all bands, one after the other: where they are kept, or
 * written into `room`. */
const uint16_t *image_elements(const Image *image, uint16_t room[IMAGE_ROOM]);

/* The elements of a band, in the same way. */
const uint16_t *image_band(const Image *image, int band,
                           uint16_t room[BAND_ROOM]);

#endif
