// RTCPeerConnection.getStats(), reduced to what people look at. Rates are over the time since the
// previous reading of the same connection.

const previousReadings = new WeakMap();

/**
 * The numbers of one connection, or null without one. `tracks` is keyed by the id of the local or
 * remote MediaStreamTrack.
 */
export async function readPeer(pc) {
  if (!pc) return null;
  const report = await pc.getStats();
  const byId = new Map();
  for (const entry of report.values()) byId.set(entry.id, entry);
  const previous = previousReadings.get(pc) ?? new Map();
  previousReadings.set(pc, byId);

  const tracks = new Map();
  for (const entry of byId.values()) {
    if (entry.type === 'inbound-rtp' && entry.trackIdentifier) {
      tracks.set(entry.trackIdentifier, inbound(entry, previous.get(entry.id), byId));
    } else if (entry.type === 'outbound-rtp') {
      const source = byId.get(entry.mediaSourceId);
      if (source) tracks.set(source.trackIdentifier, outbound(entry, previous.get(entry.id), byId));
    }
  }
  return { ...transport(pc, byId), tracks, sections: sections(pc) };
}

/** The media sections of the server's current description. */
export function sections(pc) {
  const description = pc?.currentRemoteDescription;
  return description ? parseSections(description.sdp) : [];
}

/** Credentials and fingerprints of a description; a renegotiation must not change them. */
export function identity(sdp) {
  const values = (name) => [
    ...new Set([...sdp.matchAll(new RegExp(`^a=${name}:(.*)$`, 'gm'))].map(([, v]) => v.trim())),
  ];
  return {
    ufrag: values('ice-ufrag'),
    password: values('ice-pwd'),
    fingerprint: values('fingerprint').map((value) => value.toUpperCase()),
  };
}

export function parseSections(sdp) {
  return sdp
    .split(/^m=/m)
    .slice(1)
    .map((text) => {
      const [, kind, port] = /^(\S+) (\d+)/.exec(text) ?? [];
      return {
        mid: /^a=mid:(\S+)/m.exec(text)?.[1] ?? '',
        kind,
        port: Number(port),
        direction: /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(text)?.[1] ?? 'sendrecv',
      };
    });
}

function transport(pc, byId) {
  const entry = [...byId.values()].find(({ type }) => type === 'transport');
  const pair = byId.get(entry?.selectedCandidatePairId);
  const local = byId.get(pair?.localCandidateId);
  const remote = byId.get(pair?.remoteCandidateId);
  const address = (candidate) =>
    candidate && `${candidate.address ?? '?'}:${candidate.port} ${candidate.candidateType}`;
  return {
    connectionState: pc.connectionState,
    iceState: pc.iceConnectionState,
    signalingState: pc.signalingState,
    dtlsState: entry?.dtlsState ?? 'new',
    dtlsVersion: DTLS_VERSIONS[entry?.tlsVersion?.toUpperCase()] ?? null,
    srtpCipher: entry?.srtpCipher ?? null,
    roundTrip: pair?.currentRoundTripTime ?? null,
    local: address(local) ?? null,
    remote: address(remote) ?? null,
    bytesSent: entry?.bytesSent ?? 0,
    bytesReceived: entry?.bytesReceived ?? 0,
    availableOutgoingBitrate: pair?.availableOutgoingBitrate ?? null,
  };
}

function inbound(entry, before, byId) {
  const packets = increase(entry, before, 'packetsReceived');
  const lost = Math.max(0, increase(entry, before, 'packetsLost') ?? 0);
  return {
    kind: entry.kind,
    mid: entry.mid ?? null,
    ssrc: entry.ssrc,
    codec: codecName(entry, byId),
    bitrate: bitrate(entry, before, 'bytesReceived'),
    loss: packets === null ? null : packets + lost === 0 ? 0 : lost / (packets + lost),
    packetsReceived: entry.packetsReceived ?? 0,
    packetsLost: entry.packetsLost ?? 0,
    jitter: entry.jitter ?? null,
    width: entry.frameWidth ?? null,
    height: entry.frameHeight ?? null,
    frameRate: rate(entry, before, 'framesDecoded'),
    framesDecoded: entry.framesDecoded ?? 0,
    keyFramesDecoded: entry.keyFramesDecoded ?? 0,
    freezes: entry.freezeCount ?? 0,
    audioEnergy: entry.totalAudioEnergy ?? 0,
    nack: entry.nackCount ?? 0,
    pli: entry.pliCount ?? 0,
    fir: entry.firCount ?? 0,
  };
}

function outbound(entry, before, byId) {
  const remote = byId.get(entry.remoteId);
  return {
    kind: entry.kind,
    mid: entry.mid ?? null,
    ssrc: entry.ssrc,
    codec: codecName(entry, byId),
    bitrate: bitrate(entry, before, 'bytesSent'),
    loss: remote?.fractionLost ?? null,
    roundTrip: remote?.roundTripTime ?? null,
    packetsSent: entry.packetsSent ?? 0,
    jitter: remote?.jitter ?? null,
    width: entry.frameWidth ?? null,
    height: entry.frameHeight ?? null,
    frameRate: rate(entry, before, 'framesEncoded'),
    framesEncoded: entry.framesEncoded ?? 0,
    keyFramesEncoded: entry.keyFramesEncoded ?? 0,
    limitedBy: entry.qualityLimitationReason ?? null,
    nack: entry.nackCount ?? 0,
    pli: entry.pliCount ?? 0,
    fir: entry.firCount ?? 0,
  };
}

function codecName(entry, byId) {
  return byId.get(entry.codecId)?.mimeType.split('/')[1] ?? null;
}

function increase(entry, before, field) {
  return before ? (entry[field] ?? 0) - (before[field] ?? 0) : null;
}

function rate(entry, before, field) {
  const elapsed = before ? (entry.timestamp - before.timestamp) / 1000 : 0;
  return elapsed > 0 ? increase(entry, before, field) / elapsed : null;
}

function bitrate(entry, before, field) {
  const bytes = rate(entry, before, field);
  return bytes === null ? null : bytes * 8;
}

const DTLS_VERSIONS = { FEFF: 'DTLS 1.0', FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };
