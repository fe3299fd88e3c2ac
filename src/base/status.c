#include "base/status.h"

#include <stdarg.h>

#include "base/text.h"

Status fault_set(Fault *fault, Status code, const char *place,
                 const char *format, ...) {
    assert(fault != NULL && code != STATUS_OK);
    fault->code = code;
    text_format(fault->place, sizeof fault->place, "%s", place ? place : "");
    va_list arguments;
    va_start(arguments, format);
    text_format_list(fault->sentence, sizeof fault->sentence, format,
                     arguments);
    va_end(arguments);
    return code;
}

const char *status_name(Status code) {
    switch (code) {
#define STATUS_CASE(name, value, sentence)                                     \
    case STATUS_##name:                                                        \
        return #name;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "UNKNOWN";
}

const char *status_sentence(Status code) {
    switch (code) {
#define STATUS_CASE(name, value, sentence)                                     \
    case STATUS_##name:                                                        \
        return sentence;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "Something unknown went wrong.";
}
