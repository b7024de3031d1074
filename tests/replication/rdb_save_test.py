# SPDX-License-Identifier: BSD-3-Clause
"""SAVE and BGSAVE write a file that redis-server loads. The judge of a file is a redis-server 7.0 that begins with it."""
import itertools
import os
import random
import shutil
import threading
import time

import pytest

from tests.lib import server as servers
from tests.lib.resp import Error, encode
from tests.lib.server import memory_of, wait_until
from tests.replication.primary_story import Writers
from tests.replication.story import assert_same, fill, follow, value_of
from tests.tier.disk_full_test import Device

pytestmark = [pytest.mark.forebay_only,
              pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server program')]


@pytest.fixture(params=['behind', 'none'])
def node(request):
    with servers.start(durability=request.param, tier_free_space_min=0) as server:
        yield server


@pytest.fixture
def load():
    """Starts a redis-server with a node's file."""
    loaders = []

    def load(node, name='dump.rdb'):
        loader = servers.Server('redis')
        loaders.append(loader)
        shutil.copy(os.path.join(node.directory, name), os.path.join(loader.directory, 'dump.rdb'))
        return loader.start().client()
    yield load
    for loader in loaders:
        loader.remove()


def persistence(client):
    lines = client('INFO', 'persistence').decode().splitlines()
    return dict(line.split(':', 1) for line in lines if ':' in line)


def wait_saved(client, seconds=60):
    wait_until(lambda: persistence(client)['rdb_bgsave_in_progress'] == '0', seconds, 'the end of the save')
    return persistence(client)


def files_of(node):
    return sorted(name for name in os.listdir(node.directory) if 'rdb' in name)


@pytest.mark.parametrize('command', ['SAVE', 'BGSAVE'])
def test_redis_loads_what_was_saved(node, load, command):
    ours = node.client()
    fill(ours, random.Random(1))
    assert str(ours(command)) == {'SAVE': 'OK', 'BGSAVE': 'Background saving started'}[command]
    assert wait_saved(ours)['rdb_last_bgsave_status'] == 'ok'
    assert files_of(node) == ['dump.rdb']
    theirs = load(node)
    assert_same(ours, theirs)
    assert ours('FUNCTION', 'DUMP') == theirs('FUNCTION', 'DUMP')


def test_rows_out_of_memory_are_saved_within_the_bound_of_memory(load):
    value = random.Random(2).randbytes(500).hex()
    with servers.start(maxmemory=memory_of(48), tier_free_space_min=0) as node:
        ours = node.client()
        for begin in range(0, 100000, 500):
            ours.pipeline([('SET', 'key:%d' % i, '%d %s' % (i, value)) for i in range(begin, begin + 500)])
        before = node.rss()
        assert ours('SAVE') == 'OK'
        assert node.rss() < max(before, 64 << 20) + (16 + servers.MEMORY_MORE_MB << 20)
        theirs = load(node)
        assert theirs('DBSIZE') == 100000
        for i in range(0, 100000, 997):
            assert theirs('GET', 'key:%d' % i) == b'%d %s' % (i, value.encode())


def test_one_save_at_a_time_and_what_info_tells(node):
    ours, other = node.client(), node.client()
    fields = persistence(ours)
    assert (fields['rdb_last_bgsave_time_sec'], fields['rdb_saves']) == ('-1', '0')
    for start in range(0, 200000, 1000):  # enough to be at it for some time
        ours.pipeline([('SET', 'key:%d' % i, i) for i in range(start, start + 1000)])
    ours('DEL', 'key:1')
    assert persistence(ours)['rdb_changes_since_last_save'] == '200001'
    in_progress = Error('ERR Background save already in progress')
    ours.send_raw(b''.join(encode(*words) for words in (
        ('BGSAVE',), ('BGSAVE', 'SCHEDULE'), ('BGSAVE',), ('SAVE',), ('INFO', 'persistence'))))
    replies = [ours.read() for _ in range(4)]
    assert str(replies[0]) == 'Background saving started' and replies[1:] == [in_progress] * 3
    assert b'rdb_bgsave_in_progress:1\r\n' in ours.read()
    fields = wait_saved(ours)
    assert fields['rdb_changes_since_last_save'] == '0' and fields['rdb_saves'] == '1'
    assert int(fields['rdb_last_bgsave_time_sec']) >= 0 and fields['rdb_current_bgsave_time_sec'] == '-1'
    assert abs(int(fields['rdb_last_save_time']) - time.time()) < 60
    assert int(fields['rdb_last_save_time']) == other('LASTSAVE')
    assert ours('BGSAVE', 'NOW') == Error('ERR syntax error')
    ours('FLUSHALL')
    assert int(persistence(ours)['rdb_changes_since_last_save']) >= 99


def test_a_file_that_cannot_be_written_leaves_the_old_one(load):
    device = Device(40)
    try:
        with servers.start(durability='none', tier_free_space_min=0) as node:
            node.stop()
            node.directory, own = device.path, node.directory
            node.start()
            ours = node.client()
            ours('SET', 'old', 'value')
            assert ours('SAVE') == 'OK'
            saved = persistence(ours)['rdb_last_save_time']
            ours.pipeline([('SET', 'big:%d' % i, random.Random(i).randbytes(1 << 20)) for i in range(20)])
            device.fill()
            assert ours('SAVE').code == 'ERR'
            assert ours('BGSAVE') == 'Background saving started'
            fields = wait_saved(ours)
            assert (fields['rdb_last_bgsave_status'], fields['rdb_last_save_time']) == ('err', saved)
            assert int(fields['rdb_changes_since_last_save']) >= 20
            assert files_of(node) == ['dump.rdb']
            assert load(node)('KEYS', '*') == [b'old']
            device.free()
            assert ours('SAVE') == 'OK'
            assert persistence(ours)['rdb_last_bgsave_status'] == 'ok'
            assert load(node)('DBSIZE') == 21
            node.stop()
            node.directory = own
    finally:
        device.remove()


def test_the_space_that_the_tier_wants_free_is_left_free():
    with servers.start(tier_free_space_min=0) as node:
        ours = node.client()
        ours('SET', 'k', 'v')
        assert ours('SAVE') == 'OK'
        ours.ok('CONFIG', 'SET', 'tier-free-space-min', 1 << 60)
        assert ours('SAVE').code == 'ERR'
        assert persistence(ours)['rdb_last_bgsave_status'] == 'err' and files_of(node) == ['dump.rdb']
        ours.ok('CONFIG', 'SET', 'tier-free-space-min', 0)
        assert ours('SAVE') == 'OK'


def test_an_empty_dbfilename_asks_for_no_file():
    with servers.start(dbfilename='') as node:
        ours = node.client()
        ours('SET', 'k', 'v')
        assert ours('SAVE') == 'OK' and files_of(node) == []
    with servers.start(dbfilename='', durability='none') as node:
        assert node.client()('SAVE') == Error('ERR this node keeps nothing on disk (durability none)')


@pytest.mark.parametrize('name', ['a/b.rdb', 'identity', '..'])
def test_a_name_that_would_lead_elsewhere_is_refused(name):
    with servers.Server(dbfilename=name) as node:
        with pytest.raises(ChildProcessError):
            node.start()
        assert 'dbfilename' in node.log_tail()


def test_dbfilename_names_the_file_and_is_not_changed_while_running(load):
    with servers.start(dbfilename='my backup.rdb') as node:
        ours = node.client()
        assert ours('CONFIG', 'GET', 'dbfilename') == [b'dbfilename', b'my backup.rdb']
        assert ours('CONFIG', 'SET', 'dbfilename', 'x.rdb').code == 'ERR'
        ours('SET', 'k', 'v')
        assert ours('SAVE') == 'OK' and files_of(node) == ['my backup.rdb']
        assert load(node, 'my backup.rdb')('GET', 'k') == b'v'


def test_keys_that_nobody_changes_are_exact_beside_writers(node, load):
    ours = node.client()
    fill(ours, random.Random(3), size=4)
    with Writers(node, threads=2, keys=500) as writers:
        wait_until(lambda: writers.written > 1000)
        for _ in range(3):
            assert ours('SAVE') == 'OK'
        writers.stop()
    theirs = load(node)
    for db in (0, 3):
        ours('SELECT', db)
        theirs('SELECT', db)
        for key in ours('KEYS', '*'):
            if not key.startswith(b'w:'):
                assert value_of(ours, key) == value_of(theirs, key), key


KEYS_OF_WRITER = 3000
BIG = 20000  # members of a value that is put aside piece by piece


def change(dice, number):
    """One command, which does the same wherever it is run."""
    kind = dice.choice('slhezxn')
    key, other = ('%s:%d' % (kind, dice.randrange(KEYS_OF_WRITER)) for _ in range(2))
    word, large = 'word%d' % dice.randrange(50), dice.randrange(BIG)
    return dice.choice({
        's': [('SET', key, number), ('APPEND', key, word), ('SETRANGE', key, 70000, word), ('RENAME', key, other), ('DEL', key),
              ('COPY', key, other, 'REPLACE'), ('PEXPIREAT', key, 4102444800000 + number), ('PERSIST', key), ('MOVE', key, 1),
              ('EVAL', "redis.call('SET', KEYS[1], ARGV[1]) redis.call('APPEND', KEYS[2], ARGV[1])", 2, key, other, word)],
        'l': [('RPUSH', key, word, number), ('LPOP', key), ('LMOVE', key, other, 'LEFT', 'RIGHT'), ('RENAME', key, other),
              ('LSET', 'l:big', large // 2, number), ('LMOVE', 'l:big', 'l:big', 'LEFT', 'RIGHT')],
        'h': [('HSET', key, word, number), ('HDEL', key, word), ('HSET', 'h:big', 'field %d' % large, number)],
        'e': [('SADD', key, word, number % 7), ('SMOVE', key, other, word), ('SUNIONSTORE', key, key, other),
              ('SREM', 'e:big', 'field %d' % large), ('SADD', 'e:big', number)],
        'z': [('ZADD', key, number, word), ('ZPOPMIN', key), ('ZUNIONSTORE', key, 2, key, other), ('ZADD', 'z:big', number, 'field %d' % large)],
        'x': [('XADD', key, '%d-1' % (number + 1), 'f', word), ('XTRIM', key, 'MAXLEN', 3)],
        'n': [('INCRBY', key, number), ('INCR', 'n:all'), ('MSET', key, number, other, number)],
    }[kind])


def changes(seed, count):
    """Transactions of one change each, and the number of the last one done."""
    dice = random.Random(seed)
    for number in range(count):
        yield [('MULTI',), change(dice, number), ('SET', 'done', number), ('EXEC',)]


class Sequence(threading.Thread):
    """Runs them in order until it is told to stop."""

    def __init__(self, node, seed):
        super().__init__()
        self.client = node.client()
        self.seed = seed
        self.stopping = False
        self.done = 0

    def run(self):
        transactions = changes(self.seed, 10 ** 7)
        while not self.stopping:
            self.client.pipeline([words for _ in range(25) for words in next(transactions)])
            self.done += 25


FILLER = random.Random(5).randbytes(300).hex()


def prepare(client):
    """What the writer meets, and what keeps a save busy."""
    for begin in range(0, 60000, 500):
        client.pipeline([('SET', 'filler:%d' % i, FILLER) for i in range(begin, begin + 500)])
    make_big(client)


def make_big(client):
    for begin in range(0, BIG, 500):
        numbers = range(begin, begin + 500)
        client('HSET', 'h:big', *(word for i in numbers for word in ('field %d' % i, i)))
        client('ZADD', 'z:big', *(word for i in numbers for word in (i, 'field %d' % i)))
        client('SADD', 'e:big', *('field %d' % i for i in numbers))
        client('RPUSH', 'l:big', *('element %d' % i for i in numbers))


def save_beside_a_writer(writer, node):
    """Two files; each has in its name how many transactions had come back before."""
    ours = node.client()
    writer.start()
    try:
        wait_until(lambda: writer.done > 3000)
        for _ in range(2):
            before = writer.done
            assert ours('SAVE') == 'OK'
            wait_until(lambda: writer.done > before)
            shutil.copy(os.path.join(node.directory, 'dump.rdb'), os.path.join(node.directory, 'save%d' % before))
    finally:
        writer.stopping = True
        writer.join()
    assert 'not of one moment' not in node.log_tail(100000)
    return sorted(name for name in os.listdir(node.directory) if name.startswith('save'))


def assert_of_one_moment(load, node, name, seed):
    """The file has what comes of the transactions up to the one that it says is the last."""
    theirs, expected = load(node, name), load(node, name)
    number = int(theirs('GET', 'done'))
    expected.ok('FLUSHALL')
    make_big(expected)
    transactions = changes(seed, number + 1)
    while some := list(itertools.islice(transactions, 100)):
        expected.pipeline([words for transaction in some for words in transaction])
    assert theirs('EVAL', "local n = 0 for i = 0, 59999 do if redis.call('GETDEL', 'filler:' .. i) == ARGV[1] then "
                  "n = n + 1 end end return n", 0, FILLER) == 60000
    assert_same(expected, theirs, (0, 1))
    return number


@pytest.mark.parametrize('directives', [{'durability': 'none'}, {}, {'maxmemory': memory_of(40)}])
def test_all_keys_are_of_one_moment(load, directives):
    with servers.start(tier_free_space_min=0, **directives) as node:
        prepare(node.client())
        writer = Sequence(node, 6)
        for name in save_beside_a_writer(writer, node):
            assert int(name[4:]) - 1 <= assert_of_one_moment(load, node, name, 6) < writer.done


def test_a_replica_saves_what_it_has_at_one_moment(load):
    with servers.start(tier_free_space_min=0) as primary, servers.start(tier_free_space_min=0) as replica:
        prepare(primary.client())
        follow(replica.client(), primary.port)
        writer = Sequence(primary, 7)
        for name in save_beside_a_writer(writer, replica):
            assert assert_of_one_moment(load, replica, name, 7) < writer.done


@pytest.mark.parametrize('durability', ['behind', 'none'])
def test_writes_of_much_wait_and_the_file_is_exact(load, durability):
    """80 MB are written over while they are saved, which is far more than is put aside in memory."""
    with servers.start(durability=durability, tier_free_space_min=0) as node:
        ours = node.client()
        for begin in range(0, 8000, 100):
            ours.pipeline([('SET', 'key:%d' % i, random.Random(i).randbytes(10000)) for i in range(begin, begin + 100)])
        ours('RPUSH', 'list', *range(1000))
        before = node.rss()
        ours('BGSAVE')
        wait_until(lambda: persistence(ours)['current_save_keys_processed'] != '0' or
                   persistence(ours)['rdb_bgsave_in_progress'] == '0')
        ours.pipeline([('SET', 'key:%d' % i, 'n' * 10000) for i in range(0, 8000, 2)] + [('LPOP', 'list')] +
                      [('DEL', 'key:%d' % i) for i in range(1, 8000, 2)])
        assert wait_saved(ours)['rdb_last_bgsave_status'] == 'ok'
        assert node.rss_peak() < before + (64 + 2 * servers.MEMORY_MORE_MB << 20)
        assert 'not of one moment' not in node.log_tail(100000)
        theirs = load(node)
        assert theirs('DBSIZE') == 8001 and theirs('LLEN', 'list') == 1000
        for i in range(8000):
            assert theirs('GET', 'key:%d' % i) == random.Random(i).randbytes(10000)
        assert ours('DBSIZE') == 4001


def test_databases_exchanged_meanwhile_are_saved_once_each(node, load):
    ours, other = node.client(), node.client()
    for db in (0, 1):
        ours('SELECT', db)
        for begin in range(0, 30000, 500):
            ours.pipeline([('SET', 'db%d:%d' % (db, i), i) for i in range(begin, begin + 500)])
    for _ in range(3):
        ours('BGSAVE')
        swaps = 0
        while persistence(other)['rdb_bgsave_in_progress'] == '1' and swaps < 2:
            other.ok('SWAPDB', 0, 1)
            swaps += 1
        assert wait_saved(other)['rdb_last_bgsave_status'] == 'ok'
        theirs = load(node)
        for db in (0, 1):
            theirs('SELECT', db)
            assert theirs('DBSIZE') == 30000
            assert len({key.split(b':')[0] for key in theirs('KEYS', '*')}) == 1


def test_a_file_that_was_being_made_is_gone_after_a_crash(node):
    ours = node.client()
    ours('SET', 'k', 'v')
    assert ours('SAVE') == 'OK'
    for begin in range(0, 50000, 500):
        ours.pipeline([('SET', 'key:%d' % i, 'x' * 500) for i in range(begin, begin + 500)])
    size = os.path.getsize(os.path.join(node.directory, 'dump.rdb'))
    ours('BGSAVE')
    wait_until(lambda: 'dump.rdb.new' in files_of(node) or os.path.getsize(os.path.join(node.directory, 'dump.rdb')) > size)
    node.restart(kill=True)
    assert files_of(node) == ['dump.rdb']


def test_a_stop_ends_a_save_under_way(node):
    ours = node.client()
    for begin in range(0, 50000, 500):
        ours.pipeline([('SET', 'key:%d' % i, 'x' * 500) for i in range(begin, begin + 500)])
    ours('BGSAVE')
    assert node.stop() == 0
    assert 'dump.rdb.new' not in files_of(node)


def test_times_of_fields_are_saved_for_newer_servers(node):
    ours = node.client()
    ours('HSET', 'hash', 'f', 'v', 'g', 'w')
    ours('HPEXPIREAT', 'hash', 4102444800000, 'FIELDS', 1, 'f')
    ours('SET', 'k', 'v')
    assert ours('SAVE') == 'OK'
    assert 'Redis 7.4' in node.log_tail()
    with open(os.path.join(node.directory, 'dump.rdb'), 'rb') as file:
        data = file.read()
    assert b'hash' in data and data[:9] == b'REDIS0010'
