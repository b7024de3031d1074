# SPDX-License-Identifier: BSD-3-Clause
"""What INFO and the log tell of syncs: how many there were, how far they are, and what goes over links."""
import re
import socket
import time

import pytest

from tests.lib import server as servers
from tests.lib.proxy import Proxy
from tests.lib.server import wait_until
from tests.replication.story import follow, info, wait_caught_up, wait_up

pytestmark = pytest.mark.forebay_only

KEYS, VALUE = 3000, 'v' * 1000


def fill(client):
    for start in range(0, KEYS, 500):
        client.pipeline([('SET', 'k:%d' % number, VALUE) for number in range(start, start + 500)])


def stats(client):
    lines = client('INFO', 'stats').decode().split('\r\n')
    assert len({line.split(':')[0] for line in lines}) == len(lines), 'a field is there twice'
    return {name: value for name, value in (line.split(':', 1) for line in lines if ':' in line)}


def percents(server, event):
    with open(server.log_path) as log:
        return [int(number) for number in re.findall('event="%s".* percent=([0-9]+)' % event, log.read())]


def assert_in_progress(fields):
    total, read, left = (int(fields['master_sync_%s_bytes' % name]) for name in ('total', 'read', 'left'))
    assert fields['master_sync_in_progress'] == '1' and int(fields['master_sync_last_io_seconds_ago']) <= 10
    assert total == read + left and 0 < read < total
    assert float(fields['master_sync_perc']) == pytest.approx(100 * read / total, abs=1)
    return total


def test_both_sides_tell_how_far_a_full_sync_is(own_server):
    server, other = own_server(**{'repl-copy-rate': '300kb'}), own_server()
    primary, replica = server.client(), other.client()
    fill(primary)
    follow(replica, server.port, wait=False)
    wait_until(lambda: int(info(replica).get('master_sync_read_bytes', 0)) > 800 << 10, what='a part of the copy')
    total = assert_in_progress(info(replica))
    assert total == pytest.approx(KEYS * 1010, rel=0.05)
    loading = info(replica, 'persistence')
    assert loading['loading'] == '1' and loading['async_loading'] == '0' and replica('PING').code == 'LOADING'
    assert 0 < int(loading['loading_loaded_bytes']) < int(loading['loading_total_bytes']) == pytest.approx(total, rel=0.05)
    assert 0 < float(loading['loading_loaded_perc']) < 100 and 0 < int(loading['loading_eta_seconds']) < 60
    assert abs(int(loading['loading_start_time']) - time.time()) < 60
    line = dict(pair.split('=') for pair in info(primary)['slave0'].split(','))
    assert line['state'] == 'send_bulk' and 0 < int(line['sync_keys']) < KEYS
    assert 0 < int(line['sync_sent_bytes']) < total
    assert float(line['sync_perc']) == pytest.approx(100 * int(line['sync_keys']) / KEYS, abs=1)
    wait_until(lambda: percents(server, 'full resync under way') and percents(other, 'copying'), what='lines of progress')
    primary.ok('CONFIG', 'SET', 'repl-copy-rate', 0)
    wait_up(replica)
    assert info(replica, 'persistence')['loading'] == '0' and 'loading_eta_seconds' not in info(replica, 'persistence')
    assert 'master_sync_perc' not in info(replica)
    wait_until(lambda: 'sync_perc' not in info(primary)['slave0'], what='the primary knowing that it is over')
    for found in (percents(server, 'full resync under way'), percents(other, 'copying')):
        assert found == sorted(found) and 0 < found[0] < 100


def test_a_file_of_known_length_is_told_by_its_bytes(own_server):
    if not servers.binary('redis'):
        pytest.skip('no redis-server')
    with servers.start('redis', repl_diskless_sync='no') as redis, Proxy(redis.address) as proxy:
        fill(redis.client())
        proxy.bytes_per_second = 300 << 10
        replica = own_server().client()
        follow(replica, proxy.port, wait=False)
        wait_until(lambda: int(info(replica).get('master_sync_read_bytes', 0)) > 500 << 10, what='a part of the file')
        total = assert_in_progress(info(replica))
        assert total == assert_in_progress(info(replica))
        proxy.bytes_per_second = None
        wait_up(replica)
        assert replica('DBSIZE') == KEYS


def test_syncs_are_counted_by_their_kind(own_server):
    server, other = own_server(), own_server()
    primary, replica = server.client(), other.client()
    fill(primary)
    assert [stats(primary)[name] for name in ('sync_full', 'sync_partial_ok', 'sync_partial_err')] == ['0'] * 3
    follow(replica, server.port)
    wait_caught_up(primary, replica)
    found = stats(primary)
    assert (found['sync_full'], found['sync_partial_ok']) == ('1', '0')
    other.restart(replicaof='127.0.0.1 %d' % server.port)
    replica = other.client()
    wait_caught_up(primary, replica)
    found = stats(primary)
    assert (found['sync_full'], found['sync_partial_ok']) == ('1', '1')
    errors = int(found['sync_partial_err'])
    with socket.create_connection(('127.0.0.1', server.port)) as stranger:
        stranger.sendall(b'PSYNC %s 1000\r\n' % (b'a' * 40))
        assert stranger.makefile('rb').readline().startswith(b'+FULLRESYNC')
    found = stats(primary)
    assert (found['sync_full'], int(found['sync_partial_err'])) == ('2', errors + 1)
    primary.ok('CONFIG', 'RESETSTAT')
    assert stats(primary)['sync_full'] == '0'


def test_bytes_of_links_are_counted_apart(own_server):
    primary, replica = own_server(), own_server()
    leader, follower = primary.client(), replica.client()
    fill(leader)
    assert stats(leader)['total_net_repl_output_bytes'] == '0'
    follow(follower, primary.port)
    wait_until(lambda: int(stats(follower)['total_net_repl_input_bytes']) > KEYS * len(VALUE), what='the copy being counted')
    sent = int(stats(leader)['total_net_repl_output_bytes'])
    assert sent > KEYS * len(VALUE) and int(stats(leader)['total_net_output_bytes']) > sent
    for number in range(0, KEYS, 500):
        leader.pipeline([('SET', 'n:%d' % i, VALUE) for i in range(number, number + 500)])
    wait_caught_up(leader, follower)
    wait_until(lambda: int(stats(leader)['total_net_repl_output_bytes']) > sent + KEYS * len(VALUE), what='the stream being counted')
    wait_until(lambda: int(stats(leader)['total_net_repl_input_bytes']) > 0, what='acknowledgements being counted')
