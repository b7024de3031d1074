# SPDX-License-Identifier: BSD-3-Clause
"""Random string commands, called by scripts on both servers: the same replies, and the same errors."""
import pytest

from tests.differential import compare, deviations, families
from tests.differential.shapes import Shapes
from tests.lib import server as servers

RUN = "redis.setresp(tonumber(KEYS[1])) return redis.pcall(unpack(ARGV))"


@pytest.mark.parametrize('seed', range(3))
def test_scripts_call_commands_as_clients_do(seed, scale):
    if not servers.binary('redis') or not servers.binary('forebay'):
        pytest.skip('needs both servers')
    shapes = Shapes(seed)
    with servers.start('redis') as reference, servers.start('forebay') as ours:
        sides = [reference.client(3), ours.client(3)]
        for _ in range(int(3000 * scale)):
            words = families.string_family(shapes)
            if words[0].upper() in families.FORBIDDEN:
                continue
            request = ['EVAL', RUN, 1, shapes.one_of(2, 3)] + words
            first, second = (side(*request) for side in sides)
            if first == second or deviations.explain([words[0].upper()] + words[1:], first, second):
                continue
            comparer = compare.COMPARERS.get(compare.name_of(words))
            assert comparer and comparer(words, first, second), (words, first, second)
