'use strict';

// The engine's statistics trees (contract media.md section 7), reduced to what the page shows.

const { readStatistics } = require('./connection.js');

/** A connection's state, numbers and the sections of the description it sent last, or null. */
async function connectionReport(connection) {
  if (!connection) return null;
  const statistics = await connection.statistics();
  return {
    id: connection.id,
    state: connection.state,
    bitrateEstimate: statistics.total?.senderBitrateEstimation ?? null,
    sections: sectionsOf(connection.localDescription),
    raw: statistics,
  };
}

/** A stream's numbers, in total and per SSRC. */
async function streamReport(native) {
  const { total = {}, qualityLayers = null, ...sources } = await readStatistics(native);
  return {
    bitrate: total.bitrateCalculated ?? null,
    packetRate: total.packetsCalculated ?? null,
    qualityLayers,
    sources: Object.entries(sources)
      .filter(([ssrc, source]) => /^\d+$/.test(ssrc) && source?.type)
      .map(([ssrc, source]) => ({
        ssrc: Number(ssrc),
        kind: source.type,
        bitrate: source.bitrateCalculated ?? null,
        keyFrames: source.keyFrames ?? null,
        packetsLost: source.packetsLost ?? null,
        fractionLost: source.fractionLost === undefined ? null : source.fractionLost / 256,
        jitter: source.jitter ?? null,
        nack: source.NACK ?? 0,
        pli: source.PLI ?? 0,
        fir: source.FIR ?? 0,
      })),
  };
}

function sectionsOf(description) {
  if (!description) return [];
  return description.getMediaInfos().map(({ mid, kind, direction, stopped, senderStreamId }) => ({
    mid,
    kind,
    direction,
    port: stopped ? 0 : 9,
    label: senderStreamId,
  }));
}

module.exports = { connectionReport, streamReport };
