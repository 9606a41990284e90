// The page: lobby, then room. Holds what the person chose and shows what `RoomClient` tells.

import { RoomClient } from './client.js';
import { h, icon, iconButton, loadIcons, notify, setIconButton, setText } from './elements.js';
import { layOut } from './grid.js';
import { fatal, lobby } from './lobby.js';
import { Panel, connectionState } from './panel.js';
import { canShareScreen, capture, SOURCES } from './sources.js';
import { Tile } from './tile.js';

const STATISTICS_MS = 1_000;
const RETRY_MS = 2_000;
/** Errors that say why media cannot flow, with their titles for people. */
const MEDIA_ERRORS = {
  'no-media-port': 'The server has no port for media',
  'connection-failed': 'There is no media connection',
};
const UNREACHABLE =
  'This browser and the server do not reach each other. Is UDP blocked between them?';

const app = document.getElementById('app');
const settings = loadSettings();

class RoomScreen {
  #client;
  #choice;
  #tiles = new Map();
  #panel = new Panel(() => this.#togglePanel(false));
  #timer;
  #stopLayout;
  #grid = h('div', { class: 'grid' });
  #empty;
  #people = h('span');
  #pills = { publish: pill('Publishing'), subscribe: pill('Watching') };
  #panelButton;

  constructor(client, choice) {
    this.#client = client;
    this.#choice = choice;
    this.#panelButton = iconButton('chart', 'Statistics', () => this.#togglePanel());
    this.#empty = emptyRoom((source) => this.publish(source));
    this.element = h(
      'div',
      { class: 'room' },
      this.#topBar(),
      h(
        'div',
        { class: 'middle' },
        h('main', { class: 'stage' }, this.#grid, this.#empty),
        this.#panel.element,
      ),
      this.#dock(),
    );
    this.#listen();
  }

  /** @param {string[]} sources What to publish from the start. */
  start(sources) {
    this.#stopLayout = layOut(this.#grid);
    for (const stream of this.#client.streams.values()) this.#addTile(stream);
    this.#showPeople();
    this.#showEmpty();
    for (const direction of Object.keys(this.#pills)) this.#showConnection(direction);
    this.#togglePanel(settings.panel);
    const measure = async () => {
      await this.#measure().catch(() => {}); // The next reading may work; a dead server says so.
      if (this.#timer !== null) this.#timer = setTimeout(measure, STATISTICS_MS);
    };
    this.#timer = setTimeout(measure, STATISTICS_MS);
    for (const source of sources) this.publish(source);
  }

  /** What this page publishes and can publish again without a click. */
  get ownSources() {
    const own = [...this.#client.streams.values()].filter((stream) => stream.own);
    return own.map(({ source }) => source).filter((source) => source !== 'screen');
  }

  async publish(source) {
    let mediaStream = null;
    try {
      mediaStream = await capture(source, this.#choice.name);
      if (mediaStream) await this.#publishStream(mediaStream, source);
    } catch (error) {
      mediaStream?.getTracks().forEach((track) => track.stop());
      report(error);
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#stopLayout?.();
    for (const stream of this.#client.streams.values()) if (stream.own) stopCapture(stream);
    for (const tile of this.#tiles.values()) tile.remove();
    this.#client.leave();
  }

  #listen() {
    const on = (type, handle) =>
      this.#client.addEventListener(type, ({ detail }) => handle(detail));
    on('people', () => this.#showPeople());
    on('stream-added', (stream) => this.#addTile(stream));
    on('stream-removed', (stream) => {
      this.#tiles.get(stream.id)?.remove();
      this.#tiles.delete(stream.id);
      this.#showEmpty();
    });
    on('stream-changed', (stream) => this.#tiles.get(stream.id)?.update());
    on('connection', ({ direction }) => this.#showConnection(direction));
    on('connection-failed', (detail) => this.#recover(detail));
    on('closed', () => serverGone(this.#choice, this));
  }

  async #publishStream(mediaStream, source) {
    const id = await this.#client.publish(mediaStream, { title: SOURCES[source].title, source });
    // Ended by the browser's own button, or because a device was pulled out.
    mediaStream.getVideoTracks()[0]?.addEventListener('ended', () => {
      if (this.#client.streams.has(id)) this.#client.unpublish(id).catch(report);
    });
  }

  #addTile(stream) {
    const tile = new Tile(stream, {
      report,
      subscribe: () => this.#client.subscribe(stream.id),
      unsubscribe: () => this.#client.unsubscribe(stream.id),
      mute: (muted) => this.#client.mute(stream.id, muted),
      unpublish: () => {
        stopCapture(stream);
        return this.#client.unpublish(stream.id);
      },
    });
    this.#tiles.set(stream.id, tile);
    this.#grid.append(tile.element);
    this.#showEmpty();
    if (!stream.own && settings.autoSubscribe) this.#subscribe(stream);
  }

  #subscribe(stream) {
    this.#client.subscribe(stream.id).catch((error) => {
      // It may have ended in the meantime, which its tile shows by going away.
      if (error.code !== 'unknown-stream') report(error);
    });
  }

  /**
   * A connection was given up by both sides. What it carried starts again on a new one, unless
   * there never was any media: then that would only fail again, and again.
   */
  #recover({ direction, streams, wasConnected, reason }) {
    if (!wasConnected) {
      for (const stream of streams) if (stream.own) stopCapture(stream);
      report(reason ?? { code: 'connection-failed', message: UNREACHABLE });
      return;
    }
    notify(
      'The media connection was lost',
      direction === 'publish' ? 'Publishing again.' : 'Subscribing again.',
      { kind: 'error' },
    );
    for (const stream of streams) {
      if (direction === 'subscribe') {
        if (this.#client.streams.has(stream.id)) this.#subscribe(stream);
        continue;
      }
      // A new MediaStream, because the label of the old one may still be in use.
      const tracks = stream.mediaStream.getTracks().filter((t) => t.readyState === 'live');
      if (tracks.length === 0) continue;
      this.#publishStream(new MediaStream(tracks), stream.source).catch(report);
    }
  }

  async #measure() {
    const statistics = await this.#client.statistics();
    for (const [id, tile] of this.#tiles) {
      const stream = this.#client.streams.get(id);
      const page = stream?.own ? statistics.publish : statistics.subscribe;
      const numbers = {};
      for (const track of stream?.mediaStream?.getTracks() ?? []) {
        const found = page?.tracks.get(track.id);
        if (found) numbers[track.kind] = found;
      }
      tile.showNumbers(numbers);
    }
    if (!this.#panel.element.hidden) {
      this.#panel.show(statistics, [...this.#client.streams.values()]);
    }
  }

  #topBar() {
    const auto = h('input', {
      type: 'checkbox',
      role: 'switch',
      checked: settings.autoSubscribe,
      onchange: () => {
        saveSetting('autoSubscribe', auto.checked);
        if (!auto.checked) return;
        for (const stream of this.#client.streams.values()) {
          if (!stream.own && !stream.subscribed) this.#subscribe(stream);
        }
      },
    });
    return h(
      'header',
      { class: 'top-bar' },
      h('img', { src: '/logo.svg', alt: 'erizo-rs', width: '30', height: '30' }),
      h('h1', { title: this.#client.room }, this.#client.room),
      h('span', { class: 'chip', title: 'People in this room' }, icon('people'), this.#people),
      iconButton('link', 'Copy the address of this room', copyAddress),
      h('span', { class: 'spring' }),
      this.#pills.publish.element,
      this.#pills.subscribe.element,
      h('label', { class: 'switch', title: 'Subscribe to everything new' }, auto, h('span', {}, 'Watch all')),
      this.#panelButton,
      themeButton(),
    );
  }

  #dock() {
    const add = (source, title) =>
      h(
        'button',
        { type: 'button', onclick: () => this.publish(source), title: `Publish: ${title}` },
        icon(SOURCES[source].icon),
        h('span', {}, title),
      );
    return h(
      'nav',
      { class: 'dock', 'aria-label': 'Publish' },
      h('span', { class: 'dock-title' }, 'Publish'),
      add('camera', 'Camera'),
      add('picture', 'Test picture'),
      canShareScreen() ? add('screen', 'Screen') : null,
      h(
        'button',
        { type: 'button', class: 'danger', onclick: () => leave(this, this.#choice) },
        icon('leave'),
        h('span', {}, 'Leave'),
      ),
    );
  }

  #showPeople() {
    setText(this.#people, String(this.#client.people.size));
    this.#people.parentElement.title = [...this.#client.people.values()].join(', ');
  }

  #showEmpty() {
    this.#empty.hidden = this.#tiles.size > 0;
    this.#grid.hidden = this.#tiles.size === 0;
  }

  #showConnection(direction) {
    const { word, level } = connectionState(this.#client.connections[direction]);
    this.#pills[direction].set(word, level);
  }

  #togglePanel(isOpen = this.#panel.element.hidden) {
    this.#panel.element.hidden = !isOpen;
    setIconButton(this.#panelButton, 'chart', isOpen ? 'Hide statistics' : 'Statistics', isOpen);
    saveSetting('panel', isOpen);
    if (isOpen) this.#measure().catch(() => {});
  }
}

function emptyRoom(publish) {
  const button = (source) =>
    h(
      'button',
      { type: 'button', onclick: () => publish(source) },
      icon(SOURCES[source].icon),
      `Publish ${SOURCES[source].title.toLowerCase()}`,
    );
  return h(
    'section',
    { class: 'empty' },
    h('img', { src: '/logo.svg', alt: '', width: '56', height: '56' }),
    h('h2', {}, 'Nobody is publishing yet'),
    h('p', {}, 'Publish something, or open this address in a second tab.'),
    h('div', { class: 'row' }, button('camera'), button('picture')),
    h(
      'button',
      { type: 'button', class: 'link', onclick: copyAddress },
      icon('link'),
      'Copy the address of this room',
    ),
  );
}

function pill(title) {
  const dot = h('i', { class: 'dot idle' });
  const word = h('span', {}, 'idle');
  const element = h('span', { class: 'pill', role: 'status' }, dot, h('b', {}, title), word);
  return {
    element,
    set(text, level) {
      element.title = `${title}: ${text}`;
      dot.className = `dot ${level}`;
      setText(word, text);
    },
  };
}

async function join(choice, sources = choice.source === 'none' ? [] : [choice.source]) {
  const client = await RoomClient.join(choice);
  saveSetting('name', choice.name);
  saveSetting('source', choice.source);
  const url = new URL(location.href);
  url.searchParams.set('room', choice.room);
  history.replaceState(null, '', url);
  const screen = new RoomScreen(client, choice);
  app.replaceChildren(screen.element);
  screen.start(sources);
}

function showLobby(error) {
  const parameters = new URLSearchParams(location.search);
  app.replaceChildren(
    lobby({
      name: parameters.get('name') ?? settings.name,
      room: parameters.get('room') ?? 'lobby',
      source: settings.source,
      error,
      onJoin: (choice) => join(choice).catch((refused) => onRefused(refused)),
    }),
  );
}

function showEngineMissing(error) {
  app.replaceChildren(
    fatal({
      title: 'The media engine is not built',
      text:
        'The server runs, but it could not load the erizo-rs addon. ' +
        'Build it with “npm run build”, then start the server again.',
      details: error.message,
      action: { title: 'Try again', run: () => showLobby() },
    }),
  );
}

function onRefused(error) {
  if (error.code === 'engine-missing') return showEngineMissing(error);
  if (error.code === 'server-gone') {
    throw Object.assign(new Error('It does not answer. Is it still running?'), {
      title: 'The server is gone',
    });
  }
  throw error;
}

/** Waits for the server and goes back into the room by itself. */
function serverGone(choice, screen) {
  const sources = screen.ownSources;
  screen.stop();
  let stopped = false;
  app.replaceChildren(
    fatal({
      title: 'The server is gone',
      text: 'The connection to the server was lost. This page tries again by itself.',
      action: {
        title: 'Back to the start',
        run: () => {
          stopped = true;
          showLobby();
        },
      },
    }),
  );
  const again = async () => {
    if (stopped) return;
    try {
      await join(choice, sources);
    } catch (error) {
      if (error.code === 'server-gone' || error.code === 'timeout') {
        setTimeout(again, RETRY_MS);
      } else if (!stopped) {
        if (error.code === 'engine-missing') showEngineMissing(error);
        else showLobby({ title: 'Back at the start', text: error.message });
      }
    }
  };
  setTimeout(again, RETRY_MS);
}

function leave(screen, choice) {
  screen.stop();
  showLobby();
  notify(`You left ${choice.room}`);
}

function stopCapture({ mediaStream }) {
  for (const track of mediaStream?.getTracks() ?? []) track.stop();
}

function report(error) {
  console.warn(error);
  if (error.code === 'server-gone') return; // The page as a whole says so.
  const title = error.title ?? MEDIA_ERRORS[error.code] ?? 'That did not work';
  notify(title, sentence(error.message), { kind: 'error' });
}

/** The server's messages are written for its log: lower case, without a full stop. */
function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? '' : '.');
}

async function copyAddress() {
  try {
    await navigator.clipboard.writeText(location.href);
    notify('Address copied', location.href);
  } catch {
    notify('The address of this room', location.href);
  }
}

function themeButton() {
  const isDark = () =>
    document.documentElement.dataset.theme === 'dark' ||
    (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  const show = () =>
    setIconButton(button, isDark() ? 'sun' : 'moon', isDark() ? 'Light' : 'Dark', false);
  const button = iconButton('moon', 'Dark', () => {
    const theme = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    saveSetting('theme', theme);
    show();
  });
  show();
  return button;
}

function loadSettings() {
  const defaults = { name: '', source: 'camera', autoSubscribe: true, panel: false, theme: '' };
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem('room') ?? '{}') };
  } catch {
    return defaults; // Storage may be switched off; the page works without.
  }
}

function saveSetting(name, value) {
  settings[name] = value;
  try {
    localStorage.setItem('room', JSON.stringify(settings));
  } catch {
    // See above.
  }
}

if (settings.theme) document.documentElement.dataset.theme = settings.theme;
await loadIcons();
showLobby();
