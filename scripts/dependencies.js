'use strict';

// Installs the npm dependencies when they are missing or not those of package-lock.json.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { npm, root } = require('./command.js');

const lockFile = path.join(root, 'package-lock.json');
const stampFile = path.join(root, 'node_modules', '.installed-from');

function wanted() {
  return createHash('sha256').update(fs.readFileSync(lockFile)).digest('hex');
}

function installed() {
  try {
    return fs.readFileSync(stampFile, 'utf8');
  } catch {
    return null;
  }
}

/** Resolves with whether anything was done. */
async function ensureDependencies() {
  if (installed() === wanted()) return false;
  // Install scripts stay off: nothing here needs one, and npm 11 warns about those that exist.
  await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  fs.writeFileSync(stampFile, wanted());
  return true;
}

module.exports = { ensureDependencies };
