# SPDX-License-Identifier: BSD-3-Clause
"""Hostile bytes on a connection: each story names the vulnerabilities of the Redis family that it is about."""
import os
import select
import socket
import stat
import threading
import time

import pytest

from tests.lib import payload, server as servers
from tests.lib.resp import PATIENCE, Client, Error, encode
from tests.lib.server import wait_until


def closed_with(client, text):
    """The server says why and closes."""
    reply = client.read()
    assert isinstance(reply, Error) and text in reply, reply
    assert client.reads_nothing_more()


@pytest.mark.parametrize('data, text', [
    (b'*abc\r\n', 'Protocol error: invalid multibulk length'),
    (b'*99999999999999999999\r\n', 'Protocol error: invalid multibulk length'),
    (b'*2147483648\r\n', 'Protocol error: invalid multibulk length'),
    (b'*1\r\n$abc\r\n', 'Protocol error: invalid bulk length'),
    (b'*1\r\n$-1\r\n', 'Protocol error: invalid bulk length'),
    (b'*1\r\n$536870913\r\n', 'Protocol error: invalid bulk length'),
    (b'*1\r\n$9223372036854775807\r\n', 'Protocol error: invalid bulk length'),
    (b'*1\r\n$18446744073709551615\r\n', 'Protocol error: invalid bulk length'),
    (b'*1\r\n+PING\r\n', "Protocol error: expected '$', got '+'"),
    (b'*1\r\n:1\r\n', "Protocol error: expected '$', got ':'"),
    (b'SET k "unbalanced\r\n', 'Protocol error: unbalanced quotes in request'),
    (b'a' * (65536 + 100), 'Protocol error: too big inline request'),
    (b'*' + b'1' * 66000, 'Protocol error: too big mbulk count string'),
    (b'*1\r\n$' + b'1' * 66000, 'Protocol error: too big bulk count string'),
])
def test_malformed_requests_end_the_connection_with_a_reason(client, data, text):
    client.send_raw(data)
    closed_with(client, text)


@pytest.mark.parametrize('count', [0, -1, -5, -2147483648])
def test_an_empty_request_then_a_malformed_one(client, connect, count):
    """CVE-2026-27623: a request of no words, followed by nonsense, must not bring the server down."""
    client.send_raw(b'*%d\r\n' % count * 3 + b'\r\n\r\n' + b'*1\r\n$4\r\nPING\r\n' + b'*1\r\n!bad\r\n')
    assert client.read() == 'PONG'
    closed_with(client, "expected '$', got '!'")
    assert connect()('PING') == 'PONG'


def test_announced_sizes_cost_nothing_before_the_bytes_come(server):
    """CVE-2021-32675, CVE-2021-32672: many connections that announce huge requests."""
    before = server.rss()
    clients = [server.client() for _ in range(200)]
    for client in clients[:100]:
        client.send_raw(b'*1048576\r\n')
    for client in clients[100:]:
        client.send_raw(b'*2\r\n$3\r\nGET\r\n$536870912\r\nx')
    with server.client() as other:
        for _ in range(50):
            assert other('PING') == 'PONG'
    growth = server.rss() - before
    for client in clients:
        client.close()
    assert growth < 200 * 100000, 'resident memory grew by %d bytes' % growth


@pytest.mark.forebay_only
def test_before_auth_only_small_requests_are_read(own_server):
    """CVE-2021-32675, CVE-2025-21605: who has not authenticated gets neither memory nor patience."""
    server = own_server(requirepass='secret')
    with server.client() as client:
        client.send_raw(b'*1000\r\n')
        closed_with(client, 'unauthenticated multibulk length')
    with server.client() as client:
        client.send_raw(b'*2\r\n$4\r\nAUTH\r\n$1000000\r\n')
        closed_with(client, 'unauthenticated bulk length')


def test_before_auth_replies_do_not_pile_up(own_server):
    """CVE-2025-21605: an unauthenticated client that never reads must not make the server grow."""
    server = own_server(requirepass='secret')
    before = server.rss()
    client = Client(server.address, timeout=3)
    request = encode('GET', 'k') * 10000
    sent = 0
    try:
        while sent < 40000000:
            sent += client.socket.send(request)
    except (ConnectionError, socket.timeout):
        pass
    growth = server.rss() - before
    client.close()
    assert growth < 30000000, 'resident memory grew by %d bytes' % growth
    with server.client() as other:
        assert other('AUTH', 'secret') == 'OK' and other('PING') == 'PONG'


