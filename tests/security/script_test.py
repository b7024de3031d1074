# SPDX-License-Identifier: BSD-3-Clause
"""Ways out of the script interpreter that are known from servers of this family, one story each. After each, the server
lives and answers; what must not be had is not there."""
import pytest

from tests.lib import server as servers
from tests.lib.resp import Error


@pytest.fixture
def run(client):
    def run(code, *arguments):
        return client('EVAL', code, 0, *arguments)
    return run


def test_cve_2021_32626_the_lua_stack_is_not_overrun(run):
    deep = "local t = {} for i = 1, 100000 do t = {t} end return t"
    assert isinstance(run(deep), (Error, list))
    assert isinstance(run("local function f(...) return f(1, ...) end local r = f() return r"), Error)
    assert isinstance(run("return string.format(string.rep('%s', 300000), unpack({}, 1, 7000))"), Error)
    assert isinstance(run("return cjson.encode(" + '{' * 150 + '}' * 150 + ')'), bytes)
    assert isinstance(run('local t = {} for i = 1, 20000 do t[i] = "x" end return redis.call("MSET", unpack(t))'), Error)


def test_cve_2021_32672_there_is_no_debugger(client):
    assert isinstance(client('SCRIPT', 'DEBUG', 'YES'), Error)


def test_cve_2022_0543_nothing_loads_code(run):
    for name in ('package', 'require', 'module', 'io', 'debug', 'loadfile', 'dofile', 'load', 'loadstring', 'newproxy',
                 'jit', 'ffi', 'getfenv', 'setfenv', 'print'):
        assert 'nonexistent global variable' in run('local v = %s return type(v)' % name)
    assert run('local names = {} for _, n in ipairs{"execute", "exit", "getenv", "remove", "tmpname"} do '
               'names[#names + 1] = type(os[n]) end return names') == [b'nil'] * 5
    assert run('return type(os.clock())') == b'number'
    assert run('return type(string.dump)') == b'nil'


def test_cve_2022_24735_nothing_is_left_for_the_next_script(run):
    for code in ("table.insert(redis, function() end) return 1", "table.insert(_G, 1) return 1",
                 "table.insert(string, 1) table.sort(string) return 1", "rawset(cjson, 'encode', 1) return 1",
                 "setmetatable(redis, {}) return 1", "setmetatable(_G, nil) return 1",
                 "getmetatable(_G).__index = {} return 1", "KEYS[1] = 'x' return 1",
                 "local m = getmetatable('') m.__index = nil return 1", "coroutine.wrap(function() x = 1 end)() return 1"):
        run(code)
    assert run('return #redis + #string + #KEYS + #_G') == 0
    assert run("return {('x'):rep(2), cjson.encode({1}), type(redis.call)}") == [b'xx', b'[1]', b'function']


def test_cve_2022_24736_a_broken_script_is_an_error(client):
    for code in ('', '\0', 'return', 'return (', '#!lua\n', '#!', '--[[', 'return [==[', '\x1bLJ\x02', 'a' * 100000,
                 '(' * 10000):
        client('EVAL', code, 0)
        client('SCRIPT', 'LOAD', code)
    assert client('PING') == 'PONG'


def test_cve_2022_24834_encoders_bound_what_they_make(run):
    huge = "local s = string.rep('\\1', 40000000) local t = {} for i = 1, 4 do t[i] = s end "
    assert isinstance(run(huge + 'return #cjson.encode(t)'), Error)
    assert isinstance(run("local s = string.rep('x', 60000000) local v = #cmsgpack.pack(s, s, s, s, s, s) return v"), Error)
    assert run('return #cjson.encode({string.rep("x", 1000000)})') == 1000004


def test_cve_2024_31449_bit_takes_any_width(run):
    for width in (0, 8, -8, 9, 1000, -1000, 2147483647, -2147483648, 1e300, -1e300):
        assert isinstance(run('return bit.tohex(-1, %r)' % width), bytes)


