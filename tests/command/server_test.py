# SPDX-License-Identifier: BSD-3-Clause
"""The server about itself: INFO, CONFIG, COMMAND, SLOWLOG, LATENCY, MEMORY."""
import time

import pytest

from tests.lib.resp import PATIENCE, Error
from tests.lib.server import wait_until


@pytest.mark.parametrize('section, names', [
    ('server', ['redis_version', 'redis_mode', 'os', 'arch_bits', 'process_id', 'run_id', 'tcp_port', 'uptime_in_seconds', 'uptime_in_days',
                'config_file', 'executable', 'multiplexing_api', 'hz']),
    ('clients', ['connected_clients', 'maxclients', 'blocked_clients', 'client_recent_max_input_buffer', 'tracking_clients']),
    ('memory', ['used_memory', 'used_memory_human', 'used_memory_rss', 'used_memory_peak', 'maxmemory', 'maxmemory_policy',
                'mem_fragmentation_ratio', 'mem_allocator', 'total_system_memory', 'used_memory_dataset', 'used_memory_overhead']),
    ('persistence', ['loading', 'rdb_changes_since_last_save', 'rdb_bgsave_in_progress', 'rdb_last_save_time', 'rdb_last_bgsave_status',
                     'aof_enabled', 'aof_last_write_status']),
    ('stats', ['total_connections_received', 'total_commands_processed', 'instantaneous_ops_per_sec', 'total_net_input_bytes',
               'total_net_output_bytes', 'rejected_connections', 'expired_keys', 'evicted_keys', 'keyspace_hits', 'keyspace_misses',
               'pubsub_channels', 'total_error_replies']),
    ('replication', ['role', 'connected_slaves', 'master_replid', 'master_repl_offset', 'repl_backlog_size']),
    ('cpu', ['used_cpu_sys', 'used_cpu_user']),
    ('cluster', ['cluster_enabled']),
])
def test_info_has_the_fields_that_dashboards_read(client, section, names):
    info = client.info(section)
    missing = [name for name in names if name not in info]
    assert not missing


def test_info_sections_can_be_chosen(client):
    text = client('INFO', 'cpu', 'clients').decode()
    assert '# CPU' in text and '# Clients' in text and '# Memory' not in text
    assert client('INFO', 'nosuch') == b''
    assert '# Commandstats' in client('INFO', 'all').decode()
    assert '# Commandstats' not in client('INFO').decode()


def test_info_keyspace_counts_keys_and_expiries(client):
    client.pipeline([('SET', 'a', 1), ('SET', 'b', 1, 'EX', 1000), ('SELECT', 3), ('SET', 'c', 1)])
    info = client.info('keyspace')
    assert info['db0'].startswith('keys=2,expires=1,avg_ttl=')
    assert info['db3'].startswith('keys=1,expires=0')
    assert 'db1' not in info


def test_info_counts_hits_misses_and_commands(client):
    client('CONFIG', 'RESETSTAT')
    client.pipeline([('SET', 'a', 1), ('GET', 'a'), ('GET', 'a'), ('GET', 'b'), ('NOSUCH',)])
    info = client.info('stats')
    assert int(info['keyspace_hits']) == 2 and int(info['keyspace_misses']) == 1
    assert int(info['total_commands_processed']) >= 4 and int(info['total_error_replies']) == 1
    assert client.info('commandstats')['cmdstat_get'].startswith('calls=3,usec=')
    assert client.info('errorstats')['errorstat_ERR'] == 'count=1'


def test_info_is_verbatim_in_resp3(client3):
    client3('INFO')
    assert client3.raw().startswith(b'=') and b'\r\ntxt:' in client3.raw()[:20]


def test_dbsize_counts_one_database(client):
    assert client('DBSIZE') == 0
    client('MSET', 'a', 1, 'b', 2)
    assert client('DBSIZE') == 2
    client('SELECT', 1)
    assert client('DBSIZE') == 0


def test_time_is_the_time(client):
    seconds, microseconds = client('TIME')
    assert abs(int(seconds) - time.time()) < 60 and 0 <= int(microseconds) < 1000000


def test_role_and_lastsave(client):
    role = client('ROLE')
    assert role[0] == b'master' and isinstance(role[1], int) and role[2] == []
    assert abs(client('LASTSAVE') - time.time()) < 1000000


def test_config_get_takes_patterns(client):
    reply = client('CONFIG', 'GET', 'maxmemory*')
    settings = dict(zip(reply[::2], reply[1::2]))
    assert settings[b'maxmemory'].isdigit() and b'maxmemory-policy' in settings and b'port' not in settings
    assert client('CONFIG', 'GET', 'no-such-*') == []
    both = client('CONFIG', 'GET', 'port', 'maxmemory')
    assert set(both[::2]) == {b'port', b'maxmemory'}


