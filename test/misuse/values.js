'use strict';

// The arguments of the misuse cases: good ones for each declared parameter, and bad ones by kind.

const { wordsOf } = require('./declarations.js');
const support = require('../api/support.js');

const { erizo, ioThreadPool, mediaConfigurationText, threadPool } = support;

const SDP = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n';

/** Where the type alone does not say what is good. */
const GOOD_BY_NAME = {
  bwDistribution: () => '{}',
  json: () => '{}',
  maxPort: () => 0,
  mediaConfiguration: () => mediaConfigurationText,
  minPort: () => 0,
  networkInterface: () => '',
  stunServer: () => '',
  text: () => SDP,
  turnServer: () => '',
};

/** New instances; `scene` collects what has to be closed after the case. */
const MAKERS = {
  ConnectionDescription: () => support.remoteDescription(),
  ExternalInput: () => new erizo.ExternalInput('url'),
  ExternalOutput: () => new erizo.ExternalOutput(threadPool(), 'url', '{}', true, true),
  IOThreadPool: () => new erizo.IOThreadPool(1),
  MediaStream: (scene) => support.newStream(make('WebRtcConnection', scene)),
  OneToManyProcessor: () => new erizo.OneToManyProcessor(),
  SyntheticInput: () => new erizo.SyntheticInput(threadPool(), 1, 2, 3),
  ThreadPool: () => new erizo.ThreadPool(1),
  WebRtcConnection: () => support.newConnection(),
};

function make(name, scene) {
  if (!MAKERS[name]) throw new Error(`teach test/misuse/values.js to make a ${name}`);
  const object = MAKERS[name](scene);
  scene.push(object);
  return object;
}

/** A value that the parameter is meant for. */
function good({ name, type }, scene) {
  if (GOOD_BY_NAME[name]) return GOOD_BY_NAME[name]();
  const words = wordsOf(type);
  for (const word of words) {
    if (word === 'ThreadPool') return threadPool();
    if (word === 'IOThreadPool') return ioThreadPool;
    if (MAKERS[word]) return make(word, scene);
    if (word === 'boolean') return true;
    if (word === 'string') return 'text';
    if (word === 'number') return 1;
    if (word === 'array') return [];
    if (word === 'object') return {};
    if (word === 'function') return () => {};
    if (/^'.*'$/.test(word)) return word.slice(1, -1);
    if (word === 'unknown[]') return undefined;
  }
  throw new Error(`teach test/misuse/values.js a good ${name}: ${words.join(' | ')}`);
}

const LONG = 'x'.repeat(100_000);

/** The wrong types; each as `[label, () => value]`. */
const WRONG = Object.entries({
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  NaN: () => NaN,
  '-1': () => -1,
  '1.5': () => 1.5,
  '1e308': () => 1e308,
  'empty text': () => '',
  text: () => 'nonsense',
  'long text': () => LONG,
  symbol: () => Symbol('s'),
  bigint: () => 10n,
  object: () => ({}),
  array: () => [],
  'array of arrays': () => [[], [[]]],
  function: () => () => {},
  class: () => class {},
  date: () => new Date(0),
  'null prototype': () => Object.create(null),
  buffer: () => Buffer.from('text'),
  promise: () => Promise.resolve(1),
});

const thrown = () => {
  throw new RangeError('mine');
};

/** Values that run code when they are converted; `act` is what that code does to the object. */
const ACTING = {
  toString: (act) => ({ toString: act }),
  valueOf: (act) => ({ valueOf: act }),
  toPrimitive: (act) => ({ [Symbol.toPrimitive]: act }),
  'toString and valueOf': (act) => ({ toString: act, valueOf: act }),
  'toJSON and toString': (act) => ({ toJSON: act, toString: act }),
  'array element': (act) => [{ toString: act, valueOf: act }],
  'array getter': (act) => Object.defineProperty([1], '0', { get: act }),
  'array length': (act) => new Proxy([1], {
    get: (target, key) => (typeof key === 'symbol' ? target[key] : act()),
  }),
};

