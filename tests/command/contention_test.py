# SPDX-License-Identifier: BSD-3-Clause
"""Clients on several threads that want the same keys, some of them all keys: everyone gets his turn."""
import random
import threading
import time

from tests.lib.resp import PATIENCE

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
