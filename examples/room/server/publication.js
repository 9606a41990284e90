'use strict';

// One stream on its way through the server: in from its publisher, out to its subscriptions.

class Publication {
  /** @type {Map<string, Subscription>} */
  subscriptions = new Map();
  #engine;
  #onUsable;
  #found = false;
  #usable = false;
  #closed = false;

  /**
   * @param {import('./engine.js').Engine} engine
   * @param {import('./connection.js').PublishConnection} connection
   * @param {() => void} onUsable Once: the stream is negotiated and its connection carries media.
   */
  constructor(engine, connection, participant, id, options, onUsable) {
    this.#engine = engine;
    this.#onUsable = onUsable;
    this.connection = connection;
    this.participant = participant;
    this.id = id;
    this.options = options;
    const { label, audio, video } = options;
    this.native = engine.createStream(connection.native, {
      id,
      label,
      isPublisher: true,
      audio,
      video,
    });
    this.native.onMediaStreamEvent((type) => {
      if (type !== 'ready') return;
      this.#found = true;
      this.check();
    });
    this.processor = engine.createProcessor();
    this.processor.setPublisher(this.native);
    this.native.setAudioReceiver(this.processor);
    this.native.setVideoReceiver(this.processor);
  }

  /** Call when the state of the connection changed. */
  check() {
    if (this.#usable || this.#closed || !this.#found || this.connection.state !== 'ready') return;
    this.#usable = true;
    this.#onUsable();
  }

  describe() {
    const { label, title, source, audio, video } = this.options;
    return {
      id: this.id,
      participant: this.participant.id,
      name: this.participant.name,
      label,
      title,
      source,
      audio,
      video,
    };
  }

  /** Resolves when the engine has let go of the stream. Its viewers are told by the caller. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    const viewers = [...this.subscriptions.values()].map((subscription) => subscription.close());
    const removed = this.connection.native.removeMediaStream(this.id);
    const closed = this.native.close();
    await Promise.all([...viewers, removed, closed]);
    await new Promise((resolve) => this.processor.close(resolve));
  }
}

class Subscription {
  #closed = false;

  /**
   * @param {import('./engine.js').Engine} engine
   * @param {import('./connection.js').SubscribeConnection} connection
   * @param {Publication} publication
   * @param {() => void} onClose The publication or the viewer ended it.
   */
  constructor(engine, connection, publication, id, { audio, video }, onClose) {
    this.connection = connection;
    this.publication = publication;
    this.id = id;
    this.onClose = onClose;
    this.native = engine.createStream(connection.native, {
      id,
      label: publication.options.label,
      isPublisher: false,
      audio: audio && publication.options.audio,
      video: video && publication.options.video,
    });
    // A picture can start only with a key frame; a publisher sends none unless it is asked.
    this.native.onMediaStreamEvent((type) => {
      if (type === 'ready') publication.native.generatePLIPacket();
    });
    publication.processor.addSubscriber(this.native, id);
    publication.subscriptions.set(id, this);
  }

  async start() {
    await this.connection.native.addMediaStream(this.native);
    // Payload types and extension numbers of the publisher, so that nothing needs renumbering.
    const { localDescription } = this.publication.connection;
    if (localDescription) this.connection.native.copySdpToLocalDescription(localDescription);
    this.connection.negotiate();
  }

  mute({ audio, video }) {
    this.native.muteStream(video, audio);
  }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    this.publication.subscriptions.delete(this.id);
    this.onClose();
    const removed = this.connection.native.removeMediaStream(this.id);
    const closed = this.native.close();
    this.publication.processor.removeSubscriber(this.id);
    if (this.connection.isOpen) this.connection.negotiate();
    await Promise.all([removed, closed]);
  }
}

module.exports = { Publication, Subscription };
