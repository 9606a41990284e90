#!/usr/bin/env node
'use strict';

// The command line: finds the command, prints its failure, sets the exit code.

const { name, version } = require('../package.json');

/** `run(parameters)` answers with the exit code, or with a promise of it. */
const COMMANDS = {
  link: {
    usage: 'link <licode folder>',
    what: 'put the addon where ErizoJS looks for it',
    run: (parameters) => require('./link_command.js').link(parameters),
  },
  unlink: {
    usage: 'unlink <licode folder>',
    what: 'restore what was there before link',
    run: (parameters) => require('./link_command.js').unlink(parameters),
  },
  doctor: {
    usage: 'doctor [licode folder]',
    what: 'check whether this machine can run the addon well',
    run: (parameters) => require('./doctor.js').doctor(parameters),
  },
  selftest: {
    usage: 'selftest',
    what: 'push media through the addon and measure (not built yet)',
    run() {
      console.error(`${name} selftest: not built yet`);
      return 2;
    },
  },
};

const HELP = `Usage: ${name} <command>

Commands:
${Object.values(COMMANDS)
  .map(({ usage, what }) => `  ${usage.padEnd(24)} ${what}`)
  .join('\n')}

Options of doctor, where no licode_config.js says it:
  --ports <min>-<max>      the UDP ports that the addon may use
  --interface <name>       the network interface that it may use

Options:
  --help                   show this text
  --version                print the version
`;

async function run([command, ...parameters]) {
  if (command === '--version' || command === '-v') {
    console.log(version);
    return 0;
  }
  if (command === '--help' || command === '-h') {
    process.stdout.write(HELP);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, command ?? '')) {
    console.error(command === undefined ? HELP : `${name}: unknown command ${command}\n\n${HELP}`);
    return 1;
  }
  try {
    return await COMMANDS[command].run(parameters);
  } catch (error) {
    const { Problem } = require('./licode_link.js');
    console.error(error instanceof Problem ? `${name} ${command}: ${error.message}` : error);
    return 1;
  }
}

run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
