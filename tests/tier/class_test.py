# SPDX-License-Identifier: BSD-3-Clause
"""What a class may lose: keys of an optional class give way when memory is short and the tier has not taken them yet.
Nothing else is ever deleted."""
import itertools
import re

import pytest

from tests.lib.server import wait_until
from tests.tier.load import pipelined

pytestmark = pytest.mark.forebay_only

VALUE = b'x' * 2000
CACHED, KEPT = 40000, 2000
LOGGED = 10000  # as many as the log takes


def evicted(client, name):
    return int(re.search(r'class_%s:.*evicted=(\d+)' % name, client('INFO', 'classes').decode()).group(1))


def put(client, prefix, numbers):
    """What was refused, up to the first batch that had a refusal: each has waited for room."""
    commands = iter([('SET', '%s:%d' % (prefix, n), VALUE) for n in numbers])
    while batch := list(itertools.islice(commands, 100)):
        if refused := [reply for reply in client.pipeline(batch) if reply != 'OK']:
            return refused
    return []


NUMBERS = itertools.count(KEPT)


def put_some_more(client):
    return put(client, 'kept', itertools.islice(NUMBERS, 20))


@pytest.fixture
def short_of_disk(own_server):
    """A node whose tier takes nothing, as if the disk were full, with a class that can bear it and one that cannot."""
    def start(**options):
        return own_server(maxmemory='48mb', tier='yes', tier_free_space_min='1000tb', maxmemory_wait_ms=60000, **options,
                          **{'class': 'cache prefix cache: admission optional'})
    return start


def test_keys_of_an_optional_class_give_way_where_others_are_refused(short_of_disk):
    # Without a log, which would be full before memory is.
    client = short_of_disk(durability='none').client(timeout=60)
    assert not put(client, 'kept', range(KEPT))
    assert not put(client, 'cache', range(CACHED))
    assert 0 < evicted(client, 'cache') < CACHED
    wait_until(lambda: client('DBSIZE') == CACHED + KEPT - evicted(client, 'cache'), what='counts that agree')
    assert all(client.pipeline([('EXISTS', 'kept:%d' % n) for n in range(KEPT)]))
    client.ok('DEL', *['cache:%d' % n for n in range(CACHED)])
    client.ok('CONFIG', 'SET', 'maxmemory-wait-ms', 100)
    refused = wait_until(lambda: put_some_more(client), 60, 'a refusal')
    assert refused[0].code == 'OOM'


def log_is_written(client):
    told = dict(re.findall(r'log_(end|written)_offset:(\d+)', client('INFO', 'log').decode()))
    return told['end'] == told['written']


def test_what_gave_way_stays_away_after_a_kill(short_of_disk):
    server = short_of_disk()
    client = server.client(timeout=60)

    def there():
        return client.pipeline([('EXISTS', 'cache:%d' % n) for n in range(LOGGED)])
    assert not put(client, 'cache', range(LOGGED))
    client.ok('CONFIG', 'SET', 'maxmemory', '36mb')
    wait_until(lambda: sum(there()) < LOGGED, 60, 'an eviction')
    before = there()
    wait_until(lambda: log_is_written(client), 60, 'the log')
    server.kill()
    server.start()
    client = server.client(timeout=60)
    after = there()
    assert all(was or not is_there for was, is_there in zip(before, after))
    assert sum(after) and client('DBSIZE') == sum(after)


def test_without_pressure_the_tier_takes_an_optional_class_as_any_other(own_server):
    server = own_server(maxmemory='48mb', tier='yes', **{'class': 'cache prefix cache: admission optional'})
    client = server.client(timeout=60)
    put(client, 'cache', range(1000))
    client.ok('DEBUG', 'RELOAD')
    assert evicted(client, 'cache') == 0
    wait_until(lambda: client('EXISTS', *['cache:%d' % n for n in range(1000)]) == 1000, what='all keys')


@pytest.mark.parametrize('line', ['a prefix a: admission sometimes', 'a prefix a: admission', 'a admission optional'])
def test_a_class_line_that_says_nothing_known_stops_the_start(own_server, line):
    with pytest.raises(ChildProcessError, match='class'):
        own_server(**{'class': line})
