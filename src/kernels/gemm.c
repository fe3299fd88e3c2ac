/* Method. gemm cuts C into rectangles, one task each. A task walks
 *
 *     for each block of k            the chain goes on from the value in C
 *       for each block of columns    B packed, where it does not lie ready
 *         for each row of tiles      A in L1: packed, or where it lies
 *           run_row                  tiles of mr x nr, one beside the other
 *
 * so that a panel of A is used as soon as it is written, while the strips of B
 * pass over it from the second-level cache.
 *
 * Source of the scheme: Goto and van de Geijn, "Anatomy of high-performance
 * matrix multiplication", 2008; Van Zee and van de Geijn, "BLIS", 2015.
 */
#include "kernels/gemm.h"

#include "kernels/gemm_pack.h"
#include "kernels/gemm_tile.h"
#include "kernels/simd.h"

/* Blocks: a panel of A takes at most 12 KB, the strips of B 256 KB. */
enum { DEPTH = 128, COLUMNS = 512 };

/* The packing space of one task, in floats: a panel of A, room to spread it,
 * and the strips of B. */
enum {
    SLOT_SPACE = DEPTH * TILE_ROWS_MAX,
    SLOT_PANEL = SLOT_SPACE * TILE_SPREAD_MAX,
    SLOT_B = DEPTH * COLUMNS,
    SLOT_FLOATS = SLOT_PANEL + SLOT_SPACE + SLOT_B
};

/* Slots per thread, for whoever cuts finer than gemm itself, and tasks of a
 * product per thread: so that a thread whose core is busy elsewhere leaves its
 * share to the others. */
enum { SLOTS_PER_THREAD = 4, TASKS_PER_THREAD = 2 };

/* C is computed as its transpose from so many times more rows than columns
 * on: a panel of A is then used for too few columns to be worth its packing. */
enum { NARROW = 4 };

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
    bool flipped;  /* c holds the transpose, n x m */
    bool accumulate;
    int task_rows, task_columns; /* of a task's rectangle */
    int grid_columns;            /* rectangles side by side */
} Product;

/* A rectangle of C: where it begins and how large it is. */
typedef struct Rectangle {
    int row, column, m, n;
} Rectangle;

/* Steps k .. k+count-1 of a rectangle, and where its operands are packed: A's
 * panel, room to spread it, B's strips. */
typedef struct Block {
    const Product *product;
    Rectangle area;
    int k, count;
    float *panel, *space, *strips;
} Block;

/* A piece of C: element (row, column) of it is at[row·row_step +
 * column·column_step]. */
typedef struct Place {
    float *at;
    size_t row_step, column_step;
} Place;

/* The place of C from (row, column) on, within one panel. A flipped C is narrow
 * enough to have only one. */
static Place place_of(const Product *g, int row, int column) {
    const size_t i = (size_t)(g->flipped ? column : row);
    const size_t j = (size_t)(g->flipped ? row : column);
    const size_t m = (size_t)(g->flipped ? g->n : g->m);
    const size_t n = (size_t)(g->flipped ? g->m : g->n);
    const size_t ld = g->c_panels ? panel_width(n, j) : g->ldc;
    float *const at =
        g->c + (g->c_panels ? panels_at(m, n, i, j) : i * g->ldc + j);
    return g->flipped ? (Place){at, 1, ld} : (Place){at, ld, 1};
}

/* The address of element (i, j) of a place. */
static float *within(Place place, int i, int j) {
    return place.at + (size_t)i * place.row_step +
           (size_t)j * place.column_step;
}

/* Four rows and columns from a place whose rows are the other's columns. */
static void copy_turned(int i, int j, Place from, Place to) {
    const size_t from_step = size_max(from.row_step, from.column_step);
    const size_t to_step = size_max(to.row_step, to.column_step);
    f32x4 block[4];
    for (size_t r = 0; r < 4; r++)
        block[r] = f32x4_load(within(from, i, j) + r * from_step);
    f32x4_transpose(block);
    for (size_t r = 0; r < 4; r++)
        f32x4_store(within(to, i, j) + r * to_step, block[r]);
}

/* Copy m x n elements from one place to another. */
static void copy_place(int m, int n, Place from, Place to) {
    const bool turned = from.column_step != to.column_step;
    const int m_fours = turned ? m & ~3 : 0, n_fours = turned ? n & ~3 : 0;
    for (int i = 0; i < m_fours; i += 4)
        for (int j = 0; j < n_fours; j += 4) copy_turned(i, j, from, to);
    for (int i = 0; i < m; i++)
        for (int j = i < m_fours ? n_fours : 0; j < n; j++)
            *within(to, i, j) = *within(from, i, j);
}

/* One tile that is not wholly in C, or whose rows are C's columns: m x n of it
 * exist. */
