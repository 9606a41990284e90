// Compiles if index.d.ts offers what ErizoJS uses (contract negotiation.md section 2), with the
// types a TypeScript user would write. Nothing here runs.

import {
  ConnectionDescription,
  ExternalInput,
  ExternalOutput,
  IOThreadPool,
  MediaStream,
  OneToManyProcessor,
  SyntheticInput,
  ThreadPool,
  WebRtcConnection,
  version,
} from 'erizo-rs';

/** `is<T>()(value)` compiles only if the value is a `T`; `any` is not good enough. */
function is<T>(): <V extends T>(value: 0 extends 1 & V ? never : V) => void {
  return () => {};
}

is<string>()(version);

// ---- pools (2.1, 2.2) ----

const threadPool = new ThreadPool(4);
const ioThreadPool = new IOThreadPool(1);
new IOThreadPool(1, true);
threadPool.start();
ioThreadPool.start();
is<number[]>()(threadPool.getDurationDistribution());
is<number[]>()(threadPool.getDelayDistribution());
threadPool.resetStats();
threadPool.close();
ioThreadPool.close();
// @ts-expect-error a pool needs a size
new ThreadPool();
// @ts-expect-error these pools have no statistics
ioThreadPool.getDurationDistribution();

// ---- WebRtcConnection (2.3) ----

const mediaConfiguration = JSON.stringify({ rtpMappings: {}, extMappings: [] });
const connection = new WebRtcConnection(
  threadPool,
  ioThreadPool,
  'client_erizo_1',
  '',
  0,
  0,
  0,
  false,
  mediaConfiguration,
  '{"type":"TargetVideoBW"}',
  false,
  true,
  false,
  false,
  '',
  0,
  '',
  '',
  '',
);
new WebRtcConnection(threadPool, ioThreadPool, 'id', '', 0, 0, 0, false, mediaConfiguration);
// @ts-expect-error nine arguments are the least (WRC-1)
new WebRtcConnection(threadPool, ioThreadPool, 'id');
// @ts-expect-error a pool is no connection id
new WebRtcConnection(threadPool, ioThreadPool, threadPool, '', 0, 0, 0, false, '{}');

async function connectionMethods(description: ConnectionDescription): Promise<void> {
  connection.init((code, message) => {
    is<number>()(code);
    is<string>()(message);
  });
  connection.init((_code: number) => {});
  await connection.createOffer(true);
  await connection.setRemoteDescription(description);
  const local = await connection.getLocalDescription();
  // After close the promise brings '' (LIF-8), so a caller has to look.
  if (local instanceof ConnectionDescription) is<ConnectionDescription>()(local);
  connection.addRemoteCandidate(
    '0', 0, '1', 1, 2130706431, 'udp', '127.0.0.1', 5000, 'host', undefined, undefined, 'a=candidate:...',
  );
  await connection.addMediaStream(stream);
  await connection.removeMediaStream('id');
  connection.copySdpToLocalDescription(description);
  connection.maybeRestartIce('ufrag', 'pwd');
  is<number | undefined>()(connection.getCurrentState());
  is<number | undefined>()(connection.getConnectionQualityLevel());
  connection.setMetadata('{}');
  connection.setBwDistributionConfig('{"type":"MaxVideoBW"}');
  connection.setConnectionTargetBw(300_000);
  connection.getStats((json) => is<string>()(json));
  is<number[]>()(connection.getDurationDistribution());
  is<number[]>()(connection.getDelayDistribution());
  connection.resetStats();
  is<string>()(await connection.close());
  // @ts-expect-error a description is needed
  connection.setRemoteDescription('v=0');
  // @ts-expect-error a stream is needed
  connection.addMediaStream(connection);
}

// ---- MediaStream (2.4) ----

const stream = new MediaStream(threadPool, connection, 'id', 'label', true, true, true, [], 'default');
new MediaStream(threadPool, connection, 'id', 'label', false);
// @ts-expect-error a connection is needed
new MediaStream(threadPool, threadPool, 'id', 'label', true);

async function streamMethods(sink: OneToManyProcessor, output: ExternalOutput): Promise<void> {
  stream.configure(true);
  stream.setAudioReceiver(sink);
  stream.setVideoReceiver(output);
  stream.setVideoReceiver(stream);
  is<number | undefined>()(stream.getCurrentState());
  stream.generatePLIPacket();
  stream.getStats((json) => is<string>()(json));
  stream.getPeriodicStats((json) => is<string>()(json));
  stream.setFeedbackReports(true, 300_000);
  is<boolean | undefined>()(stream.setSlideShowMode(true));
  stream.setPriority('10');
  stream.muteStream(true, false);
  stream.setMaxVideoBW(300);
  stream.setQualityLayer(1, 2);
  stream.enableSlideShowBelowSpatialLayer(true, 0);
  stream.onMediaStreamEvent((type, message) => {
    is<string>()(type);
    is<string>()(message);
    if (type === 'ready') return;
  });
  stream.setVideoConstraints(640, 480, -1);
  stream.setMetadata('{}');
  stream.setPeriodicKeyframeRequests(true, 1000);
  stream.setPeriodicKeyframeRequests(false);
  is<boolean | undefined>()(stream.hasPeriodicKeyframeRequests());
  stream.enableHandler('pli-pacer');
  stream.disableHandler('pli-pacer');
  is<number[]>()(stream.getDurationDistribution());
  is<number[]>()(stream.getDelayDistribution());
  stream.resetStats();
  is<string>()(await stream.close());
  // @ts-expect-error a connection is no sink
  stream.setAudioReceiver(connection);
}

