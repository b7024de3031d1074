# SPDX-License-Identifier: BSD-3-Clause
"""Transactions: MULTI, EXEC, DISCARD, WATCH."""
import threading

from tests.lib.resp import Error, encode
from tests.lib.server import wait_until

ABORTED = Error('EXECABORT Transaction discarded because of previous errors.')


def test_exec_runs_what_was_queued(client):
    assert client('MULTI') == 'OK'
    assert client('SET', 'a', 1) == 'QUEUED'
    assert client('INCR', 'a') == 'QUEUED'
    assert client('GET', 'a') == 'QUEUED'
    assert client('EXEC') == ['OK', 2, b'2']


def test_nothing_runs_before_exec(client, connect):
    client.pipeline([('MULTI',), ('SET', 'a', 1)])
    assert connect()('GET', 'a') is None
    assert client('EXEC') == ['OK']


def test_an_empty_transaction_is_an_empty_list(client):
    assert client.pipeline([('MULTI',), ('EXEC',)]) == ['OK', []]


def test_discard_forgets_the_queue(client):
    assert client.pipeline([('MULTI',), ('SET', 'a', 1), ('DISCARD',)]) == ['OK', 'QUEUED', 'OK']
    assert client('GET', 'a') is None


def test_exec_and_discard_need_multi(client):
    assert client('EXEC') == Error('ERR EXEC without MULTI')
    assert client('DISCARD') == Error('ERR DISCARD without MULTI')


def test_multi_does_not_nest_and_watch_comes_before(client):
    client('MULTI')
    assert client('MULTI') == Error('ERR MULTI calls can not be nested')
    assert client('WATCH', 'a') == Error('ERR WATCH inside MULTI is not allowed')
    assert client('EXEC') == []


def test_a_command_that_cannot_be_queued_spoils_the_transaction(client):
    client('MULTI')
    assert client('SET', 'a') == Error("ERR wrong number of arguments for 'set' command")
    assert client('SET', 'a', 1) == 'QUEUED'
    assert client('EXEC') == ABORTED
    assert client('GET', 'a') is None
    client('MULTI')
    assert client('NOSUCH').startswith('ERR unknown command')
    assert client('EXEC') == ABORTED


def test_a_command_that_fails_while_running_does_not_stop_the_others(client):
    client('SET', 'a', 'text')
    assert client.pipeline([('MULTI',), ('INCR', 'a'), ('SET', 'b', 1), ('EXEC',)])[-1] == [
        Error('ERR value is not an integer or out of range'), 'OK']


def test_watch_aborts_if_the_key_changed(client, connect):
    other = connect()
    client('SET', 'a', 1)
    client('WATCH', 'a')
    other('SET', 'a', 2)
    assert client.pipeline([('MULTI',), ('SET', 'a', 3), ('EXEC',)])[-1] is None
    assert client.raw() == b'*-1\r\n'
    assert client('GET', 'a') == b'2'


def test_watch_lets_pass_if_nothing_changed(client, connect):
    client('WATCH', 'a', 'b')
    connect()('SET', 'c', 1)
    assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] == ['PONG']


def test_watch_sees_ones_own_changes_too(client):
    client('WATCH', 'a')
    client('SET', 'a', 1)
    assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] is None


def test_watch_notices_every_kind_of_change(client, connect):
    other = connect()
    for command in (('DEL', 'a'), ('EXPIRE', 'a', 1000), ('PERSIST', 'e'), ('APPEND', 'a', 'x'), ('RENAME', 'a', 'z'), ('RENAME', 'b', 'a'),
                    ('COPY', 'b', 'a', 'REPLACE'), ('MOVE', 'a', 5), ('FLUSHDB',), ('FLUSHALL',), ('SETRANGE', 'a', 0, 'Q'), ('INCR', 'n'),
                    ('GETDEL', 'a'), ('MSET', 'a', 2), ('SET', 'a', 1), ('SWAPDB', 0, 7), ('GETEX', 'e', 'PERSIST')):
        other('FLUSHALL')
        other.pipeline([('SET', 'a', 'v'), ('SET', 'b', 'w'), ('SET', 'e', 'v', 'EX', 1000), ('SET', 'n', 1)])
        client('WATCH', 'a', 'e', 'n')
        other.ok(*command)
        assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] is None, command


def test_watch_does_not_mind_reads_and_failed_changes(client, connect):
    other = connect()
    other.pipeline([('SET', 'a', 'v'), ('SET', 'b', 'w')])
    for command in (('GET', 'a'), ('SET', 'a', 'x', 'NX'), ('RENAMENX', 'b', 'a'), ('INCR', 'a'), ('PERSIST', 'a'), ('TOUCH', 'a'),
                    ('EXPIRE', 'a', 100, 'XX'), ('COPY', 'b', 'a'), ('DEL', 'c'), ('MSETNX', 'a', 1, 'q', 1), ('GETEX', 'a')):
        client('WATCH', 'a')
        other(*command)
        assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] == ['PONG'], command


def test_watch_of_a_missing_key_sees_it_come(client, connect):
    client('WATCH', 'a')
    connect()('SET', 'a', 1)
    assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] is None


def test_watch_is_of_one_database(client, connect):
    other = connect()
    other('SELECT', 1)
    client('WATCH', 'a')
    other('SET', 'a', 1)
    assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] == ['PONG']


