// Runs inside the page, before its own scripts: drives the room page's client without its user
// interface and keeps a record of everything that the tests judge. Conditions are looked at again
// until they hold or their time is over; nothing waits for a fixed time.

(() => {
  const LOOK_AGAIN_MS = 50;
  const HEARTBEAT_MS = 20;
  const CONTROL_FRAME_RATE = 20;

  const started = performance.now();
  const since = () => Math.round(performance.now() - started);

  /** One entry for each RTCPeerConnection that the page ever made. */
  const connections = [];
  const NativeConnection = RTCPeerConnection;
  /** Times at which this page stood still, because the machine was busy: [from, to] in ms. */
  const stalls = [];
  const controlConnections = [];
  /** Stream id to its watcher. */
  const watchers = new Map();

  recordConnections();
  recordStalls();

  const scenario = {
    client: null,

    async join(room, name) {
      const { RoomClient } = await import('/client.js');
      this.client = await RoomClient.join({ room, name });
      this.client.addEventListener('stream-changed', ({ detail }) =>
        watchers.get(detail.id)?.attach(detail.mediaStream),
      );
      for (const type of ['connection-failed', 'closed']) {
        this.client.addEventListener(type, ({ detail }) =>
          console.error(`client ${type}`, detail?.direction ?? ''),
        );
      }
      return this.client.id;
    },

    /** Publishes the browser's fake camera, which also beeps. */
    async publish({ audio = true, video = true, width = 320, height = 240, frameRate = 20 } = {}) {
      const mediaStream = await navigator.mediaDevices.getUserMedia({
        audio: audio && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        video: video && { width, height, frameRate },
      });
      return this.client.publish(mediaStream, { title: 'Camera', source: 'camera' });
    },

    async unpublish(id) {
      const { mediaStream } = this.client.streams.get(id);
      await this.client.unpublish(id);
      for (const track of mediaStream.getTracks()) track.stop();
    },

    async subscribe(id) {
      watchers.get(id)?.stop();
      watchers.set(id, new Watcher(id));
      await this.client.subscribe(id);
    },

    async unsubscribe(id) {
      await this.client.unsubscribe(id);
      watchers.get(id)?.stop();
    },

    mute(id, muted) {
      return this.client.mute(id, muted);
    },

    restartIce() {
      return this.client.restartIce();
    },

    /**
     * Sends the camera, very small, from this page to itself. Where that picture pauses too, it is
     * the machine that does: capture, codec, network process or compositor, but not the server.
     */
    async startControl() {
      const camera = { video: { width: 320, height: 240, frameRate: CONTROL_FRAME_RATE } };
      const mediaStream = await navigator.mediaDevices.getUserMedia(camera);
      const [from, to] = [new NativeConnection(), new NativeConnection()];
      from.onicecandidate = ({ candidate }) => to.addIceCandidate(candidate);
      to.onicecandidate = ({ candidate }) => from.addIceCandidate(candidate);
      const arrived = new Promise((resolve) => (to.ontrack = resolve));
      from.addTransceiver(mediaStream.getVideoTracks()[0], {
        direction: 'sendonly',
        sendEncodings: [{ scaleResolutionDownBy: 4 }],
      });
      await from.setLocalDescription();
      await to.setRemoteDescription(from.localDescription);
      await to.setLocalDescription();
      await from.setRemoteDescription(to.localDescription);
      showControl(new MediaStream([(await arrived).track]));
      controlConnections.push(from, to); // Or they would be collected.
    },

    /** Starts a new measurement of a stream's gaps. */
    measureFrom(id) {
      watchers.get(id).measure();
    },

    /**
     * `{ frames, longestGap, longestStall }` since `measureFrom`, the last two in ms. A gap is
     * without the time that this page, or the one that sends, stood still: see `stalls`.
     */
    measured(id, senderStalls = []) {
      const here = senderStalls.map((span) => span.map((at) => at - performance.timeOrigin));
      return watchers.get(id).measured(here);
    },

    /** When this page stood still, in ms since 1970. */
    stalls() {
      return stalls.map((span) => span.map((at) => at + performance.timeOrigin));
    },

    connections() {
      return connections.map(({ pc, ...record }) => ({ ...record }));
    },

    /** Numbers of one direction: `{ ...transport, tracks: [...] }`. */
    async numbers(direction) {
      const { readPeer } = await import('/statistics.js');
      const numbers = await readPeer(this.client.connections[direction]);
      return numbers && { ...numbers, tracks: [...numbers.tracks.values()] };
    },

    /** The numbers of one stream's tracks: `{ audio, video }`. */
    async streamNumbers(id) {
      const { readPeer } = await import('/statistics.js');
      const stream = this.client.streams.get(id);
      const pc = this.client.connections[stream.own ? 'publish' : 'subscribe'];
      // A subscription is granted before the offer that makes its connection is here.
      const { tracks } = (await readPeer(pc)) ?? { tracks: new Map() };
      const found = {};
      for (const track of stream.mediaStream?.getTracks() ?? []) {
        found[track.kind] = tracks.get(track.id) ?? null;
      }
      return found;
    },

    /** Waits until `conditions[name](...arguments)` holds; resolves with how long that took. */
    async until(name, timeout, ...parameters) {
      const from = performance.now();
      for (;;) {
        const value = await conditions[name](...parameters);
        const elapsed = performance.now() - from;
        if (value) return Math.round(elapsed);
        if (elapsed > timeout) {
          const wanted = [name, ...parameters.map((p) => JSON.stringify(p))].join(' ');
          throw new Error(`not within ${timeout} ms: ${wanted}\n${await this.report()}`);
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },

    async report() {
      const lines = [`state after ${since()} ms`];
      for (const record of this.connections()) {
        const { descriptions, ...rest } = record;
        lines.push(`connection ${JSON.stringify(rest)}`);
        const last = descriptions.at(-1);
        if (last) lines.push(`  ${descriptions.length} descriptions, last ${JSON.stringify(last)}`);
      }
      for (const [id, watcher] of watchers) {
        lines.push(`watching ${id}: ${JSON.stringify(watcher.measured())}`);
      }
      for (const direction of ['publish', 'subscribe']) {
        const numbers = this.client && (await this.numbers(direction));
        if (numbers) lines.push(`${direction} ${JSON.stringify(numbers)}`);
      }
      if (stalls.length > 0) {
        const longest = Math.max(...stalls.map(([from, to]) => to - from));
        lines.push(`this page stood still ${stalls.length} times, at most ${Math.round(longest)} ms`);
      }
      const { server } = (await this.client?.statistics().catch(() => null)) ?? {};
      if (server) lines.push(`server ${JSON.stringify(server)}`);
      return lines.join('\n');
    },
  };

  const conditions = {
    stream: (id) => scenario.client.streams.has(id),
    noStream: (id) => !scenario.client.streams.has(id),
    /** Frames on the screen since the last `measureFrom`. */
    frames: (id, count) => watchers.get(id).measured().frames >= count,
    sound: async (id, energy) => {
      const { audio } = await scenario.streamNumbers(id);
      return audio !== null && audio !== undefined && audio.audioEnergy >= energy;
    },
    connected: (direction) =>
      scenario.client.connections[direction]?.connectionState === 'connected',
    /** No media section is in use for a stream that was unsubscribed. */
    sectionsInUse: (direction, count) => {
      const pc = scenario.client.connections[direction];
      return pc?.signalingState === 'stable' && inUse(pc) === count;
    },
    /** No packet of a track came for a while, although others did. */
    noMorePackets: async (id, kind, other, packets) => {
      const watcher = watchers.get(id);
      const here = (await scenario.streamNumbers(id))[kind].packetsReceived;
      const there = (await scenario.streamNumbers(other))[kind].packetsReceived;
      watcher.silence ??= { here, there };
      if (here !== watcher.silence.here) watcher.silence = { here, there };
      const isSilent = there - watcher.silence.there >= packets;
      if (isSilent) watcher.silence = null;
      return isSilent;
    },
    morePackets: async (id, kind, than) =>
      (await scenario.streamNumbers(id))[kind].packetsReceived > than,
    moreFramesDecoded: async (id, than) =>
      (await scenario.streamNumbers(id)).video.framesDecoded > than,
    moreEnergy: async (id, than) => (await scenario.streamNumbers(id)).audio.audioEnergy > than,
    ufragOtherThan: (direction, ufrag) =>
      identity(scenario.client.connections[direction].currentRemoteDescription?.sdp ?? '').ufrag !==
      ufrag,
  };

  function inUse(pc) {
    return (pc.currentRemoteDescription?.sdp ?? '')
      .split(/^m=/m)
      .slice(1)
      .filter((section) => !/^\S+ 0 /.test(section) && !/^a=inactive\s*$/m.test(section)).length;
  }

  /** Shows one stream and notes when each of its frames reached the screen. */
  class Watcher {
    silence = null;
    #video = document.createElement('video');
    #stopped = false;
    #since = performance.now();
    #times = [];

    constructor(id) {
      this.#video.autoplay = true;
      this.#video.playsInline = true;
      this.#video.dataset.watches = id;
      const place = document.querySelectorAll('[data-watches]').length;
      this.#video.style.cssText =
        `position:fixed;z-index:9;width:160px;height:90px;top:0;left:${(place % 7) * 165}px`;
      const onFrame = (now) => {
        if (this.#stopped) return;
        this.#times.push(now);
        this.#video.requestVideoFrameCallback(onFrame);
      };
      this.#video.requestVideoFrameCallback(onFrame);
      const attachTo = () => (document.body ?? document.documentElement).append(this.#video);
      attachTo();
    }

    attach(mediaStream) {
      if (this.#video.srcObject !== mediaStream) this.#video.srcObject = mediaStream;
    }

    measure() {
      this.#since = performance.now();
      this.#times = [];
    }

    measured(senderStalls = []) {
      const asleep = union([...stalls, ...senderStalls]);
      // With both ends, or a stream that stopped for good would have no gap.
      const times = [this.#since, ...this.#times, performance.now()];
      let longestGap = 0;
      let longestStall = 0;
      for (let index = 1; index < times.length; index++) {
        const [from, to] = [times[index - 1], times[index]];
        // What a page slept through is the machine's pause, not the stream's.
        const slept = asleep.reduce(
          (sum, [start, end]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)),
          0,
        );
        longestGap = Math.max(longestGap, to - from - slept);
        longestStall = Math.max(longestStall, slept);
      }
      return {
        frames: this.#times.length,
        longestGap: Math.round(longestGap),
        longestStall: Math.round(longestStall),
      };
    }

    stop() {
      this.#stopped = true;
      this.#video.srcObject = null;
      this.#video.remove();
    }
  }

  /** The same spans of time without overlaps. */
  function union(spans) {
    const merged = [];
    for (const [start, end] of spans.sort(([a], [b]) => a - b)) {
      const last = merged.at(-1);
      if (last && start <= last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    return merged;
  }

  function identity(sdp) {
    const values = (name) => [
      ...new Set([...sdp.matchAll(new RegExp(`^a=${name}:(.*)$`, 'gm'))].map(([, v]) => v.trim())),
    ];
    return {
      ufrag: values('ice-ufrag').join(),
      password: values('ice-pwd').join(),
      fingerprint: values('fingerprint').join().toUpperCase(),
    };
  }

  function recordConnections() {
    globalThis.RTCPeerConnection = class extends NativeConnection {
      #record;

      constructor(...parameters) {
        super(...parameters);
        this.#record = {
          number: connections.length,
          pc: this,
          descriptions: [],
          iceStates: [],
          states: [],
        };
        connections.push(this.#record);
        this.addEventListener('iceconnectionstatechange', () =>
          this.#record.iceStates.push({ at: since(), state: this.iceConnectionState }),
        );
        this.addEventListener('connectionstatechange', () =>
          this.#record.states.push({ at: since(), state: this.connectionState }),
        );
      }

      async setRemoteDescription(description) {
        this.#record.descriptions.push({
          at: since(),
          type: description.type,
          ...identity(description.sdp),
          sections: description.sdp
            .split(/^m=/m)
            .slice(1)
            .map((section) => {
              const [, kind, port] = /^(\S+) (\d+)/.exec(section);
              const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
              const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(section)?.[1];
              return `${mid} ${kind} ${direction} ${port}`;
            }),
        });
        try {
          return await super.setRemoteDescription(description);
        } catch (error) {
          console.error(`setRemoteDescription: ${error.message}\n${description.sdp}`);
          throw error;
        }
      }
    };
  }

  function showControl(mediaStream) {
    const video = document.createElement('video');
    Object.assign(video, { autoplay: true, playsInline: true, srcObject: mediaStream });
    video.style.cssText = 'position:fixed;z-index:9;width:80px;height:60px;bottom:0;right:0';
    const interval = 1000 / CONTROL_FRAME_RATE;
    let last = Infinity;
    const onFrame = (now) => {
      if (now - last > interval * 2) stalls.push([last + interval, now]);
      last = now;
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    document.body.append(video);
  }

  function recordStalls() {
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      if (now - last > HEARTBEAT_MS * 4) stalls.push([last + HEARTBEAT_MS, now]);
      last = now;
    }, HEARTBEAT_MS);
  }

  globalThis.scenario = scenario;
})();
