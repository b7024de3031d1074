#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long commands on very large collections take, and how long the tier keeps others from them.

    python3 -m tests.soak.large_objects [--elements 10000000] [--types hash,set,zset,list]

Durations are the slowlog's, on the wall: on a busy machine the worst one may be a turn of another process, which the line
'control' (short commands on short values, as many) shows. 'while saving' and 'cold load' tell what a client waits who
reads another key of the same partition while the whole value is written to the tier, or read from there, and the flusher's
longest hold of a partition, which is its thread's time of the processor."""
import argparse
import threading
import time

from tests.lib import server as servers

BATCH, SINGLES, REPEATED = 50, 20000, 2000
SLOW_US = 1000


def pairs(begin, end, form):
    return [word for i in range(begin, end) for word in form(i)]


APPEND = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'field', i) end"
TYPES = {
    'stream': {'grow': lambda a, b: ('EVAL', APPEND, 1, 'k', b - a),
               'singles': lambda i: (('XRANGE', 'k', i, '+', 'COUNT', 1), ('XADD', 'k', '*', 'more', i), ('XTRIM', 'k', 'MINID', i))},
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


# What takes no longer the larger the object is; n is the number of the repetition.
OF_ALL = (lambda n: ('TYPE', 'k'), lambda n: ('OBJECT', 'ENCODING', 'k'), lambda n: ('MEMORY', 'USAGE', 'k'),
          lambda n: ('EXPIRE', 'k', 100000 + n), lambda n: ('PERSIST', 'k'), lambda n: ('EXISTS', 'k'))
OF_HASHES = (lambda n: ('HLEN', 'k'), lambda n: ('HRANDFIELD', 'k', 10), lambda n: ('HSCAN', 'k', n << 40, 'COUNT', 10),
             lambda n: ('HEXPIRE', 'k', 100000 + n, 'FIELDS', 1, 'field:%d' % n), lambda n: ('HTTL', 'k', 'FIELDS', 1, 'field:%d' % n),
             lambda n: ('HPEXPIRE', 'k', 1, 'FIELDS', 1, 'field:%d' % (3 * n)), lambda n: ('HMGET', 'k', 'field:%d' % n, 'field:1'))
CONSTANT = {
    'stream': (lambda n: ('XLEN', 'k'), lambda n: ('XREVRANGE', 'k', '+', '-', 'COUNT', 10), lambda n: ('XINFO', 'STREAM', 'k'),
               lambda n: ('XREAD', 'COUNT', 10, 'STREAMS', 'k', n)),
    'hash': OF_HASHES,
    'timed hash': OF_HASHES,
    'set': (lambda n: ('SCARD', 'k'), lambda n: ('SRANDMEMBER', 'k', 10), lambda n: ('SSCAN', 'k', n << 40, 'COUNT', 10),
            lambda n: ('SPOP', 'k'), lambda n: ('SMISMEMBER', 'k', 'member:1', 'member:%d' % n)),
    'zset': (lambda n: ('ZCARD', 'k'), lambda n: ('ZRANDMEMBER', 'k', 10), lambda n: ('ZSCAN', 'k', n << 40, 'COUNT', 10),
             lambda n: ('ZRANGE', 'k', n * 400, n * 400 + 9), lambda n: ('ZREVRANGE', 'k', n * 400, n * 400 + 9),
             lambda n: ('ZRANGEBYSCORE', 'k', n * 400, '+inf', 'LIMIT', 0, 10), lambda n: ('ZCOUNT', 'k', n * 400, '+inf'),
             lambda n: ('ZPOPMIN', 'k'), lambda n: ('ZPOPMAX', 'k')),
    'list': (lambda n: ('LLEN', 'k'), lambda n: ('LRANGE', 'k', n, n + 9), lambda n: ('LRANGE', 'k', -10 - n, -1 - n),
             lambda n: ('LTRIM', 'k', 1, -2), lambda n: ('LSET', 'k', n, 'set'), lambda n: ('RPOP', 'k')),
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


def measure_waits(name, step, server, client, commands):
    """Of who reads another key of the partition meanwhile."""
    until, found = threading.Event(), []
    client('SET', '{k}', 1)
    reader = threading.Thread(target=lambda: found.append(worst_wait(server, ('GET', '{k}'), until)))
    reader.start()
    started = time.monotonic()
    for command in commands:
        client(*command)
    took = time.monotonic() - started
    until.set()
    reader.join()
    held = int(client.info('tier')['tier_longest_hold_usec']) / 1000
    print('%-12s %-34s %9.3f s        worst wait of a reader %8.3f ms, longest hold of the flusher %.3f ms'
          % (name, step, took, found[0] * 1000, held), flush=True)


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
        for make in OF_ALL + CONSTANT[name]:
            send(client, (make(i) for i in range(REPEATED)))
            told(name, ' '.join(str(word) for word in make(1)[:2]) + ' ...', REPEATED, slow(client))
        measure_waits(name, 'while saving', server, client, [('SAVE',)])
        client.ok('DEBUG', 'RELOAD')
        measure_waits(name, 'cold load', server, client, [kind['singles'](1)[0]])
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
