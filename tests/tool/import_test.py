# SPDX-License-Identifier: BSD-3-Clause
"""forebay import: files of servers of many ages, into a running node."""
import os
import random
import subprocess
import sys

import pytest

from tests.lib import rdb
from tests.lib import server as servers
from tests.lib.rdb import File, integer_string, intset, length, listpack, lzf_string, old_double, string, ziplist, zipmap
from tests.replication.story import LIBRARY, assert_same, contents, fill
from tests.tool.story import PROGRAM, load, run, write

pytestmark = pytest.mark.forebay_only
needs_redis = pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server program')
FAR = 4102444800


@pytest.fixture(params=['behind', 'none'])
def node(request):
    with servers.start(durability=request.param) as server:
        yield server


@pytest.fixture
def plain_node():
    with servers.start() as server:
        yield server


# ---- what redis-server 7.0 writes ----

LIMITS = {'small': dict(hash_max_listpack_entries=4, zset_max_listpack_entries=4, set_max_intset_entries=4, list_max_listpack_size=3,
                        stream_node_max_entries=3),
          'usual': {}, 'large': dict(hash_max_listpack_entries=10000, zset_max_listpack_entries=10000,
                                     set_max_intset_entries=10000, list_max_listpack_size=-5, list_compress_depth=1)}


