# SPDX-License-Identifier: BSD-3-Clause
"""Sends the same random commands to the reference server and to ours, and compares every reply and all that is left.

    python3 -m tests.differential.run --commands 1000000 --seed 7 [--families string,key] [--ours 'flags']

Commands come in cases of a few hundred over two connections, each case on an empty server, so that a difference can
be told by one case, which is then cut down to the few commands that matter. A case is named by its seed:
--case SEED runs that one alone.
"""
import argparse
import random
import re
import sys
import time

from tests.differential import compare, deviations, families
from tests.differential.shapes import Shapes
from tests.lib import payload, resp, server as servers

CASE_COMMANDS = 250
CONNECTIONS = 2
SCAN = b'WHOLE-SCAN'
DATABASES = 16


class Difference(Exception):
    """Both servers answered, and not the same. Differences of the same mark are likely to have one cause."""

    def __init__(self, text, mark=None):
        super().__init__(text)
        self.mark = mark or re.sub(r"'[^']*'|\d+", '', text)[:60]


def limits_memory(words):
    """Words that were made up may become a CONFIG SET that both sides accept: it would outlive its case, and from then
    on every write of the run would be compared as the same refusal."""
    names = [word.lower() for word in words[2::2]]
    return [word.upper() for word in words[:2]] == [b'CONFIG', b'SET'] and b'maxmemory' in names and words[3:] != [b'x']


def generate(seed, length=CASE_COMMANDS, weights=families.FAMILIES):
    """The steps of a case: (connection, words). WHOLE-SCAN with SCAN's options stands for a whole iteration."""
    shapes = Shapes(seed)
    makers, odds = zip(*weights)
    steps = []
    connection = 0
    for number in range(CONNECTIONS):
        steps.append((number, [b'HELLO', shapes.one_of(b'2', b'3')]))
    while len(steps) < length:
        if shapes.chance(0.07):
            connection = shapes.random.randrange(CONNECTIONS)
        if shapes.chance(0.005):
            options = shapes.one_of([], [b'MATCH', shapes.pattern()], [b'TYPE', b'string'], [b'TYPE', b'list'])
            steps.append((connection, [SCAN] + options + [b'COUNT', shapes.one_of(b'1', b'3', b'10', b'1000')]))
            continue
        words = shapes.random.choices(makers, odds)[0](shapes)
        if words[0].upper() not in families.FORBIDDEN and not deviations.changes_transactions(words) and not limits_memory(words):
            steps.append((connection, words))
    return steps


class Side:
    """One server and the case's connections to it."""

    def __init__(self, server):
        self.server = server
        self.control = server.client()
        self.clients = []

    def begin(self):
        for client in self.clients:
            client.close()
        self.control.ok('FLUSHALL')
        self.clients = [self.server.client() for _ in range(CONNECTIONS)]

    def exchange(self, connection, commands):
        """(parsed, bytes) of the reply to each command, sent as one pipeline."""
        client = self.clients[connection]
        client.send_raw(b''.join(resp.encode(*words) for words in commands))
        replies = []
        for words in commands:
            try:
                replies.append((client.read(), client.raw()))
            except (OSError, ValueError) as error:
                raise Difference('%s at %r: %s' % (self.server.kind, words, error)) from error
        return replies

    def whole_scan(self, connection, options):
        """All keys of a whole iteration, or the first reply that is not one (an error, QUEUED)."""
        client = self.clients[connection]
        cursor, found = b'0', []
        for _ in range(100000):
            reply = client('SCAN', cursor, *options)
            if not isinstance(reply, list):
                return reply
            cursor, keys = reply
            found += keys
            if cursor == b'0':
                return sorted(set(found))
        raise Difference('%s: a scan does not end' % self.server.kind)


