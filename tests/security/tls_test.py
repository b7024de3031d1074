# SPDX-License-Identifier: BSD-3-Clause
"""TLS: clients, what they may show, what comes in pieces, certificates that change, and links between servers."""
import os
import random
import socket
import ssl
import subprocess

import pytest

from tests.lib import server as servers
from tests.lib.certificates import Certificates
from tests.lib.resp import Client, Error, encode
from tests.lib.server import blocked, free_port, wait_until
from tests.replication.story import assert_same, fill, follow, wait_caught_up

pytestmark = pytest.mark.forebay_only


@pytest.fixture(scope='session')
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp('certificates'))


@pytest.fixture
def tls_server(own_server, certificates):
    def start(**directives):
        server = own_server(tls_port=free_port(), **{**certificates.directives(), **directives})
        server.tls_port = int(server.directives['tls-port'])
        return server
    return start


def connect(server, context, **options):
    return Client(('127.0.0.1', server.tls_port), tls=context, **options)


def refuses(server, context):
    """Whether a client with that context gets no answer."""
    try:
        with connect(server, context) as client:
            return client('PING') is None
    except (ssl.SSLError, ConnectionError, EOFError):
        return True


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_sent_is_what_is_read(tls_server, certificates, version):
    server = tls_server()
    rng = random.Random(3)
    with connect(server, certificates.client(version=version)) as client, server.client() as plain:
        for size in (0, 1, 100, 16383, 16384, 16385, 70000, 3000000):
            value = rng.randbytes(size)
            assert client('SET', b'k', value) == 'OK'
            assert client('GET', 'k') == value == plain('GET', 'k')
        replies = client.pipeline([('SET', b'k:%d' % i, b'v' * (i % 300)) for i in range(3000)])
        assert replies == ['OK'] * 3000
        assert client.pipeline([('GET', b'k:%d' % i) for i in range(3000)]) == [b'v' * (i % 300) for i in range(3000)]


def test_references_and_small_replies_keep_their_order(tls_server, certificates):
    server = tls_server()
    large = [random.Random(i).randbytes(100000) for i in range(8)]
    with connect(server, certificates.client()) as client:
        client.pipeline([('SET', 'large:%d' % i, value) for i, value in enumerate(large)])
        commands, expected = [], []
        for i in range(200):
            commands += [('GET', 'large:%d' % (i % 8)), ('ECHO', i)]
            expected += [large[i % 8], b'%d' % i]
        client.send_raw(b''.join(encode(*command) for command in commands))  # some 11 kB: the socket's buffer takes them at once
        assert [client.read() for _ in commands] == expected


def test_redis_cli(tls_server, certificates):
    server = tls_server()
    done = subprocess.run(['redis-cli', '-p', str(server.tls_port), '--tls', '--cacert', certificates.path('ca.crt'), '--cert',
                           certificates.path('client.crt'), '--key', certificates.path('client.key'), 'SET', 'a', 'b'],
                          capture_output=True, text=True)
    assert done.stdout == 'OK\n', done


def test_who_may_connect(tls_server, certificates, tmp_path):
    stranger = Certificates(tmp_path).client()
    stranger.load_verify_locations(certificates.path('ca.crt'))
    nobody, friend = certificates.client(None), certificates.client()
    for mode, nobody_is_refused, stranger_is_refused in (('yes', True, True), ('optional', False, True), ('no', False, False)):
        server = tls_server(tls_auth_clients=mode)
        assert not refuses(server, friend), mode
        assert refuses(server, nobody) == nobody_is_refused, mode
        assert refuses(server, stranger) == stranger_is_refused, mode


def test_versions(tls_server, certificates):
    server = tls_server(tls_protocols='TLSv1.2')
    assert refuses(server, certificates.client(version=ssl.TLSVersion.TLSv1_3))
    assert not refuses(server, certificates.client(version=ssl.TLSVersion.TLSv1_2))


