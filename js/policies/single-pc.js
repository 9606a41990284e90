'use strict';

// A Cloud Handler policy for ErizoController (config.erizoController.cloudHandlerPolicy): with
// `maxErizosUsedByRoom` 1 a room has one ErizoJS, and so each client one connection per direction.
// This decides on which agent that process is: a room that has one stays there, a new room goes to
// the least loaded agent. What agents say of themselves is not believed without a look.

/** The queue that all agents share: the broker hands each message to the next of them. */
const ANY_AGENT = 'ErizoAgent';

/**
 * What a new room counts as, in shares of a machine, until its agent reports again (every 5 s): of
 * ten rooms that open at once not all go to the agent that was idle at the last report.
 */
const ROOM_LOAD = 0.05;

/** An agent without an honest figure comes after those that have one. */
const UNKNOWN_LOAD = 1;

/**
 * ErizoController adds one whenever it asks, and starts again at an answer: two questions without
 * an answer are more than bad luck. It forgets the agent after six.
 */
const SILENT_AFTER = 2;

/** Rooms placed since a report, by that report: a new report is a new object. */
const placed = new WeakMap();

/**
 * Chooses the queue for ErizoController's request for an ErizoJS.
 *
 * @param {Record<string, object>} agents The known agents by id: `{ info, stats, timeout }`.
 * @param {string | undefined} agentId The agent that has the room already.
 * @returns {string} The queue of one agent, or the one that all share.
 */
function getErizoAgent(agents, agentId) {
  // Also if the agent is not known any more: the request says which of its processes it wants, and
  // that means nothing to another agent. ErizoController asks again, for any, when nobody answers.
  if (typeof agentId === 'string' && agentId !== '') return queueOf(agentId);
  const best = candidates(agents).reduce(
    (found, agent) => (found === null || isBetter(agent, found) ? agent : found),
    null,
  );
  if (best === null) return ANY_AGENT;
  placed.set(best.report, best.rooms + 1);
  return queueOf(best.id);
}

function queueOf(agentId) {
  return `${ANY_AGENT}_${agentId}`;
}

/** The agents that can be addressed, with what counts. */
function candidates(agents) {
  if (!isObject(agents)) return [];
  // Own keys only: an agent may call itself "__proto__".
  return Object.keys(agents).flatMap((id) => {
    const agent = agents[id];
    if (!isObject(agent) || id === '') return [];
    const report = isObject(agent.stats) ? agent.stats : agent;
    const rooms = placed.get(report) ?? 0;
    const { timeout } = agent;
    const silent = !(Number.isFinite(timeout) && timeout >= 0 && timeout < SILENT_AFTER);
    return [{ id, report, rooms, silent, load: loadOf(agent.stats) + rooms * ROOM_LOAD }];
  });
}

/** The share of the machine's processors that is in use. */
function loadOf(stats) {
  const load = isObject(stats) && Object.hasOwn(stats, 'perc_cpu') ? stats.perc_cpu : undefined;
  const isHonest = typeof load === 'number' && load >= 0 && load <= 1; // False for NaN.
  return isHonest ? load : UNKNOWN_LOAD;
}

function isBetter(one, other) {
  if (one.silent !== other.silent) return other.silent;
  if (one.load !== other.load) return one.load < other.load;
  return one.rooms < other.rooms;
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

module.exports = { getErizoAgent };
