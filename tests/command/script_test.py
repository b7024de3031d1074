# SPDX-License-Identifier: BSD-3-Clause
"""Scripts: EVAL and its like, SCRIPT, and what a script finds in redis."""
import hashlib
import threading

import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

BUSY = Error('BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.')
NOSCRIPT = Error('NOSCRIPT No matching script. Please use EVAL.')


def sha(script):
    return hashlib.sha1(script.encode()).hexdigest()


def failure(text, script, line=1):
    return Error('%s script: %s, on @user_script:%d.' % (text, sha(script), line))


def test_a_script_is_given_keys_and_arguments(client):
    assert client('EVAL', 'return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}', 2, 'a', 'b', 'x') == [
        b'a', b'b', b'x', 2, 1]


def test_lua_values_become_replies(client):
    assert client('EVAL', "return {1, 2.9, 'x', true, false, {ok='fine'}}", 0) == [1, 2, b'x', 1, None, 'fine']
    assert client('EVAL', "return {1, nil, 3}", 0) == [1]
    assert client('EVAL', 'return nil', 0) is None
    assert client('EVAL', "return {err='MY own'}", 0) == Error('MY own')
    assert client('EVAL', "return {double=1.5}", 0) == b'1.5'
    assert client('EVAL', "return {map={a=1}}", 0) == [b'a', 1]
    assert client('EVAL', 'return 1e30', 0) == -2 ** 63


def test_lua_values_become_replies_of_resp3(client3):
    assert client3('EVAL', "return {double=1.5}", 0) == 1.5
    assert client3('EVAL', "return {map={a=1}}", 0) == {b'a': 1}
    assert client3('EVAL', "return {set={a=true}}", 0) == [b'a']
    assert client3('EVAL', "return {big_number='123'}", 0) == 123
    assert client3('EVAL', "return {verbatim_string={format='txt', string='hello'}}", 0) == b'hello'
    assert client3('EVAL', 'return true', 0) == 1
    assert client3('EVAL', 'redis.setresp(3) return true', 0) is True


def test_replies_become_lua_values(client):
    assert client('EVAL', "return redis.call('SET', KEYS[1], 'v')", 1, 'a') == 'OK'
    assert client('EVAL', "return {type(redis.call('GET', 'a')), type(redis.call('GET', 'none')), "
                          "type(redis.call('STRLEN', 'a')), type(redis.call('SET', 'a', 1).ok)}", 0) == [
        b'string', b'boolean', b'number', b'string']
    assert client('EVAL', "redis.setresp(3) return {type(redis.call('GET', 'none'))}", 0) == [b'nil']
    assert client('EVAL', "redis.call('MSET', 'a', 1, 'b', 2) return redis.call('MGET', 'a', 'b', 'c')", 0) == [
        b'1', b'2', None]


def test_numbers_become_words_as_they_are(client):
    for number, text in (('3', b'3'), ('0.1', b'0.10000000000000001'), ('12345678901234567890', b'1.2345678901234567e+19'),
                         ('-7', b'-7'), ('1.5', b'1.5')):
        assert client('EVAL', "redis.call('SET', 'n', %s) return redis.call('GET', 'n')" % number, 0) == text


def test_an_error_of_a_command_ends_the_script(client):
    client('SET', 'a', 'text')
    script = "redis.call('SET', 'b', 1) return redis.call('INCR', 'a')"
    assert client('EVAL', script, 0) == failure('ERR value is not an integer or out of range', script)
    assert client('GET', 'b') == b'1'


def test_pcall_returns_the_error(client):
    client('SET', 'a', 'text')
    assert client('EVAL', "local e = redis.pcall('INCR', 'a') return {type(e), e.err}", 0) == [
        b'table', b'ERR value is not an integer or out of range']
    assert client('EVAL', "return redis.pcall('INCR', 'a')", 0) == Error('ERR value is not an integer or out of range')
    assert client('EVAL', "local ok, e = pcall(redis.call, 'INCR', 'a') return {tostring(ok), e}", 0) == [
        b'false', b'ERR value is not an integer or out of range']


