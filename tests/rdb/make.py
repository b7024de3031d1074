# SPDX-License-Identifier: BSD-3-Clause
"""Makes the small files of this folder: of redis-server 7.0 with every type, and by hand of what other servers write. They are
what tests/unit/replication/rdb_damage_test.c damages and tests/fuzz/rdb_file_fuzz.c begins with.

    python3 -m tests.rdb.make
"""
import os
import shutil

from tests.lib import server as servers
from tests.lib.rdb import File, integer_string, intset, length, listpack, lzf_string, old_double, string, ziplist, zipmap

HERE = os.path.dirname(os.path.abspath(__file__))
FAR = 4102444800000
SMALL = dict(hash_max_listpack_entries=3, zset_max_listpack_entries=3, set_max_intset_entries=3, list_max_listpack_size=3,
             stream_node_max_entries=4)


def write(name, data):
    with open(os.path.join(HERE, name), 'wb') as file:
        file.write(data)
    print(name, len(data))


def fill(client):
    library = "#!lua name=l\nredis.register_function('f', function() return 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' end)"
    commands = [('FUNCTION', 'LOAD', library)]
    for db in (0, 3):
        commands += [('SELECT', db), ('SET', 'i8', 5), ('SET', 'i32', 100000), ('SET', 'text', 'value'), ('SET', 'lzf', 'ab' * 60),
                     ('SET', 'timed', 'v', 'PXAT', FAR)]
    for i in range(3):
        commands += [('RPUSH', 'list', 'a%d' % i, i), ('SADD', 'intset', i * 70000), ('HSET', 'hash', 'f%d' % i, i),
                     ('ZADD', 'zset', i / 2, 'm%d' % i)]
    for i in range(8):
        commands += [('RPUSH', 'lists', 'element %d' % i), ('SADD', 'set', 'member %d' % i), ('HSET', 'hashes', 'field %d' % i, i),
                     ('ZADD', 'zsets', i / 3, 'member %d' % i), ('XADD', 'stream', '%d-1' % (i + 1), 'f', i, 'g', 'v')]
    commands += [('RPUSH', 'lists', 'w' * 120), ('PEXPIREAT', 'hashes', FAR), ('XGROUP', 'CREATE', 'stream', 'g', 0),
                 ('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 3, 'STREAMS', 'stream', '>'), ('XDEL', 'stream', '2-1')]
    client.pipeline(commands)


def of_redis(name, **directives):
    with servers.start('redis', **SMALL, **directives) as redis:
        fill(redis.client())
        redis.client().ok('SAVE')
        shutil.copy(os.path.join(redis.directory, 'dump.rdb'), os.path.join(HERE, name))
    print(name, os.path.getsize(os.path.join(HERE, name)))


def old(version):
    pairs = [(b'f1', b'v1'), (b'f2', b'x' * 20), (b'n', b'17')]
    file = File(version).db(0)
    file.key(b'zipmap', 9, string(zipmap(pairs))).key(b'list', 10, string(ziplist([b'a', 1, -300, 1 << 20, 1 << 40, b'y' * 70])))
    file.key(b'lzf', 10, lzf_string(ziplist([b'q' * 100, b'end']))).key(b'zset', 12, string(ziplist([b'b', -5, b'a', b'1.5'])))
    file.key(b'hash', 13, string(ziplist([b'f', b'v', b'g', 12]))).key(b'intset', 11, string(intset([3, -1, 1 << 40])))
    file.key(b'linked', 1, length(3) + string(b'one') + integer_string(2, 1) + lzf_string(b'y' * 100))
    file.key(b'table:set', 2, length(2) + string(b'one') + integer_string(1 << 20, 4))
    file.key(b'table:zset', 3, length(2) + string(b'm') + old_double(1.5) + string(b'n') + old_double(float('inf')))
    file.key(b'table:hash', 4, length(1) + string(b'f') + string(b'v'))
    file.key(b'seconds', 0, string(b'v'), seconds=2000000000).key(b'ms', 0, lzf_string(b'ab' + b'c' * 100), ms=FAR)
    return file.end()


def newer():
    time = FAR.to_bytes(8, 'little')
    file = File(12).about(b'redis-ver', b'7.4.0').db(0, (4, 0))
    file.key(b'table', 24, time + length(2) + length(1) + string(b'a') + string(b'1') + length(0) + string(b'c') + string(b'3'))
    file.key(b'listpack', 25, time + string(listpack([b'a', b'1', FAR, b'c', b'3', 0])))
    file.key(b'set', 20, string(listpack([b'a', b'b', 3]))).key(b'idle', 0, string(b'v'), idle=100)
    file.key(b'often', 0, string(b'v'), frequency=7)
    file.key(b'stream', 21, length(1) + string(b'\x00' * 7 + b'\x01' + b'\x00' * 7 + b'\x01') +
             string(listpack([1, 0, 1, b'f', 0, 2, 0, 0, b'v', 4])) + length(1) + length(1) + length(1) + length(1) + length(1) +
             length(0) + length(0) + length(1) + length(0))
    return file.end()


def of_valkey():
    file = File(80, b'VALKEY').about(b'valkey-ver', b'9.0.0').db(0).raw(b'\xf4' + length(5) + length(2) + length(0))
    file.key(b'hash', 22, length(2) + string(b'a') + string(b'1') + FAR.to_bytes(8, 'little') + string(b'b') + string(b'2') +
             b'\xff' * 8)
    return file.key(b'text', 0, string(b'v')).end()


def with_modules():
    words = length(12345 << 10) + length(2) + length(7) + length(5) + string(b'abc') + length(4) + b'\x00' * 8 + length(0)
    return File(9).db(0).key(b'm', 7, words).raw(b'\xf7' + words).key(b'k', 0, string(b'v')).end()


if __name__ == '__main__':
    of_redis('redis-7.0.rdb', rdbcompression='yes')
    of_redis('redis-7.0-no-checksum.rdb', rdbchecksum='no')
    write('redis-1.rdb', old(3))
    write('redis-2.rdb', old(6))
    write('redis-7.4.rdb', newer())
    write('valkey-9.rdb', of_valkey())
    write('modules.rdb', with_modules())
