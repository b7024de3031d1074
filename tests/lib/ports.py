# SPDX-License-Identifier: BSD-3-Clause
"""Ports for servers of stories. A port that is only looked for is soon somebody else's: another server's, or that of a
connection that goes out, which the system gives any port of its range. So these lie outside of that range, and each is
reserved from when it is found until it is given back, by a name among the abstract unix sockets: other processes that look
for ports meanwhile pass over it, and it is free again when this process ends, however it ends.
"""
import itertools
import random
import socket

FIRST, LAST = 10000, 65535
SYSTEMS_OWN = '/proc/sys/net/ipv4/ip_local_port_range'
LEAST = 1000  # fewer are too few to choose from


def outside_of_the_systems(first, last):
    """The larger part of FIRST..LAST that the system takes none of for connections that go out; all, if that is too small."""
    return max(range(FIRST, first), range(last + 1, LAST + 1), range(FIRST, LAST + 1) if first - FIRST < LEAST and LAST - last < LEAST
               else range(0), key=len)


def candidates():
    try:
        with open(SYSTEMS_OWN) as file:
            ports = outside_of_the_systems(*map(int, file.read().split()))
    except (OSError, ValueError):
        ports = range(FIRST, LAST + 1)
    return ports


def turns(ports):
    """One after the other, from anywhere: a port that was given back has all the time that the others take to rest."""
    begin = random.SystemRandom().randrange(len(ports))
    return itertools.cycle(itertools.chain(ports[begin:], ports[:begin]))


PORTS = candidates()
TURNS = turns(PORTS)


def nobody_listens(number):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('', number))
            return True
        except OSError:
            return False


class Port:
    """A port that is ours until give_back()."""

    def __init__(self):
        for self.number in itertools.islice(TURNS, len(PORTS)):
            self.reservation = socket.socket(socket.AF_UNIX)
            try:
                self.reservation.bind('\0forebay-story-port-%d' % self.number)
            except OSError:
                self.give_back()
                continue
            if nobody_listens(self.number):
                return
            self.give_back()
        raise RuntimeError('no port is free among %d..%d' % (PORTS[0], PORTS[-1]))

    def give_back(self):
        self.reservation.close()


KEPT = []


def free_port():
    """The number of a port that nobody listens on; ours as long as the process lives."""
    KEPT.append(Port())
    return KEPT[-1].number
