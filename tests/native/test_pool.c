/* Protects: every task runs exactly once, whatever the number of threads and
 * tasks; what tasks wrote is visible after pool_run; helpers that come late or
 * sleep do no harm; an idle pool uses no processor time.
 *
 * Built a second time with the condition-variable fallback
 * (test_pool_portable), and run under ThreadSanitizer by preset native-tsan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

enum { TASKS_MAX = 300 };

typedef struct Counts {
    int runs[TASKS_MAX]; /* written by the one thread that has the task */
    int stamp;
} Counts;

static void count_task(void *context, int task) {
    Counts *counts = context;
    counts->runs[task] += counts->stamp;
}

static void nap_ms(long ms) {
    const struct timespec time = {.tv_nsec = ms * 1000000L};
    nanosleep(&time, NULL);
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Run n tasks and fail unless each ran once and no other did. */
static void check_run(Pool *pool, int n_tasks, int stamp) {
    Counts counts = {.stamp = stamp};
    pool_run(pool, n_tasks, count_task, &counts);
    for (int i = 0; i < TASKS_MAX; i++) {
        assert_int_equal(counts.runs[i], i < n_tasks ? stamp : 0);
    }
}

static void every_task_runs_once(void **state) {
    (void)state;
    static const int sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 299, 300};
    for (int threads = 1; threads <= 5; threads++) {
        Pool *pool = pool_create(threads);
        assert_non_null(pool);
        assert_int_equal(pool_threads(pool), threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            check_run(pool, sizes[i], 1 + (int)i);
        }
        pool_destroy(pool);
    }
}

/* Each generation has its own context on the stack: a helper that kept an old
 * job, or a task taken twice, shows as a wrong count (or to the sanitizers). */
static void quick_successive_runs_keep_their_jobs(void **state) {
    (void)state;
    Pool *pool = pool_create(3);
    for (int round = 1; round <= 3000; round++) {
        check_run(pool, 2 + round % 6, round);
    }
    pool_destroy(pool);
}

static void sleeping_helpers_wake_up(void **state) {
    (void)state;
    Pool *pool = pool_create(4);
    for (int round = 1; round <= 30; round++) {
        nap_ms(2); /* long enough for all of them to fall asleep */
        check_run(pool, 40, round);
    }
    pool_destroy(pool);
}

static void slow_task(void *context, int task) {
    if (task == 0) nap_ms(3);
    count_task(context, task);
}

static void caller_waits_for_a_slow_helper(void **state) {
    (void)state;
    Pool *pool = pool_create(2);
    for (int round = 0; round < 20; round++) {
        Counts counts = {.stamp = 1};
        pool_run(pool, 2, slow_task, &counts);
        assert_int_equal(counts.runs[0] + counts.runs[1], 2);
    }
    pool_destroy(pool);
}

static void more_threads_than_cores_still_finish(void **state) {
    (void)state;
    Pool *pool = pool_create(POOL_THREADS_MAX);
    assert_int_equal(pool_threads(pool), POOL_THREADS_MAX);
    for (int round = 1; round <= 200; round++) check_run(pool, 64, round);
    pool_destroy(pool);
}

/* What was offered has run once when pool_settle returns, whether a helper took
 * it, or none was awake, and whatever else ran in between. */
static void an_offered_task_runs_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        Pool *pool = pool_create(threads);
        pool_settle(pool);
        for (int round = 1; round <= 400; round++) {
            Counts offered = {.stamp = round};
            if (round % 40 == 0) nap_ms(2); /* helpers fall asleep */
            pool_offer(pool, count_task, &offered);
            for (int i = 0; i < round % 3; i++) check_run(pool, 5, round);
            pool_settle(pool);
            assert_int_equal(offered.runs[0], round);
            pool_settle(pool);
            assert_int_equal(offered.runs[0], round);
        }
        pool_destroy(pool);
    }
}

static void note_thread(void *context, int task) {
    (void)task;
    *(pthread_t *)context = pthread_self();
}

/* A helper that is awake does take it: the caller is busy meanwhile. */
static void a_helper_takes_what_is_offered(void **state) {
    (void)state;
    Pool *pool = pool_create(2);
    bool taken = false;
    for (int round = 0; round < 100 && !taken; round++) {
        pthread_t thread = pthread_self();
        check_run(pool, 40, 1); /* wakes the helper */
        pool_offer(pool, note_thread, &thread);
        nap_ms(1);
        pool_settle(pool);
        taken = !pthread_equal(thread, pthread_self());
    }
    assert_true(taken);
    pool_destroy(pool);
}

static void thread_count_is_clamped(void **state) {
    (void)state;
    static const int asked[] = {-1, 0, 1, 1000};
    static const int given[] = {1, 1, 1, POOL_THREADS_MAX};
    for (int i = 0; i < 4; i++) {
        Pool *pool = pool_create(asked[i]);
        assert_int_equal(pool_threads(pool), given[i]);
        pool_destroy(pool);
    }
}

static void destroying_nothing_or_an_unused_pool_is_fine(void **state) {
    (void)state;
    pool_destroy(NULL);
    for (int i = 0; i < 50; i++) pool_destroy(pool_create(4));
}

static void idle_pool_uses_no_processor_time(void **state) {
    (void)state;
    Pool *pool = pool_create(4);
    check_run(pool, 40, 1);
    nap_ms(20); /* the spinning before sleep is over by then */
    const double before = cpu_seconds();
    nap_ms(300);
    assert_true(cpu_seconds() - before < 0.03);
    pool_destroy(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(quick_successive_runs_keep_their_jobs),
        cmocka_unit_test(sleeping_helpers_wake_up),
        cmocka_unit_test(caller_waits_for_a_slow_helper),
        cmocka_unit_test(more_threads_than_cores_still_finish),
        cmocka_unit_test(an_offered_task_runs_once),
        cmocka_unit_test(a_helper_takes_what_is_offered),
        cmocka_unit_test(thread_count_is_clamped),
        cmocka_unit_test(destroying_nothing_or_an_unused_pool_is_fine),
        cmocka_unit_test(idle_pool_uses_no_processor_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
