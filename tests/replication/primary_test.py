# SPDX-License-Identifier: BSD-3-Clause
"""A primary and its replicas. The replica is a redis-server 7.0: what it has and what it counts is the judge."""
import os
import shutil
import subprocess

import pytest

from tests.lib import server as servers
from tests.lib.proxy import Proxy
from tests.lib.resp import Error
from tests.lib.server import memory_of, wait_until
from tests.replication.primary_story import (Writers, assert_equal_nodes, caught_up, fill_every_type, follow, info, is_linked,
                                     offset_of, pipeline)

pytestmark = pytest.mark.skipif(not servers.binary('redis'), reason='no redis-server program')


@pytest.fixture(params=['behind', 'none'])
def primary(request):
    with servers.start(durability=request.param, repl_ping_replica_period=1) as server:
        yield server


@pytest.fixture
def replica():
    with servers.start('redis', repl_timeout=20) as server:
        yield server


def test_a_replica_gets_every_type_and_what_follows(primary, replica):
    ours, theirs = primary.client(), replica.client()
    fill_every_type(ours, 'before')
    ours('SELECT', 9)
    ours('SET', 'in nine', 1)
    ours('SELECT', 0)
    follow(theirs, primary.port)
    fill_every_type(ours, 'after')
    ours('SELECT', 3)
    ours('SET', 'in three', 1)
    ours('SELECT', 0)
    caught_up(ours, theirs)
    assert_equal_nodes(ours, theirs, (0, 3, 9))
    fields = info(ours)
    assert fields['connected_slaves'] == '1'
    assert fields['slave0'].startswith('ip=127.0.0.1,port=%d,state=online,offset=' % replica.port)
    role = ours('ROLE')
    assert role[0] == b'master' and role[2][0][:2] == [b'127.0.0.1', b'%d' % replica.port]


def test_functions_are_part_of_the_copy_and_of_what_follows(primary, replica):
    ours, theirs = primary.client(), replica.client()
    library = "#!lua name=%s\nredis.register_function('%s', function() return '%s' end)"
    ours('FUNCTION', 'LOAD', library % ('one', 'first', '1'))
    follow(theirs, primary.port)
    ours('FUNCTION', 'LOAD', library % ('two', 'second', '2'))
    caught_up(ours, theirs)


    assert sorted(dict(zip(one[::2], one[1::2]))[b'library_name'] for one in theirs('FUNCTION', 'LIST')) == \
        [b'one', b'two']


def test_whole_databases_follow(primary, replica):
    ours, theirs = primary.client(), replica.client()
    follow(theirs, primary.port)
    fill_every_type(ours)
    ours.ok('SWAPDB', 0, 5)
    ours('SET', 'zero', 1)
    caught_up(ours, theirs)
    assert_equal_nodes(ours, theirs, (0, 5))
    ours('SELECT', 5)
    ours.ok('FLUSHDB')
    ours('SELECT', 0)
    caught_up(ours, theirs)
    assert_equal_nodes(ours, theirs, (0, 5))
    ours.ok('FLUSHALL')
    caught_up(ours, theirs)
    assert theirs('DBSIZE') == 0


def test_keys_expire_on_the_replica_when_they_are_told_to(primary, replica):
    ours, theirs = primary.client(), replica.client()
    for i in range(50):
        ours('SET', 'key:%d' % i, i, 'PX', 300)
    follow(theirs, primary.port)
    wait_until(lambda: ours('DBSIZE') == 0, what='expiry')
    caught_up(ours, theirs)
    assert theirs('DBSIZE') == 0


def test_a_copy_under_writers_ends_equal(primary, replica):
    ours, theirs = primary.client(), replica.client()
    pipeline(ours, [('SET', 'old:%d' % i, 'x' * 100) for i in range(100000)])
    fill_every_type(ours)
    with Writers(primary, 3) as writers:
        wait_until(lambda: writers.written > 1000)
        for _ in range(3):
            follow(theirs, primary.port)
            before = writers.written
            wait_until(lambda: writers.written > before + 2000)
            theirs.ok('REPLICAOF', 'NO', 'ONE')
            theirs.ok('FLUSHALL')
        follow(theirs, primary.port)
        writers.stop()
    caught_up(ours, theirs)
    assert_equal_nodes(ours, theirs, (0, 1))


