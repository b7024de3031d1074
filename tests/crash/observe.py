# SPDX-License-Identifier: BSD-3-Clause
"""What a server holds, as the states of model.py: collections as tests/crash/collection_operations.py keeps them, streams as
tests/crash/stream_operations.py does."""
from tests.crash import stream_operations


def pairs(words):
    return zip(words[::2], words[1::2])


# How a value of each type is read whole, and its state of that reply.
READERS = {
    'string': (lambda key: ('GET', key), lambda reply: reply),
    'list': (lambda key: ('LRANGE', key, 0, -1), tuple),
    'set': (lambda key: ('SMEMBERS', key), lambda reply: tuple(sorted(reply))),
    'hash': (lambda key: ('HGETALL', key), lambda reply: tuple(sorted((*pair, None) for pair in pairs(reply)))),
    'zset': (lambda key: ('ZRANGE', key, 0, -1, 'WITHSCORES'),
             lambda reply: tuple((float(score), member) for member, score in pairs(reply))),
    'stream': (lambda key: ('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0), stream_operations.observe),
}


def observe(client, with_fields=True):
    """{key: state} of all keys; 'with_fields' if the server can be asked for the expiry of fields. Keys that expire
    meanwhile are not there."""
    keys = client.ok('KEYS', '*')
    types = client.pipeline([('TYPE', key) for key in keys])
    there = [(key, str(kind)) for key, kind in zip(keys, types) if kind != 'none']
    replies = client.pipeline([READERS[kind][0](key) for key, kind in there])
    values = {key: READERS[kind][1](reply) for (key, kind), reply in zip(there, replies) if reply}
    if with_fields:
        read_field_expiries(client, values, [key for key, kind in there if kind == 'hash'])
    expires = client.pipeline([('PEXPIRETIME', key) for key in values])
    return {key: (values[key], at if at >= 0 else None) for key, at in zip(values, expires) if at != -2}


def read_field_expiries(client, values, hashes):
    names = {key: [field for field, _, _ in values[key]] for key in hashes}
    replies = client.pipeline([('HPEXPIRETIME', key, 'FIELDS', len(fields), *fields) for key, fields in names.items()])
    for key, times in zip(names, replies):
        values[key] = tuple((field, value, at if at >= 0 else None) for (field, value, _), at in zip(values[key], times))