def test_what_cannot_be_called_is_refused(client):
    for words, text in (("'GET'", 'ERR Wrong number of args calling Redis command from script'),
                        ("'NOSUCH'", 'ERR Unknown Redis command called from script'),
                        ("'OBJECT', 'NOSUCH', 'a'", 'ERR Unknown Redis command called from script'),
                        ("'OBJECT'", 'ERR Wrong number of args calling Redis command from script'),
                        ("'MULTI'", 'ERR This Redis command is not allowed from script'),
                        ("'EVAL', 'return 1', 0", 'ERR This Redis command is not allowed from script'),
                        ("", 'ERR Please specify at least one argument for this redis lib call'),
                        ("'SET', 'a', {}", 'ERR Lua redis lib command arguments must be strings or integers')):
        script = 'return redis.call(%s)' % words
        assert client('EVAL', script, 0) == failure(text, script)


def test_errors_say_where_they_happened(client):
    script = "local a = 1\nerror('boom')"
    assert client('EVAL', script, 0) == failure('ERR user_script:2: boom', script, 2)
    script = "local a = nil\n\nreturn a.b"
    assert client('EVAL', script, 0) == failure(
        "ERR user_script:3: attempt to index local 'a' (a nil value)", script, 3)
    assert client('EVAL', 'return (', 0) == Error(
        "ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'")
    script = "error({err='MY thing'})"
    assert client('EVAL', script, 0) == failure('MY thing', script)


def test_globals_and_libraries_cannot_be_changed(client):
    for script in ('x = 1', 'function f() end', 'redis.x = 1', 'string.x = 1', 'ARGV = {}', "getmetatable('').__index = 1"):
        assert client('EVAL', script, 0) == failure('ERR user_script:1: Attempt to modify a readonly table', script)
    for script in ("rawset(_G, 'x', 1)", 'setmetatable(_G, {})'):
        assert client('EVAL', script, 0) == failure('ERR Attempt to modify a readonly table', script)
    script = 'return nosuch'
    assert client('EVAL', script, 0) == failure(
        "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch'", script)


def test_the_number_of_keys_is_checked(client):
    assert client('EVAL', 'return 1', 'x') == Error('ERR value is not an integer or out of range')
    assert client('EVAL', 'return 1', -1) == Error("ERR Number of keys can't be negative")
    assert client('EVAL', 'return 1', 2, 'a') == Error("ERR Number of keys can't be greater than number of args")


def test_a_script_is_kept_under_its_digest(client):
    client('SCRIPT', 'FLUSH')
    digest = sha('return 7')
    assert client('EVALSHA', digest, 0) == NOSCRIPT
    assert client('EVAL', 'return 7', 0) == 7
    assert client('EVALSHA', digest, 0) == client('EVALSHA', digest.upper(), 0) == 7
    assert client('SCRIPT', 'LOAD', 'return 8') == sha('return 8').encode()
    assert client('SCRIPT', 'EXISTS', digest, 'nosuch', sha('return 8')) == [1, 0, 1]
    assert client('SCRIPT', 'FLUSH', 'SYNC') == 'OK'
    assert client('SCRIPT', 'EXISTS', digest) == [0]
    assert client('SCRIPT', 'FLUSH', 'LATER') == Error('ERR SCRIPT FLUSH only support SYNC|ASYNC option')


@pytest.mark.forebay_only
def test_script_show_gives_the_text_back(client):
    assert client('SCRIPT', 'SHOW', client('SCRIPT', 'LOAD', 'return 9')) == b'return 9'
    assert client('SCRIPT', 'SHOW', '0' * 40) == NOSCRIPT


def test_scripts_of_eval_are_forgotten_but_not_loaded_ones(client, kind):
    client('SCRIPT', 'FLUSH')
    loaded = client('SCRIPT', 'LOAD', 'return 1')
    first = sha('return 1000')
    client.pipeline([('EVAL', 'return %d' % i, 0) for i in range(1000, 1700)])
    assert client('SCRIPT', 'EXISTS', loaded, sha('return 1699')) == [1, 1]
    if kind == 'forebay':
        assert client('SCRIPT', 'EXISTS', first) == [0]
    client('SCRIPT', 'FLUSH')


