# SPDX-License-Identifier: BSD-3-Clause
"""Streams that are not in memory: their entries, groups and what is pending, over reading from rows and over a restart."""
import threading

import pytest

from tests.crash.stream_operations import observe
from tests.lib.server import wait_until

pytestmark = pytest.mark.forebay_only
STREAMS, ENTRIES = 20, 300


def key(number):
    return 'stream:%d' % number


def states(client):
    return [observe(reply) for reply in client.pipeline([('XINFO', 'STREAM', key(n), 'FULL', 'COUNT', 0) for n in range(STREAMS)])]


@pytest.fixture
def server(own_server):
    """Streams that were read in part, acknowledged in part, and trimmed."""
    server = own_server(tier='yes')
    with server.client() as client:
        for number in range(STREAMS):
            client.pipeline([('XADD', key(number), at, 'field', 'value-%d' % at, b'\xff%d' % at, at) for at in range(1, ENTRIES)])
            client.ok('XGROUP', 'CREATE', key(number), 'g', 0)
            client('XREADGROUP', 'GROUP', 'g', 'a', 'COUNT', 40 + number, 'STREAMS', key(number), '>')
            client('XACK', key(number), 'g', *range(10, 20))
            client('XCLAIM', key(number), 'g', 'b', 0, *range(5, 9), 'JUSTID')
            client('XTRIM', key(number), 'MAXLEN', ENTRIES - 4)
            client('XDEL', key(number), 100)
    return server


def test_streams_outlive_memory_restart_and_kill(server):
    with server.client() as client:
        before = states(client)
        client.ok('DEBUG', 'RELOAD')
        assert states(client) == before
        client.ok('DEBUG', 'RELOAD')
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        assert states(client) == before
        client.pipeline([('XADD', key(n), ENTRIES, 'more', 'x') for n in range(STREAMS)])
        client.pipeline([('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 3, 'STREAMS', key(n), '>') for n in range(STREAMS)])
        before = states(client)
    server.kill()
    server.start()
    with server.client() as client:
        assert states(client) == before


def test_a_cold_stream_goes_on_where_it_was(server):
    with server.client() as client:
        client.ok('DEBUG', 'RELOAD')
        assert client('XADD', key(0), '%d-*' % (ENTRIES - 1), 'f', 'v') == b'%d-1' % (ENTRIES - 1)
        client.ok('DEBUG', 'RELOAD')
        assert client('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', key(1), '>')[0][1][0][0] == b'42-0'
        client.ok('DEBUG', 'RELOAD')
        assert client('XACK', key(2), 'g', 1, 2, 3) == 3
        client.ok('DEBUG', 'RELOAD')
        assert client('XRANGE', key(3), 150, 150) == [[b'150-0', [b'field', b'value-150', b'\xff150', b'150']]]
        client.ok('DEBUG', 'RELOAD')
        assert len(client('XREAD', 'COUNT', 2, 'STREAMS', *map(key, range(STREAMS)), *[7] * STREAMS)) == STREAMS


def test_a_reader_waits_for_a_stream_that_was_cold(server):
    replies = []

    def read():
        with server.client() as reader:
            replies.append(reader('XREAD', 'BLOCK', 0, 'STREAMS', key(0), '$'))
    with server.client() as client:
        client.ok('DEBUG', 'RELOAD')
        thread = threading.Thread(target=read)
        thread.start()
        wait_until(lambda: b'blocked_clients:1\r\n' in client('INFO', 'clients'))
        client.ok('DEBUG', 'RELOAD')
        client('XADD', key(0), ENTRIES, 'f', 'v')
        thread.join(60)
    assert replies == [[[key(0).encode(), [[b'%d-0' % ENTRIES, [b'f', b'v']]]]]]
