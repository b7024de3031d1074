# SPDX-License-Identifier: BSD-3-Clause
"""Keys whatever their value: existence, names, copies, iteration, payloads."""
import pytest

from tests.lib import payload
from tests.lib.resp import Error
from tests.tier.load import scan

NO_SUCH_KEY = Error('ERR no such key')
SYNTAX = Error('ERR syntax error')
BAD_PAYLOAD = Error('ERR DUMP payload version or checksum are wrong')


def test_del_and_unlink_tell_how_many_were_there(client):
    client('MSET', 'a', 1, 'b', 2, 'c', 3)
    assert client('DEL', 'a', 'b', 'a', 'missing') == 2
    assert client('UNLINK', 'c', 'c') == 1
    assert client('DBSIZE') == 0


def test_exists_and_touch_count_each_mention(client):
    client('SET', 'a', 1)
    assert client('EXISTS', 'a', 'a', 'b') == 2
    assert client('TOUCH', 'a', 'a', 'b') == 2


def test_type_of_a_string_and_of_nothing(client):
    client('SET', 'a', 1)
    assert client('TYPE', 'a') == 'string'
    assert client('TYPE', 'b') == 'none'


def test_rename_moves_value_and_expiry(client):
    client('SET', 'a', 1, 'EX', 100)
    client('SET', 'b', 2)
    assert client('RENAME', 'a', 'b') == 'OK'
    assert client('GET', 'b') == b'1' and client('TTL', 'b') > 0
    assert client('EXISTS', 'a') == 0 and client('DBSIZE') == 1


def test_rename_of_nothing_is_an_error_and_to_itself_is_not(client):
    assert client('RENAME', 'a', 'b') == NO_SUCH_KEY
    assert client('RENAME', 'a', 'a') == NO_SUCH_KEY
    client('SET', 'a', 1)
    assert client('RENAME', 'a', 'a') == 'OK'
    assert client('RENAMENX', 'a', 'a') == 0
    assert client('GET', 'a') == b'1'


def test_rename_removes_the_targets_expiry(client):
    client('SET', 'a', 1)
    client('SET', 'b', 2, 'EX', 100)
    client('RENAME', 'a', 'b')
    assert client('TTL', 'b') == -1


def test_renamenx_leaves_an_existing_target(client):
    client('MSET', 'a', 1, 'b', 2)
    assert client('RENAMENX', 'a', 'b') == 0
    assert client('RENAMENX', 'a', 'c') == 1
    assert client('MGET', 'a', 'b', 'c') == [None, b'2', b'1']


def test_copy_copies_value_and_expiry(client):
    client('SET', 'a', 1, 'EX', 100)
    assert client('COPY', 'a', 'b') == 1
    assert client('GET', 'b') == b'1' and client('TTL', 'b') > 0
    client('SET', 'a', 2)
    assert client('COPY', 'a', 'b') == 0
    assert client('COPY', 'a', 'b', 'REPLACE') == 1
    assert client('GET', 'b') == b'2' and client('TTL', 'b') == -1
    assert client('COPY', 'missing', 'b') == 0


def test_copy_to_another_database(client):
    client('SET', 'a', 1)
    assert client('COPY', 'a', 'a', 'DB', 3) == 1
    assert client('COPY', 'a', 'a') == Error('ERR source and destination objects are the same')
    assert client('COPY', 'a', 'a', 'DB', 99) == Error('ERR DB index is out of range')
    client('SELECT', 3)
    assert client('GET', 'a') == b'1'


def test_a_copy_is_independent(client):
    client('SET', 'a', 'x' * 100000)
    client('COPY', 'a', 'b')
    client('APPEND', 'a', 'y')
    assert client('STRLEN', 'a') == 100001 and client('STRLEN', 'b') == 100000


def test_move_takes_a_key_to_another_database(client):
    client('SET', 'a', 1, 'EX', 100)
    assert client('MOVE', 'a', 1) == 1
    assert client('EXISTS', 'a') == 0
    client('SET', 'a', 2)
    assert client('MOVE', 'a', 1) == 0
    assert client('MOVE', 'a', 0) == Error('ERR source and destination objects are the same')
    client('SELECT', 1)
    assert client('GET', 'a') == b'1' and client('TTL', 'a') > 0


def test_databases_are_separate(client):
    client('SET', 'a', 0)
    assert client('SELECT', 15) == 'OK'
    assert client('GET', 'a') is None
    client('SET', 'a', 15)
    assert client('FLUSHDB') == 'OK'
    client('SELECT', 0)
    assert client('GET', 'a') == b'0'
    assert client('SELECT', 16) == Error('ERR DB index is out of range')
    assert client('SELECT', 'x') == Error('ERR value is not an integer or out of range')


