# SPDX-License-Identifier: BSD-3-Clause
"""redis-py: locks, scripts, pipelines, blocking reads and streams of several threads."""
import sys
import threading

import redis
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError


def story_of_locks(client):
    lock = client.lock('lock', timeout=100)
    assert lock.acquire() and lock.owned() and client.pttl('lock') > 10000
    other = client.lock('lock', timeout=100, blocking=False)
    assert not other.acquire()
    assert lock.extend(100) and client.pttl('lock') > 101000
    assert lock.reacquire() and client.pttl('lock') <= 100000
    lock.release()
    assert not client.exists('lock')
    with client.lock('lock', timeout=100) as stolen:
        client.set('lock', 'another one')
        try:
            stolen.release()
            raise AssertionError('released what is not its own')
        except (LockNotOwnedError, LockError):
            client.delete('lock')
            stolen.local.token = None
            assert stolen.acquire()


def story_of_one_at_a_time(client):
    total = []

    def work():
        for _ in range(10):
            with client.lock('counter', timeout=100, sleep=0.001):
                client.set('n', int(client.get('n') or 0) + 1)
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total.append(int(client.get('n')))
    assert total == [50]


def story_of_scripts(client):
    add = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert add(keys=['sum'], args=[5]) == 5
    client.script_flush()
    assert add(keys=['sum'], args=[5]) == 10
    client.script_flush()
    with client.pipeline() as pipe:
        add(keys=['sum'], args=[1], client=pipe)
        pipe.get('sum')
        add(keys=['sum'], args=[1], client=pipe)
        assert pipe.execute() == [11, b'11', 12]
    assert client.script_exists(add.sha) == [True]
    try:
        client.evalsha('0' * 40, 0)
        raise AssertionError('an unknown script ran')
    except NoScriptError:
        pass


def story_of_transactions(client):
    def transfer(pipe):
        had = int(pipe.get('from') or 0)
        pipe.multi()
        pipe.set('from', had - 1)
        pipe.incr('to')
    client.mset({'from': 100, 'to': 0})
    threads = [threading.Thread(target=lambda: [client.transaction(transfer, 'from') for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.mget('from', 'to') == [b'0', b'100']
    with client.pipeline(transaction=True) as pipe:
        pipe.set('text', 'x').incr('text').get('text')
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError) and replies[2] == b'x'


def story_of_waiting(client):
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(client.blpop(['q', 'r'], timeout=100)[1])) for _ in range(5)]
    for thread in threads:
        thread.start()
    for n in range(5):
        client.rpush('r' if n % 2 else 'q', n)
    for thread in threads:
        thread.join()
    assert sorted(taken) == [b'0', b'1', b'2', b'3', b'4']
    client.zadd('z', {'a': 2, 'b': 1})
    assert client.bzpopmin('z', timeout=100) == (b'z', b'b', 1.0)


def story_of_streams(client):
    ids = [client.xadd('s', {'n': n}) for n in range(10)]
    client.xgroup_create('s', 'g', id='0')
    rows = client.xreadgroup('g', 'one', {'s': '>'}, count=6)[0][1]
    assert [row[0] for row in rows] == ids[:6]
    assert client.xack('s', 'g', *ids[:5]) == 5
    assert client.xpending('s', 'g')['pending'] == 1
    assert [row[0] for row in client.xautoclaim('s', 'g', 'two', 0)[1]] == [ids[5]]
    assert client.xinfo_stream('s')['length'] == 10 and client.xtrim('s', maxlen=3, approximate=False) == 7
    assert len(client.xrange('s')) == 3 and client.xread({'s': '$'}, block=1) == []


def main(port):
    client = redis.Redis(port=port)
    for story in (story_of_locks, story_of_one_at_a_time, story_of_scripts, story_of_transactions, story_of_waiting,
                  story_of_streams):
        client.flushall()
        story(client)


main(int(sys.argv[1]))
print('ok')
