'use strict';

// Two connections of this addon reach each other over real sockets, through SDP text alone.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { MEDIA_CONFIGURATION, erizo, newConnection, newStream } = require('./support.js');

const DEADLINE_MS = 10_000;

/** A pool for one side: connections of one worker share a socket, and a socket that sends to itself
 * cannot tell its two ends apart by their addresses. */
function ownPool() {
  const pool = new erizo.ThreadPool(1);
  pool.start();
  return pool;
}

/** Initialises `connection`; `told` grows, and `until(code)` resolves once `code` has been told. */
function listen(connection) {
  const told = [];
  let check = () => {};
  connection.init((code) => {
    told.push(code);
    check();
  });
  const until = (code) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${code} after ${told}`)), DEADLINE_MS);
    check = () => {
      if (!told.includes(code)) return;
      clearTimeout(timer);
      resolve();
    };
    check();
  });
  return { told, until };
}

/** The local description of one side as the other side gets it. */
async function carried(connection) {
  const text = (await connection.getLocalDescription()).toSdp();
  return erizo.ConnectionDescription.fromSdp(text, MEDIA_CONFIGURATION);
}

describe('two connections', () => {
  for (const encryptTransport of [true, false]) {
    it(`become ready ${encryptTransport ? 'with' : 'without'} encryption (EVT-1)`, async () => {
      const [server, client] = ['server', 'client'].map((id) =>
        newConnection({ id, encryptTransport, threadPool: ownPool() }));
      const [atServer, atClient] = [listen(server), listen(client)];
      await server.addMediaStream(newStream(server, { id: 'out', label: 'room', publisher: false }));
      const incoming = newStream(client, { id: 'in', label: 'room' });
      const events = [];
      incoming.onMediaStreamEvent((type) => events.push(type));
      await client.addMediaStream(incoming);

      await server.createOffer(true);
      await atServer.until(103);
      await client.setRemoteDescription(await carried(server));
      assert.deepEqual(events, ['ready']); // EVT-20
      await atClient.until(103);
      const answer = await carried(client);
      assert.equal(answer.getFingerprint() !== '', encryptTransport);
      await server.setRemoteDescription(answer);
      await Promise.all([atServer.until(104), atClient.until(104)]);

      assert.deepEqual(atServer.told, [101, 103, 104]);
      assert.deepEqual(atClient.told, [101, 103, 104]);
      assert.deepEqual([server.getCurrentState(), incoming.getCurrentState()], [104, 104]);
      for (const object of [server, client, incoming]) {
        const json = await new Promise((resolve) => object.getStats(resolve));
        assert.equal(typeof JSON.parse(json), 'object');
      }
      assert.equal(await incoming.close(), '');
      assert.deepEqual(
        await Promise.all([server.close(), client.close()]),
        ['webrtcconnection_closed', 'webrtcconnection_closed'],
      );
    });
  }
});
