'use strict';

// Finds and loads the native binary. Everything that can go wrong here goes wrong on somebody
// else's machine, so every attempt is remembered with its cause and the fix.

const fs = require('node:fs');
const path = require('node:path');

const manifest = require('../package.json');

/** The classes that the binary exports, in the contract's order (EXP-4). */
const CLASS_NAMES = Object.freeze([
  'WebRtcConnection',
  'MediaStream',
  'OneToManyProcessor',
  'ExternalInput',
  'ExternalOutput',
  'SyntheticInput',
  'ThreadPool',
  'IOThreadPool',
  'ConnectionDescription',
]);

/** `process.report` names the C library it runs on only if that is glibc. */
function usesGlibc() {
  const { report } = process;
  const { excludeNetwork } = report;
  report.excludeNetwork = true; // Otherwise it looks up the name of every open socket's peer.
  try {
    return Boolean(report.getReport().header.glibcVersionRuntime);
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/** This machine in the words of napi-rs: `linux-x64-gnu`, `darwin-arm64`, ... */
function platformName() {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${base}-${usesGlibc() ? 'gnu' : 'musl'}` : base;
}

/** Where `npm run build` puts the binary of this machine. */
function localBinary(platform = platformName()) {
  return path.join(__dirname, `erizo.${platform}.node`);
}

/** The places to look, best first. */
function candidates(platform = platformName()) {
  return [
    {
      what: `local build js/${path.basename(localBinary(platform))}`,
      load: () => {
        const file = localBinary(platform);
        if (!fs.existsSync(file)) throw fault('NOT_THERE', `${file} does not exist`);
        return require(file);
      },
      ifMissing: 'in a checkout, run "npm run build" (needs Rust, nothing else)',
    },
    {
      what: `package ${manifest.name}-${platform}`,
      load: () => {
        const name = `${manifest.name}-${platform}`;
        const { version } = requirePackage(`${name}/package.json`, name);
        if (version !== manifest.version) {
          throw fault(
            'OTHER_VERSION',
            `it has version ${version}, but ${manifest.name} has ${manifest.version}`,
          );
        }
        return require(name);
      },
      ifMissing:
        `run "npm install --include=optional ${manifest.name}@${manifest.version}"` +
        ' (it is an optional dependency: --omit=optional and lock files made on another' +
        ' platform leave it out)',
    },
  ];
}

function requirePackage(request, name) {
  try {
    return require(request);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw fault('NOT_THERE', `${name} is not installed`);
  }
}

function fault(code, message) {
  return Object.assign(new Error(message), { code });
}

/** What a person can do about one failed attempt. */
function fixFor(error, candidate) {
  const text = error.message;
  if (error.code === 'NOT_THERE') return candidate.ifMissing;
  if (error.code === 'OTHER_VERSION') {
    return `run "npm install" again so that both have version ${manifest.version}`;
  }
  if (error.code === 'OTHER_EXPORTS' || /did not self-register/.test(text)) {
    return 'it is an old build, or one without the feature "node": run "npm run build" again';
  }
  const libc = /version `?(GLIBC(?:XX)?_[\d.]+)'? not found/.exec(text);
  if (libc) {
    return `this system is too old for the binary (it wants ${libc[1]}): build it here with "npm run build"`;
  }
  if (/invalid ELF header|wrong ELF class|not a mach-o|incompatible architecture|Exec format|not a valid Win32|file too short/i.test(text)) {
    return 'the file is damaged or made for another kind of machine: delete it and build or install again';
  }
  const library = /(\S+\.so[\w.]*): cannot open shared object file/.exec(text);
  if (library) {
    return `the system library ${library[1]} is missing: install the package that contains it`;
  }
  if (/undefined symbol|symbol not found/i.test(text)) {
    return `use Node.js 20 or later (this is ${process.version})`;
  }
  return 'delete it and build or install again; if it still fails, report this message';
}

function checkExports(binding) {
  const missing = CLASS_NAMES.filter((name) => typeof binding?.[name] !== 'function');
  if (missing.length > 0) throw fault('OTHER_EXPORTS', `it lacks ${missing.join(', ')}`);
  return binding;
}

/**
 * Loads the first candidate that works.
 *
 * @internal The parameter is there for tests: objects with `what` (shown to people), `load()`
 * (returns the binding or throws) and `ifMissing` (the fix for a thrown `code: 'NOT_THERE'`).
 */
function load(places = candidates()) {
  const attempts = [];
  for (const candidate of places) {
    try {
      return checkExports(candidate.load());
    } catch (error) {
      attempts.push({ candidate, error });
    }
  }
  const lines = attempts.map(({ candidate, error }, index) =>
    [
      `  ${index + 1}. ${candidate.what}`,
      `     cause: ${error.message.replace(/\s*\n\s*/g, '; ')}`,
      `     fix:   ${fixFor(error, candidate)}`,
    ].join('\n'),
  );
  const where = `${platformName()}, Node.js ${process.version}, ${manifest.name} ${manifest.version}`;
  const failure = new Error(
    `${manifest.name} cannot load its native binary (${where}). Tried:\n${lines.join('\n')}`,
  );
  failure.code = 'ERR_BINARY_NOT_LOADED';
  // Not enumerable: when nobody catches this, Node.js prints enumerable members below the message.
  Object.defineProperty(failure, 'causes', { value: attempts.map(({ error }) => error) });
  throw failure;
}

module.exports = { CLASS_NAMES, candidates, load, localBinary, platformName };
