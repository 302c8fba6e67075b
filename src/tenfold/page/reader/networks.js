// The networks of a bundle in onnxruntime-web.

import { bordered } from "./image.js";
import { SIDE } from "./normalization.js";

const SIZE_MULTIPLE_PX = 8; // of what the detector looks at

/** Open a bundle's networks, given the bytes of their ONNX files; `ort` is onnxruntime-web. */
export async function openNetworks(ort, classifier, detector) {
  const open = (model) => ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const [classes, detections] = [await open(classifier), await open(detector)];
  return {
    /** The probabilities of the digits, given an image of 784 bytes. */
    async classify(image) {
      const { probabilities } = await classes.run({ images: new ort.Tensor("uint8", image, [1, SIDE, SIDE]) });
      return Array.from(probabilities.data);
    },
    /** The detections in a plane of bytes that are at least so certain: see detection.js. */
    async detect(grey, minObjectness) {
      const [right, below] = [grey.w, grey.h].map((side) => (SIZE_MULTIPLE_PX - (side % SIZE_MULTIPLE_PX)) % SIZE_MULTIPLE_PX);
      const { w, h, data } = bordered(grey, 0, 0, right, below);
      const outputs = await detections.run({ pixels: new ort.Tensor("uint8", data, [1, h, w]) });
      const row = ({ data: all, dims }, i) => Array.from(all.subarray(i * dims[2], (i + 1) * dims[2]));
      return Array.from(outputs.objectness.data.filter((p) => p >= minObjectness), (objectness, i) => ({
        objectness, classes: row(outputs.classes, i), box: row(outputs.boxes, i), // the most certain first
      }));
    },
  };
}
