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
from tests.soak.hold_rows import CHANGES, DUMPED, IN_TRANSACTIONS, K, OF_ALL, OTHER, T, T2, TRANSACTIONS, TYPES, of_keys

STEP = 20000

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
LAST = ('FLUSHALL',)


def told(kind, command, hold, raw, reply):
    words = ' '.join(str(word) for word in command)
    shown = reply if isinstance(reply, (int, str)) else ''
    mark = ' <--' if hold[0] > 1000 and len(raw) < 10000 else ''
    print('%-7s %-66.66s %10.3f ms %-12s %10d bytes  %.40s%s' % (kind, words, hold[0] / 1000, hold[1].decode(), len(raw), shown, mark), flush=True)


def measure(kind, client, command):
    words = [client('DUMP', 'tiny') if word is DUMPED else word for word in command]
    client('DEBUG', 'LONGEST-HOLD')
    reply = client(*words)
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


def measure_transaction(kind, client, commands):
    client('COPY', K, T, 'REPLACE')
    client('DEBUG', 'LONGEST-HOLD')
    client('MULTI')
    for command in commands:
        client(*command)
    client('EXEC')
    raw = client.raw()
    told(kind, ('EXEC of', *(word for command in commands for word in (*command, ';'))), client('DEBUG', 'LONGEST-HOLD'), raw, '')
    client('DEL', T)


def measure_script(kind, client, command):
    client('COPY', K, T, 'REPLACE')
    measure(kind, client, ('EVAL', 'redis.call(unpack(ARGV))', 3, T, T2, OTHER, *command))
    client('DEL', T)


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
        for commands in TRANSACTIONS + IN_TRANSACTIONS[kind](elements):
            if not only or only in 'EXEC' + str(commands):
                measure_transaction(kind, client, commands)
        for commands in TRANSACTIONS + IN_TRANSACTIONS[kind](elements):
            if len(commands) == 1 and (not only or only in 'EVAL' + str(commands)):
                measure_script(kind, client, commands[0])
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
