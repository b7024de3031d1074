# SPDX-License-Identifier: BSD-3-Clause
"""Lists: both ends, indexes, values, and clients that wait for elements."""
import threading
import time

import pytest

from tests.lib.resp import PATIENCE, Error
from tests.lib.server import blocked, wait_until

WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')


def test_elements_come_out_in_the_order_of_their_ends(client):
    assert client('RPUSH', 'l', 'a', 'b') == 2
    assert client('LPUSH', 'l', 'c', 'd') == 4
    assert client('LRANGE', 'l', 0, -1) == [b'd', b'c', b'a', b'b']
    assert client('LPOP', 'l') == b'd'
    assert client('RPOP', 'l', 2) == [b'b', b'a']
    assert client('LLEN', 'l') == 1


def test_a_list_goes_with_its_last_element(client):
    client('RPUSH', 'l', 'a')
    assert client('LPOP', 'l') == b'a'
    assert client('EXISTS', 'l') == 0
    client('RPUSH', 'l', 'a', 'a')
    assert client('LREM', 'l', 0, 'a') == 2
    assert client('EXISTS', 'l') == 0


def test_pushx_needs_a_list(client):
    assert client('LPUSHX', 'l', 'a') == 0
    assert client('EXISTS', 'l') == 0
    client('RPUSH', 'l', 'a')
    assert client('RPUSHX', 'l', 'b', 'c') == 3


def test_a_swapped_database_serves_those_who_wait(client, waiting):
    client('SELECT', 9)
    client('RPUSH', 'l', 'a')
    client('SELECT', 0)
    reply = waiting('BLPOP', 'l', 0)
    client.ok('SWAPDB', 0, 9)
    wait_until(lambda: reply)
    assert reply == [[b'l', b'a']]


def test_pop_of_nothing_is_null_of_its_kind(client):
    assert client('LPOP', 'l') is None
    assert client.raw() == b'$-1\r\n'
    assert client('LPOP', 'l', 3) is None
    assert client.raw() == b'*-1\r\n'
    client('RPUSH', 'l', 'a')
    assert client('LPOP', 'l', 0) == []


def test_lrange_clamps_indexes_past_the_ends(client):
    client('RPUSH', 'l', *range(5))
    assert client('LRANGE', 'l', -100, 100) == [b'0', b'1', b'2', b'3', b'4']
    assert client('LRANGE', 'l', 3, 1) == []
    assert client('LRANGE', 'l', 5, 9) == []


