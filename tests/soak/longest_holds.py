#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""For how long each command on a very large object holds a partition, so that others must wait for it.

    make HOLDS=1
    FOREBAY_SERVER=$PWD/build/holds/forebay-server python3 -m tests.soak.longest_holds [--elements 10000000]
        [--types list,set,hash,zset,stream,string,keys] [--only LTRIM]

A line is a command, the longest hold of any partition by any thread from its begin until its reply (the thread's time of the
processor), which thread it was, the bytes of the reply, and what the command told of its result. A row whose command changes
the object much runs on a copy. What is above 1 ms with a small reply ends with a mark."""
import argparse
import time

from tests.lib import server as servers
from tests.lib.resp import Error

STEP = 20000
K, T, T2, OTHER = '{k}', '{k}t', '{k}u', '{k}2'

GROW = {
    'list': "for i = ARGV[1], ARGV[2], 100 do local w = {} for j = i, i + 99 do w[#w + 1] = 'element:' .. j end "
            "redis.call('RPUSH', KEYS[1], unpack(w)) end",
    'set': "for i = ARGV[1], ARGV[2], 100 do local w = {} for j = i, i + 99 do w[#w + 1] = 'member:' .. j end "
           "redis.call('SADD', KEYS[1], unpack(w)) end",
    'hash': "for i = ARGV[1], ARGV[2], 100 do local w = {} for j = i, i + 99 do w[#w + 1] = 'field:' .. j w[#w + 1] = j end "
            "redis.call('HSET', KEYS[1], unpack(w)) end",
    'zset': "for i = ARGV[1], ARGV[2], 100 do local w = {} for j = i, i + 99 do w[#w + 1] = j w[#w + 1] = 'member:' .. j end "
            "redis.call('ZADD', KEYS[1], unpack(w)) end",
    'stream': "for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], i + 1 .. '-0', 'field', i) end",
}


def grow(client, kind, key, begin, end):
    for i in range(begin, end, STEP):
        client.pipeline([('EVAL', GROW[kind], 1, key, j, min(j + 100, end) - 1) for j in range(i, min(i + STEP, end), 100)])


def of_list(n):
    middle = 'element:%d' % (n // 2)
    return (
        ('LINDEX', K, n // 2), ('LSET', K, n // 2, middle), ('LRANGE', K, n // 2, n // 2 + 9), ('LINSERT', K, 'BEFORE', middle, 'x'),
        ('LPOS', K, middle), ('LPOS', K, 'absent'), ('LREM', K, 1, middle), ('LREM', K, 0, 'absent'), ('LPUSH', K, 'x'), ('RPOP', K),
        ('LMOVE', K, K, 'LEFT', 'RIGHT'), [('LTRIM', T, n // 4, -n // 4)], [('LTRIM', T, 1, 0)], [('LPOP', T, n // 100)], [('LMPOP', 1, T, 'LEFT', 'COUNT', n // 100)],
        [('RPUSH', T, *range(n // 100))], ('SORT', K, 'BY', 'nosort', 'LIMIT', n // 2, 10), ('SORT', K, 'ALPHA', 'LIMIT', 0, 10),
        ('SORT', K, 'BY', 'nosort', 'STORE', OTHER))


def of_set(n):
    return (
        ('SADD', K, 'x'), ('SREM', K, 'x'), ('SMOVE', K, OTHER, 'member:7'), ('SINTERCARD', 2, K, OTHER, 'LIMIT', 10), ('SINTER', K, OTHER),
        ('SINTERSTORE', T2, K, OTHER), ('SDIFF', K, K), ('SDIFFSTORE', T2, K, OTHER), ('SUNIONSTORE', T2, K, OTHER), ('SUNIONSTORE', T2, K),
        [('SPOP', T, n // 100)], [('SPOP', T, n)], ('SRANDMEMBER', K, n // 100), ('SRANDMEMBER', K, -n // 100), ('SSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'),
        ('SMEMBERS', K), [('SADD', T, *range(n // 100)), ('SREM', T, *range(n // 100))], ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10),
        ('SORT', K, 'ALPHA', 'LIMIT', 0, 10), ('SORT', K, 'BY', 'w:*', 'LIMIT', 0, 10, 'GET', 'w:*'), ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10, 'GET', 'w:*->f'))


def of_hash(n):
    return (
        ('HSET', K, 'x', 1), ('HDEL', K, 'x'), ('HINCRBY', K, 'field:7', 1), ('HEXPIRE', K, 1000, 'FIELDS', 1, 'field:7'), ('HRANDFIELD', K, n // 100),
        ('HRANDFIELD', K, -n // 100), ('HSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'), ('HGETALL', K), ('HVALS', K),
        [('HSET', T, *range(n // 50)), ('HPEXPIRE', T, 1, 'FIELDS', n // 100, *range(0, n // 50, 2)), ('HRANDFIELD', T), ('HLEN', T)],
        [('HSET', T, *range(n // 50)), ('HDEL', T, *range(0, n // 50, 2))])


def of_zset(n):
    return (
        ('ZADD', K, n // 2, 'x'), ('ZREM', K, 'x'), ('ZRANK', K, 'member:%d' % (n // 2)), ('ZRANGE', K, n // 2, n // 2 + 9),
        ('ZRANGEBYSCORE', K, '-inf', '+inf', 'LIMIT', n // 2, 10), ('ZRANGEBYLEX', K, '-', '+', 'LIMIT', n // 2, 10), ('ZCOUNT', K, n // 4, '+inf'),
        ('ZLEXCOUNT', K, '-', '+'), [('ZREMRANGEBYRANK', T, n // 4, n // 2)], [('ZREMRANGEBYSCORE', T, n // 4, n // 2)], [('ZREMRANGEBYLEX', T, '-', '+')],
        ('ZRANGESTORE', T2, K, 0, n // 2), ('ZUNIONSTORE', T2, 2, K, OTHER), ('ZINTERSTORE', T2, 2, K, OTHER), ('ZDIFFSTORE', T2, 2, K, OTHER),
        ('ZUNIONSTORE', T2, 1, K), ('ZINTERCARD', 2, K, OTHER, 'LIMIT', 10), ('ZINTER', 2, K, OTHER), [('ZPOPMIN', T, n // 100)], [('ZMPOP', 1, T, 'MAX', 'COUNT', n // 100)],
        [('ZADD', T, *range(n // 50)), ('ZREM', T, *range(1, n // 50, 2))],
        ('ZRANDMEMBER', K, n // 100), ('ZSCAN', K, 0, 'COUNT', n // 10, 'MATCH', 'none'), ('GEOSEARCH', K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km', 'COUNT', 10),
        ('GEOSEARCH', K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km', 'COUNT', 10, 'ANY'), ('GEOSEARCHSTORE', T2, K, 'FROMLONLAT', 0, 0, 'BYRADIUS', 20000, 'km'),
        ('SORT', K, 'BY', 'nosort', 'LIMIT', 0, 10), ('SORT', K, 'ALPHA', 'LIMIT', 0, 10))


def of_stream(n):
    ids = ['%d-0' % i for i in range(10, 10 + 100 * (n // 1000), 100)]
    return (
        ('XADD', K, '*', 'field', 1), ('XRANGE', K, n // 2, '+', 'COUNT', 10), ('XDEL', K, '%d-0' % (n // 2)), ('XINFO', 'STREAM', K), ('XINFO', 'STREAM', K, 'FULL', 'COUNT', 10),
        [('XTRIM', T, 'MAXLEN', n // 2)], [('XTRIM', T, 'MAXLEN', '~', n // 2)], [('XTRIM', T, 'MINID', n // 2)], [('XADD', T, 'MAXLEN', 10, '*', 'f', 1)],
        ('XGROUP', 'CREATE', K, 'g', 0), ('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', n, 'STREAMS', K, '>'), ('XINFO', 'STREAM', K), ('XINFO', 'GROUPS', K), ('XPENDING', K, 'g'),
        ('XPENDING', K, 'g', '-', '+', 10), ('XPENDING', K, 'g', 'IDLE', 100000000, '-', '+', 10), ('XPENDING', K, 'g', 'IDLE', 100000000, '-', '+', 10, 'c'),
        ('XPENDING', K, 'g', '-', '+', 10, 'absent'), ('XINFO', 'STREAM', K, 'FULL', 'COUNT', n // 10),
        ('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 10, 'STREAMS', K, n // 2), ('XAUTOCLAIM', K, 'g', 'd', 100000000, 0, 'COUNT', 100),
        ('XAUTOCLAIM', K, 'g', 'd', 100000000, 0, 'COUNT', n // 10), ('XAUTOCLAIM', K, 'g', 'd', 0, 0, 'COUNT', n // 100, 'JUSTID'), ('XCLAIM', K, 'g', 'd', 100000000, *ids),
        ('XCLAIM', K, 'g', 'd', 0, *ids, 'JUSTID'), ('XACK', K, 'g', '7-0'), ('SAVE',), [('XACK', T, 'g', *ids)], [('XDEL', T, *ids)], [('XDELEX', T, 'DELREF', 'IDS', len(ids), *ids)],
        [('XACKDEL', T, 'g', 'IDS', len(ids), *ids)], [('XTRIM', T, 'MAXLEN', n // 2)], ('XSETID', K, '%d-0' % (2 * 10 ** 12)), ('XGROUP', 'SETID', K, 'g', n // 2),
        ('XGROUP', 'CREATECONSUMER', K, 'g', 'e'), [('XGROUP', 'DELCONSUMER', T, 'g', 'c')], [('XGROUP', 'DESTROY', T, 'g')])


def of_string(n):
    return (
        ('STRLEN', K), ('GETRANGE', K, n, n + 9), ('SETRANGE', K, n, 'x'), ('APPEND', K, 'x'), ('SETBIT', K, n, 1), ('BITCOUNT', K), ('BITPOS', K, 0), ('BITOP', 'NOT', T2, K),
        ('GETSET', T2, 'x'), ('GET', K), ('SETRANGE', T2, n * 10, 'x'), [('APPEND', T, 'x' * 1000)], [('BITFIELD', T, 'SET', 'u8', n * 100, 1)])


def of_keys(n):
    """A tenth as many keys, of which all go at once."""
    return (('DBSIZE',), ('RANDOMKEY',), ('KEYS', 'none'), ('SCAN', 0, 'COUNT', n // 10, 'MATCH', 'none'), ('SWAPDB', 0, 1), ('SWAPDB', 0, 1))


OF_ALL = (('TYPE', K), ('OBJECT', 'ENCODING', K), ('MEMORY', 'USAGE', K), ('EXPIRE', K, 100000), ('PERSIST', K), ('SAVE',), ('COPY', K, T2, 'REPLACE'), [('RENAME', T, T2)],
          [('RENAME', T, 'elsewhere')], [('MOVE', T, 1)], ('DUMP', K), [('DEL', T)], [('SET', T, 'x')], [('PEXPIRE', T, 0)], [('PEXPIRE', T, 1), ('EXISTS', T)])
LAST = ('FLUSHALL',)
TYPES = {'list': of_list, 'set': of_set, 'hash': of_hash, 'zset': of_zset, 'stream': of_stream, 'string': of_string}


CHANGES = {'list': ('LSET', K, 7), 'set': ('SADD', K), 'hash': ('HSET', K, 'field:7'), 'zset': ('ZADD', K, 1), 'string': ('SETRANGE', K, 7),
           'stream': ('XADD', K, '*', 'field')}


def told(kind, command, hold, raw, reply):
    words = ' '.join(str(word) for word in command)
    shown = reply if isinstance(reply, (int, str)) else ''
    mark = ' <--' if hold[0] > 1000 and len(raw) < 10000 else ''
    print('%-7s %-66.66s %10.3f ms %-12s %10d bytes  %.40s%s' % (kind, words, hold[0] / 1000, hold[1].decode(), len(raw), shown, mark), flush=True)


def measure(kind, client, command):
    client('DEBUG', 'LONGEST-HOLD')
    reply = client(*command)
    raw = client.raw()
    told(kind, command, client('DEBUG', 'LONGEST-HOLD'), raw, reply)
    return reply


def measure_row(kind, client, row):
    if not isinstance(row, list):
        measure(kind, client, row)
        return
    client('COPY', K, T, 'REPLACE')
    for command in row:
        measure(kind, client, command)
    client('DEL', T)
    client('DEL', 'elsewhere')


def measure_copy(kind, server, client):
    """What a replica that copies everything costs."""
    client('DEBUG', 'LONGEST-HOLD')
    with servers.start('forebay') as replica, replica.client(timeout=600) as other:
        other.ok('REPLICAOF', '127.0.0.1', server.port)
        servers.wait_until(lambda: other.info('replication').get('master_link_status') == 'up', 600, 'the copy')
        told(kind, ('(a', 'replica', 'copies)'), client('DEBUG', 'LONGEST-HOLD'), b'', '')


def measure_save(kind, client, elements):
    """Changes of the value while a file is saved, from before it is found until after."""
    for i in range(0, 100000, 1000):
        client.pipeline([('SET', 'filler:%d' % j, j) for j in range(i, i + 1000)])
    client('SAVE')
    client('DEBUG', 'LONGEST-HOLD')
    client('BGSAVE')
    saving, count = True, 0
    while saving:
        count += 1
        client(*CHANGES[kind], elements + count)
        saving = b'rdb_bgsave_in_progress:1' in client('INFO', 'persistence')
    told(kind, ('BGSAVE', 'and', *CHANGES[kind]), client('DEBUG', 'LONGEST-HOLD'), b'', count)


def run_keys(elements):
    with servers.start('forebay') as server, server.client(timeout=600) as client:
        fill = "for i = ARGV[1], ARGV[1] + 999 do redis.call('SET', 'key:' .. i, i, 'PXAT', ARGV[2]) end"
        due = int(time.time() * 1000) + 3600000
        client.pipeline([('EVAL', fill, 0, i, due) for i in range(0, elements // 10, 1000)])
        for row in of_keys(elements):
            measure('keys', client, row)
        due = int(time.time() * 1000) + 60000
        client.pipeline([('EVAL', fill, 0, i, due) for i in range(0, elements // 10, 1000)])
        client('DEBUG', 'LONGEST-HOLD')
        servers.wait_until(lambda: client('DBSIZE') == 0, 120, 'all keys to expire')
        told('keys', ('(all', 'expire)'), client('DEBUG', 'LONGEST-HOLD'), b'', '')
        client.pipeline([('EVAL', fill, 0, i, due + 3600000) for i in range(0, elements // 10, 1000)])
        measure('keys', client, LAST)


def run(kind, elements, only):
    with servers.start('forebay', reply_bytes_max='2gb') as server, server.client(timeout=600) as client:
        client('DEBUG', 'LONGEST-HOLD')
        if kind == 'string':
            client('SETRANGE', K, elements * 10, 'x')
        else:
            grow(client, kind, K, 0, elements)
        told(kind, ('(growing)',), client('DEBUG', 'LONGEST-HOLD'), b'', '')
        if kind in ('set', 'zset'):
            grow(client, kind, OTHER, elements, 2 * elements)
        for row in TYPES[kind](elements) + OF_ALL:
            if not only or only in str(row):
                measure_row(kind, client, row)
        if only in ('', 'BGSAVE'):
            measure_save(kind, client, elements)
        if not only:
            dump = client('DUMP', K)
            if isinstance(dump, bytes) and len(dump) < 500000000:
                measure(kind, client, ('RESTORE', T2, 0, dump, 'REPLACE'))
            measure_copy(kind, server, client)
            measure(kind, client, LAST)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--elements', type=int, default=10000000)
    parser.add_argument('--types', default=','.join(TYPES) + ',keys')
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    for kind in options.types.split(','):
        if kind == 'keys':
            run_keys(options.elements)
        else:
            run(kind, options.elements, options.only)


if __name__ == '__main__':
    main()
