# SPDX-License-Identifier: BSD-3-Clause
"""What stories of a primary share: data of every type, writers, and how two nodes are compared."""
import random
import threading

from tests.lib.server import wait_until


def info(client, section='replication'):
    """The fields of a section of INFO as texts."""
    lines = client('INFO', section).decode().splitlines()
    return dict(line.split(':', 1) for line in lines if ':' in line)


def offset_of(client):
    return int(info(client)['master_repl_offset'])


def is_linked(client):
    return info(client).get('master_link_status') == 'up'


def follow(replica, port):
    replica.ok('REPLICAOF', '127.0.0.1', port)
    wait_until(lambda: is_linked(replica), 60, 'the link to the primary')


def caught_up(primary, replica, seconds=60):
    """Until the replica has applied all that the primary has; nobody may write meanwhile."""
    def equal():
        fields = info(replica)
        return fields.get('master_link_status') == 'up' and int(fields['slave_repl_offset']) == offset_of(primary)
    wait_until(equal, seconds, 'equal offsets')


def fill_every_type(client, prefix='t'):
    """Small and large values of each type, some with a time."""
    far = 4102444800000
    client('SET', prefix + ':string', 'value')
    client('SET', prefix + ':number', 12345)
    client('SET', prefix + ':empty', '')
    client('SET', prefix + ':binary', bytes(range(256)))
    client('SET', prefix + ':large', b'x' * 300000)
    client('SET', prefix + ':timed', 'value', 'PXAT', far)
    client('RPUSH', prefix + ':list', 'a', 'b', 1, 2, '')
    client('HSET', prefix + ':hash', 'f', 'v', 'g', 1)
    client('SADD', prefix + ':intset', 1, 2, 3)
    client('SADD', prefix + ':set', 'a', 'b', 1)
    client('ZADD', prefix + ':zset', 1, 'a', 2.5, 'b', '-inf', 'c', 'inf', 'd')
    client('PFADD', prefix + ':hyperloglog', *range(100))
    client('GEOADD', prefix + ':geo', 13.361389, 38.115556, 'Palermo')
    client('SETBIT', prefix + ':bits', 1000, 1)
    for i in range(2000):
        client.send('RPUSH', prefix + ':biglist', 'element %d' % i)
        client.send('HSET', prefix + ':bighash', 'field %d' % i, 'value %d' % i)
        client.send('SADD', prefix + ':bigset', 'member %d' % i)
        client.send('SADD', prefix + ':bigintset', i * 7)
        client.send('ZADD', prefix + ':bigzset', i / 3, 'member %d' % i)
        client.send('XADD', prefix + ':stream', '%d-1' % (i + 1), 'f', i, 'g', 'v')
    for _ in range(6 * 2000):
        client.read()
    client('XGROUP', 'CREATE', prefix + ':stream', 'group', 0)
    client('XREADGROUP', 'GROUP', 'group', 'alice', 'COUNT', 10, 'STREAMS', prefix + ':stream', '>')
    client('XACK', prefix + ':stream', 'group', '1-1', '3-1')
    client('XDEL', prefix + ':stream', '5-1')
    for kind in ('list', 'hash', 'set', 'zset', 'stream', 'bighash'):
        client('COPY', prefix + ':' + kind, prefix + ':timed' + kind)
        client('PEXPIREAT', prefix + ':timed' + kind, far + 1)


READERS = {
    'string': lambda key: ('GET', key),
    'list': lambda key: ('LRANGE', key, 0, -1),
    'hash': lambda key: ('HGETALL', key),
    'set': lambda key: ('SMEMBERS', key),
    'zset': lambda key: ('ZRANGE', key, 0, -1, 'WITHSCORES'),
    'stream': lambda key: ('XRANGE', key, '-', '+'),
}


def keys_of(client):
    keys, cursor = set(), b'0'
    while True:
        cursor, found = client('SCAN', cursor, 'COUNT', 1000)
        keys.update(found)
        if cursor == b'0':
            return sorted(keys)


def pipeline(client, requests):
    replies = []
    for begin in range(0, len(requests), 500):
        some = requests[begin:begin + 500]
        for words in some:
            client.send(*words)
        replies += [client.read() for _ in some]
    return replies


