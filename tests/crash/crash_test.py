# SPDX-License-Identifier: BSD-3-Clause
"""A killed process loses nothing that it acknowledged, tears nothing, and brings nothing back."""
import pytest

from tests.crash import model, run
from tests.crash.model import History, Operation


@pytest.mark.parametrize('durability, seed', [('behind', 11), ('through', 12)])
def test_a_killed_server_keeps_what_it_acknowledged(kind, scale, durability, seed):
    print(run.run(kind, durability, kills=max(2, int(10 * scale)), seed=seed))


@pytest.mark.forebay_only
def test_a_server_killed_among_checkpoints_keeps_what_it_acknowledged(kind, scale):
    """The log is so short that rows take over within every few rounds, and replay begins at what they hold."""
    print(run.run(kind, 'behind', kills=max(4, int(12 * scale)), seed=16, durability_log_max='8mb'))


@pytest.mark.forebay_only
@pytest.mark.parametrize('durability, seed, options', [
    ('through', 13, {}),
    # Nothing is synced during a round: whatever is damaged is a torn end, and the server must start by itself.
    ('behind', 15, {'durability_interval_ms': 3600000}),
], ids=['through', 'behind'])
def test_a_log_whose_end_is_spoilt_keeps_what_came_before(kind, scale, durability, seed, options):
    totals = run.run(kind, durability, kills=max(3, int(6 * scale)), seed=seed, with_damage=True, **options)
    print(totals)
    assert totals['damaged'], 'no round found bytes behind the mark to damage'
    assert not options or not totals['obeyed'], 'the server refused to start on a torn end'


@pytest.mark.forebay_only
def test_a_stop_among_cold_requests_is_clean(own_server):
    """Large requests for cold keys take turns; the stop finds some under way, some delivered, some queued."""
    server = own_server(threads=3)
    client = server.client()
    for seed in range(5):
        keys = ['k%d' % n for n in range(1000)]
        client.pipeline([('SET', key, 'x' * 500) for key in keys])
        client('DEBUG', 'RELOAD')
        asking = [server.client() for _ in range(12)]
        for number, asker in enumerate(asking):
            for at in range(0, 900, 100):
                shift = (at + 83 * number + seed) % 900
                asker.send('MGET', *keys[shift:shift + 100])
            asker.send('KEYS', '*')
            asker.send('CLIENT', 'LIST')
        asking[seed].read()
        assert server.stop() == 0
        server.start()
        client = server.client()
        assert client('DBSIZE') == len(keys)


def test_a_server_that_keeps_nothing_is_found_out(kind):
    with pytest.raises(run.Lost):
        run.run(kind, 'none', kills=2, seed=14)


# Would the checker notice? Runs made up by hand, each with one thing wrong.

def story(*operations, acknowledged):
    history = History('x')
    history.operations = [Operation([], after, 'OK') for after in operations]
    history.acknowledged = acknowledged
    return history


def wrong(history, observed, look_ms=(1000,), **options):
    return model.check_writer(history, observed, model.Look(*look_ms), **options)[2] is not None


def test_the_checker_accepts_any_point_between_acknowledged_and_sent():
    history = story({b'a': (b'1', None)}, {b'a': (b'2', None)}, {b'b': (b'3', None)}, acknowledged=1)
    assert not wrong(history, {b'a': (b'1', None)})
    assert not wrong(history, {b'a': (b'2', None)})
    assert not wrong(history, {b'a': (b'2', None), b'b': (b'3', None)})


def test_the_checker_notices_one_lost_write():
    history = story({b'a': (b'1', None)}, {b'b': (b'1', None)}, {b'a': (b'2', None)}, acknowledged=3)
    assert not wrong(history, {b'a': (b'2', None), b'b': (b'1', None)})
    assert wrong(history, {b'a': (b'1', None), b'b': (b'1', None)})
    assert wrong(history, {b'a': (b'2', None)})


def test_the_checker_notices_a_later_write_without_an_earlier_one():
    history = story({b'a': (b'1', None)}, {b'b': (b'1', None)}, acknowledged=0)
    assert wrong(history, {b'b': (b'1', None)})


def test_the_checker_notices_a_torn_transaction():
    history = story({b'l': (b'1', None), b'r': (b'1', None)}, {b'l': (b'2', None), b'r': (b'2', None)}, acknowledged=1)
    assert wrong(history, {b'l': (b'2', None), b'r': (b'1', None)})


def test_the_checker_notices_a_deleted_key_that_returns():
    history = story({b'a': (b'1', None)}, {b'a': None}, acknowledged=2)
    assert wrong(history, {b'a': (b'1', None)})
    assert not wrong(history, {})


def test_the_checker_notices_a_lost_or_changed_expiry():
    history = story({b'a': (b'1', 5000)}, acknowledged=1)
    assert wrong(history, {b'a': (b'1', None)})
    assert wrong(history, {b'a': (b'1', 5001)})
    assert not wrong(history, {b'a': (b'1', 5000)})


def test_the_checker_notices_an_expired_key_that_is_still_there():
    history = story({b'a': (b'1', 500)}, acknowledged=1)
    assert wrong(history, {b'a': (b'1', 500)})
    assert not wrong(history, {})


def test_the_checker_takes_a_key_that_expires_while_it_looks_either_way():
    history = story({b'a': (b'1', 500)}, acknowledged=1)
    assert not wrong(history, {b'a': (b'1', 500)}, look_ms=(400, 600))
    assert not wrong(history, {}, look_ms=(400, 600))
    assert wrong(history, {b'a': (b'2', 500)}, look_ms=(400, 600))
    assert wrong(history, {}, look_ms=(300, 400))


def test_the_checker_notices_a_key_that_nobody_wrote():
    assert wrong(story({b'a': (b'1', None)}, acknowledged=1), {b'a': (b'1', None), b'z': (b'1', None)})


def test_with_damage_the_mark_is_what_counts():
    history = story({b'a': (b'1', None)}, {b'a': (b'2', None)}, acknowledged=2)
    assert not wrong(history, {b'a': (b'1', None)}, at_least=1)
    assert wrong(history, {}, at_least=1)
