'use strict';

// The Cloud Handler policy with agents that come, go and lie (contract 7.2).

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { getErizoAgent } = require('erizo-rs/policies/single-pc');

/** An agent as ErizoController keeps it. */
const agent = (id, load, { timeout = 0, ...rest } = {}) => ({
  info: { id, rpc_id: `ErizoAgent_${id}` },
  metadata: {},
  stats: { perc_cpu: load, perc_mem: 0.5 },
  timeout,
  ...rest,
});

/** ErizoController's list, from agents or loads. */
const list = (entries) =>
  Object.fromEntries(
    Object.entries(entries).map(([id, entry]) => [
      id,
      typeof entry === 'number' ? agent(id, entry) : entry,
    ]),
  );

describe('a room that has an agent', () => {
  it('stays there, however loaded it is', () => {
    const agents = list({ busy: 0.99, idle: 0 });
    assert.equal(getErizoAgent(agents, 'busy'), 'ErizoAgent_busy');
  });

  it('stays there when the agent is silent or forgotten: its process numbers are its own', () => {
    const agents = list({ silent: agent('silent', 0.1, { timeout: 5 }), idle: 0 });
    assert.equal(getErizoAgent(agents, 'silent'), 'ErizoAgent_silent');
    assert.equal(getErizoAgent(agents, 'gone'), 'ErizoAgent_gone');
    assert.equal(getErizoAgent({}, 'gone'), 'ErizoAgent_gone');
  });

  for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    it(`stays there when that calls itself ${id}`, () => {
      assert.equal(getErizoAgent(list({ idle: 0 }), id), `ErizoAgent_${id}`);
    });
  }
});

describe('a new room', () => {
  it('goes to the least loaded agent, whatever the order', () => {
    assert.equal(getErizoAgent(list({ a: 0.7, b: 0.2, c: 0.5 })), 'ErizoAgent_b');
    assert.equal(getErizoAgent(list({ c: 0.5, b: 0.2, a: 0.7 })), 'ErizoAgent_b');
    assert.equal(getErizoAgent(list({ full: 1, fuller: 1 })), 'ErizoAgent_full');
  });

  for (const nothing of [undefined, null, '', 0, false, NaN, {}, 7]) {
    it(`is one whose agent is ${JSON.stringify(nothing) ?? nothing}`, () => {
      assert.equal(getErizoAgent(list({ a: 0.7, b: 0.2 }), nothing), 'ErizoAgent_b');
    });
  }

  it('goes to whoever comes next when no agent is known', () => {
    for (const agents of [{}, undefined, null, 7, 'agents', []]) {
      assert.equal(getErizoAgent(agents), 'ErizoAgent');
    }
  });

  it('is one of many that open between two reports: they spread', () => {
    const agents = list({ a: 0.1, b: 0.2, c: 0.9 });
    const count = {};
    for (let room = 0; room < 20; room++) {
      const queue = getErizoAgent(agents);
      count[queue] = (count[queue] ?? 0) + 1;
    }
    assert.deepEqual(count, { ErizoAgent_a: 11, ErizoAgent_b: 9 });
    agents.a.stats = { perc_cpu: 0.5 }; // Its next report says what the rooms really cost.
    agents.b.stats = { perc_cpu: 0.4 };
    assert.equal(getErizoAgent(agents), 'ErizoAgent_b');
  });

  it('avoids an agent that stopped answering', () => {
    const silent = agent('silent', 0, { timeout: 2 });
    const asked = agent('asked', 0.8, { timeout: 1 }); // The answer may be on its way.
    assert.equal(getErizoAgent(list({ silent, asked })), 'ErizoAgent_asked');
    assert.equal(getErizoAgent(list({ silent })), 'ErizoAgent_silent');
    silent.timeout = 0;
    assert.equal(getErizoAgent(list({ silent, asked })), 'ErizoAgent_silent');
  });

  it('finds agents that came and misses those that went', () => {
    const agents = list({ a: 0.5 });
    assert.equal(getErizoAgent(agents), 'ErizoAgent_a');
    agents.b = agent('b', 0.1);
    assert.equal(getErizoAgent(agents), 'ErizoAgent_b');
    delete agents.b;
    assert.equal(getErizoAgent(agents), 'ErizoAgent_a');
    delete agents.a;
    assert.equal(getErizoAgent(agents), 'ErizoAgent');
  });
});

describe('an agent that lies', () => {
  const LIES = [NaN, -1, -Infinity, Infinity, 1.01, '0', '', null, undefined, true, [], [0], {}, 0n];
  for (const load of LIES) {
    it(`and says ${typeof load} ${String(load)} comes after an honest one`, () => {
      const honest = agent('honest', 0.97);
      assert.equal(getErizoAgent(list({ liar: agent('liar', load), honest })), 'ErizoAgent_honest');
      assert.equal(
        getErizoAgent(list({ honest: agent('honest', 0.97), liar: agent('liar', load) })),
        'ErizoAgent_honest',
      );
      assert.equal(getErizoAgent(list({ liar: agent('liar', load) })), 'ErizoAgent_liar');
    });
  }

  for (const stats of [undefined, null, 7, 'idle', [], Object.create({ perc_cpu: 0 })]) {
    it(`or has ${String(stats)} for statistics comes after an honest one`, () => {
      const liar = agent('liar', 0, { stats });
      assert.equal(getErizoAgent(list({ liar, honest: 0.97 })), 'ErizoAgent_honest');
      assert.equal(getErizoAgent(list({ liar })), 'ErizoAgent_liar');
    });
  }

  it('shares new rooms with others of its kind', () => {
    const agents = list({ a: agent('a', NaN), b: agent('b', -1), c: agent('c', 0, { stats: null }) });
    const queues = [1, 2, 3].map(() => getErizoAgent(agents));
    assert.deepEqual(new Set(queues).size, 3);
  });

  it('cannot name the queue of somebody else', () => {
    const liar = agent('liar', 0, { info: { id: 'x', rpc_id: 'erizoController_1' } });
    assert.equal(getErizoAgent(list({ liar })), 'ErizoAgent_liar');
    assert.equal(getErizoAgent(list({ liar: { ...liar, info: null } })), 'ErizoAgent_liar');
  });

  it('cannot hide behind the prototype', () => {
    const agents = { ...list({ honest: 0.5 }) };
    agents['__proto__'] = agent('__proto__', 0); // What ErizoController's assignment does.
    assert.equal(getErizoAgent(agents), 'ErizoAgent_honest');
    const own = JSON.parse('{"__proto__":{"stats":{"perc_cpu":0},"timeout":0}}');
    assert.equal(getErizoAgent(own), 'ErizoAgent___proto__');
    assert.equal(Object.prototype.perc_cpu, undefined);
  });

  for (const entry of [null, undefined, 7, 'agent', true]) {
    it(`and is ${String(entry)} is none`, () => {
      assert.equal(getErizoAgent({ liar: entry, honest: agent('honest', 0.9) }), 'ErizoAgent_honest');
      assert.equal(getErizoAgent({ liar: entry }), 'ErizoAgent');
    });
  }

  for (const timeout of [NaN, -1, 'soon', null, undefined, Infinity]) {
    it(`about its silence (${String(timeout)}) counts as silent`, () => {
      const liar = { ...agent('liar', 0), timeout };
      assert.equal(getErizoAgent(list({ liar, honest: 0.9 })), 'ErizoAgent_honest');
    });
  }
});
