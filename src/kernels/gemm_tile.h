/* The tiles of gemm: its one inner loop, in the sizes that it is compiled in.
 *
 * A tile of C, mr rows of nr columns, stays in registers while its chains run
 * over k steps. Its operands are panels:
 *
 *     A    a[p·a_step + row·spread + copy]        packed; each element lies
 *                                                 `spread` times side by side;
 *                                                 or read in place (spread 1)
 *     B    b[p·b_step + column]                   packed, or read in place
 *
 * spread = 4 for vectors of four: a multiplier is then a plain load. A load
 * that spreads one float over a vector costs engines an instruction more,
 * because they cannot fold its offset into it; on a core that is shared with
 * another thread, instructions are what counts. It is 1 where an engine may
 * join two vectors into one of eight.
 *
 * Nothing here looks beyond the panels or the tile.
 */
#ifndef SOMA_KERNELS_GEMM_TILE_H
#define SOMA_KERNELS_GEMM_TILE_H

#include "base/types.h"

enum { TILE_ROWS_MAX = 6, TILE_COLUMNS_MAX = 16, TILE_SPREAD_MAX = 4 };

/* Tiles side by side: the same rows of A with one panel of B after the other.
 */
typedef struct TileRun {
    int k;          /* steps, >= 1 */
    int count;      /* tiles */
    const float *a; /* [k, mr, spread] */
    size_t a_step;  /* floats from step to step */
    const float *b; /* [k, nr] of the first tile */
    size_t b_step;  /* floats from step to step, */
    size_t b_next;  /* and from tile to tile */
    float *c;       /* [mr, nr] of the first tile; the next one follows it */
    size_t ldc;     /* floats from row to row */
    bool from_c;    /* the chains go on from c, or start from zero */
} TileRun;

typedef void TileKernel(const TileRun *run);

/* Widths of 4, 8 and 16 columns. */
enum { TILE_WIDTHS = 3 };

typedef struct Tile {
    const char *name; /* "5x8" */
    int rows;         /* mr */
    int spread;       /* of A */
    /* By width, for the last columns too; NULL where it is not compiled in. */
    TileKernel *kernel[TILE_WIDTHS];
} Tile;

/* How many tiles there are; all give the same bits. */
int tile_count(void);

/* Tile 0 .. tile_count()-1. */
const Tile *tile_at(int index);

/* The tile for a product of m rows when tile `index` is the fastest: that one,
 * or one of fewer rows of which m wastes a tenth less (ten outputs are two rows
 * of 5x8). */
const Tile *tile_for(int index, int m);

/* The most columns that a kernel of the tile has. */
int tile_columns(const Tile *tile);

/* Which kernel takes the next of `columns` >= 1 that are left: its index. It
 * has 4 << index columns, which may be more than there are. */
int tile_width(const Tile *tile, int columns);

#endif
