'use strict';

// ConnectionDescription as a value: setters, getters, shapes (contract section 4). What codecs are
// agreed on is tested in the engine.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { MEDIA_CONFIGURATION, erizo, mediaConfigurationText, remoteDescription } = require('./support.js');

const { ConnectionDescription } = erizo;

describe('ConnectionDescription', () => {
  it('starts empty and usable (CDS-2, CDS-3)', () => {
    for (const empty of [new ConnectionDescription(), new ConnectionDescription('{}')]) {
      assert.equal(empty.isBundle(), false);
      assert.equal(empty.isRtcpMux(), false);
      assert.equal(empty.isIceLite(), false);
      assert.equal(empty.getProfile(), 'UDP/TLS/RTP/SAVPF');
      assert.equal(empty.getDtlsRole('audio'), 'actpass');
      assert.equal(empty.getFingerprint('audio'), '');
      assert.equal(empty.getVideoBandwidth(), 0);
      assert.equal(empty.getXGoogleFlag(), '');
      assert.equal(empty.getDirection('audio'), 'sendrecv');
      assert.equal(empty.getDirection('video'), 'sendrecv');
      assert.deepEqual(empty.getICECredentials(), ['', '']);
      assert.deepEqual(empty.getMediaInfos(), []);
      assert.deepEqual(empty.getCandidates(), []);
      assert.deepEqual(empty.getCodecs('audio'), []);
      assert.deepEqual(empty.getExtensions('video'), {});
      assert.deepEqual(empty.getRids(), {});
      assert.deepEqual(empty.getAudioSsrcMap(), {});
      assert.deepEqual(empty.getVideoSsrcMap(), {});
      assert.equal(empty.getMediaId('audio'), 'audio');
      assert.equal(empty.postProcessInfo(), false); // PPI-1
    }
  });

  it('ignores words that it does not know', () => {
    const description = new ConnectionDescription();
    description.setProfile('AVPF');
    description.setProfile('nonsense');
    assert.equal(description.getProfile(), 'RTP/AVPF');
    description.setDtlsRole('passive');
    description.setDtlsRole(null);
    assert.equal(description.getDtlsRole(), 'passive');
    description.setAudioDirection('sendonly');
    description.setAudioDirection('sideways');
    description.setVideoDirection('recvonly');
    assert.equal(description.getDirection('audio'), 'sendonly');
    assert.equal(description.getDirection('anything'), 'recvonly');
  });

  it('keeps sections in order and respells sendonly (CDS-20, CDS-21)', () => {
    const description = new ConnectionDescription();
    description.addMediaInfo('sender', 'receiver', 0, 'sendonly', 'audio', 123, false);
    description.addMediaInfo('', '', '1', 'nonsense', 'application', '', true);
    assert.deepEqual(description.getMediaInfos(), [
      {
        mid: '0', order: 0, senderStreamId: 'sender', receiverStreamId: 'receiver',
        direction: 'sendrecv', kind: 'audio', ssrc: '123', justAddedInOffer: false, stopped: false,
      },
      {
        mid: '1', order: 1, senderStreamId: '', receiverStreamId: '', direction: 'inactive',
        kind: 'application', ssrc: '', justAddedInOffer: false, stopped: true,
      },
    ]);
  });

  it('returns candidates in the shape that ErizoJS reads (CDS-14, CDS-22)', () => {
    const description = new ConnectionDescription();
    description.setBundle(true);
    const add = (...args) => description.addCandidate('audio', '1', 1, ...args);
    assert.equal(add('tcp', 1, '192.0.2.1', 9, 'host', undefined, undefined, ''), false);
    assert.equal(add('Udp', 1, '192.0.2.1', 9, 'host', undefined, undefined, ''), false);
    assert.equal(add('UDP', 5, '192.0.2.1', 4000, 'srflx', undefined, undefined, 'line'), true);
    assert.equal(add('udp', 5, '192.0.2.1', 4000, 'host', '10.0.0.1', 7, 'line'), true);
    assert.equal(add('udp', 5, '192.0.2.1', 4000, 'relay', '10.0.0.1', 7, 'line'), true);
    description.setICECredentials('ufrag', 'pwd', 'audio');
    assert.equal(description.postProcessInfo(), true);
    const shown = description.getCandidates();
    assert.deepEqual(
      shown.map(({ hostType, relayIp, relayPort }) => [hostType, relayIp, relayPort]),
      [['srflx', '', 0], ['host', '', 0], ['relay', '10.0.0.1', 7]],
    );
    assert.deepEqual(shown[0], {
      bundle: true, tag: 0, priority: 5, componentId: 1, foundation: '1', hostIp: '192.0.2.1',
      relayIp: '', hostPort: 4000, relayPort: 0, protocol: 'UDP', hostType: 'srflx',
      transport: shown[0].transport, user: 'ufrag', pass: 'pwd', mediaType: 'audio',
    });
  });

  it('gives credentials per kind, audio by default', () => {
    const description = new ConnectionDescription();
    description.setICECredentials('a', 'b', 'audio');
    description.setICECredentials('v', 'w', 'video');
    assert.deepEqual(description.getICECredentials(), ['a', 'b']);
    assert.deepEqual(description.getICECredentials('other'), ['a', 'b']);
    assert.deepEqual(description.getICECredentials('video'), ['v', 'w']);
    description.setICECredentials(1, 2);
    assert.deepEqual(description.getICECredentials('video'), ['1', '2']);
  });

  it('maps labels to SSRCs, whatever the labels are (CDS-10, CDS-11, CDS-12)', () => {
    const description = new ConnectionDescription();
    for (const label of ['12', '__proto__', 'constructor', 'a\0b']) {
      description.setAudioSsrc(label, '00000');
      description.setVideoSsrcList(label, [1, '2', 2 ** 32 - 1]);
    }
    description.setVideoSsrcList('empty', []);
    const video = description.getVideoSsrcMap();
    assert.deepEqual(Object.keys(video).sort(), ['12', '__proto__', 'a\0b', 'constructor', 'empty']);
    assert.equal(Object.getPrototypeOf(video), Object.prototype);
    assert.deepEqual(Object.getOwnPropertyDescriptor(video, '__proto__').value, [1, 2, 2 ** 32 - 1]);
    assert.deepEqual(video.empty, []);
    assert.equal(description.getAudioSsrcMap()['12'], 0);
    for (const value of [undefined, null, 5, '1', {}]) {
      assert.throws(() => description.setVideoSsrcList('a', value), { name: 'TypeError' });
    }
  });

  it('reports agreed codecs in the shape that ErizoJS reads (CDS-23)', () => {
    const description = remoteDescription();
    const [vp8] = description.getCodecs('video');
    assert.deepEqual(vp8, {
      type: 96, name: 'VP8', rate: 90000, mediaType: 'video', channels: 0, feedbacks: [], params: {},
    });
    const [opus] = description.getCodecs('audio');
    assert.equal(opus.type, 111);
    assert.equal(opus.channels, 2);
    assert.deepEqual(description.getCodecs('other'), []);
  });

  it('lists format parameters in ascending order', () => {
    const description = new ConnectionDescription(mediaConfigurationText);
    const { formatParameters } = MEDIA_CONFIGURATION.rtpMappings.h264;
    description.addPt(127, 'H264', 90000, 'video');
    for (const [name, value] of Object.entries(formatParameters)) {
      description.addParameter(127, name, value);
    }
    description.addFeedback(127, 'nack');
    description.addFeedback(127, 'unknown');
    description.setICECredentials('u', 'p');
    description.postProcessInfo();
    const [h264] = description.getCodecs('video');
    assert.deepEqual(h264.params, formatParameters);
    assert.deepEqual(Object.keys(h264.params), Object.keys(formatParameters).sort());
    assert.deepEqual(h264.feedbacks, ['nack']);
  });

  it('returns fresh objects (CDS-10)', () => {
    const description = remoteDescription();
    description.addRid('1', 'recv');
    description.addRid(2, 'whatever');
    for (const getter of ['getRids', 'getMediaInfos', 'getCandidates', 'getAudioSsrcMap',
      'getVideoSsrcMap', 'getICECredentials']) {
      const first = description[getter]();
      assert.notEqual(description[getter](), first);
      const before = JSON.stringify(first);
      for (const key of Object.keys(first)) delete first[key];
      assert.equal(JSON.stringify(description[getter]()), before);
    }
    assert.deepEqual(description.getRids(), { 1: 'recv', 2: 'send' });
  });

  it('copies codecs from another description, also from itself (CPY-1)', () => {
    const source = remoteDescription();
    const target = new ConnectionDescription();
    target.copyInfoFromSdp(source);
    assert.deepEqual(target.getCodecs('video'), source.getCodecs('video'));
    source.copyInfoFromSdp(source);
    assert.equal(source.getCodecs('video').length, 1);
    assert.throws(() => target.copyInfoFromSdp({}), { name: 'TypeError', message: /"description"/ });
  });

  it('is empty after close, which may be repeated (CDS-4)', () => {
    const description = remoteDescription();
    description.close();
    description.close();
    assert.deepEqual(description.getMediaInfos(), []);
    assert.deepEqual(description.getCodecs('video'), []);
    assert.equal(description.postProcessInfo(), false);
    description.setFingerprint('AA');
    assert.equal(description.getFingerprint(), 'AA');
  });
});

