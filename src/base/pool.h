/* Fork-join threads: run the same function on many task numbers and wait.
 *
 * A pool of n threads is the caller plus n - 1 helpers, which spin for a short
 * while and then sleep. Each thread begins with its own share of the tasks, of
 * n tasks on t threads always the same, so that what a task works on stays in
 * the cache of one core; whoever is done helps the others, so a core that is
 * taken away by a neighbour only slows its own task. Which thread runs a task
 * is not fixed; what a task writes must not depend on it (ARCHITECTURE, law 2).
 * With one thread, pool_run is a plain loop.
 *
 * All this may be called by one thread only, the one that created the pool.
 */
#ifndef SOMA_BASE_POOL_H
#define SOMA_BASE_POOL_H

#include "base/types.h"

enum { POOL_THREADS_MAX = 16 };

typedef struct Pool Pool;

/* Work on task number `task` of `context`. Runs on any thread of the pool. */
typedef void PoolTask(void *context, int task);

/* A pool of `n_threads` (1 .. POOL_THREADS_MAX; clamped). Builds without
 * threads always give one. NULL when memory or threads cannot be had. Owned by
 * the caller. */
Pool *pool_create(int n_threads);

/* Stop and join the helpers and free the pool; NULL is allowed. */
void pool_destroy(Pool *pool);

/* How many threads take part. */
int pool_threads(const Pool *pool);

/* Of `n_tasks` tasks on `n_threads` threads, whose share has task `task`:
 * 0 .. n_threads-1. */
static inline int pool_share(int n_tasks, int n_threads, int task) {
    return (int)((((int64_t)task + 1) * n_threads - 1) / n_tasks);
}

/* Run `task(context, 0 .. n_tasks-1)` and return when all are done; everything
 * the tasks wrote is visible to the caller. n_tasks may be 0. */
void pool_run(Pool *pool, int n_tasks, PoolTask *task, void *context);

/* Offer `task(context, 0)` to the helpers: one that has nothing else to do runs
 * it while the caller goes on, also with pool_run. Sleeping helpers are not
 * woken. One offer at a time: pool_settle comes before the next. */
void pool_offer(Pool *pool, PoolTask *task, void *context);

/* Return when the offered task is done, and what it wrote is visible; if no
 * helper has begun with it, the caller runs it. Nothing without an offer. */
void pool_settle(Pool *pool);

#endif
