# SPDX-License-Identifier: BSD-3-Clause
"""Celery, with the server as its broker and as its store of results; the worker runs in a thread."""
import logging
import sys

from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker

PORT = int(sys.argv[1])
TIME = {'timeout': 100, 'interval': 0.01}
app = Celery('story', broker='redis://127.0.0.1:%d/0' % PORT, backend='redis://127.0.0.1:%d/1' % PORT)
app.conf.update(broker_transport_options={'priority_steps': [0, 5, 9], 'queue_order_strategy': 'priority',
                                          'visibility_timeout': 3600},
                worker_hijack_root_logger=False, task_default_rate_limit=None, result_expires=1000)
tries = {}


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fails():
    raise ValueError('as told')


@app.task(bind=True, max_retries=3)
def second_time(self, name):
    tries[name] = tries.get(name, 0) + 1
    if tries[name] < 2:
        raise self.retry(countdown=0)
    return tries[name]


def story():
    assert [add.delay(n, n).get(**TIME) for n in range(5)] == [0, 2, 4, 6, 8]
    assert group(add.s(n, 1) for n in range(20))().get(**TIME) == list(range(1, 21))
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(**TIME) == 10
    assert chord((add.s(n, n) for n in range(10)), total.s())().get(**TIME) == 90
    failed = fails.delay()
    try:
        failed.get(**TIME)
        raise AssertionError('it did not fail')
    except ValueError as error:
        assert str(error) == 'as told' and failed.state == 'FAILURE'
    assert second_time.delay('a').get(**TIME) == 2
    assert add.apply_async((1, 1), countdown=0.05).get(**TIME) == 2
    assert add.apply_async((2, 2), priority=9).get(**TIME) == 4
    result = add.delay(5, 5)
    assert result.get(**TIME) == 10
    assert app.backend.client.ttl('celery-task-meta-' + result.id) > 50
    result.forget()
    assert not app.backend.client.exists('celery-task-meta-' + result.id)
    assert [list(reply.values()) for reply in app.control.ping(timeout=60, limit=1)] == [[{'ok': 'pong'}]]


logging.disable(logging.CRITICAL)
with start_worker(app, pool='solo', concurrency=1, perform_ping_check=False, loglevel='CRITICAL', shutdown_timeout=100):
    story()
print('ok')
