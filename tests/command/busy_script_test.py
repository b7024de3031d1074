# SPDX-License-Identifier: BSD-3-Clause
"""While a script takes long, everybody else is told so at once, by however few threads; and it can be ended."""
import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

BUSY = Error('BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.')
FOR_EVER = 'while true do end'
WRITES_FOR_EVER = "redis.call('SET', 'a', 1) while true do end"


@pytest.fixture(params=(1, 4))
def start(request, own_server, kind):
    def start(**options):
        if kind == 'forebay':
            options['threads'] = request.param
        return own_server(lua_time_limit=20, **options)
    return start


def begin(server, script=FOR_EVER):
    """A client whose script is running, and another one that has been told of it."""
    client, other = server.client(), server.client()
    client.send('EVAL', script, 0)
    wait_until(lambda: other('GET', 'a') == BUSY, what='BUSY')
    return client, other


def test_everybody_is_told_and_the_script_can_be_killed(start):
    server = start()
    before = [server.client() for _ in range(20)]
    for one in before:
        assert one('PING') == 'PONG'
    client, other = begin(server)
    after = [server.client() for _ in range(20)]
    for one in before + after:
        for command in (('GET', 'a'), ('PING',), ('SET', 'a', 1), ('EVAL', 'return 1', 0), ('INFO',)):
            assert one(*command) == BUSY
        assert one('EXEC') == Error('EXECABORT Transaction discarded because of: ' + BUSY)
    assert other('FUNCTION', 'KILL') == BUSY
    assert other('SCRIPT', 'KILL') == 'OK'
    assert 'Script killed by user with SCRIPT KILL.' in client.read()
    for one in before + after:
        assert one('GET', 'a') is None
    assert other('SCRIPT', 'KILL') == Error('NOTBUSY No scripts in execution right now.')


def test_what_a_new_connection_says_first_is_answered(start):
    server = start(requirepass='secret')
    client = server.client()
    client('AUTH', 'secret')
    client.send('EVAL', FOR_EVER, 0)

    def is_busy():
        with server.client() as stranger:
            assert stranger('AUTH', 'secret') == 'OK'
            return stranger('GET', 'a') == BUSY
    wait_until(is_busy, what='BUSY')
    other = server.client()
    assert other('SCRIPT', 'KILL') == Error('NOAUTH Authentication required.')
    assert other('HELLO', 3, 'AUTH', 'default', 'secret', 'SETNAME', 'x')[b'proto'] == 3
    assert other('NOSUCH').startswith('ERR unknown command')
    assert other('MULTI') == 'OK'
    assert other('SET', 'a', 1) == BUSY
    assert other('DISCARD') == 'OK'
    assert other('UNWATCH') == 'OK'
    assert other('RESET') == 'RESET'
    assert other('AUTH', 'secret') == 'OK'
    assert other('QUIT') == 'OK'
    with server.client() as killer:
        assert killer('AUTH', 'secret') == 'OK'
        assert killer('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)


def test_pipelines_and_pieces_of_requests_are_read(start):
    server = start()
    half = server.client()
    client, other = begin(server)
    long_request = b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n' + b'x' * 100000 + b'\r\n'
    half.send_raw(long_request[:50000])
    for _ in range(500):
        other.send('GET', 'a')
    assert [other.read() for _ in range(500)] == [BUSY] * 500
    half.send_raw(long_request[50000:])
    assert half.read() == BUSY
    half.send_raw(long_request[:50000])
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
    wait_until(lambda: other('PING') == 'PONG', what='the end of the script')
    half.send_raw(long_request[50000:])
    assert half.read() == 'OK'


def test_clients_may_come_and_go_meanwhile(start):
    server = start()
    client, other = begin(server)
    for _ in range(50):
        with server.client() as passer_by:
            assert passer_by('GET', 'a') == BUSY
    client.close()
    assert other('GET', 'a') == BUSY
    assert other('SCRIPT', 'KILL') == 'OK'
    wait_until(lambda: other('GET', 'a') is None, what='the end of the script')


def test_what_has_written_can_only_be_shut_down(start):
    server = start()
    client, other = begin(server, WRITES_FOR_EVER)
    assert other('SCRIPT', 'KILL').startswith('UNKILLABLE ')
    assert other('SHUTDOWN') == BUSY
    other.send('SHUTDOWN', 'NOSAVE')
    wait_until(lambda: not server.is_alive(), what='the end of the server')


def test_what_was_watched_meanwhile_is_watched(start):
    server = start()
    client, other = begin(server)
    watcher = server.client()
    watcher.send('WATCH', 'a')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert watcher.read() == 'OK'
    assert isinstance(client.read(), Error)
    assert other('SET', 'a', 1) == 'OK'
    assert watcher('MULTI') == 'OK' and watcher('SET', 'a', 2) == 'QUEUED'
    assert watcher('EXEC') is None


def test_a_long_function_is_killed_by_its_own_word(start):
    server = start()
    client, other = server.client(), server.client()
    client('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('loop', function() while true do end end)")
    client.send('FCALL', 'loop', 0)
    busy = Error('BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.')
    wait_until(lambda: other('GET', 'a') == busy, what='BUSY')
    assert other('FUNCTION', 'STATS')[1][:4] == [b'name', b'loop', b'command', [b'FCALL', b'loop', b'0']]
    assert other('SCRIPT', 'KILL') == busy
    assert other('FUNCTION', 'KILL') == 'OK'
    assert 'killed by user' in client.read()
    assert other('GET', 'a') is None


def test_a_script_that_writes_goes_on_as_if_nobody_had_asked(start):
    """What others ask in the middle of it does not mix with what it does."""
    server = start()
    server.client()('RPUSH', 'list', 1, 2, 3)
    client, other = server.client(), server.client()
    client.send('EVAL', "redis.call('SET', 'a', 1) redis.call('INCR', 'n') local n = 0 while n < 1e7 do n = n + 1 end "
                        "redis.call('SET', 'b', redis.call('LPOP', 'list')) return redis.call('INCR', 'n')", 0)
    for _ in range(50):
        assert other('MULTI') == 'OK' and other('GET', 'n') in (BUSY, 'QUEUED') and other('DISCARD') == 'OK'
    assert client.read() == 2
    assert other('MGET', 'a', 'b', 'n') == [b'1', b'1', b'2']
