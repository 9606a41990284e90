// Numbers as people read them; a dash where there is none.

const NONE = '–';

export function bitrate(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value < 999_500) return `${Math.round(value / 1000)} kbit/s`;
  return `${(value / 1e6).toFixed(2)} Mbit/s`;
}

export function percent(value) {
  return value === null || value === undefined ? NONE : `${(value * 100).toFixed(1)} %`;
}

export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const value = seconds * 1000;
  if (value < 1) return '< 1 ms';
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** `SRTP_AEAD_AES_128_GCM` without what the word beside it says already. */
export function cipher(name) {
  return text(name?.replace(/^SRTP_/, ''));
}

export function frameRate(value) {
  return value === null || value === undefined ? NONE : `${Math.round(value)} fps`;
}

export function resolution(width, height) {
  return width && height ? `${width}×${height}` : NONE;
}

export function count(value) {
  return value === null || value === undefined ? NONE : value.toLocaleString('en');
}

export function text(value) {
  return value === null || value === undefined || value === '' ? NONE : String(value);
}
