# SPDX-License-Identifier: BSD-3-Clause
"""Following another Forebay: its bytes become our own, at the same offsets, and outlive a crash."""
import os
import random
import struct

import pytest

from tests.lib.resp import encode
from tests.lib.server import memory_of, wait_until
from tests.replication.story import follow, info, wait_up
from tests.replication.stream_primary import StreamPrimary, length_of, string_of

pytestmark = pytest.mark.forebay_only


def reached(replica, primary, seconds=30):
    wait_up(replica, seconds)
    wait_until(lambda: int(info(replica)['master_repl_offset']) >= primary.end, seconds, 'the replica having all')
    assert int(info(replica)['master_repl_offset']) == primary.end
    assert info(replica)['master_replid'] == primary.id


@pytest.fixture
def primary():
    with StreamPrimary({'k:%d' % i: 'v%d' % i for i in range(2000)}) as primary:
        yield primary


@pytest.mark.parametrize('start', [0, 1000, 10 ** 12])
def test_offsets_and_id_are_the_primarys_wherever_our_own_stood(own_server, start):
    with StreamPrimary({'k': 'v'}, start=start) as primary:
        server = own_server()
        replica = server.client()
        for i in range(100):
            replica.ok('SET', 'own:%d' % i, i)
        follow(replica, primary.port)
        primary.command('SELECT', 0)
        primary.command('set', 'a', 1)
        primary.send(b'\n\n\n')
        primary.command('PING')
        reached(replica, primary)
        assert replica('DBSIZE') == 2 and replica('MGET', 'k', 'a') == [b'v', b'1']
        wait_until(lambda: primary.acked == primary.end, what='the acknowledgement')


def test_the_db_of_the_stream_is_as_the_copy_says(own_server):
    with StreamPrimary({'k': 'v'}, database=4) as primary:
        server = own_server()
        follow(server.client(), primary.port)
        primary.command('set', 'four', 1)
        reached(server.client(), primary)
        for _ in range(2):
            replica = server.client()
            assert replica('EXISTS', 'four') == 0
            replica.ok('SELECT', 4)
            assert replica('GET', 'four') == b'1'
            server.restart(kill=True, replicaof='127.0.0.1 %d' % primary.port)
            primary.command('APPEND', 'four', '')
            reached(server.client(), primary)
        assert primary.full == 1


def log_has(server, text):
    with open(server.log_path) as log:
        return text in log.read()


def test_a_copy_is_shown_when_the_stream_has_passed_all_that_it_has(own_server):
    filler = b'\n' * 100
    with StreamPrimary({'k': 'v'}) as primary:
        primary.more_keys = b'\xfa' + string_of('forebay-copy-bytes') + string_of(len(filler))
        server = own_server()
        replica = server.client()
        for leads in (True, False):
            follow(replica, primary.port, wait=False)
            wait_until(lambda: log_has(server, "copied the primary's data"), what='the copy')
            primary.send(filler[:60])
            wait_until(lambda: int(info(replica)['master_repl_offset']) == primary.end, what='a part of what follows')
            assert replica('GET', 'k').code == 'LOADING' and info(replica, 'persistence')['loading'] == '1'
            assert info(replica)['master_link_status'] == 'down' and replica('ROLE')[3] == b'sync'
            if leads:  # all that there is; but it is said of what kind
                replica.ok('REPLICAOF', 'NO', 'ONE')
                assert replica('GET', 'k') == b'v' and log_has(server, 'keys are of different moments')
                server.restart()
                os.truncate(server.log_path, 0)
                replica, primary.stream = server.client(), b''
        primary.send(filler[60:])
        reached(replica, primary)
        assert replica('GET', 'k') == b'v' and replica('ROLE')[3] == b'connected' and info(replica, 'persistence')['loading'] == '0'


def test_an_open_bracket_is_asked_for_again(own_server, primary):
    server = own_server()
    replica = server.client()
    follow(replica, primary.port)
    primary.command('SELECT', 0)
    primary.command('set', 'a', 1)
    reached(replica, primary)
    end = primary.end
    primary.send(encode('MULTI') + encode('SET', 'a', 2) + b'\n' + encode('SET', 'b', 2)[:9])
    wait_until(lambda: int(info(replica)['master_last_io_seconds_ago']) >= 0, what='a look')
    primary.cut()
    wait_until(lambda: primary.partial == 1, what='another attempt')
    assert primary.asked[-1] == (primary.id, end + 1)
    assert replica('GET', 'a') == b'1' and int(info(replica)['master_repl_offset']) == end
    primary.send(encode('SET', 'b', 2)[9:] + encode('SELECT', 2) + encode('set', 'c', 3) + encode('EXEC'))
    reached(replica, primary)
    assert replica('MGET', 'a', 'b') == [b'2', b'2']
    server.restart(kill=True, replicaof='127.0.0.1 %d' % primary.port)
    primary.command('set', 'd', 4)  # in db 2, which the bracket selected
    replica = server.client()
    reached(replica, primary)
    assert primary.full == 1 and replica('MGET', 'a', 'b', 'd') == [b'2', b'2', None]
    replica.ok('SELECT', 2)
    assert replica('MGET', 'c', 'd') == [b'3', b'4']


