# SPDX-License-Identifier: BSD-3-Clause
"""Sorted sets: ZADD and its family."""
import random

import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

SYNTAX = Error('ERR syntax error')
WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
NOT_FLOAT = Error('ERR value is not a valid float')


def fill(client, key, count):
    client('ZADD', key, *[word for i in range(count) for word in (i, 'm%d' % i)])


def model_order(model):
    return [word for name, score in sorted(model.items(), key=lambda item: (item[1], item[0])) for word in (name, score)]


def read(client, key, *words):
    reply = client('ZRANGE', key, 0, -1, 'WITHSCORES')
    return [float(word) if i % 2 else word for i, word in enumerate(reply)]


def test_members_stand_in_order_of_score_then_of_bytes(client):
    assert client('ZADD', 'z', 2, 'b', 1, 'c', 1, 'a', '1', 'B') == 4
    assert client('ZRANGE', 'z', 0, -1) == [b'B', b'a', b'c', b'b']
    assert client('ZREVRANGE', 'z', 0, 1, 'WITHSCORES') == [b'b', b'2', b'c', b'1']


def test_zadd_counts_what_is_new_and_with_ch_what_changed(client):
    assert client('ZADD', 'z', 1, 'a', 2, 'b') == 2
    assert client('ZADD', 'z', 1, 'a', 3, 'b', 4, 'c') == 1
    assert client('ZADD', 'z', 'CH', 1, 'a', 4, 'b', 5, 'd') == 2


@pytest.mark.parametrize('condition, score, becomes', [
    ('NX', 9, b'5'), ('XX', 9, b'9'), ('GT', 9, b'9'), ('GT', 1, b'5'), ('LT', 1, b'1'), ('LT', 9, b'5')])
def test_zadd_changes_a_score_under_its_condition(client, condition, score, becomes):
    client('ZADD', 'z', 5, 'a')
    client('ZADD', 'z', condition, score, 'a')
    assert client('ZSCORE', 'z', 'a') == becomes


def test_zadd_refuses_what_cannot_be(client):
    assert client('ZADD', 'z', 'x', 'a') == NOT_FLOAT
    assert client('ZADD', 'z', 'nan', 'a') == NOT_FLOAT
    assert client('ZADD', 'z', 1, 'a', 2) == SYNTAX
    assert client('ZADD', 'z', 'NX', 'GT', 1, 'a') == Error('ERR GT, LT, and/or NX options at the same time are not compatible')
    assert client('ZADD', 'z', 'INCR', 1, 'a', 2, 'b') == Error('ERR INCR option supports a single increment-element pair')
    assert client('EXISTS', 'z') == 0


def test_an_increment_that_is_no_number_changes_nothing(client):
    client('ZADD', 'z', 'inf', 'a')
    assert client('ZINCRBY', 'z', '-inf', 'a') == Error('ERR resulting score is not a number (NaN)')
    assert client('ZSCORE', 'z', 'a') == b'inf'


def test_scores_are_doubles_in_resp3(client3):
    assert client3('ZADD', 'z', 1.5, 'a') == 1
    assert client3('ZSCORE', 'z', 'a') == 1.5
    assert client3('ZRANGE', 'z', 0, -1, 'WITHSCORES') == [[b'a', 1.5]]
    assert client3('ZPOPMIN', 'z') == [b'a', 1.5]


def test_ranges_by_score_may_be_open_and_limited(client):
    fill(client, 'z', 10)
    assert client('ZRANGEBYSCORE', 'z', '(2', 5) == [b'm3', b'm4', b'm5']
    assert client('ZREVRANGEBYSCORE', 'z', '+inf', '-inf', 'LIMIT', 1, 2) == [b'm8', b'm7']
    assert client('ZRANGE', 'z', '(8', 2, 'BYSCORE', 'REV', 'LIMIT', 0, 1) == [b'm7']
    assert client('ZCOUNT', 'z', '-inf', '(3') == 3


def test_ranges_by_name(client):
    client('ZADD', 'z', *[word for name in 'abcde' for word in (0, name)])
    assert client('ZRANGEBYLEX', 'z', '[b', '(d') == [b'b', b'c']
    assert client('ZREVRANGEBYLEX', 'z', '+', '[d') == [b'e', b'd']
    assert client('ZLEXCOUNT', 'z', '-', '+') == 5
    assert client('ZREMRANGEBYLEX', 'z', '[a', '[c') == 3
    assert client('ZRANGE', 'z', 0, -1) == [b'd', b'e']


def test_a_set_without_members_is_no_key(client):
    fill(client, 'z', 3)
    assert client('ZREM', 'z', 'm0', 'm1', 'm2', 'm3') == 3
    assert client('EXISTS', 'z') == 0
    fill(client, 'z', 3)
    assert client('ZREMRANGEBYRANK', 'z', 0, -1) == 3
    assert client('EXISTS', 'z') == 0


def test_the_first_set_with_members_is_popped(client):
    fill(client, 'b', 5)
    assert client('ZMPOP', 2, 'a', 'b', 'MAX', 'COUNT', 2) == [b'b', [[b'm4', b'4'], [b'm3', b'3']]]
    assert client('ZMPOP', 1, 'a', 'MIN') is None
    assert client('ZPOPMIN', 'b', 2) == [b'm0', b'0', b'm1', b'1']


