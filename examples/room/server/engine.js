'use strict';

// The room's view of the addon: the long argument lists of ErizoAPI, spelled out once.

const { forSubscribers } = require('./media-configuration.js');

class Engine {
  #addon;
  #threadPool;
  #ioThreadPool;
  #settings;
  #configurations;

  /**
   * @param addon The exports of erizo-rs.
   * @param {{ mediaConfiguration: object, networkInterface: string, iceLite: boolean,
   *   minPort: number, maxPort: number, workers: number }} settings
   */
  constructor(addon, settings) {
    this.#addon = addon;
    this.#settings = settings;
    this.#configurations = {
      publish: JSON.stringify(settings.mediaConfiguration),
      subscribe: JSON.stringify(forSubscribers(settings.mediaConfiguration)),
    };
    this.#threadPool = new addon.ThreadPool(settings.workers);
    this.#ioThreadPool = new addon.IOThreadPool(1);
    this.#threadPool.start();
    this.#ioThreadPool.start();
  }

  /** @param {'publish' | 'subscribe'} direction Seen from the browser. */
  createConnection(id, direction) {
    const { iceLite, minPort, maxPort, networkInterface } = this.#settings;
    return new this.#addon.WebRtcConnection(
      this.#threadPool,
      this.#ioThreadPool,
      id,
      '', // STUN server
      0,
      minPort,
      maxPort,
      false, // trickle: the server's candidates travel inside its descriptions
      this.#configurations[direction],
      '{}', // bandwidth distribution
      false, // connection quality check
      true, // encrypt
      iceLite,
      false, // nICEr, a choice of the C++ addon
      '', // TURN server
      0,
      '',
      '',
      networkInterface,
    );
  }

  createStream(connection, { id, label, isPublisher, audio, video }) {
    return new this.#addon.MediaStream(
      this.#threadPool,
      connection,
      id,
      label,
      isPublisher,
      audio,
      video,
      [], // handlers
      'default', // priority
    );
  }

  createProcessor() {
    return new this.#addon.OneToManyProcessor();
  }

  /** What to tell people when a connection found no port to open. */
  get portShortage() {
    const { minPort, maxPort, networkInterface } = this.#settings;
    const place = networkInterface ? ` on ${networkInterface}` : '';
    return minPort > 0 && maxPort > 0
      ? `no UDP port from ${minPort} to ${maxPort} is free${place}`
      : `no UDP port could be opened${place}`;
  }

  /** A browser's session description; throws when it is none. */
  parseDescription(sdp, direction) {
    return this.#addon.ConnectionDescription.fromSdp(sdp, this.#configurations[direction]);
  }

  close() {
    this.#threadPool.close();
    this.#ioThreadPool.close();
  }
}

module.exports = { Engine };
