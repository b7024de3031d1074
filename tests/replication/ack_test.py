# SPDX-License-Identifier: BSD-3-Clause
"""Classes whose replies wait for replicas: who counts, what is refused, what is held, and what a held reply becomes."""
import threading

import pytest

from tests.lib.resp import Error
from tests.lib.server import blocked, wait_until
from tests.replication.story import follow, info

pytestmark = pytest.mark.forebay_only

CLASSES = 'safe prefix safe: ack quorum'
LAG_MAX = 600  # longer than any story


def synced(client):
    """How much of the log is on disk, as offsets are told to others."""
    log, told = client.info('log'), info(client)
    return int(log['log_synced_offset']) + int(told['master_repl_offset']) - int(log['log_end_offset'])


def in_sync(client):
    return int(info(client)['in_sync_members'])


class Shard:
    """A primary and its replicas, none of which leaves because it is slow; those that are paused go on at the end."""

    def __init__(self, own_server, members, replicas, **directives):
        self.primary = own_server(**{'class': CLASSES, 'replication_members': members, 'min_replicas_max_lag': LAG_MAX, **directives})
        self.replicas = [own_server() for _ in range(replicas)]
        self.client = self.primary.client()
        for replica in self.replicas:
            follow(replica.client(), self.primary.port)
        self.wait_in_sync(1 + replicas)

    def wait_in_sync(self, members):
        wait_until(lambda: in_sync(self.client) == members, 30, '%d members in sync' % members)

    def pause(self, *replicas):
        for replica in replicas or self.replicas:
            replica.pause()

    def go_on(self):
        for replica in self.replicas:
            replica.go_on()

    def lose_the_silent(self, seconds=1):
        """From now on, who has said nothing for so long is in sync no more."""
        self.primary.client().ok('CONFIG', 'SET', 'min-replicas-max-lag', seconds)

    def keep_the_silent(self):
        self.primary.client().ok('CONFIG', 'SET', 'min-replicas-max-lag', LAG_MAX)


@pytest.fixture
def shard(own_server):
    made = []

    def make(*args, **directives):
        made.append(Shard(own_server, *args, **directives))
        return made[-1]
    yield make
    for each in made:
        each.go_on()


def held(client, commands):
    """Sends and returns a function that waits for the replies."""
    replies = []
    thread = threading.Thread(target=lambda: replies.extend(client.pipeline(commands)))
    thread.start()

    def wait():
        thread.join()
        return replies
    wait.is_over = lambda: not thread.is_alive()
    return wait


def test_a_write_is_refused_before_it_changes_anything_while_there_is_no_majority(shard):
    one = shard(3, 0)
    for command in (('SET', 'safe:1', 'x'), ('DEL', 'safe:1', 'other'), ('RENAME', 'other', 'safe:1'), ('FLUSHALL',),
                    ('EVAL', "return redis.call('SET', 'safe:1', 'x')", 0)):
        one.client('SET', 'other', 'stays')
        assert one.client(*command).code == 'NOREPLICAS'
        assert one.client('EXISTS', 'safe:1', 'other') == 1
    assert one.client.pipeline([('MULTI',), ('SET', 'other', 'y'), ('SET', 'safe:1', 'x'), ('EXEC',)])[-1].code == 'EXECABORT'
    assert one.client('GET', 'other') == b'stays'
    assert one.client('GET', 'safe:1') is None
    # A script that has written already goes on, as Redis does; then its reply is not certain.
    reply = one.client('EVAL', "redis.call('SET', 'other', 'z') return redis.call('SET', 'safe:1', 1)", 0)
    assert reply.code == 'UNCERTAIN' and one.client('GET', 'other') == b'z'


def test_a_majority_in_sync_acknowledges_and_a_third_member_is_not_needed(shard):
    two = shard(3, 1)
    two.client.ok('SET', 'safe:1', 'x')
    assert two.replicas[0].client()('GET', 'safe:1') == b'x'
    assert two.client('GET', 'safe:1') == b'x'
    assert two.client('EVAL', "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])", 1, 'safe:2') == 2
    assert two.client.pipeline([('MULTI',), ('INCR', 'safe:2'), ('INCR', 'other'), ('EXEC',)])[-1] == [3, 1]
    assert info(two.client)['slave0'].endswith('in_sync=1')


def test_a_member_alone_is_a_shard_of_one(shard, own_server):
    one = shard(1, 0)
    one.client.ok('SET', 'safe:1', 'x')
    assert one.client('GET', 'safe:1') == b'x'
    other = own_server()
    follow(other.client(), one.primary.port)
    one.wait_in_sync(2)
    one.client.ok('SET', 'safe:1', 'y')
    assert other.client()('GET', 'safe:1') == b'y'
    other.stop()
    one.wait_in_sync(1)
    one.client.ok('SET', 'safe:1', 'z')


