# SPDX-License-Identifier: BSD-3-Clause
"""Where Forebay is known to answer otherwise than the reference, redis-server 7.0, and why. docs/COMPATIBILITY.md
tells users the same. Each row: (name, reason, test). test(words, reference, ours) gets the command's words (its
name in upper case) and both parsed replies, and says whether the row explains their difference.

Replies that no two servers can have alike (a random key, a time, an id) are not deviations: see compare.py.
"""
from tests.lib.resp import Error


def is_error(reply, *starts):
    return isinstance(reply, Error) and reply.startswith(starts)


def only_the_empty_key_more(words, reference, ours):
    return words[0] in (b'KEYS', b'SCAN') and isinstance(reference, list) and isinstance(ours, list) \
        and sorted(ours) == sorted(reference + [b''])


def changes_transactions(words):
    """Commands that one side refuses to queue and the other does not: what follows cannot be compared, so they are not
    sent. COMMAND GETKEYS of a command alone is refused by 7.0, and looked at by 7.2, and ZRANK takes no option there. A HELLO
    with several names sets those before a bad one there."""
    name = words[0].upper()
    if name == b'HELLO':
        return sum(word.upper() == b'SETNAME' for word in words) > 1
    if name in (b'ZRANK', b'ZREVRANK'):
        return len(words) == 4
    return name == b'COMMAND' and len(words) == 3 and words[1].upper().startswith(b'GETKEYS')


def default_policy_is_tier(words, reference, ours):
    if words[0] != b'CONFIG' or words[1].upper() != b'GET' or is_error(reference, '') or is_error(ours, ''):
        return False

    def texts(reply):
        return list(reply.values() if isinstance(reply, dict) else reply)
    return [b'tier' if text == b'noeviction' else text for text in texts(reference)] == texts(ours)


def small_lists_are_listpacks(words, reference, ours):
    """As 7.2 has it; 7.0 calls every list a quicklist."""
    return words[0] == b'OBJECT' and reference == b'quicklist' and ours == b'listpack'


def smallest_rank(words, reference, ours):
    """7.0 takes it for a rank that nothing has, or for all from the end."""
    return words[0] in (b'LPOS', b'LREM') and b'-9223372036854775808' in words and is_error(ours, 'ERR value is out of range')


def timeouts_end_within_time(words, reference, ours):
    """7.0 adds them to the present time, whatever comes of it, and goes on."""
    return words[0] in (b'XREAD', b'XREADGROUP') and is_error(ours, 'ERR timeout is out of range')


def small_sets_are_listpacks(words, reference, ours):
    """As 7.2 has it; 7.0 has intsets and tables."""
    return words[0] == b'OBJECT' and reference == b'hashtable' and ours == b'listpack'


def only_the_empty_member_more(words, reference, ours):
    if words[0] not in (b'SSCAN', b'HSCAN', b'ZSCAN') or not isinstance(ours, list) or len(ours) != 2:
        return False
    step = 1 if words[0] == b'SSCAN' else 2

    def rows(reply):
        return {tuple(reply[1][at:at + step]) for at in range(0, len(reply[1]), step)}
    return isinstance(ours[1], list) and {row[0] for row in rows(ours) - rows(reference)} == {b''}


def sets_have_no_order(words, reference, ours):
    """SORT of a set by nothing, or with equal scores: the same elements, unless others are shown for them."""
    options = {word.upper() for word in words[2:]}
    if words[0] not in (b'SORT', b'SORT_RO') or b'BY' not in options:
        return False
    if not isinstance(reference, list) or not isinstance(ours, list) or len(reference) != len(ours):
        return False
    return bool(options & {b'GET', b'LIMIT'}) or sorted(reference) == sorted(ours)


def long_hashes_are_tables(words, reference, ours):
    """As long as a listpack's limits allow, but beyond what stands in an entry."""
    return words[0] == b'OBJECT' and reference == b'listpack' and ours == b'hashtable'


def sort_leaves_encodings(words, reference, ours):
    """The reference makes a skiplist of a sorted set that it sorts."""
    return words[0] == b'OBJECT' and reference == b'skiplist' and ours == b'listpack'


def reading_makes_consumers(words, reference, ours):
    """Since 7.2 a consumer that found nothing is there nevertheless."""
    return words[0] == b'XGROUP' and words[1].upper() == b'CREATECONSUMER' and (reference, ours) == (1, 0)


def no_number_is_left(words, reference, ours):
    """Of a time whose last number is taken; 7.0 says that the elements are too large."""
    return words[0] == b'XADD' and is_error(reference, 'ERR Elements are too large') \
        and is_error(ours, 'ERR The ID specified in XADD is equal or smaller')


