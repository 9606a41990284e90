'use strict';

// The server that is measured: forwards one publisher to many subscribers through the addon, as a
// deployment would. Driven by JSON lines on standard input, see README.md.
//
//   node server.js [--workers 1]

const readline = require('node:readline');
const { parseArgs } = require('node:util');

const addon = require('../..');

const GATHERED = 103;
const READY = 104;
const FAILED = 500;

const FEEDBACK = ['ccm fir', 'nack', 'nack pli', 'goog-remb', 'transport-cc'];
const MEDIA = JSON.stringify({
  rtpMappings: [
    {
      payloadType: 100,
      encodingName: 'VP8',
      mediaType: 'video',
      clockRate: 90000,
      feedbackTypes: FEEDBACK,
    },
    {
      payloadType: 111,
      encodingName: 'opus',
      mediaType: 'audio',
      clockRate: 48000,
      channels: 2,
      feedbackTypes: ['transport-cc'],
    },
  ],
  extMappings: [
    'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
    'urn:ietf:params:rtp-hdrext:sdes:mid',
  ],
});

const { values } = parseArgs({ options: { workers: { type: 'string', default: '1' } } });
const threadPool = new addon.ThreadPool(Number(values.workers));
const ioThreadPool = new addon.IOThreadPool(1);
threadPool.start();
ioThreadPool.start();

let publication;
const subscriptions = new Map();

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

class Connection {
  constructor(id) {
    this.id = id;
    this.native = new addon.WebRtcConnection(
      threadPool,
      ioThreadPool,
      id,
      '', // STUN server
      0,
      0, // any port
      0,
      false, // trickle
      MEDIA,
      '{}', // bandwidth distribution
      false, // connection quality check
      true, // encrypt
      false, // ICE lite
      false, // nICEr
      '', // TURN server
      0,
      '',
      '',
      'lo',
    );
    this.gathered = new Promise((resolve) => {
      this.native.init((code) => {
        if (code === GATHERED) resolve();
        else if (code === READY) tell({ event: 'ready', peer: id });
        else if (code === FAILED) tell({ event: 'failed', peer: id });
      });
    });
  }

  createStream(label, isPublisher) {
    const { native, id } = this;
    const kinds = [true, true];
    return new addon.MediaStream(threadPool, native, id, label, isPublisher, ...kinds, [], 'default');
  }

  setRemote(sdp) {
    const description = addon.ConnectionDescription.fromSdp(sdp, MEDIA);
    return this.native.setRemoteDescription(description);
  }

  async localDescription() {
    await this.gathered;
    return this.native.getLocalDescription();
  }
}

const REQUESTS = {
  async publish({ peer, label, sdp }) {
    const connection = new Connection(peer);
    const stream = connection.createStream(label, true);
    const processor = new addon.OneToManyProcessor();
    processor.setPublisher(stream);
    stream.setAudioReceiver(processor);
    stream.setVideoReceiver(processor);
    await connection.native.addMediaStream(stream);
    await connection.setRemote(sdp);
    const description = await connection.localDescription();
    publication = { connection, stream, processor, label, description };
    return { sdp: description.toSdp({ sessionVersion: 1 }) };
  },

  async subscribe({ peer }) {
    const connection = new Connection(peer);
    const stream = connection.createStream(publication.label, false);
    // A picture can start only with a key frame; a publisher sends none unless it is asked.
    stream.onMediaStreamEvent((type) => {
      if (type === 'ready') publication.stream.generatePLIPacket();
    });
    publication.processor.addSubscriber(stream, peer);
    subscriptions.set(peer, { connection, stream });
    await connection.native.addMediaStream(stream);
    connection.native.copySdpToLocalDescription(publication.description);
    await connection.native.createOffer(true);
    const description = await connection.localDescription();
    return { sdp: description.toSdp({ sessionVersion: 1 }) };
  },

  async answer({ peer, sdp }) {
    await subscriptions.get(peer).connection.setRemote(sdp);
  },

  async unsubscribe({ peer }) {
    const { connection, stream } = subscriptions.get(peer);
    subscriptions.delete(peer);
    const removed = connection.native.removeMediaStream(peer);
    const closed = stream.close();
    publication.processor.removeSubscriber(peer);
    await Promise.all([removed, closed]);
    await connection.native.close();
  },
};

// A failure ends the program: a server that limps along would be measured as a fast one.
readline
  .createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { id, type, ...request } = JSON.parse(line);
    tell({ id, ...(await REQUESTS[type](request)) });
  })
  .on('close', () => process.exit(0));

tell({ event: 'started', version: addon.version });
