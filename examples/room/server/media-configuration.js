'use strict';

// Which codecs and RTP header extensions this room agrees to (contract section 4.3).

const FEEDBACK = ['ccm fir', 'nack', 'nack pli', 'goog-remb', 'transport-cc'];

const VIDEO_CODECS = {
  VP8: {
    payloadType: 100,
    encodingName: 'VP8',
    mediaType: 'video',
    clockRate: 90000,
    feedbackTypes: FEEDBACK,
  },
  // Constrained baseline: the one profile that every browser encodes and decodes.
  H264: {
    payloadType: 101,
    encodingName: 'H264',
    mediaType: 'video',
    clockRate: 90000,
    formatParameters: {
      'profile-level-id': '42e01f',
      'level-asymmetry-allowed': '1',
      'packetization-mode': '1',
    },
    feedbackTypes: FEEDBACK,
  },
};

const OPUS = {
  payloadType: 111,
  encodingName: 'opus',
  mediaType: 'audio',
  clockRate: 48000,
  channels: 2,
  feedbackTypes: ['transport-cc'],
};

const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const RTP_STREAM_ID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';

const EXTENSIONS = [
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'urn:ietf:params:rtp-hdrext:toffset',
  'urn:3gpp:video-orientation',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  RTP_STREAM_ID,
  MID,
];

/**
 * The configuration for a list of video codecs, most wanted first. An array, because the order of
 * an object's entries would be lost on the way into the engine (contract WRC-7). `srtpProfiles`
 * leaves the choice of encryption to the engine when it is not given.
 */
function mediaConfiguration(videoCodecs = Object.keys(VIDEO_CODECS), srtpProfiles = undefined) {
  const mappings = videoCodecs.map((name) => {
    const codec = VIDEO_CODECS[name.toUpperCase()];
    if (!codec) {
      throw new RangeError(`unknown video codec ${name}: ${Object.keys(VIDEO_CODECS).join(', ')}`);
    }
    return codec;
  });
  return { rtpMappings: [...mappings, OPUS], extMappings: EXTENSIONS, srtpProfiles };
}

/**
 * The same for connections that only send: the mid and rid of a publisher's packets mean nothing to
 * its viewers, whose sections are told apart by SSRC.
 */
function forSubscribers(configuration) {
  return {
    ...configuration,
    extMappings: configuration.extMappings.filter((uri) => uri !== MID && uri !== RTP_STREAM_ID),
  };
}

module.exports = { mediaConfiguration, forSubscribers };
