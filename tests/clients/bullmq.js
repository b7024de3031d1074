// SPDX-License-Identifier: BSD-3-Clause
// BullMQ: queues whose every step is a script, with events in a stream.
'use strict';
const assert = require('node:assert');
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');

async function main(port) {
  const connection = { host: '127.0.0.1', port };
  const open = [];
  const opened = (one) => (open.push(one), one);
  const queue = opened(new Queue('work', { connection }));
  const events = opened(new QueueEvents('work', { connection }));
  await events.waitUntilReady();

  // Priorities are set while nobody works, so the order is theirs.
  const order = [];
  const ranks = [5, 1, 3, 2, 4];
  const ranked = await queue.addBulk(ranks.map((rank) => ({ name: 'rank', data: { rank }, opts: { priority: rank } })));
  assert.strictEqual((await queue.getJobCounts('prioritized')).prioritized, 5);
  const attempts = {};
  const worker = opened(new Worker('work', async (job) => {
    if (job.name === 'rank') order.push(job.data.rank);
    if (job.name === 'fails') throw new Error('always');
    if (job.name === 'twice' && (attempts[job.id] = (attempts[job.id] || 0) + 1) < 2) throw new Error('once');
    await job.updateProgress(50);
    await job.log('seen');
    return { doubled: (job.data.number || 0) * 2 };
  }, { connection, drainDelay: 1 }));
  for (const job of ranked) await job.waitUntilFinished(events);
  assert.deepStrictEqual(order, [1, 2, 3, 4, 5]);

  const jobs = await queue.addBulk(Array.from({ length: 50 }, (_, number) => ({ name: 'double', data: { number } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
  assert.deepStrictEqual(results.map((result) => result.doubled), jobs.map((_, number) => number * 2));
  assert.deepStrictEqual((await queue.getJobLogs(jobs[0].id)).logs, ['seen']);

  const asked = Date.now();
  const late = await queue.add('double', { number: 21 }, { delay: 100 });
  assert.strictEqual((await late.waitUntilFinished(events)).doubled, 42);
  assert.ok(Date.now() - asked >= 100);
  const failing = await queue.add('fails', {});
  await assert.rejects(failing.waitUntilFinished(events), /always/);
  const twice = await queue.add('twice', { number: 1 }, { attempts: 3, backoff: { type: 'fixed', delay: 10 } });
  assert.strictEqual((await twice.waitUntilFinished(events)).doubled, 2);
  assert.strictEqual(attempts[twice.id], 2);
  assert.strictEqual((await queue.add('double', { number: 1 }, { jobId: 'same' })).id, 'same');
  await queue.add('double', { number: 2 }, { jobId: 'same' });

  // A parent waits for its children, which are in another queue.
  const children = opened(new Worker('children', async (job) => job.data.part, { connection, drainDelay: 1 }));
  const parents = opened(new Worker('parents', async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((sum, part) => sum + part, 0);
  }, { connection, drainDelay: 1 }));
  const parentEvents = opened(new QueueEvents('parents', { connection }));
  await parentEvents.waitUntilReady();
  const flow = opened(new FlowProducer({ connection }));
  const tree = await flow.add({ name: 'sum', queueName: 'parents',
    children: [1, 2, 3].map((part) => ({ name: 'part', queueName: 'children', data: { part } })) });
  assert.strictEqual(await tree.job.waitUntilFinished(parentEvents), 6);

  await queue.pause();
  assert.strictEqual(await queue.isPaused(), true);
  await queue.add('double', { number: 3 });
  assert.strictEqual((await queue.getJobCounts('paused')).paused, 1);
  await queue.drain();
  await queue.resume();
  assert.ok((await queue.getCompleted()).length >= 50);
  assert.strictEqual((await queue.getFailed()).length, 1);
  assert.ok((await queue.clean(0, 1000, 'completed')).length >= 50);
  await queue.obliterate({ force: true });
  await Promise.all(open.map((one) => one.close(true)));
}

main(Number(process.argv[2])).then(() => process.exit((console.log('ok'), 0)), (error) => { console.error(error); process.exit(1); });