def run_case(steps, reference, ours):
    """Difference if the two sides differ anywhere."""
    reference.begin()
    ours.begin()
    states = [compare.Connection() for _ in range(CONNECTIONS)]
    at = 0
    while at < len(steps):
        connection, words = steps[at]
        if words[0] == SCAN:
            compare_scan(steps[at], reference, ours, states[connection])
            at += 1
            continue
        end = at
        while end < len(steps) and steps[end][0] == connection and steps[end][1][0] != SCAN:
            end += 1
        commands = [words for _, words in steps[at:end]]
        for words, expected, got in zip(commands, reference.exchange(connection, commands),
                                        ours.exchange(connection, commands)):
            difference = states[connection].differs(words, expected, got)
            if difference:
                known = not (b'unknown command' in expected[1] and b'unknown command' in got[1])
                mark = (known and compare.name_of(words), kind_of(expected[1]), kind_of(got[1]))
                raise Difference('%s: %s' % (show(words), difference), mark)
        at = end
    compare_ends(reference, ours)


def kind_of(reply):
    """What a reply is, roughly: an error's text, otherwise its type."""
    return reply.split(b"'")[0][:50] if reply.startswith(b'-') else reply[:1]


def compare_scan(step, reference, ours, state):
    connection, words = step
    expected = reference.whole_scan(connection, words[1:])
    got = ours.whole_scan(connection, words[1:])
    if expected == 'QUEUED':
        state.queued.append([b'SCAN', b'0'] + words[1:])
    if expected != got and not deviations.explain([b'SCAN'], expected, got):
        raise Difference('whole SCAN %r: expected %r, got %r' % (words[1:], expected, got))


def compare_ends(reference, ours):
    """What is left in all databases: names, types, expiry, encodings, payloads; and each restores the other's."""
    for database in range(DATABASES):
        contents = []
        for side in (reference, ours):
            side.control.ok('SELECT', database)
            contents.append(sorted(side.control('KEYS', '*')))
        expected, got = contents
        if expected != got:
            raise Difference('db %d holds %r, expected %r' % (database, got, expected))
        for size in (side.control('DBSIZE') for side in (reference, ours)):
            if size != len(expected):
                raise Difference('db %d: DBSIZE %d, but %d keys' % (database, size, len(expected)))
        for key in expected:
            compare_key(database, key, reference.control, ours.control)
    for side in (reference, ours):
        side.control.ok('SELECT', 0)


# How all of a collection is read, and whether in an order that both servers have.
CONTENTS = {
    'list': (('LRANGE', 0, -1), True),
    'set': (('SMEMBERS',), False),
    'hash': (('HGETALL',), False),
    'zset': (('ZRANGE', 0, -1, 'WITHSCORES'), True),
    'stream': (('XRANGE', '-', '+'), True),
}


def content(side, kind, key):
    """All that a key holds, in a form that is the same wherever it is kept."""
    if kind not in CONTENTS:
        return payload.body(side('DUMP', key))
    (name, *arguments), ordered = CONTENTS[kind]
    reply = side(name, key, *arguments)
    if kind == 'hash' and isinstance(reply, list):
        reply = list(zip(reply[::2], reply[1::2]))
    return reply if ordered else sorted(reply.items() if isinstance(reply, dict) else reply)


def compare_key(database, key, reference, ours):
    questions = [('TYPE', key), ('OBJECT', 'ENCODING', key), ('DUMP', key), ('PEXPIRETIME', key)]
    expected, got = reference.pipeline(questions), ours.pipeline(questions)
    for question, left, right in zip(questions[:2], expected, got):
        if left != right and not deviations.explain([question[0].encode(), b'ENCODING', key], left, right):
            raise Difference('db %d: %r is %r, expected %r' % (database, question, right, left))
    dump, our_dump = expected[2], got[2]
    kind = str(expected[0])
    if content(reference, kind, key) != content(ours, kind, key):
        raise Difference('db %d: DUMP %r is %s, expected %s' % (database, key, compare.shorten(our_dump), compare.shorten(dump)))
    if abs(expected[3] - got[3]) > compare.SECONDS_TOLERANCE * 1000 or min(expected[3], got[3]) < min(0, expected[3]):
        raise Difference('db %d: %r expires at %d, expected %d' % (database, key, got[3], expected[3]))
    if payload.crc64(b'') != 0:
        raise AssertionError('crc64 is broken')
    for side, foreign in ((reference, our_dump), (ours, dump)):
        reply = side('RESTORE', 'restored', 0, foreign, 'REPLACE')
        if reply != 'OK' or content(side, kind, 'restored') != content(side, kind, key):
            raise Difference('db %d: the other side\'s DUMP of %r is not restored: %r' % (database, key, reply))
        side('DEL', 'restored')


