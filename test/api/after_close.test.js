'use strict';

// What every method answers after close() (contract table 1.4, LIF-16), and in which order promises
// settle around it (LIF-8, LIF-9).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { erizo, newConnection, newStream, remoteDescription, threadPool, turn } = require('./support.js');

describe('a closed connection', () => {
  it('resolves the close that closes, and every further one with an empty text', async () => {
    const connection = newConnection();
    const closes = [connection.close(), connection.close()];
    assert.deepEqual(await Promise.all(closes), ['webrtcconnection_closed', '']);
    assert.equal(await connection.close(), '');
  });

  it('answers as table 1.4 says, from the call of close() on (LIF-16)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const closing = connection.close();
    for (const when of ['while it closes', 'after it has closed']) {
      for (const promise of [
        connection.createOffer(true),
        connection.createOffer(),
        connection.setRemoteDescription(remoteDescription()),
        connection.setRemoteDescription('nonsense'),
        connection.getLocalDescription(),
        connection.addMediaStream(stream),
        connection.addMediaStream(null),
        connection.removeMediaStream('id'),
        connection.addRemoteCandidate('0', 0, '1', 1, 1, 'udp', '192.0.2.1', 5000, 'host'),
        connection.addRemoteCandidate(),
      ]) {
        assert.ok(promise instanceof Promise, when);
        assert.equal(await promise, '', when);
      }
      assert.equal(connection.init(() => assert.fail('no event')), undefined);
      assert.equal(connection.setMetadata('{}'), undefined);
      assert.equal(connection.getCurrentState(), undefined);
      assert.equal(connection.getConnectionQualityLevel(), undefined);
      assert.equal(connection.copySdpToLocalDescription(remoteDescription()), undefined);
      assert.equal(connection.setBwDistributionConfig('{}'), undefined);
      assert.equal(connection.setConnectionTargetBw(1), undefined);
      assert.equal(connection.maybeRestartIce('u', 'p'), undefined);
      const documents = [];
      assert.equal(connection.getStats((json) => documents.push(json)), undefined);
      assert.deepEqual(documents, ['{}'], 'synchronously');
      assert.equal(connection.getDurationDistribution().length, 5);
      assert.equal(connection.getDelayDistribution().length, 5);
      assert.equal(connection.resetStats(), undefined);
      await closing;
    }
    await stream.close();
  });

  it('settles everything in the order of the calls (LIF-8, LIF-9)', async () => {
    const connection = newConnection();
    const order = [];
    const note = (name) => [(value) => order.push([name, value]), (error) => order.push([name, error.code])];
    const settled = [
      connection.createOffer(true).then(...note('offer')),
      connection.removeMediaStream('x').then(...note('remove')),
      connection.close().then(...note('close')),
      connection.createOffer(true).then(...note('late offer')),
      connection.close().then(...note('late close')),
      connection.getLocalDescription().then(...note('late description')),
    ];
    await Promise.all(settled);
    assert.deepEqual(order, [
      ['offer', ''], ['remove', ''], ['close', 'webrtcconnection_closed'], ['late offer', ''],
      ['late close', ''], ['late description', ''],
    ]);
  });

  it('throws what a callback throws when it is called at once', async () => {
    const connection = newConnection();
    await connection.close();
    assert.throws(() => connection.getStats(() => { throw new RangeError('mine'); }), /mine/);
  });

  it('may be given to a new stream, which is inert (MST-3)', async () => {
    const connection = newConnection();
    await connection.close();
    const stream = newStream(connection);
    stream.muteStream(true, true);
    assert.equal(await stream.close(), '');
  });

  it('counts its promises (WRC-66)', async () => {
    const connection = newConnection();
    await connection.removeMediaStream('x');
    await connection.removeMediaStream('y');
    const sum = (counts) => counts.reduce((a, b) => a + b, 0);
    assert.equal(sum(connection.getDurationDistribution()), 2);
    assert.equal(sum(connection.getDelayDistribution()), 2);
    connection.resetStats();
    assert.deepEqual(connection.getDurationDistribution(), [0, 0, 0, 0, 0]);
    await connection.close();
    assert.equal(sum(connection.getDurationDistribution()), 1);
  });
});

