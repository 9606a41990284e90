'use strict';

// How arguments are converted and refused (contract sections 0.3 and 8.1, scenario SCN-43).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const {
  connectionArguments, erizo, ioThreadPool, mediaConfigurationText, newConnection, newStream,
  threadPool, turn,
} = require('./support.js');

const hostile = () => [
  undefined, null, true, -1.5, NaN, 2 ** 40, 'text', '{', Symbol('s'), 10n, {}, [], () => {},
  { toString() { throw new RangeError('from toString'); } },
  new erizo.IOThreadPool(1), Object.create(erizo.ThreadPool.prototype), new Proxy(threadPool(), {}),
];

/** Missing arguments throw a TypeError that names what is missing. */
const missing = (name) => ({ name: 'TypeError', code: 'ERR_MISSING_ARGS', message: new RegExp(`"${name}" is missing`) });
const wrong = (name, expected) => ({
  name: 'TypeError',
  code: 'ERR_INVALID_ARG_TYPE',
  message: new RegExp(`"${name}" must be ${expected}`),
});

describe('constructors', () => {
  it('name the first argument that is missing (DEF-2)', () => {
    assert.throws(() => new erizo.ThreadPool(), missing('numWorkers'));
    assert.throws(() => new erizo.IOThreadPool(), missing('numWorkers'));
    assert.throws(() => new erizo.WebRtcConnection(), missing('threadPool'));
    for (let count = 0; count < 9; count += 1) {
      const some = connectionArguments().slice(0, count);
      assert.throws(() => new erizo.WebRtcConnection(...some), { name: 'TypeError' }, `${count}`);
    }
    const connection = newConnection();
    assert.throws(() => new erizo.MediaStream(threadPool(), connection), missing('id'));
    assert.throws(() => new erizo.ExternalInput(), missing('url'));
    assert.throws(() => new erizo.ExternalOutput(threadPool()), missing('url'));
    assert.throws(() => new erizo.SyntheticInput(threadPool(), 1, 2), missing('maxVideoBitrate'));
    return connection.close();
  });

  it('take only genuine instances where objects are expected (COE-5)', () => {
    const impostors = [undefined, null, {}, 1, 'pool', Symbol('s'), ioThreadPool,
      Object.create(erizo.ThreadPool.prototype), Object.create(threadPool()),
      new Proxy(threadPool(), {})];
    for (const impostor of impostors) {
      const args = connectionArguments();
      args[0] = impostor;
      assert.throws(() => new erizo.WebRtcConnection(...args), { name: 'TypeError' });
    }
    const args = connectionArguments();
    args[1] = threadPool();
    assert.throws(
      () => new erizo.WebRtcConnection(...args),
      wrong('ioThreadPool', 'an instance of IOThreadPool, got another object'),
    );
  });

  it('refuse JSON that is not the text of an object (COE-9)', () => {
    const withConfiguration = (mediaConfiguration) => newConnection({ mediaConfiguration });
    for (const text of ['', '{', 'undefined', '{"a":1', 'nope']) {
      assert.throws(() => new erizo.ConnectionDescription(text), {
        name: 'SyntaxError', code: 'ERR_INVALID_ARG_VALUE', message: /"mediaConfiguration"/,
      });
    }
    assert.throws(() => withConfiguration('{'), { name: 'SyntaxError' });
    for (const text of ['[]', '1', 'null', '"text"']) {
      assert.throws(() => new erizo.ConnectionDescription(text), { name: 'TypeError' });
      assert.throws(() => withConfiguration(text), { name: 'TypeError' });
    }
    const args = connectionArguments();
    args[9] = '{';
    assert.throws(() => new erizo.WebRtcConnection(...args), { name: 'SyntaxError' });
    assert.throws(() => new erizo.ConnectionDescription('{}', 1), { name: 'TypeError' }); // CDS-2
  });

  it('treat absent trailing arguments as the contract says (WRC-1 to WRC-3)', async () => {
    const nine = new erizo.WebRtcConnection(...connectionArguments().slice(0, 9));
    const args = connectionArguments({ id: 7 });
    for (const index of [3, 9, 14, 16, 17, 18]) args[index] = index % 2 ? undefined : null;
    const nullish = new erizo.WebRtcConnection(...args);
    args[4] = '40000';
    const strings = new erizo.WebRtcConnection(...args);
    await Promise.all([nine.close(), nullish.close(), strings.close()]);
  });

  it('check the handlers of a stream (MST-2)', async () => {
    const connection = newConnection();
    const build = (handlers) =>
      new erizo.MediaStream(threadPool(), connection, 'id', 'label', false, true, true, handlers);
    for (const handlers of [undefined, [], ['{"name":"unknown","limit":"1"}']]) build(handlers);
    for (const handlers of [null, {}, 'text', 1]) {
      assert.throws(() => build(handlers), wrong('handlers', 'an array'));
    }
    assert.throws(() => build(['{']), { name: 'SyntaxError' });
    assert.throws(() => build(['[]']), { name: 'TypeError' });
    assert.throws(() => build([Symbol('s')]), { name: 'TypeError' });
    assert.throws(() => build(new Array(2 ** 32 - 1)), { name: 'TypeError' }); // And at once.
    await connection.close();
  });

  it('survive every kind of value in every place (SCN-43)', async () => {
    const classes = {
      ThreadPool: [1], IOThreadPool: [1, false], ExternalInput: ['url'],
      ExternalOutput: [threadPool(), 'url', mediaConfigurationText, true, true],
      SyntheticInput: [threadPool(), 1, 2, 3],
      ConnectionDescription: [mediaConfigurationText],
      WebRtcConnection: connectionArguments(),
      MediaStream: [threadPool(), newConnection(), 'id', 'label', true, true, true, [], 'default'],
      OneToManyProcessor: [],
    };
    for (const [name, good] of Object.entries(classes)) {
      for (let index = 0; index < good.length; index += 1) {
        for (const value of hostile()) {
          const args = [...good];
          args[index] = value;
          try {
            const object = new erizo[name](...args);
            if (object.close) await object.close();
          } catch (error) {
            assert.ok(error instanceof Error, `${name} threw ${String(error)}`);
          }
        }
      }
    }
  });
});

