/* Status codes and faults: how a failure travels from where it is found to the
 * person who can do something about it.
 *
 * A function that can fail because of something from outside (a run
 * description, file bytes, a number from JavaScript) returns Status and, when
 * it is not STATUS_OK, has filled the Fault it was given: the code, the place
 * ("lr", "net, layer 3", "byte 17") and a whole sentence that says what is
 * wrong and what is allowed. A wrong call inside the core is an assert.
 */
#ifndef SOMA_BASE_STATUS_H
#define SOMA_BASE_STATUS_H

#include "base/types.h"

/* name, value, what it means in general (shown when there is no detail) */
#define STATUS_LIST(X)                                                         \
    X(OK, 0, "Done.")                                                          \
    X(OUT_OF_MEMORY, -1, "There is not enough memory for this.")               \
    X(BAD_TEXT, -2, "The run description could not be read.")                  \
    X(UNKNOWN_KEY, -3, "There is no such setting.")                            \
    X(BAD_VALUE, -4, "The value is not allowed.")                              \
    X(OUT_OF_RANGE, -5, "The value is out of range.")                          \
    X(UNKNOWN_LAYER, -6, "There is no such layer.")                            \
    X(BAD_SHAPE, -7, "The shapes do not fit.")                                 \
    X(BAD_COMBINATION, -8, "These settings do not go together.")               \
    X(BAD_FILE, -9, "The file could not be read.")                             \
    X(BAD_LABEL, -10, "A label is not a digit from 0 to 9.")                   \
    X(NO_DATA, -11, "There is no data to work on.")                            \
    X(DATA_PENDING, -12, "The data for the next step has not arrived yet.")    \
    X(NOT_FINITE, -13, "The loss stopped being a finite number.")              \
    X(BAD_ARGUMENT, -14, "An argument is not allowed.")                        \
    X(NO_SNAPSHOT, -15, "There is no earlier state to go back to.")

typedef enum Status {
#define STATUS_ENUM(name, value, sentence) STATUS_##name = value,
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
} Status;

/* What went wrong, for a person. Zero-initialised means nothing did. */
typedef struct Fault {
    Status code;
    char place[64];     /* where: a key, a layer, a byte; may be empty */
    char sentence[320]; /* what, and what is allowed; never empty on failure */
} Fault;

/* Fill `fault` and return `code`, so that a check reads
 * `return fault_set(fault, STATUS_OUT_OF_RANGE, key, "%s must …", …)`.
 * The sentence is cut, never overrun. `fault` must not be NULL. */
Status fault_set(Fault *fault, Status code, const char *place,
                 const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The name of a code in capitals, "OUT_OF_RANGE"; "UNKNOWN" for others. */
const char *status_name(Status code);

/* The general sentence of a code. */
const char *status_sentence(Status code);

/* Forward a failure to the caller. */
#define TRY(expression)                                                        \
    do {                                                                       \
        const Status try_status_ = (expression);                               \
        if (try_status_ != STATUS_OK) return try_status_;                      \
    } while (0)

#endif
