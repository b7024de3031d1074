// SPDX-License-Identifier: BSD-3-Clause
// Sessions of a web application in express-session's store for Redis, connect-redis, with either client.
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const { promisify } = require('node:util');
const express = require('express');
const session = require('express-session');
const RedisStore = require('connect-redis').default;
const Redis = require('ioredis');
const { createClient } = require('redis');

function application(store) {
  const app = express();
  app.use(session({ store, secret: 'x', resave: false, saveUninitialized: false, cookie: { maxAge: 100000 } }));
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits || 0) + 1;
    response.json(request.session.visits);
  });
  app.get('/leave', (request, response) => request.session.destroy(() => response.json('left')));
  return app;
}

async function visitor(base) {
  let cookie = '';
  return async (path) => {
    const response = await fetch(base + path, { headers: { cookie } });
    cookie = (response.headers.get('set-cookie') || cookie).split(';')[0];
    return response.json();
  };
}

async function story(client, timeToLive) {
  const store = new RedisStore({ client, prefix: 'web:' });
  const length = promisify(store.length.bind(store));
  const server = application(store).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}`;
  const one = await visitor(base), other = await visitor(base);
  for (let visits = 1; visits <= 5; visits++) assert.strictEqual(await one('/visit'), visits);
  assert.strictEqual(await other('/visit'), 1);
  assert.strictEqual(await length(), 2);
  const [id] = await promisify(store.ids.bind(store))();
  assert.ok(await timeToLive('web:' + id) > 90);
  assert.deepStrictEqual((await promisify(store.all.bind(store))()).map((row) => row.visits).sort(), [1, 5]);
  assert.strictEqual(await one('/leave'), 'left');
  assert.strictEqual(await length(), 1);
  assert.strictEqual(await one('/visit'), 1);
  await promisify(store.clear.bind(store))();
  assert.strictEqual(await length(), 0);
  server.closeAllConnections();
  server.close();
}

async function main(port) {
  const nodeRedis = createClient({ url: `redis://127.0.0.1:${port}` });
  await nodeRedis.connect();
  await story(nodeRedis, (key) => nodeRedis.ttl(key));
  await nodeRedis.quit();
  const ioredis = new Redis(port);
  await story(ioredis, (key) => ioredis.ttl(key));
  await ioredis.quit();
}

main(Number(process.argv[2])).then(() => process.exit((console.log('ok'), 0)), (error) => { console.error(error); process.exit(1); });
