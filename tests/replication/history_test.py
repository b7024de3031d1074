# SPDX-License-Identifier: BSD-3-Clause
"""Whose history a node has, and how much of it: after a loss, after a failover, in the middle of a transaction; and what a primary
keeps for who does not come along."""
import glob
import os
import random
import time

import pytest

from tests.lib.proxy import DOWN, Proxy
from tests.lib.resp import PATIENCE, Error, encode
from tests.lib.server import wait_until
from tests.replication.rounds_compare import assert_same
from tests.replication.story import LIBRARY, Threads, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


def offset(client):
    return int(info(client)['master_repl_offset'])


def replica_line(client):
    """What the primary says of its only replica."""
    line = info(client).get('slave0')
    return line and dict(word.split('=') for word in line.split(','))


def resyncs(server):
    """How many copies the server has sent, and how often it went on without."""
    with open(server.log_path) as log:
        events = log.read()
    return events.count('event="full resync" '), events.count('event="partial resync" ')


# ---- what was lost ----

def lose_end_of_log(server, position):
    """What a machine that loses its power may lose: all of the log's last file behind the position."""
    last = max(glob.glob(os.path.join(server.directory, 'log', 'log-*.seg')))
    assert os.path.getsize(last) > position
    os.truncate(last, position)


def log_length(server):
    return os.path.getsize(max(glob.glob(os.path.join(server.directory, 'log', 'log-*.seg'))))


def test_a_replica_that_lost_what_it_acknowledged_says_so_and_is_not_in_sync(own_server):
    """It comes back with less than the primary has told its clients that it has."""
    server = own_server(**{'class': 'safe prefix safe: ack quorum', 'replication_members': 2})
    other = own_server(durability_interval_ms=3600000)  # nothing is synced by itself
    primary = server.client()
    with Proxy(server.address) as proxy:
        follow(other.client(), proxy.port)
        wait_until(lambda: info(primary)['in_sync_members'] == '2', what='the replica being in sync')
        primary.ok('SET', 'safe:before', 1)
        wait_caught_up(primary, other.client())
        kept, kept_offset = log_length(other), offset(primary)
        for i in range(40):
            primary.ok('SET', 'safe:%d' % i, 'x' * 5000)
        acknowledged = offset(primary)
        assert int(replica_line(primary)['offset']) == acknowledged
        other.kill()
        lose_end_of_log(other, kept)
        proxy.bytes_per_second = 5000  # it takes forty seconds to have again what it lost
        other.start(replicaof='127.0.0.1 %d' % proxy.port)
        wait_until(lambda: replica_line(primary) and replica_line(primary)['state'] == 'online', what='its return')
        seen = replica_line(primary)
        assert kept_offset <= int(seen['offset']) < acknowledged and seen['in_sync'] == '0', seen
        assert info(primary)['in_sync_members'] == '1'
        refused = primary('SET', 'safe:refused', 1)
        assert isinstance(refused, Error) and refused.code == 'NOREPLICAS'
        assert resyncs(server) == (1, 1)
        proxy.bytes_per_second = None
        wait_until(lambda: info(primary)['in_sync_members'] == '2', what='the replica being in sync again')
        assert int(replica_line(primary)['offset']) >= acknowledged
        primary.ok('SET', 'safe:after', 1)
        assert_same(primary, other.client())


# ---- rows of a history that is over ----

CHANGES = [('APPEND', 'text', 'new'), ('INCR', 'number'), ('RPUSH', 'list', 'new'), ('HSET', 'hash', 'new', 1), ('ZINCRBY', 'zset', 1, 'm'),
           ('SADD', 'set', 'new'), ('PEXPIREAT', 'timed', 4000000000000), ('DEL', 'gone'), ('LPOP', 'list'), ('SETRANGE', 'long', 3, 'new')]


