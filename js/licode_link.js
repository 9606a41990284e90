'use strict';

// Puts the addon where ErizoJS looks for it, and restores what was there. ErizoJS requires
// `erizoAPI/build/Release/addon` without an extension (contract EXP-1); Node.js tries the file of
// that name, `.js`, `.json` and `.node` before the directory, so whatever exists of these has to
// step aside for the shim. Everything moves by rename within one directory: content, mode and times
// stay, no other file system is involved, and an ErizoJS that starts meanwhile finds one or the
// other. Each step can be the last: `link` completes and `unlink` undoes what it finds.

const fs = require('node:fs');
const path = require('node:path');

const packageRoot = path.join(__dirname, '..');

/** Something that the person at the terminal has to settle; printed without a stack. */
class Problem extends Error {}

/** `addonDebug` is for Licode's own developer tools (contract EXP-2). */
const SLOTS = Object.freeze(['addon', 'addonDebug']);

/** What Node.js loads for a name without extension, in its order; the directory comes last. */
const EXTENSIONS = ['', '.js', '.json', '.node'];

const RELEASE = path.join('erizoAPI', 'build', 'Release');
/** Beside the shims: what was there, and what `unlink` has to know. */
const STORE = '.erizo-rs';
const MARK = '// Put here by "erizo-rs link"; "erizo-rs unlink" takes it away.';

/** What only Licode has, and what it is needed for. */
const LANDMARKS = ['erizoAPI', path.join('erizo_controller', 'erizoJS', 'erizoJS.js')];

/** The absolute path of a Licode folder; throws a `Problem` if it is none. */
function findLicode(folder) {
  const root = path.resolve(folder);
  if (!fs.existsSync(root)) throw new Problem(`${root} does not exist.`);
  const lacks = (place) => LANDMARKS.filter((name) => !fs.existsSync(path.join(place, name)));
  const missing = lacks(root);
  if (missing.length === 0) return root;
  const near = [path.dirname(root), path.dirname(path.dirname(root)), path.join(root, 'licode')];
  const meant = near.find((place) => lacks(place).length === 0);
  throw new Problem(
    `${root} is not a Licode folder: it has no ${missing.join(' and no ')}.` +
      (meant ? ` Did you mean ${meant}?` : ' Name the folder that contains erizo_controller.'),
  );
}

/** What a shim loads, or null if the text is not that of a shim. */
function shimTarget(text) {
  if (!text.includes(MARK)) return null;
  const quoted = /require\(("(?:[^"\\]|\\.)*")\)/.exec(text)?.[1];
  try {
    return JSON.parse(quoted);
  } catch {
    return '';
  }
}

/** One Licode folder and what is linked in it. */
class LicodeLink {
  #fs;
  #erizoApi;
  #release;
  #store;
  #shim;

