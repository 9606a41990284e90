'use strict';

// Rules of the contract that show at the edge and need no peer, or one of a few lines. The
// transceiver engine has its own tests in test/engine/negotiation_*.rs.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { describe, it } = require('node:test');

const {
  MEDIA_CONFIGURATION, connectionArguments, erizo, inProcess, mediaConfigurationText, newConnection,
  newStream, remoteDescription, threadPool, turn,
} = require('./support.js');
const { PlainPeer, carried, connectedPair, listen, negotiatedPair, ownPool } = require('./peers.js');

const sections = (description) => description.getMediaInfos();
const mids = (description) => sections(description).map(({ mid }) => mid);
const sum = (counts) => counts.reduce((total, count) => total + count, 0);

/** A connection whose constructor arguments are changed by place. */
function built(changes, options) {
  const args = connectionArguments(options);
  for (const [place, value] of Object.entries(changes)) args[place] = value;
  return new erizo.WebRtcConnection(...args);
}

/** Sockets of this process. */
const sockets = () =>
  fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

describe('loading', () => {
  it('needs neither settings nor an environment, and Node-API only (EXP-3, EXP-8)', () => {
    const { lines, status, stderr } = inProcess(`
      for (const name of Object.keys(process.env)) delete process.env[name];
      const connection = support.newConnection();
      connection.createOffer(true).then(() => connection.close()).then(console.log);
    `);
    assert.equal(status, 0, stderr);
    assert.deepEqual(lines, ['webrtcconnection_closed']);
    assert.ok(Number(process.versions.node.split('.')[0]) >= 20);
    const { localBinary } = require('../../js/binary.js');
    // V8's own symbols are C++: a binary that uses them is bound to one version of Node.
    assert.ok(!fs.readFileSync(localBinary()).includes('_ZN2v8'));
  });
});

describe('instances', () => {
  it('carry the properties of ErizoJS, which mean nothing to the addon (OBJ-1, OBJ-2, OBJ-3)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    Object.assign(stream, { minVideoBW: 1, slideShowMode: true, bwValues: [1], id: 'other', isPublisher: false });
    Object.assign(connection, { localDescription: 1, remoteDescription: 2 });
    assert.equal(stream.minVideoBW, 1);
    await connection.addMediaStream(stream);
    assert.equal(await connection.removeMediaStream('other'), ''); // Its id is still "stream":
    await connection.setRemoteDescription(remoteDescription());
    assert.equal(sections(await connection.getLocalDescription())[0].direction, 'recvonly');
    await Promise.all([stream.close(), connection.close()]);
  });
});

describe('arguments', () => {
  it('that are missing at the end are undefined (COE-7)', () => {
    const description = new erizo.ConnectionDescription();
    description.setFingerprint();
    assert.equal(description.getFingerprint(), 'undefined');
    description.setVideoBandwidth();
    assert.equal(description.getVideoBandwidth(), 0);
    description.setBundle();
    assert.equal(description.isBundle(), false);
  });
});

describe('pools', () => {
  it('have at least one worker and need a number (THP-1, IOP-1)', async () => {
    assert.throws(() => new erizo.ThreadPool(), { name: 'TypeError' });
    assert.throws(() => new erizo.IOThreadPool(), { name: 'TypeError' });
    const pool = new erizo.ThreadPool(0);
    pool.start();
    const connection = newConnection({ threadPool: pool });
    assert.equal(await connection.createOffer(true), '');
    await connection.close();
    for (const args of [[1], [1, true], [10, false], ['5', undefined]]) new erizo.IOThreadPool(...args);
  });

  it('of the network kind start and close without effect (IOP-2)', () => {
    const pool = new erizo.IOThreadPool(1);
    for (const method of ['start', 'start', 'close', 'close', 'start']) assert.equal(pool[method](), undefined);
    assert.equal(pool.getDurationDistribution, undefined);
  });

  it('count their tasks in five classes until they are reset (THP-6, THP-7)', async () => {
    const pool = ownPool();
    const connection = newConnection({ threadPool: pool });
    await connection.removeMediaStream('x');
    for (const method of ['getDurationDistribution', 'getDelayDistribution']) {
      const counts = pool[method]();
      assert.equal(counts.length, 5);
      assert.ok(counts.every((count) => Number.isInteger(count) && count >= 0));
      assert.ok(sum(counts) >= 2);
      assert.notEqual(pool[method](), counts); // A fresh array.
    }
    assert.equal(pool.resetStats(), undefined);
    assert.equal(sum(pool.getDurationDistribution()), 0);
    assert.equal(sum(pool.getDelayDistribution()), 0);
    await connection.close();
  });
});

