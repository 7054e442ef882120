// The other view at a place of the latent plane: the spectrum beneath the patch that a model draws.

let pairTurn = 0;

/** Whether a plane holds spectra in place of pictures. */
const ofSpectra = (plane) => Boolean(facts.curves) && plane.height === 1 && plane.width > 1;

/** The spectrum decoded at a place of a plane of pictures, between those decoded around it. */
async function generateSpectrum({ plane, turned }, x, y) {
  const { place, low, step, channels } = plane.spectra;
  const at = turned ? [y, x] : [x, y];
  const across = position(plane.x, at[0]), down = position(plane.y, at[1]);
  const codes = await openArrayOnce(place);
  const values = new Float64Array(channels);
  for (const [row, rowWeight] of down.corners) {
    for (const [column, columnWeight] of across.corners) {
      const start = (row * plane.x.length + column) * channels;
      for (let k = 0; k < channels; k++) {
        values[k] += rowWeight * columnWeight * (low + step * codes[start + k]);
      }
    }
  }
  return values;
}

/** A curve of a plane of spectra in the unit of the spectra. */
function inUnit(picture) {
  const { levels, limits, width } = picture.facts, [low, high] = limits[0];
  return Float64Array.from(
    picture.levels.subarray(0, width), (level) => low + ((high - low) * level) / (levels - 1),
  );
}

/** Show the spectrum at a place of the plane: decoded there, or else that of the nearest site. */
async function showSpectrumThere(found, x, y, condition, site) {
  if (!facts.curves) return;
  const turn = ++pairTurn;
  let values = null, said = "";
  if (found && Number.isFinite(x)) {
    said = "Spectrum decoded there";
    if (found.plane.spectra) values = await generateSpectrum(found, x, y);
    else if (ofSpectra(found.plane)) values = inUnit(await generate(found, x, y, condition));
    else {
      said = "Measured spectrum of the nearest site";
      values = site >= 0 ? await openCurve("spectrum", site) : null;
    }
  }
  if (turn !== pairTurn) return;
  control("there").hidden = !values;
  if (!values) return;
  const name = found.plane.spectra || ofSpectra(found.plane) ? "predicted" : "spectrum";
  drawCurves(control("generated-spectrum"), [{ name, values }], null, curveAxis);
  control("there-words").textContent = `${said}: ${facts.curves.signal} against ${facts.curves.axis}.`;
}
