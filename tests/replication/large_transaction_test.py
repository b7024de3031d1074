# SPDX-License-Identifier: BSD-3-Clause
"""Transactions with large values let others go on, and yet each is one step: to other clients, to a replica, to the flusher and
its checkpoints, and to who replays the log after a crash in the middle of one."""
import threading

import pytest

from tests.lib.resp import Closed, Error
from tests.lib.server import wait_until
from tests.replication.large_command_test import assert_lasts, grow, together, transaction
from tests.replication.story import assert_same, contents, follow, wait_caught_up

pytestmark = pytest.mark.forebay_only

COUNT, MANY = 20000, 200000
# The first three in one slot; the fourth elsewhere.
A, B, C, ELSEWHERE = '{p}a', '{p}b', '{p}c', 'elsewhere'
TURN = '{p}turn'


@pytest.fixture
def pair(own_server):
    server, replica = own_server(), own_server()
    with server.client() as client:
        grow(client, 'SADD', A, lambda i: ('member:%d' % i,))
        grow(client, 'ZADD', 'zset', lambda i: (i, 'member:%d' % i))
        grow(client, 'RPUSH', '{p}list', lambda i: ('element:%d' % i,))
    with replica.client() as client:
        follow(client, server.port)
    return server, replica


def test_a_transaction_that_renames_is_seen_as_a_whole(pair):
    """The set goes round; the counter says where it is."""
    names = (A, B, ELSEWHERE)

    def go_round(client, number):
        here, there = names[number % 3], names[(number + 1) % 3]
        assert transaction(client, ('INCR', TURN), ('SADD', here, 'turn:%d' % number), ('RENAME', here, there),
                           ('SET', here, number), ('SREM', there, 'turn:%d' % (number - 1)), ('DEL', here))[::5] == [number + 1, 1]

    def look(client, _):
        turn, *counts = transaction(client, ('GET', TURN), *(('SCARD', name) for name in names))
        assert counts[int(turn or 0) % 3] >= COUNT and sum(counts) - max(counts) == 0

    def look_once(client, _):
        assert client('EXISTS', *names) == 1
        assert client('TYPE', A) in ('set', 'none')

    def others(client, number):
        assert client('SAVE') == 'OK'
        assert client('SADD', '{p}others', number) == 1
    counts = together(pair[0], go_round, look, look_once, others)
    with pair[0].client() as client:
        assert client('SCARD', names[counts[0] % 3]) == COUNT + 1
        assert int(client('GET', TURN)) == counts[0]
    assert_lasts(pair)


