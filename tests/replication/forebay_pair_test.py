# SPDX-License-Identifier: BSD-3-Clause
"""A Forebay follows a Forebay: the same bytes at the same offsets, through cuts and crashes, and on to a third."""
import random
import socket
import time

import pytest

from tests.lib.proxy import Proxy
from tests.lib.resp import PATIENCE
from tests.lib.server import memory_of, wait_until
from tests.replication.story import Writers, assert_same, assert_same_offset, fill, follow, info, wait_caught_up

pytestmark = pytest.mark.forebay_only


def copies(server):
    """How many the server has sent, and how often it went on without."""
    with open(server.log_path) as log:
        events = log.read()
    return events.count('event="full resync" '), events.count('event="partial resync" ')


def assert_same_history(primary, replica):
    wait_caught_up(primary, replica)
    assert info(primary)['master_replid'] == info(replica)['master_replid']
    assert_same_offset(primary, replica)
    assert_same(primary, replica)


@pytest.mark.parametrize('directives', [{}, {'durability': 'none'}])
def test_copy_and_stream_give_the_same_history(own_server, directives):
    server, other = own_server(**directives), own_server(**directives)
    primary, replica = server.client(), other.client()
    fill(primary, random.Random(1))
    replica.ok('SET', 'own', 'is replaced')
    with Writers(server):
        follow(replica, server.port)
        start = int(info(replica)['master_repl_offset'])
        wait_until(lambda: int(info(replica)['master_repl_offset']) > start + 300000, what='much being written')
    assert_same_history(primary, replica)
    assert primary('FUNCTION', 'LIST') == replica('FUNCTION', 'LIST')
    assert primary('WAIT', 1, 60000) == 1


def test_cuts_and_crashes_of_the_replica_cost_no_second_copy(own_server):
    server, other = own_server(), own_server()
    primary = server.client()
    fill(primary, random.Random(2))
    with Proxy(server.address) as proxy:
        follow(other.client(), proxy.port)
        for turn in range(6):
            with Writers(server):
                start = int(info(primary)['master_repl_offset'])
                wait_until(lambda: int(info(primary)['master_repl_offset']) > start + 50000, what='something being written')
                if turn % 2:
                    proxy.cut()
                else:
                    other.restart(kill=True, replicaof='127.0.0.1 %d' % proxy.port)
                start = int(info(primary)['master_repl_offset'])
                wait_until(lambda: int(info(primary)['master_repl_offset']) > start + 20000, what='something being written')
            assert_same_history(primary, other.client())
        full, partial = copies(server)
        assert full == 1 and partial >= 6


def test_a_third_node_follows_the_second(own_server):
    server, middle, last = own_server(), own_server(), own_server()
    primary = server.client()
    fill(primary, random.Random(3))
    follow(middle.client(), server.port)
    follow(last.client(), middle.port)
    with Writers(server):
        start = int(info(primary)['master_repl_offset'])
        wait_until(lambda: int(info(primary)['master_repl_offset']) > start + 100000, what='something being written')
    assert_same_history(primary, middle.client())
    wait_caught_up(primary, last.client())
    assert_same_history(middle.client(), last.client())


def test_the_old_primary_follows_the_new_one_without_a_copy(own_server):
    server, other = own_server(repl_ping_replica_period=3600), own_server()  # a ping that the other lacks would cost one
    primary, replica = server.client(), other.client()
    fill(primary, random.Random(4))
    follow(replica, server.port)
    assert_same_history(primary, replica)
    replica.ok('REPLICAOF', 'NO', 'ONE')
    replica.ok('SET', 'new', 'history')
    follow(primary, other.port)
    assert_same_history(replica, primary)
    assert copies(other) == (0, 1)


KEYS = 10000
SECONDS_MAX = 80  # of the hundred that all of them would take


def fill_bytes(client):
    """Ten megabytes."""
    for start in range(0, KEYS, 500):
        client.pipeline([('SET', 'k:%d' % number, 'v' * 1000) for number in range(start, start + 500)])


def test_a_full_sync_keeps_its_rate_until_that_is_lifted(own_server):
    primary = own_server(**{'repl-copy-rate': '100kb'})
    replica = own_server().client()
    with primary.client() as client:
        fill_bytes(client)
        began = time.monotonic()
        replica.ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: int(info(replica).get('master_sync_read_bytes', 0)) >= 150 << 10, what='a part of the copy')
        assert time.monotonic() - began > 1
        assert info(replica)['master_sync_in_progress'] == '1'
        client.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
        wait_until(lambda: info(replica)['master_link_status'] == 'up', SECONDS_MAX / PATIENCE, 'the link')
        assert replica('DBSIZE') == KEYS


def test_a_file_of_known_length_keeps_the_rate_as_well(own_server):
    primary = own_server(**{'repl-copy-rate': '100kb'})
    with primary.client() as client:
        fill_bytes(client)
        with socket.create_connection(('127.0.0.1', primary.port)) as old:
            old.sendall(b'SYNC\r\n')
            file = old.makefile('rb')
            line = file.readline()
            while line == b'\n':
                line = file.readline()
            began, length = time.monotonic(), int(line[1:])
            file.read(150 << 10)
            assert time.monotonic() - began > 1
            client.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
            rest = file.read(length - (150 << 10))
            assert time.monotonic() - began < SECONDS_MAX and rest[-9:-8] == b'\xff'


def test_a_small_node_with_a_large_backlog_still_takes_writes(own_server):
    """What is kept for replicas cannot be evicted: it must not be all that there is room for."""
    server = own_server(maxmemory=memory_of(24), repl_backlog_size='16mb')
    primary, replica = server.client(), own_server().client()
    follow(replica, server.port)
    for start in range(0, 12000, 200):
        assert primary.pipeline([('SET', 'k:%d' % i, b'v' * 2000) for i in range(start, start + 200)]) == ['OK'] * 200
    wait_caught_up(primary, replica)
    assert primary('DBSIZE') == replica('DBSIZE') == 12000
