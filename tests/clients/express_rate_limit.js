// SPDX-License-Identifier: BSD-3-Clause
// express-rate-limit's store, rate-limit-redis: its scripts are loaded once and called by their digests.
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const express = require('express');
const { rateLimit } = require('express-rate-limit');
const { RedisStore } = require('rate-limit-redis');
const Redis = require('ioredis');
const { createClient } = require('redis');

async function story(sendCommand, prefix) {
  const app = express();
  const store = new RedisStore({ sendCommand, prefix });
  app.use(rateLimit({ windowMs: 100000, limit: 5, standardHeaders: 'draft-7', store, validate: false,
    keyGenerator: (request) => request.headers['x-user'], skipFailedRequests: true }));
  app.get('/', (request, response) => response.status(request.headers['x-fail'] ? 500 : 200).end());
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ask = async (user, more) =>
    (await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { 'x-user': user, ...more } })).status;

  const statuses = [];
  for (let n = 0; n < 7; n++) statuses.push(await ask('a'));
  assert.deepStrictEqual(statuses, [200, 200, 200, 200, 200, 429, 429]);
  const together = await Promise.all(Array.from({ length: 20 }, () => ask('b')));
  assert.strictEqual(together.filter((status) => status === 200).length, 5);
  const { totalHits, resetTime } = await store.get('a');
  assert.ok(totalHits >= 5 && resetTime > new Date());
  await store.resetKey('a');
  assert.strictEqual(await ask('a'), 200);
  await store.decrement('a');
  assert.strictEqual((await store.get('a')).totalHits, 0);
  server.closeAllConnections();
  server.close();
}

async function main(port) {
  const nodeRedis = createClient({ url: `redis://127.0.0.1:${port}` });
  await nodeRedis.connect();
  await story((...words) => nodeRedis.sendCommand(words), 'one:');
  await nodeRedis.scriptFlush(); // the store loads what is not there any more
  await story((...words) => nodeRedis.sendCommand(words), 'two:');
  await nodeRedis.quit();
  const ioredis = new Redis(port);
  await story((...words) => ioredis.call(...words), 'three:');
  await ioredis.quit();
}

main(Number(process.argv[2])).then(() => process.exit((console.log('ok'), 0)), (error) => { console.error(error); process.exit(1); });
