// Requests to the server and events from it, as JSON over one WebSocket.

/** The server refused a request, or could not be asked. */
export class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }
}

/**
 * Events: every message of the server that is no reply, under its own type, with the message as
 * `detail`; and `close` once, after which every request rejects.
 */
export class Signalling extends EventTarget {
  #socket;
  #requests = 0;
  #pending = new Map();
  #closed = false;

  /** Resolves when the server takes requests; rejects with `RequestError`. */
  static async connect(url = new URL('/signalling', location.href)) {
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.close(), CONNECT_TIMEOUT_MS);
      socket.onopen = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.onclose = () => {
        clearTimeout(timer);
        reject(new RequestError('server-gone', 'the server does not answer'));
      };
    });
    return new Signalling(socket);
  }

  constructor(socket) {
    super();
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#onMessage(JSON.parse(data));
    socket.onclose = () => this.#onClose();
  }

  /** Resolves with the server's result; rejects with `RequestError`. */
  request(type, fields = {}) {
    if (this.#closed) return Promise.reject(serverGone());
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(request);
        reject(new RequestError('timeout', `the server did not answer: ${type}`));
      }, REQUEST_TIMEOUT_MS);
      this.#pending.set(request, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ request, type, ...fields }));
    });
  }

  close() {
    this.#socket.close();
    this.#onClose();
  }

  #onMessage(message) {
    if (message.type !== 'reply') {
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
      return;
    }
    const pending = this.#pending.get(message.request);
    if (!pending) return;
    this.#pending.delete(message.request);
    clearTimeout(pending.timer);
    if (message.error) {
      pending.reject(new RequestError(message.error.code, message.error.message));
    } else {
      pending.resolve(message.result);
    }
  }

  #onClose() {
    if (this.#closed) return;
    this.#closed = true;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(serverGone());
    }
    this.#pending.clear();
    this.dispatchEvent(new Event('close'));
  }
}

const serverGone = () => new RequestError('server-gone', 'the connection to the server is lost');

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;
