'use strict';

// What the tests of the JavaScript surface share.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const erizo = require('../../js/index.js');

/** The stock media configuration (contract MCF-3), cut down to one codec per kind and two more. */
const MEDIA_CONFIGURATION = Object.freeze({
  extMappings: [
    'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'urn:ietf:params:rtp-hdrext:sdes:mid',
  ],
  rtpMappings: {
    vp8: {
      payloadType: 100,
      encodingName: 'VP8',
      clockRate: 90000,
      channels: 1,
      mediaType: 'video',
      feedbackTypes: ['ccm fir', 'nack', 'nack pli', 'goog-remb', 'transport-cc'],
    },
    h264: {
      payloadType: 101,
      encodingName: 'H264',
      clockRate: 90000,
      mediaType: 'video',
      formatParameters: {
        'profile-level-id': '42e01f',
        'level-asymmetry-allowed': '1',
        'packetization-mode': '1',
      },
      feedbackTypes: ['nack'],
    },
    opus: {
      payloadType: 111,
      encodingName: 'opus',
      clockRate: 48000,
      channels: 2,
      mediaType: 'audio',
    },
  },
});

const mediaConfigurationText = JSON.stringify(MEDIA_CONFIGURATION);

/** One pool for all tests of a file; it keeps nothing alive. */
let pool;
function threadPool() {
  if (!pool) {
    pool = new erizo.ThreadPool(1);
    pool.start();
  }
  return pool;
}

const ioThreadPool = new erizo.IOThreadPool(1);

/** The constructor arguments that ErizoJS passes, all nineteen. */
function connectionArguments(options = {}) {
  const { id = 'test', trickle = false } = options;
  // `undefined` is a value of its own here: it means encrypted (security.md H2).
  const { encryptTransport } = { encryptTransport: false, ...options };
  return [
    options.threadPool ?? threadPool(), ioThreadPool, id, '', 0, 0, 0, trickle,
    options.mediaConfiguration ?? mediaConfigurationText, '{"type":"TargetVideoBW"}', true,
    encryptTransport, false, false, '', 0, '', '', '',
  ];
}

function newConnection(options) {
  return new erizo.WebRtcConnection(...connectionArguments(options));
}

function newStream(connection, { id = 'stream', label = id, publisher = true } = {}) {
  return new erizo.MediaStream(threadPool(), connection, id, label, publisher, true, true, [], undefined);
}

/** The description of a peer that sends audio and video under `label`. */
function remoteDescription({ label = 'stream', encrypted = false, credentials = true } = {}) {
  const description = new erizo.ConnectionDescription(mediaConfigurationText);
  description.setRtcpMux(true);
  description.setBundle(true);
  description.setProfile(encrypted ? 'SAVPF' : 'AVPF');
  if (encrypted) description.setFingerprint(Array(32).fill('AB').join(':'));
  ['audio', 'video'].forEach((kind, mid) => {
    description.addBundleTag(mid, kind);
    if (credentials) description.setICECredentials('nDB3', 'passwordpasswordpassword', kind);
    description.addMediaInfo(label, '', mid, 'sendrecv', kind, '', false);
  });
  description.addPt(96, 'VP8', 90000, 'video');
  description.addPt(111, 'opus', 48000, 'audio');
  description.setAudioSsrc(label, 1000);
  description.setVideoSsrcList(label, [2000]);
  description.postProcessInfo();
  return description;
}

/** Runs `body`, which sees `support` and `erizo`, in a process of its own. */
function inProcess(body, { timeout = 20_000 } = {}) {
  const script = `const support = require(${JSON.stringify(__filename)});
    const erizo = support.erizo;
    ${body}`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: root,
    encoding: 'utf8',
    timeout,
  });
  return { status, signal, stdout, stderr, lines: stdout.split('\n').filter(Boolean) };
}

/** Resolves after the callbacks that are due now. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

module.exports = {
  MEDIA_CONFIGURATION,
  connectionArguments,
  erizo,
  inProcess,
  ioThreadPool,
  mediaConfigurationText,
  newConnection,
  newStream,
  remoteDescription,
  root,
  threadPool,
  turn,
};
