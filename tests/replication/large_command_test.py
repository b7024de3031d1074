# SPDX-License-Identifier: BSD-3-Clause
"""Commands that take long on large values let others go on, and yet each is one step: to other clients, to a replica, and to
who replays the log after a crash."""
import threading
import time

import pytest

from tests.lib.server import wait_until
from tests.replication.story import assert_same, contents, follow, wait_caught_up
from tests.tier import large_test as large

pytestmark = pytest.mark.forebay_only

COUNT, SECONDS = 20000, 1
# All in one slot, hence in one partition; and one key elsewhere.
A, B, C, D, E, F = ('{p}' + letter for letter in 'abcdef')


def grow(client, command, key, form):
    for i in range(0, COUNT, 500):
        client.ok(command, key, *[word for j in range(i, i + 500) for word in form(j)])


@pytest.fixture
def pair(own_server):
    server, replica = own_server(), own_server()
    with server.client() as client:
        for key in (A, C, D):
            grow(client, 'SADD', key, lambda i: ('member:%d' % i,))
        grow(client, 'ZADD', 'zset', lambda i: (i, 'member:%d' % i))
        grow(client, 'RPUSH', '{p}list', lambda i: ('element:%d' % i,))
        grow(client, 'HSET', '{p}hash', lambda i: ('field:%d' % i, i))
    with replica.client() as client:
        follow(client, server.port)
    return server, replica


def together(server, *parts):
    """Each part again and again on a connection of its own, at least once; how often each."""
    counts, failures, end = [0] * len(parts), [], time.monotonic() + SECONDS

    def run(index, part):
        try:
            with server.client() as client:
                while (time.monotonic() < end or counts[index] == 0) and not failures:
                    part(client, counts[index])
                    counts[index] += 1
        except BaseException as failure:
            failures.append(failure)
    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return counts


def assert_lasts(pair):
    """The replica has the same, and so has the server after a crash."""
    server, replica = pair
    with server.client() as client, replica.client() as other:
        wait_caught_up(client, other)
        assert_same(client, other)
        before = contents(client)
    server.restart(kill=True)
    with server.client() as client:
        assert contents(client) == before


def transaction(client, *commands):
    return client.pipeline([('MULTI',), *commands, ('EXEC',)])[-1]


def test_a_key_that_is_renamed_is_always_at_one_of_its_names(pair):
    def rename(client, number):
        assert client('RENAME', (A, B)[number % 2], (B, A)[number % 2]) == 'OK'

    def look(client, _):
        assert client('EXISTS', A, B) == 1
        assert sorted(transaction(client, ('SCARD', A), ('SCARD', B)))[0] == 0

    def add(client, number):
        script = "local key = redis.call('EXISTS', KEYS[1]) == 1 and KEYS[1] or KEYS[2] return redis.call('SADD', key, ARGV[1])"
        assert client('EVAL', script, 2, A, B, 'more:%d' % number) == 1
    counts = together(pair[0], rename, look, add)
    with pair[0].client() as client:
        assert client('SUNIONSTORE', E, A, B) == COUNT + counts[2]
    assert_lasts(pair)


def test_sources_do_not_change_while_a_result_is_made_of_them(pair):
    def change(client, number):
        transaction(client, ('SADD', C, 'x:%d' % number), ('SADD', D, 'x:%d' % number), ('SREM', C, 'member:%d' % number),
                    ('SREM', D, 'member:%d' % number))

    def differ(client, _):
        assert client('SDIFFSTORE', E, C, D) == 0
        assert client('SINTERCARD', 2, C, D) == COUNT
        assert client('EXISTS', E) == 0

    def unite(client, _):
        assert client('SUNIONSTORE', F, C, D) == COUNT

    def look(client, number):
        assert client('SCARD', F) in (0, COUNT)
        assert client('ZUNIONSTORE', 'zset2', 2, 'zset', C) >= COUNT
    together(pair[0], change, differ, unite, look)
    assert_lasts(pair)


def test_copies_and_restored_values_come_as_a_whole(pair):
    with pair[0].client() as client:
        dump = client('DUMP', '{p}hash')
        client('SET', 'string', 'x' * 3000000)

    def copy(client, number):
        assert client('COPY', '{p}hash', '{p}hash2', 'REPLACE') == 1
        assert client('COPY', 'string', 'string2', 'REPLACE') == 1

    def restore(client, number):
        assert client('RESTORE', '{p}hash3', 0, dump, 'REPLACE') == 'OK'

    def change(client, number):
        transaction(client, ('HSET', '{p}hash', 'field:1', number), ('HSET', '{p}hash', 'field:%d' % (COUNT - 1), number))
        client('SETRANGE', 'string', number, 'y')
        client('HDEL', '{p}hash3', 'field:%d' % number)

    def read(client, _):
        assert len(client('HGETALL', '{p}hash2')) in (0, 2 * COUNT)
        assert client('BITCOUNT', 'string2') in range(12000000 if client('EXISTS', 'string2') else 0, 15000001)

    def look(client, _):
        first, last = client('HMGET', '{p}hash2', 'field:1', 'field:%d' % (COUNT - 1))
        assert first == last or (first, last) == (b'1', b'%d' % (COUNT - 1))
        assert client('HLEN', '{p}hash3') in range(COUNT - 1000000, COUNT + 1)
    together(pair[0], copy, restore, change, read, look)
    assert_lasts(pair)


