#include "kernels/gemm_pack.h"

#include "kernels/simd.h"

/* Rows further apart than this many floats are copied together: read in place
 * they would get into each other's way in the caches. */
enum { STEP_IN_PLACE_MAX = 128 };

/* Steps read in place must stay near while a panel is in use. Those that are a
 * multiple of SETS_APART floats from each other share too few sets of a
 * first-level cache, and what spans more than SPAN_IN_PLACE floats lies on more
 * pages than a core knows the addresses of. */
enum { SETS_APART = 128, SPAN_IN_PLACE = 52 * 1024 };

/* A strip lies within one panel of a matrix in panels. */
_Static_assert(PANEL % 16 == 0, "tiles divide panels");

Operand operand_of_rows(Matrix a) {
    assert(a.form == MATRIX_STRIDED || a.form == MATRIX_PACKED);
    return (Operand){a, a.row_stride, a.col_stride};
}

Operand operand_of_columns(Matrix b) {
    return (Operand){b, b.col_stride, b.row_stride};
}

Piece operand_piece(const Operand *x, int lane, int k, int n_k) {
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

bool operand_lies_ready(const Operand *x) {
    return x->matrix.form == MATRIX_PANELS ||
           (x->matrix.form == MATRIX_STRIDED && x->lane_stride == 1 &&
            x->step_stride <= STEP_IN_PLACE_MAX);
}

bool operand_lies_in_steps(const Operand *x, int n_k) {
    return x->matrix.form == MATRIX_STRIDED && x->lane_stride == 1 &&
           x->step_stride % SETS_APART != 0 &&
           x->step_stride * (size_t)n_k <= SPAN_IN_PLACE;
}

/* ==== One lane after the other ========================================== */

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

/* Four lanes by four steps. */
SIMD_INLINE void pack_square(const float *from, size_t lane_stride,
                             size_t width, float *to) {
    f32x4 block[4];
    for (size_t j = 0; j < 4; j++)
        block[j] = f32x4_load(from + j * lane_stride);
    f32x4_transpose(block);
    for (size_t j = 0; j < 4; j++) f32x4_store(to + j * width, block[j]);
}

/* Each lane runs along memory: transpose four lanes by four steps at a time;
 * the last two of six lanes are paired, those of other widths packed with lanes
 * that already are. */
static void pack_lanes_along(const float *from, size_t lane_stride, int n_k,
                             int width, float *panel) {
    const size_t w = (size_t)width;
    for (size_t p = 0; p + 4 <= (size_t)n_k; p += 4) {
        size_t i = 0;
        for (; i + 4 <= w; i += 4)
            pack_square(from + i * lane_stride + p, lane_stride, w,
                        panel + p * w + i);
        const float *const last = from + i * lane_stride + p;
        if (i + 2 == w)
            f32x4_store_pairs(panel + p * w + i, w, f32x4_load(last),
                              f32x4_load(last + lane_stride));
        else if (i < w)
            pack_square(from + (w - 4) * lane_stride + p, lane_stride, w,
                        panel + p * w + w - 4);
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

void pack_panel(const Operand *x, int lane, int n_lanes, int k, int n_k,
                int width, float *panel) {
    const Matrix *const m = &x->matrix;
    if (m->form == MATRIX_PACKED) {
        m->pack(m->context, lane, n_lanes, k, n_k, width, panel);
        return;
    }
    for (int done = 0; done < n_k;) {
        const Piece piece = operand_piece(x, lane, k + done, n_k - done);
        pack_piece(&piece, n_lanes, width, panel + done * width);
        done += piece.n_k;
    }
}

/* ==== Every element four times ========================================== */

/* Lanes that run along memory: four steps of one at a time. */
static void spread_lanes_along(const Piece *x, int width, float *panel) {
    const size_t step = (size_t)width * 4;
    for (int i = 0; i < width; i++) {
        const float *from = x->from + (size_t)i * x->lane_stride;
        float *to = panel + 4 * i;
        int p = 0;
        for (; p + 4 <= x->n_k; p += 4, from += 4, to += 4 * step)
            f32x4_store_spread(to, step, f32x4_load(from));
        for (; p < x->n_k; p++, to += step)
            f32x4_store(to, f32x4_load_splat(from++));
    }
}

/* Lanes that lie side by side: one step at a time. */
static void spread_side_by_side(const Piece *x, int width, float *panel) {
    const float *from = x->from;
    for (int p = 0; p < x->n_k; p++, from += x->step_stride) {
        int i = 0;
        for (; i + 4 <= width; i += 4, panel += 16)
            f32x4_store_spread(panel, 4, f32x4_load(from + i));
        for (; i < width; i++, panel += 4)
            f32x4_store(panel, f32x4_load_splat(from + i));
    }
}

void pack_spread(const Operand *x, int lane, int n_lanes, int k, int n_k,
                 int width, float *panel, float *space) {
    const bool in_place = x->matrix.form == MATRIX_STRIDED &&
                          n_lanes == width &&
                          (x->step_stride == 1 || x->lane_stride == 1);
    if (!in_place) pack_panel(x, lane, n_lanes, k, n_k, width, space);
    const Piece piece = in_place ? operand_piece(x, lane, k, n_k)
                                 : (Piece){space, 1, (size_t)width, n_k};
    if (piece.lane_stride == 1)
        spread_side_by_side(&piece, width, panel);
    else
        spread_lanes_along(&piece, width, panel);
}
