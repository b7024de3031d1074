# SPDX-License-Identifier: BSD-3-Clause
"""A primary and its replicas compare what they hold: what is the same in other encodings, tiers and at other times is no
difference, and what differs is found and mended."""
import random
import re
import socket
import threading
import time

import pytest

from tests.lib import server as servers
from tests.lib.resp import PATIENCE, Error, encode
from tests.lib.server import memory_of, wait_until
from tests.replication.story import Threads, Writers, assert_same, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


def scrub(client):
    """What a pass over everything has found."""
    flat = client('REPLICATION', 'SCRUB')
    texts = [word.decode() if isinstance(word, bytes) else word for word in flat]
    return dict(zip(texts[::2], texts[1::2]))


def assert_nothing_found(client, replicas=1, skipped=0):
    found = scrub(client)
    assert found['ended'] == 'complete' and found['mismatches'] == 0 and found['replicas'] == replicas, found
    assert found['skipped'] <= skipped, found
    return found


@pytest.fixture
def pair(own_server):
    """A primary and a replica that follows it, as clients; directives are for both."""
    def start(**directives):
        server, other = own_server(**directives), own_server(**directives)
        follow(other.client(), server.port)
        return server, other
    return start


@pytest.mark.parametrize('directives', [{}, {'durability': 'none'}])
def test_nodes_that_hold_the_same_have_no_difference(pair, directives):
    server, other = pair(**directives)
    primary, replica = server.client(timeout=60), other.client()
    fill(primary, random.Random(1))
    with Writers(server):
        start = int(info(primary)['master_repl_offset'])
        wait_until(lambda: int(info(primary)['master_repl_offset']) > start + 100000, what='something being written')
    found = assert_nothing_found(primary)
    assert found['keys'] == sum(primary.pipeline([('SELECT', 0), ('DBSIZE',), ('SELECT', 3), ('DBSIZE',), ('SELECT', 0)])[1::2])
    wait_until(lambda: info(replica)['scrub_ranges'] == info(primary)['scrub_ranges'], what='both counting the same')
    assert info(primary)['scrub_passes'] == '1'


def test_writers_who_change_keys_all_the_time_are_no_difference(pair):
    server, other = pair()
    primary = server.client(timeout=60)
    fill(primary, random.Random(2))
    with Writers(server, 3):
        for _ in range(5):
            found = scrub(primary)
            assert found['ended'] == 'complete' and found['mismatches'] == 0, found
            assert found['skipped'] < found['ranges'] / 10, found
    wait_caught_up(primary, other.client())
    assert_nothing_found(primary)


