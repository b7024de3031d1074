# SPDX-License-Identifier: BSD-3-Clause
"""replica-read-only no: what clients write on a node that follows a Forebay is logged there as anything else is. Nothing of it, nor
of what the primary sends behind it, is miscounted or lost by a crash, and who follows the node has it as well."""
import random

import pytest

from tests.lib.proxy import Proxy
from tests.lib.server import wait_until
from tests.replication.story import Writers, assert_same, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only

DB_KEYS = ('both', 'long', 'list', 'gone', 'local', 'own:list', 'counted', 'late')


def start_pair(own_server, proxy, **directives):
    server, other = proxy.primary, own_server(replica_read_only='no', **directives)
    follow(other.client(), proxy.port)
    return server.client(), other


class Link(Proxy):
    def __init__(self, own_server, **directives):
        self.primary = own_server(**directives)
        super().__init__(self.primary.address)


def state(client):
    """Values of all keys that the story writes, and how many keys there are."""
    values = []
    for key in DB_KEYS:
        kind = client('TYPE', key)
        values.append(client('LRANGE', key, 0, -1) if kind == 'list' else client('GET', key) if kind == 'string' else str(kind))
    return values, client('DBSIZE'), len(client('KEYS', '*'))


def disturb(primary, other, saves):
    """Writes on both sides that concern the same keys, in an order in which a log of the primary's alone would mislead."""
    replica = other.client()
    for key in ('both', 'gone', 'counted', 'long'):
        primary.ok('SET', key, 'p' * (100000 if key == 'long' else 1))
    primary('RPUSH', 'list', 'p1', 'p2')
    wait_caught_up(primary, replica)
    replica('APPEND', 'both', '-r')
    replica('APPEND', 'long', '-r')
    replica('DEL', 'gone', 'list')
    replica('SET', 'list', 'a text now')
    replica('RPUSH', 'own:list', 'r1')
    replica.ok('SET', 'local', 1)
    if saves:
        replica.ok('SAVE')
    wait_up(replica)
    primary('DEL', 'gone')           # the replica has none
    primary('APPEND', 'both', '-p')
    primary('SETRANGE', 'long', 5, 'p')  # on top of what the replica wrote
    primary('RPUSH', 'list', 'p3')   # of another type there
    primary('RPUSH', 'own:list', 'p1')
    primary.ok('SET', 'local', 2)
    primary('DEL', 'local', 'counted')
    primary.ok('SET', 'late', 1)
    wait_caught_up(primary, replica)
    replica('RPUSH', 'own:list', 'r2')
    return replica


@pytest.mark.parametrize('saves', [False, True])
@pytest.mark.parametrize('directives', [{}, {'durability': 'through'}])
def test_a_crash_changes_nothing(own_server, saves, directives):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link, **directives)
        replica = disturb(primary, other, saves)
        before = state(replica)
        values = dict(zip(DB_KEYS, before[0]))
        assert values['list'] == b'a text now' and values['own:list'] == [b'r1', b'p1', b'r2'] and before[1] == before[2]
        assert values['long'] == b'ppppp' + b'p' * 99995 + b'-r' and values['late'] == b'1'
        link.refuses = True
        link.cut()
        for _ in range(2):
            other.restart(kill=True, replicaof='127.0.0.1 %d' % link.port)
            assert state(other.client()) == before
        other.client().ok('SAVE')
        other.restart(kill=True)
        assert state(other.client()) == before
        # Who finds its primary again gets a copy, and what was written here is over.
        link.heal()
        other.client().ok('CONFIG', 'SET', 'replica-read-only', 'yes')
        wait_caught_up(primary, other.client())
        assert_same(primary, other.client())
        assert other.client()('DBSIZE') == primary('DBSIZE')


def test_what_it_writes_when_it_leads_stands_on_what_it_wrote_before(own_server):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link)
        replica = disturb(primary, other, False)
        replica.ok('REPLICAOF', 'NO', 'ONE')
        replica('RPUSH', 'own:list', 'led')
        replica('APPEND', 'both', '-led')
        before = state(replica)
        other.restart(kill=True, replicaof='no one')
        assert state(other.client()) == before and b'led' in before[0][DB_KEYS.index('own:list')]
        # Its former primary has another history behind that point, and gets a copy.
        follow(primary, other.port)
        wait_caught_up(other.client(), primary)
        assert_same(other.client(), primary)


def test_who_follows_the_replica_has_what_is_written_there(own_server):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link)
        last = own_server()
        follow(last.client(), other.port)
        fill(primary, random.Random(1))
        with Writers(link.primary), Writers(other):
            disturb(primary, other, False)
        wait_caught_up(primary, other.client())
        wait_caught_up(other.client(), last.client())
        assert_same(other.client(), last.client())
        assert open(other.log_path).read().count('event="full resync"') == 1
        last.restart(kill=True, replicaof='127.0.0.1 %d' % other.port)
        wait_caught_up(other.client(), last.client())
        assert_same(other.client(), last.client())


def test_the_link_goes_on_where_it_was(own_server):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link)
        replica = other.client()
        primary.ok('SET', 'k', 1)
        replica.ok('SET', 'local', 1)
        for number in range(3):
            primary.ok('SET', 'k', number)
            wait_caught_up(primary, replica)
            wait_until(lambda: replica('GET', 'k') == b'%d' % number, what='the effect')
            link.cut()
        wait_up(replica)
        assert replica('GET', 'local') == b'1'
        assert open(link.primary.log_path).read().count('event="full resync"') == 1
        assert primary('WAIT', 1, 10000) == 1


@pytest.mark.parametrize('write', [('SET', 'here', 1), ('EVAL', "return redis.call('SET', 'here', 1)", 0), ('EXEC',)])
def test_what_is_written_before_the_link_is_up_is_not_taken_for_the_primarys(own_server, write):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link)
        primary.ok('SET', 'k', 1)
        wait_caught_up(primary, other.client())
        link.refuses = True
        link.cut()
        other.restart(replicaof='127.0.0.1 %d' % link.port)
        replica = other.client()
        if write == ('EXEC',):
            replica.ok('MULTI')
            replica('SET', 'here', 1)
        assert 'Error' not in repr(replica(*write)) and replica('GET', 'here') == b'1'
        # The primary's stream grows past what was written here.
        primary.pipeline([('SET', 'k', 'v' * i) for i in range(100)])
        link.heal()
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
        assert replica('GET', 'here') is None


def test_who_waits_for_a_list_is_not_served_by_a_copy_that_comes(own_server):
    with Link(own_server) as link:
        primary, other = start_pair(own_server, link)
        replica, waiter = other.client(), other.client()
        replica.ok('SET', 'local', 1)
        waiter.send('BLPOP', 'queue', 0)
        wait_until(lambda: 'blocked_clients:1' in replica('INFO', 'clients').decode(), what='the wait')
        wait_up(replica)
        primary('REPLICATION', 'SCRUB')  # finds the difference, which is mended by a copy
        assert waiter.read().code == 'UNBLOCKED'
        wait_until(lambda: open(link.primary.log_path).read().count('event="full resync sent"') == 2, what='the copy')
        primary('RPUSH', 'queue', 'a')
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
