# SPDX-License-Identifier: BSD-3-Clause
"""FAILOVER: a planned hand-over under writers. No acknowledged write is lost, and nobody waits long."""
import contextlib
import time

import pytest

from tests.lib import server as servers
from tests.lib.resp import PATIENCE, Error
from tests.lib.server import wait_until
from tests.replication.story import Threads, assert_same, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only

# A link that was given up and made again would take longer.
PAUSE_SECONDS_MAX = 0.3 * PATIENCE
WRITERS = 3


def state(client):
    return info(client)['master_failover_state']


class Counting(Threads):
    """Clients that count up, each a key of its own, at whoever is the primary. Each answer must be one more than the last."""

    def __init__(self, servers):
        super().__init__([lambda number=number: self.count(number) for number in range(WRITERS)])
        self.servers = servers
        self.told = [0] * WRITERS
        self.pause_seconds = 0

    def count(self, number):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.client()) for server in self.servers]
            at, last = 0, time.monotonic()
            while not self.ending:
                reply = clients[at]('INCR', 'counter:%d' % number)
                now = time.monotonic()
                if isinstance(reply, Error):
                    assert reply.code == 'READONLY', reply
                    at = (at + 1) % len(clients)
                    continue
                self.told[number] += 1
                assert reply == self.told[number], 'a count was lost or made twice'
                self.pause_seconds = max(self.pause_seconds, now - last)
                last = now


def hand_over(servers, old, new, how=()):
    clients = [server.client() for server in servers]
    clients[old].ok('FAILOVER', *how)
    wait_until(lambda: state(clients[old]) == 'no-failover', what='the hand-over')
    assert info(clients[old])['role'] == 'slave' and info(clients[new])['role'] == 'master'
    wait_up(clients[old])
    for client in clients:
        client.close()


