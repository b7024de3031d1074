# SPDX-License-Identifier: BSD-3-Clause
"""MIGRATE: keys that move to another server, a real redis-server among them, and what goes wrong on the way."""
import random
import socket
import threading
import time

import pytest

from tests.lib import server as servers
from tests.lib.proxy import Proxy
from tests.lib.resp import PATIENCE, Error
from tests.lib.server import wait_until
from tests.replication.story import contents, fill, value_of

pytestmark = pytest.mark.forebay_only


@pytest.fixture(params=['redis', 'forebay'])
def target(request, own_server):
    if request.param == 'forebay':
        yield own_server()
        return
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis') as server:
        yield server


def migrate(client, port, key, *options, db=0, timeout=60000, host='127.0.0.1'):
    return client('MIGRATE', host, port, key, db, timeout, *options)


def test_every_type_moves_with_its_time(own_server, target):
    source = own_server().client()
    fill(source, random.Random(1))
    before = contents(source)
    keys = sorted(key for db, key in before if db == 0)
    assert migrate(source, target.port, '', 'KEYS', *keys) == 'OK'
    assert contents(source, (0,)) == {}
    there = target.client()
    for key in keys:
        value, at_ms = before[0, key]
        assert value_of(there, key) == value, key
        assert abs(there('PEXPIRETIME', key) - at_ms) < 60000 if at_ms > 0 else there('PEXPIRETIME', key) == -1
    assert any(db == 3 for db, _ in contents(source))


def test_one_key_goes_to_another_database(own_server, target):
    source = own_server().client()
    source.ok('SET', 'k', 'v')
    assert migrate(source, target.port, 'k', db=2) == 'OK'
    there = target.client()
    assert there('GET', 'k') is None
    there('SELECT', 2)
    assert there('GET', 'k') == b'v' and source('EXISTS', 'k') == 0


def test_a_copy_stays(own_server, target):
    source = own_server().client()
    source.ok('SET', 'k', 'v')
    assert migrate(source, target.port, 'k', 'COPY') == 'OK'
    assert source('GET', 'k') == target.client()('GET', 'k') == b'v'


def test_what_is_there_is_replaced_on_request_only(own_server, target):
    source, there = own_server().client(), target.client()
    source.pipeline([('SET', 'k', 'new'), ('SET', 'other', 1)])
    there.ok('SET', 'k', 'old')
    assert migrate(source, target.port, '', 'KEYS', 'k', 'other') == Error(
        'ERR Target instance replied with error: BUSYKEY Target key name already exists.')
    assert (source('GET', 'k'), there('GET', 'k')) == (b'new', b'old')
    assert (source('GET', 'other'), there('GET', 'other')) == (None, b'1')  # what was taken is gone here
    assert migrate(source, target.port, 'k', 'REPLACE') == 'OK'
    assert (source('GET', 'k'), there('GET', 'k')) == (None, b'new')


def test_no_key(own_server, target):
    source = own_server().client()
    assert migrate(source, target.port, 'k') == 'NOKEY'
    assert migrate(source, target.port, '', 'KEYS', 'a', 'b') == 'NOKEY'
    assert migrate(source, target.port, '') == 'NOKEY'
    source.ok('SET', '', 'the empty name')
    assert migrate(source, target.port, '') == 'OK'
    assert target.client()('GET', '') == b'the empty name'


def test_the_target_asks_for_a_password(own_server):
    target = own_server(requirepass='secret')
    source = own_server().client()
    source.ok('SET', 'k', 'v')
    refused = migrate(source, target.port, 'k')
    assert refused == Error('ERR Target instance replied with error: NOAUTH Authentication required.')
    assert migrate(source, target.port, 'k', 'AUTH', 'wrong').startswith('ERR Target instance replied with error: WRONGPASS')
    assert source('GET', 'k') == b'v'
    assert migrate(source, target.port, 'k', 'AUTH2', 'default', 'secret') == 'OK'
    source.ok('SET', 'l', 'v')
    assert migrate(source, target.port, 'l', 'AUTH', 'secret') == 'OK'
    assert b'secret' not in b''.join(b' '.join(entry[3]) for entry in source('SLOWLOG', 'GET', 100))


