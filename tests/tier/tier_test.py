# SPDX-License-Identifier: BSD-3-Clause
"""Data five times larger than memory (ten with --scale 2): every key is there, whatever tier it is in, and memory stays bounded.

The stories share one server and follow each other, each beginning with what the one before left in 'numbers'.
Against the reference server, which has no tier, they check themselves."""
import random
import threading
import time

import pytest

from tests.lib import server as servers
from tests.lib.resp import PATIENCE
from tests.lib.server import wait_until
from tests.tier.load import key_of, scan, value_of, verify, verify_one_by_one, write

MAXMEMORY_MB = 48
VALUE_BYTES = 1600
# What the process may hold beside maxmemory: code, stacks, buffers. The strict figure is the benchmark's.
RSS_SLACK_MB = 64
# A busy machine may write rows slowly; that is no reason to refuse.
WAIT_MS = 100000


class Tiered:
    """A server with much more data than memory, and what is in it."""

    def __init__(self, kind, scale):
        directives = {'maxmemory': servers.memory_of(MAXMEMORY_MB), 'tier': 'yes', 'maxmemory_wait_ms': WAIT_MS} if kind == 'forebay' else {'appendonly': 'yes'}
        self.server = servers.start(kind, **directives)
        self.count = int(5 * MAXMEMORY_MB * (1 << 20) / (VALUE_BYTES + 12) * scale)
        self.client = self.server.client(timeout=120)

    def sample(self, most, seed):
        return random.Random(seed).sample(range(self.count), min(most, self.count))


@pytest.fixture(scope='module')
def tiered(kind, scale):
    tiered = Tiered(kind, scale)
    yield tiered
    tiered.client.close()
    tiered.server.remove()


def test_01_more_data_than_memory_is_accepted(tiered):
    started = time.monotonic()
    write(tiered.client, range(tiered.count), VALUE_BYTES)
    print('%d keys in %.1f s, RSS %d MB, peak %d MB' % (
        tiered.count, time.monotonic() - started, tiered.server.rss() >> 20, tiered.server.rss_peak() >> 20))
    assert tiered.client('DBSIZE') == tiered.count


@pytest.mark.forebay_only
@pytest.mark.skipif(servers.MEMORY_MORE_MB > 0, reason="a sanitizer's own memory is no part of the bound")
def test_02_resident_memory_stays_bounded(tiered):
    bound = MAXMEMORY_MB + RSS_SLACK_MB << 20
    wait_until(lambda: tiered.server.rss() < bound, 20, 'RSS below %d MB' % (bound >> 20))


def test_03_every_key_reads_back(tiered):
    verify(tiered.client, range(tiered.count), VALUE_BYTES)


def test_04_keys_in_random_order_read_back_on_many_connections_at_once(tiered):
    failures = []

    def read(seed):
        try:
            with tiered.server.client(timeout=120) as client:
                verify_one_by_one(client, tiered.sample(2000, seed), VALUE_BYTES)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_05_an_absent_key_is_absent(tiered):
    verify(tiered.client, range(tiered.count, tiered.count + 10000), VALUE_BYTES, version=None)
    assert tiered.client('EXISTS', *[key_of(tiered.count + n) for n in range(1000)]) == 0


def test_06_many_cold_keys_in_one_command(tiered):
    numbers = tiered.sample(5000, 'mget')
    assert tiered.client('MGET', *map(key_of, numbers)) == [value_of(n, VALUE_BYTES) for n in numbers]
    assert tiered.client('EXISTS', *map(key_of, numbers)) == len(numbers)


def test_07_overwritten_cold_keys_have_the_new_value(tiered):
    numbers = tiered.sample(10000, 'overwrite')
    write(tiered.client, numbers, VALUE_BYTES, version=1)
    verify(tiered.client, numbers, VALUE_BYTES, version=1)
    assert tiered.client('DBSIZE') == tiered.count
    write(tiered.client, numbers, VALUE_BYTES)


def test_08_cold_keys_changed_in_place(tiered):
    numbers = tiered.sample(5000, 'append')
    replies = tiered.client.pipeline([('APPEND', key_of(n), 'more') for n in numbers])
    assert replies == [VALUE_BYTES + 4] * len(numbers)
    replies = tiered.client.pipeline([('GETRANGE', key_of(n), -4, -1) for n in numbers])
    assert replies == [b'more'] * len(numbers)
    write(tiered.client, numbers, VALUE_BYTES)


