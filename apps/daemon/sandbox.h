/*
 * A daemon's own walls, once it serves: a seccomp filter (libseccomp) that every thread is under.
 *
 * It lists what a server needs: files, sockets of IPv4 and IPv6, memory, threads, time. Anything
 * else fails with EPERM, as do new processes, memory that can be both written and executed, and
 * making memory executable. Starting another program, tracing, mounting, loading code into the
 * kernel and the like kill the process: no defect of ours does that, somebody else's code does.
 * Listening and locking files belong to the start and fail from then on.
 *
 * Which files a daemon reaches is not seccomp's to say; the units in packaging/ do.
 *
 * Under the address and thread sanitizers three more things are allowed, as the leak check at the
 * end starts a process that traces this one: processes, ptrace and waiting for them.
 */
#ifndef MYELIN_DAEMON_SANDBOX_H
#define MYELIN_DAEMON_SANDBOX_H

#include "base/result.h"

/* There is no way out again. INTERNAL where the kernel or its keeper allows no filter. */
MUST_CHECK result sandbox_enter(void);

#endif