def test_several_large_values_of_one_transaction_go_out_in_their_order(pair):
    def change(client, number):
        assert transaction(client, ('COPY', A, B, 'REPLACE'), ('SADD', B, 'x:%d' % number), ('COPY', B, ELSEWHERE, 'REPLACE'),
                           ('SREM', A, 'x:%d' % (number - 1)), ('SUNIONSTORE', A, B, ELSEWHERE), ('INCR', TURN))[1] == 1

    def remove(client, number):
        refill = [word for i in range(COUNT // 2) for word in (i, 'member:%d' % i)]
        removed = transaction(client, ('ZREMRANGEBYRANK', 'zset', 0, COUNT // 2 - 1), ('ZCARD', 'zset'), ('ZADD', 'zset', *refill))
        assert removed == [COUNT // 2, COUNT // 2, COUNT // 2]

    def search(client, _):
        assert transaction(client, ('LREM', '{p}list', 0, 'absent'), ('LPOS', '{p}list', 'element:%d' % (COUNT - 1)),
                           ('SORT', '{p}list', 'ALPHA', 'LIMIT', 0, 1)) == [0, COUNT - 1, [b'element:0']]

    def look(client, _):
        assert client('ZCARD', 'zset') == COUNT
        first, second = transaction(client, ('SCARD', B), ('SCARD', ELSEWHERE))
        assert first == second
    together(pair[0], change, remove, search, look)
    assert_lasts(pair)


def test_what_a_transaction_watches_may_not_change_while_it_has_let_go(pair):
    """Who has watched is refused, or was first; both cannot be."""
    def move(client, number):
        client('WATCH', ELSEWHERE)
        seen = client('GET', ELSEWHERE)
        result = transaction(client, ('COPY', A, B, 'REPLACE'), ('SET', C, seen or 'none'))
        assert result in (None, [1, 'OK'])

    def change(client, number):
        assert transaction(client, ('SET', ELSEWHERE, number), ('DEL', C)) is not None

    def look(client, _):
        seen, now = transaction(client, ('GET', C), ('GET', ELSEWHERE))
        assert seen in (None, now or b'none')
    together(pair[0], move, change, look)
    assert_lasts(pair)


def begin(client):
    client.ok('FLUSHALL')
    for i in range(0, MANY, 1000):
        client.ok('SADD', 'large:0', *range(i, i + 1000))
    client.pipeline([('SET', 'step:0', 0), ('SET', 'small:0', 'x'), ('SET', TURN, 0)])


def write_until(server, failures, stop):
    """Each transaction makes, deletes and renames keys of three partitions; the step it makes says which. Until the server dies."""
    number = 0
    try:
        with server.client(timeout=60) as client:
            while not stop.is_set():
                before, number = number, number + 1
                told = transaction(client, ('SET', 'step:%d' % number, number), ('DEL', 'step:%d' % before),
                                   ('RENAME', 'large:%d' % before, 'large:%d' % number), ('SADD', 'large:%d' % number, 'step:%d' % number),
                                   ('SET', 'small:%d' % number, 'x'), ('DEL', 'small:%d' % before), ('SET', TURN, number))
                if any(isinstance(word, Error) for word in told):
                    failures.append(told)
                    return
    except (Closed, OSError):
        pass


def keep_on(server, *command):
    try:
        with server.client(timeout=60) as client:
            while client(*command):
                pass
    except (Closed, OSError):
        pass


def assert_is_of_one_step(client):
    turn = client('GET', TURN).decode()
    assert sorted(client('KEYS', '*')) == sorted(name.encode() for name in ('large:' + turn, 'small:' + turn, 'step:' + turn, TURN))
    assert client('DBSIZE') == 4
    assert client('SCARD', 'large:' + turn) == MANY + int(turn)


def test_a_crash_in_the_middle_of_a_transaction_leaves_nothing_of_it(own_server):
    """Rows and checkpoints are written all the while: they know nothing of a transaction that is under way."""
    server = own_server()
    for _ in range(4):
        with server.client() as client:
            begin(client)
            failures, stop = [], threading.Event()
            threads = [threading.Thread(target=write_until, args=(server, failures, stop))]
            threads += [threading.Thread(target=keep_on, args=(server, 'SAVE')) for _ in range(2)]
            for thread in threads:
                thread.start()
            wait_until(lambda: int(client('GET', TURN)) >= 20, 60, 'transactions')
        server.restart(kill=True)
        for thread in threads:
            thread.join()
        assert failures == []
        with server.client() as client:
            assert_is_of_one_step(client)
    with server.client() as client:
        before = contents(client)
    server.restart()
    with server.client() as client:
        assert contents(client) == before


def test_a_replica_that_copies_meanwhile_misses_nothing_of_a_transaction(own_server):
    server, replica = own_server(), own_server()
    with server.client() as client, replica.client() as other:
        begin(client)
        failures, stop = [], threading.Event()
        writer = threading.Thread(target=write_until, args=(server, failures, stop))
        writer.start()
        for _ in range(5):
            other.ok('REPLICAOF', 'NO', 'ONE')
            other.ok('FLUSHALL')
            follow(other, server.port)
        stop.set()
        writer.join()
        assert failures == []
        wait_caught_up(client, other)
        assert_is_of_one_step(client)
        assert_is_of_one_step(other)
        assert_same(client, other)


# ---- scripts ----

GO_ROUND = """redis.call('INCR', KEYS[1]) redis.call('SADD', KEYS[2], 'turn:' .. ARGV[1]) redis.call('RENAME', KEYS[2], KEYS[3])
redis.call('SET', KEYS[2], ARGV[1]) redis.call('SREM', KEYS[3], 'turn:' .. ARGV[1] - 1) redis.call('COPY', KEYS[3], KEYS[4], 'REPLACE')
redis.call('DEL', KEYS[2]) return redis.call('SCARD', KEYS[3]) - redis.call('SCARD', KEYS[4])"""


def test_a_script_that_renames_is_seen_as_a_whole(pair):
    names = (A, B, ELSEWHERE)

    def go_round(client, number):
        assert client('EVAL', GO_ROUND, 4, TURN, names[number % 3], names[(number + 1) % 3], C, number) == 0

    def look(client, _):
        turn, *counts = transaction(client, ('GET', TURN), *(('SCARD', name) for name in names))
        assert counts[int(turn or 0) % 3] >= COUNT and sum(counts) - max(counts) == 0

    def look_by_script(client, _):
        script = "local n = 0 for i, key in ipairs(KEYS) do n = n + redis.call('SCARD', key) end return n - redis.call('SCARD', '{p}c')"
        assert client('EVAL', script, 3, *names) in (0, COUNT)

    def look_once(client, _):
        assert client('EXISTS', *names) == 1
        assert client('SAVE') == 'OK'
    counts = together(pair[0], go_round, look, look_by_script, look_once)
    with pair[0].client() as client:
        assert client('SCARD', names[counts[0] % 3]) == client('SCARD', C) == COUNT + 1
    assert_lasts(pair)


def test_scripts_that_go_on_to_other_keys_and_long_commands_end(pair):
    """Some have let go and come to partitions where others have; some look at what they have not declared before they do."""
    with pair[0].client() as client:
        client.pipeline([('COPY', A, key) for key in (B, C, ELSEWHERE, '{q}a', '{q}b')])

    def script_first(client, number):
        text = ("redis.call('SUNIONSTORE', KEYS[1], KEYS[2]) redis.call('INCR', ARGV[1]) redis.call('INCR', ARGV[2]) "
                "redis.call('COPY', KEYS[2], KEYS[1], 'REPLACE') return redis.call('SCARD', KEYS[1])")
        assert client('EVAL', text, 2, B, A, '{q}n', 'n') == COUNT

    def script_last(client, number):
        text = ("redis.call('INCR', ARGV[1]) redis.call('INCR', ARGV[2]) redis.call('COPY', KEYS[2], KEYS[1], 'REPLACE') "
                "return redis.call('SCARD', KEYS[1])")
        assert client('EVAL', text, 2, '{q}b', '{q}a', '{p}n', 'n') == COUNT

    def unite(client, number):
        assert client('SUNIONSTORE', C, A, '{q}a') == COUNT
        assert client('COPY', '{q}a', ELSEWHERE, 'REPLACE') == 1

    def exchange(client, number):
        assert transaction(client, ('COPY', '{q}a', '{q}c', 'REPLACE'), ('INCR', '{p}m'), ('RENAME', '{q}c', C + 'c')) == [1, number + 1, 'OK']

    def sort(client, _):
        assert client('SORT', '{p}list', 'BY', 'w:*', 'LIMIT', 0, 1) == [b'element:0']
    counts = together(pair[0], script_first, script_last, unite, exchange, sort)
    with pair[0].client() as client:
        assert int(client('GET', 'n')) == counts[0] + counts[1]
    assert_lasts(pair)


def test_a_script_in_a_transaction_is_a_part_of_it(pair):
    def both(client, number):
        told = transaction(client, ('INCR', TURN), ('COPY', A, B, 'REPLACE'), ('EVAL', "return redis.call('SADD', KEYS[1], KEYS[2])", 2, B, ELSEWHERE),
                           ('EVAL', "return redis.call('COPY', KEYS[1], KEYS[2], 'REPLACE')", 2, B, ELSEWHERE), ('SCARD', B))
        assert told == [number + 1, 1, 1, 1, COUNT + 1]

    def look(client, _):
        assert client('SCARD', ELSEWHERE) in (0, COUNT + 1)
        first, second = transaction(client, ('SCARD', B), ('SCARD', ELSEWHERE))
        assert first == second
    together(pair[0], both, look)
    assert_lasts(pair)


def test_a_script_in_a_transaction_looks_at_what_it_likes(pair):
    """At keys that nobody has declared, in partitions that the transaction has, and in those where long commands are."""
    with pair[0].client() as client:
        client.pipeline([('COPY', A, '{q}a')])

    def both(client, number):
        told = transaction(client, ('INCR', TURN), ('EVAL', "return redis.call('INCR', '{p}first')", 1, TURN), ('COPY', A, B, 'REPLACE'),
                           ('EVAL', "redis.call('INCR', '{q}n') return redis.call('INCR', '{p}last')", 1, TURN))
        assert told == [number + 1, number + 1, 1, number + 1]

    def look(client, _):
        first, last = (int(client('GET', key) or 0) for key in ('{p}first', '{p}last'))
        assert first <= last

    def unite(client, number):
        assert client('SUNIONSTORE', '{q}b', '{q}a', C) == COUNT
    together(pair[0], both, look, unite, unite)
    assert_lasts(pair)


def test_who_wants_everything_does_not_part_a_script_and_whom_it_waits_for(pair):
    """The script holds several partitions and comes to one where a copy has let go of several, which it then takes back."""
    with pair[0].client() as client:
        client.pipeline([('COPY', A, '{q}a')])

    def copy(client, number):
        assert transaction(client, ('COPY', A, B, 'REPLACE'), ('COPY', B, '{q}b', 'REPLACE'), ('COPY', A, '{q}c', 'REPLACE')) == [1, 1, 1]

    def script(client, number):
        assert client('EVAL', "return redis.call('INCR', ARGV[1])", 2, 'x', 'y', ('{p}n', '{q}n')[number % 2]) == number // 2 + 1

    def swap(client, _):
        assert client('SWAPDB', 5, 6) == 'OK'
    together(pair[0], copy, script, swap, swap)
    assert_lasts(pair)
