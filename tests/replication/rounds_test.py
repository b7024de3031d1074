# SPDX-License-Identifier: BSD-3-Clause
"""Thirty of the rounds of rounds.py: each fault at least once, in six worlds. tests/soak/replication_rounds.py has more."""
import random

import pytest

from tests.replication import rounds

pytestmark = [pytest.mark.forebay_only, pytest.mark.slow]

WORLDS = 6
ROUNDS = 30


@pytest.mark.parametrize('number', range(WORLDS))
def test_nodes_are_equal_after_every_fault(number, scale):
    faults = [rounds.FAULTS[i % len(rounds.FAULTS)] for i in range(number, ROUNDS, WORLDS)]
    random.Random(number).shuffle(faults)
    with rounds.world_of(number, 1) as world:
        totals = rounds.run(world, faults)
    assert totals['cheap_with_copy'] == 0, (totals, world.describe())
