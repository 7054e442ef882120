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

/** The slider of frames with its buttons; `show(frame)` is called for each new one. */
function makeClock(show) {
  const box = document.getElementById("explorer-time");
  const count = facts.backdrop.picture_of.length;
  if (facts.backdrop.sheet || count < 2) {
    box.hidden = true;
    return;
  }
  const slider = document.getElementById("explorer-frame");
  const told = document.getElementById("explorer-frame-words");
  const play = document.getElementById("explorer-play");
  slider.max = String(count - 1);
  slider.value = "0";
  let timer = 0;
  const set = (frame) => {
    const kept = (frame + count) % count;
    slider.value = String(kept);
    tell(kept);
    show(kept);
  };
  const tell = (frame) => {
    told.textContent = `${facts.backdrop.titles[frame]} of ${count}`;
    slider.setAttribute("aria-valuetext", facts.backdrop.titles[frame]);
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
      openFrame((Number(slider.value) + 1) % count); // ready when its turn comes
    }, 1000 * SECONDS);
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
  document.getElementById("explorer-before").addEventListener("click", () => set(Number(slider.value) - 1));
  document.getElementById("explorer-after").addEventListener("click", () => set(Number(slider.value) + 1));
  document.addEventListener("visibilitychange", () => document.hidden && timer && stop());
  tell(0);
}
