'use strict';

// What `erizo-rs doctor` looks at. A check is told the deployment's settings and resolves with
// findings: `{ level, name, found, remedy }`, where level is "ok", "warning" (it runs, but...) or
// "problem" (it does not). What a check reads of the machine can be handed in, for tests.

const dgram = require('node:dgram');
const fs = require('node:fs');
const os = require('node:os');

const { loadedVersion } = require('./child.js');
const { packageRoot } = require('./licode_link.js');
const { platformName } = require('./binary.js');
const { name, version, engines } = require('../package.json');

const ok = (what, found) => ({ level: 'ok', name: what, found });
const warning = (what, found, remedy) => ({ level: 'warning', name: what, found, remedy });
const problem = (what, found, remedy) => ({ level: 'problem', name: what, found, remedy });

/** Below, a busy ErizoJS can run out: sockets are few, but Node.js, logs and Licode need theirs. */
const FEW_DESCRIPTORS = 1024;
const TOO_FEW_DESCRIPTORS = 128;
/** What the addon asks the kernel for, for each direction of a socket. */
const SOCKET_BUFFER = 4 << 20;
/** Certificates and DTLS compare with the wall clock; no release is older than this. */
const EARLIEST = Date.UTC(2025, 0, 1);
const CLOCK_SAMPLE_MS = 100;
const CLOCK_DRIFT_MS = 50;
const LOOPBACK_MS = 2_000;
/** Large enough to notice a loopback that does not carry full packets. */
const LOOPBACK_BYTES = 1_200;
const BIND_BATCH = 256;
const NAMED_PORTS = 5;

function nodeVersion(settings, { node = process.versions.node } = {}) {
  const wanted = Number(/\d+/.exec(engines.node)[0]);
  const what = 'Node.js';
  if (Number.parseInt(node, 10) >= wanted) return [ok(what, `${node} on ${platformName()}`)];
  return [problem(what, node, `use Node.js ${wanted} or later for ErizoJS`)];
}

/** In a process of its own: a binary for another processor dies of a signal. */
function binary(settings, { load = loadedVersion } = {}) {
  const what = `${name} ${version}`;
  const { value, error } = load(packageRoot);
  if (value === version) return [ok(what, `the binary loads, from ${packageRoot}`)];
  const remedy = error?.includes('fix:')
    ? 'do what one of the lines "fix:" says'
    : `install ${name} again for this machine; if that does not help, report the message`;
  return [problem(what, error ?? `another version loads: ${value}`, remedy)];
}

/** The addresses that the addon would use (contract ICE-5, ICE-6). */
function addressesOf(wanted, interfaces) {
  const all = Object.entries(interfaces).flatMap(([device, addresses]) =>
    (addresses ?? [])
      .filter(({ family }) => family === 'IPv4' || family === 4)
      .map(({ address, internal }) => ({ device, address, internal })),
  );
  const named = all.filter(({ device }) => device === wanted);
  if (named.length > 0) return named;
  const outside = all.filter(({ internal }) => !internal);
  return outside.length > 0 ? outside : all;
}

function interfaces(settings, { interfaces: list = os.networkInterfaces() } = {}) {
  const what = 'network interfaces';
  const wanted = settings.networkInterface;
  const used = addressesOf(wanted, list);
  const text = used.map(({ device, address }) => `${device} ${address}`).join(', ');
  if (used.length === 0) {
    return [problem(what, 'none has an IPv4 address', 'bring an interface up: the addon uses IPv4')];
  }
  if (wanted && !used.some(({ device }) => device === wanted)) {
    const names = Object.keys(list).join(', ');
    const remedy = `set ${settings.says('networkInterface')} to one of: ${names}; or leave it empty`;
    return [problem(what, `there is no ${wanted} with an IPv4 address`, remedy)];
  }
  if (used.every(({ internal }) => internal)) {
    const remedy = 'give the machine an address that clients can reach';
    return [warning(what, `${text}: only this machine itself can connect`, remedy)];
  }
  if (settings.publicIp === '' && used.every(({ address }) => isPrivate(address))) {
    const remedy =
      'if clients come from the Internet, set config.erizoAgent.publicIP to the address they see';
    return [warning(what, `${text}: private addresses only`, remedy)];
  }
  return [ok(what, text)];
}

