# SPDX-License-Identifier: BSD-3-Clause
"""A replica executes its primary's stream on several threads: each key's writes in their order, transactions whole, and what it
is, what it has in its log and what it gives to others are the same as if one thread did."""
import random
import time

import pytest

from tests.lib.proxy import Proxy
from tests.lib.server import memory_of, wait_until
from tests.replication.story import (Threads, Writers, assert_same, assert_same_offset, fill, follow, info, wait_caught_up)

pytestmark = pytest.mark.forebay_only

APPLY = {'replica_apply_threads': 4, 'replica_apply_min_effects': 2}
PIPELINE = 500


def batches(client):
    return int(info(client)['batches_applied'])


def assert_scrubbed(primary, replica):
    """Both hold the same, as the nodes themselves find."""
    def complete():
        flat = primary('REPLICATION', 'SCRUB')
        return flat if flat[-1] == b'complete' else None
    wait_until(complete, 60, 'a scrub of everything')
    assert info(replica)['scrub_mismatches'] == '0'


def assert_equal(primary, replica, databases=(0, 3)):
    wait_caught_up(primary, replica, 60)
    assert_same_offset(primary, replica)
    assert_same(primary, replica, databases)
    assert_scrubbed(primary, replica)


@pytest.fixture
def pair(own_server):
    def start(replica=None, **directives):
        server, other = own_server(**directives), own_server(**dict(APPLY, **directives, **(replica or {})))
        follow(other.client(), server.port)
        return server, other
    return start


def numbers(server, name, ending, keys=20):
    """Writes lists of ascending numbers and counters, many at once."""
    number = 0
    with server.client(timeout=60) as client:
        while not ending():
            commands = []
            for _ in range(PIPELINE):
                number += 1
                key = '%s:%d' % (name, number % keys)
                commands += [('SET', 'last:' + key, number), ('RPUSH', 'all:' + key, number), ('INCR', 'count:' + key)]
            client.pipeline(commands)


