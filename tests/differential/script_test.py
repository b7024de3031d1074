# SPDX-License-Identifier: BSD-3-Clause
"""Random commands, called by scripts on both servers: the same replies, and the same errors."""
import pytest

from tests.differential import compare, deviations, families
from tests.differential.shapes import Shapes
from tests.lib import server as servers

RUN = "redis.setresp(tonumber(KEYS[1])) return redis.pcall(unpack(ARGV))"
FAMILIES = [families.string_family, families.key_family, families.bitmap_family, families.hyperloglog_family,
            families.list_family, families.set_family, families.hash_family, families.zset_family, families.geo_family,
            families.stream_family]
# What 7.0 lets no script call, and what no two servers answer alike.
LEFT_OUT = {b'BLPOP', b'BRPOP', b'BLMOVE', b'BRPOPLPUSH', b'BZPOPMIN', b'BZPOPMAX', b'RANDOMKEY', b'SCAN', b'SWAPDB', b'WAIT'}


def is_left_out(words):
    """7.0 lets no script read streams with BLOCK, either."""
    name = words[0].upper()
    waits = name in (b'XREAD', b'XREADGROUP') and any(word.upper() == b'BLOCK' for word in words)
    return waits or name in families.FORBIDDEN or name in LEFT_OUT or deviations.changes_transactions(words)


@pytest.mark.parametrize('seed', range(3))
def test_scripts_call_commands_as_clients_do(seed, scale):
    if not servers.binary('redis') or not servers.binary('forebay'):
        pytest.skip('needs both servers')
    shapes = Shapes(seed)
    with servers.start('redis') as reference, servers.start('forebay') as ours:
        sides = [reference.client(3), ours.client(3)]
        for _ in range(int(3000 * scale)):
            words = shapes.one_of(*FAMILIES)(shapes)
            name = words[0].upper()
            if is_left_out(words):
                continue
            request = ['EVAL', RUN, 1, shapes.one_of(2, 3)] + words
            first, second = (side(*request) for side in sides)
            if first == second or deviations.explain([name] + words[1:], first, second):
                continue
            comparer = compare.COMPARERS.get(compare.name_of(words))
            assert comparer and comparer(words, first, second), (words, first, second)
