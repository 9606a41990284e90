'use strict';

// How the package finds its binary and what it exports. Most tests load a copy of js/ beside a
// stand-in platform package, so that they hold on a machine without a build; the last ones load
// the real addon.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');

const root = path.join(__dirname, '..', '..');
const manifest = require('../../package.json');
const { CLASS_NAMES, load, localBinary, platformName } = require('../../js/binary.js');
const { publicExports } = require('../../js/classes.js');

/** Behaves as napi-rs classes do: callable without `new`, and with a factory of its own. */
const STAND_IN = `
'use strict';
for (const name of ${JSON.stringify(CLASS_NAMES)}) {
  const native = function () { this.made = true; };
  native.prototype.twin = function () { return new native(); };
  exports[name] = native;
}
`;

function standIn() {
  const module = { exports: {} };
  new Function('exports', STAND_IN)(module.exports);
  return module.exports;
}

/** A copy of the package, and beside it the platform package that `platformPackage` describes. */
class Installation {
  constructor({ platformPackage } = {}) {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'erizo-rs-loading-'));
    this.package = path.join(this.directory, 'node_modules', manifest.name);
    fs.cpSync(path.join(root, 'js'), path.join(this.package, 'js'), {
      recursive: true,
      filter: (file) => !file.endsWith('.node'),
    });
    fs.copyFileSync(path.join(root, 'package.json'), path.join(this.package, 'package.json'));
    if (platformPackage) {
      const name = `${manifest.name}-${platformName()}`;
      const directory = path.join(this.directory, 'node_modules', name);
      fs.mkdirSync(directory);
      const { version = manifest.version, code = STAND_IN } = platformPackage;
      fs.writeFileSync(path.join(directory, 'package.json'), JSON.stringify({ name, version }));
      fs.writeFileSync(path.join(directory, 'index.js'), code);
    }
  }

  addLocalBinary(content) {
    const file = path.join(this.package, 'js', path.basename(localBinary()));
    fs.writeFileSync(file, content);
  }

  /** What `script` prints, run in a process of its own where the package can be required. */
  run(script, { esm = false } = {}) {
    const file = path.join(this.directory, esm ? 'main.mjs' : 'main.cjs');
    fs.writeFileSync(file, script);
    return execFileSync(process.execPath, [file], { encoding: 'utf8', stdio: 'pipe' }).trim();
  }

  loadError() {
    const script = `
      try { require('${manifest.name}'); console.log('null'); }
      catch (e) { console.log(JSON.stringify({ message: e.message, code: e.code, name: e.name })); }`;
    return JSON.parse(this.run(script));
  }

  remove() {
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** Runs `body` with an installation that is removed afterwards. */
function withInstallation(options, body) {
  const installation = new Installation(options);
  try {
    return body(installation);
  } finally {
    installation.remove();
  }
}

describe('the loader', () => {
  it('exports exactly the nine classes and the version (EXP-4)', () => {
    withInstallation({ platformPackage: {} }, (installation) => {
      const names = installation.run(
        `console.log(JSON.stringify(Object.keys(require('${manifest.name}'))))`,
      );
      assert.deepEqual(JSON.parse(names).sort(), [...CLASS_NAMES, 'version'].sort());
    });
  });

  it('serves import with the same classes as require', () => {
    withInstallation({ platformPackage: {} }, (installation) => {
      const answer = installation.run(
        `import erizo, * as all from '${manifest.name}';
         import { createRequire } from 'node:module';
         const required = createRequire(import.meta.url)('${manifest.name}');
         const same = Object.keys(required).every((k) => required[k] === all[k] && erizo[k] === all[k]);
         console.log(same, Object.keys(all).length - 1 === Object.keys(required).length);`,
        { esm: true },
      );
      assert.equal(answer, 'true true');
    });
  });

  it('says what it tried, why it failed and what to do when there is no binary', () => {
    withInstallation({}, (installation) => {
      const { message, code, name } = installation.loadError();
      assert.equal(name, 'Error');
      assert.equal(code, 'ERR_BINARY_NOT_LOADED');
      assert.match(message, new RegExp(`${platformName()}, Node.js ${process.version}`));
      assert.match(message, /1\. local build js\/erizo\.\S+\.node\n.*does not exist\n.*npm run build/);
      assert.match(message, /2\. package erizo-rs-\S+\n.*not installed\n.*--include=optional/);
    });
  });

  it('goes on to the platform package when the local build is damaged', () => {
    withInstallation({ platformPackage: {} }, (installation) => {
      installation.addLocalBinary('not a shared object');
      assert.equal(installation.loadError(), null);
    });
  });

  it('names the cause and the fix for a damaged binary', () => {
    withInstallation({}, (installation) => {
      installation.addLocalBinary('not a shared object');
      assert.match(installation.loadError().message, /damaged or made for another kind of machine/);
    });
  });

  it('refuses a platform package of another version', () => {
    withInstallation({ platformPackage: { version: '0.0.1' } }, (installation) => {
      const { message } = installation.loadError();
      assert.match(message, /it has version 0\.0\.1, but erizo-rs has \d/);
      assert.match(message, /run "npm install" again/);
    });
  });

  it('refuses a binary that lacks classes', () => {
    const code = `${STAND_IN}\ndelete exports.ThreadPool;`;
    withInstallation({ platformPackage: { code } }, (installation) => {
      assert.match(installation.loadError().message, /it lacks ThreadPool\n.*old build/);
    });
  });

  const causes = [
    ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)", /wants GLIBC_2\.38/],
    ['libatomic.so.1: cannot open shared object file: No such file', /library libatomic\.so\.1/],
    ['x.node: undefined symbol: napi_add_finalizer', /use Node\.js 20 or later/],
    ["Module did not self-register: 'x.node'", /without the feature "node"/],
    ['something new', /report this message/],
  ];
  for (const [cause, fix] of causes) {
    it(`has a fix for: ${cause}`, () => {
      const broken = {
        what: 'a binary',
        load() {
          throw new Error(cause);
        },
      };
      assert.throws(() => load([broken]), (error) => {
        assert.ok(error.message.includes(cause));
        assert.match(error.message, fix);
        assert.equal(error.causes[0].message, cause);
        return true;
      });
    });
  }

  it('writes nothing to stdout or stderr (EXP-7)', () => {
    withInstallation({ platformPackage: {} }, (installation) => {
      const file = path.join(installation.directory, 'quiet.cjs');
      fs.writeFileSync(file, `require('${manifest.name}');`);
      const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
      assert.deepEqual({ stdout, stderr, status }, { stdout: '', stderr: '', status: 0 });
    });
  });
});

