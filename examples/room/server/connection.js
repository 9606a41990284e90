'use strict';

// One peer connection of one browser: the one it publishes on (the browser offers) or the one it
// watches on (the server offers). Streams come and go by renegotiation; ICE and DTLS are set up once.

const { RoomError } = require('./room-error.js');

const GATHERED = 103;
const READY = 104;
const FAILED = 500;

const ANSWER_TIMEOUT_MS = 20_000;

class Connection {
  #sessionVersion = 0;
  /** Once it failed: resolves with a `RoomError` that says why. */
  #failure = null;
  #remoteSet;
  #gathered;

  /**
   * @param {import('./engine.js').Engine} engine
   * @param {string} id
   * @param {'publish' | 'subscribe'} direction
   * @param {(state: string, error?: RoomError) => void} onState `gathered`, `ready`, or `failed`
   *   with the reason; never after `close()`.
   */
  constructor(engine, id, direction, onState) {
    this.engine = engine;
    this.id = id;
    this.direction = direction;
    this.state = 'new';
    /** What the server said last; subscribers of a publisher copy its numbers. */
    this.localDescription = null;
    this.remoteDescription = null;
    this.onState = onState;
    this.#gathered = deferred();
    this.#remoteSet = deferred();
    this.native = engine.createConnection(id, direction);
    this.native.init((code) => this.#onEvent(code));
  }

  get isOpen() {
    return this.state !== 'failed' && this.state !== 'closed';
  }

  /** A candidate of the browser. One that overtakes its description waits for it. */
  async addCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    const parsed = parseCandidate(candidate);
    if (!parsed) throw new RoomError('bad-candidate', 'this is not an ICE candidate');
    await this.#remoteSet.promise;
    if (!this.isOpen) return;
    this.native.addRemoteCandidate(
      sdpMid ?? '',
      sdpMLineIndex ?? 0,
      parsed.foundation,
      parsed.component,
      parsed.priority,
      parsed.protocol,
      parsed.address,
      parsed.port,
      parsed.type,
      parsed.relatedAddress,
      parsed.relatedPort,
      `a=${candidate}`,
    );
  }

  /** Hands a browser's description to the engine. */
  async setRemote(sdp) {
    const description = this.parse(sdp);
    const [ufrag, password] = description.getICECredentials();
    const previous = this.remoteDescription?.getICECredentials()[0];
    if (previous !== undefined && ufrag && ufrag !== previous) {
      // New credentials in a renegotiation mean an ICE restart; DTLS and SRTP stay as they are.
      this.#gathered = deferred();
      this.native.maybeRestartIce(ufrag, password);
    }
    try {
      await this.native.setRemoteDescription(description);
    } catch (error) {
      throw new RoomError('refused-description', error.message);
    }
    this.remoteDescription = description;
    this.#remoteSet.resolve();
  }

  parse(sdp) {
    try {
      return this.engine.parseDescription(sdp, this.direction);
    } catch (error) {
      throw new RoomError('bad-description', `not a usable session description: ${error.message}`);
    }
  }

  /** The server's current description as SDP text, with all its candidates. */
  async localSdp() {
    await this.#gathered.promise;
    const description = this.isOpen ? await this.native.getLocalDescription() : null;
    if (this.#failure) throw await this.#failure;
    if (!description || !this.isOpen) {
      throw new RoomError('connection-closed', 'the media connection is closed');
    }
    if (description.getCandidates().length === 0) throw this.#noMediaPort();
    this.localDescription = description;
    this.#sessionVersion += 1;
    return description.toSdp({ sessionVersion: this.#sessionVersion });
  }

  /** What the engine counts on this connection; `{}` once it is closed. */
  statistics() {
    return readStatistics(this.native);
  }

  async close() {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#release();
    await this.native.close();
  }

  #onEvent(code) {
    if (!this.isOpen) return;
    if (code === GATHERED) {
      if (this.state === 'new') this.state = 'gathered';
      this.#gathered.resolve();
    } else if (code === READY) {
      this.state = 'ready';
    } else if (code === FAILED) {
      this.fail(this.#explain());
      return;
    } else {
      return;
    }
    this.onState(this.state);
  }

  /** @param {RoomError | Promise<RoomError>} reason */
  async fail(reason) {
    if (!this.isOpen) return;
    this.state = 'failed';
    this.#failure = Promise.resolve(reason);
    this.#release();
    const error = await this.#failure;
    if (this.state === 'failed') this.onState(this.state, error);
  }

  /** The engine says that a connection failed, not why; without candidates it never had a port. */
  async #explain() {
    const description = await this.native.getLocalDescription().catch(() => null);
    if (description?.getCandidates().length === 0) return this.#noMediaPort();
    return new RoomError('connection-failed', 'the media connection failed');
  }

  #noMediaPort() {
    return new RoomError('no-media-port', this.engine.portShortage);
  }

  /** Nobody may wait for something that can no longer happen. */
  #release() {
    this.#gathered.resolve();
    this.#remoteSet.resolve();
    this.onRelease?.();
  }
}

