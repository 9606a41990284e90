// Keeps time for the test picture: timers of a page that is not in front slow down to one tick a
// second, those of a worker do not.

let timer;

self.onmessage = ({ data: rate }) => {
  clearInterval(timer);
  timer = setInterval(() => self.postMessage(null), 1000 / rate);
};
