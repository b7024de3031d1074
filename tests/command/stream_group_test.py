# SPDX-License-Identifier: BSD-3-Clause
"""Groups of consumers: who gets an entry, what is pending, and how it is claimed."""
import pytest

from tests.command.stream_test import BAD_ID, WRONG_TYPE, entry, fill
from tests.lib.resp import Error
from tests.lib.server import wait_until

NEEDS_KEY = Error('ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM '
                  'option to create an empty stream automatically.')


def no_group(key, group):
    return Error("NOGROUP No such key '%s' or consumer group '%s'" % (key, group))


def read(client, consumer, *options, id='>'):
    reply = client('XREADGROUP', 'GROUP', 'g', consumer, *options, 'STREAMS', 's', id)
    return reply and reply[0][1]


@pytest.fixture
def group(client):
    """Five entries, and a group that has read none."""
    fill(client, 's', 1, 2, 3, 4, 5)
    client.ok('XGROUP', 'CREATE', 's', 'g', 0)


def pending(client, *consumer):
    """[id, consumer, deliveries] of each."""
    return [[row[0], row[1], row[3]] for row in client('XPENDING', 's', 'g', '-', '+', 100, *consumer)]


def state(client3):
    """The group, as XINFO GROUPS has it."""
    return client3('XINFO', 'GROUPS', 's')[0]


# Delivering


def test_an_entry_goes_to_one_consumer(client, group):
    assert read(client, 'a', 'COUNT', 2) == [entry(1), entry(2)]
    assert read(client, 'b', 'COUNT', 1) == [entry(3)]
    assert read(client, 'a') == [entry(4), entry(5)]
    assert read(client, 'b') is None
    assert pending(client) == [[b'1-0', b'a', 1], [b'2-0', b'a', 1], [b'3-0', b'b', 1], [b'4-0', b'a', 1], [b'5-0', b'a', 1]]
    assert pending(client, 'b') == [[b'3-0', b'b', 1]]


def test_several_streams_are_read_at_once(client, client3, group):
    fill(client, 't', 9)
    client('XGROUP', 'CREATE', 't', 'g', 0)
    words = ['XREADGROUP', 'GROUP', 'g', 'a', 'COUNT', 1, 'STREAMS', 's', 't', '>', '>']
    assert client(*words) == [[b's', [entry(1)]], [b't', [entry(9)]]]
    assert client3(*words) == {b's': [entry(2)]}


def test_history_is_what_is_pending_for_the_consumer(client, group):
    read(client, 'a', 'COUNT', 3)
    read(client, 'b')
    client('XACK', 's', 'g', 2)
    assert read(client, 'a', id=0) == [entry(1), entry(3)]
    assert read(client, 'a', 'COUNT', 1, id='1-0') == [entry(3)]
    assert read(client, 'a', id=9) == []
    client('XDEL', 's', 1)
    assert read(client, 'a', id=0) == [[b'1-0', None], entry(3)]
    assert pending(client, 'a') == [[b'1-0', b'a', 2], [b'3-0', b'a', 4]]


def test_noack_leaves_nothing_pending(client, client3, group):
    assert read(client, 'a', 'NOACK', 'COUNT', 2) == [entry(1), entry(2)]
    assert pending(client) == []
    assert state(client3)[b'last-delivered-id'] == b'2-0'


def test_acknowledged_entries_are_pending_no_more(client, group):
    read(client, 'a')
    assert client('XACK', 's', 'g', 1, 3, 9, '3-0') == 2
    assert client('XACK', 's', 'g', 1) == 0
    assert client('XACK', 's', 'nobody', 'x') == 0
    assert client('XACK', 's', 'g', 2, 'x') == BAD_ID
    assert [row[0] for row in pending(client)] == [b'2-0', b'4-0', b'5-0']


def test_the_lag_is_what_is_still_to_be_read(client, client3, group):
    def counts():
        return state(client3)[b'entries-read'], state(client3)[b'lag']
    assert counts() == (None, 5)
    read(client, 'a', 'COUNT', 2)
    assert counts() == (2, 3)
    client('XDEL', 's', 4)
    assert counts() == (2, None)
    read(client, 'a')
    assert counts() == (5, 0)
    fill(client, 's', 6)
    assert counts() == (5, 1)


# Groups and consumers


