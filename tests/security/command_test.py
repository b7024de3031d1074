# SPDX-License-Identifier: BSD-3-Clause
"""Numbers, settings and payloads that are made to overflow what a command computes of them. Each story names the
vulnerabilities of the Redis family that it is about; protocol_test.py has those of strings and of the wire."""
import math
import struct
import threading

import pytest

from tests.lib import payload
from tests.lib.resp import Error
from tests.lib.server import wait_until

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
EXTREMES = (SMALLEST, SMALLEST + 1, -(1 << 32), -(1 << 31), 1 << 31, 1 << 32, LARGEST - 1, LARGEST)


def is_answered(client):
    return client('PING') == 'PONG'


@pytest.fixture
def with_setting(client):
    """Sets directives for the story."""
    before = {}

    def set_them(**directives):
        for name, value in directives.items():
            name = name.replace('_', '-')
            before[name] = client.ok('CONFIG', 'GET', name)[1]
            client('CONFIG', 'SET', name, value)
    yield set_them
    for name, value in before.items():
        client.ok('CONFIG', 'SET', name, value)


def test_huge_limits_of_compact_sets_overflow_nothing(client, with_setting):
    """CVE-2021-29478, CVE-2021-32687: sizes of intsets that are allowed to grow for ever."""
    with_setting(set_max_intset_entries=4294967295)
    client.ok('SADD', 'a', *range(-20000, 20000))
    client.ok('SADD', 'a', LARGEST, SMALLEST)
    assert client('COPY', 'a', 'b') == 1
    assert client('SUNIONSTORE', 'c', 'a', 'b') == 40002
    assert client('SDIFFSTORE', 'd', 'a', 'b') == 0
    assert client('RESTORE', 'e', 0, client('DUMP', 'a')) == 'OK'
    assert client('SCARD', 'e') == 40002 and client('SISMEMBER', 'e', LARGEST) == 1


def test_huge_limits_of_compact_collections_overflow_nothing(client, with_setting):
    """CVE-2021-32628, CVE-2021-32627: listpacks that are allowed to grow for ever."""
    with_setting(hash_max_listpack_entries=4294967295, hash_max_listpack_value=4294967295, list_max_listpack_size=2147483647,
                 zset_max_listpack_entries=4294967295, zset_max_listpack_value=4294967295,
                 stream_node_max_bytes=4294967295, stream_node_max_entries=4294967295)
    value = 'x' * 300000
    for number in range(30):
        client.ok('HSET', 'h', 'f%d' % number, value)
        client.ok('RPUSH', 'l', value)
        client.ok('ZADD', 'z', number, '%d%s' % (number, value))
        client.ok('XADD', 'x', '%d-0' % (number + 1), 'f', value)
    assert [client('HLEN', 'h'), client('LLEN', 'l'), client('ZCARD', 'z'), client('XLEN', 'x')] == [30] * 4
    for key in 'hlzx':
        assert client('COPY', key, 'copy') == 1
        assert client('DUMP', 'copy') is not None
        client.ok('DEL', 'copy')
    assert client('HGET', 'h', 'f7') == value.encode() and client('LINDEX', 'l', -1) == value.encode()


@pytest.mark.parametrize('width', ['u8', 'i64', 'u63', 'i1'])
def test_bitfield_at_extreme_offsets(client, width):
    """CVE-2021-32761: offsets in bits become bytes without overflow."""
    client('SET', 'k', 'v')
    for offset in (*EXTREMES, 1 << 64, '#%d' % LARGEST, '#%d' % (1 << 60), '#%d' % (1 << 32)):
        assert isinstance(client('BITFIELD', 'k', 'SET', width, offset, 1), (Error, list))
        assert isinstance(client('BITFIELD', 'k', 'GET', width, offset), (Error, list))
        assert isinstance(client('SETBIT', 'k', offset, 1), (Error, int))
        assert isinstance(client('GETBIT', 'k', offset), (Error, int))
    assert client('STRLEN', 'k') < 1 << 30
    client('DEL', 'k')


@pytest.mark.parametrize('count', EXTREMES)
def test_sort_and_ranges_at_extreme_limits(client, count):
    """CVE-2022-35977."""
    client.ok('RPUSH', 'l', 3, 1, 2)
    client.ok('ZADD', 'z', 1, 'a', 2, 'b', 3, 'c')
    for other in (0, 1, -1, *EXTREMES):
        assert isinstance(client('SORT', 'l', 'LIMIT', count, other), (Error, list))
        assert isinstance(client('LRANGE', 'l', count, other), (Error, list))
        assert isinstance(client('LPOS', 'l', 1, 'RANK', 1, 'COUNT', abs(other) >> 1, 'MAXLEN', abs(count) >> 1), (Error, list))
        assert isinstance(client('ZRANGE', 'z', '-inf', 'inf', 'BYSCORE', 'LIMIT', count, other), (Error, list))
        assert isinstance(client('ZRANGE', 'z', count, other), (Error, list))
        assert isinstance(client('ZREMRANGEBYRANK', 'nothing', count, other), (Error, int))
    assert client('LLEN', 'l') == 3 and client('ZCARD', 'z') == 3


