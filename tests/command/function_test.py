# SPDX-License-Identifier: BSD-3-Clause
"""Libraries of functions: FUNCTION, FCALL."""
import pytest

from tests.lib.resp import Error

ECHO = "#!lua name=echo\nredis.register_function('say', function(keys, args) return {keys, args} end)"
STORE = """#!lua name=store
local function put(keys, args) return redis.call('SET', keys[1], args[1]) end
redis.register_function('put', put)
redis.register_function{function_name='peek', description='looks', flags={'no-writes'},
    callback=function(keys) return redis.call('GET', keys[1]) end}"""


@pytest.fixture(autouse=True)
def no_libraries(client):
    client('FUNCTION', 'FLUSH')
    yield
    client('FUNCTION', 'FLUSH')


def test_a_function_is_called_with_keys_and_arguments(client):
    assert client('FUNCTION', 'LOAD', ECHO) == b'echo'
    assert client('FCALL', 'say', 1, 'k', 'a', 'b') == [[b'k'], [b'a', b'b']]
    assert client('FCALL', 'nosuch', 0) == Error('ERR Function not found')
    assert client('FCALL', 'say', 'x') == Error('ERR Bad number of keys provided')


def test_functions_write_unless_they_say_that_they_do_not(client):
    client('FUNCTION', 'LOAD', STORE)
    assert client('FCALL', 'put', 1, 'a', 'v') == 'OK'
    assert client('FCALL_RO', 'peek', 1, 'a') == b'v'
    assert client('FCALL_RO', 'put', 1, 'a', 'v') == Error(
        'ERR Can not execute a script with write flag using *_ro command.')


def test_list_tells_all(client):
    client('FUNCTION', 'LOAD', STORE)
    (library,) = client('FUNCTION', 'LIST', 'LIBRARYNAME', 'st*', 'WITHCODE')
    described = dict(zip(library[::2], library[1::2]))
    assert described[b'library_name'] == b'store' and described[b'engine'] == b'LUA'
    assert described[b'library_code'] == STORE.encode()
    functions = {f[1]: f for f in described[b'functions']}
    assert functions[b'peek'] == [b'name', b'peek', b'description', b'looks', b'flags', ['no-writes']]
    assert functions[b'put'] == [b'name', b'put', b'description', None, b'flags', []]
    assert client('FUNCTION', 'LIST', 'LIBRARYNAME', 'x') == []
    assert client('FUNCTION', 'LIST', 'FOO') == Error('ERR Unknown argument FOO')


def test_a_library_is_replaced_only_on_demand(client):
    client('FUNCTION', 'LOAD', ECHO)
    assert client('FUNCTION', 'LOAD', ECHO) == Error("ERR Library 'echo' already exists")
    assert client('FUNCTION', 'LOAD', 'REPLACE', ECHO.replace('{keys, args}', '7')) == b'echo'
    assert client('FCALL', 'say', 0) == 7
    assert client('FUNCTION', 'LOAD', ECHO.replace('echo', 'other')) == Error('ERR Function say already exists')
    assert client('FUNCTION', 'DELETE', 'echo') == 'OK'
    assert client('FUNCTION', 'DELETE', 'echo') == Error('ERR Library not found')


@pytest.mark.parametrize('code, problem', [
    ('return 1', 'ERR Missing library metadata'),
    ('#!lua\nreturn 1', 'ERR Library name was not given'),
    ('#!lua name=l\nreturn 1', 'ERR No functions registered'),
    ('#!lua name=l\nreturn (', "ERR Error compiling function: user_function:2: unexpected symbol near '<eof>'"),
    ('#!lua name=a-b\nx', 'ERR Library names can only contain letters, numbers, or underscores(_) and must be at least '
                          'one character long'),
    ('#!lua name=q foo=bar\nx', 'ERR Invalid metadata value given: foo=bar'),
    ('#!js name=q\nx', "ERR Engine 'js' not found"),
    ("#!lua name=q\nredis.register_function('f', 1)", 'ERR Error registering functions: ERR second argument to '
                                                     'redis.register_function must be a function'),
    ("#!lua name=q\nx = 1", 'ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table'),
])
def test_a_library_that_does_not_fit_is_refused(client, code, problem):
    assert client('FUNCTION', 'LOAD', code) == Error(problem)
    assert client('FUNCTION', 'LIST') == []


def test_dump_and_restore_move_all_libraries(client):
    client('FUNCTION', 'LOAD', ECHO)
    client('FUNCTION', 'LOAD', STORE)
    payload = client('FUNCTION', 'DUMP')
    assert client('FUNCTION', 'RESTORE', payload).startswith('ERR Library ')
    assert client('FUNCTION', 'RESTORE', payload, 'REPLACE') == 'OK'
    client('FUNCTION', 'FLUSH')
    assert client('FUNCTION', 'RESTORE', payload) == 'OK'
    assert client('FCALL', 'say', 0) == [[], []]
    assert client('FUNCTION', 'RESTORE', payload, 'FLUSH') == 'OK'
    assert len(client('FUNCTION', 'LIST')) == 2
    assert client('FUNCTION', 'RESTORE', b'x') == Error('ERR DUMP payload version or checksum are wrong')
    assert client('FUNCTION', 'RESTORE', payload, 'LATER') == Error(
        'ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.')


def test_stats_count(client):
    client('FUNCTION', 'LOAD', STORE)
    stats = client('FUNCTION', 'STATS')
    assert stats == [b'running_script', None, b'engines', [b'LUA', [b'libraries_count', 1, b'functions_count', 2]]]


@pytest.mark.forebay_only
@pytest.mark.parametrize('checkpoint', (False, True))
def test_libraries_survive_a_kill(own_server, checkpoint):
    server = own_server()
    client = server.client()
    client('FUNCTION', 'LOAD', ECHO)
    client('FUNCTION', 'LOAD', STORE)
    client('FUNCTION', 'DELETE', 'echo')
    if checkpoint:
        assert client('SAVE') == 'OK'
        client('SET', 'a', 1)
        assert client('SAVE') == 'OK'
    server.restart(kill=True)
    client = server.client()
    assert client('FCALL', 'put', 1, 'a', 'v') == 'OK'
    assert client('FCALL', 'say', 0) == Error('ERR Function not found')
    client('FUNCTION', 'FLUSH')
    server.restart(kill=True)
    assert server.client()('FUNCTION', 'LIST') == []


def test_functions_are_found_in_any_case(client):
    load = "#!lua name=%s\nredis.register_function('%s', function() return '%s' end)"
    assert client('FUNCTION', 'LOAD', load % ('one', 'f', 'first')) == b'one'
    assert client('FCALL', 'F', 0) == b'first'
    assert client('FUNCTION', 'LOAD', load % ('two', 'F', 'second')) == Error('ERR Function F already exists')
    assert client('FUNCTION', 'DELETE', 'One') == Error('ERR Library not found')
    assert client('FUNCTION', 'DELETE', 'one') == 'OK'
