# SPDX-License-Identifier: BSD-3-Clause
"""Primaries and replicas that say what none would say: they are refused, with a reason that an operator finds."""
import random
import re
import socket
import struct

import pytest

from tests.lib import server as servers
from tests.lib.listener import Listener, requests_of
from tests.lib.resp import encode
from tests.lib.server import MEMORY_MORE_MB, free_port, memory_of, wait_until
from tests.replication.story import follow, info
from tests.replication.stream_primary import StreamPrimary, string_of

pytestmark = pytest.mark.forebay_only


def lost(server):
    """(phase, error) of each link that was lost."""
    with open(server.log_path, encoding='utf-8', errors='replace') as log:
        return re.findall(r'event="the link to the primary is lost".* phase=(\S+) error="(.*?)"', log.read())


def answering(to_psync):
    """What is said to PSYNC is these bytes; then nothing until the follower ends the link."""
    def serve(peer):
        for words in requests_of(peer):
            if words[0] == b'PSYNC':
                peer.sendall(to_psync)
            elif words[:2] != [b'REPLCONF', b'ACK']:
                peer.sendall(b'+OK forebay\r\n' if words[0] == b'REPLCONF' else b'+PONG\r\n')
    return serve


# ---- primaries ----

def test_a_link_that_is_down_says_why(own_server):
    server = own_server()
    replica = server.client()
    replica.ok('REPLICAOF', '127.0.0.1', free_port())
    wait_until(lambda: 'master_link_down_reason' in info(replica), what='a reason')
    assert info(replica)['master_link_down_reason'] == 'Connection refused'
    assert set(lost(server)) == {('connect', 'Connection refused')}
    with Listener(lambda peer: peer.recv(14)) as closing:  # all that PING is
        replica.ok('REPLICAOF', '127.0.0.1', closing.port)
        wait_until(lambda: info(replica).get('master_link_down_reason') == 'the primary has closed it', what='another reason')
        assert ('ping', 'the primary has closed it') in lost(server)
    with StreamPrimary({'k': 'v'}) as primary:
        follow(replica, primary.port)
        assert 'master_link_down_reason' not in info(replica)
    replica.ok('REPLICAOF', 'NO', 'ONE')
    assert 'master_link_down_reason' not in info(replica)


ID = '0123456789abcdef' * 2 + '01234567'


@pytest.mark.parametrize('answer,reason', [
    ('+FULLRESYNC %s 9223372036854775807' % ID, 'an offset that no stream reaches'),
    ('+FULLRESYNC %s -1' % ID, 'an answer to PSYNC that is none'),
    ('+FULLRESYNC %s 1' % ('z' * 40), 'an answer to PSYNC that is none'),
    ('+CONTINUE evil', 'an answer to PSYNC that is none'),
    ('+CONTINUE %s' % ('z' * 40), 'an answer to PSYNC that is none'),
    ('-ERR "a\x1b[2J', 'the primary refused PSYNC: -ERR ?a?[2J'),
    ('+' + 'x' * 5000, 'the primary refused PSYNC'),
])
def test_what_no_primary_says_is_refused_and_nothing_is_lost(own_server, answer, reason):
    server = own_server()
    replica = server.client()
    replica.ok('SET', 'own', 1)
    with Listener(answering(answer.encode() + b'\r\n')) as primary:
        replica.ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: primary.connections >= 2, what='another attempt')
        assert reason in lost(server)[0][1] and reason in info(replica)['master_link_down_reason']
        assert replica('GET', 'own') == b'1'
    server.restart(kill=True)
    assert server.client()('GET', 'own') == b'1'


@pytest.mark.parametrize('name', ['forebay-copy-bytes', 'forebay-copy-keys'])
@pytest.mark.parametrize('value', ['many', '-1', '18446744073709551615'])
def test_a_copy_that_says_of_itself_what_is_no_number_is_refused(own_server, name, value):
    file = b'REDIS0010' + b'\xfa' + string_of('forebay-version') + string_of('1') + b'\xfa' + string_of(name) + string_of(value)
    file += b'\xff' + b'\0' * 8
    server = own_server()
    with Listener(answering(b'+FULLRESYNC %s 1000\r\n$%d\r\n%s' % (ID.encode(), len(file), file))) as primary:
        server.client().ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: lost(server), what='a refusal')
        assert lost(server)[0] == ('copy', 'it says of itself what is no number')


def test_who_has_lost_writes_is_not_asked_every_second(own_server):
    server = own_server()
    replica = server.client()
    with Listener(answering(b'-LOST this node has lost in a crash what you have behind offset 5\r\n')) as primary:
        replica.ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: info(replica).get('master_has_lost_writes') == '1', what='it being heard')
        assert 'nothing is replaced' in info(replica)['master_link_down_reason']
        assert 'retry_ms=20000' in server.log_tail() and primary.connections == 1
        replica.ok('CONFIG', 'SET', 'replica-discard-longer-history', 'yes')
        wait_until(lambda: primary.connections == 2, 10, 'an attempt at once')


