'use strict';

// `npm run test:licode -- --licode <folder>`: runs Licode's own test suites on the addon, and then
// Licode's ErizoJS with Chromium as its client. The folder is linked for that time if it is not,
// and is afterwards what it was before.

const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { LicodeLink, Problem } = require('../js/licode_link.js');
const { ensureAddon } = require('./addon.js');
const { ensureChromium } = require('./chromium.js');
const { ScriptError, main, root, run } = require('./command.js');
const { ensureDependencies } = require('./dependencies.js');

const USAGE = 'Usage: npm run test:licode -- --licode <folder> [--verbose]';

/** Seconds; one suite takes a few, the browser some minutes. */
const SUITE_LIMIT = 120;
const BROWSER_LIMIT = 15 * 60;

const TESTS = path.join('erizo_controller', 'test', 'erizoJS');

/**
 * `fails`: the cases that cannot pass, with the only message that is accepted for them. `attempts`:
 * erizoJSController.js, for which the addon is mocked, fails every few runs with any addon, even an
 * empty one, and more often on a busy machine: it looks from short timers at what chains of
 * immediates do and the next case's set-up resets. Only such a failure is worth another attempt.
 */
const SUITES = [
  {
    file: 'FullRtcPeerConnection.js',
    env: { ONLY_FULL_RTC: '1' },
    runs: 3,
    attempts: 1,
    passes: 24,
    // It compares an Error with a string (contract SCN-24).
    fails: {
      'should fail calls to its API when connection is closing':
        "expected [Error: InvalidStateError] to equal 'InvalidStateError'",
    },
  },
  { file: 'RtcPeerConnection.js', runs: 1, attempts: 1, passes: 1, fails: {} },
  { file: 'erizoJSController.js', runs: 1, attempts: 8, passes: 1, fails: {} },
];

/** What the suites and ErizoJS need of Licode's dependencies, and how to get it. */
const DEPENDENCIES = [
  'amqp', 'chai', 'chai-as-promised', 'log4js', 'mocha', 'mock-require', 'node-getopt', 'sdp-transform',
  'sinon',
];
/** Files of an installed Licode, and what they are copies of. */
const CONFIGURATION = {
  'licode_config.js': 'licode_default.js',
  'rtp_media_config.js': 'rtp_media_config_default.js',
  'bw_distributor_config.js': 'bw_distributor_config_default.js',
};

function checkPrerequisites(licode) {
  const { resolve } = createRequire(path.join(licode, TESTS, 'here.js'));
  const missing = DEPENDENCIES.filter(
    (name) => !resolve.paths(name).some((place) => fs.existsSync(path.join(place, name))),
  );
  if (missing.length > 0) {
    throw new ScriptError(
      `${licode} lacks ${missing.join(', ')}: run "npm install --ignore-scripts" in that folder,` +
        ' then what is still missing by name',
    );
  }
  for (const [name, template] of Object.entries(CONFIGURATION)) {
    if (fs.existsSync(path.join(licode, name))) continue;
    throw new ScriptError(`${licode} has no ${name}: run "cp scripts/${template} ${name}" there`);
  }
}

/** Runs one suite as often as it may need; resolves with a remark. */
async function runSuite(licode, suite, scratch, show) {
  for (let attempt = 1; ; attempt++) {
    try {
      const remark = await runOnce(licode, suite, scratch, show);
      return attempt === 1 ? remark : `${remark} at attempt ${attempt}`;
    } catch (error) {
      if (attempt >= suite.attempts || !error.isTimerRace) throw error;
    }
  }
}

/** Runs one suite; resolves with a remark, rejects with everything that is wrong. */
async function runOnce(licode, suite, scratch, show) {
  const report = path.join(scratch, 'report.json');
  const diary = path.join(scratch, 'diary.jsonl');
  for (const file of [report, diary]) fs.rmSync(file, { force: true });
  const mocha = createRequire(path.join(licode, TESTS, 'here.js')).resolve('mocha/bin/mocha');
  const options = ['--exit', '--reporter', 'json', '--reporter-option', `output=${report}`];
  options.push('--require', path.join(root, 'test', 'licode', 'diary.js'));
  const env = { ...suite.env, ERIZO_RS_DIARY: diary };
  let output = '';
  try {
    output = await run(process.execPath, [mocha, ...options, path.join(licode, TESTS, suite.file)], {
      show,
      env,
      cwd: licode,
      limit: SUITE_LIMIT,
    });
  } catch (error) {
    output = error.output ?? '';
    if (!fs.existsSync(report)) throw error; // It ended before it could report.
  }
  const { stats, passes, failures } = JSON.parse(fs.readFileSync(report, 'utf8'));
  const unexpected = failures.filter(({ title, err }) => suite.fails[title] !== err.message);
  const wrong = unexpected.map(({ fullTitle, err }) => `${fullTitle}\n  ${err.stack ?? err.message}`);
  const raced = unexpected.filter(({ err }) => /Timeout\._onTimeout|multiple times/.test(err.stack));
  const isTimerRace = raced.length > 0 && raced.length === wrong.length;
  if (stats.pending > 0) wrong.push(`${stats.pending} cases did not run`);
  if (passes.length < suite.passes) wrong.push(`only ${passes.length} cases passed`);
  wrong.push(...incidents(diary));
  if (wrong.length > 0) {
    throw Object.assign(new ScriptError(wrong.join('\n')), { output, isTimerRace });
  }
  const known = failures.length > 0 ? `, ${failures.length} failing as it must (SCN-24)` : '';
  return `${passes.length} passing${known}`;
}

