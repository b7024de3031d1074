# SPDX-License-Identifier: BSD-3-Clause
"""Bits of strings: SETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD."""
import random

import pytest

from tests.lib.resp import Error

WRONG_TYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
OFFSET = Error('ERR bit offset is not an integer or out of range')
SYNTAX = Error('ERR syntax error')
NOT_INTEGER = Error('ERR value is not an integer or out of range')
FIELD_TYPE = Error('ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.')
OFFSET_MAX = 2 ** 32 - 1


# ---- SETBIT and GETBIT ----

def test_bits_are_counted_from_the_highest_of_the_first_byte(client):
    client('SETBIT', 'k', 0, 1)
    client('SETBIT', 'k', 15, 1)
    assert client('GET', 'k') == b'\x80\x01'
    assert [client('GETBIT', 'k', bit) for bit in (0, 1, 14, 15, 16, 100000)] == [1, 0, 0, 1, 0, 0]


def test_setbit_returns_what_the_bit_was(client):
    assert [client('SETBIT', 'k', 7, bit) for bit in (1, 1, 0, 0)] == [0, 1, 1, 0]
    assert client('GET', 'k') == b'\x00'


def test_setbit_fills_with_zeros_and_keeps_the_expiry(client):
    client('SET', 'k', 'a', 'EX', 1000)
    client('SETBIT', 'k', 47, 1)
    assert client('GET', 'k') == b'a\x00\x00\x00\x00\x01'
    assert 900 < client('TTL', 'k') <= 1000


def test_setbit_of_a_number_changes_its_digits(client):
    client('SET', 'k', 1)
    assert client('SETBIT', 'k', 6, 1) == 0
    assert client('GET', 'k') == b'3' and client('OBJECT', 'ENCODING', 'k') == b'raw'


def test_a_bit_that_stays_changes_nothing(client):
    client('SET', 'k', 'a')
    client('WATCH', 'k')
    assert client('SETBIT', 'k', 7, 1) == 1
    client('MULTI')
    assert client('EXEC') == []
    assert client('OBJECT', 'ENCODING', 'k') == b'raw'


@pytest.mark.parametrize('offset', ['-1', OFFSET_MAX + 1, 'x', '', '1.5', 2 ** 63, 2 ** 64 + 1, '#1'])
def test_an_offset_beyond_the_longest_string_is_refused(client, offset):
    assert client('SETBIT', 'k', offset, 1) == OFFSET
    assert client('GETBIT', 'k', offset) == OFFSET
    assert client('EXISTS', 'k') == 0


@pytest.mark.parametrize('bit', ['2', '-1', 'x', ''])
def test_a_bit_is_0_or_1(client, bit):
    assert client('SETBIT', 'k', 1, bit) == Error('ERR bit is not an integer or out of range')
    assert client('EXISTS', 'k') == 0


def test_the_longest_string_bounds_offsets(own_server):
    with own_server(proto_max_bulk_len='1048576') as server, server.client() as client:
        assert client('SETBIT', 'k', 1048576 * 8, 1) == OFFSET
        assert client('SETBIT', 'k', 1048576 * 8 - 1, 1) == 0
        assert client('STRLEN', 'k') == 1048576


