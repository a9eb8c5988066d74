/* proto/errcode against PROTOCOL.md's tables, code by code. */
#include <check.h>
#include <limits.h>

#include "base/util.h"
#include "proto/errcode.h"

static const int any_context[] = {ERRCODE_CREATE, ERRCODE_BIND, ERRCODE_END};

static void expect(const int *codes, size_t n, enum errcode_verdict verdict)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < ARRAY_LENGTH(any_context); c++)
            ck_assert_msg(errcode_session((enum errcode_context)any_context[c], codes[i]) == verdict,
                          "code %d in context %d", codes[i], any_context[c]);
}

START_TEST(session_codes)
{
    static const int anew[] = {4, 20, 41, 32, 33, 34};
    static const int affinity[] = {3, 21};
    static const int refused[] = {1, 2, 11, 31, 35, 40, 64, 65, 66, 67, 70, 71, 0, -1, -100, INT_MIN};
    static const int now[] = {48};
    expect(anew, ARRAY_LENGTH(anew), ERRCODE_ANEW);
    expect(affinity, ARRAY_LENGTH(affinity), ERRCODE_AFFINITY);
    expect(refused, ARRAY_LENGTH(refused), ERRCODE_REFUSED);
    expect(now, ARRAY_LENGTH(now), ERRCODE_ANEW_NOW);
}
END_TEST

/* What may pass is the same request again; after END there is nothing to ask again but a new session. */
START_TEST(passing_codes)
{
    static const int passing[] = {5, 6, 7, 8, 9, 10, 68, 12, 60, 69, 4711, INT_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(passing); i++) {
        ck_assert_int_eq(errcode_session(ERRCODE_CREATE, passing[i]), ERRCODE_RETRY);
        ck_assert_int_eq(errcode_session(ERRCODE_BIND, passing[i]), ERRCODE_RETRY);
        ck_assert_int_eq(errcode_session(ERRCODE_END, passing[i]), ERRCODE_ANEW);
    }
}
END_TEST

START_TEST(request_codes)
{
    static const int failed[] = {13, 15, 16, 17, 19, 21, 22, 23, 24, 25,
                                 26, 27, 28, 29, 30, 65, 67, 0,  -5, 999};
    for (size_t i = 0; i < ARRAY_LENGTH(failed); i++)
        ck_assert_int_eq(errcode_request(failed[i]), ERRCODE_ADD_FAILED);
    ck_assert_int_eq(errcode_request(20), ERRCODE_ADD_SESSION_LOST);
    ck_assert_int_eq(errcode_request(11), ERRCODE_ADD_WRONG_NODE);
    ck_assert_int_eq(errcode_request(66), ERRCODE_ADD_AGAIN);
    ck_assert_int_eq(errcode_request(68), ERRCODE_ADD_AGAIN);
}
END_TEST

START_TEST(http_statuses)
{
    static const int retry[] = {408, 429, 500, 502, 503, 504, 599, 204};
    static const int refused[] = {301, 302, 307, 400, 401, 403, 404, 407, 410};
    for (size_t i = 0; i < ARRAY_LENGTH(retry); i++)
        ck_assert_int_eq(errcode_http(retry[i]), ERRCODE_RETRY);
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        ck_assert_int_eq(errcode_http(refused[i]), ERRCODE_REFUSED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("errcode");
    TCase *c = tcase_create("errcode");
    tcase_add_test(c, session_codes);
    tcase_add_test(c, passing_codes);
    tcase_add_test(c, request_codes);
    tcase_add_test(c, http_statuses);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