def test_a_sort_by_other_keys_finds_them_as_of_one_moment(pair):
    """Weights are exchanged by twos, in other partitions and in hashes; some expire."""
    with pair[0].client() as client:
        client.pipeline([('SET', 'w:member:%d' % i, i) for i in range(COUNT)])
        client.pipeline([('HSET', 'h:member:%d' % i, 'f', i) for i in range(0, COUNT, 100)])
    every = b''.join(b'%d ' % i for i in range(COUNT)).split()

    def exchange(client, number):
        first, second = ('member:%d' % (i % COUNT) for i in (7 * number, 13 * number + 1))  # never the same
        script = ("for _, kind in ipairs({'w:', 'h:'}) do local a, b = kind .. ARGV[1], kind .. ARGV[2] "
                  "if redis.call('EXISTS', a, b) == 2 then redis.call('RENAME', a, '{t}') redis.call('RENAME', b, a) "
                  "redis.call('RENAME', '{t}', b) end end")
        client.ok('EVAL', script, 0, first, second)

    def add(client, number):
        a, b = 'w:member:%d' % (number % COUNT), 'w:member:%d' % (COUNT - 1 - number % COUNT)
        transaction(client, ('INCRBY', a, COUNT), ('DECRBY', b, COUNT))
        client('SET', 'w:member:none%d' % number, 'x', 'PX', 1)
        transaction(client, ('DECRBY', a, COUNT), ('INCRBY', b, COUNT))

    def sort(client, _):
        found = client('SORT', A, 'BY', 'w:*', 'GET', 'w:*')
        assert sum(map(int, found)) == COUNT * (COUNT - 1) // 2
        assert found == sorted(found, key=int)
        fields = [i for i in client('SORT_RO', A, 'BY', 'nosort', 'GET', 'h:*->f') if i is not None]
        assert sorted(fields, key=int) == every[::100]
        assert client('SORT', A, 'BY', 'w:*', 'LIMIT', 0, 5, 'STORE', E + 'sorted') == 5

    def look(client, number):
        assert client('GET', 'w:member:%d' % (number % COUNT)) is not None
        assert client('LLEN', E + 'sorted') in (0, 5)
    together(pair[0], exchange, add, sort, look)
    assert_lasts(pair)


def test_strings_that_grow_and_are_looked_through_are_of_one_step(pair):
    """Bits come and go by twos; the two texts are always the same."""
    size = 2000000
    with pair[0].client() as client:
        client('SETRANGE', A + 's', size - 1, b'\0')
        client.ok('SET', C + 's', 'x' * 2000)
        client.ok('SET', D + 's', 'x' * 2000)

    def change(client, number):
        transaction(client, ('SETBIT', A + 's', number, 1), ('SETBIT', A + 's', size * 8 - 1 - number, 1))
        transaction(client, *(('SETRANGE', key + 's', number % 2000, 'y') for key in (C, D)))

    def extend(client, number):
        assert client('APPEND', A + 's', b'\0' * 1000) == size + 1000 * (number + 1)
        assert client('BITFIELD', B + 's', 'SET', 'u8', 8 * number, 1, 'SET', 'u8', 8000000 + 800000 * number, 1) == [0, 0]

    def count(client, number):
        assert client('BITCOUNT', A + 's') % 2 == 0
        assert client('BITOP', 'NOT', E + 's', A + 's') >= size
        assert client('BITPOS', A + 's', 1) in (0, -1)
        assert client('BITCOUNT', B + 's') % 2 == 0
        assert client('LCS', C + 's', D + 's', 'LEN') == 2000

    def look(client, _):
        value = client('GET', A + 's')  # while it is sent, it may not be changed where it is
        assert sum(value[:10000]) > 0 or value.count(b'\0') == len(value)
        assert client('BITCOUNT', E + 's') % 2 == 0
    counts = together(pair[0], change, extend, count, look)
    with pair[0].client() as client:
        assert client('STRLEN', A + 's') == size + 1000 * counts[1]
        assert client('BITCOUNT', A + 's') == 2 * counts[0]
    assert_lasts(pair)


