#include "keys/service.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/lines.h"

static result sub_folder(const char *store, const char *name, char out[PATH_MAX]) {
    if (snprintf(out, PATH_MAX, "%s/%s", store, name) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    return OK;
}

static result open_parts(const char *store, const uint8_t seal_key[SEAL_KEY_BYTES],
                         const struct tls_identity *identity, struct key_service *service) {
    char shares[PATH_MAX], revocations[PATH_MAX];
    TRY(sub_folder(store, "shares", shares));
    TRY(sub_folder(store, "revocations", revocations));
    TRY(file_sweep(store, ""));
    TRY(access_log_open(store, &service->log));
    TRY(share_store_open(shares, seal_key, service->index, &service->shares));
    TRY(revocations_open(revocations, &service->revocations));
    struct storage_fleet *fleet;
    TRY(storage_fleet_new(service->description, identity, &fleet));
    service->fleet = fleet;
    service->identity = identity;
    return gatherer_new(fleet, &service->gatherer);
}

result key_service_open(const char *store, const uint8_t seal_key[SEAL_KEY_BYTES], uint32_t index,
                        const struct description *description, const struct tls_identity *identity,
                        struct key_service *out_service) {
    memset(out_service, 0, sizeof *out_service);
    out_service->description = description;
    out_service->index = index;
    result opened = open_parts(store, seal_key, identity, out_service);
    if (opened != OK)
        key_service_close(out_service);
    return opened;
}

result key_service_update(struct key_service *service, const struct description *description) {
    struct storage_fleet *fleet;
    TRY(storage_fleet_new(description, service->identity, &fleet));
    storage_fleet_succeed(fleet, service->fleet);
    service->fleet = fleet;
    gatherer_set_fleet(service->gatherer, fleet);
    service->description = description;
    return OK;
}

void key_service_close(struct key_service *service) {
    gatherer_free(service->gatherer);
    storage_fleet_free(service->fleet);
    revocations_close(service->revocations);
    share_store_close(service->shares);
    access_log_close(service->log);
    memset(service, 0, sizeof *service);
}

static result append_counter(struct bytes *out, const char *name, const char *help,
                             unsigned long long value) {
    return lines_add(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
                     value);
}

static result append_gauge(struct bytes *out, const char *name, const char *help,
                           unsigned long long value) {
    return lines_add(out, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help, name, name,
                     value);
}

static result append_opens(struct key_counters *counters, struct bytes *out) {
    unsigned long long ok = counters->opens_ok, refused = counters->opens_refused;
    unsigned long long us = counters->open_us;
    TRY(lines_add(out,
                  "# HELP myelin_key_opens_total Openings, by how they went.\n"
                  "# TYPE myelin_key_opens_total counter\n"
                  "myelin_key_opens_total{outcome=\"ok\"} %llu\n"
                  "myelin_key_opens_total{outcome=\"refused\"} %llu\n",
                  ok, refused));
    return lines_add(out,
                     "# HELP myelin_key_open_seconds Time from request to answer.\n"
                     "# TYPE myelin_key_open_seconds summary\n"
                     "myelin_key_open_seconds_sum %llu.%06llu\n"
                     "myelin_key_open_seconds_count %llu\n",
                     us / 1000000, us % 1000000, ok + refused);
}

static result append_failures(struct storage_fleet *fleet, struct bytes *out) {
    TRY(lines_add(out, "# HELP myelin_key_storage_failures_total Symbols that a storage server "
                       "did not give or gave wrong.\n"
                       "# TYPE myelin_key_storage_failures_total counter\n"));
    for (unsigned i = 0; i < storage_fleet_size(fleet); i++)
        TRY(lines_add(out, "myelin_key_storage_failures_total{server=\"%s\"} %" PRIu64 "\n",
                      storage_fleet_name(fleet, i), storage_fleet_failures(fleet, i)));
    return OK;
}

result service_metrics(struct key_service *service, struct bytes *out_text) {
    struct key_counters *counters = &service->counters;
    TRY(append_opens(counters, out_text));
    TRY(append_failures(service->fleet, out_text));
    TRY(append_counter(out_text, "myelin_key_rekeys_total", "Parts of re-encryption keys given.",
                       counters->rekeys));
    TRY(append_counter(out_text, "myelin_key_recovers_total",
                       "First key shares given to their owners.", counters->recovers));
    TRY(append_counter(out_text, "myelin_key_revocations_total", "Revocations taken.",
                       counters->revocations));
    TRY(append_counter(out_text, "myelin_key_enrolments_total", "Shares activated.",
                       counters->enrolments));
    TRY(append_counter(out_text, "myelin_key_refreshes_total",
                       "Shares that were refreshed or reshared.", counters->refreshes));
    TRY(append_counter(out_text, "myelin_key_replacements_total",
                       "Shares that other key servers made anew for this one.",
                       counters->replacements));
    TRY(append_gauge(out_text, "myelin_key_shares", "Users with an active share.",
                     share_store_count(service->shares)));
    TRY(append_gauge(out_text, "myelin_key_log_entries", "Sequence of the last access log entry.",
                     access_log_last(service->log)));
    return append_gauge(out_text, "myelin_key_log_damaged",
                        "1 where a segment of the access log is damaged.",
                        access_log_damaged(service->log));
}
