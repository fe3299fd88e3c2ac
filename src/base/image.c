#include "base/image.h"

#include <string.h>

/* Pixels that are looked at together: most are all paper. */
enum { PIXELS_AT_ONCE = 4 };

_Static_assert(BAND_PIXELS % PIXELS_AT_ONCE == 0, "bands are whole");

/* The elements of one band to `to`. Every pixel that is looked at is written,
 * and the next one over it where there was no ink: so one more place than
 * there are elements. Returns how many. */
static size_t list_ink(const uint8_t pixels[BAND_PIXELS], uint16_t *to) {
    size_t count = 0;
    for (unsigned i = 0; i < BAND_PIXELS; i += PIXELS_AT_ONCE) {
        uint32_t some;
        memcpy(&some, pixels + i, sizeof some);
        if (some == 0) continue;
        for (unsigned j = i; j < i + PIXELS_AT_ONCE; j++) {
            to[count] = (uint16_t)(j | (unsigned)pixels[j] << 8);
            count += pixels[j] != 0;
        }
    }
    return count;
}

/* Those of all bands, and where each ends. */
static void list_image(const uint8_t pixels[IMAGE_PIXELS],
                       uint16_t to[IMAGE_ROOM], uint16_t end[IMAGE_BANDS]) {
    size_t count = 0;
    for (int b = 0; b < IMAGE_BANDS; b++) {
        count += list_ink(pixels + b * BAND_PIXELS, to + count);
        end[b] = (uint16_t)count;
    }
}

void image_write(Image *image, const uint8_t pixels[IMAGE_PIXELS]) {
    uint16_t elements[IMAGE_ROOM];
    list_image(pixels, elements, image->end);
    const size_t count = image_ink(image);
    image->is_list = count <= IMAGE_INK_MAX;
    if (image->is_list)
        memcpy(image->as.ink, elements, count * sizeof *elements);
    else
        memcpy(image->as.pixels, pixels, IMAGE_PIXELS);
}

void image_read(const Image *image, uint8_t pixels[IMAGE_PIXELS]) {
    if (!image->is_list) {
        memcpy(pixels, image->as.pixels, IMAGE_PIXELS);
        return;
    }
    memset(pixels, 0, IMAGE_PIXELS);
    for (int b = 0; b < IMAGE_BANDS; b++)
        for (size_t e = image_band_begin(image, b); e < image->end[b]; e++) {
            const unsigned element = image->as.ink[e];
            pixels[b * BAND_PIXELS + (int)(element & 0xff)] =
                (uint8_t)(element >> 8);
        }
}

void image_fetch(const Image *const *images, int count) {
    for (int n = 0; n < count; n++) {
        const volatile uint8_t *const bytes = (const uint8_t *)images[n];
        const size_t used = image_bytes(images[n]);
        for (size_t i = CACHE_LINE; i < used; i += CACHE_LINE) (void)bytes[i];
    }
}

const uint16_t *image_elements(const Image *image, uint16_t room[IMAGE_ROOM]) {
    if (image->is_list) return image->as.ink;
    uint16_t end[IMAGE_BANDS];
    list_image(image->as.pixels, room, end);
    return room;
}

const uint16_t *image_band(const Image *image, int band,
                           uint16_t room[BAND_ROOM]) {
    if (image->is_list) return image->as.ink + image_band_begin(image, band);
    list_ink(image->as.pixels + band * BAND_PIXELS, room);
    return room;
}
