/* Any bytes as an IDX file: the parser must stay inside them, and whatever it
 * accepts must be exactly as large as it says. Run with AddressSanitizer; the
 * input is copied into a block of its own length, so that the first byte read
 * past it is found. */
#include <stdlib.h>
#include <string.h>

#include "data/idx.h"

static void require(bool holds) {
    if (!holds) abort();
}

/* Touch every item, and check what the header comment promises. */
static void use_view(const uint8_t *bytes, size_t n_bytes,
                     const IdxView *view) {
    const size_t items = view->count * view->rows * view->cols;
    require(view->count > 0);
    require(view->items > bytes);
    require(view->items + items == bytes + n_bytes);
    unsigned sum = 0, largest = 0;
    for (size_t i = 0; i < items; ++i) {
        sum += view->items[i];
        if (view->items[i] > largest) largest = view->items[i];
    }
    require(sum <= 255u * items);
    require(view->kind == IDX_IMAGES || largest < CLASS_COUNT);
    require(view->kind == IDX_LABELS || view->rows == IMAGE_SIDE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *const bytes = malloc(size + (size == 0));
    if (bytes == NULL) return 0;
    memcpy(bytes, data, size);
    IdxView view;
    Fault fault = {0};
    const Status status = idx_parse(bytes, size, &view, &fault);
    if (status == STATUS_OK) {
        use_view(bytes, size, &view);
    } else {
        require(fault.code == status);
        require(fault.sentence[0] != 0 && fault.place[0] != 0);
    }
    free(bytes);
    return 0;
}
