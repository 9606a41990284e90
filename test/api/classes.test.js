'use strict';

// The shape of the exports: classes, prototypes, instances (contract sections 1.1 and 1.2).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { erizo, newConnection, newStream, threadPool } = require('./support.js');

/** Contract section 2: every method of every class. */
const METHODS = {
  WebRtcConnection: [
    'init', 'close', 'createOffer', 'setRemoteDescription', 'getLocalDescription',
    'addRemoteCandidate', 'addMediaStream', 'removeMediaStream', 'copySdpToLocalDescription',
    'maybeRestartIce', 'getCurrentState', 'getConnectionQualityLevel', 'setMetadata',
    'setBwDistributionConfig', 'setConnectionTargetBw', 'getStats', 'getDurationDistribution',
    'getDelayDistribution', 'resetStats',
  ],
  MediaStream: [
    'close', 'configure', 'setAudioReceiver', 'setVideoReceiver', 'getCurrentState',
    'generatePLIPacket', 'getStats', 'getPeriodicStats', 'setFeedbackReports', 'setSlideShowMode',
    'setPriority', 'muteStream', 'setMaxVideoBW', 'setQualityLayer',
    'enableSlideShowBelowSpatialLayer', 'onMediaStreamEvent', 'setVideoConstraints', 'setMetadata',
    'setPeriodicKeyframeRequests', 'hasPeriodicKeyframeRequests', 'enableHandler', 'disableHandler',
    'getDurationDistribution', 'getDelayDistribution', 'resetStats',
  ],
  OneToManyProcessor: [
    'setPublisher', 'setExternalPublisher', 'addSubscriber', 'addExternalOutput',
    'removeSubscriber', 'hasPublisher', 'getPublisherState', 'close',
  ],
  ExternalInput: ['init', 'close', 'setAudioReceiver', 'setVideoReceiver', 'generatePLIPacket'],
  ExternalOutput: ['init', 'close'],
  SyntheticInput: ['init', 'close', 'setAudioReceiver', 'setVideoReceiver', 'setFeedbackSource'],
  ThreadPool: ['start', 'close', 'getDurationDistribution', 'getDelayDistribution', 'resetStats'],
  IOThreadPool: ['start', 'close'],
  ConnectionDescription: [
    'setProfile', 'getProfile', 'setBundle', 'isBundle', 'setRtcpMux', 'isRtcpMux', 'addBundleTag',
    'getMediaId', 'setAudioSsrc', 'getAudioSsrcMap', 'setVideoSsrcList', 'getVideoSsrcMap',
    'addMediaInfo', 'getMediaInfos', 'setAudioDirection', 'setVideoDirection', 'getDirection',
    'setFingerprint', 'getFingerprint', 'setDtlsRole', 'getDtlsRole', 'setVideoBandwidth',
    'getVideoBandwidth', 'setXGoogleFlag', 'getXGoogleFlag', 'addCandidate', 'addCryptoInfo',
    'setICECredentials', 'getICECredentials', 'getCandidates', 'getCodecs', 'getExtensions',
    'addRid', 'getRids', 'addPt', 'addParameter', 'addFeedback', 'addExtension', 'setIceLite',
    'isIceLite', 'postProcessInfo', 'copyInfoFromSdp', 'close', 'toSdp',
  ],
};

describe('classes', () => {
  for (const [name, methods] of Object.entries(METHODS)) {
    it(`${name} has its methods on the prototype, writable and configurable (EXP-9)`, () => {
      const { prototype } = erizo[name];
      assert.equal(erizo[name].name, name);
      for (const method of methods) {
        const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
        assert.equal(typeof descriptor?.value, 'function', method);
        assert.ok(descriptor.writable && descriptor.configurable, method);
      }
      const known = new Set([...methods, 'constructor']);
      const others = Object.getOwnPropertyNames(prototype).filter((other) => !known.has(other));
      assert.deepEqual(others, []); // And so no accessors either (OBJ-2).
    });
  }

  it('lets a method be replaced on one instance and called through bind (EXP-9)', async () => {
    const connection = newConnection();
    const original = connection.createOffer.bind(connection);
    connection.createOffer = async (...args) => `wrapped ${await original(...args)}`;
    assert.equal(await connection.createOffer(true), 'wrapped ');
    await connection.close();
  });

  it('keeps properties that JavaScript stores on instances (OBJ-1, OBJ-2)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    for (const name of ['localDescription', 'remoteDescription']) connection[name] = name;
    const names = [
      'id', 'label', 'isPublisher', 'metadata', 'minVideoBW', 'scheme', 'slideShowMode',
      'slideShowModeFallback', 'periodicPlis', 'monitorInterval', 'bwValues', 'bwStatus',
      'lowerThres', 'upperThres',
    ];
    for (const name of names) stream[name] = name;
    assert.equal(connection.localDescription, 'localDescription');
    assert.deepEqual(names.map((name) => stream[name]), names);
    assert.ok(Object.isExtensible(connection) && Object.isExtensible(stream));
    await Promise.all([stream.close(), connection.close()]);
  });

  it('accepts instances of subclasses', async () => {
    class Pool extends erizo.ThreadPool {}
    const pool = new Pool(1);
    pool.start();
    const connection = newConnection({ threadPool: pool });
    assert.ok(pool instanceof erizo.ThreadPool);
    await connection.close();
  });
});

describe('methods called on something else', () => {
  const others = () => [undefined, null, 1, 'text', {}, Symbol('s'), threadPool(), new Date(),
    Object.create(erizo.WebRtcConnection.prototype)];

  for (const [name, methods] of Object.entries(METHODS)) {
    it(`${name}: throw and do not crash (DEF-4)`, () => {
      for (const method of methods) {
        for (const receiver of others()) {
          if (receiver instanceof erizo[name] && name === 'ThreadPool') continue;
          assert.throws(() => erizo[name].prototype[method].call(receiver), Error, method);
        }
      }
    });
  }
});
