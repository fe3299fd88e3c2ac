/* The vector vocabulary: four floats at a time, on every target.
 *
 * The only file that names an intrinsic. Kernels are written once, in these
 * words; what differs between the targets is stated here:
 *
 *   exact    wasm SIMD128        madd is a multiply, then an add
 *   fast     + relaxed SIMD      madd may round once (SOMA_RELAXED)
 *   native   vector extensions   madd as in exact: the same bits, given
 *                                -ffp-contract=off; with SOMA_NATIVE_FMA it
 *                                is one fused operation (for benchmarks only)
 *
 * Arithmetic uses the operators of the GCC and Clang vector extensions (+ - *
 * / and the comparisons, whose result is a mask of all ones or zeros per
 * lane), so f32x4 and i32x4 are distinct types on all targets. Loads and
 * stores need no alignment.
 */
#ifndef SOMA_KERNELS_SIMD_H
#define SOMA_KERNELS_SIMD_H

#include "base/types.h"

#include <string.h>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

#if defined(__wasm_relaxed_simd__) && !defined(SOMA_RELAXED)
#define SOMA_RELAXED 1
#endif

typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef int16_t i16x8 __attribute__((vector_size(16)));

/* Inline even where the caller is large: the tiles depend on it. */
#define SIMD_INLINE static inline __attribute__((always_inline))

/* ---- make, load, store ------------------------------------------------- */

SIMD_INLINE f32x4 f32x4_zero(void) { return (f32x4){0}; }

SIMD_INLINE f32x4 f32x4_splat(float x) { return (f32x4){x, x, x, x}; }

SIMD_INLINE i32x4 i32x4_splat(int32_t x) { return (i32x4){x, x, x, x}; }

SIMD_INLINE u32x4 u32x4_splat(uint32_t x) { return (u32x4){x, x, x, x}; }

