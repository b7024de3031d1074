# SPDX-License-Identifier: BSD-3-Clause
"""What a crash may leave, and what not.

A *writer* is one connection that changes only its own keys. Each of its operations changes a few keys together, and
what they are afterwards is known beforehand. So the writer's run is a list of operations, of which at the crash the
first 'acknowledged' were answered and the first 'sent' were sent. After the crash:

C1  there is one number j, acknowledged <= j <= sent, such that each of the writer's keys is as operation j left it.
    An operation of several keys (MULTI, MSET, RENAME) is thus never torn, a deletion stays, and so does an expiry
    time, to the millisecond. That one j serves all keys says that the writer's order was kept as well.
C2  no other keys exist: DBSIZE is the number of keys that C1 expects.

Where bytes at the log's end were damaged, 'acknowledged' is replaced by what was acknowledged at an earlier mark,
since which the log only grew, and the damage is behind that mark: this is what a lost machine leaves of a log that was
synced up to the mark.

A key's state is None, or (value, expiry in ms or None). A state whose expiry has passed counts as None.
"""


class Operation:
    """words: one command or, in a transaction, several; after: {key: state}; reply: what the server must answer."""

    __slots__ = ('commands', 'after', 'reply')

    def __init__(self, commands, after, reply):
        self.commands = commands
        self.after = after
        self.reply = reply


class History:
    """A writer's operations since the state in 'before', and how far they came."""

    def __init__(self, name, before=None):
        self.name = name
        self.before = dict(before or {})
        self.operations = []
        self.acknowledged = 0

    @property
    def sent(self):
        return len(self.operations)


def live(state, now_ms):
    return None if state is None or state[1] is not None and state[1] <= now_ms else state


def matches(expected, observed, now_ms):
    return all(live(expected[key], now_ms) == observed.get(key) for key in expected)


def check_writer(history, observed, now_ms, at_least=None):
    """(j, state at j, None), or (None, None, the story of what is wrong). 'observed' is {key: state} of all of the
    writer's keys that exist; 'at_least' replaces 'acknowledged' where the log was damaged."""
    at_least = history.acknowledged if at_least is None else at_least
    state = dict(history.before)
    for operation in history.operations[:at_least]:
        state.update(operation.after)
    for key in observed:
        state.setdefault(key, None)
    for operation in history.operations:
        for key in operation.after:
            state.setdefault(key, None)
    oldest = dict(state)
    for j in range(at_least, history.sent + 1):
        if j > at_least:
            state.update(history.operations[j - 1].after)
        if matches(state, observed, now_ms):
            return j, state, None
    return None, None, tell(history, oldest, observed, now_ms, at_least)


def tell(history, oldest, observed, now_ms, at_least):
    """Which keys are as no operation left them, and which as different operations did."""
    lines = ['writer %s: no point between operation %d (must be there) and %d (sent) explains what is found:' % (
        history.name, at_least, history.sent)]
    for key in sorted(oldest):
        found = observed.get(key)
        fits = [at_least] if live(oldest[key], now_ms) == found else []
        state = oldest[key]
        for j in range(at_least, history.sent):
            state = history.operations[j].after.get(key, state)
            if live(state, now_ms) == found:
                fits.append(j + 1)
        if fits and fits[0] == at_least and len(fits) == history.sent - at_least + 1:
            continue
        lines.append('  %r is %s, expected %s; fits operations %s' % (
            key, short(found), short(live(oldest[key], now_ms)), '%d..%d' % (fits[0], fits[-1]) if fits else 'none'))
    return '\n'.join(lines[:12])


def short(state):
    if state is None:
        return 'absent'
    value = repr(state[0]) if len(state[0]) < 40 else '%r..%r (%d bytes)' % (state[0][:12], state[0][-12:], len(state[0]))
    return value + (' until %d' % state[1] if state[1] is not None else '')
