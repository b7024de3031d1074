# SPDX-License-Identifier: BSD-3-Clause
"""Whether two replies to the same command are the same reply.

Equal bytes are. Where bytes may differ although both servers are right, a comparer for that command decides:
remaining times have a tolerance, keys have no order, ids and clocks only have a type. Replies of queued commands
inside EXEC are compared by the comparer of each queued command.
"""
from tests.differential import deviations
from tests.lib import payload
from tests.lib.resp import Error, Status

SECONDS_TOLERANCE = 8
NESTED = 'MULTI calls can not be nested'


def near(tolerance):
    def compare(words, reference, ours):
        if not isinstance(reference, int) or not isinstance(ours, int):
            return False
        return reference >= 0 and ours >= 0 and abs(reference - ours) <= tolerance
    return compare


def same_type(words, reference, ours):
    return type(reference) is type(ours) and not isinstance(ours, Error)


def same_members(words, reference, ours):
    return isinstance(reference, list) and isinstance(ours, list) and sorted(reference) == sorted(ours)


def same_drawn(words, reference, ours):
    """As many elements, or one; which ones is chance."""
    if isinstance(reference, bytes):
        return isinstance(ours, bytes)
    return isinstance(reference, list) and isinstance(ours, list) and len(reference) == len(ours)


def same_elements_of_scan(words, reference, ours):
    """The whole of a small collection, in any order; steps through a large one are compared by tests/command."""
    if not same_scan_shape(words, reference, ours):
        return False
    is_whole = words[2] == reference[0] == ours[0] == b'0'
    return not is_whole or sorted(reference[1]) == sorted(ours[1])


def same_length(words, reference, ours):
    if isinstance(reference, list) and isinstance(ours, list):
        return len(reference) == len(ours)
    return type(reference) is type(ours) and not isinstance(ours, Error)


def same_scan_shape(words, reference, ours):
    """One step of a scan may return any part of the keys; whole scans are compared as sets in run.py."""
    return (isinstance(reference, list) and isinstance(ours, list) and len(reference) == len(ours) == 2
            and isinstance(ours[0], bytes) and ours[0].isdigit() and isinstance(ours[1], list))


def same_dump(words, reference, ours):
    """A string's bytes; the version behind them may differ, and with it the CRC. A collection has more than one payload;
    run.py compares contents, and has each side restore the other's."""
    if not isinstance(reference, bytes) or not isinstance(ours, bytes):
        return False
    return reference[0] != 0 and ours[0] != 0 or payload.body(reference) == payload.body(ours)


def same_keys_of_map(words, reference, ours):
    def keys(reply):
        if isinstance(reply, dict):
            return list(reply)
        return reply[::2] if isinstance(reply, list) else None
    return type(reference) is type(ours) and keys(reference) == keys(ours)


def same_command_info(words, reference, ours):
    """Name, arity and key positions of each command; flags and categories are compared by tests/command. Without
    names it is a list of all commands, which is longer or shorter elsewhere."""
    if len(words) < 3:
        return type(reference) is type(ours)
    def essence(reply):
        return [entry and [entry[0], entry[1], entry[3:6]] for entry in reply]
    return isinstance(reference, list) and isinstance(ours, list) and essence(reference) == essence(ours)


def same_pairs(words, reference, ours):
    """A flat array of pairs, or a map, in any order."""
    def pairs(reply):
        return sorted(reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2]))
    return type(reference) is type(ours) and isinstance(ours, (list, dict)) and pairs(reference) == pairs(ours)


def contains_all(words, reference, ours):
    """Of a list of names: we may have more commands."""
    return isinstance(reference, list) and isinstance(ours, list) and set(reference) <= set(ours)


def same_text_fields(words, reference, ours):
    """CLIENT INFO: our fields begin as the reference's do."""
    return isinstance(reference, bytes) and isinstance(ours, bytes) and ours.startswith(b'id=')


def same_pending(words, reference, ours):
    """How long entries have been idle is not compared."""
    def essence(reply):
        return [row[:2] + row[3:] for row in reply]
    return len(words) > 3 and isinstance(reference, list) and isinstance(ours, list) and essence(reference) == essence(ours)


# Times, what 7.0 does not have, and what tells of Redis's own index; consumers that got nothing are there since 7.2.
NOT_COMPARED = {b'radix-tree-nodes', b'seen-time', b'active-time', b'idle', b'inactive'}


def stream_essence(reply):
    if isinstance(reply, dict):
        reply = [word for pair in reply.items() for word in pair]
    if not isinstance(reply, list):
        return reply
    if reply and reply[0] in (b'name', b'length'):
        pairs = dict(zip(reply[::2], map(stream_essence, reply[1::2])))
        if isinstance(pairs.get(b'consumers'), int):
            del pairs[b'consumers']
        return {name: value for name, value in pairs.items() if name not in NOT_COMPARED}
    rows = [stream_essence(row) for row in reply]
    return [row for row in rows if not (isinstance(row, dict) and is_idle_consumer(row))]


