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


DEVIATIONS = [
    ('stars match the empty key', 'the reference does so for the pattern * alone, not for **', only_the_empty_key_more),
]


def explain(words, reference, ours):
    """The name of the deviation that explains the difference, or None."""
    for name, _, test in DEVIATIONS:
        if test(words, reference, ours):
            return name
    return None