def test_a_large_bitmap_has_the_bits_that_were_set(client):
    numbers = random.Random(3).sample(range(1000000), 300)
    for number in numbers:
        assert client('SETBIT', 'k', number, 1) == 0
    assert client('BITCOUNT', 'k') == 300
    assert client('BITPOS', 'k', 1) == min(numbers)
    assert client('STRLEN', 'k') == max(numbers) // 8 + 1
    expected = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        expected[number // 8] |= 0x80 >> number % 8
    assert client('GET', 'k') == bytes(expected)


# ---- BITCOUNT ----

@pytest.mark.parametrize('range_words, count', [
    ([], 26), ([0, 0], 4), ([1, 1], 6), ([0, -1], 26), ([-2, -1], 7), ([5, 30, 'BIT'], 17), ([1, 1, 'BYTE'], 6),
    ([0, 0, 'bit'], 0), ([1, 1, 'BIT'], 1), ([-1, -5], 0), ([3, 1], 0), ([100, 200], 0), ([-100, 100], 26),
    ([-8, -1, 'BIT'], 4)])
def test_bitcount_counts_within_a_range(client, range_words, count):
    client('SET', 'k', 'foobar')
    assert client('BITCOUNT', 'k', *range_words) == count


def test_bitcount_of_a_missing_key_is_0_whatever_the_range_is(client):
    assert client('BITCOUNT', 'k') == client('BITCOUNT', 'k', 0, 'x') == client('BITCOUNT', 'k', 0) == 0


def test_bitcount_wants_both_ends_and_a_unit_it_knows(client):
    client('SET', 'k', 'foobar')
    assert client('BITCOUNT', 'k', 0) == SYNTAX
    assert client('BITCOUNT', 'k', 0, 1, 'BITS') == SYNTAX
    assert client('BITCOUNT', 'k', 0, 1, 'BIT', 'x') == SYNTAX
    assert client('BITCOUNT', 'k', 'x', 1) == client('BITCOUNT', 'k', 0, '1.0') == NOT_INTEGER


@pytest.mark.parametrize('length', [0, 1, 7, 8, 31, 32, 33, 1000, 20001])
def test_bitcount_counts_strings_of_all_lengths(client, length):
    value = random.Random(length).randbytes(length)
    client('SET', 'k', value)
    assert client('BITCOUNT', 'k') == sum(byte.bit_count() for byte in value)


# ---- BITPOS ----

@pytest.mark.parametrize('value, words, position', [
    (b'\xff\xf0\x00', [0], 12), (b'\x00\xff\xf0', [1], 8), (b'\x00\xff\xf0', [1, 0], 8), (b'\x00\xff\xf0', [1, 2], 16),
    (b'\x00\xff\xf0', [1, 2, -1, 'BYTE'], 16), (b'\x00\xff\xf0', [1, 7, 15, 'BIT'], 8), (b'\x00\x00\x00', [1], -1),
    (b'\x00\xff\xf0', [1, 7, -3, 'BIT'], 8), (b'\xff\xff', [0], 16), (b'\xff\xff', [0, 0], 16), (b'\xff\xff', [0, 0, -1], -1),
    (b'\xff\xff', [0, 5], -1), (b'\xff\xff', [0, 1, 0], -1), (b'', [0], -1), (b'', [1], -1), (b'\xff', [0, 0, -1, 'BIT'], -1)])
def test_bitpos_finds_the_first_bit(client, value, words, position):
    client('SET', 'k', value)
    assert client('BITPOS', 'k', *words) == position


def test_a_missing_key_is_all_zeros_for_bitpos(client):
    assert client('BITPOS', 'k', 0) == 0 and client('BITPOS', 'k', 1) == -1


@pytest.mark.parametrize('at', [0, 7, 8, 255, 256, 257, 263, 264, 5000, 159999])
def test_bitpos_finds_a_bit_anywhere(client, at):
    client('SET', 'zeros', bytes(20000))
    client('SETBIT', 'zeros', at, 1)
    client('BITOP', 'NOT', 'ones', 'zeros')
    assert client('BITPOS', 'zeros', 1) == client('BITPOS', 'ones', 0) == at


def test_bitpos_wants_a_bit_and_a_unit_it_knows(client):
    client('SET', 'k', 'a')
    assert client('BITPOS', 'k', 2) == Error('ERR The bit argument must be 1 or 0.')
    assert client('BITPOS', 'k', 'x') == client('BITPOS', 'k', 1, 'x') == client('BITPOS', 'k', 1, 0, 'x') == NOT_INTEGER
    assert client('BITPOS', 'k', 1, 0, 1, 'BITS') == client('BITPOS', 'k', 1, 0, 1, 'BIT', 'x') == SYNTAX


# ---- BITOP ----

@pytest.mark.parametrize('operation, result', [
    ('AND', b'`bc`ab\x00'), ('OR', b'goofev!'), ('xor', b'\x07\x0d\x0c\x06\x04\x14!')])
def test_bitop_pads_shorter_strings_with_zeros(client, operation, result):
    client('MSET', 'a', 'foobar', 'b', 'abcdef!')
    assert client('BITOP', operation, 'd', 'a', 'b') == 7
    assert client('GET', 'd') == result


def test_bitop_not_inverts_one_string(client):
    client('SET', 'a', b'\x00\xf0')
    assert client('BITOP', 'NOT', 'a', 'a') == 2
    assert client('GET', 'a') == b'\xff\x0f'
    assert client('BITOP', 'NOT', 'd', 'a', 'a') == Error('ERR BITOP NOT must be called with a single source key.')


def test_bitop_replaces_what_was_there_and_deletes_it_if_nothing_comes_out(client):
    client('SET', 'd', 'old', 'EX', 1000)
    client('SET', 'a', 'x')
    assert client('BITOP', 'OR', 'd', 'a', 'missing') == 1
    assert client('TTL', 'd') == -1
    assert client('BITOP', 'AND', 'd', 'missing', 'none') == 0
    assert client('EXISTS', 'd') == 0


@pytest.mark.parametrize('count', [1, 2, 3, 9])
@pytest.mark.parametrize('operation', ['AND', 'OR', 'XOR'])
def test_bitop_combines_many_strings_of_many_lengths(client, operation, count):
    chance = random.Random(count)
    values = [chance.randbytes(chance.choice((0, 1, 4095, 4096, 4097, 17000))) for _ in range(count)]
    for number, value in enumerate(values):
        client('SET', number, value)
    longest = max(map(len, values))
    expected = int.from_bytes(values[0].ljust(longest, b'\0'), 'big')
    for value in values[1:]:
        other = int.from_bytes(value.ljust(longest, b'\0'), 'big')
        expected = {'AND': expected & other, 'OR': expected | other, 'XOR': expected ^ other}[operation]
    assert client('BITOP', operation, 'd', *range(count)) == longest
    assert (client('GET', 'd') or b'') == expected.to_bytes(longest, 'big')


def test_bitop_knows_its_operations(client):
    assert client('BITOP', 'NAND', 'd', 'a') == SYNTAX


@pytest.mark.forebay_only
@pytest.mark.parametrize('operation, result', [
    ('DIFF', 0b11000000), ('DIFF1', 0b00001110), ('ANDOR', 0b00110000), ('ONE', 0b11001010)])
def test_bitop_compares_the_first_string_with_the_others(client, operation, result):
    client('MSET', 'x', b'\xf0', 'y', b'\x2c', 'z', b'\x16')
    assert client('BITOP', operation, 'd', 'x', 'y', 'z') == 1
    assert client('GET', 'd') == bytes([result])
    if operation != 'ONE':
        assert client('BITOP', operation, 'd', 'x') == Error(
            'ERR BITOP %s must be called with at least two source keys.' % operation)


# ---- BITFIELD ----

def test_bitfield_reads_and_writes_integers_at_any_bit(client):
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 255, 'GET', 'u4', 2, 'GET', 'i4', 6, 'SET', 'i5', 100, -3, 'GET', 'i5', 100) \
        == [0, 15, -4, 0, -3]
    assert client('STRLEN', 'k') == 14


