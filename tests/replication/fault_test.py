# SPDX-License-Identifier: BSD-3-Clause
"""Sequences of faults that once broke replication, each told by itself; rounds_test.py makes up others."""
import contextlib
import os
import random
import shutil
import threading

import pytest

from tests.lib import server as servers
from tests.lib.proxy import Proxy
from tests.lib.server import memory_of, wait_until
from tests.replication.rounds_compare import assert_same
from tests.replication.story import LIBRARY, assert_same_offset, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


def resyncs(server):
    """How many copies the server has sent, and how often it went on without."""
    with open(server.log_path) as log:
        events = log.read()
    return events.count('event="full resync" '), events.count('event="partial resync" ')


def offset(client):
    return int(info(client)['master_repl_offset'])


def load(client, megabytes):
    for i in range(megabytes * 4):
        client.pipeline([('SET', 'load:%d:%d' % (i, j), random.Random(j).randbytes(5000)) for j in range(50)])


@pytest.mark.parametrize('follower', ['forebay', 'redis'])
def test_an_entry_of_many_fields_arrives_and_lasts(own_server, follower):
    if not servers.binary(follower):
        pytest.skip('no %s program' % follower)
    server = own_server()
    primary = server.client()
    with servers.start(follower) as other:
        follow(other.client(), server.port)
        for i in range(3):
            primary.ok('XADD', 'x', '*', *range(20000))
        primary.pipeline([('MULTI',), ('XADD', 'y', '1-1', *range(600)), ('SET', 'k', 'v'), ('EXEC',)])
        wait_caught_up(primary, other.client())
        assert_same(primary, other.client(), follower == 'forebay')
    server.restart(kill=True)
    assert [len(words) for _, words in server.client()('XRANGE', 'x', '-', '+')] == [20000] * 3
    assert len(server.client()('XRANGE', 'y', '-', '+')[0][1]) == 600


def test_a_replica_that_starts_expires_nothing_by_itself(own_server):
    server, other = own_server(), own_server()
    primary = server.client()
    with Proxy(server.address) as proxy:
        follow(other.client(), proxy.port)
        primary.ok('DEBUG', 'SET-ACTIVE-EXPIRE', 0)  # until the replica has them all, however long that takes
        for i in range(20):
            primary.pipeline([('SET', 'k:%d:%d' % (i, j), 1, 'PX', 1500) for j in range(500)])
        wait_caught_up(primary, other.client())
        proxy.refuses = True
        proxy.cut()
        other.kill()
        reached = offset(primary)
        primary.ok('DEBUG', 'SET-ACTIVE-EXPIRE', 1)
        wait_until(lambda: primary('DBSIZE') == 0, what='the keys being gone')
        other.start(replicaof='127.0.0.1 %d' % proxy.port)
        replica = other.client()
        samples = int(replica.info('server')['uptime_in_seconds'])
        wait_until(lambda: int(replica.info('server')['uptime_in_seconds']) > samples, what='a second of its work')
        assert offset(replica) <= reached and replica('DBSIZE') == 10000
        proxy.refuses = False
        wait_caught_up(primary, replica)
        assert replica('DBSIZE') == 0 and resyncs(server) == (1, 1)


def test_replicas_of_a_replica_learn_the_new_id_of_a_history(own_server):
    first, second, third = own_server(), own_server(), own_server()
    with Proxy(first.address) as one, Proxy(second.address) as two:
        follow(second.client(), one.port)
        follow(third.client(), two.port)
        first.client().ok('SET', 'k', 1)
        wait_caught_up(first.client(), third.client())

        def assert_one_id(leader):
            wait_until(lambda: len({info(node.client())['master_replid'] for node in (leader, second, third)}) == 1,
                       what='one id everywhere')
            leader.client().ok('SET', 'k', 2)
            wait_caught_up(leader.client(), third.client())
            two.cut()
            leader.client().ok('INCR', 'k')
            wait_caught_up(leader.client(), third.client())
            assert third.client()('GET', 'k') == b'3'
            assert resyncs(second)[0] == 1

        first.restart(kill=True)
        one.address = first.address
        assert_one_id(first)
        second.client().ok('REPLICAOF', 'NO', 'ONE')
        assert_one_id(second)
        assert resyncs(first)[0] == 1
    assert_same(second.client(), third.client())


def test_who_has_led_and_written_nothing_knows_what_is_selected(own_server):
    server, other = own_server(), own_server()
    primary = server.client()
    follow(other.client(), server.port)
    primary.pipeline([('SELECT', 3), ('SET', 'before', 1)])
    wait_caught_up(primary, other.client())
    other.client().ok('REPLICAOF', 'NO', 'ONE')
    primary.ok('SET', 'meanwhile', 2)
    follow(other.client(), server.port)
    wait_caught_up(primary, other.client())
    assert_same(primary, other.client())
    assert resyncs(server) == (1, 1)


