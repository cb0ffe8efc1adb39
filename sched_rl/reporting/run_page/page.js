"use strict";
// Hover: one line through all panels, and every legend shows its value there. Without scripts the page shows the last values.
(() => {
  const data = JSON.parse(document.getElementById("curves").textContent);
  const main = document.querySelector("main");
  const readout = document.getElementById("readout");
  const lastText = readout.textContent;
  const cursors = [...document.querySelectorAll(".cursor")];
  const outputs = [...document.querySelectorAll("output[data-series]")].map((output) => ({
    output,
    lastText: output.textContent,
    points: data.series[output.dataset.series],
  }));

  // Index of the entry of an ascending list that lies nearest to a value.
  const nearest = (list, value) => {
    let low = 0;
    let high = list.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (list[middle] <= value) low = middle;
      else high = middle;
    }
    return Math.abs(list[high] - value) < Math.abs(value - list[low]) ? high : low;
  };

  const label = document.createElement("span");
  label.textContent = lastText;
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = data.first;
  slider.max = data.last;
  slider.value = data.last;
  slider.setAttribute("aria-label", data.stepName);
  readout.replaceChildren(label, slider);

  const show = (step) => {
    const x = ((step - data.first) / Math.max(data.last - data.first, 1)) * data.plotWidth;
    for (const cursor of cursors) {
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    for (const { output, points: [steps, values] } of outputs) output.textContent = values[nearest(steps, step)];
    let text = `${data.stepName} ${step.toLocaleString("en")}`;
    const [updates, timesteps] = data.timesteps;
    if (updates.length) text += `, ${timesteps[nearest(updates, step)].toLocaleString("en")} steps`;
    label.textContent = text;
    slider.value = step;
    main.classList.add("hovering");
  };

  const reset = () => {
    main.classList.remove("hovering");
    label.textContent = lastText;
    slider.value = data.last;
    for (const { output, lastText: text } of outputs) output.textContent = text;
  };

  for (const svg of document.querySelectorAll("svg.panel, svg.lanes")) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * data.width - data.left;
      const share = Math.min(Math.max(x / data.plotWidth, 0), 1);
      show(Math.round(data.first + share * (data.last - data.first)));
    });
    svg.addEventListener("pointerleave", reset);
  }
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("blur", reset);

  // A finding under the pointer is shaded in every panel.
  for (const source of document.querySelectorAll("[data-finding]")) {
    const parts = document.querySelectorAll(
      `[data-span="${source.dataset.finding}"], .card[data-finding="${source.dataset.finding}"]`
    );
    const mark = (isShown) => () => parts.forEach((part) => part.classList.toggle("shown", isShown));
    for (const name of ["pointerenter", "focus"]) source.addEventListener(name, mark(true));
    for (const name of ["pointerleave", "blur"]) source.addEventListener(name, mark(false));
  }
})();