describe('a new connection', () => {
  it('opens nothing and is in state 101 before init (WRC-4, WRC-5, WRC-60)', async () => {
    const pool = ownPool();
    await newConnection({ threadPool: pool }).close(); // The worker's own descriptors are open now.
    const before = sockets();
    const connections = Array.from({ length: 20 }, () => newConnection({ threadPool: pool }));
    await Promise.all(connections.map((connection) => connection.removeMediaStream('x')));
    assert.equal(sockets(), before);
    for (const connection of connections) assert.equal(connection.getCurrentState(), 101);
    const local = await connections[0].getLocalDescription();
    assert.deepEqual([sections(local), local.getICECredentials(), local.getCandidates()], [[], ['', ''], []]);
    await Promise.all(connections.map((connection) => connection.close()));
  });

  it('reports ICE-lite from the start (WRC-8, ICE-30)', async () => {
    for (const [value, expected] of [[true, true], [false, false], [undefined, false]]) {
      const connection = built({ 12: value });
      assert.equal((await connection.getLocalDescription()).isIceLite(), expected);
      await connection.createOffer(true);
      assert.equal((await connection.getLocalDescription()).isIceLite(), expected);
      await connection.close();
    }
  });

  it('takes every legal distribution of bandwidth (WRC-9, WRC-51, WRC-52)', async () => {
    const legal = [
      '{}', '{"type":"MaxVideoBW"}', '{"type":"TargetVideoBW"}', '{"type":"StreamPriority"}', '{"type":"other"}',
      '{"type":"StreamPriority","strategyId":"s","strategy":[["10","0"],["20","max"],["20","slideshow"],["0","fallback"]],"connectionTargetBw":1}',
    ];
    for (const text of legal) {
      const connection = built({ 9: text });
      for (const other of legal) assert.equal(connection.setBwDistributionConfig(other), undefined);
      for (const target of [undefined, 0, 500_000]) assert.equal(connection.setConnectionTargetBw(target), undefined);
      await connection.close();
    }
  });

  it('offers the codecs of its configuration in the order of their keys (WRC-7, MCF-2, MCF-3, NEG-1)', async () => {
    const connection = newConnection();
    await connection.createOffer(true);
    const local = await connection.getLocalDescription();
    assert.deepEqual(local.getCodecs('audio').map(({ type, name, channels }) => [type, name, channels]), [[111, 'opus', 2]]);
    assert.deepEqual(local.getCodecs('video').map(({ type, name }) => [type, name]), [[101, 'H264'], [100, 'VP8']]);
    assert.deepEqual(local.getCodecs('video')[0].params, MEDIA_CONFIGURATION.rtpMappings.h264.formatParameters);
    assert.deepEqual(local.getExtensions('video'), {}); // CPY-3
    assert.deepEqual([local.isBundle(), local.isRtcpMux(), local.getDirection('audio')], [true, true, 'inactive']);
    await connection.close();
  });
});

describe('a connection', () => {
  it('calls getStats back once, with JSON, from the event loop (WRC-64)', async () => {
    const connection = newConnection();
    const documents = [];
    connection.getStats((json) => documents.push(json));
    assert.deepEqual(documents, []);
    await turn();
    assert.equal(documents.length, 1);
    assert.equal(typeof JSON.parse(documents[0]), 'object');
    await connection.close();
  });

  it('has good quality and keeps metadata for its log (WRC-50, WRC-58, MST-26)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    assert.equal(connection.getConnectionQualityLevel(), 2);
    for (const object of [connection, stream]) {
      assert.equal(object.setMetadata('{"text":"t","object":{"a":1},"number":1,"null":null,"list":[1]}'), true);
    }
    await Promise.all([stream.close(), connection.close()]);
  });

  it('makes one offer per call, with or without streams, and needs an argument (WRC-22, NEG-7, NEG-10)', async () => {
    const connection = newConnection();
    assert.throws(() => connection.createOffer(), { name: 'TypeError' });
    for (const args of [[true, true, true], [true], [false]]) assert.equal(await connection.createOffer(...args), '');
    assert.deepEqual(sections(await connection.getLocalDescription()), []);
    await connection.close();
  });

  it('takes a stream into its list without a section for it (WRC-26, MST-6, NEG-3)', async () => {
    const connection = newConnection();
    const stream = newStream(connection, { publisher: false });
    await connection.createOffer(true);
    assert.deepEqual(sections(await connection.getLocalDescription()), []); // Built, not added.
    for (let round = 0; round < 2; round += 1) assert.equal(await connection.addMediaStream(stream), '');
    assert.deepEqual(sections(await connection.getLocalDescription()), []); // Added, not offered.
    await connection.createOffer(true);
    assert.deepEqual(mids(await connection.getLocalDescription()), ['0', '1']);
    await connection.close();
  });

  it('finds streams by what ToString makes of their id (WRC-28, WRC-29, SCN-48)', async () => {
    const connection = newConnection();
    const offered = async () => {
      await connection.createOffer(true);
      return sections(await connection.getLocalDescription()).filter(({ direction }) => direction !== 'inactive').length;
    };
    for (const [id, same] of [[123456789012345680, 123456789012345680], [123456789012345680, '123456789012345680'],
      ['7', 7], [1e21, '1e+21'], [undefined, 'undefined'], [null, null]]) {
      if (id === undefined) continue; // The constructor demands one.
      await connection.addMediaStream(newStream(connection, { id, label: 'l', publisher: false }));
      assert.equal(await offered(), 2, String(id));
      assert.equal(await connection.removeMediaStream('unknown'), '');
      assert.equal(await offered(), 2);
      assert.equal(await connection.removeMediaStream(same), '');
      assert.equal(await offered(), 0, String(id));
    }
    await connection.close();
  });

  it('answers each candidate with true, whatever it is (WRC-40 to WRC-46)', async () => {
    const connection = newConnection();
    const line = (ufrag) => `a=candidate:1 1 udp 1 192.0.2.9 5000 typ host ufrag ${ufrag}`;
    const candidates = [
      ['0', 0, 1, 1, 2 ** 31 + 5, 'udp', '192.0.2.9', 5000, 'host', undefined, undefined, line('nDB3')],
      [7, 99, '1', '1', '5', 'UDP', '192.0.2.9', '5000', 'srflx', '10.0.0.1', 1, line('nDB3')],
      ['audio', -1, 1, 2, 1, 'udp', '192.0.2.9', 5000, 'host'],
      ['video', 0, 1, 1, 1, 'tcp', '192.0.2.9', 9, 'host'],
      ['0', 0, 1, 1, 1, 'udp', 'abcd.local', 5000, 'host'],
      ['0', 0, 1, 1, 1, 'udp', '192.0.2.9', 0, 'prflx'],
      ['0', 0, 1, 1, 1, 'udp', '192.0.2.9', 5000, 'unknown', undefined, undefined, line('else')],
    ];
    for (const candidate of candidates) assert.equal(connection.addRemoteCandidate(...candidate), true); // WRC-44
    await connection.setRemoteDescription(remoteDescription());
    for (const candidate of candidates) assert.equal(connection.addRemoteCandidate(...candidate), true);
    assert.equal(connection.getCurrentState() === 500, false);
    await connection.close();
  });
});