/** RFC 1918, RFC 6598 and link-local addresses (RFC 3927). */
function isPrivate(address) {
  const [first, second] = address.split('.').map(Number);
  return (
    first === 10 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 100 && second >= 64 && second <= 127) ||
    (first === 169 && second === 254)
  );
}

/** Each worker of each process takes one port on each address. */
async function ports(settings, { interfaces: list = os.networkInterfaces(), cores } = {}) {
  const what = 'UDP ports';
  const { minPort, maxPort } = settings;
  const used = addressesOf(settings.networkInterface, list);
  if (minPort === 0 && maxPort === 0) {
    const results = await Promise.all(used.map(({ address }) => bind(address, 0)));
    const error = results.find(Boolean);
    if (!error) return [ok(what, 'any free port (no range is set)')];
    return [problem(what, `none can be opened: ${error.message}`, 'let this user open UDP sockets')];
  }
  const setting = settings.says('ports');
  const isPort = (port) => Number.isInteger(port) && port >= 1 && port <= 65_535;
  if (!isPort(minPort) || !isPort(maxPort) || minPort > maxPort) {
    const remedy = `set ${setting} to ports from 1 to 65535, the smaller first`;
    return [problem(what, `${minPort} to ${maxPort} is no range`, remedy)];
  }
  const range = `${minPort} to ${maxPort}`;
  const workers = Math.min(settings.workers, cores ?? os.availableParallelism());
  const needed = workers * settings.processes;
  const findings = [];
  for (const { address } of used) {
    const taken = await takenPorts(address, minPort, maxPort);
    const free = maxPort - minPort + 1 - taken.length;
    const where = `${range} on ${address}`;
    if (free >= needed) {
      const busy = taken.length > 0 ? `, ${taken.length} in use` : '';
      findings.push(ok(what, `${where}: ${free} free${busy}; ${needed} needed`));
      continue;
    }
    const named = taken.slice(0, NAMED_PORTS).map(({ port, code }) => `${port} ${code}`);
    const more = taken.length > NAMED_PORTS ? ', ...' : '';
    const why = taken.length > 0 ? ` (${named.join(', ')}${more})` : '';
    const remedy = taken.some(({ code }) => code === 'EACCES')
      ? `ports below 1024 need privileges: set ${setting} to higher ones`
      : `widen ${setting}: each of ${settings.processes} ErizoJS uses ${workers}` +
        (taken.length > 0 ? '; an ErizoJS that runs now uses its share' : '');
    const found = `${where}: only ${free} free${why}; ${needed} needed`;
    findings.push(free === 0 ? problem(what, found, remedy) : warning(what, found, remedy));
  }
  return findings;
}

async function takenPorts(address, minPort, maxPort) {
  const taken = [];
  for (let first = minPort; first <= maxPort; first += BIND_BATCH) {
    const length = Math.min(BIND_BATCH, maxPort - first + 1);
    const batch = Array.from({ length }, (_, index) => first + index);
    const errors = await Promise.all(batch.map((port) => bind(address, port)));
    errors.forEach((error, index) => {
      if (error) taken.push({ port: batch[index], code: error.code });
    });
  }
  return taken;
}

/** Resolves with the error, or null if the port was free. */
function bind(address, port) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    const end = (error) => socket.close(() => resolve(error));
    socket.once('error', end);
    socket.bind({ address, port, exclusive: true }, () => end(null));
  });
}