def test_what_is_not_tls(tls_server, certificates):
    server = tls_server()
    rng = random.Random(9)
    pieces = [encode('PING'), b'GET / HTTP/1.1\r\n\r\n', bytes(1000), b'\x16\x03\x01\xff\xff' + bytes(70000)]
    pieces += [b'\x16\x03\x01' + rng.randbytes(200) for _ in range(50)]
    for piece in pieces:
        with socket.create_connection(('127.0.0.1', server.tls_port)) as bare:
            bare.settimeout(60)
            try:
                bare.sendall(piece)
                bare.shutdown(socket.SHUT_WR)
                while bare.recv(4096):
                    pass
            except OSError:  # it is closed already
                pass
    with connect(server, certificates.client()) as client:
        assert client('PING') == 'PONG'
    wait_until(lambda: server.client().info('clients')['connected_clients'] == '1', what='the others to be gone')


def test_who_says_nothing_holds_up_nobody(tls_server, certificates):
    server = tls_server(threads=1)
    silent = [socket.create_connection(('127.0.0.1', server.tls_port)) for _ in range(50)]
    for each in silent[::2]:
        each.sendall(b'\x16\x03\x01\x02')
    with connect(server, certificates.client()) as client:
        assert client.pipeline([('INCR', 'n')] * 1000) == list(range(1, 1001))
    for each in silent:
        each.close()