@pytest.mark.parametrize('durability', ['behind', 'none'])
@pytest.mark.parametrize('is_beyond', [True, False], ids=['past the fork', 'at the fork'])
def test_rows_of_a_dead_history_hide_nothing_of_the_new_one(own_server, durability, is_beyond):
    """An old primary has rows whose offsets are far beyond those of the new history. Its effects are not taken for old ones, now
    or after a crash."""
    server, other = own_server(durability=durability), own_server(durability=durability)
    old, new = server.client(), other.client()
    old.pipeline([('SET', 'text', 'old'), ('SET', 'number', 1), ('RPUSH', 'list', 'a', 'b'), ('HSET', 'hash', 'f', 1), ('ZADD', 'zset', 1, 'm'),
                  ('SADD', 'set', 'a'), ('SET', 'timed', 1), ('SET', 'gone', 1), ('SET', 'long', 'x' * 20000)])
    with Proxy(server.address) as proxy:
        follow(new, proxy.port)
        wait_caught_up(old, new)
        fork = offset(new)
        proxy.refuses = True
        proxy.cut()
        new.ok('REPLICAOF', 'NO', 'ONE')
        if is_beyond:  # it goes on alone, to offsets that the new history comes to later
            for i in range(40):
                old.pipeline([change for change in CHANGES] + [('SET', 'astray:%d' % i, 'x' * 2000)])
        old('DEBUG', 'RELOAD')  # all are rows now, as of an offset beyond the fork
        for _ in range(3):
            new.pipeline(CHANGES)
        assert not is_beyond or offset(new) < offset(old)
        follow(old, other.port)
        wait_caught_up(new, old)
        copies = resyncs(other)  # at the fork a ping may have gone beyond it
        assert copies == (1, 0) or (copies == (0, 1) and not is_beyond)
        assert_same(new, old)
        old('DEBUG', 'RELOAD')
        for _ in range(3):
            new.pipeline(CHANGES)
        wait_caught_up(new, old)
        assert_same(new, old)
        if durability == 'behind':
            for _ in range(2):
                server.restart(kill=True, replicaof='127.0.0.1 %d' % other.port)
                wait_caught_up(new, server.client())
                assert_same(new, server.client())
                new.pipeline(CHANGES)
            wait_caught_up(new, server.client())
            assert resyncs(other)[0] == copies[0]
        assert_same(new, server.client())
        assert offset(new) > fork


# ---- brackets ----

def read_stream(client, until):
    """The commands that a primary sends behind what it has, up to the one that sets 'until'."""
    told = info(client)
    client.send('PSYNC', told['master_replid'], int(told['master_repl_offset']) + 1)
    assert client.read().startswith('CONTINUE')
    commands = []
    while not commands or until not in commands[-1]:
        commands.append(client.read())
    return commands


def test_nobody_elses_effect_is_inside_of_a_bracket(own_server):
    """Clients of several threads write transactions and single keys; who reads the stream sees each transaction by itself."""
    server = own_server(threads=4)
    reader = server.client()
    server.client().ok('SET', 'first', 1)

    def transactions(number):
        with server.client() as client:
            for i in range(300):
                client.pipeline([('MULTI',)] + [('SET', '%d:%d' % (number, j), i) for j in range(5)] + [('EXEC',)])

    def singles(number):
        with server.client() as client:
            client.pipeline([('SET', 'single:%d:%d' % (number, i), i) for i in range(2000)])

    read = []
    with Threads([lambda: read.extend(read_stream(reader, b'the end'))]) as reading:
        wait_until(lambda: info(server.client())['connected_slaves'] == '1', what='the reader')
        with Threads([lambda n=n, work=work: work(n) for n in range(3) for work in (transactions, singles)]) as writing:
            for thread in writing.threads:
                thread.join()
        server.client().ok('SET', 'last', 'the end')
        reading.threads[0].join()
    bracket, brackets = None, 0
    for command in read:
        name = command[0].upper()
        if name == b'MULTI':
            assert bracket is None
            bracket = []
        elif name == b'EXEC':
            numbers = {key.split(b':')[0] for _, key, _ in bracket}
            assert len(bracket) == 5 and len(numbers) == 1 and len({value for _, _, value in bracket}) == 1, bracket
            bracket, brackets = None, brackets + 1
        elif bracket is not None:
            bracket.append(command)
    assert brackets == 900 and len([command for command in read if b'single' in b''.join(command)]) == 6000


@pytest.mark.parametrize('part', [0.02, 0.5, 0.98])
def test_who_is_promoted_in_the_middle_of_a_transaction_shows_nothing_of_it(own_server, part):
    """The primary dies while the bytes of an EXEC are on their way."""
    server, other = own_server(), own_server()
    primary, replica = server.client(), other.client()
    keys = ['pair:%d' % i for i in range(8)]
    with Proxy(server.address) as proxy:
        follow(replica, proxy.port)
        primary.pipeline([('SET', key, 'old') for key in keys] + [('SET', 'number', 1)])
        wait_caught_up(primary, replica)
        whole = offset(replica)
        proxy.cut_in = int(8 * 50000 * part)
        proxy.refuses = True
        primary.pipeline([('MULTI',), ('INCR', 'number')] + [('SET', key, 'new' * 16666) for key in keys] + [('EXEC',)])
        wait_until(lambda: proxy.cut_in is None, what='the cut')
        server.kill()
        wait_until(lambda: info(replica)['master_link_status'] == 'down', what='the end of the link')
        replica.ok('REPLICAOF', 'NO', 'ONE')
        assert replica('MGET', 'number', *keys) == [b'1'] + [b'old'] * len(keys)
        assert offset(replica) in (whole, whole + len(encode('PING')))
        assert replica('INCR', 'number') == 2
        other.restart(kill=True)
        assert other.client()('MGET', 'number', *keys) == [b'2'] + [b'old'] * len(keys)
        # The old primary, which has the whole of it, comes back and has nothing of it either.
        server.start(replicaof='127.0.0.1 %d' % other.port)
        wait_caught_up(other.client(), server.client())
        assert server.client()('MGET', 'number', *keys) == [b'2'] + [b'old'] * len(keys)


