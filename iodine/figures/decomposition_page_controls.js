// The range of the chart: all means and their standard deviations, of all scenes and iterations.
const reach = data.scenes.reduce((most, { mean, scale }) => {
  mean.flat(2).forEach((m, i) => (most = Math.max(most, Math.abs(m) + (scale ? scale.flat(2)[i] : 0))));
  return most;
}, 1);

/** What is known of a latent of the shown slot; `moved` if a slider set it. */
function latentFacts(i) {
  const [k, step] = [shownSlot(), chosen.step];
  const { mean, scale, kl, movable } = scene();
  const { latent, value } = chosen.moved ?? {};
  if (chosen.moved && k === chosen.slot && data.latents[latent] === i) {
    return { mean: movable.positions[value], moved: data.value_labels[value] };
  }
  return { mean: mean[step][k][i], scale: scale?.[step][k][i], kl: kl?.[step][k][i] };
}

function latentText(i) {
  const { mean, scale, kl, moved } = latentFacts(i);
  if (moved) return `z${i}: moved to ${moved}`;
  if (scale === undefined) return `z${i}: ${signed(mean)}`;
  return `z${i}: ${signed(mean)} \u00b1 ${scale.toFixed(2)}, KL ${kl.toFixed(2)} nats`;
}

function showChart() {
  const percentUp = (value) => 50 + (50 * value) / (1.05 * reach);
  [...byId("chart").children].forEach((column, i) => {
    const { mean, scale = 0, moved } = latentFacts(i);
    const [whisker, dot] = column.children;
    whisker.style.height = `${percentUp(mean + scale) - percentUp(mean - scale)}%`;
    whisker.style.top = `${100 - percentUp(mean + scale)}%`;
    dot.style.top = `${100 - percentUp(mean)}%`;
    dot.classList.toggle("moved", Boolean(moved));
  });
  const most = times(data.num_latents, (i) => i).sort(
    (a, b) => Math.abs(latentFacts(b).mean) - Math.abs(latentFacts(a).mean)
  );
  byId("chart").setAttribute(
    "aria-label",
    `means of the ${data.num_latents} latents of slot ${shownSlot() + 1}; furthest from 0: ` +
      most.slice(0, 3).map(latentText).join("; ")
  );
}

let read = null; // the latent under the pointer
function readLatent(i) {
  read = i;
  byId("reading").textContent = i === null ? "Point at a latent to read it." : latentText(i);
}

function showTable() {
  const cells = (i) => {
    const { mean, scale, kl } = latentFacts(i);
    const numbers = [signed(mean)];
    if (data.has_posterior) numbers.push(scale?.toFixed(2) ?? "moved", kl?.toFixed(2) ?? "");
    return [`z${i}`, ...numbers];
  };
  byId("table-body").replaceChildren(...times(data.num_latents, (i) => tableRow(cells(i), "td")));
}

function tableRow(texts, kind) {
  const row = document.createElement("tr");
  row.append(...texts.map((text) => Object.assign(document.createElement(kind), { textContent: text })));
  return row;
}

function showSliders() {
  byId("moving-heading").textContent = `Move a latent of slot ${chosen.slot + 1}`;
  byId("reset").disabled = chosen.moved === null;
  const { movable, kl } = scene();
  document.querySelectorAll(".mover").forEach((mover, latent) => {
    const [slider, output, mark, small] = ["input", "output", ".mark", "small"].map((kind) =>
      mover.querySelector(kind)
    );
    const found = movable.found[chosen.slot][latent];
    const isMoved = chosen.moved?.latent === latent;
    const text = isMoved ? data.value_labels[chosen.moved.value] : `${signed(found)} SD`;
    slider.value = isMoved ? chosen.moved.value : nearest(data.values, found);
    slider.setAttribute("aria-valuetext", isMoved ? text : `found at ${text}`);
    output.textContent = text;
    mover.classList.toggle("at-rest", !isMoved);
    placeMark(mark, found);
    small.textContent = `KL ${kl[lastStep][chosen.slot][data.latents[latent]].toFixed(1)}`;
  });
}

