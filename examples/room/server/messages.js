'use strict';

// What a page may say. Every message is checked here, whole, before anything acts on it.

const { RoomError } = require('./room-error.js');

const isText = (longest, shortest = 1) => (value) =>
  typeof value === 'string' && value.length >= shortest && value.length <= longest;
const isName = (value) => isText(40)(value) && value.trim() === value && !CONTROL.test(value);
const isFlag = (value) => typeof value === 'boolean';
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isOneOf = (...words) => (value) => words.includes(value);
const isOptional = (check) => (value) => value === undefined || value === null || check(value);
const isSdp = isText(200_000, 2);
const isId = (value) => typeof value === 'string' && /^[a-z0-9]{1,24}$/.test(value);
const isConnectionId = (value) => typeof value === 'string' && /^[a-z0-9-]{1,64}$/.test(value);
// Ends up in other people's session descriptions, so no character that could break a line of SDP.
const isLabel = (value) => typeof value === 'string' && /^[A-Za-z0-9_{}-]{1,64}$/.test(value);

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Message type to the checks of its fields. */
const MESSAGES = {
  join: { room: isName, name: isName },
  publish: {
    label: isLabel,
    title: isName,
    source: isOneOf('camera', 'picture', 'screen'),
    audio: isFlag,
    video: isFlag,
  },
  offer: { connection: isConnectionId, sdp: isSdp },
  unpublish: { stream: isId },
  subscribe: { stream: isId, audio: isFlag, video: isFlag },
  unsubscribe: { stream: isId },
  mute: { stream: isId, audio: isFlag, video: isFlag },
  answer: { connection: isConnectionId, offer: isCount, sdp: isSdp },
  candidate: {
    connection: isConnectionId,
    candidate: isText(1_000),
    sdpMid: isOptional(isText(64, 0)),
    sdpMLineIndex: isOptional(isCount),
  },
  'connection-failed': { connection: isConnectionId },
  statistics: {},
};

/**
 * The message in `data`, proven to have all its fields and no others.
 *
 * @param {string} data
 * @returns {{ request: number, type: string }}
 */
function parseMessage(data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    throw new RoomError('bad-message', 'not JSON');
  }
  if (message === null || typeof message !== 'object' || Array.isArray(message)) {
    throw new RoomError('bad-message', 'not an object');
  }
  const { request, type, ...fields } = message;
  if (!isCount(request)) throw new RoomError('bad-message', 'request is not a number');
  const checks = Object.hasOwn(MESSAGES, type) ? MESSAGES[type] : null;
  if (!checks) throw new RoomError('bad-message', 'unknown type');
  for (const [field, check] of Object.entries(checks)) {
    if (!check(fields[field])) throw new RoomError('bad-message', `${type}: bad ${field}`);
  }
  for (const field of Object.keys(fields)) {
    if (!Object.hasOwn(checks, field)) {
      throw new RoomError('bad-message', `${type}: unexpected field`);
    }
  }
  return message;
}

/** The request number of a message that is otherwise unusable, so that its sender learns of it. */
function requestOf(data) {
  try {
    const { request } = JSON.parse(data);
    return isCount(request) ? request : null;
  } catch {
    return null;
  }
}

module.exports = { parseMessage, requestOf };