describe('methods', () => {
  it('survive every kind of value in every place (SCN-43)', async () => {
    const makers = {
      WebRtcConnection: () => newConnection(),
      MediaStream: () => newStream(newConnection()),
      OneToManyProcessor: () => new erizo.OneToManyProcessor(),
      ExternalInput: () => new erizo.ExternalInput('url'),
      ExternalOutput: () => new erizo.ExternalOutput(threadPool(), 'url', '{}', true, true),
      SyntheticInput: () => new erizo.SyntheticInput(threadPool(), 1, 2, 3),
      ConnectionDescription: () => new erizo.ConnectionDescription(),
      ThreadPool: () => new erizo.ThreadPool(1),
      IOThreadPool: () => new erizo.IOThreadPool(1),
    };
    const settle = [];
    for (const [name, make] of Object.entries(makers)) {
      const object = make();
      for (const method of Object.getOwnPropertyNames(erizo[name].prototype)) {
        if (method === 'constructor' || method === 'close') continue;
        for (const value of hostile()) {
          try {
            settle.push(Promise.resolve(object[method](...Array(12).fill(value))).catch(() => {}));
          } catch (error) {
            assert.ok(error instanceof Error, `${name}.${method} threw ${String(error)}`);
          }
        }
      }
      const closed = object.close();
      if (closed) settle.push(closed);
    }
    await Promise.all(settle);
  });

  it('ask for callbacks that are functions (DEF-7)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const processor = new erizo.OneToManyProcessor();
    for (const value of [undefined, null, {}, 'text', 1]) {
      const callback = wrong('callback', 'a function');
      assert.throws(() => connection.init(value), callback);
      assert.throws(() => connection.getStats(value), callback);
      assert.throws(() => stream.getStats(value), callback);
      assert.throws(() => stream.getPeriodicStats(value), callback);
      assert.throws(() => stream.onMediaStreamEvent(value), callback);
    }
    assert.throws(() => processor.close('text'), wrong('callback', 'a function'));
    processor.close();
    await Promise.all([stream.close(), connection.close()]);
  });

  it('take only genuine instances (COE-5)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const processor = new erizo.OneToManyProcessor();
    const impostors = [undefined, null, {}, 1, connection, Object.create(stream),
      Object.create(erizo.MediaStream.prototype)];
    for (const impostor of impostors) {
      const refused = wrong('stream', 'an instance of MediaStream');
      assert.throws(() => connection.addMediaStream(impostor), refused);
      assert.throws(() => processor.setPublisher(impostor), refused);
      assert.throws(() => processor.addSubscriber(impostor, 'peer'), refused);
      const description = wrong('description', 'an instance of ConnectionDescription');
      assert.throws(() => connection.setRemoteDescription(impostor), description);
      assert.throws(() => connection.copySdpToLocalDescription(impostor), description);
    }
    for (const impostor of [undefined, null, {}, connection, Object.create(processor)]) {
      assert.throws(() => stream.setAudioReceiver(impostor), wrong('sink', 'an instance of OneToMany'));
      assert.throws(() => stream.setVideoReceiver(impostor), wrong('sink', 'an instance of OneToMany'));
    }
    stream.setAudioReceiver(processor);
    stream.setVideoReceiver(processor);
    await Promise.all([stream.close(), connection.close()]);
  });

  it('convert numbers, texts and truth as ECMAScript does (COE-1 to COE-4)', () => {
    const description = new erizo.ConnectionDescription();
    description.setFingerprint(undefined);
    assert.equal(description.getFingerprint(), 'undefined');
    description.setXGoogleFlag(1);
    assert.equal(description.getXGoogleFlag(), '1');
    for (const [value, expected] of [['300', 300], [1.9, 1], [-1, 2 ** 32 - 1], [undefined, 0],
      [NaN, 0], ['x', 0], [false, 0], [2 ** 32 + 5, 5], [null, 0], ['0x10', 16]]) {
      description.setVideoBandwidth(value);
      assert.equal(description.getVideoBandwidth(), expected, String(value));
    }
    for (const value of [{}, [], 'false', 1, () => {}]) {
      description.setBundle(value);
      assert.equal(description.isBundle(), true);
      description.setBundle(undefined);
      assert.equal(description.isBundle(), false);
    }
    for (const value of [undefined, null, 0, '', NaN]) {
      description.setIceLite(value);
      assert.equal(description.isIceLite(), false);
    }
    description.addCandidate('video', 1, '1', 'udp', 2 ** 32 - 1, '192.0.2.1', 5, 'host');
    assert.equal(description.getCandidates()[0].priority, 2 ** 32 - 1); // COE-4
    for (const method of ['setFingerprint', 'setProfile', 'setVideoBandwidth', 'addRid']) {
      assert.throws(() => description[method](Symbol('s')), { name: 'TypeError' }); // COE-6
      const throws = { [Symbol.toPrimitive]() { throw new RangeError('mine'); } };
      assert.throws(() => description[method](throws), { name: 'RangeError', message: 'mine' });
    }
  });

  it('accept what means "off" for features that are not built, and name the others', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    assert.equal(stream.setSlideShowMode(false), false);
    assert.equal(stream.setSlideShowMode(undefined), false);
    assert.equal(stream.setVideoConstraints(-1, -1, -1), undefined);
    assert.equal(stream.setQualityLayer(-1, -1), undefined);
    assert.equal(stream.enableSlideShowBelowSpatialLayer(false, 0), undefined);
    const notBuilt = (what) => ({
      name: 'Error', code: 'ERR_NOT_BUILT', message: new RegExp(`^${what}.* is not built yet in erizo-rs \\d`),
    });
    const processor = new erizo.OneToManyProcessor();
    const input = new erizo.ExternalInput('url');
    const output = new erizo.ExternalOutput(threadPool(), 'url', '{}', true, true);
    const synthetic = new erizo.SyntheticInput(threadPool(), 1, 2, 3);
    assert.throws(() => stream.setSlideShowMode(true), notBuilt('MediaStream.setSlideShowMode'));
    assert.throws(() => stream.setVideoConstraints(320, 240, -1), notBuilt('MediaStream.setVideoC'));
    assert.throws(() => stream.setQualityLayer(1, 1), notBuilt('MediaStream.setQualityLayer'));
    assert.throws(() => stream.enableSlideShowBelowSpatialLayer(true, 1), notBuilt('MediaStream.en'));
    assert.throws(() => stream.setAudioReceiver(output), notBuilt('MediaStream.setAudioReceiver'));
    assert.throws(() => processor.setExternalPublisher(input), notBuilt('OneToManyProcessor.setE'));
    assert.throws(() => processor.addExternalOutput(output, 'p'), notBuilt('OneToManyProcessor.add'));
    assert.throws(() => input.init(), notBuilt('ExternalInput.init'));
    assert.throws(() => output.init(), notBuilt('ExternalOutput.init'));
    assert.throws(() => synthetic.init(), notBuilt('SyntheticInput.init'));
    await Promise.all([stream.close(), connection.close()]);
  });

  it('returns what the contract says before anything is negotiated (MST-7)', async () => {
    const connection = newConnection();
    const stream = newStream(connection);
    const processor = new erizo.OneToManyProcessor();
    assert.equal(stream.setMetadata('{"a":{"b":1},"c":"d","e":1}'), true);
    assert.throws(() => stream.setMetadata('{'), { name: 'SyntaxError' });
    assert.equal(connection.setMetadata('{}'), true);
    assert.equal(stream.configure(true), true);
    assert.equal(stream.configure(), true);
    for (const kbps of [300, false, undefined, 4_000_000, -1]) stream.setMaxVideoBW(kbps);
    stream.muteStream(true, false);
    stream.setFeedbackReports(true, NaN);
    stream.setFeedbackReports(false, 50_000.5);
    stream.setPriority('10');
    stream.generatePLIPacket();
    stream.enableHandler('pli-pacer');
    stream.disableHandler('no such handler');
    assert.equal(stream.hasPeriodicKeyframeRequests(), false);
    stream.setPeriodicKeyframeRequests(true, 1000);
    assert.equal(stream.hasPeriodicKeyframeRequests(), true);
    stream.setPeriodicKeyframeRequests(false);
    assert.equal(stream.hasPeriodicKeyframeRequests(), false);
    assert.equal(stream.getCurrentState(), 101);
    assert.equal(connection.getCurrentState(), 101);
    assert.equal(connection.getConnectionQualityLevel(), 2);
    connection.setConnectionTargetBw(undefined);
    connection.setBwDistributionConfig('{}');
    assert.throws(() => connection.setBwDistributionConfig('{'), { name: 'SyntaxError' });
    assert.equal(
      connection.addRemoteCandidate('0', 0, 1, 1, 2 ** 31 + 1, 'udp', '192.0.2.1', 5000, 'host',
        undefined, undefined, 'a=candidate:1 1 udp 1 192.0.2.1 5000 typ host'),
      true,
    );
    assert.equal(processor.hasPublisher(), false);
    assert.equal(processor.getPublisherState(), undefined);
    processor.addSubscriber(stream, 'early'); // OTM-2
    processor.setPublisher(stream);
    assert.equal(processor.hasPublisher(), true);
    assert.equal(processor.getPublisherState(), 101);
    processor.removeSubscriber('unknown');
    for (const pools of [threadPool(), connection, stream]) {
      assert.equal(pools.getDurationDistribution().length, 5);
      assert.equal(pools.getDelayDistribution().length, 5);
      assert.equal(pools.resetStats(), undefined);
    }
    await Promise.all([stream.close(), connection.close()]);
    await turn();
  });
});
