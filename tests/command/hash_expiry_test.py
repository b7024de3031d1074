# SPDX-License-Identifier: BSD-3-Clause
"""Fields that expire: HEXPIRE, HTTL and their kin, which the reference of version 7.0 does not have."""
import time

import pytest

from tests.lib import payload
from tests.lib.resp import Error
from tests.lib.server import wait_until

pytestmark = pytest.mark.forebay_only

WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
SYNTAX = Error('ERR syntax error')


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture(params=[5, 2000])
def size(client, request):
    """A hash of so many fields f0, f1, ... at the key h."""
    client('HSET', 'h', *[word for i in range(request.param) for word in ('f%d' % i, i)])
    return request.param


def test_a_field_expires_and_its_hash_stays(client, size):
    assert client('HPEXPIRE', 'h', 30, 'FIELDS', 2, 'f1', 'f3') == [1, 1]
    wait_until(lambda: client('HGET', 'h', 'f1') is None)
    assert client('HMGET', 'h', 'f0', 'f1', 'f3', 'f4') == [b'0', None, None, b'4']
    assert client('HEXISTS', 'h', 'f3') == 0 and client('HSTRLEN', 'h', 'f3') == 0
    wait_until(lambda: client('HLEN', 'h') == size - 2)
    assert len(client('HKEYS', 'h')) == len(client('HVALS', 'h')) == size - 2
    assert b'f1' not in client('HGETALL', 'h')
    assert b'f1' not in client('HRANDFIELD', 'h', -1000)
    assert client('HDEL', 'h', 'f1') == 0
    assert client('HSET', 'h', 'f1', 'again') == 1
    assert client('HTTL', 'h', 'FIELDS', 1, 'f1') == [-1]


def test_a_hash_goes_with_its_last_field(client):
    client('HSET', 'h', 'a', 1, 'b', 2)
    client('HPEXPIRE', 'h', 20, 'FIELDS', 2, 'a', 'b')
    wait_until(lambda: client('HLEN', 'h') == 0)
    assert client('EXISTS', 'h') == 0


def expired_subkeys(client):
    return int(client('INFO', 'stats').split(b'expired_subkeys:')[1].split(b'\r')[0])


def test_fields_expire_by_themselves(client, size):
    before = expired_subkeys(client)
    client('HPEXPIRE', 'h', 30, 'FIELDS', 2, 'f1', 'f3')
    client('HPEXPIRE', 'h', 100000, 'FIELDS', 1, 'f0')
    wait_until(lambda: expired_subkeys(client) == before + 2)
    assert client('HLEN', 'h') == size - 2


def test_a_hash_goes_by_itself_with_its_last_field(client):
    client('HSET', 'h', 'a', 1, 'b', 2)
    client('HPEXPIRE', 'h', 20, 'FIELDS', 2, 'a', 'b')
    wait_until(lambda: client('DBSIZE') == 0)


def test_many_fields_leave_in_steps(client):
    for begin in range(0, 3000, 100):
        client('HSET', 'h', *[word for i in range(begin, begin + 100) for word in ('f%d' % i, i)])
    for begin in range(0, 3000, 100):
        client('HPEXPIRE', 'h', 50, 'FIELDS', 100, *['f%d' % i for i in range(begin, begin + 100)])
    client('HSET', 'h', 'stays', 1)
    wait_until(lambda: client('HLEN', 'h') == 1)
    assert client('HGETALL', 'h') == [b'stays', b'1']


def test_small_hashes_with_times_are_listpacks_of_three(client):
    client('HSET', 'h', 'a', 1, 'b', 2)
    client('HEXPIRE', 'h', 100, 'FIELDS', 1, 'b')
    assert client('OBJECT', 'ENCODING', 'h') == b'listpackex'
    assert payload.body(client('DUMP', 'h'))[:1] == b'\x19'
    client('HPERSIST', 'h', 'FIELDS', 1, 'b')
    assert payload.body(client('DUMP', 'h'))[:1] == b'\x10'
    client('HEXPIRE', 'h', 100, 'FIELDS', 1, 'b')
    client('HSET', 'h', 'c', 'x' * 65)
    assert client('OBJECT', 'ENCODING', 'h') == b'hashtable'
    assert client('HGETALL', 'h').count(b'x' * 65) == 1 and client('HTTL', 'h', 'FIELDS', 1, 'b')[0] > 0
    assert payload.body(client('DUMP', 'h'))[:1] == b'\x18'


