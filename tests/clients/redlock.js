// SPDX-License-Identifier: BSD-3-Clause
// redlock: a lock is had, held by one at a time, extended and released, by scripts.
'use strict';
const assert = require('node:assert');
const Redis = require('ioredis');
const Redlock = require('redlock');

async function main(port) {
  const clients = [new Redis(port), new Redis(port)];
  const patient = clients.map((client) => new Redlock([client], { retryCount: 1000, retryDelay: 5, retryJitter: 5 }));
  const hasty = new Redlock([clients[1]], { retryCount: 0 });

  let lock = await patient[0].lock('a', 20000);
  await assert.rejects(hasty.lock('a', 20000), Redlock.LockError);
  assert.ok(await clients[0].pttl('a') > 10000);
  lock = await lock.extend(60000);
  assert.ok(await clients[0].pttl('a') > 50000);
  await lock.unlock();
  await assert.rejects(lock.unlock(), Redlock.LockError);
  assert.strictEqual(await clients[0].exists('a'), 0);

  const several = await hasty.lock(['x', 'y', 'z'], 20000);
  await assert.rejects(hasty.lock(['w', 'y'], 20000), Redlock.LockError);
  assert.strictEqual(await clients[0].exists('w'), 0);
  await several.unlock();

  let inside = 0, value = 0;
  await Promise.all(Array.from({ length: 16 }, async (_, n) => {
    const held = await patient[n % 2].lock('counter', 20000);
    assert.strictEqual(++inside, 1);
    const before = value;
    await clients[n % 2].ping();
    value = before + 1;
    inside--;
    await held.unlock();
  }));
  assert.strictEqual(value, 16);
  for (const client of clients) client.disconnect();
}

main(Number(process.argv[2])).then(() => process.exit((console.log('ok'), 0)), (error) => { console.error(error); process.exit(1); });