def test_cve_2024_46981_finalisers_cannot_be_made(run):
    assert 'nonexistent' in run('local p = newproxy(true) return 1')
    assert run("local t = setmetatable({}, {__gc = function() while true do end end}) t = nil "
               "collectgarbage('collect') return 1") == 1
    assert run("collectgarbage('setpause', 1000) collectgarbage('stop') return type(collectgarbage('count'))") == b'number'


def test_cve_2025_46817_unpack_is_bounded(run):
    for first, last in ((1, 1e9), (-2147483648, 2147483647), (0, 2147483647), (1, 1e300), (-1e300, 1)):
        assert isinstance(run('return {unpack({1, 2, 3}, %r, %r)}' % (first, last)), (Error, list))
    assert 'too many results' in run('local t = {unpack({}, 1, 100000000)} return 1')


def test_cve_2025_46818_metatables_of_basic_types_are_out_of_reach(run):
    assert isinstance(run("getmetatable('').__index = function() return 'mine' end"), Error)
    assert isinstance(run("getmetatable('').__add = function() return 'mine' end"), Error)
    assert isinstance(run("getmetatable('').__index.rep = 1"), Error)
    assert run('return {type(getmetatable(1)), type(getmetatable(nil)), type(getmetatable(print_not or true))}'
               .replace('print_not or ', '')) == [b'nil'] * 3


def test_cve_2025_46819_long_brackets_are_read_to_their_end(client):
    for code in ('return [' + '=' * 100000, 'return [' + '=' * 100000 + '[x]' + '=' * 100000 + ']', '--[' + '=' * 65536,
                 'return [[' + 'x' * 1000000 + ']]'):
        client('EVAL', code, 0)
    assert client('PING') == 'PONG'


def test_cve_2025_49844_chunk_names_live_as_long_as_the_parser(client):
    text = 'return {' + ','.join('"%d"' % i for i in range(50000)) + '}'
    for i in range(10):
        client('EVAL', text + ' --%d' % i, 0)
        error = client('EVAL', text + ' + (%d' % i, 0)
        assert 'user_script:1' in error
    client('SCRIPT', 'FLUSH')


def test_cve_2025_67733_an_error_reply_is_one_line(client, run):
    for code in (r"return redis.error_reply('ERR a\r\n+OK\r\n')", r"return {err = 'ERR a\r\n:1\r\n$-1'}",
                 r"return redis.status_reply('a\r\n-ERR b')", r"return {ok = 'a\nb\0c'}", r"error({err = 'ERR a\r\n+OK'})",
                 r"return {big_number = '1\r\n+OK'}", r"error('a\r\n+OK')"):
        run(code)
        assert client('ECHO', 'next') == b'next'


def test_cve_2026_23631_a_script_ends_before_the_data_goes(own_server_of_kind):
    server = own_server_of_kind(lua_time_limit=10)
    client, other = server.client(), server.client()
    client.send('EVAL', 'local c = coroutine.wrap(function() while true do coroutine.yield() end end) '
                        'while true do c() end', 0)
    servers.wait_until(lambda: isinstance(other('FLUSHALL'), Error), what='BUSY')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
    assert other('FLUSHALL') == 'OK'


@pytest.fixture
def own_server_of_kind(kind):
    started = []

    def start(**options):
        started.append(servers.start(kind, **options))
        return started[-1]
    yield start
    for server in started:
        server.remove()


def test_memory_is_bounded(run):
    assert isinstance(run("local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end"), Error)
    assert isinstance(run("return #string.rep('x', 1e10)"), (Error, int))
    assert isinstance(run("return #string.rep('x', 1e9)"), Error)
    assert run('return 1') == 1


def test_a_script_that_is_killed_cannot_catch_it(own_server_of_kind):
    server = own_server_of_kind(lua_time_limit=10)
    client, other = server.client(), server.client()
    client.send('EVAL', 'while true do pcall(function() while true do end end) end', 0)
    servers.wait_until(lambda: isinstance(other('GET', 'a'), Error), what='BUSY')
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(client.read(), Error)
