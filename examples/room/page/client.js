// One person in one room, without any user interface: the room page and the browser tests are both
// built on this.

import { PublishPeer, SubscribePeer } from './peer.js';
import { RequestError, Signalling } from './signalling.js';
import { readPeer } from './statistics.js';

/**
 * Events, each with `detail`:
 * `people` (nobody came or went unnoticed), `stream-added`, `stream-removed` (a remote or own
 * stream), `stream-changed` (subscribed, muted, its media arrived), `connection` (a state changed),
 * `connection-failed` ({direction, streams, wasConnected, reason}: the streams are not published or
 * watched any more), `closed` (the server is gone; final).
 */
export class RoomClient extends EventTarget {
  id = null;
  room = null;
  /** Participant id to name, including this one. */
  people = new Map();
  /** Stream id to what is known of it; own ones have `own: true`. */
  streams = new Map();
  #signalling;
  #publishing;
  #watching;
  /** The server's names of connections that this page has given up. */
  #givenUp = new Set();
  #left = false;

  /** Resolves with a client that is in the room. */
  static async join({ room, name }) {
    const signalling = await Signalling.connect();
    let missing = null;
    signalling.addEventListener('engine-missing', ({ detail }) => (missing = detail.message));
    try {
      const client = new RoomClient(signalling);
      client.#enter(await signalling.request('join', { room, name }));
      return client;
    } catch (error) {
      signalling.close();
      if (missing !== null) throw new RequestError('engine-missing', missing);
      throw error;
    }
  }

  constructor(signalling) {
    super();
    this.#signalling = signalling;
    this.#publishing = new PublishPeer(signalling);
    this.#watching = new SubscribePeer(signalling);
    for (const [direction, peer] of Object.entries(this.#peers)) {
      peer.addEventListener('state', () => this.#tell('connection', { direction }));
      peer.addEventListener('failed', () => {
        const { connection } = peer;
        if (connection === null) return; // It was given up while something was under way.
        this.#onFailed(direction, connection);
        this.#signalling.request('connection-failed', { connection }).catch(() => {});
      });
    }
    this.#watching.addEventListener('track', ({ detail }) => this.#onTrack(detail));
    const on = (type, handle) =>
      signalling.addEventListener(type, ({ detail }) => handle(detail));
    on('participant-joined', ({ participant }) => {
      this.people.set(participant.id, participant.name);
      this.#tell('people');
    });
    on('participant-left', ({ participant }) => {
      this.people.delete(participant);
      this.#tell('people');
    });
    on('stream-added', ({ stream }) => this.#addRemote(stream));
    on('stream-removed', ({ stream }) => this.#remove(stream));
    on('connection-state', ({ direction, connection, state, reason }) => {
      if (state === 'failed') this.#onFailed(direction, connection, reason);
    });
    signalling.addEventListener('close', () => this.#onClosed());
  }

  /** The two `RTCPeerConnection`s; each is null until it is needed. */
  get connections() {
    return { publish: this.#publishing.pc, subscribe: this.#watching.pc };
  }

  /** Sends `mediaStream` to the room; resolves with the id of the new stream. */
  async publish(mediaStream, { title, source }) {
    const id = await this.#publishing.add(mediaStream, { title, source });
    const stream = {
      id,
      participant: this.id,
      name: this.people.get(this.id),
      label: mediaStream.id,
      title,
      source,
      audio: mediaStream.getAudioTracks().length > 0,
      video: mediaStream.getVideoTracks().length > 0,
      own: true,
      mediaStream,
    };
    this.streams.set(id, stream);
    this.#tell('stream-added', stream);
    return id;
  }

  async unpublish(id) {
    this.#remove(id);
    await this.#publishing.remove(id);
  }

  async subscribe(id, { audio = true, video = true } = {}) {
    const stream = this.#stream(id);
    if (stream.subscribed) return;
    this.#change(stream, { subscribed: true, muted: { audio: false, video: false } });
    try {
      await this.#signalling.request('subscribe', { stream: id, audio, video });
    } catch (error) {
      if (this.streams.get(id) === stream) this.#change(stream, { subscribed: false });
      throw error;
    }
  }

  async unsubscribe(id) {
    const stream = this.#stream(id);
    if (!stream.subscribed) return;
    this.#change(stream, { subscribed: false, mediaStream: null });
    await this.#signalling.request('unsubscribe', { stream: id });
  }

  /** What the server leaves out of a stream on its way here; others notice nothing. */
  async mute(id, { audio, video }) {
    const stream = this.#stream(id);
    await this.#signalling.request('mute', { stream: id, audio, video });
    this.#change(stream, { muted: { audio, video } });
  }

  restartIce() {
    return this.#publishing.restartIce();
  }

  /** Numbers of both ends, measured since the last call. */
  async statistics() {
    const [publish, subscribe, server] = await Promise.all([
      readPeer(this.#publishing.pc),
      readPeer(this.#watching.pc),
      this.#signalling.request('statistics'),
    ]);
    return { publish, subscribe, server };
  }

  /** Any request at all; for tests of the server. */
  request(type, fields) {
    return this.#signalling.request(type, fields);
  }

  leave() {
    this.#left = true;
    this.#publishing.close();
    this.#watching.close();
    this.#signalling.close();
  }

  get #peers() {
    return { publish: this.#publishing, subscribe: this.#watching };
  }

  #enter({ participant, room, participants, streams }) {
    this.id = participant;
    this.room = room;
    for (const { id, name } of participants) this.people.set(id, name);
    for (const stream of streams) this.#addRemote(stream);
  }

  #stream(id) {
    const stream = this.streams.get(id);
    if (!stream) throw new RequestError('unknown-stream', 'this stream is gone');
    return stream;
  }

  #addRemote(stream) {
    if (stream.participant === this.id || this.streams.has(stream.id)) return;
    const added = {
      ...stream,
      own: false,
      subscribed: false,
      muted: { audio: false, video: false },
      mediaStream: null,
    };
    this.streams.set(stream.id, added);
    this.#tell('stream-added', added);
  }

  #remove(id) {
    const stream = this.streams.get(id);
    if (!stream) return;
    this.streams.delete(id);
    this.#tell('stream-removed', stream);
  }

  #change(stream, fields) {
    Object.assign(stream, fields);
    this.#tell('stream-changed', stream);
  }

  #onTrack({ streams: [mediaStream] }) {
    if (!mediaStream) return;
    for (const stream of this.streams.values()) {
      if (stream.label !== mediaStream.id || stream.own || !stream.subscribed) continue;
      this.#change(stream, { mediaStream });
    }
  }

  /**
   * A connection that failed is given up by both ends. The page decides what to publish or watch
   * again; the next use of that direction makes a new connection.
   */
  #onFailed(direction, connection, reason = null) {
    if (this.#left || this.#givenUp.has(connection)) return;
    this.#givenUp.add(connection);
    const peer = this.#peers[direction];
    const { wasConnected } = peer;
    peer.close();
    const lost = [...this.streams.values()].filter((stream) =>
      direction === 'publish' ? stream.own : stream.subscribed,
    );
    for (const stream of lost) {
      if (direction === 'publish') this.#remove(stream.id);
      else this.#change(stream, { subscribed: false, mediaStream: null });
    }
    this.#tell('connection-failed', { direction, streams: lost, wasConnected, reason });
  }

  #onClosed() {
    if (this.#left) return;
    this.#left = true;
    this.#publishing.close();
    this.#watching.close();
    this.#tell('closed');
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
