// What the browser tests share: a room server on loopback, people in it, and a report of everything
// when something does not hold.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { start } = createRequire(import.meta.url)('../../examples/room/server.js');

const PAGE_SCRIPT = fileURLToPath(new URL('./scenario-page.js', import.meta.url));

/** The longest pause that a renegotiation may cause in a stream it does not concern. */
export const LONGEST_PAUSE_MS = 500;

/**
 * Runs `body` with a fresh server and closes everything afterwards. When `body` throws, its error
 * carries what the server and every page reported.
 *
 * @param {Awaited<ReturnType<typeof import('./browser.mjs').launch>>} browser
 * @param {object} options For the room server.
 * @param {(room: { url: string, enter(name: string): Promise<Person> }) => Promise<void>} body
 */
export async function inRoom(browser, options, body) {
  const log = [];
  const started = Date.now();
  const server = await start({
    host: '127.0.0.1',
    networkInterface: 'lo',
    ...options,
    log: (text) => log.push(`${String(Date.now() - started).padStart(6)} ms  ${text}`),
  });
  const people = [];
  const enter = async (name) => {
    const person = new Person(await browser.open(name, server.url, PAGE_SCRIPT));
    people.push(person);
    await person.do('join', 'test', name);
    return person;
  };
  try {
    await body({ url: server.url, enter });
    const uncaught = people.flatMap((person) => person.opened.uncaught);
    if (uncaught.length > 0) throw new Error(`a page did not catch: ${uncaught.join('\n')}`);
  } catch (error) {
    throw withReport(error, `--- server\n${log.join('\n')}\n${await browser.report()}`);
  } finally {
    await browser.closePages();
    await server.close();
  }
}

/** A page in the room. */
class Person {
  constructor(opened) {
    this.opened = opened;
  }

  /** Calls `scenario[method]` in the page. */
  do(method, ...parameters) {
    return this.opened.run(
      ([name, values]) => globalThis.scenario[name](...values),
      [method, parameters],
    );
  }

  /** Waits for a condition of `scenario-page.js`; resolves with the ms it took. */
  until(condition, timeout, ...parameters) {
    return this.opened.run(
      ([name, limit, values]) => globalThis.scenario.until(name, limit, ...values),
      [condition, timeout, parameters],
      { timeout: timeout + REPORT_MS },
    );
  }

  /** The record of the only connection that this page has made for a direction. */
  async onlyConnection(direction) {
    const offers = direction === 'subscribe' ? 'offer' : 'answer';
    const records = (await this.do('connections')).filter(
      ({ descriptions }) => descriptions[0]?.type === offers,
    );
    if (records.length !== 1) throw new Error(`${records.length} ${direction} connections, not one`);
    return records[0];
  }
}

/** What is wrong with a connection that should have been set up once and never again. */
export function disturbances({ descriptions, iceStates }) {
  const found = [];
  const [first, ...later] = descriptions;
  for (const description of later) {
    for (const part of ['ufrag', 'password', 'fingerprint']) {
      if (description[part] !== first[part]) {
        found.push(`${description.type} at ${description.at} ms has another ${part}`);
      }
    }
  }
  const connected = iceStates.findIndex(({ state }) => state === 'connected');
  if (connected < 0) found.push('ICE never connected');
  for (const { at, state } of iceStates.slice(connected + 1)) {
    if (state !== 'connected' && state !== 'completed') found.push(`ICE ${state} at ${at} ms`);
  }
  return found;
}

/** Reporters show an error's stack, which holds the message as it was at first. */
export function withReport(error, text) {
  error.message += `\n\n${text}`;
  error.stack += `\n\n${text}`;
  return error;
}

const REPORT_MS = 5_000;