def test_watch_sees_a_key_expire(client, connect):
    other = connect()
    client('SET', 'a', 1, 'PX', 30)
    client('WATCH', 'a')
    wait_until(lambda: other('GET', 'a') is None, what='expiry')
    assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] is None


def test_unwatch_exec_and_discard_end_watching(client, connect):
    other = connect()
    for end in ([('UNWATCH',)], [('MULTI',), ('EXEC',)], [('MULTI',), ('DISCARD',)]):
        client('WATCH', 'a')
        client.pipeline(end)
        other('INCR', 'a')
        assert client.pipeline([('MULTI',), ('PING',), ('EXEC',)])[-1] == ['PONG'], end


def test_a_transaction_over_several_databases(client):
    commands = [('MULTI',), ('SET', 'a', 0), ('SELECT', 1), ('SET', 'a', 1), ('EXEC',)]
    assert client.pipeline(commands)[-1] == ['OK', 'OK', 'OK']
    assert client('GET', 'a') == b'1'
    client('SELECT', 0)
    assert client('GET', 'a') == b'0'


def test_transactions_of_many_clients_do_not_mix(client, server):
    """Each adds one to two counters in different slots; whoever looks at both in one transaction sees them equal."""
    rounds, failures = 200, []

    def add():
        with server.client() as own:
            for _ in range(rounds):
                own.pipeline([('MULTI',), ('INCR', 'left'), ('INCR', 'right'), ('EXEC',)])

    def look():
        with server.client() as own:
            for _ in range(rounds):
                left, right = own.pipeline([('MULTI',), ('GET', 'left'), ('GET', 'right'), ('EXEC',)])[-1]
                if left != right:
                    failures.append((left, right))
                left, right = own('MGET', 'left', 'right')
                if left != right:
                    failures.append(('mget', left, right))
    threads = [threading.Thread(target=work) for work in (add, add, add, look, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert client('MGET', 'left', 'right') == [b'%d' % (3 * rounds)] * 2


def test_optimistic_locking_loses_no_update(client, server):
    def add(rounds=50):
        with server.client() as own:
            while rounds:
                own('WATCH', 'n')
                value = int(own('GET', 'n') or 0)
                if own.pipeline([('MULTI',), ('SET', 'n', value + 1), ('EXEC',)])[-1] is not None:
                    rounds -= 1
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client('GET', 'n') == b'200'


def test_a_client_that_leaves_takes_its_transaction_along(client, connect, server):
    leaving = server.client()
    leaving.pipeline([('WATCH', 'a'), ('MULTI',), ('SET', 'a', 1)])
    leaving.close()
    assert client('SET', 'a', 2) == 'OK'
    assert client('GET', 'a') == b'2'


def test_reset_leaves_the_transaction(client):
    client('MULTI')
    assert client('RESET') == 'RESET'
    assert client('PING') == 'PONG'


def test_exec_of_writes_waits_while_writes_are_paused(client, connect):
    other = connect()
    assert client.pipeline([('MULTI',), ('SET', 'a', 1)]) == ['OK', 'QUEUED']
    assert other('CLIENT', 'PAUSE', 100000, 'WRITE') == 'OK'
    client.send('EXEC')
    assert other('GET', 'a') is None
    assert other('CLIENT', 'UNPAUSE') == 'OK'
    assert client.read() == ['OK']


def test_exec_without_room_ends_the_transaction(own_server, kind):
    own = {'tier': 'no', 'maxmemory_wait_ms': 10} if kind == 'forebay' else {}
    server = own_server(maxmemory='100mb', maxmemory_policy='noeviction', **own)
    client, other = server.client(), server.client()
    assert client.pipeline([('MULTI',), ('SET', 'a', 1)]) == ['OK', 'QUEUED']
    other('CONFIG', 'SET', 'maxmemory', 1)
    wait_until(lambda: isinstance(other('SET', 'b', 1), Error), what='OOM')
    assert client('EXEC') == Error("EXECABORT Transaction discarded because of: OOM command not allowed when used "
                                   "memory > 'maxmemory'.")
    assert client('EXEC') == Error('ERR EXEC without MULTI')
    assert client('GET', 'a') is None


def test_a_paused_flush_keeps_no_reader_out(connect, server):
    """It may have been waiting for all keys to be free when the pause began."""
    keys = ['k%d' % n for n in range(200)]
    busy = [connect() for _ in range(4)]
    flushing = [connect() for _ in range(4)]
    control, reader = connect(), connect()
    for _ in range(20):
        for client in busy:
            client.send_raw(encode('MGET', *keys) * 20)
        for client in flushing:
            client.send('FLUSHALL')
        control('CLIENT', 'PAUSE', 100000, 'WRITE')
        for client in busy:
            for _ in range(20):
                assert len(client.read()) == len(keys)
        assert reader('MGET', 'a', 'b') == [None, None]
        control('CLIENT', 'UNPAUSE')
        for client in flushing:
            assert client.read() == 'OK'


def test_exec_with_words_too_many_discards(client):
    assert client('MULTI') == 'OK' and client('SET', 'k', 'v') == 'QUEUED'
    aborted = Error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
    assert client('EXEC', 'x') == aborted
    assert client('EXEC') == Error('ERR EXEC without MULTI')
    assert client('GET', 'k') is None