def test_what_is_held_leaves_when_the_replica_answers_again(shard):
    two = shard(2, 1)
    reader = two.primary.client()
    two.pause()
    writes = held(two.client, [('SET', 'other', 1), ('SET', 'safe:1', 'x'), ('GET', 'other'), ('INCR', 'other')])
    third = two.primary.client()
    wait_until(lambda: third('GET', 'other') == b'2', what='the writes being made')
    reads = held(reader, [('GET', 'safe:1')])
    assert third('SET', 'other', 3) == 'OK'
    assert not writes.is_over() and not reads.is_over()
    two.go_on()
    assert writes() == ['OK', 'OK', b'1', 2]
    assert reads() == [b'x']


def test_who_stops_answering_leaves_and_what_is_held_is_told_to_be_uncertain(shard):
    two = shard(2, 1)
    reader, popper = two.primary.client(), two.primary.client()
    popped = held(popper, [('BLPOP', 'safe:list', 0)])
    wait_until(lambda: blocked(two.client, 1), what='BLPOP')
    two.pause()
    writes = held(two.client, [('SET', 'other', 1), ('SET', 'safe:1', 'x' * 100000), ('GET', 'safe:1'), ('GET', 'other'),
                               ('RPUSH', 'safe:list', 1)])
    third = two.primary.client()
    wait_until(lambda: third('DBSIZE') == 2, what='the writes being made')
    reads = held(reader, [('GET', 'safe:1')])
    wait_until(lambda: blocked(third, 0), what='the pop being served')
    two.lose_the_silent()
    replies = writes()
    assert [reply.code if isinstance(reply, Error) else reply for reply in replies] == [
        'OK', 'UNCERTAIN', 'UNCERTAIN', b'1', 'UNCERTAIN']
    assert reads()[0].code == 'UNCERTAIN' and popped()[0].code == 'UNCERTAIN'
    assert two.client('PING') == 'PONG' and popper('PING') == 'PONG'
    # From now on there is no majority: writes are refused, and what was shown to nobody is not shown.
    assert two.client('SET', 'safe:1', 'y').code == 'NOREPLICAS'
    assert two.client('GET', 'safe:1').code == 'UNCERTAIN'
    assert two.client('GET', 'other') == b'1'
    two.keep_the_silent()
    two.go_on()
    two.wait_in_sync(2)
    assert wait_until(lambda: two.client('GET', 'safe:1') == b'x' * 100000, what='it being known to last')
    two.client.ok('SET', 'safe:1', 'z')


def test_all_wants_every_member_and_quorum_goes_on_without_one(shard):
    three = shard(3, 2, **{'class': 'every prefix every: ack all'})
    three.client.ok('SET', 'every:1', 'x')
    three.pause(three.replicas[0])
    three.lose_the_silent(5)
    reply = three.client('SET', 'every:1', 'y')
    assert reply.code == 'UNCERTAIN'
    assert three.client('SET', 'every:1', 'z').code == 'NOREPLICAS'
    assert in_sync(three.client) == 2
    three.keep_the_silent()
    three.go_on()
    three.wait_in_sync(3)
    three.client.ok('SET', 'every:1', 'z')


def test_synced_means_on_disk_at_every_member(shard):
    two = shard(2, 1, ack_means='synced', durability_interval_ms=60000)
    replica = two.replicas[0].client()
    replica.ok('CONFIG', 'SET', 'durability-interval-ms', 60000)
    for i in range(5):
        begin = int(info(two.client)['master_repl_offset'])
        two.client.ok('SET', 'safe:%d' % i, 'x')
        assert synced(two.client) > begin and synced(replica) > begin


def test_a_client_that_leaves_while_its_reply_is_held_takes_nothing_along(shard):
    two = shard(2, 1)
    clients = [two.primary.client() for _ in range(20)]
    two.pause()
    for number, client in enumerate(clients):
        client.send('SET', 'safe:%d' % number, 'x')
    wait_until(lambda: two.client('DBSIZE') == 20, what='the writes')
    for client in clients:
        client.close()
    two.go_on()
    wait_until(lambda: two.client.info('clients')['connected_clients'] == '1', what='the clients being gone')
    two.client.ok('SET', 'safe:0', 'y')


def test_without_a_number_of_members_nothing_is_acknowledged(own_server):
    client = own_server(**{'class': CLASSES}).client()
    assert client('SET', 'safe:1', 'x').code == 'NOREPLICAS'
    client.ok('CONFIG', 'SET', 'replication-members', 1)
    wait_until(lambda: client('SET', 'safe:1', 'x') == 'OK', what='a shard of one')


def test_a_replica_shows_what_it_has(shard):
    two = shard(2, 1)
    two.client.ok('SET', 'safe:1', 'x')
    replica = two.replicas[0].client()
    assert replica('GET', 'safe:1') == b'x'


@pytest.mark.parametrize('line', ['a prefix a: ack', 'a prefix a: ack most'])
def test_a_class_line_that_asks_for_something_else_stops_the_start(own_server, line):
    with pytest.raises(ChildProcessError, match='ack none|quorum|all'):
        own_server(**{'class': line})
