const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const decoded = new Map();

/** The picture at a data address, decoded once. */
function load(address) {
  if (!decoded.has(address)) {
    const picture = new Image();
    picture.src = address;
    decoded.set(address, picture.decode().then(() => picture));
  }
  return decoded.get(address);
}

/** Draws the picture at (column, row) of a sprite. */
function draw(canvas, sprite, column, row) {
  canvas.width = canvas.height = data.side;
  canvas.getContext("2d").drawImage(sprite, -column * data.side, -row * data.side);
}

function thumbnail() {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Radio buttons, for arrow keys and screen readers; fill(label, i) decorates the i-th. */
function buildChoices(name, count, choose, fill) {
  for (let i = 0; i < count; i++) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    label.className = "choice";
    input.type = "radio";
    input.name = name;
    input.id = `${name}-${i}`;
    input.checked = i === 0;
    input.addEventListener("change", () => choose(i));
    label.append(input);
    fill(label, i);
    byId(`${name}s`).append(label);
  }
}

/** "+1.25", "-0.50", "0.00" */
function signed(value, digits = 2) {
  return `${value > 0 ? "+" : ""}${value.toFixed(digits)}`;
}

function nearest(values, value) {
  const distances = values.map((other) => Math.abs(other - value));
  return distances.indexOf(Math.min(...distances));
}

/** Puts a mark over a slider of `data.values`, where the value is within their range. */
function placeMark(mark, value) {
  const [least, most] = [data.values[0], data.values[data.values.length - 1]];
  const share = (value - least) / (most - least || 1);
  mark.style.left = `${100 * share}%`;
  mark.style.visibility = share >= 0 && share <= 1 ? "visible" : "hidden";
}

/** Tells readers of the page, and its tests, whether pictures are still to come. */
function setBusy(busy) {
  byId("main").setAttribute("aria-busy", String(busy));
}
