// Outlines of what was read, drawn over the picture: of the cells of a grid or table, or of numbers.
//
// An outline is {corners, state, target}: positions [x, y] in pixels of the picture that was read,
// one of the states below, and what a click on it selects.

const SELECTED = { colour: "#0067a3", widthPx: 4 };
const STYLES = { // what lies below comes first
  empty: { colour: "#6b7280", widthPx: 1, dashPx: [2, 3] },
  accepted: { colour: "#00794e", widthPx: 1.5 },
  corrected: { colour: "#0067a3", widthPx: 2.5, fill: "rgb(0 103 163 / 18%)" },
  unsure: { colour: "#c2410c", widthPx: 2.5, fill: "rgb(255 140 0 / 28%)", dashPx: [7, 3] },
};

/** Outlines of boxes around numbers; a click selects the number's first digit. */
export function outlinesOfNumbers(numbers, isCorrected) {
  let first = 0;
  return numbers.map((number) => {
    const [left, top, right, bottom] = number.box;
    const target = first;
    first += number.digits.length;
    const state = isCorrected(number) ? "corrected" : number.accepted ? "accepted" : "unsure";
    return { corners: [[left, top], [right, top], [right, bottom], [left, bottom]], state, target };
  });
}

/** Draw outlines. @param toUnits maps a position to the context's units. @param px one in these units. */
export function drawOutlines(context, outlines, selected, toUnits, px) {
  const stroke = (path, { colour, widthPx, dashPx = [] }) => {
    context.setLineDash(dashPx.map((length) => length * px));
    context.lineWidth = widthPx * px;
    context.strokeStyle = colour;
    context.stroke(path);
  };
  for (const [state, style] of Object.entries(STYLES)) {
    for (const { corners } of outlines.filter((one) => one.state === state)) {
      const path = pathOf(corners, toUnits);
      if (style.fill) {
        context.fillStyle = style.fill;
        context.fill(path);
      }
      stroke(path, style);
    }
  }
  const chosen = outlines.find(({ target }) => target === selected);
  if (chosen) {
    const path = pathOf(chosen.corners, toUnits);
    stroke(path, { colour: "#fff", widthPx: SELECTED.widthPx + 3 });
    stroke(path, SELECTED);
  }
  context.setLineDash([]);
}

/** The outline around a position in units, or undefined. */
export function outlineAt(outlines, { x, y }, toUnits) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  return outlines.find(({ corners }) => context.isPointInPath(pathOf(corners, toUnits), x, y));
}

function pathOf(corners, toUnits) {
  const path = new Path2D();
  for (const corner of corners) path.lineTo(...toUnits(corner));
  path.closePath();
  return path;
}
