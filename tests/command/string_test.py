# SPDX-License-Identifier: BSD-3-Clause
"""Strings: GET, SET and their family."""
import time

import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

INT_MAX, INT_MIN = (1 << 63) - 1, -(1 << 63)
NOT_INTEGER = Error('ERR value is not an integer or out of range')
NOT_FLOAT = Error('ERR value is not a valid float')
SYNTAX = Error('ERR syntax error')
OVERFLOW = Error('ERR increment or decrement would overflow')


def now_ms():
    return int(time.time() * 1000)


def test_get_returns_what_set_stored(client):
    assert client('SET', 'k', 'v') == 'OK'
    assert client('GET', 'k') == b'v'


def test_get_of_a_missing_key_is_null(client, client3):
    assert client('GET', 'k') is None
    assert client.raw() == b'$-1\r\n'
    assert client3('GET', 'k') is None
    assert client3.raw() == b'_\r\n'


@pytest.mark.parametrize('value', [b'', b'\x00', bytes(range(256)), b'a\r\nb', b'12', b'-0', b'x' * 44, b'x' * 45, b'y' * 100000])
def test_any_bytes_are_a_value_and_a_key(client, value):
    client('SET', value, value)
    assert client('GET', value) == value
    assert client('STRLEN', value) == len(value)


def test_a_large_value_comes_back_whole(client):
    value = bytes(range(256)) * 4096 * 8
    assert client('SET', 'k', value) == 'OK'
    assert client('GET', 'k') == value
    assert client('GETRANGE', 'k', 1000000, 1000002) == value[1000000:1000003]


def test_set_replaces_value_and_expiry(client):
    client('SET', 'k', 'a', 'EX', 1000)
    client('SET', 'k', 'b')
    assert client('TTL', 'k') == -1


def test_set_nx_stores_only_a_new_key(client):
    assert client('SET', 'k', 'a', 'NX') == 'OK'
    assert client('SET', 'k', 'b', 'NX') is None
    assert client('GET', 'k') == b'a'


def test_set_xx_stores_only_over_an_old_key(client):
    assert client('SET', 'k', 'a', 'XX') is None
    assert client('EXISTS', 'k') == 0
    client('SET', 'k', 'a')
    assert client('SET', 'k', 'b', 'xx') == 'OK'


def test_set_get_returns_the_old_value(client):
    assert client('SET', 'k', 'a', 'GET') is None
    assert client('SET', 'k', 'b', 'GET') == b'a'
    assert client('SET', 'k', 'c', 'NX', 'GET') == b'b'
    assert client('GET', 'k') == b'b'


@pytest.mark.parametrize('option, value, least, most', [('EX', 100, 98000, 100000), ('PX', 100000, 98000, 100000)])
def test_set_with_an_expiry_from_now(client, option, value, least, most):
    client('SET', 'k', 'v', option, value)
    assert least <= client('PTTL', 'k') <= most


