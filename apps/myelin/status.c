#include "flow/status.h"

#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "print.h"

static const char *role_name(enum session_role role) {
    return role == SESSION_STORAGE ? "storage" : "key";
}

static json_t *figures_json(const struct status_figures *figures) {
    json_t *object = json_object();
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        if (figures->known[i])
            json_object_set_new(object, status_figure_names[i].label,
                                json_integer((json_int_t)figures->of[i]));
    return object;
}

static void print_count(const struct status_figures *figures, enum status_figure figure,
                        const char *one, const char *many) {
    uint64_t count = figures->of[figure];
    if (figures->known[figure])
        printf(", %" PRIu64 " %s", count, count == 1 ? one : many);
}

static void print_bytes(const struct status_figures *figures, enum status_figure figure,
                        const char *what) {
    char size[PRINT_SIZE];
    print_size(figures->of[figure], size);
    if (figures->known[figure])
        printf(", %s%s", size, what);
}

static void print_figures(const struct status_figures *figures) {
    print_count(figures, FIGURE_IMAGES, "image", "images");
    print_bytes(figures, FIGURE_BYTES, "");
    print_bytes(figures, FIGURE_FREE, " free");
    print_count(figures, FIGURE_SHARES, "share", "shares");
    print_count(figures, FIGURE_ENTRIES, "log entry", "log entries");
    if (figures->of[FIGURE_MOVING] > 0)
        print_count(figures, FIGURE_MOVING, "slot moving", "slots moving");
    if (figures->of[FIGURE_FAILED] > 0)
        print_count(figures, FIGURE_FAILED, "part not mended", "parts not mended");
    if (figures->of[FIGURE_LOG_DAMAGED] > 0)
        fputs(", ACCESS LOG DAMAGED", stdout);
}

/* The names of the key servers that hold the user's shares, as `shares show` has them. */
static json_t *own_holders_json(struct session *session, unsigned *out_t) {
    struct holders holders;
    json_t *names = json_array();
    session_own_holders(session, out_t, &holders);
    for (unsigned i = 0; i < session->m; i++)
        if (holders_has(&holders, i + 1))
            json_array_append_new(names,
                                  json_string(session_server(session, SESSION_KEY, i)->name));
    return names;
}

static result print_status_json(struct session *session, const struct status_server servers[]) {
    json_t *list = json_array();
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE) + session->m; i++) {
        const struct status_server *server = &servers[i];
        bool well = server->answer.code == OK;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:o, s:o}", "name",
                                              server->server->name, "role", role_name(server->role),
                                              "address", server->server->address, "well", well,
                                              "time_ms", (json_int_t)server->time_ms, "detail",
                                              print_json_text(well ? "" : server->answer.text),
                                              "figures", figures_json(&server->figures)));
    }
    unsigned t;
    json_t *holders = own_holders_json(session, &t);
    const Myelin__System *system = session->description.system;
    return print_json(json_pack("{s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:o, s:o}", "system",
                                session->description.id, "version", (json_int_t)system->version,
                                "n", (int)session->n, "k", (int)session->k, "m", (int)session->m,
                                "t", (int)session->t, "threshold", (int)t, "holders", holders,
                                "servers", list));
}

/* Why it is not well, without the "NAME (ADDRESS): " that begins its line already. */
static const char *without_name(const struct status_server *server) {
    const char *text = server->answer.text, *rest = strstr(text, "): ");
    size_t len = strlen(server->server->name);
    return rest != NULL && strncmp(text, server->server->name, len) == 0 ? rest + 3 : text;
}

static void print_status(struct session *session, const struct status_server servers[]) {
    unsigned t;
    struct holders holders;
    session_own_holders(session, &t, &holders);
    printf("system %s: any %u of %u storage servers, for %s any %u of %zu key servers\n",
           session->description.id, session->k, session->n, session->user, t, holders.count);
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE) + session->m; i++) {
        const struct status_server *server = &servers[i];
        printf("%-12s %-22s ", server->server->name, server->server->address);
        if (server->answer.code == OK) {
            printf("well, %llu ms", (unsigned long long)server->time_ms);
            print_figures(&server->figures);
        } else {
            print_safe(stdout, without_name(server));
        }
        putchar('\n');
    }
}

result command_status(struct cli *cli) {
    TRY(cli_start(cli));
    static struct status_server servers[2 * FORMAT_SERVERS_MAX];
    result asked = flow_status(cli->session, servers);
    if (asked != OK && asked != QUORUM)
        return asked;
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    if (cli->json)
        TRY(print_status_json(cli->session, servers));
    else
        print_status(cli->session, servers);
    return asked == OK ? OK : FAIL(asked, "%s", why);
}
