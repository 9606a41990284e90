'use strict';

// `link` and `unlink` on folders laid out like Licode: what is there before is there afterwards,
// whatever happened in between (contract EXP-1, EXP-2).

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { LicodeLink, Problem } = require('../../js/licode_link.js');
const { RELEASE, cli, licodeFolder, manifest, picture, root, write } = require('./support.js');

const ADDON_NODE = path.join(RELEASE, 'addon.node');
const STORE = path.join(RELEASE, '.erizo-rs');

/** What a Licode folder may look like before. Each gets a fresh one. */
const LAYOUTS = {
  'never built': () => ({}),
  'built': () => ({
    [ADDON_NODE]: 'C++ addon',
    [path.join(RELEASE, 'addonDebug.node')]: 'C++ debug addon',
    [path.join(RELEASE, 'obj.target', 'addon.o')]: 'object',
  }),
  'with a build folder only': () => ({ 'erizoAPI/build/Makefile': 'all:' }),
  'shimmed by hand': () => ({
    [path.join(RELEASE, 'addon.node.cpp')]: 'C++ addon',
    [path.join(RELEASE, 'addon', 'index.js')]: "module.exports = require('/somewhere');",
    [path.join(RELEASE, 'addon', 'notes.txt')]: 'ours',
  }),
  'with every name that Node.js tries': () => ({
    [path.join(RELEASE, 'addon')]: 'no extension',
    [path.join(RELEASE, 'addon.js')]: '// js',
    [path.join(RELEASE, 'addon.json')]: '{}',
    [ADDON_NODE]: 'C++ addon',
  }),
};

/** What a program in Licode gets for `require(slot)`. */
function required(folder, slot = 'addon') {
  const module = path.join(folder, RELEASE, slot);
  const script = `console.log(JSON.stringify(require(${JSON.stringify(module)})))`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
}

/** A link to a module that is quicker to load than the addon. */
function standIn(folder, files) {
  const target = path.join(folder, 'stand-in');
  write(path.join(target, 'index.js'), "module.exports = 'stand-in';");
  return new LicodeLink(folder, { target, files });
}

const states = (link) => link.state().map(({ state }) => state);

