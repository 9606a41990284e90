'use strict';

// Events, callbacks and promises come from the event loop, in the order in which the engine
// produced them (contract LIF-4 to LIF-12, section 3).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { erizo, inProcess, newConnection, newStream, remoteDescription, turn } = require('./support.js');

/** Resolves when `connection` has told `code`; all it told until then is in `told`. */
function listen(connection) {
  const told = [];
  const waiting = new Map();
  connection.init((code, message) => {
    told.push([code, message]);
    waiting.get(code)?.();
  });
  const until = (code) =>
    told.some(([known]) => known === code)
      ? Promise.resolve()
      : new Promise((resolve) => {
        const timer = setTimeout(resolve, 5000); // Keeps the process alive; the caller asserts.
        waiting.set(code, () => { clearTimeout(timer); resolve(); });
      });
  return { told, until };
}

describe('connection events', () => {
  it('begin with 101, asynchronously (WRC-20, EVT-1)', async () => {
    const connection = newConnection();
    const { told, until } = listen(connection);
    assert.deepEqual(told, []);
    await until(101);
    assert.deepEqual(told, [[101, '']]);
    await connection.close();
  });

  it('say 103 once gathering has finished, without any remote party (EVT-2, EVT-3)', async () => {
    const connection = newConnection();
    const { told, until } = listen(connection);
    newStream(connection, { publisher: false });
    await connection.createOffer(true);
    await until(103);
    assert.deepEqual(told.map(([code]) => code), [101, 103]);
    assert.equal(connection.getCurrentState(), 103);
    await connection.createOffer(true);
    await turn();
    assert.deepEqual(told.map(([code]) => code), [101, 103]); // EVT-9
    await connection.close();
  });

  it('announce the current state to a callback that comes late or second (WRC-20, WRC-21)', async () => {
    const connection = newConnection();
    await connection.createOffer(true);
    while (connection.getCurrentState() !== 103) await turn();
    await turn();
    const first = listen(connection);
    await first.until(103);
    assert.deepEqual(first.told, [[103, '']]);
    const second = listen(connection);
    await second.until(103);
    assert.deepEqual(second.told, [[103, '']]);
    assert.deepEqual(first.told, [[103, '']]);
    await connection.close();
  });

  it('carry candidates as JSON with trickle (EVT-6, EVT-7)', async () => {
    const connection = newConnection({ trickle: true });
    const { told, until } = listen(connection);
    await connection.createOffer(true);
    await until(201);
    const messages = told.filter(([code]) => code === 201).map(([, message]) => message);
    assert.ok(messages.length > 0);
    for (const message of messages) {
      assert.deepEqual(Object.keys(JSON.parse(message)), ['candidate', 'sdpMLineIndex', 'sdpMid']);
      const { candidate, sdpMLineIndex, sdpMid } = JSON.parse(message);
      assert.match(candidate, /^a=candidate:\S+ 1 udp \d+ [\d.]+ \d+ typ host/);
      assert.deepEqual([sdpMLineIndex, sdpMid], ['0', '0']);
    }
    assert.ok(!told.some(([code]) => code === 103));
    await connection.close();
  });

  it('stop at the call of close(), queued ones too (LIF-6)', async () => {
    const connection = newConnection();
    let calls = 0;
    connection.init(() => { calls += 1; });
    connection.createOffer(true);
    await connection.close();
    await turn();
    assert.equal(calls, 0);
  });

  it('may close the connection from inside', async () => {
    const connection = newConnection();
    const closed = await new Promise((resolve) => {
      connection.init(() => resolve(connection.close()));
    });
    assert.equal(closed, 'webrtcconnection_closed');
  });
});

describe('stream events', () => {
  it('tell ready before the description that caused it is resolved (EVT-20)', async () => {
    const connection = newConnection();
    const streams = ['one', 'two'].map((id) => newStream(connection, { id, label: 'stream' }));
    const order = [];
    streams.forEach((stream, index) => {
      stream.onMediaStreamEvent(() => assert.fail('replaced (EVT-21)'));
      stream.onMediaStreamEvent((...event) => order.push([index, ...event]));
    });
    connection.addMediaStream(streams[0]).then(() => order.push('added'));
    const set = connection.setRemoteDescription(remoteDescription()).then(() => order.push('set'));
    assert.deepEqual(order, []); // LIF-4
    await set;
    assert.deepEqual(order, ['added', [0, 'ready', ''], 'set']); // EVT-22: only its own stream.
    await connection.setRemoteDescription(remoteDescription());
    await turn();
    assert.equal(order.length, 3);
    await Promise.all([...streams.map((stream) => stream.close()), connection.close()]);
  });

  it('stop at the call of close(), queued ones too (LIF-7)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    stream.onMediaStreamEvent(() => assert.fail('closed'));
    connection.addMediaStream(stream);
    const set = connection.setRemoteDescription(remoteDescription());
    stream.close();
    await set;
    await turn();
    await connection.close();
  });
});

