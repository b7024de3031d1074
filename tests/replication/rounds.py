# SPDX-License-Identifier: BSD-3-Clause
"""Replication under faults, in rounds. A world is a primary with its replicas, each reached through a proxy of its own; a
round is writers at work, one fault, and then a look at everything:

    N1  offsets become equal, and then every node holds the same (rounds_compare.py), which a scrub finds as well, then and
        meanwhile;
    N2  what a steady writer was answered is there, and nothing that it did not send (tests/crash/model.py);
    N3  a fault that is shorter than what the primary keeps costs no copy.

Everything random comes from the world's seed, but for the machine's timing.
"""
import os
import random
import re
import shutil
import signal
import time

from tests.crash import model, observe
from tests.lib import server as servers
from tests.lib.proxy import DOWN, UP, Proxy
from tests.lib.server import memory_of, wait_until
from tests.replication.rounds_compare import assert_same, assert_same_fillers, batches
from tests.replication.rounds_writers import Steady, Wild
from tests.replication.story import info

STEADY = 3
WILD = 2
CLOCK_MS = 400
TIMEOUT_SECONDS = 3
COMMON = {'repl_timeout': TIMEOUT_SECONDS, 'repl_ping_replica_period': 1}
FILLERS, FILLER_DB, FILLER_BYTES = 12000, 4, 2000  # beyond those that are written


class Failure(AssertionError):
    """A round did not end as it has to."""


class Node:
    """A server and the proxy before it. 'master' is the node that it follows."""

    def __init__(self, name, kind='forebay', master=None, **directives):
        self.name, self.kind, self.master = name, kind, master
        common = dict(COMMON, repl_backlog_size='16mb')
        if kind == 'redis':
            common.update(repl_diskless_sync_delay=0)
        else:
            common.update(replication_scrub_interval=1, replication_scrub_rate=0, replication_scrub_repair='no',
                          replica_apply_threads=4, replica_apply_min_effects=2)
        self.server = servers.Server(kind, **common, **directives)
        self.is_lasting = directives.get('durability') != 'none' and kind == 'forebay'
        self.proxy = None
        self.start()

    def start(self):
        followed = '127.0.0.1 %d' % self.master.proxy.port if self.master else 'no one'
        self.server.start(loading_will_do=True, replicaof=followed)  # a copy may take as long as somebody writes
        if self.proxy:
            self.proxy.address = self.server.address
        else:
            self.proxy = Proxy(self.server.address)

    def follow(self, master):
        self.master = master
        with self.server.client() as client:
            client.ok('REPLICAOF', *(('127.0.0.1', master.proxy.port) if master else ('NO', 'ONE')))

    def info(self):
        with self.server.client() as client:
            return info(client)

    def log(self):
        with open(self.server.log_path, errors='replace') as log:
            return log.read()

    def copies(self):
        """Full and partial resyncs that it has given."""
        log = self.log()
        return log.count('event="full resync" '), log.count('event="partial resync" ')

    def asked_for_copies(self):
        """Up to which offset each replica that it gave a copy had somebody's history."""
        return [int(after) - 1 for after in re.findall(r'event="full resync" .* asked=\w+:(\d+)', self.log())]

    def remove(self):
        self.proxy.close()
        self.server.remove()