function showControls() {
  const k = shownSlot();
  const { elbo, kl } = scene();
  byId("slot-panel").style.setProperty("--slot", data.colors[k]);
  byId("moving").style.setProperty("--slot", data.colors[chosen.slot]);
  byId(`slot-${chosen.slot}`).checked = true;
  document.querySelectorAll("#slots label").forEach((label, slot) => {
    label.classList.toggle("shown", slot === k);
  });
  byId("step").value = chosen.step;
  byId("step").setAttribute("aria-valuetext", `iteration ${chosen.step}`);
  byId("step-label").textContent = `${chosen.step} of ${lastStep}`;
  const name = data.has_posterior ? "ELBO" : "log-likelihood";
  byId("elbo").textContent = chosen.moved
    ? `with ${movedText()}`
    : `${name} ${Math.round(elbo[chosen.step]).toLocaleString("en")} nats`;
  byId("slot-name").textContent = `Slot ${k + 1}`;
  const isFound = kl && !(chosen.moved && k === chosen.slot);
  const nats = isFound && kl[chosen.step][k].reduce((sum, part) => sum + part, 0);
  byId("slot-facts").textContent =
    `largest mask in ${percent(k)} of the pixels` + (isFound ? `, KL ${nats.toFixed(1)} nats` : "");
  showChart();
  readLatent(read);
  showTable();
  if (data.latents.length) showSliders();
}

/** Shows the slot under the pointer while it is there. */
function followPointer(element, slotAt) {
  element.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") choose({ pointed: slotAt(event) });
  });
  element.addEventListener("pointerleave", () => choose({ pointed: null }));
}

function buildPictures() {
  const slotAt = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const border = event.currentTarget.clientLeft;
    const place = (offset, length) => {
      const share = (offset - border) / (length - 2 * border);
      return Math.min(Math.max(Math.floor(share * data.side), 0), data.side - 1);
    };
    const row = place(event.clientY - box.top, box.height);
    return labels[row * data.side + place(event.clientX - box.left, box.width)];
  };
  document.querySelectorAll("#pictures canvas").forEach((canvas) => {
    followPointer(canvas, slotAt);
    canvas.addEventListener("click", (event) => choose({ slot: slotAt(event) }));
  });
}

function buildChart() {
  byId("chart").append(
    ...times(data.num_latents, (i) => {
      const column = document.createElement("div");
      column.append(document.createElement("i"), document.createElement("b"));
      column.addEventListener("pointerenter", () => readLatent(i));
      column.addEventListener("pointerleave", () => readLatent(null));
      return column;
    })
  );
  const heads = data.has_posterior ? ["latent", "mean", "SD", "KL (nats)"] : ["latent", "value"];
  byId("table-head").append(tableRow(heads, "th"));
}

function buildSliders() {
  byId("moving").hidden = !data.latents.length;
  data.latents.forEach((index, latent) => {
    const mover = document.createElement("div");
    mover.className = "mover";
    mover.innerHTML =
      `<label for="latent-${latent}">z${index} <small class="quiet"></small></label><div>` +
      `<div class="rail" aria-hidden="true"><div class="mark"></div></div>` +
      `<input type="range" id="latent-${latent}" min="0" max="${data.values.length - 1}" step="1">` +
      `</div><output for="latent-${latent}"></output>`;
    mover.querySelector("input").addEventListener("input", (event) =>
      choose({ moved: { latent, value: Number(event.target.value) } })
    );
    byId("sliders").append(mover);
  });
  byId("reset").addEventListener("click", () => choose({ moved: null }));
}

function build() {
  buildChoices("scene", data.scenes.length, (i) => choose({ scene: i }), (label, i) => {
    const canvas = thumbnail();
    label.append(canvas, data.scenes[i].name);
    load(data.scenes[i].image).then((image) => draw(canvas, image, 0, 0));
  });
  buildChoices("slot", data.colors.length, (slot) => choose({ slot }), (label, k) => {
    label.style.setProperty("--choice", data.colors[k]);
    const share = document.createElement("small");
    share.className = "quiet";
    label.append(thumbnail(), `slot ${k + 1} `, share);
    followPointer(label, () => k);
  });
  byId("steps").hidden = lastStep === 0;
  byId("step").max = lastStep;
  byId("step").addEventListener("input", (event) => choose({ step: Number(event.target.value) }));
  buildPictures();
  buildChart();
  buildSliders();
}

build();
show();
