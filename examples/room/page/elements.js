// The few helpers with which the page is drawn. Text is always set as text, never parsed as HTML.

/**
 * Makes an element. `properties` are attributes; `on*` are listeners, `class` may hold falsy parts,
 * booleans switch attributes on or off.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = [value].flat().filter(Boolean).join(' ');
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== false));
  return element;
}

/** Puts all icons into the page, where they are still there when the server is not. */
export async function loadIcons() {
  const text = await (await fetch('/icons.svg')).text();
  const sprite = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  sprite.setAttribute('hidden', '');
  document.body.append(sprite);
}

export function icon(name) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(namespace, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button whose icon stands for itself; `label` is its tooltip and its accessible name. */
export function iconButton(name, label, onclick, properties = {}) {
  return h(
    'button',
    { type: 'button', title: label, 'aria-label': label, onclick, class: 'icon-button', ...properties },
    icon(name),
  );
}

/** Shows another state of an `iconButton`. */
export function setIconButton(button, name, label, isPressed) {
  const href = `#icon-${name}`;
  const use = button.querySelector('use');
  if (use.getAttribute('href') !== href) use.setAttribute('href', href);
  button.title = label;
  button.setAttribute('aria-label', label);
  button.setAttribute('aria-pressed', String(isPressed));
}

/** Changes the text of an element only when it differs, so that a selection in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const notices = () => document.getElementById('notices');

/** A message that goes away by itself, or stays until it is dismissed when it is an error. */
export function notify(title, text = '', { kind = 'info' } = {}) {
  const notice = h(
    'div',
    { class: ['notice', kind], role: kind === 'error' ? 'alert' : 'status' },
    kind === 'error' ? icon('warning') : null,
    h('div', { class: 'notice-text' }, h('strong', {}, title), text ? h('span', {}, text) : null),
    iconButton('close', 'Dismiss', () => notice.remove()),
  );
  const current = notices();
  const same = [...current.children].find((other) => other.textContent === notice.textContent);
  same?.remove();
  current.append(notice);
  if (kind !== 'error') setTimeout(() => notice.remove(), NOTICE_MS);
  return notice;
}

const NOTICE_MS = 5_000;
