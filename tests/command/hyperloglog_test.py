# SPDX-License-Identifier: BSD-3-Clause
"""Estimates of how many different elements there are: PFADD, PFCOUNT, PFMERGE."""
import pytest

from tests.lib.resp import Error

WRONG_TYPE = Error('WRONGTYPE Key is not a valid HyperLogLog string value.')
CORRUPT = Error('INVALIDOBJ Corrupted HLL object detected')
SPARSE, DENSE = b'HYLL\x01\0\0\0', b'HYLL\0\0\0\0'
STALE = b'\0\0\0\0\0\0\0\x80'
DENSE_BYTES = 12304


def numbers(first, count):
    return [b'element %d' % number for number in range(first, first + count)]


def test_pfadd_tells_whether_the_estimate_may_have_changed(client):
    assert client('PFADD', 'k', 'a', 'b') == 1
    assert client('PFADD', 'k', 'a') == 0
    assert client('PFADD', 'k', 'a', 'c') == 1
    assert client('PFCOUNT', 'k') == 3


def test_pfadd_without_elements_creates_an_empty_one(client):
    assert client('PFADD', 'k') == 1 and client('PFADD', 'k') == 0
    assert client('PFCOUNT', 'k') == 0 and client('TYPE', 'k') == 'string'


def test_a_sparse_one_has_the_bytes_of_redis(client):
    client('PFADD', 'k', 'a', 'b', 'c')
    assert client('GET', 'k') == SPARSE + STALE + b'`\xf3\x80P\xb1\x84K\xfb\x80BZ'
    assert client('PFDEBUG', 'DECODE', 'k') == b'Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603'
    assert client('PFDEBUG', 'ENCODING', 'k') == 'sparse'
    assert client('OBJECT', 'ENCODING', 'k') == b'raw'


def test_the_estimate_is_kept_in_the_value(client):
    client('PFADD', 'k', 'a', 'b', 'c')
    assert client('PFCOUNT', 'k') == 3
    assert client('GETRANGE', 'k', 8, 15) == b'\3' + bytes(7)
    client('PFADD', 'k', 'a')
    assert client('GETRANGE', 'k', 8, 15) == b'\3' + bytes(7)
    client('PFADD', 'k', 'd')
    assert client('GETRANGE', 'k', 8, 15) == b'\3' + bytes(6) + b'\x80'
    client('SETRANGE', 'k', 8, b'\x2a\0\0\0\0\0\0\0')
    assert client('PFCOUNT', 'k') == 42


@pytest.mark.parametrize('count', [10, 500, 5000, 100000])
def test_estimates_are_near(client, count):
    for first in range(0, count, 1000):
        client('PFADD', 'k', *numbers(first, min(1000, count)))
    assert abs(client('PFCOUNT', 'k') - count) <= count * 0.03


def test_a_large_sparse_one_becomes_dense(client):
    for first in range(0, 4000, 100):
        client('PFADD', 'k', *numbers(first, 100))
        sparse = client('PFDEBUG', 'ENCODING', 'k') == 'sparse'
        assert client('STRLEN', 'k') <= 3000 if sparse else client('STRLEN', 'k') == DENSE_BYTES
    assert not sparse


def test_the_encoding_does_not_change_what_is_counted(client):
    client('PFADD', 'a', *numbers(0, 700))
    client('COPY', 'a', 'b')
    assert client('PFDEBUG', 'TODENSE', 'b') == 1 and client('PFDEBUG', 'TODENSE', 'b') == 0
    assert client('PFDEBUG', 'ENCODING', 'b') == 'dense'
    assert client('PFDEBUG', 'GETREG', 'a') == client('PFDEBUG', 'GETREG', 'b')
    for key in ('a', 'b'):
        client('PFADD', key, *numbers(500, 1000))
    assert client('PFCOUNT', 'a') == client('PFCOUNT', 'b')
    assert client('GET', 'a')[8:] == client('GET', 'b')[8:]


def test_how_large_a_sparse_one_may_be_is_a_directive(client):
    client('CONFIG', 'SET', 'hll-sparse-max-bytes', 20)
    client('PFADD', 'k', 'a')
    assert client('PFDEBUG', 'ENCODING', 'k') == 'dense'
    client('CONFIG', 'SET', 'hll-sparse-max-bytes', 3000)


# ---- several ----

def test_pfcount_of_several_counts_their_union(client):
    client('PFADD', 'a', 'x', 'y')
    client('PFADD', 'b', 'y', 'z')
    assert client('PFCOUNT', 'a', 'b', 'missing') == 3
    assert client('PFCOUNT', 'missing') == client('PFCOUNT', 'missing', 'none') == 0
    assert client('EXISTS', 'missing') == 0


@pytest.mark.parametrize('dense', [False, True])
def test_pfmerge_stores_the_union(client, dense):
    client('PFADD', 'a', *numbers(0, 300))
    client('PFADD', 'b', *numbers(200, 300))
    if dense:
        client('PFDEBUG', 'TODENSE', 'b')
    assert client('PFMERGE', 'd', 'a', 'b', 'missing') == 'OK'
    assert client('PFCOUNT', 'd') == client('PFCOUNT', 'a', 'b')
    assert client('PFDEBUG', 'ENCODING', 'd') == ('dense' if dense else 'sparse')


