# SPDX-License-Identifier: BSD-3-Clause
"""Sets: SADD, SREM and their family."""
import pytest

from tests.lib.resp import Error

INT_MAX, INT_MIN = (1 << 63) - 1, -(1 << 63)
WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
NOT_INTEGER = Error('ERR value is not an integer or out of range')
SYNTAX = Error('ERR syntax error')
NAMES = [b'', b'\x00', b'a\r\nb', bytes(range(256)), b'-0', b'01', b'1', b'-1', str(INT_MAX).encode(), b'x' * 70000]


def members(client, key):
    return set(client('SMEMBERS', key))


def numbers(count, prefix=b'm'):
    return [prefix + str(i).encode() for i in range(count)]


def fill(client, key, names):
    for at in range(0, len(names), 1000):
        client('SADD', key, *names[at:at + 1000])


# Small, large, and of integers: whatever holds must hold of each.
@pytest.fixture(params=['integers', 'few strings', 'long strings', 'many'])
def contents(request):
    return {'integers': [str(i * 7 - 50).encode() for i in range(100)], 'few strings': numbers(20),
            'long strings': numbers(20, b'y' * 100), 'many': numbers(3000)}[request.param]


def test_sadd_returns_how_many_were_new(client):
    assert client('SADD', 's', 'a', 'b', 'a') == 2
    assert client('SADD', 's', 'b', 'c') == 1
    assert client('SADD', 's', 'a') == 0
    assert members(client, 's') == {b'a', b'b', b'c'}


def test_any_bytes_are_a_member(client):
    assert client('SADD', 's', *NAMES) == len(NAMES)
    assert members(client, 's') == set(NAMES)
    assert client('SMISMEMBER', 's', *NAMES) == [1] * len(NAMES)
    for name in NAMES[:-1]:
        assert client('SREM', 's', name) == 1
    assert members(client, 's') == {NAMES[-1]}


def test_integers_are_members_in_ascending_order(client):
    client('SADD', 's', 3, -1, INT_MAX, 2, INT_MIN, 70000)
    assert client('OBJECT', 'ENCODING', 's') == b'intset'
    assert list(client('SMEMBERS', 's')) == [str(i).encode() for i in (INT_MIN, -1, 2, 3, 70000, INT_MAX)]


def test_what_only_looks_like_an_integer_is_a_string(client):
    client('SADD', 's', 1, '01', '+1', '1.0', ' 1', str(INT_MAX + 1))
    assert client('SCARD', 's') == 6
    assert client('SISMEMBER', 's', '1') == 1
    assert client('SISMEMBER', 's', '001') == 0


def test_a_set_changes_its_encoding_as_it_grows(client):
    client('SADD', 's', *range(512))
    assert client('OBJECT', 'ENCODING', 's') == b'intset'
    client('SADD', 's', 512)
    assert client('OBJECT', 'ENCODING', 's') == b'hashtable'
    assert members(client, 's') == {str(i).encode() for i in range(513)}
    client('SADD', 'long', 'x' * 65)
    assert client('OBJECT', 'ENCODING', 'long') == b'hashtable'


@pytest.mark.forebay_only
def test_few_short_strings_are_a_listpack(client):
    client('SADD', 's', *range(20))
    client('SADD', 's', 'a')
    assert client('OBJECT', 'ENCODING', 's') == b'listpack'
    client('SADD', 's', *numbers(107))
    assert client('OBJECT', 'ENCODING', 's') == b'listpack'
    client('SADD', 's', 'one more')
    assert client('OBJECT', 'ENCODING', 's') == b'hashtable'
    assert client('SCARD', 's') == 129


def test_srem_deletes_the_key_with_its_last_member(client, contents):
    fill(client, 's', contents)
    assert client('SREM', 's', *contents[:10], b'missing') == 10
    assert members(client, 's') == set(contents[10:])
    assert client('SREM', 's', *contents) == len(contents) - 10
    assert client('EXISTS', 's') == 0
    assert client('SREM', 's', b'a') == 0


def test_members_are_found_and_strangers_are_not(client, contents):
    fill(client, 's', contents)
    assert client('SCARD', 's') == len(contents)
    assert client('SISMEMBER', 's', contents[3]) == 1
    assert client('SISMEMBER', 's', contents[3] + b'?') == 0
    assert client('SMISMEMBER', 's', contents[0], b'?', contents[-1]) == [1, 0, 1]
    assert members(client, 's') == set(contents)


def test_a_missing_key_is_an_empty_set(client, client3):
    assert client('SCARD', 's') == 0
    assert client('SISMEMBER', 's', 'a') == 0
    assert client('SMISMEMBER', 's', 'a', 'b') == [0, 0]
    assert client('SMEMBERS', 's') == []
    assert client('SPOP', 's') is None
    assert client('SPOP', 's', 3) == []
    assert client('SRANDMEMBER', 's') is None
    assert client('SRANDMEMBER', 's', 3) == []
    assert client('SSCAN', 's', 0) == [b'0', []]
    assert client('SMOVE', 's', 't', 'a') == 0
    client3('SMEMBERS', 's')
    assert client3.raw() == b'~0\r\n'
    client3('SPOP', 's', 1)
    assert client3.raw() == b'~0\r\n'
    client3('SRANDMEMBER', 's', 1)
    assert client3.raw() == b'*0\r\n'