describe('link and unlink', () => {
  for (const [what, files] of Object.entries(LAYOUTS)) {
    it(`restores a folder ${what}, byte for byte`, (t) => {
      const folder = licodeFolder(t, files());
      if (what === 'built') fs.chmodSync(path.join(folder, ADDON_NODE), 0o755);
      const link = standIn(folder);
      const before = picture(folder);

      assert.equal(link.link(), true);
      assert.deepEqual(states(link), ['linked', 'linked']);
      for (const slot of ['addon', 'addonDebug']) assert.equal(required(folder, slot), 'stand-in');

      assert.equal(link.unlink().changed, true);
      assert.deepEqual(picture(folder), before);
    });

    it(`links and unlinks a folder ${what} again without effect`, (t) => {
      const folder = licodeFolder(t, files());
      const link = standIn(folder);
      const before = picture(folder);

      link.link();
      const linked = picture(folder);
      assert.equal(link.link(), false);
      assert.deepEqual(picture(folder), linked);

      link.unlink();
      assert.deepEqual(link.unlink(), { changed: false, left: [] });
      assert.deepEqual(picture(folder), before);
    });

    it(`completes or undoes a link of a folder ${what} that stopped anywhere`, (t) => {
      interrupted(t, files, (link) => link.link());
    });

    it(`completes or undoes an unlink of a folder ${what} that stopped anywhere`, (t) => {
      interrupted(t, files, (link) => link.unlink(), (link) => link.link());
    });
  }

  it('keeps a symbolic link as it is', (t) => {
    const folder = licodeFolder(t, { 'elsewhere/addon.node': 'C++ addon' });
    fs.mkdirSync(path.join(folder, RELEASE), { recursive: true });
    fs.symlinkSync('../../../elsewhere/addon.node', path.join(folder, ADDON_NODE));
    const link = standIn(folder);
    const before = picture(folder);
    link.link();
    assert.equal(required(folder), 'stand-in');
    link.unlink();
    assert.deepEqual(picture(folder), before);
  });

  it('points an earlier link at the package that links now', (t) => {
    const folder = licodeFolder(t, LAYOUTS.built());
    const first = standIn(folder);
    const before = picture(folder);
    first.link();
    write(path.join(folder, 'other', 'index.js'), "module.exports = 'other';");
    const second = new LicodeLink(folder, { target: path.join(folder, 'other') });
    assert.deepEqual(states(second), ['linked elsewhere', 'linked elsewhere']);
    assert.equal(second.link(), true);
    assert.equal(required(folder), 'other');
    fs.rmSync(path.join(folder, 'other'), { recursive: true });
    second.unlink();
    assert.deepEqual(picture(folder, { folderTimes: false }), withoutFolderTimes(before));
  });

  it('sees a C++ addon that was built after linking, and steps in front of it again', (t) => {
    const folder = licodeFolder(t, LAYOUTS.built());
    const link = standIn(folder);
    link.link();
    write(path.join(folder, ADDON_NODE), 'newer C++ addon');
    assert.deepEqual(states(link), ['hidden', 'linked']);
    assert.deepEqual(link.state()[0].hiddenBy, ['addon.node']);

    link.link();
    assert.equal(required(folder), 'stand-in');
    const { left } = link.unlink();
    assert.equal(fs.readFileSync(path.join(folder, ADDON_NODE), 'utf8'), 'newer C++ addon');
    assert.deepEqual(left, [path.join(folder, STORE, 'kept', 'addon.node.older-1')]);
    assert.equal(fs.readFileSync(left[0], 'utf8'), 'C++ addon');
    assert.deepEqual(link.unlink(), { changed: false, left });
  });

  it('does not overwrite a C++ addon that was built after linking', (t) => {
    const folder = licodeFolder(t, LAYOUTS.built());
    const link = standIn(folder);
    link.link();
    write(path.join(folder, ADDON_NODE), 'newer C++ addon');
    const { left } = link.unlink();
    assert.equal(fs.readFileSync(path.join(folder, ADDON_NODE), 'utf8'), 'newer C++ addon');
    assert.deepEqual(left, [path.join(folder, STORE, 'kept', 'addon.node')]);
  });

  it('survives that a build removed everything', (t) => {
    const folder = licodeFolder(t, LAYOUTS.built());
    const link = standIn(folder);
    link.link();
    fs.rmSync(path.join(folder, 'erizoAPI', 'build'), { recursive: true });
    assert.deepEqual(states(link), ['not linked', 'not linked']);
    assert.deepEqual(link.unlink(), { changed: false, left: [] });
    link.link();
    assert.equal(required(folder), 'stand-in');
  });

  it('unlinks although somebody deleted its notes', (t) => {
    const folder = licodeFolder(t);
    const link = standIn(folder);
    link.link();
    fs.rmSync(path.join(folder, STORE), { recursive: true });
    link.unlink();
    assert.deepEqual(fs.readdirSync(path.join(folder, RELEASE)), []);
  });

  it('does not delete what somebody put into a shim', (t) => {
    const folder = licodeFolder(t);
    const link = standIn(folder);
    link.link();
    write(path.join(folder, RELEASE, 'addonDebug', 'mine.txt'), 'mine');
    const before = picture(folder);
    assert.throws(() => link.unlink(), (error) => {
      assert.ok(error instanceof Problem);
      assert.match(error.message, /addonDebug contains what erizo-rs did not put there \(mine\.txt\)/);
      return true;
    });
    assert.deepEqual(picture(folder), before);
  });
});