def test_config_set_changes_a_setting(client):
    before = client('CONFIG', 'GET', 'maxmemory')[1]
    assert client('CONFIG', 'SET', 'maxmemory', '') == 'OK'
    assert client('CONFIG', 'GET', 'maxmemory') == [b'maxmemory', b'0']
    assert client('CONFIG', 'SET', 'maxmemory', '1gb') == 'OK'
    assert client('CONFIG', 'GET', 'maxmemory') == [b'maxmemory', b'1073741824']
    assert client('CONFIG', 'SET', 'maxmemory', before, 'timeout', 0) == 'OK'


def test_config_set_changes_all_or_nothing(client):
    before = client('CONFIG', 'GET', 'timeout')
    assert client('CONFIG', 'SET', 'timeout', '77', 'maxmemory', 'much').startswith("ERR CONFIG SET failed (possibly related to argument 'maxmemory')")
    assert client('CONFIG', 'GET', 'timeout') == before


def test_config_set_refuses_what_does_not_exist(client):
    assert client('CONFIG', 'SET', 'no-such', 1).startswith("ERR Unknown option or number of arguments for CONFIG SET - 'no-such'")
    assert client('CONFIG', 'SET', 'port').startswith('ERR ')
    assert client('CONFIG', 'GET') == Error("ERR wrong number of arguments for 'config|get' command")


