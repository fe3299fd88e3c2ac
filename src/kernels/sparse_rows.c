#include "kernels/sparse_rows.h"

#include "kernels/simd.h"

/* ==== Counting ========================================================== */

uint32_t sparse_mark_bytes(const uint8_t *bytes, size_t n, uint8_t *masks,
                           uint8_t *tally) {
    uint32_t count = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const u8x16 found = (u8x16)(u8x16_load(bytes + i) != 0);
        const uint16_t bits = (uint16_t)u8x16_bits(found);
        memcpy(masks + i / 8, &bits, sizeof bits);
        count += (uint32_t)__builtin_popcount(bits);
        if (tally != NULL)
            u8x16_store(tally + i, u8x16_load(tally + i) - found);
    }
    for (; i < n; i++) {
        count += bytes[i] != 0;
        if (tally != NULL) tally[i] = (uint8_t)(tally[i] + (bytes[i] != 0));
    }
    return count;
}

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

void sparse_fill_orders(uint8_t *orders) {
    memset(orders, 0, 256 * SPARSE_MASK_BITS);
    for (uint32_t mask = 0; mask < 256; mask++) {
        uint8_t *order = orders + SPARSE_MASK_BITS * mask;
        for (uint8_t bit = 0; bit < SPARSE_MASK_BITS; bit++)
            if (mask >> bit & 1) *order++ = bit;
    }
}

/* Four elements from input i on. All four are written, the non-zero ones in
 * front; returns where the next one goes: no branch to mispredict. */
SIMD_INLINE SparsePlace write_four(SparsePlace to, size_t i, f32x4 value) {
    const uint32_t mask = i32x4_bits(value != f32x4_zero());
    const int count = __builtin_popcount(mask);
    u16x4_store_lanes(to.index, (uint32_t)i, mask);
    f32x4_store(to.value, f32x4_compact(value, mask));
    return (SparsePlace){to.index + count, NULL, to.value + count};
}

/* Bit g: is masks[g] not zero? Of the first `count`, at most 64. */
SIMD_INLINE uint64_t used_masks(const uint8_t *masks, size_t count) {
    uint64_t used = 0;
    for (int g = 0; g < 64; g += 16)
        used |= (uint64_t)u8x16_bits(u8x16_load(masks + g)) << g;
    return count < 64 ? used & (((uint64_t)1 << count) - 1) : used;
}

/* Eight bytes from input i on, in the same way. */
SIMD_INLINE SparsePlace write_eight(SparsePlace to, size_t i,
                                    const uint8_t *bytes, uint32_t mask,
                                    const uint8_t *orders) {
    const uint8_t *const order = orders + 8 * mask;
    const int count = __builtin_popcount(mask);
    u8x8_store_picked(to.byte, bytes + i, order);
    u16x8_store_sum(to.index, (uint32_t)i, order);
    return (SparsePlace){to.index + count, to.byte + count, NULL};
}

SparsePlace sparse_write_bytes(const uint8_t *bytes, const uint8_t *masks,
                               size_t i, size_t end, const uint8_t *orders,
                               SparsePlace to) {
    assert(i % 16 == 0);
    const size_t n_masks = end / 16 * 2;
    for (size_t first = i / 8; first < n_masks; first += SPARSE_MASKS_AT_ONCE)
        for (uint64_t used = used_masks(masks + first, n_masks - first);
             used != 0; used &= used - 1) {
            const size_t at = first + (size_t)__builtin_ctzll(used);
            to = write_eight(to, 8 * at, bytes, masks[at], orders);
        }
    for (i = end / 16 * 16; i < end; i++) {
        if (bytes[i] == 0) continue;
        *to.index++ = (uint16_t)i;
        *to.byte++ = bytes[i];
    }
    return to;
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