def test_swapdb_exchanges_two_databases(client, connect):
    client('SET', 'a', 0)
    other = connect()
    other('SELECT', 1)
    assert other('GET', 'a') is None
    assert client('SWAPDB', 0, 1) == 'OK'
    assert other('GET', 'a') == b'0' and client('GET', 'a') is None
    assert client('SWAPDB', 0, 99) == Error('ERR DB index is out of range')
    assert client('SWAPDB', 'x', 1) == Error('ERR invalid first DB index')


def test_flushall_empties_all_databases(client):
    for db in range(4):
        client('SELECT', db)
        client('SET', 'a', db)
    assert client('FLUSHALL', 'ASYNC') == 'OK'
    for db in range(4):
        client('SELECT', db)
        assert client('DBSIZE') == 0 and client('KEYS', '*') == []
    assert client('FLUSHALL', 'LATER') == SYNTAX


@pytest.mark.parametrize('pattern, found', [
    ('*', {b'one', b'two', b'three', b'four', b'o[e'}), ('t*', {b'two', b'three'}), ('?ne', {b'one'}), ('[ot]*e', {b'one', b'three', b'o[e'}),
    ('[^o]*', {b'two', b'three', b'four'}), ('o\\[e', {b'o[e'}), ('[a-f]*', {b'four'}), ('one', {b'one'}), ('', set()), ('*o*', {b'one', b'two', b'four', b'o[e'})])
def test_keys_and_scan_match_patterns(client, pattern, found):
    client('MSET', 'one', 1, 'two', 2, 'three', 3, 'four', 4, 'o[e', 5)
    assert set(client('KEYS', pattern)) == found
    assert scan(client, 2, 'MATCH', pattern)[0] == found


@pytest.mark.parametrize('count', [1, 10, 1000])
def test_scan_returns_every_key(client, count):
    names = {b'key:%d' % n for n in range(2000)}
    client('MSET', *[word for name in names for word in (name, 'x')])
    assert scan(client, count)[0] == names


def test_scan_keeps_its_guarantee_while_keys_come_and_go(client):
    stay = {b'stay:%d' % n for n in range(500)}
    client('MSET', *[word for name in stay for word in (name, 'x')])
    cursor, seen, n = b'0', set(), 0
    while True:
        cursor, names = client('SCAN', cursor, 'COUNT', 5)
        seen.update(names)
        client.pipeline([('SET', 'come:%d' % (n + i), 'x') for i in range(50)])
        client.pipeline([('DEL', 'come:%d' % (n + i - 300)) for i in range(50)])
        n += 50
        if cursor == b'0':
            break
    assert stay <= seen


def test_a_scan_cursor_survives_a_double(client):
    """Several client libraries keep it in one."""
    client('MSET', *[word for n in range(3000) for word in ('key:%d' % n, 'x')])
    cursor = 0
    while True:
        cursor = int(client('SCAN', cursor)[0])
        assert int(float(cursor)) == cursor
        if cursor == 0:
            break


def test_scan_by_type(client):
    client('MSET', 'a', 1, 'b', 2)
    assert scan(client, 10, 'TYPE', 'string')[0] == {b'a', b'b'}
    assert scan(client, 10, 'TYPE', 'hash')[0] == set()


def test_scan_refuses_nonsense(client):
    assert client('SCAN', 'x') == Error('ERR invalid cursor')
    assert client('SCAN', 0, 'COUNT', 0) == SYNTAX
    assert client('SCAN', 0, 'COUNT', 'x') == Error('ERR value is not an integer or out of range')
    assert client('SCAN', 0, 'MATCH') == SYNTAX


def test_randomkey_returns_any_key(client):
    assert client('RANDOMKEY') is None
    client('MSET', 'a', 1, 'b', 2, 'c', 3)
    assert {client('RANDOMKEY') for _ in range(200)} == {b'a', b'b', b'c'}


def test_dump_and_restore_carry_a_value(client):
    client('SET', 'a', 'hello')
    dump = client('DUMP', 'a')
    assert payload.body(dump) == payload.body(payload.string(b'hello'))
    assert client('RESTORE', 'b', 0, dump) == 'OK'
    assert client('GET', 'b') == b'hello' and client('TTL', 'b') == -1
    assert client('DUMP', 'missing') is None


def test_restore_does_not_overwrite_unless_told(client):
    dump = payload.string(b'new')
    client('SET', 'a', 'old')
    assert client('RESTORE', 'a', 0, dump) == Error('BUSYKEY Target key name already exists.')
    assert client('RESTORE', 'a', 0, dump, 'REPLACE') == 'OK'
    assert client('GET', 'a') == b'new'


def test_restore_sets_an_expiry(client):
    dump = payload.string(b'v')
    client('RESTORE', 'a', 100000, dump)
    assert 98000 <= client('PTTL', 'a') <= 100000
    client('RESTORE', 'b', 99999999999999, dump, 'ABSTTL')
    assert client('PEXPIRETIME', 'b') == 99999999999999
    assert client('RESTORE', 'c', 1, dump, 'ABSTTL') == 'OK' and client('EXISTS', 'c') == 0
    assert client('RESTORE', 'd', -1, dump) == Error('ERR Invalid TTL value, must be >= 0')


