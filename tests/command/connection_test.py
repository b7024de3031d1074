# SPDX-License-Identifier: BSD-3-Clause
"""The connection: greeting, protocol versions, names, CLIENT, pipelines, inline commands."""
import threading

import pytest

from tests.lib.resp import Error, Push, encode
from tests.lib.server import wait_until


def fields(line):
    """A line of CLIENT LIST as a dict."""
    return dict(word.split('=', 1) for word in bytes(line).decode().strip().split(' '))


def listed(client, *options):
    return [fields(line) for line in bytes(client.ok('CLIENT', 'LIST', *options)).splitlines()]


def test_ping_and_echo(client):
    assert client('PING') == 'PONG'
    assert client('PING', 'hello') == b'hello'
    assert client('ECHO', 'a\r\nb') == b'a\r\nb'
    assert client('PING', 'a', 'b') == Error("ERR wrong number of arguments for 'ping' command")


def test_command_names_have_no_case(client):
    assert client('pInG') == 'PONG'
    assert client('sEt', 'k', 'v', 'nX', 'eX', 100) == 'OK'


def test_an_unknown_command_is_named_with_its_arguments(client):
    assert client('nosuch', 'a', 'b') == Error("ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ")
    assert client('nosuch') == Error("ERR unknown command 'nosuch', with args beginning with: ")
    assert client('CLIENT', 'NOSUCH') == Error("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")
    assert client('CONFIG') == Error("ERR wrong number of arguments for 'config' command")


def test_inline_commands(client):
    client.send_raw(b'PING\r\n')
    assert client.read() == 'PONG'
    client.send_raw(b'SET k "a b"\n')
    assert client.read() == 'OK'
    client.send_raw(b"GET  'k'\r\n")
    assert client.read() == b'a b'
    client.send_raw(b'SET k "\\x00\\n\\"" \r\nGET k\r\n')
    assert [client.read(), client.read()] == ['OK', b'\x00\n"']
    client.send_raw(b'\r\n\r\nPING\r\n')
    assert client.read() == 'PONG'


def test_a_request_may_arrive_in_any_pieces(client):
    data = encode('SET', 'k', 'v' * 100) + encode('GET', 'k') + b'PING\r\n'
    for at in range(len(data)):
        client.send_raw(data[at:at + 1])
    assert [client.read() for _ in range(3)] == ['OK', b'v' * 100, 'PONG']


def test_a_long_pipeline_is_answered_in_order(client):
    assert client.pipeline([('ECHO', n) for n in range(10000)]) == [b'%d' % n for n in range(10000)]


def test_a_pipeline_may_be_sent_before_any_reply_is_read(client, server):
    """Replies of many megabytes wait in the server, or hold up reading, but nothing is lost."""
    client('SET', 'k', 'x' * 100000)
    sender = threading.Thread(target=client.send_raw, args=(encode('GET', 'k') * 500,))
    sender.start()
    for _ in range(500):
        assert len(client.read()) == 100000
    sender.join()


def test_hello_tells_about_the_server(client):
    reply = client('HELLO')
    about = dict(zip(reply[::2], reply[1::2]))
    assert about[b'server'] == b'redis' and about[b'proto'] == 2 and about[b'mode'] == b'standalone'
    assert about[b'role'] == b'master' and about[b'modules'] == [] and isinstance(about[b'id'], int)


def test_hello_3_switches_to_resp3_and_hello_2_back(client):
    assert client('HELLO', 3)[b'proto'] == 3
    assert client('GET', 'missing') is None and client.raw() == b'_\r\n'
    assert isinstance(client('CONFIG', 'GET', 'maxmemory'), dict)
    assert isinstance(client('HELLO', 2), list)
    assert client('GET', 'missing') is None and client.raw() == b'$-1\r\n'


def test_hello_with_a_name(client):
    client('HELLO', 3, 'SETNAME', 'me')
    assert client('CLIENT', 'GETNAME') == b'me'
    assert client('HELLO', 3, 'SETNAME', 'a b') == Error(
        'ERR Client names cannot contain spaces, newlines or special characters.')


def test_hello_refuses_other_versions_and_options(client):
    assert client('HELLO', 4) == Error('NOPROTO unsupported protocol version')
    assert client('HELLO', 1) == Error('NOPROTO unsupported protocol version')
    assert client('HELLO', 'x') == Error('ERR Protocol version is not an integer or out of range')
    assert client('HELLO', 3, 'NOPE') == Error("ERR Syntax error in HELLO option 'NOPE'")
    assert client.raw()[:1] == b'-'