class World:
    """primary, and replicas[0] that most faults are about."""

    def __init__(self, seed, topology='pair', durability=('behind', 'behind'), little_memory=None):
        self.rng = random.Random(seed)
        self.seed, self.topology, self.durability, self.little_memory = seed, topology, durability, little_memory
        self.has_field_times = topology != 'redis'
        self.states = [{} for _ in range(STEADY)]
        self.writers, self.told, self.fillers = [], [], []
        self.totals = dict.fromkeys(('rounds', 'sent', 'full', 'partial', 'cheap', 'cheap_with_copy', 'cut_full', 'cut_partial',
                                     'restart_full', 'restart_partial', 'ranges'), 0)
        self.nodes = []
        try:
            self.primary = self.node('primary', None, 0)
            self.replicas = [self.node('replica', self.primary, 1)]
            if topology == 'chain':
                self.replicas.append(self.node('second', self.replicas[0], 1))
            if topology == 'redis':
                self.replicas.append(Node('redis', 'redis', self.primary))
                self.nodes.append(self.replicas[1])
            if little_memory:
                self.fill()
        except BaseException:
            self.remove()
            raise

    def node(self, name, master, side):
        directives = {'durability': self.durability[side]}
        if self.little_memory in (name, 'both'):
            directives['maxmemory'] = memory_of(24)
        node = Node(name, 'forebay', master, **directives)
        self.nodes.append(node)
        return node

    def fill(self):
        """More than fits into the memory of those that have little."""
        self.fillers = ['filler:%d' % i for i in range(FILLERS)]
        with self.primary.server.client() as client:
            client.ok('SELECT', FILLER_DB)
            batches(client, [('SET', name, (name * FILLER_BYTES)[:FILLER_BYTES]) for name in self.fillers])

    def describe(self):
        return 'seed %s, %s, durability %s, little memory: %s; faults: %s' % (
            self.seed, self.topology, '/'.join(self.durability), self.little_memory, ', '.join(self.told))

    def remove(self):
        for node in self.nodes:
            node.remove()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.remove()

    # ---- writers ----

    def start_writers(self):
        server = self.primary.server
        steady = [Steady(server, number, random.Random(self.rng.random()), state, self.has_field_times)
                  for number, state in enumerate(self.states)]
        wild = [Wild(server, random.Random(self.rng.random()), self.has_field_times) for _ in range(WILD)]
        self.writers = steady + wild
        for writer in self.writers:
            writer.start()

    def stop_writers(self):
        for writer in self.writers:
            writer.stop()
        self.totals['sent'] += sum(writer.history.sent for writer in self.writers[:STEADY])

    def check_steady(self):
        """N2, of the primary."""
        first_ms = int(time.time() * 1000) - CLOCK_MS
        with self.primary.server.client() as client:
            observed = observe.observe(client, self.has_field_times)
        look = model.Look(first_ms, int(time.time() * 1000) + CLOCK_MS)
        for number, writer in enumerate(self.writers[:STEADY]):
            own = {key: state for key, state in observed.items() if key.startswith(b'%d:' % number)}
            if self.has_lost_all:
                writer.history.before, writer.history.acknowledged = {}, 0
                writer.history.operations.clear()
            _, state, story = model.check_writer(writer.history, own, look)
            if story:
                raise Failure(story)
            self.states[number] = {key: value for key, value in state.items() if model.live(value, look.first_ms)}

    # ---- a round ----

    def caught_up(self):
        """N1, of offsets."""
        def equal():
            above = self.primary.info()
            for node in self.replicas:
                fields = node.info()
                if fields.get('master_link_status') != 'up' or fields['slave_repl_offset'] != node.master.info()['master_repl_offset']:
                    return False
                if node.kind == 'forebay' and (fields['master_replid'], fields['master_repl_offset']) != \
                        (above['master_replid'], above['master_repl_offset']):
                    return False
            return True
        try:
            wait_until(equal, 60, 'equal offsets', interval=0.02)
        except AssertionError:
            raise Failure('offsets do not become equal: %s' % [(node.name, node.info()) for node in self.nodes]) from None

    def compare(self):
        with self.primary.server.client() as one:
            for node in self.replicas:
                with node.server.client() as other:
                    try:
                        assert_same(one, other, self.has_field_times)
                        if self.fillers:
                            assert_same_fillers(one, other, FILLER_DB, self.fillers)
                    except AssertionError as error:
                        raise Failure('%s: %s' % (node.name, error)) from None

    def scrub(self):
        """N1, as the nodes find themselves. What passes that began by themselves have found meanwhile counts as well."""
        def complete():
            flat = client('REPLICATION', 'SCRUB')
            return flat if isinstance(flat, list) and flat[-1] == b'complete' else None
        with self.primary.server.client(timeout=120) as client:
            found = wait_until(complete, 60, 'a scrub of everything')
        self.totals['ranges'] += found[1]
        for node in self.nodes:
            if node.kind == 'forebay' and node.info()['scrub_mismatches'] != '0':
                raise Failure('%s: a scrub has found a difference: %s\n%s' % (
                    node.name, found, [line for line in node.log().splitlines() if 'differs' in line][:5]))
        if found[5] > 0:
            raise Failure('ranges were passed over though nobody writes: %s' % found)

    def copies(self):
        counts = [node.copies() for node in self.nodes if node.kind == 'forebay']
        return sum(full for full, _ in counts), sum(partial for _, partial in counts)

    def nap(self, least, most):
        """The time for which something lasts."""
        time.sleep(self.rng.uniform(least, most))

    def round(self, fault):
        self.told.append(fault.__name__)
        self.has_lost_all = False
        self.caught_up()
        before = self.copies()
        self.start_writers()
        try:
            self.nap(0.1, 0.6)
            is_cheap = fault(self)
            self.nap(0.1, 0.5)
        finally:
            for node in self.nodes:
                node.proxy.heal()
            self.stop_writers()
        self.caught_up()
        self.check_steady()
        self.compare()
        self.scrub()
        self.count(fault, before, is_cheap)

    def count(self, fault, before, is_cheap):
        full, partial = (after - earlier for after, earlier in zip(self.copies(), before))
        self.totals['rounds'] += 1
        self.totals['full'] += full
        self.totals['partial'] += partial
        if is_cheap and fault in CUTS + REPLICA_RESTARTS:
            kind = 'cut' if fault in CUTS else 'restart'
            self.totals[kind + '_full'] += full
            self.totals[kind + '_partial'] += partial
        if is_cheap:
            self.totals['cheap'] += 1
            self.totals['cheap_with_copy'] += full > 0
        if is_cheap and full:
            self.told[-1] += ' (%d copies)' % full

    # ---- what faults share ----

    def proxy(self):
        """Of one of the links."""
        return self.rng.choice(self.replicas).master.proxy

    def forebay_replica(self):
        return self.rng.choice([node for node in self.replicas if node.kind == 'forebay'])

    def restart(self, node, kill):
        """True if it comes back with what it had. Writers of a primary are gone after it."""
        if kill:
            node.server.kill()
        else:
            node.server.stop()
        if node is self.primary and not node.is_lasting:
            self.has_lost_all = True
        self.nap(0, 0.3)
        node.start()
        return node.is_lasting

    def begin_copy(self, node):
        """Has the node lose its history, and waits until a copy is under way, slowly."""
        node.follow(None)
        with node.server.client() as client:
            client.ok('SET', 'astray', 1)
        node.proxy.cut() if node is not self.replicas[-1] else None
        master = node.master = next(other for other in self.nodes if other is self.upstream(node))
        master.proxy.bytes_per_second = self.rng.choice((200000, 1000000, 4000000))
        node.follow(master)

        def is_copying():
            fields = node.info()
            return fields['master_sync_in_progress'] == '1' or fields['master_link_status'] == 'up'
        wait_until(is_copying, 60, 'a copy being under way')

    def upstream(self, node):
        return self.replicas[0] if self.topology == 'chain' and node is self.replicas[1] else self.primary


