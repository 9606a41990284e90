'use strict';

// Opens, negotiates and closes connections by the thousand, with media in flight, and measures what
// the process holds (security.md N22): `npm run churn -- --cycles 10000`. Fails when memory,
// descriptors or threads have grown since the warm-up.
//
// Three cycles in ten are a publisher, a processor and a subscriber on two workers with RTP flowing
// when they are closed; two are a DTLS pair over loopback; the others negotiate and are closed at some
// point of it, in any order.
//
// To be run with --max-semi-space-size=1: V8 lets its young generation grow to 16 MiB per half as it
// sees fit, which would look like memory that the addon holds.

const fs = require('node:fs');
const { parseArgs } = require('node:util');

const { PlainPeer, listen, negotiatedPair, ownPool } = require('../api/peers.js');
const { erizo, newConnection, newStream, remoteDescription } = require('../api/support.js');

const gc = globalThis.gc ?? (() => {
  require('node:v8').setFlagsFromString('--expose-gc');
  return require('node:vm').runInNewContext('gc');
})();

/** Cycles under way at the same time, each with two pools of its own: connections of one worker share
 * a socket, and two pairs of connections between the same two sockets cannot be told apart. */
const LANES = 4;
/** Measurements in a run. */
const SAMPLES = 20;
/** The first tenth of the cycles is warm-up: 1,000 of 10,000. */
const WARM_UP = 0.1;
/** Resident memory that may come and go with the allocators' caches. */
const SLACK_MIB = 12;

/** One more or less than that is the event loop's own affair. */
const SLACK_HANDLES = 2;

/** Numbers between 0 and 1 that are the same in each run (Mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = generator(1);
const lanes = Array.from({ length: LANES }, () => [ownPool(), ownPool()]);

/** All of `closers` at once, in an order of their own; some objects are closed twice. */
async function closeAll(closers) {
  const shuffled = closers.map((close) => [random(), close]).sort(([a], [b]) => a - b);
  const closing = shuffled.map(([, close]) => close());
  if (random() < 0.3) closing.push(...shuffled.map(([, close]) => close()));
  await Promise.all(closing);
}

/** `publisher` to `subscriber` through a new processor. */
function join(publisher, subscriber) {
  const processor = new erizo.OneToManyProcessor();
  processor.setPublisher(publisher);
  publisher.setAudioReceiver(processor);
  publisher.setVideoReceiver(processor);
  processor.addSubscriber(subscriber, 'subscriber');
  return processor;
}

const closeProcessor = (processor) => () => new Promise((resolve) => processor.close(resolve));

/** Closed wherever the negotiation happens to be. */
async function negotiate(pools) {
  const connection = newConnection({ threadPool: pools[random() < 0.5 ? 0 : 1], encryptTransport: random() < 0.5 });
  connection.init(() => {});
  const publisher = newStream(connection, { id: 'publisher', label: 'stream' });
  const subscriber = newStream(connection, { id: 'subscriber', label: 'other', publisher: false });
  const processor = join(publisher, subscriber);
  const steps = [
    () => connection.addMediaStream(publisher),
    () => connection.setRemoteDescription(remoteDescription({ encrypted: true })).catch(() => {}),
    () => connection.getLocalDescription(),
    () => connection.addMediaStream(subscriber),
    () => connection.createOffer(true),
    () => connection.getLocalDescription(),
    () => connection.removeMediaStream('publisher'),
    () => new Promise((resolve) => connection.getStats(resolve)),
  ];
  const until = Math.floor(random() * (steps.length + 1));
  const pending = [];
  for (const step of steps.slice(0, until)) {
    const promise = step();
    if (random() < 0.5) await promise;
    else pending.push(promise);
  }
  const closers = [() => connection.close()];
  // Streams and processors are also left to the garbage collector (LIF-2).
  if (random() < 0.8) closers.push(() => publisher.close(), () => subscriber.close());
  if (random() < 0.8) closers.push(closeProcessor(processor));
  await Promise.all([closeAll(closers), ...pending]);
}

/** Closed during or after the handshake. */
async function handshake(pools) {
  const { server, client, incoming, outgoing, atServer, atClient } = await negotiatedPair({ pools });
  if (random() < 0.7) await Promise.all([atServer.until(104), atClient.until(104)]);
  await closeAll([server, client, incoming, outgoing].map((object) => () => object.close()));
}