def test_a_database_that_the_target_has_not(own_server, target):
    source = own_server().client()
    source.ok('SET', 'k', 'v')
    assert migrate(source, target.port, 'k', db=999) == Error(
        'ERR Target instance replied with error: ERR DB index is out of range')
    assert source('GET', 'k') == b'v' and target.client()('DBSIZE') == 0


@pytest.mark.parametrize('words, error', [
    (('127.0.0.1', 'x', 'k', 0, 10), 'ERR Invalid port'),
    (('127.0.0.1', 0, 'k', 0, 10), 'ERR Invalid port'),
    (('127.0.0.1', 1, 'k', 'x', 10), 'ERR value is not an integer or out of range'),
    (('127.0.0.1', 1, 'k', 0, 'x'), 'ERR value is not an integer or out of range'),
    (('127.0.0.1', 1, 'k', 0, 10, 'AUTH'), 'ERR syntax error'),
    (('127.0.0.1', 1, 'k', 0, 10, 'AUTH2', 'me'), 'ERR syntax error'),
    (('127.0.0.1', 1, 'k', 0, 10, 'NONSENSE'), 'ERR syntax error'),
    (('127.0.0.1', 1, 'k', 0, 10, 'KEYS', 'k'),
     'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string'),
    (('127.0.0.1', 1, '', 0, 10, 'KEYS'), 'ERR syntax error'),
])
def test_what_is_asked_wrongly(client, words, error):
    client.ok('SET', 'k', 'v')
    assert client('MIGRATE', *words) == Error(error)
    assert client('GET', 'k') == b'v'


def test_nobody_listens(own_server):
    source = own_server().client()
    source.ok('SET', 'k', 'v')
    assert migrate(source, servers.free_port(), 'k').startswith('IOERR error or timeout connecting to the target instance')
    assert migrate(source, 1, 'k', host='no.such.host.invalid').startswith('IOERR error or timeout connecting')
    assert source('GET', 'k') == b'v'


def test_to_itself(own_server):
    server = own_server()
    client = server.client()
    client.ok('SET', 'k', 'v')
    assert migrate(client, server.port, 'k', 'REPLACE') == Error(
        'ERR the target is this server and this database: nothing would be left')
    assert client('GET', 'k') == b'v'
    assert migrate(client, server.port, 'k', db=1) == 'OK'
    client('SELECT', 1)
    assert client('GET', 'k') == b'v'


def test_not_where_others_would_wait(own_server, target):
    client = own_server().client()
    client.ok('SET', 'k', 'v')
    results = client.pipeline([('MULTI',), ('MIGRATE', '127.0.0.1', target.port, 'k', 0, 100), ('EXEC',)])
    assert 'outside of transactions' in str(results[-1][0])
    assert 'outside of transactions' in client(
        'EVAL', "return redis.call('MIGRATE', '127.0.0.1', ARGV[1], KEYS[1], 0, 100)", 1, 'k', target.port)
    assert client('GET', 'k') == b'v'


