#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long commands on very large collections take, and how long the tier keeps others from them.

    python3 -m tests.soak.large_objects [--elements 10000000] [--types hash,set,zset,list]

Durations are the slowlog's, on the wall: on a busy machine the worst one may be a turn of another process, which the line
'control' (short commands on short values, as many) shows. 'while saving' is what a client waits who reads one element
while the whole value is written to the tier."""
import argparse
import threading
import time

from tests.lib import server as servers

BATCH, SINGLES = 50, 20000
SLOW_US = 1000


def pairs(begin, end, form):
    return [word for i in range(begin, end) for word in form(i)]


TYPES = {
    'hash': {'grow': lambda a, b: ('HSET', 'k', *pairs(a, b, lambda i: ('field:%d' % i, i))),
             'singles': lambda i: (('HGET', 'k', 'field:%d' % i), ('HSET', 'k', 'more:%d' % i, i), ('HDEL', 'k', 'more:%d' % i))},
    'set': {'grow': lambda a, b: ('SADD', 'k', *['member:%d' % i for i in range(a, b)]),
            'singles': lambda i: (('SISMEMBER', 'k', 'member:%d' % i), ('SADD', 'k', 'more:%d' % i), ('SREM', 'k', 'more:%d' % i))},
    'zset': {'grow': lambda a, b: ('ZADD', 'k', *pairs(a, b, lambda i: (i * 7919 % 10000019, 'member:%d' % i))),
             'singles': lambda i: (('ZRANK', 'k', 'member:%d' % i), ('ZADD', 'k', i, 'more:%d' % i), ('ZREM', 'k', 'more:%d' % i))},
    'list': {'grow': lambda a, b: ('RPUSH', 'k', *['element:%d' % i for i in range(a, b)]),
             'singles': lambda i: (('LINDEX', 'k', -1), ('LPUSH', 'k', 'more'), ('LPOP', 'k'))},
    'timed hash': {'grow': lambda a, b: ('HSETEX', 'k', 'EX', 100000 + a, 'FIELDS', b - a,
                                         *pairs(a, b, lambda i: ('field:%d' % i, i))),
                   'singles': lambda i: (('HGET', 'k', 'field:%d' % i), ('HSETEX', 'k', 'EX', 50, 'FIELDS', 1, 'more:%d' % i, i),
                                         ('HDEL', 'k', 'more:%d' % i))},
}


def send(client, commands, at_once=200):
    waiting = []
    for command in commands:
        waiting.append(command)
        if len(waiting) == at_once:
            client.pipeline(waiting)
            waiting.clear()
    if waiting:
        client.pipeline(waiting)


def slow(client):
    """How many took more than a millisecond since this was asked last, and the worst in milliseconds."""
    entries = client('SLOWLOG', 'GET', -1)
    count = client('SLOWLOG', 'LEN')
    client.ok('SLOWLOG', 'RESET')
    return count, max((entry[2] for entry in entries), default=0) / 1000


def told(name, step, count, found):
    print('%-12s %-34s %9d commands  %5d above 1 ms  worst %8.3f ms' % (name, step, count, *found), flush=True)


def worst_wait(server, command, until):
    worst, client = 0, server.client(timeout=600)
    while not until.is_set():
        started = time.monotonic()
        client(*command)
        worst = max(worst, time.monotonic() - started)
    client.close()
    return worst


def measure_saving(name, server, client, command):
    until, found = threading.Event(), []
    reader = threading.Thread(target=lambda: found.append(worst_wait(server, command, until)))
    reader.start()
    started = time.monotonic()
    client('SAVE')
    took = time.monotonic() - started
    until.set()
    reader.join()
    held = int(client.info('tier')['tier_longest_hold_usec']) / 1000
    print('%-12s %-34s %9.3f s        worst wait of a reader %8.3f ms, longest hold of the flusher %.3f ms'
          % (name, 'while saving', took, found[0] * 1000, held), flush=True)


def ending(name, client, step, kind, elements, command):
    send(client, (kind['grow'](i, i + BATCH) for i in range(0, elements, BATCH)))
    slow(client)
    client(*command)
    told(name, step, 1, slow(client))
    client('DEL', 'k')


def run(name, elements):
    kind = TYPES[name]
    with servers.start('forebay', maxmemory='8gb') as server, server.client(timeout=600) as client:
        client.ok('CONFIG', 'SET', 'slowlog-log-slower-than', SLOW_US, 'slowlog-max-len', 100000)
        send(client, (('SET', 'c', i) for i in range(SINGLES * 3)))
        told(name, 'control', SINGLES * 3, slow(client))
        send(client, (kind['grow'](i, i + BATCH) for i in range(0, elements, BATCH)))
        told(name, 'growing to %d' % elements, elements // BATCH, slow(client))
        send(client, (command for i in range(SINGLES) for command in kind['singles'](i)))
        told(name, 'one element each', SINGLES * 3, slow(client))
        measure_saving(name, server, client, kind['singles'](1)[0])
        slow(client)
        client('DEL', 'k')
        told(name, 'DEL', 1, slow(client))
        for step, command in (('UNLINK', ('UNLINK', 'k')), ('SET over it', ('SET', 'k', 'x')), ('PEXPIRE 0', ('PEXPIRE', 'k', 0)),
                              ('RENAME over it', ('RENAME', 'c', 'k'))):
            client('SET', 'c', 1)
            ending(name, client, step, kind, elements // 10, command)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--elements', type=int, default=10000000)
    parser.add_argument('--types', default=','.join(TYPES))
    options = parser.parse_args()
    for name in options.types.split(','):
        run(name, options.elements)


if __name__ == '__main__':
    main()