@pytest.fixture
def streaming(own_server):
    """A server that follows a primary of the story's making, and that primary."""
    server = own_server()
    with StreamPrimary({'k': 'v'}) as primary:
        follow(server.client(), primary.port)
        primary.command('SELECT', 0)
        primary.command('set', 'a', 1)
        wait_until(lambda: server.client()('GET', 'a') == b'1', what='the stream')
        yield server, primary


NO_STREAM = [
    b'SET b inline\r\n', b'*0\r\n', b'*-1\r\n', b'\r\n', b'+OK\r\n', b'$3\r\nabc\r\n', b'*1\r\n:1\r\n', b'*x\r\n',
    b'*01\r\n$4\r\nPING\r\n', b'*1\r\n$04\r\nPING\r\n', b'*1\r\n$4\r\nPINGxx', b'*1\r\n$4\rXPING\r\n', b'*1\rX$4\r\nPING\r\n',
    b'*99999999\r\n', b'*2\r\n$3\r\nGET\r\n$-1\r\n', b'*1\r\n$999999999999\r\n',
    encode('select', 3), encode('SELECT', 16), encode('SELECT', -1), encode('SELECT', 'x'), encode('SELECT'), encode('SELECT', 1, 2),
    encode('EXEC'), encode('exec'), encode('multi'), encode('DISCARD'), encode('MULTI') * 2, encode('MULTI') + encode('DISCARD'),
    encode('MULTI') + encode('SET', 'b', 1) + encode('exec'), encode('MULTI') + encode('SELECT', 99) + encode('EXEC'), encode('MULTI', 1),
]


@pytest.mark.parametrize('data', NO_STREAM)
def test_what_is_no_stream_is_not_logged_as_one(streaming, data):
    server, primary = streaming
    primary.send(data)
    primary.command('set', 'b', 1)
    wait_until(lambda: "the primary's stream is broken" in server.log_tail(), what='the end of the link')
    wait_until(lambda: info(server.client()).get('master_link_down_reason') == "what it sends is no stream of a primary's", what='a reason')
    assert 'retry_ms=20000' in server.log_tail()
    server.restart(kill=True)
    assert server.client()('MGET', 'a', 'b', 'k') == [b'1', None, b'v']


NOT_FOR_KEYS = [
    ('RESET',), ('QUIT',), ('SHUTDOWN', 'NOSAVE'), ('MONITOR',), ('SUBSCRIBE', 'x'), ('CONFIG', 'SET', 'maxmemory', 1), ('REPLICAOF', 'NO', 'ONE'),
    ('DEBUG', 'SLEEP', 1000), ('DEBUG', 'SEGFAULT'), ('CLIENT', 'KILL', 'TYPE', 'normal'), ('CLIENT', 'PAUSE', 1000000), ('PSYNC', '?', -1),
    ('SYNC',), ('HELLO', 3), ('AUTH', 'x'), ('EVAL', 'while true do end', 0), ('MIGRATE', '127.0.0.1', 1, 'a', 0, 1000000), ('FAILOVER',),
    ('SCRIPT', 'LOAD', 'return 1'), ('WATCH', 'a'), ('SAVE',), ('BGSAVE',), ('REPLICATION', 'SCRUB'), ('CLIENT', 'REPLY', 'ON'), ('KEYS', '*'),
    ('CLIENT', 'LIST'), ('INFO',), ('CLIENT', 'TRACKING', 'ON'),
]


def test_a_primary_decides_about_keys_and_nothing_else(streaming):
    server, primary = streaming
    replica = server.client()
    for words in NOT_FOR_KEYS:
        primary.command(*words)
    primary.command('MULTI')
    for words in NOT_FOR_KEYS:
        if words[0] not in ('EVAL', 'WATCH'):
            primary.command(*words)
    primary.command('EXEC')
    primary.command('set', 'behind', 1)
    wait_until(lambda: replica('GET', 'behind') == b'1', what='the stream going on')
    wait_until(lambda: primary.acked == primary.end, what='the acknowledgement')
    assert replica('CONFIG', 'GET', 'maxmemory') == [b'maxmemory', b'0'] and info(replica)['role'] == 'slave'
    assert 'a command that no primary sends was passed over' in server.log_tail()
    server.restart(kill=True)
    assert server.client()('MGET', 'a', 'behind') == [b'1', b'1']


