# SPDX-License-Identifier: BSD-3-Clause
"""Random commands get the replies that the reference server gives. See run.py for longer runs."""
import pytest

from tests.differential import compare, run
from tests.lib import payload, resp, server as servers


@pytest.fixture(scope='module')
def reference():
    if not servers.binary('redis'):
        pytest.skip('no reference server is installed')
    with servers.start('redis') as server:
        yield server


@pytest.mark.parametrize('seed', [1, 2, 3, 4, 5])
def test_random_commands_are_answered_as_the_reference_answers_them(kind, reference, scale, seed):
    with servers.start(kind) as ours:
        stories = run.run(int(10000 * scale), seed, ours, reference)
        assert not stories, '\n\n'.join(stories)


def test_a_case_is_the_same_for_the_same_seed():
    assert run.generate(7)[:50] == run.generate(7)[:50]


def test_the_comparison_notices_a_wrong_reply():
    def differs(words, left, right):
        def both(data):
            reader = resp.Reader(__import__('io').BytesIO(data))
            return reader.read(), data
        return compare.Connection().differs(words, both(left), both(right)) is not None

    assert differs([b'GET', b'k'], b'$1\r\na\r\n', b'$1\r\nb\r\n')
    assert differs([b'GET', b'k'], b'$-1\r\n', b'*-1\r\n')
    assert differs([b'GET', b'k'], b'-ERR a\r\n', b'-ERR b\r\n')
    assert differs([b'GET', b'k'], b'+a\r\n', b'$1\r\na\r\n')
    assert differs([b'TTL', b'k'], b':-1\r\n', b':100\r\n')
    assert differs([b'TTL', b'k'], b':100\r\n', b':110\r\n')
    assert not differs([b'TTL', b'k'], b':100\r\n', b':101\r\n')
    assert differs([b'DUMP', b'k'], b'$1\r\na\r\n', b'$-1\r\n')
    assert differs([b'KEYS', b'*'], b'*1\r\n$1\r\na\r\n', b'*0\r\n')
    assert not differs([b'KEYS', b'*'], b'*2\r\n$1\r\na\r\n$1\r\nb\r\n', b'*2\r\n$1\r\nb\r\n$1\r\na\r\n')


def test_no_case_changes_what_later_ones_are_run_with():
    assert run.limits_memory([b'config', b'SET', b'maxmemory', b'10000'])
    assert not run.limits_memory([b'CONFIG', b'SET', b'maxmemory', b'x'])
    assert not run.limits_memory([b'CONFIG', b'SET', b'maxmemory'][:2])
    steps = [words for seed in range(200) for _, words in run.generate(seed)]
    assert not any(run.limits_memory(words) for words in steps)


def test_a_difference_is_cut_down_to_the_commands_it_needs(reference):
    """One side is told a lie: its second database is not empty."""
    with servers.start('redis') as liar:
        sides = run.Side(reference), run.Side(liar)
        begin = sides[1].begin

        def begin_with_a_lie():
            begin()
            sides[1].control.pipeline([('SELECT', 1), ('SET', 'k1', 'lie'), ('SELECT', 0)])
        sides[1].begin = begin_with_a_lie
        steps = [(0, [b'SET', b'k2', b'x'])] * 40 + [(0, [b'SELECT', b'1'])] + [(1, [b'GET', b'k2'])] * 40 + [(0, [b'GET', b'k1'])]
        with pytest.raises(run.Difference) as raised:
            run.run_case(steps, *sides)
        assert len(run.minimize(steps, raised.value.mark, *sides)) <= 2


def test_payloads_made_here_are_those_of_the_reference(reference):
    with reference.client() as client:
        client('SET', 'p', 'hello')
        assert client('DUMP', 'p') == payload.string(b'hello')
        client('SET', 'p', '300')
        assert client('DUMP', 'p') == payload.integer(300, 2)
        assert client('RESTORE', 'q', 0, payload.compressed(b'hello')) == 'OK' and client('GET', 'q') == b'hello'
