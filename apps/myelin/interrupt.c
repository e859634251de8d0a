#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "flow/session.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *watched;
static atomic_bool has_come;

static void *wait_for_signals(void *argument) {
    const sigset_t *signals = argument;
    int received;
    for (;;) {
        if (sigwait(signals, &received) != 0)
            continue;
        if (has_come)
            _exit(1);
        has_come = true;
        pthread_mutex_lock(&lock);
        if (watched != NULL)
            session_cancel(watched);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void take_over_signals(void) {
    static sigset_t signals;
    static bool taken;
    pthread_t thread;
    if (taken)
        return;
    taken = true;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP); /* to key servers it means another thing than to stop */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_signals, &signals) != 0) {
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* the default will have to do */
        return;
    }
    pthread_detach(thread);
}

void interrupt_watch(struct session *session) {
    take_over_signals();
    pthread_mutex_lock(&lock);
    watched = session;
    if (watched != NULL && has_come)
        session_cancel(watched);
    pthread_mutex_unlock(&lock);
}

bool interrupt_has_come(void) {
    return has_come;
}