@pytest.mark.forebay_only
@pytest.mark.parametrize('count', EXTREMES)
def test_random_members_of_an_extreme_count(client, count):
    """CVE-2023-22458, CVE-2023-25155: the reply's length is computed without overflow, and has a bound. The reference
    would send for ever."""
    client.ok('SADD', 's', 'a', 'b')
    client.ok('HSET', 'h', 'a', 1, 'b', 2)
    client.ok('ZADD', 'z', 1, 'a', 2, 'b')
    for words in (('SRANDMEMBER', 's', count), ('HRANDFIELD', 'h', count), ('HRANDFIELD', 'h', count, 'WITHVALUES'),
                  ('ZRANDMEMBER', 'z', count), ('ZRANDMEMBER', 'z', count, 'WITHSCORES')):
        reply = client(*words)
        assert isinstance(reply, Error) if count < 0 else isinstance(reply, Error) or len(reply) in (2, 4), words
    assert isinstance(client('SPOP', 's', count), (Error, list))
    assert is_answered(client)


def test_increments_make_no_number_that_is_none(client):
    """CVE-2023-28856: a field that nobody can read any more."""
    for by in ('nan', 'inf', '-inf', '1e400', '1e-400', '', '0x', '1 '):
        client('HINCRBYFLOAT', 'h', 'f', by)
        client('INCRBYFLOAT', 's', by)
        client('ZINCRBY', 'z', by, 'm')
    for by in ('inf', '-inf'):
        client('ZADD', 'z', by, 'n')
        assert isinstance(client('ZINCRBY', 'z', '-inf' if by == 'inf' else 'inf', 'n'), Error)
    for text in (*(client('HVALS', 'h')), client('GET', 's') or b'0'):
        assert b'nan' not in text and b'inf' not in text
    assert not isinstance(client('HINCRBYFLOAT', 'h', 'f', 1), Error)
    assert not any(math.isnan(float(score)) for score in client('ZRANGE', 'z', 0, -1, 'WITHSCORES')[1::2])


def sized(text):
    return bytes([len(text)]) + text


@pytest.mark.parametrize('body', [
    b'\x05\x01' + sized(b'm') + struct.pack('<d', math.nan),
    b'\x05\x01' + sized(b'm') + struct.pack('<Q', 0xfff0000000000001),
    b'\x03\x01' + sized(b'm') + b'\xfd',
    b'\x03\x01' + sized(b'm') + sized(b'nan'),
    b'\x05\x02' + (sized(b'm') + struct.pack('<d', 1.0)) * 2,
], ids=['binary', 'signalling', 'text form', 'text', 'twice'])
def test_restore_takes_no_score_that_is_not_a_number(client, body):
    client('RESTORE', 'z', 0, payload.seal(body))
    scores = client('ZRANGE', 'z', 0, -1, 'WITHSCORES')[1::2]
    assert not any(math.isnan(float(score)) for score in scores)
    client.ok('ZADD', 'z', 5, 'm')
    assert client('ZCARD', 'z') == 1 and client('ZSCORE', 'z', 'm') == b'5'


@pytest.mark.forebay_only
def test_restore_of_a_changed_collection_is_refused_or_whole(client):
    """CVE-2026-25243, CVE-2026-63639, CVE-2026-66373: every byte of payloads of all types, changed in every bit. What
    was taken can be read, changed, copied and freed; two consumers never own one delivery."""
    client.ok('RPUSH', 'l', 'a', 'bb', 1000)
    client.ok('HSET', 'h', 'f', 'v', 'g', '77')
    client.ok('SADD', 'i', 1, 2, 70000)
    client.ok('SADD', 's', 'a', 'b')
    client.ok('ZADD', 'z', 1, 'a', 2.5, 'b')
    client.ok('XADD', 'x', '1-1', 'f', 'v')
    client.ok('XADD', 'x', '2-1', 'f', 'w')
    client.ok('XGROUP', 'CREATE', 'x', 'g', 0)
    for consumer in ('one', 'two'):
        client.ok('XREADGROUP', 'GROUP', 'g', consumer, 'COUNT', 1, 'STREAMS', 'x', '>')
    uses = {'list': [('LRANGE', 'k', 0, -1), ('LPUSH', 'k', 'n'), ('LPOP', 'k')],
            'hash': [('HGETALL', 'k'), ('HSET', 'k', 'n', 1), ('HDEL', 'k', 'f')],
            'set': [('SMEMBERS', 'k'), ('SADD', 'k', 'n', 9), ('SREM', 'k', 1)],
            'zset': [('ZRANGE', 'k', 0, -1), ('ZADD', 'k', 7, 'n'), ('ZREM', 'k', 'a')],
            'stream': [('XRANGE', 'k', '-', '+'), ('XPENDING', 'k', 'g'), ('XACK', 'k', 'g', '1-1', '2-1'),
                       ('XGROUP', 'DELCONSUMER', 'k', 'g', 'one'), ('XGROUP', 'DESTROY', 'k', 'g')],
            'string': [('GET', 'k')]}
    for key in 'lhiszx':
        body = payload.body(client('DUMP', key))
        for at in range(len(body)):
            for bit in range(8):
                changed = bytearray(body)
                changed[at] ^= 1 << bit
                if client('RESTORE', 'k', 0, payload.seal(bytes(changed)), 'REPLACE') != 'OK':
                    continue
                kind = str(client('TYPE', 'k'))
                client.pipeline([('COPY', 'k', 'other', 'REPLACE'), ('DUMP', 'k'), *uses.get(kind, []), ('DEL', 'k', 'other')])
    assert is_answered(client)


