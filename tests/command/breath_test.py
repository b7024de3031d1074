# SPDX-License-Identifier: BSD-3-Clause
"""A transaction or a script that takes long leaves others the partitions of its keys from time to time, but not the keys."""
import pytest

from tests.lib.resp import Error
from tests.lib.server import wait_until

pytestmark = pytest.mark.forebay_only
READS = "while true do redis.call('GET', KEYS[1]) end"
COMPUTES = 'while true do end'


@pytest.mark.parametrize('script', (READS, COMPUTES), ids=('reads', 'computes'))
def test_a_script_without_end_keeps_nobody_from_its_partition(own_server, script):
    server = own_server(threads=4, lua_time_limit=0)
    one, other = server.client(), server.client()
    one.send('EVAL', "redis.log(redis.LOG_WARNING, 'it runs') " + script, 1, '{a}key')
    wait_until(lambda: 'it runs' in server.log_tail(), what='the script to run')
    assert other('INCR', '{a}other') == 1
    assert other('SCRIPT', 'KILL') == 'OK'
    assert isinstance(one.read(), Error)


def test_who_wants_a_key_of_a_slow_script_is_told(own_server):
    server = own_server(threads=4, lua_time_limit=20)
    one, other = server.client(), server.client()
    one.send('EVAL', COMPUTES, 1, '{a}key')
    wait_until(lambda: isinstance(other('GET', '{a}key'), Error), what='BUSY')
    assert other('SCRIPT', 'KILL') == 'OK'
    one.read()
    assert other('GET', '{a}key') is None


def others_meanwhile(one, other, last):
    """How often INCR was called, by others, between the first and the last command of what 'last' runs."""
    def calls(info):
        return int(info.split(b'cmdstat_incr:calls=')[1].split(b',')[0]) if b'cmdstat_incr:' in info else 0
    one.send(*last)
    for _ in range(100):
        other('INCR', '{a}other')
    replies = one.read()
    return calls(replies[-1]) - calls(replies[0])


def test_others_come_between_the_commands_of_a_long_transaction(own_server):
    server = own_server(threads=2)
    one, other = server.client(), server.client()

    def meanwhile():
        one('MULTI')
        one.pipeline([('INFO', 'commandstats')] + [('SADD', '{a}set', i) for i in range(20000)] + [('INFO', 'commandstats')])
        return others_meanwhile(one, other, ('EXEC',))
    wait_until(lambda: meanwhile() > 0, 120, 'INCR within EXEC')


def test_others_come_between_the_calls_of_a_long_script(own_server):
    server = own_server(threads=2)
    one, other = server.client(), server.client()
    text = ("local before = redis.call('INFO', 'commandstats') for i = 1, 50000 do redis.call('SADD', KEYS[1], i) end "
            "return {before, redis.call('INFO', 'commandstats')}")
    wait_until(lambda: others_meanwhile(one, other, ('EVAL', text, 1, '{a}set')) > 0, 120, 'INCR within the script')
    assert other('SCARD', '{a}set') == 50000
