#include "base/text.h"

#include <string.h>

/* ==== Numbers =========================================================== */

/* What is smaller is read as zero: down to here fifteen digits survive being
 * printed and read again. */
static const double SMALLEST = 1e-30;

/* 10^exponent, 0 .. 22 exactly. */
static double power_of_ten(int exponent) {
    double power = 1;
    for (int i = 0; i < exponent; i++) power *= 10;
    return power;
}

/* value · 10^exponent, in as few roundings as there are steps of 22. */
static double scaled(double value, int exponent) {
    for (; exponent > 22; exponent -= 22) value *= power_of_ten(22);
    for (; exponent < -22; exponent += 22) value /= power_of_ten(22);
    return exponent < 0 ? value / power_of_ten(-exponent)
                        : value * power_of_ten(exponent);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* What has been read of a number: mantissa · 10^exponent. */
typedef struct Reading {
    uint64_t mantissa;
    int digits; /* significant ones in the mantissa */
    int exponent;
} Reading;

/* Take one digit; `after` the decimal point it lowers the exponent. */
static void read_digit(Reading *reading, char c, bool after) {
    const bool kept = reading->digits < TEXT_DIGITS;
    if (kept) {
        reading->mantissa = reading->mantissa * 10 + (uint64_t)(c - '0');
        reading->digits += reading->mantissa > 0;
    }
    reading->exponent += (kept ? 0 : 1) - (after ? 1 : 0);
}

/* "e-8" at `text`: its value, far beyond any double's stopped. Returns where it
 * ends, NULL when there are no digits. */
static const char *read_exponent(const char *text, int *exponent) {
    const bool negative = *text == '-';
    int value = 0;
    if (*text == '-' || *text == '+') text++;
    if (!is_digit(*text)) return NULL;
    for (; is_digit(*text); text++)
        value = int_min(value * 10 + (*text - '0'), 9999);
    *exponent += negative ? -value : value;
    return text;
}

bool text_read_number(const char *text, double *value) {
    Reading reading = {0};
    bool any = false, after = false;
    const bool negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    for (; is_digit(*text) || (*text == '.' && !after); text++) {
        if (*text == '.') {
            after = true;
            continue;
        }
        any = true;
        read_digit(&reading, *text, after);
    }
    if (any && (*text == 'e' || *text == 'E'))
        text = read_exponent(text + 1, &reading.exponent);
    if (!any || text == NULL || *text != '\0') return false;
    /* "10e-26" and "1e-25" must take the same way. */
    while (reading.mantissa > 0 && reading.mantissa % 10 == 0) {
        reading.mantissa /= 10;
        reading.exponent++;
    }
    const int exponent = int_max(-999, int_min(reading.exponent, 999));
    double number = scaled((double)reading.mantissa, exponent);
    if (number < SMALLEST) number = 0;
    *value = negative && number > 0 ? -number : number; /* no -0 */
    return true;
}

/* value >= 0 rounded to `digits` digits: mantissa · 10^exponent, the mantissa
 * with just so many digits (0 for 0). */
static Reading decimal(double value, int digits) {
    Reading reading = {.digits = digits};
    if (value == 0) return reading;
    int exponent = 0;
    while (scaled(value, -exponent) >= 10) exponent++;
    while (scaled(value, -exponent) < 1) exponent--;
    const double limit = power_of_ten(digits);
    double mantissa =
        __builtin_floor(scaled(value, digits - 1 - exponent) + 0.5);
    if (mantissa >= limit) {
        mantissa = __builtin_floor(mantissa / 10);
        exponent++;
    }
    reading.mantissa = (uint64_t)mantissa;
    reading.exponent = exponent;
    return reading;
}

/* The digits of `value` in base `base`, most significant first. */
static size_t print_unsigned(uint64_t value, unsigned base, char *text) {
    char reversed[24];
    size_t length = 0;
    do {
        reversed[length++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    for (size_t i = 0; i < length; i++) text[i] = reversed[length - 1 - i];
    return length;
}

/* "e-08" */
static size_t print_exponent(int exponent, char *text) {
    const unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    size_t length = 0;
    text[length++] = 'e';
    text[length++] = exponent < 0 ? '-' : '+';
    if (size < 10) text[length++] = '0';
    return length + print_unsigned(size, 10, text + length);
}

/* As %.{digits}g: `value` finite, 1 <= digits <= 17. */
static size_t print_general(double value, int digits, char *text) {
    const Reading reading = decimal(value < 0 ? -value : value, digits);
    const int exponent = reading.exponent;
    char mantissa[24];
    size_t count = print_unsigned(reading.mantissa, 10, mantissa);
    while (count > 1 && mantissa[count - 1] == '0') count--;
    size_t length = 0;
    if (value < 0) text[length++] = '-';
    const bool scientific = exponent < -4 || exponent >= digits;
    const int point = scientific ? 0 : exponent; /* digits in front, less one */
    for (int i = point; i < 0; i++) {
        text[length++] = '0';
        if (i == point) text[length++] = '.';
    }
    for (int i = 0; i < (int)count || i <= point; i++) {
        if (i == point + 1 && point >= 0) text[length++] = '.';
        text[length++] = i < (int)count ? mantissa[i] : '0';
    }
    if (scientific) length += print_exponent(exponent, text + length);
    text[length] = '\0';
    return length;
}

size_t text_print_number(double value, char text[32]) {
    size_t length = 0;
    for (int digits = 1; digits <= TEXT_DIGITS; digits++) {
        double read = 0;
        length = print_general(value, digits, text);
        if (digits >= 10 && text_read_number(text, &read) && read == value)
            break;
    }
    return length;
}

/* ==== Formatting ======================================================== */

/* A text that is being written; `length` goes on counting when it is full. */
typedef struct Writer {
    char *text;
    size_t size, length;
} Writer;

static void put(Writer *writer, const char *from, size_t count) {
    for (size_t i = 0; i < count; i++, writer->length++)
        if (writer->length + 1 < writer->size)
            writer->text[writer->length] = from[i];
}

/* One conversion: "%.40s" is {.precision = 40, .kind = 's'}. */
typedef struct Conversion {
    int precision; /* -1: none */
    int width;     /* filled with zeros */
    int longs;     /* how many l; z counts as the size of size_t */
    bool is_size;
    char kind;
} Conversion;

/* Read the conversion behind a '%'; `*format` moves on past it. */
static Conversion read_conversion(const char **format, int star) {
    Conversion c = {.precision = -1};
    const char *at = *format;
    for (; is_digit(*at); at++) c.width = c.width * 10 + (*at - '0');
    if (*at == '.') {
        at++;
        c.precision = *at == '*' ? star : 0;
        if (*at == '*') at++;
        for (; is_digit(*at); at++)
            c.precision = c.precision * 10 + (*at - '0');
    }
    for (; *at == 'l'; at++) c.longs++;
    if (*at == 'z') c.is_size = true, at++;
    c.kind = *at;
    *format = at + 1;
    return c;
}

static void put_text(Writer *writer, const Conversion *c, const char *text) {
    size_t length = 0;
    while ((c->precision < 0 || length < (size_t)c->precision) &&
           text[length] != '\0')
        length++;
    put(writer, text, length);
}

static void put_unsigned(Writer *writer, const Conversion *c, uint64_t value) {
    char digits[24];
    const size_t length =
        print_unsigned(value, c->kind == 'x' ? 16 : 10, digits);
    for (size_t i = length; i < (size_t)c->width; i++) put(writer, "0", 1);
    put(writer, digits, length);
}

static void put_number(Writer *writer, const Conversion *c, double value) {
    char text[40];
    if (__builtin_isfinite(value)) {
        put(writer, text, print_general(value, c->precision, text));
        return;
    }
    put(writer,
        value != value ? "nan"
        : value < 0    ? "-inf"
                       : "inf",
        value < 0 ? 4 : 3);
}

static bool takes_star(const char *format) {
    return format[0] == '.' && format[1] == '*';
}

size_t text_format_list(char *text, size_t size, const char *format,
                        va_list arguments) {
    Writer writer = {.text = text, .size = size};
    assert(size >= 1);
    while (*format != '\0') {
        const char c = *format++;
        if (c != '%') {
            put(&writer, &c, 1);
            continue;
        }
        const int star = takes_star(format) ? va_arg(arguments, int) : 0;
        const Conversion conversion = read_conversion(&format, star);
        switch (conversion.kind) {
        case 's':
            put_text(&writer, &conversion, va_arg(arguments, char *));
            break;
        case 'g':
            put_number(&writer, &conversion, va_arg(arguments, double));
            break;
        case 'd': {
            const int value = va_arg(arguments, int);
            if (value < 0) put(&writer, "-", 1);
            put_unsigned(&writer, &conversion,
                         value < 0 ? (uint64_t) - (int64_t)value
                                   : (uint64_t)value);
            break;
        }
        case 'u':
        case 'x':
            put_unsigned(
                &writer, &conversion,
                conversion.is_size      ? va_arg(arguments, size_t)
                : conversion.longs == 2 ? va_arg(arguments, unsigned long long)
                : conversion.longs == 1 ? va_arg(arguments, unsigned long)
                                        : va_arg(arguments, unsigned));
            break;
        default:
            assert(conversion.kind == '%');
            put(&writer, "%", 1);
        }
    }
    text[size_min(writer.length, size - 1)] = '\0';
    return writer.length;
}

size_t text_format(char *text, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const size_t length = text_format_list(text, size, format, arguments);
    va_end(arguments);
    return length;
}