def test_data_ten_times_the_memory_is_copied_under_writers(replica):
    with servers.start(maxmemory=memory_of(48), repl_ping_replica_period=1) as primary:
        ours, theirs = primary.client(), replica.client()
        for begin in range(0, 450000, 5000):
            pipeline(ours, [('SET', 'cold:%d' % i, b'%d' % i * 100) for i in range(begin, begin + 5000)])
        wait_until(lambda: int(info(ours, 'tier')['tier_cold_keys']) > 100000, what='cold keys')
        with Writers(primary, 2) as writers:
            follow(theirs, primary.port)
            pipeline(ours, [('APPEND', 'cold:%d' % i, 'more') for i in range(0, 450000, 1000)])
            writers.stop()
        caught_up(ours, theirs, 120)
        assert ours('DBSIZE') == theirs('DBSIZE')
        assert_equal_nodes(ours, theirs, (1,))
        for begin in range(0, 450000, 10000):
            names = ['cold:%d' % i for i in range(begin, begin + 10000)]
            assert ours('MGET', *names) == theirs('MGET', *names)


def test_a_cut_link_goes_on_where_it_ended(primary, replica):
    ours, theirs = primary.client(), replica.client()
    fill_every_type(ours)
    with Proxy(primary.address) as proxy:
        follow(theirs, proxy.port)
        for cut in range(5):
            with Writers(primary, 2) as writers:
                wait_until(lambda: writers.written > 500)
                proxy.cut()
                writers.stop()
            wait_until(lambda: is_linked(theirs), what='the link')
        caught_up(ours, theirs)
        assert_equal_nodes(ours, theirs, (0, 1))
    with open(primary.log_path) as log:
        text = log.read()
    assert text.count('full resync sent') == 1 and text.count('partial resync') >= 5


def test_a_replica_that_lacks_more_than_is_kept_is_copied_again(replica):
    with servers.start(durability='none', repl_backlog_size='16kb') as primary:
        ours, theirs = primary.client(), replica.client()
        with Proxy(primary.address) as proxy:
            follow(theirs, proxy.port)
            proxy.refuses = True
            proxy.cut()
            wait_until(lambda: info(ours)['connected_slaves'] == '0', what='the end of the link')
            pipeline(ours, [('SET', 'key:%d' % i, 'x' * 100) for i in range(1000)])
            proxy.refuses = False
            wait_until(lambda: is_linked(theirs), what='the link')
            caught_up(ours, theirs)
            assert_equal_nodes(ours, theirs)
        with open(primary.log_path) as log:
            assert log.read().count('full resync sent') == 2


def test_a_transaction_larger_than_the_backlog_arrives(replica):
    with servers.start(durability='none', repl_backlog_size='16kb') as primary:
        ours, theirs = primary.client(), replica.client()
        follow(theirs, primary.port)
        pipeline(ours, [('MULTI',)] + [('SET', 'key:%d' % i, b'x' * 100000) for i in range(100)] + [('EXEC',)])
        ours('SET', 'large', b'y' * 5000000)
        caught_up(ours, theirs)
        assert_equal_nodes(ours, theirs)


def test_wait_counts_replicas_that_have_the_writes(primary, replica):
    ours, theirs = primary.client(), replica.client()
    assert ours('WAIT', 0, 0) == 0
    assert ours('WAIT', 1, 20) == 0
    follow(theirs, primary.port)
    for i in range(20):
        ours('INCR', 'n')
        assert ours('WAIT', 1, 60000) == 1
        assert theirs('GET', 'n') == b'%d' % (i + 1)
    assert ours('WAIT', 2, 50) == 1
    replica.pause()
    try:
        ours('INCR', 'n')
        assert ours('WAIT', 1, 50) == 0
        ours.send('WAIT', 1, 0)
    finally:
        replica.go_on()
    assert ours.read() == 1


@pytest.mark.parametrize('words', (('WAIT', 1, 0), ('WAIT', 1, 60000), ('WAITAOF', 0, 1, 0)))
def test_who_waits_for_copies_can_be_unblocked(primary, words):
    waiter, other = primary.client(), primary.client()
    number = waiter('CLIENT', 'ID')
    assert other('CLIENT', 'UNBLOCK', number) == 0
    waiter('SET', 'k', 'v')
    waiter.send(*words)
    wait_until(lambda: other('CLIENT', 'UNBLOCK', number) == 1, what='the wait')
    assert waiter.read() == (0 if words[0] == 'WAIT' else [0, 0])
    waiter.send(*words)
    wait_until(lambda: other('CLIENT', 'UNBLOCK', number, 'ERROR') == 1, what='the wait')
    assert waiter.read() == Error('UNBLOCKED client unblocked via CLIENT UNBLOCK')
    assert other('CLIENT', 'UNBLOCK', number) == 0
    assert waiter('WAIT', 1, 20) == 0