def is_idle_consumer(row):
    return b'last-delivered-id' not in row and b'length' not in row and not row.get(b'pel-count', row.get(b'pending'))


def without_delivery_times(reply):
    """Pending entries: [id, (consumer,) time, deliveries]."""
    if isinstance(reply, dict):
        return {name: without_delivery_times(value) for name, value in reply.items()}
    if isinstance(reply, list):
        if len(reply) in (3, 4) and isinstance(reply[-1], int) and isinstance(reply[-2], int):
            return reply[:-2] + reply[-1:]
        return [without_delivery_times(row) for row in reply]
    return reply


def same_stream_info(words, reference, ours):
    return type(reference) is type(ours) and not isinstance(ours, Error) \
        and without_delivery_times(stream_essence(reference)) == without_delivery_times(stream_essence(ours))


COMPARERS = {
    b'TTL': near(SECONDS_TOLERANCE),
    b'PTTL': near(SECONDS_TOLERANCE * 1000),
    b'EXPIRETIME': near(SECONDS_TOLERANCE),
    b'PEXPIRETIME': near(SECONDS_TOLERANCE * 1000),
    b'RANDOMKEY': same_type,
    b'KEYS': same_members,
    b'SCAN': same_scan_shape,
    b'ZSCAN': same_scan_shape,
    b'ZRANDMEMBER': same_length,
    b'SMEMBERS': same_members,
    b'SINTER': same_members,
    b'SUNION': same_members,
    b'SDIFF': same_members,
    b'SPOP': same_members,
    b'SRANDMEMBER': same_drawn,
    b'SSCAN': same_elements_of_scan,
    b'HGETALL': same_pairs,
    b'HKEYS': same_members,
    b'HVALS': same_members,
    b'HRANDFIELD': same_drawn,
    b'HSCAN': same_elements_of_scan,
    b'DUMP': same_dump,
    b'XPENDING': same_pending,
    b'XINFO STREAM': same_stream_info,
    b'XINFO GROUPS': same_stream_info,
    b'XINFO CONSUMERS': same_stream_info,
    b'OBJECT IDLETIME': near(SECONDS_TOLERANCE),
    b'OBJECT REFCOUNT': same_type,
    b'OBJECT HELP': same_type,
    b'CLIENT ID': same_type,
    b'CLIENT INFO': same_text_fields,
    b'CLIENT LIST': same_text_fields,
    b'HELLO': same_keys_of_map,
    b'TIME': same_type,
    b'LASTSAVE': same_type,
    b'MEMORY USAGE': same_type,
    b'CONFIG GET': same_pairs,
    b'COMMAND': same_type,
    b'COMMAND COUNT': same_type,
    b'COMMAND DOCS': same_type,
    b'COMMAND INFO': same_command_info,
    b'SLOWLOG LEN': same_type,
    b'SLOWLOG GET': same_type,
    b'COMMAND LIST': contains_all,
    b'ROLE': same_type,
}

CONTAINERS = {b'XINFO', b'OBJECT', b'CLIENT', b'MEMORY', b'COMMAND', b'CONFIG', b'SLOWLOG', b'LATENCY'}


def name_of(words):
    """The command's name in upper case, with its subcommand if it has some."""
    name = words[0].upper()
    if name in CONTAINERS and len(words) > 1:
        return name + b' ' + words[1].upper()
    return name


class Connection:
    """What must be remembered of one connection: the commands queued since MULTI."""

    def __init__(self):
        self.queued = []

    def differs(self, words, reference, ours):
        """None if the replies agree; else what is wrong, as text. 'reference' and 'ours' are (parsed, bytes)."""
        queued = self.queued
        if reference[0] == 'QUEUED' and isinstance(reference[0], Status):
            self.queued = queued + [words]
        elif words[0].upper() in (b'MULTI', b'EXEC', b'DISCARD', b'RESET') and reference[0] != Error('ERR ' + NESTED):
            self.queued = []
        if reference[1] == ours[1]:
            return None
        if words[0].upper() == b'EXEC' and isinstance(reference[0], list) and isinstance(ours[0], list) \
                and len(reference[0]) == len(ours[0]) == len(queued):
            for command, expected, got in zip(queued, reference[0], ours[0]):
                if not self._agree(command, expected, got):
                    return 'EXEC: %r expected %r, got %r' % (command, expected, got)
            return None
        if self._agree(words, reference[0], ours[0], compare_bytes=True):
            return None
        return 'expected %s, got %s' % (shorten(reference[1]), shorten(ours[1]))

    @staticmethod
    def _agree(words, reference, ours, compare_bytes=False):
        # Parsed replies of single commands may be equal where bytes are not (a null of another kind): not good enough.
        if not compare_bytes and type(reference) is type(ours) and reference == ours:
            return True
        compare = COMPARERS.get(name_of(words))
        if compare and compare(words, reference, ours):
            return True
        return deviations.explain([words[0].upper()] + words[1:], reference, ours) is not None


def shorten(data, most=300):
    return repr(data) if len(data) <= most else '%r... (%d bytes)' % (data[:most], len(data))