const HOSTILE = [
  ...Object.entries(ACTING).map(([label, build]) => [`throwing ${label}`, () => build(thrown)]),
  ['throwing Proxy', () => new Proxy({}, new Proxy({}, { get: () => thrown }))],
  ['revoked Proxy', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }],
  ['revoked function Proxy', () => {
    const { proxy, revoke } = Proxy.revocable(() => {}, {});
    revoke();
    return proxy;
  }],
  ['toString without primitive', () => ({ toString: () => ({}), valueOf: () => ({}) })],
  ['throwing function', () => thrown],
];

const EXTREME = Object.entries({
  '2^31': () => 2 ** 31,
  '2^32': () => 2 ** 32,
  '2^53': () => 2 ** 53,
  '-2^31': () => -(2 ** 31),
  '-0': () => -0,
  infinity: () => Infinity,
  '-infinity': () => -Infinity,
  'smallest number': () => 5e-324,
  'long digits': () => '9'.repeat(100_000),
  'NUL text': () => '\0\0',
  'lone surrogate': () => '\ud800',
  'line breaks': () => 'a\r\nb=1\r\n',
  'astral text': () => '\u{1F600}'.repeat(1000),
  'deep JSON': () => '['.repeat(100_000),
  'deep JSON object': () => `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  'wide JSON': () => `{"rtpMappings":[${Array(5000).fill('{"payloadType":1e99,"encodingName":"\\u0000","mediaType":"video"}').join()}],"extMappings":${JSON.stringify(Array(5000).fill('x'))}}`,
  'JSON of wrong members': () => '{"rtpMappings":5,"extMappings":{},"type":[],"strategy":[[1]],"srtpProfiles":{"a":1},"name":null}',
  '__proto__': () => '__proto__',
  'JSON __proto__': () => '{"__proto__":{"rtpMappings":[]},"constructor":1}',
  'sparse array': () => new Array(2 ** 32 - 1),
  'large array': () => new Array(65_000).fill('1'),
  'wide SDP': () => `${SDP}${'m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n'.repeat(2000)}`,
  'wild SDP': () => `${SDP}m=audio 99999999999 RTP 1 2 300 -1 x\r\na=rtpmap:300 /0/\r\na=ssrc:-1 \r\na=mid:\r\na=fingerprint:\r\na=candidate:\r\na=extmap:0 \r\na=rid:\r\n`,
});

/** Instances that are not what they look like; `[label, (scene) => value]`. */
const FOREIGN = [
  ...Object.keys(MAKERS).map((name) => [`a ${name}`, (scene) => make(name, scene)]),
  ...Object.keys(MAKERS).map((name) => [`bare ${name}.prototype`, () => erizo[name].prototype]),
  ...Object.keys(MAKERS).map((name) => [`Object.create(${name}.prototype)`, () => Object.create(erizo[name].prototype)]),
  ...Object.keys(MAKERS).map((name) => [`heir of a ${name}`, (scene) => Object.create(make(name, scene))]),
  ...Object.keys(MAKERS).map((name) => [`Proxy of a ${name}`, (scene) => new Proxy(make(name, scene), {})]),
  ...Object.keys(MAKERS).map((name) => [`clone of a ${name}`, (scene) => structuredClone(make(name, scene))]),
  // A genuine instance of one class with the face of another.
  ...Object.keys(MAKERS).map((name, index, names) => {
    const face = names[(index + 1) % names.length];
    return [`a ${name} that looks like a ${face}`, (scene) => Object.setPrototypeOf(make(name, scene), erizo[face].prototype)];
  }),
  ['a pool built as a connection', () => Reflect.construct(erizo.ThreadPool, [1], erizo.WebRtcConnection)],
  ['a description built as a stream', () => Reflect.construct(erizo.ConnectionDescription, [], erizo.MediaStream)],
  ['a class', () => erizo.WebRtcConnection],
];

module.exports = { ACTING, EXTREME, FOREIGN, HOSTILE, WRONG, good, make };
