// What erizoController does for clients, as far as ErizoJS notices it: one `Person` is a client of a
// room, with a page of its own, that publishes and subscribes by the controller's methods.

import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE_SCRIPT = fileURLToPath(new URL('./client-page.js', import.meta.url));
const CONTROLLER = 'controller';

/** How long a browser and ErizoJS may take to bring media through. */
export const MEDIA_MS = 20_000;

/** Serves an empty page: cameras exist only where a page has a secure origin. */
export async function servePage() {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>test</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** The page of one client after another. */
export async function openPage(browser, url, name) {
  const opened = await browser.open(name, 'about:blank', PAGE_SCRIPT);
  const window = { opened, person: null, errors: [] };
  await opened.page.exposeFunction('toErizo', (connectionId, message) =>
    window.person?.fromPage(connectionId, message),
  );
  await opened.page.goto(url);
  return window;
}

/** Stream ids are texts of 18 digits. */
const FIRST_STREAM_ID = 100_000_000_000_000_000n;
let streams = 0n;

export class Person {
  #erizoJs;
  #window;
  #singlePC;
  /** What goes to the page goes in order. */
  #delivered = Promise.resolve();
  #listener;
  failures = [];
  connectionIds = new Set();

  constructor(erizoJs, window, id, { singlePC }) {
    this.id = id;
    this.#erizoJs = erizoJs;
    this.#window = window;
    this.#singlePC = singlePC;
    window.person = this;
    this.#listener = (message) => this.#fromErizo(message);
    erizoJs.on('message', this.#listener);
  }

  /** Calls `client[method]` in the page. */
  do(method, ...parameters) {
    return this.#window.opened.run(
      ([name, values]) => globalThis.client[name](...values),
      [method, parameters],
    );
  }

  until(condition, ...parameters) {
    return this.#window.opened.run(
      ([name, limit, values]) => globalThis.client.until(name, limit, ...values),
      [condition, MEDIA_MS, parameters],
      { timeout: MEDIA_MS + 5_000 },
    );
  }

  /** Resolves once the connection that carries the new stream is ready. */
  async publish() {
    const label = await this.do('capture');
    const id = String(FIRST_STREAM_ID + ++streams);
    const options = { ...this.#options(), state: 'erizo', label, metadata: { type: 'publisher' } };
    const parameters = [CONTROLLER, this.id, id, options];
    const calling = this.#erizoJs.calls('addPublisher', parameters);
    const { connectionId } = await calling.answer('initializing');
    this.connectionIds.add(connectionId);
    await this.do('publish', connectionId, label);
    await calling.answer('ready');
    return { id, label, connectionId };
  }

  async unpublish({ id, label, connectionId }) {
    await this.do('unpublish', connectionId, label);
    await this.#erizoJs.call('removePublisher', [this.id, id]);
  }

  /** Resolves once the connection that brings the stream is ready. */
  async subscribe({ id, label }) {
    const options = { ...this.#options(), metadata: { type: 'subscriber' } };
    const calling = this.#erizoJs.calls('addSubscriber', [CONTROLLER, this.id, id, options]);
    const { connectionId } = await calling.answer('initializing');
    this.connectionIds.add(connectionId);
    await calling.answer('ready');
    return { id, label, connectionId };
  }

  async unsubscribe({ id }) {
    await this.#erizoJs.call('removeSubscriber', [this.id, id]);
  }

  /** Media of a stream goes on: more frames and more sound than now. */
  async seesMore({ label }, { frames = 15, sound = 25 } = {}) {
    const now = await this.do('numbers', label);
    await this.until('media', label, { frames: now.frames + frames, sound: now.sound + sound });
  }

  async leave() {
    await this.#erizoJs.call('removeClient', [this.id]);
  }

  async closePage() {
    for (const id of this.connectionIds) await this.do('close', id);
  }

  /** The person is gone, whatever still comes. */
  forget() {
    this.#erizoJs.off('message', this.#listener);
    if (this.#window.person === this) this.#window.person = null;
  }

  fromPage(connectionId, message) {
    const parameters = [CONTROLLER, this.id, connectionId, message];
    this.#erizoJs.tell('processConnectionMessage', parameters);
  }

  #fromErizo({ method, parameters }) {
    if (method !== 'connectionStatusEvent' || parameters[0] !== this.id) return;
    const [, connectionId, , event] = parameters;
    if (event.type === 'failed') this.failures.push(`${connectionId} failed`);
    if (!['offer', 'answer'].includes(event.type)) return;
    this.connectionIds.add(connectionId);
    this.#delivered = this.#delivered
      .then(() => this.do('receive', connectionId, event))
      .catch((error) => this.failures.push(`${connectionId}: ${error.message}`));
  }

  #options() {
    return {
      audio: true,
      video: true,
      singlePC: this.#singlePC,
      encryptTransport: true,
      mediaConfiguration: 'default',
    };
  }
}
