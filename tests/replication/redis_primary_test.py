# SPDX-License-Identifier: BSD-3-Clause
"""Following a real redis-server: what an import of a running one consists of."""
import random

import pytest

from tests.lib import server as servers
from tests.lib.proxy import Proxy
from tests.lib.resp import Error
from tests.lib.server import wait_until
from tests.replication.story import Writers, assert_same, contents, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


@pytest.fixture
def redis():
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis', repl_diskless_sync_delay=0) as server:
        yield server


def test_every_type_and_encoding_is_copied_with_its_time(redis, own_server):
    fill(redis.client(), random.Random(1))
    replica = own_server().client()
    replica.ok('SET', 'own', 'is replaced')
    follow(replica, redis.port)
    assert_same(redis.client(), replica)
    assert replica('FUNCTION', 'LIST') == redis.client()('FUNCTION', 'LIST')


@pytest.mark.parametrize('directives', [
    {'rdbcompression': 'yes', 'repl_diskless_sync': 'no'},
    {'repl_diskless_sync': 'yes', 'repl_diskless_sync_delay': 0}])
def test_both_framings_of_a_copy_are_understood(own_server, directives):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis', **directives) as redis:
        fill(redis.client(), random.Random(2))
        replica = own_server().client()
        follow(replica, redis.port)
        assert_same(redis.client(), replica)


@pytest.mark.parametrize('directives', [{}, {'durability': 'none'}, {'durability': 'none', 'tier': 'no'},
                                        {'maxmemory': servers.memory_of(24)}])
def test_writers_are_followed_until_the_node_takes_over(redis, own_server, directives):
    primary = redis.client()
    fill(primary, random.Random(3), size=2)
    replica = own_server(**directives).client()
    with Writers(redis, 3):
        follow(replica, redis.port)
        wait_until(lambda: int(info(replica)['slave_repl_offset']) > 200000, what='much being written')
    wait_caught_up(primary, replica)
    assert primary('WAIT', 1, 60000) == 1
    expected = contents(primary)
    replica.ok('REPLICAOF', 'NO', 'ONE')
    assert contents(replica) == expected
    replica.ok('SET', 'own', 'again')
    assert primary('GET', 'own') is None
    assert info(replica)['role'] == 'master'


def test_a_link_that_is_cut_goes_on_where_it_was(redis, own_server):
    primary = redis.client()
    primary('CONFIG', 'SET', 'repl-backlog-size', '100mb')
    fill(primary, random.Random(4))
    replica = own_server().client()
    with Proxy(redis.address) as proxy:
        follow(replica, proxy.port)
        with Writers(redis, 3):
            for _ in range(8):
                before, seen = proxy.connections, int(info(replica)['slave_repl_offset'])
                wait_until(lambda: int(info(replica)['slave_repl_offset']) > seen + 3000, what='something being written')
                proxy.cut()
                wait_until(lambda: proxy.connections > before, what='another attempt')
                wait_up(replica)
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
    stats = dict(line.split(':', 1) for line in primary('INFO', 'stats').decode().split('\r\n') if ':' in line)
    assert stats['sync_full'] == '1' and int(stats['sync_partial_ok']) >= 8


def test_a_copy_that_is_cut_shows_nothing_and_begins_again(redis, own_server):
    primary = redis.client()
    fill(primary, random.Random(5), size=4)
    server = own_server()
    replica = server.client()
    with Proxy(redis.address) as proxy:
        proxy.bytes_max = 100000
        follow(replica, proxy.port, wait=False)
        wait_until(lambda: proxy.connections > 2, what='two failed copies')
        assert replica('GET', 'integer') == Error('LOADING Redis is loading the dataset in memory')
        proxy.bytes_max = None
        wait_up(replica)
        assert_same(primary, replica)


def test_a_crash_in_a_copy_leaves_nothing_behind(redis, own_server):
    primary = redis.client()
    fill(primary, random.Random(6), size=4)
    server = own_server()
    replica = server.client()
    replica.ok('SET', 'own', 'v')
    with Proxy(redis.address) as proxy:
        proxy.bytes_max = 100000
        follow(replica, proxy.port, wait=False)
        wait_until(lambda: proxy.connections > 1, what='a failed copy')
        server.restart(kill=True)
        assert server.client()('DBSIZE') == 0


def test_a_password_is_given(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis', requirepass='secret', repl_diskless_sync_delay=0) as redis:
        primary = redis.client()
        primary.ok('AUTH', 'secret')
        primary.ok('SET', 'k', 'v')
        server = own_server()
        replica = server.client()
        follow(replica, redis.port, wait=False)
        wait_until(lambda: 'NOAUTH' in server.log_tail(), what='a refusal')
        replica.ok('CONFIG', 'SET', 'masterauth', 'secret')
        wait_up(replica)
        assert replica('GET', 'k') == b'v'


def test_nothing_expires_until_the_primary_says_so(redis, own_server):
    primary = redis.client()
    primary('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    replica = own_server().client()
    follow(replica, redis.port)
    primary.ok('SET', 'k', 'v', 'PX', 30)
    assert primary('HSET', 'h', 'f', 'v') == 1
    primary('PEXPIRE', 'h', 30)
    wait_caught_up(primary, replica)
    wait_until(lambda: replica('GET', 'k') is None and replica('EXISTS', 'h') == 0, what='both being hidden')
    assert replica('DBSIZE') == 2
    assert primary('GET', 'k') is None  # looks, and so expires it
    wait_caught_up(primary, replica)
    assert replica('DBSIZE') == 1


def test_clients_are_told_that_the_node_follows(redis, own_server):
    server = own_server()
    replica, blocked = server.client(), server.client()
    blocked.send('BLPOP', 'list', 0)
    wait_until(lambda: servers.blocked(replica, 1), what='a blocked client')
    follow(replica, redis.port)
    assert blocked.read() == Error('UNBLOCKED force unblock from blocking operation, instance state changed '
                                           '(master -> replica?)')
    assert replica('SET', 'k', 'v') == Error("READONLY You can't write against a read only replica.")
    assert replica('EVAL', "return redis.call('SET', KEYS[1], 1)", 1, 'k').startswith("READONLY You can't write")
    replica.ok('MULTI')
    replica('SET', 'k', 'v')
    assert replica('EXEC').code == 'EXECABORT'
    assert replica('ROLE')[:4] == [b'slave', b'127.0.0.1', redis.port, b'connected']
    assert replica('REPLICAOF', '127.0.0.1', redis.port) == 'OK Already connected to specified master'
    redis.kill()
    wait_until(lambda: info(replica)['master_link_status'] == 'down', what='the link being down')
    assert replica('GET', 'k') is None
    replica.ok('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    assert replica('GET', 'k') == Error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
