/* Method. The words that carry everything, each on its own cache line:
 *
 *   tickets     one for each thread: the tasks of its share not yet taken. A
 *               thread takes one by fetch_sub; what it got is a task only when
 *               the old value was above TICKET_ZERO.
 *   unfinished  tasks not yet done; the caller waits for zero.
 *   generation  grows by one with each pool_run; helpers wait for a change.
 *   offer       where the offered task stands. Beside generation, because
 *               helpers look at both while they spin.
 *
 * The ticket counters are reused by the next pool_run, and a helper may be
 * late: it may draw from a generation that it was not woken for. That is
 * harmless, because the job is read after the draw. A draw that fails touches
 * nothing; a draw that succeeds holds a task which keeps `unfinished` above
 * zero, so the job it then reads cannot be replaced under it. A failed draw
 * leaves the counter below TICKET_ZERO by at most two for each thread, far
 * from wrapping.
 *
 * Order: the caller writes the job and `unfinished` before the first counter;
 * its release store of each counter publishes the job; every fetch_sub
 * continues that release sequence, so each draw acquires it. Before sleeping, a
 * thread announces itself and then looks at the word once more (both
 * sequentially consistent); whoever changes the word looks for sleepers
 * afterwards. So no wake is lost, and nobody pays for one that is not needed.
 *
 * Source of the spin-then-futex shape: pthreadpool (github.com/google).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* syscall() under -std=c11 */
#endif

#include "base/pool.h"

#include <stdlib.h>

#if !defined(__EMSCRIPTEN__) || defined(__EMSCRIPTEN_PTHREADS__)

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#if defined(__EMSCRIPTEN__)
#include <emscripten/threading.h>
#elif defined(__linux__) && !defined(SOMA_POOL_PORTABLE)
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define POOL_CONDITION 1 /* no futex: one mutex and one condition variable */
#include <unistd.h>
#endif

/* How long a waiting thread looks before it sleeps. Waking a sleeper costs 5
 * microseconds natively and 50 in V8 (Zen 4); the serial stretches of a
 * training step, and what the page's worker does between two of them, are
 * shorter than this, so that helpers sleep only when training rests. */
enum { SPIN_NS = 200000 };

/* The clock is only read after so many looks: a fraction of a microsecond in
 * wasm (0.4 ns a look), a few natively (25 ns with the pause instruction). With
 * more threads than cores this is all the spinning there is, because it takes
 * the core from a thread that has work. */
#if defined(__EMSCRIPTEN__)
enum { SPIN_LOOKS = 1000 };
#else
enum { SPIN_LOOKS = 64 };
#endif

/* `tickets` when all tasks are taken; room below for draws that fail. */
enum { TICKET_ZERO = 1 << 16 };

typedef struct Job {
    PoolTask *task;
    void *context;
    int n_tasks;
} Job;

/* Where the offered task stands: whoever moves it from OPEN to TAKEN runs it.
 */
enum { OFFER_NONE, OFFER_OPEN, OFFER_TAKEN, OFFER_DONE };

/* What one thread draws from. */
typedef struct Share {
    _Alignas(CACHE_LINE) atomic_uint tickets;
} Share;

/* What a helper is told when it starts. */
typedef struct Helper {
    Pool *pool;
    int index; /* of its share; the caller's is 0 */
    pthread_t thread;
} Helper;

struct Pool {
    Share shares[POOL_THREADS_MAX];
    _Alignas(CACHE_LINE) atomic_uint unfinished;
    _Alignas(CACHE_LINE) atomic_uint generation;
    atomic_uint offer;
    _Alignas(CACHE_LINE) atomic_uint sleepers; /* helpers asleep or about to */
    atomic_bool caller_sleeps;
    atomic_bool stop;
    _Alignas(CACHE_LINE) Job job; /* written between generations only */
    Job offered;                  /* written while offer is NONE only */
    int n_threads;
    int64_t spin_ns;
    Helper helpers[POOL_THREADS_MAX - 1];
#ifdef POOL_CONDITION
    pthread_mutex_t mutex;
    pthread_cond_t condition;
#endif
};

_Static_assert(sizeof(struct Pool) % CACHE_LINE == 0, "for aligned_alloc");

/* ==== Waiting: three ways to sleep on a word ===========================  */

#if defined(__EMSCRIPTEN__)

static bool sleeping_init(Pool *pool) { return (void)pool, true; }
static void sleeping_free(Pool *pool) { (void)pool; }

/* Sleep unless *word differs from `value`; may return for no reason. */
static void word_sleep(Pool *pool, atomic_uint *word, unsigned value) {
    (void)pool;
    emscripten_futex_wait(word, value, 1e9);
}

