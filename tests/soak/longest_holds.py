#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""For how long each command on a very large object holds a partition, so that others must wait for it.

    make HOLDS=1
    FOREBAY_SERVER=$PWD/build/holds/forebay-server python3 -m tests.soak.longest_holds [--elements 10000000]
        [--types list,set,hash,zset,stream,string,keys] [--only LTRIM,TIER] [--again 4]

A line is a command, the longest hold of any partition by any thread from its begin until its reply (the thread's time of the
processor), which thread it was, the basic blocks of our code that it executed and the most that any hold did, the bytes of the
reply, and what the command told of its result. A row whose command changes
the object much runs on a copy. What is above 1 ms with a small reply ends with a mark.

What a hypervisor takes from a core counts as the thread's: a loop of nothing has gaps of 1 to 9 ms. So what is above 1 ms is
measured again, --again times, and the least of all is what the command needs. Rows that are left out by --only are named by any
of their words; what is more than a row by EXPIRY, ENCODING, BGSAVE, TIER, RESTORE, REPLICA, FLUSHALL."""
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
ABOVE = 1000
PARTS = 20
again = 4


def is_asked(only, what):
    return not only or any(word in what for word in only)


def told(kind, command, hold, raw, reply):
    words = ' '.join(str(word) for word in command)
    shown = reply if isinstance(reply, (int, str)) else ''
    mark = ' <--' if hold[0] > ABOVE and len(raw) < 10000 else ''
    print('%-7s %-66.66s %10.3f ms %-12s %7d blocks, most %7d %10d bytes  %.40s%s'
          % (kind, words, hold[0] / 1000, hold[1].decode(), hold[2], hold[3], len(raw), shown, mark), flush=True)


def measure(kind, client, command):
    words = [client('DUMP', 'tiny') if word is DUMPED else word for word in command]
    client('DEBUG', 'LONGEST-HOLD')
    reply = client(*words)
    raw = client.raw()
    hold = client('DEBUG', 'LONGEST-HOLD')
    told(kind, command, hold, raw, reply)
    return hold[0] > ABOVE and len(raw) < 10000


def measure_commands(kind, client, commands):
    client('COPY', K, T, 'REPLACE')
    is_above = [measure(kind, client, command) for command in commands]
    client('DEL', T)
    client('DEL', 'elsewhere')
    return any(is_above)


def measure_row(kind, client, row):
    tries = 0
    while (measure_commands(kind, client, row) if isinstance(row, list) else measure(kind, client, row)) and tries < again:
        tries += 1


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


def measure_growing(kind, client, elements):
    """A part after the other: the longest hold in the half of them that show least, since it is long work."""
    holds = []
    for i in range(0, elements, elements // PARTS):
        client('DEBUG', 'LONGEST-HOLD')
        if kind == 'string':
            client('SETRANGE', K, (i + elements // PARTS) * 10, 'x')
        else:
            grow(client, kind, K, i, min(i + elements // PARTS, elements))
        holds.append(client('DEBUG', 'LONGEST-HOLD'))
    holds.sort()
    told(kind, ('(growing)',), holds[PARTS // 2], b'', 'least %d us, most %d us' % (holds[0][0], holds[-1][0]))


def measure_copy(kind, server, client):
    """What a replica that copies everything costs the primary, and itself, before and after it has something."""
    client('DEBUG', 'LONGEST-HOLD')
    with servers.start('forebay') as replica, replica.client(timeout=600) as other:
        for what in ('copies', 'copies again'):
            other.ok('REPLICAOF', '127.0.0.1', server.port)
            servers.wait_until(lambda: other.info('replication').get('master_link_status') == 'up', 600, 'the copy')
            told(kind, ('(a REPLICA', what, 'the primary)'), client('DEBUG', 'LONGEST-HOLD'), b'', '')
            told(kind, ('(a REPLICA', what, 'itself)'), other('DEBUG', 'LONGEST-HOLD'), b'', '')
            other.ok('REPLICAOF', 'NO', 'ONE')
            other.ok('SET', 'own', 1)


def measure_save(kind, client, elements):
    """Changes of the value while a file is saved, from before it is found until after."""
    for i in range(0, 100000, 1000):
        client.pipeline([('SET', 'filler:%d' % j, j) for j in range(i, i + 1000)])
    client('SAVE')
    for _ in range(1 + again):
        client('DEBUG', 'LONGEST-HOLD')
        client('BGSAVE')
        saving, count = True, 0
        while saving:
            count += 1
            client(*CHANGES[kind], elements + count)
            saving = b'rdb_bgsave_in_progress:1' in client('INFO', 'persistence')
        told(kind, ('BGSAVE', 'and', *CHANGES[kind]), client('DEBUG', 'LONGEST-HOLD'), b'', count)


def measure_tier(kind, client):
    """The value is written as a row, leaves memory, by itself and for want of room, and is read again."""
    for commands in ((('DEBUG', 'RELOAD'),), (('APPEND', 'other', 'x'), ('CONFIG', 'SET', 'maxmemory', '32mb'))):
        for command in commands:
            measure(kind, client, command)
        servers.wait_until(lambda: int(client.info('memory')['used_memory']) < 64 << 20, 120, 'the value to leave memory')
        told(kind, ('(it goes to the TIER)',), client('DEBUG', 'LONGEST-HOLD'), b'', '')
        client('CONFIG', 'SET', 'maxmemory', 0)
        for command in (('TYPE', K), ('OBJECT', 'ENCODING', K), CHANGES[kind] + ('a',)):
            measure(kind, client, command)


EXPIRED_FINDS = (('HRANDFIELD',), ('HSCAN', 0, 'COUNT', 1000), ('HSET', 'x', 1), ('HGETALL',), ('COPY', T2), ('DEL',))


def measure_field_expiry(kind, client, elements):
    """All fields expire at once: found by commands, and by the ticker."""
    client('COPY', K, T, 'REPLACE')
    client('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    client('DEBUG', 'LONGEST-HOLD')
    due = int(time.time() * 1000) + 10000 + elements // 100
    for i in range(0, elements, STEP):
        client.pipeline([('HPEXPIREAT', T, due, 'FIELDS', 100, *('field:%d' % k for k in range(j, j + 100))) for j in range(i, min(i + STEP, elements), 100)])
    told(kind, ('(HPEXPIREAT of all fields)',), client('DEBUG', 'LONGEST-HOLD'), b'', client('HLEN', T))
    for finds in EXPIRED_FINDS:
        client('COPY', T, T + finds[0])
    time.sleep(max(0, due / 1000 + 0.1 - time.time()))
    for finds in EXPIRED_FINDS:
        measure(kind, client, (finds[0], T + finds[0]) + finds[1:])
    client('DEBUG', 'SET-ACTIVE-EXPIRE', 1)
    servers.wait_until(lambda: client('HLEN', T) == 0, 300, 'all fields to expire')
    told(kind, ('(all fields EXPIRY)',), client('DEBUG', 'LONGEST-HOLD'), b'', '')
    client('DEL', T, T2, *(T + finds[0] for finds in EXPIRED_FINDS))


LIMITS = {'hash': ('hash-max-listpack-entries', 'hash-max-listpack-value'), 'set': ('set-max-listpack-entries', 'set-max-intset-entries'),
          'zset': ('zset-max-listpack-entries', 'zset-max-listpack-value'), 'list': ('list-max-listpack-size',), 'stream': ('stream-node-max-entries', 'stream-node-max-bytes')}


def measure_encodings(kind, client, elements):
    """The limits of compact encodings are raised beyond all, values come into being, and the limits are lowered again."""
    before = {name: client('CONFIG', 'GET', name)[1] for name in LIMITS[kind]}
    for name in before:
        client.ok('CONFIG', 'SET', name, 10 ** 9)
    for command in (CHANGES[kind] + ('b',), ('COPY', K, T, 'REPLACE'), CHANGES[kind][:1] + (T,) + CHANGES[kind][2:] + ('c',), ('DEBUG', 'RELOAD'), ('TYPE', K)):
        measure(kind, client, command)
    client('DEL', T)
    client('DEBUG', 'LONGEST-HOLD')
    grow(client, kind, T, 0, elements // 10)
    told(kind, ('(growing with raised limits, ENCODING)',), client('DEBUG', 'LONGEST-HOLD'), b'', client('OBJECT', 'ENCODING', T))
    for name, value in before.items():
        client.ok('CONFIG', 'SET', name, value)
    for command in (CHANGES[kind][:1] + (T,) + CHANGES[kind][2:] + ('d',), ('COPY', T, T2, 'REPLACE'), ('DEL', T), ('DEL', T2)):
        measure(kind, client, command)


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
        measure_growing(kind, client, elements)
        if kind in ('set', 'zset'):
            grow(client, kind, OTHER, elements, 2 * elements)
        for row in TYPES[kind](elements) + OF_ALL:
            if is_asked(only, str(row)):
                measure_row(kind, client, row)
        for commands in TRANSACTIONS + IN_TRANSACTIONS[kind](elements):
            if is_asked(only, 'EXEC' + str(commands)):
                measure_transaction(kind, client, commands)
        for commands in TRANSACTIONS + IN_TRANSACTIONS[kind](elements):
            if len(commands) == 1 and is_asked(only, 'EVAL' + str(commands)):
                measure_script(kind, client, commands[0])
        if is_asked(only, 'BGSAVE'):
            measure_save(kind, client, elements)
        if kind == 'hash' and is_asked(only, 'EXPIRY'):
            measure_field_expiry(kind, client, elements)
        if kind in LIMITS and is_asked(only, 'ENCODING'):
            measure_encodings(kind, client, elements)
        if is_asked(only, 'TIER'):
            measure_tier(kind, client)
        if is_asked(only, 'RESTORE'):
            dump = client('DUMP', K)
            if isinstance(dump, bytes) and len(dump) < 500000000:
                measure(kind, client, ('RESTORE', T2, 0, dump, 'REPLACE'))
        if is_asked(only, 'REPLICA'):
            measure_copy(kind, server, client)
        if is_asked(only, str(LAST)):
            measure(kind, client, LAST)


def main():
    global again
    parser = argparse.ArgumentParser()
    parser.add_argument('--elements', type=int, default=10000000)
    parser.add_argument('--types', default=','.join(TYPES) + ',keys')
    parser.add_argument('--only', type=lambda words: words.split(','), default=[])
    parser.add_argument('--again', type=int, default=again)
    options = parser.parse_args()
    again = options.again
    for kind in options.types.split(','):
        if kind == 'keys':
            run_keys(options.elements)
        else:
            run(kind, options.elements, options.only)


if __name__ == '__main__':
    main()
