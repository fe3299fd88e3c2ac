#include "kernels/sparse_rows.h"

#include "kernels/simd.h"

enum { LINE_FLOATS = CACHE_LINE / sizeof(float) };

/* ==== Counting ========================================================== */

uint32_t sparse_count_floats(const float *x, size_t n) {
    i32x4 counts = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) counts -= f32x4_load(x + i) != f32x4_zero();
    int32_t count = (counts[0] + counts[1]) + (counts[2] + counts[3]);
    for (; i < n; i++) count += x[i] != 0;
    return (uint32_t)count;
}

/* ==== Writing =========================================================== */

/* Four elements from input i on. All four are written, the non-zero ones in
 * front; returns how many those are: no branch to mispredict. */
SIMD_INLINE uint32_t write_four(uint16_t *index, float *values, size_t i,
                                f32x4 value) {
    const uint32_t mask = i32x4_bits(value != f32x4_zero());
    u16x4_store_lanes(index, (uint32_t)i, mask);
    f32x4_store(values, f32x4_compact(value, mask));
    return (uint32_t)__builtin_popcount(mask);
}

SparsePlace sparse_write_floats(const float *x, size_t i, size_t end,
                                SparsePlace to) {
    for (; i + 4 <= end; i += 4) {
        const uint32_t count =
            write_four(to.index, to.value, i, f32x4_load(x + i));
        to = (SparsePlace){to.index + count, to.value + count};
    }
    for (; i < end; i++) {
        if (x[i] == 0) continue;
        *to.index++ = (uint16_t)i;
        *to.value++ = x[i];
    }
    return to;
}

/* ==== Columns =========================================================== */

/* Samples first .. first+3 of one input, behind what its list has. The list
 * comes as a copy: its pointers stay in registers whatever is written. */
SIMD_INLINE void append_four(SparseList list, size_t i, size_t first,
                             f32x4 value) {
    const uint32_t at = list.end[i];
    list.end[i] =
        at + write_four(list.index + at, list.value + at, first, value);
}

static void append_one(const SparseList *list, size_t i, size_t n,
                       float value) {
    const uint32_t at = list->end[i];
    list->index[at] = (uint16_t)n;
    list->value[at] = value;
    list->end[i] = at + (value != 0);
}

/* Samples n .. n+3 of inputs i .. i+3; x is the first of these elements. */
SIMD_INLINE void append_square(SparseList list, size_t i, size_t n,
                               const float *x, size_t stride) {
    f32x4 four[4] = {f32x4_load(x), f32x4_load(x + stride),
                     f32x4_load(x + 2 * stride), f32x4_load(x + 3 * stride)};
    f32x4_transpose(four);
    append_four(list, i, n, four[0]);
    append_four(list, i + 1, n, four[1]);
    append_four(list, i + 2, n, four[2]);
    append_four(list, i + 3, n, four[3]);
}

/* Samples n .. end-1 of inputs i .. stop-1, one by one. */
static void append_rest(const SparseList *list, const float *rows,
                        size_t stride, size_t n, size_t end, size_t i,
                        size_t stop) {
    for (; n < end; n++)
        for (size_t j = i; j < stop; j++)
            append_one(list, j, n, rows[n * stride + j]);
}

/* A cache line of each sample after the other. */
void sparse_list_columns(const float *rows, size_t stride, int n_samples,
                         int n_inputs, const SparseList *list) {
    const size_t end = (size_t)n_samples, stop = (size_t)n_inputs;
    const size_t whole_end = end / 4 * 4, whole_stop = stop / 4 * 4;
    for (size_t i = 0; i < stop; i++)
        list->start[i] = list->end[i] = (uint32_t)(i * (end + SPARSE_OVERRUN));
    for (size_t line = 0; line < whole_stop; line += LINE_FLOATS)
        for (size_t n = 0; n < whole_end; n += 4)
            for (size_t i = line; i < size_min(line + LINE_FLOATS, whole_stop);
                 i += 4)
                append_square(*list, i, n, rows + n * stride + i, stride);
    append_rest(list, rows, stride, 0, whole_end, whole_stop, stop);
    append_rest(list, rows, stride, whole_end, end, 0, stop);
}

/* ==== Ink =============================================================== */

/* Eight elements at place i of a list. */
SIMD_INLINE void write_ink(SparsePlace to, size_t i, u16x8 elements,
                           u16x8 first, f32x4 scale) {
    f32x4 ink[2];
    f32x4_from_u16x8(elements >> 8, ink);
    u16x8_store(to.index + i, (elements & 0xff) + first);
    f32x4_store(to.value + i, ink[0] * scale);
    f32x4_store(to.value + i + 4, ink[1] * scale);
}

void sparse_write_ink(const uint16_t *elements, size_t count, size_t first,
                      float scale, SparsePlace to) {
    const u16x8 base = u16x8_splat((uint16_t)first);
    const f32x4 factor = f32x4_splat(scale);
    for (size_t i = 0; i < count; i += 8)
        write_ink(to, i, u16x8_load(elements + i), base, factor);
}

/* In one loop, whose length surprises the core once an image, not once a band:
 * a band begins for those lanes that stand behind its last element before. */
void sparse_write_image(const uint16_t *elements,
                        const uint16_t end[IMAGE_BANDS], float scale,
                        SparsePlace to) {
    const f32x4 factor = f32x4_splat(scale);
    const i16x8 one = i16x8_splat(end[0]), two = i16x8_splat(end[1]),
                three = i16x8_splat(end[2]), band = i16x8_splat(BAND_PIXELS);
    i16x8 lane = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < end[IMAGE_BANDS - 1]; i += 8, lane += 8) {
        const i16x8 first = ((lane > one) & band) + ((lane > two) & band) +
                            ((lane > three) & band);
        write_ink(to, i, u16x8_load(elements + i), (u16x8)first, factor);
    }
}
