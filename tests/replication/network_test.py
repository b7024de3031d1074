# SPDX-License-Identifier: BSD-3-Clause
"""Hosts of their own with a network between them that fails silently: each side notices by its own clock, and what is missing
comes without a copy."""
import re

import pytest

from tests.lib.network import Network, Unsupported
from tests.lib.resp import Error
from tests.lib.server import wait_until
from tests.replication.rounds_compare import assert_same
from tests.replication.story import info, wait_caught_up

pytestmark = pytest.mark.forebay_only

PRIMARY, REPLICA = 0, 1
TIMEOUT = 5
DIRECTIVES = {'repl_timeout': TIMEOUT, 'repl_ping_replica_period': 1}


@pytest.fixture
def network():
    try:
        made = Network(2).__enter__()
    except Unsupported as reason:
        pytest.skip('no hosts can be made here: %s' % reason)
    yield made
    made.__exit__(AssertionError, None, None)  # pytest shows what it prints if the story has failed


def follow_over(network, server, other):
    other.client().ok('REPLICAOF', network.address(PRIMARY), server.port)
    wait_until(lambda: info(other.client())['master_link_status'] == 'up', what='the link')


@pytest.fixture
def pair(network):
    """Primary and replica, and some data that both have."""
    server, other = network.server(PRIMARY, **DIRECTIVES), network.server(REPLICA, **DIRECTIVES)
    follow_over(network, server, other)
    server.client().pipeline([('SET', 'k:%d' % i, 'x' * 1000) for i in range(500)])
    wait_caught_up(server.client(), other.client())
    return network, server, other


def log_of(server):
    with open(server.log_path) as log:
        return log.read()


def resyncs(server):
    return log_of(server).count('event="full resync" '), log_of(server).count('event="partial resync" ')


def write(server, turn):
    with server.client() as client:
        client.pipeline([('APPEND', 'k:%d' % i, turn) for i in range(500)] + [('INCR', 'number')])


CUTS = {
    'to the replica': lambda network: network.lose(to=REPLICA),
    'to the primary': lambda network: network.lose(to=PRIMARY),
    'both ways': lambda network: network.pull(REPLICA),
}


@pytest.mark.parametrize('cut', CUTS)
def test_a_silent_cut_is_noticed_by_both_and_costs_no_copy(pair, cut):
    network, server, other = pair
    CUTS[cut](network)
    write(server, 'during')
    wait_until(lambda: info(other.client())['master_link_status'] == 'down', TIMEOUT * 5, 'the replica noticing')
    wait_until(lambda: info(server.client())['connected_slaves'] == '0', TIMEOUT * 5, 'the primary noticing')
    # Who heard nothing says so, by its own clock; the other one may have been told of the end.
    if cut != 'to the primary':
        assert 'nothing was heard for repl-timeout' in log_of(other)
    if cut != 'to the replica':
        assert 'it was silent for longer than repl-timeout' in log_of(server)
    assert server.client()('GET', 'number') == b'1'
    assert other.client()('GET', 'number') == (b'1' if cut == 'to the primary' else None)
    write(server, 'after')
    network.heal()
    wait_caught_up(server.client(), other.client(), 60)
    assert_same(server.client(), other.client())
    full, partial = resyncs(server)
    assert full == 1 and partial >= 1


@pytest.mark.parametrize('cut', CUTS)
def test_a_cut_that_is_shorter_than_the_timeout_ends_no_link(network, cut):
    patient = dict(DIRECTIVES, repl_timeout=60)
    server, other = network.server(PRIMARY, **patient), network.server(REPLICA, **patient)
    follow_over(network, server, other)
    write(server, 'before')
    wait_caught_up(server.client(), other.client())
    acked = info(server.client())['slave0']
    CUTS[cut](network)
    write(server, 'during')
    # A second or more of silence, as the node that hears nothing sees it.
    if cut == 'to the primary':
        wait_until(lambda: int(re.search('lag=([0-9]+)', info(server.client())['slave0']).group(1)) >= 2, what='the primary hearing nothing')
    else:
        wait_until(lambda: int(info(other.client())['master_last_io_seconds_ago']) >= 2, what='the replica hearing nothing')
    network.heal()
    wait_until(lambda: info(server.client())['slave0'] != acked, what='the replica being heard')
    wait_caught_up(server.client(), other.client(), 60)
    assert_same(server.client(), other.client())
    assert resyncs(server) == (1, 0)


def test_a_quorum_is_none_without_the_other_host(network):
    """What a client was told lasts: with the link cut nothing is acknowledged any more, and nothing that was is lost."""
    directives = dict(DIRECTIVES, replication_members=2, min_replicas_max_lag=4, **{'class': 'safe prefix safe: ack quorum'})
    server, other = network.server(PRIMARY, **directives), network.server(REPLICA, **directives)
    follow_over(network, server, other)
    primary = server.client()
    wait_until(lambda: info(primary)['in_sync_members'] == '2', what='the replica being in sync')
    primary.ok('SET', 'safe:told', 1)
    network.pull(REPLICA)
    reply = primary('SET', 'safe:untold', 1)  # held until the replica is no member any more
    assert isinstance(reply, Error) and reply.code in ('UNCERTAIN', 'NOREPLICAS')
    reply = primary('SET', 'safe:refused', 1)
    assert isinstance(reply, Error) and reply.code == 'NOREPLICAS'
    assert other.client()('GET', 'safe:told') == b'1'
    other.client().ok('REPLICAOF', 'NO', 'ONE')
    assert other.client()('KEYS', '*') == [b'safe:told']
    network.heal()


def test_a_copy_that_is_cut_silently_is_begun_again(pair):
    network, server, other = pair
    other.client().ok('REPLICAOF', 'NO', 'ONE')
    other.client().ok('SET', 'astray', 1)
    server.client().ok('CONFIG', 'SET', 'repl-copy-rate', 100000)
    other.client().ok('REPLICAOF', network.address(PRIMARY), server.port)
    wait_until(lambda: info(other.client()).get('master_sync_in_progress') == '1', what='a copy')
    network.pull(REPLICA)
    wait_until(lambda: info(other.client())['master_sync_in_progress'] == '0', TIMEOUT * 5, 'the replica noticing')
    server.client().ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    wait_until(lambda: info(server.client())['connected_slaves'] == '0', TIMEOUT * 5, 'the primary noticing')
    assert 'full resync failed' in log_of(server)
    network.heal()
    wait_caught_up(server.client(), other.client(), 60)
    assert_same(server.client(), other.client())
