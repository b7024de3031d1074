# SPDX-License-Identifier: BSD-3-Clause
"""Hashes: HSET, HGET and their family."""
import pytest

from tests.lib.resp import Error

INT_MAX, INT_MIN = (1 << 63) - 1, -(1 << 63)
WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
NOT_INTEGER = Error('ERR value is not an integer or out of range')
SYNTAX = Error('ERR syntax error')
NAMES = [b'', b'\x00', b'a\r\nb', bytes(range(256)), b'-0', b'01', b'1', str(INT_MIN).encode(), b'x' * 70000]


def pairs(fields):
    return [word for pair in fields.items() for word in pair]


def fill(client, key, fields):
    words = pairs(fields)
    for at in range(0, len(words), 2000):
        client('HSET', key, *words[at:at + 2000])


def all_of(client, key):
    reply = client('HGETALL', key)
    return dict(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply


# Small and large: whatever holds must hold of each.
@pytest.fixture(params=['few', 'long values', 'long names', 'many'])
def contents(request):
    def numbered(count, suffix=b'', value=b''):
        return {b'f%d' % i + suffix: b'%d' % (i * i) + value for i in range(count)}
    return {'few': numbered(20), 'long values': numbered(20, value=b'v' * 100), 'long names': numbered(20, b'n' * 300),
            'many': numbered(3000)}[request.param]


def test_hset_returns_how_many_fields_are_new(client):
    assert client('HSET', 'h', 'a', 1, 'b', 2, 'a', 3) == 2
    assert client('HSET', 'h', 'b', 'x', 'c', 'y') == 1
    assert all_of(client, 'h') == {b'a': b'3', b'b': b'x', b'c': b'y'}
    assert client('HMSET', 'h', 'a', 'z') == 'OK'
    assert client('HGET', 'h', 'a') == b'z'


def test_any_bytes_are_a_field_and_a_value(client):
    for name in NAMES:
        assert client('HSET', 'h', name, name) == 1
    assert all_of(client, 'h') == {name: name for name in NAMES}
    assert client('HMGET', 'h', *NAMES) == NAMES
    assert [client('HSTRLEN', 'h', name) for name in NAMES] == [len(name) for name in NAMES]


def test_fields_are_read_in_all_ways(client, contents):
    fill(client, 'h', contents)
    name, value = list(contents.items())[7]
    assert client('HGET', 'h', name) == value
    assert client('HMGET', 'h', name, 'missing', name) == [value, None, value]
    assert client('HEXISTS', 'h', name) == 1
    assert client('HEXISTS', 'h', value + b'?') == 0
    assert client('HSTRLEN', 'h', name) == len(value)
    assert client('HLEN', 'h') == len(contents)
    assert all_of(client, 'h') == contents
    assert sorted(client('HKEYS', 'h')) == sorted(contents)
    assert sorted(client('HVALS', 'h')) == sorted(contents.values())


def test_values_change_in_place_and_in_size(client, contents):
    fill(client, 'h', contents)
    for value in (b'', b'1', b'12', b'y' * 64, b'z' * 65, b'w' * 1000, b'short'):
        changed = {name: value + name[:2] for name in list(contents)[:5]}
        assert client('HSET', 'h', *pairs(changed)) == 0
        contents.update(changed)
        assert all_of(client, 'h') == contents


def test_hdel_deletes_the_key_with_its_last_field(client, contents):
    fill(client, 'h', contents)
    names = list(contents)
    assert client('HDEL', 'h', *names[:10], 'missing', names[0]) == 10
    assert all_of(client, 'h') == {name: contents[name] for name in names[10:]}
    assert client('HDEL', 'h', *names) == len(names) - 10
    assert client('EXISTS', 'h') == 0
    assert client('HDEL', 'h', 'a') == 0


def test_hsetnx_stores_only_a_new_field(client):
    assert client('HSETNX', 'h', 'a', 1) == 1
    assert client('HSETNX', 'h', 'a', 2) == 0
    assert client('HGET', 'h', 'a') == b'1'


def test_a_hash_changes_its_encoding_as_it_grows(client):
    client('HSET', 'h', *[word for i in range(512) for word in (i, i)])
    assert client('OBJECT', 'ENCODING', 'h') == b'listpack'
    client('HSET', 'h', 511, 'x' * 64)
    assert client('OBJECT', 'ENCODING', 'h') == b'listpack'
    client('HSET', 'h', 512, 1)
    assert client('OBJECT', 'ENCODING', 'h') == b'hashtable'
    assert client('HGET', 'h', 511) == b'x' * 64
    client('HSET', 'long', 'a', 'x' * 65)
    assert client('OBJECT', 'ENCODING', 'long') == b'hashtable'


def test_a_missing_key_is_an_empty_hash(client, client3):
    assert client('HGET', 'h', 'a') is None
    assert client('HMGET', 'h', 'a', 'b') == [None, None]
    assert client('HGETALL', 'h') == []
    assert client('HKEYS', 'h') == [] and client('HVALS', 'h') == []
    assert client('HLEN', 'h') == 0 and client('HSTRLEN', 'h', 'a') == 0 and client('HEXISTS', 'h', 'a') == 0
    assert client('HRANDFIELD', 'h') is None
    assert client('HRANDFIELD', 'h', 3) == []
    assert client('HSCAN', 'h', 0) == [b'0', []]
    client3('HGETALL', 'h')
    assert client3.raw() == b'%0\r\n'


def test_another_type_is_refused(client):
    client('SET', 'k', 'v')
    for command in (['HSET', 'k', 'a', 1], ['HSETNX', 'k', 'a', 1], ['HMSET', 'k', 'a', 1], ['HGET', 'k', 'a'],
                    ['HMGET', 'k', 'a'], ['HGETALL', 'k'], ['HKEYS', 'k'], ['HVALS', 'k'], ['HDEL', 'k', 'a'],
                    ['HEXISTS', 'k', 'a'], ['HLEN', 'k'], ['HSTRLEN', 'k', 'a'], ['HINCRBY', 'k', 'a', 1],
                    ['HINCRBYFLOAT', 'k', 'a', 1], ['HRANDFIELD', 'k'], ['HRANDFIELD', 'k', 1], ['HSCAN', 'k', 0]):
        assert client(*command) == WRONG_TYPE, command
    assert client('GET', 'k') == b'v'


def test_wrong_numbers_of_words_are_refused(client):
    for name in ('hset', 'hmset'):
        for words in (['h'], ['h', 'a'], ['h', 'a', 1, 'b']):
            assert client(name, *words) == Error("ERR wrong number of arguments for '%s' command" % name)
    assert client('EXISTS', 'h') == 0


def test_hincrby_counts(client):
    assert client('HINCRBY', 'h', 'n', 5) == 5
    assert client('HINCRBY', 'h', 'n', -7) == -2
    assert client('HGET', 'h', 'n') == b'-2'
    client('HSET', 'h', 'n', INT_MAX, 'text', 'x', 'blank', ' 1')
    assert client('HINCRBY', 'h', 'n', 1) == Error('ERR increment or decrement would overflow')
    assert client('HINCRBY', 'h', 'n', 'x') == NOT_INTEGER
    for name in ('text', 'blank'):
        assert client('HINCRBY', 'h', name, 1) == Error('ERR hash value is not an integer')
    assert client('HGET', 'h', 'n') == str(INT_MAX).encode()


def test_hincrbyfloat_adds(client):
    assert client('HINCRBYFLOAT', 'h', 'n', '10.5') == b'10.5'
    assert client('HINCRBYFLOAT', 'h', 'n', '0.1') == b'10.6'
    assert client('HINCRBYFLOAT', 'h', 'n', '-5.0e3') == b'-4989.39999999999999991'
    client('HSET', 'h', 'n', '-0', 'text', 'x')
    assert client('HINCRBYFLOAT', 'h', 'n', '-0') == b'0'


def test_hincrbyfloat_makes_no_field_of_what_is_no_number(client):
    for word in ('inf', '-inf', '+inf'):
        assert client('HINCRBYFLOAT', 'h', 'n', word) == Error('ERR value is NaN or Infinity')
    assert client('HINCRBYFLOAT', 'h', 'n', 'nan') == Error('ERR value is not a valid float')
    assert client('EXISTS', 'h') == 0
    client('HSET', 'h', 'inf', 'inf', 'text', 'x')
    assert client('HINCRBYFLOAT', 'h', 'text', 1) == Error('ERR hash value is not a float')
    assert client('HINCRBYFLOAT', 'h', 'inf', 1) == Error('ERR increment would produce NaN or Infinity')


def test_hrandfield_with_a_count_repeats_nobody(client, contents):
    fill(client, 'h', contents)
    assert client('HRANDFIELD', 'h') in contents
    for count in (1, 5, len(contents) // 2, len(contents) - 1):
        drawn = client('HRANDFIELD', 'h', count)
        assert len(drawn) == len(set(drawn)) == count
        assert set(drawn) <= set(contents)
    assert sorted(client('HRANDFIELD', 'h', INT_MAX)) == sorted(contents)
    assert client('HRANDFIELD', 'h', 0) == []
    drawn = client('HRANDFIELD', 'h', 7, 'WITHVALUES')
    assert len(drawn) == 14 and all(contents[name] == value for name, value in zip(drawn[::2], drawn[1::2]))


def test_hrandfield_with_a_negative_count_may_repeat(client, contents):
    fill(client, 'h', contents)
    drawn = client('HRANDFIELD', 'h', -20 * len(contents), 'WITHVALUES')
    assert len(drawn) == 40 * len(contents)
    assert all(contents[name] == value for name, value in zip(drawn[::2], drawn[1::2]))
    assert len(set(drawn[::2])) > 0.99 * len(contents)


def test_resp3_pairs_what_belongs_together(client3):
    client3('HSET', 'h', 'a', 'b')
    client3('HGETALL', 'h')
    assert client3.raw() == b'%1\r\n$1\r\na\r\n$1\r\nb\r\n'
    for count in (1, -1):
        client3('HRANDFIELD', 'h', count, 'WITHVALUES')
        assert client3.raw() == b'*1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n'


def test_counts_that_make_no_sense_are_refused(client):
    client('HSET', 'h', 'a', 1)
    out_of_range = Error('ERR value is out of range')
    assert client('HRANDFIELD', 'h', 'x') == NOT_INTEGER
    assert client('HRANDFIELD', 'h', 1, 'x') == SYNTAX
    assert client('HRANDFIELD', 'h', 1, 'WITHVALUES', 'x') == SYNTAX
    assert client('HRANDFIELD', 'h', -INT_MAX, 'WITHVALUES') == out_of_range
    assert client('HRANDFIELD', 'h', INT_MIN // 2 - 1, 'WITHVALUES') == out_of_range
    assert client('HRANDFIELD', 'h', INT_MIN) == Error(
        'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807')


@pytest.mark.forebay_only
def test_more_repeats_than_a_reply_can_hold_are_refused(client):
    client('HSET', 'h', 'a', 1)
    for count in (-INT_MAX, -(1 << 40), -(1 << 32)):
        assert client('HRANDFIELD', 'h', count) == Error('ERR value is out of range, the reply would not fit')


def test_hscan_meets_every_field(client, contents):
    fill(client, 'h', contents)
    cursor, seen = b'0', {}
    while True:
        cursor, some = client('HSCAN', 'h', cursor, 'COUNT', 50)
        seen.update(zip(some[::2], some[1::2]))
        if cursor == b'0':
            break
        client('HSET', 'h', b'new%d' % len(seen), '')
    assert contents.items() <= seen.items()


def test_hscan_filters_fields(client, contents):
    fill(client, 'h', {**contents, b'special': b'f1'})
    assert client('HSCAN', 'h', 0, 'MATCH', 'special*', 'COUNT', 100000)[1] == [b'special', b'f1']
    assert client('HSCAN', 'h', 'x') == Error('ERR invalid cursor')
    assert client('HSCAN', 'h', 0, 'COUNT', 0) == SYNTAX


@pytest.mark.forebay_only
def test_hscan_may_leave_values_out(client, contents):
    fill(client, 'h', contents)
    assert sorted(client('HSCAN', 'h', 0, 'NOVALUES', 'COUNT', 100000)[1]) == sorted(contents)


def test_a_dump_restores_the_same_fields(client, contents):
    fill(client, 'h', contents)
    assert client('RESTORE', 'r', 0, client('DUMP', 'h')) == 'OK'
    assert all_of(client, 'r') == contents
    client('COPY', 'h', 'c')
    client('HDEL', 'h', *list(contents)[:3])
    assert all_of(client, 'c') == contents
    client('RENAME', 'c', 'd')
    assert all_of(client, 'd') == contents


def test_an_expiry_of_the_key_stays_when_fields_change(client):
    client('HSET', 'h', 'a', 1)
    client('EXPIRE', 'h', 1000)
    client('HSET', 'h', *[word for i in range(600) for word in (i, i)])
    client('HDEL', 'h', 'a')
    assert 900 < client('TTL', 'h') <= 1000


def test_fields_order_and_replace_what_is_sorted(client):
    client('SADD', 's', 1, 2, 3)
    for element, weight, name in ((1, 30, 'one'), (2, 10, 'two'), (3, 20, 'three')):
        client('HSET', 'o%d' % element, 'weight', weight, 'name', name)
    assert client('SORT', 's', 'BY', 'o*->weight') == [b'2', b'3', b'1']
    assert client('SORT', 's', 'BY', 'o*->weight', 'GET', 'o*->name', 'GET', '#') == [
        b'two', b'2', b'three', b'3', b'one', b'1']
    assert client('SORT', 's', 'GET', 'o*->nothing') == [None, None, None]
