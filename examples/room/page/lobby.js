// The first screen: who you are, which room, and what you bring.

import { h, icon } from './elements.js';

const CHOICES = [
  { value: 'camera', icon: 'camera', title: 'Camera', text: 'and microphone' },
  { value: 'picture', icon: 'picture', title: 'Test picture', text: 'a clock with a beep' },
  { value: 'none', icon: 'eye', title: 'Just watch', text: 'publish later' },
];

/**
 * @param {{ name: string, room: string, source: string, error?: { title: string, text: string },
 *   onJoin(choice: { name: string, room: string, source: string }): Promise<void> }} options
 */
export function lobby({ name, room, source, error, onJoin }) {
  const problem = h('div', { class: 'problem', role: 'alert', hidden: !error });
  const showProblem = ({ title, text }) => {
    problem.hidden = false;
    problem.replaceChildren(
      icon('warning'),
      h('div', {}, h('strong', {}, title), h('span', {}, text)),
    );
  };
  if (error) showProblem(error);

  const nameField = h('input', {
    name: 'name',
    value: name,
    required: true,
    maxlength: '40',
    autocomplete: 'nickname',
    placeholder: 'Ada',
  });
  const roomField = h('input', {
    name: 'room',
    value: room,
    required: true,
    maxlength: '40',
    autocomplete: 'off',
    placeholder: 'lobby',
  });
  const button = h('button', { class: 'primary', type: 'submit' }, 'Join the room');

  const form = h(
    'form',
    {
      class: 'card lobby',
      async onsubmit(event) {
        event.preventDefault();
        const fields = new FormData(form);
        const choice = {
          name: String(fields.get('name')).trim(),
          room: String(fields.get('room')).trim(),
          source: String(fields.get('source')),
        };
        if (!choice.name || !choice.room) {
          showProblem({ title: 'Something is missing', text: 'A name and a room are needed.' });
          return;
        }
        button.disabled = true;
        button.textContent = 'Joining …';
        problem.hidden = true;
        try {
          await onJoin(choice);
        } catch (refused) {
          showProblem({ title: refused.title ?? 'That did not work', text: refused.message });
          button.disabled = false;
          button.textContent = 'Join the room';
        }
      },
    },
    h(
      'header',
      {},
      h('img', { src: '/logo.svg', alt: '', width: '44', height: '44' }),
      h('div', {}, h('h1', {}, 'erizo-rs room'), h('p', {}, 'Video over one peer connection')),
    ),
    problem,
    h(
      'div',
      { class: 'fields' },
      h('label', {}, h('span', {}, 'Your name'), nameField),
      h('label', {}, h('span', {}, 'Room'), roomField),
    ),
    h(
      'fieldset',
      { class: 'choices' },
      h('legend', {}, 'What do you publish?'),
      CHOICES.map((choice) =>
        h(
          'label',
          { class: 'choice' },
          h('input', {
            type: 'radio',
            name: 'source',
            value: choice.value,
            checked: choice.value === source,
          }),
          icon(choice.icon),
          h('strong', {}, choice.title),
          h('small', {}, choice.text),
        ),
      ),
    ),
    button,
  );
  queueMicrotask(() => (nameField.value ? button : nameField).focus());
  return h('main', { class: 'lobby-screen' }, form);
}

/** A screen for what no button of the room can repair. */
export function fatal({ title, text, details, action }) {
  return h(
    'main',
    { class: 'lobby-screen' },
    h(
      'section',
      { class: 'card fatal', role: 'alert' },
      h('div', { class: 'fatal-icon' }, icon('warning')),
      h('h1', {}, title),
      h('p', {}, text),
      details ? h('pre', {}, details) : null,
      action ? h('button', { class: 'primary', type: 'button', onclick: action.run }, action.title) : null,
    ),
  );
}
