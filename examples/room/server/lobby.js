'use strict';

// Everything of the room that outlives one page: the engine, the rooms, the open sockets.

const { Engine } = require('./engine.js');
const { parseMessage, requestOf } = require('./messages.js');
const { Participant } = require('./participant.js');
const { Room } = require('./room.js');
const { RoomError } = require('./room-error.js');

/** A page that asks faster than it is answered loses its socket. */
const MAX_PENDING = 256;

class Lobby {
  engine;
  #rooms = new Map();
  #participants = new Set();
  #log;
  #participantIds = 0;
  #streamIds = 0;

  /**
   * @param addon The exports of erizo-rs, or null with the reason in `settings.addonError`.
   * @param {object} settings See `Engine`.
   * @param {(text: string) => void} log
   */
  constructor(addon, settings, log) {
    this.#log = log;
    this.addonError = settings.addonError ?? null;
    this.engine = addon ? new Engine(addon, settings) : null;
  }

  /** Takes over a page's WebSocket. */
  welcome(socket) {
    const send = (message) => {
      if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
    };
    if (!this.engine) {
      send({ type: 'engine-missing', message: this.addonError });
      socket.close(1011, 'no engine');
      return;
    }
    this.#participantIds += 1;
    const participant = new Participant(`p${this.#participantIds}`, this, send, this.#log);
    this.#participants.add(participant);
    this.#log(`${participant.id} connected`);

    let pending = 0;
    socket.on('message', async (data, isBinary) => {
      if (pending >= MAX_PENDING) return socket.close(1008, 'too many requests');
      pending += 1;
      send(await this.#reply(participant, isBinary ? '' : data.toString()));
      pending -= 1;
    });
    socket.on('close', async () => {
      await participant.leave().catch((error) => this.#log(`${participant.id}: ${error.stack}`));
      this.#participants.delete(participant);
      this.#log(`${participant.id} left`);
    });
    // What made the socket fail is followed by 'close'; without a listener it would end the process.
    socket.on('error', (error) => this.#log(`${participant.id} socket: ${error.message}`));
  }

  enter(name) {
    if (!this.#rooms.has(name)) this.#rooms.set(name, new Room(name));
    return this.#rooms.get(name);
  }

  vacate(room) {
    if (room.isEmpty) this.#rooms.delete(room.name);
  }

  nextStreamId() {
    this.#streamIds += 1;
    return `s${this.#streamIds}`;
  }

  async close() {
    await Promise.all([...this.#participants].map((participant) => participant.leave()));
    this.engine?.close();
  }

  async #reply(participant, data) {
    let request = null;
    try {
      request = requestOf(data);
      const result = await participant.handle(parseMessage(data));
      return { type: 'reply', request, result: result ?? {} };
    } catch (error) {
      const known = error instanceof RoomError;
      this.#log(`${participant.id} ${known ? `${error.code}: ${error.message}` : error.stack}`);
      return {
        type: 'reply',
        request,
        error: known
          ? { code: error.code, message: error.message }
          : { code: 'internal', message: 'the server could not do that' },
      };
    }
  }
}

module.exports = { Lobby };