describe('a stream', () => {
  it('needs three arguments and has defaults for the others (MST-1)', async () => {
    const connection = newConnection();
    assert.throws(() => new erizo.MediaStream(threadPool(), connection), { name: 'TypeError' });
    for (const priority of [undefined, null, '', 'undefined', 'default', '10']) {
      const stream = new erizo.MediaStream(threadPool(), connection, 'id', 'label', true, true, true, [], priority);
      assert.equal(stream.setPriority('10'), undefined); // MST-25
      assert.equal(stream.setPriority('10'), undefined);
      await stream.close();
    }
    await new erizo.MediaStream(threadPool(), connection, 'id').close();
    await connection.close();
  });

  it('has SSRCs of its own from the start, never the same twice (MST-4, NEG-40, TRX-2)', async () => {
    const connection = newConnection();
    const streams = Array.from({ length: 30 }, (_, index) =>
      newStream(connection, { id: index, label: `label${index}`, publisher: false }));
    await Promise.all(streams.map((stream) => connection.addMediaStream(stream)));
    await connection.createOffer(true);
    const first = await connection.getLocalDescription();
    const ssrcs = sections(first).map(({ ssrc }) => Number(ssrc));
    assert.equal(new Set(ssrcs).size, 60);
    assert.ok(ssrcs.every((ssrc) => ssrc >= 1e9 && ssrc < 2e9));
    const [audio, video] = [first.getAudioSsrcMap(), first.getVideoSsrcMap()];
    assert.deepEqual(
      streams.flatMap((_, index) => [audio[`label${index}`], ...video[`label${index}`]]), ssrcs,
    );
    const second = await connection.getLocalDescription();
    assert.deepEqual(sections(second).map(({ ssrc }) => Number(ssrc)), ssrcs);
    await connection.close();
  });

  it('takes what ErizoJS passes (MST-21, MST-22, MST-24, EXT-4)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    for (const kbps of [300, false, undefined, 4_000_000]) assert.equal(stream.setMaxVideoBW(kbps), undefined);
    for (const bitrate of [0.5, NaN, 1, 50_000.7]) assert.equal(stream.setFeedbackReports(true, bitrate), undefined);
    assert.equal(stream.configure(true), true);
    new erizo.ExternalOutput(threadPool(), 'url', '{}', undefined, undefined).close();
    await Promise.all([stream.close(), connection.close()]);
  });

  it('and inputs take the same sinks, and nothing else (EXT-2)', async () => {
    const connection = newConnection();
    const sinks = [
      new erizo.OneToManyProcessor(), new erizo.ExternalOutput(threadPool(), 'url', '{}', true, true), newStream(connection),
    ];
    for (const input of [new erizo.ExternalInput('url'), new erizo.SyntheticInput(threadPool(), 1, 2, 3)]) {
      for (const method of ['setAudioReceiver', 'setVideoReceiver']) {
        for (const sink of sinks) assert.equal(input[method](sink), undefined);
        for (const other of [undefined, {}, connection]) assert.throws(() => input[method](other), { name: 'TypeError' });
      }
      input.close();
    }
    await Promise.all([sinks[2].close(), connection.close()]);
  });

  it('calls getStats back once, with JSON (MST-50)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const json = await new Promise((resolve) => stream.getStats(resolve));
    assert.equal(typeof JSON.parse(json), 'object');
    await Promise.all([stream.close(), connection.close()]);
  });
});