/* Wake up to `count` threads that sleep on `word`. */
static void word_wake(Pool *pool, atomic_uint *word, int count) {
    (void)pool;
    emscripten_futex_wake(word, count);
}

static int core_count(void) { return emscripten_num_logical_cores(); }

#elif defined(POOL_CONDITION)

static bool sleeping_init(Pool *pool) {
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&pool->condition, NULL) == 0) return true;
    pthread_mutex_destroy(&pool->mutex);
    return false;
}

static void sleeping_free(Pool *pool) {
    pthread_cond_destroy(&pool->condition);
    pthread_mutex_destroy(&pool->mutex);
}

static void word_sleep(Pool *pool, atomic_uint *word, unsigned value) {
    pthread_mutex_lock(&pool->mutex);
    if (atomic_load(word) == value) {
        pthread_cond_wait(&pool->condition, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* Both words share the condition, so everybody looks. */
static void word_wake(Pool *pool, atomic_uint *word, int count) {
    (void)word, (void)count;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->condition);
    pthread_mutex_unlock(&pool->mutex);
}

static int core_count(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

#else

static bool sleeping_init(Pool *pool) { return (void)pool, true; }
static void sleeping_free(Pool *pool) { (void)pool; }

static void word_sleep(Pool *pool, atomic_uint *word, unsigned value) {
    (void)pool;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void word_wake(Pool *pool, atomic_uint *word, int count) {
    (void)pool;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static int core_count(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

#endif

/* Tell the core that this is a spin loop. */
static void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

typedef struct Spin {
    int looks;
    int64_t start_ns;
} Spin;

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whether to look once more. Starts with a zero `spin`. */
static bool spin_goes_on(Spin *spin, int64_t limit_ns) {
    spin_pause();
    if (++spin->looks % SPIN_LOOKS != 0) return true;
    if (limit_ns == 0) return false;
    const int64_t now_ns = clock_ns();
    if (spin->looks == SPIN_LOOKS) spin->start_ns = now_ns;
    return now_ns - spin->start_ns < limit_ns;
}

/* ==== Work =============================================================  */

/* The first task of share `share`. */
static int share_begin(int n_tasks, int n_threads, int share) {
    return (int)((int64_t)n_tasks * share / n_threads);
}

/* Take and run tasks of one share until none is left; returns how many. */
static unsigned work_share(Pool *pool, int share) {
    unsigned done = 0;
    for (;; done++) {
        const unsigned tickets = atomic_fetch_sub_explicit(
            &pool->shares[share].tickets, 1, memory_order_acquire);
        if (tickets <= TICKET_ZERO) return done;
        const Job job = pool->job;
        const int end = share_begin(job.n_tasks, pool->n_threads, share + 1);
        job.task(job.context, end - (int)(tickets - TICKET_ZERO));
    }
}

/* Work on one's own share, then on those of the others; then report. */
static void work(Pool *pool, int self) {
    unsigned done = 0;
    for (int i = 0; i < pool->n_threads; i++)
        done += work_share(pool, (self + i) % pool->n_threads);
    if (done == 0) return;
    if (atomic_fetch_sub(&pool->unfinished, done) == done &&
        atomic_load(&pool->caller_sleeps)) {
        word_wake(pool, &pool->unfinished, 1);
    }
}

/* Run the offered task, unless there is none or somebody else has it. */
static bool take_offer(Pool *pool) {
    unsigned open = OFFER_OPEN;
    if (atomic_load_explicit(&pool->offer, memory_order_relaxed) != open ||
        !atomic_compare_exchange_strong(&pool->offer, &open, OFFER_TAKEN))
        return false;
    pool->offered.task(pool->offered.context, 0);
    atomic_store(&pool->offer, OFFER_DONE);
    if (atomic_load(&pool->caller_sleeps)) word_wake(pool, &pool->offer, 1);
    return true;
}

/* Return once the generation is no longer `seen`, with the new one. */
static unsigned wait_generation(Pool *pool, unsigned seen) {
    unsigned now;
    Spin spin = {0};
    do {
        now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen) return now;
        if (take_offer(pool)) spin = (Spin){0};
    } while (spin_goes_on(&spin, pool->spin_ns));
    atomic_fetch_add(&pool->sleepers, 1);
    while ((now = atomic_load(&pool->generation)) == seen) {
        word_sleep(pool, &pool->generation, seen);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    return now;
}

/* The caller waits until *word is `wanted`. */
static void wait_until(Pool *pool, atomic_uint *word, unsigned wanted) {
    unsigned now;
    Spin spin = {0};
    do {
        now = atomic_load_explicit(word, memory_order_acquire);
        if (now == wanted) return;
    } while (spin_goes_on(&spin, pool->spin_ns));
    atomic_store(&pool->caller_sleeps, true);
    while ((now = atomic_load(word)) != wanted) word_sleep(pool, word, now);
    atomic_store(&pool->caller_sleeps, false);
}

static void *helper_main(void *argument) {
    const Helper *const self = argument;
    Pool *const pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_generation(pool, seen);
        if (atomic_load(&pool->stop)) return NULL;
        work(pool, self->index);
    }
}

/* Start a new generation and wake up to `wanted` sleeping helpers. */
static void announce(Pool *pool, int wanted) {
    atomic_fetch_add(&pool->generation, 1);
    const int sleepers = (int)atomic_load(&pool->sleepers);
    const int count = int_min(sleepers, wanted);
    if (count > 0) word_wake(pool, &pool->generation, count);
}

/* ==== Public ===========================================================  */

Pool *pool_create(int n_threads) {
    Pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (pool == NULL) return NULL;
    *pool = (Pool){.n_threads = 1};
    for (int i = 0; i < POOL_THREADS_MAX; i++)
        atomic_init(&pool->shares[i].tickets, TICKET_ZERO);
    if (!sleeping_init(pool)) return free(pool), NULL;
    const int wanted = int_min(int_max(n_threads, 1), POOL_THREADS_MAX);
    pool->spin_ns = wanted > core_count() ? 0 : SPIN_NS;
    for (; pool->n_threads < wanted; pool->n_threads++) {
        Helper *const helper = &pool->helpers[pool->n_threads - 1];
        helper->pool = pool;
        helper->index = pool->n_threads;
        if (pthread_create(&helper->thread, NULL, helper_main, helper) != 0) {
            return pool_destroy(pool), NULL;
        }
    }
    return pool;
}

void pool_destroy(Pool *pool) {
    if (pool == NULL) return;
    atomic_store(&pool->stop, true);
    announce(pool, POOL_THREADS_MAX);
    for (int i = 0; i < pool->n_threads - 1; i++) {
        pthread_join(pool->helpers[i].thread, NULL);
    }
    sleeping_free(pool);
    free(pool);
}

int pool_threads(const Pool *pool) { return pool->n_threads; }

void pool_run(Pool *pool, int n_tasks, PoolTask *task, void *context) {
    assert(n_tasks >= 0 && task != NULL);
    if (pool->n_threads == 1 || n_tasks < 2) {
        for (int i = 0; i < n_tasks; i++) task(context, i);
        return;
    }
    pool->job = (Job){task, context, n_tasks};
    atomic_store_explicit(&pool->unfinished, (unsigned)n_tasks,
                          memory_order_relaxed);
    for (int i = 0; i < pool->n_threads; i++) {
        const int count = share_begin(n_tasks, pool->n_threads, i + 1) -
                          share_begin(n_tasks, pool->n_threads, i);
        atomic_store_explicit(&pool->shares[i].tickets,
                              TICKET_ZERO + (unsigned)count,
                              memory_order_release);
    }
    announce(pool, n_tasks - 1);
    work(pool, 0);
    wait_until(pool, &pool->unfinished, 0);
}

void pool_offer(Pool *pool, PoolTask *task, void *context) {
    assert(atomic_load(&pool->offer) == OFFER_NONE);
    pool->offered = (Job){task, context, 1};
    atomic_store(&pool->offer, OFFER_OPEN);
}

void pool_settle(Pool *pool) {
    if (atomic_load(&pool->offer) == OFFER_NONE) return;
    if (!take_offer(pool)) wait_until(pool, &pool->offer, OFFER_DONE);
    atomic_store(&pool->offer, OFFER_NONE);
}

#else /* no threads in this build */

struct Pool {
    int n_threads;
    PoolTask *offered; /* NULL: nothing */
    void *offered_context;
};

Pool *pool_create(int n_threads) {
    (void)n_threads;
    Pool *pool = malloc(sizeof *pool);
    if (pool != NULL) *pool = (Pool){.n_threads = 1};
    return pool;
}

void pool_destroy(Pool *pool) { free(pool); }

int pool_threads(const Pool *pool) { return pool->n_threads; }

void pool_run(Pool *pool, int n_tasks, PoolTask *task, void *context) {
    assert(pool != NULL && n_tasks >= 0 && task != NULL);
    (void)pool;
    for (int i = 0; i < n_tasks; i++) task(context, i);
}

void pool_offer(Pool *pool, PoolTask *task, void *context) {
    assert(pool->offered == NULL);
    pool->offered = task;
    pool->offered_context = context;
}

void pool_settle(Pool *pool) {
    PoolTask *const task = pool->offered;
    pool->offered = NULL;
    if (task != NULL) task(pool->offered_context, 0);
}

#endif
