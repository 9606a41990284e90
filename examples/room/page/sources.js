// Where published media comes from, and what to tell a person when a source is refused.

import { testPicture } from './test-picture.js';

/** A source that cannot be had, in words for the person in front of the page. */
export class SourceError extends Error {
  constructor(title, message) {
    super(message);
    this.name = 'SourceError';
    this.title = title;
  }
}

export const SOURCES = {
  camera: { title: 'Camera', icon: 'camera' },
  picture: { title: 'Test picture', icon: 'picture' },
  screen: { title: 'Screen', icon: 'screen' },
};

export const canShareScreen = () => Boolean(navigator.mediaDevices?.getDisplayMedia);

/**
 * @param {'camera' | 'picture' | 'screen'} source
 * @returns {Promise<MediaStream | null>} null when the person changed their mind.
 */
export async function capture(source, name) {
  if (source === 'picture') return testPicture(name);
  if (!navigator.mediaDevices) {
    throw new SourceError(
      'No camera on this address',
      'Browsers give cameras and screens only to pages from localhost or https. ' +
        'The test picture works everywhere.',
    );
  }
  try {
    return source === 'screen'
      ? await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true })
      : await camera();
  } catch (error) {
    if (source === 'screen' && error.name === 'NotAllowedError') return null;
    throw explain(error);
  }
}

async function camera() {
  const audio = { echoCancellation: true, noiseSuppression: true };
  const video = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 25 } };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio, video });
  } catch (error) {
    if (error.name !== 'NotFoundError') throw error;
    // One of the two is missing; half is better than nothing.
    return navigator.mediaDevices
      .getUserMedia({ audio: false, video })
      .catch(() => navigator.mediaDevices.getUserMedia({ audio, video: false }));
  }
}

function explain(error) {
  switch (error.name) {
    case 'NotAllowedError':
      return new SourceError(
        'The camera was refused',
        'Allow camera and microphone for this page in the address bar and try again, ' +
          'or publish the test picture.',
      );
    case 'NotFoundError':
      return new SourceError(
        'There is no camera or microphone',
        'Connect one and try again, or publish the test picture.',
      );
    case 'NotReadableError':
      return new SourceError(
        'The camera is busy',
        'Another program uses it. Close that program, or publish the test picture.',
      );
    default:
      return new SourceError('The camera cannot be used', error.message);
  }
}
