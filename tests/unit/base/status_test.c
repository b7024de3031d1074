/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int status = STATUS_OK; status <= STATUS_CLOSED; status++)
        assert_string_not_equal(status_text((enum status)status), "unknown status");
    assert_string_equal(status_text((enum status)99), "unknown status");
}

static void a_full_disk_is_told_from_a_broken_one(void **state)
{
    (void)state;
    assert_int_equal(status_from_errno(ENOSPC), STATUS_NO_SPACE);
    assert_int_equal(status_from_errno(EDQUOT), STATUS_NO_SPACE);
    assert_int_equal(status_from_errno(EIO), STATUS_IO);
    assert_int_equal(status_from_errno(EROFS), STATUS_IO);
    assert_int_equal(status_from_errno(ENOENT), STATUS_NOT_FOUND);
    assert_int_equal(status_from_errno(0), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text),
        cmocka_unit_test(a_full_disk_is_told_from_a_broken_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
