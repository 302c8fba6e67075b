// The tabs of the page: the drawing, and the report of a run.

const byId = (id) => document.getElementById(id);

export function showTabs(reportUrl) {
  const tabs = [byId("tab-draw"), byId("tab-report")];
  const open = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", one === tab);
      one.tabIndex = one === tab ? 0 : -1;
      byId(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    if (tab === tabs[1] && !byId("report").firstChild) {
      const frame = document.createElement("iframe");
      byId("report").append(Object.assign(frame, { title: "The report of a run", src: reportUrl }));
    }
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      open(tabs[1 - i]);
      tabs[1 - i].focus();
    });
  }
  byId("draw").setAttribute("role", "tabpanel");
  byId("draw").setAttribute("aria-labelledby", "tab-draw");
  byId("tabs").hidden = false;
}
