# SPDX-License-Identifier: BSD-3-Clause
"""A writer's changes of lists, sets, hashes and sorted sets: of one, of two together, and of all four in a transaction.

A collection is kept as a tuple in an order of its own, so that states can be compared whatever order a server has:

    list     elements, as they stand              hash     (field, value, expiry in ms or None), by field
    set      members, sorted                      sorted set    (score, member), as the server sorts them

Streams are told of in tests/crash/stream_operations.py. How each is read back is told by tests/crash/observe.py.
"""
from tests.crash.model import Operation
from tests.crash.stream_operations import STREAM

LIST, SET, HASH, ZSET = b'l', b't', b'h', b'z'
KINDS = (LIST, SET, HASH, ZSET, STREAM)
MEMBERS = 40
MANY = 300  # more than stands in any compact encoding
MEMBERS_MAX = 2000
DAY_MS = 86400000


def contents(w, key):
    state = w.state.get(key)
    return state[0] if state else ()


def becomes(w, key, elements):
    """The key's state with these elements: none of them is no key, and an expiry stays."""
    state = w.state.get(key)
    return {key: (tuple(elements), state[1] if state else None) if elements else None}


def element(w):
    return b'%d' % w.random.randrange(MEMBERS) + b'y' * w.random.choice((0, 0, 0, 10, 100))


def some(w, most=4):
    """A few different elements, rarely very many."""
    if w.random.random() < 0.02:
        start = w.random.randrange(100000)
        return [b'%d' % (start + i) for i in range(MANY)]
    return list(dict.fromkeys(element(w) for _ in range(w.random.randint(1, most))))


def drop_if_long(w, key):
    """The deletion of a collection that has become too long for its history to be kept, or None."""
    if len(contents(w, key)) > MEMBERS_MAX:
        return Operation([('DEL', key)], {key: None}, 1)
    return None


# ---- lists ----

def push(w):
    key, more, left = w.key(LIST), some(w), w.random.random() < 0.5
    before = contents(w, key)
    after = (*reversed(more), *before) if left else (*before, *more)
    return drop_if_long(w, key) or Operation([('LPUSH' if left else 'RPUSH', key, *more)], becomes(w, key, after), len(after))


def pop(w):
    key = w.key(LIST)
    before = contents(w, key)
    if w.random.random() < 0.5:
        return Operation([('LPOP', key)], becomes(w, key, before[1:]), before[0] if before else None)
    return Operation([('RPOP', key)], becomes(w, key, before[:-1]), before[-1] if before else None)


def trim(w):
    key = w.key(LIST)
    before = contents(w, key)
    start, stop = w.random.randint(0, 3), w.random.randint(2, 60)
    return Operation([('LTRIM', key, start, stop)], becomes(w, key, before[start:stop + 1]), 'OK')


def replace_element(w):
    key, new = w.key(LIST), element(w)
    before = contents(w, key)
    if not before:
        return push(w)
    at = w.random.randrange(len(before))
    return Operation([('LSET', key, at, new)], becomes(w, key, (*before[:at], new, *before[at + 1:])), 'OK')


def insert_element(w):
    key, pivot, new = w.key(LIST), element(w), element(w)
    before = contents(w, key)
    if pivot not in before:
        return Operation([('LINSERT', key, 'BEFORE', pivot, new)], {}, -1 if before else 0)
    at = before.index(pivot)
    after = (*before[:at], new, *before[at:])
    return Operation([('LINSERT', key, 'BEFORE', pivot, new)], becomes(w, key, after), len(after))


def remove_elements(w):
    key, old = w.key(LIST), element(w)
    before = contents(w, key)
    after = [one for one in before if one != old]
    return Operation([('LREM', key, 0, old)], becomes(w, key, after), len(before) - len(after))


def move_between_lists(w):
    source, target = w.key(LIST), w.key(LIST)
    before = contents(w, source)
    if source == target:
        return push(w)
    if not before:
        return Operation([('LMOVE', source, target, 'LEFT', 'RIGHT')], {}, None)
    after = {**becomes(w, source, before[1:]), **becomes(w, target, (*contents(w, target), before[0]))}
    return Operation([('LMOVE', source, target, 'LEFT', 'RIGHT')], after, before[0])


# ---- sets ----

def add_members(w):
    key, more = w.key(SET), some(w)
    before = contents(w, key)
    after = sorted({*before, *more})
    return drop_if_long(w, key) or Operation([('SADD', key, *more)], becomes(w, key, after), len(after) - len(before))


def remove_members(w):
    key, old = w.key(SET), some(w)
    before = contents(w, key)
    after = sorted({*before} - {*old})
    return Operation([('SREM', key, *old)], becomes(w, key, after), len(before) - len(after))


def move_between_sets(w):
    source, target, member = w.key(SET), w.key(SET), element(w)
    before = contents(w, source)
    if source == target:
        return add_members(w)
    if member not in before:
        return Operation([('SMOVE', source, target, member)], {}, 0)
    after = {**becomes(w, source, sorted({*before} - {member})),
             **becomes(w, target, sorted({*contents(w, target), member}))}
    return Operation([('SMOVE', source, target, member)], after, 1)


def store_union(w):
    target, left, right = w.key(SET), w.key(SET), w.key(SET)
    after = tuple(sorted({*contents(w, left), *contents(w, right)}))
    return Operation([('SUNIONSTORE', target, left, right)], {target: (after, None) if after else None}, len(after))


