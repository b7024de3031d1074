# SPDX-License-Identifier: BSD-3-Clause
"""Vulnerabilities of the Redis family that command_test.py, script_test.py and protocol_test.py do not tell of.

What cannot apply, since there is no such thing here: redis-cli's and hiredis's readers (CVE-2021-32762, CVE-2021-32765),
check-aof (CVE-2025-27151), the cluster bus (CVE-2026-21863, CVE-2026-92925, lengths of its PUBLISH and MODULE)."""
import random
import struct

import pytest

from tests.lib import payload
from tests.lib.resp import Error

SPARSE = b'HYLL\x01\0\0\0' + b'\0\0\0\0\0\0\0\x80'
DENSE = b'HYLL\0\0\0\0' + b'\0\0\0\0\0\0\0\x80'
CORRUPT = Error('INVALIDOBJ Corrupted HLL object detected')
ZEROS_16384 = b'\x7f\xff'
VALUES_4 = b'\xff'


def takes_harm(client, key):
    """What every command that reads or writes a hyperloglog answers."""
    return [client('PFCOUNT', key), client('PFCOUNT', 'good', key), client('PFADD', key, 'a'), client('PFMERGE', key, 'good'),
            client('PFMERGE', 'target', 'good', key), client('PFDEBUG', 'GETREG', key), client('PFDEBUG', 'TODENSE', key)]


@pytest.mark.forebay_only
@pytest.mark.parametrize('runs', [
    ZEROS_16384 * 100000,  # 1.6 billion registers: a sum in 32 bits comes back to small ones
    ZEROS_16384 * 131072,  # 2^31 registers: negative if signed
    ZEROS_16384 * 131072 + VALUES_4 * 100,  # ... and then writes in front of the array
    ZEROS_16384 * 262144,  # 2^32: none, in 32 bits
    ZEROS_16384 * 262144 + b'\x7f\xff',
    VALUES_4 * 4097,  # one run behind the last register
    VALUES_4 * 100000,
    b'\x7f\xfe' + VALUES_4,  # the last run reaches over the end
    b'\x7f\xff\x80',
    b'\x7f',  # a run of two bytes that has one
    b'',
], ids=lambda runs: '%d bytes' % len(runs))
@pytest.mark.parametrize('how', ['SET', 'RESTORE', 'APPEND', 'SETRANGE'])
def test_cve_2025_32023_sparse_runs_beyond_the_registers(client, runs, how):
    """Runs of a crafted hyperloglog are added up before they are followed: whichever way the string was made, nothing is
    written outside of the registers, and the string stays what it was."""
    value = SPARSE + runs
    client.ok('PFADD', 'good', 'a', 'b')
    if how == 'RESTORE':
        client.ok('RESTORE', 'k', 0, payload.string(value))
    elif how == 'SET':
        client.ok('SET', 'k', value)
    else:
        client.ok('PFADD', 'k')
        client('APPEND', 'k', runs) if how == 'APPEND' else client.ok('SETRANGE', 'k', 16, runs)
        value = client('GET', 'k')
    replies = takes_harm(client, 'k')
    if value != SPARSE + ZEROS_16384:
        assert replies == [CORRUPT] * len(replies)
        assert client('GET', 'k') == value
    assert client('PFCOUNT', 'good') == 2
    assert client('PING') == 'PONG'


@pytest.mark.forebay_only
def test_cve_2025_32023_random_runs_are_refused_or_whole(client):
    rng = random.Random(32023)
    client.ok('PFADD', 'good', 'a', 'b')
    for _ in range(300):
        runs, covered = b'', 0
        while covered < 16384:
            kind, count = rng.randrange(3), rng.randrange(1, 5)
            if kind == 0:
                count = rng.randrange(1, 65)
                runs += bytes([count - 1])
            elif kind == 1:
                count = rng.randrange(1, 16385)
                runs += struct.pack('>H', 0x4000 | (count - 1))
            else:
                runs += bytes([0x80 | rng.randrange(32) << 2 | (count - 1)])
            covered += count
        client.ok('SET', 'k', SPARSE + runs)
        for reply in takes_harm(client, 'k'):
            assert reply == CORRUPT or (covered == 16384 and not isinstance(reply, Error))


