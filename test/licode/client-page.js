// Runs inside the page: what Licode's client library does with peer connections, and no more. One
// RTCPeerConnection for each connection id; its offers, answers and candidates go to the test
// through `toErizo`, those of ErizoJS come through `client.receive`. Conditions are looked at again
// until they hold or their time is over.

(() => {
  const LOOK_AGAIN_MS = 50;

  /** Connection id to peer. */
  const peers = new Map();
  /** Label of a received stream to `{ peer, tracks }`. */
  const received = new Map();
  let camera = null;

  class Peer {
    transceivers = new Map();
    offers = 0;

    constructor(id) {
      this.id = id;
      this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      this.pc.onnegotiationneeded = () => this.offer();
      this.pc.onicecandidate = ({ candidate }) => {
        const text = candidate?.candidate ? `a=${candidate.candidate}` : 'end';
        const place = candidate ?? { sdpMLineIndex: -1, sdpMid: 'end' };
        this.send({
          type: 'candidate',
          candidate: { sdpMLineIndex: place.sdpMLineIndex, sdpMid: place.sdpMid, candidate: text },
        });
      };
      this.pc.ontrack = ({ track, streams: [stream] }) => {
        if (!stream) return console.error(`a ${track.kind} track without a stream`);
        const entry = received.get(stream.id) ?? { peer: this, tracks: {} };
        entry.peer = this;
        entry.tracks[track.kind] = track;
        received.set(stream.id, entry);
      };
    }

    send(message) {
      globalThis.toErizo(this.id, message);
    }

    async offer() {
      await this.pc.setLocalDescription();
      this.offers += 1;
      const { type, sdp } = this.pc.localDescription;
      this.send({ type, sdp });
    }

    async receive({ type, sdp }) {
      try {
        await this.pc.setRemoteDescription({ type, sdp });
      } catch (error) {
        console.error(`${this.id}: setRemoteDescription(${type}): ${error.message}\n${sdp}`);
        throw error;
      }
      if (type !== 'offer') return;
      await this.pc.setLocalDescription();
      const answer = this.pc.localDescription;
      this.send({ type: answer.type, sdp: answer.sdp });
    }
  }

  function peer(id) {
    if (!peers.has(id)) peers.set(id, new Peer(id));
    return peers.get(id);
  }

  const client = {
    /** A stream of the fake camera; returns its label. */
    async capture() {
      camera ??= await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        video: { width: 320, height: 240, frameRate: 20 },
      });
      const stream = new MediaStream(camera.getTracks().map((track) => track.clone()));
      this.streams.set(stream.id, stream);
      return stream.id;
    },

    streams: new Map(),

    publish(id, label) {
      const { pc, transceivers } = peer(id);
      const stream = this.streams.get(label);
      transceivers.set(
        label,
        stream.getTracks().map((track) => pc.addTransceiver(track, { streams: [stream] })),
      );
    },

    /** As Licode's client does: the section with mid 0 carries the transport and stays. */
    unpublish(id, label) {
      const { pc, transceivers } = peer(id);
      for (const transceiver of transceivers.get(label)) {
        if (transceiver.mid === '0') pc.removeTrack(transceiver.sender);
        else transceiver.stop();
      }
      transceivers.delete(label);
      for (const track of this.streams.get(label).getTracks()) track.stop();
      this.streams.delete(label);
    },

    receive(id, message) {
      return peer(id).receive(message);
    },

    /** Licode's client makes the offer itself after `restartIce()`, as the browser does anyway. */
    restartIce(id) {
      peers.get(id).pc.restartIce();
    },

    close(id) {
      peers.get(id)?.pc.close();
      peers.delete(id);
      for (const [label, entry] of received) if (entry.peer.id === id) received.delete(label);
    },

    /** What distinguishes one ICE and DTLS session from the next, as the browser was told. */
    session(id) {
      const sdp = peers.get(id).pc.currentRemoteDescription?.sdp ?? '';
      const value = (name) => new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)?.[1].trim();
      return { ufrag: value('ice-ufrag'), fingerprint: value('fingerprint')?.toUpperCase() };
    },

    count() {
      return peers.size;
    },

    async numbers(label) {
      const { peer: from, tracks } = received.get(label) ?? {};
      const numbers = { frames: 0, sound: 0 };
      for (const [kind, track] of Object.entries(tracks ?? {})) {
        for (const report of (await from.pc.getStats(track)).values()) {
          if (report.type !== 'inbound-rtp') continue;
          if (kind === 'video') numbers.frames = report.framesDecoded;
          else numbers.sound = report.packetsReceived;
        }
      }
      return numbers;
    },

    /** Waits until `conditions[name](...parameters)` holds. */
    async until(name, timeout, ...parameters) {
      const from = performance.now();
      while (!(await conditions[name](...parameters))) {
        if (performance.now() - from > timeout) {
          throw new Error(`not within ${timeout} ms: ${name} ${parameters}\n${await this.report()}`);
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },

    async report() {
      const lines = [];
      for (const { id, pc, offers } of peers.values()) {
        const sections = (pc.currentRemoteDescription?.sdp ?? '').split(/^m=/m).slice(1);
        const words = sections.map((section) => {
          const direction = /^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(section)?.[1];
          return `${section.split(' ', 2).join(' ')} ${direction}`;
        });
        lines.push(
          `${id}: ${pc.connectionState}, ICE ${pc.iceConnectionState}, ${pc.signalingState},` +
            ` ${offers} offers; remote ${words.join(', ')}`,
        );
      }
      for (const label of received.keys()) {
        lines.push(`${label}: ${JSON.stringify(await this.numbers(label))}`);
      }
      return lines.join('\n');
    },
  };

  const conditions = {
    media: async (label, { frames, sound }) => {
      const now = await client.numbers(label);
      return now.frames >= frames && now.sound >= sound;
    },
    connected: (id) => peers.get(id)?.pc.connectionState === 'connected',
    stable: (id) => peers.get(id)?.pc.signalingState === 'stable',
    otherUfrag: (id, than) => client.session(id).ufrag !== than,
    /** The transceivers that carry something, as the browser sees them. */
    active: (id, count) =>
      peers
        .get(id)
        .pc.getTransceivers()
        .filter(({ currentDirection }) => !['inactive', 'stopped', null].includes(currentDirection))
        .length === count,
  };

  globalThis.client = client;
  globalThis.scenario = client; // What browser.mjs asks for a report.
})();
