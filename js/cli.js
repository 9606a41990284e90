#!/usr/bin/env node
'use strict';

const { name, version } = require('../package.json');

const PLANNED = {
  link: 'put the addon where a Licode checkout looks for it',
  unlink: 'undo link',
  doctor: 'check whether this machine can run the addon well',
  selftest: 'push media through the addon and print what was measured',
};

const HELP = `Usage: ${name} <command>

Options:
  --help       show this text
  --version    print the version

Commands (not built yet):
${Object.entries(PLANNED)
  .map(([command, what]) => `  ${command.padEnd(10)} ${what}`)
  .join('\n')}
`;

function run(argument) {
  if (argument === '--version' || argument === '-v') {
    console.log(version);
    return 0;
  }
  if (argument === '--help' || argument === '-h') {
    process.stdout.write(HELP);
    return 0;
  }
  if (Object.hasOwn(PLANNED, argument ?? '')) {
    console.error(`${name} ${argument}: not built yet (README.md says how to do it by hand)`);
    return 2;
  }
  console.error(argument === undefined ? HELP : `${name}: unknown command ${argument}\n\n${HELP}`);
  return 1;
}

process.exitCode = run(process.argv[2]);
