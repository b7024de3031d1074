# SPDX-License-Identifier: BSD-3-Clause
"""Replicas that ask for a full sync at about the same time share one walk over the keys."""
import random
import time

import pytest

from tests.lib import server as servers
from tests.lib.proxy import DOWN, Proxy
from tests.lib.server import wait_until
from tests.replication.story import Writers, assert_same, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only

KEYS, VALUE = 400, 'v' * 10000
DELAY = 1000  # until all have come (begin_for)
ATTEMPTS = 5


def syncs(client):
    """(Full syncs given, walks made for them)."""
    lines = client('INFO', 'stats').decode().split('\r\n')
    fields = dict(line.split(':', 1) for line in lines if ':' in line)
    return int(fields['sync_full']), int(fields['sync_full_passes'])


def fill_bytes(client, keys=KEYS):
    for start in range(0, keys, 500):
        client.pipeline([('SET', 'fill:%d' % i, VALUE) for i in range(start, min(start + 500, keys))])


def states(primary):
    fields = info(primary)
    lines = [fields['slave%d' % i] for i in range(int(fields['connected_slaves'])) if 'slave%d' % i in fields]
    return sorted(dict(pair.split('=') for pair in line.split(','))['state'] for line in lines)


def begin_for(primary, count):
    """The copy begins when so many replicas wait for it."""
    wait_until(lambda: states(primary) == ['wait_bgsave'] * count, what='all waiting for it')
    primary.ok('CONFIG', 'SET', 'repl-diskless-sync-delay', 0)


def read_bytes(replica):
    return int(info(replica).get('master_sync_read_bytes', 0))


@pytest.mark.parametrize('count', [2, 3])
@pytest.mark.parametrize('directives', [{}, {'durability': 'none'}])
def test_replicas_that_come_before_it_begins_share_it(own_server, count, directives):
    server = own_server(repl_diskless_sync_delay=DELAY, **directives)
    primary, replicas = server.client(), [own_server(**directives).client() for _ in range(count)]
    fill(primary, random.Random(1))
    with Writers(server, 3):
        for replica in replicas:
            follow(replica, server.port, wait=False)
        begin_for(primary, count)
        for replica in replicas:
            wait_up(replica)
        start = int(info(primary)['master_repl_offset'])
        wait_until(lambda: int(info(primary)['master_repl_offset']) > start + 100000, what='much being written')
    for replica in replicas:
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
        assert info(replica)['master_replid'] == info(primary)['master_replid']
    assert syncs(primary) == (count, 1)
    assert primary('WAIT', count, 60000) == count


def come_one_after_the_other(server, slow, quick):
    """Whether they have shared a copy."""
    primary, before = server.client(), syncs(server.client())
    with Proxy(server.address) as proxy:
        proxy.bytes_per_second = 2 << 20
        follow(slow.client(), proxy.port, wait=False)
        wait_until(lambda: read_bytes(slow.client()) > 0, what='the first one getting some')
        follow(quick.client(), server.port, wait=False)
        wait_until(lambda: syncs(primary)[0] == before[0] + 2, what='both being given a copy')
        assert 'send_bulk' in states(primary)
        with Writers(server):
            proxy.bytes_per_second = None
            wait_up(quick.client())
            wait_up(slow.client())
        for replica in (quick.client(), slow.client()):
            wait_caught_up(primary, replica)
            assert_same(primary, replica)
    return syncs(primary)[1] == before[1] + 1


def test_replicas_that_come_while_it_has_just_begun_share_it(own_server):
    server = own_server()
    primary = server.client()
    fill(primary, random.Random(2))
    fill_bytes(primary, 1450)  # more than sockets hold, less than is held for those who come
    # On a machine that lets the first one's bytes stand still for a second, nobody joins them.
    assert any(come_one_after_the_other(server, own_server(), own_server()) for _ in range(ATTEMPTS))


def test_one_that_comes_too_late_has_its_own(own_server):
    server, first, second = own_server(repl_copy_rate='1mb'), own_server(), own_server()
    primary = server.client()
    fill_bytes(primary)
    follow(first.client(), server.port, wait=False)
    wait_until(lambda: read_bytes(first.client()) > 300000, what='a part of the copy')
    follow(second.client(), server.port, wait=False)
    wait_until(lambda: read_bytes(second.client()) > 0, what='the second copy')
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    for replica in (first.client(), second.client()):
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
    assert syncs(primary) == (2, 2)


@pytest.mark.parametrize('how', ['killed', 'stalled'])
def test_one_that_is_lost_in_the_middle_does_not_hold_the_others(own_server, how):
    server = own_server(repl_diskless_sync_delay=DELAY, repl_copy_rate='4mb', repl_copy_wait=3 if how == 'stalled' else 60)
    lost, others = own_server(), [own_server() for _ in range(2)]
    primary = server.client()
    fill(primary, random.Random(3))
    fill_bytes(primary, 2400)  # more than sockets hold
    with Proxy(server.address) as proxy:
        with Writers(server):
            follow(lost.client(), proxy.port, wait=False)
            for other in others:
                follow(other.client(), server.port, wait=False)
            begin_for(primary, 3)
            wait_until(lambda: read_bytes(lost.client()) > 1 << 20, what='a part of the copy')
            if how == 'killed':
                lost.kill()
            else:
                proxy.stop(DOWN)
            primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
            for other in others:
                wait_up(other.client())
            assert syncs(primary) == (3, 1)
            if how == 'killed':
                lost.start(replicaof='127.0.0.1 %d' % proxy.port)
            else:
                wait_until(lambda: 'others have waited for it' in server.log_tail(20000), what='the slow one falling out')
                proxy.heal()
            wait_up(lost.client(), 60)
        for replica in [lost.client()] + [other.client() for other in others]:
            wait_caught_up(primary, replica)
            assert_same(primary, replica)
    assert syncs(primary)[1] >= 2