@pytest.mark.parametrize('option, unit', [('EXAT', 1), ('PXAT', 1000)])
def test_set_with_an_absolute_expiry(client, option, unit):
    at = (int(time.time()) + 1000) * unit
    client('SET', 'k', 'v', option, at)
    assert client('PEXPIRETIME', 'k') == at * (1000 // unit)


def test_set_with_a_past_expiry_leaves_nothing(client):
    client('SET', 'k', 'v')
    assert client('SET', 'k', 'w', 'EXAT', 1) == 'OK'
    assert client('GET', 'k') is None
    assert client('EXISTS', 'k') == 0
    wait_until(lambda: client('DBSIZE') == 0, what='the key no longer being counted')


def test_set_keepttl_keeps_the_expiry(client):
    client('SET', 'k', 'a', 'EX', 1000)
    client('SET', 'k', 'b', 'KEEPTTL')
    assert 900 <= client('TTL', 'k') <= 1000


@pytest.mark.parametrize('options', [('NX', 'XX'), ('EX', 1, 'PX', 1), ('EX', 1, 'KEEPTTL'), ('EX',), ('NOPE',),
                                     ('XX', 'NX', 'GET'), ('KEEPTTL', 'PXAT', 1)])
def test_set_refuses_options_that_contradict(client, options):
    assert client('SET', 'k', 'v', *options) == SYNTAX
    assert client('EXISTS', 'k') == 0


@pytest.mark.parametrize('option', ['EX', 'PX', 'EXAT', 'PXAT'])
def test_set_refuses_times_that_make_no_sense(client, option):
    assert client('SET', 'k', 'v', option, 'soon') == NOT_INTEGER
    for value in (0, -1, INT_MIN):
        assert client('SET', 'k', 'v', option, value) == Error("ERR invalid expire time in 'set' command")
    if option != 'PXAT':
        assert client('SET', 'k', 'v', option, INT_MAX) == Error("ERR invalid expire time in 'set' command")


def test_a_key_with_an_expiry_goes_when_its_time_comes(client):
    client('SET', 'k', 'v', 'PX', 60)
    wait_until(lambda: client('GET', 'k') is None, what='expiry')
    assert client('TTL', 'k') == -2
    wait_until(lambda: client('DBSIZE') == 0, what='the key no longer being counted')


def test_setex_and_psetex_set_value_and_expiry(client):
    assert client('SETEX', 'k', 100, 'v') == 'OK' and 70 <= client('TTL', 'k') <= 100
    assert client('PSETEX', 'k', 100000, 'w') == 'OK' and client('GET', 'k') == b'w'
    assert client('SETEX', 'k', 0, 'v') == Error("ERR invalid expire time in 'setex' command")
    assert client('PSETEX', 'k', -1, 'v') == Error("ERR invalid expire time in 'psetex' command")


def test_setnx_tells_whether_it_stored(client):
    assert client('SETNX', 'k', 'a') == 1
    assert client('SETNX', 'k', 'b') == 0
    assert client('GET', 'k') == b'a'


def test_getset_and_getdel_return_the_old_value(client):
    assert client('GETSET', 'k', 'a') is None
    assert client('GETSET', 'k', 'b') == b'a'
    assert client('GETDEL', 'k') == b'b'
    assert client('GETDEL', 'k') is None


def test_getex_reads_and_changes_the_expiry(client):
    client('SET', 'k', 'v')
    assert client('GETEX', 'k') == b'v' and client('TTL', 'k') == -1
    assert client('GETEX', 'k', 'EX', 100) == b'v' and 98 <= client('TTL', 'k') <= 100
    assert client('GETEX', 'k', 'PERSIST') == b'v' and client('TTL', 'k') == -1
    assert client('GETEX', 'k', 'PXAT', 1) == b'v' and client('EXISTS', 'k') == 0
    assert client('GETEX', 'missing', 'EX', 100) is None
    assert client('GETEX', 'k', 'EX', 1, 'PERSIST') == SYNTAX


def test_mset_sets_all_and_mget_gets_all(client):
    assert client('MSET', 'a', 1, 'b', 2, 'a', 3) == 'OK'
    assert client('MGET', 'a', 'b', 'missing', 'a') == [b'3', b'2', None, b'3']
    assert client('MSET', 'a', 1, 'b') == Error("ERR wrong number of arguments for 'mset' command")


def test_mset_removes_expiries(client):
    client('SET', 'a', 1, 'EX', 100)
    client('MSET', 'a', 2)
    assert client('TTL', 'a') == -1


def test_msetnx_sets_all_or_none(client):
    assert client('MSETNX', 'a', 1, 'b', 2) == 1
    assert client('MSETNX', 'c', 3, 'a', 4) == 0
    assert client('MGET', 'a', 'b', 'c') == [b'1', b'2', None]


def test_append_makes_or_lengthens(client):
    assert client('APPEND', 'k', 'ab') == 2
    assert client('APPEND', 'k', 'cd') == 4
    assert client('APPEND', 'k', '') == 4
    assert client('GET', 'k') == b'abcd'
    client('SET', 'n', 12)
    assert client('APPEND', 'n', 3) == 3 and client('INCR', 'n') == 124


def test_append_keeps_the_expiry(client):
    client('SET', 'k', 'a', 'EX', 100)
    client('APPEND', 'k', 'b')
    assert client('TTL', 'k') > 0


@pytest.mark.parametrize('start, end, part', [(0, 3, b'This'), (-3, -1, b'ing'), (0, -1, b'This is a string'), (10, 100, b'string'),
                                              (5, 3, b''), (-1, -5, b''), (-100, 3, b'This'), (100, 200, b''), 
                                              (0, INT_MAX, b'This is a string'), (INT_MIN, INT_MAX, b'This is a string')])
def test_getrange_clamps_indexes(client, start, end, part):
    client('SET', 'k', 'This is a string')
    assert client('GETRANGE', 'k', start, end) == part
    assert client('SUBSTR', 'k', start, end) == client('GETRANGE', 'k', start, end)


def test_getrange_of_an_integer_works_on_its_text(client):
    client('SET', 'k', 12345)
    assert client('GETRANGE', 'k', 1, 2) == b'23'
    assert client('GETRANGE', 'missing', 0, -1) == b''
    assert client('GETRANGE', 'k', 'a', 1) == NOT_INTEGER


def test_setrange_overwrites_and_pads_with_zeros(client):
    client('SET', 'k', 'Hello World')
    assert client('SETRANGE', 'k', 6, 'Redis') == 11
    assert client('GET', 'k') == b'Hello Redis'
    assert client('SETRANGE', 'new', 3, 'x') == 4
    assert client('GET', 'new') == b'\0\0\0x'
    assert client('SETRANGE', 'none', 5, '') == 0
    assert client('EXISTS', 'none') == 0


def test_setrange_keeps_the_expiry(client):
    client('SET', 'k', 'abc', 'EX', 100)
    client('SETRANGE', 'k', 1, 'X')
    assert client('GET', 'k') == b'aXc' and client('TTL', 'k') > 0


def test_setrange_refuses_what_is_too_long(client):
    assert client('SETRANGE', 'k', -1, 'x') == Error('ERR offset is out of range')
    for offset in (536870912, INT_MAX, INT_MAX - 1):
        assert client('SETRANGE', 'k', offset, 'x') == Error(
            'ERR string exceeds maximum allowed size (proto-max-bulk-len)')
    assert client('EXISTS', 'k') == 0


def test_counters_count(client):
    assert client('INCR', 'n') == 1
    assert client('INCRBY', 'n', 41) == 42
    assert client('DECR', 'n') == 41
    assert client('DECRBY', 'n', 50) == -9
    assert client('GET', 'n') == b'-9'
    assert client('OBJECT', 'ENCODING', 'n') == b'int'


def test_counters_keep_the_expiry(client):
    client('SET', 'n', 1, 'EX', 100)
    client('INCR', 'n')
    assert client('TTL', 'n') > 0


def test_counters_refuse_to_overflow(client):
    client('SET', 'n', INT_MAX)
    assert client('INCR', 'n') == OVERFLOW
    assert client('GET', 'n') == str(INT_MAX).encode()
    client('SET', 'n', INT_MIN)
    assert client('DECR', 'n') == OVERFLOW
    assert client('INCRBY', 'n', -1) == OVERFLOW
    assert client('DECRBY', 'n', INT_MIN) == Error('ERR decrement would overflow')


@pytest.mark.parametrize('value', ['', 'abc', ' 1', '1 ', '01', '+1', '-0', '1.5', str(INT_MAX + 1), '1\x00'])
def test_counters_refuse_what_is_not_an_integer(client, value):
    client('SET', 'n', value)
    assert client('INCR', 'n') == NOT_INTEGER
    assert client('INCRBY', 'm', value) == NOT_INTEGER
    assert client('EXISTS', 'm') == 0


@pytest.mark.parametrize('start, by, result', [('10.50', '0.1', b'10.6'), ('5.0e3', '2.0e2', b'5200'), ('3', '1.5', b'4.5'), ('0', '-0.5', b'-0.5'),
                                               ('1', '-1', b'0'), ('3.0', '1.1', b'4.1')])
def test_incrbyfloat_adds_decimals_as_people_expect(client, start, by, result):
    client('SET', 'k', start)
    assert client('INCRBYFLOAT', 'k', by) == result
    assert client('GET', 'k') == result


def test_incrbyfloat_refuses_what_is_not_a_finite_number(client):
    client('SET', 'k', 'abc')
    assert client('INCRBYFLOAT', 'k', 1) == NOT_FLOAT
    assert client('INCRBYFLOAT', 'n', 'abc') == NOT_FLOAT
    client('SET', 'n', 1)
    assert client('INCRBYFLOAT', 'n', 'inf') == Error('ERR increment would produce NaN or Infinity')
    assert client('GET', 'n') == b'1'


def test_lcs_finds_the_longest_common_subsequence(client, client3):
    client('MSET', 'a', 'ohmytext', 'b', 'mynewtext')
    assert client('LCS', 'a', 'b') == b'mytext'
    assert client('LCS', 'a', 'b', 'LEN') == 6
    assert client('LCS', 'a', 'b', 'IDX') == [b'matches', [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], b'len', 6]
    assert client('LCS', 'a', 'b', 'IDX', 'MINMATCHLEN', 4, 'WITHMATCHLEN') == [b'matches', [[[4, 7], [5, 8], 4]], b'len', 6]
    assert client3('LCS', 'a', 'b', 'IDX', 'MINMATCHLEN', 4) == {b'matches': [[[4, 7], [5, 8]]], b'len': 6}
    assert client('LCS', 'a', 'missing') == b''
    assert client('LCS', 'a', 'b', 'LEN', 'IDX') == Error(
        'ERR If you want both the length and indexes, please just use IDX.')


@pytest.mark.parametrize('value, encoding', [(b'1', b'int'), (b'-12', b'int'), (b'0' * 2, b'embstr'), (b'x' * 44, b'embstr'), (b'x' * 45, b'raw'),
                                             (b'', b'embstr'), (str(INT_MAX).encode(), b'int'), (str(INT_MAX + 1).encode(), b'embstr')])
def test_encodings_are_those_that_tools_expect(client, value, encoding):
    client('SET', 'k', value)
    assert client('OBJECT', 'ENCODING', 'k') == encoding


@pytest.mark.forebay_only
def test_set_ifeq_stores_only_over_an_equal_value(client):
    assert client('SET', 'k', 'b', 'IFEQ', 'a') is None
    assert client('EXISTS', 'k') == 0
    client('SET', 'k', 'a')
    assert client('SET', 'k', 'b', 'IFEQ', 'x') is None
    assert client('SET', 'k', 'b', 'IFEQ', 'a') == 'OK'
    assert client('SET', 'k', 'c', 'IFEQ', 'b', 'GET') == b'b'
    assert client('SET', 'k', 'd', 'IFEQ', 'wrong', 'GET') == b'c'
    assert client('GET', 'k') == b'c'
    assert client('SET', 'k', 'c', 'IFEQ', 'c', 'NX') == SYNTAX
    assert client('SET', 'k', 'c', 'IFEQ') == SYNTAX


@pytest.mark.forebay_only
def test_delifeq_deletes_only_an_equal_value(client):
    client('SET', 'k', 'a')
    assert client('DELIFEQ', 'k', 'b') == 0
    assert client('DELIFEQ', 'k', 'a') == 1
    assert client('DELIFEQ', 'k', 'a') == 0


@pytest.mark.forebay_only
def test_delifeq_works_on_numbers(client):
    client('SET', 'k', 12)
    assert client('DELIFEQ', 'k', '012') == 0
    assert client('DELIFEQ', 'k', '12') == 1


@pytest.mark.parametrize('words', [('GET',), ('GET', 'a', 'b'), ('SET', 'a'), ('APPEND', 'a'), ('MGET',), ('INCR',), ('LCS', 'a'),
                                   ('GETRANGE', 'a', 1), ('SETRANGE', 'a', 1), ('STRLEN',), ('GETEX',), ('INCRBYFLOAT', 'a')])
def test_a_wrong_number_of_arguments_is_told(client, words):
    assert client(*words) == Error("ERR wrong number of arguments for '%s' command" % words[0].lower())


def test_a_reply_under_way_keeps_the_value_that_it_tells(client, connect):
    """The reader is slow and the value long, so most of it is not sent yet when it is changed and freed."""
    value = b'x' * 16000000
    client('SET', 'k', value)
    slow = connect()
    slow.send('GET', 'k')
    assert slow.reader.file.peek(1)[:1] == b'$'
    assert client('SETRANGE', 'k', 0, 'y' * 100) == len(value)
    assert client('SETRANGE', 'k', len(value) - 100, 'y' * 100) == len(value)
    assert client('APPEND', 'k', 'z') == len(value) + 1
    assert client('DEL', 'k') == 1
    client('SET', 'k', b'w' * len(value))
    assert slow.read() == value
