/* Method. gemm cuts C into rectangles, one task each. A task walks
 *
 *     for each block of k          the chain goes on from the value in C
 *       for each block of rows     A packed, or read in place
 *         for each strip           B packed just before use: it is in L1
 *           run_strip              tiles of mr x nr, one below the other
 *
 * so that a block of A stays in the second-level cache while the strips pass
 * over it, and each panel of B is used as soon as it is written.
 *
 * Source of the scheme: Goto and van de Geijn, "Anatomy of high-performance
 * matrix multiplication", 2008; Van Zee and van de Geijn, "BLIS", 2015.
 */
#include "kernels/gemm.h"

#include "kernels/simd.h"

/* Blocks: A takes at most ROWS x DEPTH floats (320 KB), a panel of B at most
 * DEPTH x NR_MAX (20 KB). */
enum { DEPTH = 320, ROWS = 256, MR_MAX = 6, NR_MAX = 16, NV_MAX = 4 };

/* The packing space of one task, in floats. */
enum { SLOT_A = (ROWS + MR_MAX) * DEPTH, SLOT_B = DEPTH * NR_MAX };
enum { SLOT_FLOATS = SLOT_A + SLOT_B };

/* A that could be read in place is packed all the same from this many columns
 * on: one pointer instead of mr then saves more than the copy costs. */
enum { PACK_FROM = 256 };

/* Tasks per thread, so that a thread whose core is busy elsewhere leaves its
 * share to the others. */
enum { TASKS_PER_THREAD = 4 };

/* ---- the tile ----------------------------------------------------------- */

/* One strip of C for one block of k: m x n, n at most the tile's width. */
typedef struct Strip {
    int m, n, k;
    const float *a;  /* packed panels, or rows in place */
    size_t a_stride; /* in place: floats from row to row; packed: not used */
    const float *b;
    size_t b_stride; /* floats from step to step */
    float *c;
    size_t ldc;
    bool from_c; /* go on from C, or start from zero */
} Strip;

/* The inner loop: mr rows of 4·nv columns over k steps. The chains begin with
 * the values at `from`. a[r] is where row r of A begins; when packed, all rows
 * advance together. With constant mr, nv and packed, all of acc lives in
 * registers, and the loads of a step differ only in their constant offsets:
 * V8's re-vectoriser joins pairs of them only so.
 *
 * No unrolling by hand or pragma: LLVM then loads for two steps at once, which
 * costs more registers than there are (15 in V8 on x86). For the same reason
 * this file is compiled with LLVM's scheduler keeping the order of the source.
 */
SIMD_INLINE void run_tile(int mr, int nv, int k, const float **a, bool packed,
                          const float *b, size_t b_step, const float *from,
                          size_t ld_from, float *c, size_t ldc) {
    f32x4 acc[MR_MAX][NV_MAX];
    for (int r = 0; r < mr; r++) {
        const float *row = from + (size_t)r * ld_from;
        ONE_ADDRESS(row);
        for (int v = 0; v < nv; v++) acc[r][v] = f32x4_load(row + 4 * v);
    }
    for (int p = 0; p < k; p++) {
        f32x4 row[NV_MAX];
        for (int v = 0; v < nv; v++) row[v] = f32x4_load(b + 4 * v);
        for (int r = 0; r < mr; r++) {
            const f32x4 x = f32x4_load_splat(packed ? a[0] + r : a[r]);
            for (int v = 0; v < nv; v++)
                acc[r][v] = f32x4_madd(x, row[v], acc[r][v]);
        }
        b += b_step;
        if (packed) a[0] += mr;
        for (int r = 0; r < mr && !packed; r++) a[r]++;
    }
    for (int r = 0; r < mr; r++) {
        float *row = c + (size_t)r * ldc;
        ONE_ADDRESS(row);
        for (int v = 0; v < nv; v++) f32x4_store(row + 4 * v, acc[r][v]);
    }
}

/* Copy m x n floats from one stride to another. */
static void copy_rectangle(int m, int n, const float *from, size_t from_stride,
                           float *to, size_t to_stride) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            to[(size_t)i * to_stride + (size_t)j] =
                from[(size_t)i * from_stride + (size_t)j];
}