@pytest.mark.parametrize('is_forebay', [True, False])
def test_any_command_may_come_from_a_primary(own_server, is_forebay):
    """What the words are is a matter of chance; nothing of it ends the process, now or when it is replayed."""
    server = own_server()
    replica = server.client()
    rng = random.Random(7)
    words = ['0', '1', '-1', '2', '9223372036854775807', '', 'k', 'list', 'hash', 'zset', '*', 'x' * 100, '1-1', '(1', 'inf', 'nan', '\0\xff', 'a b']
    names = [name.decode().split('|') for name in replica('COMMAND', 'LIST')]
    names += [[name.decode(), sub.decode().split('|')[1]] for name, _, _, _, _, _, _, _, _, subs in replica('COMMAND', 'INFO') for sub, *_ in subs]
    names = [name for name in names if name[0] not in ('multi', 'exec', 'discard', 'select')]
    with StreamPrimary({'k': 'v', 'list': 'v'}) as primary:
        primary.is_forebay = is_forebay
        follow(replica, primary.port)
        primary.command('SELECT', 0)
        for _ in range(4):
            rng.shuffle(names)
            for number, name in enumerate(names):
                primary.command(*name, *(rng.choice(words) for _ in range(rng.randrange(8))))
                if number % 50 == 0:
                    key = rng.choice(('list', 'hash', 'zset', 'k'))
                    for again in (('DEL', key), {'list': ('rpush', key, *'abc'), 'hash': ('hset', key, *'abcd'), 'zset': ('zadd', key, 1, 'a', 2, 'b'),
                                                 'k': ('set', key, 'v')}[key]):
                        primary.command(*again)
        primary.command('FLUSHALL')
        primary.command('set', 'behind', 1)
        wait_until(lambda: replica('GET', 'behind') == b'1', 60, 'the stream going on')
        assert primary.full == 1
    server.restart(kill=True)
    assert server.client()('GET', 'behind') == b'1' and server.client()('DBSIZE') == 1


def test_what_failed_here_does_no_harm_when_it_is_replayed(streaming):
    server, primary = streaming
    for offset in (1 << 33, 1 << 42, (1 << 63) - 1, 1 << 63, -1):
        primary.command('SETRANGE', 'a', offset, 'x')
        primary.command('setrange', 'new', offset, 'x')
    primary.command('set', 'behind', 1)
    wait_until(lambda: server.client()('GET', 'behind') == b'1', what='the stream going on')
    server.restart(kill=True)
    assert server.client()('MGET', 'a', 'new', 'behind') == [b'1', None, b'1']
    assert int(server.client()('INFO', 'memory').decode().split('used_memory:')[1].split()[0]) < 100 << 20


def test_a_transaction_without_an_end_is_not_held_for_ever(own_server):
    server = own_server(maxmemory=memory_of(24))
    with StreamPrimary({'k': 'v'}) as primary:
        follow(server.client(), primary.port)
        primary.command('SELECT', 0)
        primary.command('MULTI')
        piece = b''.join(encode('set', 'k:%d' % i, 'v' * 10000) for i in range(100))
        primary.send(piece * (50 + MEMORY_MORE_MB))  # a megabyte each
        wait_until(lambda: 'a transaction is larger than maxmemory' in server.log_tail(), what='the end of the link')
        assert server.client()('MGET', 'k', 'k:1') == [b'v', None]


def test_a_value_without_an_end_is_not_held_for_ever(own_server):
    server = own_server(maxmemory=memory_of(24))

    file = b'REDIS0010\xfe\x00\x01\x01k\x81' + struct.pack('>Q', 1 << 40)  # a list of so many elements
    element = b'\x80' + struct.pack('>I', 100000) + b'x' * 100000

    def endless(peer):
        reader = peer.makefile('rb')
        while True:
            line = reader.readline()
            if line.startswith(b'PSYNC'):
                break
            if not line:
                return
            if line.startswith(b'PING') or line.startswith(b'REPLCONF'):
                peer.sendall(b'+OK\r\n')
        peer.sendall(b'+FULLRESYNC %s 1\r\n$EOF:%s\r\n' % (ID.encode(), b'm' * 40) + file)
        while True:
            peer.sendall(element)
    with Listener(endless) as primary:
        server.client().ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: any('larger than maxmemory' in error for _, error in lost(server)), 60, 'a refusal')
        assert primary.connections == 1


def test_what_would_wait_does_not_hold_up_the_stream(own_server):
    server = own_server()
    replica = server.client()
    with StreamPrimary({'k': 'v'}) as primary:
        follow(replica, primary.port)
        primary.command('SELECT', 0)
        for words in (('WAIT', 9, 0), ('WAITAOF', 1, 9, 0), ('BLPOP', 'none', 0), ('XREAD', 'BLOCK', 0, 'STREAMS', 'none', '$'),
                      ('BLMOVE', 'none', 'none', 'LEFT', 'LEFT', 0), ('MULTI',), ('WAIT', 9, 0), ('EXEC',)):
            primary.command(*words)
        primary.command('set', 'behind', 1)
        wait_until(lambda: replica('GET', 'behind') == b'1', what='the stream going on')
        wait_until(lambda: primary.acked == primary.end, what='the acknowledgement')