SIMD_INLINE u32x4 u32x4_load(const uint32_t *p) {
    u32x4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_INLINE f32x4 f32x4_load(const float *p) {
    f32x4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_INLINE void f32x4_store(float *p, f32x4 v) { memcpy(p, &v, sizeof v); }

/* The pointer p has one address, worked out once: what is read or written
 * through it differs in constant offsets only. Left alone, LLVM may work out
 * the same address twice, and V8's re-vectoriser then sees no neighbours. */
#define ONE_ADDRESS(p) __asm__("" : "+r"(p))

/* All lanes = *p. */
SIMD_INLINE f32x4 f32x4_load_splat(const float *p) { return f32x4_splat(*p); }

/* The first `count` lanes (0..3) from p, the others zero: reads nothing past
 * p[count-1], so a loop's tail can use the loop's own arithmetic. */
SIMD_INLINE f32x4 f32x4_load_part(const float *p, size_t count) {
    f32x4 v = {0};
    if (count > 0) v[0] = p[0];
    if (count > 1) v[1] = p[1];
    if (count > 2) v[2] = p[2];
    return v;
}

/* The first `count` lanes (0..3) to p. */
SIMD_INLINE void f32x4_store_part(float *p, f32x4 v, size_t count) {
    if (count > 0) p[0] = v[0];
    if (count > 1) p[1] = v[1];
    if (count > 2) p[2] = v[2];
}

SIMD_INLINE i32x4 i32x4_load(const void *p) {
    i32x4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_INLINE i16x8 i16x8_splat(int x) {
    const int16_t s = (int16_t)x;
    return (i16x8){s, s, s, s, s, s, s, s};
}

SIMD_INLINE u16x8 u16x8_splat(uint16_t x) {
    return (u16x8){x, x, x, x, x, x, x, x};
}

SIMD_INLINE u16x8 u16x8_load(const uint16_t *p) {
    u16x8 v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_INLINE void u16x8_store(uint16_t *p, u16x8 v) { memcpy(p, &v, sizeof v); }

SIMD_INLINE f64x2 f64x2_load(const double *p) {
    f64x2 v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_INLINE void f64x2_store(double *p, f64x2 v) { memcpy(p, &v, sizeof v); }

/* The first two lanes, and the last two, in double. */
SIMD_INLINE f64x2 f64x2_low(f32x4 a) {
#ifdef __wasm_simd128__
    return (f64x2)wasm_f64x2_promote_low_f32x4((v128_t)a);
#else
    return (f64x2){a[0], a[1]};
#endif
}

SIMD_INLINE f64x2 f64x2_high(f32x4 a) {
#ifdef __wasm_simd128__
    const v128_t high = wasm_i32x4_shuffle((v128_t)a, (v128_t)a, 2, 3, 2, 3);
    return (f64x2)wasm_f64x2_promote_low_f32x4(high);
#else
    return (f64x2){a[2], a[3]};
#endif
}

/* Eight numbers as floats. */
SIMD_INLINE void f32x4_from_u16x8(u16x8 a, f32x4 x[2]) {
#ifdef __wasm_simd128__
    const v128_t low = wasm_u32x4_extend_low_u16x8((v128_t)a);
    const v128_t high = wasm_u32x4_extend_high_u16x8((v128_t)a);
    x[0] = (f32x4)wasm_f32x4_convert_i32x4(low);
    x[1] = (f32x4)wasm_f32x4_convert_i32x4(high);
#else
    x[0] = (f32x4){a[0], a[1], a[2], a[3]};
    x[1] = (f32x4){a[4], a[5], a[6], a[7]};
#endif
}

/* Eight bytes as floats 0 .. 255. */
SIMD_INLINE void f32x4_load_bytes(const uint8_t *p, f32x4 x[2]) {
#ifdef __wasm_simd128__
    f32x4_from_u16x8((u16x8)wasm_u16x8_load8x8(p), x);
#else
    const u16x8 a = {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
    f32x4_from_u16x8(a, x);
#endif
}

/* ---- arithmetic -------------------------------------------------------- */

/* a·b + c: the one operation of every product. */
SIMD_INLINE f32x4 f32x4_madd(f32x4 a, f32x4 b, f32x4 c) {
#if defined(__wasm_simd128__) && defined(SOMA_RELAXED)
    return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#elif defined(SOMA_NATIVE_FMA)
    f32x4 sum;
    for (int i = 0; i < 4; i++) sum[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return sum;
#else
    return a * b + c;
#endif
}

/* b where a < b, else a: a NaN in a stays, one in b is passed over. */
SIMD_INLINE f32x4 f32x4_max(f32x4 a, f32x4 b) {
#ifdef __wasm_simd128__
    return (f32x4)wasm_f32x4_pmax((v128_t)a, (v128_t)b);
#else
    const i32x4 take = a < b;
    return (f32x4)((take & (i32x4)b) | (~take & (i32x4)a));
#endif
}

/* b where b < a, else a: a NaN in a stays, one in b is passed over. */
SIMD_INLINE f32x4 f32x4_min(f32x4 a, f32x4 b) {
#ifdef __wasm_simd128__
    return (f32x4)wasm_f32x4_pmin((v128_t)a, (v128_t)b);
#else
    const i32x4 take = b < a;
    return (f32x4)((take & (i32x4)b) | (~take & (i32x4)a));
#endif
}

SIMD_INLINE f32x4 f32x4_sqrt(f32x4 a) {
#ifdef __wasm_simd128__
    return (f32x4)wasm_f32x4_sqrt((v128_t)a);
#else
    f32x4 root;
    for (int i = 0; i < 4; i++) root[i] = __builtin_sqrtf(a[i]);
    return root;
#endif
}

SIMD_INLINE f32x4 f32x4_abs(f32x4 a) {
    return (f32x4)((i32x4)a & i32x4_splat(INT32_MAX));
}

/* The 64-bit products a·b, their low and their high halves. */
SIMD_INLINE void u32x4_multiply_wide(u32x4 a, u32x4 b, u32x4 *low,
                                     u32x4 *high) {
#ifdef __wasm_simd128__
    const v128_t front = wasm_u64x2_extmul_low_u32x4((v128_t)a, (v128_t)b);
    const v128_t back = wasm_u64x2_extmul_high_u32x4((v128_t)a, (v128_t)b);
    *low = (u32x4)wasm_i32x4_shuffle(front, back, 0, 2, 4, 6);
    *high = (u32x4)wasm_i32x4_shuffle(front, back, 1, 3, 5, 7);
#else
    for (int i = 0; i < 4; i++) {
        const uint64_t product = (uint64_t)a[i] * b[i];
        (*low)[i] = (uint32_t)product;
        (*high)[i] = (uint32_t)(product >> 32);
    }
#endif
}

/* Integers as floats, rounded to nearest. */
SIMD_INLINE f32x4 f32x4_from_i32x4(i32x4 a) {
    return __builtin_convertvector(a, f32x4);
}

/* -1, 0 or +1; a NaN gives 0. */
SIMD_INLINE f32x4 f32x4_sign(f32x4 a) {
    /* A mask is -1 where it is set. */
    return f32x4_from_i32x4((a < f32x4_zero()) - (a > f32x4_zero()));
}

/* ---- masks and bits ---------------------------------------------------- */

/* a where the mask's bits are set, else b. */
SIMD_INLINE f32x4 f32x4_select(i32x4 mask, f32x4 a, f32x4 b) {
#ifdef __wasm_simd128__
    return (f32x4)wasm_v128_bitselect((v128_t)a, (v128_t)b, (v128_t)mask);
#else
    return (f32x4)((mask & (i32x4)a) | (~mask & (i32x4)b));
#endif
}

/* a where the mask's bits are set, else +0. */
SIMD_INLINE f32x4 f32x4_keep(i32x4 mask, f32x4 a) {
    return (f32x4)(mask & (i32x4)a);
}

/* Is any bit set? */
SIMD_INLINE bool i32x4_any(i32x4 a) {
#ifdef __wasm_simd128__
    return wasm_v128_any_true((v128_t)a);
#else
    return (a[0] | a[1] | a[2] | a[3]) != 0;
#endif
}

/* Bit i = the sign bit of lane i: a mask as a number 0 .. 15. */
SIMD_INLINE uint32_t i32x4_bits(i32x4 mask) {
#ifdef __wasm_simd128__
    return (uint32_t)wasm_i32x4_bitmask((v128_t)mask);
#else
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) bits |= (uint32_t)mask[i] >> 31 << i;
    return bits;
#endif
}

/* The lanes whose bit is set, moved to the front in order; what follows them
 * is not defined. */
SIMD_INLINE f32x4 f32x4_compact(f32x4 a, uint32_t bits) {
#ifdef __wasm_simd128__
#define SIMD_LANE(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
#define SIMD_LANES(i, j, k, l)                                                 \
    { SIMD_LANE(i), SIMD_LANE(j), SIMD_LANE(k), SIMD_LANE(l) }
    static const uint8_t order[16][16] = {
        SIMD_LANES(0, 0, 0, 0), SIMD_LANES(0, 0, 0, 0), SIMD_LANES(1, 0, 0, 0),
        SIMD_LANES(0, 1, 0, 0), SIMD_LANES(2, 0, 0, 0), SIMD_LANES(0, 2, 0, 0),
        SIMD_LANES(1, 2, 0, 0), SIMD_LANES(0, 1, 2, 0), SIMD_LANES(3, 0, 0, 0),
        SIMD_LANES(0, 3, 0, 0), SIMD_LANES(1, 3, 0, 0), SIMD_LANES(0, 1, 3, 0),
        SIMD_LANES(2, 3, 0, 0), SIMD_LANES(0, 2, 3, 0), SIMD_LANES(1, 2, 3, 0),
        SIMD_LANES(0, 1, 2, 3)};
#undef SIMD_LANES
#undef SIMD_LANE
    const v128_t from = wasm_v128_load(order[bits]);
#ifdef SOMA_RELAXED
    typedef int8_t i8x16 __attribute__((vector_size(16)));
    return (f32x4)__builtin_wasm_relaxed_swizzle_i8x16((i8x16)a, (i8x16)from);
#else
    return (f32x4)wasm_i8x16_swizzle((v128_t)a, from);
#endif
#else
    f32x4 front = {0};
    int count = 0;
    for (int i = 0; i < 4; i++)
        if (bits & (1u << i)) front[count++] = a[i];
    return front;
#endif
}

/* Four numbers to p: first + i for every lane i whose bit is set, in order;
 * what follows them is not defined. */
SIMD_INLINE void u16x4_store_lanes(uint16_t *p, uint32_t first, uint32_t bits) {
#ifdef __wasm_simd128__
    static const uint16_t lanes[16][4] = {
        {0},    {0},       {1},       {0, 1},      {2},    {0, 2},
        {1, 2}, {0, 1, 2}, {3},       {0, 3},      {1, 3}, {0, 1, 3},
        {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
    const v128_t sum = wasm_i16x8_add(wasm_v128_load64_zero(lanes[bits]),
                                      wasm_i16x8_splat((int16_t)first));
    wasm_v128_store64_lane(p, sum, 0);
#else
    for (uint32_t i = 0; i < 4; i++)
        if (bits & (1u << i)) *p++ = (uint16_t)(first + i);
#endif
}

/* Lane i four times at p + i·stride. */
SIMD_INLINE void f32x4_store_spread(float *p, size_t stride, f32x4 a) {
#ifdef __clang__
    f32x4_store(p, __builtin_shufflevector(a, a, 0, 0, 0, 0));
    f32x4_store(p + stride, __builtin_shufflevector(a, a, 1, 1, 1, 1));
    f32x4_store(p + 2 * stride, __builtin_shufflevector(a, a, 2, 2, 2, 2));
    f32x4_store(p + 3 * stride, __builtin_shufflevector(a, a, 3, 3, 3, 3));
#else
    for (size_t i = 0; i < 4; i++)
        f32x4_store(p + i * stride, f32x4_splat(a[i]));
#endif
}

/* Lane i of a and of b side by side at p + i·stride. */
SIMD_INLINE void f32x4_store_pairs(float *p, size_t stride, f32x4 a, f32x4 b) {
#ifdef __wasm_simd128__
    const v128_t low =
        wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 0, 4, 1, 5);
    const v128_t high =
        wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 2, 6, 3, 7);
    wasm_v128_store64_lane(p, low, 0);
    wasm_v128_store64_lane(p + stride, low, 1);
    wasm_v128_store64_lane(p + 2 * stride, high, 0);
    wasm_v128_store64_lane(p + 3 * stride, high, 1);
#else
    for (int i = 0; i < 4; i++, p += stride) p[0] = a[i], p[1] = b[i];
#endif
}

/* ---- across lanes ------------------------------------------------------ */

/* (0 + 2) + (1 + 3): always this order. */
SIMD_INLINE float f32x4_sum(f32x4 a) { return (a[0] + a[2]) + (a[1] + a[3]); }

/* The largest lane; which NaNs show is not defined. */
SIMD_INLINE float f32x4_max_lane(f32x4 a) {
    const float low = a[0] < a[1] ? a[1] : a[0];
    const float high = a[2] < a[3] ? a[3] : a[2];
    return low < high ? high : low;
}

/* Turn four rows into four columns, in place. */
SIMD_INLINE void f32x4_transpose(f32x4 row[4]) {
    const f32x4 a = row[0], b = row[1], c = row[2], d = row[3];
#ifdef __clang__
    const f32x4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const f32x4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const f32x4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const f32x4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    row[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    row[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    row[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    row[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
#else
    for (int i = 0; i < 4; i++) row[i] = (f32x4){a[i], b[i], c[i], d[i]};
#endif
}

#endif