def test_groups_are_made_and_destroyed(client, client3):
    assert client('XGROUP', 'CREATE', 's', 'g', '$') == NEEDS_KEY
    assert client('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM') == 'OK'
    assert client('XLEN', 's') == 0 and client('TYPE', 's') == 'stream'
    assert client('XGROUP', 'CREATE', 's', 'g', 0) == Error('BUSYGROUP Consumer Group name already exists')
    assert client('XGROUP', 'CREATE', 's', 'h', '3-3', 'ENTRIESREAD', 3) == 'OK'
    assert [group[b'name'] for group in client3('XINFO', 'GROUPS', 's')] == [b'g', b'h']
    assert client3('XINFO', 'GROUPS', 's')[1][b'last-delivered-id'] == b'3-3'
    assert client('XGROUP', 'DESTROY', 's', 'g') == 1
    assert client('XGROUP', 'DESTROY', 's', 'g') == 0
    assert client('XGROUP', 'DESTROY', 'nothing', 'g') == NEEDS_KEY


def test_a_group_is_set_to_another_place(client, client3, group):
    read(client, 'a')
    assert client('XGROUP', 'SETID', 's', 'g', '3-0', 'ENTRIESREAD', 3) == 'OK'
    assert state(client3)[b'entries-read'] == 3
    assert read(client, 'b', 'COUNT', 1) == [entry(4)]
    assert pending(client)[3] == [b'4-0', b'b', 1]
    assert client('XGROUP', 'SETID', 's', 'nobody', 0) == Error("NOGROUP No such consumer group 'nobody' for key name 's'")


def test_consumers_are_made_and_removed_with_what_is_pending(client, client3, group):
    assert client('XGROUP', 'CREATECONSUMER', 's', 'g', 'a') == 1
    assert client('XGROUP', 'CREATECONSUMER', 's', 'g', 'a') == 0
    read(client, 'b', 'COUNT', 2)
    assert [(c[b'name'], c[b'pending']) for c in client3('XINFO', 'CONSUMERS', 's', 'g')] == [(b'a', 0), (b'b', 2)]
    assert client('XGROUP', 'DELCONSUMER', 's', 'g', 'b') == 2
    assert client('XGROUP', 'DELCONSUMER', 's', 'g', 'b') == 0
    assert pending(client) == []


