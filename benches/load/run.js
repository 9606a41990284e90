'use strict';

// `npm run bench -- one2many --subscribers 20 --seconds 10`: builds the addon and the load
// generator in release form, then lets the generator measure server.js. `--help` lists its options.

const { spawn, spawnSync } = require('node:child_process');
const path = require('node:path');

const { ensureAddon } = require('../../scripts/addon.js');
const { main, root, run } = require('../../scripts/command.js');
const { ensureDependencies } = require('../../scripts/dependencies.js');

const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
const generator = path.join(target, 'release', 'erizo-load');

/** Names what is measured; `+` marks changes that are not committed. */
function commit() {
  const git = (...args) => {
    const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : '';
  };
  const hash = git('rev-parse', '--short', 'HEAD') || 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') ? `${hash}+` : hash;
}

main(async () => {
  const args = process.argv.slice(2);
  const asItIs = args.includes('--no-build');
  if (!asItIs && !args.includes('--help')) {
    process.stderr.write('Building what is missing or outdated ...\n');
    await ensureDependencies();
    await ensureAddon();
    await run('cargo', ['build', '--release', '--locked', '--package', 'erizo-load']);
  }
  const server = [process.execPath, path.join(__dirname, 'server.js')];
  const words = [...args.filter((word) => word !== '--no-build'), '--commit', commit()];
  const child = spawn(generator, [...words, '--server', ...server], { stdio: 'inherit' });
  child.once('error', (error) => {
    console.error(`${generator}: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('close', (code) => {
    process.exitCode = code ?? 1;
  });
});
