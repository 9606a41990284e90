'use strict';

/** Something the page did wrong or cannot have; goes back to that page as `{ code, message }`. */
class RoomError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'RoomError';
    this.code = code;
  }
}

module.exports = { RoomError };