/** The browser offers, the server answers, one offer at a time. */
class PublishConnection extends Connection {
  #queue = Promise.resolve();

  constructor(engine, id, onState) {
    super(engine, id, 'publish', onState);
  }

  /** Resolves with the answer. */
  answer(sdp) {
    const answered = this.#queue.then(async () => {
      await this.setRemote(sdp);
      return this.localSdp();
    });
    this.#queue = answered.catch(() => {}); // The next offer has its own chance.
    return answered;
  }
}

/** The server offers whenever its streams changed; at most one offer is unanswered. */
class SubscribeConnection extends Connection {
  #needed = false;
  #running = false;
  #offers = 0;
  #outstanding = null;
  #sendOffer;

  /** @param {(offer: number, sdp: string) => void} sendOffer */
  constructor(engine, id, onState, sendOffer) {
    super(engine, id, 'subscribe', onState);
    this.#sendOffer = sendOffer;
  }

  /** Streams were added or removed. Changes made while an offer is unanswered share the next one. */
  negotiate() {
    this.#needed = true;
    if (this.#running) return;
    this.#running = true;
    this.#run().catch((error) => this.fail(error));
  }

  /** The browser's answer; an unusable one leaves the offer open for a better one. */
  async acceptAnswer(offer, sdp) {
    const outstanding = this.#outstanding;
    if (outstanding?.offer !== offer || outstanding.accepting) {
      throw new RoomError('stale-answer', `offer ${offer} is not waiting for an answer`);
    }
    outstanding.accepting = true;
    try {
      await this.setRemote(sdp);
    } finally {
      outstanding.accepting = false;
    }
    outstanding.settle();
  }

  onRelease() {
    this.#outstanding?.settle();
  }

  async #run() {
    try {
      while (this.#needed && this.isOpen) {
        this.#needed = false;
        await this.native.createOffer(true);
        const sdp = await this.localSdp();
        await this.#answerTo(sdp);
      }
    } finally {
      this.#running = false; // In the same turn as the check above, so that no call is missed.
    }
  }

  async #answerTo(sdp) {
    const { promise, resolve, reject } = deferred();
    this.#offers += 1;
    const timer = setTimeout(
      () => reject(new RoomError('no-answer', 'the browser did not answer an offer')),
      ANSWER_TIMEOUT_MS,
    );
    this.#outstanding = { offer: this.#offers, settle: resolve, accepting: false };
    try {
      this.#sendOffer(this.#offers, sdp);
      await promise;
    } finally {
      clearTimeout(timer);
      this.#outstanding = null;
    }
  }
}

/** A snapshot of an engine object's numbers; never rejects and never waits longer than a second. */
function readStatistics(native) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({}), STATISTICS_TIMEOUT_MS);
    native.getStats((text) => {
      clearTimeout(timer);
      resolve(JSON.parse(text));
    });
  });
}

/** The fields of a candidate line (RFC 8839 §5.1), or null. */
function parseCandidate(line) {
  const match = CANDIDATE.exec(line);
  if (!match) return null;
  const [, foundation, component, protocol, priority, address, port, type] = match;
  const related = /\sraddr\s+(\S+)\s+rport\s+(\d{1,5})/.exec(line);
  return {
    foundation,
    component: Number(component),
    protocol: protocol.toLowerCase(),
    priority: Number(priority),
    address,
    port: Number(port),
    type,
    relatedAddress: related?.[1],
    relatedPort: related ? Number(related[2]) : undefined,
  };
}

function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => {
    result.resolve = resolve;
    result.reject = reject;
  });
  return result;
}

const STATISTICS_TIMEOUT_MS = 1_000;

const CANDIDATE =
  /^candidate:([A-Za-z0-9+/]{1,32}) (\d{1,3}) (udp|tcp|UDP|TCP) (\d{1,10}) (\S{1,64}) (\d{1,5}) typ (host|srflx|prflx|relay)/;

module.exports = { PublishConnection, SubscribeConnection, readStatistics };
