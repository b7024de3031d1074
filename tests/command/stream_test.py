# SPDX-License-Identifier: BSD-3-Clause
"""Streams: entries, ranges, trims, counters, and readers that wait for entries."""
import time

import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
BAD_ID = Error('ERR Invalid stream ID specified as stream command argument')
SMALL_ID = Error('ERR The ID specified in XADD is equal or smaller than the target stream top item')
LAST_ID = b'18446744073709551615-18446744073709551615'


def entry(number, field=b'f', value=b'v'):
    return [b'%d-0' % number, [field, value]]


def fill(client, key, *numbers):
    client.pipeline([('XADD', key, number, 'f', 'v') for number in numbers])


# Appending


def test_entries_stand_in_order_of_their_ids(client):
    assert client('XADD', 's', '1-1', 'f', 'v') == b'1-1'
    assert client('XADD', 's', '1-2', 'f', 'v', 'g', 'w') == b'1-2'
    assert client('XADD', 's', '2', 'x', '10') == b'2-0'
    assert client('XLEN', 's') == 3
    assert client('XRANGE', 's', '-', '+') == [[b'1-1', [b'f', b'v']], [b'1-2', [b'f', b'v', b'g', b'w']], [b'2-0', [b'x', b'10']]]
    assert client('TYPE', 's') == 'stream'
    assert client('OBJECT', 'ENCODING', 's') == b'stream'
    assert client('MEMORY', 'USAGE', 's') > 0


def test_an_id_is_after_the_last(client):
    fill(client, 's', 5)
    assert client('XADD', 's', '5', 'f', 'v') == SMALL_ID
    assert client('XADD', 's', '4-9', 'f', 'v') == SMALL_ID
    assert client('XADD', 's', '5-*', 'f', 'v') == b'5-1'
    assert client('XADD', 's', '4-*', 'f', 'v') == SMALL_ID
    assert client('XADD', 's', '9-*', 'f', 'v') == b'9-0'
    client('XDEL', 's', '9-0')
    assert client('XADD', 's', '9-0', 'f', 'v') == SMALL_ID


def test_the_clock_gives_ids_that_rise(client):
    before = int(time.time() * 1000)
    ids = [tuple(map(int, one.split(b'-'))) for one in client.pipeline([('XADD', 's', '*', 'f', 'v')] * 50)]
    assert ids == sorted(set(ids))
    assert abs(ids[0][0] - before) < 60000
    client('XADD', 's', '9999999999999-5', 'f', 'v')
    assert client('XADD', 's', '*', 'f', 'v') == b'9999999999999-6'


def test_nothing_comes_after_the_last_id_there_is(client):
    assert client('XADD', 's', '0-0', 'f', 'v') == Error('ERR The ID specified in XADD must be greater than 0-0')
    assert client('EXISTS', 's') == 0
    assert client('XADD', 's', '0-*', 'f', 'v') == b'0-1'
    assert client('XADD', 's', LAST_ID, 'f', 'v') == LAST_ID
    for word in ('*', LAST_ID, '18446744073709551615-*'):
        assert client('XADD', 's', word, 'f', 'v') == \
            Error('ERR The stream has exhausted the last possible ID, unable to add more items')


@pytest.mark.parametrize('word', ['x', '1-', '-1', '1-x', '1-1-1', '', '1-**', '(1', '-', '+', '18446744073709551616', '$'])
def test_a_word_that_is_no_id_is_refused(client, word):
    assert client('XADD', 's', word, 'f', 'v') == BAD_ID
    assert client('EXISTS', 's') == 0


def test_an_id_may_be_padded(client):
    assert client('XADD', 's', '0007-01', 'f', 'v') == b'7-1'
    assert client('XRANGE', 's', '007-1', '07-1') == [[b'7-1', [b'f', b'v']]]


def test_xadd_counts_its_words(client):
    wrong = Error("ERR wrong number of arguments for 'xadd' command")
    for words in (['*', 'f'], ['*', 'f', 'v', 'g'], ['NOMKSTREAM', '*', 'f'], ['MAXLEN', '5', '1']):
        assert client('XADD', 's', *words) == wrong


