'use strict';

// All misuse cases of one class and kind, as `{ label, run(scene) -> { type, value }, closed }`.
// `run` throws or returns; `type` is the declared type of what it returns.

const { classes } = require('./declarations.js');
const { ACTING, EXTREME, FOREIGN, HOSTILE, WRONG, good, make } = require('./values.js');
const { erizo } = require('../api/support.js');

/** What can be called on a class: the constructor, static methods and methods. */
function callables(declaration) {
  const { name } = declaration;
  const constructor = {
    label: `new ${name}`,
    parameters: declaration.parameters,
    call: (scene, args) => {
      const object = new erizo[name](...args);
      scene.push(object);
      return { value: object };
    },
  };
  const methods = declaration.methods.map((method) => ({
    label: `${name}.${method.name}`,
    method: method.name,
    isStatic: method.isStatic,
    parameters: method.parameters,
    returns: method.returns,
    call: (scene, args, object = method.isStatic ? erizo[name] : make(name, scene)) => ({
      type: method.returns,
      value: object[method.name](...args),
    }),
  }));
  return [constructor, ...methods];
}

const goods = (callable, scene) => callable.parameters.map((parameter) => good(parameter, scene));

/** `values` in each place with good arguments around it, and in all places at once. */
function* substituted(callable, values) {
  const { label, parameters, call } = callable;
  for (const [what, value] of values) {
    for (let place = 0; place < parameters.length; place += 1) {
      yield {
        label: `${label}(${parameters[place].name} = ${what})`,
        run: (scene) => call(scene, goods(callable, scene).with(place, value(scene))),
      };
    }
    const count = Math.max(parameters.length, 1); // Methods without parameters get one, too.
    yield {
      label: `${label}(all ${what})`,
      run: (scene) => call(scene, Array.from({ length: count }, () => value(scene))),
    };
  }
}

const KINDS = {
  /** Every prefix of good arguments, and more than there are. */
  *few(declaration) {
    for (const callable of callables(declaration)) {
      const { label, parameters, call } = callable;
      for (let count = 0; count <= parameters.length; count += 1) {
        yield {
          label: `${label} with ${count} of ${parameters.length} arguments`,
          run: (scene) => call(scene, goods(callable, scene).slice(0, count)),
        };
      }
      for (const [what, filler] of [['undefined', undefined], ['null', null], ['{}', {}]]) {
        yield { label: `${label} with 1000 x ${what}`, run: (scene) => call(scene, Array(1000).fill(filler)) };
      }
      yield {
        label: `${label} with good arguments and 1000 more`,
        run: (scene) => call(scene, [...goods(callable, scene), ...Array(1000).fill('more')]),
      };
    }
  },

  *wrong(declaration) {
    for (const callable of callables(declaration)) yield* substituted(callable, WRONG);
  },

  *hostile(declaration) {
    for (const callable of callables(declaration)) yield* substituted(callable, HOSTILE);
  },

  *extreme(declaration) {
    for (const callable of callables(declaration)) yield* substituted(callable, EXTREME);
  },

  *foreign(declaration) {
    for (const callable of callables(declaration)) yield* substituted(callable, FOREIGN);
  },

  /** Methods on a receiver that is none. */
  *receiver(declaration) {
    const receivers = [...WRONG, ...FOREIGN];
    for (const callable of callables(declaration)) {
      if (!callable.method || callable.isStatic) continue;
      const method = erizo[declaration.name].prototype[callable.method];
      for (const [what, value] of receivers) {
        yield {
          label: `${callable.label} on ${what}`,
          run: (scene) => ({
            type: callable.returns,
            value: Reflect.apply(method, value(scene), goods(callable, scene)),
          }),
        };
      }
    }
    for (const [what, value] of receivers) {
      yield {
        label: `${declaration.name} as a function on ${what}`,
        run: () => ({ value: Reflect.apply(erizo[declaration.name], value([]), []) }),
        throws: true,
      };
      yield {
        label: `new ${declaration.name} for ${what}`,
        run: (scene) => ({ value: Reflect.construct(erizo[declaration.name], [], value(scene)) }),
      };
    }
  },

  /** Arguments whose conversion closes the object, or calls the same method of it again. */
  *reentrant(declaration) {
    for (const callable of callables(declaration)) {
      const { label, parameters, method, isStatic, call } = callable;
      const acts = { closes: (object) => object.close?.() };
      if (method && !isStatic) acts['calls again'] = (object, args) => object[method](...args);
      for (const [does, act] of Object.entries(acts)) {
        for (const [what, build] of Object.entries(ACTING)) {
          for (let place = 0; place < parameters.length; place += 1) {
            yield {
              label: `${label}(${parameters[place].name} = ${what} that ${does})`,
              run: (scene) => {
                const args = goods(callable, scene);
                const object = method && !isStatic ? make(declaration.name, scene) : scene[0] ?? {};
                let deep = 0;
                const value = build(() => {
                  deep += 1;
                  if (deep < 3) act(object, args);
                  return '1';
                });
                return call(scene, args.with(place, value), method && !isStatic ? object : undefined);
              },
            };
          }
        }
      }
    }
  },

  /** Everything after close() (contract table 1.4). */
  *closed(declaration) {
    for (const callable of callables(declaration)) {
      const { label, method, isStatic, parameters, call } = callable;
      if (!method || isStatic) continue;
      const onClosed = (argumentsOf) => (scene) => {
        const object = make(declaration.name, scene);
        const closing = object.close();
        if (closing instanceof Promise) closing.catch(() => {});
        return call(scene, argumentsOf(scene), object);
      };
      yield { label: `${label} after close()`, run: onClosed(() => []), closed: method };
      yield {
        label: `${label} after close() with good arguments`,
        run: onClosed((scene) => goods(callable, scene)),
        closed: method,
      };
      for (const [what, value] of [...WRONG, ...HOSTILE]) {
        yield {
          label: `${label}(all ${what}) after close()`,
          run: onClosed((scene) => Array.from({ length: Math.max(parameters.length, 1) }, () => value(scene))),
          closed: method,
        };
      }
    }
  },
};

module.exports = { KINDS, callables, classes };
