// SPDX-License-Identifier: BSD-3-Clause
// What an API does with node-redis: connect, cache-aside, pipelines, transactions, optimistic locking, iteration.
'use strict';
const assert = require('node:assert');
const { createClient } = require('redis');

async function main(port) {
  const client = createClient({ socket: { host: '127.0.0.1', port }, name: 'smoke' });
  client.on('error', (error) => { throw error; });
  await client.connect();
  await client.flushAll();
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.get('missing'), null);
  assert.strictEqual(await client.set('user:1', JSON.stringify({ name: 'Zoë' }), { EX: 60, NX: true }), 'OK');
  assert.strictEqual(await client.set('user:1', 'x', { NX: true }), null);
  assert.deepStrictEqual(JSON.parse(await client.get('user:1')), { name: 'Zoë' });
  assert.ok(await client.ttl('user:1') > 50);
  await client.mSet({ a: '1', b: '2' });
  assert.deepStrictEqual(await client.mGet(['a', 'nope', 'b']), ['1', null, '2']);
  assert.strictEqual(await client.incrBy('a', 41), 42);
  assert.strictEqual(await client.getDel('b'), '2');

  // Commands of one tick are sent as one pipeline.
  const replies = await Promise.all(Array.from({ length: 1000 }, (_, n) => client.set(`key:${n}`, `${n}`)));
  assert.ok(replies.every((reply) => reply === 'OK'));
  const values = await Promise.all(Array.from({ length: 1000 }, (_, n) => client.get(`key:${n}`)));
  assert.ok(values.every((value, n) => value === `${n}`));

  const [first, second] = await client.multi().set('t', '1').incr('t').exec();
  assert.deepStrictEqual([first, second], ['OK', 2]);

  await client.executeIsolated(async (isolated) => {
    await isolated.watch('t');
    await client.set('t', 'changed');
    await assert.rejects(isolated.multi().set('t', 'mine').exec(), { name: 'WatchError' }).catch(async () => {
      assert.strictEqual(await client.get('t'), 'changed');
    });
  });

  const seen = new Set();
  for await (const key of client.scanIterator({ MATCH: 'key:*', COUNT: 100 })) seen.add(key);
  assert.strictEqual(seen.size, 1000);

  const binary = Buffer.from([0, 255, 13, 10]);
  const { commandOptions } = require('redis');
  await client.set('binary', binary);
  assert.deepStrictEqual(await client.get(commandOptions({ returnBuffers: true }), 'binary'), binary);
  await assert.rejects(client.sendCommand(['INCR', 'user:1']), /not an integer/);
  assert.match(await client.info('server'), /redis_version:/);
  await client.quit();
}

main(Number(process.argv[2])).then(() => console.log('ok'), (error) => { console.error(error); process.exit(1); });
