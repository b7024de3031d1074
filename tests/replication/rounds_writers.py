# SPDX-License-Identifier: BSD-3-Clause
"""Writers for the rounds of rounds.py. Both kinds send at a fixed rate, whether or not they were answered.

A *steady* one has keys of its own in database 0 and knows what each must be (tests/crash/model.py). A *wild* one shares the
databases 1 to 3 with others and writes everything there is, whatever comes of it.
"""
import queue
import random
import threading
import time

from tests.crash import collection_operations, writer
from tests.lib import resp

GONE = (resp.Closed, ConnectionError, OSError, ValueError)
WILD_DATABASES = (1, 2, 3)


class OpenLoop(threading.Thread):
    """One thread sends a batch whenever it is due, another one reads the replies. A connection that ends ends both."""

    def __init__(self, server, batches_per_second):
        super().__init__(daemon=True)
        self.server = server
        self.period = 1 / batches_per_second
        self.sent = queue.SimpleQueue()
        self.ending = threading.Event()
        self.failure = None
        self.client = None

    def run(self):
        try:
            self.client = self.server.client(timeout=60)
        except GONE:
            return
        reading = threading.Thread(target=self.read_all, daemon=True)
        reading.start()
        due = time.monotonic()
        try:
            while not self.ending.is_set():
                self.send(self.client)
                due = max(due + self.period, time.monotonic() - 1)
                self.ending.wait(max(0, due - time.monotonic()))
        except GONE:
            pass
        except Exception as error:  # noqa: BLE001  told by stop()
            self.failure = repr(error)
        self.sent.put(None)
        reading.join()
        self.client.close()

    def read_all(self):
        try:
            while (item := self.sent.get()) is not None:
                self.read(self.client, item)
        except GONE:
            self.ending.set()
        except Exception as error:  # noqa: BLE001  told by stop()
            self.failure = repr(error)
            self.ending.set()

    def stop(self):
        """Until everything that was sent was answered, or the connection is gone."""
        self.ending.set()
        self.join(60)
        assert not self.is_alive(), 'a writer does not get its answers'
        assert not self.failure, self.failure


class Steady(OpenLoop):
    """The operations of tests/crash; its history tells what was sent and what was acknowledged."""

    def __init__(self, server, number, rng, state, has_field_times=True, batches_per_second=30):
        super().__init__(server, batches_per_second)
        self.writer = writer.Writer(server, number, rng, state)
        self.number, self.history = number, self.writer.history
        self.has_field_times = has_field_times

    def operation(self):
        while True:
            family = self.writer.random.choice(writer.FAMILIES)
            make = self.writer.random.choice(family)
            if self.has_field_times or make is not collection_operations.expire_fields:
                operation = make(self.writer)
                self.writer.state.update(operation.after)
                return operation

    def send(self, client):
        batch = [self.operation() for _ in range(self.writer.random.choice((1, 1, 2, 5, 10)))]
        self.history.operations.extend(batch)
        for operation in batch:
            self.sent.put(operation)
        client.send_raw(b''.join(resp.encode(*words) for operation in batch for words in operation.commands))

    def read(self, client, operation):
        for _ in operation.commands[:-1]:
            client.read()
        reply = client.read()
        assert reply == operation.reply, '%r answered %r, expected %r' % (operation.commands, reply, operation.reply)
        self.history.acknowledged += 1


class Wild(OpenLoop):
    """Anything, in databases where others do the same."""

    def __init__(self, server, rng, has_field_times=True, whole_databases=True, batches_per_second=40):
        super().__init__(server, batches_per_second)
        self.rng = rng
        self.has_field_times = has_field_times
        self.whole_databases = whole_databases

    def send(self, client):
        commands = [('SELECT', self.rng.choice(WILD_DATABASES))]
        for _ in range(self.rng.choice((1, 2, 5, 10))):
            commands += self.some()
        self.sent.put(len(commands))
        client.send_raw(b''.join(resp.encode(*command) for command in commands))

    def read(self, client, count):
        for _ in range(count):
            client.read()

    def some(self):
        one = self.rng.choice(FAMILIES)(self)
        if self.rng.random() < 0.1:
            return [('MULTI',), one, self.rng.choice(FAMILIES[:5])(self), ('SELECT', self.rng.choice(WILD_DATABASES)),
                    strings(self), (self.rng.choice(('EXEC', 'EXEC', 'EXEC', 'DISCARD')),)]
        return [one]

    def key(self, kind):
        return '%s:%d' % (kind, self.rng.randrange(25))

    def number(self):
        return self.rng.randrange(1000)

    def value(self):
        return b'%d' % self.number() + b'w' * self.rng.choice((0, 0, 0, 50, 500, 20000 if self.rng.random() < 0.1 else 5))

    def at(self):
        """A moment, soon or late."""
        return int(time.time() * 1000) + self.rng.choice((30, 200, 700, 86400000))


