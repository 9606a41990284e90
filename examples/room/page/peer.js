// The page's two peer connections: one for everything it publishes (the page offers), one for
// everything it watches (the server offers). Each has a queue, so that one negotiation ends before
// the next begins and the two sides never offer at once on the same connection.

/**
 * Events: `state` whenever a state of the connection changed, `failed` once when it cannot carry
 * media any more, `track` with the `RTCTrackEvent` as `detail` (watching only).
 */
class Peer extends EventTarget {
  /** @type {RTCPeerConnection | null} */
  pc = null;
  /** The server's name for this connection. */
  connection = null;
  /** Whether media could ever flow on this connection. */
  wasConnected = false;
  signalling;
  #queue = Promise.resolve();
  #heldCandidates = null;

  constructor(signalling) {
    super();
    this.signalling = signalling;
  }

  close() {
    const { pc } = this;
    this.pc = null;
    this.connection = null;
    this.wasConnected = false;
    if (!pc) return;
    pc.close();
    this.dispatchEvent(new Event('state'));
  }

  /** Runs `operation` after those before it, whether they worked or not. */
  enqueue(operation) {
    const done = this.#queue.then(operation);
    this.#queue = done.catch(() => {});
    return done;
  }

  open(connection) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc = pc;
    this.connection = connection;
    this.wasConnected = false;
    this.holdCandidates();
    const onState = () => {
      if (this.pc !== pc) return;
      if (pc.connectionState === 'connected') this.wasConnected = true;
      this.dispatchEvent(new Event('state'));
      if (pc.connectionState === 'failed') this.dispatchEvent(new Event('failed'));
    };
    pc.onconnectionstatechange = onState;
    pc.oniceconnectionstatechange = onState;
    pc.onsignalingstatechange = onState;
    pc.ontrack = (event) => {
      if (this.pc === pc) this.dispatchEvent(new CustomEvent('track', { detail: event }));
    };
    pc.onicecandidate = ({ candidate }) => {
      if (this.pc !== pc || !candidate?.candidate) return;
      if (this.#heldCandidates) this.#heldCandidates.push(candidate);
      else this.#sendCandidate(candidate);
    };
    return pc;
  }

  /** The server knows what this page's candidates belong to only once it has the description. */
  holdCandidates() {
    this.#heldCandidates ??= [];
  }

  releaseCandidates() {
    const held = this.#heldCandidates ?? [];
    this.#heldCandidates = null;
    for (const candidate of held) this.#sendCandidate(candidate);
  }

  #sendCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    const { connection } = this;
    this.signalling
      .request('candidate', { connection, candidate, sdpMid, sdpMLineIndex })
      .catch(() => {}); // A connection without this candidate may still work; if not, it says so.
  }
}

export class PublishPeer extends Peer {
  /** Stream id to its transceivers. */
  #transceivers = new Map();

  /** Publishes `mediaStream`; resolves with the id of the stream once it is negotiated. */
  add(mediaStream, { title, source }) {
    return this.enqueue(async () => {
      const tracks = mediaStream.getTracks();
      const { stream, connection } = await this.signalling.request('publish', {
        label: mediaStream.id,
        title,
        source,
        audio: tracks.some(({ kind }) => kind === 'audio'),
        video: tracks.some(({ kind }) => kind === 'video'),
      });
      if (this.connection !== connection) this.#reopen(connection);
      const transceivers = tracks.map((track) =>
        this.pc.addTransceiver(track, { direction: 'sendonly', streams: [mediaStream] }),
      );
      this.#transceivers.set(stream, transceivers);
      await this.#negotiate();
      return stream;
    });
  }

  remove(stream) {
    return this.enqueue(async () => {
      await this.signalling.request('unpublish', { stream });
      for (const transceiver of this.#transceivers.get(stream) ?? []) {
        // The first section carries the bundle and must stay; it only falls silent.
        if (transceiver.mid === '0') {
          await transceiver.sender.replaceTrack(null);
          transceiver.direction = 'inactive';
        } else {
          transceiver.stop();
        }
      }
      this.#transceivers.delete(stream);
      await this.#negotiate();
    });
  }

  /** New paths for a connection that keeps its keys, for example after a change of network. */
  restartIce() {
    return this.enqueue(async () => {
      this.pc.restartIce();
      await this.#negotiate();
    });
  }

  transceiversOf(stream) {
    return this.#transceivers.get(stream) ?? [];
  }

  #reopen(connection) {
    this.pc?.close();
    this.#transceivers.clear();
    this.open(connection);
  }

  async #negotiate() {
    const { pc, connection, signalling } = this;
    if (!pc) return;
    this.holdCandidates();
    await pc.setLocalDescription();
    const { sdp } = await withCandidatesReleased(this, () =>
      signalling.request('offer', { connection, sdp: pc.localDescription.sdp }),
    );
    await pc.setRemoteDescription({ type: 'answer', sdp });
  }
}

export class SubscribePeer extends Peer {
  constructor(signalling) {
    super(signalling);
    signalling.addEventListener('offer', ({ detail }) => {
      this.enqueue(() => this.#answer(detail)).catch((error) => {
        if (error.code === 'server-gone' || error.code === 'unknown-connection') return;
        console.error('answering the server failed', error);
        this.dispatchEvent(new Event('failed'));
      });
    });
  }

  async #answer({ connection, offer, sdp }) {
    if (this.connection !== connection) {
      this.pc?.close();
      this.open(connection);
    }
    const { pc, signalling } = this;
    this.holdCandidates();
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription();
    await withCandidatesReleased(this, () =>
      signalling.request('answer', { connection, offer, sdp: pc.localDescription.sdp }),
    );
  }
}

/** Messages are delivered in order: what is sent after the description arrives after it. */
function withCandidatesReleased(peer, send) {
  const sent = send();
  peer.releaseCandidates();
  return sent;
}