def fill_more(client):
    """What fill() does not have: strings and integers of every length and width, groups in every state."""
    commands = [('SELECT', 9)]
    for width in (1, 63, 64, 16383, 16384, 70000):
        commands += [('SET', 'len:%d' % width, 'a' * width), ('SET', 'noise:%d' % width, random.Random(width).randbytes(width)),
                     ('RPUSH', 'list:len', 'b' * width), ('HSET', 'hash:len', 'f%d' % width, 'c' * width)]
    for value in (0, -1, 127, 128, -129, 32767, 32768, 2 ** 31 - 1, 2 ** 31, -2 ** 31 - 1, 2 ** 63 - 1, -2 ** 63):
        commands += [('SET', 'int:%d' % value, value), ('RPUSH', 'list:int', value), ('SADD', 'set:int', value),
                     ('HSET', 'hash:int', value, value), ('ZADD', 'zset:int', value, value)]
    for power in (15, 31, 62):
        commands += [('SADD', 'intset:%d' % power, 2 ** power, -2 ** power, 1)]
    commands += [('ZADD', 'zset:far', 'inf', 'a', '-inf', 'b', 0.1, 'c', 1e300, 'd'), ('SET', '', 'empty name'),
                 ('SET', 'empty', ''), ('HSET', 'hash:empty', '', ''), ('RPUSH', 'list:empty', ''),
                 ('SET', 'soon', 'x', 'PX', 50000000), ('SET', 'past', 'x', 'PX', 1)]
    for i in range(20):
        commands.append(('XADD', 'x', '%d-%d' % (i // 3 + 1, i % 3 + 1), 'f', i, 'g' * (i % 4 + 1), 'v'))
    commands += [('XGROUP', 'CREATE', 'x', 'one', 0), ('XGROUP', 'CREATE', 'x', 'none', '$'),
                 ('XREADGROUP', 'GROUP', 'one', 'alice', 'COUNT', 7, 'STREAMS', 'x', '>'),
                 ('XREADGROUP', 'GROUP', 'one', 'bob', 'COUNT', 3, 'STREAMS', 'x', '>'), ('XACK', 'x', 'one', '1-2', '2-1'),
                 ('XDEL', 'x', '1-1', '6-3'), ('XGROUP', 'CREATECONSUMER', 'x', 'one', 'idle'),
                 ('XADD', 'x:empty', '5-5', 'f', 'v'), ('XDEL', 'x:empty', '5-5'), ('SELECT', 0)]
    client.pipeline(commands)


@needs_redis
@pytest.mark.parametrize('compression', ['yes', 'no'])
@pytest.mark.parametrize('limits', LIMITS)
def test_what_redis_saves_is_imported_exactly(plain_node, limits, compression):
    with servers.start('redis', rdbcompression=compression, **LIMITS[limits]) as redis:
        theirs, ours = redis.client(), plain_node.client()
        fill(theirs, random.Random(1))
        fill_more(theirs)
        assert theirs('SAVE') == 'OK'
        said = load(os.path.join(redis.directory, 'dump.rdb'), plain_node.port)
        assert_same(theirs, ours, (0, 3, 9))
        assert theirs('FUNCTION', 'LIST', 'WITHCODE') == ours('FUNCTION', 'LIST', 'WITHCODE')
        assert ' 1 function libraries imported' in said
        assert ours('OBJECT', 'ENCODING', 'hash:small') is not None


@needs_redis
def test_there_and_back_again(node):
    """Forebay -> BGSAVE -> redis-server -> SAVE -> import -> Forebay."""
    ours = node.client()
    fill(ours, random.Random(2))
    fill_more(ours)
    before = contents(ours, (0, 3, 9))
    assert ours('SAVE') == 'OK'
    redis = servers.Server('redis', rdbcompression='yes')
    try:
        os.link(os.path.join(node.directory, 'dump.rdb'), os.path.join(redis.directory, 'dump.rdb'))
        theirs = redis.start().client()
        assert contents(theirs, (0, 3, 9)) == before
        assert theirs('SAVE') == 'OK'
        ours.ok('FLUSHALL')
        ours.ok('FUNCTION', 'FLUSH')
        load(os.path.join(redis.directory, 'dump.rdb'), node.port)
        assert contents(ours, (0, 3, 9)) == before
        assert ours('FUNCTION', 'LIST', 'WITHCODE') == theirs('FUNCTION', 'LIST', 'WITHCODE')
    finally:
        redis.remove()


# ---- what older and newer servers wrote ----

WORDS = [b'a', b'word', b'x' * 70, b'', b'z' * 300]
NUMBERS = [0, 12, 13, -1, 127, -128, 128, 32767, -32768, 1 << 20, -(1 << 23), 1 << 30, 1 << 62, -(1 << 63)]
TEXTS = [b'%d' % number for number in NUMBERS]
PAIRS = [(b'f1', b'v1'), (b'f2', b'x' * 300), (b'g' * 260, b''), (b'n', b'17')]
SCORES = [(b'a', 1.5), (b'b', float('-inf')), (b'c', float('inf')), (b'd', -2.25)]


def sorted_by_score(scores):
    return [member for member, _ in sorted(scores, key=lambda pair: pair[1])]


def old_keys(file):
    """Every encoding that RDB 6 to 9 knew and 10 does not write, with what must come of it."""
    file.key(b'zipmap', 9, string(zipmap(PAIRS)))
    file.key(b'ziplist:list', 10, string(ziplist(WORDS + NUMBERS)))
    file.key(b'ziplist:compressed', 10, lzf_string(ziplist([b'q' * 500, b'end'])))
    file.key(b'ziplist:zset', 12, string(ziplist([b'b', -5, b'a', b'1.5', b'c', 7])))
    file.key(b'ziplist:hash', 13, string(ziplist([item for pair in PAIRS for item in pair])))
    file.key(b'intset:16', 11, string(intset([3, -1, 200])))
    file.key(b'intset:32', 11, string(intset([3, -1, 1 << 20])))
    file.key(b'intset:64', 11, string(intset([3, -1, 1 << 40])))
    file.key(b'linked', 1, length(3) + string(b'one') + integer_string(2, 1) + lzf_string(b'y' * 100))
    file.key(b'table:set', 2, length(3) + string(b'one') + integer_string(2, 2) + integer_string(1 << 20, 4))
    file.key(b'table:zset', 3, length(4) + b''.join(string(member) + old_double(score) for member, score in SCORES))
    file.key(b'table:hash', 4, length(4) + b''.join(string(name) + string(value) for name, value in PAIRS))
    file.key(b'text', 0, string(b'value'))
    file.key(b'number', 0, integer_string(-70000, 4))
    file.key(b'compressed', 0, lzf_string(b'ab' + b'c' * 1000 + b'd'))
    file.key(b'seconds', 0, string(b'v'), seconds=2000000000)
    file.key(b'milliseconds', 0, string(b'v'), ms=FAR * 1000 + 5)
    file.key(b'past', 0, string(b'v'), ms=5)


def check_old_keys(client):
    pairs = sorted(PAIRS)

    def hash_of(key):
        flat = client('HGETALL', key)
        return sorted(zip(flat[::2], flat[1::2]))
    assert hash_of('zipmap') == hash_of('ziplist:hash') == hash_of('table:hash') == pairs
    assert client('LRANGE', 'ziplist:list', 0, -1) == WORDS + TEXTS
    assert client('LRANGE', 'ziplist:compressed', 0, -1) == [b'q' * 500, b'end']
    assert client('ZRANGE', 'ziplist:zset', 0, -1, 'WITHSCORES') == [b'b', b'-5', b'a', b'1.5', b'c', b'7']
    for bits, most in ((16, 200), (32, 1 << 20), (64, 1 << 40)):
        assert sorted(map(int, client('SMEMBERS', 'intset:%d' % bits))) == [-1, 3, most]
        assert client('OBJECT', 'ENCODING', 'intset:%d' % bits) == b'intset'
    assert client('LRANGE', 'linked', 0, -1) == [b'one', b'2', b'y' * 100]
    assert sorted(client('SMEMBERS', 'table:set')) == [b'1048576', b'2', b'one']
    assert client('ZRANGE', 'table:zset', 0, -1) == sorted_by_score(SCORES)
    assert client('ZSCORE', 'table:zset', 'd') == b'-2.25' and client('ZSCORE', 'table:zset', 'b') == b'-inf'
    assert (client('GET', 'text'), client('GET', 'number')) == (b'value', b'-70000')
    assert client('GET', 'compressed') == b'ab' + b'c' * 1000 + b'd'
    assert client('PEXPIRETIME', 'seconds') == 2000000000 * 1000
    assert client('PEXPIRETIME', 'milliseconds') == FAR * 1000 + 5
    assert client('EXISTS', 'past') == 0 and client('TTL', 'text') == -1


@pytest.mark.parametrize('version', [1, 3, 5, 6, 7, 8, 9, 10, 11])
def test_encodings_of_old_servers(plain_node, version):
    file = File(version)
    if version >= 7:
        file.about(b'redis-ver', b'3.2.0').about(b'redis-bits', b'64')
    file.db(0, (18, 3) if version >= 7 else None)
    old_keys(file)
    expected = 17
    if version >= 7:
        file.key(b'quicklist', 14, length(2) + string(ziplist([b'a', 1])) + lzf_string(ziplist([b'r' * 200])))
        expected += 1
    if version >= 8:
        file.key(b'zset:binary', 5, length(2) + string(b'm') + b'\x00\x00\x00\x00\x00\x00\xf8\x3f' + string(b'n') + b'\x00' * 8)
        file.key(b'stream', 15, length(0) + length(0) + length(7) + length(3) + length(0))
        expected += 2
    if version >= 9:
        file.key(b'idle', 0, string(b'v'), idle=100)
        file.key(b'often', 0, string(b'v'), frequency=200)
        expected += 2
    if version >= 10:
        file.key(b'listpacks', 18, length(2) + length(2) + string(listpack([b'a', 5])) + length(1) + string(b'p' * 9000))
        file.key(b'listpack:hash', 16, string(listpack([b'f', b'v', b'g', 1 << 40])))
        file.key(b'listpack:zset', 17, string(listpack([b'm', 1, b'n', b'2.5'])))
        file.function(LIBRARY.encode())
        expected += 3
    if version >= 11:
        file.key(b'listpack:set', 20, string(listpack([b'a', b'b', 3])))
        expected += 1
    file.db(3).key(b'other', 0, string(b'db'))
    load(write(plain_node.directory, file.end()), plain_node.port)
    ours = plain_node.client()
    check_old_keys(ours)
    assert ours('DBSIZE') == expected
    if version >= 7:
        assert ours('LRANGE', 'quicklist', 0, -1) == [b'a', b'1', b'r' * 200]
    if version >= 8:
        assert ours('ZRANGE', 'zset:binary', 0, -1, 'WITHSCORES') == [b'n', b'0', b'm', b'1.5']
        assert ours('XINFO', 'STREAM', 'stream')[7] == b'7-3' or b'7-3' in ours('XINFO', 'STREAM', 'stream')
    if version >= 9:
        assert ours('OBJECT', 'IDLETIME', 'idle') >= 99
    if version >= 10:
        assert ours('LRANGE', 'listpacks', 0, -1) == [b'a', b'5', b'p' * 9000]
        assert sorted(ours('HGETALL', 'listpack:hash')) == sorted([b'f', b'v', b'g', b'%d' % (1 << 40)])
        assert ours('ZRANGE', 'listpack:zset', 0, -1) == [b'm', b'n']
        assert ours('FCALL', 'twice', 1, 'k', 'ab') == 'OK' and ours('GET', 'k') == b'abab'
    if version >= 11:
        assert sorted(ours('SMEMBERS', 'listpack:set')) == [b'3', b'a', b'b']
    ours('SELECT', 3)
    assert ours('GET', 'other') == b'db'


def test_times_of_fields_as_redis_74_writes_them(plain_node):
    first = FAR * 1000
    file = File(12).about(b'redis-ver', b'7.4.0').db(0, (2, 0))
    file.key(b'table', 24, first.to_bytes(8, 'little') + length(3) + length(1) + string(b'a') + string(b'1') + length(501) +
             string(b'b') + string(b'2') + length(0) + string(b'c') + string(b'3'))
    file.key(b'listpack', 25, first.to_bytes(8, 'little') +
             string(listpack([b'a', b'1', first, b'b', b'2', first + 500, b'c', b'3', 0])))
    load(write(plain_node.directory, file.end()), plain_node.port)
    ours = plain_node.client()
    for key in ('table', 'listpack'):
        assert ours('HPEXPIRETIME', key, 'FIELDS', 3, 'a', 'b', 'c') == [first, first + 500, -1]
        assert ours('HMGET', key, 'a', 'b', 'c') == [b'1', b'2', b'3']


def test_a_file_of_valkey(plain_node):
    first = FAR * 1000
    file = File(80, b'VALKEY').about(b'valkey-ver', b'9.0.0').db(0).raw(b'\xf4' + length(5) + length(2) + length(0))
    file.key(b'text', 0, string(b'v'))
    file.key(b'hash', 22, length(2) + string(b'a') + string(b'1') + first.to_bytes(8, 'little') + string(b'b') + string(b'2') +
             (-1).to_bytes(8, 'little', signed=True))
    load(write(plain_node.directory, file.end()), plain_node.port)
    ours = plain_node.client()
    assert ours('GET', 'text') == b'v'
    assert ours('HPEXPIRETIME', 'hash', 'FIELDS', 2, 'a', 'b') == [first, -1]


def module_value(name=b'module'):
    return File(9).key(name, 7, length(12345 << 10) + length(2) + length(7) + length(5) + string(b'abc') + length(0)).data[9:]


def test_values_of_modules_are_refused_or_left_out(plain_node):
    file = File(10).db(0).key(b'before', 0, string(b'v')).raw(module_value()).key(b'after', 0, string(b'v'))
    path = write(plain_node.directory, file.end())
    ours = plain_node.client()
    status, _, wrong = run('import', path, port=plain_node.port)
    assert status == 1 and '1 values of modules' in wrong and '--skip-modules' in wrong
    assert ours('DBSIZE') == 0
    assert '1 values of modules left out' in load(path, plain_node.port, '--skip-modules')
    assert sorted(ours('KEYS', '*')) == [b'after', b'before']


# ---- what is there already ----

def test_keys_and_functions_that_are_there(plain_node):
    path = write(plain_node.directory, File(10).function(LIBRARY.encode()).db(0).key(b'a', 0, string(b'file'))
                 .key(b'k', 0, string(b'file')).end())
    ours = plain_node.client()
    ours('SET', 'k', 'node')
    status, _, wrong = run('import', path, port=plain_node.port)
    assert status == 1 and 'key "k" (at byte ' in wrong and 'BUSYKEY' in wrong and '--replace or --keep' in wrong
    assert ours('GET', 'k') == b'node'
    said = load(path, plain_node.port, '--keep')
    assert '0 keys and 0 function libraries imported, 3 kept' in said
    assert ours('GET', 'k') == b'node'
    load(path, plain_node.port, '--replace')
    assert ours('GET', 'k') == b'file'


# ---- what is wrong ----

def test_a_damaged_file_changes_nothing(plain_node):
    file = File(10).db(0)
    for i in range(1000):
        file.key(b'key:%d' % i, 0, string(b'value'))
    data = file.end()
    ours = plain_node.client()
    for damaged, why in ((data[:5000], 'cut short at byte'), (data[:-1], 'cut short at byte'), (data + b'x', 'behind the end'),
                         (data[:2000] + b'?' + data[2001:], 'checksum does not fit'), (b'hello', 'cut short'),
                         (b'hello world' * 3, 'no RDB file'), (b'', 'cut short')):
        status, said, wrong = run('import', write(plain_node.directory, damaged), port=plain_node.port)
        assert status == 1 and why in wrong and not said, (why, wrong)
        assert run('check', write(plain_node.directory, damaged))[0] == 1
        assert ours('DBSIZE') == 0
    assert '1000 keys' in run('check', write(plain_node.directory, data))[1]


def test_what_was_imported_before_damage_is_told(plain_node):
    file = File(10).db(0)
    for i in range(100):
        file.key(b'key:%d' % i, 0, string(b'value'))
    data = file.end()
    status, _, wrong = run('import', '-', port=plain_node.port, stdin=data[:1000])
    client = plain_node.client()
    assert status == 1 and 'cut short' in wrong
    assert 'failed after %d keys' % client('DBSIZE') in wrong and client('DBSIZE') > 10
    status, said, _ = run('import', '-', '--replace', port=plain_node.port, stdin=data)
    assert status == 0 and '100 keys' in said and client('DBSIZE') == 100


def a_file_with_a_bad_value():
    file = File(10).db(0).key(b'good', 0, string(b'v')).key(b'bad', 16, string(listpack([b'f', b'v'])[:-2] + b'\x00\xff'))
    return file.key(b'after', 0, string(b'v')).end()


def test_a_value_that_cannot_be_read_is_told_with_its_place_and_nothing_is_changed(plain_node):
    path = write(plain_node.directory, a_file_with_a_bad_value())
    for words in (('check', path), ('import', path, '--port', plain_node.port)):
        status, said, wrong = run(*words)
        assert status == 1 and not said and 'the value of key "bad" (at byte %d) cannot be read' % (11 + 8) in wrong, wrong
    assert plain_node.client()('DBSIZE') == 0


def test_without_a_check_a_value_that_the_node_refuses_is_told_with_its_place_and_what_was_taken_is_counted(plain_node):
    path = write(plain_node.directory, a_file_with_a_bad_value())
    status, _, wrong = run('import', path, '--no-check', port=plain_node.port)
    assert status == 1 and 'key "bad" (at byte %d' % (11 + 8) in wrong and 'Bad data format' in wrong
    taken = plain_node.client()('DBSIZE')
    assert taken >= 1 and 'failed after %d keys' % taken in wrong


def test_after_a_refusal_nothing_more_is_sent_and_what_was_is_counted(plain_node):
    file = File(10).db(0)
    for i in range(6000):
        file.key(b'key:%d' % i, 0, string(b'v' * 100))
    ours = plain_node.client()
    ours('SET', 'key:0', 'node')
    status, _, wrong = run('import', write(plain_node.directory, file.end()), port=plain_node.port)
    assert status == 1 and 'key "key:0"' in wrong and 'BUSYKEY' in wrong
    taken = ours('DBSIZE') - 1
    assert 'failed after %d keys' % taken in wrong and taken < 4096 and ours('GET', 'key:0') == b'node'


def test_a_check_keeps_a_value_compact(plain_node):
    count = 1000000
    path = write(plain_node.directory, File(10).db(0).key(b'list', 1, length(count) + string(b'ab') * count).end())
    # By a small process between: what a child is said to have used begins with what its parent has.
    script = ('import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); '
              'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)')
    done = subprocess.run([sys.executable, '-c', script, PROGRAM, 'check', path], capture_output=True, check=True)
    used_kb = int(done.stdout.split()[-1])
    # A node of its own for each element would be 150 MB.
    assert used_kb < (100 + servers.MEMORY_MORE_MB) << 10


def test_a_database_that_the_node_does_not_have(plain_node):
    path = write(plain_node.directory, File(10).db(0).key(b'a', 0, string(b'v')).db(99).key(b'b', 0, string(b'v')).end())
    status, _, wrong = run('import', path, port=plain_node.port)
    assert status == 1 and 'database "99"' in wrong and 'failed after 1 keys' in wrong
    assert plain_node.client()('KEYS', '*') == [b'a']


def test_a_node_that_cannot_be_reached_or_does_not_let_in(plain_node):
    path = write(plain_node.directory, File(10).db(0).key(b'k', 0, string(b'v')).end())
    status, _, wrong = run('import', path, port=servers.free_port())
    assert status == 1 and 'Connection refused' in wrong
    assert run('import', path, '--socket', '/nowhere')[0] == 1
    ours = plain_node.client()
    ours.ok('CONFIG', 'SET', 'requirepass', 'secret')
    assert 'NOAUTH' in run('import', path, port=plain_node.port)[2]
    assert 'password' in run('import', path, '-a', 'wrong', port=plain_node.port)[2]
    assert run('import', path, port=plain_node.port, environment={'REDISCLI_AUTH': 'secret'})[0] == 0
    assert run('import', path, '--replace', '--user', 'default', '--password', 'secret', port=plain_node.port)[0] == 0


def test_a_file_that_is_not_there(tmp_path):
    assert 'No such file' in run('import', tmp_path / 'none')[2]


def test_a_large_file_is_taken_while_replies_come(plain_node):
    file = File(10).db(0)
    for i in range(20000):
        file.key(b'key:%d' % i, 0, string(b'%d' % i + b'x' * 200))
    file.key(b'huge', 0, string(b'y' * (20 << 20)))
    status, said, wrong = run('import', write(plain_node.directory, file.end()), port=plain_node.port)
    assert status == 0 and '20001 keys' in said, wrong
    ours = plain_node.client()
    assert ours('DBSIZE') == 20001 and ours('STRLEN', 'huge') == 20 << 20