  /**
   * @param {string} folder Licode's root.
   * @param {{ target?: string, files?: typeof fs }} [options] What the shims load, by default this
   *   package. Tests hand in files that fail.
   */
  constructor(folder, { target = packageRoot, files = fs } = {}) {
    this.root = findLicode(folder);
    this.#fs = files;
    this.#erizoApi = path.join(this.root, 'erizoAPI');
    this.#release = path.join(this.root, RELEASE);
    this.#store = path.join(this.#release, STORE);
    this.#shim = [
      "'use strict';",
      '',
      MARK,
      `// What was here before is in ../${STORE}/kept.`,
      `module.exports = require(${JSON.stringify(path.resolve(target))});`,
      '',
    ].join('\n');
  }

  /**
   * How each slot stands: `state` is "linked", "linked elsewhere" (a shim of another copy, see
   * `target`), "hidden" (a shim that `hiddenBy` takes precedence of) or "not linked"; `kept` names
   * what `unlink` would restore, `found` what is there instead of a shim.
   */
  state() {
    return SLOTS.map((slot) => {
      const target = this.#targetOf(slot);
      const found = this.#occupants(slot);
      const hidden = target !== null && found.length > 0;
      return {
        slot,
        state: hidden ? 'hidden' : this.#word(slot, target),
        hiddenBy: hidden ? found : [],
        found: target === null ? found : [],
        target,
        kept: this.#kept().filter((name) => this.#names(slot).includes(name)),
      };
    });
  }

  /** Resolves half-done states too. Returns whether anything changed. */
  link() {
    if (this.state().every(({ state }) => state === 'linked')) return this.#cleanUp();
    this.#cleanUp();
    this.#openStore();
    for (const slot of SLOTS) {
      this.#placeShim(slot);
      // Only now: until here Node.js loaded what was there, from here on the shim.
      for (const name of this.#occupants(slot)) this.#keep(name);
    }
    return true;
  }

  /** Returns `{ changed, left }`: paths of what could not go back because something else is there. */
  unlink() {
    for (const slot of SLOTS) this.#refuseForeignFiles(slot);
    let changed = this.#cleanUp();
    for (const slot of SLOTS) {
      const [directory, ...files] = this.#names(slot);
      for (const name of files) changed = this.#restore(name) || changed;
      changed = this.#removeShim(slot) || changed;
      changed = this.#restore(directory) || changed;
    }
    return { changed: this.#closeStore() || changed, left: this.#kept().map((n) => this.#keptAt(n)) };
  }

  #names(slot) {
    return EXTENSIONS.map((extension) => slot + extension);
  }

  #at(name) {
    return path.join(this.#release, name);
  }

  #keptAt(name) {
    return path.join(this.#store, 'kept', name);
  }

  #word(slot, target) {
    if (target === null) return 'not linked';
    return this.#read(path.join(this.#at(slot), 'index.js')) === this.#shim
      ? 'linked'
      : 'linked elsewhere';
  }

  /** What the slot's shim loads, null without one. */
  #targetOf(slot) {
    if (!isDirectory(this.#fs, this.#at(slot))) return null;
    return shimTarget(this.#read(path.join(this.#at(slot), 'index.js')));
  }

  /** What is in the slot and not a shim. */
  #occupants(slot) {
    const isShim = this.#targetOf(slot) !== null;
    return this.#names(slot).filter(
      (name) => exists(this.#fs, this.#at(name)) && !(isShim && name === slot),
    );
  }

  #kept() {
    return list(this.#fs, path.join(this.#store, 'kept'));
  }

  #read(file) {
    try {
      return this.#fs.readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  }

  /** Makes the folders and notes, before anything else changes, what `unlink` has to know. */
  #openStore() {
    const journal = path.join(this.#store, 'link.json');
    if (!exists(this.#fs, journal)) {
      const created = [path.dirname(this.#release), this.#release].find(
        (folder) => !exists(this.#fs, folder),
      );
      // Folders whose listing changes for a while, and so their times.
      const touched = created ? [this.#erizoApi, path.dirname(created)] : [this.#release];
      const times = Object.fromEntries(
        touched.map((folder) => [
          path.relative(this.root, folder),
          this.#fs.statSync(folder).mtimeMs,
        ]),
      );
      const notes = { created: created ? path.relative(this.root, created) : null, times };
      const write = (store) => {
        this.#fs.mkdirSync(store, { recursive: true });
        this.#fs.writeFileSync(path.join(store, 'link.json'), JSON.stringify(notes));
      };
      if (created) {
        // In one rename with their notes: nobody else knows that they were not there.
        const staged = path.join(this.#erizoApi, STORE);
        write(path.join(staged, path.relative(created, this.#store)));
        this.#fs.renameSync(staged, created);
      } else {
        write(this.#store);
      }
    }
    this.#fs.mkdirSync(path.join(this.#store, 'kept'), { recursive: true });
  }

  #placeShim(slot) {
    if (this.#word(slot, this.#targetOf(slot)) === 'linked') return;
    const staged = path.join(this.#store, 'new');
    this.#fs.mkdirSync(staged, { recursive: true });
    this.#fs.writeFileSync(path.join(staged, 'index.js'), this.#shim);
    if (this.#targetOf(slot) !== null) {
      this.#fs.renameSync(path.join(staged, 'index.js'), path.join(this.#at(slot), 'index.js'));
      this.#fs.rmdirSync(staged);
      return;
    }
    if (exists(this.#fs, this.#at(slot))) this.#keep(slot);
    this.#fs.renameSync(staged, this.#at(slot));
  }

  /** Moves something aside. What was kept under that name is older: a build replaced it. */
  #keep(name) {
    const place = this.#keptAt(name);
    if (exists(this.#fs, place)) {
      let number = 1;
      while (exists(this.#fs, `${place}.older-${number}`)) number += 1;
      this.#fs.renameSync(place, `${place}.older-${number}`);
    }
    this.#fs.renameSync(this.#at(name), place);
  }

  #restore(name) {
    if (!exists(this.#fs, this.#keptAt(name)) || exists(this.#fs, this.#at(name))) return false;
    this.#fs.renameSync(this.#keptAt(name), this.#at(name));
    return true;
  }

  #removeShim(slot) {
    if (this.#targetOf(slot) === null) return false;
    const removed = path.join(this.#store, 'removed');
    this.#fs.mkdirSync(this.#store, { recursive: true }); // Somebody may have deleted the store.
    this.#fs.renameSync(this.#at(slot), removed);
    this.#fs.rmSync(removed, { recursive: true });
    return true;
  }

  #refuseForeignFiles(slot) {
    if (this.#targetOf(slot) === null) return;
    const foreign = list(this.#fs, this.#at(slot)).filter((name) => name !== 'index.js');
    if (foreign.length === 0) return;
    throw new Problem(
      `${this.#at(slot)} contains what erizo-rs did not put there (${foreign.join(', ')}):` +
        ' move it elsewhere, then run unlink again. Nothing was changed.',
    );
  }

  /** Forgets the link, unless something kept could not go back. */
  #closeStore() {
    if (!exists(this.#fs, this.#store)) return false;
    const notes = this.#notes();
    if (this.#kept().length > 0) {
      this.#fs.rmSync(path.join(this.#store, 'link.json'), { force: true });
      return notes !== null;
    }
    const created = notes?.created ? path.join(this.root, notes.created) : null;
    const isOurs = (folder) => list(this.#fs, folder).length === 1;
    if (created && isOurs(this.#release) && (created === this.#release || isOurs(created))) {
      const staged = path.join(this.#erizoApi, STORE);
      this.#fs.renameSync(created, staged);
      this.#fs.rmSync(staged, { recursive: true });
    } else {
      this.#fs.rmSync(this.#store, { recursive: true });
    }
    for (const [folder, mtimeMs] of Object.entries(notes?.times ?? {})) {
      const absolute = path.join(this.root, folder);
      if (!exists(this.#fs, absolute)) continue;
      this.#fs.utimesSync(absolute, this.#fs.statSync(absolute).atime, mtimeMs / 1000);
    }
    return true;
  }

  #notes() {
    try {
      const { created, times } = JSON.parse(this.#read(path.join(this.#store, 'link.json')));
      return { created, times };
    } catch {
      return null;
    }
  }

  /** Removes what an interrupted run was making or throwing away. */
  #cleanUp() {
    const rests = [
      path.join(this.#erizoApi, STORE),
      path.join(this.#store, 'new'),
      path.join(this.#store, 'removed'),
    ].filter((rest) => exists(this.#fs, rest));
    for (const rest of rests) this.#fs.rmSync(rest, { recursive: true });
    return rests.length > 0;
  }
}

function exists(files, place) {
  return files.lstatSync(place, { throwIfNoEntry: false }) !== undefined;
}

function isDirectory(files, place) {
  return files.lstatSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function list(files, folder) {
  return isDirectory(files, folder) ? files.readdirSync(folder).sort() : [];
}

module.exports = { LicodeLink, Problem, SLOTS, findLicode, packageRoot };
