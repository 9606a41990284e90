'use strict';

// Who is in a room and what can be watched there.

const { RoomError } = require('./room-error.js');

const MAX_PARTICIPANTS = 200;

class Room {
  /** @type {Map<string, import('./participant.js').Participant>} */
  participants = new Map();
  /** @type {Map<string, import('./publication.js').Publication>} Those that others may watch. */
  publications = new Map();
  #labels = new Set();

  constructor(name) {
    this.name = name;
  }

  get isEmpty() {
    return this.participants.size === 0;
  }

  enter(participant) {
    if (this.participants.size >= MAX_PARTICIPANTS) {
      throw new RoomError('room-full', 'this room is full');
    }
    this.#tellOthers(participant, { type: 'participant-joined', participant: describe(participant) });
    this.participants.set(participant.id, participant);
  }

  leave(participant) {
    if (!this.participants.delete(participant.id)) return;
    this.#tellOthers(participant, { type: 'participant-left', participant: participant.id });
  }

  /** A label names a stream in the descriptions of all its viewers, so it must be the only one. */
  claimLabel(label) {
    if (this.#labels.has(label)) throw new RoomError('label-taken', 'this label is in use');
    this.#labels.add(label);
  }

  releaseLabel(label) {
    this.#labels.delete(label);
  }

  announce(publication) {
    this.publications.set(publication.id, publication);
    this.#tellAll({ type: 'stream-added', stream: publication.describe() });
  }

  retract(publication) {
    if (!this.publications.delete(publication.id)) return;
    this.#tellAll({ type: 'stream-removed', stream: publication.id });
  }

  /** What a newcomer needs to know. */
  describe() {
    return {
      room: this.name,
      participants: [...this.participants.values()].map(describe),
      streams: [...this.publications.values()].map((publication) => publication.describe()),
    };
  }

  #tellAll(event) {
    for (const participant of this.participants.values()) participant.tell(event);
  }

  #tellOthers(sender, event) {
    for (const participant of this.participants.values()) {
      if (participant !== sender) participant.tell(event);
    }
  }
}

const describe = (participant) => ({ id: participant.id, name: participant.name });

module.exports = { Room };
