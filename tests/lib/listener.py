# SPDX-License-Identifier: BSD-3-Clause
"""A peer of a story's own making, to which a server connects."""
import socket
import threading


class Listener:
    """Does with each connection what 'serve' does, each on a thread of its own; it is closed when that returns."""

    def __init__(self, serve):
        self.serve, self.connections, self.over = serve, 0, False
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer):
        try:
            with peer:
                self.serve(peer)
        except OSError:
            pass

    def close(self):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def requests_of(peer):
    """The words of each request until the connection ends; newlines, which say that the peer is alive, are passed over."""
    file = peer.makefile('rb')
    while line := file.readline():
        if line.startswith(b'*'):
            yield [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