# ---- faults: each returns whether it must not have cost a copy ----

def cut(world):
    for _ in range(world.rng.randint(1, 3)):
        world.proxy().cut()
        world.nap(0, 0.2)
    return True


def cut_for_a_while(world):
    proxy = world.proxy()
    proxy.refuses = True
    proxy.cut()
    world.nap(0.2, 1.5)
    proxy.refuses = False
    return True


def cut_in_a_frame(world):
    proxy = world.proxy()
    for _ in range(world.rng.randint(1, 3)):
        proxy.cut_in = world.rng.randint(1, 5000)
        wait_until(lambda: proxy.cut_in is None, 20, 'so much being sent')
    return True


def one_way_end(world):
    world.proxy().end_one_way(world.rng.choice((UP, DOWN)))
    return True


def one_way_silence(world):
    proxy = world.proxy()
    proxy.stop(world.rng.choice((UP, DOWN)))
    world.nap(0.5, TIMEOUT_SECONDS + 2)
    proxy.go_on()
    return True


def delay(world):
    proxy = world.proxy()
    proxy.delay = world.rng.uniform(0.01, 0.2)
    world.nap(0.5, 1.5)
    proxy.delay = 0
    return True


def slow_link(world):
    proxy = world.proxy()
    proxy.bytes_per_second = world.rng.choice((20000, 100000))
    world.nap(0.5, 2)
    proxy.bytes_per_second = None
    return True


def kill_replica(world):
    return world.restart(world.forebay_replica(), True)


def restart_replica(world):
    return world.restart(world.forebay_replica(), False)


def kill_replica_again_and_again(world):
    replica = world.forebay_replica()
    return all([world.restart(replica, world.rng.random() < 0.8) for _ in range(3)])


def kill_primary(world):
    return world.restart(world.primary, True) and 'none' not in world.durability


def restart_primary(world):
    return world.restart(world.primary, False) and 'none' not in world.durability


def pause(world):
    node = world.rng.choice(world.nodes)
    os.kill(node.server.pid, signal.SIGSTOP)
    try:
        world.nap(0.3, TIMEOUT_SECONDS + 2)
    finally:
        os.kill(node.server.pid, signal.SIGCONT)
    return True


def lead_and_back(world):
    """It has expired nothing meanwhile, but may have written."""
    replica = world.forebay_replica()
    master = replica.master
    replica.follow(None)
    if world.rng.random() < 0.5:
        with replica.server.client() as client:
            client('SET', 'astray', 1)
    world.nap(0, 0.3)
    replica.follow(master)
    return False


def follow_anew_at_once(world):
    """REPLICAOF again and again, whatever is under way."""
    replica = world.forebay_replica()
    master = replica.master
    for _ in range(world.rng.randint(2, 6)):
        replica.follow(None)
        world.nap(0, 0.05)
        replica.follow(master)
        world.nap(0, 0.1)
    return False


def copy_cut(world):
    replica = world.forebay_replica()
    world.begin_copy(replica)
    world.nap(0, 0.3)
    replica.master.proxy.cut()
    world.nap(0, 0.3)
    return False