describe('an offer', () => {
  async function offering(...kinds) {
    const connection = newConnection();
    for (const [index, [audio, video]] of kinds.entries()) {
      const stream = new erizo.MediaStream(threadPool(), connection, `s${index}`, `l${index}`, false, audio, video, []);
      await connection.addMediaStream(stream);
    }
    await connection.createOffer(true);
    return connection;
  }

  it('has a section per kind of media, audio first, with mids that count up (NEG-4, TRX-8, ASC-2)', async () => {
    const connection = await offering([true, true], [true, false], [false, true], [false, false], [true, {}]);
    const local = await connection.getLocalDescription();
    assert.deepEqual(sections(local).map(({ mid, kind, senderStreamId }) => `${mid} ${kind} ${senderStreamId}`), [
      '0 audio l0', '1 video l0', '2 audio l1', '3 video l2', '4 audio l4', '5 video l4',
    ]);
    assert.ok(sections(local).every(({ direction }) => direction === 'sendrecv')); // CDS-21
    assert.deepEqual(local.getDirection('audio'), 'sendonly'); // NEG-45
    await connection.close();
  });

  it('is new once, and labels pass unchanged (TRX-3, NEG-44, NEG-50, NEG-51)', async () => {
    const connection = newConnection();
    const label = '{odd label} \u{1F600}';
    await connection.addMediaStream(newStream(connection, { id: 's', label, publisher: false }));
    await connection.createOffer(true);
    const [first, second] = [await connection.getLocalDescription(), await connection.getLocalDescription()];
    assert.deepEqual(sections(first).map(({ justAddedInOffer }) => justAddedInOffer), [true, true]);
    assert.deepEqual(sections(second).map(({ justAddedInOffer }) => justAddedInOffer), [false, false]);
    assert.deepEqual(sections(first).map(({ senderStreamId }) => senderStreamId), [label, label]);
    await connection.close();
  });

  it('says actpass at first and passive after the answer, encrypted or not (NEG-2, ENC-3)', async () => {
    for (const encryptTransport of [true, false]) {
      const connection = newConnection({ encryptTransport });
      await connection.addMediaStream(newStream(connection, { publisher: false }));
      await connection.createOffer(true);
      assert.equal((await connection.getLocalDescription()).getDtlsRole(), 'actpass');
      await connection.setRemoteDescription(remoteDescription({ encrypted: encryptTransport, label: 'nobody' }));
      await connection.createOffer(true);
      assert.equal((await connection.getLocalDescription()).getDtlsRole(), 'passive');
      await connection.close();
    }
  });

  it('never loses sections; what leaves is stopped but for the first (TRX-5, TRX-7, NEG-43, NEG-61, NEG-62)', async () => {
    const connection = await offering([true, true]);
    const { told, until } = listen(connection);
    await until(103);
    await connection.getLocalDescription();
    await connection.removeMediaStream('s0');
    const local = await connection.getLocalDescription();
    assert.deepEqual(sections(local).map(({ direction, stopped, ssrc, senderStreamId }) =>
      [direction, stopped, ssrc, senderStreamId]), [['inactive', false, '', ''], ['inactive', true, '', '']]);
    assert.deepEqual(local.getVideoSsrcMap(), {}); // NEG-60
    assert.deepEqual(told, [103]);
    await connection.close();
  });

  it('leaves out what was added after it (GLR-4), as an answer does (GLR-5)', async () => {
    const connection = await offering([true, true]);
    await connection.addMediaStream(newStream(connection, { id: 'late', label: 'late', publisher: false }));
    assert.deepEqual(mids(await connection.getLocalDescription()), ['0', '1']);
    await connection.createOffer(true);
    assert.deepEqual(mids(await connection.getLocalDescription()), ['0', '1', '2', '3']);
    await connection.close();
    const answering = newConnection();
    await answering.setRemoteDescription(remoteDescription());
    await answering.addMediaStream(newStream(answering));
    const local = await answering.getLocalDescription();
    assert.deepEqual(sections(local).map(({ receiverStreamId }) => receiverStreamId), ['', '']);
    await answering.close();
  });

  it('survives a remote offer in between (GLR-2, GLR-3, SCN-19)', async () => {
    const connection = await offering([true, true]);
    await connection.getLocalDescription();
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await connection.setRemoteDescription(remoteDescription({ label: 'glare' })), '');
    }
    assert.equal(sections(await connection.getLocalDescription()).length, 2);
    await connection.close();
  });

  it('and other operations may overlap in any way (GLR-1)', async () => {
    const connection = newConnection();
    const streams = Array.from({ length: 10 }, (_, index) =>
      newStream(connection, { id: index, label: `l${index}`, publisher: index % 2 === 0 }));
    const promises = [];
    for (const [index, stream] of streams.entries()) {
      promises.push(connection.addMediaStream(stream), connection.createOffer(true));
      connection.copySdpToLocalDescription(remoteDescription());
      promises.push(connection.getLocalDescription(), connection.setRemoteDescription(remoteDescription()));
      if (index % 3 === 0) promises.push(connection.removeMediaStream(index), stream.close());
      connection.getStats(() => {});
    }
    promises.push(connection.close());
    await Promise.all(promises);
  });
});

