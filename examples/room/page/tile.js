// One stream on the screen: picture, name, live numbers and what can be done with it.

import { h, icon, iconButton, setIconButton, setText } from './elements.js';
import * as format from './format.js';
import { SOURCES } from './sources.js';
import { hueOf } from './test-picture.js';

export class Tile {
  #stream;
  #video;
  #numbers;
  #placeholder;
  #subscribe;
  #buttons;
  #tags;
  #unlock;

  /**
   * @param stream A stream of `RoomClient`.
   * @param {{ subscribe(), unsubscribe(), unpublish(), mute(muted), report(error) }} actions
   */
  constructor(stream, actions) {
    this.#stream = stream;
    const run = (action) => () => Promise.resolve(action()).catch(actions.report);

    this.#video = h('video', { autoplay: true, playsinline: true });
    this.#video.muted = stream.own; // One's own voice would come back as an echo.
    this.#numbers = h('div', { class: 'numbers' });
    this.#tags = h('span', { class: 'tags' });
    this.#subscribe = h(
      'button',
      { type: 'button', class: 'primary small', onclick: run(actions.subscribe) },
      'Subscribe',
    );
    const waiting = h('span', { class: 'hint' }, 'Waiting for the first picture …');
    const initial = h('div', { class: 'initial', 'aria-hidden': 'true' }, initials(stream.name));
    initial.style.setProperty('--hue', hueOf(stream.name));
    this.#placeholder = h('div', { class: 'placeholder' }, initial, waiting, this.#subscribe);
    this.#unlock = h(
      'button',
      { type: 'button', class: 'small unlock', hidden: true, onclick: () => this.#play() },
      icon('sound'),
      'Play sound',
    );

    this.#buttons = {
      audio: iconButton('mic', '', run(() => this.#toggle('audio', actions))),
      video: iconButton('camera', '', run(() => this.#toggle('video', actions))),
      end: stream.own
        ? iconButton('close', 'Unpublish', run(actions.unpublish))
        : iconButton('close', 'Unsubscribe', run(actions.unsubscribe)),
    };
    this.#buttons.audio.hidden = !stream.audio;
    this.#buttons.video.hidden = !stream.video;

    const title = stream.own ? `${stream.name} (you)` : stream.name;
    this.element = h(
      'article',
      { class: ['tile', stream.own && 'own', `from-${stream.source}`], 'aria-label': title },
      this.#video,
      this.#placeholder,
      this.#unlock,
      this.#numbers,
      h(
        'footer',
        {},
        h(
          'div',
          { class: 'name' },
          icon(SOURCES[stream.source].icon),
          h('span', {}, title),
          this.#tags,
        ),
        h('div', { class: 'actions' }, Object.values(this.#buttons)),
      ),
    );
    this.element.dataset.stream = stream.id;
    // The first frame of a stream ends the wait; audio alone never shows one.
    this.#video.addEventListener('loadeddata', () => this.update());
    this.#video.addEventListener('resize', () => this.update());
    this.update();
  }

  /** Shows what has changed in the stream. */
  update() {
    const stream = this.#stream;
    if (this.#video.srcObject !== stream.mediaStream) {
      this.#video.srcObject = stream.mediaStream;
      if (stream.mediaStream) this.#play();
    }
    const isActive = stream.own || stream.subscribed;
    const muted = this.#muted();
    const hasPicture = stream.video && !muted.video && this.#video.videoWidth > 0;

    this.element.classList.toggle('active', isActive);
    this.element.classList.toggle('with-picture', isActive && hasPicture);
    this.element.classList.toggle('waiting', isActive && stream.video && !muted.video && !hasPicture);
    this.#subscribe.hidden = isActive;

    const who = stream.own ? '' : ' for you';
    setIconButton(
      this.#buttons.audio,
      stream.own ? (muted.audio ? 'mic-off' : 'mic') : muted.audio ? 'sound-off' : 'sound',
      muted.audio ? `Unmute sound${who}` : `Mute sound${who}`,
      muted.audio,
    );
    setIconButton(
      this.#buttons.video,
      muted.video ? 'camera-off' : 'camera',
      muted.video ? `Start video${who}` : `Stop video${who}`,
      muted.video,
    );
    this.#tags.replaceChildren(
      ...(muted.audio ? [icon(stream.own ? 'mic-off' : 'sound-off')] : []),
      ...(muted.video ? [icon('camera-off')] : []),
    );
    if (!isActive) setText(this.#numbers, '');
  }

  /** @param {{ audio?: object, video?: object }} numbers Of `readPeer`, for the stream's tracks. */
  showNumbers({ audio, video: all }) {
    // What is sent in place of a muted picture is nothing to look at.
    const video = this.#muted().video ? undefined : all;
    const parts = [];
    if (video?.width) {
      parts.push(
        format.resolution(video.width, video.height),
        format.frameRate(video.frameRate),
        format.bitrate(video.bitrate),
      );
    } else if (audio && !video) {
      parts.push(format.bitrate(audio.bitrate));
    }
    const loss = video?.loss ?? audio?.loss;
    if (parts.length > 0 && loss !== null && loss !== undefined) parts.push(`loss ${format.percent(loss)}`);
    setText(this.#numbers, parts.join('  ·  '));
  }

  remove() {
    this.#video.srcObject = null;
    this.element.remove();
  }

  #muted() {
    const { own, mediaStream, muted } = this.#stream;
    if (!own) return muted;
    const isOff = (track) => track !== undefined && !track.enabled;
    return {
      audio: isOff(mediaStream.getAudioTracks()[0]),
      video: isOff(mediaStream.getVideoTracks()[0]),
    };
  }

  async #toggle(kind, actions) {
    const muted = this.#muted();
    if (this.#stream.own) {
      for (const track of this.#stream.mediaStream.getTracks()) {
        if (track.kind === kind) track.enabled = muted[kind];
      }
    } else {
      await actions.mute({ ...muted, [kind]: !muted[kind] });
    }
    this.update();
  }

  /** Browsers refuse sound before the first click on a page; then a button asks for that click. */
  async #play() {
    try {
      await this.#video.play();
      this.#unlock.hidden = true;
    } catch (error) {
      if (error.name === 'NotAllowedError') this.#unlock.hidden = false;
    }
  }
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join('');
}