def test_read_only_scripts_cannot_write(client):
    script = "return redis.call('SET', 'a', 1)"
    refused = failure('ERR Write commands are not allowed from read-only scripts.', script)
    assert client('EVAL_RO', script, 0) == client('EVALSHA_RO', sha(script), 0) == refused
    assert client('EVAL_RO', "return redis.call('GET', 'a')", 0) is None
    script = "#!lua flags=no-writes\nreturn redis.call('SET', 'a', 1)"
    assert client('EVAL', script, 0).startswith('ERR Write commands are not allowed from read-only scripts. script: ')


def test_a_shebang_is_checked(client):
    for first, text in (('#!lua flags=bad', 'ERR Unexpected flag in script shebang: bad'),
                        ('#!lua name=x', 'ERR Unknown lua shebang option: name=x'),
                        ('#!js', 'ERR Unexpected engine in script shebang: #!js')):
        assert client('EVAL', first + '\nreturn 1', 0) == Error(text)
    assert client('EVAL', '#!lua flags=no-writes,allow-stale\nreturn 1', 0) == 1
    assert client('EVAL', '#!lua', 0) == Error('ERR Invalid script shebang')


def test_select_in_a_script_is_the_scripts_own(client):
    assert client('EVAL', "redis.call('SELECT', 3) redis.call('SET', 'a', 'three') return 1", 0) == 1
    assert client('GET', 'a') is None
    client('SELECT', 3)
    assert client('GET', 'a') == b'three'


def test_replies_that_redis_makes(client):
    assert client('EVAL', "return redis.status_reply('FINE')", 0) == 'FINE'
    assert client('EVAL', "return redis.error_reply('My text')", 0) == Error('My text')
    assert client('EVAL', "return redis.error_reply('TEXT')", 0) == Error('ERR TEXT')
    assert client('EVAL', 'return redis.error_reply()', 0) == Error('ERR wrong number or type of arguments')
    assert client('EVAL', "return redis.sha1hex('')", 0) == b'da39a3ee5e6b4b0d3255bfef95601890afd80709'
    assert client('EVAL', 'return {redis.LOG_DEBUG, redis.LOG_WARNING, redis.REPL_ALL}', 0) == [0, 3, 3]


def test_a_script_is_atomic_in_multi(client):
    assert client.pipeline([('MULTI',), ('SET', 'a', 1), ('EVAL', "return redis.call('INCR', 'a')", 0), ('EXEC',)])[
        -1] == ['OK', 2]


def test_a_script_may_touch_keys_that_it_did_not_declare(client):
    keys = ['key:%d' % i for i in range(300)]
    script = "for i, k in ipairs(ARGV) do redis.call('SET', k, i) end return redis.call('DBSIZE')"
    assert client('EVAL', script, 0, *keys) == 300
    assert client('MGET', 'key:0', 'key:299') == [b'1', b'300']
    assert client('EVAL', "redis.call('FLUSHDB') return #redis.call('KEYS', '*')", 0) == 0


@pytest.mark.forebay_only
def test_what_may_block_answers_scripts_at_once(client):
    """As 7.2 has it; 7.0 lets no script call these."""
    def call(*words):
        return client('EVAL', 'return redis.call(unpack(ARGV))', 0, *words)
    client('RPUSH', 'l', 'a', 'b', 'c', 'd')
    client('ZADD', 'z', 1, 'one', 2, 'two')
    for words in (('BLPOP', 'none', 0), ('BRPOP', 'none', 'no', 0), ('BLMOVE', 'none', 'x', 'LEFT', 'LEFT', 0),
                  ('BRPOPLPUSH', 'none', 'x', 0), ('BZPOPMIN', 'none', 0), ('BZPOPMAX', 'none', 0),
                  ('BLMPOP', 0, 1, 'none', 'LEFT'), ('BZMPOP', 0, 1, 'none', 'MIN')):
        assert call(*words) is None, words
    assert call('BLPOP', 'none', 'l', 0) == [b'l', b'a']
    assert call('BRPOP', 'l', 0) == [b'l', b'd']
    assert call('BLMOVE', 'l', 'x', 'LEFT', 'LEFT', 0) == b'b'
    assert call('BRPOPLPUSH', 'l', 'x', 0) == b'c'
    assert client('LRANGE', 'x', 0, -1) == [b'c', b'b']
    assert call('BZPOPMIN', 'z', 0) == [b'z', b'one', b'1']
    assert call('BZPOPMAX', 'z', 0) == [b'z', b'two', b'2']