/* Where a chain begins that does not go on from C: one row, read by all. */
static const float zeros[NR_MAX];

/* All tiles of a strip. One that sticks out of C runs in `edge`; rows of A in
 * place that do not exist are stood in for by the last one. */
SIMD_INLINE void run_strip(const Strip *s, int mr, int nv, bool packed) {
    float edge[MR_MAX * NR_MAX];
    const int nr = 4 * nv;
    for (int i = 0; i < s->m; i += mr) {
        const int rows = int_min(mr, s->m - i);
        const bool whole = rows == mr && s->n == nr;
        float *const c = s->c + (size_t)i * s->ldc;
        const float *a[MR_MAX];
        for (int r = 0; r < mr; r++)
            a[r] = packed ? s->a + (size_t)i * (size_t)s->k + r
                          : s->a + (size_t)(i + int_min(r, rows - 1)) *
                                       s->a_stride;
        if (!whole && s->from_c)
            copy_rectangle(rows, s->n, c, s->ldc, edge, (size_t)nr);
        float *const to = whole ? c : edge;
        const size_t stride = whole ? s->ldc : (size_t)nr;
        run_tile(mr, nv, s->k, a, packed, s->b, s->b_stride,
                 s->from_c ? to : zeros, s->from_c ? stride : 0, to, stride);
        if (!whole) copy_rectangle(rows, s->n, edge, (size_t)nr, c, s->ldc);
    }
}

/* ---- the tiles compiled in ---------------------------------------------- */

typedef void StripKernel(const Strip *strip);

#define STRIP_KERNELS(mr, nv)                                                  \
    static void strip_packed_##mr##_##nv(const Strip *s) {                     \
        run_strip(s, mr, nv, true);                                            \
    }                                                                          \
    static void strip_placed_##mr##_##nv(const Strip *s) {                     \
        run_strip(s, mr, nv, false);                                           \
    }
STRIP_KERNELS(4, 1)
STRIP_KERNELS(4, 2)
STRIP_KERNELS(6, 1)
STRIP_KERNELS(6, 2)
STRIP_KERNELS(6, 3)
STRIP_KERNELS(6, 4)
#undef STRIP_KERNELS

/* 4x8 and 6x8 fill the registers of 128 bits of x86; 6x16 those of ARM, and of
 * x86 where the browser joins two vectors into one of 256 bits. */
