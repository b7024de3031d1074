# SPDX-License-Identifier: BSD-3-Clause
"""RQ: jobs that succeed, fail, are tried again, depend on each other, are cancelled and are due later."""
import datetime
import operator
import sys

from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler


def work(queues, connection):
    SimpleWorker(queues, connection=connection).work(burst=True, logging_level='CRITICAL')


def story_of_results(queue, connection):
    jobs = [queue.enqueue(operator.mul, number, 2) for number in range(20)]
    first = queue.enqueue(operator.neg, 1, at_front=True)
    assert queue.job_ids[0] == first.id and len(queue) == 21
    work([queue], connection)
    for number, job in enumerate(jobs):
        job.refresh()
        assert job.get_status() == 'finished' and job.result == number * 2
    assert first.id in FinishedJobRegistry(queue=queue) and len(FinishedJobRegistry(queue=queue)) == 21


def story_of_failures(queue, connection):
    fails = queue.enqueue(operator.truediv, 1, 0)
    again = queue.enqueue(operator.truediv, 1, 0, retry=Retry(max=2))
    after = queue.enqueue(operator.add, 1, 1, depends_on=fails)
    work([queue], connection)
    failed = FailedJobRegistry(queue=queue)
    assert set(failed.get_job_ids()) == {fails.id, again.id}
    assert 'ZeroDivisionError' in queue.fetch_job(fails.id).exc_info and queue.fetch_job(again.id).retries_left == 0
    assert after.get_status() == 'deferred'
    failed.requeue(fails.id)
    assert queue.job_ids == [fails.id]
    queue.fetch_job(fails.id).cancel()
    assert queue.job_ids == []


def story_of_dependencies(queue, connection):
    other = Queue('other', connection=connection)
    parts = [queue.enqueue(operator.add, n, n) for n in range(3)]
    whole = other.enqueue(operator.concat, 'a', 'b', depends_on=parts)
    assert whole.get_status() == 'deferred' and other.job_ids == []
    work([queue, other], connection)
    assert whole.get_status(refresh=True) == 'finished' and whole.result == 'ab'
    assert [job.result for job in whole.fetch_dependencies()] == [0, 2, 4]


def story_of_schedules(queue, connection):
    soon = queue.enqueue_in(datetime.timedelta(seconds=-1), operator.add, 1, 2)
    late = queue.enqueue_in(datetime.timedelta(hours=1), operator.add, 3, 4)
    registry = ScheduledJobRegistry(queue=queue)
    assert len(registry) == 2 and queue.job_ids == []
    scheduler = RQScheduler([queue], connection=connection)
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    assert registry.get_job_ids() == [late.id]
    work([queue], connection)
    assert soon.get_status(refresh=True) == 'finished' and soon.result == 3


def main(port):
    connection = Redis(port=port)
    for story in (story_of_results, story_of_failures, story_of_dependencies, story_of_schedules):
        connection.flushall()
        story(Queue('default', connection=connection), connection)


if __name__ == '__main__':
    main(int(sys.argv[1]))
    print('ok')
