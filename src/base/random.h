/* Random numbers as a function: Philox4x32-10, a counter-based generator.
 *
 * A number is determined by (seed, stream, step, index) and by nothing else,
 * so dropout masks or shuffles do not depend on the order of work, the number
 * of threads or how a batch is cut.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011; checked against the known answers of Random123.
 */
#ifndef SOMA_BASE_RANDOM_H
#define SOMA_BASE_RANDOM_H

#include "base/types.h"

/* What a number is for. Part of the meaning of a seed: only ever append. */
typedef enum RandomStream {
    STREAM_INIT = 1,    /* step = parameter tensor, index = element */
    STREAM_SPLIT = 2,   /* validation split */
    STREAM_SHUFFLE = 3, /* step = epoch */
    STREAM_DROPOUT = 4, /* step = training step, index = layer and position */
    STREAM_AUGMENT = 5  /* step = epoch, index = image and draw */
} RandomStream;

/* Where in the space of random numbers to look; pass by value. */
typedef struct RandomKey {
    uint32_t seed;
    uint32_t stream; /* a RandomStream */
    uint64_t step;
} RandomKey;

/* The multipliers and Weyl increments of Philox4x32 (Salmon et al., table 2);
 * the increments are the golden ratio and sqrt(3) - 1 as 32-bit fractions. */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u
enum { PHILOX_ROUNDS = 10 };

/* Philox4x32-10 itself: ten rounds over `counter` under `key`. */
void random_philox(const uint32_t counter[4], const uint32_t key[2],
                   uint32_t out[4]);

/* Four 32-bit numbers at `index` of `key`. Cost: about 20 ns. */
void random_block(RandomKey key, uint64_t index, uint32_t out[4]);

/* One 32-bit number at `index`: word index % 4 of block index / 4. */
uint32_t random_bits(RandomKey key, uint64_t index);

/* Uniform in [0, 1), 24 bits. */
float random_uniform(RandomKey key, uint64_t index);

/* Standard normal (mean 0, variance 1) by Box and Muller in double precision,
 * from block `index`; the same bits on every machine (own log, sqrt, cos). */
float random_normal(RandomKey key, uint64_t index);

/* Uniform in 0 .. bound-1, bound >= 1, by multiply-shift on 64 bits; the bias
 * is below 2^-32. Uses block `index`. */
uint32_t random_below(RandomKey key, uint64_t index, uint32_t bound);

/* Shuffle order[0 .. count-1] in place (Fisher and Yates), drawing at indices
 * first, first+1, …. The same key and `first` give the same permutation. */
void random_shuffle(RandomKey key, uint64_t first, uint32_t *order,
                    size_t count);

#endif