def test_writes_are_refused_without_enough_replicas(primary, replica):
    ours, theirs = primary.client(), replica.client()
    ours.ok('CONFIG', 'SET', 'min-replicas-to-write', 1)
    refused = Error('NOREPLICAS Not enough good replicas to write.')
    assert ours('SET', 'k', 'v') == refused
    assert ours('GET', 'k') is None
    assert ours('MULTI') == 'OK' and ours('SET', 'k', 'v') == refused
    assert ours('EXEC') == Error('EXECABORT Transaction discarded because of previous errors.')
    follow(theirs, primary.port)
    wait_until(lambda: ours('SET', 'k', 'v') == 'OK', what='writes')
    assert info(ours)['min_slaves_good_slaves'] == '1'
    theirs.ok('REPLICAOF', 'NO', 'ONE')
    wait_until(lambda: ours('SET', 'k', 'v') == refused, what='refusal')
    ours.ok('CONFIG', 'SET', 'min-replicas-to-write', 0)
    assert ours('SET', 'k', 'v') == 'OK'


def test_redis_cli_gets_a_file_that_redis_loads(primary):
    if not shutil.which('redis-cli') or not shutil.which('redis-check-rdb'):
        pytest.skip('no redis-cli')
    ours = primary.client()
    fill_every_type(ours)
    with servers.Server('redis') as loader:
        path = os.path.join(loader.directory, 'dump.rdb')
        subprocess.run(['redis-cli', '-p', str(primary.port), '--rdb', path], check=True, timeout=240,
                       stdout=subprocess.DEVNULL)
        checked = subprocess.run(['redis-check-rdb', path], check=True, timeout=240, capture_output=True)
        assert b'RDB looks OK' in checked.stdout
        loader.start()
        assert_equal_nodes(ours, loader.client())


def test_a_replica_of_old_gets_the_length_first(primary):
    ours = primary.client()
    fill_every_type(ours)
    client = primary.client()
    client.send('SYNC')
    line = client.reader.file.readline()
    while line == b'\n':
        line = client.reader.file.readline()
    assert line[:1] == b'$'
    data = client.reader.file.read(int(line[1:]))
    assert data[:9] == b'REDIS0010'
    ours('SET', 'after', 1)
    stream = iter(client.read, None)
    told = (words for words in stream if words != [b'PING'])
    assert next(told) == [b'SELECT', b'0']
    assert next(told) == [b'set', b'after', b'1']


def test_a_second_replica_does_not_disturb_the_first(primary, replica):
    ours, theirs = primary.client(), replica.client()
    follow(theirs, primary.port)
    with servers.start('redis') as other, Writers(primary, 2) as writers:
        others = other.client()
        follow(others, primary.port)
        writers.stop()
        caught_up(ours, theirs)
        caught_up(ours, others)
        assert info(ours)['connected_slaves'] == '2'
        assert_equal_nodes(ours, theirs, (0, 1))
        assert_equal_nodes(ours, others, (0, 1))


def test_a_restart_of_the_primary_is_followed_without_a_copy(replica):
    with servers.start(repl_ping_replica_period=1) as primary:
        ours, theirs = primary.client(), replica.client()
        fill_every_type(ours)
        with Proxy(primary.address) as proxy:
            follow(theirs, proxy.port)
            caught_up(ours, theirs)
            primary.restart()
            proxy.address = primary.address
            ours = primary.client()
            ours('SET', 'after', 1)
            wait_until(lambda: is_linked(theirs) and theirs('GET', 'after') == b'1', what='the link')
            caught_up(ours, theirs)
            assert_equal_nodes(ours, theirs)
        with open(primary.log_path) as log:
            assert log.read().count('full resync sent') == 1


def test_flushall_during_a_copy_ends_equal(primary, replica):
    ours, theirs = primary.client(), replica.client()
    pipeline(ours, [('SET', 'old:%d' % i, 'x' * 100) for i in range(200000)])
    theirs.ok('REPLICAOF', '127.0.0.1', primary.port)
    wait_until(lambda: info(ours)['connected_slaves'] == '1', what='the copy')
    ours.ok('FLUSHALL')
    ours('SET', 'new', 1)
    wait_until(lambda: is_linked(theirs), 60, 'the link')
    caught_up(ours, theirs)
    assert_equal_nodes(ours, theirs)


def test_the_primary_stops_while_a_copy_is_under_way(primary, replica):
    ours, theirs = primary.client(), replica.client()
    pipeline(ours, [('SET', 'old:%d' % i, 'x' * 100) for i in range(200000)])
    replica.pause()
    try:
        with primary.client() as client:
            client.send('PSYNC', '?', -1)
            wait_until(lambda: info(ours)['connected_slaves'] == '1', what='the copy')
            assert primary.stop() == 0
    finally:
        replica.go_on()
