# SPDX-License-Identifier: BSD-3-Clause
"""A TCP proxy on one port before another, whose connections a story cuts, delays, slows and stops when it likes."""
import socket
import threading
import time

UP, DOWN = 'up', 'down'  # from the client to the server, and back


class Proxy:
    """with Proxy(address) as proxy: clients connect to proxy.port. What may be set at any time, for all connections:

    address           where new ones lead
    refuses           new ones end at once
    bytes_max         (per new connection, down) it is cut behind so many bytes
    cut_in            (down) all are cut behind so many more bytes; None when that has happened
    delay             seconds that each piece waits
    bytes_per_second  in each direction

    stop(UP or DOWN) lets nothing pass there until go_on() or heal(); nothing is lost, nobody sees an end.
    """

    def __init__(self, address):
        self.address = address
        self.refuses = False
        self.bytes_max = None
        self.cut_in = None
        self.stopped = set()
        self.delay = 0
        self.bytes_per_second = None
        self.connections = 0
        self.pairs = set()
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)  # of stopped, and of pairs
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
            threading.Thread(target=self._pump, args=(pair, UP, client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, DOWN, server, client, self.bytes_max), daemon=True).start()

    def _pump(self, pair, direction, source, target, bytes_max):
        passed = 0
        try:
            while True:
                self._wait(pair, direction)
                data = source.recv(8192 if self.bytes_per_second else 65536)
                if not data:
                    break
                self._wait(pair, direction)
                time.sleep(self.delay + (len(data) / self.bytes_per_second if self.bytes_per_second else 0))
                if bytes_max is not None and passed + len(data) >= bytes_max:
                    target.sendall(data[:bytes_max - passed])
                    break
                if direction == DOWN and not self._send_up_to_a_cut(target, data):
                    return
                if direction == UP:
                    target.sendall(data)
                passed += len(data)
        except OSError:
            pass
        self._end(pair)

    def _wait(self, pair, direction):
        """While nothing passes in the direction."""
        with self.changed:
            self.changed.wait_for(lambda: direction not in self.stopped or pair not in self.pairs)

    def _send_up_to_a_cut(self, target, data):
        """False if all connections were cut."""
        with self.lock:
            left = self.cut_in
            cuts = left is not None and left <= len(data)
            if left is not None:
                self.cut_in = None if cuts else left - len(data)
        target.sendall(data[:left] if cuts else data)
        if cuts:
            self.cut()
        return not cuts

    def _end(self, pair):
        with self.lock:
            if pair not in self.pairs:
                return
            self.pairs.discard(pair)
            self.changed.notify_all()
        for each in pair:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def cut(self):
        """Ends all connections, for both sides."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._end(pair)

    def end_one_way(self, direction):
        """Nothing more comes in the direction, and the receiver is told so; the other direction goes on."""
        with self.lock:
            pairs = list(self.pairs)
        for client, server in pairs:
            try:
                (server if direction == UP else client).shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def stop(self, direction):
        with self.lock:
            self.stopped.add(direction)

    def go_on(self):
        with self.changed:
            self.stopped.clear()
            self.changed.notify_all()

    def heal(self):
        """Everything passes again as it comes."""
        self.refuses, self.bytes_max, self.cut_in = False, None, None
        self.delay, self.bytes_per_second = 0, None
        self.go_on()

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