class Silent:
    """Accepts and never answers."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(('127.0.0.1', 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_a_silent_target_holds_up_nobody(own_server):
    server = own_server(threads=1)
    with Silent() as silent, server.client() as other:
        other.ok('SET', 'k', 'v')
        waiting = [server.client() for _ in range(40)]  # more than wait at one time
        for client in waiting:
            client.send('MIGRATE', '127.0.0.1', silent.port, 'k', 0, 700)
        for i in range(200):
            other.ok('SET', 'k', i)
            assert other('GET', 'k') == b'%d' % i
        for client in waiting:
            assert client.read() == Error('IOERR error or timeout reading from target instance')
        assert other('GET', 'k') == b'199'


def waiting(client):
    return client('CLIENT', 'LIST').count(b'cmd=migrate')


def test_clients_and_servers_that_go_away_meanwhile(own_server):
    server = own_server()
    with Silent() as silent, server.client() as other:
        other.ok('SET', 'k', 'v')
        leaving, killed, left_over = (server.client() for _ in range(3))
        for client in (leaving, killed, left_over):
            client.send('MIGRATE', '127.0.0.1', silent.port, 'k', 0, 600000)
        wait_until(lambda: waiting(other) == 3, what='all to wait')
        leaving.close()
        wait_until(lambda: waiting(other) == 2, what='one to be gone')
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 20 * PATIENCE


def test_a_link_that_breaks_loses_nothing(own_server, target):
    source, there = own_server().client(), target.client()
    rng = random.Random(7)
    values = {b'k:%d' % i: rng.randbytes(rng.randrange(3000)) for i in range(300)}
    with Proxy(target.address) as proxy:
        for after in (1, 5, 6, 100, 700, 1499):  # bytes of answers
            source.pipeline([('SET', key, value) for key, value in values.items()])
            there('FLUSHALL')
            proxy.bytes_max = after
            answer = migrate(source, proxy.port, '', 'KEYS', *values)
            assert answer.startswith('IOERR'), (after, answer)
            for key, value in values.items():
                assert value in (source('GET', key), there('GET', key)), key
                assert source('GET', key) in (None, value) and there('GET', key) in (None, value)


def test_a_key_that_is_written_meanwhile(own_server, target):
    """Each increment is counted by exactly one of both."""
    server = own_server(threads=2)
    counted = [0]
    ending = threading.Event()
    turns = threading.Semaphore(0)  # a few increments for each attempt, so that some attempts succeed

    def count():
        with server.client() as client:
            while turns.acquire() and not ending.is_set():
                client('INCR', 'counter')
                counted[0] += 1

    with server.client() as source, target.client() as there:
        thread = threading.Thread(target=count)
        thread.start()
        moved, moves = 0, 0
        try:
            while moves < 50:
                turns.release(3)
                answer = migrate(source, target.port, 'counter', 'REPLACE')
                assert answer in ('OK', 'NOKEY') or 'changed faster' in answer
                if answer == 'OK':
                    moved += int(there('GETDEL', 'counter'))
                    moves += 1
        finally:
            ending.set()
            turns.release()
            thread.join()
        assert moved + int(source('GET', 'counter') or 0) == counted[0]


def test_cold_keys_move(own_server, target):
    source = own_server(maxmemory='32mb', threads=1).client()
    value = b'v' * 1000
    for start in range(0, 60000, 500):
        source.pipeline([('SET', b'k:%d' % i, value) for i in range(start, start + 500)])
    keys = [b'k:%d' % i for i in range(0, 60000, 97)]
    assert migrate(source, target.port, '', 'KEYS', *keys) == 'OK'
    there = target.client()
    assert all(each == value for each in there.pipeline([('GET', key) for key in keys]))
    assert source('DBSIZE') == 60000 - len(keys) and source('EXISTS', *keys) == 0


def test_it_is_in_the_log(own_server, target):
    server = own_server()
    client = server.client()
    client.pipeline([('SET', 'a', 1), ('SET', 'b', 2)])
    assert migrate(client, target.port, 'a') == 'OK'
    server.restart(kill=True)
    client = server.client()
    assert (client('EXISTS', 'a'), client('GET', 'b')) == (0, b'2')


def test_keys_as_clients_ask(client):
    assert client('COMMAND', 'GETKEYS', 'MIGRATE', 'h', 1, 'k', 0, 5, 'COPY') == [b'k']
    assert client('COMMAND', 'GETKEYS', 'MIGRATE', 'h', 1, '', 0, 5, 'AUTH', 'KEYS', 'KEYS', 'a', 'keys', 'b') == [b'a', b'keys', b'b']
