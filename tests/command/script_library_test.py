# SPDX-License-Identifier: BSD-3-Clause
"""The libraries that scripts find: cjson, cmsgpack, struct, bit."""
import pytest

from tests.lib.resp import Error


def run(client, code, *arguments):
    return client('EVAL', code, 0, *arguments)


def test_cjson_encodes_what_it_decodes(client):
    for text in (b'[1,2.5,"x",true,false,null]', b'{"a":{"b":[]}}'.replace(b'[]', b'{}'), b'"a\\"\\\\\\/\\n\\u0001"', b'-7',
                 b'[[1],[2,[3]]]', b'{"one":1}'):
        assert run(client, 'return cjson.encode(cjson.decode(ARGV[1]))', text) == text


def test_cjson_knows_arrays_objects_and_sparse_ones(client):
    assert run(client, 'return cjson.encode({})') == b'{}'
    assert run(client, 'return cjson.encode({[1]=1, [3]=2})') == b'[1,null,2]'
    error = run(client, 'local t = {} t[1] = 1 t[1000] = 2 local v = cjson.encode(t) return v')
    assert isinstance(error, Error) and 'excessively sparse array' in error
    assert run(client, 'cjson.encode_sparse_array(true) return #cjson.encode({[1]=1, [1000]=2})') == len(
        '{"1":1,"1000":2}')


@pytest.mark.forebay_only
def test_what_a_script_sets_in_cjson_is_forgotten_after_it(client):
    assert run(client, 'cjson.encode_number_precision(3) return cjson.encode(1.23456)') == b'1.23'
    assert run(client, 'return cjson.encode(1.23456)') == b'1.23456'


def test_cjson_decodes_escapes_and_pairs(client):
    assert run(client, 'return cjson.decode(ARGV[1])', '"\\u00e9\\ud83d\\ude00"') == 'é😀'.encode()
    assert run(client, 'return tostring(cjson.decode("null") == cjson.null)') == b'true'


@pytest.mark.parametrize('text, problem', [
    ('[1,', 'Expected value but found T_END at character 4'),
    ('{"a" 1}', 'Expected colon but found T_NUMBER at character 6'),
    ('nul', 'Expected value but found invalid token at character 1'),
    ('[1] x', 'Expected the end but found invalid token at character 5'),
    ('"abc', 'Expected value but found unexpected end of string at character 5'),
    ('{"a":1,}', 'Expected object key string but found T_OBJ_END at character 8'),
    ('[' * 1001, 'Found too many nested data structures (1001) at character 1001'),
])
def test_cjson_says_what_is_wrong(client, text, problem):
    error = run(client, 'local v = cjson.decode(ARGV[1]) return v', text)
    assert isinstance(error, Error) and problem in error


def test_cmsgpack_packs_as_the_format_says(client):
    assert run(client, "return cmsgpack.pack(1, -1, 200, -200, 70000, 'x', true, nil)") == (
        b'\x01\xff\xcc\xc8\xd1\xff8\xce\x00\x01\x11p\xa1x\xc3\xc0')
    assert run(client, 'return cmsgpack.pack({1, 2, 3}, {a = 1}, {})') == b'\x93\x01\x02\x03\x81\xa1a\x01\x90'
    assert run(client, 'return {cmsgpack.unpack(cmsgpack.pack(1, -40000, 5e9, "y", {7, 8}))}') == [
        1, -40000, 5000000000, b'y', [7, 8]]


def test_cmsgpack_unpacks_in_steps(client):
    assert run(client, 'return {cmsgpack.unpack_one(cmsgpack.pack(7, 8))}') == [1, 7]
    assert run(client, 'return {cmsgpack.unpack_one(cmsgpack.pack(7, 8), 1)}') == [-1, 8]
    assert run(client, 'return {cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 2)}') == [2, 7, 8]
    for broken, problem in ((b'\x92', 'Missing bytes in input.'), (b'\xc1', 'Bad data format in input.')):
        error = run(client, 'local v = cmsgpack.unpack(ARGV[1]) return v', broken)
        assert isinstance(error, Error) and problem in error


def test_struct_lays_out_and_reads_back(client):
    assert run(client, "return struct.pack('>HIb', 1, 2, -3)") == b'\x00\x01\x00\x00\x00\x02\xfd'
    assert run(client, "return {struct.unpack('<HLi4bBs', struct.pack('<HLi4bBs', 1, 2, -3, -4, 250, 'abc'))}") == [
        1, 2, -3, -4, 250, b'abc', 21]
    assert run(client, "return struct.size('!8 bi8')") == 16
    assert run(client, "return {struct.unpack('<Bc0', struct.pack('<Bc0', 3, 'xyz'))}") == [b'xyz', 5]


def test_bit_works_on_32_bits(client):
    assert run(client, "return {bit.band(255, 15), bit.bor(1, 6), bit.lshift(1, 4), bit.tohex(255, 4)}") == [
        15, 7, 16, b'00ff']
