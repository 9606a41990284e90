// The statistics panel: both connections, their media sections and every stream, from this page's
// point of view and from the server's.

import { h, icon, iconButton } from './elements.js';
import * as format from './format.js';

const DIRECTIONS = {
  publish: { title: 'Publishing', idle: 'You publish nothing.' },
  subscribe: { title: 'Watching', idle: 'You watch nothing.' },
};

export class Panel {
  #body = h('div', { class: 'panel-body' });

  constructor(onClose) {
    this.element = h(
      'aside',
      { class: 'panel', 'aria-label': 'Statistics', hidden: true },
      h('header', {}, icon('chart'), h('h2', {}, 'Statistics'), iconButton('close', 'Close', onClose)),
      this.#body,
    );
  }

  /** @param statistics Of `RoomClient.statistics()`. @param streams Its streams. */
  show(statistics, streams) {
    const parts = Object.keys(DIRECTIONS).map((direction) =>
      connectionCard(direction, statistics[direction], statistics.server[direction]),
    );
    const cards = streams
      .filter((stream) => stream.own || stream.subscribed)
      .map((stream) => streamCard(stream, statistics));
    this.#body.replaceChildren(...parts, ...cards);
  }
}

/** The words and the colour for a connection's state. */
export function connectionState(pc) {
  if (!pc) return { word: 'idle', level: 'idle' };
  switch (pc.connectionState) {
    case 'connected':
      return { word: 'connected', level: 'good' };
    case 'failed':
    case 'closed':
      return { word: pc.connectionState, level: 'bad' };
    case 'disconnected':
      return { word: 'interrupted', level: 'warn' };
    default:
      return { word: 'connecting', level: 'warn' };
  }
}

function connectionCard(direction, page, server) {
  const { title, idle } = DIRECTIONS[direction];
  if (!page) {
    return h('section', { class: 'stat-card' }, h('h3', {}, title), h('p', { class: 'quiet' }, idle));
  }
  const state = connectionState({ connectionState: page.connectionState });
  const estimate = direction === 'publish' ? page.availableOutgoingBitrate : server?.bitrateEstimate;
  return h(
    'section',
    { class: 'stat-card' },
    h('h3', {}, h('i', { class: ['dot', state.level] }), title),
    facts([
      ['ICE', page.iceState],
      ['DTLS', [page.dtlsState, page.dtlsVersion].filter(Boolean).join(', ')],
      ['SRTP', format.cipher(page.srtpCipher)],
      ['Server', format.text(server?.state)],
      ['Round trip', format.milliseconds(page.roundTrip)],
      ...(typeof estimate === 'number' ? [['Bandwidth estimate', format.bitrate(estimate)]] : []),
      ['Here', format.text(page.local)],
      ['There', format.text(page.remote)],
    ]),
    h(
      'table',
      {},
      h('caption', {}, `Sections of the current description (${page.sections.length})`),
      h('thead', {}, row('th', ['mid', 'kind', 'direction', 'port'])),
      h(
        'tbody',
        {},
        page.sections.map((section) =>
          row('td', [section.mid, section.kind, section.direction, section.port], {
            class: section.port === 0 || section.direction === 'inactive' ? 'off' : null,
          }),
        ),
      ),
    ),
  );
}

function streamCard(stream, { publish, subscribe, server }) {
  const page = stream.own ? publish : subscribe;
  const remote = (stream.own ? server.published : server.subscribed)[stream.id];
  const tracks = stream.mediaStream?.getTracks() ?? [];
  return h(
    'section',
    { class: 'stat-card' },
    h('h3', {}, `${stream.name}: ${stream.title}`, h('code', {}, stream.id)),
    tracks.map((track) => {
      const here = page?.tracks.get(track.id);
      const there = remote?.sources.find(({ kind }) => kind === track.kind);
      return h(
        'table',
        { class: 'compare' },
        h(
          'thead',
          {},
          row('th', [
            track.kind === 'video' ? 'Video' : 'Audio',
            stream.own ? 'page sends' : 'page receives',
            stream.own ? 'server receives' : 'server sends',
          ]),
        ),
        h(
          'tbody',
          {},
          [
            ['Codec', format.text(here?.codec), ''],
            ['Bitrate', format.bitrate(here?.bitrate), format.bitrate(there?.bitrate)],
            ...(track.kind === 'video'
              ? [
                  ['Picture', format.resolution(here?.width, here?.height), ''],
                  ['Frames', format.frameRate(here?.frameRate), ''],
                  [
                    'Key frames',
                    format.count(here?.keyFramesDecoded ?? here?.keyFramesEncoded),
                    format.count(there?.keyFrames),
                  ],
                ]
              : []),
            ['Loss', format.percent(here?.loss), format.percent(there?.fractionLost)],
            ['Jitter', format.milliseconds(here?.jitter), ''],
            ['NACK / PLI', pair(here), pair(there)],
            ['SSRC', format.text(here?.ssrc), format.text(there?.ssrc)],
          ].map((cells) => row('td', cells)),
        ),
      );
    }),
  );
}

const pair = (numbers) => (numbers ? `${numbers.nack} / ${numbers.pli}` : '–');

function facts(entries) {
  return h(
    'dl',
    {},
    entries.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
  );
}

function row(cell, values, properties = {}) {
  return h(
    'tr',
    properties,
    values.map((value) => h(cell, {}, String(value))),
  );
}
