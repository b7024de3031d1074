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

A key's state is None, or (value, expiry in ms or None). A state whose expiry has passed counts as None, and one whose
expiry passed while the keys were looked at may be there or not.
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


class Look:
    """When the keys were looked at, by the server's clock: at 'first_ms' or later, not after 'last_ms'."""

    def __init__(self, first_ms, last_ms=None):
        self.first_ms = first_ms
        self.last_ms = first_ms if last_ms is None else last_ms

    def fits(self, expected, found):
        return found == live(expected, self.first_ms) or found == live(expected, self.last_ms)


def check_writer(history, observed, look, at_least=None):
    """(j, state at j, None), or (None, None, the story of what is wrong). 'observed' is {key: state} of all of the
    writer's keys that were there; 'at_least' replaces 'acknowledged' where the log was damaged."""
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
        if all(look.fits(state[key], observed.get(key)) for key in state):
            return j, state, None
    return None, None, tell(history, oldest, observed, look, at_least)


def tell(history, oldest, observed, look, at_least):
    """Which keys are as no operation left them, and which as different operations did."""
    lines = ['writer %s: no point between operation %d (must be there) and %d (sent) explains what is found:' % (
        history.name, at_least, history.sent)]
    for key in sorted(oldest):
        found = observed.get(key)
        fits = [at_least] if look.fits(oldest[key], found) else []
        state = oldest[key]
        for j in range(at_least, history.sent):
            state = history.operations[j].after.get(key, state)
            if look.fits(state, found):
                fits.append(j + 1)
        if fits and fits[0] == at_least and len(fits) == history.sent - at_least + 1:
            continue
        lines.append('  %r is %s, expected %s; fits operations %s' % (
            key, short(found), short(live(oldest[key], look.first_ms)), '%d..%d' % (fits[0], fits[-1]) if fits else 'none'))
    return '\n'.join(lines[:12])


def short(state):
    if state is None:
        return 'absent'
    value = repr(state[0])
    if len(value) > 200:
        value = '%s..%s (%d %s)' % (value[:90], value[-90:], len(state[0]), 'bytes' if isinstance(state[0], bytes) else 'elements')
    return value + (' until %d' % state[1] if state[1] is not None else '')