def test_hscan_passes_over_what_has_expired(client, size):
    client('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    try:
        client('HPEXPIRE', 'h', 1, 'FIELDS', 1, 'f1')
        wait_until(lambda: client('HGET', 'h', 'f1') is None)
        cursor, seen = b'0', []
        while True:
            cursor, page = client('HSCAN', 'h', cursor, 'COUNT', 500)
            seen += page[::2]
            if cursor == b'0':
                break
        assert b'f1' not in seen and len(set(seen)) == size - 1
    finally:
        client('DEBUG', 'SET-ACTIVE-EXPIRE', 1)


def test_times_are_told_in_all_units(client, size):
    at = now_ms() // 1000 + 1000
    assert client('HEXPIREAT', 'h', at, 'FIELDS', 1, 'f0') == [1]
    assert client('HEXPIRETIME', 'h', 'FIELDS', 3, 'f0', 'f1', 'nothing') == [at, -1, -2]
    assert client('HPEXPIRETIME', 'h', 'FIELDS', 1, 'f0') == [at * 1000]
    assert 900 < client('HTTL', 'h', 'FIELDS', 1, 'f0')[0] <= 1000
    assert 900000 < client('HPTTL', 'h', 'FIELDS', 1, 'f0')[0] <= 1000000
    assert client('HPEXPIREAT', 'h', at * 1000 + 5, 'FIELDS', 1, 'f0') == [1]
    assert client('HPEXPIRETIME', 'h', 'FIELDS', 1, 'f0') == [at * 1000 + 5]
    assert client('HEXPIRE', 'h', 50, 'FIELDS', 1, 'f0') == [1]
    assert 0 < client('HTTL', 'h', 'FIELDS', 1, 'f0')[0] <= 50


def test_a_time_that_has_passed_deletes(client, size):
    assert client('HPEXPIREAT', 'h', 1, 'FIELDS', 2, 'f0', 'nothing') == [2, -2]
    assert client('HEXPIRE', 'h', 0, 'FIELDS', 1, 'f1') == [2]
    assert client('HLEN', 'h') == size - 2


def test_conditions_compare_times(client, size):
    def expire(seconds, *condition):
        return client('HEXPIRE', 'h', seconds, *condition, 'FIELDS', 1, 'f0')[0]
    assert expire(100, 'XX') == 0 and expire(100, 'GT') == 0
    assert expire(100, 'NX') == 1 and expire(100, 'NX') == 0
    assert expire(200, 'GT') == 1 and expire(150, 'GT') == 0
    assert expire(100, 'LT') == 1 and expire(150, 'LT') == 0
    assert expire(300, 'XX') == 1
    assert client('HEXPIRE', 'h', 10, 'LT', 'FIELDS', 1, 'f1') == [1]


def test_an_expiry_can_be_ended(client, size):
    client('HEXPIRE', 'h', 100, 'FIELDS', 2, 'f0', 'f1')
    assert client('HPERSIST', 'h', 'FIELDS', 3, 'f0', 'f2', 'nothing') == [1, -1, -2]
    client('HSET', 'h', 'f1', 'new')
    assert client('HTTL', 'h', 'FIELDS', 2, 'f0', 'f1') == [-1, -1]


def test_increments_keep_the_expiry(client, size):
    client('HEXPIRE', 'h', 100, 'FIELDS', 2, 'f0', 'f1')
    client('HINCRBY', 'h', 'f0', 1000)
    client('HINCRBYFLOAT', 'h', 'f1', 0.5)
    assert min(client('HTTL', 'h', 'FIELDS', 2, 'f0', 'f1')) > 0


def test_hgetdel_returns_and_deletes(client, size):
    assert client('HGETDEL', 'h', 'FIELDS', 3, 'f0', 'nothing', 'f0') == [b'0', None, None]
    assert client('HLEN', 'h') == size - 1
    client('HSET', 'one', 'a', 1)
    assert client('HGETDEL', 'one', 'FIELDS', 1, 'a') == [b'1']
    assert client('EXISTS', 'one') == 0


def test_hgetex_returns_and_sets_times(client, size):
    assert client('HGETEX', 'h', 'EX', 100, 'FIELDS', 2, 'f0', 'nothing') == [b'0', None]
    assert client('HGETEX', 'h', 'FIELDS', 1, 'f0') == [b'0']
    assert client('HTTL', 'h', 'FIELDS', 1, 'f0')[0] > 0
    assert client('HGETEX', 'h', 'PERSIST', 'FIELDS', 1, 'f0') == [b'0']
    assert client('HTTL', 'h', 'FIELDS', 1, 'f0') == [-1]
    assert client('HGETEX', 'h', 'PXAT', 1, 'FIELDS', 1, 'f0') == [b'0']
    assert client('HEXISTS', 'h', 'f0') == 0


def test_hsetex_stores_with_a_time(client, size):
    assert client('HSETEX', 'h', 'EX', 100, 'FIELDS', 2, 'f0', 'a', 'new', 'b') == 1
    assert min(client('HTTL', 'h', 'FIELDS', 2, 'f0', 'new')) > 0
    assert client('HSETEX', 'h', 'FNX', 'FIELDS', 2, 'f0', 'x', 'newer', 'y') == 0
    assert client('HSETEX', 'h', 'FXX', 'KEEPTTL', 'FIELDS', 1, 'f0', 'c') == 1
    assert client('HGET', 'h', 'f0') == b'c' and client('HTTL', 'h', 'FIELDS', 1, 'f0')[0] > 0
    assert client('HSETEX', 'h', 'FIELDS', 1, 'f0', 'd') == 1
    assert client('HTTL', 'h', 'FIELDS', 1, 'f0') == [-1]
    assert client('HSETEX', 'fresh', 'PX', 100000, 'FIELDS', 1, 'a', 'b') == 1
    assert client('HGETALL', 'fresh') == [b'a', b'b']


def test_times_survive_copies_and_payloads(client, size):
    at = now_ms() + 100000
    client('HPEXPIREAT', 'h', at, 'FIELDS', 1, 'f0')
    client('COPY', 'h', 'c')
    assert client('RESTORE', 'r', 0, client('DUMP', 'h')) == 'OK'
    for key in ('c', 'r'):
        assert client('HPEXPIRETIME', key, 'FIELDS', 2, 'f0', 'f1') == [at, -1]
        assert client('HLEN', key) == size


def test_malformed_requests_are_refused(client, size):
    client('SET', 'k', 'v')
    missing = Error('ERR Mandatory argument FIELDS is missing or not at the right position')
    assert client('HEXPIRE', 'k', 10, 'FIELDS', 1, 'a') == WRONG_TYPE
    assert client('HTTL', 'k', 'FIELDS', 1, 'a') == WRONG_TYPE
    assert client('HTTL', 'missing', 'FIELDS', 2, 'a', 'b') == [-2, -2]
    assert client('HEXPIRE', 'missing', 10, 'FIELDS', 1, 'a') == [-2]
    assert client('HEXPIRE', 'h', 10, 'FEELDS', 1, 'a') == missing
    assert client('HTTL', 'h', 'f0', 1, 'a') == missing
    assert client('HTTL', 'h', 'FIELDS', 2, 'a') == Error(
        'ERR The `numfields` parameter must match the number of arguments')
    assert client('HTTL', 'h', 'FIELDS', 0, 'a') == Error('ERR Number of fields must be a positive integer')
    assert client('HEXPIRE', 'h', -1, 'FIELDS', 1, 'a') == Error('ERR invalid expire time, must be >= 0')
    assert client('HEXPIRE', 'h', (1 << 63) - 1, 'FIELDS', 1, 'a') == Error("ERR invalid expire time in 'hexpire' command")
    assert client('HSETEX', 'h', 'EX', 1, 'PX', 1, 'FIELDS', 1, 'a', 'b') == SYNTAX
    assert client('HSETEX', 'h', 'FNX', 'FXX', 'FIELDS', 1, 'a', 'b') == SYNTAX
    assert client('HGETEX', 'h', 'EX', 1, 'PERSIST', 'FIELDS', 1, 'a') == SYNTAX
