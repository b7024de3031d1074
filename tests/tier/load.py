# SPDX-License-Identifier: BSD-3-Clause
"""Fast loading and reading of many keys whose values tell which key and which version they belong to."""
from tests.lib import resp

BATCH = 500


def key_of(number):
    return b'key:%d' % number


def value_of(number, size, version=0):
    """Different for every key and version, and not compressible to nothing."""
    head = b'%d/%d:' % (number, version)
    return (head * (size // len(head) + 1))[:size]


def pipelined(client, commands):
    """Replies to any number of commands, a batch at a time."""
    batch = []
    for command in commands:
        batch.append(command)
        if len(batch) == BATCH:
            yield from client.pipeline(batch)
            batch = []
    if batch:
        yield from client.pipeline(batch)


def write(client, numbers, size, version=0, extra=()):
    for number, reply in zip(numbers, pipelined(client, (
            ('SET', key_of(n), value_of(n, size, version), *extra) for n in numbers))):
        if reply != 'OK':
            raise AssertionError('SET %r answered %r' % (key_of(number), reply))


def check(number, reply, size, version):
    expected = None if version is None else value_of(number, size, version)
    if reply != expected:
        raise AssertionError('%r is %.80r, expected %.80r' % (key_of(number), reply, expected))


def verify(client, numbers, size, version=0, batch=200):
    """Every key holds what was written, asked for many at a time; version None means that it must not be there."""
    numbers = list(numbers)
    for start in range(0, len(numbers), batch):
        some = numbers[start:start + batch]
        for number, reply in zip(some, client.ok('MGET', *map(key_of, some))):
            check(number, reply, size, version)


def verify_one_by_one(client, numbers, size, version=0):
    """The same by a pipeline of GETs."""
    for number, reply in zip(numbers, pipelined(client, (('GET', key_of(n)) for n in numbers))):
        check(number, reply, size, version)


def scan(client, count=1000, *options):
    """(names seen, how often any came twice) of a whole iteration."""
    cursor, seen, twice = b'0', set(), 0
    while True:
        reply = client('SCAN', cursor, 'COUNT', count, *options)
        if isinstance(reply, resp.Error):
            raise AssertionError(reply)
        cursor, names = reply
        for name in names:
            twice += name in seen
            seen.add(name)
        if cursor == b'0':
            return seen, twice
