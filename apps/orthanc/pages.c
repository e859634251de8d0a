#include "pages.h"

#include <string.h>

static const struct gateway *gateway;

/* Nothing of another origin, nothing inline, no frames around it but Orthanc's own. */
#define POLICY(images)                                                                             \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'" images               \
    "; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "               \
    "frame-ancestors 'self'"

/* The decoders of compressed pixels are WebAssembly and make small functions from text. They run in
 * a worker, which has neither the page nor its document. */
#define WORKER_POLICY                                                                              \
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; connect-src 'self'"

static bool ends_with(const char *name, const char *end) {
    size_t name_len = strlen(name), end_len = strlen(end);
    return name_len >= end_len && strcmp(name + name_len - end_len, end) == 0;
}

const struct pages_file *pages_find(const char *name) {
    for (const struct pages_file *file = pages_files; file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

const char *pages_type(const char *name) {
    static const struct {
        const char *end, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".wasm", "application/wasm"},
                 {".svg", "image/svg+xml"},
                 {".txt", "text/plain; charset=utf-8"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (ends_with(name, types[i].end))
            return types[i].type;
    return NULL;
}

const char *pages_policy(const char *name) {
    if (ends_with(name, ".worker.js"))
        return WORKER_POLICY;
    /* The browser itself decodes JPEG, from where the loader puts it. */
    return strcmp(name, "viewer.html") == 0 ? POLICY(" data:") : POLICY("");
}

static void set_headers(OrthancPluginRestOutput *output, const char *name) {
    static const char cached[] = "private, max-age=3600";
    OrthancPluginContext *orthanc = gateway->orthanc;
    OrthancPluginSetHttpHeader(orthanc, output, "Content-Security-Policy", pages_policy(name));
    OrthancPluginSetHttpHeader(orthanc, output, "X-Content-Type-Options", "nosniff");
    OrthancPluginSetHttpHeader(orthanc, output, "Referrer-Policy", "same-origin");
    /* The libraries are of one version; the pages change with the plugin. */
    bool is_library =
        ends_with(name, ".min.js") || ends_with(name, ".worker.js") || ends_with(name, ".wasm");
    OrthancPluginSetHttpHeader(orthanc, output, "Cache-Control", is_library ? cached : "no-cache");
}

static OrthancPluginErrorCode on_page(OrthancPluginRestOutput *output, const char *url,
                                      const OrthancPluginHttpRequest *request) {
    (void)url;
    const struct pages_file *file =
        request->groupsCount == 1 ? pages_find(request->groups[0]) : NULL;
    if (file == NULL || pages_type(file->name) == NULL)
        return OrthancPluginErrorCode_UnknownResource;
    if (request->method != OrthancPluginHttpMethod_Get) {
        OrthancPluginSendMethodNotAllowed(gateway->orthanc, output, "GET");
        return OrthancPluginErrorCode_Success;
    }
    set_headers(output, file->name);
    OrthancPluginAnswerBuffer(gateway->orthanc, output, file->data,
                              (uint32_t)(file->end - file->data), pages_type(file->name));
    return OrthancPluginErrorCode_Success;
}

void pages_register(struct gateway *its_gateway) {
    gateway = its_gateway;
    OrthancPluginRegisterRestCallbackNoLock(gateway->orthanc, "/myelin/pages/([a-zA-Z0-9.-]+)",
                                            on_page);
    const struct pages_file *explorer = pages_find("explorer.js");
    if (explorer != NULL)
        OrthancPluginExtendOrthancExplorer(gateway->orthanc, explorer->data);
}
