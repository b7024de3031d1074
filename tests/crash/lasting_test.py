# SPDX-License-Identifier: BSD-3-Clause
"""What a restart must neither undo nor bring back, one story each; crash_test.py has the random runs."""
import os
import random
import time

import pytest

from tests.crash.run import log_segments
from tests.lib.server import wait_until

DAY_MS = 86400000


@pytest.mark.forebay_only
def test_a_key_that_was_prolonged_outlives_its_first_time(own_server):
    """Rows hold the first time, and only the log tells that it was put off; a restart after it must read both."""
    server = own_server()
    client = server.client()
    first_time = int(time.time() * 1000) + 1500
    far = first_time + DAY_MS
    for key in ('kept', 'prolonged', 'left'):
        client.ok('SET', key, 'v', 'PXAT', first_time)
    client.ok('SAVE')
    assert client('PERSIST', 'kept') == 1
    assert client('PEXPIREAT', 'prolonged', far) == 1
    wait_until(lambda: time.time() * 1000 > first_time + 10, what='the first time having passed')
    for _ in range(2):
        server.restart(kill=True)
        client = server.client()
        assert client('MGET', 'kept', 'prolonged', 'left') == [b'v', b'v', None]
        assert client('PEXPIRETIME', 'kept') == -1 and client('PEXPIRETIME', 'prolonged') == far
        client.ok('SAVE')


@pytest.mark.forebay_only
def test_swaps_and_flushes_are_replayed_in_their_order(own_server):
    """Among keys that are in memory, in rows, or in both: SAVE stands anywhere."""
    server, rng = own_server(), random.Random(7)
    databases = [{}, {}, {}]

    def step(client):
        database, other = rng.sample(range(3), 2)
        key, value = 'k%d' % rng.randrange(20), '%d' % rng.randrange(1000)
        action = rng.choices(('set', 'delete', 'move', 'swap', 'flush', 'flush all', 'save'), (60, 10, 10, 10, 6, 1, 5))[0]
        client.ok('SELECT', database)
        held, there = databases[database], databases[other]
        if action == 'set':
            client.ok('SET', key, value)
            held[key] = value
        elif action == 'delete':
            assert client('DEL', key) == (held.pop(key, None) is not None)
        elif action == 'move':
            moves = key in held and key not in there
            assert client('MOVE', key, other) == moves
            if moves:
                there[key] = held.pop(key)
        elif action == 'swap':
            client.ok('SWAPDB', database, other)
            databases[database], databases[other] = there, held
        elif action == 'flush':
            client.ok('FLUSHDB')
            held.clear()
        elif action == 'flush all':
            client.ok('FLUSHALL')
            for each in databases:
                each.clear()
        else:
            client.ok('SAVE')

    for _ in range(10):
        with server.client() as client:
            for _ in range(rng.randint(5, 60)):
                step(client)
        server.restart(kill=True)
        with server.client() as client:
            for number, expected in enumerate(databases):
                client.ok('SELECT', number)
                keys = client('KEYS', '*')
                values = client.pipeline([('GET', key) for key in keys])
                assert dict(zip((key.decode() for key in keys), (value.decode() for value in values))) == expected
                assert client('DBSIZE') == len(expected)


@pytest.mark.forebay_only
def test_what_a_reader_was_shown_of_a_waiting_class_is_synced(own_server):
    """The node itself syncs once an hour. A reply that shows a key of the class is not seen before the log is synced up to
    the write of it, whoever wrote; all writes are equally long, so the value tells where its effect ends."""
    server = own_server(durability_interval_ms=3600000, **{'class': 'session prefix s: durability through'})
    writer, reader = server.client(), server.client()

    def log(client, which):
        return int(client.info('log')['log_%s_offset' % which])
    writer.ok('SET', 'other', 'x')
    assert log(writer, 'synced') < log(writer, 'end'), 'a key of no class waits for no sync'
    writer.ok('SET', 's:1', '%08d' % 0)
    begin = log(writer, 'end')
    writer.ok('SET', 's:1', '%08d' % 1)
    length = log(writer, 'end') - begin
    for first in range(2, 400, 10):
        for number in range(first, first + 10):
            writer.send('SET', 's:1', '%08d' % number)
        for _ in range(5):
            seen = int(reader('GET', 's:1'))
            assert log(reader, 'synced') >= begin + seen * length
        for _ in range(10):
            assert writer.read() == 'OK'
            assert log(reader, 'synced') > begin


@pytest.mark.forebay_only
def test_a_directory_with_data_is_not_opened_without_a_log(own_server):
    server = own_server()
    server.client().ok('SET', 'session', 'v')
    assert server.stop() == 0
    with pytest.raises(ChildProcessError, match='durability'):
        server.start(durability='none')
    server.start(durability='behind')
    assert server.client()('GET', 'session') == b'v'


@pytest.mark.forebay_only
@pytest.mark.parametrize('tier', ['yes', 'no'])
def test_a_key_that_is_always_written_does_not_keep_the_log(own_server, tier):
    """Neither does a node whose keys never leave memory: their rows are written all the same."""
    server = own_server(durability_log_max='8mb', tier=tier)
    client = server.client()
    client.ok('SET', 'still', 'here')
    for first in range(0, 40000, 500):
        client.pipeline([('SET', 'hot', b'%d:' % number + b'x' * 1000) for number in range(first, first + 500)])
    wait_until(lambda: sum(map(os.path.getsize, log_segments(server.directory))) < 16 << 20, what='a short log')
    server.restart(kill=True)
    client = server.client()
    assert client('GET', 'still') == b'here' and client('GET', 'hot').startswith(b'39999:')
