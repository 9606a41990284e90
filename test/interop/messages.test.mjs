// What the room server makes of messages that its own page would never send. No browser needed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';

import WebSocket from 'ws';

const { start } = createRequire(import.meta.url)('../../examples/room/server.js');

const REPLY_MS = 5_000;

describe('room signalling', () => {
  let server;
  const clients = [];

  before(async () => {
    server = await start({ host: '127.0.0.1', networkInterface: 'lo' });
  });

  after(async () => {
    for (const client of clients) client.socket.terminate();
    await server?.close();
  });

  const connect = async () => {
    const client = new Client(server.url);
    clients.push(client);
    await once(client.socket, 'open');
    return client;
  };

  const join = async (name) => {
    const client = await connect();
    client.joined = await client.request('join', { room: 'test', name });
    return client;
  };

  it('answers malformed messages with an error and tells nobody else', async () => {
    const [good, bad] = [await join('good'), await join('bad')];
    await good.event('participant-joined');
    const malformed = [
      'no json',
      'null',
      '[]',
      '{}',
      '{"request":-1,"type":"statistics"}',
      '{"request":1}',
      '{"request":1,"type":"__proto__"}',
      '{"request":1,"type":"constructor"}',
      '{"request":1,"type":"statistics","more":true}',
      '{"request":1,"type":"publish"}',
      '{"request":1,"type":"subscribe","stream":7,"audio":true,"video":true}',
      '{"request":1,"type":"subscribe","stream":"s1","audio":"yes","video":true}',
      '{"request":1,"type":"offer","connection":"p1-publish-1","sdp":""}',
      JSON.stringify({
        request: 1,
        type: 'publish',
        label: 'a\r\na=candidate',
        title: 'x',
        source: 'camera',
        audio: true,
        video: true,
      }),
      Buffer.from([0, 1, 2, 255]),
    ];
    for (const message of malformed) {
      const { error } = await bad.raw(message);
      assert.equal(error?.code, 'bad-message', String(message));
    }
    assert.deepEqual(good.events, []);
    assert.ok(await good.request('statistics'));
    assert.ok(await bad.request('statistics'));
  });

  it('refuses what does not exist or is not one\'s own', async () => {
    const client = await connect();
    await assert.rejects(client.request('statistics'), { code: 'not-joined' });
    client.joined = await client.request('join', { room: 'test', name: 'x' });
    const none = { stream: 'zzz' };
    const cases = [
      ['join', { room: 'test', name: 'x' }, 'already-joined'],
      ['subscribe', { ...none, audio: true, video: true }, 'unknown-stream'],
      ['unsubscribe', none, 'not-subscribed'],
      ['unpublish', none, 'unknown-stream'],
      ['mute', { ...none, audio: true, video: true }, 'not-subscribed'],
      ['offer', { connection: 'p1-publish-1', sdp: 'v=0' }, 'unknown-connection'],
      ['answer', { connection: 'p1-subscribe-1', offer: 1, sdp: 'v=0' }, 'unknown-connection'],
      ['candidate', { connection: 'x', candidate: 'candidate:1' }, 'unknown-connection'],
      ['connection-failed', { connection: 'x' }, 'unknown-connection'],
      [
        'publish',
        { label: 'l', title: 't', source: 'camera', audio: false, video: false },
        'nothing-to-publish',
      ],
    ];
    for (const [type, fields, code] of cases) {
      await assert.rejects(client.request(type, fields), { code }, type);
    }
  });

  it('refuses descriptions that are none, and takes the next one', async () => {
    const client = await join('x');
    const { connection } = await client.request('publish', {
      label: 'label-1',
      title: 'Camera',
      source: 'camera',
      audio: true,
      video: false,
    });
    for (const sdp of ['nonsense', 'v=0\r\n', OFFER.replace(/a=fingerprint.*\r\n/, '')]) {
      await assert.rejects(client.request('offer', { connection, sdp }), (error) =>
        ['bad-description', 'refused-description'].includes(error.code),
      );
    }
    const { sdp } = await client.request('offer', { connection, sdp: OFFER });
    assert.match(sdp, /^v=0\r\n/);
    assert.match(sdp, /\r\na=recvonly\r\n/);
    assert.match(sdp, /\r\na=setup:active\r\n/);
    assert.match(sdp, /\r\na=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host/i);
  });

  it('lets a label name one stream only', async () => {
    const [one, two] = [await join('one'), await join('two')];
    const stream = { label: 'same', title: 't', source: 'camera', audio: true, video: true };
    const { stream: id } = await one.request('publish', stream);
    await assert.rejects(two.request('publish', stream), { code: 'label-taken' });
    await one.request('unpublish', { stream: id });
    await two.request('publish', stream);
  });

  it('takes sockets of its own page only', async () => {
    const refused = [
      { origin: 'http://evil.example' },
      { origin: 'http://evil.example', headers: { Host: 'evil.example' } },
    ];
    for (const options of refused) {
      const socket = new WebSocket(signallingUrl(server.url), options);
      const [error] = await once(socket, 'error');
      assert.match(error.message, /403/);
    }
  });

  it('serves its own files and nothing else', async () => {
    const status = async (path) => (await fetch(new URL(path, server.url))).status;
    assert.equal(await status('/'), 200);
    assert.equal(await status('/app.js?x=1'), 200);
    for (const path of ['/server.js', '/..%2fserver.js', '/%2e%2e/server.js', '/page/app.js']) {
      assert.equal(await status(path), 404, path);
    }
  });

  it('tells the others when a socket just ends', async () => {
    const [stays, goes] = [await join('stays'), await join('goes')];
    await stays.event('participant-joined');
    goes.socket.terminate();
    const { participant } = await stays.event('participant-left');
    assert.equal(participant, goes.joined.participant);
  });
});

class Client {
  /** Events that nobody waited for yet. */
  events = [];
  #requests = 0;
  #waiting = [];

  constructor(url) {
    this.socket = new WebSocket(signallingUrl(url));
    this.socket.on('message', (data) => this.#deliver(JSON.parse(data)));
    this.socket.on('error', () => {}); // Its 'close' follows, and requests have a limit of time.
  }

  async request(type, fields = {}) {
    this.#requests += 1;
    const reply = await this.raw(JSON.stringify({ request: this.#requests, type, ...fields }));
    if (reply.error) throw Object.assign(new Error(reply.error.message), reply.error);
    return reply.result;
  }

  /** Sends anything and resolves with the next reply. */
  raw(data) {
    this.socket.send(data);
    return this.event('reply');
  }

  event(type) {
    const index = this.events.findIndex((event) => event.type === type);
    if (index >= 0) return Promise.resolve(this.events.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${type} within ${REPLY_MS} ms`)),
        REPLY_MS,
      );
      this.#waiting.push({ type, resolve, timer });
    });
  }

  #deliver(event) {
    const index = this.#waiting.findIndex(({ type }) => type === event.type);
    if (index < 0) return this.events.push(event);
    const [{ resolve, timer }] = this.#waiting.splice(index, 1);
    clearTimeout(timer);
    resolve(event);
  }
}

function signallingUrl(url) {
  return new URL('/signalling', url.replace('http:', 'ws:'));
}

const OFFER = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'a=msid-semantic: WMS label-1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'c=IN IP4 0.0.0.0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`,
  'a=setup:actpass',
  'a=mid:0',
  'a=sendonly',
  'a=msid:label-1 track-1',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=ssrc:1234 cname:x',
  '',
].join('\r\n');
