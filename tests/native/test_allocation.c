/* Nothing is allocated while training: every call of malloc and its like is
 * counted over 1,000 steps, on all threads, with evaluation, prediction and a
 * change of the learning rate in between.
 *
 * The sanitizers own malloc and offer a hook; without them this program's own
 * malloc counts and hands on to glibc's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "toy.h"

/* ==== Counting ========================================================== */

static atomic_long allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HOOKED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOOKED 1
#endif

#ifdef HOOKED

/* As in sanitizer/allocator_interface.h, which not every GCC brings. */
int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void *, size_t),
    void (*free_hook)(const volatile void *));

static void count_malloc(const volatile void *block, size_t bytes) {
    (void)block, (void)bytes;
    atomic_fetch_add(&allocations, 1);
}

static void ignore_free(const volatile void *block) { (void)block; }

static void start_counting(void) {
    assert_true(
        __sanitizer_install_malloc_and_free_hooks(count_malloc, ignore_free));
}

#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t item_bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) {
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t item_bytes) {
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, item_bytes);
}

void *realloc(void *block, size_t bytes) {
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(alignment, bytes);
}

static void start_counting(void) {}

#endif

/* ==== Tests ============================================================= */

static Dataset *dataset;

static int open_dataset(void **state) {
    (void)state;
    start_counting();
    dataset = toy_dataset(3000, 300);
    return 0;
}

static int close_dataset(void **state) {
    (void)state;
    dataset_destroy(dataset);
    return 0;
}

/* The test can fail: each way to allocate is seen. ThreadSanitizer's hook is
 * not told of all of them. */
static void test_counting_counts(void **state) {
    (void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    skip();
#endif
#endif
    void *volatile block[4];
    const long before = atomic_load(&allocations);
    block[0] = malloc(10);
    block[1] = calloc(3, 10);
    block[2] = aligned_alloc(64, 128);
    block[3] = realloc(NULL, 20);
    assert_int_equal(atomic_load(&allocations) - before, 4);
    for (int i = 0; i < 4; i++) free(block[i]);
}

static void evaluate(Trainer *trainer, BatchRole role) {
    Fault fault = {0};
    assert_int_equal(trainer_evaluate_begin(trainer, role, &fault), STATUS_OK);
    while (trainer_evaluate_run(trainer, 100) > 0) {
    }
}

/* 1,000 steps and everything that may happen between them. */
static void work(Trainer *trainer, const uint8_t *pixels, float *outputs) {
    Fault fault = {0};
    for (int step = 0; step < 1000; step++) {
        if (trainer_step(trainer, &fault) != STATUS_OK)
            fail_msg("%s", fault.sentence);
        if (step % 250 != 100) continue;
        evaluate(trainer, ROLE_VALIDATION);
        trainer_judge(trainer);
        evaluate(trainer, ROLE_TEST);
        trainer_predict(trainer, pixels, NULL, 1, outputs);
        trainer_restore(trainer, &fault);
        trainer_fingerprint(trainer);
    }
}

/* Wait until every thread of the pool is at work: a thread that only starts
 * gets memory from the system. */
static void meet(void *context, int task) {
    (void)task;
    atomic_int *const missing = context;
    atomic_fetch_sub(missing, 1);
    while (atomic_load(missing) > 0) {
    }
}

static void wait_for_threads(Pool *pool) {
    atomic_int missing = pool_threads(pool);
    pool_run(pool, pool_threads(pool), meet, &missing);
}

static void expect_no_allocation(const char *run) {
    uint8_t pixels[IMAGE_PIXELS], label;
    float outputs[CLASS_COUNT];
    toy_images(0, 1, pixels, &label);
    Pool *const pool = pool_create(3);
    Trainer *const trainer = toy_trainer(dataset, pool, run);
    wait_for_threads(pool);
    const long before = atomic_load(&allocations);
    work(trainer, pixels, outputs);
    const long after = atomic_load(&allocations);
    if (after != before)
        fail_msg("%s: %ld allocations in 1,000 steps", run, after - before);
    trainer_destroy(trainer);
    pool_destroy(pool);
}

static void test_no_allocation(void **state) {
    (void)state;
    expect_no_allocation("net=dense 16,relu,dense 10 batch=16 epochs=100 "
                         "validation=200");
}

static void test_no_allocation_with_the_toolbox(void **state) {
    (void)state;
    expect_no_allocation("net=dense 9,batchnorm,gelu,dropout 0.2,dense 8,"
                         "layernorm,tanh,dense 10,softmax loss=mse "
                         "optimizer=adamw batch=8 epochs=100 validation=200 "
                         "input=standard schedule=one-cycle warmup=1 clip=1 "
                         "max-norm=3 patience=50 shift=2 rotate=10");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting_counts),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_no_allocation_with_the_toolbox),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