@pytest.mark.alone
def test_twenty_hand_overs_there_and_back_under_writers(own_server):
    servers = [own_server(), own_server()]
    follow(servers[1].client(), servers[0].port)
    wait_caught_up(servers[0].client(), servers[1].client())
    pauses = []
    with Counting(servers) as counting:
        for turn in range(20):
            old, new = turn % 2, 1 - turn % 2
            counting.pause_seconds = 0
            told = sum(counting.told)
            hand_over(servers, old, new, () if turn % 3 else ('TO', '127.0.0.1', servers[new].port, 'TIMEOUT', 60000))
            wait_until(lambda: sum(counting.told) > told + 200, what='writers going on')
            pauses.append(counting.pause_seconds)
    first, second = (server.client() for server in servers)
    wait_caught_up(first, second)
    assert [int(first('GET', 'counter:%d' % number)) for number in range(WRITERS)] == counting.told
    assert_same(first, second)
    assert sorted(pauses)[len(pauses) // 2] < PAUSE_SECONDS_MAX, pauses
    print('pauses (ms): %s' % ' '.join('%.1f' % (pause * 1000) for pause in pauses))
    for server in servers:
        with open(server.log_path) as log:
            assert log.read().count('event="full resync" ') <= 1


def test_a_third_replica_follows_on_without_a_copy(own_server):
    old, new, third = own_server(), own_server(), own_server()
    for replica in (new, third):
        follow(replica.client(), old.port)
    old.client().ok('SET', 'key', 1)
    hand_over([old, new], 0, 1, ('TO', '127.0.0.1', new.port))
    new.client().ok('SET', 'key', 2)
    wait_until(lambda: third.client()('GET', 'key') == b'2', what='the write by way of the old primary')
    follow(third.client(), new.port)
    new.client().ok('SET', 'key', 3)
    wait_until(lambda: third.client()('GET', 'key') == b'3', what='the write')
    with open(new.log_path) as log:
        assert 'event="full resync" ' not in log.read()


@pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server')
def test_a_redis_takes_over_and_its_words_are_executed(own_server):
    with servers.start('redis') as redis:
        old = own_server()
        client, new = old.client(), redis.client()
        client.ok('SADD', 'a', 1, 2, 3)
        follow(new, old.port)
        wait_caught_up(client, new)
        hand_over([old, redis], 0, 1)
        # One effect of several keys, which is not one of ours.
        new.ok('SINTERSTORE', 'b', 'a')
        new.ok('RENAME', 'a', 'c')
        wait_until(lambda: client('EXISTS', 'c') == 1, what='the new writes')
        assert sorted(client('SMEMBERS', 'b')) == [b'1', b'2', b'3']
        # They are in our own log as effects, so that it can be replayed.
        client.ok('REPLICAOF', 'NO', 'ONE')
        old.restart(kill=True)
        client = old.client()
        assert client('EXISTS', 'a') == 0 and client('SCARD', 'c') == 3 and client('SCARD', 'b') == 3


@pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server')
def test_a_redis_and_a_forebay_hand_over_to_each_other_under_writers(own_server):
    with servers.start('redis', repl_diskless_sync_delay=0) as redis:
        pair = [redis, own_server()]
        clients = [server.client() for server in pair]
        clients[0].ok('SELECT', 3)
        clients[0].ok('SET', 'elsewhere', 1)
        follow(clients[1], redis.port)
        wait_caught_up(*clients)
        with Counting(pair) as counting:
            for turn in range(4):
                told = sum(counting.told)
                hand_over(pair, turn % 2, 1 - turn % 2)
                wait_until(lambda: sum(counting.told) > told + 200, what='writers going on')
        wait_caught_up(*clients)
        clients[0].ok('SELECT', 0)
        assert [int(clients[1]('GET', 'counter:%d' % number)) for number in range(WRITERS)] == counting.told
        assert_same(*clients)
        statistics = dict(line.split(':') for line in clients[0]('INFO', 'stats').decode().split('\r\n') if ':' in line)
        assert statistics['sync_full'] == '1'
        with open(pair[1].log_path) as log:
            assert 'event="full resync" ' not in log.read()


@pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server')
def test_what_was_taken_over_from_a_redis_outlives_a_crash(own_server):
    with servers.start('redis', repl_diskless_sync_delay=0) as redis:
        new = own_server()
        old, client = redis.client(), new.client()
        old.ok('SET', 'theirs', 1)
        follow(client, redis.port)
        wait_caught_up(old, client)
        hand_over([redis, new], 0, 1)
        history = info(client)['master_replid2']
        client.ok('SET', 'ours', 2)
        wait_until(lambda: old('GET', 'ours') == b'2', what='the write')
        new.restart(kill=True)
        client = new.client()
        assert info(client)['role'] == 'master' and client('MGET', 'theirs', 'ours') == [b'1', b'2']
        assert history != info(client)['master_replid2']  # it is the one of before the crash now
        follow(old, new.port)
        client.ok('SET', 'ours', 3)
        wait_until(lambda: old('GET', 'ours') == b'3', what='the next write')
        assert_same(old, client)


@pytest.fixture
def pair(own_server):
    primary, replica = own_server(), own_server()
    follow(replica.client(), primary.port)
    wait_until(lambda: 'state=online' in info(primary.client())['slave0'], what='the replica being online')
    yield primary, replica
    replica.go_on()


@pytest.mark.parametrize('words,error', [
    (('TO', '127.0.0.1', 1), 'ERR FAILOVER target HOST and PORT is not a replica.'),
    (('TO', '127.0.0.1', 1, 'FORCE'), 'ERR FAILOVER with force option requires both a timeout and target HOST and IP.'),
    (('TIMEOUT', 1000, 'FORCE'), 'ERR FAILOVER with force option requires both a timeout and target HOST and IP.'),
    (('TIMEOUT', 0), 'ERR FAILOVER timeout must be greater than 0'),
    (('TIMEOUT', 'soon'), 'ERR value is not an integer or out of range'),
    (('ABORT',), 'ERR No failover in progress.'),
    (('TO', '127.0.0.1'), 'ERR syntax error'),
    (('TO', '127.0.0.1', 'x'), 'ERR value is not an integer or out of range'),
    (('NOW',), 'ERR syntax error'),
    (('TIMEOUT', 1, 'TIMEOUT', 2), 'ERR syntax error'),
    (('ABORT', 'ABORT'), 'ERR syntax error'),
])
def test_what_cannot_be_is_refused_and_writes_go_on(pair, words, error):
    client = pair[0].client()
    assert client('FAILOVER', *words) == Error(error)
    assert state(client) == 'no-failover'
    client.ok('SET', 'key', 1)


def test_without_a_replica_and_at_a_replica_there_is_none(own_server, pair):
    assert own_server().client()('FAILOVER') == Error('ERR FAILOVER requires connected replicas.')
    assert pair[1].client()('FAILOVER') == Error('ERR FAILOVER is not valid when server is a replica.')


def stopped_write(primary):
    """A client whose write is stopped by the hand-over; the reply is to be read."""
    client = primary.client()
    client.send('SET', 'key', 'late')
    return client


def test_a_replica_that_never_catches_up_costs_the_time_and_nothing_else(pair):
    primary, replica = pair
    client, other = primary.client(), primary.client()
    replica.pause()
    client.ok('SET', 'key', 1)
    assert client('FAILOVER', 'TIMEOUT', 5000) == 'OK'
    late = stopped_write(primary)
    assert state(client) == 'waiting-for-sync'
    assert client('FAILOVER') == Error('ERR FAILOVER already in progress.')
    assert client('REPLICAOF', '127.0.0.1', 1) == Error('ERR REPLICAOF not allowed while failing over.')
    assert other('GET', 'key') == b'1'
    wait_until(lambda: state(client) == 'no-failover', what='the timeout')
    assert late.read() == 'OK' and client('GET', 'key') == b'late'
    assert info(client)['role'] == 'master'


def test_an_abort_lets_writes_go_on(pair):
    primary, replica = pair
    client = primary.client()
    replica.pause()
    client.ok('SET', 'key', 1)
    assert client('FAILOVER') == 'OK'
    late = stopped_write(primary)
    assert client('FAILOVER', 'ABORT') == 'OK'
    assert late.read() == 'OK' and state(client) == 'no-failover'
    replica.go_on()
    wait_caught_up(client, replica.client())
    assert replica.client()('GET', 'key') == b'late'
    hand_over([primary, replica], 0, 1)


def test_keys_that_expire_meanwhile_change_nothing(pair):
    primary, replica = pair
    client = primary.client()
    replica.pause()
    client.pipeline([('SET', 'k:%d' % i, i, 'PX', 300) for i in range(200)])
    assert client('FAILOVER') == 'OK'
    wait_until(lambda: client('EXISTS', *['k:%d' % i for i in range(200)]) == 0, what='their time being over')
    replica.go_on()
    wait_until(lambda: info(client)['role'] == 'slave' and state(client) == 'no-failover', what='the hand-over')
    wait_up(client)
    new = replica.client()
    wait_until(lambda: new('DBSIZE') == 0 and client('DBSIZE') == 0, what='the new primary expiring them')
    with open(replica.log_path) as log:
        assert 'event="full resync" ' not in log.read()


def test_psync_failover_is_refused_by_a_primary_and_with_another_history(pair):
    primary, replica = pair
    assert primary.client()('PSYNC', 'x' * 40, 1, 'FAILOVER') == Error("ERR PSYNC FAILOVER can't be sent to a master.")
    assert replica.client()('PSYNC', 'x' * 40, 1, 'FAILOVER') == Error('ERR PSYNC FAILOVER replid must match my replid.')
    follow(replica.client(), servers.free_port(), wait=False)
    assert replica.client()('PSYNC', '', 1, 'FAILOVER') == Error('ERR PSYNC FAILOVER replid must match my replid.')
    assert info(replica.client())['role'] == 'slave'
