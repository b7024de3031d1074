# SPDX-License-Identifier: BSD-3-Clause
"""What stories of replication share: a data set of every type and encoding, following, and comparing."""
import random
import threading

from tests.lib.server import wait_until

LIBRARY = ("#!lua name=lib\nredis.register_function('twice', function(keys, args) "
           "return redis.call('SET', keys[1], args[1] .. args[1]) end)")


def fill(client, rng, size=1):
    """Every type in every encoding, in two databases, with and without times, and a library of functions."""
    commands = []
    for db in (0, 3):
        commands += [('SELECT', db), ('SET', 'integer', 12345), ('SET', 'text', 'x' * 20), ('SET', 'zeros', '0' * 5000),
                     ('SET', b'binary\x00\xff', bytes(range(256))), ('SET', 'long', rng.randbytes(70000)),
                     ('SET', 'timed', 'v', 'PX', 86400000), ('SETRANGE', 'sparse', 5000, 'end')]
        for name, count in (('small', 5), ('large', 600 * size)):
            for i in range(count):
                member = '%s-%d' % ('m' * (i % 9), i)
                commands += [('RPUSH', 'list:' + name, member), ('SADD', 'set:' + name, member),
                             ('SADD', 'intset:' + name, i * 7), ('HSET', 'hash:' + name, member, i),
                             ('ZADD', 'zset:' + name, i / 3, member),
                             ('XADD', 'stream:' + name, '%d-1' % (i + 1), 'field', member, 'number', i)]
        commands += [('RPUSH', 'list:wide', 'y' * 9000, 'z'), ('HSET', 'hash:wide', 'f', 'w' * 100),
                     ('PFADD', 'hll', *range(100)), ('EXPIRE', 'hash:small', 100000),
                     ('XGROUP', 'CREATE', 'stream:small', 'group', 0),
                     ('XREADGROUP', 'GROUP', 'group', 'me', 'COUNT', 2, 'STREAMS', 'stream:small', '>'),
                     ('XDEL', 'stream:large', '3-1'), ('GEOADD', 'geo', 13.36, 38.11, 'Palermo')]
    commands += [('SELECT', 0), ('FUNCTION', 'LOAD', 'REPLACE', LIBRARY)]
    for i in range(0, len(commands), 500):
        client.pipeline(commands[i:i + 500])


def write_something(client, rng, keys=40):
    """One random command of a writer; the databases 0 and 3 are written."""
    key, other = ('k:%d' % rng.randrange(keys) for _ in range(2))
    number = rng.randrange(1000)
    choices = [
        ('SET', 's' + key, number), ('INCRBY', 'n' + key, number), ('APPEND', 'a' + key, 'x' * (number % 50)),
        ('SET', 's' + key, number, 'EX', 1000), ('SETEX', 's' + key, 500, number), ('GETDEL', 's' + key),
        ('EXPIRE', 's' + key, 2000), ('PERSIST', 's' + key), ('DEL', 's' + key, 'l' + other),
        ('RPUSH', 'l' + key, number, 'b'), ('LPOP', 'l' + key), ('LMOVE', 'l' + key, 'l' + other, 'LEFT', 'RIGHT'),
        ('SADD', 'S' + key, number, number + 1), ('SPOP', 'S' + key), ('SINTERSTORE', 'S' + other, 'S' + key, 'S' + other),
        ('HSET', 'h' + key, number % 20, number), ('HINCRBYFLOAT', 'h' + key, number % 20, 0.5), ('HDEL', 'h' + key, 3),
        ('ZADD', 'z' + key, number / 7, number % 30), ('ZPOPMIN', 'z' + key), ('ZINCRBY', 'z' + key, 1.25, number % 30),
        ('ZUNIONSTORE', 'z' + other, 2, 'z' + key, 'z' + other), ('XADD', 'x' + key, '*', 'f', number),
        ('XTRIM', 'x' + key, 'MAXLEN', 20), ('RENAME', 's' + key, 's' + other), ('COPY', 'z' + key, 'z' + other, 'REPLACE'),
        ('MSET', 's' + key, number, 's' + other, number), ('SETBIT', 'b' + key, number, 1), ('PFADD', 'p' + key, number),
        ('EVAL', "redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[2]) return 1", 2, 's' + key, 'n' + other, number),
        ('SELECT', rng.choice((0, 3))),
    ]
    command = rng.choice(choices)
    if rng.random() < 0.1:
        client.pipeline([('MULTI',), command, rng.choice(choices[:6]), ('EXEC',)])
    else:
        client(*command)


