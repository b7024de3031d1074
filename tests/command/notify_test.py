# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace notifications: what happens to keys, published to whoever wants to hear it."""
import time

import pytest

from tests.lib import payload
from tests.lib.resp import Error
from tests.lib.server import wait_until

DIRECTIVE = 'notify-keyspace-events'


@pytest.fixture
def events(client, connect):
    """Runs commands and gives the events that they caused, as (event, key), in order."""
    client.ok('CONFIG', 'SET', DIRECTIVE, 'EAmn')
    listener = connect()
    listener('PSUBSCRIBE', '__keyevent@*')
    listener('SUBSCRIBE', 'end')

    def run(*commands):
        for command in commands:
            client(*command.split(' ') if isinstance(command, str) else command)
        return until_end()

    def until_end():
        client('PUBLISH', 'end', '')
        heard = []
        while True:
            message = listener.read()
            if message[0] == b'message':
                return heard
            heard.append((message[2].split(b':', 1)[1].decode(), message[3].decode()))
    run.until_end = until_end
    yield run
    client.ok('CONFIG', 'SET', DIRECTIVE, '')


# ---- the directive ----

@pytest.mark.parametrize('given, shown', [
    ('A', 'A'), ('KEA', 'AKE'), ('g$lshzxetdKE', 'AKE'), ('mn', 'nm'), ('Eln', 'lnE'), ('KEx', 'xKE'),
    ('eKKKg', 'geK'), ('', '')])
def test_event_classes_are_shown_in_one_order(client, given, shown):
    assert client('CONFIG', 'SET', 'notify-keyspace-events', given) == 'OK'
    assert client('CONFIG', 'GET', 'notify-keyspace-events')[1] == shown.encode()
    client('CONFIG', 'SET', 'notify-keyspace-events', '')


