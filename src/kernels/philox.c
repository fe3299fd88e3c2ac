/* Philox4x32-10 (base/random.c) with a block in each lane. */
#include "kernels/philox.h"

#include "kernels/simd.h"

static const uint32_t MULTIPLIER[] = {PHILOX_M0, PHILOX_M0, PHILOX_M0,
                                      PHILOX_M0, PHILOX_M1, PHILOX_M1,
                                      PHILOX_M1, PHILOX_M1};

/* A product with the multiplier m, and the high half as the round takes it. */
SIMD_INLINE u32x4 half_round(u32x4 *c, u32x4 m, u32x4 other, u32x4 key) {
    u32x4 low, high;
    u32x4_multiply_wide(*c, m, &low, &high);
    *c = low;
    return high ^ other ^ key;
}

void philox_four_blocks(RandomKey key, uint64_t index,
                        uint32_t bits[PHILOX_BITS]) {
    u32x4 c0, c1;
    for (uint32_t lane = 0; lane < 4; lane++) {
        c0[lane] = (uint32_t)(index + lane);
        c1[lane] = (uint32_t)((index + lane) >> 32);
    }
    u32x4 c2 = u32x4_splat((uint32_t)key.step);
    u32x4 c3 = u32x4_splat((uint32_t)(key.step >> 32));
    u32x4 k0 = u32x4_splat(key.seed), k1 = u32x4_splat(key.stream);
    const u32x4 w0 = u32x4_splat(PHILOX_W0), w1 = u32x4_splat(PHILOX_W1);
    const uint32_t *multiplier = MULTIPLIER;
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        /* Read anew in every round: of numbers that it knows, or that stay,
         * LLVM makes whole 64-bit products, and engines have none of these. */
        ONE_ADDRESS(multiplier);
        const u32x4 m0 = u32x4_load(multiplier),
                    m1 = u32x4_load(multiplier + 4);
        const u32x4 next0 = half_round(&c2, m1, c1, k0);
        const u32x4 next2 = half_round(&c0, m0, c3, k1);
        c1 = c2, c3 = c0, c0 = next0, c2 = next2;
        k0 += w0, k1 += w1;
    }
    f32x4 words[4] = {(f32x4)c0, (f32x4)c1, (f32x4)c2, (f32x4)c3};
    f32x4_transpose(words);
    memcpy(bits, words, PHILOX_BITS * sizeof *bits);
}
