# SPDX-License-Identifier: BSD-3-Clause
"""The short form of quorum_story.py: the primary of a shard with 'ack quorum' is killed, and nothing acknowledged is lost."""
import pytest

from tests.replication import quorum_story

pytestmark = pytest.mark.forebay_only


@pytest.mark.parametrize('durability,means,seed', [('behind', 'received', 1), ('through', 'synced', 2)])
def test_a_killed_primary_loses_nothing_acknowledged_and_no_read_goes_back(scale, durability, means, seed):
    acknowledged, reads = quorum_story.tell(int(3 * scale), seed, durability, means)
    assert acknowledged > 50 and reads > 50