def by_memory(server, context):
    """A client whose records a story sends as it likes: the object, and where its bytes come from and go to."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    bare = socket.create_connection(('127.0.0.1', server.tls_port))
    while True:
        try:
            tls.do_handshake()
            bare.sendall(outgoing.read())
            return tls, incoming, outgoing, bare
        except ssl.SSLWantReadError:
            bare.sendall(outgoing.read())
            incoming.write(bare.recv(65536))


def test_records_that_come_byte_by_byte(tls_server, certificates):
    server = tls_server()
    tls, incoming, outgoing, bare = by_memory(server, certificates.client())
    tls.write(encode('SET', 'k', 'v' * 100))
    tls.write(encode('GET', 'k'))
    for byte in outgoing.read():
        bare.sendall(bytes([byte]))
    expected = b'+OK\r\n$100\r\n' + b'v' * 100 + b'\r\n'
    got = b''
    while len(got) < len(expected):
        incoming.write(bare.recv(65536))
        try:
            while True:
                got += tls.read(65536)
        except ssl.SSLWantReadError:
            pass
    assert got == expected
    bare.close()


def test_what_was_received_before_a_wait_is_read_after_it(tls_server, certificates):
    """It lies in OpenSSL, and no socket becomes readable for it."""
    server = tls_server()
    with connect(server, certificates.client()) as client, server.client() as other:
        client.send_raw(b''.join([encode('BLPOP', 'list', 0)] + [encode('SET', 'k:%d' % i, 'v' * 1000) for i in range(200)]))
        wait_until(lambda: blocked(other, 1), what='the pop to wait')
        other('RPUSH', 'list', 'x')
        assert client.read() == [b'list', b'x']
        assert [client.read() for _ in range(200)] == ['OK'] * 200


def test_a_reader_that_is_slow(tls_server, certificates):
    server = tls_server()
    with connect(server, certificates.client()) as client, server.client() as other:
        value = os.urandom(1000000)
        client('SET', 'k', value)
        for _ in range(30):
            client.send('GET', 'k')
        assert other('PING') == 'PONG'
        assert all(client.read() == value for _ in range(30))


def test_pushes(tls_server, certificates):
    server = tls_server()
    with connect(server, certificates.client(), protocol=3) as client, server.client() as other:
        client('SUBSCRIBE', 'news')
        for i in range(100):
            other('PUBLISH', 'news', i)
        assert [client.read()[2] for _ in range(100)] == [b'%d' % i for i in range(100)]


def test_certificates_change_while_it_runs(tls_server, certificates):
    server = tls_server()
    admin, old = server.client(), connect(server, certificates.client())

    def shown():
        with connect(server, certificates.client()) as client:
            return dict(part[0] for part in client.socket.getpeercert()['subject'])['commonName']

    assert shown() == 'server'
    pair = ('tls-cert-file', certificates.path('other.crt'), 'tls-key-file', certificates.path('other.key'))
    assert admin('CONFIG', 'SET', *pair) == 'OK'
    assert shown() == 'other' and old('PING') == 'PONG'
    for wrong in (certificates.path('missing.crt'), certificates.path('server.crt'), certificates.path('ca.key')):
        refused = admin('CONFIG', 'SET', 'tls-cert-file', wrong)
        assert isinstance(refused, Error) and 'tls-cert-file' in refused
    assert shown() == 'other'
    assert admin('CONFIG', 'GET', 'tls-cert-file') == [b'tls-cert-file', certificates.path('other.crt').encode()]
    old.close()


@pytest.mark.parametrize('directives, reason', [
    ({'tls_port': 1}, 'tls-cert-file and tls-key-file must be set'),
    ({'tls_port': 1, 'tls_cert_file': 'server.crt', 'tls_key_file': 'server.key'}, 'tls-ca-cert-file or tls-ca-cert-dir'),
    ({'tls_port': 1, 'tls_cert_file': 'none.crt', 'tls_key_file': 'server.key', 'tls_auth_clients': 'no'}, 'cannot load the certificate'),
    ({'tls_port': 1, 'tls_cert_file': 'server.crt', 'tls_key_file': 'other.key', 'tls_auth_clients': 'no'}, 'other.key'),
    ({'tls_port': 1, 'tls_cert_file': 'server.crt', 'tls_key_file': 'server.key', 'tls_auth_clients': 'no', 'tls_protocols': 'SSLv2'},
     'tls-protocols may have'),
])
def test_a_start_that_cannot_be(certificates, directives, reason):
    named = {name: certificates.path(value) if name.endswith('file') else value for name, value in directives.items()}
    with servers.Server(**named) as server:
        with pytest.raises(ChildProcessError) as failure:
            server.start()
        assert reason in str(failure.value)


def test_only_tls(certificates, own_server):
    """port 0: nobody is served without."""
    port = free_port()
    server = servers.Server(tls_port=port, **certificates.directives())
    server.argv = lambda: [server.program, '--port', '0', '--bind', '127.0.0.1', '--dir', server.directory] + [
        word for name, value in server.directives.items() for word in ('--' + name, value)]
    with server:
        server.start(wait=False)
        server.tls_port = port
        wait_until(lambda: not refuses(server, certificates.client()), what='TLS')


# ---- links ----

def link(certificates, **more):
    return {'tls_port': free_port(), 'tls_replication': 'yes', **certificates.directives(), **more}


@pytest.mark.parametrize('primary_kind, replica_kind', [('forebay', 'forebay'), ('redis', 'forebay'), ('forebay', 'redis')])
def test_a_replica_behind_tls(certificates, primary_kind, replica_kind):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start(primary_kind, **link(certificates)) as primary, servers.start(replica_kind, **link(certificates)) as replica:
        source, copy = primary.client(), replica.client()
        fill(source, random.Random(5))
        follow(copy, int(primary.directives['tls-port']))
        assert_same(source, copy)
        for i in range(500):
            source('SET', 'later:%d' % i, 'x' * i)
        wait_caught_up(source, copy)
        assert_same(source, copy)


def test_a_replica_without_tls_gets_nothing(certificates):
    with servers.start(**link(certificates)) as primary, servers.start() as replica:
        primary.client()('SET', 'a', 1)
        copy = replica.client()
        copy('REPLICAOF', '127.0.0.1', primary.directives['tls-port'])
        wait_until(lambda: 'closed' in replica.log_tail() or 'error' in replica.log_tail(), what='a refusal in the log')
        assert copy.info('replication')['master_link_status'] == 'down'


def test_migrate(certificates):
    with servers.start(**link(certificates)) as source, servers.start(**link(certificates)) as target:
        client = source.client()
        values = {b'k:%d' % i: os.urandom(i * 37) for i in range(300)}
        client.pipeline([('SET', key, value) for key, value in values.items()])
        assert client('MIGRATE', '127.0.0.1', target.directives['tls-port'], '', 0, 60000, 'KEYS', *values) == 'OK'
        there = target.client()
        assert client('DBSIZE') == 0 and all(there('GET', key) == value for key, value in values.items())
