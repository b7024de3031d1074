# SPDX-License-Identifier: BSD-3-Clause
"""Publish and subscribe: channels, patterns, shard channels, and what a subscriber's connection is like."""
import threading

import pytest

from tests.lib.resp import Error, Push
from tests.lib.server import wait_until


# ---- subscribing ----

NOT_ALLOWED = ("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
               "this context")


def replies(client, count):
    return [client.read() for _ in range(count)]


def test_every_name_is_confirmed_with_the_number_of_subscriptions(client):
    client.send('SUBSCRIBE', 'a', 'b', 'a')
    assert replies(client, 3) == [[b'subscribe', b'a', 1], [b'subscribe', b'b', 2], [b'subscribe', b'a', 2]]
    assert client('PSUBSCRIBE', 'n*') == [b'psubscribe', b'n*', 3]
    assert client('UNSUBSCRIBE', 'a') == [b'unsubscribe', b'a', 2]
    assert client('UNSUBSCRIBE', 'never') == [b'unsubscribe', b'never', 2]
    assert client('PUNSUBSCRIBE') == [b'punsubscribe', b'n*', 1]
    assert client('PUNSUBSCRIBE') == [b'punsubscribe', None, 1]
    assert client('UNSUBSCRIBE') == [b'unsubscribe', b'b', 0]
    assert client('UNSUBSCRIBE') == [b'unsubscribe', None, 0]


def test_unsubscribing_from_all_confirms_each(client):
    client.send('SUBSCRIBE', 'a', 'b', 'c')
    replies(client, 3)
    client.send('UNSUBSCRIBE')
    ended = replies(client, 3)
    assert sorted(name for _, name, _ in ended) == [b'a', b'b', b'c']
    assert [left for _, _, left in ended] == [2, 1, 0]


def test_shard_channels_are_counted_apart(client):
    assert client('SUBSCRIBE', 'a') == [b'subscribe', b'a', 1]
    assert client('SSUBSCRIBE', 's') == [b'ssubscribe', b's', 1]
    assert client('SUNSUBSCRIBE') == [b'sunsubscribe', b's', 0]
    assert client('SUNSUBSCRIBE') == [b'sunsubscribe', None, 0]


def test_confirmations_are_pushes_in_resp3(client3):
    reply = client3('SUBSCRIBE', 'a')
    assert isinstance(reply, Push) and reply == [b'subscribe', b'a', 1]
    reply = client3('SUNSUBSCRIBE')
    assert isinstance(reply, Push) and reply == [b'sunsubscribe', None, 0]


def test_names_are_binary(client, connect):
    name = b'\x00\r\n\xff'
    assert client('SUBSCRIBE', name) == [b'subscribe', name, 1]
    assert connect()('PUBLISH', name, b'\x00\r\n') == 1
    assert client.read() == [b'message', name, b'\x00\r\n']


# ---- publishing ----

def test_a_message_reaches_every_subscriber(client, connect):
    subscribers = [connect(protocol=2 + i % 2) for i in range(6)]
    for subscriber in subscribers:
        subscriber('SUBSCRIBE', 'news')
    assert client('PUBLISH', 'news', 'one') == 6
    assert client('PUBLISH', 'olds', 'two') == 0
    assert client('PUBLISH', 'news', '') == 6
    for subscriber in subscribers:
        assert replies(subscriber, 2) == [[b'message', b'news', b'one'], [b'message', b'news', b'']]


def test_a_pattern_brings_its_channels_messages(client, connect):
    subscriber = connect()
    subscriber('PSUBSCRIBE', 'n?ws')
    subscriber('SUBSCRIBE', 'news')
    assert client('PUBLISH', 'news', 'x') == 2
    assert replies(subscriber, 2) == [[b'message', b'news', b'x'], [b'pmessage', b'n?ws', b'news', b'x']]
    assert client('PUBLISH', 'nows', 'y') == 1
    assert subscriber.read() == [b'pmessage', b'n?ws', b'nows', b'y']


def test_shard_messages_go_to_shard_subscribers_only(client, connect):
    sharded, plain = connect(), connect()
    sharded('SSUBSCRIBE', 'c')
    plain('SUBSCRIBE', 'c')
    plain('PSUBSCRIBE', '*')
    assert client('SPUBLISH', 'c', 'x') == 1
    assert client('PUBLISH', 'c', 'y') == 2
    assert sharded.read() == [b'smessage', b'c', b'x']
    assert replies(plain, 2) == [[b'message', b'c', b'y'], [b'pmessage', b'*', b'c', b'y']]


def test_a_subscriber_of_resp3_publishes_to_itself(client3):
    client3('SUBSCRIBE', 'a')
    client3.send('PUBLISH', 'a', 'x')
    assert replies(client3, 2) == [[b'message', b'a', b'x'], 1]
    assert client3('GET', 'k') is None


