# SPDX-License-Identifier: BSD-3-Clause
"""What a restart must neither undo nor bring back, one story each; crash_test.py has the random runs."""
import os
import random
import subprocess
import time

import pytest

from tests.crash.run import log_segments
from tests.lib.server import wait_until

DAY_MS = 86400000
# Put before the C library: the wall clock as a machine has it whose clock was set wrong.
CLOCK_AHEAD = r"""
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int read;
    static long ahead;
    if (!read) {
        const char *seconds = getenv("CLOCK_AHEAD_SECONDS");
        ahead = seconds ? atol(seconds) : 0;
        read = 1;
    }
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        now->tv_sec += ahead;
    return failed;
}
"""


def clock_ahead(directory):
    """The path of a library with that clock."""
    source, library = str(directory / 'clock.c'), str(directory / 'clock.so')
    with open(source, 'w') as file:
        file.write(CLOCK_AHEAD)
    subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, source], check=True)
    return library



@pytest.mark.forebay_only
def test_a_key_that_was_prolonged_outlives_its_first_time(own_server):
    """Rows hold the first time, and only the log tells that it was put off; a restart after it must read both."""
    server = own_server()
    client = server.client()
    first_time = int(time.time() * 1000) + 4000
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
def test_replay_decides_nothing_by_a_clock_that_jumped(own_server, tmp_path):
    """Two days ahead after a crash, then back again: only what was left to expire has expired."""
    server = own_server()
    client = server.client()
    for key in ('kept', 'prolonged', 'left'):
        client.ok('SET', key, 'v', 'EX', 3600)
    client.ok('SAVE')
    assert client('PERSIST', 'kept') == 1
    assert client('EXPIRE', 'prolonged', 90 * 86400) == 1
    assert client('INCRBY', 'counter', 5) == 5
    client.ok('SET', 'later', 'v', 'EX', 3 * 86400)
    library = clock_ahead(tmp_path)
    for days in (2, 0, -2):
        server.kill()
        server.prefix = ['env', 'LD_PRELOAD=' + library, 'CLOCK_AHEAD_SECONDS=%d' % (days * 86400)]
        server.start()
        client = server.client()
        assert abs(int(client('TIME')[0]) - time.time() - days * 86400) < 60
        assert client('MGET', 'kept', 'prolonged', 'left', 'later', 'counter') == [b'v', b'v', None, b'v', b'5']
        assert client('PTTL', 'kept') == -1
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