def test_nomkstream_needs_a_stream(client):
    assert client('XADD', 's', 'NOMKSTREAM', '1', 'f', 'v') is None
    assert client('EXISTS', 's') == 0
    fill(client, 's', 1)
    assert client('XADD', 's', 'nomkstream', '2', 'f', 'v') == b'2-0'


@pytest.mark.parametrize('size', [1, 130, 600, 3000])
def test_an_entry_may_have_many_fields(client, size):
    words = [b'%d' % n for n in range(2 * size)]
    assert client('XADD', 's', '1', *words) == b'1-0'
    assert client('XRANGE', 's', '-', '+') == [[b'1-0', words]]


def test_binary_and_empty_words_are_kept(client):
    words = [b'', b'\x00\r\n', b'\xff' * 300, b'', b'-12', b'9223372036854775808']
    client('XADD', 's', '1', *words)
    client('XADD', 's', '2', *words)
    assert client('XRANGE', 's', '-', '+') == [[b'1-0', words], [b'2-0', words]]


def test_other_types_are_refused(client):
    client('SET', 'a', 'x')
    for words in (['XADD', 'a', '*', 'f', 'v'], ['XLEN', 'a'], ['XRANGE', 'a', '-', '+'], ['XDEL', 'a', '1'], ['XSETID', 'a', '1'],
                  ['XTRIM', 'a', 'MAXLEN', '1'], ['XREAD', 'STREAMS', 'a', '0'], ['XINFO', 'STREAM', 'a']):
        assert client(*words) == WRONG_TYPE, words


# Ranges


def test_a_range_has_both_its_ends(client):
    fill(client, 's', *range(1, 6))
    assert client('XRANGE', 's', '2', '4') == [entry(2), entry(3), entry(4)]
    assert client('XRANGE', 's', '(2', '(4-0') == [entry(3)]
    assert client('XREVRANGE', 's', '4', '2') == [entry(4), entry(3), entry(2)]
    assert client('XREVRANGE', 's', '+', '(3', 'COUNT', 1) == [entry(5)]
    assert client('XRANGE', 's', '4', '2') == []
    assert client('XRANGE', 'nothing', '-', '+') == []


def test_an_end_without_a_number_takes_the_whole_millisecond(client):
    for seq in range(3):
        client('XADD', 's', '7-%d' % seq, 'f', 'v')
    assert len(client('XRANGE', 's', '7', '7')) == 3
    assert len(client('XRANGE', 's', '7-1', '7')) == 2
    assert len(client('XREVRANGE', 's', '7', '7-2')) == 1


def test_ranges_say_what_is_wrong(client):
    fill(client, 's', 1)
    assert client('XRANGE', 's', 'x', '+') == BAD_ID
    assert client('XRANGE', 's', '(-', '+') == BAD_ID
    assert client('XRANGE', 's', '(' + LAST_ID.decode(), '+') == Error('ERR invalid start ID for the interval')
    assert client('XRANGE', 's', '-', '(0-0') == Error('ERR invalid end ID for the interval')
    assert client('XRANGE', 's', '-', '+', 'COUNT') == Error('ERR syntax error')
    assert client('XRANGE', 's', '-', '+', 'COUNT', 'x') == Error('ERR value is not an integer or out of range')


def test_a_count_of_zero_is_a_null_array(client):
    fill(client, 's', 1)
    assert client('XRANGE', 's', '-', '+', 'COUNT', 0) is None
    assert client.raw() == b'*-1\r\n'