/** Closed while media flows from a publisher to a subscriber on another worker. */
async function media(pools) {
  const [sender, receiver] = await Promise.all([
    PlainPeer.open({ label: 'room' }),
    PlainPeer.open({ label: 'viewer', audioSsrc: 0, videoSsrc: 0 }),
  ]);
  const [source, sink] = pools.map((threadPool, id) => newConnection({ id, threadPool }));
  const [atSource, atSink] = [listen(source), listen(sink)];
  const publisher = newStream(source, { id: 'publisher', label: 'room' });
  const subscriber = newStream(sink, { id: 'subscriber', label: 'room', publisher: false });
  const processor = join(publisher, subscriber);
  source.addMediaStream(publisher);
  sink.addMediaStream(subscriber);
  await source.setRemoteDescription(sender.description());
  await sink.createOffer(true);
  await Promise.all([atSource.until(103), atSink.until(103)]);
  sender.connect(await source.getLocalDescription());
  const offer = await sink.getLocalDescription();
  await sink.setRemoteDescription(receiver.description());
  receiver.connect(offer, { offered: false });
  await Promise.all([atSource.until(104), atSink.until(104)]);
  const timer = setInterval(() => sender.sendMedia(), 2);
  const [video] = offer.getVideoSsrcMap().room;
  await receiver.until(video, 3);
  await closeAll([
    () => source.close(), () => sink.close(), () => publisher.close(), () => subscriber.close(),
    closeProcessor(processor),
  ]);
  clearInterval(timer);
  const packets = [...receiver.received.values()].reduce((sum, count) => sum + count, 0);
  sender.close();
  receiver.close();
  return packets;
}

const entries = (directory) => fs.readdirSync(directory).length;

function measure(cycle) {
  gc();
  return {
    cycle,
    rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 18) / 4,
    heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 18) / 4,
    descriptors: entries('/proc/self/fd'),
    threads: entries('/proc/self/task'),
  };
}

async function churn(cycles) {
  const counts = { negotiate: 0, handshake: 0, media: 0, packets: 0 };
  const samples = [];
  const every = Math.max(1, Math.floor(cycles / SAMPLES));
  let next = 0;
  const run = async (pools, until) => {
    while (next < until) {
      const index = next;
      next += 1;
      if (index % 10 < 3) {
        counts.media += 1;
        counts.packets += await media(pools);
      } else if (index % 10 < 5) {
        counts.handshake += 1;
        await handshake(pools);
      } else {
        counts.negotiate += 1;
        await negotiate(pools);
      }
    }
  };
  for (let until = every; until <= cycles; until += every) {
    await Promise.all(lanes.map((pools) => run(pools, until)));
    samples.push(measure(until)); // With nothing under way.
  }
  return { counts, samples };
}

/** What has grown after the warm-up, as text; empty if nothing has. */
function growth(samples) {
  const settled = samples.filter(({ cycle }) => cycle >= samples.at(-1).cycle * WARM_UP);
  const half = Math.floor(settled.length / 2);
  const highest = (list, key) => Math.max(...list.map((sample) => sample[key]));
  return [['rssMiB', SLACK_MIB], ['heapMiB', SLACK_MIB], ['descriptors', SLACK_HANDLES], ['threads', SLACK_HANDLES]]
    .filter(([key, slack]) => highest(settled.slice(half), key) > highest(settled.slice(0, half), key) + slack)
    .map(([key]) => `${key} grows: ${settled.map((sample) => sample[key]).join(' ')}`);
}

module.exports = { growth };

if (require.main === module) {
  const { values } = parseArgs({ options: { cycles: { type: 'string', default: '10000' } } });
  const began = performance.now();
  churn(Number(values.cycles)).then(({ counts, samples }) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.table(samples);
    const { packets, ...cycles } = counts;
    console.log(`${values.cycles} cycles in ${seconds} s: ${JSON.stringify(cycles)}, ${packets} packets received`);
    const grown = growth(samples);
    console.log(grown.length > 0 ? grown.join('\n') : 'memory, descriptors and threads are flat');
    process.exitCode = grown.length > 0 ? 1 : 0;
  });
}
