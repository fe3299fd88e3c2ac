/* Protects the form in which images are kept: what is read is what was written,
 * from white paper to a page full of ink and on both sides of the border
 * between list and pixels; the bands list exactly the ink, in order; and
 * nothing of an earlier image stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/image.h"

/* `count` inked pixels, spread over the image. */
static void draw(int count, uint8_t pixels[IMAGE_PIXELS]) {
    memset(pixels, 0, IMAGE_PIXELS);
    for (int i = 0; i < count; i++)
        pixels[i * 5 % IMAGE_PIXELS] = (uint8_t)(1 + i % 255);
}

/* Every band against the pixels. */
static void check_bands(const Image *image,
                        const uint8_t pixels[IMAGE_PIXELS]) {
    uint16_t room[BAND_ROOM];
    for (int b = 0; b < IMAGE_BANDS; b++) {
        const uint16_t *next = image_band(image, b, room);
        for (int i = 0; i < BAND_PIXELS; i++) {
            const int ink = pixels[b * BAND_PIXELS + i];
            if (ink > 0) assert_int_equal(*next++, i | ink << 8);
        }
        assert_int_equal(next - image_band(image, b, room),
                         image->end[b] - image_band_begin(image, b));
    }
}

static void what_is_read_is_what_was_written(void **state) {
    (void)state;
    static Image image;
    uint8_t pixels[IMAGE_PIXELS], back[IMAGE_PIXELS];
    for (int count = IMAGE_PIXELS; count >= 0; count--) {
        draw(count, pixels);
        image_write(&image, pixels);
        assert_int_equal(image_ink(&image), count);
        assert_int_equal(image.is_list, count <= IMAGE_INK_MAX);
        assert_true(image_bytes(&image) <= sizeof image);
        check_bands(&image, pixels);
        memset(back, 7, sizeof back);
        image_read(&image, back);
        assert_memory_equal(back, pixels, IMAGE_PIXELS);
    }
}

static void single_pixels_are_found_everywhere(void **state) {
    (void)state;
    static Image image;
    uint8_t pixels[IMAGE_PIXELS], back[IMAGE_PIXELS];
    for (int at = 0; at < IMAGE_PIXELS; at++) {
        memset(pixels, 0, sizeof pixels);
        pixels[at] = 255;
        image_write(&image, pixels);
        image_read(&image, back);
        assert_memory_equal(back, pixels, IMAGE_PIXELS);
        check_bands(&image, pixels);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_was_written),
        cmocka_unit_test(single_pixels_are_found_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