def test_who_holds_everything_or_waits_for_a_key_gets_his_turn(pair):
    pushed = []

    def copy(client, number):
        assert client('COPY', '{p}list', '{p}list%d' % (number % 3), 'REPLACE') == 1

    def push(client, number):
        client('RPUSH', '{p}source', number)
        pushed.append(number)

    def move(client, number):
        client('BLMOVE', '{p}source', '{p}list', 'LEFT', 'RIGHT', 0.05)

    def flush(client, _):
        client('SELECT', 7)
        client('SET', 'k', 'v')
        assert client('FLUSHDB') == 'OK'

    def meet(client, _):
        script = "return {redis.call('LLEN', '{p}list0'), redis.call('INCR', 'counter'), redis.call('LLEN', '{p}list')}"
        assert client('EVAL', script, 0)[0] >= 0

    def expire(client, number):
        client('SET', '{p}short', number, 'PX', 1)
        wait_until(lambda: client('EXISTS', '{p}short') == 0, what='its time being over')
    counts = together(pair[0], copy, push, move, flush, meet, expire)
    with pair[0].client() as client:
        assert client('LLEN', '{p}list') + client('LLEN', '{p}source') == COUNT + len(pushed)
        assert int(client('GET', 'counter')) == counts[4]
    assert_lasts(pair)


