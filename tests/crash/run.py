# SPDX-License-Identifier: BSD-3-Clause
"""Kills a server while writers are at work, starts it again on what is left, and checks that against model.py.

    python3 -m tests.crash.run --kills 1000 --seed 3 --durability through [--damage] [--kind redis]

One data directory lives through all kills of a run, so that recoveries of recoveries are checked as well.
"""
import argparse
import glob
import os
import random
import re
import sys
import time

from tests.crash import model
from tests.crash.observe import observe
from tests.crash.writer import Writer
from tests.lib import server as servers
from tests.lib.server import wait_until

WRITERS = 4
CLOCK_MS = 400  # how far the server's clock, read once in a turn, may be from ours

DIRECTIVES = {
    ('forebay', 'behind'): {'durability': 'behind'},
    ('forebay', 'through'): {'durability': 'through'},
    ('forebay', 'none'): {'durability': 'none'},
    ('redis', 'none'): {'appendonly': 'no'},
    ('redis', 'behind'): {'appendonly': 'yes', 'appendfsync': 'everysec'},
    ('redis', 'through'): {'appendonly': 'yes', 'appendfsync': 'always'},
}


class Lost(AssertionError):
    """What was found after a crash is not what may be there."""


def log_segments(directory):
    """The log's files, oldest first."""
    return sorted(glob.glob(os.path.join(directory, '**', 'log-*.seg'), recursive=True))


def bytes_used(segment):
    """How long a segment is without the zeros that may stand ahead of what is written."""
    with open(segment, 'rb') as file:
        return len(file.read().rstrip(b'\0'))


class Mark:
    """A moment: what was acknowledged, and, looked at afterwards, how far the log had come."""

    def __init__(self, writers, directory):
        self.acknowledged = [writer.history.acknowledged for writer in writers]
        segments = log_segments(directory)
        self.segment = segments[-1] if segments else None
        self.used = bytes_used(self.segment) if self.segment else 0


def damage(directory, mark, rng):
    """Cuts off or changes bytes of the last segment, all of them behind the mark. Says what it did, or None."""
    segments = log_segments(directory)
    if not segments:
        return None
    last = segments[-1]
    if last != mark.segment:
        return None  # its header would be within reach, which no crash spoils after a sync of the segment before
    end = bytes_used(last)
    if end <= mark.used:
        return None
    at = rng.randint(mark.used, end - 1)
    with open(last, 'r+b') as segment:
        if rng.random() < 0.5:
            segment.truncate(at)
            return 'cut %s at %d of %d' % (os.path.basename(last), at, end)
        segment.seek(at)
        byte = segment.read(1)[0]
        segment.seek(at)
        segment.write(bytes([byte ^ 1 << rng.randrange(8)]))
        return 'flipped a bit of %s at %d of %d' % (os.path.basename(last), at, end)


def start_or_obey(server):
    """Starts a server on a damaged log. It may refuse where it sees that bytes behind the damage had been synced, for
    then it is not a torn end but a spoilt disk; it must say which command gives up what follows, and that is run."""
    try:
        server.start()
        return ''
    except ChildProcessError as refusal:
        advice = re.findall(r'truncate -s (\d+) (\S+log-\d+\.seg)', str(refusal))
        if not advice:
            raise Lost('the start failed without advice:\n%s' % refusal) from None
    size, path = advice[-1]
    os.truncate(path, int(size))
    server.start()
    return ', then cut as the server advised'


