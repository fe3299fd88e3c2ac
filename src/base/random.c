#include "base/random.h"

#include "base/scalar.h"

void random_philox(const uint32_t counter[4], const uint32_t key[2],
                   uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)PHILOX_M0 * c0;
        const uint64_t p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void random_block(RandomKey key, uint64_t index, uint32_t out[4]) {
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32),
                                 (uint32_t)key.step,
                                 (uint32_t)(key.step >> 32)};
    const uint32_t words[2] = {key.seed, key.stream};
    random_philox(counter, words, out);
}

uint32_t random_bits(RandomKey key, uint64_t index) {
    uint32_t block[4];
    random_block(key, index / 4, block);
    return block[index % 4];
}

float random_uniform(RandomKey key, uint64_t index) {
    return (float)(random_bits(key, index) >> 8) * 0x1p-24f;
}

float random_normal(RandomKey key, uint64_t index) {
    static const double TWO_PI = 6.283185307179586;
    uint32_t block[4];
    random_block(key, index, block);
    /* 53 bits, in (0, 1], so that the logarithm is finite. */
    const uint64_t wide = (uint64_t)block[0] << 21 | block[1] >> 11;
    const double radius_source = ((double)wide + 1) * 0x1p-53;
    const double angle = TWO_PI * 0x1p-32 * (double)block[2];
    const double radius = __builtin_sqrt(-2 * scalar_log(radius_source));
    return (float)(radius * scalar_cos(angle));
}

uint32_t random_below(RandomKey key, uint64_t index, uint32_t bound) {
    assert(bound >= 1);
    uint32_t block[4];
    random_block(key, index, block);
    /* floor(bound * x / 2^64) for the 64-bit x = (block[0], block[1]) */
    const uint64_t low = (uint64_t)bound * block[1] >> 32;
    return (uint32_t)(((uint64_t)bound * block[0] + low) >> 32);
}

void random_shuffle(RandomKey key, uint64_t first, uint32_t *order,
                    size_t count) {
    assert(count <= UINT32_MAX);
    for (size_t left = count; left > 1; left--, first++) {
        const uint32_t pick = random_below(key, first, (uint32_t)left);
        const uint32_t last = order[left - 1];
        order[left - 1] = order[pick];
        order[pick] = last;
    }
}
