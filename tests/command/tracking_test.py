# SPDX-License-Identifier: BSD-3-Clause
"""Client-side caching: CLIENT TRACKING, and what clients that track are told."""
import threading
import time

import pytest

from tests.lib.resp import Error, Push
from tests.lib.server import wait_until

SWITCH = ("ERR You can't switch %s before disabling tracking for this client, and then re-enabling it with a "
          "different mode.")


def track(client, *options):
    assert client('CLIENT', 'TRACKING', 'ON', *options) == 'OK'


def invalidated(*keys):
    return Push([b'invalidate', list(keys) or None])


def says_nothing_else(client):
    """True if no push lies before the next reply."""
    return client('PING') == 'PONG'


# ---- the default mode ----

def test_who_read_a_key_is_told_once_when_it_changes(client, client3):
    track(client3)
    assert client3('GET', 'a') is None
    client('SET', 'a', 1)
    assert client3.read() == invalidated(b'a')
    client('SET', 'a', 2)
    assert says_nothing_else(client3)
    assert client3('GET', 'a') == b'2'
    client('DEL', 'a')
    assert client3.read() == invalidated(b'a')


def test_every_key_of_a_read_is_tracked(client, client3):
    track(client3)
    client3('MGET', 'a', 'b')
    client('MSET', 'b', 1, 'a', 1)
    assert client3.read() == invalidated(b'b')
    assert client3.read() == invalidated(b'a')


@pytest.mark.parametrize('read', [('EXISTS', 'a'), ('TTL', 'a'), ('TYPE', 'a'), ('STRLEN', 'a'), ('GETRANGE', 'a', 0, 1)])
def test_any_read_counts(client, client3, read):
    client('SET', 'a', 1)
    track(client3)
    client3(*read)
    client('APPEND', 'a', 1)
    assert client3.read() == invalidated(b'a')


@pytest.mark.parametrize('write', [
    ('SET', 'a', 2), ('DEL', 'a'), ('INCR', 'a'), ('APPEND', 'a', 1), ('EXPIRE', 'a', 100), ('EXPIRE', 'a', 0),
    ('GETDEL', 'a'), ('RENAME', 'a', 'b'), ('RENAME', 'c', 'a'), ('MOVE', 'a', 7), ('COPY', 'c', 'a', 'REPLACE'),
    ('SETRANGE', 'a', 0, 'x'), ('GETEX', 'a', 'EX', 100)], ids=lambda words: ' '.join(map(str, words)))
def test_any_change_counts(client, client3, write):
    client('MSET', 'a', 1, 'c', 1)
    track(client3)
    client3('GET', 'a')
    client(*write)
    assert client3.read() == invalidated(b'a')


def test_what_changes_nothing_tells_nothing(client, client3):
    client('SET', 'a', 1)
    track(client3)
    client3('GET', 'a')
    client('SET', 'a', 2, 'NX')
    client('DEL', 'b')
    client('PERSIST', 'a')
    assert says_nothing_else(client3)


def test_writes_are_no_reads(client, client3):
    track(client3)
    client3('SET', 'a', 1)
    client3('INCR', 'a')
    client('SET', 'a', 2)
    assert says_nothing_else(client3)


def test_a_client_is_told_of_its_own_change_after_the_reply(client3):
    track(client3)
    client3('GET', 'a')
    assert client3('SET', 'a', 1) == 'OK'
    assert client3.read() == invalidated(b'a')


def test_a_client_with_noloop_is_not(client, client3):
    track(client3, 'NOLOOP')
    client3('GET', 'a')
    assert client3('SET', 'a', 1) == 'OK'
    assert says_nothing_else(client3)
    client3('GET', 'a')
    client('SET', 'a', 1)
    assert client3.read() == invalidated(b'a')


def test_a_key_that_expires_is_told(client, client3):
    track(client3)
    # In one step, so that it is still there when it is read.
    assert client3.pipeline([('MULTI',), ('SET', 'a', 1, 'PX', 20), ('GET', 'a'), ('EXEC',)])[-1] == ['OK', b'1']
    assert client3.read() == invalidated(b'a')


