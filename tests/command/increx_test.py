# SPDX-License-Identifier: BSD-3-Clause
"""INCREX: a counter with bounds and a lifetime."""
import pytest

from tests.lib.resp import Error

INT_MAX, INT_MIN = (1 << 63) - 1, -(1 << 63)
SYNTAX = Error('ERR syntax error')


def test_a_missing_key_counts_as_zero_and_one_is_added(client):
    assert client('INCREX', 'n') == [1, 1]
    assert client('INCREX', 'n', 'BYINT', 5) == [6, 5]
    assert client('INCREX', 'n', 'BYINT', -10) == [-4, -10]
    assert client('GET', 'n') == b'-4'


def test_a_step_beyond_a_bound_is_not_taken(client):
    client('SET', 'n', 9, 'PX', 100000)
    assert client('INCREX', 'n', 'UBOUND', 10, 'EX', 5000) == [10, 1]
    assert client('INCREX', 'n', 'UBOUND', 10, 'EX', 9000) == [10, 0]
    assert client('TTL', 'n') <= 5000
    assert client('INCREX', 'n', 'BYINT', -11, 'LBOUND', 0) == [10, 0]
    assert client('INCREX', 'new', 'BYINT', 3, 'UBOUND', 2) == [0, 0]
    assert client('EXISTS', 'new') == 0


def test_saturate_goes_as_far_as_the_bound(client):
    assert client('INCREX', 'n', 'BYINT', 7, 'UBOUND', 5, 'SATURATE') == [5, 5]
    assert client('INCREX', 'n', 'UBOUND', 5, 'SATURATE') == [5, 0]
    assert client('INCREX', 'n', 'BYINT', -70, 'LBOUND', -2, 'SATURATE') == [-2, -7]
    client('SET', 'n', INT_MAX - 1)
    assert client('INCREX', 'n', 'BYINT', 5, 'SATURATE') == [INT_MAX, 1]
    assert client('INCREX', 'n', 'BYINT', 5) == [INT_MAX, 0]
    client('SET', 'n', INT_MIN)
    assert client('INCREX', 'n', 'BYINT', INT_MAX, 'LBOUND', INT_MAX, 'SATURATE') == [INT_MAX, INT_MAX]


def test_fractions_are_added_exactly_as_people_expect(client, client3):
    client('SET', 'n', '10.5')
    assert client('INCREX', 'n', 'BYFLOAT', '0.1') == [b'10.6', b'0.1']
    assert client3('INCREX', 'n', 'BYFLOAT', '1') == [11.6, 1.0]
    assert client('INCREX', 'n', 'BYFLOAT', '100', 'UBOUND', '20.5', 'SATURATE') == [b'20.5', b'8.9']
    assert client('INCREX', 'n', 'BYFLOAT', 'inf') == Error('ERR increment would produce NaN or Infinity')
    assert client('GET', 'n') == b'20.5'
    assert client('INCREX', 'n') == Error('ERR value is not an integer or out of range')


def test_a_lifetime_is_kept_set_or_removed(client):
    client('INCREX', 'n', 'EX', 100)
    assert 70 <= client('TTL', 'n') <= 100
    client('INCREX', 'n')
    assert 70 <= client('TTL', 'n') <= 100
    client('INCREX', 'n', 'PX', 500000, 'ENX')
    assert client('TTL', 'n') <= 100
    client('INCREX', 'n', 'PERSIST')
    assert client('TTL', 'n') == -1
    client('INCREX', 'n', 'PX', 500000, 'ENX')
    assert 400 <= client('TTL', 'n') <= 500
    assert client('INCREX', 'n', 'EXAT', 1) == [6, 1]
    assert client('EXISTS', 'n') == 0


@pytest.mark.parametrize('words, error', [
    (('BYINT',), SYNTAX), (('BYINT', 1, 'BYFLOAT', 1), SYNTAX), (('EX', 1, 'PX', 1), SYNTAX), (('PERSIST', 'EX', 1), SYNTAX),
    (('SATURATE', 'SATURATE'), SYNTAX), (('FOO',), SYNTAX),
    (('ENX',), Error('ERR ENX needs one of EX, PX, EXAT and PXAT')),
    (('PERSIST', 'ENX'), Error('ERR ENX needs one of EX, PX, EXAT and PXAT')),
    (('LBOUND', 2, 'UBOUND', 1), Error('ERR LBOUND is above UBOUND')),
    (('UBOUND', '1.5'), Error('ERR value is not an integer or out of range')),
    (('BYFLOAT', 1, 'UBOUND', 'x'), Error('ERR value is not a valid float')),
    (('EX', 0), Error("ERR invalid expire time in 'increx' command")),
])
def test_bad_words_change_nothing(client, words, error):
    client('SET', 'n', 1)
    assert client('INCREX', 'n', *words) == error
    assert client('GET', 'n') == b'1'


def test_another_type_is_refused(client):
    client('RPUSH', 'l', 'a')
    assert client('INCREX', 'l').startswith('WRONGTYPE')
