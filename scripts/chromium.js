'use strict';

// Finds the Chromium that the browser tests drive, or installs Debian's.

const { existsSync } = require('node:fs');

const { exists, run } = require('./command.js');

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function findChromium() {
  const named = process.env.CHROMIUM;
  return [named, ...PLACES].find((file) => file && existsSync(file)) ?? null;
}

/** Resolves with `{ path }`, or with `{ missing }`: the reason, for people. */
async function ensureChromium() {
  const found = findChromium();
  if (found) return { path: found };
  if (!exists('apt-get')) return { missing: 'no Chromium found and no apt-get to install it with' };
  if (process.getuid?.() !== 0) {
    return { missing: 'no Chromium found; as root: apt-get install chromium' };
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update', '-qq'], { env });
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], { env });
  } catch (error) {
    return { missing: `apt-get could not install chromium: ${error.message}` };
  }
  const path = findChromium();
  return path ? { path } : { missing: "Debian's chromium package brought no /usr/bin/chromium" };
}

module.exports = { ensureChromium };