def test_flushing_tells_to_forget_all(client, client3):
    track(client3)
    client3('GET', 'a')
    client('FLUSHDB')
    assert client3.read() == invalidated()
    client('SET', 'a', 1)
    assert says_nothing_else(client3)
    client('FLUSHALL')
    assert client3.read() == invalidated()


def test_a_transaction_tells_after_its_replies(client3):
    track(client3)
    client3('GET', 'a')
    client3.pipeline([('MULTI',), ('SET', 'a', 1), ('PING',)])
    assert client3('EXEC') == ['OK', 'PONG']
    assert client3.read() == invalidated(b'a')


def test_the_database_makes_no_difference(client, client3):
    track(client3)
    client3('GET', 'a')
    client('SELECT', 3)
    client('SET', 'a', 1)
    assert client3.read() == invalidated(b'a')


def test_turned_off_it_is_silent(client, client3):
    track(client3)
    client3('GET', 'a')
    assert client3('CLIENT', 'TRACKING', 'OFF') == 'OK'
    client('SET', 'a', 1)
    assert says_nothing_else(client3)


def test_resp2_without_redirection_hears_nothing(client, connect):
    track(client)
    client('GET', 'a')
    connect()('SET', 'a', 1)
    assert says_nothing_else(client)


# ---- OPTIN and OPTOUT ----

def test_optin_tracks_what_it_is_told_to(client, client3):
    track(client3, 'OPTIN')
    client3('GET', 'a')
    assert client3('CLIENT', 'CACHING', 'YES') == 'OK'
    client3('GET', 'b')
    client3('GET', 'c')
    client('MSET', 'a', 1, 'b', 1, 'c', 1)
    assert client3.read() == invalidated(b'b')
    assert says_nothing_else(client3)


def test_optin_holds_for_a_whole_transaction(client, client3):
    track(client3, 'OPTIN')
    client3('CLIENT', 'CACHING', 'YES')
    client3.pipeline([('MULTI',), ('GET', 'a'), ('GET', 'b'), ('EXEC',)])
    client3('GET', 'c')
    client('MSET', 'a', 1, 'b', 1, 'c', 1)
    assert client3.read() == invalidated(b'a')
    assert client3.read() == invalidated(b'b')
    assert says_nothing_else(client3)


def test_optout_tracks_all_but_what_it_is_told_not_to(client, client3):
    track(client3, 'OPTOUT')
    assert client3('CLIENT', 'CACHING', 'NO') == 'OK'
    client3('GET', 'a')
    client3('GET', 'b')
    client('MSET', 'a', 1, 'b', 1)
    assert client3.read() == invalidated(b'b')
    assert says_nothing_else(client3)


# ---- BCAST ----

def test_bcast_tells_of_keys_under_prefixes(client, client3):
    track(client3, 'BCAST', 'PREFIX', 'user:', 'PREFIX', 'item:')
    client('MSET', 'user:2', 1, 'user:1', 1, 'other', 1, 'item:1', 1)
    assert client3.read() == invalidated(b'item:1')
    assert client3.read() == invalidated(b'user:1', b'user:2')
    client('SETEX', 'user:1', 100, 1)
    assert client3.read() == invalidated(b'user:1')
    assert says_nothing_else(client3)


def test_bcast_without_prefixes_tells_of_all(client, client3):
    track(client3, 'BCAST')
    client('SET', 'anything', 1)
    assert client3.read() == invalidated(b'anything')


def test_bcast_with_noloop_leaves_out_what_the_client_did(client, client3):
    track(client3, 'BCAST', 'NOLOOP')
    client3('SET', 'mine', 1)
    client('SET', 'yours', 1)
    assert client3.read() == invalidated(b'yours')
    assert says_nothing_else(client3)


# ---- REDIRECT ----

