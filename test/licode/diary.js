'use strict';

// Loaded before a program of Licode: notes what goes wrong beside its own results, and whether the
// addon caused it. Each entry is a line of JSON in the file that ERIZO_RS_DIARY names.

const fs = require('node:fs');
const path = require('node:path');

const file = process.env.ERIZO_RS_DIARY;
const root = path.join(__dirname, '..', '..');

/** Frames of Licode's and Node.js's own code. */
const isFrame = (line) => /^\s+at /.test(line);

/** What comes out of the binary has no frame; what comes out of the package has one in js/. */
function isOurs(stack) {
  const frames = stack.split('\n').filter(isFrame);
  return frames.length === 0 || frames.some((frame) => frame.includes(path.join(root, 'js')));
}

function note(what, error) {
  const stack = error instanceof Error ? error.stack : String(error);
  fs.appendFileSync(file, `${JSON.stringify({ what, stack, ours: isOurs(stack) })}\n`);
}

process.on('unhandledRejection', (reason) => note('unhandled rejection', reason));
process.on('uncaughtExceptionMonitor', (error) => note('uncaught exception', error));
process.on('warning', (warning) => note(warning.name, warning));

module.exports = { note };