def test_a_restarted_primary_has_its_backlog_in_its_log(own_server):
    """Though all of it is in rows by then, and a small node has most of it nowhere else."""
    server, other = own_server(maxmemory=memory_of(24), repl_backlog_size='16mb'), own_server()
    follow(other.client(), server.port)
    server.client().ok('SET', 'k', 'v')
    wait_caught_up(server.client(), other.client())
    other.stop()
    for start in range(0, 5000, 200):
        assert server.client().pipeline([('SET', 'k:%d' % i, b'v' * 2000) for i in range(start, start + 200)]) == ['OK'] * 200
    server.restart()
    other.start(replicaof='127.0.0.1 %d' % server.port)
    wait_caught_up(server.client(), other.client())
    assert resyncs(server) == (1, 1)
    assert_same(server.client(), other.client())


def test_role_and_info_tell_the_same_offset(own_server):
    server, other = own_server(repl_ping_replica_period=3600), own_server()
    server.client().ok('SET', 'k', 'v' * 1000)
    follow(other.client(), server.port)
    wait_caught_up(server.client(), other.client())
    other.client().ok('REPLICAOF', 'NO', 'ONE')
    assert other.client()('ROLE')[1] == offset(other.client()) == offset(server.client())


@pytest.mark.parametrize('change', [('FLUSHALL',), ('FLUSHDB',), ('SWAPDB', 0, 1)])
def test_a_copy_is_given_up_at_once_when_whole_databases_change(own_server, change):
    server, other = own_server(), own_server()
    primary = server.client()
    load(primary, 8)
    with Proxy(server.address) as proxy:
        proxy.bytes_per_second = 1000000
        follow(other.client(), proxy.port, wait=False)
        wait_until(lambda: info(other.client())['master_sync_in_progress'] == '1', what='a copy')
        primary.ok(*change)
        primary.ok('SET', 'after', 1)
        wait_until(lambda: 'whole databases were changed during its full sync' in server.log_tail(), what='the end of the copy')
        proxy.bytes_per_second = None
        wait_caught_up(primary, other.client())
        assert_same(primary, other.client())
        assert resyncs(server)[0] == 2


def test_nothing_of_a_copy_that_was_not_finished_is_led(own_server):
    """Not its keys, nor its functions, whether the process was killed or the node is told to lead."""
    server, other = own_server(), own_server()
    load(server.client(), 8)
    server.client().ok('FUNCTION', 'LOAD', LIBRARY)
    with Proxy(server.address) as proxy:
        for kills in (False, True):
            proxy.bytes_per_second = 2000000
            follow(other.client(), proxy.port, wait=False)
            wait_until(lambda: int(info(other.client()).get('master_sync_read_bytes', 0)) > 1000000, what='a part of a copy')
            if kills:
                other.restart(kill=True, replicaof='no one')
            else:
                other.client().ok('REPLICAOF', 'NO', 'ONE')
            assert other.client()('DBSIZE') == 0
            assert other.client()('FUNCTION', 'LIST') == []
            other.client().ok('SET', 'own', 1)
            other.restart(kill=True)
            assert other.client()('KEYS', '*') == [b'own']
            assert other.client()('FUNCTION', 'LIST') == []
            proxy.bytes_per_second = None


def test_what_still_runs_when_the_node_begins_to_follow_is_no_part_of_what_it_follows(own_server):
    server, other = own_server(), own_server()
    fill(server.client(), random.Random(1))
    follow(other.client(), server.port)
    wait_caught_up(server.client(), other.client())
    for turn in range(5):
        other.client().ok('REPLICAOF', 'NO', 'ONE')
        started = threading.Event()

        def write():
            with other.client() as client:
                started.set()
                client('EVAL', "for i = 1, 300000 do redis.call('SET', 'x' .. i % 100, i) end", 0)
                client.pipeline([('SET', 'y%d' % i, i) for i in range(100)])
        thread = threading.Thread(target=write)
        thread.start()
        started.wait()
        with other.client() as client:
            client('REPLICAOF', '127.0.0.1', server.port)
        thread.join()
        wait_until(lambda: not info(other.client()).get('role') == 'master', what='the node following')
        server.client().ok('SET', 'turn', turn)
        wait_caught_up(server.client(), other.client())
        assert_same_offset(server.client(), other.client())
        assert_same(server.client(), other.client())


def test_a_node_that_was_copied_again_gives_nobody_its_older_bytes(own_server):
    """They stand in its log, at offsets that the new history uses as well."""
    first, second, third = own_server(), own_server(), own_server()
    with Proxy(second.address) as proxy:
        follow(second.client(), first.port)
        follow(third.client(), proxy.port)
        fill(first.client(), random.Random(1))
        wait_caught_up(first.client(), third.client())
        proxy.refuses = True
        proxy.cut()
        first.client().pipeline([('APPEND', 'later', 'x' * 100) for _ in range(200)])
        second.client().ok('REPLICAOF', 'NO', 'ONE')
        second.client().ok('SET', 'astray', 1)
        follow(second.client(), first.port)
        wait_caught_up(first.client(), second.client())
        assert resyncs(first) == (2, 0)
        for kills in (False, True):
            if kills:
                second.restart(kill=True, replicaof='127.0.0.1 %d' % first.port)
                proxy.address = second.address
            proxy.refuses = False
            first.client().ok('INCR', 'number')
            wait_caught_up(first.client(), third.client())
            assert_same(first.client(), third.client())
        assert int(info(second.client())['repl_backlog_first_byte_offset']) > 0