/** What must hold for the exports of any binding; `make` builds an instance of `ThreadPool`. */
function checkClasses(exported, make) {
  for (const name of CLASS_NAMES) {
    const Class = exported[name];
    assert.equal(Class.name, name, 'EXP-9');
    assert.equal(Class.prototype.constructor, Class);
    assert.throws(() => Class(), {
      name: 'TypeError',
      message: `Class constructor ${name} cannot be invoked without 'new'`,
    });
    assert.throws(() => Class.call({}), TypeError);
    assert.throws(() => Reflect.apply(Class, undefined, []), TypeError);
  }
  const instance = make(exported.ThreadPool);
  assert.ok(instance instanceof exported.ThreadPool);
  assert.equal(instance.constructor, exported.ThreadPool);
  assert.ok(!(instance instanceof exported.MediaStream));
  class Derived extends exported.ThreadPool {
    extra() {
      return 'extra';
    }
  }
  const derived = make(Derived);
  assert.ok(derived instanceof Derived && derived instanceof exported.ThreadPool);
  assert.equal(derived.extra(), 'extra');
  for (const method of Object.getOwnPropertyNames(exported.ThreadPool.prototype)) {
    const found = Object.getOwnPropertyDescriptor(exported.ThreadPool.prototype, method);
    assert.ok(found.writable && found.configurable, `${method} can be replaced (EXP-9)`);
  }
}

