# SPDX-License-Identifier: BSD-3-Clause
"""A shard of three whose primary is killed again and again, at any moment, under writers and readers of a class with
'ack quorum'. Any replica in sync is promoted, and the old primary comes back as a replica.

    python3 -m tests.replication.quorum_story --rounds 300 --seed 7

What must hold: an acknowledged write is there ever after; no read shows less than what was acknowledged, or read, before it
began; the two keys of a transaction are never seen apart. Writes of no class may be lost: they are what the old primary has
beyond the fork.
"""
import argparse
import random
import threading
import time

from tests.lib import server as servers
from tests.lib.resp import Error
from tests.lib.server import wait_until
from tests.replication.story import assert_same, info, wait_caught_up

WRITERS, READERS, PAIRS = 3, 2, 4
DIRECTIVES = {'class': 'safe prefix safe: ack quorum', 'replication-members': 3}
# What a client may be told while the shard changes; anything else fails.
EXPECTED = ('NOREPLICAS', 'UNCERTAIN', 'READONLY', 'LOADING', 'EXECABORT', 'MASTERDOWN')
SCRIPT = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return redis.status_reply('OK')"


class Broken(AssertionError):
    """A promise of the shard was not kept."""


class Pair:
    """Two keys that always have the same number, which one writer makes grow."""

    def __init__(self, name):
        self.keys = ['safe:{%s}:a' % name, 'safe:%s:b' % name]
        self.lock = threading.Lock()
        self.sent = 0   # by the writer: no more than this may be there
        self.known = 0  # acknowledged or read: no less than this

    def note(self, number):
        with self.lock:
            self.known = max(self.known, number)

    def judge(self, values, floor):
        first, second = (int(value) if value is not None else 0 for value in values)
        if first != second:
            raise Broken('%s: %d and %d, made by one transaction' % (self.keys[0], first, second))
        if not floor <= first <= self.sent:
            raise Broken('%s: %d, but %d was known and %d sent' % (self.keys[0], first, floor, self.sent))
        self.note(first)


