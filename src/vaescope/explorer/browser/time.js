// Frames of a movie or stack: their pictures, and the clock that shows one after the other.

const SECONDS = 0.35; // between frames when they play
const KEPT = 24; // decoded pictures in memory: each takes up to 4 MB

const decodedFrames = new Map();

/** Pixels of the picture of a frame; null where it has none. */
function openFrame(frame) {
  const number = facts.backdrop.picture_of[frame] ?? -1;
  if (number < 0) return Promise.resolve(null);
  if (!decodedFrames.has(number)) {
    decodedFrames.set(number, decodeFrame(number));
    if (decodedFrames.size > KEPT) decodedFrames.delete(decodedFrames.keys().next().value);
  }
  return decodedFrames.get(number);
}

async function decodeFrame(number) {
  const image = new Image();
  image.src = document.getElementById(`explorer-frame-${number}`).textContent.trim();
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { pixels: new Uint32Array(data.buffer), width, height };
}

/** A slider over `count` steps with a button that plays them; `show(step)` is called for each new
 * one, and `ahead(step)` for the one after it while they play. Returns how to go to a step. */
function makePlayer(slider, play, count, seconds, show, ahead = () => {}) {
  slider.max = String(count - 1);
  let timer = 0;
  const set = (step) => {
    const kept = (step + count) % count;
    slider.value = String(kept);
    show(kept);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  const toggle = () => {
    if (timer) return stop();
    timer = setInterval(() => {
      set(Number(slider.value) + 1);
      ahead((Number(slider.value) + 1) % count);
    }, 1000 * seconds);
    play.textContent = "Stop";
    play.setAttribute("aria-pressed", "true");
    return undefined;
  };
  slider.addEventListener("input", () => set(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      toggle();
    }
  });
  play.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", () => document.hidden && timer && stop());
  return set;
}

/** The slider of frames with its buttons; `show(frame)` is called for each new one. */
function makeClock(show) {
  const box = document.getElementById("explorer-time");
  const count = facts.backdrop.picture_of.length;
  if (facts.backdrop.sheet || count < 2) {
    box.hidden = true;
    return;
  }
  const slider = document.getElementById("explorer-frame");
  const words = document.getElementById("explorer-frame-words");
  const tell = (frame) => {
    words.textContent = `${facts.backdrop.titles[frame]} of ${count}`;
    slider.setAttribute("aria-valuetext", facts.backdrop.titles[frame]);
  };
  const turn = (frame) => {
    tell(frame);
    show(frame);
  };
  slider.value = "0";
  const play = document.getElementById("explorer-play");
  // The next frame is opened before its turn comes.
  const set = makePlayer(slider, play, count, SECONDS, turn, openFrame);
  document.getElementById("explorer-before").addEventListener("click", () => set(Number(slider.value) - 1));
  document.getElementById("explorer-after").addEventListener("click", () => set(Number(slider.value) + 1));
  tell(0);
}
