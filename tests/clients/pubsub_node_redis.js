// SPDX-License-Identifier: BSD-3-Clause
const assert = require('node:assert');
const { createClient } = require('redis');

// A function to be called with each message, and a promise of the first 'count' of them.
function collect(count) {
  const messages = [];
  let finish;
  const all = new Promise((resolve) => { finish = resolve; });
  const listener = (message, channel) => {
    messages.push([String(channel), String(message)]);
    if (messages.length === count) finish(messages);
  };
  return [listener, all];
}

async function main(port) {
  const client = createClient({ socket: { host: '127.0.0.1', port } });
  await client.connect();
  const subscriber = client.duplicate();
  await subscriber.connect();

  const [onNews, news] = collect(3);
  await subscriber.subscribe('news', onNews);
  for (const text of ['one', 'two', 'three']) assert.strictEqual(await client.publish('news', text), 1);
  assert.deepStrictEqual(await news, [['news', 'one'], ['news', 'two'], ['news', 'three']]);

  const [onPattern, pattern] = collect(2);
  await subscriber.pSubscribe('user:*', onPattern);
  await Promise.all([client.publish('user:1', 'a'), client.publish('user:2', 'b')]);
  assert.deepStrictEqual(await pattern, [['user:1', 'a'], ['user:2', 'b']]);

  const [onShard, shard] = collect(1);
  await subscriber.sSubscribe('shard', onShard);
  assert.strictEqual(await client.sPublish('shard', 'x'), 1);
  assert.deepStrictEqual(await shard, [['shard', 'x']]);

  assert.deepStrictEqual(await client.pubSubChannels(), ['news']);
  assert.deepStrictEqual({ ...await client.pubSubNumSub('news') }, { news: 1 });
  assert.strictEqual(await client.pubSubNumPat(), 1);

  await client.configSet('notify-keyspace-events', 'Ex');
  const [onExpired, expired] = collect(1);
  await subscriber.subscribe('__keyevent@0__:expired', onExpired);
  await client.set('short', '1', { PX: 20 });
  assert.deepStrictEqual(await expired, [['__keyevent@0__:expired', 'short']]);
  await client.configSet('notify-keyspace-events', '');

  await subscriber.unsubscribe(['news', '__keyevent@0__:expired']);
  await subscriber.pUnsubscribe('user:*');
  await subscriber.sUnsubscribe('shard');
  assert.strictEqual(await subscriber.ping(), 'PONG');
  assert.strictEqual(await client.publish('news', 'nobody'), 0);
  await subscriber.quit();
  await client.quit();
}

main(Number(process.argv[2])).then(() => console.log('ok'), (error) => { console.error(error); process.exit(1); });