describe('the classes of a stand-in binding', () => {
  it('throw without new and keep names and instanceof (EXP-5, EXP-9)', () => {
    checkClasses(publicExports(standIn(), '1.2.3'), (Class) => new Class());
  });

  it('recognise what the binary makes itself', () => {
    const { MediaStream } = publicExports(standIn(), '1.2.3');
    const made = new MediaStream().twin();
    assert.ok(made instanceof MediaStream);
    assert.equal(made.constructor, MediaStream);
  });
});

/** Loads `request` again as Licode's unit tests do: with the cache emptied. */
const RELOAD = `
  const request = process.argv[2] ?? 'erizo-rs';
  const first = require(request);
  const before = new first.ThreadPool(1);
  for (const file of Object.keys(require.cache)) delete require.cache[file];
  const second = require(request);
  const after = new second.ThreadPool(1);
  first.version = 'replaced by a mock';
  console.log(first !== second, before instanceof second.ThreadPool, after instanceof first.ThreadPool,
    second.version, Object.keys(globalThis).some((k) => /erizo/.test(k)));
`;

describe('loading again', () => {
  it('after the require cache was emptied accepts older instances (EXP-6)', () => {
    withInstallation({ platformPackage: {} }, (installation) => {
      assert.equal(installation.run(RELOAD), `true true true ${manifest.version} false`);
    });
  });

  it('in a worker thread gives that thread classes of its own', async () => {
    const installation = new Installation({ platformPackage: {} });
    try {
      const file = path.join(installation.directory, 'worker.cjs');
      fs.writeFileSync(
        file,
        `const { MediaStream } = require('${manifest.name}');
         require('node:worker_threads').parentPort.postMessage(new MediaStream().made);`,
      );
      assert.equal(await firstMessage(new Worker(file)), true);
    } finally {
      installation.remove();
    }
  });
});

describe('the command line', () => {
  const cli = (...args) =>
    spawnSync(process.execPath, [path.join(root, manifest.bin['erizo-rs']), ...args], {
      encoding: 'utf8',
    });

  it('prints its version and its help without loading the binary', () => {
    assert.equal(cli('--version').stdout, `${manifest.version}\n`);
    assert.match(cli('--help').stdout, /^Usage: erizo-rs <command>/);
    assert.equal(cli('--help').status, 0);
  });

  it('says that selftest is not built yet', () => {
    const { status, stderr } = cli('selftest');
    assert.equal(status, 2);
    assert.match(stderr, /^erizo-rs selftest: not built yet/);
  });

  it('refuses unknown commands', () => {
    assert.equal(cli('constructor').status, 1);
    assert.equal(cli().status, 1);
  });
});

function firstMessage(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const unbuilt = fs.existsSync(localBinary()) ? false : 'no local build (npm run build)';

describe('the real addon', { skip: unbuilt }, () => {
  const entry = path.join(root, 'js', 'index.js');

  it('exports classes that throw without new and keep names and instanceof (EXP-4, EXP-5, EXP-9)', () => {
    const exported = require(entry);
    assert.deepEqual(Object.keys(exported).sort(), [...CLASS_NAMES, 'version'].sort());
    assert.equal(exported.version, manifest.version);
    checkClasses(exported, (Class) => new Class(1));
  });

  it('accepts instances of an earlier load (EXP-6)', () => {
    const output = execFileSync(process.execPath, ['-e', RELOAD, 'reload', entry], {
      encoding: 'utf8',
    });
    assert.equal(output.trim(), `true true true ${manifest.version} false`);
  });

  it('loads in a worker thread beside the main one', async () => {
    require(entry);
    const script = `
      const { ThreadPool, ConnectionDescription } = require(${JSON.stringify(entry)});
      new ThreadPool(1);
      require('node:worker_threads').parentPort.postMessage(new ConnectionDescription('{}').getProfile());`;
    const profile = await firstMessage(new Worker(script, { eval: true }));
    assert.equal(profile, 'UDP/TLS/RTP/SAVPF');
  });

  it('neither prints nor keeps the process alive (EXP-7, LIF-12)', () => {
    const run = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(entry)})`], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    const { stdout, stderr, status } = run;
    assert.deepEqual({ stdout, stderr, status }, { stdout: '', stderr: '', status: 0 });
  });
});