class Threads:
    """Runs each work on a thread of its own while 'with' lasts. A work looks at 'ending'; what it raises is raised at the end."""

    def __init__(self, works):
        self.ending, self.failures = False, []
        self.threads = [threading.Thread(target=self._run, args=(work,)) for work in works]

    def _run(self, work):
        try:
            work()
        except BaseException as failure:  # told at the end
            self.failures.append(failure)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ending = True
        for thread in self.threads:
            thread.join()
        if self.failures and kind is None:
            raise self.failures[0]


class Writers(Threads):
    """Write at random from several threads; not in the middle of a comparison."""

    def __init__(self, server, count=2):
        super().__init__([lambda number=number: self.write(server, number) for number in range(count)])

    def write(self, server, number):
        rng = random.Random(number)
        with server.client() as client:
            while not self.ending:
                write_something(client, rng)


def contents(client, databases=(0, 3)):
    """Every key with its value as DUMP has it (what of it does not depend on the server) and its time."""
    found = {}
    for db in databases:
        client('SELECT', db)
        keys, cursor = set(), 0
        while True:
            cursor, part = client('SCAN', cursor, 'COUNT', 1000)
            keys.update(part)
            if int(cursor) == 0:
                break
        for key in keys:
            found[db, key] = (value_of(client, key), client('PEXPIRETIME', key))
    client('SELECT', 0)
    return found


def value_of(client, key):
    kind = client('TYPE', key)
    if kind == 'string':
        return client('GET', key)
    if kind == 'list':
        return client('LRANGE', key, 0, -1)
    if kind == 'set':
        return sorted(client('SMEMBERS', key))
    if kind == 'hash':
        flat = client('HGETALL', key)
        return sorted(zip(flat[::2], flat[1::2]))
    if kind == 'zset':
        return client('ZRANGE', key, 0, -1, 'WITHSCORES')
    if kind == 'stream':
        groups = client('XINFO', 'GROUPS', key)
        pending = [client('XPENDING', key, group[1], '-', '+', 1000) for group in groups]
        return client('XRANGE', key, '-', '+'), [(g[1], g[7]) for g in groups], [[p[:2] + p[3:] for p in each] for each in pending]
    return kind


def assert_same(one, other, databases=(0, 3)):
    left, right = contents(one, databases), contents(other, databases)
    assert set(left) == set(right), 'only one has %s' % list(set(left) ^ set(right))[:5]
    differing = [key for key in left if left[key] != right[key]]
    assert not differing, [(key, str(left[key])[:200], str(right[key])[:200]) for key in differing[:3]]


def info(client, section='replication'):
    lines = client('INFO', section).decode().split('\r\n')
    return dict(line.split(':', 1) for line in lines if ':' in line)


def follow(replica, host_port, wait=True):
    replica.ok('REPLICAOF', '127.0.0.1', host_port)
    if wait:
        wait_up(replica)


def wait_up(replica, seconds=30):
    wait_until(lambda: info(replica)['master_link_status'] == 'up', seconds, 'the link being up')


def wait_caught_up(primary, replica, seconds=30):
    """Until the replica has all that the primary had when this was called."""
    wait_up(replica, seconds)
    end = int(info(primary)['master_repl_offset'])
    wait_until(lambda: int(info(replica).get('slave_repl_offset', -1)) >= end, seconds, 'the replica catching up')


def assert_same_offset(primary, replica):
    """Of which the replica may lack a ping for a moment."""
    wait_until(lambda: info(primary)['master_repl_offset'] == info(replica)['master_repl_offset'], what='one offset')
