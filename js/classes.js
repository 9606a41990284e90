'use strict';

// The public face of a binding's classes. Node-API constructors can be called without `new` and
// cannot tell; contract EXP-5 wants the TypeError that a JavaScript class would throw.

const { CLASS_NAMES } = require('./binary.js');

/**
 * Wraps one native class. Instances are untouched: those made with `new`, those made by a subclass
 * and those that the binary makes itself all have the native prototype, so `instanceof` holds for
 * each of them.
 */
function classOf(native, name) {
  const wrapped = new Proxy(native, {
    apply() {
      throw new TypeError(`Class constructor ${name} cannot be invoked without 'new'`);
    },
  });
  Object.defineProperty(native, 'name', { value: name, configurable: true }); // EXP-9
  Object.defineProperty(native.prototype, 'constructor', {
    value: wrapped,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  return wrapped;
}

/**
 * The exports of this package for a loaded binding.
 *
 * @internal Tests hand in a binding of their own.
 */
function publicExports(binding, version) {
  const exported = { version };
  for (const name of CLASS_NAMES) exported[name] = classOf(binding[name], name);
  return exported;
}

module.exports = { publicExports };
