'use strict';

// `doctor` finds what is wrong and says what to do about it; each check is shown a machine that is
// not this one, and the command runs on this one.

const assert = require('node:assert/strict');
const dgram = require('node:dgram');
const path = require('node:path');
const { describe, it } = require('node:test');

const checks = require('../../js/doctor_checks.js');
const { LicodeLink } = require('../../js/licode_link.js');
const { RELEASE, cli, licodeFolder, manifest, write } = require('./support.js');

const SETTINGS = {
  minPort: 0,
  maxPort: 0,
  networkInterface: '',
  workers: 24,
  processes: 1,
  says: (what) => `the setting ${what}`,
};

const address = (text, internal = false) => ({ address: text, family: 'IPv4', internal });
const LO = { lo: [address('127.0.0.1', true), { address: '::1', family: 'IPv6', internal: true }] };

/** The only finding of a check; one that is not ok has a remedy. */
async function only(check, settings = {}, machine = undefined) {
  const findings = await checks[check]({ ...SETTINGS, ...settings }, machine);
  assert.equal(findings.length, 1, JSON.stringify(findings));
  const [finding] = findings;
  assert.equal(finding.level === 'ok', finding.remedy === undefined, JSON.stringify(finding));
  return finding;
}

/** Rows of: what, check, settings, machine, level, what is said. */
const TABLE = [
  ['an old Node.js', 'nodeVersion', {}, { node: '18.19.0' }, 'problem', /18\.19\.0[^]*Node\.js 20/],
  ['the oldest Node.js', 'nodeVersion', {}, { node: '20.0.0' }, 'ok', /20\.0\.0/],
  ['a new Node.js', 'nodeVersion', {}, { node: '124.1.0' }, 'ok', /124/],
  ['a binary that loads', 'binary', {}, { load: () => ({ value: manifest.version }) }, 'ok', /loads/],
  ['a binary that dies', 'binary', {}, { load: () => ({ error: 'died of SIGILL' }) }, 'problem',
    /SIGILL[^]*install erizo-rs again/],
  ['an older binary', 'binary', {}, { load: () => ({ value: '0.0.1' }) }, 'problem', /0\.0\.1/],
  ['a public address', 'interfaces', {}, { interfaces: { ...LO, eth0: [address('198.51.100.7')] } },
    'ok', /^eth0 198\.51\.100\.7$/m],
  ['an interface that does not exist', 'interfaces', { networkInterface: 'eth9' },
    { interfaces: { ...LO, eth0: [address('198.51.100.7')] } }, 'problem',
    /no eth9[^]*networkInterface to one of: lo, eth0/],
  ['an interface with IPv6 only', 'interfaces', { networkInterface: 'eth0' },
    { interfaces: { ...LO, eth0: [{ address: 'fe80::1', family: 'IPv6', internal: false }] } },
    'problem', /no eth0 with an IPv4 address/],
  ['loopback only', 'interfaces', {}, { interfaces: LO }, 'warning', /only this machine itself/],
  ['no interface', 'interfaces', {}, { interfaces: {} }, 'problem', /none has an IPv4 address/],
  ['private addresses without publicIP', 'interfaces', { publicIp: '' },
    { interfaces: { ...LO, eth0: [address('172.17.0.2')] } }, 'warning', /publicIP/],
  ['private addresses with publicIP', 'interfaces', { publicIp: '198.51.100.7' },
    { interfaces: { ...LO, eth0: [address('172.17.0.2')] } }, 'ok', /172\.17\.0\.2/],
  ['a range the wrong way round', 'ports', { minPort: 400, maxPort: 300 }, { interfaces: LO },
    'problem', /400 to 300 is no range[^]*the setting ports/],
  ['half a range', 'ports', { minPort: 30_000, maxPort: 0 }, { interfaces: LO }, 'problem', /no range/],
  ['a range of nonsense', 'ports', { minPort: NaN, maxPort: 70_000 }, { interfaces: LO }, 'problem',
    /no range/],
  ['no range', 'ports', {}, { interfaces: LO }, 'ok', /any free port/],
  ['an address that is not here', 'ports', {}, { interfaces: { eth0: [address('198.51.100.7')] } },
    'problem', /EADDRNOTAVAIL/],
  ['few descriptors', 'descriptors', {}, { limits: 'Max open files   256   512   files' }, 'warning',
    /up to 512[^]*ulimit -n/],
  ['hardly any descriptors', 'descriptors', {}, { limits: 'Max open files  64  64  files' }, 'problem',
    /up to 64/],
  ['many descriptors', 'descriptors', {}, { limits: 'Max open files  1024  1048576  files' }, 'ok',
    /1048576/],
  ['unlimited descriptors', 'descriptors', {}, { limits: 'Max open files  1024  unlimited  files' },
    'ok', /unlimited/],
  ['descriptors that nobody counts', 'descriptors', {}, { limits: null }, 'ok', /cannot be read/],
  ['small socket buffers', 'socketBuffers', {}, { read: () => 212_992 }, 'warning',
    /212992[^]*sysctl -w net\.core\.rmem_max=4194304 net\.core\.wmem_max=4194304/],
  ['large socket buffers', 'socketBuffers', {}, { read: () => 8 << 20 }, 'ok', /as large as/],
  ['unknown socket buffers', 'socketBuffers', {}, { read: () => NaN }, 'ok', /cannot be read/],
  ['a clock of 1970', 'clock', {}, { wall: () => 1e6, sleep: 1 }, 'problem', /says 1970[^]*chrony/],
  ['a clock that jumps', 'clock', {}, { wall: jumping(3_600_000), sleep: 1 }, 'problem',
    /moved 3\d{6} ms/],
  ['a clock that goes back', 'clock', {}, { wall: jumping(-60_000), sleep: 1 }, 'problem',
    /moved -\d{5} ms/],
  ['this clock', 'clock', {}, undefined, 'ok', /steady/],
  ['this loopback', 'loopback', {}, undefined, 'ok', /to and fro/],
  ['a loopback that refuses', 'loopback', {}, { address: '198.51.100.7' }, 'problem', /firewall/],
];

