// A picture and a sound that need no camera: a clock to read the delay from, moving parts that show
// every lost frame, and a beep each second that goes with the flash.

const WIDTH = 640;
const HEIGHT = 360;
const FRAME_RATE = 25;
const BEEP_SECONDS = 0.12;
const HUES = { from: 155, to: 375 };
const BLUE = 245;

/**
 * Starts drawing.
 *
 * @param {string} name Shown in the picture; also decides its colour and the pitch of its sound.
 * @returns {MediaStream} Stopping its video track stops the drawing and the sound.
 */
export function testPicture(name) {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d', { alpha: false });
  const hue = hueOf(name);
  let frames = 0;
  const draw = () => drawFrame(context, { name, hue, frame: frames++ });
  draw();

  const [video] = canvas.captureStream(FRAME_RATE).getVideoTracks();
  video.contentHint = 'motion';
  const sound = beeps(330 + hue);
  const ticker = new Worker('/ticker.js');
  ticker.onmessage = () => {
    if (video.readyState !== 'ended') return draw();
    ticker.terminate();
    sound.stop();
  };
  ticker.postMessage(FRAME_RATE);
  return new MediaStream([video, sound.track]);
}

/** The colour that belongs to a name, as a hue; those between are muddy when they are dark. */
export function hueOf(name) {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return HUES.from + ((hash >>> 0) % (HUES.to - HUES.from));
}

function drawFrame(context, { name, hue, frame }) {
  const now = new Date();
  const second = now.getMilliseconds() / 1000;

  const sky = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
  sky.addColorStop(0, `hsl(${hue} 62% 34%)`);
  sky.addColorStop(1, `hsl(${towardsBlue(hue)} 66% 17%)`);
  context.fillStyle = sky;
  context.fillRect(0, 0, WIDTH, HEIGHT);

  drawWaves(context, hue, frame);
  drawDial(context, hue, second);

  context.fillStyle = '#fff';
  context.textBaseline = 'alphabetic';
  context.font = '600 30px system-ui, sans-serif';
  context.fillText(name, 40, 96, 360);
  context.font = '500 46px ui-monospace, "DejaVu Sans Mono", monospace';
  context.fillText(clock(now), 40, 168, 380);
  context.fillStyle = 'rgb(255 255 255 / 65%)';
  context.font = '400 18px ui-monospace, "DejaVu Sans Mono", monospace';
  context.fillText(`frame ${frame}`, 40, 202);

  // One block each frame: a gap in the row is a frame that was not drawn.
  const slots = 32;
  const step = (WIDTH - 80) / slots;
  for (let slot = 0; slot < slots; slot++) {
    const age = (frame - slot + slots * 2) % slots;
    context.fillStyle = `hsl(${hue} 90% 75% / ${Math.max(0.1, 1 - age / slots)})`;
    context.fillRect(40 + slot * step, HEIGHT - 112, step - 3, 12);
  }
}

function towardsBlue(hue, share = 0.4) {
  return hue + (BLUE - hue) * share;
}

function drawWaves(context, hue, frame) {
  for (let wave = 0; wave < 3; wave++) {
    context.beginPath();
    context.moveTo(0, HEIGHT);
    for (let x = 0; x <= WIDTH; x += 16) {
      const phase = x / (90 + wave * 40) + frame / (18 + wave * 9);
      context.lineTo(x, HEIGHT - 54 - wave * 16 + Math.sin(phase) * (12 + wave * 5));
    }
    context.lineTo(WIDTH, HEIGHT);
    context.fillStyle = `hsl(${towardsBlue(hue, wave * 0.3)} 70% ${46 - wave * 9}% / 30%)`;
    context.fill();
  }
}

function drawDial(context, hue, second) {
  const x = WIDTH - 126;
  const y = 132;
  const isBeep = second < BEEP_SECONDS;
  context.beginPath();
  context.arc(x, y, 78, 0, Math.PI * 2);
  context.fillStyle = isBeep ? `hsl(${hue} 90% 80% / 90%)` : 'rgb(255 255 255 / 10%)';
  context.fill();
  context.beginPath();
  context.arc(x, y, 78, -Math.PI / 2, -Math.PI / 2 + second * Math.PI * 2);
  context.lineWidth = 10;
  context.lineCap = 'round';
  context.strokeStyle = `hsl(${hue} 90% 72%)`;
  context.stroke();
}

function clock(now) {
  const two = (value) => String(value).padStart(2, '0');
  const thousandths = String(now.getMilliseconds()).padStart(3, '0');
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${thousandths}`;
}

/** A quiet steady tone with a beep at the start of every second of the wall clock. */
function beeps(pitch) {
  const audio = new AudioContext();
  const oscillator = new OscillatorNode(audio, { frequency: pitch });
  const gain = new GainNode(audio, { gain: QUIET });
  const destination = new MediaStreamAudioDestinationNode(audio);
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  const timer = setInterval(() => {
    // A second ahead, so that a late timer cannot make it uneven.
    const start = audio.currentTime + 2 - (Date.now() % 1000) / 1000;
    gain.gain.setValueAtTime(LOUD, start);
    gain.gain.setValueAtTime(QUIET, start + BEEP_SECONDS);
  }, 1000);
  audio.resume().catch(() => {}); // Refused before the first click; the picture works without.
  const [track] = destination.stream.getAudioTracks();
  return {
    track,
    stop() {
      clearInterval(timer);
      track.stop();
      audio.close();
    },
  };
}

const QUIET = 0.004;
const LOUD = 0.25;
