# SPDX-License-Identifier: BSD-3-Clause
"""A primary's name that is slow to be looked up, or is not known: nothing else of replication waits for it."""
import os
import subprocess

import pytest

from tests.lib.server import wait_until
from tests.replication.story import follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only

# slow.example is known once somebody has the pipe open for writing, and is this machine then.
RESOLVER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || strcmp(node, "slow.example") != 0 || (hints && hints->ai_flags & AI_NUMERICHOST))
        return real(node, service, hints, found);
    close(open(getenv("NAME_IS_KNOWN"), O_RDONLY));
    return real("127.0.0.1", service, hints, found);
}
"""


@pytest.fixture
def slow(own_server, tmp_path):
    """A server to which the name is slow, and what makes it known."""
    source, library, known = (str(tmp_path / name) for name in ('resolver.c', 'resolver.so', 'known'))
    with open(source, 'w') as file:
        file.write(RESOLVER)
    subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], check=True)
    os.mkfifo(known)
    server = own_server(prefix=['env', 'LD_PRELOAD=' + library, 'NAME_IS_KNOWN=' + known], replica_read_only='no')
    writers = []
    yield server, lambda: writers.append(os.open(known, os.O_RDWR))
    for writer in writers:
        os.close(writer)


def test_others_go_on_while_a_name_is_looked_up(own_server, slow):
    server, make_known = slow
    node, primary, follower = server.client(), own_server(), own_server().client()
    follow(follower, server.port)
    node.ok('REPLICAOF', 'slow.example', primary.port)
    assert node('ROLE')[3] in (b'connect', b'connecting')
    for number in range(20):
        node.ok('SET', 'k', number)
        wait_until(lambda: follower('GET', 'k') == b'%d' % number, what='the stream going on')
    assert node('ROLE')[3] == b'connecting' and info(node)['connected_slaves'] == '1'
    make_known()
    wait_up(node)
    assert node('GET', 'k') is None
    wait_until(lambda: follower('GET', 'k') is None, what='the copy having reached the third node')


def test_orders_are_obeyed_while_a_name_is_looked_up(own_server, slow):
    server, make_known = slow
    node, primary = server.client(), own_server()
    primary.client().ok('SET', 'k', 'v')
    for _ in range(3):
        node.ok('REPLICAOF', 'slow.example', primary.port)
        wait_until(lambda: node('ROLE')[3] == b'connecting', what='the lookup')
        node.ok('REPLICAOF', 'NO', 'ONE')
        assert info(node)['role'] == 'master'
    node.ok('REPLICAOF', 'slow.example', primary.port)
    follow(node, primary.port)
    assert node('GET', 'k') == b'v'
    make_known()
    wait_caught_up(primary.client(), node)
    assert info(node)['master_host'] == '127.0.0.1'


def test_a_server_ends_while_a_name_is_looked_up(slow):
    server, _ = slow
    node = server.client()
    node.ok('REPLICAOF', 'slow.example', 7000)
    wait_until(lambda: node('ROLE')[3] == b'connecting', what='the lookup')
    assert server.stop() == 0


def test_a_name_that_is_not_known_is_told_and_tried_again(own_server):
    server = own_server()
    node = server.client()
    node.ok('REPLICAOF', 'no.such.host.invalid', 7000)
    wait_until(lambda: server.log_tail().count('no.such.host.invalid: ') >= 2, 60, 'a second try')
    assert info(node)['master_link_status'] == 'down'