def lists_of_streams_are_quoted(words, reference, ours):
    """7.0 names XREAD and its $, whichever command it was."""
    return is_error(reference, 'ERR Unbalanced ') and is_error(ours, "ERR Unbalanced '")


def last_entry_can_be_read(words, reference, ours):
    """XREAD takes + for it, as 7.4 does."""
    return words[0] == b'XREAD' and b'+' in words and is_error(reference, 'ERR Invalid stream ID')


def shared_integers_are_idle(words, reference, ours):
    """The reference has one object for each small integer, whoever wrote it last, and when."""
    return words[0] == b'OBJECT' and words[1].upper() == b'IDLETIME' and isinstance(reference, int) \
        and isinstance(ours, int) and reference > ours >= 0


def idle_times_are_bounded(words, reference, ours):
    """So is the reference's clock, but it wraps around."""
    return words[0] == b'OBJECT' and words[1].upper() == b'IDLETIME' and isinstance(reference, int) \
        and isinstance(ours, int) and ours > 10 * 86400


def texts_with_zeros_are_compared_whole(words, reference, ours):
    """The reference compares as strings of C, to which what follows a zero byte is not there."""
    return words[0] in (b'SORT', b'SORT_RO') and any(word.upper() == b'ALPHA' for word in words) \
        and isinstance(reference, list) and isinstance(ours, list) and any(b'\0' in (text or b'') for text in ours) \
        and sorted(text or b'' for text in reference) == sorted(text or b'' for text in ours)


def ids_are_numbers(words, reference, ours):
    """The reference's numbers may begin with a blank or a plus sign where they are ids, and a zero byte ends them."""
    return words[0].startswith(b'X') and is_error(ours, 'ERR Invalid stream ID') \
        and any(word[:1] in (b' ', b'+') and word != b'+' or word[:1].isdigit() and b'\0' in word for word in words)


def numbers_are_judged_alone(words, reference, ours):
    """The reference takes a number for one out of range if an earlier one, in whatever command, was."""
    return words[0] in (b'SORT', b'SORT_RO') and is_error(reference, "ERR One or more scores can't be converted") \
        and not isinstance(ours, Error)


def long_errors_are_cut(words, reference, ours):
    """All of what fits is as the reference has it."""
    return is_error(reference, '') and is_error(ours, '') and 1000 < len(ours) < len(reference) and reference.startswith(ours)


DEVIATIONS = [
    ('long errors', 'an error has at most 1,023 bytes', long_errors_are_cut),
    ('SORT of numbers', 'each is judged alone', numbers_are_judged_alone),
    ('signed ids', 'an id is a number and nothing else', ids_are_numbers),
    ('idle integers', 'no value is shared between keys', shared_integers_are_idle),
    ('long idle times', 'are told up to a bound', idle_times_are_bounded),
    ('SORT ALPHA', 'bytes behind a zero count', texts_with_zeros_are_compared_whole),
    ('XREAD +', 'reads the last entry, as 7.4 does', last_entry_can_be_read),
    ('unbalanced streams', 'the error names the command that was called, as 7.2 does', lists_of_streams_are_quoted),
    ('XADD ms-*', 'a time of which no number is left is told as such', no_number_is_left),
    ('consumers', 'XREADGROUP, XCLAIM and XAUTOCLAIM make the consumer, as 7.2 does', reading_makes_consumers),
    ('sorted encoding', 'SORT only reads a sorted set', sort_leaves_encodings),
    ('sets have no order', 'nor has SORT of one BY what does not tell its members apart', sets_have_no_order),
    ('compact and long', 'a compact collection has at most 16,000 bytes', long_hashes_are_tables),
    ('stars match the empty member', 'as for keys', only_the_empty_member_more),
    ('LPOS RANK, LREM', 'the smallest integer has no positive counterpart; refused as 7.2 does', smallest_rank),
    ('XREAD BLOCK', 'a wait that would end behind the end of time is refused, as 7.2 does', timeouts_end_within_time),
    ('list encoding', 'a short list is a listpack since 7.2', small_lists_are_listpacks),
    ('set encoding', 'a small set of strings is a listpack since 7.2', small_sets_are_listpacks),
    ('maxmemory-policy', 'tier is a policy of its own, and the default', default_policy_is_tier),
    ('stars match the empty key', 'the reference does so for the pattern * alone, not for **', only_the_empty_key_more),
]


def explain(words, reference, ours):
    """The name of the deviation that explains the difference, or None."""
    for name, _, test in DEVIATIONS:
        if test(words, reference, ours):
            return name
    return None