def test_cve_2025_32023_dense_registers_of_the_highest_value(client):
    """A register has six bits, but no element makes more than 51: the estimate looks no further than it may."""
    client.ok('SET', 'k', DENSE + b'\xff' * 12288)
    assert isinstance(client('PFCOUNT', 'k'), int)
    assert client('PFADD', 'k', *range(1000)) == 0
    assert client('PFMERGE', 'd', 'k') == 'OK'
    for length in (12287, 12289, 0):
        client.ok('SET', 'k', DENSE + b'\xff' * length)
        assert isinstance(client('PFCOUNT', 'k'), Error) and isinstance(client('PFADD', 'k', 'a'), Error)


@pytest.mark.parametrize('body', [
    b'\x07' + b'\x81' + struct.pack('>Q', 0x4f4f4f4f4f4f4c00) + rest
    for rest in (b'\x00', b'\x02\x01\x00', b'\x05\xff\x00', b'\x05\x80\xff\xff\xff\xff', b'\x01\x81' + b'\xff' * 8 + b'\x00')
] + [b'\x06' + b'\x81' + b'\xff' * 8 + b'abc', b'\x07', b'\x06'], ids=lambda body: body.hex()[:40])
def test_payloads_of_modules_are_refused(client, body):
    """CVE-2026-25588, CVE-2026-25589, CVE-2026-62356, CVE-2026-21864, TDigest and TopK: no type of a module is read."""
    assert client('RESTORE', 'k', 0, payload.seal(body)) == Error('ERR Bad data format')
    assert client('EXISTS', 'k') == 0


@pytest.mark.forebay_only
@pytest.mark.parametrize('zipmap', [
    b'\x01\xfe\xff\xff\xff\xffabc\xff', b'\x01\x01a\xfe\xff\xff\xff\xff\x00b\xff', b'\x01\x01a\x01\xffb\xff', b'\x01\xfe\xff\xff\xff\x7f',
    b'\x01\xfe\x01\x00', b'\x01\xff', b'\x01\x01a\x01\x00b', b'\x01\x01a\x01\x00b\xff\xff', b'\x01\x01a\xfe', b'', b'\x01'],
    ids=lambda zipmap: zipmap.hex())
def test_lengths_of_a_zipmap_do_not_overflow(client, zipmap):
    reply = client('RESTORE', 'k', 0, payload.seal(b'\x09' + payload.length(len(zipmap)) + zipmap))
    assert reply == Error('ERR Bad data format')


@pytest.mark.forebay_only
def test_cve_2025_62507_many_ids_of_one_request(client):
    """XACKDEL and its kin with more ids than any array of a fixed size has."""
    ids = ['%d-1' % number for number in range(1, 5001)]
    for first in range(0, 5000, 500):
        client.pipeline([('XADD', 'x', name, 'f', 'v') for name in ids[first:first + 500]])
    client.ok('XGROUP', 'CREATE', 'x', 'g', 0)
    client.ok('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 10000, 'STREAMS', 'x', '>')
    for command in ('XCLAIM', 'XACKDEL', 'XDELEX'):
        words = [command, 'x', 'g', 'c', 0, *ids, 'JUSTID'] if command == 'XCLAIM' else [
            command, 'x', *(['g'] if command == 'XACKDEL' else []), 'IDS', len(ids), *ids]
        reply = client(*words)
        if not isinstance(reply, Error):
            assert len(reply) == len(ids)
        for count in (-1, 0, 1, len(ids) + 1, 1 << 31, (1 << 63) - 1):
            assert isinstance(client('XACKDEL', 'x', 'g', 'IDS', count, '1-1', '2-1'), (Error, list))
    assert client('XACK', 'x', 'g', *ids) <= len(ids) and client('XDEL', 'x', *ids) <= len(ids)
    assert client('XLEN', 'x') == 0


@pytest.mark.forebay_only
@pytest.mark.parametrize('rules', [['('], ['(', 'x'], ['(+@all'], [')'], ['(', ')'], ['(' * 1000], ['()' * 1000], ['%'], ['%RW'], ['%R~'],
                                   ['%~'], ['#'], ['~'], ['&'], ['+'], ['+a|'], ['+|b'], ['+a|b|c|' * 100]], ids=lambda rules: rules[0][:9])
def test_cve_2024_31227_and_51741_malformed_selectors(client, rules):
    before = client('ACL', 'WHOAMI')
    assert isinstance(client('ACL', 'SETUSER', 'hostile', *rules), (Error, str))
    assert isinstance(client('ACL', 'DRYRUN', 'default', 'GET', 'k'), (Error, str, bytes))
    assert client('ACL', 'WHOAMI') == before
    client('ACL', 'DELUSER', 'hostile')