def minimize(steps, mark, reference, ours, seconds=20):
    """Removes what the difference of this mark does not need, by halves and then smaller pieces, within a budget of time."""
    end = time.monotonic() + seconds

    def still_differs(candidate):
        try:
            run_case(candidate, reference, ours)
            return False
        except Difference as difference:
            return difference.mark == mark

    piece = len(steps) // 2
    while piece and time.monotonic() < end:
        at = 0
        while at < len(steps) and time.monotonic() < end:
            candidate = steps[:at] + steps[at + piece:]
            if candidate and still_differs(candidate):
                steps = candidate
            else:
                at += piece
        piece //= 2
    return steps


def show(words):
    return ' '.join(compare.shorten(word, 60)[1:] for word in words)


def tell(seed, steps, difference, reference, ours):
    """The story of a difference, as short as it can be made."""
    lines = ['case %d: %s' % (seed, difference)]
    if not ours.server.is_alive():
        return '\n'.join(lines + ['the server died:', ours.server.log_tail()])
    small = minimize(steps, difference.mark, reference, ours)
    try:
        run_case(small, reference, ours)
    except Difference as smaller:
        lines.append('cut down to: %s' % smaller)
    return '\n'.join(lines + ['  client %d: %s' % (connection, show(words)) for connection, words in small])


def run(commands, seed, our_server, reference_server, weights=families.FAMILIES, most_differences=5, progress=None):
    """Runs cases until enough commands were sent; returns the stories of the differences found."""
    reference, ours = Side(reference_server), Side(our_server)
    seeds = random.Random(seed)
    stories, seen, sent = [], set(), 0
    while sent < commands and len(stories) < most_differences:
        case = seeds.randrange(1 << 40)
        steps = generate(case, weights=weights)
        try:
            run_case(steps, reference, ours)
        except Difference as difference:
            if difference.mark not in seen:
                seen.add(difference.mark)
                stories.append(tell(case, steps, difference, reference, ours))
            if not our_server.is_alive():
                break
        sent += len(steps)
        if progress:
            progress(sent, stories)
    return stories


def chosen(names):
    if not names:
        return families.FAMILIES
    wanted = {name + '_family' for name in names.split(',')}
    return [row for row in families.FAMILIES if row[0].__name__ in wanted]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--commands', type=int, default=50000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--case', type=int, help='run this one case, and cut it down if it differs')
    parser.add_argument('--families', help='comma-separated: ' + ', '.join(f.__name__[:-7] for f, _ in families.FAMILIES))
    parser.add_argument('--ours', default='forebay', choices=('forebay', 'redis'))
    parser.add_argument('--differences', type=int, default=10, help='stop after so many')
    parser.add_argument('--directives', default='', help='of our server: name=value,name=value')
    options = parser.parse_args()
    directives = dict(pair.split('=', 1) for pair in options.directives.split(',') if pair)
    started = time.monotonic()
    with servers.start('redis') as reference, servers.start(options.ours, **directives) as ours:
        if options.case is not None:
            steps = generate(options.case, weights=chosen(options.families))
            sides = Side(reference), Side(ours)
            try:
                run_case(steps, *sides)
                stories = []
            except Difference as difference:
                stories = [tell(options.case, steps, difference, *sides)]
        else:
            stories = run(options.commands, options.seed, ours, reference, chosen(options.families), options.differences)
    for story in stories:
        print(story + '\n')
    print('%d differences in %.0f seconds' % (len(stories), time.monotonic() - started))
    return 1 if stories else 0


if __name__ == '__main__':
    sys.exit(main())