def sent_bytes(primary):
    """To each replica that is being given a copy."""
    fields = info(primary)
    lines = [fields['slave%d' % i] for i in range(int(fields['connected_slaves'])) if 'slave%d' % i in fields]
    return [int(pairs['sync_sent_bytes']) for pairs in (dict(pair.split('=') for pair in line.split(',')) for line in lines)
            if 'sync_sent_bytes' in pairs]


def wait_stalled(primary, seconds):
    """Until the first replica's copy has not gone on for so long."""
    seen, since = None, time.monotonic()

    def stands_still():
        nonlocal seen, since
        now = sent_bytes(primary)[:1]
        if now != seen:
            seen, since = now, time.monotonic()
        return now and time.monotonic() - since > seconds
    wait_until(stands_still, what='the copy standing still')


def begin_stalled_copy(server, proxy, slow, seconds):
    """A copy that one replica has begun to get, and takes no more of."""
    primary = server.client()
    fill(primary, random.Random(6))
    fill_bytes(primary, 1450)  # more than sockets hold, less than is held for those who come
    proxy.bytes_per_second = 4 << 20
    follow(slow.client(), proxy.port, wait=False)
    wait_until(lambda: read_bytes(slow.client()) > 0, what='the first one getting some')
    proxy.stop(DOWN)
    wait_stalled(primary, seconds)


def test_nobody_joins_a_walk_that_stands_still(own_server):
    server, slow, quick = own_server(repl_copy_wait=1000, repl_timeout=1000), own_server(), own_server()
    with Proxy(server.address) as proxy:
        begin_stalled_copy(server, proxy, slow, 1.2)
        follow(quick.client(), server.port)
        primary = server.client()
        assert syncs(primary) == (2, 2)
        proxy.heal()
        for replica in (quick.client(), slow.client()):
            wait_caught_up(primary, replica)
            assert_same(primary, replica)


@pytest.mark.parametrize('how', ['killed', 'waited for'])
def test_who_joined_behind_one_that_takes_nothing_gets_the_copy_without_it(own_server, how):
    server, slow, quick = own_server(repl_copy_wait=1 if how == 'waited for' else 1000, repl_timeout=1000), own_server(), own_server()
    with Proxy(server.address) as proxy:
        begin_stalled_copy(server, proxy, slow, 0.2)
        primary = server.client()
        follow(quick.client(), server.port, wait=False)
        wait_until(lambda: syncs(primary)[0] == 2, what='both being given a copy')
        is_shared = 'shared=1' in server.log_tail(20000)
        if how == 'killed':
            slow.kill()
            proxy.cut()
        wait_up(quick.client())
        assert syncs(primary)[1] == 1 or not is_shared
        if is_shared and how == 'waited for':
            assert 'others have waited for it' in server.log_tail(20000)
        wait_caught_up(primary, quick.client())
        assert_same(primary, quick.client())


def test_a_shorter_delay_holds_for_those_who_wait_already(own_server):
    server, other = own_server(repl_diskless_sync_delay=1000), own_server()
    primary = server.client()
    follow(other.client(), server.port, wait=False)
    wait_until(lambda: states(primary) == ['wait_bgsave'], what='the replica waiting')
    primary.ok('CONFIG', 'SET', 'repl-diskless-sync-delay', 0)
    wait_up(other.client(), 10)


def test_a_flush_in_the_middle_ends_it_for_all_and_they_come_back(own_server):
    server = own_server(repl_diskless_sync_delay=DELAY, repl_copy_rate='400kb')
    primary, replicas = server.client(), [own_server().client() for _ in range(2)]
    fill_bytes(primary)
    for replica in replicas:
        follow(replica, server.port, wait=False)
    begin_for(primary, 2)
    wait_until(lambda: all(read_bytes(replica) > 300000 for replica in replicas), what='a part of the copy')
    primary.ok('FLUSHALL')
    primary.ok('SET', 'k', 'v')
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    for replica in replicas:
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
    assert syncs(primary)[0] >= 4


def test_who_needs_another_file_has_another_walk(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    server, forebay = own_server(repl_diskless_sync_delay=DELAY), own_server()
    primary = server.client()
    fill(primary, random.Random(4))
    with servers.start('redis') as redis:
        for replica in (redis.client(), forebay.client()):
            follow(replica, server.port, wait=False)
        begin_for(primary, 2)
        for replica in (redis.client(), forebay.client()):
            wait_caught_up(primary, replica)
            assert_same(primary, replica)
    assert syncs(primary) == (2, 2)


def test_a_server_ends_while_replicas_wait_for_others(own_server):
    server, other = own_server(repl_diskless_sync_delay=1000), own_server()
    follow(other.client(), server.port, wait=False)
    wait_until(lambda: states(server.client()) == ['wait_bgsave'], what='the replica waiting')
    assert server.stop() == 0
