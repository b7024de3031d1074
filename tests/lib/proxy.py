# SPDX-License-Identifier: BSD-3-Clause
"""A TCP proxy on one port before another, whose connections a story cuts when it likes."""
import socket
import threading


class Proxy:
    """with Proxy(address) as proxy: clients connect to proxy.port. cut() ends all connections at once; while 'refuses' is
    true new ones end at once as well. 'bytes_max' (per connection and direction towards the client) cuts by itself."""

    def __init__(self, address):
        self.address = address
        self.refuses = False
        self.bytes_max = None
        self.connections = 0
        self.pairs = set()
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self.address)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
                self.connections += 1
            threading.Thread(target=self._pump, args=(pair, client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, server, client, self.bytes_max), daemon=True).start()

    def _pump(self, pair, source, target, bytes_max):
        passed = 0
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if bytes_max is not None and passed + len(data) >= bytes_max:
                    target.sendall(data[:bytes_max - passed])
                    break
                target.sendall(data)
                passed += len(data)
        except OSError:
            pass
        self._end(pair)

    def _end(self, pair):
        with self.lock:
            if pair not in self.pairs:
                return
            self.pairs.discard(pair)
        for each in pair:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def cut(self):
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._end(pair)

    def close(self):
        self.refuses = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
