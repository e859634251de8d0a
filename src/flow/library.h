/*
 * What the files library*.c share: the library's handles by the names that they have outside.
 */
#ifndef MYELIN_FLOW_LIBRARY_H
#define MYELIN_FLOW_LIBRARY_H

#include "flow/held.h"
#include "flow/session.h"

struct myelin_session {
    struct session *inner;
};

struct myelin_held {
    struct held *inner;
};

#endif
