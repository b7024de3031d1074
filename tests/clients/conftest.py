# SPDX-License-Identifier: BSD-3-Clause
"""What the stories of this folder share: programs that use a library, told to a server of one thread and to one of four.
The node libraries are installed once into build/clients from the npm registry."""
import filecmp
import os
import shutil
import subprocess
import sys

import pytest

from tests.lib import server as servers

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALLED = os.path.join(servers.ROOT, 'build', 'clients')
INSTALL_SECONDS_MAX = 300
INSTALL_ATTEMPTS = 2
PROGRAM_SECONDS_MAX = 240
# What npm says where there is no way to the registry.
NO_WAY = ('ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT', 'ECONNRESET', 'ERR_SOCKET_TIMEOUT')


class Unreachable(Exception):
    """The registry is not to be had from here; says how that shows."""


def run_npm(directory):
    try:
        done = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'], cwd=directory,
                              timeout=INSTALL_SECONDS_MAX, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        raise Unreachable('npm install took longer than %d seconds' % INSTALL_SECONDS_MAX) from None
    said = done.stdout.decode(errors='replace')
    if done.returncode and any(code in said for code in NO_WAY):
        raise Unreachable(said[-800:])
    if done.returncode:
        raise RuntimeError('npm install failed: ' + said[-800:])


def install_into(directory):
    for attempt in range(1, INSTALL_ATTEMPTS + 1):
        try:
            return run_npm(directory)
        except Unreachable:
            if attempt == INSTALL_ATTEMPTS:
                raise


def install(modules):
    """Into 'modules', as package.json says. Whoever comes when it is done already leaves it as it is."""
    wanted, had = os.path.join(HERE, 'package.json'), os.path.join(INSTALLED, 'package.json')
    if os.path.isdir(modules) and os.path.exists(had) and filecmp.cmp(wanted, had, shallow=False):
        return
    shutil.rmtree(INSTALLED, ignore_errors=True)
    os.makedirs(INSTALLED)
    fresh = os.path.join(INSTALLED, 'fresh')
    os.makedirs(fresh)
    shutil.copy(wanted, fresh)
    install_into(fresh)
    os.rename(os.path.join(fresh, 'node_modules'), modules)
    shutil.copy(wanted, had)


@pytest.fixture(scope='session')
def node_modules():
    if not shutil.which('npm') or not shutil.which('node'):
        pytest.skip('node is not installed')
    modules = os.path.join(INSTALLED, 'node_modules')
    try:
        install(modules)
    except Unreachable as problem:
        pytest.skip('the registry of node libraries cannot be reached: %s' % problem)
    except RuntimeError as problem:
        pytest.fail('the node libraries cannot be installed: %s' % problem, pytrace=False)
    return modules


@pytest.fixture(scope='session', params=(1, 4), ids=('one thread', 'four threads'))
def started(request, kind):
    options = {'threads': request.param} if kind == 'forebay' else {}
    with servers.start(kind, **options) as server:
        yield server


@pytest.fixture
def threaded_server(started):
    """An empty server, of one thread and of four."""
    if not started.is_alive():
        pytest.fail('the server died in an earlier story:\n' + started.log_tail(), pytrace=False)
    with started.client() as client:
        client.ok('FLUSHALL')
        client.ok('FUNCTION', 'FLUSH')
    yield started
    assert started.is_alive(), 'the server died in this story:\n' + started.log_tail()


@pytest.fixture
def run_program(threaded_server):
    """Runs a program of this folder, which gets the server's port and says "ok" last."""
    def run(name, **environment):
        interpreter = 'node' if name.endswith('.js') else sys.executable
        try:
            done = subprocess.run([interpreter, os.path.join(HERE, name), str(threaded_server.port)], cwd=HERE,
                                  timeout=PROGRAM_SECONDS_MAX, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env={**os.environ, **environment})
        except subprocess.TimeoutExpired as expired:
            pytest.fail('%s did not end:\n%s' % (name, (expired.stdout or b'').decode(errors='replace')), pytrace=False)
        said = done.stdout.decode(errors='replace')
        assert done.returncode == 0 and said.endswith('ok\n'), said
    return run
