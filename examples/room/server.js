#!/usr/bin/env node
'use strict';

// A video room on erizo-rs: serves its page, exchanges JSON with it over a WebSocket and forwards
// media between the browsers in it. Run it, or `require` it and call `start`.

const { once } = require('node:events');
const http = require('node:http');
const { isIP } = require('node:net');
const { availableParallelism, networkInterfaces } = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

const { WebSocketServer } = require('ws');

const { serveFiles } = require('./server/files.js');
const { Lobby } = require('./server/lobby.js');
const { mediaConfiguration } = require('./server/media-configuration.js');

/**
 * Starts a room server.
 *
 * @param {object} [options]
 * @param {number} [options.port=0] TCP port of page and signalling; 0 takes a free one.
 * @param {string} [options.host='127.0.0.1'] Address to listen on.
 * @param {string} [options.networkInterface=''] Network interface for media; empty means all.
 * @param {object} [options.mediaConfiguration] `{ rtpMappings, extMappings }` (contract 4.3).
 * @param {string[]} [options.codecs] Video codecs, most wanted first, instead of the above.
 * @param {string[]} [options.srtpProfiles] The only ones to offer, likewise; all by default.
 * @param {boolean} [options.iceLite=false]
 * @param {number} [options.minPort=0] UDP port range; 0 means any.
 * @param {number} [options.maxPort=0]
 * @param {number} [options.workers] Media worker threads; one per core by default.
 * @param {object | null} [options.addon] Exports of erizo-rs; null serves a page that says why not.
 * @param {string} [options.addonError] That reason.
 * @param {(text: string) => void} [options.log]
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
async function start(options = {}) {
  const {
    port = 0,
    host = '127.0.0.1',
    networkInterface = '',
    codecs,
    srtpProfiles,
    iceLite = false,
    minPort = 0,
    maxPort = 0,
    workers = availableParallelism(),
    addon = require('erizo-rs'),
    addonError,
    log = () => {},
  } = options;

  const lobby = new Lobby(
    addon,
    {
      mediaConfiguration: options.mediaConfiguration ?? mediaConfiguration(codecs, srtpProfiles),
      networkInterface,
      iceLite,
      minPort,
      maxPort,
      workers,
      addonError,
    },
    log,
  );
  const server = http.createServer(serveFiles(join(__dirname, 'page')));
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== '/signalling' || !isOwnPage(request, host)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (accepted) => lobby.welcome(accepted));
  });
  const heartbeat = watchHeartbeats(sockets);

  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    clearInterval(heartbeat);
    await lobby.close();
    throw error;
  }

  let closing;
  const close = async () => {
    clearInterval(heartbeat);
    const closed = new Promise((resolve) => server.close(resolve));
    // Before the media goes: pages must learn that the server is gone, not that streams ended.
    for (const socket of sockets.clients) socket.close(1001, 'server stops');
    await lobby.close();
    const timer = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate();
    }, CLOSE_TIMEOUT_MS);
    server.closeAllConnections();
    await closed;
    clearTimeout(timer);
  };
  return {
    url: `http://${hostInUrl(host)}:${server.address().port}/`,
    close: () => (closing ??= close()),
  };
}

/**
 * Whether a WebSocket comes from a page of this server. Any web site may try to connect to a server
 * on its visitor's machine; browsers name the site in `Origin`, and `Host` must be a name under
 * which this server is meant to be reached.
 */
function isOwnPage({ headers }, host) {
  const name = headers.host ?? '';
  if (headers.origin !== undefined && headers.origin !== `http://${name}`) return false;
  if (!LOOPBACK.has(host)) return true;
  return LOOPBACK.has(name.replace(/:\d+$/, ''));
}

/** Ends sockets whose page is gone without saying so, such as a laptop that was closed. */
function watchHeartbeats(sockets) {
  const silent = new Set();
  const timer = setInterval(() => {
    for (const socket of silent) socket.terminate();
    silent.clear();
    for (const socket of sockets.clients) {
      silent.add(socket);
      socket.once('pong', () => silent.delete(socket));
      socket.ping();
    }
  }, HEARTBEAT_MS);
  timer.unref();
  return timer;
}

function hostInUrl(host) {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return isIP(host) === 6 ? `[${host}]` : host;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1', '[::1]']);
const MAX_MESSAGE_BYTES = 256 * 1024;
const HEARTBEAT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 1_000;

const USAGE = `usage: node examples/room/server.js [options]

  --port <number>       TCP port of the page (default 3000; 0 takes a free one)
  --host <address>      address to listen on (default localhost)
  --interface <name>    network interface for media (default: all)
  --codecs <list>       video codecs, most wanted first (default VP8,H264)
  --ice-lite            answer connectivity checks only, for servers with a public address
  --min-port, --max-port <number>   UDP port range for media
  --workers <number>    media worker threads (default: one per core)
  --quiet               print the address only
  --help
`;

async function main() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        port: { type: 'string', default: '3000' },
        host: { type: 'string', default: 'localhost' },
        interface: { type: 'string', default: '' },
        codecs: { type: 'string', default: 'VP8,H264' },
        'ice-lite': { type: 'boolean', default: false },
        'min-port': { type: 'string', default: '0' },
        'max-port': { type: 'string', default: '0' },
        workers: { type: 'string', default: String(availableParallelism()) },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
    if (values.help) {
      process.stdout.write(USAGE);
      return;
    }
    if (values.interface && !networkInterfaces()[values.interface]) {
      throw new Error(
        `no network interface ${values.interface}; there are: ` +
          Object.keys(networkInterfaces()).join(', '),
      );
    }
    const number = (name, highest) => {
      const value = Number(values[name]);
      if (!Number.isInteger(value) || value < 0 || value > highest) {
        throw new Error(`--${name} takes a number up to ${highest}`);
      }
      return value;
    };
    if (number('min-port', 65_535) > number('max-port', 65_535)) {
      throw new Error('--min-port is above --max-port');
    }
    const log = values.quiet ? () => {} : (text) => console.log(text);
    const room = await start({
      ...loadAddon(),
      port: number('port', 65_535),
      host: values.host,
      networkInterface: values.interface,
      codecs: values.codecs.split(','),
      iceLite: values['ice-lite'],
      minPort: number('min-port', 65_535),
      maxPort: number('max-port', 65_535),
      workers: Math.max(1, number('workers', 1_024)),
      log,
    });
    console.log(`\n  The room is at ${room.url}\n  Stop it with Ctrl+C.\n`);
    const stop = () => {
      room.close().then(() => process.exit(0));
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  } catch (error) {
    const hint = error.code === 'EADDRINUSE' ? ' (choose another with --port)' : '';
    console.error(`room: ${error.message}${hint}`);
    process.exitCode = 1;
  }
}

/** A page that explains a missing addon helps more than a program that ends. */
function loadAddon() {
  try {
    return { addon: require('erizo-rs') };
  } catch (error) {
    console.error(`room: the addon cannot be loaded, so there will be no media.\n${error.message}`);
    return { addon: null, addonError: error.message };
  }
}

module.exports = { start };

if (require.main === module) main();
