// The Cloud Handler policy where it runs: Licode's own ecCloudHandler.js loads it as the operator's
// guide says, asks agents every five seconds and sends its requests where the policy says. Runs by
// `npm run test:licode -- --licode <folder>`.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { fileURLToPath } from 'node:url';

import { missingLicode } from './erizo_js.mjs';

const require = createRequire(import.meta.url);
const POLICY = fileURLToPath(new URL('../../js/policies/single-pc.js', import.meta.url));
const ROUND_MS = 5_000;

describe("the policy in Licode's ecCloudHandler", { skip: missingLicode() ?? false }, () => {
  /** What the controller sent: `{ queue, internalId, answer(response) }`. */
  const requests = [];
  /** Agents that answer the next question. */
  const agents = new Map();
  let handler;

  before(() => {
    mock.timers.enable({ apis: ['setInterval'] });
    const controller = path.join(process.env.LICODE, 'erizo_controller', 'erizoController');
    const policy = path.relative(path.join(controller, 'ch_policies'), POLICY);
    global.config = { logger: { configFile: true }, erizoController: { cloudHandlerPolicy: policy } };
    const { EcCloudHandler } = require(path.join(controller, 'ecCloudHandler.js'));
    handler = EcCloudHandler({
      amqper: {
        broadcast(topic, { method }, callback) {
          if (method !== 'getErizoAgents') return;
          for (const [id, stats] of agents) {
            callback({ info: { id, rpc_id: `ErizoAgent_${id}` }, metadata: {}, stats });
          }
        },
        callRpc(queue, method, [internalId], { callback }) {
          requests.push({ queue, internalId, answer: callback });
        },
      },
    });
  });

  after(() => mock.timers.reset());

  const round = () => mock.timers.tick(ROUND_MS);

  function askFor(agentId, internalId) {
    let got;
    handler.getErizoJS(agentId, internalId, (...values) => {
      got = values;
    });
    return { ...requests.at(-1), got: () => got };
  }

  it('sends a room without agents to whoever comes first', () => {
    assert.equal(askFor().queue, 'ErizoAgent');
  });

  it('sends a new room to the least loaded agent, and the room back to its agent', () => {
    agents.set('busy', { perc_cpu: 0.6 }).set('idle', { perc_cpu: 0.2 });
    round();
    const first = askFor();
    assert.equal(first.queue, 'ErizoAgent_idle');
    first.answer({ erizoId: 'e1', agentId: 'idle', internalId: 4 });
    assert.deepEqual(first.got(), ['e1', 'idle', 4]);

    agents.set('idle', { perc_cpu: 0.9 });
    round();
    const again = askFor('idle', 4);
    assert.deepEqual([again.queue, again.internalId], ['ErizoAgent_idle', 4]);
    assert.equal(askFor().queue, 'ErizoAgent_busy');
  });

  it('leaves it to the controller to replace an agent that does not answer', () => {
    agents.clear();
    agents.set('new', { perc_cpu: 0.95 });
    for (let number = 0; number < 3; number++) round();
    const gone = askFor('idle', 4);
    gone.answer('timeout');
    const retry = requests.at(-1);
    assert.deepEqual([retry.queue, retry.internalId], ['ErizoAgent', undefined]);
    retry.answer({ erizoId: 'e2', agentId: 'new', internalId: 0 });
    assert.deepEqual(gone.got(), ['e2', 'new', 0]);
    assert.equal(askFor().queue, 'ErizoAgent_new');
  });
});