def copy_and_kill_replica(world):
    replica = world.forebay_replica()
    world.begin_copy(replica)
    world.nap(0, 0.3)
    world.restart(replica, world.rng.random() < 0.7)
    return False


def copy_and_kill_primary(world):
    world.begin_copy(world.replicas[0])
    world.nap(0, 0.3)
    world.restart(world.primary, world.rng.random() < 0.7)
    return False


def copy_and_lead(world):
    """What a part of a copy left is nobody's: a node that is told to lead in the middle of one begins empty, or has all."""
    replica = world.forebay_replica()
    world.begin_copy(replica)
    world.nap(0, 0.3)
    master = replica.master
    replica.follow(None)
    world.nap(0, 0.3)
    replica.follow(master)
    return False


def copy_under_whole_databases(world):
    """FLUSHALL and its like while ranges are being copied."""
    replica = world.forebay_replica()
    world.begin_copy(replica)
    with world.primary.server.client() as client:
        client.ok('SELECT', 3)
        for _ in range(world.rng.randint(1, 4)):
            client.ok(*world.rng.choice((('SWAPDB', 1, 2), ('SWAPDB', 1, 3), ('FLUSHDB',), ('SWAPDB', 2, 3))))
            world.nap(0, 0.2)
    return False


def flush_everything(world):
    """Steady writers would not know what of theirs is gone, so they have stopped."""
    for writer in world.writers[:STEADY]:
        writer.stop()
    with world.primary.server.client() as client:
        client.ok('FLUSHALL')
    world.has_lost_all = True
    if world.rng.random() < 0.5:
        world.begin_copy(world.forebay_replica())
        with world.primary.server.client() as client:
            client.ok('FLUSHALL')
    return False


def change_roles(world):
    """The replica leads when it has everything, and the old primary follows it, with all that followed it. It costs a copy if
    the old one has said something since, a ping or that a key has expired, which the new one has not."""
    for writer in world.writers:
        writer.stop()
    world.caught_up()
    old, new = world.primary, world.replicas[0]
    new.follow(None)
    led_from = int(new.info()['second_repl_offset']) - 1
    with new.server.client() as client:
        client.ok('SELECT', 1)
        client.ok('SET', 'n:1', 1)
    others = [node for node in world.replicas if node is not new]
    world.primary, world.replicas = new, [old] + others
    copies_before = len(new.asked_for_copies())
    old.follow(new)
    if world.topology == 'chain':
        others[0].follow(old)
    elif others:
        others[0].follow(new)
    wait_until(lambda: old.info()['master_link_status'] == 'up', 60, 'the old primary following')
    return all(offset <= led_from for offset in new.asked_for_copies()[copies_before:])


CUTS = (cut, cut_for_a_while, cut_in_a_frame, one_way_end, one_way_silence, delay, slow_link)
REPLICA_RESTARTS = (kill_replica, restart_replica, kill_replica_again_and_again)
FAULTS = CUTS + REPLICA_RESTARTS + (
    kill_primary, restart_primary, pause, lead_and_back, follow_anew_at_once, copy_cut, copy_and_kill_replica,
    copy_and_kill_primary, copy_and_lead, copy_under_whole_databases, flush_everything, change_roles)

WORLDS = (
    ('pair', ('behind', 'behind'), None),
    ('chain', ('behind', 'behind'), None),
    ('redis', ('behind', 'behind'), None),
    ('pair', ('none', 'none'), None),
    ('pair', ('behind', 'behind'), 'replica'),
    ('pair', ('behind', 'behind'), 'primary'),
    ('chain', ('none', 'none'), None),
    ('pair', ('behind', 'none'), None),
    ('pair', ('none', 'behind'), None),
    ('chain', ('behind', 'behind'), 'both'),
    ('redis', ('none', 'none'), None),
    ('redis', ('behind', 'behind'), 'primary'),
)


def world_of(number, seed):
    topology, durability, little_memory = WORLDS[number % len(WORLDS)]
    if topology == 'redis' and not servers.binary('redis'):
        topology = 'pair'
    return World('%d.%d' % (seed, number), topology, durability, little_memory)


def keep_directories(world, kept):
    """For a look at what every node had: logs, rows, the server's messages."""
    top = os.path.join(kept, world.seed)
    for node in world.nodes:
        node.server.kill()
        shutil.copytree(node.server.directory, os.path.join(top, node.name), dirs_exist_ok=True)


def run(world, faults, kept=None):
    """Rounds of a world, one for each fault. Raises Failure, which tells how the world came to be so; the nodes' directories
    are then copied below 'kept'."""
    for fault in faults:
        try:
            world.round(fault)
        except (AssertionError, OSError) as error:
            if kept:
                keep_directories(world, kept)
            raise Failure('%s\n%s' % (world.describe(), error)) from error
    return world.totals
