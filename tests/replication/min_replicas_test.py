# SPDX-License-Identifier: BSD-3-Clause
"""min-replicas-to-write holds for whatever writes: commands, transactions, scripts."""
import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until
from tests.replication.story import info

REFUSAL = 'NOREPLICAS Not enough good replicas to write.'
LIBRARY = "#!lua name=lib\nredis.register_function('put', function(keys) return redis.call('SET', keys[1], 'x') end)"


@pytest.fixture
def lonely(own_server):
    """A server that has a key and a library, and from then on too few replicas."""
    client = own_server().client()
    client.ok('SET', 'here', 1)
    client.ok('FUNCTION', 'LOAD', LIBRARY)
    client.ok('CONFIG', 'SET', 'min-replicas-to-write', 1)
    return client


def test_a_write_is_refused_and_a_read_is_not(lonely):
    assert lonely('SET', 'key', 1) == Error(REFUSAL)
    assert lonely('GET', 'here') == b'1'
    assert lonely.pipeline([('MULTI',), ('GET', 'here'), ('EXEC',)])[-1] == [b'1']


def test_a_transaction_is_refused_when_it_is_queued(lonely):
    replies = lonely.pipeline([('MULTI',), ('SET', 'key', 1), ('EXEC',)])
    assert replies[1] == Error(REFUSAL) and replies[2].code == 'EXECABORT'
    assert lonely('EXISTS', 'key') == 0


def test_a_script_may_read_and_is_refused_when_it_writes(lonely):
    assert lonely('EVAL', "return redis.call('GET', KEYS[1])", 1, 'here') == b'1'
    reply = lonely('EVAL', "return redis.call('SET', KEYS[1], 2)", 1, 'here')
    assert reply.code == 'NOREPLICAS'
    assert lonely('EVAL', "return redis.pcall('SET', KEYS[1], 2).err", 1, 'here').startswith(b'NOREPLICAS')
    assert lonely('EVAL', "#!lua\nreturn redis.call('GET', KEYS[1])", 1, 'here') == Error(REFUSAL)
    assert lonely('EVAL', "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])", 1, 'here') == b'1'
    assert lonely('FCALL', 'put', 1, 'here').code == 'NOREPLICAS'
    assert lonely('GET', 'here') == b'1'


def test_what_was_queued_before_is_refused_by_exec(own_server):
    server = own_server()
    client, other = server.client(), server.client()
    client.pipeline([('MULTI',), ('SET', 'key', 1)])
    other.ok('CONFIG', 'SET', 'min-replicas-to-write', 1)
    assert client('EXEC').startswith('EXECABORT Transaction discarded because of: NOREPLICAS')
    assert other('EXISTS', 'key') == 0
    assert client('PING') == 'PONG'


def test_writes_go_on_with_a_replica(own_server):
    server, replica = own_server(min_replicas_to_write=1), own_server()
    client = server.client()
    assert client('SET', 'key', 1).code == 'NOREPLICAS'
    replica.client().ok('REPLICAOF', '127.0.0.1', server.port)
    wait_until(lambda: info(client).get('min_slaves_good_slaves') == '1', what='a good replica')
    client.ok('SET', 'key', 1)
    assert client('EVAL', "return redis.call('INCR', KEYS[1])", 1, 'key') == 2
