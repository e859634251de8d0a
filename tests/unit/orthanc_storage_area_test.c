/* What the storage area refuses before it looks at a byte, by an Orthanc that is only a table of
 * services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage_area.h"

static _OrthancPluginRegisterStorageArea2 area;
static uint16_t statuses[8];
static int error_count;
static char logged[1024];

/* Gives codes from FIRST_CODE, as Orthanc does to plugins. */
enum { FIRST_CODE = 1000000 };

static OrthancPluginErrorCode serve(OrthancPluginContext *context, _OrthancPluginService service,
                                    const void *parameters) {
    (void)context;
    if (service == _OrthancPluginService_RegisterStorageArea2)
        area = *(const _OrthancPluginRegisterStorageArea2 *)parameters;
    if (service == _OrthancPluginService_RegisterErrorCode) {
        const _OrthancPluginRegisterErrorCode *code = parameters;
        *code->target = (OrthancPluginErrorCode)(FIRST_CODE + error_count);
        statuses[error_count++] = code->httpStatus;
    }
    if (service == _OrthancPluginService_LogError)
        snprintf(logged, sizeof logged, "%s", (const char *)parameters);
    return OrthancPluginErrorCode_Success;
}

static struct _OrthancPluginContext_t orthanc = {.InvokeService = serve};
static struct gateway gateway = {.orthanc = &orthanc,
                                 .config = {.attachment_bytes = (uint64_t)4095 << 20}};

static int set_up(void **state) {
    (void)state;
    storage_area_register(&gateway);
    return area.create != NULL && error_count == 2 ? 0 : -1;
}

static unsigned status_of(OrthancPluginErrorCode code) {
    int index = (int)code - FIRST_CODE;
    return index >= 0 && index < error_count ? statuses[index] : 0;
}

/* The content is one byte: a look at a second one would end this program under a sanitizer. */
static void attachments_beyond_the_limit_are_refused_unread(void **state) {
    (void)state;
    static const char uuid[] = "0fff5e7a-9f5f-41be-9e1b-8e5f4c08771b";
    const int64_t sizes[] = {((int64_t)4095 << 20) + 1, (int64_t)1 << 32, ((int64_t)1 << 32) + 1,
                             (int64_t)1 << 40, INT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *content = malloc(1);
        logged[0] = '\0';
        OrthancPluginErrorCode code =
            area.create(uuid, content, sizes[i], OrthancPluginContentType_Dicom);
        free(content);
        assert_int_equal(status_of(code), 413);
        assert_non_null(strstr(logged, "AttachmentLimitMB"));
        assert_string_equal(storage_area_last_uuid(), "");
    }
    assert_int_equal(gateway.counts.stored, 0);
}

static void a_negative_size_is_refused(void **state) {
    (void)state;
    assert_int_equal(area.create("x", "", -1, OrthancPluginContentType_Dicom),
                     OrthancPluginErrorCode_ParameterOutOfRange);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attachments_beyond_the_limit_are_refused_unread),
        cmocka_unit_test(a_negative_size_is_refused)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