def test_another_type_is_refused(client):
    client('SET', 'k', 'v')
    client('SADD', 's', 'a')
    for command in (['SADD', 'k', 'a'], ['SREM', 'k', 'a'], ['SCARD', 'k'], ['SISMEMBER', 'k', 'a'], ['SMEMBERS', 'k'],
                    ['SMISMEMBER', 'k', 'a'], ['SPOP', 'k'], ['SPOP', 'k', 2], ['SRANDMEMBER', 'k'], ['SSCAN', 'k', 0],
                    ['SINTER', 's', 'k'], ['SINTER', 'missing', 'k'], ['SUNION', 's', 'k'], ['SDIFF', 's', 'k'],
                    ['SINTERSTORE', 'd', 'k'], ['SINTERCARD', 1, 'k'], ['SMOVE', 's', 'k', 'a'], ['SMOVE', 'k', 's', 'a']):
        assert client(*command) == WRONG_TYPE, command
    assert client('GET', 'k') == b'v'
    assert client('GET', 's') == WRONG_TYPE


def test_smove_moves_one_member(client):
    client('SADD', 'a', 'x', 'y')
    assert client('SMOVE', 'a', 'b', 'x') == 1
    assert client('SMOVE', 'a', 'b', 'x') == 0
    assert (members(client, 'a'), members(client, 'b')) == ({b'y'}, {b'x'})
    client('SADD', 'b', 'y')
    assert client('SMOVE', 'a', 'b', 'y') == 1
    assert client('EXISTS', 'a') == 0
    assert members(client, 'b') == {b'x', b'y'}
    assert client('SMOVE', 'b', 'b', 'x') == 1
    assert client('SMOVE', 'b', 'b', 'z') == 0


def test_spop_takes_each_member_once(client, contents):
    fill(client, 's', contents)
    popped = [client('SPOP', 's')] + list(client('SPOP', 's', 7))
    assert len(set(popped)) == 8
    assert members(client, 's') == set(contents) - set(popped)
    assert client('SPOP', 's', 0) == []
    assert set(client('SPOP', 's', INT_MAX)) == set(contents) - set(popped)
    assert client('EXISTS', 's') == 0


def test_spop_of_the_last_member_deletes_the_key(client):
    client('SADD', 's', 'a')
    assert client('SPOP', 's') == b'a'
    assert client('EXISTS', 's') == 0


