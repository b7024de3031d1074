# SPDX-License-Identifier: BSD-3-Clause
"""Clients on several threads that want the same keys, some of them all keys: everyone gets his turn."""
import random
import threading
import time

import pytest

from tests.lib.resp import PATIENCE
from tests.lib.server import wait_until

SECONDS = 0.7


TURNS_MIN = 10
SECONDS_MAX = 60 * PATIENCE


def together(connect, *parts):
    """Each part on a connection and a thread of its own, again and again for a while; what each returned in the end. It goes on
    until everybody had his turns, or nobody will believe that they come."""
    results = [[] for _ in parts]
    clients = [connect(timeout=30) for _ in parts]
    began = time.monotonic()

    def must_go_on(seconds):
        return seconds < SECONDS or seconds < SECONDS_MAX and min(map(len, results)) <= TURNS_MIN

    def run(part, client, result):
        while must_go_on(time.monotonic() - began):
            result.append(part(client))
    threads = [threading.Thread(target=run, args=three) for three in zip(parts, clients, results)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def raise_watched(client):
    """Adds one to a counter by WATCH and EXEC; True if nobody came between."""
    client('WATCH', 'counter', 'a', 'b')
    value = int(client('GET', 'counter') or 0)
    client.pipeline([('MULTI',), ('SET', 'counter', value + 1), ('SET', 'a', value)])
    return client('EXEC') is not None


def set_several(client):
    return client('MSET', *[word for _ in range(8) for word in (random.choice('abcdefgh'), 'x')])


def swap(client):
    return client('SWAPDB', 2, 3)


def test_no_raise_is_lost_among_those_who_take_several_keys_or_all(connect):
    results = together(connect, raise_watched, raise_watched, raise_watched, set_several, set_several, swap, swap)
    assert int(connect()('GET', 'counter') or 0) == sum(map(sum, results[:3]))
    assert all(len(result) > TURNS_MIN for result in results)


def test_watches_are_dropped_while_others_hold_their_keys(connect, server):
    def watch_and_leave(_):
        with server.client() as client:
            client('WATCH', *'abcdefgh')

    def watch_and_unwatch(client):
        client('WATCH', *'abcdefgh')
        return client('UNWATCH')
    together(connect, watch_and_leave, watch_and_leave, watch_and_unwatch, set_several, set_several, swap)
    client = connect()
    assert client.pipeline([('WATCH', 'a'), ('MULTI',), ('GET', 'b'), ('EXEC',)])[-1] == [b'x']


LONG = 100000
# How many turns readers may have meanwhile, on a machine where that takes longer than all patience.
READER_TURNS = 300


def push_long(client, name):
    for first in range(0, LONG, 10000):
        client.ok('RPUSH', name, *[number * 7919 % LONG for number in range(first, first + 10000)])


def in_transaction(*words):
    def run(client):
        *_, replies = client.pipeline([('MULTI',), words, ('EXEC',)])
        assert isinstance(replies, list)
    return run


def alone(*words):
    return lambda client: client.ok(*words)


WAITERS = {
    'a write': alone('LSET', 'first', 0, 5),
    'a transaction': in_transaction('LSET', 'first', 1, 5),
    'a script': alone('EVAL', "return redis.call('LLEN', KEYS[1])", 1, 'first'),
    'a script without keys': alone('EVAL', "redis.call('INCR', 'n') return redis.call('LLEN', 'first')", 0),
    'all keys': alone('SWAPDB', 2, 3),
    'names': alone('SORT', 'few', 'BY', 'weight-*'),
    'a copy': alone('SAVE'),
}


FOR_EVERYTHING = 'all keys', 'names', 'a copy'


@pytest.mark.forebay_only
@pytest.mark.parametrize('reads, who', [('of one key', who) for who in WAITERS] + [
    (reads, who) for reads in ('of a key each', 'in transactions') for who in FOR_EVERYTHING])
def test_long_readers_leave_gaps_for_those_who_wait(own_server, reads, who):
    """There is one who reads at every moment, if all begin when they like."""
    server = own_server(threads=4)
    names = ['first', 'second', 'third'] if reads != 'of one key' else ['first'] * 3
    done, turns = threading.Event(), []
    with server.client() as client:
        for name in set(names):
            push_long(client, name)
        client.ok('RPUSH', 'few', 1, 2, 3)

    def read(name):
        command = 'SORT', name, 'LIMIT', 0, 1
        with server.client() as client:
            while not done.is_set():
                if reads == 'in transactions':
                    client.pipeline([('MULTI',), command, command, command, ('EXEC',)])
                else:
                    client.ok(*command)
                turns.append(name)

    def wait():
        with server.client() as client:
            for _ in range(3):
                WAITERS[who](client)
    readers = [threading.Thread(target=read, args=(name,)) for name in names]
    waiter = threading.Thread(target=wait)
    for thread in readers:
        thread.start()
    wait_until(lambda: len(turns) > len(readers))
    turns.clear()
    began = time.monotonic()
    waiter.start()
    wait_until(lambda: not waiter.is_alive() or len(turns) > READER_TURNS and time.monotonic() - began > 5 * PATIENCE, 100)
    in_time = not waiter.is_alive()
    done.set()
    for thread in readers + [waiter]:
        thread.join()
    assert in_time, '%s waited for more than %d turns of readers' % (who, READER_TURNS)
