'use strict';

// Serves the page. Only files that were there at the start exist, by exact path.

const { readdirSync, readFileSync } = require('node:fs');
const { extname, join } = require('node:path');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A request handler for the files of `folder`. */
function serveFiles(folder) {
  const files = new Map();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type) files.set(`/${name}`, { type, path: join(folder, name) });
  }
  files.set('/', files.get('/index.html'));

  return (request, response) => {
    const path = request.url.split(/[?#]/, 1)[0];
    const file = files.get(path);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!file || !isRead) {
      response.writeHead(isRead ? 404 : 405, { ...HEADERS, 'Content-Type': 'text/plain' });
      response.end(isRead ? 'not found\n' : 'method not allowed\n');
      return;
    }
    const body = readFileSync(file.path);
    response.writeHead(200, {
      ...HEADERS,
      'Content-Type': file.type,
      'Content-Length': body.length,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

module.exports = { serveFiles };
