# SPDX-License-Identifier: BSD-3-Clause
"""Whether two nodes hold the same: every key of every database with its value, its time and those of its fields, to the
millisecond, groups of streams with what is pending, and functions."""
import time

from tests.lib.resp import Error

DATABASES = range(4)
BATCH = 200
LOOKS = 5

READERS = {
    'string': lambda key: ('GET', key),
    'list': lambda key: ('LRANGE', key, 0, -1),
    'hash': lambda key: ('HGETALL', key),
    'set': lambda key: ('SMEMBERS', key),
    'zset': lambda key: ('ZRANGE', key, 0, -1, 'WITHSCORES'),
    'stream': lambda key: ('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0),
}


def batches(client, commands):
    replies = []
    for begin in range(0, len(commands), BATCH):
        replies += client.pipeline(commands[begin:begin + BATCH])
    return replies


def named(words):
    return dict(zip(words[::2], words[1::2]))


def stream_of(reply):
    """Without what says how the server keeps it, when a consumer was last seen, and consumers that have nothing."""
    about = named(reply)
    groups = []
    for group in map(named, about[b'groups']):
        consumers = {consumer[b'name']: consumer[b'pending'] for consumer in map(named, group[b'consumers']) if consumer[b'pending']}
        groups.append((group[b'name'], group[b'last-delivered-id'], group.get(b'entries-read'), group[b'pending'], consumers))
    return [about[name] for name in (b'length', b'last-generated-id', b'max-deleted-entry-id', b'entries-added', b'entries')], groups


def value_of(kind, reply):
    if kind == 'hash':
        return sorted(zip(reply[::2], reply[1::2]))
    if kind == 'set':
        return sorted(reply)
    return stream_of(reply) if kind == 'stream' else reply


def keys_of(client):
    keys, cursor = set(), b'0'
    while True:
        cursor, found = client.ok('SCAN', cursor, 'COUNT', 1000)
        keys.update(found)
        if cursor == b'0':
            return sorted(keys)


def contents(client, db, with_field_times=True):
    """{key: [kind, time, value, times of fields]}"""
    client.ok('SELECT', db)
    keys = keys_of(client)
    kinds = [str(kind) for kind in batches(client, [('TYPE', key) for key in keys])]
    there = [(key, kind) for key, kind in zip(keys, kinds) if kind != 'none']
    times = batches(client, [('PEXPIRETIME', key) for key, _ in there])
    replies = batches(client, [READERS[kind](key) for key, kind in there])
    state = {}
    for (key, kind), time, reply in zip(there, times, replies):
        if isinstance(reply, Error):
            state[key] = [kind, time, str(reply), None]
        elif reply or kind == 'string' and reply is not None:
            state[key] = [kind, time, value_of(kind, reply), None]
    if with_field_times:
        hashes = {key: [field for field, _ in found[2]] for key, found in state.items() if found[0] == 'hash'}
        asked = [('HPEXPIRETIME', key, 'FIELDS', len(fields), *fields) for key, fields in hashes.items()]
        for key, reply in zip(hashes, batches(client, asked)):
            state[key][3] = reply
    client.ok('SELECT', 0)
    return state


def functions(client):
    return sorted((named(library)[b'library_name'], named(library)[b'library_code'])
                  for library in client.ok('FUNCTION', 'LIST', 'WITHCODE'))


def differences(one, other, db, with_field_times=True):
    """A few words about each key that differs."""
    left, right = contents(one, db, with_field_times), contents(other, db, with_field_times)
    return ['%d %r: %.300r or %.300r' % (db, key, left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())
            if left.get(key) != right.get(key)]


def assert_same(one, other, with_field_times=True):
    """Nobody writes; what has expired while it was looked at is looked at again."""
    for db in DATABASES:
        for again in range(LOOKS):
            told = differences(one, other, db, with_field_times)
            if not told:
                break
            time.sleep(again * 0.5)
        assert not told, '%d keys differ:\n%s' % (len(told), '\n'.join(told[:12]))
    assert functions(one) == functions(other), (functions(one), functions(other))


def assert_same_fillers(one, other, db, names):
    """Many strings without a time, of which the database consists."""
    for client in (one, other):
        client.ok('SELECT', db)
    assert one('DBSIZE') == other('DBSIZE')
    for begin in range(0, len(names), BATCH):
        some = names[begin:begin + BATCH]
        assert one('MGET', *some) == other('MGET', *some), some
    for client in (one, other):
        client.ok('SELECT', 0)
