# SPDX-License-Identifier: BSD-3-Clause
"""Replication under faults, for as many rounds as are wanted (tests/replication/rounds.py):

    python3 -m tests.soak.replication_rounds --rounds 1000 --seed 3 [--world 4] [--fault kill_primary]

Five rounds a world. At most one of twenty cuts and restarts may have cost a copy.
"""
import argparse
import collections
import random
import sys

from tests.replication import rounds

ROUNDS_A_WORLD = 5
COPIES_MAX = 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--world', type=int, help='the number of one of rounds.WORLDS; all in turn if it is left out')
    parser.add_argument('--fault', help='one of rounds.FAULTS; any if it is left out')
    parser.add_argument('--keep-going', action='store_true', help='tell of failures and go on')
    options = parser.parse_args()
    rng = random.Random(options.seed)
    faults = [fault for fault in rounds.FAULTS if options.fault in (None, fault.__name__)]
    totals, failures = collections.Counter(), 0
    for number in range(0, (options.rounds + ROUNDS_A_WORLD - 1) // ROUNDS_A_WORLD):
        chosen = [rng.choice(faults) for _ in range(min(ROUNDS_A_WORLD, options.rounds - number * ROUNDS_A_WORLD))]
        try:
            with rounds.world_of(number if options.world is None else options.world, options.seed * 1000 + number) as world:
                totals.update(rounds.run(world, chosen))
                if 'copies)' in world.describe():
                    print(world.describe(), flush=True)
        except rounds.Failure as failure:
            print('FAILED after %s\n%s' % (dict(totals), failure), flush=True)
            failures += 1
            if not options.keep_going:
                return 1
    print('%s, %d failures' % (dict(totals), failures))
    return 1 if failures or totals['cheap_with_copy'] > COPIES_MAX * totals['cheap'] else 0


if __name__ == '__main__':
    sys.exit(main())