@pytest.mark.parametrize('size', [150, 5000])
def test_a_long_stream_is_read_from_both_ends(client, size):
    fill(client, 's', *range(1, size + 1))
    assert client('XLEN', 's') == size
    assert [e[0] for e in client('XRANGE', 's', '-', '+')] == [b'%d-0' % n for n in range(1, size + 1)]
    assert [e[0] for e in client('XREVRANGE', 's', '+', '-')] == [b'%d-0' % n for n in range(size, 0, -1)]
    assert client('XRANGE', 's', size // 2, '+', 'COUNT', 2) == [entry(size // 2), entry(size // 2 + 1)]


# Deleting and trimming


def test_a_stream_stays_when_its_last_entry_goes(client):
    fill(client, 's', 1, 2, 3)
    assert client('XDEL', 's', '2', '2-0', '9', '1') == 2
    assert client('XRANGE', 's', '-', '+') == [entry(3)]
    assert client('XDEL', 's', '3') == 1
    assert client('EXISTS', 's') == 1
    assert client('XLEN', 's') == 0
    assert client('XADD', 's', '2', 'f', 'v') == SMALL_ID


def test_xdel_looks_at_ids_before_it_deletes(client):
    fill(client, 's', 1)
    assert client('XDEL', 's', '1', 'x') == BAD_ID
    assert client('XLEN', 's') == 1
    assert client('XDEL', 'nothing', 'x') == 0


@pytest.mark.parametrize('how, left', [(['MAXLEN', 3], 3), (['MAXLEN', '=', 3], 3), (['MINID', 8], 3), (['MINID', '=', '8-1'], 2),
                                       (['MAXLEN', 0], 0), (['MAXLEN', 99], 10), (['MINID', 0], 10)])
def test_a_trim_takes_the_oldest(client, how, left):
    fill(client, 's', *range(1, 11))
    assert client('XTRIM', 's', *how) == 10 - left
    assert client('XRANGE', 's', '-', '+') == [entry(n) for n in range(11 - left, 11)]


def test_xadd_trims_after_it_has_appended(client):
    fill(client, 's', *range(1, 11))
    assert client('XADD', 's', 'MAXLEN', 3, 11, 'f', 'v') == b'11-0'
    assert client('XRANGE', 's', '-', '+') == [entry(9), entry(10), entry(11)]
    client('XADD', 's', 'MINID', 11, 12, 'f', 'v')
    assert client('XRANGE', 's', '-', '+') == [entry(11), entry(12)]
    client('XADD', 's', 'MAXLEN', 0, 13, 'f', 'v')
    assert client('XLEN', 's') == 0


def test_an_approximate_trim_takes_whole_nodes(client):
    fill(client, 's', *range(1, 251))
    assert client('XTRIM', 's', 'MAXLEN', '~', 249) == 0
    assert client('XTRIM', 's', 'MAXLEN', '~', 120) == 100
    assert client('XTRIM', 's', 'MAXLEN', '~', 0, 'LIMIT', 10) == 0
    assert client('XTRIM', 's', 'MINID', '~', 240, 'LIMIT', 0) == 100
    assert client('XLEN', 's') == 50


@pytest.mark.parametrize('words, error', [
    (['MAXLEN', 'x'], 'ERR value is not an integer or out of range'),
    (['MAXLEN', '-1'], 'ERR The MAXLEN argument must be >= 0.'),
    (['MINID', 'x'], str(BAD_ID)),
    (['MAXLEN', 1, 'MINID', 1], 'ERR syntax error, MAXLEN and MINID options at the same time are not compatible'),
    (['MAXLEN', 1, 'LIMIT', 1], 'ERR syntax error, LIMIT cannot be used without the special ~ option'),
    (['MAXLEN', '~', 1, 'LIMIT', -1], 'ERR The LIMIT argument must be >= 0.'),
    (['LIMIT', 1], 'ERR syntax error, LIMIT cannot be used without specifying a trimming strategy'),
    (['LIMIT', 0], 'ERR syntax error, XTRIM must be called with a trimming strategy'),
    (['MAXLEN', 1, 2], 'ERR syntax error'),
    (['NOMKSTREAM', 'MAXLEN', 1], 'ERR syntax error'),
])
def test_trims_say_what_is_wrong(client, words, error):
    assert client('XTRIM', 's', *words) == Error(error)


# Counters


def test_xsetid_sets_the_counters(client):
    fill(client, 's', 1, 2)
    assert client('XSETID', 's', '9-1', 'ENTRIESADDED', 7, 'MAXDELETEDID', '1-5') == 'OK'
    info = dict(zip(*[iter(client('XINFO', 'STREAM', 's'))] * 2))
    assert (info[b'last-generated-id'], info[b'entries-added'], info[b'max-deleted-entry-id']) == (b'9-1', 7, b'1-5')
    assert client('XADD', 's', '9-1', 'f', 'v') == SMALL_ID


@pytest.mark.parametrize('words, error', [
    (['x'], str(BAD_ID)),
    (['1'], 'ERR The ID specified in XSETID is smaller than the target stream top item'),
    (['3', 'ENTRIESADDED'], 'ERR syntax error'),
    (['3', 'ENTRIESADDED', -1], 'ERR entries_added must be positive'),
    (['3', 'ENTRIESADDED', 1], 'ERR The entries_added specified in XSETID is smaller than the target stream length'),
    (['3', 'MAXDELETEDID', 4], 'ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id'),
])
def test_xsetid_says_what_is_wrong(client, words, error):
    fill(client, 's', 1, 2)
    assert client('XSETID', 's', *words) == Error(error)
    assert client('XSETID', 'nothing', 1) == Error('ERR no such key')


def test_xinfo_stream_tells_of_a_stream(client, client3):
    fill(client, 's', 1, 2, 3)
    client('XDEL', 's', 2)
    info = client3('XINFO', 'STREAM', 's')
    assert info[b'length'] == 2 and info[b'entries-added'] == 3 and info[b'groups'] == 0
    assert info[b'first-entry'] == entry(1) and info[b'last-entry'] == entry(3)
    assert info[b'max-deleted-entry-id'] == b'2-0' and info[b'recorded-first-entry-id'] == b'1-0'
    full = client3('XINFO', 'STREAM', 's', 'FULL', 'COUNT', 1)
    assert full[b'entries'] == [entry(1)] and full[b'groups'] == []
    client('XTRIM', 's', 'MAXLEN', 0)
    assert client3('XINFO', 'STREAM', 's')[b'first-entry'] is None
    assert client('XINFO', 'STREAM', 'nothing') == Error('ERR no such key')


def test_a_dump_restores_all_of_a_stream(client):
    fill(client, 's', *range(1, 250))
    client('XDEL', 's', 7)
    client('XGROUP', 'CREATE', 's', 'g', 0)
    client('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 5, 'STREAMS', 's', '>')
    assert client('RESTORE', 't', 0, client('DUMP', 's')) == 'OK'
    assert client('COPY', 's', 'u') == 1
    for question in (('XRANGE', '-', '+'), ('XPENDING', 'g'), ('XPENDING', 'g', '-', '+', 9)):
        whole = [client(question[0], key, *question[1:]) for key in 'stu']
        for reply in whole[1:]:
            assert [row[:2] for row in reply if isinstance(row, list)] == [row[:2] for row in whole[0] if isinstance(row, list)]


# Reading


def test_xread_returns_what_comes_after(client, client3):
    fill(client, 's', 1, 2, 3)
    fill(client, 't', 5)
    assert client('XREAD', 'STREAMS', 's', 1) == [[b's', [entry(2), entry(3)]]]
    assert client('XREAD', 'COUNT', 1, 'STREAMS', 's', 't', 0, 0) == [[b's', [entry(1)]], [b't', [entry(5)]]]
    assert client('XREAD', 'STREAMS', 's', 't', 3, 4) == [[b't', [entry(5)]]]
    assert client3('XREAD', 'STREAMS', 's', 't', 2, 0) == {b's': [entry(3)], b't': [entry(5)]}
    assert client('XREAD', 'STREAMS', 's', 'nothing', '$', 0) is None
    assert client.raw() == b'*-1\r\n'


@pytest.mark.forebay_only  # 7.4
def test_a_plus_is_the_last_entry(client):
    fill(client, 's', 1, 2, 3)
    assert client('XREAD', 'STREAMS', 's', '+') == [[b's', [entry(3)]]]
    client('XDEL', 's', 3)
    assert client('XREAD', 'STREAMS', 's', '+') == [[b's', [entry(2)]]]
    assert client('XREAD', 'STREAMS', 'nothing', '+') is None


@pytest.mark.parametrize('words, error', [
    (['STREAMS', 's', 'x'], str(BAD_ID)),
    (['STREAMS', 's', '>'], 'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.'),
    (['COUNT', 'x', 'STREAMS', 's', 0], 'ERR value is not an integer or out of range'),
    (['BLOCK', 'x', 'STREAMS', 's', 0], 'ERR timeout is not an integer or out of range'),
    (['BLOCK', -1, 'STREAMS', 's', 0], 'ERR timeout is negative'),
    (['NOACK', 'STREAMS', 's', 0], 'ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.'),
    (['GROUP', 'g', 'c', 'STREAMS', 's', 0], 'ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.'),
    (['COUNT', 1, 's', 0], 'ERR syntax error'),
    (['FOO', 'STREAMS', 's', 0], 'ERR syntax error'),
])
def test_xread_says_what_is_wrong(client, words, error):
    assert client('XREAD', *words) == Error(error)


def test_the_keys_of_readers_are_found(client):
    assert client('COMMAND', 'GETKEYS', 'XREAD', 'COUNT', 1, 'STREAMS', 'a', 'b', 0, 0) == [b'a', b'b']
    assert client('COMMAND', 'GETKEYS', 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'a', 'b', '>', '>') == [b'a', b'b']


# Waiting


def test_an_entry_wakes_every_reader(client, waiting):
    fill(client, 's', 1)
    readers = [waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$') for _ in range(3)]
    fill(client, 's', 2, 3)
    wait_until(lambda: all(readers))
    assert readers == [[[[b's', [entry(2)]]]]] * 3


def test_a_reader_of_several_streams_gets_the_one_that_has_something(client, waiting):
    fill(client, 's', 7)
    reader = waiting('XREAD', 'BLOCK', 0, 'STREAMS', 'r', 's', 't', 0, '$', 5, protocol=3)
    fill(client, 't', 4)
    assert not reader
    fill(client, 's', 8)
    wait_until(lambda: reader)
    assert reader == [{b's': [entry(8)]}]


def test_a_dollar_means_the_end_as_it_was_before_the_wait(client, waiting):
    reader = waiting('XREAD', 'BLOCK', 0, 'COUNT', 1, 'STREAMS', 's', '$')
    client.pipeline([('MULTI',), ('XADD', 's', 1, 'f', 'v'), ('XADD', 's', 2, 'f', 'v'), ('EXEC',)])
    wait_until(lambda: reader)
    assert reader == [[[b's', [entry(1)]]]]


def test_a_script_wakes_readers_too(client, waiting):
    reader = waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', 0)
    client('EVAL', "return redis.call('XADD', KEYS[1], '5', 'f', 'v')", 1, 's')
    wait_until(lambda: reader)
    assert reader == [[[b's', [entry(5)]]]]


def test_a_deleted_stream_keeps_readers_waiting(client, waiting):
    fill(client, 's', 5)
    reader = waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
    client('DEL', 's')
    client('SET', 's', 'x')
    client('DEL', 's')
    fill(client, 's', 3)
    assert not reader
    fill(client, 's', 6)
    wait_until(lambda: reader)
    assert reader == [[[b's', [entry(6)]]]]


def test_a_wait_ends_with_its_time(client):
    started = time.monotonic()
    assert client('XREAD', 'BLOCK', 30, 'STREAMS', 's', '$') is None
    assert client.raw() == b'*-1\r\n'
    assert time.monotonic() - started >= 0.02


def test_nobody_waits_in_a_transaction(client):
    client('MULTI')
    client('XREAD', 'BLOCK', 0, 'STREAMS', 's', 0)
    assert client('EXEC') == [None]


@pytest.mark.forebay_only  # 7.2
def test_nobody_waits_in_a_script(client):
    assert client('EVAL', "return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', KEYS[1], 0)", 1, 's') is None
