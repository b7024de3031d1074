# SPDX-License-Identifier: BSD-3-Clause
"""Collections in the tier: they go out whole and come back as they were, with encodings, times, and times of fields."""
import time

import pytest

from tests.lib.server import wait_until

pytestmark = pytest.mark.forebay_only

COUNT = 6
LARGE = 1500


def now_ms():
    return int(time.time() * 1000)


def pairs(names, values):
    return [word for pair in zip(names, values) for word in pair]


def make(client, at):
    """Small and large ones of each type; every third has a time, and hashes some fields that have."""
    commands = []
    for n in range(COUNT):
        for size in (7, LARGE):
            words = ['%d:%d' % (n, i) for i in range(size)]
            commands += [('RPUSH', 'list:%d:%d' % (n, size), *words),
                         ('SADD', 'set:%d:%d' % (n, size), *words), ('SADD', 'ints:%d:%d' % (n, size), *range(n, n + size)),
                         ('ZADD', 'zset:%d:%d' % (n, size), *pairs([i * 0.5 for i in range(size)], words)),
                         ('HSET', 'hash:%d:%d' % (n, size), *pairs(words, range(size))),
                         ('HSET', 'timed:%d:%d' % (n, size), *pairs(words, range(size))),
                         ('HPEXPIREAT', 'timed:%d:%d' % (n, size), at, 'FIELDS', 2, *words[:2])]
            if n % 3 == 0:
                commands += [('PEXPIREAT', '%s:%d:%d' % (kind, n, size), at + 5) for kind in ('list', 'set', 'zset', 'hash', 'timed')]
    for reply in client.pipeline(commands):
        assert isinstance(reply, (int, list))


READERS = {b'list': ('LRANGE', 0, -1), b'set': ('SMEMBERS',), b'zset': ('ZRANGE', 0, -1, 'WITHSCORES'), b'hash': ('HGETALL',),
           b'timed': ('HGETALL',), b'ints': ('SMEMBERS',)}


def picture(client):
    """All that can be told of the keys."""
    keys = sorted(key for key in client('KEYS', '*:*:*'))
    told = {}
    for key in keys:
        kind = key.split(b':')[0]
        name, *rest = READERS[kind]
        found = client(name, key, *rest)
        ordered = kind in (b'list', b'zset')
        times = client('HPEXPIRETIME', key, 'FIELDS', 3, *['%s:%d' % (key.split(b':')[1].decode(), i) for i in range(3)]) \
            if kind == b'timed' else None
        told[key] = (found if ordered else sorted(found), client('OBJECT', 'ENCODING', key), client('PEXPIRETIME', key), times)
    return told


def push_out(client):
    """All rows are written, and nothing of them stays in memory."""
    client.ok('DEBUG', 'RELOAD')


@pytest.fixture
def small(own_server):
    return own_server(tier='yes')


def test_collections_come_back_as_they_were(small):
    with small.client(timeout=60) as client:
        make(client, now_ms() + 10 ** 8)
        before = picture(client)
        push_out(client)
        assert picture(client) == before
        push_out(client)
    for kill in (False, True):
        wait_for_log(small)
        small.restart(kill=kill)
        with small.client(timeout=60) as client:
            assert client('DBSIZE') == len(before)
            assert picture(client) == before


def wait_for_log(server):
    """What was acknowledged is synced: a kill loses none of it."""
    with server.client(timeout=60) as client:
        client('WAITAOF', 1, 0, 60000)


def test_changes_to_cold_collections_last(small):
    with small.client(timeout=60) as client:
        make(client, now_ms() + 10 ** 8)
        push_out(client)
        for n in range(COUNT):
            for size in (7, LARGE):
                client.pipeline([('RPUSH', 'list:%d:%d' % (n, size), 'new'), ('SREM', 'set:%d:%d' % (n, size), '%d:0' % n),
                                 ('ZADD', 'zset:%d:%d' % (n, size), 99, '%d:1' % n), ('HDEL', 'hash:%d:%d' % (n, size), '%d:2' % n),
                                 ('HPERSIST', 'timed:%d:%d' % (n, size), 'FIELDS', 1, '%d:0' % n)])
        before = picture(client)
        push_out(client)
    wait_for_log(small)
    small.restart(kill=True)
    with small.client(timeout=60) as client:
        assert picture(client) == before


def test_fields_that_expire_while_their_hash_is_cold_are_not_there(small):
    with small.client(timeout=60) as client:
        at = now_ms() + 1500
        make(client, at)
        push_out(client)
        wait_until(lambda: now_ms() > at + 5, what='the time')
        for n in range(COUNT):
            for size in (7, LARGE):
                expected = 0 if n % 3 == 0 else size - 2
                assert len(client('HKEYS', 'timed:%d:%d' % (n, size))) == expected
        before = picture(client)
    wait_for_log(small)
    small.restart(kill=True)
    with small.client(timeout=60) as client:
        assert picture(client) == before
