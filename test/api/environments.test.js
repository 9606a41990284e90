'use strict';

// Several loads of the binary in one process, worker threads, and garbage collection (contract
// EXP-6, OBJ-4, LIF-1 to LIF-3).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { once } = require('node:events');
const { Worker } = require('node:worker_threads');

const { localBinary } = require('../../js/binary.js');
const { connectionArguments, erizo, inProcess, mediaConfigurationText } = require('./support.js');

/** The binary as a process sees it that has forgotten that it had loaded it. */
function freshLoad() {
  const file = require.resolve(localBinary());
  delete require.cache[file];
  return require(file);
}

describe('a second load', () => {
  it('makes classes of its own that accept instances of the first (EXP-6, SCN-41)', async () => {
    const [one, other] = [freshLoad(), freshLoad()];
    assert.notEqual(one.ThreadPool, other.ThreadPool);
    const pool = new one.ThreadPool(1);
    pool.start();
    const args = connectionArguments();
    args[0] = pool;
    args[1] = new erizo.IOThreadPool(1);
    const connection = new other.WebRtcConnection(...args);
    const stream = new one.MediaStream(pool, connection, 'id', 'label', true, true, true);
    assert.equal(await connection.addMediaStream(stream), '');
    const description = new one.ConnectionDescription(mediaConfigurationText);
    description.setProfile('AVPF');
    description.setICECredentials('nDB3', 'passwordpasswordpassword');
    description.postProcessInfo();
    assert.equal(await connection.setRemoteDescription(description), '');
    const processor = new other.OneToManyProcessor();
    processor.setPublisher(stream);
    assert.equal(processor.hasPublisher(), true);
    await Promise.all([stream.close(), connection.close()]);
  });

  it('has descriptions of its own class (OBJ-4)', async () => {
    const [one, other] = [freshLoad(), freshLoad()];
    for (const [mine, theirs] of [[one, other], [other, one]]) {
      const connection = new mine.WebRtcConnection(...connectionArguments());
      const local = await connection.getLocalDescription();
      assert.ok(local instanceof mine.ConnectionDescription);
      assert.ok(!(local instanceof theirs.ConnectionDescription));
      const sdp = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n';
      assert.ok(mine.ConnectionDescription.fromSdp(sdp, '{}') instanceof mine.ConnectionDescription);
      await connection.close();
    }
  });
});

describe('worker threads', () => {
  const BODY = `
    const { parentPort } = require('node:worker_threads');
    const support = require(${JSON.stringify(require.resolve('./support.js'))});
    const connection = support.newConnection();
    connection.init((code) => parentPort.postMessage(code));
    for (let i = 0; i < 50; i += 1) {
      connection.getLocalDescription();
      connection.getStats(() => {});
    }
  `;

  it('have events, promises and callbacks of their own', async () => {
    const worker = new Worker(`${BODY}
      connection.createOffer(true).then(() => connection.close()).then((text) => parentPort.postMessage(text));
    `, { eval: true });
    const messages = [];
    worker.on('message', (message) => messages.push(message));
    const [code] = await once(worker, 'exit');
    assert.equal(code, 0);
    assert.equal(messages[0], 101);
    assert.equal(messages.at(-1), 'webrtcconnection_closed');
  });

  it('may end in any way with everything open (LIF-2)', async () => {
    const endings = [
      '', 'process.exit(3);', 'connection.createOffer(true).then(() => process.exit(3));',
      'setInterval(() => connection.getStats(() => {}), 1);', 'connection.close(); throw new Error("mine");',
    ];
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(endings.map(async (ending) => {
        const worker = new Worker(BODY + ending, { eval: true });
        worker.on('error', (error) => assert.match(error.message, /mine/));
        if (ending.startsWith('setInterval')) setTimeout(() => worker.terminate(), 100 + round * 37);
        await once(worker, 'exit').catch(() => {});
      }));
    }
  });
});

describe('garbage collection', () => {
  it('takes wrappers, never what is open natively (LIF-1 to LIF-3)', () => {
    const { lines, status, stderr } = inProcess(`
      require('node:v8').setFlagsFromString('--expose-gc');
      const gc = require('node:vm').runInNewContext('gc');
      const told = [];
      (function () {
        for (let i = 0; i < 20; i += 1) {
          const connection = support.newConnection();
          const stream = support.newStream(connection);
          stream.onMediaStreamEvent((type) => told.push(type));
          connection.init((code) => { if (code === 103) told.push(code); });
          connection.addMediaStream(stream);
          connection.setRemoteDescription(support.remoteDescription());
          new erizo.OneToManyProcessor().setPublisher(stream);
        }
      })();
      gc();
      const began = Date.now();
      const timer = setInterval(() => {
        gc();
        if (told.length < 40 && Date.now() - began < 8000) return;
        clearInterval(timer);
        console.log(told.filter((event) => event === 'ready').length, told.filter((event) => event === 103).length);
      }, 20);
    `);
    assert.equal(status, 0, stderr);
    assert.deepEqual(lines, ['20 20']);
  });
});