describe('the checks of doctor', () => {
  for (const [what, check, settings, machine, level, says] of TABLE) {
    it(`judge ${what}: ${level}`, async () => {
      const finding = await only(check, settings, machine);
      assert.equal(finding.level, level, JSON.stringify(finding));
      assert.match(`${finding.found}\n${finding.remedy ?? ''}`, says);
    });
  }

  it('count the ports of a range that are free', async (t) => {
    const taken = await takePort(t);
    const range = { minPort: taken, maxPort: taken, says: SETTINGS.says };
    const machine = { interfaces: LO, cores: 2 };
    const none = await only('ports', range, machine);
    assert.equal(none.level, 'problem');
    assert.match(none.found, new RegExp(`only 0 free \\(${taken} EADDRINUSE\\); 2 needed`));
    assert.match(none.remedy, /widen the setting ports: each of 1 ErizoJS uses 2; an ErizoJS that/);

    const wide = { minPort: taken, maxPort: Math.min(taken + 300, 65_535) };
    const many = await only('ports', wide, machine);
    assert.equal(many.level, 'ok', many.found);
    const crowded = await only('ports', { ...wide, processes: 1000 }, machine);
    assert.equal(crowded.level, 'warning');
    assert.match(crowded.found, /2000 needed/);
  });
});

