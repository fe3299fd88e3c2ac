#include "data/idx.h"
#include "base/text.h"


enum { TYPE_U8 = 8, LABELS_HEADER = 8, IMAGES_HEADER = 16 };

static uint32_t read_be32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

static const char *kind_name(IdxKind kind) {
    return kind == IDX_IMAGES ? "images" : "labels";
}

/* The first four bytes: is it IDX, of bytes, with one dimension or three? */
static Status check_magic(const uint8_t *bytes, size_t n_bytes, Fault *fault) {
    if (n_bytes >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return fault_set(fault, STATUS_BAD_FILE, "byte 0",
                         "The file is compressed with gzip and must be "
                         "unpacked first.");
    if (n_bytes < LABELS_HEADER)
        return fault_set(fault, STATUS_BAD_FILE, "byte 0",
                         "An IDX file begins with at least 8 bytes; this one "
                         "has %zu.",
                         n_bytes);
    if (bytes[0] != 0 || bytes[1] != 0)
        return fault_set(fault, STATUS_BAD_FILE, "byte 0",
                         "An IDX file begins with two zero bytes, this one "
                         "with %u and %u.",
                         (unsigned)bytes[0], (unsigned)bytes[1]);
    if (bytes[2] != TYPE_U8)
        return fault_set(fault, STATUS_BAD_FILE, "byte 2",
                         "The items have type %u; only 8, unsigned bytes, can "
                         "be read.",
                         (unsigned)bytes[2]);
    if (bytes[3] != IDX_LABELS && bytes[3] != IDX_IMAGES)
        return fault_set(fault, STATUS_BAD_FILE, "byte 3",
                         "The file has %u dimensions; labels have 1, images "
                         "3.",
                         (unsigned)bytes[3]);
    return STATUS_OK;
}

/* Bytes 8 to 15 of an image file. After this, an image is IMAGE_PIXELS bytes,
 * so no later product of header numbers can overflow. */
static Status check_image_shape(const uint8_t *bytes, size_t n_bytes,
                                Fault *fault) {
    if (n_bytes < IMAGES_HEADER)
        return fault_set(fault, STATUS_BAD_FILE, "byte 8",
                         "The header of an image file has 16 bytes, the file "
                         "only %zu.",
                         n_bytes);
    const uint32_t rows = read_be32(bytes + 8), cols = read_be32(bytes + 12);
    if (rows != IMAGE_SIDE || cols != IMAGE_SIDE)
        return fault_set(fault, STATUS_BAD_SHAPE, "byte 8",
                         "The images are %lu x %lu pixels; they must be 28 x "
                         "28.",
                         (unsigned long)rows, (unsigned long)cols);
    return STATUS_OK;
}

/* Does the file hold exactly the `count` items that its header promises? */
static Status check_count(uint32_t count, size_t item_bytes, size_t held_bytes,
                          IdxKind kind, Fault *fault) {
    if (count == 0)
        return fault_set(fault, STATUS_BAD_FILE, "byte 4",
                         "The header promises no %s; at least one is needed.",
                         kind_name(kind));
    const size_t held = held_bytes / item_bytes;
    if (held < count)
        return fault_set(fault, STATUS_BAD_FILE, "byte 4",
                         "The header promises %lu %s, the file holds %zu.",
                         (unsigned long)count, kind_name(kind), held);
    const size_t extra = held_bytes - count * item_bytes;
    if (extra != 0)
        return fault_set(fault, STATUS_BAD_FILE, "byte 4",
                         "The header promises %lu %s, the file goes on for "
                         "%zu bytes after them.",
                         (unsigned long)count, kind_name(kind), extra);
    return STATUS_OK;
}

static Status check_labels(const IdxView *view, Fault *fault) {
    for (size_t i = 0; i < view->count; ++i) {
        if (view->items[i] < CLASS_COUNT) continue;
        char place[64];
        text_format(place, sizeof place, "byte %zu", LABELS_HEADER + i);
        return fault_set(fault, STATUS_BAD_LABEL, place,
                         "Label %zu is %u; labels are digits from 0 to 9.", i,
                         (unsigned)view->items[i]);
    }
    return STATUS_OK;
}

Status idx_parse(const uint8_t *bytes, size_t n_bytes, IdxView *view,
                 Fault *fault) {
    assert(bytes != NULL || n_bytes == 0);
    TRY(check_magic(bytes, n_bytes, fault));
    const IdxKind kind = (IdxKind)bytes[3];
    const bool images = kind == IDX_IMAGES;
    if (images) TRY(check_image_shape(bytes, n_bytes, fault));
    const size_t header = images ? IMAGES_HEADER : LABELS_HEADER;
    const size_t item_bytes = images ? IMAGE_PIXELS : 1;
    const uint32_t count = read_be32(bytes + 4);
    TRY(check_count(count, item_bytes, n_bytes - header, kind, fault));
    const IdxView parsed = {
        .kind = kind,
        .count = count,
        .rows = images ? IMAGE_SIDE : 1,
        .cols = images ? IMAGE_SIDE : 1,
        .items = bytes + header,
    };
    if (!images) TRY(check_labels(&parsed, fault));
    *view = parsed;
    return STATUS_OK;
}

Status idx_parse_kind(const uint8_t *bytes, size_t n_bytes, IdxKind kind,
                      IdxView *view, Fault *fault) {
    IdxView parsed;
    TRY(idx_parse(bytes, n_bytes, &parsed, fault));
    if (parsed.kind != kind)
        return fault_set(fault, STATUS_BAD_FILE, "byte 3",
                         "The file holds %s; %s are needed here.",
                         kind_name(parsed.kind), kind_name(kind));
    *view = parsed;
    return STATUS_OK;
}
