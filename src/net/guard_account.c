/* Users: connections, costly requests and memory that each of them may have. */
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/clock.h"
#include "net/guard_private.h"

/* A request that finds all of its user's places taken waits so long: less than a client does. */
enum { TURN_WAIT_MS = 4000, RETRY_S_MAX = 60 };

/* ---- Accounts ---- */

static void fill(const struct guard *guard, struct guard_account *account, int64_t now_ms) {
    double rate = (double)guard->limits.user_rate * account->shares / 1000;
    double most = (double)guard->limits.user_burst * account->shares;
    account->tokens += rate * (double)(now_ms - account->filled_ms);
    if (account->tokens > most)
        account->tokens = most;
    account->filled_ms = now_ms;
}

static bool is_needed(const struct guard *guard, struct guard_account *account, int64_t now_ms) {
    fill(guard, account, now_ms);
    return account->connections > 0 || account->running > 0 || account->memory > 0 ||
           account->tokens < (double)guard->limits.user_burst * account->shares;
}

void guard_drop_accounts(struct guard *guard, int64_t now_ms) {
    for (struct guard_account **at = &guard->accounts; *at != NULL;) {
        struct guard_account *account = *at;
        if (is_needed(guard, account, now_ms)) {
            at = &account->next;
            continue;
        }
        *at = account->next;
        guard->account_count--;
        free(account);
    }
}

static struct guard_account *find_account(struct guard *guard, const char *name, unsigned shares) {
    for (struct guard_account *account = guard->accounts; account != NULL; account = account->next)
        if (account->shares == shares && strcmp(account->name, name) == 0)
            return account;
    return NULL;
}

static result make_account(struct guard *guard, const char *name, unsigned shares,
                           struct guard_account **out_account) {
    int64_t now = guard_now_ms();
    if (guard->account_count >= GUARD_ACCOUNTS_MAX)
        guard_drop_accounts(guard, now);
    struct guard_account *account =
        guard->account_count >= GUARD_ACCOUNTS_MAX ? NULL : calloc(1, sizeof *account);
    if (account == NULL)
        return FAIL(NO_MEMORY, "too many users at once; try again later");
    strncpy(account->name, name, GUARD_NAME_MAX);
    account->shares = shares;
    account->tokens = (double)guard->limits.user_burst * shares;
    account->filled_ms = now;
    account->next = guard->accounts;
    guard->accounts = account;
    guard->account_count++;
    *out_account = account;
    return OK;
}

static result login(struct guard *guard, struct guard_connection *connection, const char *name,
                    unsigned shares) {
    struct guard_account *account = find_account(guard, name, shares);
    if (account == NULL)
        TRY(make_account(guard, name, shares, &account));
    if (account->connections >= guard->limits.user_connections * shares) {
        guard->counters.refused_users++;
        return FAIL(NO_MEMORY, "%s has %u connections here already; try again later", name,
                    account->connections);
    }
    account->connections++;
    connection->account = account;
    if (connection->has_token)
        guard_refund_address(guard, connection->address);
    connection->has_token = false;
    return OK;
}

result guard_login(struct guard *guard, struct guard_connection *connection, const char *name,
                   bool is_server) {
    pthread_mutex_lock(&guard->lock);
    result outcome = connection->account != NULL
                         ? OK
                         : login(guard, connection, name, is_server ? GUARD_SERVER_SHARES : 1);
    pthread_mutex_unlock(&guard->lock);
    return outcome;
}

void guard_logout(struct guard_connection *connection) {
    if (connection->account != NULL)
        connection->account->connections--;
    connection->account = NULL;
}

/* ---- Costly requests ---- */

static result spend(struct guard *guard, struct guard_account *account, unsigned cost,
                    unsigned *out_retry_s) {
    fill(guard, account, guard_now_ms());
    if (account->tokens >= cost) {
        account->tokens -= cost;
        return OK;
    }
    double rate = (double)guard->limits.user_rate * account->shares;
    double wait_s = (cost - account->tokens) / rate;
    *out_retry_s = wait_s < RETRY_S_MAX ? 1 + (unsigned)wait_s : RETRY_S_MAX;
    guard->counters.refused_rate++;
    return FAIL(NO_MEMORY, "%s asks too much at a time; try again in %u s", account->name,
                *out_retry_s);
}

static result wait_for_turn(struct guard *guard, struct guard_account *account) {
    unsigned places = guard->limits.user_running * account->shares;
    uint64_t until_ns = clock_ns() + (uint64_t)TURN_WAIT_MS * 1000000;
    while (account->running >= places && !guard->is_stopping)
        if (!clock_wait_until(&guard->finished, &guard->lock, until_ns))
            break;
    if (account->running < places) {
        account->running++;
        return OK;
    }
    guard->counters.refused_running++;
    return FAIL(NO_MEMORY, "%s has %u requests under way here already; try again later",
                account->name, account->running);
}

result guard_begin(struct guard *guard, struct guard_connection *connection, unsigned cost,
                   unsigned *out_retry_s) {
    *out_retry_s = 1;
    pthread_mutex_lock(&guard->lock);
    result outcome = spend(guard, connection->account, cost, out_retry_s);
    if (outcome == OK)
        outcome = wait_for_turn(guard, connection->account);
    pthread_mutex_unlock(&guard->lock);
    return outcome;
}

void guard_finish(struct guard *guard, struct guard_connection *connection) {
    pthread_mutex_lock(&guard->lock);
    connection->account->running--;
    pthread_cond_broadcast(&guard->finished);
    pthread_mutex_unlock(&guard->lock);
}

/* ---- Memory ---- */

static result take_memory(struct guard *guard, struct guard_account *account, size_t bytes) {
    uint64_t limit = budget_limit();
    if (limit != 0 && account->shares == 1 && account->memory + bytes > limit / 2) {
        guard->counters.refused_memory++;
        return FAIL(NO_MEMORY, "%s sends too much at once; try again later", account->name);
    }
    TRY(budget_take(bytes));
    account->memory += bytes;
    return OK;
}

result guard_take_memory(struct guard *guard, struct guard_connection *connection, size_t bytes) {
    pthread_mutex_lock(&guard->lock);
    result outcome = take_memory(guard, connection->account, bytes);
    pthread_mutex_unlock(&guard->lock);
    return outcome;
}

void guard_give_memory(struct guard *guard, struct guard_connection *connection, size_t bytes) {
    if (bytes == 0)
        return;
    pthread_mutex_lock(&guard->lock);
    connection->account->memory -= bytes;
    pthread_mutex_unlock(&guard->lock);
    budget_give(bytes);
}