// ---- OneToManyProcessor (2.5) ----

function processorMethods(input: ExternalInput, output: ExternalOutput): void {
  const processor = new OneToManyProcessor();
  processor.setPublisher(stream);
  processor.setExternalPublisher(input);
  processor.addSubscriber(stream, 'peer');
  processor.addExternalOutput(output, '/tmp/recording.mkv');
  processor.removeSubscriber('peer');
  is<boolean | undefined>()(processor.hasPublisher());
  is<number | undefined>()(processor.getPublisherState());
  processor.close();
  processor.close((result) => is<string>()(result));
  // @ts-expect-error a subscriber needs a name
  processor.addSubscriber(stream);
}

// ---- ExternalInput, ExternalOutput, SyntheticInput (2.6) ----

function externalMethods(sink: OneToManyProcessor): void {
  const input = new ExternalInput('rtsp://127.0.0.1/stream');
  is<number | undefined>()(input.init());
  input.setAudioReceiver(sink);
  input.setVideoReceiver(sink);
  input.generatePLIPacket();
  input.close((result) => is<string>()(result));

  const output = new ExternalOutput(threadPool, '/tmp/a.mkv', mediaConfiguration, true, true);
  is<boolean | undefined>()(output.init());
  output.close();

  const synthetic = new SyntheticInput(threadPool, 30_000, 100_000, 300_000);
  is<number | undefined>()(synthetic.init());
  synthetic.setAudioReceiver(sink);
  synthetic.setVideoReceiver(sink);
  synthetic.setFeedbackSource(stream);
  synthetic.close();
  // @ts-expect-error four arguments are needed
  new SyntheticInput(threadPool, 1, 2);
}

// ---- ConnectionDescription (4.2) ----

function descriptionMethods(): void {
  const description = new ConnectionDescription('{}');
  new ConnectionDescription();
  description.setProfile('SAVPF');
  is<string>()(description.getProfile());
  description.setBundle(true);
  is<boolean>()(description.isBundle());
  description.setRtcpMux(true);
  is<boolean>()(description.isRtcpMux());
  description.addBundleTag('0', 'audio');
  is<string>()(description.getMediaId('audio'));
  description.setAudioSsrc('label', 1);
  is<Record<string, number>>()(description.getAudioSsrcMap());
  description.setVideoSsrcList('label', [1, 2]);
  is<Record<string, number[]>>()(description.getVideoSsrcMap());
  description.addMediaInfo('sender', '', '0', 'sendrecv', 'audio', '', false);
  for (const section of description.getMediaInfos()) {
    is<string>()(section.mid);
    is<number>()(section.order);
    is<string>()(section.senderStreamId);
    is<string>()(section.receiverStreamId);
    is<string>()(section.direction);
    is<string>()(section.kind);
    is<string>()(section.ssrc);
    is<boolean>()(section.justAddedInOffer);
    is<boolean>()(section.stopped);
  }
  description.setAudioDirection('sendonly');
  description.setVideoDirection('recvonly');
  is<string>()(description.getDirection('audio'));
  description.setFingerprint('AA:BB');
  is<string>()(description.getFingerprint());
  description.setDtlsRole('actpass');
  is<string>()(description.getDtlsRole());
  description.setVideoBandwidth(300);
  is<number>()(description.getVideoBandwidth());
  description.setXGoogleFlag('conference');
  is<string>()(description.getXGoogleFlag());
  is<boolean>()(
    description.addCandidate('audio', '1', 1, 'udp', 1, '127.0.0.1', 5000, 'host', undefined, undefined, ''),
  );
  description.addCryptoInfo('suite', 'params', 'audio');
  description.setICECredentials('ufrag', 'pwd', 'audio');
  is<string[]>()(description.getICECredentials());
  is<string[]>()(description.getICECredentials('video'));
  for (const candidate of description.getCandidates()) {
    is<number>()(candidate.priority);
    is<string>()(candidate.hostIp);
    is<number>()(candidate.hostPort);
    is<string>()(candidate.relayIp);
    is<number>()(candidate.relayPort);
    is<string>()(candidate.foundation);
    is<number>()(candidate.componentId);
    is<string>()(candidate.protocol);
    is<string>()(candidate.hostType);
    is<string>()(candidate.user);
    is<string>()(candidate.pass);
  }
  for (const codec of description.getCodecs('video')) {
    is<number>()(codec.type);
    is<string>()(codec.name);
    is<number>()(codec.rate);
    is<number>()(codec.channels);
    is<string[]>()(codec.feedbacks);
    is<Record<string, string>>()(codec.params);
  }
  is<Record<string, string>>()(description.getExtensions('audio'));
  description.addRid('1', 'send');
  is<Record<string, string>>()(description.getRids());
  description.addPt(100, 'VP8', 90_000, 'video');
  description.addParameter(100, 'x', 'y');
  description.addFeedback(100, 'nack pli');
  description.addExtension(1, 'urn:ietf:params:rtp-hdrext:sdes:mid', 'audio');
  description.setIceLite(false);
  is<boolean>()(description.isIceLite());
  is<boolean>()(description.postProcessInfo());
  description.copyInfoFromSdp(new ConnectionDescription());
  description.close();
  // @ts-expect-error there is no such method
  description.toString2();
}

export { connectionMethods, descriptionMethods, externalMethods, processorMethods, streamMethods };