def test_keys_and_fields_that_expire_are_no_difference(pair):
    server, other = pair()
    primary = server.client(timeout=60)

    def write():
        rng = random.Random(3)
        with server.client() as client:
            while not threads.ending:
                key = rng.randrange(500)
                client.pipeline([('SET', 'k:%d' % key, 'v', 'PX', rng.randrange(1, 40)), ('HSET', 'h:%d' % key, 'f', 1, 'g', 2),
                                 ('HPEXPIRE', 'h:%d' % key, rng.randrange(1, 40), 'FIELDS', 1, rng.choice('fg'))])

    def read():
        with other.client() as client:
            while not threads.ending:
                client.pipeline([(command, key % i) for i in range(0, 500, 7) for command, key in (('GET', 'k:%d'), ('HGETALL', 'h:%d'))])

    threads = Threads([write, read])
    with threads:
        for _ in range(5):
            found = scrub(primary)
            assert found['ended'] == 'complete' and found['mismatches'] == 0, found
    # Nobody expires anything: what is due stays where it is on both sides, and is compared as it is.
    primary.ok('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    primary.pipeline([('SET', 'due:%d' % i, 'v', 'PX', 1) for i in range(100)])
    assert_nothing_found(primary)


def test_encodings_are_no_difference(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client()
    primary.ok('CONFIG', 'SET', 'hash-max-listpack-entries', 2, 'set-max-intset-entries', 2, 'zset-max-listpack-entries', 2,
               'set-max-listpack-entries', 2, 'list-max-listpack-size', 2)
    for key, command in (('h', 'HSET'), ('z', 'ZADD')):
        primary.pipeline([(command, key, i, i) for i in range(100)])
    primary.pipeline([(command, key + str(kind), kind % i) for i in range(100) for kind in ('%d', 'm%d')
                      for key, command in (('s', 'SADD'), ('l', 'RPUSH'))])
    wait_caught_up(primary, replica)
    assert primary('OBJECT', 'ENCODING', 'h') != replica('OBJECT', 'ENCODING', 'h')
    assert_nothing_found(primary)


def differ(replica, *commands):
    """What the commands do, the primary never hears of."""
    replica.ok('CONFIG', 'SET', 'replica-read-only', 'no')
    replica.pipeline(commands)
    replica.ok('CONFIG', 'SET', 'replica-read-only', 'yes')
    wait_up(replica)


DIFFERENCES = {
    'another value': [('SET', 'text', 'another')],
    'a key less': [('DEL', 'hash:small')],
    'a key more': [('SET', 'extra', 1)],
    'a key more in a database that is not used': [('SELECT', 5), ('SET', 'extra', 1), ('SELECT', 0)],
    'another time': [('PEXPIRE', 'timed', 1000000)],
    'a time of a field': [('HPEXPIRE', 'hash:small', 1000000, 'FIELDS', 1, 'mm-2')],
    'one element of many': [('LSET', 'list:large', 300, 'another')],
    'one score of many': [('ZADD', 'zset:large', 0.25, 'm-1')],
    'a pending entry less': [('XACK', 'stream:small', 'group', '1-1')],
    'an emptied database': [('FLUSHDB',)],
}


@pytest.mark.parametrize('name', DIFFERENCES)
def test_a_difference_is_found_and_mended(pair, name):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client()
    fill(primary, random.Random(4))
    wait_caught_up(primary, replica)
    differ(replica, *DIFFERENCES[name])
    assert scrub(primary)['mismatches'] >= 1
    wait_until(lambda: info(replica)['scrub_mismatches'] != '0', what='the replica counting it')
    assert 'differs from the primary' in open(other.log_path).read()
    wait_until(lambda: open(server.log_path).read().count('event="full resync sent"') == 2, what='a copy')
    wait_caught_up(primary, replica)
    assert_same(primary, replica, range(16))
    assert_nothing_found(primary)


def test_a_difference_is_only_told_of_where_nothing_else_is_wanted(pair):
    server, other = pair(replication_scrub_repair='no')
    primary, replica = server.client(timeout=60), other.client()
    primary.pipeline([('SET', 'key:%d' % i, i) for i in range(1000)])
    wait_caught_up(primary, replica)
    differ(replica, ('SET', 'key:5', 'x'), ('DEL', 'key:6', 'key:7'), ('SET', 'extra', 1))
    found = scrub(primary)
    assert found['ended'] == 'complete' and 1 <= found['mismatches'] <= 4, found
    assert info(primary)['scrub_mismatches'] == info(replica)['scrub_mismatches'] == str(found['mismatches'])
    assert replica('GET', 'extra') == b'1' and open(server.log_path).read().count('event="full resync sent"') == 1


def cold_keys(client):
    """How many keys are in rows and not in memory."""
    lines = client('INFO').decode().split('\r\n')
    return next(int(line.split(':')[1]) for line in lines if line.startswith('tier_cold_keys:'))


def test_keys_that_only_the_tier_has_are_compared_and_stay_there(pair):
    server, other = pair(maxmemory=memory_of(24), tier='yes', maxmemory_wait_ms=100000, replication_scrub_repair='no')
    primary, replica = server.client(timeout=120), other.client(timeout=120)
    count = 30000
    for start in range(0, count, 500):
        primary.pipeline([('SET', 'key:%d' % i, ('%d ' % i) * 300) for i in range(start, start + 500)])
    wait_caught_up(primary, replica, 60)
    for client in (primary, replica):
        client.ok('DEBUG', 'RELOAD')
    cold = [cold_keys(client) for client in (primary, replica)]
    assert min(cold) > count * 0.9
    found = assert_nothing_found(primary)
    assert found['keys'] == count
    assert [cold_keys(client) for client in (primary, replica)] == cold
    # A difference in a key whose change is a row by now.
    differ(replica, ('SET', 'key:77', 'x'), ('DEL', 'key:%d' % (count - 1)))
    replica.ok('DEBUG', 'RELOAD')
    assert scrub(primary)['mismatches'] == 2


def test_a_pass_begins_by_itself(pair):
    server, other = pair(replication_scrub_interval=1)
    primary = server.client()
    primary.pipeline([('SET', 'key:%d' % i, i) for i in range(100)])
    wait_until(lambda: int(info(primary)['scrub_passes']) >= 2, 30, 'two passes')
    assert info(primary)['scrub_mismatches'] == '0' and int(info(primary)['scrub_last_pass_time']) > time.time() - 60
    assert int(info(other.client())['scrub_ranges']) > 0


def test_the_rate_holds_where_a_range_is_all_of_a_partition(pair):
    server, _ = pair(replication_scrub_interval=0, replication_scrub_rate=2000)
    primary = server.client()
    primary.pipeline([('SET', 'key:%d' % i, i) for i in range(6000)])
    primary.ok('CONFIG', 'SET', 'replication-scrub-interval', 1)
    wait_until(lambda: int(info(primary)['scrub_passes']) >= 1, 30, 'a pass')
    took_ms, keys = (int(re.search(r'event="scrub" .*\b%s=(\d+)' % name, server.log_tail()).group(1)) for name in ('ms', 'keys'))
    assert keys == 6000 and took_ms >= 3000


def test_who_follows_a_replica_compares_as_well(own_server):
    server, middle, last = own_server(), own_server(), own_server()
    primary = server.client(timeout=60)
    fill(primary, random.Random(5))
    follow(middle.client(), server.port)
    follow(last.client(), middle.port)
    wait_caught_up(primary, last.client())
    assert_nothing_found(primary)
    wait_until(lambda: info(last.client())['scrub_ranges'] == info(primary)['scrub_ranges'], what='the last one comparing')
    differ(last.client(), ('SET', 'text', 'another'))
    assert_nothing_found(primary)
    wait_until(lambda: info(last.client())['scrub_mismatches'] == '1', what='the last one finding it')
    wait_caught_up(primary, last.client())
    wait_until(lambda: last.client()('GET', 'text') == b'x' * 20, what='the last one being mended')


def test_a_count_that_a_replica_keeps_for_itself_is_no_difference(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client()
    primary.ok('PFADD', 'hll', *range(1000))
    wait_caught_up(primary, replica)
    assert replica('PFCOUNT', 'hll') > 900
    assert_nothing_found(primary)
    assert primary('PFCOUNT', 'hll') == replica('PFCOUNT', 'hll')
    wait_caught_up(primary, replica)
    assert_nothing_found(primary)


LIBRARY = "#!lua name=%s\nredis.register_function('%s', function() return '%s' end)"


def test_functions_that_differ_are_found_and_mended(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client()
    for name in ('one', 'two', 'three'):
        primary('FUNCTION', 'LOAD', LIBRARY % (name, name, name))
    wait_caught_up(primary, replica)
    assert_nothing_found(primary)
    # Another order of loading, and the payload of a checkpoint, are no difference.
    other.restart(kill=True, replicaof='127.0.0.1 %d' % server.port)
    replica = other.client()
    wait_caught_up(primary, replica)
    primary('FUNCTION', 'LOAD', 'REPLACE', LIBRARY % ('one', 'one', 'changed'))
    wait_caught_up(primary, replica)
    assert_nothing_found(primary)
    differ(replica, ('FUNCTION', 'DELETE', 'two'), ('FUNCTION', 'LOAD', 'REPLACE', LIBRARY % ('three', 'three', 'another')))
    assert scrub(primary)['mismatches'] == 1
    assert 'functions here differ from the primary' in open(other.log_path).read()
    wait_until(lambda: open(server.log_path).read().count('event="full resync sent"') == 2, what='a copy')
    wait_caught_up(primary, replica)
    assert replica('FCALL_RO', 'two', 0).code == 'ERR' and replica('FUNCTION', 'DUMP') is not None
    assert sorted(map(repr, replica('FUNCTION', 'LIST', 'WITHCODE'))) == sorted(map(repr, primary('FUNCTION', 'LIST', 'WITHCODE')))
    assert_nothing_found(primary)


def test_functions_are_loaded_all_the_time_without_a_difference(pair):
    server, other = pair()
    primary = server.client(timeout=60)

    def load():
        with server.client() as client:
            number = 0
            while not threads.ending:
                number += 1
                client('FUNCTION', 'LOAD', 'REPLACE', LIBRARY % ('one', 'one', number))

    threads = Threads([load, load])
    with threads:
        for _ in range(10):
            found = scrub(primary)
            assert found['ended'] == 'complete' and found['mismatches'] == 0, found
    assert info(other.client())['scrub_mismatches'] == '0'


class Pretender:
    """Says that it is a Forebay's replica, or another's, and answers each question of a scrub with the same word."""

    def __init__(self, server, capability, word=None):
        self.socket = socket.create_connection(server.address)
        self.socket.settimeout(30)
        self.file = self.socket.makefile('rb')
        self.word, self.asked = word, 0
        self.socket.sendall(encode('REPLCONF', 'capa', 'eof', 'capa', 'psync2', 'capa', capability) + encode('PSYNC', '?', -1))
        assert self.file.readline().startswith(b'+OK')
        offset = int(self.file.readline().split()[2])
        line = self.file.readline()
        while not line.startswith(b'$EOF:'):
            line = self.file.readline()
        mark, read = line[5:45], b''
        while mark not in read:
            read += self.file.read1()
        self.socket.sendall(encode('REPLCONF', 'ACK', offset + (1 << 40)))  # it has whatever it was sent
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        try:
            while True:
                line = self.file.readline()
                if not line.startswith(b'scrub '):
                    if not line:
                        return
                    if line.startswith(b'GETACK'):
                        self.socket.sendall(encode('REPLCONF', 'ACK', 1 << 40))
                    continue
                self.asked += 1
                if self.word:
                    self.socket.sendall(encode('REPLCONF', 'SCRUB', line.split()[1], self.word))
        except (OSError, ValueError):
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)


def test_who_passes_over_everything_is_not_waited_for_in_every_slot(own_server):
    server = own_server()
    primary = server.client(timeout=60)
    primary.pipeline([('SET', 'key:%d' % i, i) for i in range(1000)])
    pretender = Pretender(server, 'forebay', 'skipped')
    wait_until(lambda: 'state=online' in info(primary)['slave0'], what='it being taken for a replica')
    began = time.monotonic()
    assert primary('REPLICATION', 'SCRUB') == Error('ERR replicas pass over all that they are asked')
    assert pretender.asked <= 101
    # Beside one that answers, a pass goes on without it.
    other = own_server()
    follow(other.client(), server.port)
    wait_caught_up(primary, other.client())
    found = scrub(primary)
    assert found['ended'] == 'complete' and found['mismatches'] == 0 and found['replicas'] == 1, found
    assert time.monotonic() - began < 30 * PATIENCE
    assert info(primary)['scrub_passes'] == '1'
    pretender.close()


def test_a_scrub_says_whom_it_does_not_find(own_server):
    server = own_server(repl_copy_rate='1mb')
    primary = server.client(timeout=60)
    primary.pipeline([('SET', 'key:%d' % i, 'v' * 10000) for i in range(300)])
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    stranger = Pretender(server, 'nothing')
    assert primary('REPLICATION', 'SCRUB') == Error('ERR there is no replica to compare with: none of them is a Forebay')
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', '1mb')
    other = own_server()
    follow(other.client(), server.port, wait=False)
    wait_until(lambda: info(primary)['connected_slaves'] == '2', what='the replica')
    assert primary('REPLICATION', 'SCRUB') == Error('ERR there is no replica to compare with: a full sync is under way')
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    wait_caught_up(primary, other.client())
    assert_nothing_found(primary)
    stranger.close()


def test_refusals(own_server, pair):
    alone = own_server().client()
    assert 'no replica' in alone('REPLICATION', 'SCRUB')
    server, other = pair()
    assert 'only a primary' in other.client()('REPLICATION', 'SCRUB')
    primary = server.client()
    primary.ok('MULTI')
    primary('REPLICATION', 'SCRUB')
    assert 'outside of transactions' in primary('EXEC')[0]
    # Anybody may have a replica believe that a primary said something: a stream of marks that are none.
    for message in ('scrub', 'scrub 1 2 3', 'scrub 1 16 0 1', 'scrub 1 0 16384 1', 'scrub 1 0 255 65', 'scrub 1 0 16383 2', 'scrub -1 0 0 1',
                    'scrubbed 1 2', 'scrubbed x 1 2', 'scrub 1 0 0 1 ', 'scrubbed 18446744073709551616 1 2', '\0' * 100):
        assert primary('PING', message) == message.encode()


def test_a_scrub_goes_by_a_replica_that_is_a_redis(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server program')
    server = own_server()
    primary = server.client(timeout=60)
    fill(primary, random.Random(6))
    with servers.start('redis') as redis:
        other = own_server()
        follow(redis.client(), server.port)
        follow(other.client(), server.port)
        wait_caught_up(primary, other.client())
        assert_nothing_found(primary)
        primary.ok('SET', 'behind', 'it')
        wait_until(lambda: redis.client()('GET', 'behind') == b'it', what='the Redis having what comes behind it')
        assert redis.client()('DBSIZE') == primary('DBSIZE')
        wait_until(lambda: info(redis.client())['slave_repl_offset'] == info(primary)['master_repl_offset'], what='one offset')
        assert 'error' not in open(redis.log_path).read().lower().replace('0 errors', '')


def test_marks_that_a_redis_passes_on_are_not_answered(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server program')
    server, other, last = own_server(), own_server(), own_server()
    primary = server.client(timeout=60)
    fill(primary, random.Random(7))
    with servers.start('redis') as redis:
        follow(other.client(), server.port)
        follow(redis.client(), server.port)
        wait_caught_up(primary, redis.client())
        follow(last.client(), redis.port)
        assert_nothing_found(primary)
        primary.ok('SET', 'behind', 'it')
        wait_until(lambda: last.client()('GET', 'behind') == b'it', what='the stream going on')
        assert 'Unrecognized REPLCONF' not in open(redis.log_path).read() and 'failed here' not in last.log_tail(20000)
        assert open(redis.log_path).read().count('asks for synchronization') == 1


def test_a_crash_behind_a_scrub_replays_past_its_marks(pair):
    server, other = pair()
    primary = server.client(timeout=60)
    primary.pipeline([('SET', 'key:%d' % i, i) for i in range(100)])
    assert_nothing_found(primary)
    primary.pipeline([('SET', 'key:%d' % i, -i) for i in range(100)])
    wait_caught_up(primary, other.client())
    other.restart(kill=True, replicaof='127.0.0.1 %d' % server.port)
    wait_caught_up(primary, other.client())
    assert open(server.log_path).read().count('event="full resync sent"') == 1
    assert_nothing_found(server.client(timeout=60))
    server.restart(kill=True)
    assert server.client().pipeline([('GET', 'key:%d' % i) for i in range(100)]) == [b'%d' % -i for i in range(100)]
