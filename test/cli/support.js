'use strict';

// Folders laid out like Licode, and pictures of them to compare.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const manifest = require('../../package.json');

const RELEASE = path.join('erizoAPI', 'build', 'Release');

/** A Licode folder; `files` maps further paths to contents. Removed after the test `t`. */
function licodeFolder(t, files = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'erizo-rs-licode-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const all = {
    'erizoAPI/binding.gyp': '{}',
    'erizo_controller/erizoJS/erizoJS.js': '// ErizoJS',
    ...files,
  };
  for (const [name, content] of Object.entries(all)) write(path.join(folder, name), content);
  return folder;
}

function write(file, content, { mode = 0o644, seconds = 1_600_000_000 } = {}) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  fs.chmodSync(file, mode);
  fs.utimesSync(file, seconds, seconds);
}

/** Everything below a folder that `unlink` has to restore: names, kinds, contents, modes, times. */
function picture(folder, { folderTimes = true } = {}) {
  const found = {};
  const look = (relative) => {
    const absolute = path.join(folder, relative);
    const { mode, mtimeMs, ino } = fs.lstatSync(absolute);
    if (fs.lstatSync(absolute).isSymbolicLink()) {
      found[relative] = { link: fs.readlinkSync(absolute), ino };
    } else if (fs.statSync(absolute).isDirectory()) {
      found[relative] = { mode, ...(folderTimes && { time: Math.round(mtimeMs) }) };
      for (const name of fs.readdirSync(absolute).sort()) look(path.join(relative, name));
    } else {
      found[relative] = { mode, time: mtimeMs, ino, content: fs.readFileSync(absolute, 'latin1') };
    }
  };
  look('.');
  return found;
}

/** Runs the command line. */
function cli(parameters, { env, cwd = root } = {}) {
  const file = path.join(root, manifest.bin['erizo-rs']);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...parameters], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

module.exports = { RELEASE, cli, licodeFolder, manifest, picture, root, write };
