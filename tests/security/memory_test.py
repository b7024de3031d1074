# SPDX-License-Identifier: BSD-3-Clause
"""Small requests for much memory: each is refused beyond a bound, and the server goes on as before."""
import pytest

from tests.lib import server as servers
from tests.lib.resp import PATIENCE, Error
from tests.lib.server import wait_until

MEGABYTE = 1 << 20
TOO_LONG = Error('ERR the reply would be longer than reply-bytes-max allows')
FOUND_TOO_LONG = Error('ERR what BY and GET find is longer than reply-bytes-max allows')
VALUE = 'v' * 100000
REPEATS = 100
# Beside a second or so that it takes, and minutes that squares would; a sanitizer makes it more.
CPU_SECONDS_MAX = 7 * max(1, PATIENCE / 2)

pytestmark = pytest.mark.forebay_only


@pytest.fixture
def bounded_client(client):
    """A client of a server whose replies may take 4 MB; the reference would send a hundred times the value."""
    client.ok('CONFIG', 'SET', 'reply-bytes-max', '4mb')
    client.ok('HSET', 'h', 'f', VALUE)
    client.ok('SET', 'wa', VALUE)
    client.ok('RPUSH', 'l', *['a'] * REPEATS)
    client.ok('XADD', 'x', '1-1', 'f', VALUE)
    client.ok('XGROUP', 'CREATE', 'x', 'g', 0)
    client.ok('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'x', '>')
    yield client
    client.ok('CONFIG', 'SET', 'reply-bytes-max', '512mb')


@pytest.mark.parametrize('words', [
    ['HMGET', 'h', *['f'] * REPEATS],
    ['HGETEX', 'h', 'PERSIST', 'FIELDS', REPEATS, *['f'] * REPEATS],
    ['SORT', 'l', 'BY', 'nosort', 'GET', 'w*'],
    ['SORT_RO', 'l', 'BY', 'nosort', *['GET', 'w*'] * 2],
    ['XREAD', 'STREAMS', *['x'] * REPEATS, *['0'] * REPEATS],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', *['x'] * REPEATS, *['0'] * REPEATS],
    ['XCLAIM', 'x', 'g', 'c', '0', *['1-1'] * REPEATS],
    ['EVAL', 'local t = {} for i = 1, 100 do t[i] = ARGV[1] end return t', 0, VALUE],
], ids=lambda words: words[0])
def test_one_value_that_is_asked_for_many_times_is_an_error(bounded_client, words):
    assert bounded_client(*words) == TOO_LONG
    assert bounded_client('PING') == 'PONG'
    assert bounded_client('HGET', 'h', 'f') == VALUE.encode()


def test_what_sort_compares_and_stores_is_bounded(bounded_client):
    assert bounded_client('SORT', 'l', 'BY', 'w*', 'ALPHA') == FOUND_TOO_LONG
    assert bounded_client('SORT', 'l', 'BY', 'nosort', 'GET', 'w*', 'STORE', 'd') == FOUND_TOO_LONG
    assert bounded_client('EXISTS', 'd') == 0
    assert bounded_client('SORT', 'l', 'BY', 'w*', 'ALPHA', 'LIMIT', 0, 1) == FOUND_TOO_LONG
    assert bounded_client('SORT', 'l', 'LIMIT', 0, 1, 'ALPHA') == [b'a']


def test_a_transaction_shares_one_bound_and_goes_on_behind_it(bounded_client):
    client = bounded_client
    client.ok('MULTI')
    for _ in range(REPEATS):
        client.ok('HGET', 'h', 'f')
    client.ok('INCR', 'n')
    client.ok('LPOP', 'l')
    replies = client('EXEC')
    assert replies[0] == VALUE.encode() and replies[-3] == TOO_LONG
    assert replies[-2:] == [1, b'a']
    assert client('HGET', 'h', 'f') == VALUE.encode()


def test_what_is_taken_out_of_a_key_is_told_whatever_its_length(bounded_client):
    client = bounded_client
    client.ok('DEL', 'l')
    client.ok('RPUSH', 'l', *[VALUE] * REPEATS)
    client.ok('SADD', 's', *['%d%s' % (i, VALUE) for i in range(REPEATS)])
    assert client('LRANGE', 'l', 0, -1) == TOO_LONG and client('SMEMBERS', 's') == TOO_LONG
    assert len(client('LPOP', 'l', REPEATS)) == REPEATS
    assert len(client('SPOP', 's', REPEATS)) == REPEATS
    assert client('EXISTS', 'l', 's') == 0


def test_a_reply_of_references_takes_no_memory(bounded_client):
    assert len(bounded_client('MGET', *['wa'] * REPEATS)) == REPEATS


def test_pipelined_replies_have_a_bound_each(bounded_client):
    replies = bounded_client.pipeline([('HMGET', 'h', *['f'] * 30)] * 5)
    assert [len(reply) for reply in replies] == [30] * 5


def test_a_silent_client_stays_silent(bounded_client, connect):
    other = connect()
    other.send('CLIENT', 'REPLY', 'OFF')
    other.send('HMGET', 'h', *['f'] * REPEATS)
    other.send('CLIENT', 'REPLY', 'ON')
    assert other.read() == 'OK'
    other.send('CLIENT', 'REPLY', 'SKIP')
    other.send('HMGET', 'h', *['f'] * REPEATS)
    assert other('PING') == 'PONG'


@pytest.mark.parametrize('command', ['MGET', 'HMGET'])
def test_what_a_command_replies_to_a_script_is_bounded(client, server, command):
    client.ok('SET', 'f', 'v' * 2000000)
    client.ok('HSET', 'h', 'f', 'v' * 2000000)
    call = "return redis.call('MGET', unpack(ARGV))" if command == 'MGET' else "return redis.call('HMGET', 'h', unpack(ARGV))"
    # What is allocated: how soon freed pages go back to the system is the allocator's affair, and the machine's.
    before = int(client.info('memory')['used_memory_peak'])
    assert isinstance(client('EVAL', call, 0, *['f'] * 2000), Error)
    assert int(client.info('memory')['used_memory_peak']) - before < 1200 * MEGABYTE
    assert client('EVAL', "return #redis.call('GET', 'f')", 0) == 2000000


def test_what_a_script_was_replied_is_not_kept(client, server):
    client.ok('HSET', 'h', 'f', 'v' * MEGABYTE)
    before = server.rss()
    assert client('EVAL', "return #redis.call('HMGET', 'h', unpack(ARGV))", 0, *['f'] * 100) == 100
    client('SCRIPT', 'FLUSH')
    wait_until(lambda: server.rss() - before < 50 * MEGABYTE, what='memory given back')


def test_tables_that_hold_each_other_are_replied_until_somebody_kills_it(kind):
    """Sixty tables, each twice in the next one, make a reply that no memory holds and no lifetime ends."""
    with servers.start(kind, lua_time_limit=10) as server, server.client() as client, server.client() as other:
        client.send('EVAL', 'local t = {1} for i = 1, 60 do t = {t, t} end return t', 0)
        wait_until(lambda: isinstance(other('GET', 'a'), Error), what='BUSY')
        assert other('SCRIPT', 'KILL') == 'OK'
        assert 'killed' in client.read()
        assert other('GET', 'a') is None


def test_a_script_does_not_write_until_no_memory_is_left():
    """Nothing is evicted while it runs, so a script that began with room to spare could fill the machine."""
    with servers.start('forebay', maxmemory=servers.memory_of(64)) as server, server.client() as client:
        reply = client('EVAL', "for i = 1, 1000 do redis.call('SET', 'k' .. i, string.rep('v', 1000000)) end", 0)
        assert isinstance(reply, Error) and 'OOM' in reply
        assert server.rss() < (500 + servers.MEMORY_MORE_MB) * MEGABYTE
        wait_until(lambda: client('SET', 'k', 'v') == 'OK', what='room')
        assert client('STRLEN', 'k1') == 1000000


@pytest.mark.parametrize('words', [
    lambda count: ('WATCH', *range(count)), lambda count: ('WATCH', *['a'] * count),
    lambda count: ('BLPOP', *range(count), 0.001), lambda count: ('XREAD', 'BLOCK', 1, 'STREAMS', *range(count), *['$'] * count),
    lambda count: ('SUBSCRIBE', *range(count))], ids=['WATCH', 'WATCH twice', 'BLPOP', 'XREAD', 'SUBSCRIBE'])
def test_very_many_keys_of_one_request_take_no_time_that_grows_with_their_square(server, words):
    """A hundred thousand pairs' worth of comparisons would be ten billion."""
    with server.client() as client, server.client() as other:
        before = server.cpu_seconds()
        client.send(*words(100000))
        client.read()
        other.ok('SET', '1', 'v')
        assert server.cpu_seconds() - before < CPU_SECONDS_MAX
    with server.client() as client:
        client.ok('DEL', '1')


def test_the_prefixes_that_one_client_follows_are_bounded(client3):
    words = [word for number in range(20000) for word in ('PREFIX', '%d:' % number)]
    assert client3('CLIENT', 'TRACKING', 'ON', 'BCAST', *words) == Error('ERR too many prefixes of one client')
    assert client3('CLIENT', 'TRACKING', 'ON', 'BCAST', *words[:200]) == 'OK'
    assert client3('CLIENT', 'TRACKING', 'OFF') == 'OK'