describe('a closed stream', () => {
  it('answers as table 1.4 says (LIF-16, MST-50)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const processor = new erizo.OneToManyProcessor();
    const closing = stream.close();
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await stream.close(), '');
      for (const [method, ...args] of [
        ['configure', true], ['setAudioReceiver', processor], ['setVideoReceiver'],
        ['getCurrentState'], ['generatePLIPacket'], ['getPeriodicStats'],
        ['setFeedbackReports', true, 1], ['setSlideShowMode', true], ['setPriority', 'x'],
        ['muteStream', true, true], ['setMaxVideoBW', 1], ['setQualityLayer', 1, 1],
        ['enableSlideShowBelowSpatialLayer', true, 1], ['onMediaStreamEvent'],
        ['setVideoConstraints', 1, 1, 1], ['setMetadata'], ['setPeriodicKeyframeRequests', true, 1],
        ['hasPeriodicKeyframeRequests'], ['enableHandler', 'x'], ['disableHandler', 'x'],
      ]) {
        assert.equal(stream[method](...args), undefined, method);
      }
      const documents = [];
      stream.getStats((json) => documents.push(json));
      assert.deepEqual(documents, ['{}']);
      assert.equal(stream.getDurationDistribution().length, 5);
      assert.equal(await closing, '');
    }
    await connection.close();
  });

  it('calls no statistics callback that was still waiting (LIF-7)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    let calls = 0;
    for (let i = 0; i < 10; i += 1) stream.getStats(() => { calls += 1; });
    await stream.close();
    await turn();
    assert.equal(calls, 0);
    await connection.close();
  });

  it('may be removed and closed in any order (MST-40)', async () => {
    for (const removeFirst of [true, false]) {
      const connection = newConnection();
      const stream = newStream(connection, { id: 7 });
      await connection.addMediaStream(stream);
      const steps = [() => connection.removeMediaStream(7), () => stream.close()];
      if (!removeFirst) steps.reverse();
      assert.deepEqual(await Promise.all(steps.map((step) => step())), ['', '']);
      await connection.close();
    }
  });

  it('belongs to the connection it was built for (WRC-27)', async () => {
    const [one, other] = [newConnection(), newConnection()];
    const stream = newStream(one, { id: 'mine' });
    await assert.rejects(other.addMediaStream(stream), {
      name: 'Error', code: 'ERR_FOREIGN_STREAM', message: /stream mine/,
    });
    await Promise.all([one.close(), other.close(), stream.close()]);
  });
});

describe('other closed objects', () => {
  it('a processor is without effect and calls back each time (OTM-6)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const processor = new erizo.OneToManyProcessor();
    processor.setPublisher(stream);
    let synchronous = true;
    for (let round = 0; round < 2; round += 1) {
      const result = await new Promise((resolve) => {
        processor.close((text) => resolve([text, synchronous]));
        synchronous = false;
      });
      assert.deepEqual(result, ['OK', false]);
      synchronous = true;
      assert.equal(processor.hasPublisher(), undefined);
      assert.equal(processor.getPublisherState(), undefined);
      for (const method of ['setPublisher', 'setExternalPublisher', 'addSubscriber',
        'addExternalOutput', 'removeSubscriber']) {
        assert.equal(processor[method](), undefined);
      }
      assert.equal(processor.close(), undefined);
    }
    await Promise.all([stream.close(), connection.close()]);
  });

  it('inputs and outputs call back each time and have no effect (EXT-1)', async () => {
    for (const object of [
      new erizo.ExternalInput('url'),
      new erizo.ExternalOutput(threadPool(), 'url', '{}', true, true),
      new erizo.SyntheticInput(threadPool(), 1, 2, 3),
    ]) {
      for (let round = 0; round < 2; round += 1) {
        assert.equal(await new Promise((resolve) => object.close(resolve)), 'OK');
        assert.equal(object.init(), undefined);
        for (const method of ['setAudioReceiver', 'setVideoReceiver', 'generatePLIPacket', 'setFeedbackSource']) {
          assert.equal(object[method]?.(), undefined);
        }
      }
    }
  });

  it('a pool may be closed and started again without effect (THP-2, THP-3)', async () => {
    const pool = new erizo.ThreadPool(1);
    pool.start();
    const connection = newConnection({ threadPool: pool });
    pool.start();
    for (let round = 0; round < 2; round += 1) {
      assert.equal(pool.close(), undefined);
      assert.equal(pool.start(), undefined);
      assert.equal(pool.getDurationDistribution().length, 5);
    }
    assert.equal(await connection.removeMediaStream('x'), ''); // Its promises still settle.
    assert.ok(['', 'webrtcconnection_closed'].includes(await connection.close()));
  });

  it('connections settle on a pool that starts late, and on a closed one (THP-4)', async () => {
    const late = new erizo.ThreadPool(1);
    const connection = newConnection({ threadPool: late });
    let settled = false;
    const offer = connection.createOffer(true).then((value) => { settled = true; return value; });
    await turn();
    assert.equal(settled, false);
    late.start();
    assert.equal(await offer, '');
    await connection.close();

    const closed = new erizo.ThreadPool(1);
    closed.start();
    closed.close();
    const stillborn = newConnection({ threadPool: closed });
    assert.equal(await stillborn.createOffer(true), '');
    assert.equal(await stillborn.getLocalDescription(), '');
    assert.equal(await stillborn.close(), '');
  });

  it('promises settle when a pool that never ran is closed (LIF-8)', async () => {
    const pool = new erizo.ThreadPool(1);
    const connection = newConnection({ threadPool: pool });
    const promises = [connection.createOffer(true), connection.getLocalDescription()];
    pool.close();
    assert.deepEqual(await Promise.all(promises), ['', '']);
  });
});
