'use strict';

// Asks a question of a fresh Node.js process: what it loads or dies of stays there.

const { spawnSync } = require('node:child_process');

const TIMEOUT_MS = 30_000;

/**
 * Evaluates the body of a function, which sees `argument` and returns something for JSON.
 * Returns `{ value }`, or `{ error }` with what a person should know.
 */
function evaluate(body, argument, { timeout = TIMEOUT_MS } = {}) {
  const script = `
    const answer = ((argument) => { ${body} })(${JSON.stringify(argument)});
    require('node:fs').writeSync(3, JSON.stringify(answer) ?? 'null');
    process.exit(0);`;
  const { error, output, signal, status } = spawnSync(process.execPath, ['-e', script], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout,
  });
  if (error?.code === 'ETIMEDOUT') return { error: `no answer within ${timeout / 1000} s` };
  if (error) return { error: error.message };
  if (signal) return { error: `the process died of ${signal}` };
  if (status !== 0) return { error: complaint(output[2]) };
  return { value: JSON.parse(output[3]) };
}

/** The message of an uncaught error without Node.js's source line above and stack below. */
function complaint(stderr) {
  const lines = stderr.split('\n');
  const first = lines.findIndex((line) => /^(\w*Error|\S.*Error \[\w+\]|Error)\b/.test(line));
  const rest = lines.slice(Math.max(first, 0));
  const end = rest.findIndex((line) => /^\s+at |^Require stack:|^Node\.js v|^\s*$/.test(line));
  return rest.slice(0, end < 0 ? undefined : end).join('\n') || 'it failed without a message';
}

/** The version of erizo-rs that `request` loads; null for a module that is not erizo-rs. */
function loadedVersion(request) {
  const body = `
    const loaded = require(argument);
    return typeof loaded.WebRtcConnection === 'function' ? loaded.version ?? null : null;`;
  return evaluate(body, request);
}

module.exports = { evaluate, loadedVersion };