/** What the addon caused beside the cases: rejections nobody handled, warnings. */
function incidents(diary) {
  if (!fs.existsSync(diary)) return [];
  return fs
    .readFileSync(diary, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ ours }) => ours)
    .map(({ what, stack }) => `${what}: ${stack}`);
}

/** Licode's programs on the addon; what needs a browser skips itself without one. */
async function runOwnTests(licode, show) {
  const { path: chromium, missing } = await ensureChromium();
  if (missing && process.env.CI) throw new ScriptError(missing); // CI must not skip silently.
  const files = fs
    .readdirSync(path.join(root, 'test', 'licode'))
    .filter((name) => name.endsWith('.licode.mjs'))
    .map((name) => path.join('test', 'licode', name));
  if (files.length === 0) throw new ScriptError('test/licode has no tests'); // node would look.
  const options = ['--test', '--test-reporter=spec', '--test-concurrency=1'];
  const output = await run(process.execPath, [...options, ...files], {
    show,
    env: { LICODE: licode, ...(chromium && { CHROMIUM: chromium }) },
    limit: BROWSER_LIMIT,
  });
  const passed = `${/^ℹ pass (\d+)$/m.exec(output)?.[1]} passing`;
  return missing ? `${passed}; SKIPPED those with a browser: ${missing}` : passed;
}

/** How the folder is linked; throws if that is something `linked` could not restore. */
function checkState(link) {
  const [first, ...others] = link.state();
  if (first.state === 'hidden' || others.some(({ state }) => state !== first.state)) {
    throw new ScriptError(`${link.root} is half linked: run "erizo-rs link" or "unlink" there first`);
  }
  return first;
}

/** Links for the time of `body`; afterwards the folder loads what it loaded before. */
async function linked(link, body) {
  const { state, target } = checkState(link);
  const changed = link.link();
  const restore = () => {
    process.off('exit', restore);
    if (state === 'linked elsewhere') new LicodeLink(link.root, { target }).link();
    else link.unlink();
  };
  if (changed) process.on('exit', restore); // Also when interrupted.
  try {
    return await body();
  } finally {
    if (changed) restore();
  }
}

async function step(name, body) {
  const start = performance.now();
  let remark = 'FAILED';
  try {
    remark = await body();
  } finally {
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(7);
    console.log(`${name.padEnd(34)} ${seconds} s  ${remark}`);
  }
}

main(async () => {
  const { values } = parseArgs({
    options: { licode: { type: 'string' }, verbose: { type: 'boolean', default: false } },
  });
  if (!values.licode) {
    console.log(`SKIPPED: no Licode folder was given. ${USAGE}`);
    return;
  }
  // npm changes to the package's folder first.
  const licode = path.resolve(process.env.INIT_CWD ?? '.', values.licode);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'erizo-rs-suites-'));
  try {
    const link = new LicodeLink(licode); // Refuses what is not Licode before anything is built.
    checkPrerequisites(link.root);
    checkState(link);
    await ensureDependencies();
    await ensureAddon({ show: values.verbose });
    await linked(link, async () => {
      for (const suite of SUITES) {
        for (let number = 1; number <= suite.runs; number++) {
          const name = suite.runs > 1 ? `${suite.file} ${number}/${suite.runs}` : suite.file;
          await step(name, () => runSuite(link.root, suite, scratch, values.verbose));
        }
      }
      await step('ErizoJS with Chromium', () => runOwnTests(link.root, values.verbose));
    });
  } catch (error) {
    throw error instanceof Problem ? new ScriptError(error.message) : error;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
});
