'use strict';

// One page: answers its messages, owns its two connections, and takes everything along when it goes.

const { PublishConnection, SubscribeConnection } = require('./connection.js');
const { Publication, Subscription } = require('./publication.js');
const { RoomError } = require('./room-error.js');
const { connectionReport, streamReport } = require('./report.js');

const MAX_PUBLICATIONS = 32;

class Participant {
  name = '';
  #engine;
  #lobby;
  #send;
  #log;
  #room = null;
  #leaving = null;
  /** @type {PublishConnection | null} */
  #publishing = null;
  /** @type {SubscribeConnection | null} */
  #watching = null;
  /** @type {Map<string, Publication>} */
  #publications = new Map();
  /** @type {Map<string, Subscription>} By the id of the stream watched. */
  #subscriptions = new Map();
  #connections = 0;
  #closing = new Set();

  /**
   * @param {string} id
   * @param {{ engine: import('./engine.js').Engine, enter(name: string): import('./room.js').Room,
   *   vacate(room: import('./room.js').Room): void, nextStreamId(): string }} lobby
   * @param {(message: object) => void} send
   * @param {(text: string) => void} log
   */
  constructor(id, lobby, send, log) {
    this.id = id;
    this.#engine = lobby.engine;
    this.#lobby = lobby;
    this.#send = send;
    this.#log = log;
  }

  /** Carries out one checked message and resolves with what its sender gets back. */
  async handle(message) {
    if (this.#leaving) throw new RoomError('left', 'you have left');
    if (message.type === 'join') return this.#join(message);
    if (!this.#room) throw new RoomError('not-joined', 'join a room first');
    switch (message.type) {
      case 'publish':
        return this.#publish(message);
      case 'offer':
        return { sdp: await this.#connection(message.connection, this.#publishing).answer(message.sdp) };
      case 'unpublish':
        return this.#unpublish(message);
      case 'subscribe':
        return this.#subscribe(message);
      case 'unsubscribe':
        return this.#subscription(message.stream).close();
      case 'mute':
        return this.#subscription(message.stream).mute(message);
      case 'answer':
        return this.#connection(message.connection, this.#watching).acceptAnswer(
          message.offer,
          message.sdp,
        );
      case 'candidate':
        return this.#connection(message.connection, this.#publishing, this.#watching).addCandidate(
          message,
        );
      case 'connection-failed':
        return this.#dropFailed(message.connection);
      case 'statistics':
        return this.#statistics();
      default:
        throw new RoomError('bad-message', 'unknown type');
    }
  }

  tell(event) {
    this.#send(event);
  }

  /** The page is gone. Resolves when its streams and connections are closed. */
  leave() {
    return (this.#leaving ??= this.#closeAll());
  }

  async #closeAll() {
    await Promise.all([this.#dropPublishing(), this.#dropWatching()]);
    await Promise.all(this.#closing);
    if (this.#room) {
      this.#room.leave(this);
      this.#lobby.vacate(this.#room);
    }
  }

  #join({ room, name }) {
    if (this.#room) throw new RoomError('already-joined', 'you are in a room already');
    this.name = name;
    const entered = this.#lobby.enter(room);
    entered.enter(this);
    this.#room = entered;
    return { participant: this.id, ...entered.describe() };
  }

  async #publish({ label, title, source, audio, video }) {
    if (!audio && !video) throw new RoomError('nothing-to-publish', 'neither audio nor video');
    if (this.#publications.size >= MAX_PUBLICATIONS) {
      throw new RoomError('too-many-streams', `at most ${MAX_PUBLICATIONS} streams`);
    }
    this.#room.claimLabel(label);
    const connection = this.#openPublishing();
    const id = this.#lobby.nextStreamId();
    const options = { label, title, source, audio, video };
    const publication = new Publication(this.#engine, connection, this, id, options, () => {
      this.#room.announce(publication);
    });
    this.#publications.set(id, publication);
    await connection.native.addMediaStream(publication.native);
    return { stream: id, connection: connection.id };
  }

  async #unpublish({ stream }) {
    const publication = this.#publications.get(stream);
    if (!publication) throw new RoomError('unknown-stream', 'you do not publish this stream');
    await this.#closePublication(publication);
  }

  async #subscribe({ stream, audio, video }) {
    const publication = this.#room.publications.get(stream);
    if (!publication) throw new RoomError('unknown-stream', 'there is no such stream');
    if (this.#subscriptions.has(stream)) {
      throw new RoomError('already-subscribed', 'you watch this stream already');
    }
    const connection = this.#openWatching();
    const subscription = new Subscription(
      this.#engine,
      connection,
      publication,
      `${this.id}_${stream}`,
      { audio, video },
      () => {
        if (this.#subscriptions.get(stream) === subscription) this.#subscriptions.delete(stream);
      },
    );
    this.#subscriptions.set(stream, subscription);
    await subscription.start();
    return { connection: connection.id };
  }

  #openPublishing() {
    if (this.#publishing) return this.#publishing;
    const id = this.#connectionId('publish');
    this.#publishing = new PublishConnection(this.#engine, id, (state, error) => {
      this.#tellState('publish', id, state, error);
      for (const publication of this.#publications.values()) publication.check();
      if (state === 'failed') this.#later(this.#dropPublishing());
    });
    return this.#publishing;
  }

