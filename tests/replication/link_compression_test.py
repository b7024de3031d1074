# SPDX-License-Identifier: BSD-3-Clause
"""Full syncs that are compressed, between Forebays that both want it; damage on the way is noticed."""
import random
import socket
import threading

import pytest

from tests.lib import server as servers
from tests.lib.server import wait_until
from tests.replication.story import Writers, assert_same, assert_same_offset, fill, follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only


def fill_bytes(client, keys=400, size=10000):
    for start in range(0, keys, 100):
        client.pipeline([('SET', 'fill:%d' % i, b'%d ' % i * (size // 4)) for i in range(start, min(start + 100, keys))])


def sent_bytes(server):
    """Of each full sync that is over."""
    with open(server.log_path) as log:
        return [int(line.split(' bytes=')[1].split()[0]) for line in log if 'event="full resync sent"' in line]


@pytest.mark.parametrize('ours, theirs, packed', [('yes', 'yes', True), ('yes', 'no', False), ('no', 'yes', False)])
def test_both_sides_must_want_it(own_server, ours, theirs, packed):
    server, other = own_server(repl_link_compression=ours), own_server(repl_link_compression=theirs)
    primary, replica = server.client(), other.client()
    fill(primary, random.Random(1))
    fill_bytes(primary)
    with Writers(server, 3):
        follow(replica, server.port)
        start = int(info(replica)['master_repl_offset'])
        wait_until(lambda: int(info(replica)['master_repl_offset']) > start + 100000, what='much being written')
    wait_caught_up(primary, replica)
    assert_same(primary, replica)
    assert_same_offset(primary, replica)
    assert primary('FUNCTION', 'LIST') == replica('FUNCTION', 'LIST')
    assert (sent_bytes(server)[0] < 2000000) == packed


def test_a_redis_replica_gets_a_plain_copy(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    server = own_server(repl_link_compression='yes')
    primary = server.client()
    fill_bytes(primary)
    with servers.start('redis') as redis:
        follow(redis.client(), server.port)
        wait_caught_up(primary, redis.client())
        assert_same(primary, redis.client())
    assert sent_bytes(server)[0] > 3000000


def test_plain_and_compressed_copies_come_from_one_walk(own_server):
    server = own_server(repl_link_compression='yes', repl_diskless_sync_delay=1000)
    primary = server.client()
    replicas = [own_server(repl_link_compression=word).client() for word in ('yes', 'no', 'yes')]
    fill(primary, random.Random(2))
    fill_bytes(primary)
    with Writers(server):
        for replica in replicas:
            follow(replica, server.port, wait=False)
        wait_until(lambda: info(primary)['connected_slaves'] == '3', what='all waiting for it')
        primary.ok('CONFIG', 'SET', 'repl-diskless-sync-delay', 0)
        for replica in replicas:
            wait_up(replica)
    for replica in replicas:
        wait_caught_up(primary, replica)
        assert_same(primary, replica)
    few, few_too, many = sorted(sent_bytes(server))
    assert few_too < 2000000 < 3000000 < many
    assert 'sync_full_passes:1' in primary('INFO', 'stats').decode()


class Damage:
    """Between a replica and its primary: flips a bit of what comes down behind so many bytes, once for each connection."""

    def __init__(self, port):
        self.port, self.after, self.connections = port, None, 0
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(8)
        self.own_port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(('127.0.0.1', self.port))
            except OSError:
                near.close()
                continue
            self.connections += 1
            threading.Thread(target=self._pump, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, self.after), daemon=True).start()

    def _pump(self, source, target, after):
        passed = 0
        try:
            while data := source.recv(65536):
                if after is not None and passed <= after < passed + len(data):
                    at = after - passed
                    data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]
                passed += len(data)
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.mark.parametrize('after', [150, 5000, 100000])
def test_a_bit_that_flips_on_the_way_is_noticed(own_server, after):
    server, other = own_server(repl_link_compression='yes'), own_server(repl_link_compression='yes', repl_timeout=3)
    primary, replica = server.client(), other.client()
    fill_bytes(primary, 4000)
    damage = Damage(server.port)
    damage.after = after
    follow(replica, damage.own_port, wait=False)
    wait_until(lambda: 'phase=copy error=' in other.log_tail(100000), what='the damage being noticed')
    wait_until(lambda: damage.connections >= 2, what='another try')
    damage.after = None
    wait_caught_up(primary, replica)
    assert_same(primary, replica)


@pytest.mark.parametrize('head, why', [
    (b'\xff' * 16, 'a compressed frame of impossible length'),
    (b'\x00' * 16, 'a compressed frame whose checksum does not fit'),
    (b'\x05\x00\x00\x00\x10\x00\x00\x00' + b'x' * 13, 'a compressed frame whose checksum does not fit')])
def test_frames_of_a_hostile_primary_are_refused(own_server, head, why):
    other = own_server(repl_link_compression='yes')
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        other.client().ok('REPLICAOF', '127.0.0.1', listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer:
            for answer in (b'+PONG\r\n', b'+OK\r\n', b'+OK forebay\r\n'):
                peer.recv(4096)
                peer.sendall(answer)
            assert b'PSYNC' in peer.recv(4096)
            peer.sendall(b'+FULLRESYNC ' + b'a' * 40 + b' 0\r\n$LZ4:1\r\n' + head)
            wait_until(lambda: 'error="%s"' % why in other.log_tail(), what='the frame being refused')
