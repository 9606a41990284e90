'use strict';

// Runs the cases of one class and kind in this process. Each case is announced before it runs, with
// a write that is done when it returns: whatever ends the process is then the case announced last.
//
// node batch.js <class> <kind> [first case]

const fs = require('node:fs');

const { allows, promised } = require('./declarations.js');
const { KINDS, classes } = require('./cases.js');
const { erizo, newConnection } = require('../api/support.js');

const [name, kind, first = '0'] = process.argv.slice(2);
const say = (mark, text) => fs.writeSync(1, `${mark} ${text.replace(/\s+/g, ' ').slice(0, 400)}\n`);

/** A promise of the addon settles within this time (contract LIF-8). */
const SETTLE_MS = 5000;
/** After close() these look at their arguments all the same: they need a function. */
const STILL_CHECKED = new Set(['close', 'getStats']);
/** Classes whose methods are without effect after close(). */
const INERT = /^(WebRtcConnection|MediaStream|OneToManyProcessor|External|Synthetic)/;

/** Errors that say what is wrong: ours name the argument, and these need no name. */
const CLEAR = [
  /^the argument "\w+" /, // ours
  /^too many arguments; expected |^mediaConfiguration\.\w+ must be /,
  / is not built yet in erizo-rs /,
  /^mine$/, // thrown by the value itself
  /Cannot convert .* to (a |an )?\w+|^Invalid string length$/, // ECMAScript's own conversions
  /'(get|apply|construct|getPrototypeOf)' on (a )?proxy|revoked/,
  /^Illegal invocation$|not a constructor|Cannot be called with|cannot be invoked without 'new'/,
];

const isClear = (error) => error instanceof Error && CLEAR.some((clear) => clear.test(error.message));

let current = 'start-up';
let count = 0;
const fail = (why) => say('FAIL', `${current}: ${why}`);
process.on('uncaughtException', (error) => {
  // A callback that throws, or cannot be called at all (LIF-5).
  if (!isClear(error)) fail(`uncaught ${error?.stack ?? error}`);
});
process.on('unhandledRejection', (reason) => {
  if (!isClear(reason)) fail(`unhandled rejection ${reason?.stack ?? reason}`);
});

function checkError(error, { throws }) {
  if (!(error instanceof Error)) return fail(`threw ${String(error)}`);
  if (!isClear(error)) fail(`unclear ${error.name}: ${error.message}`);
  if (throws && error.name !== 'TypeError') fail(`threw ${error.name}`);
  return undefined;
}

async function settled(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ late: true }), SETTLE_MS);
  });
  const outcome = await Promise.race([
    promise.then((value) => ({ value }), (error) => ({ error })),
    late,
  ]);
  clearTimeout(timer);
  return outcome;
}

async function runCase({ run, closed, throws = false }) {
  const scene = [];
  let returned;
  try {
    returned = run(scene);
  } catch (error) {
    checkError(error, { throws });
    const quiet = closed && INERT.test(name) && !STILL_CHECKED.has(closed);
    if (quiet) fail(`throws after close(): ${error.message}`);
  }
  if (returned) {
    const { type, value } = returned;
    if (throws) fail('did not throw');
    if (type && !allows(type, value, erizo)) fail(`returned ${String(value)}, not ${type.getText()}`);
    if (value instanceof Promise) {
      const outcome = await settled(value);
      if (outcome.late) fail('the promise does not settle');
      else if (outcome.error) {
        if (!(outcome.error instanceof Error) || !outcome.error.message) fail(`rejected with ${String(outcome.error)}`);
        if (closed) fail(`rejects after close(): ${outcome.error.message}`);
      } else {
        const inner = type && promised(type);
        if (inner && !allows(inner, outcome.value, erizo)) fail(`resolved ${String(outcome.value)}`);
        if (closed && outcome.value !== '') fail(`resolved ${String(outcome.value)} after close()`);
      }
    } else if (closed && INERT.test(name) && value !== undefined && !Array.isArray(value)) {
      fail(`returned ${String(value)} after close()`);
    }
  }
  for (const object of scene.reverse()) {
    try {
      Promise.resolve(object.close?.()).catch(() => {});
    } catch {
      // An impostor's close() throws.
    }
  }
}

/** For the test of the runner. */
function* deadly() {
  yield { label: 'aborts', run: () => process.abort() };
  yield { label: 'is good', run: () => ({ value: 1 }) };
  yield { label: 'exits', run: () => process.exit(3) };
  yield { label: 'loops', run: () => { for (;;); } };
  yield { label: 'throws', run: () => { throw 'text'; } };
}

async function main() {
  const declaration = classes.find((one) => one.name === name);
  let index = -1;
  for (const one of kind === 'deadly' ? deadly() : KINDS[kind](declaration)) {
    index += 1;
    if (index < Number(first)) continue;
    current = one.label;
    say('CASE', `${index} ${current}`);
    await runCase(one);
    count += 1;
    // Callbacks and events of the case belong to it.
    if (count % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  current = 'the end';
  // Whatever was done to it, the addon still works.
  const connection = newConnection();
  if ((await connection.createOffer(true)) !== '') fail('createOffer');
  if ((await connection.close()) !== 'webrtcconnection_closed') fail('close');
  if (new erizo.ConnectionDescription().getProfile() !== 'UDP/TLS/RTP/SAVPF') fail('getProfile');
  say('DONE', `${count}`);
}

main();
