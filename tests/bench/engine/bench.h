/* What the module of `npm run bench` exports beside the product's functions
 * (src/api/exports.h): work of known size, to be timed by whoever has a clock,
 * and steps that note where their time goes.
 */
#ifndef SOMA_BENCH_H
#define SOMA_BENCH_H

#include <emscripten.h>

#include "base/pool.h"
#include "train/trainer.h"

#define EXPORT EMSCRIPTEN_KEEPALIVE

/* ==== kernels.c ========================================================= */

/* Numbers between -1 and 1. */
void soma_bench_fill(float *x, int count);

/* Read `floats` floats, a multiple of 32, on every thread, `repeats` times.
 * from[threads·floats]. Returns their sum. */
float soma_bench_read(Pool *pool, const float *from, int floats, int repeats);

/* Copy them, likewise. to[threads·floats]. */
void soma_bench_copy(Pool *pool, const float *from, float *to, int floats,
                     int repeats);

/* `n_tasks` tasks that take `work` dependent additions each (0: empty ones),
 * `repeats` times. */
void soma_bench_fork(Pool *pool, int n_tasks, int work, int repeats);

/* How the operands of a product lie; the last three as a dense layer has
 * them. */
enum {
    FORM_ROWS,          /* A and B row-major */
    FORM_A_TRANSPOSED,  /* A is stored [k,m] */
    FORM_FORWARD,       /* B in panels: y = x·W */
    FORM_WEIGHTS,       /* A is stored [k,m], C in panels: dW = xᵀ·dy */
    FORM_INPUT_GRADIENT /* B is the transpose of panels: dx = dy·Wᵀ */
};

/* C[m,n] = A[m,k]·B[k,n] on the trainer's threads and with its tile, `repeats`
 * times. */
void soma_bench_gemm(Trainer *trainer, const float *a, const float *b, float *c,
                     int m, int n, int k, int form, int repeats);

/* Elements of the list that soma_bench_rows goes through. */
enum { BENCH_LIST = 512 };

/* The loop of the products over lists and nothing else: BENCH_LIST times a row
 * of panel[rows,32], picked at random, times a number onto eight sums; all that
 * `repeats` times. What the first cache gives away for the rows' span is all
 * that is between it and the registers' roofline. */
float soma_bench_rows(const float *panel, int rows, int repeats);

/* ==== profile.c ========================================================= */

/* Make up to `steps` steps of training and return how many it were. Observed:
 * note the time of every phase. Frozen: leave the weights as they are; what
 * that saves is the update's share. */
int soma_bench_profile(Trainer *trainer, int steps, int observed, int frozen);

/* Milliseconds of a phase in the last soma_bench_profile, all steps together.
 * The first phases are those of PHASE_… in profile.c; then every layer's
 * forward and after them every layer's backward, in the network's order. */
double soma_bench_phase(int phase);

/* Its fork-joins of more than one task. */
int soma_bench_barriers(void);

#endif