def test_a_subscriber_of_resp2_gets_the_invalidations_of_another(client, connect):
    subscriber, other = connect(), connect()
    track_id = subscriber('CLIENT', 'ID')
    subscriber('SUBSCRIBE', '__redis__:invalidate')
    track(client, 'REDIRECT', track_id)
    client('GET', 'a')
    other('SET', 'a', 1)
    assert subscriber.read() == [b'message', b'__redis__:invalidate', [b'a']]
    other('FLUSHALL')
    assert subscriber.read() == [b'message', b'__redis__:invalidate', None]


def test_a_client_of_resp3_gets_the_invalidations_of_another(client, client3):
    track(client, 'REDIRECT', client3('CLIENT', 'ID'))
    client('GET', 'a')
    client('SET', 'a', 1)
    assert client3.read() == invalidated(b'a')


def test_a_redirection_to_who_is_gone_is_told(client, client3, connect):
    target = connect()
    target_id = target('CLIENT', 'ID')
    track(client3, 'REDIRECT', target_id)
    client3('GET', 'a')
    target.close()
    wait_until(lambda: b'id=%d ' % target_id not in client('CLIENT', 'LIST'))
    client('SET', 'a', 1)
    assert client3.read() == Push([b'tracking-redir-broken', target_id])
    assert b'broken_redirect' in client3('CLIENT', 'TRACKINGINFO')[b'flags']
    assert ' flags=tR ' in client3('CLIENT', 'INFO').decode()


# ---- what goes together, and being asked ----

@pytest.mark.parametrize('options, error', [
    (('FOO',), 'ERR syntax error'),
    (('REDIRECT',), 'ERR syntax error'),
    (('REDIRECT', 'x'), 'ERR value is not an integer or out of range'),
    (('REDIRECT', 1 << 60), 'ERR The client ID you want redirect to does not exist'),
    (('PREFIX', 'a'), 'ERR PREFIX option requires BCAST mode to be enabled'),
    (('BCAST', 'OPTIN'), 'ERR OPTIN and OPTOUT are not compatible with BCAST'),
    (('OPTIN', 'OPTOUT'), "ERR You can't specify both OPTIN mode and OPTOUT mode"),
    (('BCAST', 'PREFIX', 'ab', 'PREFIX', 'abc'),
     "ERR Prefix 'ab' overlaps with another provided prefix 'abc'. Prefixes for a single client must not overlap.")])
def test_options_that_do_not_go_together(client3, options, error):
    assert client3('CLIENT', 'TRACKING', 'ON', *options) == Error(error)
    assert client3('CLIENT', 'TRACKINGINFO') == {b'flags': [b'off'], b'redirect': -1, b'prefixes': []}


def test_modes_are_not_switched_while_on(client3):
    track(client3, 'OPTIN')
    assert client3('CLIENT', 'TRACKING', 'ON', 'BCAST') == Error(SWITCH % 'BCAST mode on/off')
    assert client3('CLIENT', 'TRACKING', 'ON', 'OPTOUT') == Error(SWITCH % 'OPTIN/OPTOUT mode')
    client3('CLIENT', 'TRACKING', 'OFF')
    track(client3, 'BCAST', 'PREFIX', 'foo')
    assert client3('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'fo') == Error(
        "ERR Prefix 'fo' overlaps with an existing prefix 'foo'. Prefixes for a single client must not overlap.")
    track(client3, 'BCAST', 'PREFIX', 'bar')
    assert client3('CLIENT', 'TRACKINGINFO') == {
        b'flags': [b'on', b'bcast'], b'redirect': 0, b'prefixes': [b'bar', b'foo']}


def test_caching_needs_its_mode(client3):
    only = 'ERR CLIENT CACHING %s is only valid when tracking is enabled in %s mode.'
    assert client3('CLIENT', 'CACHING', 'YES') == Error(
        'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled')
    track(client3, 'OPTIN')
    assert client3('CLIENT', 'CACHING', 'NO') == Error(only % ('NO', 'OPTOUT'))
    assert client3('CLIENT', 'CACHING', 'MAYBE') == Error('ERR syntax error')
    assert client3('CLIENT', 'CACHING', 'YES') == 'OK'
    assert client3('CLIENT', 'TRACKINGINFO')[b'flags'] == [b'on', b'optin', b'caching-yes']
    client3('GET', 'a')
    assert client3('CLIENT', 'TRACKINGINFO')[b'flags'] == [b'on', b'optin']


