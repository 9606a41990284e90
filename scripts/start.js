'use strict';

// `npm start`: sets up what is missing, then serves the example room until interrupted.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { ensureAddon } = require('./addon.js');
const { ScriptError, main, root } = require('./command.js');
const { ensureDependencies } = require('./dependencies.js');

const server = path.join(root, 'examples', 'room', 'server.js');

main(async () => {
  if (!fs.existsSync(server)) throw new ScriptError(`${server} is missing`);
  if (await ensureDependencies()) console.log('Installed the npm dependencies.');
  await ensureAddon({ show: true });
  const child = spawn(process.execPath, [server, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the server too; its end is ours.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
});
