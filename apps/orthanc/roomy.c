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

result roomy_call(result (*function)(void *context), void *context) {
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
