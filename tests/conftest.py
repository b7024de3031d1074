# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the protocol stories. `pytest --against redis` tells them to redis-server instead, which shows that a
story holds for the reference and not only for us; stories of later features are marked forebay_only."""
import gc
import signal

import pytest

from tests.lib import server as servers
from tests.lib.resp import PATIENCE

STORY_SECONDS_MAX = 300
ALONE_SECONDS_MAX = 2


def pytest_addoption(parser):
    parser.addoption('--against', choices=('forebay', 'redis'), default='forebay',
                     help='the server that the stories are told to')
    parser.addoption('--scale', type=float, default=1.0, help='makes long tests longer (2) or shorter (0.2)')


def pytest_configure(config):
    config.addinivalue_line('markers', 'forebay_only: a feature that the reference server does not have')
    config.addinivalue_line('markers', 'slow: takes more than a few seconds')
    config.addinivalue_line('markers', 'alone: measures times or the load, and runs when no other story does')


def pytest_collection_modifyitems(config, items):
    if config.getoption('--against') == 'redis':
        skip = pytest.mark.skip(reason='the reference server does not have it')
        for item in items:
            if item.get_closest_marker('forebay_only'):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def bounded(request):
    """A story that does not end fails where it stands, so that the run goes on and tells which it was."""
    def too_long(*_):
        pytest.fail('took longer than %d seconds' % STORY_SECONDS_MAX)
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(int(STORY_SECONDS_MAX * PATIENCE))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope='session')
def kind(request):
    kind = request.config.getoption('--against')
    if not servers.binary(kind):
        pytest.skip('no %s program' % kind)
    return kind


@pytest.fixture(scope='session')
def scale(request):
    return request.config.getoption('--scale')


@pytest.fixture(scope='session')
def shared_server(kind):
    """One server for all stories of a session, or of one of its workers: they leave it as they found it (no keys, default
    options)."""
    with servers.start(kind) as server:
        yield server


def wait_alone(client):
    """Until the server has noticed that the connections of the story before are closed: they may have subscribed to
    something, or be among those that are listed and counted. Somebody who is still there after all does no harm to most."""
    def is_alone():
        if b'connected_clients:1\r\n' in client.ok('INFO', 'clients'):
            return True
        gc.collect()
        return False
    servers.comes_true(is_alone, ALONE_SECONDS_MAX, interval=0.002)


@pytest.fixture
def server(shared_server):
    if not shared_server.is_alive():
        pytest.fail('the server died in an earlier story:\n' + shared_server.log_tail(), pytrace=False)
    with shared_server.client() as client:
        client.ok('FLUSHALL')
        wait_alone(client)
    yield shared_server
    assert shared_server.is_alive(), 'the server died in this story:\n' + shared_server.log_tail()


@pytest.fixture
def connect(server):
    """Opens more connections to the shared server; all are closed in the end."""
    clients = []

    def connect(**options):
        clients.append(server.client(**options))
        return clients[-1]
    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    """One RESP2 connection to an empty server."""
    return connect()


@pytest.fixture
def client3(connect):
    """One RESP3 connection to an empty server."""
    return connect(protocol=3)


@pytest.fixture
def own_server(kind):
    """Starts servers of the story's own, with its own directives."""
    started = []

    def start(**options):
        started.append(servers.start(kind, **options))
        return started[-1]
    yield start
    for server in started:
        print('---- %s' % server.state())
        server.remove()