def crash_once(server, rng, states, with_damage=False):
    """Writers at work, a kill, a start, a check. Returns the writers' states from which the next round goes on."""
    writers = [Writer(server, number, random.Random(rng.random()), state) for number, state in enumerate(states)]
    for writer in writers:
        writer.start()
    began, seconds = time.monotonic(), rng.choice((0.02, 0.1, 0.3, 0.6)) * (0.5 + rng.random())
    wait_until(lambda: time.monotonic() >= began + seconds * 0.6, what='the moment of the mark', interval=0.001)
    mark = Mark(writers, server.directory)
    wait_until(lambda: time.monotonic() >= began + seconds, what='the moment of the kill', interval=0.001)
    if with_damage:
        wait_until(lambda: any(writer.history.acknowledged > before for writer, before in zip(writers, mark.acknowledged)) or
                   not any(writer.is_alive() for writer in writers), what='something behind the mark')
    server.kill()
    for writer in writers:
        writer.join(60)
        if writer.is_alive():
            raise Lost('%s does not notice the end' % writer.name)
        if writer.failure:
            raise Lost(writer.failure)
    told = damage(server.directory, mark, rng) if with_damage else None
    started = time.monotonic()
    if told:
        told += start_or_obey(server)
    else:
        server.start()
    start_seconds = time.monotonic() - started
    with server.client() as client:
        try:
            found = check(client, writers, mark.acknowledged if told else None)
        except Lost as lost:
            raise Lost('%s\n%s' % (told or 'no damage', lost)) from None
    return found, {'sent': sum(writer.history.sent for writer in writers), 'damage': told, 'start_seconds': start_seconds}


def now_ms():
    return int(time.time() * 1000)


def check(client, writers, marks=None):
    """C1 and C2 of model.py. Returns each writer's state."""
    first_ms = now_ms() - CLOCK_MS
    observed = observe(client, with_fields=writers[0].server.kind == 'forebay')
    look = model.Look(first_ms, now_ms() + CLOCK_MS)
    states, ever, wrong = [], {}, []
    for number, writer in enumerate(writers):
        prefix = b'%d:' % writer.number
        own = {key: state for key, state in observed.items() if key.startswith(prefix)}
        j, state, story = model.check_writer(writer.history, own, look, marks[number] if marks else None)
        if story:
            wrong.append(story)
        else:
            states.append({key: value for key, value in state.items() if model.live(value, look.first_ms)})
            ever.update(state)
    if wrong:
        raise Lost('\n'.join(wrong))
    foreign = observed.keys() - ever.keys()
    if foreign:
        raise Lost('nobody wrote %r' % foreign)
    try:
        wait_until(lambda: miscounted(client, ever) == 0, what='DBSIZE being the number of keys')
    except AssertionError as error:
        raise Lost('%s: it is off by %d' % (error, miscounted(client, ever))) from None
    return states


def miscounted(client, states):
    """How much larger DBSIZE is than the number of keys. One whose time has passed is counted until somebody looks."""
    gone = [key for key, state in states.items() if not model.live(state, now_ms())]
    client.pipeline([('EXISTS', key) for key in gone])
    return client('DBSIZE') - sum(1 for state in states.values() if model.live(state, now_ms()))


def run(kind, durability, kills, seed, with_damage=False, progress=None, **directives):
    """A whole run. Raises Lost."""
    rng = random.Random(seed)
    totals = {'kills': 0, 'sent': 0, 'damaged': 0, 'obeyed': 0, 'start_seconds_max': 0.0}
    with servers.start(kind, **{**DIRECTIVES[kind, durability], **directives}) as server:
        states = [{} for _ in range(WRITERS)]
        for _ in range(kills):
            states, told = crash_once(server, rng, states, with_damage)
            totals['kills'] += 1
            totals['sent'] += told['sent']
            totals['damaged'] += bool(told['damage'])
            totals['obeyed'] += 'advised' in (told['damage'] or '')
            totals['start_seconds_max'] = max(totals['start_seconds_max'], told['start_seconds'])
            if progress:
                progress(totals)
    return totals


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--durability', choices=('behind', 'through'), default='behind')
    parser.add_argument('--damage', action='store_true', help='also spoil the end of the log')
    parser.add_argument('--kind', choices=('forebay', 'redis'), default='forebay')
    parser.add_argument('--directives', default='', help='name=value,name=value: durability-log-max=8mb, for checkpoints')
    options = parser.parse_args()
    directives = dict(pair.split('=', 1) for pair in options.directives.split(',') if pair)
    try:
        totals = run(options.kind, options.durability, options.kills, options.seed, options.damage,
                     progress=lambda totals: print('\r%(kills)d kills, %(sent)d operations' % totals, end='', flush=True),
                     **directives)
    except Lost as lost:
        print('\nseed %d: %s' % (options.seed, lost))
        return 1
    print('\n%s' % totals)
    return 0


if __name__ == '__main__':
    sys.exit(main())