def test_wait_is_for_primaries(own_server):
    server, other = own_server(), own_server()
    follow(other.client(), server.port)
    replica = other.client()
    assert replica('WAIT', 1, 100) == servers.Error(
        'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be '
        'writable (which is not the default) writes to replicas are just local and are not propagated.')
    assert replica('WAITAOF', 0, 1, 100) == servers.Error(
        'ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not '
        'propagated.')
    assert replica('WAITAOF', 2, 1, 100) == servers.Error('ERR value is out of range, value must between 0 and 1')
    replica.ok('REPLICAOF', 'NO', 'ONE')
    assert replica('WAIT', 0, 100) == 0


# ---- replicas ----

BAD_ADDRESSES = ['a\r\nrole:master', 'a b', '"', 'a,port=1', "a'", 'a\0b', 'a=b', '\xff\xfe', 'x' * 60]


def test_a_replica_may_not_call_itself_anything(own_server):
    server = own_server()
    client = server.client()
    for address in BAD_ADDRESSES:
        assert client('REPLCONF', 'ip-address', address).code == 'ERR', address
    for port in ('-1', '65536', '99999999999999999999', 'x', '', '4294967297'):
        assert client('REPLCONF', 'listening-port', port).code == 'ERR', port
    for address in ('10.0.0.1', '::1', 'node-1.example_net', ''):
        client.ok('REPLCONF', 'ip-address', address)
    client.ok('REPLCONF', 'listening-port', 0, 'ip-address', 'node-1.example_net')
    client.ok('REPLCONF', 'listening-port', 65535)
    client.socket.sendall(encode('PSYNC', '?', -1))
    wait_until(lambda: info(server.client()).get('connected_slaves') == '1', what='the replica')
    assert info(server.client())['slave0'].startswith('ip=node-1.example_net,port=65535,')
    client.close()


def test_why_a_replica_is_gone_stands_in_the_log(own_server):
    server = own_server()
    server.client().ok('SET', 'k', 1)

    def become_replica():
        peer = socket.create_connection(server.address)
        peer.settimeout(30)
        file = peer.makefile('rb')
        peer.sendall(encode('REPLCONF', 'capa', 'eof', 'capa', 'psync2') + encode('PSYNC', '?', -1))
        assert file.readline() == b'+OK\r\n' and file.readline().startswith(b'+FULLRESYNC')
        line = file.readline()
        while not line.startswith(b'$EOF:'):
            line = file.readline()
        mark, read = line[5:45], b''
        while not read.endswith(mark):
            read += file.read1()
        return peer, file

    def gone():
        with open(server.log_path, encoding='utf-8', errors='replace') as log:
            return re.findall(r'event="replica gone".* reason="(.*?)"', log.read())

    for number, (bad, reason) in enumerate([(b'*2\r\n$x\r\n', 'invalid bulk length'), (b'*99999\r\n', 'invalid multibulk length'),
                                            (b'"unbalanced\r\n', 'unbalanced quotes in request')]):
        peer, file = become_replica()
        peer.sendall(bad)
        wait_until(lambda: len(gone()) > number, what='the end of the link')
        assert reason in gone()[number]
        assert file.read() is not None
        peer.close()
    peer, file = become_replica()
    file.close()
    peer.close()
    wait_until(lambda: len(gone()) == 4, what='the end of the link')
    assert gone()[3] == 'it has closed the link'
    assert info(server.client())['connected_slaves'] == '0'


# ---- operators ----

def test_only_a_host_and_a_port_can_be_followed(own_server):
    server = own_server()
    client = server.client()
    for host, port in (('127.0.0.1', 0), ('127.0.0.1', 65536), ('127.0.0.1', -1), ('127.0.0.1', 'x')):
        assert client('REPLICAOF', host, port) == servers.Error('ERR Invalid master port'), (host, port)
    for host in ('', 'a\r\nb', 'a b', 'x' * 256, '"'):
        assert client('REPLICAOF', host, 6379) == servers.Error('ERR Invalid master host'), host
    assert info(client)['role'] == 'master'
    for bad in ('127.0.0.1 0', '127.0.0.1', '127.0.0.1 70000', '127.0.0.1 1 2', 'a"b 6379'):
        with pytest.raises(ChildProcessError) as failure:
            own_server(replicaof=bad)
        assert 'replicaof' in str(failure.value) and '1 to 65535' in str(failure.value), bad
