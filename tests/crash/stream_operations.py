# SPDX-License-Identifier: BSD-3-Clause
"""A writer's changes of streams and their groups. A stream is kept as

    (last id, deleted up to, added, entries, groups)     an entry is (id, words), in order
                                                         a group is (name, last id, pending), by name
                                                         a pending entry is (id, consumer, deliveries), in order

with ids of whole milliseconds. Times of deliveries are the server's, and no part of it. A consumer without anything
pending is none, since who tries in vain may be forgotten.
"""
from tests.crash.model import Operation

STREAM = b'x'
LENGTH_MAX = 150
GROUPS, CONSUMERS = (b'g', b'h'), (b'a', b'b', b'c')
FIELDS_MANY = 200  # more than one effect of plain words holds
EMPTY = (0, 0, 0, (), ())


def parse_id(text):
    ms, seq = text.split(b'-')
    if int(seq):
        raise ValueError('%r is of nobody' % text)
    return int(ms)


def named(reply):
    return dict(zip(reply[::2], reply[1::2]))


def observe(reply):
    """The state of a reply to XINFO STREAM key FULL COUNT 0."""
    info = named(reply)
    groups = []
    for group in map(named, info[b'groups']):
        pending = tuple((parse_id(row[0]), row[1], row[3]) for row in group[b'pending'])
        held = sorted((parse_id(row[0]), consumer[b'name'], row[2])
                      for consumer in map(named, group[b'consumers']) for row in consumer[b'pending'])
        if list(pending) != held:
            raise AssertionError('the group has %r pending, its consumers %r' % (pending, held))
        groups.append((group[b'name'], parse_id(group[b'last-delivered-id']), pending))
    return (parse_id(info[b'last-generated-id']), parse_id(info[b'max-deleted-entry-id']), info[b'entries-added'],
            tuple((parse_id(row[0]), tuple(row[1])) for row in info[b'entries']), tuple(groups))


def held(w, key):
    state = w.state.get(key)
    return state[0] if state else EMPTY


def becomes(w, key, *stream):
    state = w.state.get(key)
    return {key: (stream, state[1] if state else None)}


def with_group(groups, group):
    return tuple(sorted((*(other for other in groups if other[0] != group[0]), group)))


def group_of(w, groups):
    name = w.random.choice(GROUPS)
    return name, next((group for group in groups if group[0] == name), None)


def one_entry(w, entries):
    return w.random.choice(entries)[0] if entries and w.random.random() < 0.9 else 7


def shown(entries):
    return [[b'%d-0' % at, list(words)] for at, words in entries]


def add_entry(w):
    """Sometimes with a trim, which is a part of it."""
    key = w.key(STREAM)
    last, deleted, added, entries, groups = held(w, key)
    at = last + w.random.randint(1, 3)
    fields = FIELDS_MANY if w.random.random() < 0.02 else w.random.choice((1, 1, 1, 2, 3))
    words = tuple(word for field in range(fields) for word in (b'f%d' % field, w.number_value()[:40]))
    entries = (*entries, (at, words))
    trim = []
    if len(entries) > LENGTH_MAX or w.random.random() < 0.1:
        length = w.random.randint(0, LENGTH_MAX // 2)
        trim, entries = ['MAXLEN', length], entries[-length:] if length else ()
    return Operation([('XADD', key, *trim, at, *words)], becomes(w, key, at, deleted, added + 1, entries, groups), b'%d-0' % at)


def delete_entries(w):
    key = w.key(STREAM)
    last, deleted, added, entries, groups = held(w, key)
    ids = {one_entry(w, entries) for _ in range(2)}
    left = tuple(entry for entry in entries if entry[0] not in ids)
    gone = [at for at, _ in entries if at in ids]
    if not gone:
        return Operation([('XDEL', key, *ids)], {}, 0)
    return Operation([('XDEL', key, *ids)], becomes(w, key, last, max(deleted, *gone), added, left, groups), len(gone))


def trim_by_id(w):
    key = w.key(STREAM)
    last, deleted, added, entries, groups = held(w, key)
    least = one_entry(w, entries[:10])
    left = tuple(entry for entry in entries if entry[0] >= least)
    if len(left) == len(entries):
        return Operation([('XTRIM', key, 'MINID', least)], {}, 0)
    return Operation([('XTRIM', key, 'MINID', least)], becomes(w, key, last, deleted, added, left, groups), len(entries) - len(left))


def make_or_destroy_group(w):
    key = w.key(STREAM)
    *counters, groups = held(w, key)
    name, group = group_of(w, groups)
    if group and w.random.random() < 0.3:
        left = tuple(other for other in groups if other != group)
        return Operation([('XGROUP', 'DESTROY', key, name)], becomes(w, key, *counters, left), 1)
    if group:
        return Operation([('XGROUP', 'SETID', key, name, 0)], becomes(w, key, *counters, with_group(groups, (name, 0, group[2]))), 'OK')
    return Operation([('XGROUP', 'CREATE', key, name, '0', 'MKSTREAM')], becomes(w, key, *counters, with_group(groups, (name, 0, ()))), 'OK')


def read_group(w):
    key = w.key(STREAM)
    last, deleted, added, entries, groups = held(w, key)
    name, group = group_of(w, groups)
    if not group:
        return make_or_destroy_group(w)
    consumer, count = w.random.choice(CONSUMERS), w.random.randint(1, 5)
    new = [entry for entry in entries if entry[0] > group[1]][:count]
    pending = {row[0]: row for row in group[2]}
    pending.update((at, (at, consumer, 1)) for at, _ in new)
    reached = new[-1][0] if new else group[1]
    after = with_group(groups, (name, reached, tuple(sorted(pending.values()))))
    return Operation([('XREADGROUP', 'GROUP', name, consumer, 'COUNT', count, 'STREAMS', key, '>')],
                     becomes(w, key, last, deleted, added, entries, after) if new else {}, [[key, shown(new)]] if new else None)


def acknowledge(w):
    key = w.key(STREAM)
    *counters, groups = held(w, key)
    name, group = group_of(w, groups)
    if not group or not group[2]:
        return read_group(w)
    ids = {w.random.choice(group[2])[0] for _ in range(2)}
    left = tuple(row for row in group[2] if row[0] not in ids)
    return Operation([('XACK', key, name, *ids)], becomes(w, key, *counters, with_group(groups, (*group[:2], left))), len(ids))


def claim(w):
    """Of what was not deleted meanwhile."""
    key = w.key(STREAM)
    *counters, entries, groups = held(w, key)
    name, group = group_of(w, groups)
    there = {entry[0] for entry in entries}
    rows = [row for row in group[2] if row[0] in there] if group else []
    if not rows:
        return read_group(w)
    at, _, deliveries = w.random.choice(rows)
    consumer, again = w.random.choice(CONSUMERS), w.random.randint(2, 9)
    pending = tuple((at, consumer, again) if row[0] == at else row for row in group[2])
    return Operation([('XCLAIM', key, name, consumer, 0, at, 'RETRYCOUNT', again, 'JUSTID')],
                     becomes(w, key, *counters, entries, with_group(groups, (*group[:2], pending))), [b'%d-0' % at])


OPERATIONS = [add_entry, add_entry, add_entry, delete_entries, trim_by_id, make_or_destroy_group, read_group, read_group,
              acknowledge, claim]