def test_an_unknown_event_class_changes_nothing(client):
    client('CONFIG', 'SET', 'notify-keyspace-events', 'Kg')
    assert client('CONFIG', 'SET', 'notify-keyspace-events', 'Kq') == Error(
        "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - "
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    assert client('CONFIG', 'GET', 'notify-keyspace-events')[1] == b'gK'
    client('CONFIG', 'SET', 'notify-keyspace-events', '')


# ---- the two kinds of channel ----

def test_an_event_is_told_by_key_and_by_name(client, connect):
    listener = connect()
    listener('PSUBSCRIBE', '__key*')
    client('CONFIG', 'SET', DIRECTIVE, 'KEA')
    client.pipeline([('SELECT', 3), ('SET', 'k', 1), ('CONFIG', 'SET', DIRECTIVE, 'K$'), ('SET', 'l', 1),
                     ('CONFIG', 'SET', DIRECTIVE, ''), ('SET', 'm', 1), ('CONFIG', 'SET', DIRECTIVE, '$'),
                     ('SET', 'n', 1), ('CONFIG', 'SET', DIRECTIVE, 'Eg'), ('SET', 'o', 1), ('DEL', 'o'),
                     ('CONFIG', 'SET', DIRECTIVE, '')])
    heard = [listener.read()[2:] for _ in range(4)]
    assert heard == [[b'__keyspace@3__:k', b'set'], [b'__keyevent@3__:set', b'k'], [b'__keyspace@3__:l', b'set'],
                     [b'__keyevent@3__:del', b'o']]


def test_events_of_a_transaction_come_in_order(events):
    assert events('MULTI', 'INCR a', 'PUBLISH nobody x', 'DEL a', 'EXEC') == [
        ('new', 'a'), ('incrby', 'a'), ('del', 'a')]


def test_a_transaction_that_is_not_run_tells_nothing(events):
    assert events('MULTI', 'INCR a', 'DISCARD') == []


# ---- who tells what ----

STRINGS = [
    (['SET a 1'], [('new', 'a'), ('set', 'a')]),
    (['SET a 1', 'SET a 2 EX 100'], [('new', 'a'), ('set', 'a'), ('set', 'a'), ('expire', 'a')]),
    (['SET a 1 XX', 'SET a 1 NX', 'SET a 1 NX'], [('new', 'a'), ('set', 'a')]),
    (['SET a 1 GET'], [('keymiss', 'a'), ('new', 'a'), ('set', 'a')]),
    (['SETNX a 1', 'SETNX a 1'], [('new', 'a'), ('set', 'a')]),
    (['SETEX a 100 1', 'PSETEX a 10000 1'],
     [('new', 'a'), ('set', 'a'), ('expire', 'a'), ('set', 'a'), ('expire', 'a')]),
    (['GETSET a 1', 'GETDEL a', 'GETDEL a'],
     [('keymiss', 'a'), ('new', 'a'), ('set', 'a'), ('del', 'a'), ('keymiss', 'a')]),
    (['SET a 1', 'GETEX a EX 100', 'GETEX a PERSIST', 'GETEX a PERSIST', 'GETEX a EXAT 1'],
     [('new', 'a'), ('set', 'a'), ('expire', 'a'), ('persist', 'a'), ('del', 'a')]),
    (['MSET a 1 b 2', 'MSETNX b 1 c 2', 'MSETNX c 1'],
     [('new', 'a'), ('set', 'a'), ('new', 'b'), ('set', 'b'), ('new', 'c'), ('set', 'c')]),
    (['INCR a', 'DECR a', 'INCRBY a 5', 'DECRBY a 2', 'INCRBYFLOAT a 0.5', 'INCR a'],
     [('new', 'a')] + [('incrby', 'a')] * 4 + [('incrbyfloat', 'a')]),
    (['APPEND a x', 'APPEND a y', 'SETRANGE a 1 z', 'SETRANGE b 3 z'],
     [('new', 'a'), ('append', 'a'), ('append', 'a'), ('setrange', 'a'), ('new', 'b'), ('setrange', 'b')]),
    (['GET a', 'MGET a b', 'STRLEN a', 'GETRANGE a 0 1', 'EXISTS a', 'TTL a', 'TYPE a', 'DUMP a', 'TOUCH a'],
     [('keymiss', 'a'), ('keymiss', 'a'), ('keymiss', 'b')] + [('keymiss', 'a')] * 7),
]

KEYS = [
    (['MSET a 1 b 2', 'DEL a c b', 'UNLINK a'],
     [('new', 'a'), ('set', 'a'), ('new', 'b'), ('set', 'b'), ('del', 'a'), ('del', 'b')]),
    (['SET a 1', 'UNLINK a'], [('new', 'a'), ('set', 'a'), ('del', 'a')]),
    (['SET a 1', 'EXPIRE a 100', 'PEXPIRE a 1000 GT', 'PERSIST a', 'PERSIST a', 'EXPIREAT a 1', 'EXPIRE a 1'],
     [('new', 'a'), ('set', 'a'), ('expire', 'a'), ('persist', 'a'), ('del', 'a')]),
    (['SET a 1', 'RENAME a b', 'SET a 2', 'RENAME a b', 'RENAMENX b c', 'RENAMENX c c'],
     [('new', 'a'), ('set', 'a'), ('new', 'b'), ('rename_from', 'a'), ('rename_to', 'b'), ('new', 'a'), ('set', 'a'),
      ('new', 'b'), ('rename_from', 'a'), ('rename_to', 'b'), ('new', 'c'), ('rename_from', 'b'), ('rename_to', 'c')]),
    (['SET a 1', 'COPY a b', 'COPY a b', 'COPY a b REPLACE', 'COPY x y'],
     [('new', 'a'), ('set', 'a'), ('new', 'b'), ('copy_to', 'b'), ('new', 'b'), ('copy_to', 'b'), ('keymiss', 'x')]),
    (['SET a 1', 'MOVE a 5', 'MOVE a 5'],
     [('new', 'a'), ('set', 'a'), ('new', 'a'), ('move_from', 'a'), ('move_to', 'a')]),
    (['RPUSH l a', 'LMOVE l l LEFT RIGHT', 'RPUSH l b', 'LMOVE l l RIGHT LEFT', 'RPOPLPUSH l l'],
     [('new', 'l'), ('rpush', 'l'), ('rpush', 'l'), ('lpop', 'l'), ('rpush', 'l'), ('lpush', 'l'), ('rpop', 'l'),
      ('lpush', 'l'), ('rpop', 'l')]),
    (['OBJECT ENCODING nokey', 'FLUSHALL', 'SWAPDB 0 1', 'SWAPDB 0 1'], []),
]

STREAMS = [
    (['XADD s 1 f v', 'XADD s MAXLEN 1 2 f v', 'XADD s MAXLEN ~ 9 3 f v', 'XDEL s 3 99', 'XDEL s 99', 'XTRIM s MAXLEN 0',
      'XTRIM s MAXLEN 0', 'XSETID s 9', 'XADD t NOMKSTREAM 1 f v'],
     [('new', 's'), ('xadd', 's'), ('xadd', 's'), ('xtrim', 's'), ('xadd', 's'), ('xdel', 's'), ('xtrim', 's'), ('xsetid', 's')]),
    (['XGROUP CREATE s g 0 MKSTREAM', 'XADD s 1 f v', 'XREADGROUP GROUP g a STREAMS s >', 'XREADGROUP GROUP g a STREAMS s 0',
      'XGROUP CREATECONSUMER s g b', 'XGROUP CREATECONSUMER s g b', 'XCLAIM s g b 0 1', 'XACK s g 1', 'XGROUP SETID s g 0',
      'XGROUP DELCONSUMER s g b', 'XGROUP DELCONSUMER s g b', 'XGROUP DESTROY s g', 'XGROUP DESTROY s g'],
     [('new', 's'), ('xgroup-create', 's'), ('xadd', 's'), ('xgroup-createconsumer', 's'), ('xgroup-createconsumer', 's'),
      ('xgroup-setid', 's'), ('xgroup-delconsumer', 's'), ('xgroup-destroy', 's')]),
]


@pytest.mark.parametrize('commands, expected', STRINGS + KEYS + STREAMS, ids=lambda value: value[0] if value else 'none')
def test_commands_tell_what_they_did(events, commands, expected):
    assert events(*commands) == expected


def test_restore_tells_what_it_did(events):
    dump = payload.string(b'x')
    assert events(('RESTORE', 'a', 0, dump), ('RESTORE', 'a', 0, dump), ('RESTORE', 'a', 0, dump, 'REPLACE'),
                  ('RESTORE', 'a', 1, dump, 'REPLACE', 'ABSTTL'), ('RESTORE', 'a', 1, dump, 'ABSTTL')) == [
        ('new', 'a'), ('restore', 'a'), ('new', 'a'), ('restore', 'a'), ('del', 'a')]


@pytest.mark.forebay_only
def test_later_commands_tell_what_they_did(events):
    assert events('MSETEX 2 a 1 b 2 EX 100', 'DELIFEQ a 2', 'DELIFEQ a 1') == [
        ('new', 'a'), ('set', 'a'), ('expire', 'a'), ('new', 'b'), ('set', 'b'), ('expire', 'b'), ('del', 'a')]


def test_a_key_that_expires_under_a_command_is_told(events):
    events('DEBUG SET-ACTIVE-EXPIRE 0', 'SET a 1 PX 1')
    set_at = time.time()
    wait_until(lambda: time.time() > set_at + 0.003, what='its time having passed')
    try:
        assert events('GET a', 'SET a 1 NX') == [('expired', 'a'), ('keymiss', 'a'), ('new', 'a'), ('set', 'a')]
    finally:
        events('DEBUG SET-ACTIVE-EXPIRE 1')


def test_a_key_that_expires_by_itself_is_told(events):
    heard = events('SET a 1 PX 5')
    wait_until(lambda: heard.extend(events.until_end()) or len(heard) > 3, what='another event')
    assert heard == [('new', 'a'), ('set', 'a'), ('expire', 'a'), ('expired', 'a')]


def test_evicted_keys_are_told(own_server, kind):
    options = {'tier': 'no', 'durability': 'none'} if kind == 'forebay' else {}
    server = own_server(**options)
    client, listener = server.client(), server.client()
    client.ok('CONFIG', 'SET', DIRECTIVE, 'Ee')
    client.ok('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random')
    listener('PSUBSCRIBE', '__keyevent@0__:*')
    if kind == 'forebay':
        client.ok('CONFIG', 'SET', 'maxmemory', client.info('memory')['used_memory_rss'])
    else:
        client.ok('CONFIG', 'SET', 'maxmemory', int(client.info('memory')['used_memory']) + 1000000)
    for i in range(200):
        client('SET', 'key:%d' % i, b'x' * 100000)
    message = listener.read()
    assert message[2] == b'__keyevent@0__:evicted' and message[3].startswith(b'key:')