static void run_edge(TileKernel *kernel, int nr, int m, int n, Place c,
                     TileRun run) {
    float edge[TILE_ROWS_MAX * TILE_COLUMNS_MAX];
    const Place buffer = {edge, (size_t)nr, 1};
    if (run.from_c) copy_place(m, n, c, buffer);
    run.c = edge;
    run.ldc = (size_t)nr;
    run.count = 1;
    kernel(&run);
    copy_place(m, n, buffer, c);
}

/* Is the strip of B that begins `left` columns before the end of the task read
 * where it lies? One that is not whole needs its zeros. */
static bool strip_lies_ready(const Product *g, int left, int nr) {
    return left >= nr && operand_lies_ready(&g->b);
}

/* Point a run to its strip of B. */
static void place_strip(const Block *block, int column, int nr, bool ready,
                        TileRun *run) {
    if (ready) {
        const Piece piece =
            operand_piece(&block->product->b, column, block->k, block->count);
        run->b = piece.from;
        run->b_step = piece.step_stride;
        run->b_next = (size_t)nr;
    } else {
        const int at = column - block->area.column;
        run->b = block->strips + (size_t)at * (size_t)block->count;
        run->b_step = (size_t)nr;
        run->b_next = (size_t)nr * (size_t)block->count;
    }
}

/* How many whole tiles of nr columns follow each other from `column` on, where
 * B or C lies in panels within one of them. */
static int tiles_ahead(const Product *g, int column, int left, int nr) {
    const bool in_panels = g->c_panels || g->b.matrix.form == MATRIX_PANELS;
    return (in_panels ? int_min(left, PANEL - column % PANEL) : left) / nr;
}

/* A panel of A: mr lanes, packed or where they lie. */
typedef struct PanelA {
    const float *at;
    size_t step;
} PanelA;

/* A row of tiles: A's panel, `rows` rows of it, along the strips. */
static void run_row(const Block *block, int row, int rows, PanelA a) {
    const Product *const g = block->product;
    const Rectangle area = block->area;
    TileRun run = {.k = block->count,
                   .a = a.at,
                   .a_step = a.step,
                   .from_c = g->accumulate || block->k > 0};
    for (int j = 0; j < area.n;) {
        const int left = area.n - j, column = area.column + j;
        const int width = tile_width(g->tile, left), nr = 4 << width;
        const Place c = place_of(g, row, column);
        place_strip(block, column, nr, strip_lies_ready(g, left, nr), &run);
        if (rows < g->tile->rows || left < nr || g->flipped) {
            run_edge(g->tile->kernel[width], nr, rows, int_min(left, nr), c,
                     run);
            j += nr;
            continue;
        }
        run.c = c.at;
        run.ldc = c.row_step;
        run.count = tiles_ahead(g, column, left, nr);
        g->tile->kernel[width](&run);
        j += run.count * nr;
    }
}

/* The strips of B that do not lie ready. */
static void pack_strips(const Block *block) {
    const Product *const g = block->product;
    const Rectangle area = block->area;
    for (int j = 0, nr; j < area.n; j += nr) {
        const int left = area.n - j;
        nr = 4 << tile_width(g->tile, left);
        if (!strip_lies_ready(g, left, nr))
            pack_panel(&g->b, area.column + j, int_min(nr, left), block->k,
                       block->count, nr,
                       block->strips + (size_t)j * (size_t)block->count);
    }
}

static PanelA panel_of(const Block *block, int row, int rows) {
    const Product *const g = block->product;
    const int mr = g->tile->rows, spread = g->tile->spread;
    if (spread == 1 && rows == mr &&
        operand_lies_in_steps(&g->a, block->count)) {
        const Piece piece = operand_piece(&g->a, row, block->k, block->count);
        return (PanelA){piece.from, piece.step_stride};
    }
    if (spread == 1)
        pack_panel(&g->a, row, rows, block->k, block->count, mr, block->panel);
    else
        pack_spread(&g->a, row, rows, block->k, block->count, mr, block->panel,
                    block->space);
    return (PanelA){block->panel, (size_t)(mr * spread)};
}

/* One block: B, then A row by row of tiles. */
static void run_block(const Block *block) {
    const Product *const g = block->product;
    const Rectangle area = block->area;
    const int mr = g->tile->rows;
    pack_strips(block);
    for (int i = 0; i < area.m; i += mr) {
        const int row = area.row + i, rows = int_min(mr, area.m - i);
        run_row(block, row, rows, panel_of(block, row, rows));
    }
}