def test_a_field_can_be_named_by_its_number(client):
    assert client('BITFIELD', 'k', 'SET', 'u8', '#2', 7, 'GET', 'u8', 16, 'GET', 'u8', '#0') == [0, 7, 0]


@pytest.mark.parametrize('field, start, amount, wrapped, saturated', [
    ('u2', 3, 1, 0, 3), ('u2', 0, -1, 3, 0), ('i8', 127, 1, -128, 127), ('i8', -128, -1, 127, -128), ('u63', 2 ** 63 - 1, 1, 0, 2 ** 63 - 1),
    ('i64', 2 ** 63 - 1, 1, -2 ** 63, 2 ** 63 - 1), ('i64', -2 ** 63, -1, 2 ** 63 - 1, -2 ** 63), ('i1', 0, -2, 0, -1)])
def test_overflow_wraps_saturates_or_fails(client, field, start, amount, wrapped, saturated):
    client('BITFIELD', 'k', 'SET', field, '#0', start, 'SET', field, '#1', start, 'SET', field, '#2', start)
    assert client('BITFIELD', 'k', 'INCRBY', field, '#0', amount, 'OVERFLOW', 'SAT', 'INCRBY', field, '#1', amount,
                  'OVERFLOW', 'FAIL', 'INCRBY', field, '#2', amount, 'GET', field, '#2') == [wrapped, saturated, None, start]


def test_an_overflow_rule_counts_for_what_comes_after_it(client):
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 300, 'OVERFLOW', 'sat', 'SET', 'u8', 0, 300, 'GET', 'u8', 0) == [0, 44, 255]


def test_bitfield_grows_the_string_even_if_a_write_fails(client):
    assert client('BITFIELD', 'k', 'OVERFLOW', 'FAIL', 'SET', 'u8', 8, 256) == [None]
    assert client('GET', 'k') == b'\x00\x00'


def test_bitfield_without_a_write_creates_nothing(client):
    assert client('BITFIELD', 'k') == []
    assert client('BITFIELD', 'k', 'GET', 'i64', OFFSET_MAX, 'OVERFLOW', 'FAIL') == [0]
    assert client('EXISTS', 'k') == 0


