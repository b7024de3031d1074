# SPDX-License-Identifier: BSD-3-Clause
"""Replication under faults, for as many rounds as are wanted (tests/replication/rounds.py):

    python3 -m tests.soak.replication_rounds --rounds 1000 --seed 3 [--world 4] [--fault kill_primary]

Five rounds a world. Of the resyncs after cuts, and of those after restarts of a replica, at least nineteen of twenty
have to be partial ones, and at most one of twenty faults that are shorter than the backlog may have cost a copy.
"""
import argparse
import collections
import random
import sys

from tests.replication import rounds

ROUNDS_A_WORLD = 5
WORLDS_A_WORD = 10
COPIES_MAX = 0.05
KINDS = {'cut': 'cuts', 'restart': 'restarts of a replica'}


def share_is_enough(totals, kind):
    """Prints how many of the resyncs were partial ones."""
    partial, full = totals[kind + '_partial'], totals[kind + '_full']
    if partial + full == 0:
        print('no resyncs after %s' % KINDS[kind])
        return True
    share = partial / (partial + full)
    print('%d of %d resyncs after %s were partial: %.1f %%' % (partial, partial + full, KINDS[kind], share * 100))
    return share >= 1 - COPIES_MAX


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--world', type=int, help='the number of one of rounds.WORLDS; all in turn if it is left out')
    parser.add_argument('--fault', help='one of rounds.FAULTS; any if it is left out')
    parser.add_argument('--keep-going', action='store_true', help='tell of failures and go on')
    parser.add_argument('--kept', help='a directory for copies of what the nodes of a failed world have')
    options = parser.parse_args()
    rng = random.Random(options.seed)
    faults = [fault for fault in rounds.FAULTS if options.fault in (None, fault.__name__)]
    totals, failures = collections.Counter(), 0
    for number in range(0, (options.rounds + ROUNDS_A_WORLD - 1) // ROUNDS_A_WORLD):
        chosen = [rng.choice(faults) for _ in range(min(ROUNDS_A_WORLD, options.rounds - number * ROUNDS_A_WORLD))]
        try:
            with rounds.world_of(number if options.world is None else options.world, options.seed * 1000 + number) as world:
                try:
                    rounds.run(world, chosen, options.kept)
                finally:
                    totals.update(world.totals)
                if 'copies)' in world.describe():
                    print(world.describe(), flush=True)
        except (AssertionError, OSError) as failure:  # a rounds.Failure, or a world that did not come to be
            print('FAILED after %s\n%s' % (dict(totals), failure), flush=True)
            failures += 1
            if not options.keep_going:
                return 1
        if (number + 1) % WORLDS_A_WORD == 0:
            print('%d rounds, %d failures' % (totals['rounds'], failures), flush=True)
    print('%s, %d failures' % (dict(totals), failures))
    shares = [share_is_enough(totals, kind) for kind in KINDS]
    return 1 if failures or not all(shares) or totals['cheap_with_copy'] > COPIES_MAX * totals['cheap'] else 0


if __name__ == '__main__':
    sys.exit(main())
