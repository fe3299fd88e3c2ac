#include "kernels/sparse_rows.h"

#include "kernels/simd.h"

/* ==== Counting ========================================================== */

uint32_t sparse_count_floats(const float *x, size_t n) {
    i32x4 counts = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) counts -= f32x4_load(x + i) != f32x4_zero();
    int32_t count = (counts[0] + counts[1]) + (counts[2] + counts[3]);
    for (; i < n; i++) count += x[i] != 0;
    return (uint32_t)count;
}

void sparse_count_inputs(const float *x, size_t n, uint32_t *counts) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const i32x4 found = f32x4_load(x + i) != f32x4_zero();
        const i32x4 sum = i32x4_load(counts + i) - found;
        memcpy(counts + i, &sum, sizeof sum);
    }
    for (; i < n; i++) counts[i] += x[i] != 0;
}

/* ==== Writing =========================================================== */

/* Four elements from input i on. All four are written, the non-zero ones in
 * front; returns where the next one goes: no branch to mispredict. */
SIMD_INLINE SparsePlace write_four(SparsePlace to, size_t i, f32x4 value) {
    const uint32_t mask = i32x4_bits(value != f32x4_zero());
    const int count = __builtin_popcount(mask);
    u16x4_store_lanes(to.index, (uint32_t)i, mask);
    f32x4_store(to.value, f32x4_compact(value, mask));
    return (SparsePlace){to.index + count, to.value + count};
}

SparsePlace sparse_write_floats(const float *x, size_t i, size_t end,
                                SparsePlace to) {
    for (; i + 4 <= end; i += 4) to = write_four(to, i, f32x4_load(x + i));
    for (; i < end; i++) {
        if (x[i] == 0) continue;
        *to.index++ = (uint16_t)i;
        *to.value++ = x[i];
    }
    return to;
}

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
