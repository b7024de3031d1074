# SPDX-License-Identifier: BSD-3-Clause
"""Expiry: giving keys a time to live, reading it, and what happens when it ends."""
import time

import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

INT_MAX = (1 << 63) - 1
NOT_INTEGER = Error('ERR value is not an integer or out of range')


def test_ttl_of_a_key_without_expiry_and_of_no_key(client):
    client('SET', 'k', 'v')
    for command in ('TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'):
        assert client(command, 'k') == -1
        assert client(command, 'missing') == -2


@pytest.mark.parametrize('command, argument', [('EXPIRE', 100), ('PEXPIRE', 100000), ('EXPIREAT', None), ('PEXPIREAT', None)])
def test_four_ways_to_set_an_expiry(client, command, argument):
    if argument is None:
        argument = int(time.time() + 100) * (1000 if command == 'PEXPIREAT' else 1)
    client('SET', 'k', 'v')
    assert client(command, 'k', argument) == 1
    assert client(command, 'missing', argument) == 0
    assert 70 <= client('TTL', 'k') <= 100
    assert 70000 <= client('PTTL', 'k') <= 100000
    assert abs(client('EXPIRETIME', 'k') - time.time() - 100) < 30
    assert abs(client('PEXPIRETIME', 'k') - (time.time() + 100) * 1000) < 30000


def test_ttl_is_rounded_to_the_nearest_second(client):
    for more in (200, 700):
        client('SET', 'k', 'v', 'PX', 100000 + more)
        before, ttl, after = client('PTTL', 'k'), client('TTL', 'k'), client('PTTL', 'k')
        assert after <= before <= 100000 + more
        assert (after + 500) // 1000 <= ttl <= (before + 500) // 1000


@pytest.mark.parametrize('words', [('EXPIRE', 0), ('EXPIRE', -1), ('PEXPIRE', -100), ('EXPIREAT', 1), ('PEXPIREAT', 0), ('EXPIREAT', -5)])
def test_a_past_expiry_deletes_at_once(client, words):
    client('SET', 'k', 'v')
    assert client(words[0], 'k', words[1]) == 1
    assert client('DBSIZE') == 0


def test_persist_takes_the_expiry_away(client):
    client('SET', 'k', 'v', 'EX', 100)
    assert client('PERSIST', 'k') == 1
    assert client('PERSIST', 'k') == 0
    assert client('PERSIST', 'missing') == 0
    assert client('TTL', 'k') == -1


def test_nx_and_xx_look_at_whether_there_is_an_expiry(client):
    client('SET', 'k', 'v')
    assert client('EXPIRE', 'k', 100, 'XX') == 0
    assert client('EXPIRE', 'k', 100, 'NX') == 1
    assert client('EXPIRE', 'k', 200, 'NX') == 0
    assert client('EXPIRE', 'k', 200, 'XX') == 1
    assert client('TTL', 'k') > 100


def test_gt_and_lt_compare_with_the_expiry(client):
    """A key without expiry lives for ever: nothing is greater."""
    client('SET', 'k', 'v')
    assert client('EXPIRE', 'k', 100, 'GT') == 0
    assert client('EXPIRE', 'k', 100, 'LT') == 1
    assert client('EXPIRE', 'k', 200, 'LT') == 0
    assert client('EXPIRE', 'k', 200, 'GT') == 1
    assert client('EXPIRE', 'k', 50, 'XX', 'LT') == 1
    assert client('TTL', 'k') <= 50


def test_options_that_contradict_are_refused(client):
    client('SET', 'k', 'v')
    assert client('EXPIRE', 'k', 1, 'NX', 'XX') == Error(
        'ERR NX and XX, GT or LT options at the same time are not compatible')
    assert client('EXPIRE', 'k', 1, 'GT', 'LT') == Error('ERR GT and LT options at the same time are not compatible')
    assert client('EXPIRE', 'k', 1, 'NOPE') == Error('ERR Unsupported option NOPE')
    assert client('EXPIRE', 'k', 1, 'x' * 1000) == Error('ERR Unsupported option ' + 'x' * 1000)