def test_srandmember_with_a_count_repeats_nobody(client, contents):
    fill(client, 's', contents)
    assert client('SRANDMEMBER', 's') in contents
    for count in (1, 5, len(contents) // 2, len(contents) - 1):
        drawn = client('SRANDMEMBER', 's', count)
        assert len(drawn) == len(set(drawn)) == count
        assert set(drawn) <= set(contents)
    assert sorted(client('SRANDMEMBER', 's', INT_MAX)) == sorted(contents)
    assert client('SRANDMEMBER', 's', 0) == []


def test_srandmember_with_a_negative_count_may_repeat(client, contents):
    fill(client, 's', contents)
    drawn = client('SRANDMEMBER', 's', -5 * len(contents))
    assert len(drawn) == 5 * len(contents)
    assert len(contents) > 1000 or len(set(drawn)) > len(contents) // 2
    assert set(drawn) <= set(contents)


def test_random_members_come_from_everywhere(client, contents):
    fill(client, 's', contents)
    drawn = client('SRANDMEMBER', 's', -20 * len(contents))
    assert len(set(drawn)) > 0.99 * len(contents)


def test_counts_that_make_no_sense_are_refused(client):
    client('SADD', 's', 'a')
    assert client('SPOP', 's', -1) == Error('ERR value is out of range, must be positive')
    assert client('SPOP', 's', 'x') == Error('ERR value is out of range, must be positive')
    assert client('SPOP', 's', 1, 1) == SYNTAX
    assert client('SRANDMEMBER', 's', 'x') == NOT_INTEGER
    assert client('SRANDMEMBER', 's', 1, 1) == SYNTAX
    assert client('SRANDMEMBER', 's', INT_MIN) == Error(
        'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807')


@pytest.mark.forebay_only
def test_more_repeats_than_a_reply_can_hold_are_refused(client):
    client('SADD', 's', 'a')
    for count in (-INT_MAX, -(1 << 40), -(1 << 32)):
        assert client('SRANDMEMBER', 's', count) == Error('ERR value is out of range, the reply would not fit')


def test_sets_intersect_unite_and_differ(client):
    client('SADD', 'a', 1, 2, 3, 'x', 'y')
    client('SADD', 'b', 2, 3, 4, 'y', 'z')
    client('SADD', 'c', *range(1000))
    assert set(client('SINTER', 'a', 'b')) == {b'2', b'3', b'y'}
    assert set(client('SINTER', 'a', 'b', 'c')) == {b'2', b'3'}
    assert set(client('SINTER', 'a')) == {b'1', b'2', b'3', b'x', b'y'}
    assert client('SINTER', 'a', 'missing') == []
    assert set(client('SUNION', 'a', 'b', 'missing')) == {b'1', b'2', b'3', b'4', b'x', b'y', b'z'}
    assert len(client('SUNION', 'a', 'c')) == 1002
    assert set(client('SDIFF', 'a', 'b')) == {b'1', b'x'}
    assert set(client('SDIFF', 'a', 'b', 'c')) == {b'x'}
    assert client('SDIFF', 'a', 'b', 'a') == []
    assert client('SDIFF', 'missing', 'a') == []


def test_results_are_stored_over_anything(client):
    client('SADD', 'a', 1, 2, 3)
    client('SADD', 'b', 2, 3, 4)
    client('SET', 'd', 'a string', 'EX', 1000)
    assert client('SINTERSTORE', 'd', 'a', 'b') == 2
    assert members(client, 'd') == {b'2', b'3'}
    assert client('TTL', 'd') == -1
    assert client('SUNIONSTORE', 'a', 'a', 'b') == 4
    assert members(client, 'a') == {b'1', b'2', b'3', b'4'}
    assert client('SDIFFSTORE', 'd', 'a', 'b') == 1
    assert members(client, 'd') == {b'1'}
    assert client('SINTERSTORE', 'd', 'a', 'missing') == 0
    assert client('EXISTS', 'd') == 0


def test_sintercard_counts_up_to_its_limit(client):
    client('SADD', 'a', *range(100))
    client('SADD', 'b', *range(50, 200))
    assert client('SINTERCARD', 2, 'a', 'b') == 50
    assert client('SINTERCARD', 2, 'a', 'b', 'LIMIT', 0) == 50
    assert client('SINTERCARD', 2, 'a', 'b', 'LIMIT', 7) == 7
    assert client('SINTERCARD', 2, 'a', 'b', 'LIMIT', INT_MAX) == 50
    assert client('SINTERCARD', 2, 'a', 'missing') == 0
    assert client('SINTERCARD', 0, 'a') == Error("ERR numkeys should be greater than 0")
    assert client('SINTERCARD', 'x', 'a') == Error("ERR numkeys should be greater than 0")
    assert client('SINTERCARD', 3, 'a', 'b') == Error("ERR Number of keys can't be greater than number of args")
    assert client('SINTERCARD', 1, 'a', 'LIMIT', -1) == Error("ERR LIMIT can't be negative")
    assert client('SINTERCARD', 1, 'a', 'LIMIT') == SYNTAX


def test_sscan_meets_every_member(client, contents):
    fill(client, 's', contents)
    cursor, seen = b'0', []
    while True:
        cursor, some = client('SSCAN', 's', cursor, 'COUNT', 50)
        seen += some
        assert int(cursor) < 1 << 53 or cursor == b'0'
        if cursor == b'0':
            break
        client('SADD', 's', b'new%d' % len(seen))
    assert set(contents) <= set(seen)


def test_sscan_filters(client, contents):
    fill(client, 's', contents + [b'special-1', b'special-2'])
    assert sorted(client('SSCAN', 's', 0, 'MATCH', 'special-*', 'COUNT', 100000)[1]) == [b'special-1', b'special-2']
    assert client('SSCAN', 's', 'x') == Error('ERR invalid cursor')
    assert client('SSCAN', 's', 0, 'COUNT', 0) == SYNTAX
    assert client('SSCAN', 's', 0, 'COUNT', 'x') == NOT_INTEGER
    assert client('SSCAN', 's', 0, 'TYPE', 'set') == SYNTAX


def test_resp3_has_sets(client3):
    client3('SADD', 's', 'a')
    client3('SMEMBERS', 's')
    assert client3.raw() == b'~1\r\n$1\r\na\r\n'
    client3('SUNION', 's')
    assert client3.raw() == b'~1\r\n$1\r\na\r\n'
    client3('SPOP', 's', 1)
    assert client3.raw() == b'~1\r\n$1\r\na\r\n'


def test_a_dump_restores_the_same_members(client, contents):
    fill(client, 's', contents)
    dump = client('DUMP', 's')
    assert client('RESTORE', 't', 0, dump) == 'OK'
    assert members(client, 't') == set(contents)
    client('COPY', 's', 'u')
    client('SREM', 's', contents[0])
    assert members(client, 'u') == set(contents)
    client('RENAME', 'u', 'v')
    assert members(client, 'v') == set(contents)


def test_an_expiry_stays_when_members_change(client):
    client('SADD', 's', 'a')
    client('EXPIRE', 's', 1000)
    client('SADD', 's', *numbers(500))
    client('SREM', 's', 'a')
    assert 900 < client('TTL', 's') <= 1000