def test_messages_of_a_publisher_keep_their_order(client, connect):
    subscriber = connect()
    subscriber('SUBSCRIBE', 'a', )
    assert client.pipeline([('PUBLISH', 'a', i) for i in range(2000)]) == [1] * 2000
    assert [int(message[2]) for message in replies(subscriber, 2000)] == list(range(2000))


@pytest.mark.parametrize('size', [100, 5000, 3000000])
def test_messages_of_any_size_arrive_whole(client, connect, size):
    subscribers = [connect(protocol=3), connect(), connect()]
    for subscriber in subscribers:
        subscriber('PSUBSCRIBE', 'big*')
    payload = b'0123456789' * (size // 10)
    assert client('PUBLISH', 'big', payload) == 3
    assert client('PUBLISH', 'big', 'end') == 3
    for subscriber in subscribers:
        assert subscriber.read() == [b'pmessage', b'big*', b'big', payload]
        assert subscriber.read()[3] == b'end'


def test_exec_publishes_what_was_queued(client, connect):
    subscriber = connect()
    subscriber('SUBSCRIBE', 'a')
    client.pipeline([('MULTI',), ('PUBLISH', 'a', 1), ('SET', 'k', 1), ('PUBLISH', 'a', 2)])
    assert client('EXEC') == [1, 'OK', 1]
    assert replies(subscriber, 2) == [[b'message', b'a', b'1'], [b'message', b'a', b'2']]


def test_discard_publishes_nothing(client, connect):
    subscriber = connect()
    subscriber('SUBSCRIBE', 'a')
    client.pipeline([('MULTI',), ('PUBLISH', 'a', 1), ('DISCARD',)])
    client('PUBLISH', 'a', 2)
    assert subscriber.read() == [b'message', b'a', b'2']


def test_exec_may_subscribe(client, connect):
    client.pipeline([('MULTI',), ('SUBSCRIBE', 'a'), ('GET', 'k')])
    assert client('EXEC') == [[b'subscribe', b'a', 1], None]
    assert client('GET', 'k') == Error(NOT_ALLOWED % 'get')
    connect()('PUBLISH', 'a', 'x')
    assert client.read() == [b'message', b'a', b'x']


@pytest.mark.forebay_only
def test_a_message_does_not_come_into_the_array_of_exec(client3):
    client3('SUBSCRIBE', 'a')
    client3.pipeline([('MULTI',), ('PUBLISH', 'a', 'x'), ('INCR', 'k')])
    assert client3('EXEC') == [1, 1]
    assert client3.read() == [b'message', b'a', b'x']


def test_messages_come_whatever_client_reply_says(client3, connect):
    client3('SUBSCRIBE', 'a')
    client3.send('CLIENT', 'REPLY', 'OFF')
    client3.send('SUBSCRIBE', 'b')
    assert client3.read() == [b'subscribe', b'b', 2]
    connect()('PUBLISH', 'b', 'x')
    assert client3.read() == [b'message', b'b', b'x']


# ---- the subscriber's connection ----

@pytest.mark.parametrize('words, name', [
    (('GET', 'k'), 'get'), (('CLIENT', 'ID'), 'client|id'), (('HELLO', 3), 'hello'), (('MULTI',), 'multi'),
    (('PUBLISH', 'a', 'x'), 'publish')])
def test_a_subscriber_of_resp2_may_do_little(client, words, name):
    client('SUBSCRIBE', 'a')
    assert client(*words) == Error(NOT_ALLOWED % name)
    client('UNSUBSCRIBE')
    assert not isinstance(client(*words), Error)


def test_exec_of_a_subscriber_is_refused_as_exec(client):
    client('SUBSCRIBE', 'a')
    assert client('EXEC') == Error('EXECABORT Transaction discarded because of: ' + NOT_ALLOWED[4:] % 'exec')


def test_unknown_and_malformed_commands_fail_as_ever(client):
    client('SUBSCRIBE', 'a')
    assert client('NOSUCH').startswith("ERR unknown command 'NOSUCH'")
    assert client('GET') == Error("ERR wrong number of arguments for 'get' command")


def test_ping_of_a_subscriber_looks_like_a_message(client, client3):
    client('SSUBSCRIBE', 'a')
    assert client('PING') == [b'pong', b'']
    assert client('PING', 'hello') == [b'pong', b'hello']
    assert client('PING', 'a', 'b') == Error("ERR wrong number of arguments for 'ping' command")
    client('SUNSUBSCRIBE')
    assert client('PING') == 'PONG'
    client3('SUBSCRIBE', 'a')
    assert client3('PING') == 'PONG'


def test_a_subscriber_of_resp3_may_do_everything(client3):
    client3('SUBSCRIBE', 'a')
    assert client3('SET', 'k', 1) == 'OK'
    assert client3('GET', 'k') == b'1'


def test_reset_ends_all_subscriptions(client, connect):
    client('SUBSCRIBE', 'a')
    client('PSUBSCRIBE', 'a*')
    client('SSUBSCRIBE', 's')
    assert client('RESET') == 'RESET'
    assert client('GET', 'k') is None
    other = connect()
    assert other('PUBLISH', 'a', 'x') == 0
    assert other('SPUBLISH', 's', 'x') == 0
    assert other('PUBSUB', 'NUMPAT') == 0


def test_a_closed_connection_subscribes_no_more(client, connect):
    subscriber = connect()
    subscriber('SUBSCRIBE', 'a')
    subscriber('PSUBSCRIBE', '*')
    subscriber.close()
    wait_until(lambda: client('PUBLISH', 'a', 'x') == 0)
    assert client('PUBSUB', 'CHANNELS') == []
    assert client('PUBSUB', 'NUMPAT') == 0


def test_quit_of_a_subscriber(client):
    client('SUBSCRIBE', 'a')
    assert client('QUIT') == 'OK'
    assert client.reads_nothing_more()


def test_client_list_tells_of_subscribers(client, connect):
    subscriber = connect(protocol=3)
    client_id = subscriber('CLIENT', 'ID')
    for words in [('SUBSCRIBE', 'a', 'b'), ('PSUBSCRIBE', 'x*'), ('SSUBSCRIBE', 's')]:
        subscriber.send(*words)
        replies(subscriber, len(words) - 1)
    line = client('CLIENT', 'LIST', 'ID', client_id).decode()
    assert ' flags=P ' in line and ' sub=2 psub=1 ssub=1 ' in line
    assert client('CLIENT', 'LIST', 'TYPE', 'pubsub').decode().count('id=') == 1
    assert client('CLIENT', 'KILL', 'TYPE', 'pubsub') == 1
    assert subscriber.reads_nothing_more()


# ---- PUBSUB and INFO ----

def test_pubsub_tells_who_listens(client, connect):
    first, second = connect(), connect()
    for subscriber in first, second:
        subscriber('SUBSCRIBE', 'hello')
    first('SUBSCRIBE', 'world')
    first('PSUBSCRIBE', 'h*')
    second('PSUBSCRIBE', 'h*')
    second('SSUBSCRIBE', 'shard')
    assert sorted(client('PUBSUB', 'CHANNELS')) == [b'hello', b'world']
    assert client('PUBSUB', 'CHANNELS', 'h*') == [b'hello']
    assert client('PUBSUB', 'NUMSUB') == []
    assert client('PUBSUB', 'NUMSUB', 'hello', 'world', 'none') == [b'hello', 2, b'world', 1, b'none', 0]
    assert client('PUBSUB', 'NUMPAT') == 1
    assert client('PUBSUB', 'SHARDCHANNELS') == [b'shard']
    assert client('PUBSUB', 'SHARDCHANNELS', 'x*') == []
    assert client('PUBSUB', 'SHARDNUMSUB', 'shard', 'hello') == [b'shard', 1, b'hello', 0]


def test_pubsub_refuses_what_it_does_not_know(client):
    assert client('PUBSUB', 'NOPE') == Error("ERR unknown subcommand 'NOPE'. Try PUBSUB HELP.")
    assert client('PUBSUB', 'CHANNELS', 'a', 'b') == Error(
        "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.")
    assert client('PUBSUB', 'NUMPAT', 'x') == Error("ERR wrong number of arguments for 'pubsub|numpat' command")


def test_info_counts_channels(client, client3):
    client3.send('SUBSCRIBE', 'a', 'b')
    replies(client3, 2)
    client3('PSUBSCRIBE', 'p')
    info = client.info('stats')
    assert info['pubsub_channels'] == '2' and info['pubsub_patterns'] == '1'
    assert client.info()['pubsubshard_channels'] == '0'


@pytest.mark.forebay_only
def test_info_counts_subscribers(client, client3):
    assert client.info('clients')['pubsub_clients'] == '0'
    client3('SUBSCRIBE', 'a')
    client3('PSUBSCRIBE', 'a')
    assert client.info('clients')['pubsub_clients'] == '1'
    client3('RESET')
    assert client.info('clients')['pubsub_clients'] == '0'


# ---- slow subscribers ----

LIMIT = 'client-output-buffer-limit'


@pytest.mark.parametrize('given, error', [
    ('pubsub 1 2', 'Wrong number of arguments in buffer limit configuration.'),
    ('nobody 1 2 3', 'Invalid client class specified in buffer limit configuration.'),
    ('pubsub x 2 3', 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'),
    ('pubsub 1 2 -3', 'Error in hard, soft or soft_seconds setting in buffer limit configuration.')])
def test_a_malformed_limit_changes_nothing(client, given, error):
    before = client('CONFIG', 'GET', LIMIT)
    assert client('CONFIG', 'SET', LIMIT, given) == Error(
        "ERR CONFIG SET failed (possibly related to argument '%s') - %s" % (LIMIT, error))
    assert client('CONFIG', 'GET', LIMIT) == before


def test_limits_are_set_by_class(client):
    before = client('CONFIG', 'GET', LIMIT)[1]
    assert client('CONFIG', 'SET', LIMIT, 'normal 1mb 2kb 3 replica 4 5 6') == 'OK'
    assert client('CONFIG', 'GET', LIMIT)[1].startswith(b'normal 1048576 2048 3 slave 4 5 6 pubsub ')
    assert client('CONFIG', 'SET', LIMIT, before) == 'OK'


def test_a_subscriber_beyond_the_hard_limit_is_closed(own_server):
    server = own_server()
    client, subscriber, reader = server.client(), server.client(), server.client()
    client.ok('CONFIG', 'SET', LIMIT, 'pubsub 2mb 0 0')
    subscriber('SUBSCRIBE', 'flood')
    wait_until(lambda: client('PUBLISH', 'flood', b'x' * 100000) == 0, seconds=60, interval=0.001,
               what='who does not read being closed')
    reader('SUBSCRIBE', 'flood')
    assert client('PUBLISH', 'flood', b'y' * 1000000) == 1
    assert reader.read()[2] == b'y' * 1000000


def test_a_subscriber_long_beyond_the_soft_limit_is_closed(own_server):
    server = own_server()
    client, subscriber = server.client(), server.client()
    client.ok('CONFIG', 'SET', LIMIT, 'pubsub 0 1mb 1000')
    subscriber('SUBSCRIBE', 'flood')
    for _ in range(200):
        client('PUBLISH', 'flood', b'x' * 100000)
    assert client('PUBSUB', 'NUMSUB', 'flood') == [b'flood', 1]
    client.ok('CONFIG', 'SET', LIMIT, 'pubsub 0 1mb 1')
    wait_until(lambda: client('PUBSUB', 'NUMSUB', 'flood') == [b'flood', 0])


def test_the_limit_of_subscribers_is_not_that_of_others(own_server):
    server = own_server()
    client = server.client()
    client.ok('CONFIG', 'SET', LIMIT, 'pubsub 1kb 0 0')
    client.ok('SET', 'k', b'x' * 3000000)
    assert client('GET', 'k') == b'x' * 3000000


# ---- many at once ----

def in_threads(works):
    """Runs all at once; the first failure of any is raised here."""
    failures = []

    def guarded(work):
        try:
            work()
        except BaseException as failure:  # told to the story's own thread
            failures.append(failure)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_nothing_is_lost_or_reordered_between_threads(own_server, kind, scale):
    """Steady subscribers get every message of every publisher in its order, while others come and go."""
    server = own_server(**({'threads': 4} if kind == 'forebay' else {}))
    count, publishers = int(1500 * scale), 4
    steady = [server.client(protocol=2 + i % 2) for i in range(8)]
    for i, subscriber in enumerate(steady):
        assert subscriber(*[('SUBSCRIBE', 'news'), ('PSUBSCRIBE', 'n*'), ('PSUBSCRIBE', '*s')][i % 3])[2] == 1
    done = threading.Event()

    def publish(number):
        with server.client() as client:
            for first in range(0, count, 50):
                replies = client.pipeline([('PUBLISH', 'news', '%d.%d' % (number, first + i)) for i in range(50)])
                assert min(replies) >= len(steady)

    def listen(subscriber):
        expected = [0] * publishers
        while min(expected) < count:
            number, sequence = subscriber.read()[-1].split(b'.')
            assert int(sequence) == expected[int(number)]
            expected[int(number)] += 1

    def come_and_go(number):
        while not done.is_set():
            with server.client(protocol=3) as client:
                client('SUBSCRIBE', 'news')
                client('PSUBSCRIBE', 'ne*', ) if number % 2 else client('SSUBSCRIBE', 'news')
                if number % 3 == 0:
                    client.send('UNSUBSCRIBE')

    def publish_all():
        try:
            in_threads([lambda number=number: publish(number) for number in range(publishers)])
        finally:
            done.set()
    in_threads([publish_all] + [lambda subscriber=subscriber: listen(subscriber) for subscriber in steady] +
               [lambda number=number: come_and_go(number) for number in range(4)])
    client = server.client()
    for subscriber in steady:
        subscriber.close()
    wait_until(lambda: client('PUBSUB', 'CHANNELS') == [] and client('PUBSUB', 'NUMPAT') == 0)
    assert client('PUBSUB', 'SHARDCHANNELS') == []
