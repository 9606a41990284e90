'use strict';

// Every constructor and method that index.d.ts declares, called in every wrong way there is a kind
// for (security.md N19, COE-5 to COE-8, SCN-43): no abort, no hang, and the documented value or a
// clear error. A batch is one class and kind in a process of its own; the case that ends it is known.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { after, describe, it } = require('node:test');
const { once } = require('node:events');
const { Worker } = require('node:worker_threads');

const { KINDS, callables, classes } = require('./cases.js');
const { erizo } = require('../api/support.js');

/** A case that takes longer than this hangs; the slowest takes some tens of milliseconds. */
const SILENCE_MS = 10_000;
/** The same where a case hangs on purpose. */
const SHORT_SILENCE_MS = 2000;
/** Cases that end the process are passed over, so that one does not hide the others. */
const MAX_DEATHS = 5;

/** Runs cases from `first` on; resolves with what was said and how it ended. */
function runFrom(name, kind, first, silence) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(__dirname, 'batch.js'), name, kind, String(first)]);
    const result = { failures: [], done: null, last: null, stderr: '' };
    let rest = '';
    let hung = false;
    let timer;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => { hung = true; child.kill('SIGKILL'); }, silence);
    };
    watch();
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      watch();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith('CASE ')) result.last = line.slice(5);
        else if (line.startsWith('FAIL ')) result.failures.push(line.slice(5));
        else if (line.startsWith('DONE ')) result.done = Number(line.slice(5));
      }
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => { result.stderr = (result.stderr + chunk).slice(-1000); });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ ...result, end: hung ? 'hangs' : signal ?? (code === 0 ? null : `exit code ${code}`) });
    });
  });
}

async function runBatch(name, kind, silence = SILENCE_MS) {
  const failures = [];
  let first = 0;
  let count = 0;
  for (let deaths = 0; deaths < MAX_DEATHS; deaths += 1) {
    const { done, end, last, stderr, ...result } = await runFrom(name, kind, first, silence);
    failures.push(...result.failures);
    if (done !== null && end === null) return { failures, count: count + done };
    const [index, ...label] = (last ?? '-1 start-up').split(' ');
    failures.push(`${label.join(' ')}: ${end ?? 'ended early'} ${stderr}`);
    count += Number(index) + 1 - first;
    first = Number(index) + 1;
  }
  return { failures, count };
}

let total = 0;

for (const { name } of classes) {
  // Two at a time: starting a process is most of the work.
  describe(`${name} (SCN-43, COE-8)`, { concurrency: 2 }, () => {
    for (const kind of Object.keys(KINDS)) {
      it(`survives misuse of the kind "${kind}"`, async (test) => {
        const { failures, count } = await runBatch(name, kind);
        test.diagnostic(`${count} cases`);
        total += count;
        assert.deepEqual(failures, []);
        assert.ok(count > 0);
      });
    }
  });
}

after(() => console.log(`misuse cases: ${total}`));

describe('the cases', () => {
  it('are blamed for what they do to the process', async () => {
    const { failures, count } = await runBatch('ThreadPool', 'deadly', SHORT_SILENCE_MS);
    assert.match(failures.join('\n'), /^aborts: SIGABRT.*\nexits: exit code 3.*\nloops: hangs.*\nthrows: threw text$/s);
    assert.equal(count, 5);
  });

  it('reach everything that is exported, and nothing else is declared', () => {
    const exported = Object.keys(erizo).filter((name) => name !== 'version').sort();
    assert.deepEqual(classes.map(({ name }) => name).sort(), exported);
    for (const declaration of classes) {
      const { prototype } = erizo[declaration.name];
      const own = (object, skip) =>
        Object.getOwnPropertyNames(object).filter((name) => typeof object[name] === 'function' && !skip.includes(name));
      const methods = callables(declaration).filter(({ method }) => method);
      const named = (isStatic) => methods.filter((one) => Boolean(one.isStatic) === isStatic).map(({ method }) => method);
      assert.deepEqual(named(false).sort(), own(prototype, ['constructor']).sort(), declaration.name);
      assert.deepEqual(named(true).sort(), own(erizo[declaration.name], ['prototype']).sort(), declaration.name);
    }
  });
});

describe('an instance of another thread', () => {
  it('arrives as a plain object, which is refused (COE-5)', async () => {
    const worker = new Worker(
      `const { ThreadPool } = require(${JSON.stringify(require.resolve('../../js/index.js'))});
       require('node:worker_threads').parentPort.postMessage(new ThreadPool(1));`,
      { eval: true },
    );
    const [foreign] = await once(worker, 'message');
    assert.throws(() => new erizo.ExternalOutput(foreign, 'url', '{}', true, true), {
      name: 'TypeError', message: /"threadPool" must be an instance of ThreadPool/,
    });
    await worker.terminate();
  });
});
