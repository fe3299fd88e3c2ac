/* Text in small: formatting and numbers, without the C library's printf and
 * strtod, which with their 128-bit arithmetic would be a seventh of what a
 * visitor downloads; and the same digits on every machine.
 */
#ifndef SOMA_BASE_TEXT_H
#define SOMA_BASE_TEXT_H

#include <stdarg.h>

#include "base/types.h"

/* Significant digits that numbers are read and printed with. */
enum { TEXT_DIGITS = 15 };

/* As snprintf, for the conversions %s %.40s %.*s %d %u %lu %llu %zu %016llx
 * %.10g and %%: writes at most size - 1 characters and a zero, returns the
 * length that there would have been. size >= 1. */
size_t text_format(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t text_format_list(char *text, size_t size, const char *format,
                        va_list arguments);

/* Read all of `text` as a decimal number: sign, digits, point, exponent. False
 * for anything else (an empty text, words, hexadecimals, digits after it).
 * Digits after the first fifteen count as zeros; numbers of up to fifteen
 * digits from 1e-22 to 1e22 are read exactly, others to about 1 part in
 * 10^15. Too large becomes infinity, smaller than 1e-30 becomes 0. */
bool text_read_number(const char *text, double *value);

/* The shortest text that text_read_number reads as `value`, in the form of
 * %g: "0.001", "1e-08". value is finite. Returns its length, below 32. */
size_t text_print_number(double value, char text[32]);

#endif