def test_fields_that_expire_meanwhile_are_told_once(pair):
    def copy(client, number):
        assert client('COPY', '{p}hash', '{p}hash%d' % (number % 2), 'REPLACE') == 1

    def expire(client, number):
        client('HPEXPIRE', '{p}hash', 1, 'FIELDS', 1, 'field:%d' % number)

    def look(client, number):
        assert COUNT - client('HLEN', '{p}hash') >= 0
        client('HGET', '{p}hash', 'field:%d' % number)

    def expire_many(client, number):
        key, fields = '{p}many%d' % number, ['field:%d' % i for i in range(3000)]
        client.ok('HSET', key, *[word for field in fields for word in (field, number)])
        assert client('HPEXPIRE', key, 1, 'FIELDS', len(fields), *fields) == [1] * len(fields)
        wait_until(lambda: client('HKEYS', key) == [], what='the fields being gone')

    with pair[0].client() as client:
        client.ok('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    counts = together(pair[0], copy, expire, expire_many, look)
    with pair[0].client() as client:
        client.ok('DEBUG', 'SET-ACTIVE-EXPIRE', 1)
        wait_until(lambda: client('HLEN', '{p}hash') == COUNT - counts[1], 20, 'the fields to expire')
    assert_lasts(pair)


def test_large_values_are_copied_as_they_were_while_they_change_and_are_flushed(own_server):
    """The copy and the flusher want the same values, each of which is under one capture at a time."""
    server, replica = own_server(), own_server()
    done = threading.Event()

    def keep_on(commands):
        with server.client(timeout=60) as client:
            number = 0
            while not done.is_set():
                client.pipeline(commands(number))
                number += 1
    with server.client() as client:
        large.grow(client)
        changes = [threading.Thread(target=keep_on, args=(change,)) for change in large.CHANGE.values()]
        threads = changes + [threading.Thread(target=keep_on, args=(lambda _: [('SAVE',)],))]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                with replica.client() as other:
                    follow(other, server.port)
                    other.ok('REPLICAOF', 'NO', 'ONE')
                    other.ok('FLUSHALL')
            with replica.client() as other:
                follow(other, server.port)
        finally:
            done.set()
            for thread in threads:
                thread.join()
    with server.client() as client, replica.client() as other:
        wait_caught_up(client, other)
        large.assert_same(large.contents(other), large.contents(client))


def test_long_changes_are_seen_as_a_whole(own_server):
    """By readers, by a replica, by a save and by who replays the log: a range is all there, or all gone."""
    server, replica = own_server(), own_server()
    half = COUNT // 2
    refill = [word for i in range(half) for word in (i, 'member:%d' % i)]
    with server.client() as client, replica.client() as other:
        grow(client, 'ZADD', '{p}z', lambda i: (i, 'member:%d' % i))
        client('SET', '{p}other', 'v')
        grow(client, 'SADD', '{p}set', lambda i: ('member:%d' % i,))
        follow(other, server.port)

    def remove(client, number):
        assert client('ZREMRANGEBYSCORE', '{p}z', 0, half - 1) == half
        assert client('ZADD', '{p}z', *refill) == half

    def look(client, _):
        assert client('ZCARD', '{p}z') in (half, COUNT)
        assert client('ZCOUNT', '{p}z', 0, half - 1) in (0, half)

    def look_in_a_transaction(client, _):
        count, low = transaction(client, ('ZCARD', '{p}z'), ('ZCOUNT', '{p}z', 0, half - 1))
        assert count == low + half

    def trim(client, number):
        client.pipeline([('XADD', '{p}x', '*', 'f', i) for i in range(5000)])
        client('XGROUP', 'CREATE', '{p}x', 'g', 0)
        client('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 4000, 'STREAMS', '{p}x', '>')
        assert client('XGROUP', 'DELCONSUMER', '{p}x', 'g', 'c') == 4000
        assert client('XGROUP', 'DESTROY', '{p}x', 'g') == 1
        assert client('XTRIM', '{p}x', 'MAXLEN', 7) == 4993 + (7 if number else 0)

    def pop(client, number):
        popped = client('SPOP', '{p}set', half)
        assert len(set(popped)) == half
        assert client('SADD', '{p}set', *popped) == half

    def look_at_set(client, _):
        assert client('SCARD', '{p}set') in (half, COUNT)
        assert client('LLEN', '{p}l') in (0, half)
        assert client('HLEN', '{p}h') in (0, half)

    def push_and_pop(client, _):
        assert client('RPUSH', '{p}l', *refill[:half]) == half
        assert client('LPOP', '{p}l', half) == [b'%s' % str(word).encode() for word in refill[:half]]
        assert client('HSET', '{p}h', *refill) == half
        assert client('HDEL', '{p}h', *refill[::2]) == half

    def others(client, number):
        assert client('GET', '{p}other') == b'v'
        assert client('SAVE') == 'OK'
    together(server, remove, look, look_in_a_transaction, trim, pop, look_at_set, push_and_pop, others)
    assert_lasts((server, replica))


def test_a_sort_is_of_one_moment(pair):
    """Elements come and go two at a time, so their number is even; without other keys, nobody but the list's writers waits."""
    def sort(client, number):
        if number % 2:
            assert len(client('SORT', '{p}list', 'ALPHA', 'LIMIT', 0, 2 * COUNT)) % 2 == 0
        else:
            assert client('SORT', '{p}list', 'BY', 'nosort', 'STORE', '{p}sorted') % 2 == 0

    def change(client, number):
        if number % 2:
            client.ok('LPOP', '{p}list', 2)
        else:
            client.ok('RPUSH', '{p}list', number, number + 1)

    together(pair[0], sort, change, lambda client, number: client.ok('INCR', '{p}counter'))
    assert_lasts(pair)


def test_a_sort_by_cold_keys_is_of_one_moment(pair):
    """Their rows are read while others have the partitions, and change what is not asked for; some keys are not there."""
    with pair[0].client() as client:
        client.pipeline([('SET', 'w:member:%d' % i, i * 7919 % COUNT) for i in range(1, COUNT)])
        client.pipeline([('HSET', 'h:member:%d' % i, 'f', i) for i in range(0, COUNT, 100)])
        client.ok('DEBUG', 'RELOAD')

    def sort(client, _):
        found = [i for i in client('SORT', A, 'BY', 'w:*', 'GET', 'w:*') if i is not None]
        assert found == sorted(found, key=int) and sum(map(int, found)) == COUNT * (COUNT - 1) // 2
        fields = [i for i in client('SORT_RO', A, 'BY', 'nosort', 'GET', 'h:*->f') if i is not None]
        assert sorted(map(int, fields)) == list(range(0, COUNT, 100))

    def change(client, number):
        a, b = 'w:member:%d' % (number % COUNT or 1), 'w:member:%d' % (COUNT - 1 - number % (COUNT - 1))
        transaction(client, ('INCRBY', a, 5), ('DECRBY', b, 5))
        client('DEL', 'w:none')

    def forget(client, _):
        client.ok('DEBUG', 'RELOAD')
    together(pair[0], sort, change, forget)
    assert_lasts(pair)


def test_long_values_that_are_set_come_as_a_whole(pair):
    texts = ('a' * 3000000, 'b' * 2000000, 'c' * 10)

    def write(client, number):
        assert client('SET', '{p}text', texts[number % 3], 'GET') in (None, *(text.encode() for text in texts))
        assert client('MSET', '{p}one', texts[number % 3], '{p}two', texts[number % 3]) == 'OK'

    def transact(client, number):
        assert transaction(client, ('SET', '{p}one', texts[number % 3]), ('SET', '{p}two', texts[number % 3])) == ['OK', 'OK']

    def look(client, _):
        one, two = client('MGET', '{p}one', '{p}two')
        assert one == two

    def estimate(client, number):
        assert client('PFADD', 'hll%d' % number, *range(5000)) == 1
        assert client('PFADD', 'hll%d' % number, *range(5000, 12000)) == 1
        assert abs(client('PFCOUNT', 'hll%d' % number) - 12000) < 600
    together(pair[0], write, transact, look, estimate)
    assert_lasts(pair)