def strings(w):
    key, other = w.key('s'), w.key('s')
    return w.rng.choice((
        ('SET', key, w.value()), ('SET', key, w.value(), 'PXAT', w.at()), ('SET', key, w.number(), 'KEEPTTL'),
        ('APPEND', key, w.value()), ('SETRANGE', key, w.number() * 3, w.value()), ('INCR', w.key('n')),
        ('INCRBYFLOAT', w.key('n'), '0.5'), ('GETDEL', key), ('GETEX', key, 'PXAT', w.at()), ('GETSET', key, w.value()),
        ('SETBIT', w.key('b'), w.number() * 50, 1), ('BITOP', 'XOR', w.key('b'), w.key('b'), w.key('b')),
        ('BITFIELD', w.key('b'), 'INCRBY', 'u8', w.number(), 3), ('PFADD', w.key('p'), *range(w.number(), w.number() + 9)),
        ('PFMERGE', w.key('p'), w.key('p'), w.key('p')), ('MSET', key, w.value(), other, w.value()),
        ('MSETNX', key, 1, w.key('new'), 1), ('PSETEX', key, w.rng.choice((20, 500, 90000)), w.value())))


def keys(w):
    kind = w.rng.choice('snblhxzStp')
    key, other = w.key(kind), w.key(kind)
    return w.rng.choice((
        ('DEL', key, other), ('UNLINK', key), ('PEXPIREAT', key, w.at()), ('PEXPIREAT', key, w.at()), ('PERSIST', key),
        ('RENAME', key, other), ('RENAMENX', key, other), ('COPY', key, other, 'REPLACE'),
        ('COPY', key, other, 'DB', w.rng.choice(WILD_DATABASES), 'REPLACE'), ('MOVE', key, w.rng.choice(WILD_DATABASES)),
        ('SORT', w.key('l'), 'ALPHA', 'STORE', w.key('l')), ('EXPIRE', key, -1)))


def lists(w):
    key, other = w.key('l'), w.key('l')
    return w.rng.choice((
        ('RPUSH', key, w.value(), w.number()), ('LPUSH', key, *range(w.rng.choice((1, 5, 300)))), ('LPOP', key, 2), ('RPOP', key),
        ('LMOVE', key, other, 'LEFT', 'RIGHT'), ('LTRIM', key, 0, 200), ('LSET', key, 0, w.value()), ('LREM', key, 1, w.number()),
        ('LINSERT', key, 'BEFORE', 3, w.value()), ('LMPOP', 2, key, other, 'RIGHT', 'COUNT', 3),
        ('BLMOVE', key, other, 'RIGHT', 'LEFT', '0.01'), ('BLPOP', key, other, '0.01')))


def sets_and_sorted_sets(w):
    key, other, zset, zother = w.key('S'), w.key('S'), w.key('z'), w.key('z')
    return w.rng.choice((
        ('SADD', key, w.number(), w.number()), ('SADD', key, *('m%d' % (i * 7) for i in range(w.rng.choice((1, 9, 300))))),
        ('SPOP', key), ('SPOP', key, 5), ('SREM', key, w.number()), ('SMOVE', key, other, w.number()),
        ('SUNIONSTORE', key, key, other), ('SDIFFSTORE', other, key, other), ('SINTERSTORE', other, key, other),
        ('ZADD', zset, w.number() / 7, w.number() % 50), ('ZADD', zset, 'GT', w.number(), w.number() % 50),
        ('ZADD', zset, *(word for i in range(w.rng.choice((1, 9, 200))) for word in (i / 3, 'm%d' % i))),
        ('ZINCRBY', zset, 1.1, w.number() % 50), ('ZPOPMIN', zset, 3), ('ZMPOP', 1, zset, 'MAX'), ('ZREM', zset, w.number() % 50),
        ('ZREMRANGEBYSCORE', zset, 10, 20), ('ZUNIONSTORE', zother, 2, zset, zother), ('ZRANGESTORE', zother, zset, 0, 30),
        ('GEOADD', w.key('t'), 13.36, 38.11, w.number()), ('GEOSEARCHSTORE', zother, w.key('t'), 'FROMLONLAT', 13, 38, 'BYRADIUS', 99, 'km')))


