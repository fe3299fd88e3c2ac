#include "data/dataset.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const char *set_name(SetKind set) {
    return set == SET_TRAIN ? "training" : "test";
}

/* Words of 32 arrival bits for `count` images. */
static size_t present_words(size_t count) { return size_div_up(count, 32); }

/* Where the parts of the one block lie; see the picture in the header. */
typedef struct Layout {
    size_t present[SET_COUNT], labels[SET_COUNT], images[SET_COUNT];
    size_t images_begin, total;
} Layout;

/* Counts are at most DATASET_IMAGES_MAX, so everything but the images fits
 * into size_t in any build. False when the whole does not. */
static bool plan_layout(const size_t counts[SET_COUNT], Layout *layout) {
    size_t at = size_round_up(sizeof(Dataset), CACHE_LINE);
    for (int set = 0; set < SET_COUNT; ++set) {
        layout->present[set] = at;
        at += present_words(counts[set]) * sizeof(uint32_t);
    }
    for (int set = 0; set < SET_COUNT; ++set) {
        layout->labels[set] = at;
        at += counts[set];
    }
    at = layout->images_begin = size_round_up(at, CACHE_LINE);
    for (int set = 0; set < SET_COUNT; ++set) {
        size_t bytes;
        layout->images[set] = at;
        if (__builtin_mul_overflow(counts[set], sizeof(Image), &bytes) ||
            __builtin_add_overflow(at, bytes, &at))
            return false;
    }
    if (at > SIZE_MAX - CACHE_LINE) return false;
    layout->total = size_round_up(at, CACHE_LINE);
    return true;
}

static Status check_counts(const size_t counts[SET_COUNT], Fault *fault) {
    if (counts[SET_TRAIN] == 0 && counts[SET_TEST] == 0)
        return fault_set(fault, STATUS_OUT_OF_RANGE, "data",
                         "A data set needs at least one image.");
    for (int set = 0; set < SET_COUNT; ++set) {
        if (counts[set] <= DATASET_IMAGES_MAX) continue;
        return fault_set(fault, STATUS_OUT_OF_RANGE, "data",
                         "%zu %s images are too many; at most %d are allowed.",
                         counts[set], set_name((SetKind)set),
                         DATASET_IMAGES_MAX);
    }
    return STATUS_OK;
}

static Status no_memory(size_t images, Fault *fault) {
    return fault_set(fault, STATUS_OUT_OF_MEMORY, "data",
                     "There is not enough memory for %zu images, about %zu "
                     "megabytes.",
                     images, (images / 1000) * (sizeof(Image) + 1) / 1000);
}

Status dataset_create(size_t train_count, size_t test_count, Dataset **out,
                      Fault *fault) {
    const size_t counts[SET_COUNT] = {train_count, test_count};
    *out = NULL;
    TRY(check_counts(counts, fault));
    Layout layout;
    if (!plan_layout(counts, &layout))
        return no_memory(train_count + test_count, fault);
    unsigned char *const block = aligned_alloc(CACHE_LINE, layout.total);
    if (block == NULL) return no_memory(train_count + test_count, fault);
    memset(block, 0, layout.images_begin);
    Dataset *const dataset = (Dataset *)(void *)block;
    for (int set = 0; set < SET_COUNT; ++set) {
        dataset->sets[set] = (ImageSet){
            .count = counts[set],
            .images = (Image *)(void *)(block + layout.images[set]),
            .labels = block + layout.labels[set],
            .present = (uint32_t *)(void *)(block + layout.present[set]),
        };
    }
    *out = dataset;
    return STATUS_OK;
}

void dataset_destroy(Dataset *dataset) { free(dataset); }

static bool is_present(const ImageSet *images, size_t index) {
    return (images->present[index / 32] >> (index % 32) & 1u) != 0;
}

/* Set the arrival bits of a range and bring the counts up to date. */
static void mark_present(ImageSet *images, size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i) {
        if (is_present(images, i)) continue;
        images->present[i / 32] |= 1u << (i % 32);
        ++images->arrived;
    }
    while (images->prefix < images->count && is_present(images, images->prefix))
        ++images->prefix;
}

Status dataset_write(Dataset *dataset, SetKind set, size_t first, size_t count,
                     const uint8_t *images, const uint8_t *labels,
                     Fault *fault) {
    assert(set == SET_TRAIN || set == SET_TEST);
    assert(count == 0 || (images != NULL && labels != NULL));
    ImageSet *const target = &dataset->sets[set];
    if (first > target->count || count > target->count - first)
        return fault_set(fault, STATUS_OUT_OF_RANGE, "data",
                         "Images %zu and the %zu after it do not fit into the "
                         "%zu %s images that were announced.",
                         first, count > 0 ? count - 1 : 0, target->count,
                         set_name(set));
    for (size_t i = 0; i < count; ++i) {
        if (labels[i] < CLASS_COUNT) continue;
        char place[64];
        text_format(place, sizeof place, "%s label %zu", set_name(set),
                    first + i);
        return fault_set(fault, STATUS_BAD_LABEL, place,
                         "The %s is %u; labels are digits from 0 to 9.", place,
                         (unsigned)labels[i]);
    }
    if (count == 0) return STATUS_OK;
    for (size_t i = 0; i < count; ++i)
        image_write(&target->images[first + i], images + i * IMAGE_PIXELS);
    memcpy(target->labels + first, labels, count);
    mark_present(target, first, count);
    ++dataset->writes;
    return STATUS_OK;
}

void dataset_read(const Dataset *dataset, SetKind set, size_t first,
                  size_t count, uint8_t *pixels) {
    for (size_t i = first; i < first + count; ++i, pixels += IMAGE_PIXELS) {
        if (dataset_ready(dataset, set, i))
            image_read(dataset_image(dataset, set, i), pixels);
        else
            memset(pixels, 0, IMAGE_PIXELS);
    }
}
