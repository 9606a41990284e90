'use strict';

// `erizo-rs link` and `erizo-rs unlink`: what people see of licode_link.js.

const path = require('node:path');

const { loadedVersion } = require('./child.js');
const { LicodeLink, Problem, packageRoot } = require('./licode_link.js');
const { name, version } = require('../package.json');

const INSTALL = `install ${name} where it can stay (npm install ${name}) and run link again`;

/** The link of the only argument; throws a `Problem` without one. */
function open(command, parameters) {
  if (parameters.length !== 1 || parameters[0].startsWith('-')) {
    throw new Problem(`Usage: ${name} ${command} <licode folder>`);
  }
  return new LicodeLink(parameters[0]);
}

/** Runs `body`; a file system error in it becomes something to act on. */
function guarded(link, body) {
  try {
    return body();
  } catch (error) {
    if (typeof error.syscall !== 'string') throw error;
    const remedy = ['EACCES', 'EPERM'].includes(error.code)
      ? 'Run this as the user who owns that folder.'
      : error.code === 'EROFS'
        ? 'That file system is read-only.'
        : 'Settle that and run the command again: it continues where it stopped.';
    throw new Problem(`${link.root}: ${error.message}. ${remedy}`);
  }
}

function link(parameters, print = console.log) {
  const licode = open('link', parameters);
  if (packageRoot.split(path.sep).includes('_npx')) {
    throw new Problem(`${packageRoot} is npx's cache, which npm empties now and then: ${INSTALL}.`);
  }
  const ours = loadedVersion(packageRoot);
  if (ours.error) throw new Problem(`${ours.error}\nNothing was changed.`);
  const changed = guarded(licode, () => licode.link());
  const state = licode.state();
  for (const { slot, kept } of state) {
    const aside = kept.length > 0 ? ` (kept for unlink: ${kept.join(', ')})` : '';
    print(`erizoAPI/build/Release/${slot} loads ${packageRoot}${aside}`);
  }
  for (const { slot } of state) {
    const there = loadedVersion(path.join(licode.root, 'erizoAPI', 'build', 'Release', slot));
    if (there.value === version) continue;
    throw new Problem(`${slot} is linked but does not load: ${there.error ?? 'it is another module'}`);
  }
  print(changed ? `Linked ${name} ${version}. Restart ErizoAgent.` : 'It was linked already.');
  return 0;
}

function unlink(parameters, print = console.log) {
  const licode = open('unlink', parameters);
  const { changed, left } = guarded(licode, () => licode.unlink());
  for (const file of left) {
    print(`${file} stays where it is: something newer has its place`);
  }
  print(changed ? 'What was there before is back. Restart ErizoAgent.' : 'It was not linked.');
  return 0;
}

module.exports = { link, unlink };