def test_auth_without_a_password_set(client):
    assert client('AUTH', 'x').startswith('ERR AUTH <password> called without any password configured')
    assert client('AUTH', 'default', 'anything') == 'OK'
    assert client('AUTH', 'nobody', 'x') == Error('WRONGPASS invalid username-password pair or user is disabled.')


def test_a_password_is_asked_for(own_server):
    server = own_server(requirepass='secret')
    client = server.client()
    assert client('GET', 'k') == Error('NOAUTH Authentication required.')
    assert client('HELLO', 3).startswith('NOAUTH HELLO must be called with the client already authenticated')
    assert client('AUTH', 'wrong') == Error('WRONGPASS invalid username-password pair or user is disabled.')
    assert client('PING') == Error('NOAUTH Authentication required.')
    assert client('AUTH', 'secret') == 'OK'
    assert client('GET', 'k') is None
    other = server.client()
    assert other('HELLO', 3, 'AUTH', 'default', 'secret')[b'proto'] == 3
    assert other('SET', 'k', 'v') == 'OK'
    third = server.client()
    assert third('AUTH', 'default', 'secret') == 'OK'
    assert third('RESET') == 'RESET'
    assert third('GET', 'k') == Error('NOAUTH Authentication required.')


def test_quit_answers_and_closes(client):
    client.send('QUIT')
    assert client.read() == 'OK'
    assert client.reads_nothing_more()


def test_reset_returns_to_the_beginning(connect):
    client = connect(protocol=3)
    client('SELECT', 3)
    client('CLIENT', 'SETNAME', 'me')
    client('MULTI')
    assert client('RESET') == 'RESET'
    assert client('CLIENT', 'GETNAME') is None and client.raw() == b'$-1\r\n'
    assert fields(client('CLIENT', 'INFO'))['db'] == '0'


def test_client_names(client):
    assert client('CLIENT', 'GETNAME') is None
    assert client('CLIENT', 'SETNAME', 'me') == 'OK'
    assert client('CLIENT', 'GETNAME') == b'me'
    assert client('CLIENT', 'SETNAME', '') == 'OK'
    assert client('CLIENT', 'GETNAME') is None
    assert client('CLIENT', 'SETNAME', 'a b').startswith('ERR Client names cannot contain spaces')


def test_client_ids_grow(client, connect):
    first, second = client('CLIENT', 'ID'), connect()('CLIENT', 'ID')
    assert 0 < first < second


def test_client_info_has_the_fields_that_tools_read(client):
    client('CLIENT', 'SETNAME', 'me')
    client('SELECT', 2)
    info = fields(client('CLIENT', 'INFO'))
    for name in ('id', 'addr', 'laddr', 'fd', 'name', 'age', 'idle', 'flags', 'db', 'sub', 'psub', 'multi', 'qbuf', 'qbuf-free',
                 'argv-mem', 'obl', 'oll', 'omem', 'tot-mem', 'events', 'cmd', 'user', 'redir', 'resp'):
        assert name in info, name
    assert info['name'] == 'me' and info['db'] == '2' and info['cmd'] == 'client|info'
    assert info['resp'] == '2' and info['user'] == 'default' and info['multi'] == '-1'
    assert info['addr'] == '%s:%d' % client.socket.getsockname()


def test_client_list_lists_connections(client, connect):
    other = connect()
    other('CLIENT', 'SETNAME', 'other')
    number = other('CLIENT', 'ID')
    assert 'other' in [row['name'] for row in listed(client)]
    assert [row['name'] for row in listed(client, 'ID', number)] == ['other']
    assert listed(client, 'TYPE', 'pubsub') == []
    assert client('CLIENT', 'LIST', 'TYPE', 'none') == Error("ERR Unknown client type 'none'")


def test_client_kill_closes_another_connection(client, connect):
    other = connect()
    number = other('CLIENT', 'ID')
    assert client('CLIENT', 'KILL', 'ID', number) == 1
    assert other.reads_nothing_more()
    assert client('CLIENT', 'KILL', 'ID', number) == 0
    third = connect()
    third('PING')
    assert client('CLIENT', 'KILL', '%s:%d' % third.socket.getsockname()) == 'OK'
    assert third.reads_nothing_more()
    assert client('CLIENT', 'KILL', '1.2.3.4:5') == Error('ERR No such client')


