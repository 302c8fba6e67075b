// Limits of what is read in one picture: its time and memory are bounded.

export const CONFIG = {
  maxComponents: 2500, // connected components of a digit's size
  maxLines: 256, // of digits
  maxCrops: 4096, // digits of all candidate splits
  maxBoxAreaPx: 40_000_000, // sum of the areas of boxes, large where they lie in each other
};

/** Throw an error if a picture has more than `limit` of something. */
export function checkCount(count, limit, what) {
  if (count > limit) throw new Error(`more than ${limit} ${what}: crop the picture to its digits`);
}

/** Throw an error if boxes lie in each other more than those of digits do. */
export function checkArea(area) {
  if (area > CONFIG.maxBoxAreaPx) throw new Error("too many marks lie in each other: crop the picture to its digits");
}

/** A function that counts crops {w, h}, and throws an error if there are too many. */
export function cropCounter() {
  let [count, area] = [0, 0];
  return (crops) => {
    for (const { w, h } of crops) {
      count++;
      area += w * h;
    }
    checkCount(count, CONFIG.maxCrops, "possible digits");
    checkArea(area);
  };
}
