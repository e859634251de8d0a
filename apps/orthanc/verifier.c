#include "verifier.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "orthanc_rest.h"
#include "verdict.h"

enum { FINDINGS_MAX = 100 };

struct verifier {
    struct gateway *gateway;
    pthread_mutex_t lock; /* of what follows */
    pthread_t thread;
    bool is_running, has_thread, is_stopping;
    json_t *last;        /* what verifier_show gives; NULL: never */
    char path[PATH_MAX]; /* where it is kept */
    uint8_t *key;        /* for that; in secret memory */
};

/* What one verification finds. */
struct verifying {
    struct verifier *verifier;
    json_t *images, *findings;
    json_int_t looked_at;
    char trouble[ERROR_TEXT_BYTES]; /* the first image's that is not good; "" */
};

/* Of the time before the last restart. One that cannot be read is none. */
static result load(struct verifier *verifier) {
    struct gateway *gateway = verifier->gateway;
    snprintf(verifier->path, sizeof verifier->path, "%.*s/verification", PATH_MAX - 32,
             gateway->config.folder);
    TRY(secret_new(VERDICT_KEY_BYTES, (void **)&verifier->key));
    TRY(gateway_result(myelin_local_key(gateway->session, "orthanc verdict", verifier->key)));
    result loaded = verdict_load(verifier->path, verifier->key, &verifier->last);
    if (loaded != OK && loaded != NOT_FOUND)
        gateway_warn(gateway, "the outcome of the last verification is lost: %s", error_text());
    return OK;
}

result verifier_new(struct gateway *gateway, struct verifier **out_verifier) {
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        return FAIL(NO_MEMORY, "no memory for the verifier");
    verifier->gateway = gateway;
    pthread_mutex_init(&verifier->lock, NULL);
    result loaded = load(verifier);
    if (loaded != OK) {
        verifier_free(verifier);
        return loaded;
    }
    *out_verifier = verifier;
    return OK;
}

void verifier_free(struct verifier *verifier) {
    if (verifier == NULL)
        return;
    pthread_mutex_lock(&verifier->lock);
    verifier->is_stopping = true;
    if (verifier->is_running)
        myelin_cancel(verifier->gateway->session);
    pthread_mutex_unlock(&verifier->lock);
    if (verifier->has_thread)
        pthread_join(verifier->thread, NULL);
    pthread_mutex_destroy(&verifier->lock);
    json_decref(verifier->last);
    secret_free(verifier->key);
    free(verifier);
}

/* ------------------------------------------------------------------ one verification */

static void add_image(void *context, const struct myelin_image *image) {
    json_array_append_new(context, orthanc_json_text(image->id));
}

static void add_finding(void *context, const struct myelin_finding *finding) {
    struct verifying *verifying = context;
    if (strcmp(finding->state, "good") == 0 || json_array_size(verifying->findings) >= FINDINGS_MAX)
        return;
    json_array_append_new(verifying->findings,
                          json_pack("{s:o, s:s, s:s, s:o}", "Image", orthanc_json_text(finding->id),
                                    "Server", finding->server, "State", finding->state, "Detail",
                                    orthanc_json_text(finding->detail)));
}

static bool is_stopping(struct verifier *verifier) {
    pthread_mutex_lock(&verifier->lock);
    bool stopping = verifier->is_stopping;
    pthread_mutex_unlock(&verifier->lock);
    return stopping;
}

static void note_trouble(struct verifying *verifying) {
    if (verifying->trouble[0] == '\0')
        snprintf(verifying->trouble, sizeof verifying->trouble, "%s", error_text());
}

static void verify_all(struct verifying *verifying) {
    struct verifier *verifier = verifying->verifier;
    struct myelin_session *session = verifier->gateway->session;
    size_t index;
    json_t *image;
    if (gateway_result(myelin_list(session, add_image, verifying->images)) != OK)
        note_trouble(verifying);
    json_array_foreach(verifying->images, index, image) {
        if (is_stopping(verifier))
            return;
        result verified = gateway_result(
            myelin_verify(session, json_string_value(image), add_finding, verifying));
        if (verified != OK && verified != NOT_FOUND) /* removed since it was listed */
            note_trouble(verifying);
        verifying->looked_at++;
    }
}

static json_int_t now_ms(void) {
    return (json_int_t)clock_date_ms();
}

static void conclude(struct verifying *verifying) {
    struct verifier *verifier = verifying->verifier;
    bool is_good = verifying->trouble[0] == '\0';
    if (!is_good && !is_stopping(verifier))
        gateway_error(verifier->gateway, "ALARM: a verification found that not all is good: %s",
                      verifying->trouble);
    json_t *last =
        json_pack("{s:s, s:I, s:I, s:o, s:O}", "State", is_good ? "good" : "bad", "TimeMs",
                  now_ms(), "Images", verifying->looked_at, "Message",
                  orthanc_json_text(verifying->trouble), "Findings", verifying->findings);
    /* One that was broken off says nothing of the images, and the one before stays. */
    if (last != NULL && !is_stopping(verifier) &&
        verdict_keep(verifier->path, verifier->key, last) != OK)
        gateway_warn(verifier->gateway, "the outcome of a verification is not kept: %s",
                     error_text());
    pthread_mutex_lock(&verifier->lock);
    json_decref(verifier->last);
    verifier->last = last;
    verifier->is_running = false;
    pthread_mutex_unlock(&verifier->lock);
}

static void *run(void *argument) {
    struct verifying verifying = {
        .verifier = argument, .images = json_array(), .findings = json_array()};
    verify_all(&verifying);
    conclude(&verifying);
    gateway_log_warnings(verifying.verifier->gateway);
    json_decref(verifying.images);
    json_decref(verifying.findings);
    return NULL;
}

/* ------------------------------------------------------------------ what routes ask for */

/* Under the lock. */
static result begin(struct verifier *verifier) {
    if (verifier->is_running)
        return FAIL(CONFLICT, "a verification is running already");
    if (verifier->has_thread)
        pthread_join(verifier->thread, NULL);
    verifier->has_thread = pthread_create(&verifier->thread, NULL, run, verifier) == 0;
    if (!verifier->has_thread)
        return FAIL(NO_MEMORY, "no thread for the verification");
    verifier->is_running = true;
    return OK;
}

result verifier_begin(struct verifier *verifier) {
    pthread_mutex_lock(&verifier->lock);
    result begun = begin(verifier);
    pthread_mutex_unlock(&verifier->lock);
    return begun;
}

json_t *verifier_show(struct verifier *verifier) {
    pthread_mutex_lock(&verifier->lock);
    json_t *shown = verifier->last != NULL ? json_copy(verifier->last)
                                           : json_pack("{s:s, s:I, s:I, s:s, s:[]}", "State",
                                                       "never", "TimeMs", (json_int_t)0, "Images",
                                                       (json_int_t)0, "Message", "", "Findings");
    if (verifier->is_running)
        json_object_set_new(shown, "State", json_string("running"));
    pthread_mutex_unlock(&verifier->lock);
    return shown;
}