def ordered(kind, value):
    if kind == 'hash':
        return sorted(zip(value[::2], value[1::2]))
    return sorted(value) if kind == 'set' else value


def stream_state(client, key):
    """A stream beyond its entries: counters, groups, what is pending."""
    groups = client('XINFO', 'GROUPS', key)
    about = dict(zip(*[iter(client('XINFO', 'STREAM', key))] * 2))
    pending = [client('XPENDING', key, group[1], '-', '+', 1000) for group in groups]
    pending = [[(entry[0], entry[1], entry[3]) for entry in group] for group in pending]
    wanted = (b'length', b'last-generated-id', b'max-deleted-entry-id', b'entries-added')
    return [[group[i] for i in (1, 5, 7, 9)] for group in groups], pending, [about[name] for name in wanted]


def state_of(client):
    """All keys of the selected database: type, time of expiry and value."""
    keys = keys_of(client)
    kinds = [str(kind) for kind in pipeline(client, [('TYPE', key) for key in keys])]
    times = pipeline(client, [('PEXPIRETIME', key) for key in keys])
    values = pipeline(client, [READERS[kind](key) for kind, key in zip(kinds, keys)])
    state = {key: (kind, time, ordered(kind, value)) for key, kind, time, value in zip(keys, kinds, times, values)}
    for key, kind in zip(keys, kinds):
        if kind == 'stream':
            state[key] += (stream_state(client, key),)
    return state


def assert_equal_nodes(primary, replica, databases=(0,)):
    for db in databases:
        primary.ok('SELECT', db)
        replica.ok('SELECT', db)
        ours, theirs = state_of(primary), state_of(replica)
        assert len(ours) == len(theirs), (db, set(ours) ^ set(theirs))
        for key in ours:
            assert ours[key] == theirs.get(key), (db, key, str(ours[key])[:300], str(theirs.get(key))[:300])
    primary.ok('SELECT', 0)
    replica.ok('SELECT', 0)


class Writers:
    """Threads that change keys until they are stopped: every kind of change whose order matters."""

    def __init__(self, server, threads=2, keys=2000, prefix='w'):
        self.server = server
        self.stopping = threading.Event()
        self.errors = []
        self.written = 0
        self.threads = [threading.Thread(target=self._write, args=(server, number, keys, prefix))
                        for number in range(threads)]

    def _requests(self, dice, keys, prefix):
        key = '%s:%d' % (prefix, dice.randrange(keys))
        value = 'v%d' % dice.randrange(10 ** 9)
        return dice.choice([
            ('SET', key + ':s', value), ('APPEND', key + ':s', value), ('INCR', key + ':n'), ('DEL', key + ':s'),
            ('RPUSH', key + ':l', value), ('LPUSH', key + ':l', value), ('LPOP', key + ':l'),
            ('HSET', key + ':h', value[:4], value), ('HDEL', key + ':h', value[:4]), ('HINCRBY', key + ':c', 'n', 1),
            ('SADD', key + ':e', value[:4]), ('SPOP', key + ':e'), ('ZINCRBY', key + ':z', 1, value[:3]),
            ('XADD', key + ':x', '*', 'f', value), ('SET', key + ':t', value, 'PX', dice.randrange(1, 500)),
            ('EXPIRE', key + ':s', 1000), ('PERSIST', key + ':s'), ('RENAME', key + ':l', key + ':r'),
            ('SINTERSTORE', key + ':i', key + ':e', key + ':e'), ('SETRANGE', key + ':s', 5, value)])

    def _write(self, server, number, keys, prefix):
        dice = random.Random(number)
        try:
            with server.client() as client:
                client('SELECT', number % 2)
                while not self.stopping.is_set():
                    requests = [self._requests(dice, keys, prefix) for _ in range(20)]
                    if dice.random() < 0.2:
                        requests = [('MULTI',)] + requests + [('EXEC',)]
                    pipeline(client, requests)
                    self.written += len(requests)
        except Exception as error:  # told by stop()
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors
        with self.server.client() as client:
            for db in range(2):
                client('SELECT', db)
                wait_until(lambda: not any(key.endswith(b':t') for key in keys_of(client)), 60, 'the end of timed keys')

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