def test_client_kill_skips_the_caller_unless_told(client, connect):
    number = client('CLIENT', 'ID')
    assert client('CLIENT', 'KILL', 'ID', number) == 0
    client.send('CLIENT', 'KILL', 'ID', number, 'SKIPME', 'no')
    assert client.read() == 1
    assert client.reads_nothing_more()


def test_client_reply_off_skip_on(client):
    client.send('CLIENT', 'REPLY', 'OFF')
    client.send('PING')
    client.send('CLIENT', 'REPLY', 'ON')
    assert client.read() == 'OK'
    client.send('CLIENT', 'REPLY', 'SKIP')
    client.send('SET', 'k', 'v')
    assert client('GET', 'k') == b'v'


def test_client_pause_holds_commands_until_unpause(client, connect):
    other = connect()
    assert client('CLIENT', 'PAUSE', 100000, 'WRITE') == 'OK'
    assert other('GET', 'k') is None
    other.send('SET', 'k', 'v')
    assert client('GET', 'k') is None
    assert client('CLIENT', 'UNPAUSE') == 'OK'
    assert other.read() == 'OK'
    assert client('CLIENT', 'PAUSE', 50) == 'OK'
    assert other('PING') == 'PONG'


def test_client_unblock_of_nobody(client):
    assert client('CLIENT', 'UNBLOCK', 99999999) == 0


def test_client_no_evict(client):
    assert client('CLIENT', 'NO-EVICT', 'on') == 'OK'
    assert client('CLIENT', 'NO-EVICT', 'off') == 'OK'
    assert client('CLIENT', 'NO-EVICT', 'x') == Error('ERR syntax error')


@pytest.mark.forebay_only
def test_client_no_touch(client):
    assert client('CLIENT', 'NO-TOUCH', 'on') == 'OK'
    assert client('CLIENT', 'NO-TOUCH', 'off') == 'OK'


@pytest.mark.forebay_only
def test_client_setinfo_names_the_library(client):
    assert client('CLIENT', 'SETINFO', 'lib-name', 'redis-py') == 'OK'
    assert client('CLIENT', 'SETINFO', 'LIB-VER', '1.2.3') == 'OK'
    info = fields(client('CLIENT', 'INFO'))
    assert info['lib-name'] == 'redis-py' and info['lib-ver'] == '1.2.3'
    assert client('CLIENT', 'SETINFO', 'nope', 'x') == Error("ERR Unrecognized option 'nope'")
    assert client('CLIENT', 'SETINFO', 'lib-name', 'a b').startswith('ERR lib-name cannot contain spaces')


def test_a_closed_connection_leaves_the_list(client, server):
    other = server.client()
    number = other('CLIENT', 'ID')
    other.close()
    wait_until(lambda: not listed(client, 'ID', number), what='the connection to leave the list')


def test_maxclients_refuses_one_too_many(own_server):
    server = own_server(maxclients=5)
    clients = []

    def one_more():
        clients.append(server.client())
        try:
            if clients[-1]('PING') == 'PONG':
                return True
        except ConnectionError:
            pass
        clients.pop().close()  # the connection that asked whether the server was up may still be counted
    for _ in range(5):
        wait_until(one_more, what='a connection')
    extra = server.client()
    try:
        assert extra.read() == Error('ERR max number of clients reached')
        assert extra.reads_nothing_more()
    finally:
        extra.close()
    clients[0].close()

    def accepted():
        with server.client() as again:
            try:
                return again('PING') == 'PONG'
            except ConnectionError:
                return False
    wait_until(accepted, what='room for one more')


def test_idle_connections_are_closed_after_the_timeout(own_server):
    server = own_server(timeout=1)
    client = server.client()
    assert client('PING') == 'PONG'
    assert client.reads_nothing_more()


def test_monitor_shows_commands(client, connect):
    watcher = connect()
    assert watcher('MONITOR') == 'OK'
    client('SET', 'k', 'a "b"\n')
    line = watcher.read()
    assert line.endswith('] "SET" "k" "a \\"b\\"\\n"') and ' [0 127.0.0.1:' in line
