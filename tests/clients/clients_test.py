# SPDX-License-Identifier: BSD-3-Clause
"""Client libraries, and libraries that are built on them, work unchanged: conftest.py says how they are installed."""
import importlib.util
import shutil
import subprocess

import pytest


@pytest.mark.parametrize('program', ['node_redis.js', 'ioredis.js', 'pubsub_node_redis.js', 'pubsub_ioredis.js',
                                     'express_session.js', 'express_rate_limit.js', 'redlock.js', 'bullmq.js'])
def test_a_node_library_works(run_program, node_modules, program):
    run_program(program, NODE_PATH=node_modules)


@pytest.mark.parametrize('library', ['redis', 'rq', 'celery', 'flask_session'])
def test_a_python_library_works(run_program, library):
    if not importlib.util.find_spec(library):
        pytest.skip('not installed')
    run_program('python_%s.py' % library)


def test_redis_py_works(server):
    redis = pytest.importorskip('redis')
    client = redis.Redis(port=server.port, client_name='smoke')
    assert client.ping()
    assert client.set('k', 'v', ex=100, nx=True) and not client.set('k', 'v', nx=True)
    assert client.get('k') == b'v' and 90 < client.ttl('k') <= 100
    assert client.mset({'a': 1, 'b': 2}) and client.mget('a', 'b', 'c') == [b'1', b'2', None]
    with client.pipeline() as pipe:
        for n in range(1000):
            pipe.set('key:%d' % n, n)
        assert all(pipe.execute())
    assert len(set(client.scan_iter('key:*', count=37))) == 1000
    with client.pipeline() as pipe:
        pipe.watch('a')
        client.incr('a')
        pipe.multi()
        pipe.set('a', 'mine')
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.dump('a') and client.restore('copy', 0, client.dump('a')) and client.get('copy') == b'2'
    assert client.info()['redis_version'] and client.info('keyspace')['db0']['keys'] > 1000
    assert client.config_get('maxmemory')['maxmemory'] == '0'
    assert client.client_getname() == 'smoke' and client.client_list()[0]['name'] is not None
    assert client.command()['get']['arity'] == 2 and client.command_count() > 50
    assert client.slowlog_get() is not None and client.memory_usage('a') > 0
    with pytest.raises(redis.ResponseError):
        client.execute_command('NOSUCH')
    assert client.flushall()


def test_redis_py_subscribes(server):
    redis = pytest.importorskip('redis')
    client = redis.Redis(port=server.port, decode_responses=True)
    subscriber = client.pubsub()
    subscriber.subscribe('news')
    subscriber.psubscribe(**{'user:*': lambda message: heard.append(message['data'])})
    heard = []
    assert [subscriber.get_message(timeout=60)['type'] for _ in range(2)] == ['subscribe', 'psubscribe']

    def read():
        while True:
            message = subscriber.get_message(timeout=60)
            if not message or message['type'] not in ('subscribe', 'psubscribe'):
                return message
    assert client.publish('news', 'hello') == 1
    assert read() == {'type': 'message', 'pattern': None, 'channel': 'news', 'data': 'hello'}
    assert client.publish('user:1', 'x') == 1
    read()
    assert heard == ['x']
    assert client.pubsub_channels() == ['news'] and client.pubsub_numsub('news') == [('news', 1)]
    assert client.pubsub_numpat() == 1
    subscriber.ping()
    assert read()['type'] == 'pong'
    subscriber.unsubscribe()
    subscriber.punsubscribe()
    while subscriber.subscribed:
        assert subscriber.get_message(timeout=60)['type'] in ('unsubscribe', 'punsubscribe')
    subscriber.close()


@pytest.mark.parametrize('program', ['redis-cli'])
def test_redis_cli_works(server, program):
    if not shutil.which(program):
        pytest.skip('not installed')

    def cli(*arguments, given=None):
        return subprocess.run([program, '-p', str(server.port), *arguments], input=given, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120).stdout.decode()
    assert cli('SET', 'k', 'v') == 'OK\n'
    assert cli('-3', 'GET', 'k') == 'v\n'
    assert cli(given=b'PING\nMULTI\nINCR n\nEXEC\n') == 'PONG\nOK\nQUEUED\n1\n'
    assert 'redis_version' in cli('INFO', 'server')
    assert cli('--scan', '--pattern', 'k*') == 'k\n'
    assert 'keys' in cli('--memkeys') and 'biggest' in cli('--bigkeys').lower()
    assert 'errors: 0' in cli('--pipe', given=b''.join(b'SET p:%d x\r\n' % n for n in range(1000)))