describe('the doctor command', () => {
  it('finds nothing wrong with this machine', () => {
    const { status, stdout } = cli(['doctor']);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^ok {7}Node\.js: /m);
    assert.match(stdout, new RegExp(`^ok {7}erizo-rs ${manifest.version}: the binary loads`, 'm'));
    assert.match(stdout, /No problem was found\.\n$/);
  });

  it('takes a range and an interface, and fails with a problem', () => {
    const { status, stdout } = cli(['doctor', '--ports', '30010-30000', '--interface', 'none9']);
    assert.equal(status, 1);
    assert.match(stdout, /^PROBLEM {2}UDP ports: 30010 to 30000 is no range\n {9}remedy: .*--ports/m);
    assert.match(stdout, /^PROBLEM {2}network interfaces: there is no none9/m);
    assert.match(stdout, /^2 to settle\.$/m);
  });

  for (const [what, parameters] of [
    ['a range that is none', ['--ports', 'many']],
    ['an unknown option', ['--deep']],
    ['two folders', ['/', '/']],
  ]) {
    it(`refuses ${what}`, () => {
      const { status, stderr } = cli(['doctor', ...parameters]);
      assert.equal(status, 1);
      assert.match(stderr, /^erizo-rs doctor: .*--ports 30000-30100/);
      assert.doesNotMatch(stderr, /\n\s+at /);
    });
  }

  it('reads a Licode folder', async (t) => {
    const taken = await takePort(t);
    const folder = licodeFolder(t, {
      'licode_config.js': `
        var config = { erizo: {}, erizoAgent: {} };
        console.log('a configuration may print');
        config.erizo.minport = ${taken}; config.erizo.maxport = '${taken}';
        config.erizo.networkinterface = 'lo';
        config.erizoAgent.maxProcesses = 3;
        module.exports = config;`,
    });
    const before = cli(['doctor', folder]);
    assert.equal(before.status, 1);
    assert.match(before.stdout, /PROBLEM {2}shim addon: not linked\n {9}remedy: run "erizo-rs link/);
    assert.match(before.stdout, new RegExp(`UDP ports: ${taken} to ${taken} on 127\\.0\\.0\\.1: only 0`));
    assert.match(before.stdout, /remedy: widen config\.erizo\.minport and maxport: each of 3 ErizoJS/);

    assert.equal(cli(['link', folder]).status, 0);
    const after = cli(['doctor', folder, '--ports', '20000-20999']);
    assert.equal(after.status, 0, after.stdout);
    assert.match(after.stdout, /^ok {7}shim addon: loads /m);
    assert.match(after.stdout, /20000 to 20999 on 127\.0\.0\.1/);
  });

  it('sees what hides a shim, and a shim that loads nothing', (t) => {
    const folder = licodeFolder(t, { 'licode_config.js': 'module.exports = {};' });
    cli(['link', folder]);
    write(path.join(folder, RELEASE, 'addon.node'), 'C++ addon');
    write(
      path.join(folder, RELEASE, 'addonDebug', 'index.js'),
      '// Put here by "erizo-rs link"; "erizo-rs unlink" takes it away.\nrequire("/nowhere/erizo-rs")',
    );
    const { status, stdout } = cli(['doctor', folder]);
    assert.equal(status, 1);
    assert.match(stdout, /shim addon: Node\.js prefers addon\.node to it\n.*erizo-rs link/);
    assert.match(stdout, /shim addonDebug: \/nowhere\/erizo-rs does not load: .*Cannot find module/);
    assert.equal(cli(['link', folder]).status, 0);
    assert.equal(cli(['doctor', folder]).status, 0);
  });

  it('sees a shim that loads something else', (t) => {
    const folder = licodeFolder(t, {
      'licode_config.js': 'module.exports = {};',
      'other/index.js': "module.exports = 'other';",
    });
    new LicodeLink(folder, { target: path.join(folder, 'other') }).link();
    const { status, stdout } = cli(['doctor', folder]);
    assert.equal(status, 1);
    assert.match(stdout, /shim addon: .*other does not load: it is not erizo-rs/);
  });

  for (const [what, files, says] of [
    ['is missing', {}, /licode_config\.js: it is missing[^]*licode_default\.js/],
    ['throws', { 'licode_config.js': 'module.exports = { a: b };' }, /licode_config\.js: .*b is not/],
    ['is no program', { 'licode_config.js': 'config = {{' }, /licode_config\.js: SyntaxError/],
    ['kills', { 'licode_config.js': "process.kill(process.pid, 'SIGKILL')" }, /died of SIGKILL/],
  ]) {
    it(`survives a configuration that ${what}`, (t) => {
      const { status, stdout } = cli(['doctor', licodeFolder(t, files)]);
      assert.equal(status, 1);
      assert.match(stdout, says);
      assert.match(stdout, /clocks: /);
    });
  }

  it('refuses a folder that is not Licode', (t) => {
    const { status, stderr } = cli(['doctor', path.join(licodeFolder(t), 'erizoAPI')]);
    assert.equal(status, 1);
    assert.match(stderr, /is not a Licode folder/);
  });
});

/** A wall clock that jumps by `ms` after the first look. */
function jumping(ms) {
  let looks = 0;
  return () => Date.now() + (looks++ > 0 ? ms : 0);
}

/** A port of the loopback interface that is in use until the test ends. */
function takePort(t) {
  const socket = dgram.createSocket('udp4');
  t.after(() => new Promise((resolve) => socket.close(resolve)));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => resolve(socket.address().port));
  });
}
