/* Initialisation: the weights a network starts from.
 *
 * Drawn from (seed, parameter number, element), so they do not depend on the
 * order of work, and the same bits in every build, the fast ones included.
 * Element numbers count in PyTorch's order, [O,I] row by row; orthogonal draws
 * mirrors, and counts theirs.
 * For a weight [O,I] with activation gain g (√2 before the relu family, 1
 * before the others):
 *
 *   zeros            0: every unit stays the same as its neighbour
 *   constant         c
 *   uniform          U(−c, c)
 *   normal           N(0, c²)
 *   xavier           N(0, 2/(I+O))              Glorot and Bengio 2010
 *   xavier-uniform   U(±√(6/(I+O)))
 *   he               N(0, 2/I)                  He et al. 2015
 *   he-uniform       U(±√(6/I))
 *   orthogonal       rows or columns of length g, at right angles to each
 *                    other (Saxe et al. 2014); g = √2 before the relu family
 *   auto             he before the relu family, xavier otherwise
 *
 * Biases start at 0, gains at 1.
 */
#ifndef SOMA_NN_INIT_H
#define SOMA_NN_INIT_H

#include "nn/network.h"

/* In the order of the choices of the option `init`. */
typedef enum InitKind {
    INIT_AUTO,
    INIT_ZEROS,
    INIT_CONSTANT,
    INIT_UNIFORM,
    INIT_NORMAL,
    INIT_XAVIER,
    INIT_XAVIER_UNIFORM,
    INIT_HE,
    INIT_HE_UNIFORM,
    INIT_ORTHOGONAL,
    INIT_COUNT
} InitKind;

/* Set every parameter. `scale` is c of constant, uniform and normal. The
 * gradients are workspace, and zero afterwards. Cost: a draw for each weight;
 * orthogonal adds n²·(m − n/3) multiply-adds for n vectors of m elements, 0.2
 * seconds for 784 of 2048 natively. */
void init_network(Network *network, InitKind kind, double scale,
                  uint32_t seed);

#endif
