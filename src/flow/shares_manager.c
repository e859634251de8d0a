/* Share care for all users, by the manager. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "flow/pages.h"
#include "flow/shares.h"
#include "system/ca.h"
#include "system/local.h"

static const char MANAGER[] = "manager";

result shares_manager_session(const char *system, struct session **out_session) {
    char path[PATH_MAX];
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_KEYSTORE struct keystore keystore = {0};
    AUTO_CA struct ca *ca = NULL;
    TRY(local_manager_path(system, path, sizeof path));
    TRY(description_load(system, NULL, &description));
    result loaded = ca_load(path, &ca);
    if (loaded == DENIED)
        return FAIL(DENIED, "%s has no manager's CA: share care for all is the manager's", system);
    TRY(loaded);
    TRY(secret_new(sizeof *keystore.secrets, (void **)&keystore.secrets));
    sign_key_random(&keystore.secrets->identity);
    snprintf(keystore.user, sizeof keystore.user, "%s", MANAGER);
    memcpy(keystore.trust.ca_key, ca_key(ca)->public_key, sizeof keystore.trust.ca_key);
    memcpy(keystore.trust.system_id, ca_system_id(ca), sizeof keystore.trust.system_id);
    TRY(ca_issue_manager(ca, MANAGER, keystore.secrets->identity.public_key,
                         &keystore.certificate));
    return session_new(&description, &keystore, out_session);
}

/* ------------------------------------------------------------------ users */

void shares_users_free(struct shares_users *users) {
    free(users->names);
    *users = (struct shares_users){0};
}

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    Myelin__UserPage *page = NULL;
    TRY(format_parse_user_page(wire, &page));
    *out_page = page;
    *out_more = page->more;
    out_after[0] = '\0';
    if (page->n_user > 0)
        snprintf(out_after, PAGES_KEY, "%s", page->user[page->n_user - 1]);
    return OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(a, b);
}

static void sort_unique(struct shares_users *users) {
    size_t kept = 0;
    if (users->count == 0)
        return;
    qsort(users->names, users->count, sizeof *users->names, compare_names);
    for (size_t i = 0; i < users->count; i++)
        if (kept == 0 || strcmp(users->names[kept - 1], users->names[i]) != 0)
            memmove(users->names[kept++], users->names[i], sizeof *users->names);
    users->count = kept;
}

static size_t count_names(const struct pages_all *all) {
    size_t count = 0;
    for (unsigned s = 0; s < all->servers; s++)
        for (size_t p = 0; p < all->of[s].count; p++)
            count += ((const Myelin__UserPage *)all->of[s].page[p])->n_user;
    return count;
}

result flow_shares_users(struct session *session, struct shares_users *out_users) {
    AUTO_PAGES struct pages_all all = {0};
    AUTO_SHARES_USERS struct shares_users users = {0};
    TRY(pages_ask(session, SESSION_KEY, NULL, "/v1/users", parse_page, 0, &all));
    if (all.ok < session->t)
        return session_fail_quorum(session, SESSION_KEY, "listing the users", all.answers,
                                   session->t);
    users.names = calloc(count_names(&all) + 1, sizeof *users.names);
    if (users.names == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (unsigned s = 0; s < all.servers; s++)
        for (size_t p = 0; p < all.of[s].count; p++) {
            const Myelin__UserPage *page = all.of[s].page[p];
            for (size_t i = 0; i < page->n_user; i++)
                snprintf(users.names[users.count++], sizeof *users.names, "%s", page->user[i]);
        }
    sort_unique(&users);
    *out_users = users;
    users = (struct shares_users){0};
    return OK;
}
