'use strict';

// `erizo-rs doctor`: runs the checks in order and prints what they found, with a remedy for each
// problem. What a Licode folder says comes from its licode_config.js.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const checks = require('./doctor_checks.js');
const { evaluate, loadedVersion } = require('./child.js');
const { LicodeLink, Problem, packageRoot } = require('./licode_link.js');
const { name, version } = require('../package.json');

/** What ErizoJS assumes for what its configuration does not say (contract 7.4). */
const DEFAULTS = { minPort: 0, maxPort: 0, networkInterface: '', workers: 24, processes: 1 };

const LEVELS = { ok: 'ok', warning: 'WARNING', problem: 'PROBLEM' };

/** Settings from the command line; `says` tells where a person changes one. */
function settingsOf({ ports, interface: device }) {
  const settings = { ...DEFAULTS, says: (what) => SAYS_OPTION[what] };
  if (device !== undefined) settings.networkInterface = device;
  if (ports !== undefined) {
    const range = /^(\d+)-(\d+)$/.exec(ports);
    if (!range) throw new Problem('--ports wants two numbers: --ports 30000-30100');
    [settings.minPort, settings.maxPort] = [Number(range[1]), Number(range[2])];
  }
  return settings;
}

const SAYS_OPTION = { ports: '--ports', networkInterface: '--interface' };
const SAYS_CONFIG = {
  ports: 'config.erizo.minport and maxport',
  networkInterface: 'config.erizo.networkinterface',
};

/** Adds what licode_config.js says; the command line wins. Resolves with a finding. */
function readConfiguration(root, settings, options) {
  const what = 'licode_config.js';
  const file = path.join(root, what);
  if (!fs.existsSync(file)) {
    const remedy = 'copy scripts/licode_default.js there and fill it in';
    return checks.problem(what, 'it is missing: ErizoJS will not start', remedy);
  }
  // It is a program: it runs in a process of its own.
  const { value, error } = evaluate(
    `const { erizo = {}, erizoAgent = {} } = require(argument);
     return {
       minPort: erizo.minport, maxPort: erizo.maxport, workers: erizo.numWorkers,
       networkInterface: erizo.networkinterface, processes: erizoAgent.maxProcesses,
       publicIp: erizoAgent.publicIP ?? '',
     };`,
    file,
  );
  if (error) return checks.problem(what, error, 'correct the file: ErizoJS will not start');
  const given = (key) => value[key] !== undefined && value[key] !== null && value[key] !== '';
  for (const key of ['minPort', 'maxPort', 'workers', 'processes']) {
    if (given(key) && Number(value[key]) !== 0) settings[key] = Number(value[key]);
  }
  settings.publicIp = value.publicIp;
  if (given('networkInterface')) settings.networkInterface = value.networkInterface;
  settings.says = (key) => SAYS_CONFIG[key];
  if (options.ports !== undefined || options.interface !== undefined) {
    const { says, ...chosen } = settingsOf(options);
    if (options.ports !== undefined) Object.assign(settings, pick(chosen, ['minPort', 'maxPort']));
    if (options.interface !== undefined) settings.networkInterface = chosen.networkInterface;
  }
  return checks.ok(what, 'read');
}

function pick(object, keys) {
  return Object.fromEntries(keys.map((key) => [key, object[key]]));
}

/** How the folder is linked, and what ErizoJS really gets there. */
function examineLink(root) {
  const link = new LicodeLink(root);
  const command = `${name} link ${root}`;
  return link.state().map(({ slot, state, target, hiddenBy, found }) => {
    const what = `shim ${slot}`;
    if (state === 'hidden') {
      const remedy = `run "${command}": it moves that aside again`;
      return checks.problem(what, `Node.js prefers ${hiddenBy.join(', ')} to it`, remedy);
    }
    if (state === 'not linked') {
      const instead = found.length > 0 ? `; ${found.join(', ')} is there` : '';
      return checks.problem(what, `not linked${instead}`, `run "${command}"`);
    }
    const { value, error } = loadedVersion(path.join(root, 'erizoAPI', 'build', 'Release', slot));
    if (value === version && state === 'linked') return checks.ok(what, `loads ${packageRoot}`);
    if (value) {
      const found = `loads ${target}, version ${value}`;
      return checks.warning(what, found, `if this copy is meant, run "${command}"`);
    }
    const why = error ?? `it is not ${name}`;
    return checks.problem(what, `${target} does not load: ${why}`, `run "${command}"`);
  });
}

/** Returns the exit code: 1 with a problem, 0 without. Warnings do not count. */
async function doctor(parameters, print = console.log) {
  const { folder, options } = parse(parameters);
  const settings = settingsOf(options);
  const findings = [];
  const report = (...found) => {
    findings.push(...found);
    for (const finding of found) print(lineOf(finding));
  };
  report(...checks.nodeVersion(settings), ...checks.binary(settings));
  if (folder !== undefined) {
    const { root } = new LicodeLink(folder);
    report(...examineLink(root), readConfiguration(root, settings, options));
  }
  for (const check of ['interfaces', 'ports', 'loopback', 'socketBuffers', 'descriptors', 'clock']) {
    report(...(await checks[check](settings)));
  }
  const problems = findings.filter(({ level }) => level === 'problem').length;
  print(problems === 0 ? 'No problem was found.' : `${problems} to settle.`);
  return problems === 0 ? 0 : 1;
}

function lineOf({ level, name: what, found, remedy }) {
  const text = found.replaceAll('\n', '\n  ');
  const line = `${LEVELS[level].padEnd(8)} ${what}: ${text}`;
  return remedy ? `${line}\n         remedy: ${remedy}` : line;
}

function parse(parameters) {
  try {
    const { values, positionals } = parseArgs({
      args: parameters,
      allowPositionals: true,
      options: { ports: { type: 'string' }, interface: { type: 'string' } },
    });
    if (positionals.length > 1) throw new Error('one folder at most');
    return { folder: positionals[0], options: values };
  } catch (error) {
    throw new Problem(
      `${error.message}. Usage: ${name} doctor [licode folder] [--ports 30000-30100]` +
        ' [--interface eth0]',
    );
  }
}

module.exports = { doctor };