def hashes(w):
    key, field = w.key('h'), w.number() % 60
    plain = (('HSET', key, field, w.value(), field + 1, 1), ('HSET', key, *range(w.rng.choice((2, 20, 600)))), ('HDEL', key, field),
             ('HINCRBY', key, 'n%d' % field, 5), ('HINCRBYFLOAT', key, 'f%d' % field, '0.25'), ('HSETNX', key, field, 1))
    timed = (('HPEXPIREAT', key, w.at(), 'FIELDS', 2, field, field + 1), ('HPEXPIREAT', key, w.at(), 'FIELDS', 1, field),
             ('HPERSIST', key, 'FIELDS', 1, field), ('HPEXPIRE', key, 0, 'FIELDS', 1, field), ('HGETDEL', key, 'FIELDS', 1, field),
             ('HSETEX', key, 'PXAT', w.at(), 'FIELDS', 1, field, w.value()), ('HGETEX', key, 'PXAT', w.at(), 'FIELDS', 1, field))
    return w.rng.choice(plain + timed if w.has_field_times else plain)


def streams(w):
    key, group, consumer = w.key('x'), 'g%d' % w.rng.randrange(2), 'c%d' % w.rng.randrange(3)
    an_id = '%d-0' % w.number()
    return w.rng.choice((
        ('XADD', key, '*', 'f', w.value()), ('XADD', key, '*', 'f', w.value(), 'g', 1), ('XADD', key, 'MAXLEN', '~', 50, '*', 'f', 1),
        ('XADD', key, '*', *range(w.rng.choice((2, 400)))), ('XTRIM', key, 'MAXLEN', 30), ('XDEL', key, an_id),
        ('XSETID', key, '9999999999999-%d' % w.number()), ('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM'),
        ('XGROUP', 'DESTROY', key, group), ('XGROUP', 'SETID', key, group, '0'), ('XGROUP', 'CREATECONSUMER', key, group, consumer),
        ('XGROUP', 'DELCONSUMER', key, group, consumer),
        ('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 5, 'STREAMS', key, '>'),
        ('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 3, 'NOACK', 'STREAMS', key, '>'),
        ('XAUTOCLAIM', key, group, consumer, 0, '0', 'COUNT', 4), ('XACK', key, group, an_id)))


def scripts(w):
    key, other = w.key('s'), w.key('s')
    both = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return redis.call('INCR', KEYS[3])"
    fails = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])"
    moves = "redis.call('SELECT', ARGV[1]) redis.call('SET', KEYS[1], 'by a script') return redis.call('DEL', KEYS[2])"
    many = "for i = 1, 40 do redis.call('HSET', KEYS[1], i, ARGV[1]) redis.call('SPOP', KEYS[2]) end"
    library = "#!lua name=lib%d\nredis.register_function('f%d', function(keys, args) return redis.call('SET', keys[1], args[1] .. '%d') end)"
    number = w.rng.randrange(3)
    return w.rng.choice((
        ('EVAL', both, 3, key, w.key('l'), w.key('n'), w.value()), ('EVAL', fails, 2, key, w.key('l'), w.value()),
        ('EVAL', moves, 2, key, other, w.rng.choice(WILD_DATABASES)), ('EVAL', many, 2, w.key('h'), w.key('S'), w.number()),
        ('FUNCTION', 'LOAD', 'REPLACE', library % (number, number, w.number())), ('FCALL', 'f%d' % number, 1, key, w.number()),
        ('FCALL', 'f%d' % number, 1, key, w.number()), ('FUNCTION', 'DELETE', 'lib%d' % number)))


def databases(w):
    if not w.whole_databases or w.rng.random() < 0.7:
        return strings(w)
    return w.rng.choice((('FLUSHDB',), ('SWAPDB', 1, 2), ('SWAPDB', 3, 2), ('FUNCTION', 'FLUSH'), ('FLUSHDB', 'SYNC')))


FAMILIES = (strings, lists, sets_and_sorted_sets, hashes, streams, keys, scripts, databases)


def wild(server, seed, **options):
    return Wild(server, random.Random(seed), **options)