describe('SDP text', () => {
  const OFFER = [
    'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
    'm=video 9 UDP/TLS/RTP/SAVPF 96', 'c=IN IP4 0.0.0.0', 'a=mid:0', 'a=sendonly', 'a=rtcp-mux',
    'a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901', 'a=setup:actpass',
    `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`, 'a=rtpmap:96 VP8/90000',
    'a=rtcp-fb:96 nack pli', 'a=msid:stream track', 'a=ssrc:1234 cname:x', '',
  ].join('\r\n');

  it('becomes a description', () => {
    for (const configuration of [mediaConfigurationText, MEDIA_CONFIGURATION]) {
      const description = ConnectionDescription.fromSdp(OFFER, configuration);
      assert.ok(description instanceof ConnectionDescription);
      assert.deepEqual(description.getICECredentials('video'), ['abcd', '0123456789012345678901']);
      const [section] = description.getMediaInfos();
      assert.equal(section.mid, '0');
      assert.equal(section.senderStreamId, 'stream');
      assert.deepEqual(description.getVideoSsrcMap().stream, [1234]);
      assert.equal(description.getCodecs('video')[0].type, 96);
      assert.deepEqual(description.getCodecs('video')[0].feedbacks, ['nack pli']);
    }
  });

  it('is made of a description', () => {
    const text = ConnectionDescription.fromSdp(OFFER, MEDIA_CONFIGURATION).toSdp({ sessionVersion: 7 });
    assert.match(text, /^v=0\r\no=\S+ \S+ 7 IN /);
    assert.match(text, /m=video 9 UDP\/TLS\/RTP\/SAVPF 96\r\n/);
  });

  it('is refused with what is wrong about it', () => {
    for (const text of ['', 'nonsense', 'v=1', '\0']) {
      assert.throws(() => ConnectionDescription.fromSdp(text, '{}'), {
        name: 'SyntaxError', message: /"text"/,
      }, JSON.stringify(text));
    }
    assert.throws(() => ConnectionDescription.fromSdp(), { name: 'TypeError', message: /"text" is missing/ });
    assert.throws(() => ConnectionDescription.fromSdp(OFFER, '{'), { name: 'SyntaxError' });
    assert.throws(() => ConnectionDescription.fromSdp(OFFER, 5), { name: 'TypeError' });
    const cycle = {};
    cycle.cycle = cycle;
    assert.throws(() => ConnectionDescription.fromSdp(OFFER, cycle), { name: 'TypeError' });
    assert.throws(() => new ConnectionDescription().toSdp(5), { name: 'TypeError', message: /"options"/ });
  });
});
