'use strict';

// The package's entry: the nine classes of ErizoAPI and `version`. Only finds and loads.

const { load } = require('./binary.js');
const { publicExports } = require('./classes.js');
const { name, version } = require('../package.json');

// Licode's unit tests empty `require.cache` and load again; objects made before must go on being
// accepted (contract EXP-6), so one realm loads once per version. A worker thread has a global
// object of its own and therefore a binding of its own.
const key = Symbol.for(`${name}@${version}`);

if (!Object.hasOwn(globalThis, key)) {
  Object.defineProperty(globalThis, key, { value: publicExports(load(), version) });
}

// A fresh object: a caller who replaces a class on it (as mocks do) changes only its own load.
module.exports = { ...globalThis[key] };