class Shard:
    def __init__(self, seed, durability='behind', means='received'):
        self.rng = random.Random(seed)
        self.nodes = [servers.Server('forebay', durability=durability, ack_means=means, **DIRECTIVES) for _ in range(3)]
        self.primary = self.nodes[0]
        self.changed = threading.Condition()
        self.pairs = [[Pair('%d-%d' % (writer, i)) for i in range(PAIRS)] for writer in range(WRITERS)]
        self.failures, self.ending = [], False
        self.uncertain = self.acknowledged = self.reads = 0
        self.threads = []

    def __enter__(self):
        self.primary.start()
        for node in self.nodes[1:]:
            node.start(replicaof='127.0.0.1 %d' % self.primary.port)
        self.wait_in_sync(3)
        for number in range(WRITERS):
            self.threads.append(threading.Thread(target=self.run, args=(self.write, number)))
        for number in range(READERS):
            self.threads.append(threading.Thread(target=self.run, args=(self.read, number)))
        for thread in self.threads:
            thread.start()
        return self

    def end_clients(self):
        with self.changed:
            self.ending = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join()

    def __exit__(self, kind, value, trace):
        self.end_clients()
        for node in self.nodes:
            if kind is not None:
                print('---- %s' % node.state())
            node.remove()

    # ---- clients ----

    def run(self, work, number):
        """One client after the other, each at the present primary, as long as it answers."""
        rng = random.Random(number)
        while not self.ending and not self.failures:
            node = self.primary
            try:
                with node.client(timeout=30) as client:
                    while self.primary is node and not self.ending:
                        work(client, rng, number)
            except OSError:
                with self.changed:  # it is dead, and nobody has been promoted yet
                    self.changed.wait_for(lambda: self.primary is not node or self.ending, 1)
            except BaseException as failure:  # told by the story
                self.failures.append(failure)

    def write(self, client, rng, number):
        pair = rng.choice(self.pairs[number])
        pair.sent += 1
        value, (one, other) = pair.sent, pair.keys
        if rng.random() < 0.3:
            reply = client('EVAL', SCRIPT, 2, one, other, value)
        else:
            reply = client.pipeline([('SET', 'lost:%d' % number, value), ('MULTI',), ('SET', one, value),
                                     ('SET', other, value), ('EXEC',), ('INCR', 'lost')])[4]
        if not isinstance(reply, Error):
            pair.note(value)
            self.acknowledged += 1
        elif reply.code not in EXPECTED:
            raise Broken('a write was answered %r' % reply)
        else:
            self.uncertain += reply.code == 'UNCERTAIN'

    def read(self, client, rng, number):
        pair = rng.choice(self.pairs[rng.randrange(WRITERS)])
        floor = pair.known
        values = client('MGET', *pair.keys)
        if not isinstance(values, Error):
            pair.judge(values, floor)
            self.reads += 1
        elif values.code not in EXPECTED:
            raise Broken('a read was answered %r' % values)

    # ---- the story ----

    def wait_in_sync(self, members):
        def is_so():
            if self.failures:
                raise self.failures[0]
            with self.primary.client() as client:
                return int(info(client)['in_sync_members']) >= members
        wait_until(is_so, 60, '%d members in sync' % members)

    def wait_for_clients(self, count):
        start = self.acknowledged, self.reads
        wait_until(lambda: self.failures or (self.acknowledged > start[0] + count and self.reads > start[1] + count), 60,
                   'clients going on')
        if self.failures:
            raise self.failures[0]

    def in_sync(self):
        with self.primary.client() as client:
            told = info(client)
        ports = [dict(word.split('=') for word in value.split(',')) for name, value in told.items()
                 if name.startswith('slave') and 'in_sync=' in value]
        return [node for node in self.nodes for each in ports if each['in_sync'] == '1' and int(each['port']) == node.port]

    def fail_over(self):
        """Kills the primary at a random moment; returns it."""
        self.wait_for_clients(self.rng.randrange(5, 100))
        candidates = self.in_sync()
        if not candidates:
            raise Broken('clients go on, and no replica is in sync')
        old, new = self.primary, self.rng.choice(candidates)
        time.sleep(self.rng.random() * 0.02)  # into the middle of something
        old.kill()
        other = next(node for node in self.nodes if node not in (old, new))
        orders = [(new, ('NO', 'ONE')), (other, ('127.0.0.1', new.port))]
        self.rng.shuffle(orders)
        for node, words in orders:
            with node.client() as client:
                client.ok('REPLICAOF', *words)
        new.directives.pop('replicaof', None)
        other.directives['replicaof'] = '127.0.0.1 %d' % new.port
        with self.changed:
            self.primary = new
            self.changed.notify_all()
        return old

    def round(self):
        old = self.fail_over()
        self.wait_in_sync(2)
        self.wait_for_clients(20)
        old.start(replicaof='127.0.0.1 %d' % self.primary.port)
        # Sometimes the next primary dies while the old one is still being brought up to date.
        if self.rng.random() < 0.7:
            self.wait_in_sync(3)

    def check(self):
        """In the end, with the clients stopped: all that was acknowledged is there, and all nodes have the same."""
        self.wait_in_sync(3)
        self.end_clients()
        if self.failures:
            raise self.failures[0]
        with self.primary.client() as client:
            for pair in (pair for pairs in self.pairs for pair in pairs):
                pair.judge(client('MGET', *pair.keys), pair.known)
            for node in self.nodes:
                if node is not self.primary:
                    with node.client() as replica:
                        wait_caught_up(client, replica)
                        assert_same(client, replica)


def tell(rounds, seed, durability='behind', means='received', out=None):
    with Shard(seed, durability, means) as shard:
        for number in range(rounds):
            try:
                shard.round()
            except BaseException:
                print('round %d of seed %d' % (number + 1, seed))
                raise
            if out and (number + 1) % 10 == 0:
                out('%d rounds: %d writes acknowledged, %d uncertain, %d reads' % (
                    number + 1, shard.acknowledged, shard.uncertain, shard.reads))
        shard.check()
        return shard.acknowledged, shard.reads


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=300)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--durability', default='behind', choices=('behind', 'through'))
    parser.add_argument('--ack-means', default='received', choices=('received', 'synced'))
    options = parser.parse_args()
    print('quorum_story --rounds %d --seed %d --durability %s --ack-means %s' % (
        options.rounds, options.seed, options.durability, options.ack_means))
    print('%d writes acknowledged, %d reads, nothing lost' % tell(
        options.rounds, options.seed, options.durability, options.ack_means, lambda line: print(line, flush=True)))


if __name__ == '__main__':
    main()
