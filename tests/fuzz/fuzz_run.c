/* Any bytes as a run description: refused with a sentence and nothing changed,
 * or read, and then its canonical text reads as the same and stays canonical.
 * What reads is also checked for whether it goes together. */
#include <stdlib.h>
#include <string.h>

#include "train/options.h"
#include "train/setup.h"

static void require(bool holds) {
    if (!holds) abort();
}

static bool same_options(const Options *a, const Options *b) {
    return memcmp(a->value, b->value, sizeof a->value) == 0 &&
           strcmp(a->net, b->net) == 0;
}

/* A refusal has a code, a sentence, and has left `options` alone. */
static void use_refusal(const Options *options, Status status,
                        const Fault *fault) {
    const Options initial = options_default();
    require(fault->code == status && fault->sentence[0] != '\0');
    require(same_options(options, &initial));
}

/* Print, read, print: the same options and the same text. */
static void use_options(const Options *options, bool all) {
    static char text[4096], again[4096];
    Fault fault = {0};
    const size_t length = options_print(options, all, text, sizeof text);
    require(length + 1 < sizeof text && strlen(text) == length);
    Options back = options_default();
    require(options_read(&back, text, &fault) == STATUS_OK);
    require(same_options(&back, options));
    require(options_print(&back, all, again, sizeof again) == length);
    require(strcmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *const text = malloc(size + 1);
    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    Options options = options_default();
    Fault fault = {0};
    const Status status = options_read(&options, text, &fault);
    free(text);
    if (status != STATUS_OK) {
        use_refusal(&options, status, &fault);
        return 0;
    }
    use_options(&options, false);
    use_options(&options, true);
    for (int i = 0; i < OPTION_COUNT; i++)
        require(options_note(&options, (OptionId)i) != NULL);
    const Status together = setup_check(&options, &fault);
    require(together == STATUS_OK || fault.sentence[0] != '\0');
    return 0;
}