def test_09_deleted_cold_keys_stay_away(tiered):
    """Also after everything else has gone through memory and out again."""
    numbers = tiered.sample(10000, 'delete')
    assert sum(tiered.client.pipeline([('DEL', key_of(n)) for n in numbers])) == len(numbers)
    assert tiered.client('DBSIZE') == tiered.count - len(numbers)
    verify(tiered.client, numbers, VALUE_BYTES, version=None)
    verify(tiered.client, sorted(set(range(0, tiered.count, 3)) - set(numbers)), VALUE_BYTES)
    verify(tiered.client, numbers, VALUE_BYTES, version=None)
    write(tiered.client, numbers, VALUE_BYTES)
    assert tiered.client('DBSIZE') == tiered.count


def test_10_expired_cold_keys_stay_away(tiered):
    """Given a time while cold, pushed out again, gone when it has passed; EXPIRE and PERSIST before are obeyed."""
    numbers = tiered.sample(10000, 'expire')
    kept = numbers[:1000]
    at = int(time.time() * 1000) + 6000
    assert sum(tiered.client.pipeline([('PEXPIREAT', key_of(n), at) for n in numbers])) == len(numbers)
    verify(tiered.client, sorted(set(tiered.sample(tiered.count // 4, 'push')) - set(numbers)), VALUE_BYTES)
    changed = tiered.client.pipeline([('PERSIST', key_of(n)) for n in kept])
    kept = [n for n, was_there in zip(kept, changed) if was_there]
    wait_until(lambda: time.time() * 1000 > at, what='the expiry time')
    verify(tiered.client, sorted(set(numbers) - set(kept)), VALUE_BYTES, version=None)
    verify(tiered.client, kept, VALUE_BYTES)
    wait_until(lambda: tiered.client('DBSIZE') == tiered.count - len(numbers) + len(kept), 20, 'DBSIZE without the expired')
    write(tiered.client, numbers, VALUE_BYTES)
    assert tiered.client('DBSIZE') == tiered.count


def test_11_cold_keys_that_nobody_reads_expire_too(tiered):
    extra = range(tiered.count, tiered.count + 10000)
    at = int(time.time() * 1000) + 4000
    write(tiered.client, extra, VALUE_BYTES, extra=('PXAT', at))
    verify(tiered.client, tiered.sample(tiered.count // 8, 'push out'), VALUE_BYTES)
    try:
        wait_until(lambda: tiered.client('DBSIZE') == tiered.count, 40, 'DBSIZE without keys that nobody read')
    finally:
        print('%d keys still counted' % (tiered.client('DBSIZE') - tiered.count))
        tiered.client('DEL', *map(key_of, extra))


def test_12_scan_misses_nothing_while_keys_move(tiered):
    """Reads and writes of random keys push others between the tiers during the iteration."""
    stop, failures = threading.Event(), []

    def disturb():
        try:
            with tiered.server.client(timeout=120) as client:
                seed = 0
                while not stop.is_set():
                    seed += 1
                    verify(client, tiered.sample(2000, seed), VALUE_BYTES)
                    write(client, tiered.sample(2000, -seed), VALUE_BYTES)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        seen, twice = scan(tiered.client)
    finally:
        stop.set()
        thread.join()
    assert not failures
    missing = set(map(key_of, range(tiered.count))) - seen
    assert not missing, '%d missing, for example %r' % (len(missing), sorted(missing)[:5])
    assert len(seen) == tiered.count
    print('%d keys came twice' % twice)


def test_13_a_cold_key_moves_with_rename_copy_and_dump(tiered):
    numbers = tiered.sample(300, 'rename')
    for n in numbers:
        assert tiered.client('RENAME', key_of(n), b'new:%d' % n) == 'OK'
        assert tiered.client('COPY', b'new:%d' % n, key_of(n)) == 1
    verify(tiered.client, numbers, VALUE_BYTES)
    assert tiered.client('DEL', *[b'new:%d' % n for n in numbers]) == len(numbers)
    dumps = tiered.client.pipeline([('DUMP', key_of(n)) for n in numbers])
    replies = tiered.client.pipeline([('RESTORE', key_of(n), 0, dump, 'REPLACE') for n, dump in zip(numbers, dumps)])
    assert replies == ['OK'] * len(numbers)
    verify(tiered.client, numbers, VALUE_BYTES)


def test_14_a_transaction_reads_and_writes_cold_keys(tiered):
    numbers = tiered.sample(200, 'multi')
    commands = [('MULTI',)] + [('GET', key_of(n)) for n in numbers] + [('SET', key_of(n), 'x') for n in numbers] + [('EXEC',)]
    replies = tiered.client.pipeline(commands)
    assert replies[-1] == [value_of(n, VALUE_BYTES) for n in numbers] + ['OK'] * len(numbers)
    assert tiered.client('MGET', *map(key_of, numbers)) == [b'x'] * len(numbers)
    write(tiered.client, numbers, VALUE_BYTES)


def test_15_swapdb_exchanges_cold_keys(tiered):
    count = tiered.client('DBSIZE')
    tiered.client.pipeline([('SELECT', 1), ('SET', 'one', 'x'), ('SELECT', 0)])
    assert tiered.client('SWAPDB', 0, 1) == 'OK'
    try:
        assert tiered.client('DBSIZE') == 1 and tiered.client('GET', 'one') == b'x' and tiered.client('GET', key_of(0)) is None
        tiered.client('SELECT', 1)
        assert tiered.client('DBSIZE') == count
        verify(tiered.client, tiered.sample(5000, 'swap'), VALUE_BYTES)
    finally:
        tiered.client('SELECT', 0)
        assert tiered.client('SWAPDB', 1, 0) == 'OK'
        assert tiered.client.pipeline([('SELECT', 1), ('FLUSHDB',), ('SELECT', 0)]) == ['OK'] * 3
    assert tiered.client('DBSIZE') == count


@pytest.mark.parametrize('kill', [False, True], ids=['stop', 'kill'])
def test_16_a_restart_serves_all_keys_at_once(tiered, kill):
    numbers = tiered.sample(3000, 'restart')
    write(tiered.client, numbers, VALUE_BYTES, version=2)
    gone = tiered.sample(3000, 'gone')
    there = sum(tiered.client.pipeline([('DEL', key_of(n)) for n in gone]))
    tiered.client.close()
    started = time.monotonic()
    tiered.server.restart(kill=kill)
    tiered.client = tiered.server.client(timeout=120)
    assert tiered.client('DBSIZE') == tiered.count - there
    print('stopped and serving again after %.2f s' % (time.monotonic() - started))
    verify(tiered.client, gone, VALUE_BYTES, version=None)
    verify(tiered.client, sorted(set(numbers) - set(gone)), VALUE_BYTES, version=2)
    verify(tiered.client, sorted(set(range(0, tiered.count, 3)) - set(numbers) - set(gone)), VALUE_BYTES)
    assert len(scan(tiered.client)[0]) == tiered.count - there
    write(tiered.client, numbers + gone, VALUE_BYTES)
    assert tiered.client('DBSIZE') == tiered.count


def test_17_flushall_leaves_nothing_in_any_tier(tiered):
    assert tiered.client('FLUSHALL') == 'OK'
    assert tiered.client('DBSIZE') == 0
    verify(tiered.client, tiered.sample(10000, 'flushed'), VALUE_BYTES, version=None)
    assert scan(tiered.client)[0] == set()
    write(tiered.client, range(1000), VALUE_BYTES, version=3)
    tiered.client.close()
    tiered.server.restart(kill=True)
    tiered.client = tiered.server.client(timeout=120)
    assert tiered.client('DBSIZE') == 1000
    verify(tiered.client, range(1000), VALUE_BYTES, version=3)
    verify(tiered.client, range(1000, 20000), VALUE_BYTES, version=None)


@pytest.mark.forebay_only
@pytest.mark.parametrize('queued', [
    [('SELECT', 2), ('SWAPDB', 1, 2)], [('SWAPDB', 1, 2), ('SELECT', 2)], [('SWAPDB', 1, 3), ('SWAPDB', 2, 3), ('SELECT', 2)],
    [('SWAPDB', 1, 9), ('SWAPDB', 1, 99), ('SWAPDB', 2, 9), ('SELECT', 2)]])
def test_a_transaction_finds_cold_keys_of_databases_that_it_has_swapped(queued):
    with servers.start('forebay', tier='yes') as server:
        with server.client() as client:
            client.pipeline([('SELECT', 1), ('SET', 'k', 'cold'), ('RPUSH', 'l', 1), ('SELECT', 2), ('SET', 'k', 'other')])
        server.restart()  # everything is cold
        with server.client() as client:
            commands = [('MULTI',)] + queued + [('APPEND', 'k', '+'), ('RPUSH', 'l', 2), ('COPY', 'k', 'copy', 'DB', 4)]
            assert client.pipeline(commands + [('EXEC',)])[-1][-3:] == [5, 2, 1]
            assert client('GET', 'k') == b'cold+' and client('LRANGE', 'l', 0, -1) == [b'1', b'2']
            client.ok('SELECT', 4)
            assert client('GET', 'copy') == b'cold+'


@pytest.mark.forebay_only
def test_18_a_node_of_sixteen_megabytes_spills_and_reads_at_a_good_pace():
    with servers.start('forebay', maxmemory=servers.memory_of(16), tier='yes') as server, server.client(timeout=60) as client:
        started = time.monotonic()
        write(client, range(100000), 200)
        verify(client, range(0, 100000, 3), 200)
        assert time.monotonic() - started < 60 * PATIENCE
        assert client('DBSIZE') == 100000