def test_times_that_cannot_be_are_refused(client):
    client('SET', 'k', 'v')
    assert client('EXPIRE', 'k', 'soon') == NOT_INTEGER
    assert client('EXPIRE', 'k', INT_MAX) == Error("ERR invalid expire time in 'expire' command")
    assert client('PEXPIRE', 'k', INT_MAX) == Error("ERR invalid expire time in 'pexpire' command")
    assert client('EXPIRE', 'k', -(1 << 63)) == Error("ERR invalid expire time in 'expire' command")
    assert client('TTL', 'k') == -1


def test_an_expired_key_is_not_there_for_any_command(client):
    for n in range(20):
        client('SET', 'k%d' % n, 'v', 'PX', 20)
    end = time.time() + 0.03
    wait_until(lambda: time.time() > end)
    assert client('GET', 'k0') is None
    assert client('EXISTS', 'k1') == 0
    assert client('DEL', 'k2') == 0
    assert client('TTL', 'k3') == -2
    assert client('PERSIST', 'k4') == 0
    assert client('EXPIRE', 'k5', 100) == 0
    assert client('RENAME', 'k6', 'x') == Error('ERR no such key')
    assert client('COPY', 'k7', 'x') == 0
    assert client('APPEND', 'k8', 'new') == 3
    assert client('INCR', 'k9') == 1
    assert client('SET', 'k10', 'w', 'NX') == 'OK'
    assert client('SET', 'k11', 'w', 'XX') is None
    assert client('TYPE', 'k12') == 'none'
    assert client('STRLEN', 'k13') == 0
    assert client('DUMP', 'k14') is None
    assert client('MSETNX', 'k15', 'n') == 1
    assert client('KEYS', 'k16') == []


def test_keys_that_nobody_reads_expire_too(client):
    client.pipeline([('SET', 'k%d' % n, 'v', 'PX', 30) for n in range(5000)])
    wait_until(lambda: client('DBSIZE') == 0, what='all keys expired')
    assert int(client.info('stats')['expired_keys']) >= 5000


def test_commands_that_change_a_value_keep_its_expiry(client):
    for command in (('APPEND', 'k', 'x'), ('SETRANGE', 'k', 0, 'x'), ('SET', 'k', '5', 'KEEPTTL'), ('INCR', 'k'), ('INCRBYFLOAT', 'k', 1)):
        client('SET', 'k', 5, 'EX', 100)
        client.ok(*command)
        assert client('TTL', 'k') > 0, command


@pytest.mark.forebay_only
def test_who_imports_sees_what_has_expired(own_server):
    server = own_server()
    client, source = server.client(), server.client()
    assert source('CLIENT', 'IMPORT-SOURCE', 'ON') == Error('ERR Server is not in import mode')
    assert client('CONFIG', 'SET', 'import-mode', 'yes') == 'OK'
    assert source('CLIENT', 'IMPORT-SOURCE', 'ON') == 'OK' and b' flags=I ' in client('CLIENT', 'LIST')
    source.pipeline([('SET', 'counter', 1, 'PXAT', 1), ('HSET', 'hash', 'f', 1), ('PEXPIREAT', 'hash', 1)])
    assert client('GET', 'counter') is None and client('EXISTS', 'hash') == 0
    assert client('EVAL', "return redis.call('GET', KEYS[1])", 1, 'counter') is None
    assert source('INCR', 'counter') == 2  # as it did there before its time
    assert source('EVAL', "return redis.call('GET', KEYS[1])", 1, 'counter') == b'2'
    assert source('PERSIST', 'counter') == 1 and client('GET', 'counter') == b'2'
    assert source('HGET', 'hash', 'f') == b'1'
    assert client('CONFIG', 'SET', 'import-mode', 'no') == 'OK'
    assert source('GET', 'hash') is None and source('EXISTS', 'hash') == 0
