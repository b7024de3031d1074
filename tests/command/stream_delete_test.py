# SPDX-License-Identifier: BSD-3-Clause
"""XDELEX and XACKDEL: entries go, and with them what groups hold of them, or not."""
import pytest

from tests.command.stream_group_test import group, pending, read  # noqa: F401
from tests.command.stream_test import BAD_ID, WRONG_TYPE, fill
from tests.lib.resp import Error

SYNTAX = Error('ERR syntax error')


def ids(*wanted):
    return ('IDS', len(wanted)) + tuple('%d-0' % id for id in wanted)


def held(client):
    return [row[0] for row in pending(client)]


@pytest.mark.usefixtures('group')
def test_xdelex_keeps_references_unless_told_otherwise(client):
    read(client, 'alice')
    assert client('XDELEX', 's', *ids(1, 9)) == [1, -1]
    assert held(client) == [b'1-0', b'2-0', b'3-0', b'4-0', b'5-0']
    assert client('XDELEX', 's', 'DELREF', *ids(2, 1)) == [1, -1]
    assert held(client) == [b'3-0', b'4-0', b'5-0']
    assert client('XLEN', 's') == 3


@pytest.mark.usefixtures('group')
def test_xdelex_acked_deletes_what_no_group_needs(client):
    assert client('XDELEX', 's', 'ACKED', *ids(1)) == [2]
    read(client, 'alice', 'COUNT', 2)
    assert client('XDELEX', 's', *ids(1), 'ACKED') == [2]
    client('XACK', 's', 'g', '1-0')
    assert client('XDELEX', 's', 'ACKED', *ids(1, 2, 3, 8)) == [1, 2, 2, -1]
    assert client('XLEN', 's') == 4


def test_xdelex_acked_deletes_where_there_are_no_groups(client):
    fill(client, 's', 1, 2)
    assert client('XDELEX', 's', 'ACKED', *ids(1)) == [1]
    assert client('XLEN', 's') == 1


@pytest.mark.usefixtures('group')
def test_xackdel_touches_only_what_the_group_holds(client):
    read(client, 'alice', 'COUNT', 2)
    assert client('XACKDEL', 's', 'g', *ids(1, 3)) == [1, -1]
    assert held(client) == [b'2-0']
    assert client('XLEN', 's') == 4
    client('XDEL', 's', '2-0')
    assert client('XACKDEL', 's', 'g', *ids(2)) == [1]
    assert held(client) == []


@pytest.mark.usefixtures('group')
def test_xackdel_acked_waits_for_the_other_groups(client):
    client('XGROUP', 'CREATE', 's', 'h', 0)
    read(client, 'alice')
    assert client('XACKDEL', 's', 'g', 'ACKED', *ids(1)) == [2]
    assert b'1-0' not in held(client)
    client('XREADGROUP', 'GROUP', 'h', 'bob', 'STREAMS', 's', '>')
    assert client('XACKDEL', 's', 'h', 'ACKED', *ids(1, 2)) == [1, 2]
    assert client('XACKDEL', 's', 'g', 'DELREF', *ids(3)) == [1]
    assert client('XPENDING', 's', 'h')[0] == 2


def test_what_is_not_there_is_not_deleted(client):
    assert client('XDELEX', 's', *ids(1, 2)) == [-1, -1]
    fill(client, 's', 1)
    assert client('XACKDEL', 's', 'nobody', *ids(1)) == [-1]
    assert client('XLEN', 's') == 1


@pytest.mark.parametrize('words, error', [
    (('KEEPREF', 'DELREF', 'IDS', 1, '1-0'), SYNTAX), (('IDS', 1, '1-0', '2-0'), SYNTAX), (('ACKED', 'FOO', 1, 2), SYNTAX),
    (('IDS', 0, '1-0'), Error('ERR Number of IDs must be a positive integer')),
    (('IDS', 'x', '1-0'), Error('ERR Number of IDs must be a positive integer')),
    (('IDS', 3, '1-0'), Error('ERR The `numids` parameter must match the number of arguments')),
    (('IDS', 1, 'x'), BAD_ID),
])
def test_bad_words_delete_nothing(client, words, error):
    fill(client, 's', 1)
    assert client('XDELEX', 's', *words) == error
    assert client('XACKDEL', 's', 'g', *words) == error
    assert client('XLEN', 's') == 1


def test_another_type_is_refused(client):
    client('SET', 'k', 'v')
    assert client('XDELEX', 'k', *ids(1)) == WRONG_TYPE


@pytest.mark.usefixtures('group')
def test_a_restart_keeps_what_was_deleted(client, server):
    read(client, 'alice')
    client('XACKDEL', 's', 'g', 'DELREF', *ids(1, 2))
    client('XDELEX', 's', *ids(3))
    before = client('DUMP', 's')
    client('DEBUG', 'RELOAD')
    assert client('DUMP', 's') == before