/* Task number `task`: its rectangle of C, complete. */
static void run_task(void *context, int task) {
    const Product *const g = context;
    const int row = task / g->grid_columns * g->task_rows;
    const int column = task % g->grid_columns * g->task_columns;
    const int m = int_min(g->task_rows, g->m - row);
    const int n = int_min(g->task_columns, g->n - column);
    float *const slot = g->work->space + (size_t)task * SLOT_FLOATS;
    Block block = {.product = g,
                   .panel = slot,
                   .space = slot + SLOT_PANEL,
                   .strips = slot + SLOT_PANEL + SLOT_SPACE};
    for (block.k = 0; block.k < g->k; block.k += DEPTH)
        for (int j = 0; j < n; j += COLUMNS) {
            block.count = int_min(DEPTH, g->k - block.k);
            block.area =
                (Rectangle){row, column + j, m, int_min(COLUMNS, n - j)};
            run_block(&block);
        }
}

/* ---- the product -------------------------------------------------------- */

void gemm_work_bind(GemmWork *work, Arena *arena, int n_threads) {
    assert(n_threads >= 1);
    work->n_slots = n_threads == 1 ? 1 : n_threads * SLOTS_PER_THREAD;
    work->n_floats = (size_t)work->n_slots * SLOT_FLOATS;
    work->space = arena_floats(arena, work->n_floats);
    work->tile = 0;
}

/* C = 0: what is left of a product without terms. */
static void clear_rows(int m, int n, float *c, size_t ldc) {
    for (int i = 0; i < m; i++)
        memset(c + (size_t)i * ldc, 0, (size_t)n * sizeof(float));
}

/* Compute Cᵀ = Bᵀ·Aᵀ instead. */
static void flip(Product *g) {
    const Operand a = g->a;
    const int m = g->m;
    g->a = g->b;
    g->b = a;
    g->m = g->n;
    g->n = m;
    g->flipped = true;
}

/* Cut C into at most `n_tasks` rectangles, along its longer side, at multiples
 * of the tile. Returns how many there are. */
static int cut(Product *g, int n_tasks) {
    const int mr = g->tile->rows, nr = tile_columns(g->tile);
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
    if (g->n <= PANEL && g->n * NARROW <= g->m) flip(g);
    g->tile = tile_for(g->work->tile, g->m);
    const int n_tasks =
        cut(g, alone ? 1
                     : int_min(pool_threads(pool) * TASKS_PER_THREAD,
                               g->work->n_slots));
    if (n_tasks == 1)
        run_task(g, 0);
    else
        pool_run(pool, n_tasks, run_task, g);
}

/* The product without its C. */
static Product product_of(const GemmWork *work, int m, int n, int k, Matrix a,
                          Matrix b, bool accumulate) {
    assert(m >= 0 && n >= 0 && k >= 0);
    return (Product){.work = work,
                     .m = m,
                     .n = n,
                     .k = k,
                     .a = operand_of_rows(a),
                     .b = operand_of_columns(b),
                     .accumulate = accumulate};
}

void gemm(Pool *pool, const GemmWork *work, int m, int n, int k, Matrix a,
          Matrix b, float *c, size_t ldc, bool accumulate) {
    Product g = product_of(work, m, n, k, a, b, accumulate);
    assert(ldc >= (size_t)n);
    if (m == 0 || n == 0) return;
    if (k == 0) {
        if (!accumulate) clear_rows(m, n, c, ldc);
        return;
    }
    g.c = c;
    g.ldc = ldc;
    run(pool, &g);
}

void gemm_to_panels(Pool *pool, const GemmWork *work, int m, int n, int k,
                    Matrix a, Matrix b, float *c, bool accumulate) {
    Product g = product_of(work, m, n, k, a, b, accumulate);
    if (m == 0 || n == 0) return;
    if (k == 0) {
        if (!accumulate) clear_rows(1, m * n, c, (size_t)(m * n));
        return;
    }
    g.c = c;
    g.c_panels = true;
    run(pool, &g);
}

void gemm_pack_columns(const Matrix *b, int first, int count, int k,
                       float *block) {
    const Operand operand = operand_of_columns(*b);
    pack_panel(&operand, first, count, 0, k, count, block);
}

/* ---- choosing a tile ---------------------------------------------------- */

int gemm_tile_count(void) { return tile_count(); }

const char *gemm_tile_name(int tile) { return tile_at(tile)->name; }

/* A product as training has them, small enough to repeat; its operands lie
 * behind what it packs. */
void gemm_trial(const GemmWork *work, int tile) {
    enum { M = GEMM_TRIAL_M, N = GEMM_TRIAL_N, K = GEMM_TRIAL_K };
    _Static_assert((M * K + K * N + M * N) + DEPTH * N <= SLOT_B, "it fits");
    const GemmWork trial = {work->space, work->n_floats, 1, tile};
    float *const a = work->space + (SLOT_FLOATS - M * K - K * N - M * N);
    float *const b = a + M * K, *const c = b + K * N;
    memset(a, 0, sizeof(float) * (M * K + K * N));
    for (int i = 0; i < GEMM_TRIAL_PRODUCTS; i++)
        gemm(NULL, &trial, M, N, K, matrix_rows(a, K), matrix_rows(b, N), c, N,
             false);
}
