/* Packing: bringing the operands of gemm into the order in which its tiles
 * read them (gemm_tile.h).
 *
 * An operand is seen as lanes over steps of k: a lane is a row of A or a column
 * of B. A panel holds some lanes for some steps, panel[p·width + lane]; lanes
 * that do not exist are zeros.
 */
#ifndef SOMA_KERNELS_GEMM_PACK_H
#define SOMA_KERNELS_GEMM_PACK_H

#include "kernels/gemm.h"

typedef struct Operand {
    Matrix matrix;
    size_t lane_stride, step_stride; /* of MATRIX_STRIDED */
} Operand;

/* A matrix whose rows are lanes, as A; panels cannot be A. */
Operand operand_of_rows(Matrix a);

/* A matrix whose columns are lanes, as B. */
Operand operand_of_columns(Matrix b);

/* A piece of an operand that has strides: element (lane, step) of it is
 * from[lane·lane_stride + step·step_stride]. */
typedef struct Piece {
    const float *from;
    size_t lane_stride, step_stride;
    int n_k; /* steps that it holds */
} Piece;

/* The piece of x that begins at (lane, k): n_k steps, or fewer where a panel
 * ends. Its lanes must lie in one panel. Not for MATRIX_PACKED. */
Piece operand_piece(const Operand *x, int lane, int k, int n_k);

/* Can a tile read columns of x where they lie, one vector after the other, and
 * will the caches bear it? */
bool operand_lies_ready(const Operand *x);

/* Can a tile read as many rows of x as it has where they lie, n_k steps? */
bool operand_lies_in_steps(const Operand *x, int n_k);

/* The panel of `width` lanes, n_lanes of which exist, for n_k steps. */
void pack_panel(const Operand *x, int lane, int n_lanes, int k, int n_k,
                int width, float *panel);

/* The same with each element four times side by side:
 * panel[(p·width + lane)·4 + 0 .. 3]. `space` has room for width·n_k floats. */
void pack_spread(const Operand *x, int lane, int n_lanes, int k, int n_k,
                 int width, float *panel, float *space);

#endif