def test_each_keys_writes_keep_their_order(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    start = time.monotonic()
    threads = Threads([lambda i=i: numbers(server, 'w%d' % i, lambda: threads.ending) for i in range(4)])
    with threads, other.client() as reader:
        seen = {}
        while time.monotonic() < start + 3 or batches(replica) < 20:
            for i in range(4):
                for key in range(3):
                    value = int(reader('GET', 'last:w%d:%d' % (i, key)) or 0)
                    assert value >= seen.get((i, key), 0)
                    seen[i, key] = value
    wait_caught_up(primary, replica, 60)
    for i in range(4):
        for key in range(20):
            listed = [int(number) for number in replica('LRANGE', 'all:w%d:%d' % (i, key), 0, -1)]
            assert listed == sorted(set(listed)) and len(listed) == int(replica('GET', 'count:w%d:%d' % (i, key)))
            assert listed[-1] == int(replica('GET', 'last:w%d:%d' % (i, key)))
    assert int(info(replica)['effects_applied_in_batches']) > 10000
    assert_equal(primary, replica)


def test_transactions_are_whole_for_who_reads(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client(timeout=60)

    def write_transactions():
        number = 0
        with server.client() as client:
            while not threads.ending:
                commands = []
                for _ in range(30):
                    number += 1
                    commands += [('MULTI',), ('SET', 'left', number), ('RPUSH', 'between', number), ('SET', 'right', number),
                                 ('EXEC',)] + [('SET', 'other:%d' % key, number) for key in range(10)]
                client.pipeline(commands)

    def read_both():
        with other.client() as client:
            while not threads.ending:
                left, right, length = client.pipeline([('MULTI',), ('GET', 'left'), ('GET', 'right'), ('LLEN', 'between'),
                                                       ('EXEC',)])[-1]
                assert left == right and int(left or 0) == length
                left, right = client('MGET', 'left', 'right')
                assert left == right
    threads = Threads([write_transactions, read_both, read_both])
    with threads:
        wait_until(lambda: batches(replica) > 100 or threads.failures, 60, 'many batches')
    assert_equal(primary, replica)


@pytest.mark.parametrize('durability', ['behind', 'through'])
def test_a_killed_replica_comes_back_with_what_it_had(pair, durability):
    server, other = pair(durability=durability, repl_backlog_size='64mb')
    primary = server.client(timeout=60)
    fill(primary, random.Random(1))
    with Proxy(server.address) as proxy:
        for _ in range(5):
            follow(other.client(), proxy.port)
            threads = Threads([lambda i=i: numbers(server, 'w%d' % i, lambda: threads.ending, 50) for i in range(2)])
            with threads:
                wait_until(lambda: batches(other.client()) > 10, 60, 'some batches')
                other.client()('BGSAVE')
                enough = batches(other.client()) + random.randrange(100)
                wait_until(lambda: batches(other.client()) >= enough, 60, 'more of them')
                other.kill()
                proxy.refuses = True
            other.start(replicaof='no one')
            offset, at = (int(info(client)['master_repl_offset']) for client in (other.client(), primary))
            assert offset <= at
            proxy.refuses = False
            follow(other.client(), proxy.port)
            assert_equal(primary, other.client(timeout=60))
    with open(server.log_path) as log:
        assert log.read().count('event="full resync" ') >= 1


def test_cold_keys_are_fetched_and_changed(own_server):
    little = {'maxmemory': memory_of(24), 'tier': 'yes'}
    server, other = own_server(), own_server(**APPLY, **little)
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    follow(replica, server.port)
    names = []

    def write_more_until_cold():
        more = ['key:%d' % i for i in range(len(names), len(names) + PIPELINE)]
        primary.pipeline([('SET', name, (name * 500)[:2000]) for name in more])
        names.extend(more)
        wait_caught_up(primary, replica, 120)
        return int(info(replica, 'tier')['tier_cold_keys']) > 5000
    wait_until(write_more_until_cold, 120, 'keys being cold')
    rng = random.Random(5)
    for _ in range(20):
        chosen = [rng.choice(names) for _ in range(PIPELINE)]
        primary.pipeline([('APPEND', name, 'more') for name in chosen] + [('DEL', chosen[0]), ('RPUSH', chosen[0], 1, 2)])
        primary.pipeline([('DEL', chosen[0]), ('SET', chosen[0], 'again')])
    wait_caught_up(primary, replica, 120)
    assert batches(replica) > 10
    for i in range(0, len(names), PIPELINE):
        commands = [('GET', name) for name in names[i:i + PIPELINE]]
        assert primary.pipeline(commands) == replica.pipeline(commands)
    assert_scrubbed(primary, replica)


def test_long_readers_of_the_replica_keep_their_keys_as_they_are(pair):
    server, other = pair(slowlog_log_slower_than=-1)
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    for name in ('one', 'two'):
        for i in range(0, 60000, 2000):
            primary('SADD', name, *('%s-of-a-set-%d' % ('m' * 20, number) for number in range(i, i + 2000)))
    primary('RPUSH', 'list', *('%s-of-a-list-%d' % ('m' * 20, number) for number in range(60000)))
    wait_caught_up(primary, replica, 60)

    def read_long():
        with other.client(timeout=60) as client:
            while not threads.ending:
                assert client('SINTERCARD', 2, 'one', 'two') >= 60000
                assert len(client('SUNION', 'one', 'two')) >= 60000
                client('SORT', 'one', 'BY', 'weight:*', 'LIMIT', 0, 10)
                client('SORT', 'list', 'BY', 'weight:*', 'LIMIT', 0, 10)

    def write_to_them():
        number = 0
        with server.client(timeout=60) as client:
            while not threads.ending:
                commands = []
                for _ in range(PIPELINE):
                    number += 1
                    commands += [('SADD', 'one', 'x%d' % number), ('SADD', 'two', 'x%d' % number),
                                 ('SET', 'weight:x%d' % number, number), ('LSET', 'list', number % 100, number)]
                client.pipeline(commands)
    threads = Threads([read_long, read_long, write_to_them])
    with threads:
        wait_until(lambda: batches(replica) > 20 or threads.failures, 60, 'many batches')
    assert_equal(primary, replica, (0,))


def test_a_chain_of_three(own_server):
    server, middle, last = own_server(), own_server(**APPLY), own_server(**APPLY)
    primary = server.client(timeout=60)
    fill(primary, random.Random(3))
    follow(middle.client(), server.port)
    threads = Threads([lambda i=i: numbers(server, 'w%d' % i, lambda: threads.ending, 200) for i in range(3)])
    with threads, Writers(server):
        wait_until(lambda: batches(middle.client()) > 10, 60, 'some batches')
        for _ in range(3):  # each time a copy of everything, while batches are executed
            follow(last.client(), middle.port)
            start = batches(last.client())
            wait_until(lambda: batches(last.client()) > start + 3, 60, 'some batches')
            last.client().ok('REPLICAOF', 'NO', 'ONE')
            last.client().ok('SET', 'own', 1)
        follow(last.client(), middle.port)
    wait_caught_up(primary, middle.client(), 60)
    wait_caught_up(primary, last.client(), 60)
    assert_equal(primary, middle.client())
    assert_equal(primary, last.client())


def test_threads_are_changed_while_it_follows(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    threads = Threads([lambda i=i: numbers(server, 'w%d' % i, lambda: threads.ending) for i in range(2)])
    with threads:
        for count in (2, 16, 1, 3, 0, 4):
            replica.ok('CONFIG', 'SET', 'replica-apply-threads', count)
            if count > 1:
                before = batches(replica)
                wait_until(lambda: batches(replica) > before + 3, 60, 'batches')
        replica.ok('CONFIG', 'SET', 'replica-apply-threads', 1)
        wait_caught_up(primary, replica, 60)
        before = batches(replica)
        wait_caught_up(primary, replica, 60)
        assert batches(replica) == before
    assert_equal(primary, replica)


def test_whole_databases_change_between_batches(pair):
    server, other = pair()
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    fill(primary, random.Random(7))
    with Writers(server):
        for turn in range(40):
            primary.pipeline([('SET', 'k:%d' % i, turn) for i in range(PIPELINE)] +
                             [(('SWAPDB', 0, 3), ('FLUSHDB',), ('FLUSHALL',))[turn % 3]] +
                             [('RPUSH', 'l:%d' % (i % 50), i) for i in range(PIPELINE)])
    assert batches(replica) > 10
    assert_equal(primary, replica)


def test_who_watches_waits_or_tracks_on_the_replica_is_told(pair):
    server, other = pair({'notify_keyspace_events': 'KEA'})
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    subscriber, tracker, watcher, waiter = (other.client(3, timeout=60) for _ in range(4))
    primary.ok('SET', 'tracked', 1)
    wait_caught_up(primary, replica)
    subscriber('SUBSCRIBE', '__keyspace@0__:noticed')
    tracker.ok('CLIENT', 'TRACKING', 'ON')
    tracker('GET', 'tracked')
    watcher.ok('WATCH', 'watched')
    waiter.send('XREAD', 'BLOCK', 0, 'STREAMS', 'awaited', '$')
    wait_until(lambda: b'blocked_clients:1\r\n' in replica('INFO', 'clients'), what='a client that waits')
    before = batches(replica)
    primary.pipeline([('SET', 'k:%d' % i, i) for i in range(300)] + [
        ('SET', 'noticed', 1), ('SET', 'tracked', 2), ('SET', 'watched', 2), ('XADD', 'awaited', '1-1', 'field', 'value')])
    wait_caught_up(primary, replica)
    assert batches(replica) > before
    assert subscriber.read()[-1] == b'set'
    assert b'tracked' in tracker.read()[-1]
    watcher('MULTI')
    watcher('PING')
    assert watcher('EXEC') is None
    assert b'value' in str(waiter.read()).encode()


def test_less_than_wanted_is_executed_by_one_thread(pair):
    server, other = pair({'replica_apply_min_effects': 2048})
    primary, replica = server.client(timeout=60), other.client(timeout=60)
    primary.pipeline([('SET', 'k:%d' % i, i) for i in range(1000)])
    wait_caught_up(primary, replica)
    assert batches(replica) == 0