def test_pfmerge_takes_the_destination_in_and_keeps_its_expiry(client):
    client('PFADD', 'd', 'x')
    client('EXPIRE', 'd', 1000)
    client('PFADD', 'a', 'y')
    assert client('PFMERGE', 'd', 'a') == 'OK'
    assert client('PFCOUNT', 'd') == 2 and client('TTL', 'd') > 900


def test_pfmerge_of_nothing_creates_an_empty_one(client):
    assert client('PFMERGE', 'd') == client('PFMERGE', 'e', 'missing') == 'OK'
    assert client('GET', 'd') == client('GET', 'e') == SPARSE + STALE + b'\x7f\xff'


# ---- strings that are none ----

@pytest.mark.parametrize('value', [b'', b'12', b'HYLL', b'HYLL\x01' + bytes(10), b'HYLX\x01' + bytes(13), b'HYLL\x02' + bytes(13),
                                   DENSE + bytes(8), DENSE + bytes(8 + 12287), DENSE + bytes(8 + 12289)])
def test_a_string_without_the_header_is_refused(client, value):
    client('SET', 'k', value)
    client('PFADD', 'good', 'a')
    for command in (['PFADD', 'k', 'a'], ['PFADD', 'k'], ['PFCOUNT', 'k'], ['PFCOUNT', 'good', 'k'], ['PFMERGE', 'k'],
                    ['PFMERGE', 'good', 'k'], ['PFMERGE', 'k', 'good'], ['PFDEBUG', 'GETREG', 'k']):
        assert client(*command) == WRONG_TYPE
    assert client('GET', 'k') == value


UNSOUND = {
    'nothing': b'', 'too few registers': b'\x7f\xfe', 'one too many': b'\x7f\xff\x00', 'twice as many': b'\x7f\xff\x7f\xff',
    'a cut run': b'\x7f\xfd\x40', 'values behind the end': b'\x7f\xff' + b'\xff' * 100, 'many zeros': b'\x7f\xff' * 200000,
    'values for ever': b'\xff' * 5000, 'another half': b'\x60\x00\x60\x00',
}


@pytest.mark.parametrize('runs', UNSOUND.values(), ids=UNSOUND.keys())
@pytest.mark.forebay_only
def test_runs_that_do_not_cover_the_registers_are_refused(client, runs):
    value = SPARSE + STALE + runs
    client('SET', 'k', value)
    client('PFADD', 'good', 'a')
    for command in (['PFADD', 'k', 'a'], ['PFCOUNT', 'k'], ['PFCOUNT', 'good', 'k'], ['PFMERGE', 'good', 'k'], ['PFMERGE', 'k', 'good'],
                    ['PFDEBUG', 'GETREG', 'k'], ['PFDEBUG', 'DECODE', 'k'], ['PFDEBUG', 'TODENSE', 'k']):
        assert client(*command) == CORRUPT
    assert client('GET', 'k') == value and client('PFCOUNT', 'good') == 1


def test_an_unsound_one_is_not_counted(client):
    client('SET', 'k', SPARSE + STALE + b'\x7f\xfe')
    assert client('PFCOUNT', 'k') == client('PFCOUNT', 'k', 'k') == client('PFMERGE', 'd', 'k') == CORRUPT


def test_registers_above_all_that_hashes_give_are_counted(client):
    client('SET', 'k', DENSE + STALE + b'\xff' * 12288)
    assert isinstance(client('PFCOUNT', 'k'), int)
    assert client('PFADD', 'k', 'a') == 0


# ---- the rest ----

def test_pfdebug_wants_a_key_and_a_word_it_knows(client):
    assert client('PFDEBUG', 'DECODE', 'k') == Error('ERR The specified key does not exist')
    client('PFADD', 'k')
    assert client('PFDEBUG', 'nothing', 'k') == Error("ERR Unknown PFDEBUG subcommand 'nothing'")
    client('PFDEBUG', 'TODENSE', 'k')
    assert client('PFDEBUG', 'DECODE', 'k') == Error('ERR HLL encoding is not sparse')


@pytest.mark.forebay_only
def test_pfselftest_is_passed(client):
    """The reference takes seconds."""
    assert client('PFSELFTEST') == 'OK'


@pytest.mark.forebay_only
@pytest.mark.parametrize('kill', [False, True])
def test_they_survive_a_restart(own_server, kill):
    with own_server() as server:
        with server.client() as client:
            client('PFADD', 'sparse', *numbers(0, 50))
            client('PFADD', 'dense', *numbers(0, 5000))
            for number in range(100):
                client('PFADD', 'dense', 'more %d' % number)
            client('PFCOUNT', 'sparse')
            client('PFMERGE', 'both', 'sparse', 'dense')
            expected = client('MGET', 'sparse', 'dense', 'both')
        server.restart(kill=kill)
        with server.client() as client:
            assert client('MGET', 'sparse', 'dense', 'both') == expected


def test_what_is_added_is_told(client, connect):
    listener = connect()
    client('CONFIG', 'SET', 'notify-keyspace-events', 'E$')
    listener('SUBSCRIBE', '__keyevent@0__:pfadd')
    client('PFADD', 'k', 'a')
    client('PFADD', 'k', 'a')
    client('PFMERGE', 'd', 'k')
    assert [listener.read()[2] for _ in range(2)] == [b'k', b'd']
    client('CONFIG', 'SET', 'notify-keyspace-events', '')
