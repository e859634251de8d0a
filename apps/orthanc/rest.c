#include "rest.h"

#include <stdio.h>
#include <string.h>

#include "caller.h"
#include "rest_routes.h"
#include "roomy.h"

static struct gateway *gateway;

/* One request on its way through a route. */
struct serving {
    const struct rest_route *route;
    struct rest_request request;
    json_t *answer;
};

static result serve(void *context) {
    struct serving *serving = context;
    result served = serving->route->serve(gateway, &serving->request, &serving->answer);
    gateway_log_warnings(gateway);
    return served;
}

static void answer_json(OrthancPluginRestOutput *output, unsigned status, const json_t *answer) {
    char *text = json_dumps(answer, JSON_INDENT(1) | JSON_ENCODE_ANY);
    if (text == NULL) {
        OrthancPluginSendHttpStatusCode(gateway->orthanc, output, 500);
        return;
    }
    OrthancPluginSetHttpHeader(gateway->orthanc, output, "X-Content-Type-Options", "nosniff");
    if (status == 200) {
        OrthancPluginAnswerBuffer(gateway->orthanc, output, text, (uint32_t)strlen(text),
                                  "application/json");
    } else {
        OrthancPluginSetHttpHeader(gateway->orthanc, output, "Content-Type", "application/json");
        OrthancPluginSendHttpStatus(gateway->orthanc, output, (uint16_t)status, text,
                                    (uint32_t)strlen(text));
    }
    free(text);
}

static void answer_error(OrthancPluginRestOutput *output, result code) {
    AUTO_JSON json_t *answer = json_pack("{s:s, s:o}", "Error", result_name(code), "Message",
                                         orthanc_json_text(error_text()));
    answer_json(output, result_http_status(code), answer);
}

/* A form on a foreign page cannot send JSON without the browser asking Orthanc first. */
static result parse_body(const OrthancPluginHttpRequest *request, json_t **out_body) {
    const char *type = caller_header(request, "content-type");
    if (type == NULL || strncmp(type, "application/json", strlen("application/json")) != 0)
        return FAIL(INVALID, "the body is to be JSON, with Content-Type: application/json");
    *out_body = json_loadb(request->body, request->bodySize, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*out_body))
        return FAIL(INVALID, "the body is to be a JSON object");
    return OK;
}

static result prepare(const OrthancPluginHttpRequest *http, struct serving *serving) {
    const struct rest_route *route = serving->route;
    TRY(caller_check(&gateway->config, http, route->right));
    serving->request.http = http;
    return route->method == OrthancPluginHttpMethod_Post ? parse_body(http, &serving->request.body)
                                                         : OK;
}

static const struct rest_route *find_route(const char *url) {
    const char *name = strrchr(url, '/');
    for (const struct rest_route *route = rest_routes; route->name != NULL && name != NULL; route++)
        if (strcmp(name + 1, route->name) == 0)
            return route;
    return NULL;
}

static OrthancPluginErrorCode on_request(OrthancPluginRestOutput *output, const char *url,
                                         const OrthancPluginHttpRequest *http) {
    struct serving serving = {.route = find_route(url)};
    if (serving.route == NULL)
        return OrthancPluginErrorCode_UnknownResource;
    if (http->method != serving.route->method) {
        OrthancPluginSendMethodNotAllowed(
            gateway->orthanc, output,
            serving.route->method == OrthancPluginHttpMethod_Post ? "POST" : "GET");
        return OrthancPluginErrorCode_Success;
    }
    result served = prepare(http, &serving);
    if (served == OK)
        served = roomy_call(serve, &serving);
    if (served == OK)
        answer_json(output, 200, serving.answer);
    else
        answer_error(output, served);
    json_decref(serving.request.body);
    json_decref(serving.answer);
    return OrthancPluginErrorCode_Success;
}

void rest_register(struct gateway *its_gateway) {
    gateway = its_gateway;
    for (const struct rest_route *route = rest_routes; route->name != NULL; route++) {
        char path[64];
        snprintf(path, sizeof path, "/myelin/%s", route->name);
        OrthancPluginRegisterRestCallbackNoLock(gateway->orthanc, path, on_request);
    }
}