@pytest.mark.parametrize('value', [b'5', b'-5', b'300', b'-70000', b'2147483647', b'2147483648', b'x' * 70, b'', b'\x00' * 20000])
def test_dump_forms_are_those_of_rdb(client, value):
    client('SET', 'a', value)
    dump = client('DUMP', 'a')
    client('DEL', 'a')
    assert client('RESTORE', 'a', 0, dump) == 'OK'
    assert client('GET', 'a') == value


def test_restore_reads_what_other_servers_write(client):
    assert client('RESTORE', 'a', 0, payload.integer(-3, 1)) == 'OK' and client('GET', 'a') == b'-3'
    assert client('RESTORE', 'b', 0, payload.integer(70000, 4)) == 'OK' and client('GET', 'b') == b'70000'
    assert client('RESTORE', 'c', 0, payload.compressed(b'hello' * 50)) == 'OK' and client('GET', 'c') == b'hello' * 50


def test_object_tells_about_a_key(client):
    client('SET', 'a', 'hello')
    assert client('OBJECT', 'ENCODING', 'a') == b'embstr'
    assert client('OBJECT', 'REFCOUNT', 'a') == 1
    assert client('OBJECT', 'IDLETIME', 'a') in (0, 1)
    assert client('OBJECT', 'ENCODING', 'missing') is None
    assert client('OBJECT', 'FREQ', 'a').startswith('ERR An LFU maxmemory policy is not selected')
    assert client('OBJECT', 'NOTHING', 'a').startswith("ERR unknown subcommand 'NOTHING'")
    assert isinstance(client('OBJECT', 'HELP'), list)


def test_sort_orders_by_number_by_text_and_by_other_keys(client):
    client('RPUSH', 'l', 10, 9, '1.5', 100)
    assert client('SORT', 'l') == [b'1.5', b'9', b'10', b'100']
    assert client('SORT', 'l', 'ALPHA', 'DESC') == [b'9', b'100', b'10', b'1.5']
    assert client('SORT', 'l', 'LIMIT', 1, 2) == [b'9', b'10']
    client('MSET', 'w9', 1, 'w10', 0, 'w100', -1, 'n9', 'nine')
    assert client('SORT', 'l', 'BY', 'w*') == [b'100', b'1.5', b'10', b'9']
    assert client('SORT', 'l', 'BY', 'nosort', 'GET', '#', 'GET', 'n*') == [b'10', None, b'9', b'nine', b'1.5', None, b'100', None]
    assert client('SORT', 'l', 'BY', 'nosort', 'DESC') == [b'100', b'1.5', b'9', b'10']
    assert client('SORT', 'l', 'BY', 'nosort', 'DESC', 'LIMIT', 1, 2) == [b'1.5', b'9']
    for order in ('ASC', 'DESC'):
        every = client('SORT', 'l', 'BY', 'nosort', order)
        for first in (-3, 0, 1, 3, 4, 9):
            for count in (-1, 0, 1, 3, 4, 9):
                begin = max(first, 0)
                assert client('SORT', 'l', 'BY', 'nosort', order, 'LIMIT', first, count) == \
                    every[begin:begin + count if count >= 0 else None]
    client('RPUSH', 'l', 'x')
    assert client('SORT', 'l') == Error("ERR One or more scores can't be converted into double")


def test_sort_stores_a_list(client):
    client('RPUSH', 'l', 3, 1, 2)
    assert client('SORT', 'l', 'STORE', 'to') == 3
    assert client('LRANGE', 'to', 0, -1) == [b'1', b'2', b'3']
    assert client('SORT', 'l', 'BY', 'w*', 'GET', 'n*', 'STORE', 'l') == 3
    assert client('LRANGE', 'l', 0, -1) == [b'', b'', b'']


def test_sort_of_a_sorted_set_goes_by_its_members(client):
    client('ZADD', 'z', 3, 1, 2, 2, 1, 3)
    assert client('SORT', 'z') == [b'1', b'2', b'3']
    assert client('SORT', 'z', 'BY', 'nosort') == [b'3', b'2', b'1']
    assert client('SORT', 'z', 'BY', 'nosort', 'DESC', 'LIMIT', 0, 2) == [b'1', b'2']


def test_sort_is_for_collections(client):
    client('SET', 'a', 1)
    assert client('SORT', 'a') == Error('WRONGTYPE Operation against a key holding the wrong kind of value')
    assert client('SORT', 'missing') == []
    assert client('SORT', 'missing', 'STORE', 'a') == 0
    assert client('EXISTS', 'a') == 0


def test_keys_with_the_same_tag_live_together(client):
    """Multi-key commands work across slots on one node, tag or not."""
    assert client('MSET', '{t}a', 1, '{t}b', 2, 'c', 3) == 'OK'
    assert client('MGET', '{t}a', '{t}b', 'c') == [b'1', b'2', b'3']
    assert client('RENAME', '{t}a', 'elsewhere') == 'OK'