def test_repeated_protocol_errors_starve_nobody(server):
    """CVE-2025-48367: others are served while somebody opens connections and sends nonsense."""
    stop = threading.Event()

    def annoy():
        while not stop.is_set():
            try:
                with server.client(timeout=5) as client:
                    client.send_raw(b'*1\r\n$-5\r\n' * 10)
                    client.reads_nothing_more()
            except OSError:
                pass
    threads = [threading.Thread(target=annoy) for _ in range(4)]
    for thread in threads:
        thread.start()
    slowest = 0
    with server.client() as client:
        for _ in range(300):
            began = time.monotonic()
            assert client('PING') == 'PONG'
            slowest = max(slowest, time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    assert slowest < 5 * PATIENCE, 'a PING took %.2f s' % slowest


def test_connections_cut_in_the_middle_of_anything(server):
    data = encode('SET', 'k', 'v' * 200) + encode('MULTI') + encode('SET', 'k', 'w') + encode('EXEC')
    for at in range(0, len(data), 3):
        client = server.client()
        client.send_raw(data[:at])
        client.close()
    with server.client() as client:
        assert client('PING') == 'PONG'


def test_random_bytes_do_no_harm(server):
    import random
    rng = random.Random(5)
    tokens = [b'*', b'$', b'\r\n', b'1', b'3', b'GET', b'SET', b'k', b'-1', b'\x00', b'"', b'999999', b'MULTI', b'EXEC', b' ', b'\n', b'HELLO', b'_', b'%']
    for _ in range(500):
        client = server.client()
        try:
            client.send_raw(b''.join(rng.choice(tokens) for _ in range(rng.randrange(60))))
        except ConnectionError:
            pass
        client.close()
    with server.client() as client:
        assert client('PING') == 'PONG'


@pytest.mark.parametrize('first', [b'POST / HTTP/1.1', b'GET / HTTP/1.1'])
def test_http_requests_store_nothing(client, connect, first):
    """A browser that is made to send a request to the port must not get commands through."""
    browser = connect()
    browser.send_raw(first + b'\r\nHost: localhost:6379\r\nX: y\r\n\r\nSET stolen v\r\n')
    while not browser.reads_nothing_more():
        pass
    assert client('EXISTS', 'stolen') == 0


def test_glob_patterns_take_no_exponential_time(client):
    """CVE-2022-36021: stars that can be matched in very many ways."""
    client('SET', 'a' * 60, 1)
    for pattern in ('a*' * 30 + 'b', '*a' * 30 + 'b', 'a*?' * 30 + 'b', '[a]*' * 30 + 'b'):
        began = time.monotonic()
        assert client('KEYS', pattern) == []
        assert client('SCAN', 0, 'MATCH', pattern, 'COUNT', 10)[1] == []
        assert client('CONFIG', 'GET', pattern) == []
        assert time.monotonic() - began < 10 * PATIENCE, pattern


@pytest.mark.parametrize('pattern', ['*' * 200000, 'a' * 200000, '?' * 200000, '[' * 200000, '\\' * 200000, '*a' * 100000, '[a-' * 60000])
def test_very_long_glob_patterns_exhaust_no_stack(client, pattern):
    """CVE-2024-31228."""
    client('SET', 'a' * 1000, 1)
    assert isinstance(client('KEYS', pattern), (list, Error))


def test_msetnx_of_one_key_twice(client):
    """CVE-2023-28425: asserted in Redis 7.0.8 to 7.0.10."""
    assert client('MSETNX', 'k', 1, 'k', 2) == 1
    assert client('GET', 'k') == b'2'
    assert client('DBSIZE') == 1


def test_lcs_of_large_strings_is_bounded(client):
    """CVE-2021-29477, CVE-2021-32625: the table's size must be computed without overflow, and refused."""
    client('SET', 'a', 'a' * 50000)
    client('SET', 'b', 'b' * 50000)
    reply = client('LCS', 'a', 'b', 'LEN')
    assert reply == 0 or isinstance(reply, Error)
    client('SETRANGE', 'c', 200000000, 'x')
    reply = client('LCS', 'c', 'c')
    assert isinstance(reply, Error), reply
    assert client('PING') == 'PONG'


@pytest.mark.parametrize('offset', [536870911 * 2, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, -1, -(1 << 63), 1 << 63])
def test_setrange_at_extreme_offsets(client, offset):
    """CVE-2022-35977: nothing is allocated for what will be refused."""
    client('SET', 'k', 'v')
    assert isinstance(client('SETRANGE', 'k', offset, 'x'), Error)
    assert client('GET', 'k') == b'v'


def test_getrange_at_extreme_offsets(client):
    client('SET', 'k', 'value')
    for start in (-(1 << 63), (1 << 63) - 1, 0, -1):
        for end in (-(1 << 63), (1 << 63) - 1, 0, -1):
            assert client('GETRANGE', 'k', start, end) in (b'', b'value', b'v', b'e')


def test_append_stops_at_the_largest_string(client):
    """CVE-2021-41099: lengths are added without overflow, and bounded by proto-max-bulk-len."""
    client('CONFIG', 'SET', 'proto-max-bulk-len', 1048576)
    try:
        client('SET', 'k', 'x' * 1000000)
        assert client('APPEND', 'k', 'y' * 100000) == Error('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
        assert client('SETRANGE', 'k', 1048570, 'y' * 100) == Error(
            'ERR string exceeds maximum allowed size (proto-max-bulk-len)')
        assert client('STRLEN', 'k') == 1000000
    finally:
        client('CONFIG', 'SET', 'proto-max-bulk-len', 536870912)


def test_proto_max_bulk_len_cannot_be_raised_to_an_overflow(client):
    """CVE-2021-21309, CVE-2021-32627."""
    for value in (1 << 63, -1, 0, 1):
        assert isinstance(client('CONFIG', 'SET', 'proto-max-bulk-len', value), Error), value
    assert client('CONFIG', 'GET', 'proto-max-bulk-len')[1] == b'536870912'


@pytest.mark.parametrize('body', [
    b'\x00', b'\x00\x80\xff\xff\xff\xff', b'\x00\x81' + b'\xff' * 8, b'\x00\xc3', b'\x00\xc3\x01\x01', b'\x00\xc3\x05\x80\xff\xff\xff\xffabcde',
    b'\x00\xc3\x02\x0a\xe0\x00', b'\x00\xc3\x03\x0a\x20\xff\xff', b'\x00\xc4abc', b'\x00\x40', b'\xff', b'\x10',
    b'\x01\x81' + b'\xff' * 8, b'\x02\x80\xff\xff\xff\xff', b'\x0b\x04\x02\x00\x00', b'\x0a\x03abc', b'\x09\x05abcde', b'\x11\x05abcde', b'\x0e\x01\x02',
    b'\x0f\x01', b'\x15\x01', b'\x07abc', b'\x06', b'\x14\x03abc', b'\x12\x01\x02\x03abc'])
def test_restore_of_crafted_payloads_is_refused(client, body):
    """CVE-2026-25243 and its kin: version and CRC are right, what is inside is not."""
    reply = client('RESTORE', 'k', 0, payload.seal(body))
    assert reply == Error('ERR Bad data format'), reply
    assert client('EXISTS', 'k') == 0


@pytest.mark.forebay_only
@pytest.mark.parametrize('body', [b'\x00\x05abc', b'\x00\x02abc', b'\x00\x0babc'])
def test_restore_takes_neither_less_nor_more_than_the_value(client, body):
    """The reference reads on into the checksum, and ignores what is left over."""
    assert client('RESTORE', 'k', 0, payload.seal(body)) == Error('ERR Bad data format')


def test_restore_of_random_payloads_never_harms(client):
    import random
    rng = random.Random(3)
    for _ in range(2000):
        body = bytes([rng.choice((0, 0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21))]) + rng.randbytes(rng.randrange(30))
        client('RESTORE', 'k', 0, payload.seal(body), 'REPLACE')
        client('GET', 'k')
    assert client('PING') == 'PONG'


def test_restore_checks_the_checksum_even_if_it_is_zero(client):
    """A zero CRC means "not computed" in RDB files, never in RESTORE."""
    whole = payload.string(b'hello')
    assert client('RESTORE', 'k', 0, whole[:-8] + bytes(8)).startswith('ERR DUMP payload version or checksum')


def test_command_getkeys_with_counts_that_lie(client):
    """CVE-2023-36824: key positions computed from arguments."""
    for words in (('EVAL', 'x', -1), ('EVAL', 'x', 99999999999), ('ZUNIONSTORE', 'a', -1, 'b'), ('ZUNIONSTORE', 'a', 1 << 31, 'b'),
                  ('ZINTERCARD', 0, 'a'), ('XREAD', 'STREAMS'), ('SORT', 'a', 'STORE'), ('MIGRATE', 'h', 1, '', 0, 1, 'KEYS'),
                  ('BITFIELD', 'a', 'GET'), ('GEORADIUS', 'a', 1, 2, 3, 'm', 'STORE'), ('MSET', 'a'), ('OBJECT', 'ENCODING')):
        assert isinstance(client('COMMAND', 'GETKEYS', *words), (list, Error)), words
        assert isinstance(client('COMMAND', 'GETKEYSANDFLAGS', *words), (list, Error)), words
    assert client('PING') == 'PONG'


def test_error_replies_carry_no_line_breaks_of_the_client(client):
    """CVE-2025-67733: a reply within a reply."""
    client.send('NOSUCH\r\n+OK\r\n', 'a\r\n$1\r\nx')
    reply = client.read()
    assert isinstance(reply, Error) and '\r' not in reply and '\n' not in reply
    assert client('PING') == 'PONG'
    for words in (('CLIENT', 'x\r\n+OK'), ('CONFIG', 'SET', 'x\r\n+OK', 'y'), ('HELLO', '3', 'x\r\n+OK'), ('EXPIRE', 'k', 1, 'x\r\n+OK'),
                  ('OBJECT', 'a\r\nb'), ('CONFIG', 'SET', 'maxmemory', 'x\r\n+OK')):
        client('SET', 'k', 'v')
        assert isinstance(client(*words), Error), words
        assert client('PING') == 'PONG', words


def test_killing_clients_while_they_are_at_work(server):
    """CVE-2026-56684, CVE-2026-23479: a client is freed only when nothing refers to it any more."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            try:
                with server.client(timeout=5) as client:
                    while not stop.is_set():
                        client.pipeline([('WATCH', 'k'), ('MULTI',), ('SET', 'k', 'x' * 20000), ('GET', 'k'), ('EXEC',), ('GET', 'k')])
            except OSError:
                pass
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with server.client() as client:
        for _ in range(300):
            client.ok('CLIENT', 'KILL', 'TYPE', 'normal')
            client.ok('CLIENT', 'LIST')
        stop.set()
        assert client('PING') == 'PONG'
    for thread in threads:
        thread.join()


def test_a_reply_that_nobody_reads_is_bounded_by_the_socket(server, kind):
    """CVE-2023-41056 and kin: requests are not read on while replies pile up beyond a bound."""
    with server.client() as other:
        other('SET', 'k', 'x' * 100000)
        before = server.rss()
        client = server.client()
        client.socket.setblocking(False)
        request, sent = encode('GET', 'k') * 100, 0
        while sent < 4000000 and select.select([], [client.socket], [], 0.5)[1]:
            try:
                sent += client.socket.send(request)
            except ConnectionError:
                break
        growth = server.rss() - before
        client.close()
        assert other('PING') == 'PONG'
    if kind == 'forebay':  # the reference bounds what replies take only by client-output-buffer-limit
        assert growth < 64 << 20


@pytest.mark.parametrize('mode', ['700', '770'])
def test_a_unix_socket_is_never_open_to_others(kind, tmp_path, mode):
    """CVE-2023-45145: between bind and chmod anybody could connect. Watched in a tight loop from before the start."""
    path = str(tmp_path / 'forebay.sock')
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            try:
                seen.add(stat.S_IMODE(os.stat(path).st_mode))
            except FileNotFoundError:
                pass
    server = servers.Server(kind, unixsocket=path, unixsocketperm=mode)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        server.start()
        wait_until(lambda: seen, what='the socket being seen')
        with Client(path) as client:
            assert client('PING') == 'PONG'
        assert stat.S_IMODE(os.stat(path).st_mode) == int(mode, 8)
    finally:
        stop.set()
        watcher.join()
        server.remove()
    assert not [oct(found) for found in seen if found & ~int(mode, 8)]


def test_a_server_on_all_addresses_without_a_password_refuses_strangers(kind):
    """Protected mode: the default must not be an open database."""
    server = servers.Server(kind, bind='*')
    try:
        server.start()
        with server.client() as client:
            assert client('CONFIG', 'GET', 'protected-mode') == [b'protected-mode', b'yes']
    finally:
        server.remove()
