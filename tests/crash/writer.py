# SPDX-License-Identifier: BSD-3-Clause
"""A writer: random changes of its own keys over one connection, until the server is gone."""
import threading
import time

from tests.crash import collection_operations, stream_operations
from tests.crash.model import History, Operation
from tests.lib import resp

CELLS = 12  # of each kind
VALUE_BYTES_MAX = 3000
DAY_MS = 86400000


class Writer(threading.Thread):
    """Runs until the connection breaks. 'failure' then tells of a wrong reply, if there was one."""

    def __init__(self, server, number, random, state):
        super().__init__(name='writer-%d' % number, daemon=True)
        self.server = server
        self.number = number
        self.random = random
        self.history = History(str(number), state)
        self.state = dict(state)
        self.failure = None
        self.sequence = 0

    def run(self):
        try:
            with self.server.client(timeout=60) as client:
                while True:
                    self.send_batch(client)
        except (resp.Closed, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001  told by the main thread
            self.failure = '%s: %r' % (self.name, error)

    def send_batch(self, client):
        """A pipeline of a few operations; each is recorded before it is sent, and when it was answered."""
        batch = [self.next_operation() for _ in range(self.random.choice((1, 1, 2, 5, 20)))]
        self.history.operations.extend(batch)
        client.send_raw(b''.join(resp.encode(*words) for operation in batch for words in operation.commands))
        for operation in batch:
            for _ in operation.commands[:-1]:
                client.read()
            reply = client.read()
            if reply != operation.reply:
                raise AssertionError('%r answered %r, expected %r' % (operation.commands, reply, operation.reply))
            self.history.acknowledged += 1

    def next_operation(self):
        operation = self.random.choice(self.random.choice(FAMILIES))(self)
        self.state.update(operation.after)
        return operation

    def key(self, kind):
        return b'%d:%s:%d' % (self.number, kind, self.random.randrange(CELLS))

    @staticmethod
    def now_ms():
        return int(time.time() * 1000)

    def number_value(self):
        """A value never written before, sometimes long."""
        self.sequence += 1
        value = b'%d.%d' % (len(self.history.operations), self.sequence)
        return value + b'x' * self.random.choice((0, 0, 10, 100, VALUE_BYTES_MAX))


def set_plain(w):
    key, value = w.key(b'v'), w.number_value()
    return Operation([('SET', key, value)], {key: (value, None)}, 'OK')


def set_until_far(w):
    key, value, at = w.key(b'v'), w.number_value(), w.now_ms() + w.random.randint(1, 9) * DAY_MS
    return Operation([('SET', key, value, 'PXAT', at)], {key: (value, at)}, 'OK')


def set_until_soon(w):
    """On keys of their own, since whether such a key is there while others work on it would depend on the clock."""
    key, value, at = w.key(b's'), w.number_value(), w.now_ms() + w.random.randint(50, 900)
    return Operation([('SET', key, value, 'PXAT', at)], {key: (value, at)}, 'OK')


def increment(w):
    key = w.key(b'n')
    state = w.state.get(key)
    value = (int(state[0]) if state else 0) + 1
    return Operation([('INCR', key)], {key: (b'%d' % value, state[1] if state else None)}, value)


def append(w):
    key, more = w.key(b'v'), b'+%d' % w.sequence
    state = w.state.get(key) or (b'', None)
    if len(state[0]) > 4 * VALUE_BYTES_MAX:
        return delete(w)
    value = state[0] + more
    return Operation([('APPEND', key, more)], {key: (value, state[1])}, len(value))


def delete(w):
    key = w.key(w.random.choice((b'v', b'n')))
    return Operation([('DEL', key)], {key: None}, 1 if w.state.get(key) else 0)


def expire_far(w):
    key, at = w.key(w.random.choice((b'v', b'n'))), w.now_ms() + w.random.randint(1, 9) * DAY_MS
    state = w.state.get(key)
    return Operation([('PEXPIREAT', key, at)], {key: (state[0], at)} if state else {}, 1 if state else 0)


def expire_at_once(w):
    key = w.key(b'v')
    state = w.state.get(key)
    return Operation([('PEXPIREAT', key, 1)], {key: None}, 1 if state else 0)


def persist(w):
    key = w.key(b'v')
    state = w.state.get(key)
    has = bool(state and state[1] is not None)
    return Operation([('PERSIST', key)], {key: (state[0], None)} if has else {}, 1 if has else 0)


def pair(w):
    """Two keys in different slots that must always be equal."""
    cell, value = w.random.randrange(CELLS), w.number_value()
    keys = [b'%d:left:%d' % (w.number, cell), b'%d:right:%d' % (w.number, cell)]
    commands = [('MULTI',)] + [('SET', key, value) for key in keys] + [('EXEC',)]
    return Operation(commands, {key: (value, None) for key in keys}, ['OK', 'OK'])


def unpair(w):
    cell = w.random.randrange(CELLS)
    keys = [b'%d:left:%d' % (w.number, cell), b'%d:right:%d' % (w.number, cell)]
    there = sum(1 for key in keys if w.state.get(key))
    return Operation([('DEL', *keys)], {key: None for key in keys}, there)


def set_many(w):
    keys = [b'%d:m:%d' % (w.number, i) for i in range(w.random.randint(2, CELLS))]
    value = w.number_value()
    return Operation([('MSET', *[word for key in keys for word in (key, value)])], {key: (value, None) for key in keys}, 'OK')


def rename(w):
    """From one key to another, in another slot: both change or none."""
    source, target = w.key(b'v'), w.key(b'v')
    state = w.state.get(source)
    if not state or source == target:
        return set_plain(w)
    return Operation([('RENAME', source, target)], {source: None, target: state}, 'OK')


OPERATIONS = [set_plain, set_plain, set_until_far, set_until_soon, increment, increment, increment, append, append, delete,
              expire_far, expire_at_once, persist, pair, pair, unpair, set_many, rename]

FAMILIES = (OPERATIONS, collection_operations.OPERATIONS, stream_operations.OPERATIONS)
