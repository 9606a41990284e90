'use strict';

// `npm run test:licode` before it comes to Licode: it skips without a folder, and leaves one that
// cannot be tested as it is.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');

const { LicodeLink } = require('../../js/licode_link.js');
const { licodeFolder, picture, root, write } = require('./support.js');

const DEPENDENCIES = [
  'amqp', 'chai', 'chai-as-promised', 'log4js', 'mocha', 'mock-require', 'node-getopt', 'sdp-transform',
  'sinon',
];
const CONFIGURATION = ['licode_config.js', 'rtp_media_config.js', 'bw_distributor_config.js'];

function testLicode(...parameters) {
  const file = path.join(root, 'scripts', 'licode.js');
  return spawnSync(process.execPath, [file, ...parameters], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
}

describe('npm run test:licode', () => {
  it('skips without a folder, and says so', () => {
    const { status, stdout, stderr } = testLicode();
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^SKIPPED: no Licode folder was given\. Usage: npm run test:licode -- --licode/);
  });

  it('refuses what is not Licode', (t) => {
    const { status, stderr } = testLicode('--licode', path.join(licodeFolder(t), 'erizoAPI'));
    assert.equal(status, 1);
    assert.match(stderr, /is not a Licode folder/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it("names what is missing of Licode's dependencies, then of its configuration", (t) => {
    const folder = licodeFolder(t);
    const before = picture(folder);
    const bare = testLicode('--licode', folder);
    assert.equal(bare.status, 1);
    assert.match(bare.stderr, /lacks amqp, chai, .*mocha.*: run "npm install/);
    assert.deepEqual(picture(folder), before);

    for (const name of DEPENDENCIES) write(path.join(folder, 'node_modules', name, 'index.js'), '');
    const installed = testLicode('--licode', folder);
    assert.equal(installed.status, 1);
    assert.match(installed.stderr, /no licode_config\.js: run "cp scripts\/licode_default\.js/);
  });

  it('leaves a folder alone that is half linked', (t) => {
    const folder = licodeFolder(t);
    for (const name of DEPENDENCIES) write(path.join(folder, 'node_modules', name, 'index.js'), '');
    for (const name of CONFIGURATION) write(path.join(folder, name), 'module.exports = {};');
    new LicodeLink(folder).link();
    write(path.join(folder, 'erizoAPI', 'build', 'Release', 'addon.node'), 'C++ addon');
    const before = picture(folder);
    const { status, stderr } = testLicode('--licode', folder);
    assert.equal(status, 1);
    assert.match(stderr, /is half linked/);
    assert.deepEqual(picture(folder), before);
  });
});
