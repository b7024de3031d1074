# SPDX-License-Identifier: BSD-3-Clause
"""While a script takes long, everybody else is told so at once, by however few threads; and it can be ended."""
import pytest

from tests.lib.resp import Error, encode
from tests.lib.server import blocked, wait_until

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


def test_what_was_watched_may_be_let_go_of_meanwhile(start):
    server = start()
    watchers = [server.client() for _ in range(3)]
    for watcher in watchers:
        assert watcher('WATCH', *['k%d' % i for i in range(50)]) == 'OK'
    assert watchers[2]('MULTI') == 'OK'
    client, other = server.client(), server.client()
    client.send('EVAL', FOR_EVER, 1, 'key')
    wait_until(lambda: other('GET', 'a') == BUSY, what='BUSY')
    assert watchers[0]('UNWATCH') == 'OK'
    assert watchers[1]('RESET') == 'RESET'
    assert watchers[2]('EXEC').startswith('EXECABORT ')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
    wait_until(lambda: other('SET', 'k1', 1) == 'OK', what='the end of the script')
    for watcher in watchers:
        assert watcher('MULTI') == 'OK' and watcher('GET', 'k1') == 'QUEUED'
        assert watcher('EXEC') == [b'1']


def test_an_element_that_was_popped_for_somebody_reaches_him(start):
    """He is about to be answered when the script begins."""
    server = start()
    waiting, filler, client, other = [server.client() for _ in range(4)]
    other('RPUSH', 'long', *range(100000))
    waiting.send('BLPOP', 'q', 0)
    blocked(other, 1)
    before = server.cpu_seconds()
    sorts = 30
    filler.send_raw(encode('RPUSH', 'q', 'x') + encode('SORT', 'long', 'LIMIT', 0, 1) * sorts)
    wait_until(lambda: server.cpu_seconds() > before + 0.05, what='the turn in which the element comes')
    client.send('EVAL', FOR_EVER, 0)
    wait_until(lambda: other('GET', 'a') == BUSY, what='BUSY')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
    assert filler.read() == 1
    assert all(filler.read() in ([b'0'], BUSY) for _ in range(sorts))  # on another thread some come within the script
    assert waiting.read() == [b'q', b'x']
    assert waiting('ECHO', 'y') == b'y'


@pytest.mark.forebay_only
def test_who_waited_for_everything_keeps_nobody_out_behind_a_script(own_server):
    """He has just got what he waited for when the script begins."""
    server = own_server(threads=2, busy_reply_threshold=0)
    swapper, holder, filler, other, client = [server.client() for _ in range(5)]  # on both threads in turn
    other('RPUSH', 'long', *range(100000))
    tries, cpu, sorts = int(client.info('stats')['suspended_lock']), server.cpu_seconds(), 20
    holder.send('EVAL', "redis.call('GET', 'undeclared') local e = os.clock() + 0.5 while os.clock() < e do end", 1, 'a')
    wait_until(lambda: server.cpu_seconds() > cpu + 0.05, what='the script that holds keys')
    swapper.send('SWAPDB', 2, 3)
    wait_until(lambda: int(client.info('stats')['suspended_lock']) > tries + 3, what='one who has stopped trying')
    filler.send_raw(encode('SORT', 'long', 'LIMIT', 0, 1) * sorts)
    assert holder.read() is None
    assert other('CONFIG', 'SET', 'busy-reply-threshold', 20) == 'OK'
    client.send('EVAL', FOR_EVER, 0)
    wait_until(lambda: other('GET', 'a') == BUSY, what='BUSY')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
    for _ in range(sorts):
        filler.read()
    assert other('MSET', 'k1', 1, 'k2', 2, 'k3', 3) == 'OK'
    assert swapper.read() == 'OK'


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