@pytest.mark.parametrize('words, error', [
    (['CREATE', 's', 'h', 'x'], str(BAD_ID)),
    (['CREATE', 's', 'h', 0, 'FOO'], "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
    (['CREATE', 's', 'h', 0, 'ENTRIESREAD', -2], 'ERR value for ENTRIESREAD must be positive or -1'),
    (['CREATE', 's', 'h'], "ERR wrong number of arguments for 'xgroup|create' command"),
    (['FOO', 's'], "ERR unknown subcommand 'FOO'. Try XGROUP HELP."),
    (['CREATECONSUMER', 's', 'h', 'c'], "NOGROUP No such consumer group 'h' for key name 's'"),
])
def test_xgroup_says_what_is_wrong(client, group, words, error):
    assert client('XGROUP', *words) == Error(error)


@pytest.mark.parametrize('words, error', [
    (['GROUP', 'g', 'c', 'STREAMS', 's', 'x'], str(BAD_ID)),
    (['GROUP', 'h', 'c', 'STREAMS', 's', '>'], "NOGROUP No such key 's' or consumer group 'h' in XREADGROUP with GROUP option"),
    (['GROUP', 'g', 'c', 'STREAMS', 'n', '>'], "NOGROUP No such key 'n' or consumer group 'g' in XREADGROUP with GROUP option"),
    (['COUNT', 1, 'BLOCK', 1, 'NOACK', 'STREAMS', 's', '>'], 'ERR Missing GROUP option for XREADGROUP'),
    (['GROUP', 'g', 'c', 'STREAMS', 's', '$'],
     'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a '
     'proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.'),
])
def test_xreadgroup_says_what_is_wrong(client, group, words, error):
    assert client('XREADGROUP', *words) == Error(error)


def test_a_group_may_have_any_name(client):
    fill(client, 's', 1)
    for name in ('STREAMS', 'streams', '', 'COUNT'):
        client.ok('XGROUP', 'CREATE', 's', name, 0)
        assert client('XREADGROUP', 'GROUP', name, 'STREAMS', 'COUNT', 1, 'STREAMS', 's', '>') == [[b's', [entry(1)]]]


@pytest.mark.forebay_only  # whose keys are found by the word
def test_a_group_called_streams_stands_first(client):
    fill(client, 's', 1)
    client.ok('XGROUP', 'CREATE', 's', 'STREAMS', 0)
    for words in (['c', 'STREAMS', 's', '>'], ['STREAMS', 'STREAMS', 's', '>'], ['c', 'STREAMS', 's', 't', 'u', '>', '>', '>']):
        assert client('XREADGROUP', 'COUNT', 1, 'GROUP', 'STREAMS', *words) == Error('ERR syntax error')


def test_other_types_are_refused(client):
    client('SET', 'a', 'x')
    for words in (['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'a', '>'], ['XGROUP', 'CREATE', 'a', 'g', 0], ['XACK', 'a', 'g', 1],
                  ['XPENDING', 'a', 'g'], ['XCLAIM', 'a', 'g', 'c', 0, 1], ['XAUTOCLAIM', 'a', 'g', 'c', 0, 0],
                  ['XINFO', 'GROUPS', 'a'], ['XINFO', 'CONSUMERS', 'a', 'g']):
        assert client(*words) == WRONG_TYPE, words


@pytest.mark.parametrize('words, told', [
    (['XADD', 's', 9, 'f', 'v'], True), (['XDEL', 's', 1], True), (['XTRIM', 's', 'MAXLEN', 1], True), (['XSETID', 's', 9], False),
    (['XGROUP', 'CREATE', 's', 'h', 0], False), (['XGROUP', 'SETID', 's', 'g', 0], False), (['XGROUP', 'DESTROY', 's', 'g'], False),
    (['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'], False), (['XCLAIM', 's', 'g', 'c', 0, 1, 'FORCE'], False)])
def test_a_watch_is_about_entries_and_not_about_groups(connect, client, group, words, told):
    other = connect()
    client.ok('WATCH', 's')
    other(*words)
    client.ok('MULTI')
    client('PING')
    assert client('EXEC') == (None if told else ['PONG'])


# What is pending


def test_xpending_sums_up_and_tells_of_each(client, group):
    assert client('XPENDING', 's', 'g') == [0, None, None, None]
    read(client, 'b', 'COUNT', 2)
    read(client, 'a', 'COUNT', 1)
    assert client('XPENDING', 's', 'g') == [3, b'1-0', b'3-0', [[b'a', b'1'], [b'b', b'2']]]
    assert [row[0] for row in client('XPENDING', 's', 'g', '(1', 3, 10)] == [b'2-0', b'3-0']
    assert len(client('XPENDING', 's', 'g', '-', '+', 2)) == 2
    assert client('XPENDING', 's', 'g', 'IDLE', 10000000, '-', '+', 10) == []
    assert client('XPENDING', 's', 'g', '-', '+', 10, 'nobody') == []
    assert len(client('XPENDING', 's', 'g', '-', '+', 10, 'b', 'more')) == 2
    assert client('XPENDING', 's', 'h') == no_group('s', 'h')
    assert client('XPENDING', 's', 'g', '-', '+') == Error('ERR syntax error')


def test_xclaim_gives_entries_to_another(client, group):
    read(client, 'a', 'COUNT', 3)
    assert client('XCLAIM', 's', 'g', 'b', 10000000, 1) == []
    assert client('XCLAIM', 's', 'g', 'b', 0, 1, 2, 9) == [entry(1), entry(2)]
    assert client('XCLAIM', 's', 'g', 'b', 0, 3, 'JUSTID') == [b'3-0']
    assert pending(client) == [[b'1-0', b'b', 2], [b'2-0', b'b', 2], [b'3-0', b'b', 1]]
    assert client('XCLAIM', 's', 'g', 'c', 0, 1, 'IDLE', 5000000, 'RETRYCOUNT', 7) == [entry(1)]
    assert pending(client, 'c') == [[b'1-0', b'c', 7]]
    assert len(client('XPENDING', 's', 'g', 'IDLE', 4000000, '-', '+', 9)) == 1


def test_xclaim_by_force_takes_what_is_not_pending(client, client3, group):
    assert client('XCLAIM', 's', 'g', 'a', 0, 4) == []
    assert client('XCLAIM', 's', 'g', 'a', 0, 4, 9, 'FORCE', 'LASTID', '4-0') == [entry(4)]
    assert pending(client) == [[b'4-0', b'a', 2]]
    assert state(client3)[b'last-delivered-id'] == b'4-0'


def test_what_was_deleted_cannot_be_claimed(client, group):
    read(client, 'a')
    client('XDEL', 's', 1, 3)
    assert client('XCLAIM', 's', 'g', 'b', 0, 1, 2) == [entry(2)]
    assert [row[0] for row in pending(client)] == [b'2-0', b'3-0', b'4-0', b'5-0']
    assert client('XAUTOCLAIM', 's', 'g', 'b', 0, 0) == [b'0-0', [entry(2), entry(4), entry(5)], [b'3-0']]
    assert [row[0] for row in pending(client)] == [b'2-0', b'4-0', b'5-0']


def test_xautoclaim_goes_through_what_is_pending(client, group):
    read(client, 'a')
    assert client('XAUTOCLAIM', 's', 'g', 'b', 0, '-', 'COUNT', 2) == [b'3-0', [entry(1), entry(2)], []]
    assert client('XAUTOCLAIM', 's', 'g', 'b', 0, '(3', 'JUSTID') == [b'0-0', [b'4-0', b'5-0'], []]
    assert client('XAUTOCLAIM', 's', 'g', 'b', 10000000, 0) == [b'0-0', [], []]
    assert pending(client) == [[b'1-0', b'b', 2], [b'2-0', b'b', 2], [b'3-0', b'a', 1], [b'4-0', b'b', 1], [b'5-0', b'b', 1]]


@pytest.mark.parametrize('words, error', [
    (['XCLAIM', 's', 'g', 'c', 'x', 1], 'ERR Invalid min-idle-time argument for XCLAIM'),
    (['XCLAIM', 's', 'g', 'c', 0, 1, 'FOO'], "ERR Unrecognized XCLAIM option 'FOO'"),
    (['XCLAIM', 's', 'g', 'c', 0, 1, 'IDLE', 'x'], 'ERR Invalid IDLE option argument for XCLAIM'),
    (['XCLAIM', 's', 'h', 'c', 0, 1], str(no_group('s', 'h'))),
    (['XAUTOCLAIM', 's', 'g', 'c', 'x', 0], 'ERR Invalid min-idle-time argument for XAUTOCLAIM'),
    (['XAUTOCLAIM', 's', 'g', 'c', 0, 'x'], str(BAD_ID)),
    (['XAUTOCLAIM', 's', 'g', 'c', 0, 0, 'COUNT', 0], 'ERR COUNT must be > 0'),
    (['XAUTOCLAIM', 's', 'g', 'c', 0, 0, 'FOO'], 'ERR syntax error'),
    (['XAUTOCLAIM', 'n', 'g', 'c', 0, 0], str(no_group('n', 'g'))),
])
def test_claims_say_what_is_wrong(client, group, words, error):
    assert client(*words) == Error(error)


@pytest.mark.forebay_only  # 7.2
def test_a_consumer_is_seen_when_it_tries_and_active_when_it_gets(client, client3, group):
    client('XCLAIM', 's', 'g', 'idle', 0, 1)
    read(client, 'busy', 'COUNT', 1)
    rows = client3('XINFO', 'CONSUMERS', 's', 'g')
    assert [(row[b'name'], row[b'inactive'] >= 0) for row in rows] == [(b'busy', True), (b'idle', False)]
    full = client3('XINFO', 'STREAM', 's', 'FULL')[b'groups'][0][b'consumers']
    assert [row[b'active-time'] > 0 for row in full] == [True, False]


# Waiting


def test_an_entry_wakes_one_consumer(client, waiting):
    client('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
    readers = [waiting('XREADGROUP', 'GROUP', 'g', name, 'BLOCK', 0, 'STREAMS', 's', '>') for name in 'ab']
    fill(client, 's', 1)
    wait_until(lambda: readers[0])
    assert readers == [[[[b's', [entry(1)]]]], []]
    fill(client, 's', 2)
    wait_until(lambda: readers[1])
    assert readers[1] == [[[b's', [entry(2)]]]]
    assert pending(client) == [[b'1-0', b'a', 1], [b'2-0', b'b', 1]]


def test_history_does_not_wait(client):
    client('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
    assert read(client, 'a', 'BLOCK', 0, id=0) == []


def test_a_destroyed_group_ends_the_wait(client, waiting):
    client('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
    reader = waiting('XREADGROUP', 'GROUP', 'g', 'a', 'BLOCK', 0, 'STREAMS', 's', '>')
    client('XGROUP', 'DESTROY', 's', 'g')
    wait_until(lambda: reader)
    assert reader[0].startswith('NOGROUP')


@pytest.mark.parametrize('words, error', [
    (['DEL', 's'], 'NOGROUP'),
    (['RENAME', 's', 't'], 'NOGROUP'),
    (['SET', 's', 'x'], 'WRONGTYPE'),
    (['FLUSHALL'], 'NOGROUP'),
    (['SWAPDB', 0, 9], 'NOGROUP'),
    (['PEXPIRE', 's', 5], 'NOGROUP'),
])
@pytest.mark.forebay_only  # 7.2: the command runs again
def test_a_stream_that_goes_ends_the_wait(client, waiting, words, error):
    client('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
    reader = waiting('XREADGROUP', 'GROUP', 'g', 'a', 'BLOCK', 0, 'STREAMS', 's', '>')
    client(*words)
    wait_until(lambda: reader)
    assert reader[0].startswith(error)
