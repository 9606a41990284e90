'use strict';

// What a connection can be connected to without a browser: another connection of this addon, or a
// peer of a few lines that speaks ICE and RTP in clear over a socket of its own.

const crypto = require('node:crypto');
const dgram = require('node:dgram');
const zlib = require('node:zlib');

const { MEDIA_CONFIGURATION, erizo, mediaConfigurationText, newConnection, newStream } = require('./support.js');

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
  const waiting = new Set();
  connection.init((code) => {
    told.push(code);
    for (const check of waiting) check();
  });
  const until = (code, count = 1) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${code} after ${told}`)), DEADLINE_MS);
    const check = () => {
      if (told.filter((known) => known === code).length < count) return;
      clearTimeout(timer);
      waiting.delete(check);
      resolve();
    };
    waiting.add(check);
    check();
  });
  return { told, until };
}

/** The local description of one side as the other side gets it. */
async function carried(connection, edit = (text) => text) {
  const text = (await connection.getLocalDescription()).toSdp();
  return erizo.ConnectionDescription.fromSdp(edit(text), MEDIA_CONFIGURATION);
}

/**
 * Two connections, with a stream from one to the other, that have exchanged descriptions; `editOffer`
 * and `edit` change the SDP text of the offer and of the answer.
 * Resolves before they are connected.
 */
async function negotiatedPair({ pools, editOffer, edit, ...options } = {}) {
  const [server, client] = ['server', 'client'].map((id, side) =>
    newConnection({ encryptTransport: true, id, ...options, threadPool: pools?.[side] ?? ownPool() }));
  const [atServer, atClient] = [listen(server), listen(client)];
  const outgoing = newStream(server, { id: 'out', label: 'room', publisher: false });
  const incoming = newStream(client, { id: 'in', label: 'room' });
  await Promise.all([server.addMediaStream(outgoing), client.addMediaStream(incoming)]);
  await server.createOffer(true);
  await atServer.until(103);
  await client.setRemoteDescription(await carried(server, editOffer));
  await atClient.until(103);
  await server.setRemoteDescription(await carried(client, edit));
  return { server, client, outgoing, incoming, atServer, atClient };
}

/** The same, connected. */
async function connectedPair(options) {
  const pair = await negotiatedPair(options);
  await Promise.all([pair.atServer.until(104), pair.atClient.until(104)]);
  return pair;
}

const MAGIC = 0x2112a442;
const STUN = { BINDING: 0x0001, SUCCESS: 0x0101 };
const ATTRIBUTE = {
  USERNAME: 0x0006, INTEGRITY: 0x0008, XOR_ADDRESS: 0x0020, PRIORITY: 0x0024, USE_CANDIDATE: 0x0025,
  FINGERPRINT: 0x8028, CONTROLLED: 0x8029, CONTROLLING: 0x802a,
};

function attribute(type, value) {
  const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  padded.writeUInt16BE(type, 0);
  padded.writeUInt16BE(value.length, 2);
  value.copy(padded, 4);
  return padded;
}

/** A STUN message with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7). */
function stun(type, transaction, attributes, password) {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(type, 0);
  header.writeUInt32BE(MAGIC, 4);
  transaction.copy(header, 8);
  let message = Buffer.concat([header, ...attributes]);
  const add = (kind, length, value) => {
    message.writeUInt16BE(message.length - 20 + 4 + length, 2); // As if it were already there.
    message = Buffer.concat([message, attribute(kind, value(message))]);
  };
  add(ATTRIBUTE.INTEGRITY, 20, (text) => crypto.createHmac('sha1', password).update(text).digest());
  add(ATTRIBUTE.FINGERPRINT, 4, (text) => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE((zlib.crc32(text) ^ 0x5354554e) >>> 0);
    return sum;
  });
  return message;
}

function uint(bytes, value) {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 8) buffer.writeBigUInt64BE(value);
  else buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** An RTP packet (RFC 3550 §5.1) with a VP8 payload: the first packet of a key frame. */
function rtpPacket({ payloadType = 96, sequence, timestamp, ssrc, payload }) {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = 0x80 | payloadType;
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  const keyFrame = Buffer.from([0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00, 1, 2, 3]);
  return Buffer.concat([header, payload ?? keyFrame]);
}

/** Offers, connects to the host candidate of one connection, and sends and counts RTP in clear. */
class PlainPeer {
  /** Resolves once the peer has a socket. */
  static async open({ label = 'stream', audioSsrc = 1000, videoSsrc = 2000, direction = 'sendrecv' } = {}) {
    const peer = new PlainPeer();
    Object.assign(peer, { label, audioSsrc, videoSsrc, direction });
    peer.ufrag = crypto.randomBytes(4).toString('hex');
    peer.password = crypto.randomBytes(16).toString('hex');
    peer.tieBreaker = crypto.randomBytes(8).readBigUInt64BE();
    /** RTP that arrived, by SSRC: how many packets. */
    peer.received = new Map();
    /** Checks of ours that were answered. */
    peer.answers = 0;
    peer.waiting = new Set();
    peer.sequence = 0;
    peer.socket = dgram.createSocket('udp4', (data, from) => peer.take(data, from));
    await new Promise((resolve) => peer.socket.bind(0, resolve));
    return peer;
  }

  /** The offer or answer of this peer, as ErizoJS would build it from SDP (contract FIL-1). */
  description({ mids = [0, 1] } = {}) {
    const description = new erizo.ConnectionDescription(mediaConfigurationText);
    description.setRtcpMux(true);
    description.setBundle(true);
    description.setProfile('AVPF');
    ['audio', 'video'].forEach((kind, index) => {
      description.addBundleTag(mids[index], kind);
      description.setICECredentials(this.ufrag, this.password, kind);
      description.addMediaInfo(this.label, '', mids[index], this.direction, kind, '', false);
    });
    description.addPt(96, 'VP8', 90000, 'video');
    description.addPt(111, 'opus', 48000, 'audio');
    description.setAudioSsrc(this.label, this.audioSsrc);
    description.setVideoSsrcList(this.label, [this.videoSsrc]);
    description.postProcessInfo();
    return description;
  }

  /** Begins to check towards the connection whose description this is; whoever offered controls. */
  connect(local, { offered = true } = {}) {
    this.role = offered
      ? [attribute(ATTRIBUTE.CONTROLLING, uint(8, this.tieBreaker)), attribute(ATTRIBUTE.USE_CANDIDATE, Buffer.alloc(0))]
      : [attribute(ATTRIBUTE.CONTROLLED, uint(8, this.tieBreaker))];
    [this.remoteUfrag, this.remotePassword] = local.getICECredentials();
    const [candidate] = local.getCandidates();
    this.remote = { address: candidate.hostIp, port: candidate.hostPort };
    this.check();
    this.timer = setInterval(() => this.check(), 50);
  }

  check() {
    this.send(stun(STUN.BINDING, crypto.randomBytes(12), [
      attribute(ATTRIBUTE.USERNAME, Buffer.from(`${this.remoteUfrag}:${this.ufrag}`)),
      attribute(ATTRIBUTE.PRIORITY, uint(4, 0x6e0001ff)),
      ...this.role,
    ], this.remotePassword));
  }

  take(data, from) {
    if (data[0] < 2 && data.readUInt16BE(0) === STUN.BINDING) {
      const port = uint(2, from.port ^ (MAGIC >>> 16));
      const address = from.address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      const mapped = Buffer.concat([Buffer.from([0, 1]), port, uint(4, (address ^ MAGIC) >>> 0)]);
      const answer = stun(STUN.SUCCESS, data.subarray(8, 20), [attribute(ATTRIBUTE.XOR_ADDRESS, mapped)], this.password);
      this.socket.send(answer, from.port, from.address);
    } else if (data[0] < 2 && data.readUInt16BE(0) === STUN.SUCCESS) {
      this.answers += 1;
    } else if (data[0] >= 0x80 && (data[1] < 192 || data[1] > 223)) {
      const ssrc = data.readUInt32BE(8);
      this.received.set(ssrc, (this.received.get(ssrc) ?? 0) + 1);
      for (const check of this.waiting) check();
    }
  }

  /** Sends one video and one audio packet. */
  sendMedia() {
    this.sequence += 1;
    const { sequence, audioSsrc, videoSsrc } = this;
    this.send(rtpPacket({ sequence, timestamp: sequence * 3000, ssrc: videoSsrc }));
    this.send(rtpPacket({
      payloadType: 111, sequence, timestamp: sequence * 960, ssrc: audioSsrc, payload: Buffer.alloc(40, 1),
    }));
  }

  send(data) {
    if (!this.closed) this.socket.send(data, this.remote.port, this.remote.address, () => {});
  }

  /** Resolves once RTP of `ssrc` has arrived. */
  until(ssrc, count = 1) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no RTP of ${ssrc}`)), DEADLINE_MS);
      const check = () => {
        if ((this.received.get(ssrc) ?? 0) < count) return;
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve();
      };
      this.waiting.add(check);
      check();
    });
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    this.socket.close();
  }
}

module.exports = { PlainPeer, carried, connectedPair, listen, negotiatedPair, ownPool };
