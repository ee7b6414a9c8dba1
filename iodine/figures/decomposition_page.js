const lastStep = data.num_steps - 1;
const size = data.side * data.side;
// `moved` is null or the latent's place in `data.latents` and the value's in `data.values`;
// `pointed` is the slot under the pointer, which is shown instead of the chosen one.
const chosen = { scene: 0, step: lastStep, slot: 0, moved: null, pointed: null };
const colors = data.colors.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
const scratch = document.createElement("canvas");
scratch.width = scratch.height = data.side;
const scratchContext = scratch.getContext("2d", { willReadFrequently: true });
let labels = new Uint8Array(size); // the slot of each pixel that is shown

const shownSlot = () => chosen.pointed ?? chosen.slot;
const scene = () => data.scenes[chosen.scene];
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

/** RGBA of the picture at (column, row) of a sprite. */
async function pixels(address, column, row) {
  const sprite = await load(address);
  scratchContext.clearRect(0, 0, data.side, data.side);
  scratchContext.drawImage(sprite, -column * data.side, -row * data.side);
  return scratchContext.getImageData(0, 0, data.side, data.side).data;
}

async function mask(address, column, row) {
  const bytes = await pixels(address, column, row);
  return Float32Array.from({ length: size }, (_, p) => bytes[4 * p] / 255);
}

/** Mask logits, stored as -(256 R + G) steps. */
async function logits(address, column) {
  const bytes = await pixels(address, column, 0);
  return Float32Array.from(
    { length: size },
    (_, p) => -(256 * bytes[4 * p] + bytes[4 * p + 1]) / data.logit_steps
  );
}

/** Something of each slot. */
const eachSlot = (make) => Promise.all(data.colors.map((_, k) => make(k)));

/** The slots after an iteration. */
async function slotsOfStep({ components, masks, reconstructions }, step) {
  return {
    components: await eachSlot((k) => pixels(components, k, step)),
    masks: await eachSlot((k) => mask(masks, k, step)),
    reconstruction: await pixels(reconstructions, step, 0),
  };
}

/** The slots at their posterior means, but for one that has a latent moved. */
async function slotsMoved({ movable }, slot, { latent, value }) {
  const moved = movable.slots[slot];
  const components = await eachSlot((k) =>
    k === slot ? pixels(moved.components, value, latent) : pixels(movable.components, k, 0)
  );
  const rows = await eachSlot((k) => logits(movable.logits, k));
  const masks = softmaxBeside(slot, await mask(moved.masks, value, latent), rows);
  return { components, masks, reconstruction: mixed(components, masks) };
}

/** A slot's mask, and those of the others: the softmax of their logits shares what it leaves. */
function softmaxBeside(slot, maskOfSlot, rows) {
  const masks = rows.map((_, k) => (k === slot ? maskOfSlot : new Float32Array(size)));
  const others = rows.map((_, k) => k).filter((k) => k !== slot);
  for (let p = 0; p < size; p++) {
    const most = Math.max(...others.map((k) => rows[k][p]));
    const sum = others.reduce((total, k) => total + Math.exp(rows[k][p] - most), 0);
    others.forEach((k) => {
      masks[k][p] = ((1 - maskOfSlot[p]) * Math.exp(rows[k][p] - most)) / sum;
    });
  }
  return masks;
}

/** RGBA pictures, or single colours, weighted by the masks and added. */
function mixed(pictures, masks) {
  const sum = new Uint8ClampedArray(4 * size).fill(255);
  for (let p = 0; p < size; p++) {
    for (let c = 0; c < 3; c++) {
      sum[4 * p + c] = pictures.reduce(
        (total, picture, k) => total + masks[k][p] * picture[picture.length > 3 ? 4 * p + c : c],
        0
      );
    }
  }
  return sum;
}

function paint(canvas, rgba) {
  canvas.width = canvas.height = data.side;
  canvas.getContext("2d").putImageData(new ImageData(rgba, data.side, data.side), 0, 0);
}

function largest(masks) {
  return Uint8Array.from({ length: size }, (_, p) =>
    masks.reduce((best, mask, k) => (mask[p] > masks[best][p] ? k : best), 0)
  );
}

function percent(slot) {
  const share = (100 * labels.filter((label) => label === slot).length) / size;
  return `${share.toFixed(share > 0 && share < 9.95 ? 1 : 0)} %`;
}

function paintScene(slots, image) {
  paint(byId("image"), image);
  paint(byId("reconstruction"), slots.reconstruction);
  paint(byId("segmentation"), mixed(colors, slots.masks));
  const when = chosen.moved ? `with ${movedText()}` : `at iteration ${chosen.step}`;
  byId("image").setAttribute("aria-label", `image of ${scene().name}`);
  byId("reconstruction").setAttribute("aria-label", `reconstruction ${when}`);
  byId("segmentation").setAttribute("aria-label", `segmentation ${when}`);
  document.querySelectorAll("#slots label").forEach((label, k) => {
    paint(label.querySelector("canvas"), mixed([slots.components[k]], [slots.masks[k]]));
    label.querySelector("small").textContent = percent(k);
  });
}

function paintSlot({ components, masks }) {
  const k = shownSlot();
  const white = new Uint8ClampedArray(4 * size).fill(255);
  paint(byId("mask"), mixed([white], [masks[k]]));
  paint(byId("component"), components[k]);
  paint(byId("masked"), mixed([components[k]], [masks[k]]));
  byId("mask").setAttribute("aria-label", `mask of slot ${k + 1}, ${percent(k)} of the pixels`);
  byId("component").setAttribute("aria-label", `component of slot ${k + 1}`);
  byId("masked").setAttribute("aria-label", `component of slot ${k + 1} times its mask`);
}

/** "z6 at +1.5 SD" of the chosen slot. */
function movedText() {
  const { latent, value } = chosen.moved;
  return `z${data.latents[latent]} of slot ${chosen.slot + 1} at ${data.value_labels[value]}`;
}

let turn = 0;
let painted = null; // what `slots` and the scene's pictures are of
let slots = null;
async function show() {
  const mine = ++turn;
  setBusy(true);
  const wanted = JSON.stringify({ ...chosen, pointed: null });
  if (wanted !== painted) {
    const image = await pixels(scene().image, 0, 0);
    const found = chosen.moved
      ? await slotsMoved(scene(), chosen.slot, chosen.moved)
      : await slotsOfStep(scene(), chosen.step);
    if (mine !== turn) return; // something else was chosen meanwhile
    [slots, painted, labels] = [found, wanted, largest(found.masks)];
    paintScene(slots, image);
  }
  paintSlot(slots);
  showControls();
  setBusy(false);
}

/** Takes over a choice; what it makes meaningless goes back to rest. */
function choose(changes) {
  if (Object.keys(changes).every((key) => chosen[key] === changes[key])) return;
  Object.assign(chosen, changes);
  if (!("pointed" in changes) && !changes.moved) chosen.moved = null;
  if (changes.moved) chosen.step = lastStep;
  show();
}