def test_unions_intersections_and_differences(client):
    client('ZADD', 'a', 1, 'x', 2, 'y')
    client('ZADD', 'b', 10, 'y', 20, 'z')
    assert client('ZUNION', 2, 'a', 'b', 'WITHSCORES') == [b'x', b'1', b'y', b'12', b'z', b'20']
    assert client('ZINTER', 2, 'a', 'b', 'WEIGHTS', 2, 1, 'AGGREGATE', 'MAX', 'WITHSCORES') == [b'y', b'10']
    assert client('ZDIFF', 2, 'a', 'b') == [b'x']
    assert client('ZINTERCARD', 2, 'a', 'b') == 1
    assert client('ZUNIONSTORE', 'a', 2, 'a', 'b') == 3
    assert client('ZRANGE', 'a', 0, -1) == [b'x', b'y', b'z']
    assert client('ZINTERSTORE', 'a', 2, 'a', 'missing') == 0
    assert client('EXISTS', 'a') == 0


def test_other_types_are_refused(client):
    client('SET', 's', 'x')
    for words in (['ZADD', 's', 1, 'a'], ['ZSCORE', 's', 'a'], ['ZRANGE', 's', 0, -1], ['ZPOPMIN', 's'], ['ZUNION', 1, 's'],
                  ['ZCARD', 's'], ['ZRANGESTORE', 'd', 's', 0, -1], ['ZMPOP', 1, 's', 'MIN']):
        assert client(*words) == WRONG_TYPE


def test_a_set_becomes_large_by_count_and_by_length(client):
    fill(client, 'z', 128)
    assert client('OBJECT', 'ENCODING', 'z') == b'listpack'
    client('ZADD', 'z', 5, 'one more')
    assert client('OBJECT', 'ENCODING', 'z') == b'skiplist'
    client('ZADD', 'y', 5, 'x' * 65)
    assert client('OBJECT', 'ENCODING', 'y') == b'skiplist'


def test_sets_are_sorted_sets_with_the_score_one(client):
    client('SADD', 's', 'a', 'b')
    client('ZADD', 'z', 5, 'b')
    assert client('ZUNION', 2, 's', 'z', 'WEIGHTS', 2, 1, 'WITHSCORES') == [b'a', b'2', b'b', b'7']
    assert client('ZINTERSTORE', 'd', 2, 'z', 's') == 1
    assert client('ZDIFF', 2, 's', 'z', 'WITHSCORES') == [b'a', b'1']


@pytest.mark.parametrize('count', [5, 1000])
def test_random_members_are_members(client, count):
    fill(client, 'z', count)
    members = {b'm%d' % i for i in range(count)}
    assert client('ZRANDMEMBER', 'z') in members
    for wanted in (0, 1, 3, count // 2, count, count * 2):
        reply = client('ZRANDMEMBER', 'z', wanted)
        assert len(set(reply)) == len(reply) == min(wanted, count) and set(reply) <= members
    assert len(client('ZRANDMEMBER', 'z', -50, 'WITHSCORES')) == 100
    assert client('ZRANDMEMBER', 'missing', 3) == [] and client('ZRANDMEMBER', 'missing') is None


@pytest.mark.parametrize('count', [5, 1000])
def test_a_scan_visits_every_member_with_its_score(client, count):
    fill(client, 'z', count)
    cursor, found = b'0', {}
    while True:
        cursor, words = client('ZSCAN', 'z', cursor, 'COUNT', 7)
        found.update(zip(words[::2], words[1::2]))
        if cursor == b'0':
            break
    assert found == {b'm%d' % i: b'%d' % i for i in range(count)}


def test_a_client_waits_for_a_member(client, connect):
    waiting = connect()
    waiting.send('BZPOPMAX', 'a', 'b', 0)
    wait_until(lambda: b'blocked_clients:1' in client('INFO', 'clients'))
    client('ZADD', 'b', 1, 'x', 2, 'y')
    assert waiting.read() == [b'b', b'y', b'2']
    assert client('ZRANGE', 'b', 0, -1) == [b'x']
    assert waiting('BZMPOP', 1, 2, 'a', 'b', 'MIN') == [b'b', [[b'x', b'1']]]
    assert waiting('BZPOPMIN', 'b', 0.01) is None


@pytest.mark.forebay_only
def test_the_rank_may_come_with_the_score(client):
    fill(client, 'z', 3)
    assert client('ZRANK', 'z', 'm1', 'WITHSCORE') == [1, b'1']
    assert client('ZREVRANK', 'z', 'm0', 'WITHSCORE') == [2, b'0']
    assert client('ZRANK', 'z', 'x', 'WITHSCORE') is None


@pytest.mark.parametrize('names', [40, 3000])
def test_random_changes_leave_what_they_say(client, names):
    generator, model = random.Random(names), {}
    for step in range(6):
        for _ in range(names * 2):
            name = b'm%d' % generator.randrange(names)
            if generator.random() < (0.2 if step < 4 else 0.7):
                assert client('ZREM', 'z', name) == (model.pop(name, None) is not None)
            else:
                model[name] = float(generator.choice([generator.randrange(20), generator.random()]))
                client('ZADD', 'z', repr(model[name]), name)
        assert read(client, 'z') == model_order(model)
        order = model_order(model)[::2]
        for rank in generator.sample(range(len(order)), min(10, len(order))):
            assert client('ZRANK', 'z', order[rank]) == rank


@pytest.mark.forebay_only
@pytest.mark.parametrize('count', [20, 3000])
def test_a_power_cut_leaves_what_was_written(own_server, count):
    server = own_server(durability='through')
    with server.client() as client:
        fill(client, 'z', count)
        client('ZINCRBY', 'z', '0.1', 'm3')
        client('ZREMRANGEBYRANK', 'z', 5, 9)
        client('ZPOPMAX', 'z', 3)
        client('ZUNIONSTORE', 'u', 1, 'z', 'WEIGHTS', 3)
        before = [read(client, key) for key in 'zu']
    server.restart(kill=True)
    with server.client() as client:
        assert [read(client, key) for key in 'zu'] == before