class FilePrimary(StreamPrimary):
    """Its copy is the bytes that the story gives."""

    def __init__(self, items):
        super().__init__()
        self.items = items

    def rdb(self):
        head = b'REDIS0010' + b'\xfa' + string_of('forebay-version') + string_of('1')
        return head + b'\xfa' + string_of('repl-stream-db') + string_of(0) + self.items + b'\xff' + b'\0' * 8


def item(key, value):
    return b'\x00' + string_of(key) + string_of(value)


def test_what_needs_a_request_keeps_its_place_among_what_does_not(own_server):
    large = 'x' * 100000
    items = b'\xfe\x03' + item('a', 'of 3') + b'\xfe\x00' + item('a', 1) + item('b', 1)
    items += b'\xf9\x07' + item('a', 2) + item('a', 3) + item('large', large) + item('large', 'small')
    items += b'\xfc' + struct.pack('<q', 4102444800000) + item('timed', 'v') + b'\xfc' + struct.pack('<q', 0) + item('over', 'v')
    items += b''.join(item('k:%d' % i, i) for i in range(20000)) + b'\xf8\x09' + item('k:7', 'late')
    with FilePrimary(items) as primary:
        server = own_server()
        replica = server.client()
        replica.ok('SET', 'own', 'v')
        follow(replica, primary.port)

        def look(client):
            assert client('MGET', 'a', 'b', 'large', 'k:19999', 'k:7', 'own') == [b'3', b'1', b'small', b'19999', b'late', None]
            assert client('PEXPIRETIME', 'timed') == 4102444800000
            client.ok('SELECT', 3)
            assert client('GET', 'a') == b'of 3'
        assert replica('DBSIZE') == 20005  # what is over is the primary's to remove
        look(replica)
        server.restart(kill=True)
        look(server.client())


@pytest.mark.parametrize('items', [
    b'\xfe\x10' + item('a', 1),                       # a database that is not here
    item('a', 1) + b'\x01' + string_of('l') + b'\x05' + string_of('one of five'),
    item('a', 1) + b'\x0b' + string_of('s') + string_of(b'\x03\0\0\0\1\0\0\0\1\0'),  # integers of three bytes
])
def test_a_copy_that_cannot_be_taken_leaves_no_history(own_server, items):
    with FilePrimary(items) as primary:
        replica = own_server().client()
        replica.ok('REPLICAOF', '127.0.0.1', primary.port)
        wait_until(lambda: primary.full >= 2, what='another attempt')
        assert info(replica)['master_link_status'] == 'down' and primary.partial == 0
        assert all(asked == ('?', -1) for asked in primary.asked[1:])


class Model:
    """What a primary with some keys would have, and its stream."""

    def __init__(self, primary, rng):
        self.primary, self.rng, self.db = primary, rng, None
        self.data = [dict(primary.keys)] + [{} for _ in range(15)]

    def effect(self):
        db, key = self.rng.choice((0, 0, 1)), 'k:%d' % self.rng.randrange(2500)
        data, words = self.data[db], None
        if key not in data or self.rng.random() < 0.6:
            value = '%d' % self.rng.randrange(10 ** 9) * self.rng.choice((1, 1, 1, 50))
            words = ('SET' if key in data else 'set', key, value)
            data[key] = value
        elif self.rng.random() < 0.5:
            words = ('APPEND', key, 'more')
            data[key] += 'more'
        else:
            words = ('DEL', key)
            del data[key]
        bytes_before = encode('SELECT', db) if db != self.db else b''
        self.db = db
        return bytes_before + encode(*words)

    def write(self, count):
        pieces = []
        for _ in range(count):
            kind = self.rng.random()
            if kind < 0.05:
                pieces.append(self.rng.choice((encode('PING'), b'\n' * self.rng.randrange(1, 300),
                                               encode('REPLCONF', 'GETACK', '*'))))
            elif kind < 0.25:
                # a SELECT before the bracket's first effect stands before the bracket
                pieces += [encode('MULTI')] + [self.effect() for _ in range(self.rng.randrange(2, 6))] + [encode('EXEC')]
            else:
                pieces.append(self.effect())
        self.primary.send(b''.join(pieces))

    def assert_same(self, replica):
        for db in (0, 1):
            replica.ok('SELECT', db)
            assert replica('DBSIZE') == len(self.data[db])
            keys = sorted(self.data[db])
            for i in range(0, len(keys), 500):
                values = replica('MGET', *keys[i:i + 500])
                wanted = [self.data[db][key].encode() for key in keys[i:i + 500]]
                assert values == wanted, [x for x in zip(keys[i:], values, wanted) if x[1] != x[2]][:3]
        replica.ok('SELECT', 0)


