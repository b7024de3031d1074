# SPDX-License-Identifier: BSD-3-Clause
"""Hosts that have a network between them, whose cables a story cuts: each is a network namespace with one interface, on a bridge
that stands in a namespace of its own. A cut is silent, as that of a cable or a switch is: nobody is told of an end.

    with Network(2) as network:
        primary = network.server(0, repl_timeout=3)   # reached by others at network.address(0)
        network.lose(to=1)                            # what is sent to host 1 gets lost; what it sends does not
        network.pull(1)                               # its cable, both ways
        network.heal()

The story itself talks to servers by unix sockets, which no network concerns."""
import os
import subprocess

from tests.lib.server import Server

SUBNET = '10.213.71.'
# A queue that has no room for any packet.
NO_ROOM = ('root', 'tbf', 'rate', '8bit', 'burst', '1', 'limit', '1')


class Unsupported(Exception):
    """The machine lets us make no such hosts; says why."""


def run(*words):
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise Unsupported('no program %s' % words[0]) from None
    if done.returncode != 0:
        raise Unsupported('%s: %s' % (' '.join(words), done.stdout.strip()))


class Host(Server):
    """A server on one of the hosts. Its address for the story is its unix socket's."""

    def __init__(self, namespace, ip, **directives):
        super().__init__('forebay', prefix=('ip', 'netns', 'exec', namespace), **directives)
        self.ip = ip
        self.directives.update({'bind': ip, 'protected-mode': 'no', 'unixsocket': os.path.join(self.directory, 'socket')})

    @property
    def address(self):
        return self.directives['unixsocket']


class Network:
    def __init__(self, hosts):
        self.name = 'fb%d' % os.getpid()
        self.namespaces = ['%s-%s' % (self.name, part) for part in ['wire'] + list(range(hosts))]
        self.wire = self.namespaces[0]
        self.servers = []

    def __enter__(self):
        try:
            for namespace in self.namespaces:
                run('ip', 'netns', 'add', namespace)
            run('ip', '-n', self.wire, 'link', 'add', 'bridge', 'type', 'bridge')
            run('ip', '-n', self.wire, 'link', 'set', 'bridge', 'up')
            for number in range(len(self.namespaces) - 1):
                self._plug_in(number)
            self.lose(0)
            self.heal()
        except Unsupported:
            self.remove()
            raise
        return self

    def _plug_in(self, number):
        namespace, cable, port = self.namespaces[number + 1], '%s-c%d' % (self.name, number), self._port(number)
        run('ip', 'link', 'add', cable, 'netns', namespace, 'type', 'veth', 'peer', 'name', port, 'netns', self.wire)
        run('ip', '-n', self.wire, 'link', 'set', port, 'master', 'bridge', 'up')
        run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
        run('ip', '-n', namespace, 'addr', 'add', self.address(number) + '/24', 'dev', cable)
        run('ip', '-n', namespace, 'link', 'set', cable, 'up')

    def _port(self, number):
        return '%s-p%d' % (self.name, number)

    def address(self, number):
        return SUBNET + str(number + 1)

    def server(self, number, **directives):
        host = Host(self.namespaces[number + 1], self.address(number), **directives)
        self.servers.append(host)
        return host.start()

    def lose(self, to):
        run('ip', 'netns', 'exec', self.wire, 'tc', 'qdisc', 'replace', 'dev', self._port(to), *NO_ROOM)

    def pull(self, number):
        run('ip', '-n', self.wire, 'link', 'set', self._port(number), 'down')

    def heal(self):
        for number in range(len(self.namespaces) - 1):
            run('ip', '-n', self.wire, 'link', 'set', self._port(number), 'up')
            try:
                run('ip', 'netns', 'exec', self.wire, 'tc', 'qdisc', 'del', 'dev', self._port(number), 'root')
            except Unsupported:
                pass  # nothing got lost there

    def remove(self):
        for server in self.servers:
            server.remove()
        for namespace in self.namespaces:
            try:
                run('ip', 'netns', 'del', namespace)
            except Unsupported:
                pass  # it was not made

    def __exit__(self, kind, value, trace):
        for server in self.servers:
            if kind is not None:
                print('---- %s' % server.state())
        self.remove()
