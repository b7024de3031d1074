// SPDX-License-Identifier: BSD-3-Clause
const assert = require('node:assert');
const { once } = require('node:events');
const Redis = require('ioredis');

async function main(port) {
  const client = new Redis(port);
  const subscriber = new Redis(port);

  assert.strictEqual(await subscriber.subscribe('news', 'sport'), 2);
  let message = once(subscriber, 'message');
  assert.strictEqual(await client.publish('news', 'hello'), 1);
  assert.deepStrictEqual(await message, ['news', 'hello']);

  assert.strictEqual(await subscriber.psubscribe('s*'), 3);
  message = Promise.all([once(subscriber, 'message'), once(subscriber, 'pmessage')]);
  assert.strictEqual(await client.publish('sport', 'goal'), 2);
  assert.deepStrictEqual(await message, [['sport', 'goal'], ['s*', 'sport', 'goal']]);

  const binary = Buffer.from([0, 255, 13, 10]);
  message = once(subscriber, 'messageBuffer');
  await client.publish('news', binary);
  assert.deepStrictEqual((await message)[1], binary);

  await assert.rejects(subscriber.get('k'), /subscriber mode/);
  assert.strictEqual(await subscriber.unsubscribe('news', 'sport'), 1);
  assert.strictEqual(await subscriber.punsubscribe('s*'), 0);
  assert.strictEqual(await subscriber.get('missing'), null);

  const results = await client.multi().publish('news', 'x').set('k', '1').exec();
  assert.deepStrictEqual(results, [[null, 0], [null, 'OK']]);
  await Promise.all([subscriber.quit(), client.quit()]);
}

main(Number(process.argv[2])).then(() => console.log('ok'), (error) => { console.error(error); process.exit(1); });