@pytest.mark.parametrize('directives', [{}, {'durability': 'through'}, {'maxmemory': memory_of(20)}])
def test_crashes_and_cuts_cost_no_second_copy_and_no_byte(own_server, primary, directives, scale):
    rng = random.Random(5)
    server = own_server(**directives)
    follow(server.client(), primary.port)
    model = Model(primary, rng)
    for turn in range(int(8 * scale) + 2):
        model.write(4000)
        action = rng.choice(('kill', 'stop', 'cut', 'save', 'wait'))
        if action == 'kill' or turn == 1:
            wait_until(lambda: primary.acked > primary.start + rng.randrange(max(1, primary.end - primary.start)),
                       what='some of it being acknowledged')
            server.restart(kill=True, replicaof='127.0.0.1 %d' % primary.port)
        elif action == 'stop':
            server.restart(replicaof='127.0.0.1 %d' % primary.port)
        elif action == 'cut':
            primary.cut()
        elif action == 'save':
            server.client()('SAVE')
        else:
            reached(server.client(), primary)
            model.assert_same(server.client())
    reached(server.client(), primary)
    model.assert_same(server.client())
    assert primary.full == 1
    server.restart(kill=True)
    model.assert_same(server.client())
    assert int(info(server.client())['master_repl_offset']) == primary.end


def test_a_crash_in_a_copy_leads_to_another_copy(own_server, primary):
    server = own_server()
    replica = server.client()
    follow(replica, primary.port)
    primary.command('SELECT', 0)
    reached(replica, primary)
    primary.id = '%040x' % random.getrandbits(160)
    primary.copy_bytes_max = len(primary.rdb()) // 2
    primary.cut()
    wait_until(lambda: primary.full >= 2, what='a copy that is cut')
    server.kill()
    server.start(wait=False, replicaof='127.0.0.1 %d' % primary.port)  # it is LOADING from one attempt to the next
    wait_until(lambda: primary.full >= 4, what='another attempt')
    assert primary.asked[-1] == ('?', -1)
    primary.copy_bytes_max = None
    server.wait_ready()
    replica = server.client()
    reached(replica, primary)
    assert replica('DBSIZE') == len(primary.keys)


def test_a_promoted_node_begins_a_new_history_and_keeps_the_old_ones_end(own_server, primary):
    server = own_server()
    replica = server.client()
    follow(replica, primary.port)
    primary.command('SELECT', 0)
    reached(replica, primary)
    replica.ok('REPLICAOF', 'NO', 'ONE')
    told = info(replica)
    assert told['role'] == 'master' and told['master_replid2'] == primary.id and told['master_replid'] != primary.id
    assert int(told['master_repl_offset']) == primary.end
    replica.ok('SET', 'own', 'v')
    server.restart(kill=True)
    assert server.client()('GET', 'own') == b'v' and server.client()('DBSIZE') == len(primary.keys) + 1


def test_values_of_modules_are_refused_or_left_out_by_choice(own_server, primary):
    words = length_of(12345 << 10) + length_of(2) + length_of(7) + length_of(5) + string_of('abc') + length_of(0)
    primary.more_keys = (b'\x07' + string_of('m') + words) * 3 + b'\x00' + string_of('last') + string_of('v')
    server = own_server()
    replica = server.client()
    follow(replica, primary.port, wait=False)
    wait_until(lambda: 'replica-skip-modules yes leaves them out' in server.log_tail(), what='a refusal')
    assert replica('GET', 'last').code == 'LOADING'
    # Another copy would be refused as well: it is not asked for all the time.
    with primary.grown:
        assert not primary.grown.wait_for(lambda: primary.full > 1, timeout=0.3)
    replica.ok('REPLICAOF', 'NO', 'ONE')
    replica.ok('CONFIG', 'SET', 'replica-skip-modules', 'yes')
    follow(replica, primary.port)
    assert replica('EXISTS', 'm') == 0 and replica('GET', 'last') == b'v' and replica('DBSIZE') == 2001
    assert 'event="values of modules were left out" count=3' in server.log_tail()