describe('an answer', () => {
  async function answering(description, ...streams) {
    const connection = newConnection();
    for (const options of streams) await connection.addMediaStream(newStream(connection, options));
    await connection.setRemoteDescription(description);
    return connection;
  }

  it('mirrors what the peer has said (OTH-2, OTH-3, OTH-4, RID-1, NEG-25, NEG-42)', async () => {
    const description = remoteDescription();
    description.setXGoogleFlag('conference');
    description.addRid(1, 'send');
    description.addRid('2', 'recv');
    description.setAudioDirection('sendonly');
    description.setVideoBandwidth(500);
    const connection = await answering(description, {});
    const local = await connection.getLocalDescription();
    assert.equal(local.getXGoogleFlag(), 'conference');
    assert.deepEqual(local.getRids(), { 1: 'recv', 2: 'send' });
    assert.equal(local.getVideoBandwidth(), 0); // OTH-1
    assert.deepEqual([local.isBundle(), local.isRtcpMux(), local.getProfile()], [true, true, 'RTP/AVPF']);
    assert.equal(local.getMediaId('audio'), '0');
    assert.deepEqual(sections(local).map(({ direction }) => direction), ['recvonly', 'recvonly']);
    assert.deepEqual([local.getDirection('audio'), local.getDirection('video')], ['recvonly', 'recvonly']);
    await connection.close();
  });

  it('does not look at the direction of a section, only at its label (ASC-6, NEG-24, NEG-41)', async () => {
    const description = new erizo.ConnectionDescription(mediaConfigurationText);
    description.setProfile('AVPF');
    description.setICECredentials('nDB3', 'passwordpasswordpassword');
    description.addMediaInfo('stream', '', '0', 'sendonly', 'video', '', false);
    description.addMediaInfo('nobody', '', '1', 'sendrecv', 'video', '', false);
    description.setVideoSsrcList('stream', [5]);
    description.postProcessInfo();
    const connection = await answering(description, {});
    const local = await connection.getLocalDescription();
    assert.deepEqual(
      sections(local).map(({ receiverStreamId, direction, stopped }) => [receiverStreamId, direction, stopped]),
      [['stream', 'recvonly', false], ['', 'inactive', true]], // NEG-49
    );
    await connection.close();
  });

  it('follows the sections by position: other mids replace, missing ones stay (NEG-20, NEG-22, NEG-23, NEG-32)', async () => {
    const connection = await answering(remoteDescription(), {});
    const shorter = new erizo.ConnectionDescription(mediaConfigurationText);
    shorter.setProfile('AVPF');
    shorter.setICECredentials('nDB3', 'passwordpasswordpassword');
    shorter.addMediaInfo('', '', '9', 'sendrecv', 'audio', '', false);
    shorter.postProcessInfo();
    await connection.setRemoteDescription(shorter);
    assert.deepEqual(mids(await connection.getLocalDescription()), ['9', '1']);
    await connection.addMediaStream(newStream(connection, { id: 'out', label: 'out', publisher: false }));
    await connection.createOffer(true);
    assert.deepEqual(mids(await connection.getLocalDescription()), ['9', '1', '10', '11']);
    await connection.close();
  });

  it('lets a section send and receive at once (TRX-1, NEG-5)', async () => {
    const connection = newConnection();
    await connection.addMediaStream(newStream(connection, { id: 'out', label: 'out', publisher: false }));
    await connection.addMediaStream(newStream(connection, { id: 'in', label: 'stream' }));
    await connection.createOffer(true);
    await connection.getLocalDescription();
    await connection.setRemoteDescription(remoteDescription());
    let local = await connection.getLocalDescription();
    assert.deepEqual(sections(local).map(({ senderStreamId, receiverStreamId }) => [senderStreamId, receiverStreamId]),
      [['out', 'stream'], ['out', 'stream']]);
    await connection.removeMediaStream('in');
    await connection.createOffer(true);
    local = await connection.getLocalDescription();
    assert.deepEqual(sections(local).map(({ receiverStreamId }) => receiverStreamId), ['', '']);
    await connection.close();
  });

  it('resolves when its streams are ready (NEG-28, NEG-29)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    let ready = false;
    stream.onMediaStreamEvent((type) => { ready = type === 'ready'; });
    await connection.addMediaStream(stream);
    await connection.setRemoteDescription(remoteDescription());
    assert.equal(ready, true);
    await Promise.all([stream.close(), connection.close()]);
  });
});

