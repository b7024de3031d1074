# SPDX-License-Identifier: BSD-3-Clause
"""Work goes on where keys are far larger than memory: nobody waits for what only he himself could free."""
import random
import threading

import pytest

from tests.lib import server as servers
from tests.tier.load import key_of, value_of, verify, write

pytestmark = pytest.mark.forebay_only

COUNT, BYTES = 15000, 3000


@pytest.fixture(scope='module')
def full():
    """More keys than fit; no timer syncs the log, although rows may be written only behind it."""
    with servers.start('forebay', maxmemory=servers.memory_of(32), tier='yes', threads=4, maxmemory_wait_ms=60000,
                       durability_interval_ms=3600000) as server:
        with server.client() as client:
            write(client, range(COUNT), BYTES)
        yield server


def test_writes_find_room_though_no_timer_syncs_the_log(full):
    with full.client() as client:
        write(client, range(0, COUNT, 3), BYTES, version=1)
        verify(client, range(0, COUNT, 3), BYTES, version=1)
        write(client, range(0, COUNT, 3), BYTES)


def test_scripts_and_requests_of_many_cold_keys_end(full):
    """Scripts meet cold keys that nobody declared while others wait for keys in every partition."""
    failures = []

    def scripts(client, rng):
        names = [key_of(rng.randrange(COUNT)) for _ in range(3)]
        code = "local sum = 0 for _, key in ipairs(ARGV) do sum = sum + redis.call('STRLEN', key) end return sum"
        assert client('EVAL', code, 0, *names) == 3 * BYTES

    def reads(client, rng):
        numbers = [rng.randrange(COUNT) for _ in range(40)]
        assert client('MGET', *map(key_of, numbers)) == [value_of(number, BYTES) for number in numbers]

    def writes(client, rng):
        numbers = [rng.randrange(COUNT) for _ in range(20)]
        assert client('MSET', *[word for number in numbers for word in (key_of(number), value_of(number, BYTES))]) == 'OK'

    def moves(client, rng):
        number, name = rng.randrange(COUNT), 'moved:%d' % threading.get_ident()
        assert client('COPY', key_of(number), name, 'REPLACE') == 1
        assert client('GET', name) == value_of(number, BYTES)

    def work(task, seed):
        try:
            with full.client() as client:
                rng = random.Random(seed)
                for _ in range(100):
                    task(client, rng)
        except Exception as failure:  # noqa: BLE001  told by the story's own thread
            failures.append(failure)
    threads = [threading.Thread(target=work, args=(task, seed)) for seed, task in enumerate((scripts, reads, writes, moves) * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_two_requests_of_nearly_all_memory_end(full):
    """Each wants about all that fits, so neither can keep what it has until the other is served."""
    numbers = random.Random(3).sample(range(COUNT), 12000)
    with full.client() as first, full.client() as second:
        first.send('MGET', *map(key_of, numbers[:6000]))
        second.send('MGET', *map(key_of, numbers[6000:]))
        for client, part in ((first, numbers[:6000]), (second, numbers[6000:])):
            assert client.read() == [value_of(number, BYTES) for number in part]
