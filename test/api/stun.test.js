'use strict';

// Gathering through a STUN server (contract ICE-4, EVT-2), against a server of our own on loopback.

const assert = require('node:assert/strict');
const dgram = require('node:dgram');
const { describe, it } = require('node:test');

const { ThreadPool, IOThreadPool, WebRtcConnection } = require('../../js/index.js');

const MAGIC_COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const XOR_MAPPED_ADDRESS = 0x0020;
const GATHERED = 103;

/** Answers every binding request with the same mapped address, or with nothing. */
async function stunServer(mapped) {
  const socket = dgram.createSocket('udp4');
  const requests = [];
  socket.on('message', (message, { address, port }) => {
    if (message.readUInt16BE(0) !== BINDING_REQUEST) return;
    requests.push(message);
    if (!mapped) return;
    const value = Buffer.alloc(12);
    value.writeUInt16BE(XOR_MAPPED_ADDRESS, 0);
    value.writeUInt16BE(8, 2);
    value.writeUInt16BE(0x0001, 4);
    value.writeUInt16BE(mapped.port ^ (MAGIC_COOKIE >>> 16), 6);
    const ip = Buffer.from(mapped.ip.split('.').map(Number)).readUInt32BE(0);
    value.writeUInt32BE((ip ^ MAGIC_COOKIE) >>> 0, 8);
    const head = Buffer.from(message.subarray(0, 20));
    head.writeUInt16BE(BINDING_SUCCESS, 0);
    head.writeUInt16BE(value.length, 2);
    socket.send(Buffer.concat([head, value]), port, address);
  });
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, requests, close: () => socket.close() };
}

/** The candidates of a connection that has gathered with this server. */
async function gather(port) {
  const [pool, ioPool] = [new ThreadPool(1), new IOThreadPool(1)];
  pool.start();
  const connection = new WebRtcConnection(
    pool, ioPool, 'stun', '127.0.0.1', port, 0, 0, false, '{}', '{}', false, true, false, false,
    '', 0, '', '', 'lo',
  );
  const gathered = new Promise((resolve) => {
    connection.init((code) => code === GATHERED && resolve());
  });
  await connection.createOffer(true);
  await gathered;
  const candidates = (await connection.getLocalDescription()).getCandidates();
  await connection.close();
  pool.close();
  return candidates;
}

describe('gathering through a STUN server', () => {
  it('adds the address that the server saw (ICE-4)', { timeout: 10_000 }, async () => {
    const server = await stunServer({ ip: '203.0.113.9', port: 61000 });
    try {
      const candidates = await gather(server.port);
      const [host, reflexive] = candidates;
      assert.equal(candidates.length, 2);
      assert.equal(host.hostType, 'host');
      assert.equal(reflexive.hostType, 'srflx');
      assert.deepEqual([reflexive.hostIp, reflexive.hostPort], ['203.0.113.9', 61000]);
      assert.deepEqual([reflexive.relayIp, reflexive.relayPort], [host.hostIp, host.hostPort]);
      assert.ok(reflexive.priority < host.priority);
    } finally {
      server.close();
    }
  });

  it('ends without an answer (EVT-2)', { timeout: 10_000 }, async () => {
    const server = await stunServer(null);
    try {
      const candidates = await gather(server.port);
      assert.deepEqual(candidates.map(({ hostType }) => hostType), ['host']);
      assert.ok(server.requests.length > 1, 'the request was repeated');
    } finally {
      server.close();
    }
  });
});