describe('promises', () => {
  it('settle in the order of the calls, continuations included (LIF-9)', async () => {
    const connection = newConnection();
    const order = [];
    const stream = newStream(connection);
    await Promise.all([
      connection.addMediaStream(stream).then(() => order.push(1)).then(() => order.push(2)),
      connection.setRemoteDescription(remoteDescription()).then(() => order.push(3)),
      connection.getLocalDescription().then((local) => order.push(local.constructor.name)),
      connection.createOffer(true).then(() => order.push(4)),
      new Promise((resolve) => connection.getStats(resolve)).then((json) => order.push(typeof JSON.parse(json))),
    ]);
    assert.deepEqual(order, [1, 2, 3, 'ConnectionDescription', 4, 'object']);
    await Promise.all([stream.close(), connection.close()]);
  });

  it('snapshot the description at the call (WRC-23)', async () => {
    const connection = newConnection();
    const description = remoteDescription();
    const set = connection.setRemoteDescription(description);
    description.close();
    assert.equal(await set, '');
    await connection.close();
  });

  it('reject what cannot be a first description, with a code (WRC-24, security H2)', async () => {
    for (const [options, description, code] of [
      [{}, { credentials: false }, 'ERR_MISSING_ICE_CREDENTIALS'],
      [{ encryptTransport: true }, { encrypted: false }, 'ERR_PLAINTEXT_REFUSED'],
      [{ encryptTransport: undefined }, { encrypted: false }, 'ERR_PLAINTEXT_REFUSED'],
    ]) {
      const connection = newConnection(options);
      await assert.rejects(connection.setRemoteDescription(remoteDescription(description)), (error) => {
        assert.ok(error instanceof Error);
        assert.equal(error.code, code);
        return true;
      });
      assert.equal(connection.getCurrentState(), 101);
      const good = remoteDescription({ encrypted: 'encryptTransport' in options });
      assert.equal(await connection.setRemoteDescription(good), '');
      await connection.close();
    }
  });

  it('bring snapshots of the exported class (WRC-25, OBJ-4)', async () => {
    const connection = newConnection();
    await connection.createOffer(true);
    const [one, other] = await Promise.all([connection.getLocalDescription(), connection.getLocalDescription()]);
    assert.ok(one instanceof erizo.ConnectionDescription);
    assert.notEqual(one, other);
    one.close();
    assert.notEqual(other.getICECredentials()[0], '');
    await connection.close();
  });
});

describe('the process', () => {
  const CONNECTION = 'const connection = support.newConnection();';

  it('hears what a listener throws as an uncaught exception, and goes on (LIF-5)', () => {
    const { lines, status } = inProcess(`
      process.on('uncaughtException', (thrown) => console.log('uncaught', thrown.message ?? thrown));
      ${CONNECTION}
      connection.init((code) => { if (code === 101) throw 'a text'; throw new Error('at ' + code); });
      connection.getStats(() => { throw new Error('in stats'); });
      connection.createOffer(true).then(() => console.log('offer'));
      const timer = setInterval(async () => {
        if (connection.getCurrentState() !== 103) return;
        clearInterval(timer);
        console.log(await connection.close());
      }, 20);
    `);
    assert.equal(status, 0);
    assert.deepEqual(new Set(lines), new Set([
      'uncaught a text', 'uncaught in stats', 'offer', 'uncaught at 103', 'webrtcconnection_closed',
    ]));
  });

  it('dies of it without a handler, as any Node process', () => {
    const { status, stderr } = inProcess(`${CONNECTION} connection.init(() => { throw new Error('mine'); });`);
    assert.equal(status, 1);
    assert.match(stderr, /Error: mine/);
  });

  it('waits for promises and callbacks', () => {
    const { lines, status } = inProcess(`${CONNECTION}
      connection.createOffer(true).then(() => {
        console.log('offer');
        connection.getStats(() => {
          console.log('stats');
          new erizo.OneToManyProcessor().close(() => { console.log('closed'); connection.init(console.log); });
        });
      });`);
    assert.deepEqual([lines.slice(0, 3), status], [['offer', 'stats', 'closed'], 0]);
    assert.match(lines[3], /^10[13] $/);
  });

  it('does not wait for open connections and running pools (LIF-12)', () => {
    const { status, signal } = inProcess(`
      for (let i = 0; i < 3; i += 1) {
        ${CONNECTION}
        connection.init(() => {});
        connection.createOffer(true);
        globalThis['kept' + i] = connection;
      }`, { timeout: 10_000 });
    assert.deepEqual([status, signal], [0, null]);
  });

  it('ends at once on process.exit with everything open (LIF-11)', () => {
    const { lines, status, signal } = inProcess(`
      for (let i = 0; i < 20; i += 1) {
        ${CONNECTION}
        connection.init(() => {});
        const stream = support.newStream(connection);
        connection.addMediaStream(stream);
        connection.setRemoteDescription(support.remoteDescription());
      }
      setTimeout(() => {
        const began = Date.now();
        process.on('exit', () => console.log(Date.now() - began < 1000));
        process.exit(7);
      }, 50);`);
    assert.deepEqual([status, signal, lines], [7, null, ['true']]);
  });
});
