#include "roomy.h"

#include <pthread.h>
#include <stdio.h>

enum { STACK_BYTES = 4 << 20 };

struct call {
    result (*function)(void *context);
    void *context;
    result code;
    char text[ERROR_TEXT_BYTES];
};

static void *run(void *argument) {
    struct call *call = argument;
    call->code = call->function(call->context);
    snprintf(call->text, sizeof call->text, "%s", error_text());
    return NULL;
}

/* What is left of this thread's stack; 0 where nobody can tell. */
static size_t room_here(void) {
    static _Thread_local const char *lowest;
    const char *here = __builtin_frame_address(0);
    pthread_attr_t attributes;
    if (lowest == NULL && pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void *stack;
        size_t size;
        if (pthread_attr_getstack(&attributes, &stack, &size) == 0)
            lowest = stack;
        pthread_attr_destroy(&attributes);
    }
    return lowest == NULL || here < lowest ? 0 : (size_t)(here - lowest);
}

result roomy_call(result (*function)(void *context), void *context) {
    if (room_here() >= STACK_BYTES)
        return function(context);
    struct call call = {.function = function, .context = context};
    pthread_t thread;
    pthread_attr_t roomy;
    pthread_attr_init(&roomy);
    pthread_attr_setstacksize(&roomy, STACK_BYTES);
    int failed = pthread_create(&thread, &roomy, run, &call);
    pthread_attr_destroy(&roomy);
    if (failed != 0)
        return FAIL(NO_MEMORY, "no thread to work on");
    pthread_join(thread, NULL);
    return call.code == OK ? OK : FAIL(call.code, "%s", call.text);
}