#define PAIR(mr, nv)                                                           \
    { strip_packed_##mr##_##nv, strip_placed_##mr##_##nv }

/* A tile, and its narrower sisters for the last columns: kernel[nv-1]. */
typedef struct Tile {
    const char *name;
    int mr, nv;
    StripKernel *kernel[NV_MAX][2]; /* [][0] packed A, [][1] A in place */
} Tile;

static const Tile tiles[] = {
    {"4x8", 4, 2, {PAIR(4, 1), PAIR(4, 2)}},
    {"6x8", 6, 2, {PAIR(6, 1), PAIR(6, 2)}},
    {"6x16", 6, 4, {PAIR(6, 1), PAIR(6, 2), PAIR(6, 3), PAIR(6, 4)}},
};

/* A strip lies within one panel of a matrix in panels. */
_Static_assert(PANEL % 8 == 0 && PANEL % NR_MAX == 0, "tiles divide panels");

enum { TILE_COUNT = sizeof tiles / sizeof tiles[0], TILE_DEFAULT = 0 };

int gemm_tile_count(void) { return TILE_COUNT; }

const char *gemm_tile_name(int tile) {
    assert(tile >= 0 && tile < TILE_COUNT);
    return tiles[tile].name;
}

/* ---- packing ------------------------------------------------------------ */

/* An operand seen as lanes (rows of A, columns of B) over steps of k. */
typedef struct Operand {
    Matrix matrix;
    size_t lane_stride, step_stride; /* strided */
} Operand;

static Operand operand_a(Matrix m) {
    assert(m.form == MATRIX_STRIDED || m.form == MATRIX_PACKED);
    return (Operand){m, m.row_stride, m.col_stride};
}

static Operand operand_b(Matrix m) {
    return (Operand){m, m.col_stride, m.row_stride};
}

/* A piece of an operand that has strides: element (lane, step) of it is
 * from[lane·lane_stride + step·step_stride]. */
typedef struct Piece {
    const float *from;
    size_t lane_stride, step_stride;
    int n_k; /* steps that it holds */
} Piece;

/* The piece that begins at (lane, k): n_k steps, or fewer where a panel ends.
 * Lanes of one piece lie in one panel: tiles divide it. */
static Piece piece_at(const Operand *x, int lane, int k, int n_k) {
    const Matrix *const m = &x->matrix;
    const size_t l = (size_t)lane, s = (size_t)k;
    if (m->form == MATRIX_PANELS)
        return (Piece){m->data + panels_at(m->rows, m->columns, s, l), 1,
                       panel_width(m->columns, l), n_k};
    if (m->form == MATRIX_PANELS_TRANSPOSED)
        return (Piece){m->data + panels_at(m->rows, m->columns, l, s),
                       panel_width(m->columns, s), 1,
                       int_min(n_k, PANEL - k % PANEL)};
    return (Piece){m->data + l * x->lane_stride + s * x->step_stride,
                   x->lane_stride, x->step_stride, n_k};
}

/* Lanes lie side by side in memory: copy `width` >= 4 floats a step, the last
 * vector overlapping the one before where width is not a multiple of 4. */
static void pack_side_by_side(const float *from, size_t step_stride, int n_k,
                              int width, float *panel) {
    for (int p = 0; p < n_k; p++, from += step_stride, panel += width) {
        for (int i = 0; i + 4 < width; i += 4)
            f32x4_store(panel + i, f32x4_load(from + i));
        f32x4_store(panel + width - 4, f32x4_load(from + width - 4));
    }
}

/* Each lane runs along memory: transpose four lanes by four steps at a time.
 */
static void pack_lanes_along(const float *from, size_t lane_stride, int n_k,
                             int width, float *panel) {
    for (int p = 0; p + 4 <= n_k; p += 4)
        for (int i = 0; i < width; i += 4) {
            const int lane = int_min(i, width - 4);
            const float *const at = from + (size_t)lane * lane_stride + p;
            f32x4 block[4];
            for (size_t j = 0; j < 4; j++)
                block[j] = f32x4_load(at + j * lane_stride);
            f32x4_transpose(block);
            for (int j = 0; j < 4; j++)
                f32x4_store(panel + (p + j) * width + lane, block[j]);
        }
    for (int p = n_k & ~3; p < n_k; p++)
        for (int i = 0; i < width; i++)
            panel[p * width + i] = from[(size_t)i * lane_stride + (size_t)p];
}

/* Any strides, any number of lanes. */
static void pack_general(const Piece *x, int n_lanes, int width, float *panel) {
    for (int p = 0; p < x->n_k; p++)
        for (int i = 0; i < width; i++)
            panel[p * width + i] = i < n_lanes
                                       ? x->from[(size_t)i * x->lane_stride +
                                                 (size_t)p * x->step_stride]
                                       : 0.0f;
}

/* A piece, by the fastest way that fits. */
static void pack_piece(const Piece *x, int n_lanes, int width, float *panel) {
    const bool full = n_lanes == width && width >= 4;
    if (full && x->lane_stride == 1)
        pack_side_by_side(x->from, x->step_stride, x->n_k, width, panel);
    else if (full && x->step_stride == 1)
        pack_lanes_along(x->from, x->lane_stride, x->n_k, width, panel);
    else
        pack_general(x, n_lanes, width, panel);
}

/* One panel of an operand. */
static void pack_panel(const Operand *x, int lane, int n_lanes, int k, int n_k,
                       int width, float *panel) {
    const Matrix *const m = &x->matrix;
    if (m->form == MATRIX_PACKED) {
        m->pack(m->context, lane, n_lanes, k, n_k, width, panel);
        return;
    }
    for (int done = 0; done < n_k;) {
        const Piece piece = piece_at(x, lane, k + done, n_k - done);
        pack_piece(&piece, n_lanes, width, panel + done * width);
        done += piece.n_k;
    }
}

void gemm_pack_columns(const Matrix *b, int first, int count, int k,
                       float *block) {
    const Operand operand = operand_b(*b);
    pack_panel(&operand, first, count, 0, k, count, block);
}

/* ---- one task ----------------------------------------------------------- */

/* The whole product, shared by its tasks. */
typedef struct Product {
    const GemmWork *work;
    const Tile *tile;
    int m, n, k;
    Operand a, b;
    float *c;
    size_t ldc;    /* row-major */
    bool c_panels; /* in panels */
    bool accumulate;
    int task_rows, task_columns; /* of a task's rectangle */
    int grid_columns;            /* rectangles side by side */
} Product;

/* A rectangle of C: where it begins and how large it is. */
typedef struct Rectangle {
    int row, column, m, n;
} Rectangle;

/* Point a strip to its place in C. */
static void place_strip(const Product *g, int row, int column, Strip *s) {
    const size_t r = (size_t)row, j = (size_t)column;
    const size_t m = (size_t)g->m, n = (size_t)g->n;
    s->ldc = g->c_panels ? panel_width(n, j) : g->ldc;
    s->c = g->c + (g->c_panels ? panels_at(m, n, r, j) : r * g->ldc + j);
}

/* The strips of one rectangle for k steps from k_at, for the rows that `s`
 * describes; `s` holds all but the columns, B and C. */
static void run_strips(const Product *g, Rectangle area, int k_at, Strip s,
                       bool packed, float *b_panel) {
    const int nr = 4 * g->tile->nv;
    for (int j = 0; j < area.n; j += nr) {
        s.n = int_min(nr, area.n - j);
        const int nv = (s.n + 3) / 4;
        pack_panel(&g->b, area.column + j, s.n, k_at, s.k, 4 * nv, b_panel);
        s.b = b_panel;
        s.b_stride = (size_t)(4 * nv);
        place_strip(g, area.row, area.column + j, &s);
        g->tile->kernel[nv - 1][packed ? 0 : 1](&s);
    }
}

/* Rows i .. i+m-1 of the rectangle for k steps from k_at: A, then the strips.
 */
static void run_rows(const Product *g, Rectangle area, int k_at, int n_k,
                     float *space) {
    const int mr = g->tile->mr;
    const bool packed = g->a.matrix.form == MATRIX_PACKED ||
                        g->a.step_stride != 1 || area.n >= PACK_FROM;
    Strip s = {.m = area.m, .k = n_k, .from_c = g->accumulate || k_at > 0};
    if (packed) {
        for (int i = 0; i < area.m; i += mr)
            pack_panel(&g->a, area.row + i, int_min(mr, area.m - i), k_at, n_k,
                       mr, space + (size_t)i * (size_t)n_k);
        s.a = space;
    } else {
        s.a = g->a.matrix.data + (size_t)area.row * g->a.lane_stride + k_at;
        s.a_stride = g->a.lane_stride;
    }
    run_strips(g, area, k_at, s, packed, space + SLOT_A);
}

/* Steps of one block: as few blocks as DEPTH allows, all of about the same
 * size. */
static int block_depth(int k) {
    const int n_blocks = (k + DEPTH - 1) / DEPTH;
    return (k + n_blocks - 1) / n_blocks;
}

/* Task number `task`: its rectangle of C, complete. */
static void run_task(void *context, int task) {
    const Product *const g = context;
    const int row = task / g->grid_columns * g->task_rows;
    const int column = task % g->grid_columns * g->task_columns;
    const int m = int_min(g->task_rows, g->m - row);
    const int n = int_min(g->task_columns, g->n - column);
    float *const space = g->work->space + (size_t)task * SLOT_FLOATS;
    const int depth = block_depth(g->k);
    for (int k_at = 0; k_at < g->k; k_at += depth)
        for (int i = 0; i < m; i += ROWS) {
            const Rectangle area = {row + i, column, int_min(ROWS, m - i), n};
            run_rows(g, area, k_at, int_min(depth, g->k - k_at), space);
        }
}

/* ---- the product -------------------------------------------------------- */

void gemm_work_bind(GemmWork *work, Arena *arena, int n_threads) {
    assert(n_threads >= 1);
    work->n_slots = n_threads == 1 ? 1 : n_threads * TASKS_PER_THREAD;
    work->n_floats = (size_t)work->n_slots * SLOT_FLOATS;
    work->space = arena_floats(arena, work->n_floats);
    work->tile = TILE_DEFAULT;
}

/* C = 0: what is left of a product without terms. */
static void clear_rows(int m, int n, float *c, size_t ldc) {
    for (int i = 0; i < m; i++)
        memset(c + (size_t)i * ldc, 0, (size_t)n * sizeof(float));
}

/* Cut C into at most `n_tasks` rectangles, along its longer side, at multiples
 * of the tile. Returns how many there are. */
static int cut(Product *g, int n_tasks) {
    const int mr = g->tile->mr, nr = 4 * g->tile->nv;
    const bool by_rows = g->m >= g->n;
    const int length = by_rows ? g->m : g->n, unit = by_rows ? mr : nr;
    const int units = (length + unit - 1) / unit;
    const int each = (units + n_tasks - 1) / n_tasks * unit;
    const int count = (length + each - 1) / each;
    g->task_rows = by_rows ? each : g->m;
    g->task_columns = by_rows ? g->n : each;
    g->grid_columns = by_rows ? 1 : count;
    return count;
}

/* Fewer multiply-adds than this stay on the caller: a fork and join costs some
 * two microseconds, in which one thread does about 50,000. */
static const int64_t THREADS_FROM = 200000;

static void run(Pool *pool, Product *g) {
    const bool alone = pool == NULL || pool_threads(pool) == 1 ||
                       (int64_t)g->m * g->n * g->k < THREADS_FROM;
    const int n_tasks = cut(g, alone ? 1 : g->work->n_slots);
    if (n_tasks == 1)
        run_task(g, 0);
    else
        pool_run(pool, n_tasks, run_task, g);
}

void gemm(Pool *pool, const GemmWork *work, int m, int n, int k, Matrix a,
          Matrix b, float *c, size_t ldc, bool accumulate) {
    assert(m >= 0 && n >= 0 && k >= 0 && ldc >= (size_t)n);
    if (m == 0 || n == 0) return;
    if (k == 0) {
        if (!accumulate) clear_rows(m, n, c, ldc);
        return;
    }
    Product g = {.work = work,
                 .tile = &tiles[work->tile],
                 .m = m,
                 .n = n,
                 .k = k,
                 .a = operand_a(a),
                 .b = operand_b(b),
                 .c = c,
                 .ldc = ldc,
                 .accumulate = accumulate};
    run(pool, &g);
}

void gemm_to_panels(Pool *pool, const GemmWork *work, int m, int n, int k,
                    Matrix a, Matrix b, float *c, bool accumulate) {
    assert(m >= 0 && n >= 0 && k >= 0);
    if (m == 0 || n == 0) return;
    if (k == 0) {
        if (!accumulate) clear_rows(1, m * n, c, (size_t)(m * n));
        return;
    }
    Product g = {.work = work,
                 .tile = &tiles[work->tile],
                 .m = m,
                 .n = n,
                 .k = k,
                 .a = operand_a(a),
                 .b = operand_b(b),
                 .c = c,
                 .c_panels = true,
                 .accumulate = accumulate};
    run(pool, &g);
}

/* ---- choosing a tile ---------------------------------------------------- */

void gemm_trial(const GemmWork *work, int tile) {
    assert(tile >= 0 && tile < TILE_COUNT);
    enum { TRIAL_M = 48, TRIAL_K = 128 };
    const Tile *const t = &tiles[tile];
    const int nr = 4 * t->nv;
    float *const b = work->space + SLOT_A, *const c = work->space;
    float *const a = c + TRIAL_M * NR_MAX;
    memset(work->space, 0, SLOT_FLOATS * sizeof(float));
    const Strip s = {.m = TRIAL_M,
                     .n = nr,
                     .k = TRIAL_K,
                     .a = a,
                     .b = b,
                     .b_stride = (size_t)nr,
                     .c = c,
                     .ldc = (size_t)nr};
    const int repeats = GEMM_TRIAL_FLOPS / (2 * TRIAL_M * TRIAL_K * nr);
    for (int i = 0; i < repeats; i++) t->kernel[t->nv - 1][0](&s);
}