def test_a_script_needs_no_keys(client):
    assert 'no_mandatory_keys' in client('COMMAND', 'INFO', 'EVAL')[0][2]
    assert client('COMMAND', 'GETKEYS', 'EVAL', 'x', 0) == []
    assert client('COMMAND', 'GETKEYS', 'FCALL', 'x', 1, 'a') == [b'a']
    assert client('COMMAND', 'GETKEYS', 'EVAL', 'x', 3, 'a') == []


@pytest.mark.forebay_only
def test_half_a_script_does_not_survive(own_server):
    server = own_server(lua_time_limit=50)
    client, other = server.client(), server.client()
    assert client('SET', 'before', 1) == 'OK'
    client.send('EVAL', "redis.call('SET', 'a', 1) while true do end", 0)
    wait_until(lambda: other('GET', 'b') == BUSY, what='BUSY')
    server.restart(kill=True)
    assert server.client()('MGET', 'before', 'a') == [b'1', None]


@pytest.mark.forebay_only
def test_scripts_of_many_threads_take_turns(own_server):
    server = own_server(threads=4)
    script = ("local a = redis.call('INCR', KEYS[1]) local b = redis.call('INCR', ARGV[1]) "
              "redis.call('INCR', 'total') return a + b")

    def work(number):
        with server.client() as client:
            for i in range(300):
                assert isinstance(client('EVAL', script, 1, 'k%d' % (i % 7), 'o%d' % ((i + number) % 5)), int)
                client('MSET', 'k%d' % (i % 7), i, 'o%d' % (i % 5), i)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.client()('GET', 'total') == b'1800'


@pytest.mark.forebay_only
def test_cold_keys_are_fetched_for_scripts(own_server):
    server = own_server(maxmemory='64mb', tier='yes', durability='through')
    client = server.client()
    value = 'v' * 1000
    for start in range(0, 120000, 1000):
        client.pipeline([('SET', 'k%d' % i, value + str(i)) for i in range(start, start + 1000)])
    for i in range(0, 120000, 2997):
        assert client('EVAL', "return redis.call('GET', KEYS[1])", 1, 'k%d' % i) == (value + str(i)).encode()
        other = 'k%d' % (i + 1)
        assert client('EVAL', "return redis.call('STRLEN', ARGV[1])", 0, other) == len(value + str(i + 1))
        assert client('EVAL', "redis.call('SET', 'x', 1) return redis.call('STRLEN', ARGV[1])", 0, 'k%d' % (i + 2)) == len(
            value + str(i + 2))
        # The first reply is waited for when the script is begun anew.
        text = "return redis.call('STRLEN', ARGV[1])"
        assert client.pipeline([('SET', 'y', i), ('EVAL', text, 0, 'k%d' % (i + 3))]) == ['OK', len(value + str(i + 3))]


def test_locks_and_scripts_of_redis_py(server):
    redis = pytest.importorskip('redis')
    connection = redis.Redis(port=server.port)
    with connection.lock('lock', timeout=100, blocking_timeout=1) as lock:
        assert lock.owned()
        assert not connection.lock('lock', timeout=100, blocking_timeout=0.1).acquire()
        lock.extend(100)
    add = connection.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert add(keys=['n'], args=[5]) == 5
    connection.script_flush()
    assert add(keys=['n'], args=[2]) == 7
    connection.connection_pool.disconnect()  # its class keeps the first one that it met


@pytest.mark.parametrize('words', ("'publish', 'a', 1", "'spublish', 'a', 1", "'pfcount', 'a'"))
def test_what_may_be_told_to_replicas_is_a_write_in_scripts(client, words):
    call = 'return redis.call(%s)' % words
    assert client('EVAL', call, 0) == 0
    for command, script in (('EVAL_RO', call), ('EVAL', '#!lua flags=no-writes\n' + call)):
        reply = client(command, script, 0)
        assert isinstance(reply, Error) and str(reply).startswith('ERR Write commands are not allowed from read-only scripts.')