describe('the link command', () => {
  it('links, says so, and unlinks', (t) => {
    const folder = licodeFolder(t, { [ADDON_NODE]: 'C++ addon' });
    const before = picture(folder);
    const linked = cli(['link', folder]);
    assert.equal(linked.status, 0, linked.stderr);
    assert.match(linked.stdout, /Release\/addon loads .*\(kept for unlink: addon\.node\)/);
    assert.match(linked.stdout, new RegExp(`^Linked erizo-rs ${manifest.version}`, 'm'));
    assert.equal(required(folder).version, manifest.version);
    assert.match(cli(['link', folder]).stdout, /It was linked already/);

    const unlinked = cli(['unlink', folder]);
    assert.equal(unlinked.status, 0, unlinked.stderr);
    assert.match(unlinked.stdout, /What was there before is back/);
    assert.deepEqual(picture(folder), before);
    assert.match(cli(['unlink', folder]).stdout, /It was not linked/);
  });

  for (const command of ['link', 'unlink']) {
    it(`refuses to ${command} a folder that is not Licode, and changes nothing`, (t) => {
      const folder = licodeFolder(t);
      const inside = path.join(folder, 'erizoAPI');
      const before = picture(folder);
      const { status, stderr } = cli([command, inside]);
      assert.equal(status, 1);
      assert.match(stderr, /is not a Licode folder: it has no erizoAPI and no .*erizoJS\.js/);
      assert.ok(stderr.includes(`Did you mean ${folder}?`), stderr);
      assert.doesNotMatch(stderr, /\n\s+at /);
      assert.deepEqual(picture(folder), before);
      assert.match(cli([command, path.join(folder, 'nowhere')]).stderr, /nowhere does not exist/);
      assert.match(cli([command]).stderr, /Usage: erizo-rs \w+ <licode folder>/);
      assert.match(cli([command, '--force']).stderr, /Usage: erizo-rs \w+ <licode folder>/);
    });
  }

  it('takes a folder relative to where it runs', (t) => {
    const folder = licodeFolder(t);
    assert.equal(cli(['link', '.'], { cwd: folder }).status, 0);
    assert.equal(required(folder).version, manifest.version);
  });

  it('does not link a binary that does not load', (t) => {
    const folder = licodeFolder(t);
    const copy = path.join(folder, 'node_modules', 'erizo-rs');
    fs.cpSync(path.join(root, 'js'), path.join(copy, 'js'), {
      recursive: true,
      filter: (file) => !file.endsWith('.node'),
    });
    fs.copyFileSync(path.join(root, 'package.json'), path.join(copy, 'package.json'));
    const before = picture(folder);
    const run = () => linkFrom(copy, folder);
    assert.throws(run, ({ status, stderr }) => {
      assert.equal(status, 1);
      assert.match(String(stderr), /cannot load its native binary[^]*fix:[^]*Nothing was changed/);
      return true;
    });
    assert.deepEqual(picture(folder), before);
  });

  it("does not link npx's cache", (t) => {
    const folder = licodeFolder(t);
    const copy = path.join(folder, '_npx', '1234', 'node_modules', 'erizo-rs');
    fs.cpSync(path.join(root, 'js'), path.join(copy, 'js'), { recursive: true });
    fs.copyFileSync(path.join(root, 'package.json'), path.join(copy, 'package.json'));
    const run = () => linkFrom(copy, folder);
    assert.throws(run, /npx's cache, which npm empties now and then: install erizo-rs/);
    assert.equal(fs.existsSync(path.join(folder, 'erizoAPI', 'build')), false);
  });
});

/** Runs `link` of another copy of the package. */
function linkFrom(copy, folder) {
  const file = path.join(copy, 'js', 'cli.js');
  return execFileSync(process.execPath, [file, 'link', folder], { stdio: 'pipe' });
}

/**
 * Lets `step` die at its first, second, ... change until it gets through, and each time checks that
 * both ways out lead where they should.
 */
function interrupted(t, files, step, prepare = () => {}) {
  let deaths = 0;
  for (const wayOut of ['link', 'unlink']) {
    for (let number = 1; ; number++) {
      const folder = licodeFolder(t, files());
      const link = standIn(folder);
      const before = picture(folder, { folderTimes: false });
      prepare(link);
      const died = diesAt(number, (dying) => step(standIn(folder, dying)));
      if (wayOut === 'link') {
        link.link();
        assert.deepEqual(states(link), ['linked', 'linked']);
        assert.equal(link.link(), false);
      }
      const { left } = link.unlink();
      assert.deepEqual(left, []);
      assert.deepEqual(picture(folder, { folderTimes: false }), before, `died at change ${number}`);
      if (!died) break;
      deaths += 1;
    }
  }
  assert.ok(deaths >= 10, `only ${deaths} deaths`);
}

/** Runs `body` with files whose `number`th change fails; returns whether that was reached. */
function diesAt(number, body) {
  let changes = 0;
  const CHANGES = ['mkdirSync', 'renameSync', 'rmSync', 'rmdirSync', 'utimesSync', 'writeFileSync'];
  const dying = { ...fs };
  for (const change of CHANGES) {
    dying[change] = (...parameters) => {
      changes += 1;
      if (changes === number) throw new Error('died');
      return fs[change](...parameters);
    };
  }
  try {
    body(dying);
    return false;
  } catch (error) {
    if (error.message !== 'died') throw error;
    return true;
  }
}

function withoutFolderTimes(before) {
  const isFolder = (entry) => !('content' in entry) && !('link' in entry);
  return Object.fromEntries(
    Object.entries(before).map(([name, entry]) => [
      name,
      isFolder(entry) ? { mode: entry.mode } : entry,
    ]),
  );
}
