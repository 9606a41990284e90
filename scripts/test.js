'use strict';

// `npm test`: sets up what is missing, then runs every check there is, cheapest first. Stops at
// the first failure and shows that step's output; `--verbose` shows all output as it comes.

const fs = require('node:fs');
const path = require('node:path');

const { checkTypes, ensureAddon } = require('./addon.js');
const { ensureChromium } = require('./chromium.js');
const { ScriptError, main, root, run } = require('./command.js');
const { ensureDependencies } = require('./dependencies.js');

const show = process.argv.includes('--verbose');

/** No step may hang a machine for good; the slowest takes a few minutes with nothing cached. */
const LIMIT_SECONDS = 20 * 60;
/** One test, and also one file of tests: node applies it to both. */
const TEST_TIMEOUT_MS = 300_000;

/** What the steps hand on to later ones, and the tests counted so far. */
const state = { chromium: null, passed: 0, failed: 0, skipped: 0 };

const cargo = (...args) => (env) =>
  run('cargo', args, { show, limit: LIMIT_SECONDS, env: { CARGO_TERM_COLOR: 'never', ...env } });

/** In the order of running. A step may resolve with a remark for the table. */
const STEPS = [
  {
    name: 'set-up: npm dependencies',
    run: async () => ((await ensureDependencies()) ? 'installed' : 'already there'),
  },
  {
    name: 'set-up: Chromium',
    run: async () => {
      state.chromium = await ensureChromium();
      return state.chromium.path ?? state.chromium.missing;
    },
  },
  { name: 'format', run: () => quiet(cargo('fmt', '--check')()) },
  {
    name: 'clippy',
    run: () => quiet(cargo('clippy', '--locked', '--all-targets', '--', '-D', 'warnings')()),
  },
  {
    name: 'engine without Node',
    run: () => quiet(cargo('check', '--locked', '--no-default-features')()),
  },
  {
    name: 'Rust documentation',
    run: () => quiet(cargo('doc', '--locked', '--no-deps')({ RUSTDOCFLAGS: '-D warnings' })),
  },
  { name: 'Rust tests', run: async () => count(await cargo('test', '--locked')()) },
  {
    name: 'set-up: addon',
    run: async () => ((await ensureAddon({ show })) ? 'built' : 'up to date'),
  },
  {
    name: 'typings',
    run: async () => {
      checkTypes();
      const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      await run(process.execPath, [tsc, '--project', path.join('test', 'types')], { show });
    },
  },
  {
    name: 'Node tests',
    run: async () => count(await nodeTests(testFiles().filter((file) => !isBrowserTest(file)))),
  },
  {
    name: 'browser tests',
    run: async () => {
      const files = testFiles().filter(isBrowserTest);
      const { path: chromium, missing } = state.chromium;
      if (missing && process.env.CI) throw new ScriptError(missing); // CI must not skip silently.
      if (missing) return `SKIPPED ${files.length} files: ${missing}`;
      return count(await nodeTests(files, { CHROMIUM: chromium }));
    },
  },
];

/** Drops what a step printed: it has nothing to say when it succeeds. */
async function quiet(output) {
  await output;
}

/** All test files below test/, as paths in the checkout. */
function testFiles(directory = 'test') {
  return fs
    .readdirSync(path.join(root, directory), { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.join(directory, entry.name);
      if (entry.isDirectory()) return testFiles(file);
      return /\.test\.[cm]?js$/.test(entry.name) ? [file] : [];
    })
    .sort();
}

/** Files that drive Chromium import playwright, or the launcher in test/interop/browser.mjs. */
function isBrowserTest(file) {
  return /playwright|\bbrowser\.[cm]?js\b/.test(fs.readFileSync(path.join(root, file), 'utf8'));
}

async function nodeTests(files, env) {
  if (files.length === 0) return ''; // Without files node would look for some itself.
  const options = ['--test', '--test-reporter=spec', `--test-timeout=${TEST_TIMEOUT_MS}`];
  // One file at a time: the tests measure times, and this runs on small machines.
  options.push('--test-concurrency=1');
  return run(process.execPath, [...options, ...files], { show, env, limit: LIMIT_SECONDS });
}

/** Adds up the closing lines of cargo's and node's test runners. */
function count(output) {
  const sum = (...patterns) =>
    patterns
      .flatMap((pattern) => [...output.matchAll(pattern)])
      .reduce((total, [, number]) => total + Number(number), 0);
  const passed = sum(/^test result: .*? (\d+) passed/gm, /^ℹ pass (\d+)$/gm);
  const failed = sum(/^test result: .*? (\d+) failed/gm, /^ℹ fail (\d+)$/gm);
  const skipped = sum(/^test result: .*? (\d+) ignored/gm, /^ℹ skipped (\d+)$/gm);
  state.passed += passed;
  state.failed += failed;
  state.skipped += skipped;
  return `${passed} passed${skipped ? `, ${skipped} skipped` : ''}`;
}

function printRow(name, seconds, remark) {
  console.log(`${name.padEnd(26)} ${seconds.toFixed(1).padStart(7)} s  ${remark}`);
}

main(async () => {
  const begin = performance.now();
  for (const step of STEPS) {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    if (process.stdout.isTTY && !show) process.stdout.write(`${step.name} ...\r`);
    try {
      const remark = await step.run();
      printRow(step.name, seconds(), remark ?? 'ok');
    } catch (error) {
      if (error.output) count(error.output);
      printRow(step.name, seconds(), 'FAILED');
      console.log(`${state.passed} passed, ${state.failed} failed, ${state.skipped} skipped\n`);
      throw error instanceof ScriptError ? error : new ScriptError(error.stack);
    }
  }
  printRow('all', (performance.now() - begin) / 1000, 'ok');
  console.log(`${state.passed} passed, ${state.failed} failed, ${state.skipped} skipped`);
});