  #openWatching() {
    if (this.#watching) return this.#watching;
    const id = this.#connectionId('subscribe');
    this.#watching = new SubscribeConnection(
      this.#engine,
      id,
      (state, error) => {
        this.#tellState('subscribe', id, state, error);
        if (state === 'failed') this.#later(this.#dropWatching());
      },
      (offer, sdp) => this.tell({ type: 'offer', connection: id, offer, sdp }),
    );
    return this.#watching;
  }

  #tellState(direction, connection, state, error) {
    this.#log(`${this.id} ${direction} ${state}${error ? `: ${error.message}` : ''}`);
    const reason = error instanceof RoomError ? { code: error.code, message: error.message } : null;
    this.tell({ type: 'connection-state', direction, connection, state, reason });
  }

  #connectionId(direction) {
    this.#connections += 1;
    return `${this.id}-${direction}-${this.#connections}`;
  }

  #connection(id, ...candidates) {
    const connection = candidates.find((candidate) => candidate?.id === id);
    if (!connection) throw new RoomError('unknown-connection', 'this connection does not exist');
    return connection;
  }

  #subscription(stream) {
    const subscription = this.#subscriptions.get(stream);
    if (!subscription) throw new RoomError('not-subscribed', 'you do not watch this stream');
    return subscription;
  }

  /** The page saw its end of a connection fail before the server saw its own. */
  async #dropFailed(id) {
    const connection = this.#connection(id, this.#publishing, this.#watching);
    const drop = connection === this.#publishing ? this.#dropPublishing() : this.#dropWatching();
    await drop;
  }

  async #dropPublishing() {
    const connection = this.#publishing;
    this.#publishing = null;
    const publications = [...this.#publications.values()];
    await Promise.all(publications.map((publication) => this.#closePublication(publication)));
    await connection?.close();
  }

  async #dropWatching() {
    const connection = this.#watching;
    this.#watching = null;
    const subscriptions = [...this.#subscriptions.values()];
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
    await connection?.close();
  }

  async #closePublication(publication) {
    this.#publications.delete(publication.id);
    this.#room.retract(publication);
    try {
      await publication.close();
    } finally {
      this.#room.releaseLabel(publication.options.label);
    }
  }

  async #statistics() {
    const [publish, subscribe, published, subscribed] = await Promise.all([
      connectionReport(this.#publishing),
      connectionReport(this.#watching),
      streamReports(this.#publications),
      streamReports(this.#subscriptions),
    ]);
    return { publish, subscribe, published, subscribed };
  }

  /** Work that nobody waits for now, but `leave` does. */
  #later(promise) {
    const done = promise
      .catch((error) => this.#log(`${this.id}: ${error.stack}`))
      .finally(() => this.#closing.delete(done));
    this.#closing.add(done);
  }
}

async function streamReports(streams) {
  const reports = [...streams].map(async ([id, stream]) => [id, await streamReport(stream.native)]);
  return Object.fromEntries(await Promise.all(reports));
}

module.exports = { Participant };
