// SPDX-License-Identifier: BSD-3-Clause
// What an API does with ioredis: its ready check reads INFO, and it keeps cursors and ids as JavaScript numbers.
'use strict';
const assert = require('node:assert');
const Redis = require('ioredis');

async function main(port) {
  const client = new Redis({ port, host: '127.0.0.1', connectionName: 'smoke', maxRetriesPerRequest: 1 });
  await client.flushall();
  assert.strictEqual(await client.set('session:1', 'data', 'EX', 100), 'OK');
  assert.strictEqual(await client.get('session:1'), 'data');
  assert.ok(await client.pttl('session:1') > 90000);
  assert.strictEqual(await client.client('GETNAME'), 'smoke');
  const pipeline = client.pipeline();
  for (let n = 0; n < 1000; n++) pipeline.set(`key:${n}`, n);
  assert.ok((await pipeline.exec()).every(([error, reply]) => error === null && reply === 'OK'));
  assert.deepStrictEqual(await client.multi().incr('n').incr('n').get('n').exec(), [[null, 1], [null, 2], [null, '2']]);
  const multi = client.multi().set('x', 'text').incr('x');
  const [, [error]] = await multi.exec();
  assert.match(error.message, /not an integer/);

  const found = new Set();
  await new Promise((resolve, reject) => {
    client.scanStream({ match: 'key:*', count: 50 }).on('data', (keys) => keys.forEach((key) => found.add(key)))
      .on('end', resolve).on('error', reject);
  });
  assert.strictEqual(found.size, 1000);

  const other = client.duplicate();
  await other.watch('n');
  await client.set('n', '9');
  assert.strictEqual(await other.multi().incr('n').exec(), null);
  assert.strictEqual(await other.get('n'), '9');
  assert.deepStrictEqual(await client.getBuffer('n'), Buffer.from('9'));
  await assert.rejects(client.call('NOSUCH'), /unknown command/);
  await other.quit();
  await client.quit();
}

main(Number(process.argv[2])).then(() => process.exit((console.log('ok'), 0)), (error) => { console.error(error); process.exit(1); });