def test_bitfield_does_nothing_before_it_has_read_all_of_its_words(client):
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 1, 'SET', 'u8', 0) == SYNTAX
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 1, 'GET', 'u64', 0) == FIELD_TYPE
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 1, 'SET', 'u8', 0, 'x') == NOT_INTEGER
    assert client('BITFIELD', 'k', 'SET', 'u8', 0, 1, 'OVERFLOW', 'MAYBE') == Error('ERR Invalid OVERFLOW type specified')
    assert client('EXISTS', 'k') == 0


@pytest.mark.parametrize('field', ['u64', 'u0', 'i65', 'i0', '', 'u', '8', 'U8', 'x8', 'i-1', 'u08', 'i99999999999999999999'])
def test_a_field_has_a_sign_and_a_width(client, field):
    assert client('BITFIELD', 'k', 'GET', field, 0) == FIELD_TYPE


@pytest.mark.parametrize('offset', ['-1', '', '#', '#-1', '##1', '#x', OFFSET_MAX + 1, '#%d' % (OFFSET_MAX // 8 + 1), 2 ** 63])
def test_a_field_lies_within_the_longest_string(client, offset):
    assert client('BITFIELD', 'k', 'GET', 'u8', offset) == client('BITFIELD', 'k', 'SET', 'u8', offset, 1) == OFFSET
    assert client('EXISTS', 'k') == 0


@pytest.mark.forebay_only
def test_offsets_that_would_overflow_are_refused(client):
    for offset in ('#1152921504606846976', '#288230376151711744', '#%d' % (2 ** 63 - 1)):
        assert client('BITFIELD', 'k', 'GET', 'i64', offset) == client('BITFIELD', 'k', 'SET', 'u32', offset, 1) == OFFSET
    assert client('BITFIELD', 'k', 'SET', 'u8', OFFSET_MAX, 1) == OFFSET
    assert client('EXISTS', 'k') == 0


@pytest.mark.forebay_only
def test_the_lowest_numbers_saturate_to_the_lowest(client):
    assert client('BITFIELD', 'k', 'OVERFLOW', 'SAT', 'SET', 'i8', 0, -2 ** 63, 'GET', 'i8', 0) == [0, -128]


def test_a_field_that_stays_changes_nothing(client):
    client('SET', 'k', 'ab')
    client('WATCH', 'k')
    assert client('BITFIELD', 'k', 'SET', 'u8', 8, 98, 'INCRBY', 'u8', 0, 0) == [98, 97]
    client('MULTI')
    assert client('EXEC') == []


def test_bitfield_ro_reads_only(client):
    client('SET', 'k', 'ab')
    assert client('BITFIELD_RO', 'k', 'GET', 'u8', 0, 'get', 'u8', '#1') == [97, 98]
    assert client('BITFIELD_RO', 'k', 'SET', 'u8', 0, 1) == Error('ERR BITFIELD_RO only supports the GET subcommand')
    assert client('GET', 'k') == b'ab'


# ---- all of them ----

@pytest.mark.forebay_only
@pytest.mark.parametrize('kill', [False, True])
def test_bits_survive_a_restart(own_server, kill):
    value = b'x' * 20000
    with own_server() as server:
        with server.client() as client:
            client('SET', 'large', value)
            client('SETBIT', 'large', 80000, 1)
            client('SETBIT', 'large', 200000, 1)
            client('BITFIELD', 'large', 'SET', 'u16', 3, 1)
            client('SETBIT', 'far', 1000000, 1)
            client('SETBIT', 'near', 1, 1)
            client('BITOP', 'NOT', 'not', 'large')
            expected = client('MGET', 'large', 'far', 'near', 'not')
        server.restart(kill=kill)
        with server.client() as client:
            assert client('MGET', 'large', 'far', 'near', 'not') == expected
            assert client('BITCOUNT', 'far') == 1 and client('GETBIT', 'far', 1000000) == 1


def test_changes_of_bits_are_told(client, connect):
    listener = connect()
    client('CONFIG', 'SET', 'notify-keyspace-events', 'E$g')
    for name in ('setbit', 'set', 'del'):
        listener('SUBSCRIBE', '__keyevent@0__:' + name)
    client('SETBIT', 'k', 1, 1)
    client('BITFIELD', 'k', 'SET', 'u8', 0, 7)
    client('BITOP', 'OR', 'd', 'k')
    client('BITOP', 'OR', 'd', 'none')
    assert [listener.read()[1:] for _ in range(4)] == [
        [b'__keyevent@0__:setbit', b'k'], [b'__keyevent@0__:setbit', b'k'], [b'__keyevent@0__:set', b'd'], [b'__keyevent@0__:del', b'd']]
    client('CONFIG', 'SET', 'notify-keyspace-events', '')
