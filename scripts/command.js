'use strict';

// Runs other programs for the scripts beside this file. They run on a fresh checkout, before any
// npm dependency exists: Node.js itself is all they may use.

const { spawn, spawnSync } = require('node:child_process');
const path = require('node:path');

/** The checkout. */
const root = path.join(__dirname, '..');

/** A failure that a person can act on: printed without a stack. */
class ScriptError extends Error {}

/** Children by process group, so that what they started ends with them. */
const running = new Set();
const SIGNALS = ['SIGINT', 'SIGTERM'];

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

function interrupted() {
  for (const child of running) endGroup(child);
  process.exit(1);
}

/** Signals are ours only while something runs; the room server handles its own. */
function watch(child) {
  if (running.size === 0) for (const signal of SIGNALS) process.on(signal, interrupted);
  running.add(child);
}

function unwatch(child) {
  running.delete(child);
  if (running.size === 0) for (const signal of SIGNALS) process.off(signal, interrupted);
}

/**
 * Runs a program, in the checkout unless `cwd` says otherwise; resolves with what it printed,
 * rejects if it fails or takes longer than `limit` seconds. `show` passes its output through as it
 * comes.
 */
function run(program, args, { cwd = root, env, show = false, limit } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      detached: true, // Its own process group, see `endGroup`.
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    watch(child);
    const chunks = [];
    const keep = (to) => (chunk) => {
      chunks.push(chunk);
      if (show) to.write(chunk);
    };
    child.stdout.on('data', keep(process.stdout));
    child.stderr.on('data', keep(process.stderr));
    let late = false;
    const timer = limit && setTimeout(() => {
      late = true;
      endGroup(child);
    }, limit * 1000);
    const fail = (reason) => {
      const output = show ? '' : Buffer.concat(chunks).toString();
      reject(Object.assign(new ScriptError(reason), { output }));
    };
    child.once('error', (error) => {
      unwatch(child);
      clearTimeout(timer);
      fail(error.code === 'ENOENT' ? `${program} is not installed` : error.message);
    });
    child.once('close', (code, signal) => {
      unwatch(child);
      clearTimeout(timer);
      if (code === 0) return resolve(Buffer.concat(chunks).toString());
      const command = `${path.basename(program)} ${args.join(' ')}`;
      if (late) return fail(`${command} was ended after ${limit} s`);
      fail(`${command} ${signal ? `was ended by ${signal}` : `failed with exit code ${code}`}`);
    });
  });
}

/** Runs npm, preferably the one that runs us. */
function npm(args, options) {
  const { npm_execpath: self } = process.env;
  return self && /\.c?js$/.test(self)
    ? run(process.execPath, [self, ...args], options)
    : run('npm', args, options);
}

/** Whether a program can be started at all. */
function exists(program, args = ['--version']) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** Runs a script's main function and turns its failure into an exit code. */
async function main(body) {
  try {
    await body();
  } catch (error) {
    if (error.output) process.stderr.write(`${error.output.trimEnd()}\n\n`);
    console.error(error instanceof ScriptError ? error.message : error);
    process.exitCode = 1;
  }
}

module.exports = { ScriptError, exists, main, npm, root, run };
