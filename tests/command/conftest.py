# SPDX-License-Identifier: BSD-3-Clause
"""Clients that wait."""
import threading

import pytest

from tests.lib.server import blocked, wait_until


@pytest.fixture
def waiting(connect, client):
    """Starts a command that blocks, and returns what will hold its reply once the server knows the client to wait."""
    threads = []

    def wait(*words, protocol=2):
        other = connect(protocol=protocol)
        reply = []
        number = len(threads) + 1
        threads.append(threading.Thread(target=lambda: reply.append(other(*words))))
        threads[-1].start()
        wait_until(lambda: blocked(client, number))
        return reply
    yield wait
    for thread in threads:
        thread.join(60)