def test_readers_of_a_replica_see_transactions_as_a_whole(own_server):
    server, other = own_server(threads=3), own_server(threads=3)
    follow(other.client(), server.port)
    names = ['{%d}' % i for i in range(8)]  # of several partitions
    server.client().ok('MSET', *sum(([name, 0] for name in names), []))
    wait_caught_up(server.client(), other.client())

    def write():
        with server.client() as client:
            for number in range(1, 400):
                client.pipeline([('MULTI',)] + [('SET', name, number) for name in names] + [('EXEC',)])
        writing.ending = True

    def read():
        with other.client() as client:
            while not writing.ending:
                assert len(set(client('MGET', *names))) == 1

    writing = Threads([write, read, read])
    with writing:
        writing.threads[0].join()
    wait_caught_up(server.client(), other.client())
    assert other.client()('MGET', *names) == [b'399'] * len(names)


# ---- during a copy ----

def test_functions_that_are_loaded_during_a_copy_arrive_once(own_server):
    server, other = own_server(), own_server()
    primary = server.client()
    fill(primary, random.Random(1))
    for i in range(2000):
        primary('SET', 'load:%d' % i, random.Random(i).randbytes(2000))
    with Proxy(server.address) as proxy:
        proxy.bytes_per_second = 2000000
        follow(other.client(), proxy.port, wait=False)
        wait_until(lambda: int(info(other.client()).get('master_sync_read_bytes', 0)) > 500000, what='a part of the copy')
        primary('FUNCTION', 'LOAD', 'REPLACE', LIBRARY.replace('ARGV' if 'ARGV' in LIBRARY else 'args[1] .. args[1]', "'during'"))
        primary('FUNCTION', 'LOAD', LIBRARY.replace('lib', 'second').replace('twice', 'thrice'))
        assert info(other.client())['master_sync_in_progress'] == '1'
        proxy.bytes_per_second = None
        wait_caught_up(primary, other.client())
        assert_same(primary, other.client())
        assert resyncs(server)[0] == 1 and len(primary('FUNCTION', 'LIST')) == 2


# ---- who does not come along ----

POURED_MB = 900


def pour(client, megabytes):
    value = 'v' * 10000
    for i in range(megabytes):
        client.pipeline([('SET', 'key:%d' % (j % 50), value) for j in range(100)])


@pytest.mark.parametrize('durability', ['none', 'behind'])
@pytest.mark.parametrize('is_copying', [False, True], ids=['stream', 'copy'])
def test_who_takes_nothing_is_given_up_with_a_reason_and_costs_no_memory(own_server, durability, is_copying):
    """Beyond client-output-buffer-limit of replicas what one lacks is not kept, in memory or in the log."""
    limit_mb = 16
    server = own_server(durability=durability, repl_backlog_size='1mb', durability_log_max='64mb',
                        **{'client-output-buffer-limit': 'replica %dmb 0 0' % limit_mb})
    other = own_server(durability=durability)
    primary = server.client()
    if is_copying:
        primary.pipeline([('SET', 'load:%d' % i, random.Random(i).randbytes(20000)) for i in range(500)])
    with Proxy(server.address) as proxy:
        if is_copying:
            proxy.bytes_per_second = 1000000
            follow(other.client(), proxy.port, wait=False)
            wait_until(lambda: info(other.client())['master_sync_in_progress'] == '1', what='a copy')
        else:
            follow(other.client(), proxy.port)
            primary.ok('SET', 'first', 1)
            wait_caught_up(primary, other.client())
        before = server.rss()
        proxy.stop(DOWN)
        began = time.monotonic()
        pour(primary, POURED_MB)
        wait_until(lambda: 'it lacks more than client-output-buffer-limit allows' in open(server.log_path).read(), what='the end of the link')
        assert time.monotonic() - began < 60 * PATIENCE
        more = server.rss() - before
        # Ten times a second it is looked at, where there is time for it: a quick machine pours 160 MB meanwhile.
        assert more < (limit_mb + 1 + 450) << 20, more
        assert primary('PING') == 'PONG'
        proxy.heal()
        proxy.cut()
        wait_caught_up(primary, other.client(), 60)
        assert_same(primary, other.client())
        assert resyncs(server)[0] >= 2
