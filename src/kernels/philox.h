/* Random bits, four blocks at a time: those of base/random.h. */
#ifndef SOMA_KERNELS_PHILOX_H
#define SOMA_KERNELS_PHILOX_H

#include "base/random.h"

enum { PHILOX_BITS = 16 };

/* bits[16] = random_block at `index`, index+1, index+2, index+3 of `key`, one
 * after the other. Cost: about 16 ns. */
void philox_four_blocks(RandomKey key, uint64_t index,
                        uint32_t bits[PHILOX_BITS]);

#endif