describe('descriptions', () => {
  it('use the mappings of an unedited configuration only (CDS-1, CDS-5, MCF-4)', async () => {
    const description = remoteDescription();
    assert.deepEqual(description.getCodecs('video').map(({ type, name }) => [type, name]), [[96, 'VP8']]);
    assert.deepEqual(description.getExtensions('video'), {}); // extMappings are the connection's.
    description.addPt(97, 'H264', 90000, 'video');
    description.postProcessInfo();
    assert.deepEqual(description.getCodecs('video').map(({ name }) => name).sort(), ['H264', 'VP8']);
    // A publisher's connection lacks transport-cc's extension; the description still has its feedback.
    const edited = structuredClone(MEDIA_CONFIGURATION);
    const connection = newConnection({ mediaConfiguration: JSON.stringify(edited) });
    const offer = new erizo.ConnectionDescription(mediaConfigurationText);
    offer.setProfile('AVPF');
    offer.setICECredentials('nDB3', 'passwordpasswordpassword');
    offer.addMediaInfo('', '', '0', 'sendrecv', 'video', '', false);
    offer.addPt(96, 'VP8', 90000, 'video');
    offer.addFeedback(96, 'transport-cc');
    offer.addExtension(5, 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01', 'video');
    offer.addExtension(3, 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', 'video');
    offer.postProcessInfo();
    await connection.setRemoteDescription(offer);
    const local = await connection.getLocalDescription();
    assert.ok(local.getCodecs('video')[0].feedbacks.includes('transport-cc'));
    assert.deepEqual(local.getExtensions('video'), { 3: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time' }); // EXM-1
    await connection.close();
  });

  it('take decimal values as numbers or texts (CDS-13)', () => {
    const description = new erizo.ConnectionDescription();
    description.setICECredentials(1234, 5678);
    assert.deepEqual(description.getICECredentials(), ['1234', '5678']);
    description.setAudioSsrc('l', '00000');
    assert.deepEqual(description.getAudioSsrcMap(), { l: 0 });
    description.addMediaInfo('l', '', 7, 'sendrecv', 'audio', 12, false);
    assert.deepEqual([sections(description)[0].mid, sections(description)[0].ssrc], ['7', '12']);
    description.addRid(1, 'recv');
    assert.deepEqual(description.getRids(), { 1: 'recv' });
  });
});

describe('the transport', () => {
  it('has credentials, a fingerprint and host candidates once gathered (ICE-1, ICE-2, ICE-8, DTL-1, DTL-2, NEG-6, NEG-46, NEG-47, NEG-70)', async () => {
    const [one, other] = [1, 2].map(() => newConnection({ encryptTransport: true, threadPool: ownPool() }));
    const descriptions = await Promise.all([one, other].map(async (connection) => {
      const { until } = listen(connection);
      await connection.createOffer(true);
      await until(103);
      return connection.getLocalDescription();
    }));
    const [ufrag, pwd] = descriptions[0].getICECredentials();
    assert.match(ufrag, /^[A-Za-z0-9+/]{4,}$/);
    assert.match(pwd, /^[A-Za-z0-9+/]{22,}$/);
    assert.notDeepEqual(descriptions[0].getICECredentials(), descriptions[1].getICECredentials());
    assert.match(descriptions[0].getFingerprint(), /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    assert.equal(descriptions[0].getFingerprint(), descriptions[1].getFingerprint());
    const candidates = descriptions[0].getCandidates();
    assert.ok(candidates.length > 0);
    for (const candidate of candidates) {
      assert.match(candidate.hostIp, /^\d+\.\d+\.\d+\.\d+$/); // EVT-8
      assert.notEqual(candidate.hostIp, '0.0.0.0'); // NAT-1, NAT-2
      assert.match(candidate.foundation, /^[A-Za-z0-9+/]{1,32}$/);
      assert.deepEqual([candidate.protocol, candidate.componentId, candidate.hostType], ['udp', 1, 'host']);
      assert.deepEqual([candidate.user, candidate.pass], [ufrag, pwd]);
      assert.ok(candidate.priority > 0 && candidate.hostPort > 0);
    }
    await Promise.all([one.close(), other.close()]);
  });

  it('tells its candidates one by one with trickle, and no 103 (NEG-71, SCN-45, EVT-4)', async () => {
    const connection = newConnection({ trickle: true });
    const told = [];
    connection.init((code, message) => told.push([code, message]));
    await connection.setRemoteDescription(remoteDescription());
    assert.ok((await connection.getLocalDescription()) instanceof erizo.ConnectionDescription);
    while (!told.some(([code]) => code === 201)) await turn();
    await turn();
    assert.ok(told.every(([code]) => code === 101 || code === 201));
    for (const [code, message] of told) if (code === 201) assert.match(JSON.parse(message).candidate, /^a=candidate:/);
    await connection.close();
  });

  it('is not touched by a second offer, nor by its candidates and credentials (NEG-27, SCN-30, NEG-72)', async () => {
    const { server, client, atServer, atClient } = await connectedPair();
    const before = await server.getLocalDescription();
    await server.addMediaStream(newStream(server, { id: 'more', label: 'more', publisher: false }));
    const more = newStream(client, { id: 'more', label: 'more' });
    const events = [];
    more.onMediaStreamEvent((type) => events.push(type));
    await client.addMediaStream(more);
    await server.createOffer(true);
    await client.setRemoteDescription(await carried(server));
    await server.setRemoteDescription(await carried(client));
    const after = await server.getLocalDescription();
    assert.deepEqual(mids(after), ['0', '1', '2', '3']);
    for (const what of ['getICECredentials', 'getFingerprint', 'getCandidates']) assert.deepEqual(after[what](), before[what]());
    assert.deepEqual(sections(after).slice(0, 2).map(({ ssrc }) => ssrc), sections(before).map(({ ssrc }) => ssrc));
    assert.deepEqual([atServer.told, atClient.told], [[101, 103, 104], [101, 103, 104]]);
    assert.deepEqual(events, ['ready']);
    await Promise.all([server.close(), client.close()]);
  });

  it('stays when the last stream has gone, and serves the next (SCN-32, NEG-61)', async () => {
    const { server, client, atServer } = await connectedPair();
    await Promise.all([server.removeMediaStream('out'), client.removeMediaStream('in')]);
    await server.createOffer(true);
    await client.setRemoteDescription(await carried(server));
    await server.setRemoteDescription(await carried(client));
    await server.addMediaStream(newStream(server, { id: 'next', label: 'next', publisher: false }));
    await server.createOffer(true);
    assert.equal(sections(await server.getLocalDescription()).filter(({ senderStreamId }) => senderStreamId).length, 2);
    assert.deepEqual([server.getCurrentState(), atServer.told], [104, [101, 103, 104]]);
    await Promise.all([server.close(), client.close()]);
  });

  it('unsubscribes and subscribes without a new connection (SCN-31)', async () => {
    const { server, client, atServer } = await connectedPair();
    const exchange = async () => {
      await server.createOffer(true);
      await client.setRemoteDescription(await carried(server));
      await server.setRemoteDescription(await carried(client));
      return server.getLocalDescription();
    };
    await server.addMediaStream(newStream(server, { id: 'b', label: 'b', publisher: false }));
    const two = await exchange();
    await server.removeMediaStream('out');
    await exchange();
    await server.addMediaStream(newStream(server, { id: 'c', label: 'c', publisher: false }));
    const three = await exchange();
    assert.equal(mids(three)[0], '0');
    assert.deepEqual(sections(three).slice(2, 4), sections(two).slice(2, 4).map((one) => ({ ...one, justAddedInOffer: false })));
    assert.deepEqual(three.getICECredentials(), two.getICECredentials());
    assert.equal(sections(three).filter(({ senderStreamId }) => senderStreamId === 'c').length, 2);
    assert.deepEqual(atServer.told, [101, 103, 104]);
    await Promise.all([server.close(), client.close()]);
  });

  it('restarts ICE and keeps DTLS (EVT-5, ICE-20, ICE-21, SCN-35)', async () => {
    // The client's side of a restart is made by a restart of its own.
    const { server, client, atServer, atClient } = await connectedPair();
    const before = await client.getLocalDescription();
    client.maybeRestartIce('newufrag', 'passwordpasswordpassword'); // Any other than the server's.
    await atClient.until(103, 2);
    const restarted = await client.getLocalDescription();
    assert.notDeepEqual(restarted.getICECredentials(), before.getICECredentials());
    const [ufrag, pwd] = restarted.getICECredentials();
    server.maybeRestartIce(ufrag, pwd);
    await atServer.until(103, 2);
    const answer = await server.getLocalDescription();
    assert.equal(answer.getFingerprint(), before.getFingerprint());
    client.maybeRestartIce(...answer.getICECredentials());
    await atServer.until(103, 2);
    assert.deepEqual(atServer.told.slice(0, 4), [101, 103, 104, 103]);
    await Promise.all([server.close(), client.close()]);
  });

  it('is the DTLS client if the answer says passive (SCN-36, DTL-4)', async () => {
    // An offer that says active makes the other side answer passive, and mean it.
    const pair = await negotiatedPair({ editOffer: (sdp) => sdp.replaceAll('a=setup:actpass', 'a=setup:active') });
    assert.equal((await pair.client.getLocalDescription()).getDtlsRole(), 'passive');
    await Promise.all([pair.atServer.until(104), pair.atClient.until(104)]);
    await Promise.all([pair.server.close(), pair.client.close()]);
  });

  it('of a stream per connection works alike (NEG-74)', async () => {
    const pairs = await Promise.all([connectedPair(), connectedPair()]);
    await pairs[0].server.close();
    assert.equal(pairs[1].server.getCurrentState(), 104);
    await Promise.all(pairs.flatMap(({ server, client }) => [server.close(), client.close()]));
  });
});

describe('media in clear', () => {
  /** A sender and a receiver joined by a processor on two workers. */
  async function room() {
    const sender = await PlainPeer.open({ label: 'room' });
    const receiver = await PlainPeer.open({ label: 'viewer', audioSsrc: 0, videoSsrc: 0 });
    const [source, sink] = [1, 2].map((id) => newConnection({ id, threadPool: ownPool() }));
    const [atSource, atSink] = [listen(source), listen(sink)];
    const publisher = newStream(source, { id: 'publisher', label: 'room' });
    const subscriber = newStream(sink, { id: 'subscriber', label: 'room', publisher: false });
    const processor = new erizo.OneToManyProcessor();
    processor.addSubscriber(subscriber, 'viewer'); // OTM-2
    processor.setPublisher(publisher);
    publisher.setAudioReceiver(processor);
    publisher.setVideoReceiver(processor);
    await Promise.all([source.addMediaStream(publisher), sink.addMediaStream(subscriber)]);
    await source.setRemoteDescription(sender.description());
    await sink.createOffer(true);
    await Promise.all([atSource.until(103), atSink.until(103)]);
    sender.connect(await source.getLocalDescription());
    const offer = await sink.getLocalDescription();
    await sink.setRemoteDescription(receiver.description());
    receiver.connect(offer, { offered: false });
    await Promise.all([atSource.until(104), atSink.until(104)]);
    const timer = setInterval(() => sender.sendMedia(), 5);
    const [audio, video] = sections(offer).map(({ ssrc }) => Number(ssrc));
    const close = async () => {
      clearInterval(timer);
      await Promise.all([source.close(), sink.close(), publisher.close(), subscriber.close()]);
      processor.close();
      sender.close();
      receiver.close();
    };
    const count = (ssrc) => receiver.received.get(ssrc) ?? 0;
    return { sender, receiver, source, sink, publisher, subscriber, processor, audio, video, offer, close, count };
  }

  it('reaches the subscriber under its own SSRCs, both kinds (OTM-4, SCN-44, ENC-1, NEG-30, MST-23)', async () => {
    const all = await room();
    assert.equal(all.offer.getFingerprint(), '');
    await Promise.all([all.receiver.until(all.audio, 5), all.receiver.until(all.video, 5)]);
    assert.deepEqual(new Set(all.receiver.received.keys()), new Set([all.audio, all.video]));
    assert.equal(all.processor.getPublisherState(), 104);
    await all.close();
  });

  it('stops for what is muted: video first, audio second (MST-20)', async () => {
    const all = await room();
    await Promise.all([all.receiver.until(all.audio, 3), all.receiver.until(all.video, 3)]);
    all.subscriber.muteStream(false, true);
    await turn();
    await turn();
    const { audio, video } = { audio: all.count(all.audio), video: all.count(all.video) };
    await all.receiver.until(all.video, video + 10);
    assert.ok(all.count(all.audio) <= audio + 1, `${all.count(all.audio)} of ${audio}`);
    all.subscriber.muteStream(false, false);
    await all.receiver.until(all.audio, audio + 5);
    await all.close();
  });

  it('goes on while streams come and go elsewhere on the connections (NEG-72)', async () => {
    const all = await room();
    await all.receiver.until(all.video, 3);
    for (let round = 0; round < 3; round += 1) {
      const other = newStream(all.sink, { id: `other${round}`, label: `other${round}`, publisher: false });
      await all.sink.addMediaStream(other);
      await all.sink.createOffer(true);
      await all.sink.getLocalDescription();
      await all.sink.setRemoteDescription(all.receiver.description());
      await Promise.all([all.sink.removeMediaStream(`other${round}`), other.close()]);
      await all.receiver.until(all.video, all.count(all.video) + 5);
    }
    assert.deepEqual([...all.receiver.received.keys()].filter((ssrc) => ssrc !== all.audio && ssrc !== all.video), []);
    await all.close();
  });

  it('ends for a closed subscriber that its processor still has (MST-41, OTM-7, OTM-1)', async () => {
    const all = await room();
    await all.receiver.until(all.video, 3);
    await Promise.all([all.sink.removeMediaStream('subscriber'), all.subscriber.close()]);
    await turn();
    const before = all.count(all.video);
    for (let round = 0; round < 5; round += 1) await turn();
    assert.equal(all.count(all.video), before);
    all.processor.removeSubscriber('viewer');
    all.processor.removeSubscriber('viewer'); // Unknown by now.
    assert.equal(all.processor.hasPublisher(), true);
    await all.close();
  });
});
