# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE between this server and redis-server 7.0, both ways, for small and large values of every encoding."""
import random

import pytest

from tests.lib import payload
from tests.lib import server as servers
from tests.lib.resp import Error

BAD_DATA = Error('ERR Bad data format')


def words(count, length=8):
    return [('w%d' % i).ljust(length, '.') for i in range(count)]


def pairs(names, values):
    return [word for pair in zip(names, values) for word in pair]


# name: the commands that make the value at the key k, and its encoding
VALUES = {
    'an integer': ([('SET', 'k', 1234567)], b'int'),
    'a number that is too long': ([('SET', 'k', '1' * 30)], b'embstr'),
    'a short string': ([('SET', 'k', 'hello')], b'embstr'),
    'a long string': ([('SET', 'k', bytes(range(256)) * 20)], b'raw'),
    'a string of one letter': ([('SET', 'k', 'x' * 5000)], b'raw'),
    'a short list': ([('RPUSH', 'k', *words(20), -1, 70000, 1 << 40)], None),
    'a long list': ([('RPUSH', 'k', *words(2000))], b'quicklist'),
    'a list of long elements': ([('RPUSH', 'k', *['%d' % i * 5000 for i in range(8)])], b'quicklist'),
    'a set of small integers': ([('SADD', 'k', *range(-50, 50))], b'intset'),
    'a set of large integers': ([('SADD', 'k', 1, 1 << 20, 1 << 40, -(1 << 62))], b'intset'),
    'a set of many integers': ([('SADD', 'k', *range(1000))], b'hashtable'),
    'a set of few words': ([('SADD', 'k', *words(10))], None),
    'a set of many words': ([('SADD', 'k', *words(1000))], b'hashtable'),
    'a small sorted set': ([('ZADD', 'k', *pairs((0, -1.5, 'inf', 1e300, 3.25), words(5)))], b'listpack'),
    'a sorted set of long members': ([('ZADD', 'k', *pairs(range(3), words(3, 100)))], b'skiplist'),
    'a large sorted set': ([('ZADD', 'k', *pairs([i * 0.37 for i in range(1000)], words(1000)))], b'skiplist'),
    'a small hash': ([('HSET', 'k', *pairs(words(10), (1, -5, 'x', '', 1 << 50, 'a', 'b', 'c', 'd', 'e')))], b'listpack'),
    'a hash of long values': ([('HSET', 'k', *pairs(words(3), words(3, 100)))], b'hashtable'),
    'a large hash': ([('HSET', 'k', *pairs(words(1000), range(1000)))], b'hashtable'),
    'an estimate': ([('PFADD', 'k', *words(500))], b'raw'),
    'a short stream': ([('XADD', 'k', '1-1', 'f', 'v'), ('XADD', 'k', '1-2', 'other', -5, 'f', 1 << 40)], b'stream'),
    'a stream without entries': ([('XGROUP', 'CREATE', 'k', 'group', '$', 'MKSTREAM')], b'stream'),
    'a stream with groups': (
        [('XADD', 'k', '%d-0' % n, *pairs(words(1 + n % 7 // 6), ('v%d' % n, n * 77))[:4]) for n in range(1, 251)]
        + [('XDEL', 'k', *range(3, 240, 5)), ('XTRIM', 'k', 'MAXLEN', 190)]
        + [('XGROUP', 'CREATE', 'k', name, start) for name, start in (('early', 0), ('late', '$'), ('middle', 99))]
        + [('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 20, 'STREAMS', 'k', '>')
           for group in ('early', 'middle') for consumer in ('ann', 'ben', 'ann')]
        + [('XACK', 'k', 'early', *range(50, 70)), ('XGROUP', 'CREATECONSUMER', 'k', 'late', 'idle one')], b'stream'),
    'places': ([('GEOADD', 'k', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')], b'listpack'),
}


@pytest.fixture(scope='module')
def reference():
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis') as server, server.client() as client:
        client.ok('CONFIG', 'SET', 'sanitize-dump-payload', 'yes')
        yield client


def stream_contents(client, key):
    """All but times and the shape of the index."""
    info = client('XINFO', 'STREAM', key)
    info = dict(zip(info[::2], info[1::2]))
    groups = [(group, [[entry[0], entry[1], entry[3]] for entry in client('XPENDING', key, group[1], '-', '+', 1000)],
               [consumer[:4] for consumer in client('XINFO', 'CONSUMERS', key, group[1])])
              for group in client('XINFO', 'GROUPS', key)]
    past = [info[name] for name in (b'length', b'last-generated-id', b'max-deleted-entry-id', b'entries-added')]
    return past, client('XRANGE', key, '-', '+'), groups


def contents(client, key):
    kind = client('TYPE', key)
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if kind == 'string':
        return client('GET', key)
    if kind == 'list':
        return client('LRANGE', key, 0, -1)
    if kind == 'set':
        return sorted(client('SMEMBERS', key))
    if kind == 'stream':
        return stream_contents(client, key)
    if kind == 'zset':
        return client('ZRANGE', key, 0, -1, 'WITHSCORES')
    found = client('HGETALL', key)
    return sorted(zip(found[::2], found[1::2]))


def make(client, value):
    for command in VALUES[value][0]:
        assert not isinstance(client(*command), Error)


@pytest.mark.parametrize('value', VALUES)
def test_each_server_restores_what_the_other_dumped(client, reference, value):
    reference.ok('FLUSHALL')
    make(client, value)
    make(reference, value)
    assert contents(client, 'k') == contents(reference, 'k')
    encoding = VALUES[value][1]
    for source, target in ((client, reference), (reference, client), (client, client)):
        assert target('RESTORE', 'r', 0, source('DUMP', 'k'), 'REPLACE') == 'OK'
        assert contents(target, 'r') == contents(source, 'k')
        assert target('OBJECT', 'ENCODING', 'r') == target('OBJECT', 'ENCODING', 'k')
        if encoding:
            assert target('OBJECT', 'ENCODING', 'r') in (encoding, b'raw')


@pytest.mark.parametrize('value', VALUES)
def test_no_damage_to_a_payload_does_more_than_an_error(client, value):
    """Bits of it changed, and pieces cut off, behind a checksum that is right."""
    make(client, value)
    body = payload.body(client('DUMP', 'k'))
    noise = random.Random(value)
    most = max(8, 30000 // len(body))
    bits = noise.sample(range(len(body) * 8), min(most, len(body) * 8))
    cuts = noise.sample(range(1, len(body)), min(most, len(body) - 1))
    damaged = [bytearray(body) for _ in bits]
    for bytes_, bit in zip(damaged, bits):
        bytes_[bit // 8] ^= 1 << bit % 8
    replies = client.pipeline([('RESTORE', 'r', 0, payload.seal(bytes(one)), 'REPLACE') for one in damaged])
    assert all(reply == 'OK' or reply == BAD_DATA for reply in replies)
    replies = client.pipeline([('RESTORE', 'r', 0, payload.seal(body[:length]), 'REPLACE') for length in cuts])
    assert all(reply == BAD_DATA for reply in replies)
    assert contents(client, 'k') is not None