# ---- hashes ----

def rows_of(fields):
    return sorted((field, *held) for field, held in fields.items())


def fields_of(w, key):
    return {field: (value, at) for field, value, at in contents(w, key)}


def set_fields(w):
    key, names = w.key(HASH), some(w)
    fields = fields_of(w, key)
    before, value = len(fields), w.number_value()[:200]
    fields.update((name, (value, None)) for name in names)
    words = [word for name in names for word in (name, value)]
    return drop_if_long(w, key) or Operation([('HSET', key, *words)], becomes(w, key, rows_of(fields)), len(fields) - before)


def remove_fields(w):
    key, names = w.key(HASH), some(w)
    fields = fields_of(w, key)
    removed = sum(1 for name in names if fields.pop(name, None))
    return Operation([('HDEL', key, *names)], becomes(w, key, rows_of(fields)), removed)


def increment_field(w):
    key, name = w.key(HASH), b'count'
    fields = fields_of(w, key)
    value, at = fields.get(name, (b'0', None))
    fields[name] = (b'%d' % (int(value) + 7), at)
    return Operation([('HINCRBY', key, name, 7)], becomes(w, key, rows_of(fields)), int(value) + 7)


def expire_fields(w):
    """Where the server has it: the reference of 7.0 has not."""
    key, name = w.key(HASH), element(w)
    if w.server.kind != 'forebay':
        return set_fields(w)
    fields, at = fields_of(w, key), w.now_ms() + w.random.randint(1, 9) * DAY_MS
    reply = [-2]
    if name in fields:
        fields[name], reply = (fields[name][0], at), [1]
    return Operation([('HPEXPIREAT', key, at, 'FIELDS', 1, name)], becomes(w, key, rows_of(fields)), reply)


# ---- sorted sets ----

def scores_of(w, key):
    return {member: score for score, member in contents(w, key)}


def ranked(scores):
    return sorted((score, member) for member, score in scores.items())


def add_scored(w):
    key, members = w.key(ZSET), some(w)
    scores = scores_of(w, key)
    before, score = len(scores), w.random.randint(-50, 50) / 2
    scores.update((member, score) for member in members)
    words = [word for member in members for word in (score, member)]
    return drop_if_long(w, key) or Operation([('ZADD', key, *words)], becomes(w, key, ranked(scores)), len(scores) - before)


def remove_scored(w):
    key, members = w.key(ZSET), some(w)
    scores = scores_of(w, key)
    removed = sum(1 for member in members if scores.pop(member, None) is not None)
    return Operation([('ZREM', key, *members)], becomes(w, key, ranked(scores)), removed)


def increment_score(w):
    key, member = w.key(ZSET), element(w)
    scores = scores_of(w, key)
    scores[member] = scores.get(member, 0.0) + 1.5
    return Operation([('ZINCRBY', key, 1.5, member)], becomes(w, key, ranked(scores)), b'%g' % scores[member])


def remove_lowest(w):
    key, count = w.key(ZSET), w.random.randint(1, 3)
    before = contents(w, key)
    return Operation([('ZREMRANGEBYRANK', key, 0, count - 1)], becomes(w, key, before[count:]), min(count, len(before)))


def store_range(w):
    target, source = w.key(ZSET), w.key(ZSET)
    after = contents(w, source)[:5]
    return Operation([('ZRANGESTORE', target, source, 0, 4)], {target: (after, None) if after else None}, len(after))


# ---- of any kind, and of all together ----

def rename_collection(w):
    kind = w.random.choice(KINDS)
    source, target = w.key(kind), w.key(kind)
    state = w.state.get(source)
    if not state or source == target:
        return push(w)
    return Operation([('RENAME', source, target)], {source: None, target: state}, 'OK')


def copy_collection(w):
    kind = w.random.choice(KINDS)
    source, target = w.key(kind), w.key(kind)
    state = w.state.get(source)
    if not state or source == target:
        return add_members(w)
    return Operation([('COPY', source, target, 'REPLACE')], {target: state}, 1)


def delete_collection(w):
    key = w.key(w.random.choice(KINDS))
    return Operation([('UNLINK', key)], {key: None}, 1 if w.state.get(key) else 0)


def expire_collection(w):
    key, at = w.key(w.random.choice(KINDS)), w.now_ms() + w.random.randint(1, 9) * DAY_MS
    state = w.state.get(key)
    return Operation([('PEXPIREAT', key, at)], {key: (state[0], at)} if state else {}, 1 if state else 0)


def all_kinds(w):
    """One transaction over all types, in slots of their own."""
    parts = [push(w), add_members(w), set_fields(w), add_scored(w)]
    commands = [('MULTI',)] + [command for part in parts for command in part.commands] + [('EXEC',)]
    after = {key: state for part in parts for key, state in part.after.items()}
    return Operation(commands, after, [part.reply for part in parts])


OPERATIONS = [push, push, pop, trim, replace_element, insert_element, remove_elements, move_between_lists,
              add_members, add_members, remove_members, move_between_sets, store_union,
              set_fields, set_fields, remove_fields, increment_field, expire_fields,
              add_scored, add_scored, remove_scored, increment_score, remove_lowest, store_range,
              rename_collection, copy_collection, delete_collection, expire_collection, all_kinds]
