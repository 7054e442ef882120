// What a report can do by itself: hand out the files it holds, and copy its texts.
"use strict";
(() => {
  const say = (text) => {
    const place = document.getElementById("said");
    if (place) place.textContent = text;
  };

  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  const unpacked = async (name) => {
    const holder = [...document.querySelectorAll("script[data-packed]")].find(
      (one) => one.dataset.packed === name);
    const stream = new Blob([bytes(holder.textContent)]).stream();
    return new Response(stream.pipeThrough(new DecompressionStream("gzip"))).blob();
  };

  const save = (blob, name) => {
    const address = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    say(`${name} saved`);
  };

  // Where anything is missing (an old browser), the link itself still leads to the file beside.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-picture], a[data-file]");
    if (!link || (link.dataset.file && !window.DecompressionStream)) return;
    event.preventDefault();
    if (link.dataset.file) {
      save(await unpacked(link.dataset.file), link.download);
      return;
    }
    const picture = document.getElementById(link.dataset.picture).querySelector("img");
    const [head, data] = picture.src.split(",", 2);
    if (!link.download.endsWith(".png")) {
      save(new Blob([bytes(data)], { type: head.slice(5, head.indexOf(";")) }), link.download);
      return;
    }
    // Carried in a smaller format; handed out as what it is called.
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    canvas.toBlob((blob) => save(blob, link.download), "image/png");
  });

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    const words = button.textContent;
    button.addEventListener("click", async () => {
      const done = await copy(document.getElementById(button.dataset.copy).textContent);
      button.textContent = done ? "Copied" : "Not copied: select and copy by hand";
      say(button.textContent);
      setTimeout(() => { button.textContent = words; }, 2500);
    });
  }
})();
