// Where pictures come from: files that are chosen, pasted or dropped, and the camera.

const byId = (id) => document.getElementById(id);

/** Listen for pictures. @param open called with a file. @param fail called with an error. */
export function addSources(open, fail) {
  for (const id of ["file", "capture"]) {
    byId(id).addEventListener("change", ({ target }) => {
      if (target.files.length) open(target.files[0]);
      target.value = "";
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => openOneOf(clipboardData));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openOneOf(event.dataTransfer);
  });
  addCamera(open, fail);

  function openOneOf(data) {
    const files = [...(data?.files ?? [])];
    const file = files.find(({ type }) => type.startsWith("image/")) ?? files[0];
    if (file) open(file);
  }
}

function addCamera(open, fail) {
  const [viewfinder, video] = [byId("viewfinder"), byId("video")];
  const stop = () => video.srcObject?.getTracks().forEach((track) => track.stop());
  byId("camera").addEventListener("click", async () => {
    if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) {
      byId("capture").click();
      return;
    }
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      await video.play();
      viewfinder.showModal();
    } catch {
      stop();
      fail(new Error("no camera is available to this page"));
    }
  });
  byId("shoot").addEventListener("click", async () => {
    const frame = document.createElement("canvas");
    [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
    frame.getContext("2d").drawImage(video, 0, 0);
    viewfinder.close();
    open(await new Promise((done) => frame.toBlob(done)));
  });
  byId("close").addEventListener("click", () => viewfinder.close());
  viewfinder.addEventListener("close", stop);
}
