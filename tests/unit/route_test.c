/* Request targets, patterns, ranges and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "net/route.h"

static struct route_target target;

static void target_is_taken_apart_and_decoded(void **state) {
    (void)state;
    assert_int_equal(route_target_parse("/v1/us%65rs/a%20b?after=x%26y&flag&n=3", &target), OK);
    assert_int_equal(target.segment_count, 3);
    assert_string_equal(target.segments[1], "users");
    assert_string_equal(target.segments[2], "a b");
    assert_string_equal(route_query(&target, "after"), "x&y");
    assert_string_equal(route_query(&target, "flag"), "");
    assert_string_equal(route_query(&target, "n"), "3");
    assert_null(route_query(&target, "m"));
}

static void bad_targets_are_invalid(void **state) {
    static const char *const bad[] = {
        "",
        "v1",
        "*",
        "/a/",
        "//a",
        "/a//b",
        "/a%2",
        "/a%",
        "/a%zz",
        "/a%00b",
        "/a%2fb",
        "/a/../b",
        "/a/%2e%2E",
        "/./a",
        "/a?x=1&x=2",
        "/a?x=%0a",
        "/a\x7f",
        "/a?b=%1",
        "http://h/a",
        "/a?n=1&n",
        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
        "/a?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (route_target_parse(bad[i], &target) != INVALID)
            fail_msg("'%s' was taken", bad[i]);
}

static void length_of_a_target_is_bounded(void **state) {
    (void)state;
    char text[ROUTE_TARGET_MAX + 2];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    text[ROUTE_TARGET_MAX] = '\0';
    assert_int_equal(route_target_parse(text, &target), OK);
    assert_int_equal(strlen(target.segments[0]), ROUTE_TARGET_MAX - 1);
    text[ROUTE_TARGET_MAX] = 'a';
    text[ROUTE_TARGET_MAX + 1] = '\0';
    assert_int_equal(route_target_parse(text, &target), INVALID);
    /* The most strings that a target of full length can hold. */
    snprintf(text, sizeof text, "/b?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&");
    size_t len = strlen(text);
    memset(text + len, 'c', sizeof text - len);
    text[ROUTE_TARGET_MAX] = '\0';
    assert_int_equal(route_target_parse(text, &target), OK);
    assert_int_equal(strlen(target.query[15].name), ROUTE_TARGET_MAX - len);
}

static void patterns_match_segment_for_segment(void **state) {
    static const char pattern[] = "/v1/images/{image}/puts/{put}";
    (void)state;
    assert_int_equal(route_target_parse("/v1/images/00/puts/11", &target), OK);
    assert_true(route_matches(pattern, &target));
    assert_string_equal(route_param(pattern, &target, "image"), "00");
    assert_string_equal(route_param(pattern, &target, "put"), "11");
    assert_null(route_param(pattern, &target, "im"));
    assert_null(route_param(pattern, &target, "puts"));
    assert_false(route_matches("/v1/images/{image}", &target));
    assert_false(route_matches("/v1/images/{image}/puts/{put}/prepare", &target));
    assert_false(route_matches("/v1/images/{image}/put/{put}", &target));
    assert_false(route_matches("/v1/images/{image}/putss/{put}", &target));
    assert_false(route_matches("/", &target));
    assert_int_equal(route_target_parse("/", &target), OK);
    assert_true(route_matches("/", &target));
    assert_false(route_matches("/v1", &target));
}

static void check_range(const char *header, uint64_t total, enum route_range kind, uint64_t offset,
                        uint64_t length) {
    uint64_t out_offset = 77;
    uint64_t out_length = 77;
    if (route_range_parse(header, total, &out_offset, &out_length) != kind)
        fail_msg("%s of %llu", header, (unsigned long long)total);
    if (kind == ROUTE_RANGE_UNSATISFIABLE)
        return;
    assert_int_equal(out_offset, offset);
    assert_int_equal(out_length, length);
}

static void ranges_follow_the_rfc(void **state) {
    (void)state;
    check_range("bytes=0-9", 100, ROUTE_RANGE_PART, 0, 10);
    check_range("bytes=90-", 100, ROUTE_RANGE_PART, 90, 10);
    check_range("bytes=90-500", 100, ROUTE_RANGE_PART, 90, 10);
    check_range("bytes=-10", 100, ROUTE_RANGE_PART, 90, 10);
    check_range("bytes=-500", 100, ROUTE_RANGE_PART, 0, 100);
    check_range("bytes=99-99", 100, ROUTE_RANGE_PART, 99, 1);
    check_range("bytes=100-", 100, ROUTE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=0-0", 0, ROUTE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=-0", 100, ROUTE_RANGE_UNSATISFIABLE, 0, 0);
    check_range(NULL, 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=0-1,4-5", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=5-4", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=-", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes= 1-2", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=1-2x", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("lines=1-2", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=0-18446744073709551615", 100, ROUTE_RANGE_PART, 0, 100);
    check_range("bytes=0-18446744073709551616", 100, ROUTE_RANGE_WHOLE, 0, 100);
    check_range("bytes=18446744073709551614-", UINT64_MAX, ROUTE_RANGE_PART, UINT64_MAX - 1, 1);
}

static void numbers_are_bounded(void **state) {
    uint64_t number = 0;
    (void)state;
    assert_int_equal(route_number("18446744073709551615", &number), OK);
    assert_true(number == UINT64_MAX);
    assert_int_equal(route_number("18446744073709551616", &number), INVALID);
    assert_int_equal(route_number("", &number), INVALID);
    assert_int_equal(route_number("-1", &number), INVALID);
    assert_int_equal(route_number("1 ", &number), INVALID);
}

static void addresses_are_host_and_port(void **state) {
    static const char *const bad[] = {"",      "host",       ":1",          "host:", "host:x",
                                      "::1:5", "[::1]",      "[::1:5",      "[]:5",  "[host]:5",
                                      "a:b:1", "host:65536", "host:999999", "a/b:1", "h]:1"};
    struct address address;
    (void)state;
    assert_int_equal(address_parse("server.example:4001", &address), OK);
    assert_string_equal(address.host, "server.example");
    assert_string_equal(address.port, "4001");
    assert_false(address.is_ipv6);
    assert_int_equal(address_parse("[::1]:0", &address), OK);
    assert_string_equal(address.host, "::1");
    assert_true(address.is_ipv6);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (address_parse(bad[i], &address) != INVALID)
            fail_msg("'%s' was taken", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_is_taken_apart_and_decoded),
        cmocka_unit_test(bad_targets_are_invalid),
        cmocka_unit_test(length_of_a_target_is_bounded),
        cmocka_unit_test(patterns_match_segment_for_segment),
        cmocka_unit_test(ranges_follow_the_rfc),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(addresses_are_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
