# SPDX-License-Identifier: BSD-3-Clause
"""The short form of quorum_story.py: the primary of a shard with 'ack quorum' is killed, and nothing acknowledged is lost."""
import pytest

from tests.replication import quorum_story

pytestmark = pytest.mark.forebay_only


@pytest.mark.parametrize('durability,seed', [('behind', 1), ('through', 2)])
def test_a_killed_primary_loses_nothing_acknowledged_and_no_read_goes_back(scale, durability, seed):
    acknowledged, reads = quorum_story.tell(int(3 * scale), seed, durability)
    assert acknowledged > 50 and reads > 50