/** The limit that ErizoJS has: Node.js raises its own to the hard one. */
function descriptors(settings, { limits = readLimits() } = {}) {
  const what = 'open files';
  const remedy =
    'raise it for the user of ErizoAgent: "ulimit -n 65536", LimitNOFILE= in a systemd unit,' +
    ' --ulimit nofile=65536 in docker';
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits ?? '')?.[1];
  if (hard === undefined) return [ok(what, 'the limit cannot be read on this system')];
  if (hard === 'unlimited' || Number(hard) >= FEW_DESCRIPTORS) return [ok(what, `up to ${hard}`)];
  const report = Number(hard) < TOO_FEW_DESCRIPTORS ? problem : warning;
  return [report(what, `up to ${hard}, ${FEW_DESCRIPTORS} wanted`, remedy)];
}

function readLimits() {
  try {
    return fs.readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return null;
  }
}

function socketBuffers(settings, { read = readKernelNumber } = {}) {
  const what = 'socket buffers';
  const keys = ['rmem_max', 'wmem_max'];
  if (!keys.every((key) => Number.isFinite(read(key)))) {
    return [ok(what, 'their limit cannot be read on this system')];
  }
  const small = keys.filter((key) => read(key) < SOCKET_BUFFER);
  if (small.length === 0) return [ok(what, 'as large as the addon asks for')];
  const found = small.map((key) => `net.core.${key} ${read(key)}`).join(', ');
  const command = small.map((key) => `net.core.${key}=${SOCKET_BUFFER}`).join(' ');
  const remedy = `for more than some ten streams a core: sysctl -w ${command}`;
  return [warning(what, `${found}: bursts may be lost`, remedy)];
}

/** NaN where the kernel does not say. */
function readKernelNumber(key) {
  try {
    return Number(fs.readFileSync(`/proc/sys/net/core/${key}`, 'utf8'));
  } catch {
    return NaN;
  }
}

/** Timers follow the monotonic clock; RTCP reports and certificates the wall clock. */
async function clock(
  settings,
  { wall = Date.now, monotonic = () => performance.now(), sleep = CLOCK_SAMPLE_MS } = {},
) {
  const what = 'clocks';
  const remedy = 'synchronise the clock: install chrony, or see to the host of this virtual machine';
  const [wallBefore, before] = [wall(), monotonic()];
  await new Promise((resolve) => setTimeout(resolve, sleep));
  const drift = wall() - wallBefore - (monotonic() - before);
  if (wall() < EARLIEST) {
    const date = new Date(wall()).toISOString();
    return [problem(what, `the wall clock says ${date}`, remedy)];
  }
  if (Math.abs(drift) > CLOCK_DRIFT_MS) {
    const found = `the wall clock moved ${Math.round(drift)} ms against the monotonic one`;
    return [problem(what, `${found} within ${sleep} ms`, remedy)];
  }
  return [ok(what, `${new Date(wall()).toISOString()}, steady`)];
}

async function loopback(settings, { address = '127.0.0.1' } = {}) {
  const what = 'UDP on this machine';
  const remedy = 'let UDP pass on the loopback interface: look at firewall rules and seccomp profiles';
  const [one, other] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  const payload = Buffer.alloc(LOOPBACK_BYTES, 'erizo');
  let timer;
  try {
    await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('nothing came back')), LOOPBACK_MS);
      for (const socket of [one, other]) socket.once('error', reject);
      other.once('message', (message, { port }) => other.send(message, port, address));
      one.once('message', (message) =>
        message.equals(payload) ? resolve() : reject(new Error('something else came back')),
      );
      other.bind(0, address, () => one.send(payload, other.address().port, address));
    });
    return [ok(what, `${LOOPBACK_BYTES} bytes went to and fro`)];
  } catch (error) {
    return [problem(what, error.message, remedy)];
  } finally {
    clearTimeout(timer);
    for (const socket of [one, other]) socket.close();
  }
}

module.exports = {
  binary, clock, descriptors, interfaces, loopback, nodeVersion, ok, ports, problem,
  socketBuffers, warning,
};