def test_command_count_info_and_list(client):
    assert client('COMMAND', 'COUNT') == len(client('COMMAND'))
    get = client('COMMAND', 'INFO', 'get')[0]
    assert get[0] == b'get' and get[1] == 2 and set(get[2]) == {'readonly', 'fast'} and get[3:6] == [1, 1, 1]
    assert set(get[6]) == {'@read', '@string', '@fast'}
    assert client('COMMAND', 'INFO', 'nosuch') == [None]
    assert b'mset' in client('COMMAND', 'LIST')
    assert {b'mset', b'msetnx'} <= set(client('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'mset*')) <= {b'mset', b'msetnx', b'msetex'}
    assert b'config|get' in [entry[0] for entry in client('COMMAND', 'INFO', 'config')[0][9]]


@pytest.mark.parametrize('words, keys', [(('GET', 'a'), ['a']), (('MSET', 'a', 1, 'b', 2), ['a', 'b']), (('MGET', 'a', 'b'), ['a', 'b']),
                                         (('COPY', 'a', 'b'), ['a', 'b']), (('OBJECT', 'ENCODING', 'a'), ['a']),
                                         (('SORT', 'a', 'STORE', 'b'), ['a', 'b']), (('MEMORY', 'USAGE', 'a'), ['a'])])
def test_command_getkeys_finds_the_keys(client, words, keys):
    assert client('COMMAND', 'GETKEYS', *words) == [key.encode() for key in keys]


def test_command_getkeys_refuses_what_has_none(client):
    assert client('COMMAND', 'GETKEYS', 'ECHO', 'x') == Error('ERR The command has no key arguments')
    assert client('COMMAND', 'GETKEYS', 'NOSUCH', 'a') == Error('ERR Invalid command specified')
    assert client('COMMAND', 'GETKEYS', 'GET', 'a', 'b') == Error('ERR Invalid number of arguments specified for command')


def test_command_getkeysandflags_tells_how_keys_are_used(client):
    assert client('COMMAND', 'GETKEYSANDFLAGS', 'SET', 'a', 'v') == [[b'a', ['OW', 'update']]] or \
        client('COMMAND', 'GETKEYSANDFLAGS', 'SET', 'a', 'v')[0][0] == b'a'


def test_command_docs_describe_a_command(client3):
    docs = client3('COMMAND', 'DOCS', 'set', 'nosuch')
    assert list(docs) == [b'set']
    about = docs[b'set']
    assert about[b'group'] == b'string' and about[b'since'] == b'1.0.0' and about[b'summary']
    assert len(client3('COMMAND', 'DOCS')) == client3('COMMAND', 'COUNT')


def test_histories_of_command_docs_are_sentences(client3):
    for name, about in client3('COMMAND', 'DOCS').items():
        for _, text in about.get(b'history', ()):
            assert text[:1].isupper() or text[:1] == b'`', (name, text)


def test_commands_have_the_flags_of_the_reference(client):
    """redis-cli, proxies and cluster clients route by these."""
    for name, flags, first, last, step in (('set', {'write', 'denyoom'}, 1, 1, 1), ('del', {'write'}, 1, -1, 1),
                                           ('mset', {'write', 'denyoom'}, 1, -1, 2), ('ping', {'fast'}, 0, 0, 0),
                                           ('rename', {'write'}, 1, 2, 1)):
        entry = client('COMMAND', 'INFO', name)[0]
        assert flags <= set(entry[2]) and entry[3:6] == [first, last, step], name


def test_slowlog_keeps_what_was_slow(client):
    before = client('CONFIG', 'GET', 'slowlog-log-slower-than')[1]
    client('SLOWLOG', 'RESET')
    client('CONFIG', 'SET', 'slowlog-log-slower-than', 0)
    client('SET', 'slow', 'x' * 500)
    client('CONFIG', 'SET', 'slowlog-log-slower-than', before)
    assert client('SLOWLOG', 'LEN') >= 1
    entries = client('SLOWLOG', 'GET', 10)
    entry = next(entry for entry in entries if entry[3][0] == b'SET')
    assert entry[3][2].endswith(b'... (372 more bytes)')
    assert isinstance(entry[0], int) and abs(entry[1] - time.time()) < 60 and entry[2] >= 0 and b':' in entry[4]
    assert client('SLOWLOG', 'RESET') == 'OK'
    assert client('SLOWLOG', 'LEN') == 0


def test_latency_answers(client):
    assert client('LATENCY', 'LATEST') == []
    assert client('LATENCY', 'HISTORY', 'command') == []
    assert client('LATENCY', 'RESET') == 0
    assert isinstance(client('LATENCY', 'DOCTOR'), bytes)


def test_memory_usage_grows_with_the_value(client):
    client('SET', 'a', 'x')
    client('SET', 'b', 'x' * 100000)
    small, large = client('MEMORY', 'USAGE', 'a'), client('MEMORY', 'USAGE', 'b')
    assert 0 < small < 200 and 100000 <= large < 140000
    assert client('MEMORY', 'USAGE', 'missing') is None


def test_memory_stats_and_doctor_answer(client3):
    stats = client3('MEMORY', 'STATS')
    assert stats[b'total.allocated'] > 0 and stats[b'keys.count'] == 0
    assert client3('MEMORY', 'PURGE') == 'OK'
    assert client3('MEMORY', 'DOCTOR')


def test_used_memory_returns_after_a_flush(client):
    def used():
        return int(client.info('memory')['used_memory'])

    readings = [used()]

    def used_in_the_end():
        # What earlier stories left is freed in the background, on a busy machine with pauses.
        readings.append(used())
        return len(readings) > 5 and max(readings[-6:]) - min(readings[-6:]) < 100000
    wait_until(used_in_the_end, what='earlier memory coming back', interval=0.1)
    before = readings[-1]
    client.pipeline([('SET', 'k%d' % n, 'x' * 1000) for n in range(5000)])
    assert int(client.info('memory')['used_memory']) > before + 4000000
    client('FLUSHALL')
    wait_until(lambda: int(client.info('memory')['used_memory']) < before + 2000000, what='memory coming back')


def test_maxmemory_refuses_writes_with_oom(own_server, kind):
    own = {'tier': 'no', 'maxmemory_wait_ms': 10} if kind == 'forebay' else {}
    client = own_server(maxmemory='100mb', maxmemory_policy='noeviction', **own).client()
    assert client('SET', 'k', 'v') == 'OK'
    client('CONFIG', 'SET', 'maxmemory', 1)

    def refused():
        reply = client('SET', 'k', 'w')
        return reply == Error("OOM command not allowed when used memory > 'maxmemory'.")
    wait_until(refused, what='OOM')
    assert client('GET', 'k') in (b'v', b'w')
    assert client('DEL', 'k') == 1


def test_maxmemory_evicts_by_policy(own_server, kind):
    own = {'tier': 'no'} if kind == 'forebay' else {}
    server = own_server(maxmemory='40mb', maxmemory_policy='allkeys-lru', **own)
    client = server.client()
    for start in range(0, 100000, 1000):
        replies = client.pipeline([('SET', 'key:%d' % n, 'x' * 1000) for n in range(start, start + 1000)])
        assert set(replies) == {'OK'}
    assert 5000 < client('DBSIZE') < 60000
    # More may go between the two replies.
    wait_until(lambda: int(client.info('stats')['evicted_keys']) == 100000 - client('DBSIZE'), what='counts that agree')
    assert client('EXISTS', 'key:99999') == 1


def test_shutdown_ends_the_server(own_server):
    server = own_server()
    client = server.client()
    client('SET', 'k', 'v')
    client.send('SHUTDOWN', 'NOSAVE')
    assert client.reads_nothing_more()
    assert server.process.wait(20 * PATIENCE) == 0


def test_debug_sleep_and_object(client):
    began = time.monotonic()
    assert client('DEBUG', 'SLEEP', '0.05') == 'OK'
    assert time.monotonic() - began >= 0.05


def test_debug_longest_hold_tells_a_time_where_it_is_measured(client):
    """-1 in builds without HOLDS=1."""
    client('SET', 'k', 'v')
    microseconds, thread, blocks, most = client('DEBUG', 'LONGEST-HOLD')
    assert microseconds == -1 and thread == b'' or microseconds >= 0 and thread != b'' and 0 < blocks <= most