def test_a_client_says_where_it_redirects_to(client, client3):
    target = client3('CLIENT', 'ID')
    assert client('CLIENT', 'GETREDIR') == -1
    track(client)
    assert client('CLIENT', 'GETREDIR') == 0
    track(client, 'REDIRECT', target)
    assert client('CLIENT', 'GETREDIR') == target
    line = client('CLIENT', 'INFO').decode()
    assert ' flags=t ' in line and ' redir=%d ' % target in line


def test_reset_ends_tracking(client, client3):
    track(client3)
    client3('GET', 'a')
    client3('RESET')
    assert client3('CLIENT', 'GETREDIR') == -1
    client('SET', 'a', 1)
    assert says_nothing_else(client3)


# ---- the table ----

def test_info_counts_what_is_tracked(client, connect):
    wait_until(lambda: client.info('clients')['tracking_clients'] == '0')
    client('FLUSHALL')
    first, second, third = connect(protocol=3), connect(protocol=3), connect(protocol=3)
    track(first)
    track(second)
    track(third, 'BCAST', 'PREFIX', 'a', 'PREFIX', 'b')
    for reader in first, second:
        reader('MGET', 'x', 'y')
    info = client.info()
    assert info['tracking_clients'] == '3'
    assert [info['tracking_total_' + name] for name in ('keys', 'items', 'prefixes')] == ['2', '4', '2']
    for tracker in first, second, third:
        tracker.close()
    wait_until(lambda: client.info('clients')['tracking_clients'] == '0')
    assert client.info('stats')['tracking_total_prefixes'] == '0'


def test_a_full_table_invalidates_some_key(own_server):
    server = own_server()
    client, reader = server.client(), server.client(protocol=3)
    client.ok('CONFIG', 'SET', 'tracking-table-max-keys', 100)
    track(reader)
    for i in range(300):
        reader.send('GET', 'key:%d' % i)
    told = set()
    while len(told) < 200:
        reply = reader.read()
        if isinstance(reply, Push):
            told.update(reply[1])
    assert all(key.startswith(b'key:') for key in told)
    wait_until(lambda: int(client.info('stats')['tracking_total_keys']) <= 100)


def test_no_cached_value_stays_stale(own_server, kind, scale):
    """Clients cache what they read and drop what they are told to; in the end no cache differs from the server."""
    server = own_server(**({'threads': 4} if kind == 'forebay' else {}))
    keys = ['key:%d' % i for i in range(20)]
    ends = time.monotonic() + 2 * scale
    caches, failures = [], []

    def read():
        client, cache = server.client(protocol=3), {}
        track(client)
        caches.append((client, cache))
        i = 0
        while time.monotonic() < ends:
            i += 1
            fetch(client, cache, keys[i * 7 % len(keys)])

    def fetch(client, cache, key):
        client.send('GET', key)
        while isinstance(reply := client.read(), Push):
            forget(cache, reply)
        cache[key] = reply

    def forget(cache, push):
        for key in push[1]:
            cache.pop(key.decode(), None)

    def write(number):
        client, i = server.client(), 0
        while time.monotonic() < ends:
            i += 1
            client('SET', keys[i * (number + 3) % len(keys)], '%d.%d' % (number, i))

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except Exception as failure:  # told to the story's own thread
            failures.append(failure)
    threads = [threading.Thread(target=guarded, args=(read,)) for _ in range(6)]
    threads += [threading.Thread(target=guarded, args=(write, number)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    client = server.client()
    last = dict(zip(keys, client('MGET', *keys)))

    def stale(reader, cache):
        reader.send('PING')
        while isinstance(reply := reader.read(), Push):
            forget(cache, reply)
        return {key: value for key, value in cache.items() if value != last[key]}
    for reader, cache in caches:
        wait_until(lambda: not stale(reader, cache), what='a reader being told of the last writes')