def test_xautoclaim_of_deleted_entries_and_extreme_counts(client):
    """CVE-2022-31144, CVE-2022-35951."""
    client.ok('XGROUP', 'CREATE', 'x', 'g', 0, 'MKSTREAM')
    for number in range(1, 101):
        client.ok('XADD', 'x', '%d-0' % number, 'f', number)
    client.ok('XREADGROUP', 'GROUP', 'g', 'one', 'STREAMS', 'x', '>')
    client.ok('XDEL', 'x', *['%d-0' % number for number in range(1, 101, 2)])
    for count in (*EXTREMES, 0, 1 << 60, LARGEST // 10, LARGEST // 16):
        for start in ('-', '0-0', '18446744073709551615-18446744073709551615', '50-0'):
            reply = client('XAUTOCLAIM', 'x', 'g', 'two', 0, start, 'COUNT', count, 'JUSTID')
            assert isinstance(reply, (Error, list))
    client('XTRIM', 'x', 'MAXLEN', 0)
    assert isinstance(client('XAUTOCLAIM', 'x', 'g', 'two', 0, '-', 'COUNT', 10), list)
    for words in (('XADD', 'x', 'MAXLEN', LARGEST, '*', 'f', 'v'), ('XADD', 'x', '18446744073709551615-18446744073709551615', 'f', 'v'),
                  ('XADD', 'x', '*', 'f', 'v'), ('XRANGE', 'x', '-', '+', 'COUNT', SMALLEST), ('XREAD', 'COUNT', LARGEST, 'STREAMS', 'x', 0),
                  ('XSETID', 'x', '1-1', 'ENTRIESADDED', LARGEST, 'MAXDELETEDID', '0-0'), ('XPENDING', 'x', 'g', '-', '+', LARGEST)):
        client(*words)
    assert is_answered(client)


def test_getkeys_knows_the_keys_of_sort(client):
    """CVE-2023-41053: what reads keys by patterns names the key itself."""
    assert client('COMMAND', 'GETKEYS', 'SORT_RO', 'l', 'BY', 'w_*', 'GET', 'v_*') == [b'l']
    assert client('COMMAND', 'GETKEYS', 'SORT', 'l', 'BY', 'w_*', 'STORE', 'd') == [b'l', b'd']


def test_killing_clients_that_wait_while_they_are_served(server):
    """CVE-2026-23479 and kin: a client that waits for a key is killed while the key is filled, renamed, made another type
    or deleted; the lists that it moves between wake others."""
    stop, failures = threading.Event(), []

    def wait(words):
        while not stop.is_set():
            try:
                with server.client() as client:
                    while not stop.is_set():
                        client(*words)
            except OSError:
                pass

    def fill():
        try:
            with server.client() as client:
                while not stop.is_set():
                    client.pipeline([('RPUSH', 'a', 1, 2), ('MULTI',), ('RPUSH', 'b', 1), ('DEL', 'b'), ('SET', 'b', 'x'), ('EXEC',),
                                     ('DEL', 'b'), ('ZADD', 'z', 1, 'm', 2, 'n'), ('RPUSH', 'other', 1), ('RENAME', 'other', 'b'),
                                     ('XADD', 'x', 'MAXLEN', 5, '*', 'f', 'v')])
        except Exception as failure:  # noqa: BLE001  told by the story's own thread
            failures.append(failure)
    waits = [('BLPOP', 'a', 'b', 0.2), ('BLMOVE', 'a', 'b', 'LEFT', 'RIGHT', 0.2), ('BLMOVE', 'b', 'a', 'LEFT', 'RIGHT', 0.2),
             ('BZPOPMIN', 'z', 0.2), ('BLMPOP', 0.2, 2, 'b', 'a', 'LEFT'), ('XREAD', 'BLOCK', 200, 'STREAMS', 'x', '$')]
    threads = [threading.Thread(target=wait, args=(words,)) for words in waits]
    for thread in threads:
        thread.start()
    # Not among those who are killed: CLIENT KILL spares only the caller.
    filler = threading.Thread(target=fill)
    with server.client() as client:
        for _ in range(150):
            if not filler.is_alive() and not stop.is_set():
                failures.clear()
                filler = threading.Thread(target=fill)
                filler.start()
            client.ok('CLIENT', 'KILL', 'TYPE', 'normal')
            client.ok('CLIENT', 'LIST')
        stop.set()
        for thread in (*threads, filler):
            thread.join()
        wait_until(lambda: int(client.info('clients')['blocked_clients']) == 0, what='nobody waiting')
        assert is_answered(client)