@pytest.mark.parametrize('size', [4, 300, 5000])
def test_a_long_list_is_read_and_changed_at_any_index(client, size):
    words = [b'element-%d' % n for n in range(size)]
    client('RPUSH', 'l', *words)
    for index in (0, 1, size // 2, size - 1, -1, -size):
        assert client('LINDEX', 'l', index) == words[index]
        assert client('LSET', 'l', index, 'new-%d' % index) == 'OK'
        words[index] = b'new-%d' % index
    middle = words[size // 2]
    assert client('LINSERT', 'l', 'BEFORE', middle, 'x' * 300) == size + 1
    words.insert(size // 2, b'x' * 300)
    assert client('LRANGE', 'l', 0, -1) == words
    assert client('LTRIM', 'l', 1, -2) == 'OK'
    assert client('LRANGE', 'l', 0, -1) == words[1:-1]


def test_lset_beyond_the_ends_is_refused(client):
    assert client('LSET', 'l', 0, 'a') == Error('ERR no such key')
    client('RPUSH', 'l', 'a')
    assert client('LSET', 'l', 1, 'b') == Error('ERR index out of range')
    assert client('LSET', 'l', -2, 'b') == Error('ERR index out of range')


def test_lrem_takes_the_first_or_the_last_ones(client):
    client('RPUSH', 'l', 'a', 'b', 'a', 'b', 'a')
    assert client('LREM', 'l', -1, 'a') == 1
    assert client('LREM', 'l', 1, 'a') == 1
    assert client('LRANGE', 'l', 0, -1) == [b'b', b'a', b'b']


def test_lpos_counts_from_either_end(client):
    client('RPUSH', 'l', *'abcabcabc')
    assert client('LPOS', 'l', 'b') == 1
    assert client('LPOS', 'l', 'b', 'RANK', -1) == 7
    assert client('LPOS', 'l', 'b', 'COUNT', 0) == [1, 4, 7]
    assert client('LPOS', 'l', 'b', 'COUNT', 2, 'MAXLEN', 4) == [1]
    assert client('LPOS', 'l', 'x') is None
    assert isinstance(client('LPOS', 'l', 'b', 'RANK', 0), Error)


def test_lmove_turns_a_list_and_moves_between_two(client):
    client('RPUSH', 'l', 1, 2, 3)
    assert client('LMOVE', 'l', 'l', 'LEFT', 'RIGHT') == b'1'
    assert client('LRANGE', 'l', 0, -1) == [b'2', b'3', b'1']
    assert client('RPOPLPUSH', 'l', 'm') == b'1'
    assert client('LRANGE', 'm', 0, -1) == [b'1']
    assert client('LMOVE', 'nothing', 'm', 'LEFT', 'LEFT') is None


def test_lmpop_takes_from_the_first_list_that_has_something(client):
    client('RPUSH', 'b', 1, 2, 3)
    assert client('LMPOP', 2, 'a', 'b', 'LEFT', 'COUNT', 2) == [b'b', [b'1', b'2']]
    assert client('LMPOP', 1, 'a', 'LEFT') is None
    assert client.raw() == b'*-1\r\n'


def test_other_types_are_refused(client):
    client('SET', 's', 'x')
    for words in (('LPUSH', 's', 'a'), ('LPOP', 's'), ('LLEN', 's'), ('LRANGE', 's', 0, -1), ('BLPOP', 's', 0)):
        assert client(*words) == WRONG_TYPE
    client('RPUSH', 'l', 'a')
    assert client('GET', 'l') == WRONG_TYPE
    assert client('TYPE', 'l') == 'list'


def test_blpop_of_a_filled_list_does_not_wait(client):
    client('RPUSH', 'l', 'a')
    assert client('BLPOP', 'nothing', 'l', 0) == [b'l', b'a']


def test_a_list_of_another_database_comes_by_swapdb(client, waiting):
    reply = waiting('BLPOP', 'none', 'l', 0)
    client('SELECT', 1)
    client('RPUSH', 'l', 'a')
    assert client('SWAPDB', 0, 1) == 'OK'
    wait_until(lambda: reply == [[b'l', b'a']])
    assert client('SELECT', 0) == 'OK' and client('EXISTS', 'l') == 0


def test_blpop_waits_its_time_and_no_longer(client):
    start = time.monotonic()
    assert client('BLPOP', 'l', 0.1) is None
    assert client.raw() == b'*-1\r\n'
    assert 0.09 < time.monotonic() - start < 20 * PATIENCE


def test_those_who_wait_are_served_in_their_order(client, waiting):
    replies = [waiting('BLPOP', 'l', 0), waiting('BRPOP', 'other', 'l', 0)]
    assert client('RPUSH', 'l', 'a', 'b', 'c') == 3
    wait_until(lambda: all(replies))
    assert replies == [[[b'l', b'a']], [[b'l', b'c']]]
    assert client('LRANGE', 'l', 0, -1) == [b'b']


def test_who_waits_gets_the_element_before_a_later_pop(client, waiting):
    reply = waiting('BLPOP', 'l', 0)
    client.send_raw(b'*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\na\r\n*2\r\n$4\r\nLPOP\r\n$1\r\nl\r\n')
    assert client.read() == 1
    assert client.read() is None
    wait_until(lambda: reply)
    assert reply == [[b'l', b'a']]


def test_a_transaction_serves_when_it_is_over(client, waiting):
    reply = waiting('BLPOP', 'l', 0)
    client('MULTI')
    client('RPUSH', 'l', 'a')
    client('RPUSH', 'l', 'b')
    client('LPOP', 'l')
    assert client('EXEC') == [1, 2, b'a']
    wait_until(lambda: reply)
    assert reply == [[b'l', b'b']]


def test_inside_multi_nobody_waits(client):
    client('MULTI')
    client('BLPOP', 'l', 0)
    client('BLMOVE', 'l', 'm', 'LEFT', 'LEFT', 0)
    assert client('EXEC') == [None, None]


def test_blmove_hands_on_to_the_next_who_waits(client, waiting):
    last = waiting('BLPOP', '{t}b', 0)
    first = waiting('BLMOVE', '{t}a', '{t}b', 'LEFT', 'RIGHT', 0)
    client('RPUSH', '{t}a', 'x')
    wait_until(lambda: first and last)
    assert (first, last) == ([b'x'], [[b'{t}b', b'x']])
    assert client('EXISTS', '{t}a', '{t}b') == 0


def test_blmove_to_a_key_elsewhere_moves_too(client, waiting):
    reply = waiting('BLMOVE', 'a', 'b', 'LEFT', 'RIGHT', 0)
    client('RPUSH', 'a', 'x')
    wait_until(lambda: reply)
    assert reply == [b'x']
    assert client('LRANGE', 'b', 0, -1) == [b'x']


def test_a_renamed_list_serves_too(client, waiting):
    reply = waiting('BLPOP', 'l', 0)
    client('RPUSH', 'm', 'a')
    client('RENAME', 'm', 'l')
    wait_until(lambda: reply)
    assert reply == [[b'l', b'a']]


def test_a_key_of_another_type_wakes_nobody(client, waiting):
    reply = waiting('BLPOP', 'l', 0)
    client('SET', 'l', 'x')
    client('DEL', 'l')
    assert blocked(client, 1)
    client('RPUSH', 'l', 'a')
    wait_until(lambda: reply)


def test_client_unblock_ends_a_wait(client, connect):
    for reason, expected in ((), None), (('TIMEOUT',), None), (('ERROR',), Error('UNBLOCKED client unblocked via CLIENT UNBLOCK')):
        other = connect()
        number = other('CLIENT', 'ID')
        reply = []
        thread = threading.Thread(target=lambda: reply.append(other('BLPOP', 'l', 0)))
        thread.start()
        wait_until(lambda: blocked(client, 1))
        assert client('CLIENT', 'UNBLOCK', number, *reason) == 1
        thread.join(60)
        assert reply == [expected]
        assert client('CLIENT', 'UNBLOCK', number) == 0


def test_a_client_that_goes_away_takes_nothing(client, connect):
    other = connect()
    other.send_raw(b'*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n')
    wait_until(lambda: blocked(client, 1))
    other.close()
    wait_until(lambda: blocked(client, 0))
    client('RPUSH', 'l', 'a')
    assert client('LRANGE', 'l', 0, -1) == [b'a']


def test_dumped_lists_come_back(client):
    client('RPUSH', 'l', *[b'%d' % n if n % 3 else b'x' * n for n in range(400)])
    dump = client('DUMP', 'l')
    assert client('RESTORE', 'm', 0, dump) == 'OK'
    assert client('LRANGE', 'm', 0, -1) == client('LRANGE', 'l', 0, -1)
    assert client('COPY', 'l', 'n') == 1
    client('LPOP', 'n', 399)
    assert client('LLEN', 'l') == 400


@pytest.mark.forebay_only
def test_lists_survive_a_kill(own_server):
    server = own_server(durability='behind')
    client = server.client()
    client('RPUSH', 'short', 'a', 'b', 'c')
    client('RPUSH', 'long', *range(3000))
    client('LSET', 'long', 1500, 'x' * 100)
    client('LINSERT', 'long', 'AFTER', '7', 'y')
    client('LREM', 'long', -1, '2999')
    client('LTRIM', 'long', 5, -5)
    client('LMOVE', 'short', 'long', 'LEFT', 'LEFT')
    client('BLPOP', 'short', 0)
    expected = client('LRANGE', 'long', 0, -1), client('LRANGE', 'short', 0, -1)
    server.kill()
    server.start()
    client = server.client()
    assert (client('LRANGE', 'long', 0, -1), client('LRANGE', 'short', 0, -1)) == expected
    assert client('DBSIZE') == 2


@pytest.mark.forebay_only
@pytest.mark.slow
def test_each_element_is_popped_once_by_many_who_wait(own_server):
    server = own_server(threads=4)
    popped, lock = [], threading.Lock()

    def pop():
        client = server.client()
        while True:
            key, element = client('BLPOP', 'a', 'b', 'c', 0)
            if element == b'end':
                return
            with lock:
                popped.append(element)
    poppers = [threading.Thread(target=pop) for _ in range(8)]
    for popper in poppers:
        popper.start()

    def push(name):
        client = server.client()
        for number in range(1500):
            client('RPUSH', 'abc'[number % 3], '%s%d' % (name, number))
    pushers = [threading.Thread(target=push, args=(name,)) for name in 'xyz']
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    client = server.client()
    wait_until(lambda: len(popped) == 4500)
    for _ in poppers:
        client('RPUSH', 'a', 'end')
    for popper in poppers:
        popper.join()
    assert sorted(popped) == sorted(b'%s%d' % (name, n) for name in (b'x', b'y', b'z') for n in range(1500))


@pytest.mark.forebay_only
def test_an_element_goes_to_one_or_stays_when_timeouts_and_unblocks_race_with_pushes(own_server):
    """Whoever leaves with nothing has taken nothing, and nobody is served from two keys at once."""
    server = own_server(threads=4)
    popped, ended = [[] for _ in range(6)], threading.Event()

    def pop(mine, number):
        client = server.client()
        client('CLIENT', 'SETNAME', 'popper%d' % number)
        while not ended.is_set():
            words = ('BLMOVE', 'abc'[number % 3], 'moved', 'LEFT', 'RIGHT') if number == 5 else ('BLPOP', 'a', 'b', 'c')
            reply = client(*words, '0.00%d' % (number % 3 + 1))
            if reply and number != 5:
                mine.append(reply[1])

    def unblock():
        client = server.client()
        while not ended.is_set():
            for line in client('CLIENT', 'LIST').splitlines():
                fields = dict(word.split(b'=', 1) for word in line.split(b' ') if b'=' in word)
                if fields[b'name'].startswith(b'popper'):
                    client('CLIENT', 'UNBLOCK', fields[b'id'])

    others = [threading.Thread(target=pop, args=(mine, number)) for number, mine in enumerate(popped)]
    others.append(threading.Thread(target=unblock))
    for thread in others:
        thread.start()
    client = server.client()
    pushed = [b'%d' % number for number in range(3000)]
    for number in range(0, len(pushed), 3):
        client.pipeline([('MULTI',)] + [('RPUSH', 'abc'[n % 3], pushed[n]) for n in range(number, number + 3)] + [('EXEC',)])
    ended.set()
    for thread in others:
        thread.join()
    left = [element for key in ('a', 'b', 'c', 'moved') for element in client('LRANGE', key, 0, -1)]
    assert any(popped) and sorted(left + sum(popped, [])) == sorted(pushed)