@pytest.mark.parametrize('durability', ['behind', 'none'])
def test_what_was_written_while_the_node_led_is_gone_when_it_follows_again(own_server, durability):
    server, other = own_server(durability=durability), own_server(durability=durability)
    server.client().ok('SET', 'k', 1)
    follow(other.client(), server.port)
    wait_caught_up(server.client(), other.client())
    other.client().ok('REPLICAOF', 'NO', 'ONE')
    other.client().ok('SET', 'astray', 1)
    follow(other.client(), server.port)
    wait_caught_up(server.client(), other.client())
    assert_same(server.client(), other.client())


@contextlib.contextmanager
def machine_crash(server):
    """What is written meanwhile, the machine loses."""
    kept = server.directory + '.kept'
    shutil.copytree(server.directory, kept)
    yield
    server.kill()
    shutil.rmtree(server.directory)
    os.rename(kept, server.directory)


def lose_a_write(server, proxy, replica):
    """The replica, which follows through the proxy, has it."""
    follow(replica, proxy.port)
    with machine_crash(server):
        server.client().ok('SET', 'lost', 1)
        wait_caught_up(server.client(), replica)
    server.start()
    proxy.address = server.address


def test_a_primary_that_lost_its_last_writes_does_not_destroy_them_at_its_replica(own_server):
    server, other = own_server(), own_server()
    primary, replica = server.client(), other.client()
    follow(replica, server.port)
    primary.ok('SET', 'before', 1)
    wait_caught_up(primary, replica)
    with Proxy(server.address) as proxy:
        follow(replica, proxy.port)
        with machine_crash(server):
            primary.ok('SET', 'lost', 1)
            wait_caught_up(primary, replica)
            proxy.refuses = True
            proxy.cut()
        # It goes on, and crashes again, before the replica finds it.
        for number in range(3):
            server.start()
            server.client().ok('SET', 'after', number)
            server.kill()
        server.start()
        primary = server.client()
        assert primary('MGET', 'before', 'lost', 'after') == [b'1', None, b'2']
        proxy.address = server.address
        proxy.refuses = False
        wait_until(lambda: info(replica).get('master_has_lost_writes') == '1', what='the replica hearing it')
        assert info(replica)['master_link_status'] == 'down' and replica('MGET', 'lost', 'after') == [b'1', None]
        assert 'a replica has what this node has lost in a crash' in server.log_tail()
        # Not after a restart either; then it leads, and who has lost the writes gets them.
        other.restart(kill=True, replicaof='127.0.0.1 %d' % proxy.port)
        replica = other.client()
        wait_until(lambda: info(replica).get('master_has_lost_writes') == '1', what='the replica hearing it again')
        assert replica('GET', 'lost') == b'1'
        replica.ok('REPLICAOF', 'NO', 'ONE')
        assert 'master_has_lost_writes' not in info(replica)
        follow(primary, other.port)
        wait_caught_up(replica, primary)
        assert primary('MGET', 'lost', 'after') == [b'1', None]
        assert_same(primary, replica)


@pytest.mark.parametrize('former', ['crash', 'lead'])
def test_what_a_primary_lost_that_wrote_nothing_else_is_not_destroyed(own_server, former):
    """What it had before is all of a former history of its own, or of a primary's."""
    server, other = own_server(), own_server()
    server.client().ok('SET', 'before', 1)
    if former == 'crash':
        server.restart(kill=True)
    else:
        follow(server.client(), other.port)
        other.client().ok('SET', 'before', 1)
        wait_caught_up(other.client(), server.client())
        server.client().ok('REPLICAOF', 'NO', 'ONE')
    replica = other.client()
    with Proxy(server.address) as proxy:
        lose_a_write(server, proxy, replica)
        wait_until(lambda: info(replica).get('master_has_lost_writes') == '1', what='the replica hearing it')
        assert replica('MGET', 'before', 'lost') == [b'1', b'1']
        assert server.client()('MGET', 'before', 'lost') == [b'1', None]


def test_what_the_primary_lost_is_given_up_on_demand(own_server):
    server, other = own_server(), own_server()
    replica = other.client()
    with Proxy(server.address) as proxy:
        lose_a_write(server, proxy, replica)
        wait_until(lambda: info(replica).get('master_has_lost_writes') == '1', what='the replica hearing it')
        replica.ok('CONFIG', 'SET', 'replica-discard-longer-history', 'yes')
        wait_up(replica)
        wait_caught_up(server.client(), replica)
        assert replica('GET', 'lost') is None and 'master_has_lost_writes' not in info(replica)


@pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server')
def test_a_redis_is_copied_to_all_the_same(own_server):
    with servers.start('redis') as redis:
        server = own_server()
        replica = redis.client()
        with Proxy(server.address) as proxy:
            lose_a_write(server, proxy, replica)
            wait_until(lambda: replica('GET', 'lost') is None, what='another copy')
